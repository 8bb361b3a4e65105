//! Asks the server of `opencode serve` to end what its sessions do. Only ever on this machine's own loopback address.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::opencode::{Access, BadAnswer, Exchange, MAX_ANSWER, Need, Outcome, read_answer};
use crate::clock;

/// Between two questions whether it is idle by now.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("the agent's server can't be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    #[error("the agent's server refused, with status {0}")]
    Refused(u16),
}

/// Aborts every busy session. Blocks for up to `timeout`: not for a loop that has something else to do.
pub fn perform(access: &Access, timeout: Duration) -> Result<Outcome, Failed> {
    let end = clock::elapsed() + timeout;
    let left = || {
        let left = end.saturating_sub(clock::elapsed());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    converse(access, left, || {
        let stream = TcpStream::connect_timeout(&access.address, left()?)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(left()?))?;
        stream.set_read_timeout(Some(left()?))?;
        Ok(stream)
    })
}

/// One connection per request. `left`: the time left, an error if there is none.
fn converse<S: Read + Write>(
    access: &Access,
    left: impl Fn() -> io::Result<Duration>,
    connect: impl Fn() -> io::Result<S>,
) -> Result<Outcome, Failed> {
    let mut exchange = Exchange::new(access.since);
    while let Some((method, target)) = exchange.next_request() {
        if exchange.is_polling() {
            pause(left()?.min(PAUSE));
        }
        let mut stream = connect()?;
        stream.write_all(&access.request(method, &target))?;
        let (status, body) = receive(&mut stream, &left)?;
        exchange.answered(status, &body);
    }
    exchange.refused().map_or_else(|| Ok(exchange.outcome()), |status| Err(Failed::Refused(status)))
}

fn receive(stream: &mut impl Read, left: impl Fn() -> io::Result<Duration>) -> Result<(u16, Vec<u8>), Failed> {
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        left()?;
        let got = stream.read(&mut part)?;
        bytes.extend_from_slice(&part[..got]);
        // An answer without a length ends with the connection; looking at it after each part is for the short ones.
        if let Need::Nothing(status, body) = read_answer(&bytes, got == 0)? {
            return Ok((status, body));
        }
        if bytes.len() > MAX_ANSWER {
            return Err(BadAnswer.into());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is blocking by its nature, and never on a loop")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::domain::time::Stamp;

    /// A server that has one session working, which the first abort ends.
    struct Fake<'a> {
        busy: &'a Cell<u32>,
        seen: &'a RefCell<Vec<String>>,
        answer: Vec<u8>,
    }

    impl Write for Fake<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let line = text.lines().next().unwrap_or_default().to_owned();
            let body = match line.split(' ').nth(1).unwrap_or_default() {
                "/experimental/session" => return self.reply(404, "no", bytes.len(), line),
                "/session" => r#"[{"id":"ses_1","directory":"/a b","time":{"updated":5}},{"id":"ses_2"}]"#.to_owned(),
                "/session/status?directory=%2Fa%20b" if self.busy.get() > 0 => {
                    self.busy.set(self.busy.get() - 1);
                    r#"{"ses_1":{"type":"busy"}}"#.to_owned()
                }
                "/session/ses_1/abort?directory=%2Fa%20b" => "true".to_owned(),
                _ => "{}".to_owned(),
            };
            self.reply(200, &body, bytes.len(), line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Fake<'_> {
        fn reply(&mut self, status: u16, body: &str, took: usize, line: String) -> io::Result<usize> {
            self.seen.borrow_mut().push(line);
            self.answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes();
            Ok(took)
        }
    }

    impl Read for Fake<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            // Byte by byte: an answer comes in as many parts as it likes.
            let some = usize::from(!self.answer.is_empty());
            self.answer.drain(..some).zip(into).for_each(|(byte, place)| *place = byte);
            Ok(some)
        }
    }

    #[test]
    fn the_busy_session_is_aborted_and_seen_idle() {
        let (busy, seen) = (Cell::new(1), RefCell::new(vec![]));
        let access = Access { address: ([127, 0, 0, 1], 1).into(), login: None, since: Stamp(5) };
        let connect = || Ok(Fake { busy: &busy, seen: &seen, answer: vec![] });
        let outcome = converse(&access, || Ok(Duration::from_secs(1)), connect).unwrap();
        assert_eq!(outcome, Outcome { found: 1, aborted: 1, idle: true });
        let posts: Vec<_> = seen.borrow().iter().filter(|line| line.starts_with("POST")).cloned().collect();
        assert_eq!(posts, ["POST /session/ses_1/abort?directory=%2Fa%20b HTTP/1.1"]);
    }

    #[test]
    fn time_is_up() {
        let (busy, seen) = (Cell::new(u32::MAX), RefCell::new(vec![]));
        let access = Access { address: ([127, 0, 0, 1], 1).into(), login: None, since: Stamp(5) };
        let connect = || Ok(Fake { busy: &busy, seen: &seen, answer: vec![] });
        let turns = Cell::new(0);
        let left = || {
            turns.set(turns.get() + 1);
            if turns.get() > 2_000 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Duration::ZERO) }
        };
        assert!(matches!(converse(&access, left, connect), Err(Failed::Unreachable(_))));
    }
}
