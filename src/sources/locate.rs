//! Finds the file of one session, by the names that the agents give to their files.

use std::path::{Path, PathBuf};

use super::env::Env;
use super::walk::walk;
use crate::domain::event::{Agent, RunId};

/// The session's own file (those of its subagents are found from there), or nothing: it isn't written yet, or is a
/// part of a database.
pub fn locate(env: &Env, id: &RunId) -> Vec<PathBuf> {
    let roots = env.roots().into_iter().filter(|root| root.agent == Some(id.agent));
    let files = roots.flat_map(|root| walk(&root).files).map(|file| file.path);
    files.filter(|path| is_named(path, id)).collect()
}

fn is_named(path: &Path, id: &RunId) -> bool {
    let session = &*id.session;
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return false };
    match id.agent {
        Agent::Claude | Agent::Native => stem == session,
        Agent::Codex | Agent::Pi => stem.ends_with(session),
        // A chat's file has the first characters of the id, or is called after it.
        Agent::Gemini | Agent::Qwen => {
            let short = session.get(..8).unwrap_or(session);
            stem == session || (stem.starts_with("session-") && stem.ends_with(&format!("-{short}")))
        }
        Agent::Opencode => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_the_names_their_agents_give() {
        let id = "0f3a1b2c-aaaa-4bbb-8ccc-1234567890ab";
        for (agent, path, found) in [
            (Agent::Claude, format!("/p/x/{id}.jsonl"), true),
            (Agent::Claude, format!("/p/x/{id}/subagents/agent-1.jsonl"), false),
            (Agent::Codex, format!("/s/2026/01/02/rollout-2026-01-02T03-04-05-{id}.jsonl"), true),
            (Agent::Gemini, "/t/x/chats/session-2026-01-02T03-04-0f3a1b2c.jsonl".into(), true),
            (Agent::Gemini, "/t/x/chats/session-2026-01-02T03-04-0f3a1b2d.jsonl".into(), false),
            (Agent::Qwen, format!("/p/x/chats/{id}.jsonl"), true),
            (Agent::Pi, format!("/s/--x--/2026-01-02T03-04-05-678Z_{id}.jsonl"), true),
        ] {
            assert_eq!(is_named(Path::new(&path), &RunId::new(agent, id)), found, "{path}");
        }
    }
}
