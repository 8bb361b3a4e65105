//! IO. Where events come from: files that grow, databases that change, standard input.

mod decode;
mod lines;
mod tail;
