//! The proposals of this life that have no outcome yet, once this node leads their term no more.
//!
//! Until then they are what its log holds of that term and was not handed out. Each ends in exactly one
//! of three ways: handed out for `Apply`, lost to another entry, or passed by a snapshot.

use thin_vec::ThinVec;

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
    open: ThinVec<Span>,
    outcomes: ThinVec<Output>,
}

impl Proposals {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The node led this term: it appended the entries after `settled`, up to `last`.
    pub(crate) fn led(&mut self, term: Term, settled: LogIndex, last: LogIndex) {
        if settled < last {
            self.open.push(Span { term, first: settled.next(), last });
        }
    }

    /// Everything up to `last` is committed and was handed out for `Apply`; `term` is that of a
    /// committed entry. Only now is it known what became of a proposal: an entry that was overwritten
    /// here may live on elsewhere, and be committed by a later leader.
    ///
    /// It is lost once another entry is committed in its place, or one of a later term before it
    /// (Raft 5.3, Log Matching).
    #[inline(never)]
    pub(crate) fn delivered(&mut self, last: LogIndex, term: impl Fn(LogIndex) -> Option<Term>) {
        let newest = term(last);
        let Self { open, outcomes } = self;
        open.retain_mut(|span| {
            let ours = Some(span.term);
            while span.first <= span.last.min(last) && term(span.first) == ours {
                span.first = span.first.next();
            }
            let ended = span.first > span.last;
            let lost = span.first <= last || newest > ours;
            if lost && !ended {
                let from = EntryId { term: span.term, index: span.first };
                outcomes.push(Output::ProposalsLost { from, through: span.last });
            }
            !lost && !ended
        });
    }

    /// A received snapshot ends in this entry: what became of proposals up to there, nobody can tell,
    /// but for those of a later term than its last entry's, which it cannot contain.
    pub(crate) fn passed(&mut self, end: EntryId) {
        for span in self.open.iter_mut() {
            if span.first <= end.index && span.term <= end.term {
                let from = EntryId { term: span.term, index: span.first };
                let through = span.last.min(end.index);
                let unknown = Output::ProposalsUnknown { from, through };
                let lost = Output::ProposalsLost { from, through };
                self.outcomes.push(if put_back!(UnknownMeansLost) { lost } else { unknown });
                span.first = through.next();
            }
        }
        self.delivered(end.index, |index| (index == end.index).then_some(end.term));
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.outcomes.is_empty()
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.has_output().then(|| self.outcomes.remove(0))
    }

    pub(crate) fn trim(&mut self) {
        self.open.shrink_to_fit();
        self.outcomes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> EntryId {
        EntryId { term: Term(term), index: LogIndex(index) }
    }

    /// The terms of a committed log, from index 1.
    fn log(terms: &[u64]) -> impl Fn(LogIndex) -> Option<Term> + '_ {
        |index| terms.get(usize::try_from(index.0).ok()?.checked_sub(1)?).map(|&term| Term(term))
    }

    #[test]
    fn a_proposal_is_lost_when_another_entry_is_committed_in_its_place() {
        let mut proposals = Proposals::default();
        proposals.led(Term(1), LogIndex(2), LogIndex(9));
        let committed = log(&[1, 1, 1, 1, 1, 2, 2]);
        proposals.delivered(LogIndex(4), &committed);
        assert!(!proposals.has_output());
        proposals.delivered(LogIndex(7), &committed);
        let lost = Output::ProposalsLost { from: id(1, 6), through: LogIndex(9) };
        assert_eq!(proposals.poll(), Some(lost));
        proposals.delivered(LogIndex(7), &committed);
        assert_eq!(proposals.poll(), None);
    }

    #[test]
    fn a_proposal_beyond_a_commit_of_a_later_term_is_lost_and_blocks_no_other() {
        let mut proposals = Proposals::default();
        proposals.led(Term(2), LogIndex(8), LogIndex(9));
        proposals.led(Term(4), LogIndex(2), LogIndex(3));
        let committed = log(&[1, 1, 4]);
        proposals.delivered(LogIndex(2), &committed);
        assert!(!proposals.has_output());
        proposals.delivered(LogIndex(3), &committed);
        let lost = Output::ProposalsLost { from: id(2, 9), through: LogIndex(9) };
        assert_eq!((proposals.poll(), proposals.poll()), (Some(lost), None));
        assert!(proposals.open.is_empty());
    }

    #[test]
    fn proposals_that_are_committed_have_no_other_outcome() {
        let mut proposals = Proposals::default();
        proposals.led(Term(3), LogIndex(1), LogIndex(5));
        proposals.delivered(LogIndex(5), log(&[3, 3, 3, 3, 3]));
        proposals.delivered(LogIndex(6), log(&[3, 3, 3, 3, 3, 4]));
        assert!(!proposals.has_output() && proposals.open.is_empty());
    }

    #[test]
    fn proposals_of_two_terms_are_reported_apart() {
        let mut proposals = Proposals::default();
        proposals.led(Term(1), LogIndex(1), LogIndex(2));
        proposals.led(Term(4), LogIndex(2), LogIndex(3));
        proposals.delivered(LogIndex(3), log(&[1, 5, 5]));
        let outputs: [_; 2] = core::array::from_fn(|_| proposals.poll());
        let older = Output::ProposalsLost { from: id(1, 2), through: LogIndex(2) };
        let newer = Output::ProposalsLost { from: id(4, 3), through: LogIndex(3) };
        assert_eq!(outputs, [Some(older), Some(newer)]);
    }
}
