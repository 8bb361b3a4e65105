//! Keys met anywhere: who had them first, and how much output the answer was seen to have. Shared by all runs.
//!
//! A copy is cheap after [`Seen::settle`]: what was noted up to then is shared by all copies, and what each notes
//! afterwards is its own.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::Key;

#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Shared with copies, oldest first; a newer layer hides an older one. Each is more than twice as large as the next.
    settled: Vec<Arc<HashMap<Key, Holder>>>,
    new: HashMap<Key, Holder>,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    run: u32,
    /// The most that any record of this answer told.
    output: u32,
}

impl Seen {
    /// Notes `key` for `run`; returns the run that had it before, if any.
    pub fn note(&mut self, key: Key, run: u32) -> Option<u32> {
        let before = self.holder(key);
        if before.is_none() {
            self.new.insert(key, Holder { run, output: 0 });
        }
        before
    }

    pub fn holds(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn holder(&self, key: Key) -> Option<u32> {
        self.get(key).map(|holder| holder.run)
    }

    pub(super) fn output(&self, key: Key) -> u64 {
        self.get(key).map_or(0, |holder| u64::from(holder.output))
    }

    /// Notes that an answer has `output`; returns how much of it no record has told before.
    pub(super) fn tell(&mut self, key: Key, output: u64) -> u64 {
        let Some(holder) = self.get(key) else { return output };
        let novel = output.saturating_sub(u64::from(holder.output));
        if novel > 0 {
            let output = u32::try_from(output).unwrap_or(u32::MAX);
            self.new.insert(key, Holder { output, ..holder });
        }
        novel
    }

    fn get(&self, key: Key) -> Option<Holder> {
        let settled = || self.settled.iter().rev().find_map(|layer| layer.get(&key));
        self.new.get(&key).or_else(settled).copied()
    }

    /// Makes copies cheap. Layers that have come near in size are joined, so there are few of them however often this
    /// is called, and a key is moved but few times.
    pub fn settle(&mut self) {
        let mut top = std::mem::take(&mut self.new);
        if top.is_empty() {
            return;
        }
        while let Some(below) = self.settled.pop_if(|below| below.len() <= 2 * top.len()) {
            let mut joined = HashMap::with_capacity(below.len() + top.len());
            joined.extend(below.iter().map(|(key, holder)| (*key, *holder)));
            joined.extend(top);
            top = joined;
        }
        self.settled.push(Arc::new(top));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn settling_changes_no_answer(
            steps in proptest::collection::vec((0u64..40, 0u32..3, 0u64..9, 0u8..4), 0..200),
        ) {
            let (mut plain, mut settled) = (Seen::default(), Seen::default());
            for (key, run, output, what) in steps {
                let key = Key(key);
                match what {
                    0 => settled.settle(),
                    1 => prop_assert_eq!(plain.note(key, run), settled.note(key, run)),
                    _ => prop_assert_eq!(plain.tell(key, output), settled.tell(key, output)),
                }
                prop_assert_eq!(plain.holder(key), settled.holder(key));
                prop_assert_eq!(plain.output(key), settled.output(key));
                prop_assert!(settled.settled.windows(2).all(|pair| pair[0].len() > 2 * pair[1].len()));
            }
        }

        #[test]
        fn a_copy_is_its_own(keys in proptest::collection::vec(0u64..40, 1..60)) {
            let mut seen = Seen::default();
            keys.iter().for_each(|key| { seen.note(Key(*key), 1); });
            seen.settle();
            let copy = seen.clone();
            seen.note(Key(100), 1);
            seen.tell(Key(keys[0]), 5);
            prop_assert!(!copy.holds(Key(100)) && seen.holds(Key(100)));
            prop_assert_eq!((copy.output(Key(keys[0])), seen.output(Key(keys[0]))), (0, 5));
        }
    }
}
