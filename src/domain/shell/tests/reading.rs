use proptest::prelude::*;

use super::super::*;

/// The commands of a line, words joined by blanks.
fn read(line: &str) -> Vec<String> {
    commands(line).iter().map(|c| c.words.join(" ")).collect()
}

#[test]
fn every_command_of_a_line_is_found() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("", &[]),
        ("   # only a remark", &[]),
        ("ls", &["ls"]),
        ("ls; pwd\nid & who", &["ls", "pwd", "id", "who"]),
        ("a && b || c | d |& e", &["a", "b", "c", "d", "e"]),
        ("cd x && (git push || true)", &["cd x", "git push", "true"]),
        ("{ a; b; } > out", &["a", "b", ":"]),
        ("FOO=$(git push) ls", &["git push", "ls"]),
        ("FOO=bar", &[]),
        ("A=(x $(a) y) b", &["a", "b"]),
        ("A+=1 B[2]=3 c", &["c"]),
        ("echo `a \\`b\\``", &["b", "a $()", "echo $()"]),
        ("echo \"x $(a \"$(b)\") y\"", &["b", "a $()", "echo x $() y"]),
        ("diff <(a x) <(b y)", &["a x", "b y", "diff $() $()"]),
        ("tee >(a) < f", &["a", "tee $()"]),
        ("echo $((1 + (2<<3))) ${x:-$(a)} ${#y}", &["a", "echo $() ${x:-$()} ${#y}"]),
        ("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]),
        ("while ! a; do b; done < f", &["a", "b", ":"]),
        ("for f in $(a) x; do b \"$f\"; done | c", &["a", "b $f", "c"]),
        ("for ((i=0;i<3;i++)); do a; done", &["a"]),
        ("((i++)) && a", &["a"]),
        ("case $x in a|b) c;; (d) e ;& *) f; esac; g", &["c", "e", "f", "g"]),
        ("x=$(case y in a) b;; esac) c", &["b", "c"]),
        ("f() { a; }; function g { b; }; function h() { c; }", &["a", "b", "c"]),
        ("[[ $a == b && ( -f c || d < e ) ]] && f", &["[[ $a == b -f c d e ]]", "f"]),
        ("a 'b c' \"d $e\" f\\ g $'h\\x41\\n'", &["a b c d $e f g hA\n"]),
        ("a\\\n b", &["a b"]),
        ("a # b; c\nd", &["a", "d"]),
        ("a b#c", &["a b#c"]),
        ("\\git 'pu'sh", &["git push"]),
        ("/usr/bin/git push", &["git push"]),
        ("'C:\\Program Files\\Git\\git.EXE' push", &["git push"]),
        ("a 2>&1 >/dev/null 3<b", &["a"]),
        ("cat <<EOF\nrm -rf /\n$(a)\nEOF\nb", &["cat", "a", "b"]),
        ("cat <<'EOF'\n$(a)\nEOF\nb", &["cat", "b"]),
        ("cat <<-EOF > f\n\ta\n\tEOF\nb", &["cat", "b"]),
        ("cat <<A <<B; c\n1\nA\n2\nB\nd", &["cat", "c", "d"]),
        ("bash <<EOF\na\nEOF\nb", &["bash", "a", "b"]),
        ("sh -s -- x <<EOF\na\nEOF", &["sh -s -- x", "a"]),
        ("sudo bash -s <<EOF\na\nEOF", &["bash -s", "a"]),
        ("cat <<EOF | bash\na\nEOF", &["cat", "bash", "a"]),
        ("git commit -m \"$(cat <<'EOF'\ngit push (now\nEOF\n)\"", &["cat", "git commit -m $()"]),
        ("echo 'a; b' | sh", &["echo a; b", "sh", "a", "b"]),
        ("bash <<< 'a b'", &["bash", "a b"]),
        ("bash -lc 'cd x && git push'", &["cd x", "git push"]),
        ("bash -euo pipefail -c 'a'", &["a"]),
        ("bash -o pipefail -c a", &["a"]),
        ("sh -c \"sh -c 'git push'\"", &["git push"]),
        ("sh -c 'sh -c \"sh -c '\\''a b'\\''\"'", &["a b"]),
        ("bash x.sh -c y", &["bash x.sh -c y"]),
        ("bash -c 'a' > out", &["bash", "a"]),
        ("eval \"git push\"", &["git push"]),
        ("eval a b", &["a b"]),
        ("trap 'rm x' EXIT", &["rm x"]),
        ("sudo -u me env A=b git -C /r push origin main", &["git -C /r push origin main"]),
        ("sudo -EH A=b --user=x a", &["a"]),
        ("sudo -n -- a", &["a"]),
        ("sudo -l", &["sudo -l"]),
        ("env -i -u X A=b a", &["a"]),
        ("env -S 'A=b a b' c", &["a b c"]),
        ("env", &["env"]),
        ("command -p a", &["a"]),
        ("command -v git", &["command -v git"]),
        ("exec -a x a", &["a"]),
        ("nohup nice -n 5 ionice -c 3 stdbuf -oL a &", &["a"]),
        ("setsid -f a", &["setsid -f a", "a"]),
        ("nohup systemd-run --user -p X=1 a", &["systemd-run --user -p X=1 a", "a"]),
        ("time -p A=1 a", &["a"]),
        ("time { a; b; }", &["a", "b"]),
        ("timeout -k 5 --signal KILL 10s a", &["a"]),
        ("ls | xargs rm -rf", &["ls", "rm -rf"]),
        ("x | xargs -0 -n 1 -I{} sh -c 'rm {}'", &["x", "rm {}"]),
        ("xargs", &["xargs"]),
        ("watch -n 5 'a | b'", &["a", "b"]),
        ("parallel -j 4 a {} ::: b c", &["a {}"]),
        ("flock -n /tmp/l a b", &["a b"]),
        ("flock /tmp/l -c 'a b'", &["a b"]),
        ("chroot /r a", &["a"]),
        ("unshare -rn a", &["a"]),
        ("su - me -c 'a b'", &["a b"]),
        ("script -qc 'a b' /dev/null", &["a b"]),
        ("ssh -p 22 me@h 'a && b'", &["ssh -p 22 me@h a && b", "a", "b"]),
        ("ssh h <<EOF\na\nEOF", &["ssh h", "a"]),
        ("docker exec -it -u me c a b", &["docker exec -it -u me c a b", "a b"]),
        ("docker run --rm -v x:/y --name n img a b", &["docker run --rm -v x:/y --name n img a b", "a b"]),
        ("docker compose -f x exec -T s a", &["docker compose -f x exec -T s a", "a"]),
        ("docker ps", &["docker ps"]),
        ("kubectl exec -it p -c d -- a b", &["kubectl exec -it p -c d -- a b", "a b"]),
        ("find . -name x -exec rm -rf {} +", &["find . -name x -exec rm -rf {} +", "rm -rf ./{}"]),
        ("find . -exec a {} \\; -exec b \\;", &["find . -exec a {} ; -exec b ;", "a ./{}", "b"]),
        ("npx -y -p x a b", &["npx -y -p x a b", "a b"]),
        ("pnpm dlx a", &["pnpm dlx a", "a"]),
        ("uv run --with x a b", &["uv run --with x a b", "a b"]),
        ("npm exec -- a", &["npm exec -- a", "a"]),
        ("mise exec node@20 -- a", &["mise exec node@20 -- a", "a"]),
        ("nix-shell -p git --run 'a b'", &["nix-shell -p git --run a b", "a b"]),
        ("direnv exec . a", &["direnv exec . a", "a"]),
        ("tmux new-session -d -s n 'a b'", &["tmux new-session -d -s n a b", "a b"]),
        ("tmux send-keys -t n 'a b' Enter", &["tmux send-keys -t n a b Enter", "a b"]),
        ("powershell -NoProfile -Command \"a; b\"", &["a", "b"]),
        ("git submodule foreach 'a b'", &["git submodule foreach a b", "a b"]),
        ("a 'open", &["a open"]),
        ("a \"open $(b", &["b", "a open $()"]),
        (")) a ;; esac fi", &["a"]),
        ("cat <<EOF", &["cat"]),
        ("a &>f && b", &["a", "b"]),
        ("ls *.{a,b} !(x) '{c,d}' {}", &["ls *.a *.b !(x) {c,d} {}"]),
        ("{git,push}; {rm,-rf,/etc}", &["git push", "rm -rf /etc"]),
        ("echo $((1+$(a)))", &["a", "echo $()"]),
        ("echo $((1+`a`)) \"$(( $((2+$(b))) ))\"", &["a", "b", "echo $() $()"]),
        ("(( $(a) )) && b", &["a", "b"]),
        ("echo a b | tee x | bash", &["echo a b", "tee x", "bash", "a b"]),
        ("echo a | cat | sudo tee x | sort | sh", &["echo a", "cat", "tee x", "sort", "sh", "a"]),
        ("sg docker -c 'a b'", &["a b"]),
        ("sg docker a b", &["a b"]),
        ("lxc exec c -- a b", &["lxc exec c -- a b", "a b"]),
        ("lxc exec c --env A=b a b", &["lxc exec c --env A=b a b", "a b"]),
        ("npx -c 'a b'", &["npx -c a b", "a b"]),
        ("npx -y --call='a b'", &["npx -y --call=a b", "a b"]),
        ("npm exec -c 'a b'", &["npm exec -c a b", "a b"]),
        ("find -L /etc /usr/ -type f -exec a {} \\; -exec sh -c 'b {}' \\;",
            &["find -L /etc /usr/ -type f -exec a {} ; -exec sh -c b {} ;", "a /etc/{} /usr/{}", "b /etc/{}"]),
        ("find -name x -exec a {} +", &["find -name x -exec a {} +", "a {}"]),
        ("fd -H x /etc -x a {}", &["fd -H x /etc -x a {}", "a /etc/{}"]),
    ];
    let wrong = |(line, expected): &&(&str, &[&str])| read(line) != *expected;
    let wrong: Vec<_> = rows.iter().filter(wrong).map(|(line, expected)| (line, read(line), expected)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn redirections_input_and_place_are_told() {
    let found = commands("a <in 2>>err >&both >|c &>d <>e 2>&1 >&- # >f");
    let paths: Vec<_> = found[0].redirects.iter().map(|r| (r.path.as_str(), r.write)).collect();
    assert_eq!(paths, [("in", false), ("err", true), ("both", true), ("c", true), ("d", true), ("e", true)]);
    assert_eq!(found[0].words, ["a"]);

    assert_eq!(commands("psql <<EOF\ndrop table x;\nEOF")[0].input, "drop table x;\n");
    assert_eq!(commands("psql <<< 'drop'")[0].input, "drop");
    assert_eq!(commands("echo drop | sudo psql")[1].input, "drop");

    let found = commands("ssh h 'a $(b)'; c; docker exec d e; ssh h < x");
    let places: Vec<_> = found.iter().map(|c| (c.words[0].as_str(), c.remote)).collect();
    assert_eq!(
        places,
        [("ssh", false), ("b", true), ("a", true), ("c", false), ("docker", false), ("e", true), ("ssh", false)]
    );
}

#[test]
fn work_and_output_are_bounded() {
    assert_eq!(commands(&"a;".repeat(10_000)).len(), MAX_COMMANDS);
    assert_eq!(commands(&"a ".repeat(10_000))[0].words.len(), MAX_WORDS);
    for hostile in
        ["$(", "$((", "`", "(", "<(", "\"$(", "${", "{ ", "case x in ", "<<a\n", "npx ", "[[ (", "A=(", "if "]
    {
        commands(&hostile.repeat(20_000));
        commands(&format!("sh -c '{}'", hostile.repeat(5_000)));
    }
    let deep = (0..20).fold("a".to_owned(), |inner, _| format!("$({inner})"));
    assert!(read(&deep).len() <= 9);
}

#[test]
fn hosts_are_found() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("curl -sL https://me:pw@API.example.com:8443/x?y", &["api.example.com"]),
        ("curl -H 'Referer: https://a.b' -d http://c.d example.org/x", &["example.org"]),
        ("curl --url https://a.b", &["a.b"]),
        ("curl http://[::1]:80/ localhost:3000/x", &["::1", "localhost"]),
        ("wget -O f http://a.b/c", &["a.b"]),
        ("git clone https://github.com/a/b.git", &["github.com"]),
        ("git push git@github.com:a/b.git HEAD:main", &["github.com"]),
        ("git push origin main", &[]),
        ("git push origin HEAD:refs", &[]),
        ("ssh -i k me@Host.x ls", &["host.x"]),
        ("scp a.txt me@h1:/tmp ./x:y", &["h1"]),
        ("rsync -av -e 'ssh -p 2' a/ h2.x:b/", &["h2.x"]),
        ("echo https://a.b", &[]),
        ("curl $URL/x https://$(hostname)/y", &[]),
    ];
    for (line, expected) in rows {
        let found: Vec<String> = commands(line).iter().flat_map(hosts).collect();
        assert_eq!(found, *expected, "{line}");
    }
}

