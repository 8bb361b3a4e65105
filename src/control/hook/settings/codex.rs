//! PURE. Codex: `hooks.json`.

use super::text::Node;
use super::{Manner, Obstacle};

/// All that Codex knows at the top of this file. With anything else there it drops the whole file.
const TOP: [&str; 2] = ["description", "hooks"];

pub(super) const MANNER: Manner = Manner {
    // PreToolUse holds and refuses calls. No hook ends a turn of Codex that runs (PostToolUse and those around model
    // requests change nothing), but UserPromptSubmit keeps the next one from beginning.
    events: &["PreToolUse", "UserPromptSubmit"],
    second: 1,
    name: None,
    comments: false,
    expands_dollar: false,
    obstacle,
    notes: &[
        "Codex skips a hook without a word until you have trusted it: run `codex`, then /hooks, and trust these there; \
         for `codex exec` in a script there is --dangerously-bypass-hook-trust. Whether it is trusted can't be seen from \
         outside; when the hook runs, the run shows up in redkey with the key `hooked`. Any change makes it untrusted again",
        "a hook can refuse Codex's calls but can't end a turn",
    ],
};

fn obstacle(root: &Node) -> Option<Obstacle> {
    let other = root.members()?.iter().find(|member| !TOP.contains(&member.key.as_str()))?;
    Some(Obstacle {
        at: other.start,
        what: format!(
            "Codex drops a hooks.json that has anything but `hooks` at its top, and this has `{}`",
            other.key
        ),
    })
}
