//! Parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use redkey::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match redkey::cmd::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            redkey::cmd::complain(&error);
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
