//! The cap: a red key that stands above its shadow, and goes down into it.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, columns};
use super::super::theme::{Rgb, Role};
use super::Face;

/// How big the cap is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// A row and its edge.
    Compact,
    Medium,
    Large,
}

impl Size {
    /// The biggest for an area of so many columns and rows. `None`: a word is all there is room for.
    pub fn fitting(width: u16, height: u16) -> Option<Self> {
        match (width, height) {
            (60.., 6..) => Some(Size::Large),
            (44.., 4..) => Some(Size::Medium),
            (22.., 2..) => Some(Size::Compact),
            _ => None,
        }
    }

    /// Columns and rows, with the shadow.
    pub fn of(self) -> (u16, u16) {
        match self {
            Size::Compact => (13, 2),
            Size::Medium => (19, 4),
            Size::Large => (25, 6),
        }
    }
}

/// Words of a cap; the second is left out where there is one row.
fn label(face: Face, size: Size) -> (&'static str, &'static str) {
    match (face, size) {
        (Face::Up, Size::Large) => ("X    S T O P", ""),
        (Face::Up, _) => ("X  STOP", ""),
        (Face::Asked, Size::Large) => ("ASKED", "X  STOP"),
        (Face::Asked, _) => ("ASKED", ""),
        (Face::Down, Size::Large) => ("STOPPING", "X again  KILL"),
        (Face::Down, _) => ("STOPPING", ""),
        (Face::Killing, Size::Large) => ("K I L L", ""),
        (Face::Killing, _) => ("KILL", ""),
        (Face::Nothing, _) => ("NO KEY", ""),
        (Face::Gone | Face::Failed | Face::Idle, _) => ("", ""),
    }
}

/// Draws the cap at the top left of `area`.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, face: Face, size: Size, pulse: bool) {
    let (wide, tall) = size.of();
    let (wide, tall) = (wide - 1, tall - 1);
    let is_down = matches!(face, Face::Down | Face::Killing | Face::Asked);
    let shift = u16::from(is_down);
    let body = Rect::new(area.x + shift, area.y + shift, wide, tall);
    let look = Look::of(canvas, face, pulse);
    if face == Face::Up {
        shadow(canvas, Rect::new(area.x, area.y, wide, tall));
    }
    fill(canvas, body, &look);
    let (first, second) = label(face, size);
    let apart = u16::from(!second.is_empty());
    let middle = body.y + (tall - 1) / 2 - apart;
    let centred = |text: &str| body.x + wide.saturating_sub(columns(text)) / 2;
    canvas.put(centred(first), middle, wide, first, look.text);
    if !second.is_empty() {
        canvas.put(centred(second), middle + 2, wide, second, look.note);
    }
}

struct Look {
    fill: Style,
    border: Style,
    text: Style,
    note: Style,
}

impl Look {
    fn of(canvas: &Canvas<'_>, face: Face, pulse: bool) -> Self {
        let red = canvas.style(Role::RedKey);
        let plain = |style: Style| Self { fill: style, border: style, text: style, note: style };
        match face {
            Face::Nothing => Self { text: canvas.style(Role::Muted), ..plain(canvas.style(Role::Border)) },
            Face::Up | Face::Killing if face == Face::Up || pulse => {
                let light = canvas.theme.mixed(Role::RedKey, Rgb(255, 255, 255), 0.45);
                Self { border: Style { fg: light.or(red.fg), ..red }, ..plain(red) }
            }
            _ => {
                // Down in its shadow: the colours change places.
                let deep = canvas.theme.mixed(Role::RedKey, Rgb(0, 0, 0), 0.72);
                let down = Style { fg: red.bg.or(red.fg), bg: deep, ..red }.remove_modifier(Modifier::REVERSED);
                let bright = canvas.theme.mixed(Role::RedKey, Rgb(255, 255, 255), 0.35).or(down.fg);
                Self { text: Style { fg: bright, ..down }, ..plain(down) }
            }
        }
    }
}

/// A box, filled. One row high it has brackets for a border.
fn fill(canvas: &mut Canvas<'_>, body: Rect, look: &Look) {
    let blank = " ".repeat(usize::from(body.width));
    for y in body.top()..body.bottom() {
        canvas.put(body.x, y, body.width, &blank, look.fill);
    }
    border(canvas, body, look.border);
}

/// A border around `area`; around one row it is a pair of brackets.
pub fn border(canvas: &mut Canvas<'_>, area: Rect, style: Style) {
    let right = area.right().saturating_sub(1);
    let bottom = area.bottom().saturating_sub(1);
    let glyphs = canvas.glyphs;
    if area.height < 3 {
        let [open, close] = if glyphs.is_ascii { ["[", "]"] } else { ["▐", "▌"] };
        let ends = if glyphs.is_ascii || style.bg.is_none() { [open, close] } else { [" ", " "] };
        for y in area.top()..area.bottom() {
            canvas.put(area.x, y, 1, ends[0], style);
            canvas.put(right, y, 1, ends[1], style);
        }
        return;
    }
    let [h, v, a, b, c, d] =
        if glyphs.is_ascii { ["-", "|", "+", "+", "+", "+"] } else { ["─", "│", "╭", "╮", "╰", "╯"] };
    for y in [area.y, bottom] {
        canvas.repeat(area.x + 1, y, area.width.saturating_sub(2), h, style);
    }
    for y in area.y + 1..bottom {
        canvas.put(area.x, y, 1, v, style);
        canvas.put(right, y, 1, v, style);
    }
    for (x, y, corner) in [(area.x, area.y, a), (right, area.y, b), (area.x, bottom, c), (right, bottom, d)] {
        canvas.put(x, y, 1, corner, style);
    }
}

/// The edge under a raised cap, and at its right.
fn shadow(canvas: &mut Canvas<'_>, body: Rect) {
    let deep = canvas.theme.mixed(Role::RedKey, Rgb(0, 0, 0), 0.55);
    let red = canvas.style(Role::RedKey);
    let plain = Style { fg: deep.or(red.bg), bg: None, ..canvas.style(Role::Border) };
    let [low, side, corner] = if canvas.glyphs.is_ascii { ["=", "|", "'"] } else { ["▀", "█", "▀"] };
    let side = if body.height < 2 { if canvas.glyphs.is_ascii { "|" } else { "▄" } } else { side };
    canvas.repeat(body.x + 1, body.bottom(), body.width - 1, low, plain);
    canvas.put(body.right(), body.bottom(), 1, corner, plain);
    for y in body.y + u16::from(body.height > 1)..body.bottom() {
        canvas.put(body.right(), y, 1, side, plain);
    }
}
