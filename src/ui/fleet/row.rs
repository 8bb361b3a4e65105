//! One run as one row.

use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, columns};
use super::super::theme::Role;
use super::super::{Scene, digits, format, key, look, spark};
use super::columns::{Column, MARGIN, Placed};
use crate::domain::run::{Run, State};
use crate::domain::statement::{Charge, Rule};

/// How far back a row looks for the newest call.
const LOOK_BACK: usize = 24;
/// Actions in a row that nothing has verified, from which on it is worth a word.
const LONG_CHAIN: u32 = 5;

/// A row with what its cells share.
pub struct Row<'a> {
    pub run: &'a Run,
    pub state: State,
    pub is_selected: bool,
    /// The charge that has just landed.
    pub fresh: Option<&'a Charge>,
    grip: Option<key::Grip<'a>>,
}

impl<'a> Row<'a> {
    pub fn of(run: &'a Run, scene: &Scene<'a>) -> Self {
        let state = run.state(scene.now, &scene.model.rules);
        let fresh = look::fresh(run, scene.now);
        let grip = key::Grip::in_scene(scene, run.number);
        Self { run, state, is_selected: scene.ui.selected == Some(run.number), fresh, grip }
    }

    fn is_over(&self) -> bool {
        !self.state.is_live()
    }

    /// Draws the row at `(x, y)`.
    pub fn draw(&self, canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16, placed: &[Placed], scene: &Scene<'_>) {
        for cell in placed {
            self.cell(canvas, x + cell.x, y, cell, placed, scene);
        }
        if self.is_selected {
            self.select(canvas, (x, y), width);
        }
    }

    fn select(&self, canvas: &mut Canvas<'_>, (x, y): (u16, u16), width: u16) {
        let selected = canvas.style(Role::Selected);
        let area = ratatui::layout::Rect::new(x, y, width, 1);
        if canvas.theme.selection_keeps_colours() {
            canvas.tint(area, Style { fg: None, ..selected });
        } else {
            let plain = Style { add_modifier: Modifier::REVERSED, sub_modifier: Modifier::DIM, ..Style::reset() };
            canvas.tint(area, Style { sub_modifier: Modifier::DIM, ..plain });
        }
        let marker = canvas.glyphs.marker;
        let style = canvas.style(Role::Accent);
        canvas.put(x, y, MARGIN - 1, marker, Style { bg: selected.bg, ..style });
    }

    fn cell(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, cell: &Placed, placed: &[Placed], scene: &Scene<'_>) {
        let run = self.run;
        let width = cell.width;
        let muted = canvas.style(Role::Muted);
        let text = if self.is_over() { muted } else { canvas.style(Role::Text) };
        match cell.column {
            Column::Key => {
                let held = scene.model.hold(run.number).key;
                let role = if self.is_over() { Role::Border } else { key::key_role(held) };
                canvas.put(x, y, width, key::key_word(held, width), canvas.style(role));
            }
            Column::State => self.state(canvas, x, y, width, scene),
            Column::Agent => {
                let style = if self.is_over() { muted } else { canvas.style(look::agent_role(run.id.agent)) };
                canvas.put(x, y, width, run.agent(), style);
            }
            Column::Model => {
                canvas.put(x, y, width, format::model(run.facts.model.as_str()), muted);
            }
            Column::Project => {
                canvas.put(x, y, width, run.project(), text);
            }
            Column::Task => self.task(canvas, x, y, width, text, placed),
            Column::Clock => self.clock(canvas, x, y, width, scene),
            Column::Gauge => self.gauge(canvas, x, y, width, scene),
            Column::Burn => {
                let style = canvas.style(if self.is_over() { Role::Border } else { Role::Spark });
                let bars = spark::bars(run, width, scene.now, &scene.model.rules);
                look::spark(canvas, x, y, &bars, style);
            }
            Column::Forecast => self.forecast(canvas, x, y, width, scene),
            Column::Cost => canvas.right(x, y, width, &format::cost_in(run, self.state, canvas.glyphs, true), text),
            Column::Flags => self.flags(canvas, x, y, width, scene),
        }
    }

    /// What its key has to say, else what it does.
    fn state(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, scene: &Scene<'_>) {
        let own = || (canvas.glyphs.state(self.state), self.state.name().to_owned(), look::state_role(self.state));
        let (mark, word, role) = self.grip.as_ref().and_then(|g| key::row_state(g, scene)).unwrap_or_else(own);
        let style = canvas.style(role);
        // A selected row has one background; what is told by its own is told by that colour then.
        let style = match style.bg {
            Some(ground) if self.is_selected => Style { fg: Some(ground), bg: None, ..style },
            _ => style,
        };
        // `stopping` gives way to the rung, which says more.
        let word = match word.strip_prefix("stopping ") {
            Some(rung) if columns(&word) + 2 > width => format!("stop {rung}"),
            _ => word,
        };
        if width < 4 {
            canvas.put(x, y, width, mark, style);
        } else if columns(&word) + 2 > width && word.starts_with("stop ") {
            canvas.put(x, y, width, &word, style);
        } else {
            canvas.put(x, y, width, &format!("{mark} {word}"), style);
        }
    }

