//! `redkey` and `redkey watch`: the screen over live runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use tokio::sync::mpsc;

use super::{Setup, needs_terminal, read};
use crate::cli::{Cli, ColorWhen};
use crate::clock;
use crate::config;
use crate::control::audit;
use crate::control::dir::RunDir;
use crate::control::hands::Hands;
use crate::control::holds::Places;
use crate::control::mapping::scan::Proc;
use crate::control::meter::ledger;
use crate::domain::text::Text;
use crate::engine::Model;
use crate::record::write::watched::Watched;
use crate::runtime::{self, Exit, Runtime, ThemeFinder};
use crate::sources::{self, Plan};
use crate::ui::terminal::Guard;
use crate::ui::theme::{Depth, Environment, Theme, When};
use crate::ui::{Options, Ui};

/// Opens the screen on `paths`, or on the default places; the exit code.
pub fn run(cli: &Cli, setup: &Setup, paths: &[PathBuf]) -> Result<u8> {
    needs_terminal("`redkey ls` prints a table, `redkey ls --json` data, `redkey tail RUN` charges as they come")?;
    screen(cli, setup, read::plan(setup, paths, cli.all)?)
}

/// How the screen looks, and how a person wants it.
pub struct Look {
    pub depth: Depth,
    pub themes: ThemeFinder,
    pub theme: Theme,
    pub options: Options,
}

/// Reads it from the command line and the environment.
pub fn look(cli: &Cli, setup: &Setup) -> Result<Look> {
    let depth = depth(cli.look.color);
    let themes = theme_finder(config::Dirs::find());
    let theme = themes(&cli.look.theme)?.at(depth);
    let options = Options {
        size: crossterm::terminal::size().unwrap_or((80, 24)),
        ascii: cli.look.ascii || !speaks_utf8(),
        reduced_motion: cli.look.reduced_motion,
        mouse: false,
        utc_offset: clock::utc_offset(),
        warnings: setup.loaded.warnings.iter().map(|w| Text::new(&w.to_string())).collect(),
    };
    Ok(Look { depth, themes, theme, options })
}

/// The screen on a plan.
pub fn screen(cli: &Cli, setup: &Setup, plan: Plan) -> Result<u8> {
    let Look { depth, themes, theme, options } = look(cli, setup)?;
    let model: Model = read::model(setup);
    let record = watched(cli, setup)?;
    let (tx, incoming) = mpsc::channel(runtime::BATCHES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (exit, record) = runtime.block_on(async {
        // Raw mode first: what is typed meanwhile must not be echoed.
        let (mut guard, mut screen) = Guard::take(options.mouse)?;
        let dirs = config::Dirs::find();
        let log = dirs.as_ref().map_or_else(PathBuf::new, audit::path);
        let hands = Hands::new(tx.clone(), log.clone());
        let mut holds = None;
        if let Some(dirs) = &dirs {
            ledger::follow(&log, tx.clone())?;
            holds = Some(hands.look(places(dirs, setup))?);
        }
        let sources = sources::spawn(plan, tx)?;
        let title = Text::default();
        let ui = Ui::new(options);
        Runtime { model, ui, theme, themes, depth, sources, hands, holds, incoming, title, record }
            .run(&mut guard, &mut screen)
            .await
    })?;
    // A reader may still be blocked on standard input; it must not keep the program.
    runtime.shutdown_background();
    if let Some(record) = record {
        record.put_away(clock::now());
    }
    Ok(exit_code(exit))
}

pub fn exit_code(exit: Exit) -> u8 {
    match exit {
        Exit::Quit => 0,
        Exit::Signal(number) => 128u8.saturating_add(u8::try_from(number).unwrap_or(0)),
    }
}

/// The recording of this screen, if it was asked for.
fn watched(cli: &Cli, setup: &Setup) -> Result<Option<Watched>> {
    if !cli.record && !setup.rules.policy.record.watched {
        return Ok(None);
    }
    let dirs = config::Dirs::find().context("no home directory is known (HOME is not set)\nhint: set HOME")?;
    let recording = setup.recording(&dirs, cli.no_redact)?;
    let cwd = std::env::current_dir().unwrap_or_default();
    let place = recording.store.dir.display().to_string();
    let watched = Watched::begin(recording, &cwd.to_string_lossy(), clock::now());
    Ok(Some(watched.with_context(|| format!("cannot record in {place}"))?))
}

/// Where holds are looked for. The sockets' directory needn't be there yet.
fn places(dirs: &config::Dirs, setup: &Setup) -> Places {
    Places { sockets: RunDir::path_of(dirs), proc: Proc::system(), env: setup.env.clone() }
}

fn depth(when: ColorWhen) -> Depth {
    let var = |name: &str| std::env::var(name).ok();
    let vars = ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "COLORTERM", "TERM"].map(var);
    let [no_color, clicolor_force, clicolor, colorterm, term] = vars.each_ref().map(Option::as_deref);
    let env = Environment { no_color, clicolor_force, clicolor, colorterm, term, is_tty: true };
    let when = match when {
        ColorWhen::Auto => When::Auto,
        ColorWhen::Always => When::Always,
        ColorWhen::Never => When::Never,
    };
    Depth::detect(when, &env)
}

/// Finds themes: shipped ones by name, the user's own by name, any by its path.
fn theme_finder(dirs: Option<config::Dirs>) -> ThemeFinder {
    // Without a home directory there are no themes of one's own.
    let own = dirs.map_or_else(PathBuf::new, |dirs| dirs.config.join("themes"));
    Box::new(move |name| {
        if let Some(theme) = Theme::named(name) {
            return Ok(theme);
        }
        let path = if name.contains(['/', '.']) { PathBuf::from(name) } else { own.join(format!("{name}.toml")) };
        let text = std::fs::read_to_string(&path).map_err(|error| no_theme(&path, &error))?;
        let lookup = |parent: &str| std::fs::read_to_string(own.join(format!("{parent}.toml"))).ok();
        Ok(Theme::parse(&text, &lookup)?)
    })
}

/// Why there is no theme at `path`; what there is instead, if the file is not there.
fn no_theme(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let path = path.display();
    if error.kind() != std::io::ErrorKind::NotFound {
        return anyhow!("cannot read the theme {path}: {error}");
    }
    let names: Vec<&str> = Theme::names().collect();
    anyhow!("there is no theme {path}\nhint: {}, or a file", names.join(", "))
}

/// Does the locale say UTF-8? POSIX order: LC_ALL, LC_CTYPE, LANG. Unset is taken as yes: most terminals are.
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|v| std::env::var(v).ok()).find(|v| !v.is_empty());
    set.is_none_or(|v| v.to_ascii_lowercase().replace('-', "").contains("utf8"))
}
