//! Parse, dispatch, exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use redkey::cli::Cli;
use redkey::domain::text::clean;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match redkey::cmd::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut err = std::io::stderr().lock();
            for (i, line) in format!("{error:#}").lines().enumerate() {
                // Where even that can't be written, the exit code still tells.
                let _ = writeln!(err, "{}{}", if i == 0 { "redkey: " } else { "" }, clean(line));
            }
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output has left (`redkey ls | head`): that is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
