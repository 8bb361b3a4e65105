//! PURE. What redkey knows of each agent in order to stop it: one table. How to read it: a run is stopped by asking the
//! agent over its [`Channel`], if it has one; then by [`Knowledge::first`] to [`Knowledge::aim`]; then by whatever the
//! ladder has left. All of it was measured, none of it is trusted: the end of a run is proven by the kernel alone.

mod argv;

use std::ffi::OsStr;

use super::ladder::Aim;
use super::words::Rung;
use crate::domain::event::Agent;
use crate::domain::time::Span;
use argv::Invocation;

/// What is known of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// `None`: any other program.
    pub agent: Option<Agent>,
    /// The signal that makes it clean up after itself best.
    pub first: Rung,
    /// Who gets it. The group for nearly all: what was started is often a launcher (a package runner, a script under
    /// node) that keeps the signal to itself.
    pub aim: Aim,
    /// How long it needs to end by itself after [`Knowledge::first`], at most as measured.
    pub ends_within: Span,
    /// Its tools live on after [`Knowledge::first`]: they are in sessions of their own, and nobody tells them.
    pub leaves_tools: bool,
    /// What runs the model and the tools is a child of the process that was started, always.
    pub launcher: bool,
    /// Variables that only processes of this agent have: their names. What is started by its tools inherits them.
    pub marks: &'static [&'static str],
    /// The one of them whose value is the session's id.
    pub session_mark: Option<&'static str>,
    /// The one of them whose value is the process id of the agent.
    pub pid_mark: Option<&'static str>,
    /// Names of its program.
    pub programs: &'static [&'static str],
    /// Packages that hold it, as a package runner names them and as `node_modules` has them.
    pub packages: &'static [&'static str],
    /// Flags with which nothing of the session is written to disk.
    pub unwritten: &'static [&'static str],
}

const UNKNOWN: Knowledge = Knowledge {
    agent: None,
    first: Rung::Int,
    aim: Aim::Group,
    ends_within: Span(500),
    leaves_tools: true,
    launcher: false,
    marks: &[],
    session_mark: None,
    pid_mark: None,
    programs: &[],
    packages: &[],
    unwritten: &[],
};

/// In the order of [`Agent::ALL`].
const KNOWN: [Knowledge; 7] = [
    Knowledge {
        agent: Some(Agent::Claude),
        // TERM kills the tools as well, but leaves neither a mark in the transcript nor a `result`.
        ends_within: Span(1_600),
        leaves_tools: false,
        marks: &["CLAUDE_CODE_SESSION_ID", "CLAUDE_PID", "CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT"],
        session_mark: Some("CLAUDE_CODE_SESSION_ID"),
        pid_mark: Some("CLAUDE_PID"),
        programs: &["claude"],
        packages: &["@anthropic-ai/claude-code"],
        unwritten: &["--no-session-persistence"],
        ..UNKNOWN
    },
    Knowledge {
        agent: Some(Agent::Codex),
        // After any other signal its grandchildren live on.
        ends_within: Span(40),
        leaves_tools: false,
        marks: &["CODEX_THREAD_ID", "CODEX_SESSION_ID"],
        session_mark: Some("CODEX_THREAD_ID"),
        programs: &["codex"],
        packages: &["@openai/codex"],
        unwritten: &["--ephemeral"],
        ..UNKNOWN
    },
    Knowledge {
        agent: Some(Agent::Gemini),
        first: Rung::Term,
        ends_within: Span(130),
        launcher: true,
        marks: &["GEMINI_CLI", "GEMINI_CLI_NO_RELAUNCH"],
        programs: &["gemini"],
        packages: &["@google/gemini-cli"],
        ..UNKNOWN
    },
    Knowledge {
        agent: Some(Agent::Opencode),
        ends_within: Span(200),
        marks: &["OPENCODE_PID", "OPENCODE"],
        pid_mark: Some("OPENCODE_PID"),
        programs: &["opencode"],
        packages: &["opencode-ai"],
        ..UNKNOWN
    },
    Knowledge {
        agent: Some(Agent::Pi),
        // INT leaves the tools.
        first: Rung::Term,
        ends_within: Span(40),
        leaves_tools: false,
        marks: &["PI_CODING_AGENT"],
        programs: &["pi"],
        packages: &["@mariozechner/pi-coding-agent", "@earendil-works/pi-coding-agent"],
        unwritten: &["--no-session"],
        ..UNKNOWN
    },
    Knowledge {
        agent: Some(Agent::Qwen),
        first: Rung::Term,
        ends_within: Span(400),
        leaves_tools: false,
        launcher: true,
        marks: &["QWEN_CODE", "QWEN_CODE_NO_RELAUNCH"],
        programs: &["qwen"],
        packages: &["@qwen-code/qwen-code"],
        unwritten: &["--no-chat-recording", "--chat-recording=false"],
        ..UNKNOWN
    },
    // A program that tells its own events; it can't be told by its command line.
    Knowledge { agent: Some(Agent::Native), ..UNKNOWN },
];