    /// The task; with the project in front where that has no column of its own.
    fn task(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, style: Style, placed: &[Placed]) {
        let title = self.run.facts.title.as_str();
        let project = self.run.project();
        if placed.iter().any(|p| p.column == Column::Project) || project.is_empty() {
            canvas.put(x, y, width, title, style);
            return;
        }
        let separator = format!(" {} ", canvas.glyphs.dot);
        let pieces = [(project, style), (separator.as_str(), canvas.style(Role::Border)), (title, style)];
        canvas.pieces(x, y, width, if title.is_empty() { &pieces[..1] } else { &pieces });
    }

    fn clock(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, scene: &Scene<'_>) {
        let rules = &scene.model.rules;
        let left = self.run.left(scene.now, rules);
        let style = canvas.style(look::clock_role(self.state, left, rules));
        let drops = self.fresh.is_some_and(|c| look::charge_role(c) == Role::ChargeBig || c.amount.0 >= 20_000);
        let style =
            if drops && style.bg.is_none() { look::flash(style, scene.ui.options.reduced_motion) } else { style };
        canvas.right(x, y, width, &digits::text(left), style);
    }

    fn gauge(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, scene: &Scene<'_>) {
        let rules = &scene.model.rules;
        let left = self.run.left(scene.now, rules);
        let granted = self.run.clock.granted.0.max(1) as f64;
        let role = match look::clock_role(self.state, left, rules) {
            Role::ClockOk => Role::GaugeFill,
            other => other,
        };
        let style = canvas.style(role);
        look::gauge(canvas, x, y, width, left.0 as f64 / granted, Style { bg: None, ..style });
    }

    fn forecast(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, scene: &Scene<'_>) {
        let (middle, range) = look::outlook(self.run, self.state, scene.now, &scene.model.rules, canvas.glyphs);
        let muted = canvas.style(Role::Muted);
        let style = match self.state {
            State::Working => canvas.style(Role::Text),
            State::AtZero => canvas.style(Role::Error),
            _ => muted,
        };
        let used = canvas.put(x, y, width, &middle, style);
        if used + 1 + columns(&range) <= width {
            canvas.put(x + used + 1, y, width - used - 1, &range, muted);
        }
    }

    fn flags(&self, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, scene: &Scene<'_>) {
        if let Some(charge) = self.fresh {
            let style = canvas.style(look::charge_role(charge));
            let amount = format::drop(charge.amount, canvas.glyphs);
            let flash = look::flash(style, scene.ui.options.reduced_motion || charge.amount.0 < 20_000);
            let used = canvas.put(x, y, width, &amount, flash);
            canvas.put(
                x + used + 1,
                y,
                width.saturating_sub(used + 1),
                look::what(charge),
                Style { bg: None, ..style },
            );
            return;
        }
        let flags = self.words(canvas, scene);
        let mut used = 0;
        for (word, role) in &flags {
            // A word that is cut says nothing; only the gravest is worth it.
            if used >= width || (used > 0 && used + columns(word) > width) {
                break;
            }
            let style = if self.is_over() { canvas.style(Role::Muted) } else { canvas.style(*role) };
            used += canvas.put(x + used, y, width - used, word, style) + 1;
        }
    }

    /// What is worth a word, the gravest first.
    fn words(&self, canvas: &Canvas<'_>, scene: &Scene<'_>) -> Vec<(String, Role)> {
        let run = self.run;
        let mut words = self.grip.as_ref().map_or_else(Vec::new, |grip| key::notes(grip, scene));
        if matches!(self.state, State::Failed | State::Interrupted) && !run.outcome_reason().is_empty() {
            words.push((run.outcome_reason().to_owned(), Role::Warn));
        }
        if !self.is_over() || self.state == State::Idle {
            let is_call = |c: &&Charge| {
                !matches!(c.rule, Rule::Wall | Rule::ModelCall | Rule::Failure | Rule::FirstTouch | Rule::NewRoot)
            };
            let last = run.statement.lines().rev().take(LOOK_BACK).find(is_call);
            if let Some(call) = last.filter(|c| c.factors.repeat > 100) {
                words.push((format!("repeat {}", format::factor(call.factors.repeat, canvas.glyphs)), Role::Warn));
            }
            if run.failure_streak >= 2 {
                words.push((format!("fails {}", run.failure_streak), Role::Error));
            }
            if run.unverified_chain >= LONG_CHAIN {
                let tariff = &scene.model.rules.policy.tariff;
                let percent = (100 + tariff.chain_step_percent.saturating_mul(run.unverified_chain))
                    .min(tariff.chain_limit_percent.max(100));
                let factor = format::factor(u16::try_from(percent).unwrap_or(u16::MAX), canvas.glyphs);
                words.push((format!("chain {factor}"), Role::Warn));
            }
        }
        if run.counts.unparsed > 0 {
            words.push((format!("unparsed {}", format::count(run.counts.unparsed)), Role::Warn));
        }
        words
    }
}
