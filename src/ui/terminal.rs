//! The terminal: taken, given back whatever happens, lent to the shell.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::domain::text::Text;

/// A terminal that shows frames on standard output.
pub type Screen = Terminal<CrosstermBackend<io::Stdout>>;

/// Is the terminal ours? Read by the panic hook, which may run on any thread.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Holds the terminal; gives it back when dropped.
pub struct Guard {
    mouse: bool,
}

impl Guard {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste. Asks it nothing, for some never answer.
    pub fn take(mouse: bool) -> io::Result<(Self, Screen)> {
        install_panic_hook();
        let guard = Self { mouse };
        guard.enter()?;
        Ok((guard, blank()?))
    }

    fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Captures the mouse, or lets the terminal have it.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) }
    }

    /// Gives the terminal back for the time that `stop` takes (it stops the process and returns when it is continued),
    /// then takes it again. The next frame draws everything.
    pub fn lend(&self, screen: &mut Screen, stop: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        give_back()?;
        let stopped = stop();
        self.enter()?;
        clear(screen)?;
        stopped
    }

    /// Takes the terminal again after the process was stopped without a warning and continued. Does no harm to one that
    /// is still ours. The next frame draws everything.
    pub fn retake(&self, screen: &mut Screen) -> io::Result<()> {
        // Whatever modes it has by now: raw mode is only entered from those that were found at first.
        disable_raw_mode()?;
        self.enter()?;
        clear(screen)
    }

    /// Names the window. Only clean text can get there.
    pub fn title(&self, title: &Text) -> io::Result<()> {
        execute!(io::stdout(), SetTitle(title.as_str()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that has gone away.
        let _ = give_back();
    }
}

/// A screen with nothing on it so far.
fn blank() -> io::Result<Screen> {
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

/// Wipes the screen; the next frame draws everything. (The library's own way asks the terminal where its cursor is, and
/// some never answer.)
pub fn clear(screen: &mut Screen) -> io::Result<()> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    *screen = blank()?;
    Ok(())
}

/// Undoes everything that [`Guard::take`] did; once, however often it is called.
pub fn give_back() -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let mut out = io::stdout();
    let restored = execute!(out, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let raw = disable_raw_mode();
    out.flush()?;
    restored.and(raw)
}

/// A panic gives the terminal back before it says anything, and what it says is clean: its text may quote an agent.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let _ = give_back();
            let _ = writeln!(io::stderr(), "redkey: {}", panic_text(info));
        }));
    });
}

fn panic_text(info: &std::panic::PanicHookInfo<'_>) -> Text {
    let payload = info.payload();
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("something went wrong");
    let place = info.location().map_or(String::new(), |l| format!(" ({}:{})", l.file(), l.line()));
    Text::limited(&format!("a bug in redkey: {what}{place}"), 1_000)
}
