//! Colours, and how many of them a terminal shows.
//!
//! ratatui sends what it is told to, whatever the terminal can do; so every colour is reduced here: to the
//! nearest of 256, to the nearest of 16, or to none.

use ratatui::style::Color;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    None,
    C16,
    C256,
    True,
}

/// Red, green, blue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The sixteen as common terminals draw them; what a user's own terminal draws can't be asked.
const SIXTEEN: [(Color, Rgb); 16] = [
    (Color::Black, Rgb(0x00, 0x00, 0x00)),
    (Color::Red, Rgb(0xcd, 0x31, 0x31)),
    (Color::Green, Rgb(0x0d, 0xbc, 0x79)),
    (Color::Yellow, Rgb(0xd5, 0xb0, 0x10)),
    (Color::Blue, Rgb(0x24, 0x72, 0xc8)),
    (Color::Magenta, Rgb(0xbc, 0x3f, 0xbc)),
    (Color::Cyan, Rgb(0x11, 0xa8, 0xcd)),
    (Color::Gray, Rgb(0xb4, 0xb4, 0xb4)),
    (Color::DarkGray, Rgb(0x66, 0x66, 0x66)),
    (Color::LightRed, Rgb(0xf1, 0x4c, 0x4c)),
    (Color::LightGreen, Rgb(0x23, 0xd1, 0x8b)),
    (Color::LightYellow, Rgb(0xf5, 0xf5, 0x43)),
    (Color::LightBlue, Rgb(0x3b, 0x8e, 0xea)),
    (Color::LightMagenta, Rgb(0xd6, 0x70, 0xd6)),
    (Color::LightCyan, Rgb(0x29, 0xb8, 0xdb)),
    (Color::White, Rgb(0xf2, 0xf2, 0xf2)),
];

/// Levels of the 6×6×6 cube that starts at index 16.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Rgb {
    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#').filter(|h| h.len() == 6 && h.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let part = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).ok();
        Some(Self(part(0)?, part(2)?, part(4)?))
    }

    /// `self` mixed with `share` (0.0 to 1.0) of `other`.
    pub fn mix(self, other: Rgb, share: f32) -> Rgb {
        let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share.clamp(0.0, 1.0)).round() as u8;
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The nearest colour that a terminal of this depth shows; `None` where it shows none.
    pub fn at(self, depth: Depth) -> Option<Color> {
        match depth {
            Depth::True => Some(Color::Rgb(self.0, self.1, self.2)),
            Depth::C256 => Some(Color::Indexed(self.nearest_256())),
            Depth::C16 => Some(self.nearest_16()),
            Depth::None => None,
        }
    }

    fn nearest_256(self) -> u8 {
        let step = |v: u8| (0..6).min_by_key(|i| CUBE[*i].abs_diff(v)).unwrap_or(0);
        let (r, g, b) = (step(self.0), step(self.1), step(self.2));
        let cube = Rgb(CUBE[r], CUBE[g], CUBE[b]);
        let mean = (u16::from(self.0) + u16::from(self.1) + u16::from(self.2)) / 3;
        let shade = (mean.saturating_sub(3) / 10).min(23);
        let level = (8 + 10 * shade) as u8;
        if self.distance(Rgb(level, level, level)) < self.distance(cube) {
            232 + shade as u8
        } else {
            (16 + 36 * r + 6 * g + b) as u8
        }
    }

    fn nearest_16(self) -> Color {
        let nearest = SIXTEEN.iter().min_by(|a, b| self.distance(a.1).total_cmp(&self.distance(b.1)));
        nearest.map_or(Color::Reset, |(color, _)| *color)
    }

    /// Distance as the eye sees it (Oklab).
    fn distance(self, other: Rgb) -> f32 {
        let (a, b) = (self.oklab(), other.oklab());
        (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2) + (a.2 - b.2).powi(2)
    }

    fn oklab(self) -> (f32, f32, f32) {
        let linear = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        let (r, g, b) = (linear(self.0), linear(self.1), linear(self.2));
        let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        (
            0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
            1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
            0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
        )
    }
}

/// What a user said about colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// What the environment says about colour. `None`: the variable isn't set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment<'a> {
    pub no_color: Option<&'a str>,
    pub clicolor_force: Option<&'a str>,
    pub clicolor: Option<&'a str>,
    pub colorterm: Option<&'a str>,
    pub term: Option<&'a str>,
    pub is_tty: bool,
}

