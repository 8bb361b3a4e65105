//! One table of keys. Dispatch, help and the hints at the foot of the screen all read it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::time::Span;
use crate::replay::{Ask, Moment};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Next,
    Previous,
    Nth,
    NextPane,
    PreviousPane,
    Flip,
    Wall,
    Sums,
    Filter,
    Sort,
    Reverse,
    States,
    Colon,
    Mouse,
    Press,
    Interrupt,
    StopAll,
    Give,
    Transfer,
    Release,
    Allow,
    Deny,
    Gates,
    Help,
    Redraw,
    Suspend,
    Quit,
    /// In a replay.
    Replay(Ask),
}

/// On which screens a key means this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Everywhere,
    Fleet,
    Run,
    /// The list of held actions.
    Gates,
    /// On every screen of a replay.
    Replay,
}

impl Scope {
    /// Can both be in force at once?
    pub fn overlaps(self, other: Scope) -> bool {
        let all = [Scope::Everywhere, Scope::Replay];
        self == other || all.contains(&self) || all.contains(&other)
    }
}

/// A key without what doesn't tell keys apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub code: KeyCode,
    pub ctrl: bool,
}

/// One line of the table.
pub struct Binding {
    pub keys: &'static [Key],
    /// As help shows the keys.
    pub shown: &'static str,
    pub scope: Scope,
    pub command: Command,
    pub words: &'static str,
    /// Shown at the foot of the screen, where there is room; the earlier in the table, the sooner.
    pub hint: Option<&'static str>,
}

const fn ch(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true }
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn bind(
    keys: &'static [Key],
    shown: &'static str,
    scope: Scope,
    command: Command,
    words: &'static str,
    hint: Option<&'static str>,
) -> Binding {
    Binding { keys, shown, scope, command, words, hint }
}

const fn replay(keys: &'static [Key], shown: &'static str, ask: Ask, words: &'static str) -> Binding {
    bind(keys, shown, Replay, Command::Replay(ask), words, None)
}

use Scope::{Everywhere, Fleet, Gates, Replay, Run};

/// All keys.
pub static KEYS: &[Binding] = &[
    bind(&[ch(' ')], "Space", Replay, Command::Replay(Ask::Toggle), "play or pause", Some("play/pause")),
    bind(&[ch('.')], ".", Replay, Command::Replay(Ask::Step(1)), "one event on", Some("step")),
    replay(&[ch(',')], ",", Ask::Step(-1), "one event back"),
    replay(&[ch('}')], "}", Ask::Charge(1), "to the next charge"),
    replay(&[ch('{')], "{", Ask::Charge(-1), "to the charge before"),
    replay(&[ch('>')], ">", Ask::Faster, "faster, up to 1000 times, then all it can"),
    replay(&[ch('<')], "<", Ask::Slower, "slower, down to a quarter"),
    bind(&[ch('a')], "a", Replay, Command::Replay(Ask::Mark(1)), "to the next mark", Some("next mark")),
    replay(&[ch('A')], "A", Ask::Mark(-1), "to the mark before"),
    replay(&[ch('o')], "o", Ask::NextKind, "marks of one kind, or of all"),
    replay(&[ch(')')], ")", Ask::Skip(Span::secs(10)), "ten seconds on"),
    replay(&[ch('(')], "(", Ask::Skip(Span::secs(-10)), "ten seconds back"),
    replay(&[ch('0')], "0", Ask::To(Moment::Percent(0.0)), "to the start"),
    replay(&[ch('$')], "$", Ask::To(Moment::Percent(100.0)), "to the end"),
    replay(&[ch('c')], "c", Ask::NextCap, "cap idle time at 10s, at 2s, not at all"),
    bind(&[ch('X')], "X", Everywhere, Command::Press, "stop the run: ask, INT, TERM, KILL; again: KILL now", None),
    bind(&[ch('i')], "i", Everywhere, Command::Interrupt, "interrupt only: the agent stays alive", None),
    bind(&[ctrl('x')], "^X", Everywhere, Command::StopAll, "stop every run that has a key", None),
    bind(&[ch('+')], "+", Everywhere, Command::Give, "give the run five minutes", None),
    bind(&[ch('T')], "T", Everywhere, Command::Transfer, "move time to another run", None),
    bind(&[ch('R')], "R", Everywhere, Command::Release, "let a held run go on", None),
    bind(&[ch('Y')], "Y", Everywhere, Command::Allow, "allow the held action of the banner", None),
    bind(&[ch('N')], "N", Everywhere, Command::Deny, "deny it", None),
    bind(&[ch('v')], "v", Everywhere, Command::Gates, "list all held actions", None),
    bind(&[key(KeyCode::Up), ch('k')], "k ↑", Everywhere, Command::Up, "one line up", None),
    bind(&[key(KeyCode::Down), ch('j')], "j ↓", Everywhere, Command::Down, "one line down", None),
    bind(&[key(KeyCode::PageUp), ctrl('b')], "PgUp", Everywhere, Command::PageUp, "one page up", None),
    bind(&[key(KeyCode::PageDown), ctrl('f')], "PgDn", Everywhere, Command::PageDown, "one page down", None),
    bind(
        &[key(KeyCode::Home), ch('g')],
        "g Home",
        Everywhere,
        Command::Top,
        "to the top (and follow the newest)",
        None,
    ),
    bind(&[key(KeyCode::End), ch('G')], "G End", Everywhere, Command::Bottom, "to the bottom", None),
    bind(
        &[key(KeyCode::Enter), key(KeyCode::Right), ch('l')],
        "Enter l →",
        Fleet,
        Command::Open,
        "open the run",
        Some("open"),
    ),
    bind(&[ch('/')], "/", Fleet, Command::Filter, "filter by agent, model, project, task, state", Some("filter")),
    bind(&[ch('s')], "s", Fleet, Command::Sort, "sort by the next column", Some("sort")),
    bind(&[ch('S')], "S", Fleet, Command::Reverse, "reverse the order", None),
    bind(&[ch('f')], "f", Fleet, Command::States, "list all, live, zero, waiting, ended runs", Some("states")),
    bind(&[key(KeyCode::Enter)], "Enter", Run, Command::Open, "details of the line", Some("details")),
    bind(&[key(KeyCode::Esc), key(KeyCode::Backspace)], "Esc", Everywhere, Command::Back, "back", Some("back")),
    bind(&[ch('e')], "e", Run, Command::Flip, "statement or events", Some("statement/events")),
    bind(
        &[key(KeyCode::Tab), key(KeyCode::Right), ch('l')],
        "Tab l →",
        Run,
        Command::NextPane,
        "next pane",
        Some("pane"),
    ),
    bind(
        &[key(KeyCode::BackTab), key(KeyCode::Left), ch('h')],
        "S-Tab h ←",
        Run,
        Command::PreviousPane,
        "previous pane",
        None,
    ),
    bind(&[ch('n'), ch(']')], "n", Run, Command::Next, "next run of the list", Some("next run")),
    bind(&[ch('p'), ch('[')], "p", Run, Command::Previous, "previous run of the list", None),
    bind(
        &[ch('1'), ch('2'), ch('3'), ch('4'), ch('5'), ch('6'), ch('7'), ch('8'), ch('9')],
        "1…9",
        Everywhere,
        Command::Nth,
        "open this run of the list",
        None,
    ),
    bind(&[ch('w')], "w", Run, Command::Wall, "hide or show lines of wall time and results", Some("wall time")),
    bind(&[ch('t')], "t", Run, Command::Sums, "totals by rule instead of lines", Some("totals")),
    bind(&[ch(':')], ":", Everywhere, Command::Colon, "command line", None),
    bind(&[ch('m')], "m", Everywhere, Command::Mouse, "mouse on or off", None),
    bind(&[key(KeyCode::Enter)], "Enter", Gates, Command::Open, "go to the run that is held", Some("its run")),
    bind(&[ch('?'), key(KeyCode::F(1))], "?", Everywhere, Command::Help, "this help", Some("help")),
    bind(&[ctrl('l')], "^L", Everywhere, Command::Redraw, "draw the screen anew", None),
    bind(&[ctrl('z')], "^Z", Everywhere, Command::Suspend, "suspend; `fg` comes back", None),
    bind(&[ch('q'), ctrl('c')], "q ^C", Everywhere, Command::Quit, "quit", Some("quit")),
];

