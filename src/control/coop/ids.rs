//! PURE. Ids of our own requests. They can't be taken for the other side's: all begin with `redkey-`, and where the
//! other side uses such an id too, ours are counted on from there.

use super::MAX_KEPT;

const PREFIX: &str = "redkey-";

/// Requests that went out and what each was for.
#[derive(Debug)]
pub(super) struct Ids<P> {
    last: u128,
    open: Vec<(u128, P)>,
}

impl<P> Default for Ids<P> {
    fn default() -> Self {
        Self { last: 0, open: Vec::new() }
    }
}

impl<P> Ids<P> {
    /// A new id. What is never answered is forgotten when there are too many.
    pub fn next(&mut self, purpose: P) -> String {
        self.last += 1;
        if self.open.len() == MAX_KEPT {
            self.open.remove(0);
        }
        self.open.push((self.last, purpose));
        format!("{PREFIX}{}", self.last)
    }

    /// The other side has used this id: its answer is theirs.
    pub fn theirs(&mut self, id: &str) {
        let Some(number) = number(id) else { return };
        self.last = self.last.max(number.min(u128::from(u64::MAX)));
        self.open.retain(|(open, _)| *open != number);
    }

    /// Something with this id was answered. What it was for, if it was ours.
    pub fn answered(&mut self, id: &str) -> Option<P> {
        let number = number(id)?;
        let at = self.open.iter().position(|(open, _)| *open == number)?;
        Some(self.open.remove(at).1)
    }

    pub fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }
}

fn number(id: &str) -> Option<u128> {
    let digits = id.strip_prefix(PREFIX)?;
    (!digits.starts_with(['0', '+'])).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_never_theirs() {
        let mut ids = Ids::default();
        assert_eq!(ids.next('a'), "redkey-1");
        ids.theirs("redkey-7");
        ids.theirs("redkey-x");
        ids.theirs("7");
        assert_eq!(ids.next('b'), "redkey-8");
        assert_eq!(ids.answered("redkey-7"), None);
        assert_eq!(ids.answered("redkey-08"), None);
        assert_eq!(ids.answered("redkey-8"), Some('b'));
        assert_eq!(ids.answered("redkey-8"), None);
        // They took one that we were waiting for: from now on it is theirs.
        ids.theirs("redkey-1");
        assert_eq!(ids.answered("redkey-1"), None);
        ids.theirs("redkey-18446744073709551615");
        let far = ids.next('c');
        assert_eq!(far, "redkey-18446744073709551616");
        assert_eq!(ids.answered(&far), Some('c'));
    }

    #[test]
    fn what_is_never_answered_does_not_pile_up() {
        let mut ids = Ids::default();
        for n in 0..2 * MAX_KEPT {
            ids.next(n);
        }
        assert_eq!(ids.open.len(), MAX_KEPT);
        assert!(ids.is_waiting());
    }
}
