//! Programs written on a command line for sed and awk, which only read as long as these don't run or write anything.

use super::Simple;
use super::options::{Arg, args};

/// Whether a program that counts as reading may do more here, by what its own little program says. What can't be
/// seen (a program in a file) may.
pub fn may_act(simple: &Simple) -> bool {
    match simple.words.first().map_or("", String::as_str) {
        "sed" | "gsed" => given(&simple.words, &["-e", "--expression"], &["-f", "--file"]).is_none_or(|p| sed_acts(&p)),
        "awk" | "gawk" | "mawk" | "nawk" => {
            let files = ["-f", "--file", "-E", "--exec", "-i", "--include", "-l", "--load"];
            given(&simple.words, &[], &files).is_none_or(|program| awk_acts(&program))
        }
        _ => false,
    }
}

/// The program: the values of `inline`, else the first word that is no option. `None` if it is in a file.
fn given(words: &[String], inline: &[&str], files: &[&str]) -> Option<String> {
    let short = |names: &[&str], letter: char| names.iter().any(|name| name.len() == 2 && name.ends_with(letter));
    let (mut texts, mut first, mut valued) = (Vec::new(), None, false);
    let mut found = args(words);
    while let Some((_, arg)) = found.next() {
        match arg {
            Arg::Option(option) if option.starts_with("--") => {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                if files.contains(&name) {
                    return None;
                }
                valued = inline.contains(&name);
                texts.extend(Some(value).filter(|value| valued && !value.is_empty()));
            }
            Arg::Option(option) => {
                valued = false;
                for (letter, attached) in found.options.letters(option) {
                    if short(files, letter) {
                        return None;
                    }
                    valued = short(inline, letter);
                    texts.extend(Some(attached).filter(|text| valued && !text.is_empty()));
                }
            }
            Arg::Value(value) => texts.extend(Some(value).filter(|_| valued)),
            Arg::Word(word) => {
                first.get_or_insert(word);
            }
        }
    }
    if texts.is_empty() { Some(first.unwrap_or_default().to_owned()) } else { Some(texts.join("\n")) }
}

/// Whether a sed script has a command that runs something or writes a file: `e`, `w`, `W`, or these flags of `s`.
fn sed_acts(script: &str) -> bool {
    let mut rest = script.as_bytes();
    while let Some(byte) = next(&mut rest) {
        match byte {
            b'/' => skip(&mut rest, b'/'),
            b'\\' => match next(&mut rest) {
                Some(delimiter) => skip(&mut rest, delimiter),
                None => return false,
            },
            b'e' | b'w' | b'W' => return true,
            b's' | b'y' => {
                let Some(delimiter) = next(&mut rest) else { return false };
                skip(&mut rest, delimiter);
                skip(&mut rest, delimiter);
                let end = rest.iter().position(|b| b"; \t\n}".contains(b)).unwrap_or(rest.len());
                if byte == b's' && rest[..end].iter().any(|b| b"ew".contains(b)) {
                    return true;
                }
                rest = &rest[end..];
            }
            b'a' | b'i' | b'c' | b'r' | b'R' | b'#' => skip_to(&mut rest, b"\n"),
            b':' | b'b' | b't' | b'T' => skip_to(&mut rest, b";\n}"),
            _ => {}
        }
    }
    false
}

/// Whether an awk program starts a command or writes a file.
fn awk_acts(program: &str) -> bool {
    let mut rest = program.as_bytes();
    // What stands before, which tells a regular expression from a division; and the statement's own `print`.
    let (mut before, mut prints, mut depth) = (b'\n', false, 0_u32);
    while let Some(byte) = next(&mut rest) {
        match byte {
            b'"' => skip(&mut rest, b'"'),
            b'/' if b"\n(,{};!~&|=".contains(&before) => skip(&mut rest, b'/'),
            b'#' => skip_to(&mut rest, b"\n"),
            b'|' if rest.first() == Some(&b'|') => rest = &rest[1..],
            b'|' | b'@' => return true,
            b'>' if prints && depth == 0 => return true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b';' | b'\n' | b'{' | b'}' => (prints, depth) = (false, 0),
            _ if byte.is_ascii_alphabetic() || byte == b'_' => {
                let end = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_').unwrap_or(rest.len());
                let word = [&[byte], &rest[..end]].concat();
                if word == b"system" {
                    return true;
                }
                prints |= word.starts_with(b"print");
                rest = &rest[end..];
            }
            _ => {}
        }
        if !matches!(byte, b' ' | b'\t' | b'\r') {
            before = byte;
        }
    }
    false
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// Behind the next `end` that has no backslash before it.
fn skip(rest: &mut &[u8], end: u8) {
    while let Some(byte) = next(rest) {
        if byte == end {
            return;
        }
        if byte == b'\\' {
            next(rest);
        }
    }
}

/// To the next of `ends`.
fn skip_to(rest: &mut &[u8], ends: &[u8]) {
    let end = rest.iter().position(|b| ends.contains(b)).unwrap_or(rest.len());
    *rest = &rest[end..];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::shell::commands;

    #[test]
    fn programs_that_act_are_told_from_those_that_read() {
        for line in [
            "sed -n '1e git push' f",
            "sed -n 's/a/b/e' f",
            "sed -n 's|a|b|gw /etc/x' f",
            "sed -n '/x/w /etc/x' f",
            "sed -n -e p -e 'e id' f",
            "sed -ne '1e id' f",
            "sed -n --expression='e id' f",
            "sed -n '\\,x,e id' f",
            "sed -nf prog f",
            "sed -n 'p;p;$!{e id' f",
            "awk 'BEGIN{system(\"git push\")}'",
            "awk 'BEGIN { system (\"x\") }'",
            "awk 'BEGIN{\"git push\" | getline}'",
            "awk '{print $1 | \"sh\"}'",
            "awk '{print $1 > \"/etc/x\"}'",
            "awk '{printf(\"%s\", $1) >> \"x\"}'",
            "awk -f prog f",
            "awk -v x=1 'BEGIN{f=\"system\";@f(\"id\")}'",
        ] {
            assert!(may_act(&commands(line)[0]), "{line}");
        }
        for line in [
            "sed -n '1,5p' f",
            "sed -n '/error/,/where/p' f",
            "sed -n 's/we/ew/gp' f",
            "sed -n '/a\\/e/p;$p' f",
            "sed -n -e 1p -e '5,+3p' Weather",
            "sed -n 's/^version = \"\\(.*\\)\"/\\1/p' Cargo.toml",
            "sed -n '/x/{=;p;q}' f",
            "awk '{print $1}' f",
            "awk '$3 > 5 {print $1}' f",
            "awk '/foo|bar/ && x ~ /a>b/ {print}' f",
            "awk -F'|' '{print $2 \"|\" $3}' f",
            "awk '{print ($1 > 2)}' f",
            "awk '{s += $1 / 2} END {print s, \"system(x)\"}' f",
            "cat system",
        ] {
            assert!(!may_act(&commands(line)[0]), "{line}");
        }
    }
}
