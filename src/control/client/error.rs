//! Why a run gives no answer.

use std::io;

use super::super::protocol::{RpcError, code};
use crate::domain::text::Text;

/// What came instead of an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no such socket, or nobody listens on it: the run is over, or its supervisor is gone.
    #[error("nobody listens on this run's socket")]
    NotThere,
    /// The role, or this user, isn't admitted.
    #[error("refused: {0}")]
    Refused(Text),
    #[error("no answer in time")]
    Timeout,
    #[error("{0}")]
    Version(Text),
    /// Any other error that the run answers.
    #[error("{message}")]
    Rpc { code: i32, message: Text },
    /// The connection was closed.
    #[error("the run has closed the connection")]
    Gone,
    #[error("the run's answer can't be read: {0}")]
    Garbled(Text),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<RpcError> for ClientError {
    fn from(error: RpcError) -> Self {
        match error.code {
            code::REFUSED => Self::Refused(error.message),
            code::VERSION => Self::Version(error.message),
            code => Self::Rpc { code, message: error.message },
        }
    }
}

impl From<ClientError> for io::Error {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::Io(_) => io::ErrorKind::Other,
            ClientError::NotThere => io::ErrorKind::NotFound,
            ClientError::Refused(_) => io::ErrorKind::PermissionDenied,
            ClientError::Timeout => io::ErrorKind::TimedOut,
            ClientError::Gone => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        match error {
            ClientError::Io(error) => error,
            error => io::Error::new(kind, error),
        }
    }
}
