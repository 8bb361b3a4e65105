//! Standard input and pipes: read as they come, once.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::decode::{Batch, Decoder};
use super::source::emit;
use super::tail::why;
use crate::adapters::Origin;
use crate::domain::text::Text;
use crate::engine::{Msg, SourceState};

const CHUNK: usize = 64 << 10;

/// Reads a pipe, or (`None`) standard input, to its end. `send` says whether anybody still listens.
pub fn read_target(path: Option<&Path>, source: u32, send: &mut dyn FnMut(Vec<Msg>) -> bool) {
    match path {
        None => read(io::stdin().lock(), "stdin", source, send),
        Some(path) => match File::open(path) {
            Ok(file) => read(file, "pipe", source, send),
            Err(error) => {
                send(vec![Msg::State { source, state: SourceState::Failed(why(path, &error)) }]);
            }
        },
    }
}

/// Reads `input` to its end and closes the source. Stops early when no line says what it is, or nobody listens.
pub fn read(mut input: impl Read, name: &str, source: u32, send: &mut dyn FnMut(Vec<Msg>) -> bool) {
    let mut decoder = Decoder::new(Origin { name: name.to_owned(), ..Origin::default() });
    let mut buffer = vec![0; CHUNK];
    loop {
        let mut batch = Batch::default();
        let ended = match input.read(&mut buffer) {
            Ok(0) => {
                decoder.finish(&mut batch);
                Some(SourceState::Closed)
            }
            Ok(got) => {
                decoder.feed(&buffer[..got], &mut batch);
                decoder.pause(&mut batch);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Some(SourceState::Failed(Text::new(&format!("{name}: {error}")))),
        };
        let is_unknown = batch.state == Some(SourceState::Unknown);
        let mut msgs = messages(source, batch);
        let is_over = ended.is_some() || is_unknown;
        if let (Some(state), false) = (ended, is_unknown) {
            msgs.push(Msg::State { source, state });
        }
        if (!msgs.is_empty() && !send(msgs)) || is_over {
            return;
        }
    }
}

fn messages(source: u32, batch: Batch) -> Vec<Msg> {
    let mut msgs = Vec::new();
    match batch.state {
        // Nobody can look into a pipe afterwards, so its first words are part of what is told.
        Some(SourceState::Unknown) => {
            let begins = batch.begins.unwrap_or_default();
            let words = format!("no line says which agent wrote this; it begins: {begins}");
            msgs.push(Msg::State { source, state: SourceState::Failed(Text::new(&words)) });
        }
        Some(state) => msgs.push(Msg::State { source, state }),
        None => {}
    }
    emit(source, batch.events, &mut |msg| msgs.push(msg));
    if batch.lines + batch.bytes + batch.skipped > 0 {
        let (read, bytes, skipped) = (batch.lines, batch.bytes, batch.skipped);
        msgs.push(Msg::Lines { source, read, bytes, skipped });
    }
    msgs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(input: &[u8]) -> (Vec<SourceState>, u64, usize) {
        let (mut states, mut lines, mut events) = (Vec::new(), 0, 0);
        read(input, "stdin", 7, &mut |msgs| {
            for msg in msgs {
                match msg {
                    Msg::State { source: 7, state } => states.push(state),
                    Msg::Lines { source: 7, read, .. } => lines += read,
                    Msg::Events { source: 7, events: more } => events += more.len(),
                    other => panic!("unexpected: {other:?}"),
                }
            }
            true
        });
        (states, lines, events)
    }

    #[test]
    fn an_unknown_stream_shows_how_it_begins_without_its_escapes() {
        let (states, lines, _) = states(b"hello \x1b[31mred\nsecond");
        let [SourceState::Failed(why)] = &states[..] else { panic!("{states:?}") };
        assert!(why.as_str().ends_with("it begins: hello [31mred"), "{why}");
        assert_eq!(lines, 2);
    }

    #[test]
    fn an_empty_stream_is_closed() {
        assert_eq!(states(b"").0, [SourceState::Closed]);
    }

    #[test]
    fn a_stream_is_read_to_its_torn_end() {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/claude/success.jsonl")).unwrap();
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count() as u64;
        let whole = states(&text);
        let torn = states(text.trim_ascii_end());
        assert_eq!(whole, torn);
        assert_eq!(whole.1, lines);
        assert!(matches!(whole.0[..], [SourceState::Reading(_), SourceState::Closed]));
    }

    #[test]
    fn reading_stops_when_nobody_listens() {
        let text = "x\n".repeat(1 << 20);
        let mut batches = 0;
        read(text.as_bytes(), "stdin", 0, &mut |_| {
            batches += 1;
            false
        });
        assert_eq!(batches, 1);
    }
}
