//! Recordings: of a run, from its start to its end; of a recorder that is killed, at any moment.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use redkey::domain::event::{Agent, Body, Event, RunId};
use redkey::domain::price::Prices;
use redkey::domain::text::Text;
use redkey::domain::time::Stamp;
use redkey::engine::Model;
use redkey::record::format::{Header, RunSum, Sum};
use redkey::record::redact::Redactor;
use redkey::record::write::append;
use redkey::record::{Beat, Lost, Side, Tape, TapeMsg, read};

use crate::support::Home;

#[expect(clippy::disallowed_methods, reason = "how long something takes is what is measured here")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "files are given an age")]
fn calendar() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Replays a recording; each of its sums must be what the model says then. How many sums, the last one, what is missing.
fn replay(path: &Path) -> (usize, Sum, Lost, Model) {
    let mut tape = read::open(path).expect("a recording");
    let beats = tape.by_ref();
    let policy = loop {
        match beats.next().expect("a policy comes first").expect("a beat").msg {
            TapeMsg::Side(Side::Policy(policy)) => break policy,
            other => assert!(matches!(other, TapeMsg::Side(_)), "{other:?}"),
        }
    };
    let rules = Arc::new(policy.rules().expect("the policy reads"));
    let mut model = Model::new(rules, Arc::new(Prices::embedded()));
    let (mut sums, mut last) = (0, Sum::default());
    for beat in beats {
        let beat = beat.expect("a beat");
        let at = beat.at;
        if let TapeMsg::Side(Side::Sum(sum)) = &beat.msg {
            for wanted in &sum.runs {
                let run = model.runs().find(|run| run.id.to_string() == wanted.run.as_str()).expect("the run");
                let said = RunSum::of(run, at, &model.rules);
                // What a run is granted stands in the meter's own books, and reaches the model as a fact.
                assert_eq!(RunSum { granted: wanted.granted, ..said }, *wanted, "at {at:?}");
            }
            (sums, last) = (sums + 1, (**sum).clone());
        }
        if let Some(msg) = beat.into_msg() {
            model.apply(msg, at);
        }
    }
    (sums, last, tape.lost(), model)
}

fn recordings(home: &Home) -> PathBuf {
    home.path().join(".local/state/redkey/recordings")
}

/// The recording, once it is packed.
fn packed(home: &Home) -> PathBuf {
    wait(|| {
        let files = std::fs::read_dir(recordings(home)).ok()?;
        let mut files = files.filter_map(|file| Some(file.ok()?.path()));
        files.find(|path| path.extension().is_some_and(|e| e == "zst"))
    })
}

