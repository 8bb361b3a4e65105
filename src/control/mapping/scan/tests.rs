use super::super::testkit::{Fake, NOW, Process};
use super::*;
use proptest::prelude::*;

#[test]
fn stat_is_read_whatever_the_name_holds() {
    let zeros = "0 ".repeat(15);
    let read = |comm: &str| parse_stat(format!("7 ({comm}) R 1 2 3 {zeros}99 5").as_bytes());
    for comm in ["sh", "a b", ") R 9 (", "((", ""] {
        let stat = read(comm).unwrap();
        assert_eq!((stat.id, stat.comm.as_str(), stat.state), (ProcId { pid: 7, start: 99 }, comm, 'R'));
        assert_eq!((stat.parent, stat.group, stat.session), (1, 2, 3));
    }
    for bad in ["", "7", "7 (sh", "7 (sh) R 1", "x (sh) R 1 2 3"] {
        assert_eq!(parse_stat(bad.as_bytes()), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_stat_is_read_or_refused(bytes: Vec<u8>) {
        parse_stat(&bytes);
    }
}

#[test]
fn this_very_process_is_read_from_the_real_tree() {
    let proc = Proc::system();
    if !proc.is_there() {
        return;
    }
    let pid = std::process::id();
    let stat = proc.stat(pid).unwrap();
    assert!(proc.is_own(pid) && proc.is_alive(stat.id) && proc.pids().contains(&pid));
    assert!(!proc.is_alive(ProcId { start: stat.id.start + 1, ..stat.id }));
    assert!(proc.descends(stat.id, stat.id));
    let parent = proc.stat(stat.parent).unwrap();
    assert!(proc.descends(stat.id, parent.id) && !proc.descends(parent.id, stat.id));
    assert_eq!(proc.link(pid, "cwd"), std::env::current_dir().ok());
    assert_eq!(proc.argv(pid).len(), std::env::args().count());
    assert!(!proc.is_elsewhere(pid));
    // It has just started: so says the arithmetic with ticks and uptime.
    let now = crate::clock::now();
    let start = proc.boot(now).unwrap().0 + stat.id.start as i64 * 1_000 / TICKS_PER_SECOND;
    assert!((0..3_600_000).contains(&(now.0 + 50 - start)), "{start} {now:?}");
}

#[test]
fn an_environment_is_read_as_the_process_reads_it() {
    let fake = Fake::new();
    fake.add(&Process { vars: &[("A", "1"), ("B", "x=y"), ("A", "2"), ("E", "")], ..Process::default() });
    let vars = fake.proc().vars(100);
    let get = |name: &str| vars.get(name).and_then(|value| value.to_str());
    assert_eq!((get("A"), get("B"), get("E"), get("C")), (Some("1"), Some("x=y"), Some(""), None));
}

#[test]
fn only_what_is_new_or_an_agent_is_read_again() {
    let fake = Fake::new();
    for pid in 200..300 {
        fake.add(&Process { pid, comm: "sleep", ..Process::default() });
    }
    fake.add(&Process { pid: 400, comm: "claude", exe: "/x/claude", argv: &["claude"], ..Process::default() });
    let (proc, mut memory) = (fake.proc(), Memory::default());
    let mut look = |now: Stamp| {
        let before = proc.opened();
        let pids: Vec<u32> = memory.look(&proc, now).iter().map(|one| one.id.pid).collect();
        (pids, proc.opened() - before)
    };
    assert_eq!(look(NOW), (vec![400], 1 + 100 + 5));
    assert_eq!(look(NOW + Span::secs(5)), (vec![400], 1 + 100 + 2));
    assert_eq!(look(NOW + Span::secs(10)), (vec![400], 1 + 2));
    // A shell that turns into an agent in its first moment, and one that does later.
    fake.add(&Process { pid: 401, comm: "sh", ..Process::default() });
    assert_eq!(look(NOW + Span::secs(15)).0, [400]);
    fake.add(&Process { pid: 401, comm: "pi", exe: "/x/node", argv: &["pi"], ..Process::default() });
    fake.add(&Process { pid: 200, comm: "codex", exe: "/x/codex", argv: &["codex"], ..Process::default() });
    assert_eq!(look(NOW + Span::secs(20)).0, [400, 401]);
    assert_eq!(look(NOW + FULL), (vec![200, 400, 401], 1 + 99 + 2 + 2 + 5));
    fake.remove(400);
    assert_eq!(look(NOW + FULL + Span::secs(5)).0, [200, 401]);
}

#[test]
fn descent_is_followed_and_a_number_that_was_taken_over_is_not() {
    let fake = Fake::new();
    let add = |pid, parent, age| fake.add(&Process { pid, parent, age: Span::secs(age), ..Process::default() });
    let (root, child, grandchild) = (add(10, 1, 100), add(11, 10, 90), add(12, 11, 80));
    let (late, orphan) = (add(20, 1, 5), add(21, 20, 50));
    let proc = fake.proc();
    assert!(proc.descends(grandchild, root) && proc.descends(child, child) && !proc.descends(root, child));
    assert!(!proc.descends(orphan, late));
    assert!(!proc.descends(ProcId { start: 1, ..child }, root));
}
