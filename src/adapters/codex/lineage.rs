//! Whose words a rollout holds: its own thread's, or those of the threads that it was forked from.
//!
//! A fork, and in some versions a subagent, begins with a copy of its parent's lines, stamped with the time of copying
//! (newer versions only point at the parent's file). The copy says the ids of the turns as they were, and these are
//! UUIDs of version 7, which sort by the time they were made: a turn older than the thread is not its own.
//!
//! Facts of a copy get the same keys as in the file they come from, so they count once over all files. Two limits:
//! where turns have no such ids, everything in a fork is taken for a copy, whose new answers still differ from the
//! parent's by their totals; and a fork of a fork whose copy doesn't name the first thread gives that thread's answers
//! to the second.

#[derive(Clone, Debug)]
pub(super) struct Lineage {
    /// The file's own thread, then its ancestors, youngest first.
    threads: Vec<String>,
    /// Whose turn the lines belong to.
    turn: usize,
    /// Who gave the last answer: a `token_count` follows the answer that it counts, and a copied one may follow the
    /// beginning of the first own turn.
    answered: usize,
    forked: bool,
}

impl Lineage {
    pub(super) fn new(own: &str) -> Self {
        Self { threads: vec![own.to_owned()], turn: 0, answered: 0, forked: false }
    }

    /// The file may begin with what `parent` holds; `forked`: it does, or it points there.
    pub(super) fn parent(&mut self, parent: &str, forked: bool) {
        self.forked |= forked;
        self.ancestor(parent);
    }

    /// A copied line names the thread that it and what follows come from.
    pub(super) fn ancestor(&mut self, id: &str) {
        if id.is_empty() || (self.threads.len() > 1 && self.turn == 0) {
            return;
        }
        let known = self.threads.iter().position(|thread| thread == id);
        let at = known.unwrap_or_else(|| {
            self.threads.push(id.to_owned());
            self.threads.len() - 1
        });
        if at > 0 {
            (self.turn, self.answered) = (at, at);
        }
    }

    pub(super) fn turn_starts(&mut self, turn: &str) {
        if self.threads.len() == 1 {
            return;
        }
        if !is_v7(turn) || !is_v7(&self.threads[0]) {
            if !self.forked {
                self.turn = 0;
            }
            return;
        }
        let older = self.threads.iter().enumerate().filter(|(_, thread)| is_v7(thread) && thread.as_str() <= turn);
        self.turn = older.max_by_key(|(_, thread)| *thread).map_or(self.threads.len() - 1, |(at, _)| at);
    }

    pub(super) fn model_speaks(&mut self) {
        self.answered = self.turn;
    }

    /// What follows was done by another thread, in another file.
    pub(super) fn is_copy(&self) -> bool {
        self.turn != 0
    }

    pub(super) fn turn_thread(&self) -> &str {
        &self.threads[self.turn]
    }

    pub(super) fn answer_thread(&self) -> &str {
        &self.threads[self.answered]
    }
}

/// A UUID of version 7 in its usual spelling.
pub(super) fn is_v7(id: &str) -> bool {
    let id = id.as_bytes();
    id.len() == 36 && id[14] == b'7' && id.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAND: &str = "01a20dd7-1000-7000-8000-000000000000";
    const PARENT: &str = "01a20dd7-3000-7000-8000-000000000000";
    const OWN: &str = "01a20dd7-5000-7000-8000-000000000000";

    fn turn(at: u32) -> String {
        format!("01a20dd7-{at}-7abc-8000-000000000000")
    }

    #[test]
    fn turns_belong_to_the_youngest_thread_that_is_older() {
        let mut lineage = Lineage::new(OWN);
        lineage.parent(PARENT, true);
        lineage.ancestor(PARENT);
        lineage.ancestor(GRAND);
        for (at, thread) in [(2000, GRAND), (4000, PARENT), (6000, OWN)] {
            lineage.turn_starts(&turn(at));
            assert_eq!(lineage.turn_thread(), thread);
        }
        lineage.ancestor(GRAND);
        assert!(!lineage.is_copy(), "a copy doesn't begin again");
    }

    #[test]
    fn answers_are_their_own_only_once_the_model_has_spoken() {
        let mut lineage = Lineage::new(OWN);
        lineage.parent(PARENT, false);
        lineage.turn_starts(&turn(6000));
        assert_eq!((lineage.turn_thread(), lineage.answer_thread()), (OWN, PARENT));
        lineage.model_speaks();
        assert_eq!(lineage.answer_thread(), OWN);
    }

    #[test]
    fn without_sortable_ids_a_fork_stays_a_copy_and_a_subagent_does_not() {
        for (forked, copy) in [(true, true), (false, false)] {
            let mut lineage = Lineage::new(OWN);
            lineage.parent(PARENT, forked);
            lineage.turn_starts("1");
            assert_eq!(lineage.is_copy(), copy);
        }
    }
}