fn wait<T>(mut until: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        match until() {
            Some(found) => return found,
            None => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
    panic!("it didn't come")
}

#[test]
fn a_run_is_recorded_and_replays_to_the_millisecond() {
    let home = Home::new();
    let redkey = env!("CARGO_BIN_EXE_redkey");
    let secret = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6");
    let line = format!(r#"{{"redkey":1,"type":"prompt","run":"x","ts":1,"text":"push with {secret}"}}"#);
    let script = format!("echo '{line}'; {redkey} demo --agent looping --speed 30 | head -40");
    let output = home.run(&["--budget", "2h", "run", "--label", "nightly", "--", "sh", "-c", &script]);
    assert!(output.status.success(), "{output:?}");
    let path = packed(&home);
    let (sums, sum, lost, model) = replay(&path);
    assert!(sums >= 1 && sum.spent > 0 && sum.granted == 7_200_000, "{sum:?}");
    assert!(lost.is_nothing() && !lost.open, "{lost:?}");
    assert!(model.runs().any(|run| run.counts.tool_calls > 3 && run.facts.label.as_str() == "nightly"));

    let list = home.json(&["recordings", "ls", "--json"]);
    assert_eq!((&list[0]["ended"], &list[0]["sum"]["spent"]), (&"finished".into(), &sum.spent.into()), "{list}");
    let name = list[0]["run"].as_str().expect("a name");
    assert!(home.ok(&["recordings", "verify"]).starts_with("whole"));
    assert!(home.ok(&["recordings", "show", "nightly"]).contains("secrets replaced"));
    let text = home.ok(&["recordings", "export", &name[..6], "-"]);
    assert!(text.contains("[redacted:github]") && !text.contains(&secret[4..20]), "a secret was written");

    // Out, away, and in again.
    home.ok(&["recordings", "export", name, "copy.jsonl"]);
    home.ok(&["recordings", "rm", name]);
    assert!(!path.exists());
    home.ok(&["recordings", "import", "copy.jsonl"]);
    assert_eq!(replay(&path).1, sum);
    assert!(home.run(&["recordings", "import", "copy.jsonl"]).status.code() == Some(1), "it is there already");

    // Cut in its middle it says what is missing, and what is left replays.
    std::fs::write(home.path().join("torn.jsonl"), &text.as_bytes()[..text.len() - 400]).expect("a file");
    let torn = home.run(&["recordings", "verify", "torn.jsonl"]);
    assert_eq!(torn.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&torn.stdout).contains("cut off"), "{torn:?}");
    replay(&home.path().join("torn.jsonl"));
    std::fs::write(home.path().join("new.jsonl"), "{\"redkey\":\"recording\",\"v\":\"9.0\"}\n").expect("a file");
    let newer = home.run(&["recordings", "show", "new.jsonl"]);
    assert!(String::from_utf8_lossy(&newer.stderr).contains("a newer redkey can read it"), "{newer:?}");
}

#[test]
fn retention_goes_by_age_and_by_size() {
    let home = Home::new();
    for n in 0..3 {
        let text = format!("{{\"redkey\":\"recording\",\"v\":\"1.0\",\"run\":\"r-{n}\"}}\n{}", "x".repeat(600_000));
        let path = home.write(&format!(".local/state/redkey/recordings/r-{n}.jsonl"), text);
        let at = calendar() - Duration::from_secs((10 - n) * 86_400);
        std::fs::File::options().append(true).open(path).and_then(|file| file.set_modified(at)).expect("a time");
    }
    let left = || std::fs::read_dir(recordings(&home)).expect("recordings").count();
    home.write(".config/redkey/policy.toml", "[record]\nkeep_mb = 1\n");
    assert!(home.ok(&["recordings", "prune", "--dry-run"]).contains("would remove"));
    assert_eq!(left(), 3);
    home.ok(&["recordings", "prune"]);
    assert_eq!(left(), 1);
    home.write(".config/redkey/policy.toml", "[record]\nkeep = \"7d\"\n");
    home.ok(&["recordings", "prune"]);
    assert_eq!(left(), 0);
}

/// The process that has the recording open, which is the run's meter.
fn meter_of(home: &Home) -> Option<i32> {
    let dir = recordings(home);
    let open = |pid: i32| {
        let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let mut files = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        files.find(|file| file.starts_with(&dir))
    };
    let pids = std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid: &i32| open(*pid).is_some())
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[test]
fn where_the_meter_is_killed_the_next_one_goes_on_in_the_same_recording() {
    let home = Home::new();
    let said = |n: u32| format!(r#"{{"redkey":1,"type":"message","run":"x","text":"number {n}"}}"#);
    let script = format!(
        "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo '{}' | sed s/NUMBER/$i/; sleep 0.05; done",
        said(0).replace("number 0", "number NUMBER")
    );
    let mut run = home.redkey();
    let mut run = run.args(["run", "--", "sh", "-c", &script]).stdout(Stdio::null()).spawn().expect("redkey");
    let first = wait(|| meter_of(&home));
    std::thread::park_timeout(Duration::from_millis(900));
    kill(first);
    let second = wait(|| meter_of(&home).filter(|pid| *pid != first));
    assert_ne!(first, second);
    assert!(run.wait().expect("an end").success());
    let path = packed(&home);
    let mut tape = read::open(&path).expect("a recording");
    let mut texts = Vec::new();
    let mut restarts = 0;
    for beat in tape.by_ref() {
        match beat.expect("a beat").msg {
            TapeMsg::Events { events, .. } => {
                texts.extend(events.into_iter().filter_map(|(event, _)| match event.body {
                    Body::Message { text, .. } if !text.is_empty() => Some(text.to_string()),
                    _ => None,
                }))
            }
            TapeMsg::Side(Side::Mark(mark)) if mark.what.as_str() == "restart" => restarts += 1,
            _ => {}
        }
    }
    let wanted: Vec<String> = (1..=60).map(|n| format!("number {n}")).collect();
    assert_eq!((texts, restarts), (wanted, 1));
    let lost = tape.lost();
    assert!(lost.damaged == 0 && lost.gone == 0 && !lost.open, "{lost:?}");
    replay(&path);
}

fn event(n: u64) -> Beat {
    let body =
        Body::Message { text: Text::new(&format!("number {n} {}", "x".repeat(n as usize % 97))), thinking: false };
    let event = Event { run: RunId::new(Agent::Claude, "s"), branch: None, at: None, body };
    Beat { at: Stamp(n as i64), msg: TapeMsg::Events { source: 0, events: vec![(event, n)] } }
}

/// The child of the next tests: records without end, and says how far everything is on the disk.
#[test]
fn records_until_it_is_killed() {
    let Some(path) = std::env::var_os("REDKEY_TEST_RECORDER").map(PathBuf::from) else { return };
    let (mut appender, found) = append::open(&path, Redactor::default(), Stamp(0)).expect("a file");
    if !found.is_old {
        appender.begin(&Header { redkey: "recording".into(), v: "1.0".into(), ..Header::default() });
    }
    let mut n = numbers(&path).0.last().map_or(0, |last| last + 1);
    loop {
        for _ in 0..n % 23 + 1 {
            appender.take(&event(n));
            n += 1;
        }
        assert!(appender.write());
        appender.sync();
        println!("synced {n}");
    }
}

fn numbers(path: &Path) -> (Vec<u64>, Lost) {
    let Ok(mut tape) = read::open(path) else { return Default::default() };
    let mut found = Vec::new();
    for beat in tape.by_ref() {
        if let TapeMsg::Events { events, .. } = beat.expect("a beat").msg {
            found.extend(events.iter().map(|(_, offset)| *offset));
        }
    }
    (found, tape.lost())
}

fn recorder(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "recordings::records_until_it_is_killed", "--nocapture"])
        .env("REDKEY_TEST_RECORDER", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a recorder")
}

/// Kills a recorder so often at moments that nobody chose; the next goes on in the same file.
fn kill_recorders(times: u64) {
    let home = Home::new();
    let path = home.path().join("r.jsonl");
    let mut torn = 0;
    for round in 0..times {
        let mut child = recorder(&path);
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        // So many lines, and then a part of the way to the next: moments spread over everything that it does.
        let mut synced = 0;
        let mut line = String::new();
        let more = 1 + round * 7 % 40;
        let mut seen = 0;
        while seen < more {
            line.clear();
            assert!(lines.read_line(&mut line).expect("a line") > 0, "the recorder ended");
            if let Some(n) = line.trim().strip_prefix("synced ") {
                (synced, seen) = (n.parse().expect("a number"), seen + 1);
            }
        }
        let pause = now();
        while pause.elapsed() < Duration::from_micros(round * 131 % 1_500) {}
        child.kill().expect("killed");
        child.wait().expect("gone");
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) {}
        let last = line.lines().rev().find_map(|line| line.strip_prefix("synced ")?.parse().ok());
        let synced: u64 = last.unwrap_or(synced);
        let (found, lost) = numbers(&path);
        assert_eq!(
            found,
            (0..found.len() as u64).collect::<Vec<_>>(),
            "round {round}: in order, none twice, none missing"
        );
        assert!(found.len() as u64 >= synced, "round {round}: {} of {synced} that were synced", found.len());
        assert_eq!((lost.damaged, lost.gone), (0, 0), "round {round}: {lost:?}");
        torn += u64::from(lost.torn > 0);
    }
    let (found, lost) = numbers(&path);
    println!("{times} kills, {} records, {torn} torn lines, {} marked", found.len(), lost.gaps);
}

