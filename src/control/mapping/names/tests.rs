use super::*;

fn name(comm: &str, exe: &str, argv: &[&str]) -> Option<Agent> {
    let argv: Vec<String> = argv.iter().map(|arg| (*arg).to_owned()).collect();
    recognise(comm, (!exe.is_empty()).then_some(exe), &argv)
}

#[test]
fn agents_are_known_by_what_they_are_called() {
    let modules = "/usr/lib/node_modules";
    let table: &[(&str, &str, &[&str], Option<Agent>)] = &[
        ("claude", "claude", &["claude", "-p", "x"], Some(Agent::Claude)),
        ("claude", "2.1.330", &["/home/u/.local/bin/claude"], Some(Agent::Claude)),
        ("claude", "node", &["claude"], Some(Agent::Claude)),
        ("codex", "codex", &["codex", "exec"], Some(Agent::Codex)),
        ("opencode", "opencode", &["opencode", "run"], Some(Agent::Opencode)),
        ("opencode", ".opencode", &["/home/u/.opencode/bin/opencode"], Some(Agent::Opencode)),
        ("pi", "node", &["pi"], Some(Agent::Pi)),
        ("pi", "pi", &["pi"], Some(Agent::Pi)),
        ("node", "node", &["node", "/usr/bin/gemini", "-p", "x"], Some(Agent::Gemini)),
        (
            "node",
            "node",
            &["/usr/bin/node", "--max-old-space-size=1", "/x/gemini-cli/bundle/gemini.js"],
            Some(Agent::Gemini),
        ),
        ("MainThread", "node", &["node", "/x/@google/gemini-cli/dist/index.js"], Some(Agent::Gemini)),
        ("node-MainThread", "node", &["node", "/usr/bin/qwen"], Some(Agent::Qwen)),
        ("node", "node22", &["node", "-r", "/x/claude", "/x/qwen-code/cli.js"], Some(Agent::Qwen)),
        ("node", "node", &["node", "/x/@mariozechner/pi-coding-agent/dist/cli.js"], Some(Agent::Pi)),
        ("bun", "bun", &["bun", "run", "/x/claude-code/cli.js"], Some(Agent::Claude)),
        // What merely speaks of one.
        ("vim", "vim", &["vim", "/usr/bin/gemini"], None),
        ("node", "node", &["node", "server.js", "/usr/bin/gemini"], None),
        ("node", "node", &["node", "-e", "gemini"], None),
        ("node", "node", &["node", "/x/other/cli.js"], None),
        ("node", "node", &["node"], None),
        ("node", "node", &[], None),
        ("pi", "python3", &["python3", "/home/u/pi"], None),
        ("native", "native", &["native"], None),
        ("nodemon", "node", &["node", "/usr/bin/gemini"], None),
        ("bash", "bash", &["bash", "-c", "claude"], None),
    ];
    for (comm, exe, argv, agent) in table {
        assert_eq!(name(comm, exe, argv), *agent, "{comm} {exe} {argv:?}");
    }
    assert_eq!(name("node", "", &["node", &format!("{modules}/@qwen-code/qwen-code/cli.js")]), Some(Agent::Qwen));
}
