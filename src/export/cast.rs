//! The screen of a replay as a film: asciicast v2, one JSON line for the header and one for each frame that differs.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use serde_json::json;

use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Effect, Msg};
use crate::replay::track::Step;
use crate::replay::{Player, Reel, Speed};
use crate::ui::theme::Theme;
use crate::ui::{Action, Input, Transport, Ui};

/// What happens so close together is one frame.
const TOGETHER: Span = Span(33);
/// While time passes, a frame each second: that is how clocks count.
const SECOND: Span = Span(1_000);

/// How it is made.
pub struct Film {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Silence that is longer is cut to this.
    pub cap: Option<Span>,
    pub title: Text,
    /// What local time is ahead of UTC.
    pub utc_offset: Span,
}

/// Recorded time as the film's time: the same, but for silence beyond the cap.
#[derive(Debug, Default)]
struct Pace {
    cap: Option<Span>,
    /// Recorded time since something happened.
    quiet: Span,
    shown: Span,
}

impl Pace {
    fn pass(&mut self, span: Span) {
        let span = span.max(Span::ZERO);
        let room = self.cap.map_or(span, |cap| (cap - self.quiet).max(Span::ZERO));
        self.quiet += span;
        self.shown += span.min(room);
    }

    fn happened(&mut self) {
        self.quiet = Span::ZERO;
    }

    /// Is silence long enough to be cut?
    fn is_cut(&self) -> bool {
        self.cap.is_some_and(|cap| self.quiet >= cap)
    }
}

/// Bytes for the terminal since they were last taken.
#[derive(Clone, Default)]
struct Bytes(Rc<RefCell<Vec<u8>>>);

impl Bytes {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header's line.
fn header(film: &Film, start: Stamp) -> String {
    let (width, height) = film.size;
    json!({
        "version": 2,
        "width": width,
        "height": height,
        "timestamp": start.0.div_euclid(1_000),
        "title": film.title.as_str(),
        "env": { "TERM": "xterm-256color" },
    })
    .to_string()
}

/// A frame's line; times are seconds.
fn frame(at: Span, bytes: &[u8]) -> String {
    let data = json!(String::from_utf8_lossy(bytes));
    format!("[{}.{:03},\"o\",{data}]", at.0 / 1_000, at.0 % 1_000)
}

struct Camera<'a> {
    reel: Reel,
    player: Player,
    ui: Ui,
    theme: &'a Theme,
    transport: Transport,
    offset: Span,
    pace: Pace,
    bytes: Bytes,
    screen: Terminal<CrosstermBackend<Bytes>>,
    /// There is one run alone: it is opened as soon as it is there.
    opens: bool,
}

/// Plays a reel that is all read, from its start to its end.
pub fn write(film: &Film, reel: Reel, ui: Ui, theme: &Theme, out: &mut dyn Write) -> io::Result<()> {
    let mut camera = camera(film, reel, ui, theme)?;
    writeln!(out, "{}", header(film, camera.reel.start()))?;
    camera.run(out)
}

/// At the start of a reel.
fn camera<'a>(film: &Film, mut reel: Reel, ui: Ui, theme: &'a Theme) -> io::Result<Camera<'a>> {
    let (width, height) = film.size;
    reel.seek(reel.len());
    let opens = reel.model().is_some_and(|model| model.runs().len() == 1);
    reel.seek_time(reel.start());
    let bytes = Bytes::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
    let screen = Terminal::with_options(CrosstermBackend::new(bytes.clone()), TerminalOptions { viewport })?;
    let pace = Pace { cap: film.cap, ..Pace::default() };
    let player = Player::new(true, Speed::Times(1.0), film.cap);
    let (transport, offset) = (Transport::default(), film.utc_offset);
    Ok(Camera { reel, player, ui, theme, transport, offset, pace, bytes, screen, opens })
}

