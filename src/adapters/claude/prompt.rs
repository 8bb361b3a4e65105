//! What a user's line says: most of them are not a person's words.

use std::borrow::Cow;

use super::message::{Content, tool_result};
use crate::adapters::Out;

/// What a text under the role `user` is.
#[derive(Debug, PartialEq)]
pub(super) enum Said<'a> {
    /// Put there for the model's eyes only.
    Nothing,
    /// Claude Code's note that a person, or a signal, stopped it.
    Interrupted,
    /// Background work reports.
    Notification(&'a str),
    /// Output of a command that Claude Code ran itself, without the model.
    LocalOutput,
    Command(Cow<'a, str>),
    Prompt(&'a str),
}

/// Elements put before or around a person's words.
const WRAPPERS: [&str; 5] =
    ["system-reminder", "ide_opened_file", "ide_selection", "ide_diagnostics", "local-command-caveat"];

pub(super) fn classify(text: &str) -> Said<'_> {
    let text = unwrap(text);
    let opens =
        |tag: &str| text.strip_prefix('<').and_then(|t| t.strip_prefix(tag)).is_some_and(|t| t.starts_with('>'));
    if text.is_empty() || opens("bash-input") {
        Said::Nothing
    } else if text.starts_with("[Request interrupted by user") {
        Said::Interrupted
    } else if opens("task-notification") {
        Said::Notification(text)
    } else if text.starts_with("<local-command-") || opens("bash-stdout") || opens("bash-stderr") {
        Said::LocalOutput
    } else if opens("command-name") || opens("command-message") {
        let name = element(text, "command-name").unwrap_or("command").trim();
        match element(text, "command-args").map(str::trim) {
            Some(args) if !args.is_empty() => Said::Command(Cow::Owned(format!("{name} {args}"))),
            _ => Said::Command(Cow::Borrowed(name)),
        }
    } else {
        Said::Prompt(text)
    }
}

/// `text` without wrappers at its start. A wrapper that doesn't end leaves nothing.
fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    'next: loop {
        for tag in WRAPPERS {
            let Some(body) = text.strip_prefix('<').and_then(|t| t.strip_prefix(tag)) else { continue };
            if !body.starts_with('>') {
                continue;
            }
            let close = format!("</{tag}>");
            let Some(end) = body.find(&close) else { return "" };
            text = body[end + close.len()..].trim_start();
            continue 'next;
        }
        return text;
    }
}

/// The text inside the first `<tag>`.
pub(super) fn element<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let open = format!("<{tag}>");
    let start = text.find(&open)? + open.len();
    let end = text[start..].find(&format!("</{tag}>"))?;
    Some(&text[start..start + end])
}

/// Tells the tool results of a user's line, and gives its texts to `heard`.
pub(super) fn user<'a>(content: &'a Content<'_>, out: &mut Out, mut heard: impl FnMut(Said<'a>, &mut Out)) {
    match content {
        Content::Nothing => {}
        Content::Text(text) => heard(classify(text), out),
        Content::Blocks(blocks) => {
            for block in blocks {
                if &*block.kind == "text" {
                    heard(classify(&block.text), out);
                } else {
                    tool_result(block, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_a_person_are_prompts() {
        let reminded = "<system-reminder>\nbe brief\n</system-reminder>\n\nFix it";
        let cases = [
            ("Fix it", Said::Prompt("Fix it")),
            (reminded, Said::Prompt("Fix it")),
            ("<system-reminder>x</system-reminder>", Said::Nothing),
            ("<system-reminder>never closed", Said::Nothing),
            ("<systems> are nice", Said::Prompt("<systems> are nice")),
            ("  ", Said::Nothing),
            ("[Request interrupted by user for tool use]", Said::Interrupted),
            ("<bash-input>ls</bash-input>", Said::Nothing),
            ("<bash-stdout>a</bash-stdout>", Said::LocalOutput),
            ("<local-command-stdout></local-command-stdout>", Said::LocalOutput),
            ("<command-name>/clear</command-name>\n<command-args></command-args>", Said::Command("/clear".into())),
            (
                "<command-message>review</command-message>\n<command-name>/review</command-name><command-args>4</command-args>",
                Said::Command("/review 4".into()),
            ),
        ];
        for (text, said) in cases {
            assert_eq!(classify(text), said, "{text}");
        }
    }
}
