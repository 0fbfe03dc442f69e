//! Log Matching: same index and term, same entry, and the same ones before it (Raft 5.3).

use std::collections::HashMap;

use super::Mark;
use crate::property::{Checked, Property, broken};

/// Every entry that any node ever handed out to be made durable.
#[derive(Default)]
pub(crate) struct Histories {
    /// The first entry seen with each index.
    first: Vec<Option<Mark>>,
    /// Entries of other terms with the same index; only looked up, never walked.
    others: HashMap<(u64, u64), u32>,
}

impl Histories {
    /// Takes note of an entry, and compares it with the one of the same index and term.
    pub(crate) fn record(&mut self, host: usize, index: u64, mark: Mark) -> Checked {
        let place = index as usize - 1;
        if place >= self.first.len() {
            self.first.resize(place + 1, None);
        }
        let known = match &mut self.first[place] {
            Some(first) if first.term == mark.term => first.checksum,
            Some(_) => *self.others.entry((index, mark.term)).or_insert(mark.checksum),
            empty => {
                *empty = Some(mark);
                mark.checksum
            }
        };
        if known == mark.checksum {
            return Ok(());
        }
        let Mark { term, checksum } = mark;
        let detail = format!("entry {index}@{term} is {checksum:08x} here, {known:08x} elsewhere");
        broken(Property::LogMatching, host, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_entries_of_one_index_and_term_break_log_matching() {
        let mut histories = Histories::default();
        let mark = |term, checksum| Mark { term, checksum };
        assert_eq!(histories.record(0, 3, mark(1, 7)), Ok(()));
        assert_eq!(histories.record(1, 3, mark(1, 7)), Ok(()));
        assert_eq!(histories.record(1, 3, mark(2, 8)), Ok(()));
        assert_eq!(histories.record(2, 3, mark(2, 8)), Ok(()));
        let first = histories.record(1, 3, mark(1, 9)).unwrap_err();
        let second = histories.record(1, 3, mark(2, 9)).unwrap_err();
        assert_eq!([first.property, second.property], [Property::LogMatching; 2]);
    }
}
