//! To a real file: torn tails, two writers, permissions.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::record::Fact;
use super::super::writer::Audit;
use super::super::{read, write_now};
use super::{LONG, entry, grant, log, report, report_of, warned};
use crate::domain::text::Text;

#[test]
fn nothing_is_made_before_the_first_fact() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("deep/er/audit.jsonl");
    let audit = Audit::open(&path);
    assert!(audit.flush(LONG) && !audit.is_degraded());
    assert!(!tmp.path().join("deep").exists());
    assert_eq!(read(&path).unwrap().records, []);
    audit.record(Some(&Text::new("r-1")), warned("x"));
    assert!(audit.flush(LONG));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let log = read(&path).unwrap();
    assert_eq!(log.records[0].fact, warned("x"));
    assert_eq!(log.records[0].boot_id.as_str().len(), 36);
}

#[test]
fn a_log_torn_anywhere_goes_on_and_accounts_for_it() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = log(3);
    let second = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in 0..=whole.len() {
        let path = tmp.path().join(format!("{cut}.jsonl"));
        std::fs::write(&path, &whole[..cut]).unwrap();
        write_now(&path, &[entry("r-1", grant(1, &[]))], LONG).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(&whole[..cut]), "something was taken away at {cut}");
        let report = report(&bytes);
        assert!(report.is_intact(), "{cut}: {report:?}");
        assert_eq!(report.tail, 0);
        let recovered =
            read(&path).unwrap().records.iter().filter(|r| matches!(r.fact, Fact::Recovered { .. })).count();
        let is_whole = cut == 0 || whole[cut - 1] == b'\n';
        assert_eq!(recovered, usize::from(!is_whole), "{cut}");
        // What was torn can't be changed unseen either.
        if cut > second && report.torn > 0 {
            let mut changed = bytes;
            changed[cut - 1] ^= 1;
            assert!(!super::report(&changed).is_intact(), "{cut}");
        }
    }
}

#[test]
fn a_recovery_that_was_torn_itself_is_recovered() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let mut bytes = log(2);
    bytes.extend_from_slice(b"{\"seq\":3,\"at\n{\"seq\":3,\"at\":5,\n\nrubbish\n{\"se");
    std::fs::write(&path, &bytes).unwrap();
    write_now(&path, &[entry("r-1", warned("x"))], LONG).unwrap();
    let report = report_of(&path);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.records, report.torn), (4, 5));
}

#[test]
fn a_huge_line_is_passed_over() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let mut bytes = log(2);
    bytes.resize(bytes.len() + 700_000, b'x');
    std::fs::write(&path, &bytes).unwrap();
    write_now(&path, &[entry("r-1", warned("x"))], LONG).unwrap();
    let report = report_of(&path);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.records, report.torn), (4, 1));
    assert_eq!(read(&path).unwrap().skipped, 1);
}

#[test]
fn two_writers_make_one_chain() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let count = 300;
    let writers = ["a", "b"].map(|name| {
        let path = path.clone();
        std::thread::spawn(move || {
            let audit = Audit::open(&path);
            for n in 0..count {
                audit.record(Some(&Text::new(name)), warned(&n.to_string()));
                if n % 7 == 0 {
                    assert!(audit.flush(LONG));
                }
            }
            assert!(audit.flush(LONG));
        })
    });
    for writer in writers {
        writer.join().unwrap();
    }
    let report = report_of(&path);
    assert!(report.is_intact() && report.torn == 0, "{report:?}");
    let records = read(&path).unwrap().records;
    for name in ["a", "b"] {
        let own = records.iter().filter(|r| r.run.as_ref().is_some_and(|run| run.as_str() == name));
        let facts: Vec<Fact> = own.map(|record| record.fact.clone()).collect();
        assert_eq!(facts, (0..count).map(|n| warned(&n.to_string())).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_log_that_was_moved_away_begins_anew() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let audit = Audit::open(&path);
    audit.record(None, warned("old"));
    assert!(audit.flush(LONG));
    std::fs::rename(&path, tmp.path().join("moved")).unwrap();
    audit.record(None, warned("new"));
    assert!(audit.flush(LONG));
    assert_eq!(read(&path).unwrap().records.len(), 1);
    assert!(report_of(&path).is_intact());
}

#[test]
fn the_last_copy_leaves_nothing_behind() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let audit = Audit::open(&path);
    let copy = audit.clone();
    drop(audit);
    copy.record(None, warned("still"));
    assert!(copy.flush(LONG));
    assert_eq!(read(&path).unwrap().records.len(), 1);
}

/// Runs in a process of its own, started by the test below.
#[test]
#[ignore = "not a test by itself"]
fn under_a_limit() {
    let Some(path) = std::env::var_os("REDKEY_TEST_LIMITED") else { return };
    let audit = Audit::open(Path::new(&path));
    for n in 0..20 {
        audit.record(None, warned(&n.to_string()));
    }
    assert!(!audit.flush(Duration::from_millis(20)));
    assert!(audit.is_degraded());
}

#[test]
fn a_limit_on_file_sizes_is_no_end() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let status = Command::new("sh")
        .args(["-c", "ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--quiet",
            concat!(module_path!(), "::under_a_limit").trim_start_matches("redkey::"),
        ])
        .env("REDKEY_TEST_LIMITED", &path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let before = read(&path).unwrap().records.len();
    assert!(before > 0);
    write_now(&path, &[entry("r-1", warned("x"))], LONG).unwrap();
    let report = report_of(&path);
    assert!(report.is_intact() && report.torn == 1, "{report:?}");
}
