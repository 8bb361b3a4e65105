//! `redkey export`: a run as a file for others.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Setup, complain, replay, watch};
use crate::cli::{Cli, ColorWhen, ExportArgs};
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::export::cast::{self, Film};
use crate::export::walk::{News, Whole, walk};
use crate::export::{csv, html};
use crate::ui::Ui;
use crate::ui::theme::Depth;

pub fn run(cli: &Cli, setup: &Setup, args: &ExportArgs, out: &mut dyn Write) -> Result<()> {
    let Some(path) = args.output.as_deref().filter(|path| path.as_os_str() != "-") else {
        return write(cli, setup, args, out);
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot write {}", path.display()))?);
    let written = write(cli, setup, args, &mut file).and_then(|()| Ok(file.flush()?));
    if written.is_err() {
        // Half a file is none; it was made here.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write(cli: &Cli, setup: &Setup, args: &ExportArgs, out: &mut dyn Write) -> Result<()> {
    if args.csv {
        return table(setup, &args.run, out);
    }
    if args.html {
        let mut gathered = html::Gathered::default();
        let whole = told(setup, &args.run, &mut |news| gathered.take(news))?;
        let page = html::write(&name(&args.run), &whole, gathered);
        return Ok(out.write_all(page.as_bytes())?);
    }
    film(cli, setup, args, out)
}

fn table(setup: &Setup, run: &str, out: &mut dyn Write) -> Result<()> {
    let mut written = out.write_all(csv::HEADER.as_bytes());
    let whole = told(setup, run, &mut |news| {
        if let (News::Charge(run, charge), Ok(())) = (news, &written) {
            written = out.write_all(csv::line(run, charge).as_bytes());
        }
    })?;
    written?;
    incomplete(whole.trouble.as_ref());
    Ok(())
}

/// Everything that was recorded, told.
fn told(setup: &Setup, run: &str, tell: &mut dyn FnMut(News<'_>)) -> Result<Whole> {
    let steps = replay::track(setup, &[run.to_owned()])?;
    match walk(steps, replay::model(setup), replay::reader(), tell) {
        Ok(Some(whole)) => Ok(whole),
        Ok(None) => bail!("{}", replay::NOTHING),
        Err(why) => bail!("{why}"),
    }
}

/// What is written is still worth having.
fn incomplete(trouble: Option<&Text>) {
    if let Some(why) = trouble {
        complain(&anyhow::anyhow!("not everything could be read: {why}"));
    }
}

fn film(cli: &Cli, setup: &Setup, args: &ExportArgs, out: &mut dyn Write) -> Result<()> {
    let steps = replay::track(setup, std::slice::from_ref(&args.run))?;
    let reel = replay::whole(setup, steps)?;
    incomplete(reel.trouble());
    let mut look = watch::look(cli, setup)?;
    // A file has no terminal that could say what it shows.
    let depth = if cli.look.color == ColorWhen::Never { Depth::None } else { Depth::True };
    let theme = (look.themes)(&cli.look.theme)?.at(depth);
    look.options.size = (args.width, args.height);
    crossterm::style::force_color_output(depth != Depth::None);
    let film = Film {
        size: (args.width, args.height),
        cap: Some(args.idle_cap).filter(|cap| *cap > Span::ZERO),
        title: Text::new(&format!("redkey: {}", name(&args.run))),
        utc_offset: look.options.utc_offset,
    };
    cast::write(&film, reel, Ui::new(look.options), &theme, out)?;
    Ok(())
}

/// The last part of a path, or the name itself: where a file lies is nobody's business.
fn name(run: &str) -> String {
    Path::new(run).file_name().map_or_else(|| run.to_owned(), |name| name.to_string_lossy().into_owned())
}
