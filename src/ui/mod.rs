//! The screen. [`draw`] shows the model and changes nothing; [`Ui`] is what a person chose to look at, and turns
//! input into [`Action`]s. What is selected is a run's number, never a row.

mod act;
mod canvas;
mod command;
mod digits;
mod fleet;
mod format;
mod gates;
mod glyphs;
mod help;
mod input;
mod key;
mod keymap;
mod line;
mod look;
mod order;
mod press;
mod run;
mod spark;
pub mod terminal;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
pub mod theme;
mod transport;

use std::borrow::Cow;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::Frame;

use crate::domain::run::State;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg};
use crate::replay::Ask;

use canvas::{Canvas, Cut};
use glyphs::Glyphs;
use line::Line;
use order::{Listing, Wish};
use press::Hand;
use theme::{Role, Theme};

pub use keymap::KEYS;
pub use transport::Transport;

/// What came in from the terminal.
#[derive(Clone, Debug)]
pub enum Input {
    Key(KeyEvent),
    /// Pasted text. It is text and nothing else: it never does what a key would do.
    Paste(String),
    Mouse(MouseEvent),
    /// Columns and rows.
    Resize(u16, u16),
}

/// What is to be done outside of the screen's own state. Any action but `Quit` is followed by a new frame.
#[derive(Debug)]
pub enum Action {
    Quit,
    /// Give the terminal back to the shell until the process is continued.
    Suspend,
    /// Tell the engine.
    Send(Msg),
    /// Draw a frame.
    Redraw,
    /// Forget what the terminal shows and draw everything.
    Clear,
    /// Capture the mouse, or let the terminal have it.
    Mouse(bool),
    /// Load another theme.
    Theme(String),
    /// Move through what is replayed.
    Replay(Ask),
}

/// What a user asked for on the command line or in the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Draw with ASCII characters alone.
    pub ascii: bool,
    /// Nothing flashes.
    pub reduced_motion: bool,
    pub mouse: bool,
    /// What local time is ahead of UTC.
    pub utc_offset: Span,
    /// Shown at the top until the program ends: what is wrong with a policy, a theme, …
    pub warnings: Vec<Text>,
}

/// Which screen is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Fleet,
    /// A run, by its number.
    Run(u32),
}

/// Where typed text goes.
#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Keys,
    Filter,
    Command(Line),
}

/// Lists of the run view that can be scrolled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pane {
    #[default]
    Statement,
    Events,
    Branches,
}

impl Pane {
    const ALL: [Pane; 3] = [Pane::Statement, Pane::Events, Pane::Branches];
}

/// How a run is looked at. Lines are held by their number, so that new ones don't move what is selected; none means
/// the newest, whichever that is.
#[derive(Clone, Debug, Default)]
struct RunView {
    pane: Pane,
    at: [Option<u64>; Pane::ALL.len()],
    hide_wall: bool,
    sums: bool,
    detail: Option<Detail>,
    scroll: u16,
}

/// The line whose details are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Charge(u64),
    Event(u64),
}

/// What a command line is about: the run that was selected when it was opened, and the action of it that was held.
#[derive(Clone, Debug, Default)]
struct Aim {
    run: Option<u32>,
    gate: Option<Text>,
}

/// All state of the screen that isn't the model's.
pub struct Ui {
    options: Options,
    view: View,
    /// The selected run's number; until a person has moved, the one on top.
    selected: Option<u32>,
    has_moved: bool,
    wish: Wish,
    filter: Line,
    mode: Mode,
    /// Help, and how far it is scrolled.
    help: Option<u16>,
    run: RunView,
    /// The list of held actions, and the id of the one under its cursor.
    gates: Option<Text>,
    hand: Hand,
    aim: Aim,
    /// An answer to the last command, until the next key.
    note: Option<Text>,
    listing: Option<Listing>,
    /// In a replay: where it is.
    pub transport: Option<Transport>,
}

