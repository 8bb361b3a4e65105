//! `redkey demo`: small agents as real child processes, and the screen over what they print.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Setup, needs_terminal, watch};
use crate::cli::{Cli, DemoArgs};
use crate::clock;
use crate::demo::{Character, Script};
use crate::sources::{Plan, Target};

/// Plays one character on standard output until it is done or, if `tied`, whoever started it is gone: then its
/// standard input ends.
pub fn play(name: &str, speed: f64, tied: bool, out: &mut dyn Write) -> Result<u8> {
    let Some(character) = Character::parse(name) else {
        let names: Vec<&str> = Character::ALL.into_iter().map(Character::name).collect();
        bail!("no small agent is called {name}\nhint: {}", names.join(", "));
    };
    let (gone_tx, gone) = channel::<()>();
    std::thread::spawn(move || {
        let _held = gone_tx; // dropped, and so noticed, when the input ends
        if tied {
            let _ = std::io::stdin().read(&mut [0u8; 1]);
        } else {
            loop {
                std::thread::park();
            }
        }
    });
    let speed = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
    let run = format!("demo-{}-{}", character.name(), std::process::id());
    for step in Script::new(character, &run, "/srv/demo") {
        let pause = Duration::from_secs_f64((step.pause.as_secs_f64() / speed).clamp(0.0, 3_600.0));
        if gone.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return Ok(0);
        }
        for mut line in step.lines {
            line.ts = Some(crate::adapters::native_schema::Time::Ms(clock::now().0));
            writeln!(out, "{}", line.to_json())?;
        }
        out.flush()?;
    }
    Ok(0)
}

/// Starts all characters and opens the screen; they end with it.
pub fn run(cli: &Cli, setup: &Setup, demo: &DemoArgs) -> Result<u8> {
    needs_terminal("`redkey demo --agent looping` prints what one of the small agents says")?;
    let stage = Stage::open(demo.speed)?;
    let plan = Plan {
        targets: vec![Target::Path(stage.directory.clone())],
        env: setup.env.clone(),
        id: None,
        all: true,
        active_within: setup.rules.policy.watch.active_within,
        now: clock::now(),
    };
    watch::screen(cli, setup, plan)
}

/// The small agents at work, and the throw-away directory of their streams. Both go when this is dropped.
struct Stage {
    directory: PathBuf,
    agents: Vec<Child>,
}

impl Stage {
    fn open(speed: f64) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("redkey-demo-{}-{}", std::process::id(), clock::now().0));
        std::fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let mut stage = Self { directory, agents: Vec::new() };
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        for character in Character::ALL {
            let path = stage.directory.join(format!("{}.jsonl", character.name()));
            let stream = File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))?;
            let agent = Command::new(&program)
                .args(["demo", "--tied", "--agent", character.name(), "--speed", &speed.to_string()])
                .stdin(Stdio::piped())
                .stdout(stream)
                .stderr(Stdio::null())
                .spawn()
                .context("cannot start a small agent")?;
            stage.agents.push(agent);
        }
        Ok(stage)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            // Its input ends, which it obeys; the signal is for one that is stuck in a write.
            drop(agent.stdin.take());
            let _ = agent.kill();
            let _ = agent.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
