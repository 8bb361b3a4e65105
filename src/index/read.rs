//! From files to totals: what the cache knows is not read again, the rest is read by a few threads.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::SessionTotals;
use super::bytes::{Writer, checksum};
use super::cache::{self, Cache, Marks, Row, Summary};
use super::copies;
use super::part::{FileFacts, Part};
use super::scan::{Flow, Scanner};
use super::sum;
use crate::adapters::{Form, Origin};
use crate::domain::event::RunId;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::tokens::Seen;
use crate::sources::project_root;

/// A buffer larger than this was for a long line, and isn't kept.
const KEEP_BUFFER: usize = 4 << 20;

/// How to read.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub rules: &'a Rules,
    pub prices: &'a Prices,
    /// The cache's file; its folder exists. `None`: without.
    pub cache: Option<&'a Path>,
    /// Threads that read files; at least one.
    pub threads: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Index {
    /// Newest first.
    pub sessions: Vec<SessionTotals>,
    /// Files that can't be read, and why.
    pub trouble: Vec<(PathBuf, std::io::Error)>,
    /// Files in no format that is known.
    pub unknown: usize,
    /// Lines that are too long to be read.
    pub skipped: u64,
    /// Files and bytes that weren't in the cache.
    pub read_files: usize,
    pub read_bytes: u64,
}

/// A file of this start.
struct Source {
    path: PathBuf,
    row: Row,
    facts: Facts,
}

enum Facts {
    /// In the cache's second part, at the row's place.
    Cached,
    /// Encoded.
    Fresh(Vec<u8>),
    None,
}

/// Totals of every session in `files`, whose order doesn't matter. The same files give the same result, with the
/// cache and without, by however many threads.
pub fn index(files: &[PathBuf], settings: &Settings<'_>) -> Index {
    let salt = cache::salt(settings.rules, settings.prices);
    let mut cache = settings.cache.and_then(|path| Cache::open(path, &salt));
    let mut index = Index::default();
    let mut sources = stat(files, settings.threads, &mut index.trouble);
    let signature = signature(sources.iter());
    if let Some(cache) = cache.as_mut().filter(|cache| cache.summary.signature == signature) {
        let sessions = std::mem::take(&mut cache.summary.sessions);
        index.count(&cache.summary.rows, &sources);
        index.finish(sessions.into_iter().map(|(_, session)| session).collect());
        return index;
    }
    let mut known = Known::default();
    if let Some(mut cache) = cache
        && let Some(bytes) = cache.facts()
    {
        known = Known::new(cache.summary, bytes, &mut sources);
    }
    read_all(&mut sources, settings, &mut index);
    let sessions = add_up(&sources, &known, settings);
    index.count(&[], &sources);
    if let Some(path) = settings.cache {
        // Without a cache the next start is slower, no more.
        let _ = save(path, &salt, signature, &sources, &known, &sessions);
    }
    index.finish(sessions.into_iter().map(|(_, session)| session).collect());
    index
}

impl Index {
    fn finish(&mut self, mut sessions: Vec<SessionTotals>) {
        sessions.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.run.cmp(&b.run)));
        self.sessions = sessions;
    }

    /// Counts unknown formats and lines too long: by the cache's rows if there are some, else by the sources' own.
    fn count(&mut self, rows: &[Row], sources: &[Source]) {
        let by_path: HashMap<&[u8], &Row> = rows.iter().map(|row| (&row.path[..], row)).collect();
        for source in sources {
            let row = by_path.get(&source.row.path[..]).copied().unwrap_or(&source.row);
            self.unknown += usize::from(!row.is_known);
            self.skipped += row.skipped;
        }
    }
}

/// What the cache knew.
#[derive(Default)]
struct Known {
    bytes: Vec<u8>,
    sessions: HashMap<u64, SessionTotals>,
    /// Files that weren't asked for.
    others: Vec<Row>,
}

impl Known {
    fn new(summary: Summary, bytes: Vec<u8>, sources: &mut [Source]) -> Self {
        let mut rows: HashMap<Vec<u8>, Row> = summary.rows.into_iter().map(|row| (row.path.clone(), row)).collect();
        for source in sources {
            let Some(row) = rows.remove(&source.row.path) else { continue };
            if row.marks == source.row.marks {
                source.row = row;
                source.facts = Facts::Cached;
            }
        }
        Self { bytes, sessions: summary.sessions.into_iter().collect(), others: rows.into_values().collect() }
    }

