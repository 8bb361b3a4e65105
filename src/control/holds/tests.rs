use std::os::unix::net::UnixListener;

use std::sync::mpsc::channel;

use super::testkit::{id, snapshot};
use super::*;
use crate::control::mapping::testkit::{Fake, Process};

/// Every socket has a feed of what is said on it; closing the feed closes the socket.
#[derive(Clone, Default)]
struct Feeds(Arc<Mutex<HashMap<PathBuf, Receiver<Snapshot>>>>);

impl Feeds {
    fn open(&self, path: &Path) -> std::sync::mpsc::Sender<Snapshot> {
        let (tx, rx) = channel();
        self.0.lock().unwrap().insert(path.to_owned(), rx);
        tx
    }
}

impl Sockets for Feeds {
    fn follow(&self, socket: &Path, each: &mut dyn FnMut(Snapshot) -> bool) -> Text {
        let feed = self.0.lock().unwrap().remove(socket);
        for snapshot in feed.into_iter().flatten() {
            if !each(snapshot) {
                break;
            }
        }
        Text::new("closed")
    }
}

fn places(fake: &Fake) -> Places {
    std::fs::create_dir_all(fake.path("run")).unwrap();
    Places { sockets: fake.path("run"), proc: fake.proc(), env: Env::default() }
}

fn claude(fake: &Fake, pid: u32, session: &str) {
    let id = fake.add(&Process { pid, comm: "claude", exe: "/x/claude", argv: &["claude"], ..Process::default() });
    let note = format!(r#"{{"sessionId":"{session}","procStart":"{}"}}"#, id.start);
    fake.write(&format!("home/.claude/sessions/{pid}.json"), &note);
}

/// The next message, as words. Whoever waits in vain fails.
fn next(rx: &Receiver<HoldMsg>) -> String {
    match rx.recv_timeout(Duration::from_secs(20)).expect("a message") {
        HoldMsg::Hold(hold) => format!("{} {}", hold.run, hold.key),
        HoldMsg::Snapshot { name, snapshot, .. } => format!("{name} {}", snapshot.seq),
        HoldMsg::Lost { name, why, .. } => format!("{name} lost: {why}"),
    }
}

#[test]
fn sockets_are_followed_from_their_first_moment_to_their_last() {
    let (fake, feeds, (tx, rx)) = (Fake::new(), Feeds::default(), channel());
    let places = places(&fake);
    let path = fake.path("run/r-1.sock");
    let holds = spawn(places, feeds.clone(), move |msg| tx.send(msg).is_ok()).unwrap();
    let say = feeds.open(&path);
    let _socket = UnixListener::bind(&path).unwrap();
    let text = path.to_string_lossy().into_owned();
    say.send(snapshot(&text, true, &["claude:a"], 1)).unwrap();
    assert_eq!([next(&rx), next(&rx)], ["r-1 1", "claude:a supervised"]);
    say.send(snapshot(&text, true, &["claude:a"], 2)).unwrap();
    assert_eq!(next(&rx), "r-1 2");
    std::fs::remove_file(&path).unwrap();
    drop(say);
    assert_eq!([next(&rx), next(&rx)], ["r-1 lost: closed", "claude:a none"]);
    drop(holds);
    assert!(rx.recv().is_err(), "the thread ends");
}

#[test]
fn processes_are_looked_for_when_runs_live() {
    let (fake, (tx, rx)) = (Fake::new(), channel());
    let places = places(&fake);
    claude(&fake, 7, "a");
    let proc = places.proc.clone();
    let holds = spawn(places, Feeds::default(), move |msg| tx.send(msg).is_ok()).unwrap();
    holds.live(vec![id("claude:a"), id("claude:b")]);
    assert_eq!([next(&rx), next(&rx)], ["claude:a signal", "claude:b none"]);
    assert!(proc.opened() > 0);
    fake.remove(7);
    assert_eq!(next(&rx), "claude:a none");
}

#[test]
fn nobody_who_wants_to_know_ends_it() {
    let (fake, feeds, (tx, rx)) = (Fake::new(), Feeds::default(), channel());
    let places = places(&fake);
    claude(&fake, 7, "a");
    let holds = spawn(places, feeds, move |msg| {
        let _ = tx.send(msg);
        false
    })
    .unwrap();
    holds.live(vec![id("claude:a")]);
    assert_eq!(next(&rx), "claude:a signal");
    assert!(rx.recv().is_err());
    holds.live(vec![]);
}

#[test]
fn a_command_looks_once() {
    let (fake, feeds) = (Fake::new(), Feeds::default());
    let places = places(&fake);
    claude(&fake, 7, "a");
    claude(&fake, 8, "b");
    let path = fake.path("run/h-claude-b.sock");
    let _socket = UnixListener::bind(&path).unwrap();
    let _dead = UnixListener::bind(fake.path("run/dead.sock")).unwrap();
    feeds.open(&path).send(snapshot(&path.to_string_lossy(), false, &["claude:b"], 1)).unwrap();
    let keys: Vec<(String, Key)> = look(&places, &feeds).into_iter().map(|h| (h.run.to_string(), h.key)).collect();
    assert_eq!(keys, [("claude:a".to_owned(), Key::Signal), ("claude:b".to_owned(), Key::Hooked)]);
    assert_eq!(find(&id("claude:a"), &places, &feeds).leader.unwrap().pid, 7);
    let none = find(&id("claude:c"), &places, &feeds);
    assert_eq!((none.key, none.why.as_str()), (Key::None, "no process was found that is surely this run's"));
}