/// What is known of `agent`; of any other program: INT to its group.
pub fn of(agent: Option<Agent>) -> &'static Knowledge {
    KNOWN.iter().find(|known| known.agent == agent).unwrap_or(&UNKNOWN)
}

/// Which agent a command line starts: by the program's name, or by what a package runner, node, a wrapper such as
/// `env` or `timeout`, or `sh -c` with a single command would start.
pub fn recognise<S: AsRef<OsStr>>(argv: &[S]) -> Option<Agent> {
    Invocation::read(argv).map(|found| found.agent)
}

/// The agent that a program's or a package's name means.
fn by_name(name: &str) -> Option<Agent> {
    KNOWN.iter().find(|known| known.programs.contains(&name)).and_then(|known| known.agent)
}

fn by_package(package: &str) -> Option<Agent> {
    KNOWN.iter().find(|known| known.packages.contains(&package)).and_then(|known| known.agent)
}

/// A way to ask the agent itself to stop working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `control_request` on standard input.
    Claude,
    /// JSON-RPC of `codex app-server` on standard input.
    Codex,
    /// Commands of `pi --mode rpc` on standard input.
    Pi,
    /// The Agent Client Protocol on standard input.
    Acp,
    /// The server inside opencode, wherever it listens.
    OpencodeHttp,
}

impl Channel {
    /// It goes through the agent's standard input and output, which must then pass through redkey.
    pub fn is_piped(self) -> bool {
        self != Channel::OpencodeHttp
    }
}

/// How the agent started by this command line can be asked to stop, if at all.
pub fn channel<S: AsRef<OsStr>>(agent: Agent, argv: &[S]) -> Option<Channel> {
    let found = Invocation::read(argv).filter(|found| found.agent == agent)?;
    match agent {
        Agent::Claude => (found.value("--input-format") == Some("stream-json")).then_some(Channel::Claude),
        Agent::Codex => codex_channel(&found),
        Agent::Pi => (found.value("--mode") == Some("rpc")).then_some(Channel::Pi),
        Agent::Gemini | Agent::Qwen => {
            (found.is_set("--acp") || found.is_set("--experimental-acp")).then_some(Channel::Acp)
        }
        Agent::Opencode => opencode_channel(&found),
        Agent::Native => None,
    }
}

/// Options of codex that take a value and may stand before the subcommand.
const CODEX_VALUED: [&str; 14] = [
    "-c",
    "--config",
    "--enable",
    "--disable",
    "-m",
    "--model",
    "-p",
    "--profile",
    "-s",
    "--sandbox",
    "-C",
    "--cd",
    "-a",
    "--ask-for-approval",
];

fn codex_channel(found: &Invocation) -> Option<Channel> {
    let at = found.subcommand("app-server", &CODEX_VALUED)?;
    let tools = ["daemon", "proxy", "generate-ts", "generate-json-schema", "help"];
    if found.args[at..].iter().any(|word| tools.contains(&word.as_str())) {
        return None;
    }
    found.value("--listen").is_none_or(|url| url == "stdio://").then_some(Channel::Codex)
}

/// Which port it will listen on isn't told by the command line alone: it takes another where that is in use.
fn opencode_channel(found: &Invocation) -> Option<Channel> {
    let valued = ["--log-level", "--port", "--hostname", "--mdns-domain", "--cors"];
    if found.subcommand("acp", &valued).is_some() {
        return Some(Channel::Acp);
    }
    let serves = ["serve", "web"].iter().any(|name| found.subcommand(name, &valued).is_some());
    // On its own screen it listens only when it is told to.
    let shows = found.word(&valued).is_none_or(|word| !OPENCODE_COMMANDS.contains(&word));
    let told = found.value("--port").is_some() || found.value("--hostname").is_some() || found.is_set("--mdns");
    (serves || shows && told).then_some(Channel::OpencodeHttp)
}

/// Commands of opencode; any other word is the directory that its screen is to be opened in.
const OPENCODE_COMMANDS: [&str; 21] = [
    "completion",
    "acp",
    "mcp",
    "attach",
    "run",
    "debug",
    "providers",
    "auth",
    "agent",
    "upgrade",
    "uninstall",
    "models",
    "stats",
    "export",
    "import",
    "github",
    "pr",
    "session",
    "plugin",
    "db",
    "help",
];

/// Does the agent started by this command line keep a transcript on disk? If not, its output is all there is to read.
pub fn writes_transcript<S: AsRef<OsStr>>(agent: Agent, argv: &[S]) -> bool {
    let Some(found) = Invocation::read(argv).filter(|found| found.agent == agent) else { return true };
    if agent == Agent::Qwen && found.value("--chat-recording") == Some("false") {
        return false;
    }
    !of(Some(agent)).unwritten.iter().any(|flag| found.args.iter().any(|word| word == flag))
}

#[cfg(test)]
mod tests;
