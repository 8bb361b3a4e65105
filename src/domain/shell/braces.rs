//! Brace expansion: `{a,b}/c` stands for `a/c b/c`.

/// Most words that one word becomes.
const MAX: usize = 64;

/// The words that `word` stands for; itself alone if it has no list in braces. Of too many, those whose later braces
/// are left as they are.
pub(super) fn expand(word: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![word.to_owned()];
    while let Some(word) = open.pop() {
        match list(&word) {
            Some((before, parts, after)) if done.len() + open.len() + parts.len() <= MAX => {
                open.extend(parts.iter().rev().map(|part| format!("{before}{part}{after}")));
            }
            _ => done.push(word),
        }
    }
    done
}

/// The first `{x,y}` of a word: what is before it, its parts, what is after it. `${…}` is none.
fn list(word: &str) -> Option<(&str, Vec<&str>, &str)> {
    let bytes = word.as_bytes();
    if !word.contains(',') || word.contains("${") {
        return None;
    }
    for from in memchr::memchr_iter(b'{', bytes).take(MAX) {
        let (mut depth, mut start, mut parts) = (0_usize, from + 1, Vec::new());
        for (at, byte) in bytes.iter().enumerate().skip(from + 1) {
            match byte {
                b'{' => depth += 1,
                b',' if depth == 0 => {
                    parts.push(&word[start..at]);
                    start = at + 1;
                }
                b'}' if depth > 0 => depth -= 1,
                b'}' if parts.is_empty() => break,
                b'}' => {
                    parts.push(&word[start..at]);
                    return Some((&word[..from], parts, &word[at + 1..]));
                }
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_several_words() {
        for (word, want) in [
            ("a", &["a"][..]),
            ("{/etc,/usr}", &["/etc", "/usr"]),
            ("x{a,b{c,d}}y", &["xay", "xbcy", "xbdy"]),
            ("{a,b}{1,2}", &["a1", "a2", "b1", "b2"]),
            ("x{,.bak}", &["x", "x.bak"]),
            ("{}", &["{}"]),
            ("{a}", &["{a}"]),
            ("{a,b", &["{a,b"]),
            ("{}{a,b}", &["{}a", "{}b"]),
            ("${x:-{a,b}}", &["${x:-{a,b}}"]),
        ] {
            assert_eq!(expand(word), want, "{word}");
        }
        assert!(expand(&format!("/etc{}", "{a,b}".repeat(30))).len() <= MAX);
        assert!(expand(&"{".repeat(10_000)).len() == 1);
        assert!(expand(&"{,".repeat(10_000)).len() == 1);
    }
}
