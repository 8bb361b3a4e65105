//! PURE. Which sessions hold the same answers: forks begin with copies of what another session did.

use std::collections::BTreeMap;

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
        (self.keys[slot], self.owners[slot]) = (key, owner);
    }
}

/// Sessions that have keys in common, directly or through others: families of at least two, each in the order given.
pub fn families(sessions: &[&[u64]]) -> Vec<Vec<usize>> {
    let mut table = Table::for_keys(sessions.iter().map(|keys| keys.len()).sum());
    let mut elders: Vec<usize> = (0..sessions.len()).collect();
    for (number, keys) in (0u32..).zip(sessions) {
        for key in *keys {
            match table.owner(*key) {
                Some(owner) if owner != number => join(&mut elders, owner as usize, number as usize),
                Some(_) => {}
                None => table.note(*key, number),
            }
        }
    }
    let mut families: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in 0..sessions.len() {
        families.entry(eldest(&mut elders, number)).or_default().push(number);
    }
    families.into_values().filter(|family| family.len() > 1).collect()
}

fn join(elders: &mut [usize], a: usize, b: usize) {
    let (a, b) = (eldest(elders, a), eldest(elders, b));
    elders[a.max(b)] = a.min(b);
}

/// The first of a session's family, as far as it is known.
fn eldest(elders: &mut [usize], mut number: usize) -> usize {
    while elders[number] != number {
        elders[number] = elders[elders[number]];
        number = elders[number];
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_with_common_keys_are_a_family() {
        let sessions: [&[u64]; 7] = [&[1, 2, 1], &[17, 33], &[2, 49, 0], &[], &[33, 5], &[49], &[65]];
        assert_eq!(families(&sessions), [vec![0, 2, 5], vec![1, 4]]);
        assert_eq!(families(&[&[1], &[2], &[2, 1]]), [vec![0, 1, 2]]);
        assert!(families(&[]).is_empty());
    }
}
