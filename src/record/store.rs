//! The directory of recordings: `<state>/recordings/RUN.jsonl` while a run goes on, `RUN.jsonl.zst` when it has ended.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{Ended, Header, PolicyRec, Sum};
use super::pack::{Table, Unpacker};
use super::read;
use super::redact::Redactor;
use super::tape::{Side, Tape, TapeError, TapeMsg};
use crate::config::Dirs;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Bytes at a recording's end in which its last sum is looked for.
const TAIL: u64 = 256 << 10;

/// The recordings of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub dir: PathBuf,
}

/// Where and how something is recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    pub store: Store,
    pub policy: Arc<PolicyRec>,
    /// Without rules: secrets stay.
    pub redactor: Redactor,
    pub keep: Span,
    pub keep_mb: u32,
}

/// One recording, as far as its beginning and its end tell.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: PathBuf,
    /// The file's name without its endings.
    pub name: String,
    pub header: Header,
    pub size: u64,
    pub modified: Stamp,
    pub packed: bool,
    /// What its clock said last.
    pub sum: Option<Sum>,
    /// How it ended; `None`: it goes on, or was cut off.
    pub end: Option<Ended>,
    /// When its last record was made.
    pub last: Option<Stamp>,
}

/// A file that can't be read as a recording, and why.
pub type Unreadable = (PathBuf, TapeError);

impl Store {
    pub fn of(dirs: &Dirs) -> Self {
        Self { dir: dirs.state.join("recordings") }
    }

    /// All files that look like recordings, by name. A directory that isn't there holds none.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(error),
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| name_of(path).is_some());
        files.sort();
        // A file that was just packed may be there twice for a moment.
        let both: Vec<PathBuf> = files.iter().filter(|path| !read::is_packed(path)).cloned().collect();
        files.retain(|path| !read::is_packed(path) || !both.iter().any(|plain| name_of(plain) == name_of(path)));
        Ok(files)
    }

    /// Every recording that can be read, the newest last; and the others with what is wrong.
    pub fn list(&self) -> io::Result<(Vec<Entry>, Vec<Unreadable>)> {
        let (mut entries, mut others) = (Vec::new(), Vec::new());
        for path in self.files()? {
            match entry(&path) {
                Ok(entry) => entries.push(entry),
                Err(error) => others.push((path, error)),
            }
        }
        entries.sort_by(|a, b| (a.header.started, &a.name).cmp(&(b.header.started, &b.name)));
        Ok((entries, others))
    }

    /// Removes what is older than `keep`, and the oldest while all together are larger than `keep_bytes`; what was
    /// removed, or (`dry`) would be. One that is being written stays.
    pub fn prune(&self, keep: Span, keep_bytes: u64, now: Stamp, dry: bool) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files: Vec<(Stamp, PathBuf, u64)> = Vec::new();
        for path in self.files()? {
            let Ok(meta) = fs::metadata(&path) else { continue };
            files.push((modified(&meta), path, meta.len()));
        }
        files.sort();
        let mut all: u64 = files.iter().map(|(_, _, size)| size).sum();
        let mut gone = Vec::new();
        for (at, path, size) in files {
            let is_over = now.since(at) > keep || all > keep_bytes;
            if !is_over || is_being_written(&path) {
                continue;
            }
            if !dry {
                fs::remove_file(&path)?;
            }
            all -= size;
            gone.push((path, size));
        }
        Ok(gone)
    }

    /// Finds a recording: a file's path, a run's name or the beginning of it, a session's id or the beginning of it, a
    /// label. Of several that a label or session has, the newest.
    pub fn find(&self, wanted: &str) -> Result<PathBuf, String> {
        let direct = Path::new(wanted);
        if direct.is_file() {
            return Ok(direct.to_owned());
        }
        let files = self.files().map_err(|error| format!("cannot read {}: {error}", self.dir.display()))?;
        if let Some(path) = files.iter().find(|path| name_of(path).as_deref() == Some(wanted)) {
            return Ok(path.clone());
        }
        if wanted.is_empty() {
            return Err("no recording is named".into());
        }
        let begins: Vec<&PathBuf> =
            files.iter().filter(|path| name_of(path).is_some_and(|name| name.starts_with(wanted))).collect();
        match begins.as_slice() {
            [path] => return Ok((*path).clone()),
            [] => {}
            [first, ..] => {
                let names = (name_of(first).unwrap_or_default(), begins.len());
                return Err(format!("{} recordings begin so, {} among them\nhint: write more of it", names.1, names.0));
            }
        }
        let is_it = |entry: &Entry| {
            entry.header.label.0.as_str() == wanted
                || entry.sum.iter().flat_map(|sum| &sum.runs).any(|run| is_session(run.run.as_str(), wanted))
        };
        let (entries, _) = self.list().map_err(|error| format!("cannot read {}: {error}", self.dir.display()))?;
        let newest = entries.into_iter().rev().find(is_it);
        newest.map(|entry| entry.path).ok_or_else(|| {
            format!("there is no recording of {}\nhint: `redkey recordings ls` lists them", Text::new(wanted))
        })
    }
}

