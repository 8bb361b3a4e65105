//! PURE. Which answers several sessions hold: forks begin with copies of what another session did.

use super::sum::Keys;

/// Digests with the session that had each first: open addressing, since the keys are digests already.
struct Table {
    slots: Vec<(u64, u32)>,
    mask: usize,
}

const FREE: u32 = u32::MAX;

impl Table {
    fn for_keys(keys: usize) -> Self {
        let size = (keys * 2).next_power_of_two().max(16);
        Self { slots: vec![(0, FREE); size], mask: size - 1 }
    }

    /// The slot that `key` is in, or would be in.
    fn slot(&mut self, key: u64) -> &mut (u64, u32) {
        let mut at = key as usize & self.mask;
        while self.slots[at].1 != FREE && self.slots[at].0 != key {
            at = (at + 1) & self.mask;
        }
        &mut self.slots[at]
    }
}

/// For each session, in the order given, its keys that a session before it holds as well.
pub fn foreign(sessions: &[&Keys]) -> Vec<Vec<u64>> {
    let mut table = Table::for_keys(sessions.iter().map(|keys| keys.held).sum());
    let mut all = Vec::with_capacity(sessions.len());
    for (number, keys) in (0u32..).zip(sessions) {
        let is_foreign = |key: &&u64| {
            let slot = table.slot(**key);
            slot.1 != FREE && slot.1 != number
        };
        all.push(keys.all.iter().filter(is_foreign).copied().collect());
        for key in &keys.all[..keys.held] {
            let slot = table.slot(*key);
            if slot.1 == FREE {
                *slot = (*key, number);
            }
        }
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
