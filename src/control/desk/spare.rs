//! Descriptors that are kept back, so that a stop can still be let in and looked at when all others are used up.

use std::fs::File;

#[derive(Debug)]
pub struct Spare {
    /// To accept one connection with.
    door: Option<File>,
    /// To read `/proc` with.
    look: Option<File>,
}

impl Spare {
    pub fn new() -> Self {
        Self { door: hold(), look: hold() }
    }

    /// Frees a descriptor to accept a connection with; false if that was done already.
    pub fn spend(&mut self) -> bool {
        self.door.take().is_some()
    }

    /// The first descriptor is in use.
    pub fn is_spent(&self) -> bool {
        self.door.is_none()
    }

    /// Does `work` with the second descriptor free.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.look = None;
        let done = work();
        self.look = hold();
        done
    }

    /// True: the descriptor is back.
    pub fn restore(&mut self) -> bool {
        if self.look.is_none() {
            self.look = hold();
        }
        if self.door.is_some() {
            return false;
        }
        self.door = hold();
        self.door.is_some()
    }
}

fn hold() -> Option<File> {
    File::open("/dev/null").ok()
}
