//! Where the agents keep what they write, by their own environment variables and defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::domain::event::Agent;

/// The part of the environment that says where agents keep their files. Read once; tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Env {
    pub home: Option<PathBuf>,
    pub claude_config_dir: Option<PathBuf>,
    pub codex_home: Option<PathBuf>,
    pub gemini_cli_home: Option<PathBuf>,
    pub qwen_home: Option<PathBuf>,
    pub pi_coding_agent_dir: Option<PathBuf>,
    pub xdg_data_home: Option<PathBuf>,
    pub xdg_state_home: Option<PathBuf>,
}

impl Env {
    /// The process's own environment.
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// A variable that is empty counts as absent.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let var = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG rules: what is not absolute is to be ignored.
        let xdg = |name| var(name).filter(|path| path.is_absolute());
        Self {
            home: var("HOME"),
            claude_config_dir: var("CLAUDE_CONFIG_DIR"),
            codex_home: var("CODEX_HOME"),
            gemini_cli_home: var("GEMINI_CLI_HOME"),
            qwen_home: var("QWEN_HOME"),
            pi_coding_agent_dir: var("PI_CODING_AGENT_DIR"),
            xdg_data_home: xdg("XDG_DATA_HOME"),
            xdg_state_home: xdg("XDG_STATE_HOME"),
        }
    }

    /// The directories to look in, in the order of [`Agent::ALL`].
    pub fn roots(&self) -> Vec<Root> {
        let mut roots = Vec::new();
        let mut add = |agent, layout, path: Option<PathBuf>| {
            if let Some(path) = path {
                roots.push(Root { agent: Some(agent), path, layout });
            }
        };
        let home = |rest: &str| self.home.as_ref().map(|home| home.join(rest));
        let under = |dir: &Option<PathBuf>, rest: &str| dir.as_ref().map(|dir| dir.join(rest));

        let claude = under(&self.claude_config_dir, "projects");
        if claude.is_none() {
            // Some versions kept it here; looked at only if it is there.
            add(Agent::Claude, Layout::Claude, home(".config/claude/projects").filter(|path| path.is_dir()));
        }
        add(Agent::Claude, Layout::Claude, claude.or_else(|| home(".claude/projects")));
        let codex = self.codex_home.clone().or_else(|| home(".codex"));
        add(Agent::Codex, Layout::Codex, under(&codex, "sessions"));
        add(Agent::Codex, Layout::Codex, under(&codex, "archived_sessions").filter(|path| path.is_dir()));
        let gemini = under(&self.gemini_cli_home, ".gemini").or_else(|| home(".gemini"));
        add(Agent::Gemini, Layout::Chats, under(&gemini, "tmp"));
        let opencode = self.xdg_data_home.clone().or_else(|| home(".local/share"));
        add(Agent::Opencode, Layout::Opencode, under(&opencode, "opencode"));
        let pi = self.pi_coding_agent_dir.clone().or_else(|| home(".pi/agent"));
        add(Agent::Pi, Layout::Folders, under(&pi, "sessions"));
        let qwen = self.qwen_home.clone().or_else(|| home(".qwen"));
        add(Agent::Qwen, Layout::Chats, under(&qwen, "projects"));
        add(Agent::Qwen, Layout::Chats, under(&qwen, "tmp").filter(|path| path.is_dir()));
        let state = self.xdg_state_home.clone().or_else(|| home(".local/state"));
        add(Agent::Native, Layout::Flat, under(&state, "redkey/runs"));
        // Of runs that redkey started and whose agent keeps nothing itself.
        add(Agent::Native, Layout::Flat, under(&state, "redkey/streams"));
        roots
    }
}

/// A directory to look in for runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whose directory it is; `None`: the user named it.
    pub agent: Option<Agent>,
    pub path: PathBuf,
    pub layout: Layout,
}

/// How the files of a directory are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `PROJECT/SESSION.jsonl`, and below `PROJECT/SESSION/subagents/`.
    Claude,
    /// `YYYY/MM/DD/rollout-*.jsonl`, or flat.
    Codex,
    /// `PROJECT/chats/*.jsonl` (older: `session-*.json`), and one level below `chats`.
    Chats,
    /// `FOLDER/*.jsonl`.
    Folders,
    /// `*.jsonl`.
    Flat,
    /// `opencode*.db`.
    Opencode,
    /// Anything that a user points at.
    Named,
}

/// Endings of files that are looked into when a user names a directory.
const ENDINGS: [&str; 5] = ["jsonl", "ndjson", "json", "log", "db"];

impl Layout {
    /// Whether to look into the directory `name`, which stands `depth` levels below the root (0: directly in it).
    pub fn enters(self, depth: usize, name: &str) -> bool {
        match self {
            Layout::Claude => depth < 2 || (depth == 2 && name == "subagents") || (3..8).contains(&depth),
            Layout::Codex => depth < 3,
            Layout::Chats => depth == 0 || (depth == 1 && name == "chats") || depth == 2,
            Layout::Folders => depth == 0,
            Layout::Flat | Layout::Opencode => false,
            Layout::Named => depth < 32 && name != ".git" && name != "node_modules",
        }
    }

    /// Whether the file `name`, `depth` levels below the root, is one that may tell of a run.
    pub fn takes(self, depth: usize, name: &str) -> bool {
        let ending = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or("");
        let is_lines = ending == "jsonl";
        match self {
            Layout::Claude => is_lines && depth != 0 && depth != 2,
            Layout::Codex => is_lines && name.starts_with("rollout-"),
            Layout::Chats => (2..=3).contains(&depth) && (is_lines || is_document(name)),
            Layout::Folders => is_lines && depth < 2,
            Layout::Flat => is_lines && depth == 0,
            Layout::Opencode => depth == 0 && name.starts_with("opencode") && ending == "db",
            Layout::Named => ENDINGS.contains(&ending),
        }
    }
}

/// Older Gemini versions keep a chat as one JSON document, written anew with every message.
pub fn is_document(name: &str) -> bool {
    name.starts_with("session-") && name.ends_with(".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(env: &Env) -> Vec<String> {
        env.roots().iter().map(|root| root.path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn defaults_are_under_home() {
        let env = Env { home: Some("/h".into()), ..Env::default() };
        assert_eq!(
            paths(&env),
            [
                "/h/.claude/projects",
                "/h/.codex/sessions",
                "/h/.gemini/tmp",
                "/h/.local/share/opencode",
                "/h/.pi/agent/sessions",
                "/h/.qwen/projects",
                "/h/.local/state/redkey/runs",
                "/h/.local/state/redkey/streams",
            ]
        );
        assert!(Env::default().roots().is_empty());
    }

    #[test]
    fn the_agents_own_variables_win_and_empty_or_relative_ones_do_not_count() {
        let env = Env::from_lookup(|name| {
            let value = match name {
                "HOME" => "/h",
                "CLAUDE_CONFIG_DIR" => "/c",
                "CODEX_HOME" => "/x",
                "GEMINI_CLI_HOME" => "/g",
                "PI_CODING_AGENT_DIR" => "/p",
                "QWEN_HOME" => "",
                "XDG_DATA_HOME" => "relative",
                "XDG_STATE_HOME" => "/s",
                _ => return None,
            };
            Some(value.into())
        });
        assert_eq!(
            paths(&env),
            [
                "/c/projects",
                "/x/sessions",
                "/g/.gemini/tmp",
                "/h/.local/share/opencode",
                "/p/sessions",
                "/h/.qwen/projects",
                "/s/redkey/runs",
                "/s/redkey/streams",
            ]
        );
    }
}
