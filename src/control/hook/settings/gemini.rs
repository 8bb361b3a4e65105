//! PURE. Gemini CLI: `settings.json`.

use super::text::{Kind, Node};
use super::{Manner, Obstacle};

/// By which Gemini's `/hooks` lists it, and by which it can be turned off.
pub(super) const NAME: &str = "redkey";

pub(super) const MANNER: Manner = Manner {
    // BeforeTool holds and refuses calls and can end the run. AfterTool ends it when the call in hand is over, before the
    // model is asked again. BeforeAgent keeps a stopped run from being talked on.
    events: &["BeforeTool", "AfterTool", "BeforeAgent"],
    second: 1_000,
    name: Some(NAME),
    comments: true,
    // `$NAME` in its settings is replaced by the variable.
    expands_dollar: true,
    obstacle,
    notes: &[
        "versions of Gemini CLI before 0.27 run hooks only with `hooksConfig.enabled` (or `tools.enableHooks`) on",
    ],
};

fn obstacle(root: &Node) -> Option<Obstacle> {
    let config = root.get("hooksConfig")?;
    if let Some(enabled) = config.get("enabled").filter(|on| on.kind == Kind::Plain("false".into())) {
        let what = "`hooksConfig.enabled` is false, so Gemini CLI runs no hook at all".into();
        return Some(Obstacle { at: enabled.start, what });
    }
    let names = config.get("disabled")?.items()?;
    let named =
        names.iter().find(|name| name.text().is_some_and(|name| name == NAME || name.contains(" hook run gemini")))?;
    Some(Obstacle { at: named.start, what: "redkey's hook is named in `hooksConfig.disabled`".into() })
}
