//! PURE. The command line that stands in an agent's settings.
//!
//! `|| exit 2`: the agents let a call through when a hook crashes (101), is not there (127) or is killed; 2 alone refuses.
//! And to Codex and Gemini CLI 2 refuses only if something stands on standard error, so something is said there, in words
//! that also hold after what redkey has said itself. `| false`: whatever becomes of `echo`, what follows is done. All of
//! it is understood by sh, bash, zsh and fish alike.

use super::{Hook, Hooked};

const REFUSE: &str = " || echo redkey: refused >&2 | false || exit 2";
const RUN: &str = " hook run ";

/// `'/opt/my tools/redkey' hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2`
pub(super) fn write(hook: &Hook, agent: Hooked) -> String {
    format!("{}{RUN}{} --within {}s{REFUSE}", quote(&hook.exe), agent.name(), hook.within_s)
}

/// Reads what [`write`] wrote, of whatever version and place.
pub(super) fn read(command: &str, agent: Hooked) -> Option<Hook> {
    let (exe, rest) = command.strip_suffix(REFUSE)?.rsplit_once(RUN)?;
    let within = rest.strip_prefix(agent.name())?.strip_prefix(" --within ")?.strip_suffix('s')?;
    let hook = Hook { exe: unquote(exe)?, within_s: within.parse().ok()? };
    (write(&hook, agent) == command).then_some(hook)
}

/// Does it look like a command of ours that somebody has changed?
pub(super) fn resembles(command: &str, agent: Hooked) -> bool {
    command.contains(&format!("{RUN}{}", agent.name()))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._+-@%:,=".contains(c)
}

fn quote(path: &str) -> String {
    if !path.is_empty() && path.chars().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

fn unquote(word: &str) -> Option<String> {
    match word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
        Some(inside) => Some(inside.replace(r"'\''", "'")),
        None => word.chars().all(is_plain).then(|| word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_with_spaces_and_quotes_are_quoted() {
        let hook = Hook { exe: "/opt/it's mine/redkey".into(), within_s: 305 };
        let command = write(&hook, Hooked::Claude);
        assert_eq!(
            command,
            r"'/opt/it'\''s mine/redkey' hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2"
        );
        assert_eq!(read(&command, Hooked::Claude), Some(hook));
        assert_eq!(read(&command, Hooked::Codex), None);
    }

    #[test]
    fn what_was_changed_by_hand_is_not_ours_but_looks_like_it() {
        for command in [
            "/bin/redkey hook run claude --within 305s",
            "/bin/redkey hook run claude --within 305s || true",
            "/bin/redkey hook run claude --within 305s || exit 2",
            "/bin/redkey hook run claude --within 305 || echo redkey: refused >&2 | false || exit 2",
            "sudo /bin/redkey hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2",
            "/bin/redkey hook run claude --within 0305s || echo redkey: refused >&2 | false || exit 2",
        ] {
            assert_eq!(read(command, Hooked::Claude), None, "{command}");
            assert!(resembles(command, Hooked::Claude), "{command}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(exe in "/[^\\x00-\\x1f]{0,40}", within_s in any::<u32>()) {
            let hook = Hook { exe, within_s };
            prop_assert_eq!(read(&write(&hook, Hooked::Gemini), Hooked::Gemini), Some(hook));
        }
    }
}
