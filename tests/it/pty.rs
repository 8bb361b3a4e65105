//! The real binary in a pseudo-terminal. Everything waits for what the screen shows, never for time to pass.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Long enough for a loaded machine; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Screen {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    terminal: vt100::Parser,
    /// Every byte that reached the terminal.
    pub raw: Vec<u8>,
}

impl Screen {
    /// Starts redkey with `args` in a terminal of `columns` × `rows`, with `home` as its home.
    pub fn open(home: &Path, args: &[&str], columns: u16, rows: u16, env: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_redkey"));
        command.args(args);
        command.env_clear();
        for (name, value) in
            [("HOME", home.to_str().expect("a path")), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("TZ", "UTC")]
        {
            command.env(name, value);
        }
        env.iter().for_each(|(name, value)| command.env(name, value));
        command.cwd(home);
        let child = pair.slave.spawn_command(command).expect("redkey starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (tx, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0u8; 8192];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if tx.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().expect("a writer");
        Self {
            master: pair.master,
            keys,
            child,
            output,
            terminal: vt100::Parser::new(rows, columns, 0),
            raw: Vec::new(),
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("keys are taken");
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("a resize");
        self.terminal.screen_mut().set_size(rows, columns);
    }

    /// What the terminal shows now.
    pub fn text(&self) -> String {
        self.terminal.screen().contents()
    }

    /// Waits until the screen satisfies `is`; fails with the last screen.
    pub fn wait(&mut self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let deadline = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock") + PATIENCE;
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
            let left = deadline.saturating_sub(now);
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.raw.extend_from_slice(&bytes);
                    self.terminal.process(&bytes);
                }
                Err(_) => panic!("never saw {what}; the screen was:\n{text}"),
            }
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.process_id().expect("a process").to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill starts");
        assert!(sent.success());
    }

    /// Sends a signal until `sequence` reaches the terminal once more: one that comes too early says nothing.
    pub fn signal_until(&mut self, signal: &str, sequence: &str) {
        let count = |raw: &[u8]| String::from_utf8_lossy(raw).matches(sequence).count();
        let before = count(&self.raw);
        for _ in 0..PATIENCE.as_millis() / 100 {
            self.signal(signal);
            while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
                self.raw.extend_from_slice(&bytes);
                self.terminal.process(&bytes);
            }
            if count(&self.raw) > before {
                return;
            }
        }
        panic!("{sequence:?} was never seen after {signal}");
    }

    /// The terminal's modes as a shell wants them, set behind the program's back.
    pub fn make_cooked(&self) {
        let tty = self.master.tty_name().expect("a name");
        let done = Command::new("stty").arg("-F").arg(tty).arg("sane").status().expect("stty starts");
        assert!(done.success());
    }

    /// Waits for the end; the exit code.
    pub fn end(mut self) -> u32 {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.raw.extend_from_slice(&bytes);
        }
        self.child.wait().expect("an exit status").exit_code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
