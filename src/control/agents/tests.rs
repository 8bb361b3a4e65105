use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_agent_has_its_row() {
    for agent in Agent::ALL {
        assert_eq!(of(Some(agent)).agent, Some(agent));
        assert!(matches!(of(Some(agent)).first, Rung::Int | Rung::Term));
    }
    assert_eq!(of(None).agent, None);
    assert_eq!((of(None).first, of(None).aim), (Rung::Int, Aim::Group));
    for known in &KNOWN {
        for mark in [known.session_mark, known.pid_mark].into_iter().flatten() {
            assert!(known.marks.contains(&mark), "{mark}");
        }
    }
}

#[test]
fn command_lines_name_their_agent() {
    use Agent::*;
    let table = [
        ("claude", Some(Claude)),
        ("/usr/local/bin/claude -p hello", Some(Claude)),
        ("claude.exe", Some(Claude)),
        ("npx @anthropic-ai/claude-code -p x", Some(Claude)),
        ("npx -y @anthropic-ai/claude-code@2.1.330 -p x", Some(Claude)),
        ("npx -p @openai/codex codex exec", Some(Codex)),
        ("npx --yes --package @openai/codex -- codex exec", Some(Codex)),
        ("npm exec @google/gemini-cli -- --acp", Some(Gemini)),
        ("pnpm dlx @qwen-code/qwen-code", Some(Qwen)),
        ("bunx opencode-ai@latest run x", Some(Opencode)),
        ("bun x opencode-ai run x", Some(Opencode)),
        ("node /opt/node_modules/@google/gemini-cli/bundle/gemini.js", Some(Gemini)),
        (
            "node --no-warnings -r ./x.js /opt/node_modules/@mariozechner/pi-coding-agent/dist/cli.js --mode rpc",
            Some(Pi),
        ),
        ("node --max-old-space-size=4096 /usr/local/bin/qwen", Some(Qwen)),
        ("node /a/node_modules/x/node_modules/@openai/codex/bin/codex.js", Some(Codex)),
        ("env -i A=b C=d claude -p x", Some(Claude)),
        ("env -u HOME -- codex", Some(Codex)),
        ("nice -n 10 timeout -k 5 60 codex exec", Some(Codex)),
        ("timeout --signal=INT 1h nohup pi -p x", Some(Pi)),
        ("setsid -w stdbuf -oL gemini", Some(Gemini)),
        ("vim", None),
        ("node", None),
        ("node server.js", None),
        ("npx", None),
        ("npx cowsay claude", None),
        ("env", None),
        ("env A=b", None),
        ("timeout 5", None),
        ("timeout", None),
        ("echo claude", None),
        ("npm run claude", None),
    ];
    for (line, agent) in table {
        assert_eq!(recognise(&words(line)), agent, "{line}");
    }
    assert_eq!(recognise::<String>(&[]), None);
    assert_eq!(recognise(&[""]), None);
    assert_eq!(recognise(&["sh", "-c", "exec claude -p 'a b'"]), Some(Claude));
    assert_eq!(recognise(&["bash", "-lc", "cd /x && claude -p 'a b'"]), None);
    let nested: Vec<&str> = std::iter::repeat_n("nohup", 100_000).chain(["claude"]).collect();
    assert_eq!(recognise(&nested), None);
}

#[test]
fn command_lines_tell_how_to_ask() {
    use Agent::*;
    let table = [
        (Claude, "claude -p --input-format stream-json --output-format stream-json", Some(Channel::Claude)),
        (Claude, "claude -p --input-format=stream-json", Some(Channel::Claude)),
        (Claude, "claude -p --input-format text", None),
        (Claude, "claude -p -- --input-format stream-json", None),
        (Claude, "claude", None),
        (Codex, "codex app-server", Some(Channel::Codex)),
        (Codex, "codex -c a=b --enable x app-server --strict-config", Some(Channel::Codex)),
        (Codex, "codex app-server --listen stdio://", Some(Channel::Codex)),
        (Codex, "codex app-server --listen ws://127.0.0.1:9", None),
        (Codex, "codex app-server generate-ts", None),
        (Codex, "codex exec app-server", None),
        (Codex, "codex -c app-server", None),
        (Pi, "pi --mode rpc", Some(Channel::Pi)),
        (Pi, "pi --mode json", None),
        (Gemini, "gemini --acp", Some(Channel::Acp)),
        (Gemini, "npx @google/gemini-cli --experimental-acp", Some(Channel::Acp)),
        (Gemini, "gemini -p x", None),
        (Qwen, "node /x/node_modules/@qwen-code/qwen-code/cli.js --acp", Some(Channel::Acp)),
        (Opencode, "opencode acp --port 5", Some(Channel::Acp)),
        (Opencode, "opencode --log-level DEBUG serve --port 4096", Some(Channel::OpencodeHttp)),
        (Opencode, "opencode serve", Some(Channel::OpencodeHttp)),
        (Opencode, "opencode web --hostname 0.0.0.0", Some(Channel::OpencodeHttp)),
        (Opencode, "opencode --port 4096", Some(Channel::OpencodeHttp)),
        (Opencode, "opencode --mdns -c /src/shop", Some(Channel::OpencodeHttp)),
        (Opencode, "opencode --port 4096 run serve", None),
        (Opencode, "opencode run --port 4096 serve", None),
        (Opencode, "opencode", None),
        (Opencode, "opencode /src/shop", None),
        (Claude, "gemini --acp", None),
    ];
    for (agent, line, way) in table {
        assert_eq!(channel(agent, &words(line)), way, "{line}");
    }
}

#[test]
fn command_lines_tell_what_is_kept() {
    use Agent::*;
    let table = [
        (Claude, "claude -p x", true),
        (Claude, "claude -p x --no-session-persistence", false),
        (Codex, "codex exec x", true),
        (Codex, "codex exec --ephemeral x", false),
        (Pi, "pi --no-session", false),
        (Qwen, "qwen --chat-recording false", false),
        (Qwen, "qwen --chat-recording=false", false),
        (Qwen, "qwen --no-chat-recording", false),
        (Qwen, "qwen --chat-recording", true),
        (Gemini, "gemini", true),
        (Opencode, "opencode run x", true),
        (Claude, "something else", true),
    ];
    for (agent, line, kept) in table {
        assert_eq!(writes_transcript(agent, &words(line)), kept, "{line}");
    }
}
