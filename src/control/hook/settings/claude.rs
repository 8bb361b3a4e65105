//! PURE. Claude Code: `settings.json`.

use super::text::{Kind, Node};
use super::{Manner, Obstacle};

pub(super) const MANNER: Manner = Manner {
    // PreToolUse holds and refuses calls; no other event can. A stop or a zero that falls into a running call ends the
    // run when that call is over (PostToolUse), before the model is asked again and paid again. UserPromptSubmit keeps a
    // stopped run from being talked on. Stop and SubagentStop: refusing there makes the agent go on. SubagentStart: a
    // subagent's calls are asked about one by one, and so is the call that starts it.
    events: &["PreToolUse", "PostToolUse", "UserPromptSubmit"],
    second: 1,
    name: None,
    comments: true,
    expands_dollar: false,
    obstacle,
    notes: &["sessions that are running take it up when they read their settings again, at the latest when restarted"],
};

fn obstacle(root: &Node) -> Option<Obstacle> {
    let off = root.get("disableAllHooks")?;
    (off.kind == Kind::Plain("true".into())).then(|| Obstacle {
        at: off.start,
        what: "`disableAllHooks` is true, so Claude Code runs no hook at all".into(),
    })
}
