//! From input to actions. Keys mean what the last frame showed.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::command::{self, Order};
use super::keymap::{self, Command, Scope};
use super::order::Only;
use super::{Action, Detail, Input, Mode, Pane, RunView, Scene, Ui, View, fleet, help, run, transport};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Model, Msg};

impl Ui {
    /// Applies input; says what is to be done outside.
    pub fn handle(&mut self, input: Input, model: &Model, now: Stamp) -> Vec<Action> {
        let mut settled = self.settle(model, now);
        let actions = match input {
            Input::Key(key) if key.kind == KeyEventKind::Release => return settled,
            Input::Key(key) => {
                self.note = None;
                self.key(&key, model, now)
            }
            Input::Paste(text) => self.paste(&text),
            Input::Mouse(event) => self.mouse_event(event, model, now),
            Input::Resize(columns, rows) => {
                self.options.size = (columns, rows);
                vec![Action::Redraw]
            }
        };
        self.list(model, now);
        self.is_changed(model, now);
        settled.extend(actions);
        settled
    }

    fn key(&mut self, key: &KeyEvent, model: &Model, now: Stamp) -> Vec<Action> {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return vec![Action::Quit];
        }
        match std::mem::take(&mut self.mode) {
            Mode::Filter => self.filter_key(key),
            Mode::Command(line) => self.command_key(key, line, model, now),
            Mode::Keys => {
                let scope = match self.view {
                    _ if self.gates.is_some() => Scope::Gates,
                    View::Fleet => Scope::Fleet,
                    View::Run(_) => Scope::Run,
                };
                let Some(command) = keymap::lookup(key, scope, self.transport.is_some()) else { return vec![] };
                match (self.help.is_some(), command) {
                    (true, command) => self.help_key(command),
                    _ if self.gates.is_some() => self.gates_key(command, key, model, now),
                    (false, Command::Nth) => self.nth(key),
                    (false, command) => match self.hand_key(command, key, model, now) {
                        Some(actions) => actions,
                        None => self.command(command, model, now),
                    },
                }
            }
        }
    }

    /// Pasted text goes where text goes, and nowhere else.
    fn paste(&mut self, text: &str) -> Vec<Action> {
        match &mut self.mode {
            Mode::Keys => return vec![],
            Mode::Filter => {
                self.filter.insert(text);
                self.wish.filter = self.filter.as_str().to_owned();
            }
            Mode::Command(line) => line.insert(text),
        }
        vec![Action::Redraw]
    }

    fn filter_key(&mut self, key: &KeyEvent) -> Vec<Action> {
        match key.code {
            KeyCode::Enter => return vec![Action::Redraw],
            KeyCode::Esc => {
                self.filter.clear();
                self.wish.filter.clear();
                return vec![Action::Redraw];
            }
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            _ => {
                self.filter.key(key);
                self.wish.filter = self.filter.as_str().to_owned();
            }
        }
        self.mode = Mode::Filter;
        vec![Action::Redraw]
    }

    fn command_key(&mut self, key: &KeyEvent, mut line: super::line::Line, model: &Model, now: Stamp) -> Vec<Action> {
        match key.code {
            KeyCode::Enter if line.is_empty() => return vec![Action::Redraw],
            KeyCode::Enter => {
                return match command::parse(line.as_str()) {
                    Ok(order) => self.order(order, model, now),
                    Err(why) => {
                        self.note = Some(Text::new(&why));
                        vec![Action::Redraw]
                    }
                };
            }
            KeyCode::Esc => return vec![Action::Redraw],
            KeyCode::Backspace if line.is_empty() => return vec![Action::Redraw],
            KeyCode::Tab => {
                if let Some((text, _)) = command::completions(line.as_str()).first() {
                    line.set(text);
                }
            }
            _ => {
                line.key(key);
            }
        }
        self.mode = Mode::Command(line);
        vec![Action::Redraw]
    }

    fn order(&mut self, order: Order, model: &Model, now: Stamp) -> Vec<Action> {
        match order {
            Order::Quit => return vec![Action::Quit],
            Order::Help => self.help = Some(0),
            Order::Sort(sort) => self.wish.sort = sort,
            Order::Only(only) => self.wish.only = only,
            Order::Filter(text) => {
                self.filter.set(&text);
                self.wish.filter = self.filter.as_str().to_owned();
            }
            Order::Theme(name) => return vec![Action::Theme(name), Action::Redraw],
            Order::Mouse => return self.toggle_mouse(),
            Order::Wall => self.run.hide_wall = !self.run.hide_wall,
            Order::Gates => self.gates = Some(Text::default()),
            other => return self.control_order(other, model, now),
        }
        vec![Action::Redraw]
    }

    fn toggle_mouse(&mut self) -> Vec<Action> {
        self.options.mouse = !self.options.mouse;
        let word = if self.options.mouse { "on" } else { "off: the terminal selects text again" };
        self.note = Some(Text::new(&format!("mouse {word}")));
        vec![Action::Mouse(self.options.mouse), Action::Redraw]
    }

    fn help_key(&mut self, command: Command) -> Vec<Action> {
        let Rect { width, height, .. } = self.area();
        let most = help::most_scroll(width, height, self.transport.is_some());
        let page = height.saturating_sub(2).max(1);
        let at = self.help.unwrap_or(0).min(most);
        self.help = match command {
            Command::Help | Command::Back | Command::Quit | Command::Open => None,
            Command::Up => Some(at.saturating_sub(1)),
            Command::Down => Some((at + 1).min(most)),
            Command::PageUp => Some(at.saturating_sub(page)),
            Command::PageDown => Some((at + page).min(most)),
            Command::Top => Some(0),
            Command::Bottom => Some(most),
            _ => Some(at),
        };
        vec![Action::Redraw]
    }

    /// Commands of both screens; the others go to the screen that is shown.
    fn command(&mut self, command: Command, model: &Model, now: Stamp) -> Vec<Action> {
        match command {
            Command::Quit => return vec![Action::Quit],
            Command::Suspend => return vec![Action::Suspend],
            Command::Redraw => return vec![Action::Clear],
            Command::Help => self.help = Some(0),
            Command::Colon => self.open_line("", "", model),
            Command::Mouse => return self.toggle_mouse(),
            other => {
                return match self.view {
                    View::Fleet => self.fleet_command(other, model, now),
                    View::Run(number) => self.run_command(other, number, model),
                };
            }
        }
        vec![Action::Redraw]
    }

    fn fleet_command(&mut self, command: Command, model: &Model, now: Stamp) -> Vec<Action> {
        let page = self.with_scene(model, now, fleet::page).unwrap_or(1);
        let page = isize::try_from(page).unwrap_or(isize::MAX);
        match command {
            Command::Up => self.step(-1),
            Command::Down => self.step(1),
            Command::PageUp => self.step(-page),
            Command::PageDown => self.step(page),
            Command::Top => self.step(isize::MIN / 2),
            Command::Bottom => self.step(isize::MAX / 2),
            Command::Open => return self.selected.map_or(vec![], |number| self.open(number)),
            Command::Filter => self.mode = Mode::Filter,
            Command::Sort => self.wish.sort = self.wish.sort.next(),
            Command::Reverse => self.wish.reverse = !self.wish.reverse,
            Command::States => self.wish.only = self.wish.only.next(),
            Command::Back => {
                self.filter.clear();
                self.wish.filter.clear();
                self.wish.only = Only::All;
            }
            _ => return vec![],
        }
        vec![Action::Redraw]
    }

    /// Moves the selection by `delta` rows of what is listed.
    fn step(&mut self, delta: isize) {
        let Some(listing) = &self.listing else { return };
        let Some(last) = listing.order.len().checked_sub(1) else { return };
        let at = listing.position(self.selected).unwrap_or(0);
        let to = at.saturating_add_signed(delta).min(last);
        self.selected = listing.order.get(to).copied();
        self.has_moved = true;
    }

    /// What the views have of the screen.
    fn area(&self) -> Rect {
        let (width, height) = self.options.size;
        let bar = self.transport.as_ref().map_or(0, |_| transport::rows(height));
        Rect::new(0, 0, width, height - bar)
    }

    fn with_scene<T>(&self, model: &Model, now: Stamp, f: impl FnOnce(Rect, &Scene<'_>) -> T) -> Option<T> {
        let listing = self.listing.as_ref()?;
        Some(f(self.area(), &Scene { model, ui: self, listing, now }))
    }

    pub(super) fn open(&mut self, number: u32) -> Vec<Action> {
        self.view = View::Run(number);
        self.selected = Some(number);
        self.has_moved = true;
        // How one likes to look at runs stays; where one was in another run doesn't.
        let RunView { pane, hide_wall, sums, .. } = self.run;
        let pane = if pane == Pane::Branches { Pane::Statement } else { pane };
        self.run = RunView { pane, hide_wall, sums, ..RunView::default() };
        vec![Action::Send(Msg::Look(Some(number))), Action::Redraw]
    }

    fn nth(&mut self, key: &KeyEvent) -> Vec<Action> {
        let KeyCode::Char(c) = key.code else { return vec![] };
        let nth = c.to_digit(10).and_then(|d| d.checked_sub(1)).and_then(|d| usize::try_from(d).ok());
        let number = nth.and_then(|n| self.listing.as_ref().and_then(|l| l.order.get(n).copied()));
        number.map_or(vec![], |number| self.open(number))
    }

    fn run_command(&mut self, command: Command, number: u32, model: &Model) -> Vec<Action> {
        match command {
            Command::Back => return self.back(),
            Command::Next => return self.neighbour(number, 1),
            Command::Previous => return self.neighbour(number, -1),
            Command::Flip => {
                let flipped = if self.run.pane == Pane::Statement { Pane::Events } else { Pane::Statement };
                self.focus(flipped);
            }
            Command::NextPane | Command::PreviousPane => {
                let has_branches = model.run(number).is_some_and(|r| r.branches.len() > 1);
                let panes = if has_branches { &Pane::ALL[..] } else { &Pane::ALL[..2] };
                let at = panes.iter().position(|p| *p == self.run.pane).unwrap_or(0);
                let by = if command == Command::NextPane { 1 } else { panes.len() - 1 };
                self.focus(panes[(at + by) % panes.len()]);
            }
            Command::Wall => self.run.hide_wall = !self.run.hide_wall,
            Command::Sums => {
                self.run.sums = !self.run.sums;
                self.focus(Pane::Statement);
            }
            Command::PageUp if self.run.detail.is_some() => self.run.scroll = self.run.scroll.saturating_sub(5),
            Command::PageDown if self.run.detail.is_some() => {
                self.run.scroll = self.run.scroll.saturating_add(5).min(5_000)
            }
            Command::Up | Command::Down | Command::PageUp | Command::PageDown | Command::Top | Command::Bottom => {
                return self.move_line(command, number, model);
            }
            Command::Open => return self.details(number, model),
            _ => return vec![],
        }
        vec![Action::Redraw]
    }

    fn focus(&mut self, pane: Pane) {
        self.run.pane = pane;
        self.run.detail = None;
    }

    fn back(&mut self) -> Vec<Action> {
        if self.run.detail.take().is_some() {
            return vec![Action::Redraw];
        }
        self.view = View::Fleet;
        vec![Action::Send(Msg::Look(None)), Action::Redraw]
    }

    fn neighbour(&mut self, number: u32, by: isize) -> Vec<Action> {
        let Some(listing) = &self.listing else { return vec![] };
        let count = listing.order.len();
        let next = match listing.position(Some(number)) {
            Some(at) => at.checked_add_signed(by).filter(|i| *i < count),
            None => Some(0),
        };
        let next = next.and_then(|i| listing.order.get(i).copied());
        next.map_or(vec![], |number| self.open(number))
    }

    /// Moves within the list that has the focus. On top it follows what is new.
    fn move_line(&mut self, command: Command, number: u32, model: &Model) -> Vec<Action> {
        let Some(run) = model.run_in_full(number) else { return vec![] };
        let pane = self.run.pane;
        let lines = run::lines(run, &self.run, pane);
        let Some(last) = lines.len().checked_sub(1) else { return vec![] };
        let held = self.run.at[pane as usize];
        // Lines run from the newest down; branches from the first.
        let is_at = |n: &u64| held.is_some_and(|h| if pane == Pane::Branches { *n == h } else { *n <= h });
        let at = lines.iter().position(is_at).unwrap_or(0);
        let page = usize::from(self.area().height / 2).max(1);
        let to = match command {
            // The first step down leaves the newest line, which is followed and not marked.
            Command::Down => {
                if held.is_none() && pane == Pane::Branches {
                    0
                } else {
                    at + 1
                }
            }
            Command::Up => at.saturating_sub(1),
            Command::PageDown => at + page,
            Command::PageUp => at.saturating_sub(page),
            Command::Bottom => last,
            _ => 0,
        }
        .min(last);
        let follows = to == 0 && pane != Pane::Branches;
        self.run.at[pane as usize] = if follows { None } else { lines.get(to).copied() };
        if self.run.detail.is_some() { self.details(number, model) } else { vec![Action::Redraw] }
    }

    /// Opens the details of the line under the cursor.
    fn details(&mut self, number: u32, model: &Model) -> Vec<Action> {
        let Some(run) = model.run_in_full(number) else { return vec![] };
        let pane = self.run.pane;
        let lines = run::lines(run, &self.run, pane);
        let held = self.run.at[pane as usize];
        let Some(line) = held.or(lines.first().copied()) else { return vec![] };
        self.run.scroll = 0;
        match pane {
            Pane::Statement => self.run.detail = Some(Detail::Charge(line)),
            Pane::Branches => return vec![],
            Pane::Events => {
                self.run.detail = Some(Detail::Event(line));
                if let Some(entry) = run::entry(run, line) {
                    return vec![Action::Send(Msg::LookAt(entry.origin)), Action::Redraw];
                }
            }
        }
        vec![Action::Redraw]
    }

    fn mouse_event(&mut self, event: MouseEvent, model: &Model, now: Stamp) -> Vec<Action> {
        if !self.options.mouse || self.help.is_some() {
            return vec![];
        }
        let wheel = match event.kind {
            MouseEventKind::ScrollUp => Some(Command::Up),
            MouseEventKind::ScrollDown => Some(Command::Down),
            _ => None,
        };
        match (self.view, wheel, event.kind) {
            (View::Fleet, Some(command), _) => self.fleet_command(command, model, now),
            (View::Run(number), Some(command), _) => self.move_line(command, number, model),
            (View::Fleet, None, MouseEventKind::Down(MouseButton::Left)) => {
                let at = |area: Rect, scene: &Scene<'_>| fleet::run_at(area, scene, event.column, event.row);
                match self.with_scene(model, now, at).flatten() {
                    Some(number) if self.selected == Some(number) => self.open(number),
                    Some(number) => {
                        (self.selected, self.has_moved) = (Some(number), true);
                        vec![Action::Redraw]
                    }
                    None => vec![],
                }
            }
            _ => vec![],
        }
    }
}