impl Depth {
    /// Flag, then `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, then whether it is a terminal, then what it can show.
    pub fn detect(when: When, env: &Environment<'_>) -> Self {
        let is_set = |value: Option<&str>| value.is_some_and(|v| !v.is_empty());
        let is_on = |value: Option<&str>| value.is_some_and(|v| !v.is_empty() && v != "0");
        let wanted = match when {
            When::Never => false,
            When::Always => true,
            When::Auto if is_set(env.no_color) => false,
            When::Auto if is_on(env.clicolor_force) => true,
            When::Auto if env.clicolor == Some("0") => false,
            When::Auto => env.is_tty && !matches!(env.term, Some("dumb")),
        };
        if !wanted {
            return Depth::None;
        }
        let forced = when == When::Always || is_on(env.clicolor_force);
        match Self::of_terminal(env) {
            Depth::None if forced => Depth::C16,
            depth => depth,
        }
    }

    fn of_terminal(env: &Environment<'_>) -> Self {
        if env.colorterm.is_some_and(|c| matches!(c, "truecolor" | "24bit")) {
            return Depth::True;
        }
        let term = env.term.unwrap_or("");
        let has = |words: &[&str]| words.iter().any(|w| term.contains(w));
        if has(&["direct", "truecolor", "kitty", "alacritty", "wezterm", "ghostty", "foot", "iterm"]) {
            Depth::True
        } else if has(&["256"]) {
            Depth::C256
        } else if term.is_empty() || has(&["dumb", "vt1", "vt2", "vt52", "-mono", "-m"]) {
            Depth::None
        } else {
            Depth::C16
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_flag_then_environment_then_terminal() {
        let tty = |term: &'static str| Environment { term: Some(term), is_tty: true, ..Environment::default() };
        let cases = [
            (When::Auto, tty("xterm-256color"), Depth::C256),
            (When::Auto, tty("xterm"), Depth::C16),
            (When::Auto, tty("linux"), Depth::C16),
            (When::Auto, tty("dumb"), Depth::None),
            (When::Auto, tty("vt100"), Depth::None),
            (When::Auto, tty("xterm-kitty"), Depth::True),
            (When::Auto, Environment { colorterm: Some("truecolor"), ..tty("screen") }, Depth::True),
            (When::Auto, Environment { is_tty: false, ..tty("xterm") }, Depth::None),
            (When::Auto, Environment { no_color: Some("1"), ..tty("xterm") }, Depth::None),
            (When::Auto, Environment { no_color: Some(""), ..tty("xterm") }, Depth::C16),
            (When::Always, Environment { no_color: Some("1"), ..tty("xterm") }, Depth::C16),
            (When::Auto, Environment { no_color: Some("1"), clicolor_force: Some("1"), ..tty("xterm") }, Depth::None),
            (When::Auto, Environment { clicolor_force: Some("1"), is_tty: false, ..tty("dumb") }, Depth::C16),
            (When::Auto, Environment { clicolor: Some("0"), ..tty("xterm") }, Depth::None),
            (When::Never, tty("xterm-kitty"), Depth::None),
        ];
        for (when, env, depth) in cases {
            assert_eq!(Depth::detect(when, &env), depth, "{when:?} {env:?}");
        }
    }

    #[test]
    fn colours_are_mapped_to_the_nearest() {
        for (hex, index, sixteen) in [
            ("#000000", 16, Color::Black),
            ("#ffffff", 231, Color::White),
            ("#f05050", 203, Color::LightRed),
            ("#e69f00", 178, Color::Yellow),
            ("#1fe08f", 42, Color::LightGreen),
            ("#009e73", 35, Color::Green),
            ("#56b4e9", 74, Color::LightCyan),
            ("#5f6368", 241, Color::DarkGray),
        ] {
            let rgb = Rgb::parse(hex).unwrap();
            assert_eq!((rgb.nearest_256(), rgb.nearest_16()), (index, sixteen), "{hex}");
        }
        assert_eq!(Rgb::parse("#12345"), None);
        assert_eq!(Rgb::parse("#éa345"), None);
    }
}