impl Camera<'_> {
    fn run(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.bytes.write_all(b"\x1b[2J\x1b[H")?;
        self.shoot(out)?;
        while self.go_on() {
            self.shoot(out)?;
        }
        Ok(())
    }

    /// Lets a second pass, or takes the next steps if they come earlier; false at the end.
    fn go_on(&mut self) -> bool {
        let Some(next) = self.reel.next_at() else { return false };
        let now = self.reel.now();
        if next.since(now) > SECOND && !self.pace.is_cut() {
            self.reel.pass(now + SECOND);
            self.pace.pass(SECOND);
            return true;
        }
        let mut happens = false;
        let mut went = false;
        while self.reel.next_at().is_some_and(|at| at <= next + TOGETHER) {
            happens |= self.reel.with_step(self.reel.index(), Step::is_notable).unwrap_or(false);
            if !self.reel.forward() {
                break;
            }
            went = true;
        }
        self.pace.pass(self.reel.now().since(now));
        if happens {
            self.pace.happened();
        }
        went
    }

    /// Draws what there is now, and writes what differs.
    fn shoot(&mut self, out: &mut dyn Write) -> io::Result<()> {
        // Within silence that is cut out nothing is seen, but for its last moment.
        let is_last = self.reel.index() >= self.reel.len();
        if self.pace.is_cut() && !is_last {
            return Ok(());
        }
        self.open();
        self.transport.update(&self.reel, &self.player, self.offset);
        self.ui.transport = Some(self.transport.clone());
        let Some(model) = self.reel.model() else { return Ok(()) };
        let now = self.reel.now();
        self.ui.refresh(model, now);
        self.screen.draw(|frame| crate::ui::draw(frame, model, &self.ui, self.theme, now))?;
        let bytes = self.bytes.take();
        writeln!(out, "{}", frame(self.pace.shown, &bytes))
    }

    /// Opens the one run, as a person would: by a key.
    fn open(&mut self) {
        let now = self.reel.now();
        let Some(model) = self.reel.model().filter(|model| self.opens && model.runs().len() > 0) else { return };
        self.opens = false;
        self.ui.refresh(model, now);
        let enter = Input::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        for action in self.ui.handle(enter, model, now) {
            let Action::Send(msg @ Msg::Look(_)) = action else { continue };
            for effect in self.reel.tell(msg) {
                let Effect::ReadHistory { run, .. } = effect else { continue };
                if let Some(run) = self.reel.past(run).and_then(|past| past.read(|| true)) {
                    self.reel.tell(Msg::History(Box::new(run)));
                }
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;
    use serde_json::Value;

    use super::*;
    use crate::replay::testkit::{beats, in_memory, reel};
    use crate::replay::track::Together;
    use crate::ui::Options;

    const SIZE: (u16, u16) = (100, 30);

    fn film(cap: Option<Span>) -> Film {
        Film { size: SIZE, cap, title: "a \"run\"".into(), utc_offset: Span::ZERO }
    }

    fn theme() -> Theme {
        Theme::named("default").unwrap().at(crate::ui::theme::Depth::True)
    }

    fn ui() -> Ui {
        Ui::new(Options { size: SIZE, ..Options::default() })
    }

    fn filmed(reel: Reel, cap: Option<Span>) -> (Value, Vec<(f64, String)>) {
        let mut out = Vec::new();
        write(&film(cap), reel, ui(), &theme(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let mut lines = text.lines();
        let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let frame = |line| {
            let (at, kind, data): (f64, String, String) = serde_json::from_str(line).unwrap();
            assert_eq!(kind, "o");
            (at, data)
        };
        (header, lines.map(frame).collect())
    }

    #[test]
    fn a_film_has_a_header_and_its_time_never_falls() {
        let one = || reel(in_memory(beats("one", 5, 60)), 16);
        let (start, length) = (one().start(), one().end().since(one().start()));
        let (header, frames) = filmed(one(), None);
        assert_eq!((&header["version"], &header["width"], &header["height"]), (&2.into(), &100.into(), &30.into()));
        assert_eq!((&header["title"], &header["timestamp"]), (&"a \"run\"".into(), &(start.0 / 1_000).into()));
        assert!(frames.len() > 20 && frames.is_sorted_by(|a, b| a.0 <= b.0) && frames[0].0 == 0.0);
        let took = frames.last().unwrap().0;
        assert!((took - length.as_secs_f64()).abs() < 0.002, "without a cap it takes as long: {took}");
        let (_, capped) = filmed(one(), Some(Span::secs(2)));
        assert!(capped.len() < frames.len() && capped.last().unwrap().0 < took / 2.0);
        assert!(capped.is_sorted_by(|a, b| b.0 - a.0 >= 0.0 && b.0 - a.0 <= 2.001), "no silence is longer");
    }

    #[test]
    fn the_last_frame_is_the_last_screen() {
        let two = vec![in_memory(beats("one", 7, 40)), in_memory(beats("two", 8, 40))];
        for reel in [reel(in_memory(beats("one", 6, 60)), 16), reel(Box::new(Together::new(two)), 16)] {
            let theme = theme();
            let mut camera = camera(&film(Some(Span::secs(2))), reel, ui(), &theme).unwrap();
            let mut out = Vec::new();
            camera.run(&mut out).unwrap();
            let mut terminal = vt100::Parser::new(SIZE.1, SIZE.0, 0);
            for line in String::from_utf8(out).unwrap().lines() {
                let (_, _, data): (f64, String, String) = serde_json::from_str(line).unwrap();
                terminal.process(data.as_bytes());
            }
            let (model, now) = (camera.reel.model().unwrap(), camera.reel.end());
            let mut screen = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
            screen.draw(|frame| crate::ui::draw(frame, model, &camera.ui, &theme, now)).unwrap();
            let buffer = screen.backend().buffer();
            for (y, row) in (0..SIZE.1).zip(terminal.screen().rows(0, SIZE.0)) {
                let drawn: String = (0..SIZE.0).map(|x| buffer[(x, y)].symbol()).collect();
                assert_eq!(row.trim_end(), drawn.trim_end(), "row {y}");
            }
        }
    }

    #[test]
    fn silence_is_cut_once() {
        let mut pace = Pace { cap: Some(Span(2_000)), ..Pace::default() };
        for (span, shown) in [(1_500, 1_500), (1_500, 2_000), (9_000, 2_000)] {
            pace.pass(Span(span));
            assert_eq!(pace.shown, Span(shown));
        }
        assert!(pace.is_cut());
        pace.happened();
        pace.pass(Span(500));
        assert_eq!(pace.shown, Span(2_500));
    }

    #[test]
    fn frames_are_json() {
        assert_eq!(frame(Span(61_005), b"\x1b[1m\"a\""), r#"[61.005,"o","\u001b[1m\"a\""]"#);
    }
}
