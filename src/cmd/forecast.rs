//! `redkey forecast score`: how good the forecast was over recorded sessions.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{Setup, read};
use crate::domain::score::{Score, Scorer};
use crate::engine::Msg;
use crate::sources;

pub fn score(setup: &Setup, paths: &[PathBuf], json: bool, out: &mut dyn Write) -> Result<()> {
    let plan = read::plan(setup, paths, true)?;
    let now = plan.now;
    let mut model = read::model(setup);
    let rules = setup.rules.clone();
    let mut score = Score::default();
    let mut scorers: HashMap<u32, Scorer> = HashMap::new();
    sources::read_now(&plan, &mut |msg| match msg {
        Msg::Events { source, events } => {
            for (event, offset) in events {
                let at = event.at.unwrap_or(now);
                let id = event.run.clone();
                if let Some(run) = model.find(&id) {
                    scorers.entry(run.number).or_default().before(run, at, &rules, &mut score);
                }
                model.apply(Msg::Events { source, events: vec![(event, offset)] }, now);
                if let Some(run) = model.find(&id) {
                    scorers.entry(run.number).or_default().after(run, &rules, &mut score);
                }
            }
        }
        other => {
            model.apply(other, now);
        }
    });
    for run in model.runs() {
        scorers.entry(run.number).or_default().end(run, &mut score);
    }
    let score = score.finish();
    if score.runs == 0 {
        bail!("no recorded session was found\nhint: name files or directories: redkey forecast score PATH…");
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &score)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(
        out,
        "{} runs. p10 to p90 should hold the truth 80 % of the time (INSIDE). AHEAD: until so much more",
        score.runs
    )?;
    writeln!(
        out,
        "of the clock was spent. EARLIER, LATER: the truth fell outside. UNDECIDED: the recording ended first."
    )?;
    writeln!(out, "Runs of a few seconds say nothing: their spending comes in jumps and no time passes.")?;
    writeln!(
        out,
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9}",
        "AHEAD", "GUESSES", "INSIDE", "EARLIER", "LATER", "UNDECIDED", "p50 OFF"
    )?;
    for h in &score.horizons {
        let percent = |part: u64| {
            if h.guesses == 0 { "—".into() } else { format!("{:.1} %", part as f64 * 100.0 / h.guesses as f64) }
        };
        let off = h.median_error_of_p50.map_or("—".into(), |e| format!("{:.0} %", e * 100.0));
        writeln!(
            out,
            "{:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>9}",
            h.ahead_ms.short(),
            h.guesses,
            percent(h.inside),
            percent(h.before_p10),
            percent(h.after_p90),
            h.undecided,
            off
        )?;
    }
    Ok(())
}
