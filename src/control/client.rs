//! The other end of a run's socket, for screens and commands.
