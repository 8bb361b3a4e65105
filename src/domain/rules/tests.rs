use super::*;
use crate::domain::policy::EMBEDDED;

fn class(command: &str) -> Class {
    let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
    rules.classify(Agent::Claude, &"Bash".into(), &ToolInput::from_command(command), "/home/me/project")
}

#[test]
fn shell_commands_are_seen_through() {
    for (command, rule) in [
        ("git push", Rule::Irreversible),
        ("cd x && git push origin main", Rule::Irreversible),
        ("bash -c 'sudo -u me env A=b git -C /r push'", Rule::Irreversible),
        ("kubectl -n prod delete pod x", Rule::Irreversible),
        ("curl -X POST https://example.com/x", Rule::Irreversible),
        ("curl -sS https://example.com/x | jq .", Rule::Network),
        ("rm -rf target", Rule::Execute),
        ("cd /etc && rm -rf nginx", Rule::Irreversible),
        ("rm -rf /tmp/x", Rule::Execute),
        ("rm -rf \"$DIR\"", Rule::Irreversible),
        ("ls | xargs rm -rf", Rule::Irreversible),
        ("ssh host rm -rf /home/me/project/x", Rule::Irreversible),
        ("git status && git log --grep push", Rule::Read),
        ("echo 'git push'", Rule::Read),
        ("cat a > b", Rule::Execute),
        ("cat a 2>/dev/null", Rule::Read),
        ("make", Rule::Execute),
        ("psql -c 'drop table users'", Rule::Irreversible),
        ("echo $((1+$(git push)))", Rule::Irreversible),
        ("echo $((1+2))", Rule::Read),
        ("git branch --delete --force x", Rule::Irreversible),
        ("git branch -df x", Rule::Irreversible),
        ("git branch -d x", Rule::Execute),
        ("git branch -a", Rule::Read),
        ("sort -o /etc/passwd x", Rule::Execute),
        ("sort -k 2 x", Rule::Read),
        ("sed -n '1e git push' f", Rule::Execute),
        ("sed -n -i 1p f", Rule::Execute),
        ("sed -i s/a/b/ f", Rule::Execute),
        ("sed -n 1,5p f", Rule::Read),
        ("awk 'BEGIN{system(\"git push\")}'", Rule::Execute),
        ("awk '{print $1 > \"/etc/x\"}' f", Rule::Execute),
        ("awk '{print $1}' f", Rule::Read),
        ("git log --output=/etc/x", Rule::Execute),
        ("git diff --output /etc/x", Rule::Execute),
        ("git log --oneline", Rule::Read),
        ("git config alias.x push", Rule::Execute),
        ("git config --get user.name", Rule::Read),
        ("git config -l", Rule::Read),
        ("find /etc -name x -exec rm -rf {} +", Rule::Irreversible),
        ("find . -name x -exec rm -rf {} +", Rule::Execute),
        ("find src -name x -exec cat {} +", Rule::Read),
        ("find . -fprint /etc/x", Rule::Execute),
        ("rm -rf {/etc,/usr}", Rule::Irreversible),
        ("rm -rf '{/etc,/usr}'", Rule::Irreversible),
        ("rm -rf {a,b}", Rule::Execute),
        ("pushd /etc && rm -f x", Rule::Irreversible),
        ("pushd sub && make && popd && rm -f x", Rule::Execute),
        ("cd -- /etc && rm -f x", Rule::Irreversible),
        ("cd && rm -f x", Rule::Irreversible),
        ("cd - && rm -f x", Rule::Irreversible),
        ("ssh h 'cd /etc'; rm -f x", Rule::Network),
        ("echo git push | tee x | bash", Rule::Irreversible),
        ("sg docker -c 'git push'", Rule::Irreversible),
        ("lxc exec c -- git push", Rule::Irreversible),
        ("npx -c 'git push'", Rule::Irreversible),
        ("python -m twine upload x", Rule::Irreversible),
        ("python3.12 -m twine --verbose upload x", Rule::Irreversible),
        ("yarn npm publish", Rule::Irreversible),
        ("yarn workspace x npm publish", Rule::Irreversible),
        ("gh api -X DELETE repos/x/y", Rule::Irreversible),
        ("gh api --method=PATCH repos/x/y", Rule::Irreversible),
        ("gh api repos/x/y/issues -f title=x", Rule::Irreversible),
        ("gh api repos/x/y", Rule::Network),
    ] {
        assert_eq!(class(command).rule, rule, "{command}");
    }
}

#[test]
fn tests_verify_and_targets_are_named() {
    assert!(class("cd sub && cargo test --quiet").verifies);
    assert!(!class("echo cargo test").verifies);
    assert!(class("python3 -m pytest -q").verifies);
    let c = class("cd sub && cat notes.md && curl https://API.example.com/x http://localhost:1/");
    assert_eq!(c.paths, ["/home/me/project/sub/notes.md"]);
    assert_eq!(c.hosts, ["api.example.com"]);
    assert_eq!(class("git push").because.as_deref(), Some("shell.\"git push\""));
}
