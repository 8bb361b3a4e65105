use super::super::*;

fn hit(line: &str, pattern: &str) -> bool {
    let pattern = Pattern::parse(pattern).unwrap();
    commands(line).iter().any(|command| pattern.matches(command))
}

/// Lines that must match, pattern by pattern.
#[rustfmt::skip]
const YES: &[(&str, &[&str])] = &[
    ("git push", &[
        "git push", "git push origin main", "\\git push", "/usr/bin/git push", "git.exe push", "'git' \"push\"",
        "git -C /r push", "git -c a.b=c --git-dir /x --no-pager push", "git --git-dir=/x push -u origin HEAD",
        "bash -lc 'cd x && git push'", "sh -c \"sh -c 'git push'\"", "sudo -u me env A=b git -C /r push origin main",
        "cd x && (git push || true)", "FOO=$(git push) ls", "FOO=1 BAR='a b' git push", "echo `git push`",
        "echo \"done: $(git push 2>&1)\"", "if git push; then echo ok; fi", "git add .; git commit -m x; git push",
        "git commit -m \"$(cat <<'EOF'\nmsg (x\nEOF\n)\" && git push", "for r in a b; do git push $r; done",
        "for r in a b\ndo\n  git push $r\ndone", "timeout 60 git push", "nohup git push &", "time git push",
        "bash <<EOF\ngit push\nEOF", "bash -s <<'EOF'\ncd x\ngit push\nEOF", "cat <<EOF\n$(git push)\nEOF",
        "ssh me@h 'cd r && git push'", "docker exec c git push", "docker run --rm -v $PWD:/w img sh -c 'git push'",
        "kubectl exec p -- git push", "eval \"git push\"", "eval 'git' push", "xargs -n1 git push", "$'\\x67it' push",
        "git \\\n  push \\\n  origin", "GIT_SSH_COMMAND='ssh -i k' git push", "f() { git push; }; f", "! git push",
        "echo git push | bash", "tmux send-keys -t x 'git push' C-m", "su - u -c 'git push'", "(((1))) || git push",
        "while read l; do git push; done < f", "case $1 in go) git push;; esac", "a | tee >(git push)", "git 'push'",
        "git push&&ls", "true;git push", "git push>log 2>&1", "{ git push; }", "test -f x && git push # now",
        "zsh -ic 'git push'", "direnv exec . git push", "nix-shell --run 'git push'", "poetry run git push",
        "env -i PATH=$PATH git push", "exec git push", "command git push", "find . -name .git -execdir git push \\;",
        "watch -n 60 git push", "powershell -Command \"git push\"", "[[ -n $x ]] && git push", "cmd /c git push",
        "git submodule foreach 'git push'", "stdbuf -oL git push | cat", "trap 'git push' EXIT",
    ]),
    ("git push --force|-f", &[
        "git push --force", "git push origin main -f", "git push -uf origin x", "git push --force=x", "git -c a=b push -fu",
    ]),
    ("git push --force*", &["git push --force-with-lease", "git push --FORCE"]),
    ("* --force-with-lease", &["git push --force-with-lease=main:abc", "x y --force-with-lease"]),
    ("git push * +*", &["git push origin +main"]),
    ("git branch -D", &["git branch -D x", "git branch -rD x"]),
    ("git reset --hard", &["git reset --hard HEAD~1", "git reset -q --hard"]),
    ("git stash drop|clear", &["git stash drop", "git stash clear"]),
    ("rm -r|-R|--recursive", &[
        "rm -r x", "rm -rf x", "rm -fr x", "rm -vfR x", "rm --recursive x", "rm x -r", "ls | xargs rm -rf",
        "find . -name x -exec rm -rf {} +", "sudo rm -rf /", "x=$(mktemp) && rm -fr \"$x\"", "/bin/rm -r x",
    ]),
    ("find -delete", &["find . -name x -delete"]),
    ("kubectl apply|delete|drain", &[
        "kubectl apply -f x.yaml", "kubectl -n prod delete pod x", "kubectl --context=a --namespace b drain n",
        "kubectl --kubeconfig ~/.k -n x apply -k .",
    ]),
    ("kubectl rollout restart", &["kubectl rollout -n x restart deploy/y"]),
    ("terraform apply|destroy", &["terraform apply", "terraform -chdir=infra apply -auto-approve", "terraform destroy -target x"]),
    ("npm|pnpm|yarn publish", &["npm publish", "npm --prefix pkg publish", "pnpm -C a publish --tag next", "yarn publish", "npm -w a publish"]),
    ("cargo publish", &["cargo publish", "cargo +nightly publish", "cargo --config x publish -p a", "cargo publish --dry-run"]),
    ("curl -X|--request POST|PUT|PATCH|DELETE", &[
        "curl -X POST https://h", "curl -XDELETE h", "curl -sSX PUT h", "curl --request=PATCH h", "curl --request POST h",
        "curl https://h -H 'a: b' -X POST",
    ]),
    ("curl -d|--data|--data-raw|--data-binary|-F|--form|--json|-T|--upload-file", &[
        "curl -d a=b h", "curl -sd @f h", "curl --data-raw '{}' h", "curl --json={} h", "curl -F a=@b h", "curl -Tf h",
    ]),
    ("docker push", &["docker push a/b:c", "docker -H tcp://x push a", "docker --context c push a"]),
    ("docker compose down", &["docker compose down", "docker compose -f x.yml -p y down -v", "docker -c a compose --profile b down"]),
    ("docker system prune --volumes", &["docker system prune -f --volumes", "docker system prune --volumes -af"]),
    ("psql *drop*", &[
        "psql -c 'DROP TABLE x'", "psql -c\"drop table x\"", "psql db --command='Drop schema y'", "psql <<EOF\nDROP TABLE x;\nEOF",
        "echo 'drop table x' | psql", "psql <<< 'drop table x'", "docker exec db psql -U me -c 'DROP TABLE x'",
    ]),
    ("psql|mysql \"*drop table*\"", &["mysql -e 'DROP TABLE x'"]),
    ("psql *truncate*|*delete\\ from*", &["psql -c 'DELETE FROM x'", "psql <<< 'truncate x'"]),
    ("dd of=*", &["dd if=/dev/zero of=/dev/sda", "dd bs=1M OF=x"]),
    ("apt|pacman install|-S", &["apt -y install x", "pacman -S x", "pacman -Syu"]),
    ("python -m pytest|unittest", &["python -m pytest -q", "python -mpytest"]),
    ("gcloud * delete|deploy", &["gcloud run deploy x", "gcloud compute instances delete x", "gcloud a b c d delete"]),
    ("x * a b", &["x a a b", "x 1 a 2 a b", "x 1 a a a b"]),
    ("mkfs*", &["mkfs.ext4 /dev/sda", "mkfs /dev/sda"]),
    ("aws s3 rm|rb", &["aws --profile p s3 rm s3://b/k", "aws s3 --region x rb s3://b"]),
    ("aws * delete-*|terminate-*", &["aws ec2 terminate-instances --instance-ids i", "aws iam delete-user"]),
    ("gh pr merge", &["gh pr merge 1", "gh -R a/b pr merge", "gh pr -R a/b merge --squash"]),
    ("gh api -X POST|DELETE", &["gh api -X DELETE repos/a/b", "gh api repos/a/b -XPOST"]),
    ("gcloud compute instances delete", &["gcloud --project p compute instances delete x"]),
    ("helm upgrade|uninstall", &["helm -n x upgrade a b", "helm uninstall a"]),
    ("make deploy", &["make deploy", "make -C x deploy", "make -j 4 deploy", "make -j8 deploy"]),
    ("twine upload", &["python -m build && twine upload dist/*", "uvx twine upload dist/*", "pipx run twine upload x"]),
    ("npx wrangler deploy", &["npx -y wrangler deploy"]),
    ("wrangler deploy", &["npx -y wrangler deploy", "bunx wrangler deploy --env x", "pnpm exec wrangler deploy"]),
];

