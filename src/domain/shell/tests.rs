//! Tests of the whole: lines in, commands and matches out.

mod matching;
mod reading;