#[test]
fn a_killed_recorder_has_everything_that_was_synced() {
    kill_recorders(8);
}

/// `cargo test --test it -- --ignored --nocapture two_hundred`
#[test]
#[ignore = "takes a minute"]
fn two_hundred_killed_recorders_have_everything_that_was_synced() {
    kill_recorders(200);
}

/// `cargo test --test it -- --ignored --nocapture costs`: the part of a core that recording takes.
#[test]
#[ignore = "a measurement; takes ten seconds"]
fn recording_a_thousand_events_a_second_costs_little() {
    use redkey::record::write::Recorder;
    let home = Home::new();
    let policy: redkey::domain::policy::Policy = toml::from_str(redkey::domain::policy::EMBEDDED).expect("a policy");
    let redactor = Redactor::new(&policy.record.redact).expect("rules");
    let (appender, _) = append::open(&home.path().join("r.jsonl"), redactor, Stamp(0)).expect("a file");
    let recorder = Recorder::start(appender).expect("a thread");
    let spent = || {
        let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        usage.tv_sec as f64 + usage.tv_nsec as f64 / 1e9
    };
    let (before, began) = (spent(), now());
    for n in 0..500 {
        recorder.take((0..20).map(|i| event(n * 20 + i)).collect());
        std::thread::park_timeout(
            Duration::from_millis(20).saturating_sub(began.elapsed() - Duration::from_millis(n * 20)),
        );
    }
    let (cost, wall) = (spent() - before, began.elapsed().as_secs_f64());
    println!("{:.2} % of a core at {:.0} events/s", 100.0 * cost / wall, 10_000.0 / wall);
    assert_eq!(recorder.lost(), 0);
}
