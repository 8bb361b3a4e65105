//! Themes: a look for each role, from TOML, reduced to what the terminal shows.
//!
//! ```toml
//! inherits = "default"            # optional; another theme's name
//! [palette]
//! sky = "#56b4e9"
//! [styles]
//! accent = { fg = "sky", bold = true }   # a palette name or #rrggbb; bold, dim, underline, reverse
//! ```

mod colour;
mod roles;

use std::collections::BTreeMap;
use std::ops::Range;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use toml::Spanned;

pub use colour::{Depth, Environment, Rgb, When};
pub use roles::Role;

use crate::domain::text::Text;

/// The themes that redkey ships.
const EMBEDDED: [(&str, &str); 4] = [
    ("default", include_str!("../../../themes/default.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// Themes that inherit from each other end here.
const MAX_PARENTS: usize = 8;

/// Looks for all roles, at one depth.
#[derive(Clone, Debug)]
pub struct Theme {
    paints: [Paint; Role::COUNT],
    styles: [Style; Role::COUNT],
    depth: Depth,
}

/// A role's look before it is reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Paint {
    fg: Option<Rgb>,
    bg: Option<Rgb>,
    modifier: Modifier,
}

/// What is wrong with a theme and where. `theme` is empty for the text that was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}line {line}: {why}", if theme.is_empty() { String::new() } else { format!("theme `{theme}`, ") })]
pub struct ThemeError {
    pub theme: String,
    pub line: usize,
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    inherits: Option<Spanned<String>>,
    #[serde(default)]
    palette: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    styles: BTreeMap<Spanned<String>, Look>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Look {
    fg: Option<Spanned<String>>,
    bg: Option<Spanned<String>>,
    bold: bool,
    dim: bool,
    underline: bool,
    reverse: bool,
}

/// A theme's words, its parents' included, before names of colours are looked up.
#[derive(Default)]
struct Merged {
    palette: BTreeMap<String, Rgb>,
    looks: Vec<(Role, Look, Place)>,
}

/// A text that errors can point into.
#[derive(Clone)]
struct Place {
    theme: String,
    text: std::rc::Rc<str>,
}

impl Place {
    fn error(&self, span: Option<Range<usize>>, why: String) -> ThemeError {
        let end = span.map_or(0, |s| s.start).min(self.text.len());
        let line = self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1;
        ThemeError { theme: self.theme.clone(), line, why: Text::new(&why).to_string() }
    }
}

impl Theme {
    /// Names of the themes that [`Theme::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// A theme that redkey ships.
    pub fn named(name: &str) -> Option<Self> {
        Self::parse(embedded(name)?, &|_| None).ok()
    }

    /// Reads a theme. `lookup` gives the texts of the user's other themes; shipped ones are known.
    pub fn parse(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ThemeError> {
        let mut merged = Merged::default();
        let place = Place { theme: String::new(), text: text.into() };
        read(&place, lookup, &mut merged, MAX_PARENTS)?;
        let mut paints = [Paint::default(); Role::COUNT];
        for (role, look, place) in &merged.looks {
            paints[*role as usize] = look.resolve(&merged.palette, place)?;
        }
        Ok(Self { paints, styles: [Style::new(); Role::COUNT], depth: Depth::True }.at(Depth::True))
    }

    /// The same theme for a terminal of this depth. Without colour it is the theme `mono`, whatever it was.
    pub fn at(&self, depth: Depth) -> Self {
        let paints = match depth {
            Depth::None => Self::mono().unwrap_or(self.paints),
            _ => self.paints,
        };
        let mut styles = paints.map(|paint| paint.style(depth));
        if depth == Depth::C16 {
            // Of sixteen colours none is sure to be seen behind every other; reversed text always is.
            styles[Role::Selected as usize] = Style::new().add_modifier(Modifier::REVERSED);
            styles[Role::ClockGhost as usize] = Style::new();
            // Many terminals draw bold black as grey, which nobody can read on red.
            for style in styles.iter_mut().filter(|s| s.bg.is_some() && s.fg == Some(Color::Black)) {
                *style = style.remove_modifier(Modifier::BOLD);
            }
        }
        Self { paints: self.paints, styles, depth }
    }

    fn mono() -> Option<[Paint; Role::COUNT]> {
        Self::parse(embedded("mono")?, &|_| None).ok().map(|theme| theme.paints)
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Does a selected row keep the colours of its cells? Where selection is shown by reversing, it doesn't.
    pub fn selection_keeps_colours(&self) -> bool {
        !self.style(Role::Selected).add_modifier.contains(Modifier::REVERSED)
    }

    /// A role's own colour, faded most of the way into that of unlit digits.
    pub fn faded(&self, role: Role) -> Option<Color> {
        let ghost = self.paints[Role::ClockGhost as usize].fg?;
        self.mixed(role, ghost, 0.62)
    }

    /// A role's own colour mixed with `share` of another, where the terminal shows such fine steps. A role that has
    /// a background is known by that.
    pub fn mixed(&self, role: Role, with: Rgb, share: f32) -> Option<Color> {
        let paint = self.paints[role as usize];
        let own = paint.bg.or(paint.fg).filter(|_| self.depth >= Depth::C256)?;
        own.mix(with, share).at(self.depth)
    }
}

fn embedded(name: &str) -> Option<&'static str> {
    EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn read(
    place: &Place,
    lookup: &dyn Fn(&str) -> Option<String>,
    merged: &mut Merged,
    depth: usize,
) -> Result<(), ThemeError> {
    let file: File =
        toml::from_str(&place.text).map_err(|error| place.error(error.span(), error.message().to_owned()))?;
    if let Some(parent) = &file.inherits {
        let name = parent.get_ref();
        let missing = || place.error(Some(parent.span()), format!("there is no theme `{name}` to inherit from"));
        let text = lookup(name).or_else(|| embedded(name).map(str::to_owned)).ok_or_else(missing)?;
        if depth == 0 {
            return Err(place.error(Some(parent.span()), format!("`{name}` inherits from itself")));
        }
        read(&Place { theme: name.clone(), text: text.into() }, lookup, merged, depth - 1)?;
    }
    for (name, value) in &file.palette {
        let why = || format!("`{name}` is not a colour; write it like \"#56b4e9\"");
        let rgb = Rgb::parse(value.get_ref()).ok_or_else(|| place.error(Some(value.span()), why()))?;
        merged.palette.insert(name.clone(), rgb);
    }
    for (name, look) in file.styles {
        let why = || format!("there is nothing called `{}` to style", name.get_ref());
        let role = Role::parse(name.get_ref()).ok_or_else(|| place.error(Some(name.span()), why()))?;
        merged.looks.retain(|(known, ..)| *known != role);
        merged.looks.push((role, look, place.clone()));
    }
    Ok(())
}

impl Look {
    fn resolve(&self, palette: &BTreeMap<String, Rgb>, place: &Place) -> Result<Paint, ThemeError> {
        let colour = |name: &Option<Spanned<String>>| match name {
            None => Ok(None),
            Some(name) => {
                let text = name.get_ref();
                let found = palette.get(text).copied().or_else(|| Rgb::parse(text));
                let why = || format!("`{text}` is neither in the palette nor a colour like \"#56b4e9\"");
                found.map(Some).ok_or_else(|| place.error(Some(name.span()), why()))
            }
        };
        let mut modifier = Modifier::empty();
        modifier.set(Modifier::BOLD, self.bold);
        modifier.set(Modifier::DIM, self.dim);
        modifier.set(Modifier::UNDERLINED, self.underline);
        modifier.set(Modifier::REVERSED, self.reverse);
        Ok(Paint { fg: colour(&self.fg)?, bg: colour(&self.bg)?, modifier })
    }
}

impl Paint {
    fn style(self, depth: Depth) -> Style {
        let mut style = Style::new().add_modifier(self.modifier);
        style.fg = self.fg.and_then(|c| c.at(depth));
        style.bg = self.bg.and_then(|c| c.at(depth));
        style
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_themes_style_every_role() {
        for name in Theme::names() {
            let theme = Theme::named(name).unwrap_or_else(|| panic!("{name}"));
            let file: File = toml::from_str(embedded(name).unwrap()).unwrap();
            for role in Role::ALL {
                let named = file.styles.keys().any(|k| k.get_ref() == role.name());
                assert!(named || file.inherits.is_some(), "{name} misses {}", role.name());
            }
            let _ = theme.at(Depth::C16);
        }
    }

    #[test]
    fn mistakes_name_their_line() {
        let user = |name: &str| match name {
            "loop" => Some("inherits = \"loop\"".to_owned()),
            "broken" => Some("\n[styles]\ntext = { fg = \"mauve\" }".to_owned()),
            _ => None,
        };
        for (text, message) in [
            ("[palette]\nx = \"#12\"", "line 2: `x` is not a colour; write it like \"#56b4e9\""),
            ("\n[styles]\nnope = {}", "line 3: there is nothing called `nope` to style"),
            (
                "[styles]\ntext = { fg = \"no\" }",
                "line 2: `no` is neither in the palette nor a colour like \"#56b4e9\"",
            ),
            ("inherits = \"gone\"", "line 1: there is no theme `gone` to inherit from"),
            ("inherits = \"loop\"", "theme `loop`, line 1: `loop` inherits from itself"),
            (
                "inherits = \"broken\"",
                "theme `broken`, line 3: `mauve` is neither in the palette nor a colour like \"#56b4e9\"",
            ),
        ] {
            let error = Theme::parse(text, &user).expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
        let error = Theme::parse("[styles]\ntext = { blink = true }", &user).expect_err("unknown key");
        assert_eq!(error.line, 2, "{error}");
    }

    #[test]
    fn a_child_changes_its_parents_palette() {
        let text = "inherits = \"default\"\n[palette]\nsky = \"#010203\"\n[styles]\ntext = { fg = \"#040506\" }";
        let theme = Theme::parse(text, &|_| None).unwrap();
        assert_eq!(theme.style(Role::Accent).fg, Some(Color::Rgb(1, 2, 3)));
        assert_eq!(theme.style(Role::Text).fg, Some(Color::Rgb(4, 5, 6)));
    }

    #[test]
    fn without_colour_there_is_none() {
        for name in Theme::names() {
            let theme = Theme::named(name).unwrap().at(Depth::None);
            for role in Role::ALL {
                let style = theme.style(*role);
                assert_eq!((style.fg, style.bg), (None, None), "{name} {}", role.name());
            }
            assert!(theme.style(Role::Selected).add_modifier.contains(Modifier::REVERSED));
        }
    }
}
