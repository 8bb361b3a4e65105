//! What files said, kept between starts: one file, replaced as a whole, ignored if anything about it is strange.
//!
//! It has two parts. The first, small, names every file with the marks by which a change is noticed, and holds the
//! finished totals; if nothing changed, nothing else is read. The second holds what each file says. Numbers are
//! little-endian; each part has a checksum.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::SessionTotals;
use super::bytes::{Reader, Writer, checksum};
use super::part::{read_usage, write_usage};
use crate::domain::event::{Agent, Key, RunId};
use crate::domain::price::{Cost, Prices};
use crate::domain::rules::Rules;
use crate::domain::time::Stamp;
use crate::domain::usage::Usd;

/// Changes with the layout of the file and with the meaning of what is in it.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"redkeyix";
/// Magic, then length and checksum of both parts.
const HEADER: usize = 8 + 4 * 8;
/// More than any cache: a foreign file isn't read into memory.
const MAX_PART: u64 = 1 << 30;

/// By what a change of a file is noticed: device, inode, size, and times of change of content and of inode, in ns.
pub type Marks = [u64; 5];

/// A file as the cache knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The path's own bytes.
    pub path: Vec<u8>,
    pub marks: Marks,
    /// Where in the second part its facts are.
    pub place: (u64, u64),
    /// Its format is known.
    pub is_known: bool,
    /// Lines that were too long.
    pub skipped: u64,
}

/// The first part.
#[derive(Debug, Default, PartialEq)]
pub struct Summary {
    /// Digest of the files that the sessions were added up from.
    pub signature: u64,
    pub rows: Vec<Row>,
    /// Sessions, each with the digest of its own files.
    pub sessions: Vec<(u64, SessionTotals)>,
}

/// A cache that was opened; its second part is read when it is needed.
pub struct Cache {
    pub summary: Summary,
    file: File,
    facts: (u64, u64, u64),
}

/// What must be the same for a cache to be of use: this program, its prices, its idea of tools that start subagents,
/// and how ids become digests, which a newer compiler may do in another way.
pub fn salt(rules: &Rules, prices: &Prices) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(u64::from(VERSION));
    w.bytes(env!("CARGO_PKG_VERSION").as_bytes());
    w.bytes(prices.date.as_bytes());
    w.fixed(checksum(format!("{:?}", rules.policy.tools).as_bytes()));
    w.fixed(Key::of(&["salt", "of", "digests"]).0);
    w.0
}

impl Cache {
    /// Opens a cache and reads its first part. `None`: there is none, or none that can be used.
    pub fn open(path: &Path, salt: &[u8]) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let mut r = Reader(header.strip_prefix(&MAGIC)?);
        let (length, sum) = (r.fixed()?, r.fixed()?);
        let facts = (HEADER as u64 + length, r.fixed()?, r.fixed()?);
        let bytes = read(&mut file, HEADER as u64, length).filter(|bytes| checksum(bytes) == sum)?;
        let mut r = Reader(bytes.strip_prefix(salt)?);
        let summary = Summary::read(&mut r)?;
        Some(Self { summary, file, facts })
    }

    /// The second part.
    pub fn facts(&mut self) -> Option<Vec<u8>> {
        let (start, length, sum) = self.facts;
        let bytes = read(&mut self.file, start, length)?;
        let places = self.summary.rows.iter().map(|row| slice(&bytes, row.place));
        let pieces: Vec<&[u8]> = places.collect::<Option<_>>()?;
        (sum_of(&pieces) == sum).then_some(bytes)
    }
}

/// The bytes at a row's place in the second part.
pub fn slice(bytes: &[u8], place: (u64, u64)) -> Option<&[u8]> {
    let start = usize::try_from(place.0).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(place.1).ok()?)?)
}

/// The second part's checksum, which needs no copy of its pieces side by side.
fn sum_of(pieces: &[&[u8]]) -> u64 {
    let mut w = Writer::default();
    pieces.iter().for_each(|piece| w.fixed(checksum(piece)));
    checksum(&w.0)
}

