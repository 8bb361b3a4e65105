//! The fault matrix: real processes in every shape that is known to get away, stopped by the real binary, and looked
//! for by means of our own.
//!
//! `cargo test --test faults` tries each cell once. For a table that says something:
//!
//! ```text
//! cargo test --release --test faults -- --trials 300 [--only NAME]… [--keep]
//! ```
//!
//! To be run as an ordinary user; root may prepare what only root can (`tests/faults/as-root.sh`). A cell that can't be
//! had is skipped, and says why.

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the fault matrix needs Linux");
}

#[cfg(target_os = "linux")]
mod cells;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod look;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod reuse;
#[cfg(target_os = "linux")]
mod shapes;
mod sockets;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod trial;

#[cfg(target_os = "linux")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, fifo] = &words[..]
        && first == "shape"
    {
        shapes::become_shape(name, fifo);
    }
    if words == ["reuse"] {
        std::process::exit(reuse::inside());
    }
    std::process::exit(table::run(&words));
}
