//! Facts of control, both ways.

use super::run_id;
use crate::domain::event::Key;
use crate::domain::policy::Caps;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Hold};
use crate::record::format::fact::{CapsRec, FactRec, HoldRec};
use crate::record::format::{Hex, Words};

pub(super) fn record(fact: &Fact) -> FactRec {
    let name = |run: &crate::domain::event::RunId| Text::new(&run.to_string());
    let words = |text: &Text| Words(text.clone());
    match fact {
        Fact::Budget { run, budget, caps, label, by } => FactRec::Budget {
            run: name(run),
            budget: budget.map(|span| span.0),
            caps: caps.as_ref().map(caps_record),
            label: words(label),
            by: words(by),
        },
        Fact::Grant { run, key, amount, by, reason, at } => FactRec::Grant {
            run: name(run),
            key: Hex(key.0),
            ms: amount.0,
            by: words(by),
            reason: words(reason),
            at: at.0,
        },
        Fact::Hold(hold) => FactRec::Hold(Box::new(HoldRec {
            run: name(&hold.run),
            key: hold.key,
            why: words(&hold.why),
            leader: hold.leader,
            socket: hold.socket.as_ref().map(words),
            grade: hold.grade,
            status: hold.status.clone(),
        })),
        Fact::Lost { run } => FactRec::Lost { run: name(run) },
        Fact::Stopped { run, stop } => FactRec::Stopped { run: name(run), stop: stop.clone() },
        Fact::Gates(gates) => FactRec::Gates(gates.clone()),
        Fact::Audit(trouble) => FactRec::Audit(trouble.as_ref().map(words)),
        Fact::Note { run, text } => FactRec::Note { run: run.as_ref().map(name), text: words(text) },
    }
}

/// `None`: it is about a run of an agent that only a newer redkey knows.
pub(super) fn live(fact: FactRec) -> Option<Fact> {
    let id = |name: &Text| run_id(name.as_str());
    Some(match fact {
        FactRec::Budget { run, budget, caps, label, by } => Fact::Budget {
            run: id(&run)?,
            budget: budget.map(Span),
            caps: caps.map(caps_live),
            label: label.0,
            by: by.0,
        },
        FactRec::Grant { run, key, ms, by, reason, at } => {
            Fact::Grant { run: id(&run)?, key: Key(key.0), amount: Span(ms), by: by.0, reason: reason.0, at: Stamp(at) }
        }
        FactRec::Hold(hold) => Fact::Hold(Hold {
            run: id(&hold.run)?,
            key: hold.key,
            why: hold.why.0,
            leader: hold.leader,
            socket: hold.socket.map(|words| words.0),
            grade: hold.grade,
            status: hold.status,
        }),
        FactRec::Lost { run } => Fact::Lost { run: id(&run)? },
        FactRec::Stopped { run, stop } => Fact::Stopped { run: id(&run)?, stop },
        FactRec::Gates(gates) => Fact::Gates(gates),
        FactRec::Audit(trouble) => Fact::Audit(trouble.map(|words| words.0)),
        FactRec::Note { run, text } => {
            let run = match run {
                Some(name) => Some(id(&name)?),
                None => None,
            };
            Fact::Note { run, text: text.0 }
        }
    })
}

fn caps_record(caps: &Caps) -> CapsRec {
    let Caps { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall } = *caps;
    let (usd, wall) = (usd.map(|usd| usd.to_string()), wall.map(|span| span.0));
    CapsRec { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall }
}

fn caps_live(caps: CapsRec) -> Caps {
    let CapsRec { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall } = caps;
    let (usd, wall) = (usd.and_then(|usd| usd.parse().ok()), wall.map(Span));
    Caps { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall }
}