/// What is drawn, and when.
struct Scene<'a> {
    model: &'a Model,
    ui: &'a Ui,
    listing: &'a Listing,
    now: Stamp,
}

impl Ui {
    pub fn new(options: Options) -> Self {
        Self {
            options,
            view: View::Fleet,
            selected: None,
            has_moved: false,
            wish: Wish::default(),
            filter: Line::default(),
            mode: Mode::Keys,
            help: None,
            run: RunView::default(),
            gates: None,
            hand: Hand::default(),
            aim: Aim::default(),
            note: None,
            listing: None,
            transport: None,
        }
    }

    /// Lists the runs anew. To be called before a frame is drawn, and only then: keys then mean what that frame shows.
    pub fn refresh(&mut self, model: &Model, now: Stamp) {
        self.list(model, now);
        self.is_shown(model, now);
    }

    fn list(&mut self, model: &Model, now: Stamp) {
        let listing = Listing::of(model, &self.wish, now);
        let is_gone = listing.position(self.selected).is_none();
        if !self.has_moved || is_gone {
            self.selected = listing.order.first().copied();
        }
        self.listing = Some(listing);
    }

    pub fn view(&self) -> View {
        self.view
    }

    /// The selected run's number.
    pub fn selected(&self) -> Option<u32> {
        match self.view {
            View::Run(number) => Some(number),
            View::Fleet => self.selected,
        }
    }

    /// An answer for the person at the keyboard, shown until the next key.
    pub fn say(&mut self, note: Text) {
        self.note = Some(note);
    }

    /// A further warning at the top.
    pub fn warn(&mut self, warning: Text) {
        self.options.warnings.push(warning);
    }

    /// A title for the terminal's window.
    pub fn title(&self, model: &Model, now: Stamp) -> Text {
        match self.view {
            View::Run(number) => match model.run(number) {
                Some(run) => {
                    let left = run.left(now, &model.rules).hms();
                    Text::new(&format!("{left} {} {} - redkey", run.agent(), run.project()))
                }
                None => Text::new("redkey"),
            },
            View::Fleet => {
                let states = |wanted: State| model.runs().filter(|r| r.state(now, &model.rules) == wanted).count();
                let (works, zero) = (states(State::Working), states(State::AtZero));
                match zero {
                    0 => Text::new(&format!("{works} working - redkey")),
                    _ => Text::new(&format!("{works} working, {zero} at zero - redkey")),
                }
            }
        }
    }

    fn glyphs(&self) -> &'static Glyphs {
        Glyphs::of(self.options.ascii)
    }

    fn listing(&self, model: &Model, now: Stamp) -> Cow<'_, Listing> {
        match &self.listing {
            Some(listing) => Cow::Borrowed(listing),
            None => Cow::Owned(Listing::of(model, &self.wish, now)),
        }
    }
}

/// Draws one frame.
pub fn draw(frame: &mut Frame<'_>, model: &Model, ui: &Ui, theme: &Theme, now: Stamp) {
    let area = frame.area();
    let listing = ui.listing(model, now);
    let scene = Scene { model, ui, listing: &listing, now };
    let mut canvas = Canvas::new(frame.buffer_mut(), theme, ui.glyphs());
    canvas.tint(area, theme.style(Role::Text));
    let bar = ui.transport.as_ref().map_or(0, |_| transport::rows(area.height));
    let (area, below) = area.bottom_rows(bar);
    if let Some(transport) = &ui.transport {
        transport::draw(&mut canvas, below, transport);
    }
    match (ui.help, ui.view) {
        (Some(scroll), _) => help::draw(&mut canvas, area, scroll, ui.transport.is_some()),
        (None, _) if ui.gates.is_some() => gates::draw(&mut canvas, area, &scene),
        (None, View::Run(number)) if model.run(number).is_some() => run::draw(&mut canvas, area, &scene, number),
        (None, _) => fleet::draw(&mut canvas, area, &scene),
    }
    if ui.options.ascii {
        canvas.make_ascii();
    }
}
