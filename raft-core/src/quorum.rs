//! Have we a quorum? Pure: no messages, no time.

use crate::membership::{MAX_VOTERS, Membership};
use crate::types::{LogIndex, NodeId};

/// Fewest peers on whose word a node halts: never on that of one alone.
pub(crate) const WITNESSES_MIN: usize = 2;

/// The smallest number of voters that is a majority of `voters`.
pub(crate) const fn majority(voters: usize) -> usize {
    (voters / 2).saturating_add(1)
}

/// Whether the voters for whom `agrees` holds are a quorum: a majority, of both topologies during
/// a joint change (Raft 6).
pub(crate) fn has_quorum(membership: &Membership, agrees: impl Fn(NodeId) -> bool) -> bool {
    let of = |voters: &mut dyn Iterator<Item = NodeId>| {
        let (mut all, mut agreeing) = (0usize, 0usize);
        for voter in voters {
            all = all.saturating_add(1);
            agreeing = agreeing.saturating_add(usize::from(agrees(voter)));
        }
        all == 0 || agreeing >= majority(all)
    };
    of(&mut membership.voters()) && of(&mut membership.outgoing().iter().copied())
}

/// In which topologies a node's vote counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) incoming: bool,
    pub(crate) outgoing: bool,
}

impl Votes {
    pub(crate) fn of(membership: &Membership, id: NodeId) -> Self {
        let incoming = membership.member(id).is_some_and(|member| member.voter);
        Self { incoming, outgoing: membership.outgoing().contains(&id) }
    }
}

/// The largest index that a quorum has reached, given each voter's index: `moved_to`, which one of
/// them has just reached, if a majority has; `known` if it is not beyond that; the median otherwise.
/// `None` without voters.
pub(crate) fn reached_by_majority(
    voters: impl Iterator<Item = LogIndex> + Clone,
    known: LogIndex,
    moved_to: LogIndex,
) -> Option<LogIndex> {
    let (mut count, mut beyond, mut there) = (0usize, 0usize, 0usize);
    voters.clone().for_each(|index| {
        count = count.wrapping_add(1);
        beyond = beyond.wrapping_add(usize::from(index > known));
        there = there.wrapping_add(usize::from(index >= moved_to));
    });
    match majority(count) {
        _ if count == 0 => return None,
        majority if there == majority => return Some(moved_to),
        majority if beyond < majority => return Some(known),
        _ => {}
    }
    median(voters, count)
}

#[cold]
#[inline(never)]
fn median(voters: impl Iterator<Item = LogIndex>, count: usize) -> Option<LogIndex> {
    let mut indexes = [LogIndex(0); MAX_VOTERS];
    indexes.iter_mut().zip(voters).for_each(|(place, index)| *place = index);
    let indexes = indexes.get_mut(..count)?;
    let at = count.checked_sub(majority(count))?;
    Some(*indexes.select_nth_unstable(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(indexes: &[u64]) -> Option<u64> {
        let of = |moved_to: &u64| {
            let voters = indexes.iter().map(|&index| LogIndex(index));
            reached_by_majority(voters, LogIndex(0), LogIndex(*moved_to)).map(LogIndex::get)
        };
        let first = of(indexes.first().unwrap_or(&0));
        assert!(indexes.iter().all(|moved_to| of(moved_to) == first), "whichever moved");
        first
    }

    #[test]
    fn a_majority_is_more_than_half() {
        assert_eq!([1, 2, 3, 4, 5, 101].map(majority), [1, 2, 2, 3, 3, 51]);
    }

    #[test]
    fn the_median_index_is_reached_by_a_majority() {
        assert_eq!(reached(&[]), None);
        assert_eq!(reached(&[7]), Some(7));
        assert_eq!(reached(&[7, 3]), Some(3));
        assert_eq!(reached(&[1, 9, 5]), Some(5));
        assert_eq!(reached(&[4, 1, 2, 3]), Some(2));
        assert_eq!(reached(&[5, 5, 5, 1]), Some(5));
        assert_eq!(reached(&[5, 5, 5, 5]), Some(5));
        let all: Vec<u64> = (1..=101).collect();
        assert_eq!(reached(&all), Some(51));
    }

    #[test]
    fn what_a_majority_is_not_beyond_is_not_looked_for() {
        let indexes = [7, 3, 9].map(LogIndex);
        let reached =
            |known| reached_by_majority(indexes.into_iter(), LogIndex(known), LogIndex(9));
        assert_eq!(reached(6), Some(LogIndex(7)));
        assert_eq!(reached(7), Some(LogIndex(7)));
        assert_eq!(reached(8), Some(LogIndex(8)));
    }

    #[test]
    fn a_quorum_needs_a_majority_of_voters() {
        let membership = Membership::of_voters([1, 2, 3]).unwrap();
        assert!(!has_quorum(&membership, |id| id == NodeId(1)));
        assert!(!has_quorum(&membership, |id| id > NodeId(3)));
        assert!(has_quorum(&membership, |id| id != NodeId(2)));
    }

    use alloc::vec::Vec;
}
