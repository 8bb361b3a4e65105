//! PURE. Which answers several sessions hold: forks begin with copies of what another session did.

use super::sum::Keys;

/// Digests with the session that had each first: open addressing, since the keys are digests already.
struct Table {
    keys: Vec<u64>,
    owners: Vec<u32>,
    mask: usize,
}

const FREE: u32 = u32::MAX;

impl Table {
    fn for_keys(keys: usize) -> Self {
        let size = (keys + keys / 3 + 1).next_power_of_two();
        Self { keys: vec![0; size], owners: vec![FREE; size], mask: size - 1 }
    }

    /// The slot that `key` is in, or would be in.
    fn slot(&self, key: u64) -> usize {
        let mut at = key as usize & self.mask;
        while self.owners[at] != FREE && self.keys[at] != key {
            at = (at + 1) & self.mask;
        }
        at
    }

    fn owner(&self, key: u64) -> Option<u32> {
        Some(self.owners[self.slot(key)]).filter(|owner| *owner != FREE)
    }

    fn note(&mut self, key: u64, owner: u32) {
        let slot = self.slot(key);
        if self.owners[slot] == FREE {
            (self.keys[slot], self.owners[slot]) = (key, owner);
        }
    }
}

/// For each session, in the order given, its keys that a session before it holds as well.
pub fn foreign(sessions: &[&Keys]) -> Vec<Vec<u64>> {
    let mut table = Table::for_keys(sessions.iter().map(|keys| keys.held).sum());
    let mut all = Vec::with_capacity(sessions.len());
    for (number, keys) in (0u32..).zip(sessions) {
        let is_foreign = |key: &&u64| table.owner(**key).is_some_and(|owner| owner != number);
        all.push(keys.all.iter().filter(is_foreign).copied().collect());
        keys.all[..keys.held].iter().for_each(|key| table.note(*key, number));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_session_has_what_several_hold() {
        let keys = |all: &[u64], held| Keys { all: all.to_vec(), held };
        let (a, b, c) = (keys(&[1, 2, 1], 3), keys(&[2, 17, 33, 1], 3), keys(&[17, 1, 0], 2));
        assert_eq!(foreign(&[&a, &b, &c]), [vec![], vec![2, 1], vec![17, 1]]);
        assert_eq!(foreign(&[&c, &b]), [vec![], vec![17, 1]]);
        assert!(foreign(&[]).is_empty());
    }
}
