//! How large the log is up to known entries, even where it is no longer in memory: what is kept for
//! followers that lag is capped in bytes.

use thin_vec::ThinVec;

use super::Point;
use crate::types::LogIndex;

/// Most marks; beyond it every second one goes.
const MAX_MARKS: usize = 1024;
/// Marks closer together than this part of what is retained are superfluous.
const PARTS: usize = 16;

/// The ends of sealed blocks, and the size of the log up to each.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    marks: ThinVec<(Point, u64)>,
    bytes: u64,
    /// The size up to where the log begins.
    discarded: u64,
}

impl Marks {
    /// A block with so many bytes ends here.
    pub(super) fn sealed(&mut self, end: Point, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.marks.push((end, self.bytes));
        if self.marks.len() > MAX_MARKS {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    pub(super) fn truncated(&mut self, from: LogIndex) {
        self.marks.retain(|(point, _)| point.id.index < from);
        self.bytes = self.marks.last().map_or(self.discarded, |&(_, bytes)| bytes);
    }

    pub(super) fn discarded(&mut self, through: LogIndex) {
        let last = self.marks.iter().rev().find(|(point, _)| point.id.index <= through);
        self.discarded = last.map_or(self.discarded, |&(_, bytes)| bytes);
        self.marks.retain(|(point, _)| point.id.index > through);
    }

    /// The last mark at or before an entry.
    pub(super) fn at_or_before(&self, index: LogIndex) -> Option<Point> {
        let after = self.marks.partition_point(|(point, _)| point.id.index <= index);
        self.marks.get(after.checked_sub(1)?).map(|&(point, _)| point)
    }

    /// The first mark from which on there are at most about `max_bytes` up to `through`; none if so
    /// little is kept at all.
    pub(super) fn within(&self, max_bytes: usize, through: LogIndex) -> Option<Point> {
        let upto = self.marks.partition_point(|(point, _)| point.id.index <= through);
        let end = self.marks.get(upto.checked_sub(1)?)?.1;
        let from = end.saturating_sub(max_bytes as u64);
        if from <= self.discarded {
            return None;
        }
        let first = self.marks.partition_point(|&(_, bytes)| bytes < from);
        self.marks.get(first).map(|&(point, _)| point)
    }

    /// Gives back memory, and marks that matter little where so many bytes are retained.
    pub(super) fn trim(&mut self, max_retained_bytes: usize) {
        let (apart, mut before) = ((max_retained_bytes / PARTS) as u64, self.discarded);
        self.marks.retain(|&(_, bytes)| {
            let far = bytes.saturating_sub(before) >= apart;
            before = if far { bytes } else { before };
            far
        });
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{EntryId, Term};

    fn at(index: u64) -> Point {
        let id = EntryId { term: Term(1), index: LogIndex(index) };
        Point { id, checksum: 0 }
    }

    fn marks() -> Marks {
        let mut marks = Marks::default();
        (1..=10).for_each(|block| marks.sealed(at(10 * block), 100));
        marks
    }

    #[test]
    fn what_is_kept_before_an_entry_is_capped_in_bytes() {
        let marks = marks();
        assert_eq!(marks.within(300, LogIndex(100)), Some(at(70)));
        assert_eq!(marks.within(299, LogIndex(75)), Some(at(50)));
        assert_eq!(marks.within(0, LogIndex(75)), Some(at(70)));
        assert_eq!(marks.within(5000, LogIndex(100)), None);
        assert_eq!(marks.within(300, LogIndex(9)), None);
    }

    #[test]
    fn marks_go_with_what_is_truncated_or_discarded() {
        let mut marks = marks();
        marks.truncated(LogIndex(60));
        marks.discarded(LogIndex(20));
        assert_eq!(marks.at_or_before(LogIndex(99)), Some(at(50)));
        assert_eq!(marks.at_or_before(LogIndex(29)), None);
        marks.sealed(at(70), 100);
        assert_eq!(marks.within(100, LogIndex(70)), Some(at(50)));
        assert_eq!(marks.within(400, LogIndex(70)), None);
    }

    #[test]
    fn trimming_keeps_the_marks_that_are_far_apart_for_what_is_retained() {
        let mut marks = marks();
        marks.trim(16 * 100);
        assert_eq!(marks.within(299, LogIndex(75)), Some(at(50)), "none is superfluous");
        marks.trim(16 * 250);
        assert_eq!(marks.within(300, LogIndex(100)), Some(at(60)));
        assert_eq!(marks.at_or_before(LogIndex(59)), Some(at(30)));
        marks.trim(usize::MAX);
        assert_eq!(marks.at_or_before(LogIndex(99)), None);
    }

    #[test]
    fn many_marks_become_coarser() {
        let mut marks = Marks::default();
        (1..=5000).for_each(|block| marks.sealed(at(block), 1));
        assert!(marks.marks.len() <= MAX_MARKS);
        let point = marks.within(1000, LogIndex(5000)).unwrap();
        assert!((4000..4020).contains(&point.id.index.0), "{point:?}");
    }
}