    fn bytes_of<'a>(&'a self, source: &'a Source) -> &'a [u8] {
        match &source.facts {
            Facts::Cached => cache::slice(&self.bytes, source.row.place).unwrap_or_default(),
            Facts::Fresh(bytes) => bytes,
            Facts::None => &[],
        }
    }
}

/// Does `work` for every number below `count`, on several threads; results in order.
fn spread<T: Send>(count: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    let worker = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            own.push((number, work(number)));
        }
        done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut own);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Looks at each file from outside. Sources are in order of their paths, each once.
fn stat(files: &[PathBuf], threads: usize, trouble: &mut Vec<(PathBuf, std::io::Error)>) -> Vec<Source> {
    const MANY: usize = 64;
    let mut files: Vec<&PathBuf> = files.iter().collect();
    files.sort_unstable();
    files.dedup();
    let chunks: Vec<&[&PathBuf]> = files.chunks(MANY).collect();
    let found = spread(chunks.len(), threads, |chunk| chunks[chunk].iter().map(std::fs::metadata).collect::<Vec<_>>());
    let mut sources = Vec::with_capacity(files.len());
    for (path, found) in files.into_iter().zip(found.into_iter().flatten()) {
        match found {
            Ok(meta) => {
                let bytes = path.as_os_str().as_encoded_bytes().to_vec();
                let row = Row { path: bytes, marks: marks(&meta), place: (0, 0), is_known: false, skipped: 0 };
                sources.push(Source { path: path.clone(), row, facts: Facts::None });
            }
            Err(error) => trouble.push((path.clone(), error)),
        }
    }
    sources
}

#[cfg(unix)]
fn marks(meta: &Metadata) -> Marks {
    use std::os::unix::fs::MetadataExt;
    let ns = |seconds: i64, ns: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(ns) as u64;
    [meta.dev(), meta.ino(), meta.len(), ns(meta.mtime(), meta.mtime_nsec()), ns(meta.ctime(), meta.ctime_nsec())]
}

#[cfg(not(unix))]
fn marks(meta: &Metadata) -> Marks {
    let since = |time: std::io::Result<std::time::SystemTime>| {
        time.ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos() as u64)
    };
    [0, 0, meta.len(), since(meta.modified()), since(meta.created())]
}

fn signature<'a>(sources: impl Iterator<Item = &'a Source>) -> u64 {
    let mut w = Writer::default();
    for source in sources {
        w.bytes(&source.row.path);
        source.row.marks.iter().for_each(|mark| w.fixed(*mark));
    }
    checksum(&w.0)
}

/// Reads every file that the cache doesn't know, the largest first.
fn read_all(sources: &mut [Source], settings: &Settings<'_>, index: &mut Index) {
    let mut queue: Vec<usize> = (0..sources.len()).filter(|i| matches!(sources[*i].facts, Facts::None)).collect();
    queue.sort_by_key(|i| (std::cmp::Reverse(sources[*i].row.marks[2]), *i));
    let buffers = Mutex::new(Vec::new());
    let results = spread(queue.len(), settings.threads, |place| {
        let lock = || buffers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut buffer = lock().pop().unwrap_or_default();
        let result = read_file(&sources[queue[place]], settings.rules, &mut buffer);
        if buffer.len() <= KEEP_BUFFER {
            lock().push(buffer);
        }
        result.map(|(facts, bytes)| (facts.format.is_some(), facts.skipped, facts.encode(), bytes))
    });
    for (i, result) in queue.into_iter().zip(results) {
        let source = &mut sources[i];
        match result {
            Ok((is_known, skipped, facts, bytes)) => {
                index.read_files += 1;
                index.read_bytes += bytes;
                (source.row.is_known, source.row.skipped) = (is_known, skipped);
                source.facts = Facts::Fresh(facts);
            }
            Err(error) => index.trouble.push((source.path.clone(), error)),
        }
    }
}

/// What a file says, and how many bytes were read for that.
fn read_file(source: &Source, rules: &Rules, buffer: &mut Vec<u8>) -> std::io::Result<(FileFacts, u64)> {
    let (path, size) = (&source.path, source.row.marks[2]);
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let origin = Origin { name, path: Some(path.to_string_lossy().into_owned()), cwd: project_root(path) };
    let mut bytes = 0;
    let mut scanner = Scanner::new(origin.clone(), rules).expect(size).with_buffer(std::mem::take(buffer));
    loop {
        let mut file = File::open(path)?;
        let flow = loop {
            let n = match file.read(scanner.room()) {
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            bytes += n as u64;
            match scanner.took(n) {
                Flow::More if n > 0 => {}
                flow => break flow,
            }
        };
        let (facts, used) = scanner.finish();
        if flow != Flow::Restart {
            *buffer = used;
            return Ok((facts, bytes));
        }
        scanner = Scanner::whole(origin.clone(), rules).with_buffer(used);
    }
}

/// Form and number of a file, and a session's part of it, encoded.
type Share<'a> = (Form, usize, &'a [u8]);