fn is_session(session: &str, wanted: &str) -> bool {
    session.starts_with(wanted) || session.split_once(':').is_some_and(|(_, id)| id.starts_with(wanted))
}

/// `RUN` of `RUN.jsonl` or `RUN.jsonl.zst`; `None`: it is no recording by its name.
pub fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".jsonl")?;
    (!name.is_empty() && !name.starts_with('.')).then(|| name.to_owned())
}

/// Reads a recording's beginning and end.
pub fn entry(path: &Path) -> Result<Entry, TapeError> {
    let fail = |error: io::Error| TapeError::Read(Text::new(&format!("{}: {error}", path.display())));
    let meta = fs::metadata(path).map_err(fail)?;
    let header = read::open(path)?.header().clone();
    let mut entry = Entry {
        path: path.to_owned(),
        name: name_of(path).unwrap_or_else(|| path.display().to_string()),
        header,
        size: meta.len(),
        modified: modified(&meta),
        packed: read::is_packed(path),
        sum: None,
        end: None,
        last: None,
    };
    for line in tail(path).map_err(fail)?.split(|b| *b == b'\n') {
        let Ok(beat) = super::convert::read(line) else { continue };
        entry.last = Some(beat.at);
        match beat.msg {
            TapeMsg::Side(Side::Sum(sum)) => entry.sum = Some(*sum),
            TapeMsg::Side(Side::End(end)) => entry.end = Some(end),
            _ => entry.end = None,
        }
    }
    Ok(entry)
}

fn modified(meta: &fs::Metadata) -> Stamp {
    let at = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Stamp(at.and_then(|at| i64::try_from(at.as_millis()).ok()).unwrap_or(0))
}

/// Does a recorder hold this file?
pub fn is_being_written(path: &Path) -> bool {
    use rustix::fs::{FlockOperation, flock};
    let Ok(file) = fs::File::open(path) else { return false };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => false,
        Err(error) => error == rustix::io::Errno::WOULDBLOCK,
    }
}

/// Packs a recording that has ended: `RUN.jsonl` becomes `RUN.jsonl.zst`. At no moment is neither there whole.
pub fn pack_file(path: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut to = path.as_os_str().to_owned();
    to.push(".zst");
    let to = PathBuf::from(to);
    let draft = to.with_extension(format!("zst.{}.part", std::process::id()));
    let from = fs::File::open(path)?;
    let done = (|| {
        let out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        super::pack::pack(&from, io::BufWriter::new(&out))?;
        out.sync_all()?;
        fs::rename(&draft, &to)?;
        // The new name must be on the disk before the old one goes.
        if let Some(dir) = path.parent() {
            fs::File::open(dir)?.sync_all()?;
        }
        fs::remove_file(path)
    })();
    if done.is_err() {
        let _ = fs::remove_file(&draft); // there may be none
    }
    done.map(|()| to)
}

/// The last lines; the first of them may be cut.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    if read::is_packed(path) {
        let table = Table::of(&file)?;
        let from = table.raw_len().saturating_sub(TAIL);
        Unpacker::at(file, &table, from)?.take(TAIL).read_to_end(&mut bytes)?;
    } else {
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
        file.take(TAIL).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