#[test]
fn path_words_are_found() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        ("rm -rf a ../b /c", &["a", "../b", "/c"]),
        ("cp -t d a b > /dev/null 2> log", &["a", "b", "log"]),
        ("sed -i s/a/b/ f x/g", &["f", "x/g"]),
        ("sed -n 's/a/b/p' f x/g", &["x/g"]),
        ("grep -rn 'a/b' src/ .env", &["src/", ".env"]),
        ("cat $HOME/x ${HOME}/y $DIR/z $(pwd)/w", &["~/x", "~/y", "$DIR/z"]),
        ("git -C ../r commit -m 'a/b c'", &["../r"]),
        ("git clone git@h:a/b ./c", &["./c"]),
        ("curl -H a/b -o out/x https://h/y", &["out/x"]),
        ("tool --file=a/b --x y", &["a/b"]),
        ("dd if=/dev/zero of=/x bs=1", &["/x"]),
        ("chmod u+x f", &["f"]),
        ("echo a/b > ~/c", &["~/c"]),
        ("cargo test a", &[]),
        ("> x", &["x"]),
    ];
    for (line, expected) in rows {
        let found: Vec<String> = commands(line).iter().flat_map(path_words).collect();
        assert_eq!(found, *expected, "{line}");
    }
}

fn check(line: &str) {
    let found = commands(line);
    assert!(found.len() <= MAX_COMMANDS);
    let pattern = Pattern::parse("* push|x -f|--force *a*").unwrap();
    for command in &found {
        assert!(!command.words.is_empty() && command.words.len() <= MAX_WORDS);
        pattern.matches(command);
        hosts(command);
        path_words(command);
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(line in any::<String>()) {
        check(&line);
        if let Ok(pattern) = Pattern::parse(&line) {
            assert_eq!(pattern.as_str(), line.trim());
        }
    }

    #[test]
    fn no_soup_of_shell_breaks_it(parts in prop::collection::vec(prop::sample::select(vec![
        "a", " ", "\n", ";", ";;", "&", "&&", "|", "||", "(", ")", "((", "))", "{", "}", "$(", "$((", "${", "`", "'", "\"", "\\",
        "<", ">", "<<", "<<-", "<<<", "<(", "EOF", "é", "$'", "case ", "in ", "esac", "for ", "do ", "[[ ", " ]]", "if ",
        "bash -c ", "sudo ", "xargs ", "find -exec ", "env -S ", "ssh h ", "docker run ", "eval ", "echo ", "A=", "#", "-c", "--",
        "npx ", "uv run ", "tmux send ", "flock ", "timeout ", "git -C ", "curl -X", "make -j ", "é=", "-é", "su -", "=(",
    ]), 0..60)) {
        check(&parts.concat());
    }

    /// A quoted word comes back as it was.
    #[test]
    fn quoting_is_undone(text in "[^'\r]*") {
        let found = commands(&format!("a '{text}'"));
        prop_assert_eq!(&found[0].words[1], &text);
    }
}
