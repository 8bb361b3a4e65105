//! For agents written in Rust.