/// One session's shares of files: the files' numbers, and the parts, encoded.
struct Group<'a> {
    run: RunId,
    files: Vec<usize>,
    parts: Vec<&'a [u8]>,
}

/// Groups what files say by session, in order of sessions.
fn group<'a>(sources: &'a [Source], known: &'a Known) -> Vec<Group<'a>> {
    let mut shares: HashMap<RunId, Vec<Share<'_>>> = HashMap::new();
    for (number, source) in sources.iter().enumerate() {
        let Some((format, parts)) = FileFacts::parts(known.bytes_of(source)) else { continue };
        for (run, part) in parts {
            shares.entry(run).or_default().push((format.form(), number, part));
        }
    }
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(shares.len());
    for (run, mut shares) in shares {
        // A session's stream and what is on disk tell the same.
        if shares.iter().any(|(form, ..)| *form == Form::Disk) {
            shares.retain(|(form, ..)| *form == Form::Disk);
        }
        let (files, parts) = shares.into_iter().map(|(_, number, part)| (number, part)).unzip();
        groups.push(Group { run, files, parts });
    }
    groups.sort_by(|a, b| a.run.cmp(&b.run));
    groups
}

impl Group<'_> {
    /// Does something with the parts decoded. They are large: only as many are decoded as there are threads.
    fn decoded<T>(&self, work: impl FnOnce(&[&Part]) -> T) -> T {
        let parts: Vec<Part> = self.parts.iter().filter_map(|bytes| Part::decode(bytes)).collect();
        work(&parts.iter().collect::<Vec<_>>())
    }
}

/// Adds up every session; each with the digest of its files.
fn add_up(sources: &[Source], known: &Known, settings: &Settings<'_>) -> Vec<(u64, SessionTotals)> {
    let groups = group(sources, known);
    let mut added = spread(groups.len(), settings.threads, |g| {
        let group = &groups[g];
        let signature = signature(group.files.iter().map(|number| &sources[*number]));
        let ready = known.sessions.get(&signature).filter(|ready| ready.run == group.run).cloned();
        let (session, keys) =
            group.decoded(|parts| (ready.or_else(|| sum::session(parts, settings.prices)), sum::keys(parts)));
        (signature, session, keys)
    });
    // Whoever wasn't forked, and then whoever came first, has the originals.
    let mut order: Vec<usize> = (0..added.len()).collect();
    order.sort_by_key(|g| added[*g].1.as_ref().map(|s| (!s.forked_from.is_empty(), s.first, s.run.clone())));
    let keys: Vec<&[u64]> = order.iter().map(|g| &added[*g].2[..]).collect();
    let families = copies::families(&keys);
    let own = spread(families.len(), settings.threads, |family| {
        let mut seen = Seen::default();
        let members = (0u32..).zip(&families[family]).map(|(number, place)| {
            let g = order[*place];
            (g, groups[g].decoded(|parts| sum::own(parts, settings.prices, &mut seen, number)))
        });
        members.collect::<Vec<_>>()
    });
    for session in added.iter_mut().filter_map(|(_, session, _)| session.as_mut()) {
        session.own = (session.usage, session.cost.usd);
    }
    for (g, own) in own.into_iter().flatten() {
        if let Some(session) = &mut added[g].1 {
            session.own = own;
        }
    }
    added.into_iter().filter_map(|(signature, session, _)| Some((signature, session?))).collect()
}

fn save(
    path: &Path,
    salt: &[u8],
    signature: u64,
    sources: &[Source],
    known: &Known,
    sessions: &[(u64, SessionTotals)],
) -> std::io::Result<()> {
    let read = sources.iter().filter(|source| !matches!(source.facts, Facts::None));
    let (mut rows, mut pieces): (Vec<Row>, Vec<&[u8]>) =
        read.map(|source| (source.row.clone(), known.bytes_of(source))).unzip();
    for row in &known.others {
        // A path that is no text is forgotten, and its file read again when it is asked for.
        let is_there = std::str::from_utf8(&row.path).is_ok_and(|path| Path::new(path).exists());
        if is_there && let Some(bytes) = cache::slice(&known.bytes, row.place) {
            rows.push(row.clone());
            pieces.push(bytes);
        }
    }
    cache::save(path, salt, &mut Summary { signature, rows, sessions: sessions.to_vec() }, &pieces)
}
