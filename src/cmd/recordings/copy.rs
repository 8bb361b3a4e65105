//! Copies of recordings, out and in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Setup;
use crate::domain::text::Text;
use crate::record::redact::Redactor;
use crate::record::store::Store;
use crate::record::write::append::Appender;
use crate::record::{Side, Tape, TapeMsg, pack, read};

/// Writes the lines of a recording as they are.
pub fn export(path: &Path, to: &Path, out: &mut dyn Write) -> Result<()> {
    // It must be one that this redkey can read.
    read::open(path)?;
    let mut from = lines(path)?;
    if to.as_os_str() == "-" {
        io::copy(&mut from, out)?;
        return Ok(());
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("cannot write {}", to.display()))?;
    if read::is_packed(to) {
        pack::pack(&mut from, BufWriter::new(&file))?;
    } else {
        io::copy(&mut from, &mut &file)?;
    }
    file.sync_all()?;
    writeln!(out, "{}", Text::limited(&to.display().to_string(), 4_096))?;
    Ok(())
}

fn lines(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(match read::is_packed(path) {
        true => Box::new(pack::Unpacker::new(file)),
        false => Box::new(BufReader::new(file)),
    })
}

/// Takes in recordings: what can be read of them, redacted by the policy here, packed.
pub fn import(setup: &Setup, store: &Store, files: &[PathBuf], no_redact: bool, out: &mut dyn Write) -> Result<()> {
    let redactor = if no_redact { Redactor::default() } else { Redactor::new(&setup.rules.policy.record.redact)? };
    for from in files {
        let mut tape = read::open(from).with_context(|| format!("{}", from.display()))?;
        let name = tape.header().run.as_str().to_owned();
        if !is_name(&name) {
            bail!("{} calls its run {:?}, which is no name for a file", from.display(), name);
        }
        if store.files()?.iter().any(|path| crate::record::store::name_of(path).as_deref() == Some(name.as_str())) {
            bail!("there is a recording of {name} already\nhint: `redkey recordings rm {name}` removes it");
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&store.dir)?;
        let to = store.dir.join(format!("{name}.jsonl"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        let mut appender = Appender::new(file, 0, redactor.clone());
        appender.begin(tape.header());
        let mut end = None;
        for beat in tape.by_ref() {
            match beat? {
                beat if matches!(beat.msg, TapeMsg::Side(Side::End(_))) => end = Some(beat),
                beat => appender.take(&beat),
            }
            if appender.pending() > 1 << 20 && !appender.write() {
                break;
            }
        }
        end.into_iter().for_each(|end| appender.take(&end));
        if !appender.write() {
            let why = appender.trouble.clone().unwrap_or_default();
            let _ = fs::remove_file(&to); // half a copy is none
            bail!("cannot write {}: {why}", to.display());
        }
        appender.sync();
        drop(appender);
        let to = crate::record::store::pack_file(&to)?;
        writeln!(out, "{}", Text::limited(&to.display().to_string(), 4_096))?;
        if !tape.lost().is_nothing() {
            writeln!(out, "  parts of it were missing; `redkey recordings verify {}` tells what", from.display())?;
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(plain)
}
