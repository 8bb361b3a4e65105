//! `redkey` and `redkey watch`: the screen over live runs.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;

use super::{Setup, needs_terminal, read};
use crate::cli::{Cli, ColorWhen};
use crate::engine::Model;
use crate::runtime::{self, Exit, Runtime};
use crate::sources::{self, Plan};
use crate::ui::terminal::Terminal;
use crate::ui::theme::{ColorEnv, Depth, Theme};
use crate::ui::{Options, Ui};

/// Opens the screen on `paths`, or on the default places; the exit code.
pub fn run(cli: &Cli, setup: &Setup, paths: &[PathBuf]) -> Result<u8> {
    needs_terminal("`redkey ls` prints a table, `redkey ls --json` data, `redkey tail RUN` charges as they come")?;
    screen(cli, setup, read::plan(setup, paths, cli.all)?)
}

/// The screen on a plan.
pub fn screen(cli: &Cli, setup: &Setup, plan: Plan) -> Result<u8> {
    let depth = depth(cli.look.color);
    let theme = theme(setup, &cli.look.theme)?.at(depth);
    let options = Options {
        ascii: cli.look.ascii || !speaks_utf8(),
        reduced_motion: cli.look.reduced_motion,
        notes: setup.loaded.warnings.clone(),
    };
    let model: Model = read::model(setup);
    let (tx, incoming) = mpsc::channel(runtime::BATCHES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        // Raw mode first: what is typed meanwhile must not be echoed.
        let mut terminal = Terminal::enter()?;
        let sources = sources::spawn(plan, tx);
        let loop_ = Runtime { model, ui: Ui::new(options), theme, sources, incoming };
        let exit = loop_.run(&mut terminal).await;
        terminal.leave()?;
        exit
    })?;
    // A reader may still be blocked on standard input; it must not keep the program.
    runtime.shutdown_background();
    Ok(match exit {
        Exit::Quit => 0,
        Exit::Signal(number) => 128 + number as u8,
    })
}

fn depth(when: ColorWhen) -> Depth {
    let var = |name: &str| std::env::var(name).ok();
    let env = ColorEnv {
        no_color: var("NO_COLOR"),
        clicolor_force: var("CLICOLOR_FORCE"),
        clicolor: var("CLICOLOR"),
        colorterm: var("COLORTERM"),
        term: var("TERM"),
        is_terminal: true,
    };
    let flag = match when {
        ColorWhen::Auto => None,
        ColorWhen::Always => Some(true),
        ColorWhen::Never => Some(false),
    };
    Depth::detect(flag, &env)
}

/// A theme by its name, or from a file: the given path, or that name among the user's own themes.
fn theme(setup: &Setup, name: &str) -> Result<Theme> {
    if let Some(theme) = Theme::embedded(name) {
        return Ok(theme);
    }
    let own = setup.loaded.dirs.config.join("themes").join(format!("{name}.toml"));
    let path = if name.contains(['/', '.']) { PathBuf::from(name) } else { own };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no theme `{name}`: {}\nhint: default, light, mono, high-contrast, or a file", path.display()))?;
    Theme::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}

/// Does the locale say UTF-8? POSIX order: LC_ALL, LC_CTYPE, LANG. Unset is taken as yes: most terminals are.
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|v| std::env::var(v).ok()).find(|v| !v.is_empty());
    set.is_none_or(|v| v.to_ascii_lowercase().replace('-', "").contains("utf8"))
}
