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
    let sum = |votes: Votes, id| votes.with(Votes::of(membership, id), agrees(id));
    membership.nodes().fold(Votes::default(), sum).reach(Votes::quorum(membership))
}

/// Votes in the topology that is coming, and in the one that is going: those of one node, or of many.
///
/// Both counts, which [`MAX_VOTERS`] limits, lie in one number, so that they are added at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes(u16);

impl Votes {
    const fn new(incoming: u8, outgoing: u8) -> Self {
        Self(u16::from_le_bytes([incoming, outgoing]))
    }

    /// Those of a node.
    pub(crate) fn of(membership: &Membership, id: NodeId) -> Self {
        let incoming = membership.member(id).is_some_and(|member| member.voter);
        Self::new(incoming.into(), membership.outgoing().contains(&id).into())
    }

    /// The fewest that are a quorum.
    pub(crate) fn quorum(membership: &Membership) -> Self {
        let of = |voters: usize| u8::try_from(majority(voters)).unwrap_or(u8::MAX);
        let outgoing = membership.outgoing().len();
        Self::new(of(membership.voters().count()), if outgoing == 0 { 0 } else { of(outgoing) })
    }

    pub(crate) const fn incoming(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    pub(crate) const fn outgoing(self) -> u8 {
        self.0.to_le_bytes()[1]
    }

    pub(crate) const fn reach(self, quorum: Self) -> bool {
        self.incoming() >= quorum.incoming() && self.outgoing() >= quorum.outgoing()
    }

    /// These votes and those of a node, if it `agrees`.
    #[inline]
    pub(crate) const fn with(self, more: Self, agrees: bool) -> Self {
        Self(self.0.wrapping_add(if agrees { more.0 } else { 0 }))
    }
}

/// The largest index that a majority has reached, given each voter's index. `None` without voters, or
/// with more than there can be.
pub(crate) fn reached_by_majority(voters: impl Iterator<Item = LogIndex>) -> Option<LogIndex> {
    let (mut indexes, mut count) = ([LogIndex(0); MAX_VOTERS], 0usize);
    for index in voters {
        *indexes.get_mut(count)? = index;
        count = count.saturating_add(1);
    }
    let at = count.checked_sub(majority(count))?;
    Some(*indexes.get_mut(..count)?.select_nth_unstable(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(indexes: &[u64]) -> Option<u64> {
        reached_by_majority(indexes.iter().map(|&index| LogIndex(index))).map(LogIndex::get)
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
        let all: Vec<u64> = (1..=102).collect();
        assert_eq!(reached(&all[..101]), Some(51));
        assert_eq!(reached(&all), None);
    }

    #[test]
    fn votes_are_counted_in_both_topologies() {
        let next = Membership::of_voters(1..=101).unwrap();
        let joint = Membership::of_voters([1, 2, 200]).unwrap().towards(next);
        let quorum = Votes::quorum(&joint);
        assert_eq!((quorum.incoming(), quorum.outgoing()), (51, 2));
        let of = |ids: &mut dyn Iterator<Item = u64>| {
            ids.fold(Votes::default(), |votes, id| votes.with(Votes::of(&joint, NodeId(id)), true))
        };
        assert_eq!(of(&mut (2..=51)), Votes::new(50, 1));
        assert!(!of(&mut (2..=101)).reach(quorum) && !of(&mut (1..=50)).reach(quorum));
        assert!(of(&mut (1..=51)).reach(quorum));
        assert_eq!(quorum.with(quorum, false), quorum);
        assert_eq!(Votes::quorum(&joint.left()), Votes::new(51, 0));
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
