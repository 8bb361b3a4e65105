//! What a meter is started with.

use std::path::PathBuf;
use std::sync::Arc;

use super::core::Config;
use super::stream::Told;
use crate::control::audit::Audit;
use crate::control::words::{AtZero, ProcId};
use crate::domain::event::Agent;
use crate::domain::policy::Caps;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::record::store::Recording;
use crate::sources::Env;

/// What a meter needs.
pub struct MeterSetup {
    pub rules: Arc<Rules>,
    pub prices: Arc<Prices>,
    pub env: Env,
    /// redkey's state directory: the record, and the streams.
    pub state: PathBuf,
    /// The name of the run's socket.
    pub run: Text,
    /// The process below which the run's processes are: its supervisor. `None`: redkey did not start it.
    pub root: Option<ProcId>,
    /// The session, where it is known: of a run that only its hook holds. With its transcript, where the hook says it.
    pub session: Option<(Agent, Text, Option<PathBuf>)>,
    /// What the command looks like.
    pub agent: Option<Agent>,
    pub command: Text,
    pub cwd: Text,
    pub label: Text,
    pub budget: Option<Span>,
    pub caps: Option<Caps>,
    pub at_zero: AtZero,
    pub started: Stamp,
    /// The name of the user whose run this is.
    pub user: Text,
    /// The log that this process writes for the run's others: they hear whether it can be written.
    pub log: Option<Audit>,
    /// Where it is recorded; `None`: it isn't.
    pub record: Option<Recording>,
}

impl MeterSetup {
    pub(super) fn config(&self) -> Config {
        Config {
            run: self.run.clone(),
            cwd: self.cwd.clone(),
            at_zero: self.at_zero,
            hooked: self.session.is_some(),
            budget: self.budget,
            caps: self.caps,
            started: self.started,
            user: self.user.clone(),
            salt: salt(),
        }
    }

    pub(super) fn told(&self) -> Told {
        Told {
            command: self.command.clone(),
            cwd: self.cwd.clone(),
            label: self.label.clone(),
            budget: self.budget,
            started: self.started,
        }
    }
}

/// A number that nobody outside can know.
fn salt() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
