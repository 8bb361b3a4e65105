use super::*;
use crate::control::holds::testkit::{mapped, snapshot};

fn told(holds: Vec<Hold>) -> Vec<String> {
    holds.iter().map(|hold| format!("{} {} {}", hold.run, hold.key, hold.leader.map_or(0, |id| id.pid))).collect()
}

fn runs(list: &[&str]) -> Vec<RunId> {
    list.iter().filter_map(|text| run(text)).collect()
}

#[test]
fn the_socket_says_which_key() {
    let table = [
        ("/r/r-1.sock", true, &["claude:a"][..], "claude:a supervised 9"),
        ("/r/h-claude-a.sock", false, &["claude:a"], "claude:a hooked 9"),
        ("/r/mine.sock", false, &["claude:a"], "claude:a native 9"),
        ("/r/mine.sock", false, &[], "native:mine native 9"),
    ];
    for (socket, supervised, sessions, expected) in table {
        let mut board = Board::new(true);
        board.snapshot(Path::new(socket), snapshot(socket, supervised, sessions, 1));
        assert_eq!(told(board.changes()), [expected], "{socket}");
    }
    let mut board = Board::new(true);
    board.snapshot(Path::new("/r/r-1.sock"), snapshot("/r/r-1.sock", true, &[], 1));
    assert!(board.changes().is_empty(), "nothing is known of its sessions yet");
    board.snapshot(Path::new("/r/r-1.sock"), snapshot("/r/r-1.sock", true, &["codex:t", "nonsense", "claude:"], 2));
    assert_eq!(told(board.changes()), ["codex:t supervised 9"]);
}

#[test]
fn only_changes_are_told() {
    let mut board = Board::new(true);
    let socket = Path::new("/r/r-1.sock");
    board.snapshot(socket, snapshot("/r/r-1.sock", true, &["claude:a"], 1));
    assert_eq!(board.changes().len(), 1);
    board.snapshot(socket, snapshot("/r/r-1.sock", true, &["claude:a"], 2));
    assert!(board.changes().is_empty());
    board.snapshot(socket, snapshot("/r/r-1.sock", true, &["claude:a", "claude:b"], 3));
    assert_eq!(told(board.changes()), ["claude:b supervised 9"]);
    board.snapshot(socket, snapshot("/r/r-1.sock", true, &["claude:a"], 2));
    assert!(board.changes().is_empty(), "older than what is known");
    assert!(board.lost(socket) && !board.lost(socket));
    let lost = board.changes();
    assert_eq!(told(lost.clone()), ["claude:a none 0", "claude:b none 0"]);
    assert_eq!(lost[0].why.as_str(), "nobody listens on its socket any more");
    assert!(board.changes().is_empty());
}

#[test]
fn a_process_is_the_key_where_no_socket_is() {
    let mut board = Board::new(true);
    assert!(!board.wants_mapping());
    assert!(board.live(runs(&["claude:a", "pi:b", "pi:c"])));
    assert!(board.wants_mapping() && board.changes().is_empty(), "nobody has looked yet");
    board.map(vec![mapped("claude:a", 7, ""), mapped("pi:b", 8, "two of them")]);
    let first = board.changes();
    assert_eq!(told(first.clone()), ["claude:a signal 7", "pi:b none 0", "pi:c none 0"]);
    assert_eq!(first[1].why.as_str(), "two of them");
    assert!(!board.live(runs(&["claude:a", "pi:b", "pi:c"])), "no new one");
    assert!(board.live(runs(&["claude:a", "pi:b", "pi:c", "pi:d"])));
    // A socket comes up for the same run: the better key.
    board.snapshot(Path::new("/r/h-claude-a.sock"), snapshot("/r/h-claude-a.sock", false, &["claude:a"], 1));
    assert_eq!(told(board.changes()), ["claude:a hooked 9", "pi:d none 0"]);
    // And goes; its process is still there, and then isn't.
    board.lost(Path::new("/r/h-claude-a.sock"));
    assert_eq!(told(board.changes()), ["claude:a signal 7"]);
    board.keep(|id| id.pid != 7);
    let gone = board.changes();
    assert_eq!(told(gone.clone()), ["claude:a none 0"]);
}

#[test]
fn who_is_answered_for_needs_no_looking() {
    let mut board = Board::new(true);
    board.snapshot(Path::new("/r/r-1.sock"), snapshot("/r/r-1.sock", true, &["claude:a"], 1));
    assert!(!board.live(runs(&["claude:a"])) && !board.wants_mapping());
    assert!(board.live(runs(&["claude:a", "pi:b"])) && board.wants_mapping());
    board.live(vec![]);
    assert!(!board.wants_mapping());
}

#[test]
fn where_processes_cannot_be_found_it_says_so() {
    let mut board = Board::new(false);
    board.live(runs(&["pi:a"]));
    assert!(!board.wants_mapping());
    assert_eq!(board.changes()[0].why.as_str(), "processes can't be found on this system");
}

#[test]
fn of_two_sockets_the_better_key_then_the_later() {
    let mut board = Board::new(true);
    for (socket, supervised) in [("/r/h-claude-a.sock", false), ("/r/r-1.sock", true)] {
        board.snapshot(Path::new(socket), snapshot(socket, supervised, &["claude:a"], 1));
    }
    assert_eq!(told(board.changes()), ["claude:a supervised 9"]);
    let mut later = snapshot("/r/r-2.sock", true, &["claude:a"], 1);
    later.status.started.0 += 1;
    board.snapshot(Path::new("/r/r-2.sock"), later);
    assert_eq!(board.changes()[0].socket.as_deref(), Some(Path::new("/r/r-2.sock")));
}

#[test]
fn a_socket_that_names_no_leader_borrows_what_is_certain() {
    let mut board = Board::new(true);
    let mut attended = snapshot("/r/h-pi-b.sock", false, &["pi:b"], 1);
    attended.status.leader = None;
    board.snapshot(Path::new("/r/h-pi-b.sock"), attended);
    board.map(vec![mapped("pi:b", 8, "two of them")]);
    assert_eq!(told(board.changes()), ["pi:b hooked 0"]);
    board.map(vec![mapped("pi:b", 8, "")]);
    assert_eq!(told(board.changes()), ["pi:b hooked 8"]);
}
