//! The proposals of this life that have no outcome yet.
//!
//! Each ends in exactly one: handed out for `Apply`, or overwritten, or passed by a snapshot.

use alloc::collections::VecDeque;

use crate::output::Output;
use crate::types::{EntryId, LogIndex, Term};

/// Consecutive proposals of one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    term: Term,
    first: LogIndex,
    last: LogIndex,
}

/// Open proposals, oldest first, and outcomes to report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proposals {
    open: VecDeque<Span>,
    outcomes: VecDeque<Output>,
}

impl Proposals {
    /// The node appended a proposal of its own.
    pub(crate) fn proposed(&mut self, id: EntryId) {
        match self.open.back_mut() {
            Some(span) if span.term == id.term => span.last = id.index,
            _ => self.open.push_back(Span { term: id.term, first: id.index, last: id.index }),
        }
    }

    /// Everything up to `index` was handed out for `Apply`.
    pub(crate) fn applied(&mut self, index: LogIndex) {
        while let Some(span) = self.open.front_mut()
            && span.first <= index
        {
            if span.last > index {
                span.first = index.next();
                return;
            }
            self.open.pop_front();
        }
    }

    /// Everything from `from` on was overwritten: certainly not applied.
    pub(crate) fn lost(&mut self, from: LogIndex) {
        while let Some(span) = self.open.back_mut()
            && span.last >= from
        {
            let first = span.first.max(from);
            let id = EntryId { term: span.term, index: first };
            self.outcomes.push_back(Output::ProposalsLost { from: id, through: span.last });
            if span.first >= from {
                self.open.pop_back();
            } else {
                span.last = from.prev();
            }
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.outcomes.is_empty()
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outcomes.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> EntryId {
        EntryId { term: Term(term), index: LogIndex(index) }
    }

    #[test]
    fn a_proposal_that_was_applied_is_not_lost() {
        let mut proposals = Proposals::default();
        (3..=9).for_each(|index| proposals.proposed(id(1, index)));
        proposals.applied(LogIndex(5));
        proposals.lost(LogIndex(8));
        let lost = Output::ProposalsLost { from: id(1, 8), through: LogIndex(9) };
        assert_eq!(proposals.poll(), Some(lost));
        proposals.lost(LogIndex(2));
        let rest = Output::ProposalsLost { from: id(1, 6), through: LogIndex(7) };
        assert_eq!(proposals.poll(), Some(rest));
        proposals.lost(LogIndex(1));
        assert_eq!(proposals.poll(), None);
    }

    #[test]
    fn proposals_of_two_terms_are_reported_apart() {
        let mut proposals = Proposals::default();
        proposals.proposed(id(1, 3));
        proposals.proposed(id(4, 7));
        proposals.lost(LogIndex(3));
        let outputs: [_; 2] = core::array::from_fn(|_| proposals.poll());
        let newer = Output::ProposalsLost { from: id(4, 7), through: LogIndex(7) };
        let older = Output::ProposalsLost { from: id(1, 3), through: LogIndex(3) };
        assert_eq!(outputs, [Some(newer), Some(older)]);
        proposals.applied(LogIndex(9));
        assert!(!proposals.has_output());
    }
}