/// Lines that must not.
#[rustfmt::skip]
const NO: &[(&str, &[&str])] = &[
    ("git push", &[
        "git log --grep push", "echo \"git push\"", "git commit -m \"push it\"", "git commit -m push", "echo git push",
        "cat <<EOF\ngit push\nEOF", "cat <<'EOF' > x.sh\n$(git push)\nEOF", "git stash push", "git status # git push",
        "grep -r 'git push' .", "git -C push status", "git -c push=x status", "printf '%s' 'git push' > f", "git pushd",
        "echo '$(git push)'", "echo \"\\$(git push)\"", "echo \\$\\(git push\\)", "git log push", "legit push", "git help push",
        "git commit -m \"$(cat <<'EOF'\nrun git push; git push\nEOF\n)\"", "git config alias.p push", "gitpush", "man git push",
        "command -v git push", "which git push", "python -c 'git push'", "export X='git push'", "X='git push'", "git",
        "[[ git == push ]]", "echo ${x:-git push}", "git commit -am 'x; git push'", "git --git-dir push log", "alias p='git push'",
        "cat <<-X\n\tgit push\n\tX\n", "ssh git push-host", "ls git push", "pgrep -f 'git push'", "git log --author 'x' -- push",
        "rg \"git push\" | head", "$GIT push", "echo a;# git push", "case x in git) ;; push) ;; esac", "for git in push; do ls; done",
    ]),
    ("git push --force|-f", &[
        "git push", "git push --force-with-lease", "git push --follow-tags", "git push -- -f", "git push -o -f", "git fetch -f",
        "git push origin force", "git push; rm -f x",
    ]),
    ("rm -r|-R|--recursive", &[
        "rm x", "rm -f x", "rm -- -r", "grep -r 'rm -rf' .", "cat <<EOF\nrm -rf /\nEOF", "echo rm -rf /", "rmdir -r", "rm --force x",
        "git rm -r x", "ls -r rm", "docker rm -r", "rm x; ls -r", "git commit -m 'rm -rf x'", "rm --no-preserve-root x",
    ]),
    ("find -delete", &["find . -name delete", "find . -d -name x", "find . -name -delete"]),
    ("find -d", &["find . -delete"]),
    ("kubectl apply|delete|drain", &["kubectl get -n delete pods", "kubectl -n apply get pods", "kubectl describe delete"]),
    ("terraform apply|destroy", &["terraform plan -destroy", "terraform -chdir=apply plan", "terraform plan -out apply"]),
    ("npm|pnpm|yarn publish", &["npm run publish", "npm --prefix publish test", "npm view publish", "cargo publish"]),
    ("cargo publish", &["cargo build --features publish", "cargo --config publish test", "cargo test publish"]),
    ("curl -X|--request POST|PUT", &["curl https://h/POST", "curl -X GET h", "curl -H 'X: POST' h", "curl -d POST h", "curl -XPOSTER h"]),
    ("curl -d|--data|-F|-T", &["curl -o d h", "curl -oindex.html h", "curl -udave h", "curl -fsSL h", "curl -H -d h", "curl --data-foo h", "curl -HFrom:x h"]),
    ("docker push", &["docker pull push", "docker -H push ps", "docker build -t push .", "docker compose push"]),
    ("docker compose down", &["docker compose -p down up", "docker compose up down"]),
    ("psql *drop*", &["psql -c 'select 1'", "echo drop | grep x", "cat drop.sql", "psql < x", "psqldrop"]),
    ("psql *delete\\ from*", &["psql -c 'select from x'", "psql delete from"]),
    ("dd of=*", &["dd if=/dev/zero", "cat of=x"]),
    ("apt|pacman install|-S", &["pacman -Q x", "apt search install", "apt list -s"]),
    ("gcloud * delete|deploy", &["gcloud delete", "gcloud run list", "gcloud"]),
    ("x * a b", &["x a b", "x 1 a", "x 1 a c", "x 1 b a"]),
    ("aws s3 rm|rb", &["aws s3 ls rm", "aws s3 cp rm rb", "aws --profile s3 rm"]),
    ("make deploy", &["make -C deploy test", "make predeploy", "make -f deploy"]),
    ("gh pr merge", &["gh pr view merge", "gh pr create -t merge", "gh pr -R merge list"]),
    ("npx wrangler deploy", &["wrangler deploy"]),
];

#[test]
fn what_must_match_does() {
    let rows: Vec<_> = YES.iter().flat_map(|(p, lines)| lines.iter().map(move |l| (*p, *l))).collect();
    assert!(rows.len() >= 100);
    let wrong: Vec<_> = rows.iter().filter(|(pattern, line)| !hit(line, pattern)).collect();
    assert!(wrong.is_empty(), "should match: {wrong:#?}");
}

#[test]
fn what_must_not_match_does_not() {
    let rows: Vec<_> = NO.iter().flat_map(|(p, lines)| lines.iter().map(move |l| (*p, *l))).collect();
    assert!(rows.len() >= 90);
    let wrong: Vec<_> = rows.iter().filter(|(pattern, line)| hit(line, pattern)).collect();
    assert!(wrong.is_empty(), "should not match: {wrong:#?}");
}

#[test]
fn a_pattern_that_makes_no_sense_is_refused() {
    for bad in ["", "   ", "-f", "git a||b", "|git", "a -b|c -d|e", "git 'x", &"a ".repeat(40)] {
        assert!(Pattern::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(Pattern::parse(" git  push ").unwrap().as_str(), "git  push");
}