impl Key {
    pub fn of(event: &KeyEvent) -> Self {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        // A terminal may send Ctrl with either case.
        let code = match event.code {
            KeyCode::Char(c) if ctrl => KeyCode::Char(c.to_ascii_lowercase()),
            code => code,
        };
        Self { code, ctrl }
    }
}

/// What `event` means on a screen. Keys of a replay mean nothing elsewhere.
pub fn lookup(event: &KeyEvent, scope: Scope, in_replay: bool) -> Option<Command> {
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    let key = Key::of(event);
    let here = |b: &&Binding| b.scope.overlaps(scope) && (in_replay || b.scope != Scope::Replay);
    KEYS.iter().filter(here).find(|b| b.keys.contains(&key)).map(|b| b.command)
}

/// Bindings with a hint, for a screen.
pub fn hints(scope: Scope, in_replay: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.iter()
        .filter(move |b| b.scope.overlaps(scope) && (in_replay || b.scope != Scope::Replay))
        .filter_map(|b| b.hint.map(|hint| (b.shown.split(' ').next().unwrap_or(b.shown), hint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_on_one_screen() {
        for (i, a) in KEYS.iter().enumerate() {
            for b in &KEYS[i + 1..] {
                for key in a.keys.iter().filter(|_| a.scope.overlaps(b.scope)) {
                    assert!(!b.keys.contains(key), "{key:?}: `{}` and `{}`", a.words, b.words);
                }
            }
        }
    }

    #[test]
    fn a_slip_of_shift_presses_nothing() {
        // With Caps Lock on, or Shift not held, the other case of these letters must do nothing.
        let of = |c, scope| lookup(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), scope, true);
        for scope in [Scope::Fleet, Scope::Run, Scope::Gates] {
            for c in ['x', 'r', 'y', 'I', 'V'] {
                assert_eq!(of(c, scope), None, "{c}");
            }
            assert_eq!(of('X', scope), Some(Command::Press));
            let alt = KeyEvent::new(KeyCode::Char('X'), KeyModifiers::ALT);
            assert_eq!(lookup(&alt, scope, true), None);
        }
    }

    #[test]
    fn every_binding_has_keys_and_words() {
        for binding in KEYS {
            assert!(!binding.keys.is_empty() && !binding.words.is_empty() && !binding.shown.is_empty());
        }
    }
}