fn read(file: &mut File, start: u64, length: u64) -> Option<Vec<u8>> {
    if length > MAX_PART || file.metadata().ok()?.len() < start.checked_add(length)? {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    file.seek(SeekFrom::Start(start)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Replaces the cache at once: whoever reads meanwhile has the old one. Only its owner may read it. `pieces` are the
/// facts of the summary's rows, in their order; their places are set here.
pub fn save(path: &Path, salt: &[u8], summary: &mut Summary, pieces: &[&[u8]]) -> std::io::Result<()> {
    let mut length = 0;
    for (row, piece) in summary.rows.iter_mut().zip(pieces) {
        row.place = (length, piece.len() as u64);
        length += piece.len() as u64;
    }
    let mut first = Writer(salt.to_vec());
    summary.write(&mut first);
    let mut header = Writer(MAGIC.to_vec());
    [first.0.len() as u64, checksum(&first.0), length, sum_of(pieces)].into_iter().for_each(|n| header.fixed(n));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    let written = create(&beside).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        let mut all = [&header.0[..], &first.0].into_iter().chain(pieces.iter().copied());
        all.try_for_each(|bytes| file.write_all(bytes))?;
        file.flush()
    });
    let moved = written.and_then(|()| std::fs::rename(&beside, path));
    if moved.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    moved
}

/// A new file; one that is there already (a link that somebody put there) is not followed but removed.
fn create(path: &Path) -> std::io::Result<File> {
    let _ = std::fs::remove_file(path);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl Summary {
    fn write(&self, w: &mut Writer) {
        w.fixed(self.signature);
        w.number(self.rows.len() as u64);
        for row in &self.rows {
            w.bytes(&row.path);
            row.marks.iter().for_each(|mark| w.number(*mark));
            w.number(row.place.0);
            w.number(row.place.1);
            w.number(u64::from(row.is_known));
            w.number(row.skipped);
        }
        w.number(self.sessions.len() as u64);
        for (signature, session) in &self.sessions {
            w.fixed(*signature);
            write_session(session, w);
        }
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let signature = r.fixed()?;
        let rows = (0..r.count(10)?)
            .map(|_| {
                Some(Row {
                    path: r.bytes()?.to_vec(),
                    marks: [r.number()?, r.number()?, r.number()?, r.number()?, r.number()?],
                    place: (r.number()?, r.number()?),
                    is_known: r.number()? != 0,
                    skipped: r.number()?,
                })
            })
            .collect::<Option<_>>()?;
        let sessions = (0..r.count(40)?).map(|_| Some((r.fixed()?, read_session(r)?))).collect::<Option<_>>()?;
        r.0.is_empty().then_some(Self { signature, rows, sessions })
    }
}

fn write_session(s: &SessionTotals, w: &mut Writer) {
    w.number(s.run.agent as u64);
    w.bytes(s.run.session.as_bytes());
    for text in [&s.title, &s.cwd, &s.model, &s.forked_from, &s.name] {
        w.text(text);
    }
    w.number(s.models.len() as u64);
    s.models.iter().for_each(|model| w.text(model));
    w.maybe(s.first.map(|at| at.0));
    w.maybe(s.last.map(|at| at.0));
    [s.usage, s.own.0].iter().for_each(|usage| write_usage(usage, w));
    w.signed(s.cost.usd.0);
    w.signed(s.own.1.0);
    w.number(u64::from(s.cost.is_floor));
    for n in [s.answers, s.tool_calls, s.failed, s.failed_inferred, s.subagents, s.unparsed, u64::from(s.files)] {
        w.number(n);
    }
}

fn read_session(r: &mut Reader<'_>) -> Option<SessionTotals> {
    let agent = *Agent::ALL.get(usize::try_from(r.number()?).ok()?)?;
    let run = RunId::new(agent, r.str()?);
    let [title, cwd, model, forked_from, name] = [r.text()?, r.text()?, r.text()?, r.text()?, r.text()?];
    let models = (0..r.count(1)?).map(|_| r.text()).collect::<Option<_>>()?;
    let [first, last] = [r.maybe()?.map(Stamp), r.maybe()?.map(Stamp)];
    let [usage, own] = [read_usage(r)?, read_usage(r)?];
    let [usd, own_usd] = [Usd(r.signed()?), Usd(r.signed()?)];
    let cost = Cost { usd, is_floor: r.number()? != 0 };
    let mut number = || r.number();
    Some(SessionTotals {
        run,
        title,
        cwd,
        model,
        models,
        forked_from,
        name,
        first,
        last,
        usage,
        cost,
        own: (own, own_usd),
        answers: number()?,
        tool_calls: number()?,
        failed: number()?,
        failed_inferred: number()?,
        subagents: number()?,
        unparsed: number()?,
        files: u32::try_from(number()?).ok()?,
    })
}
