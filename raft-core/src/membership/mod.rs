//! Who belongs to the group. Pure: no messages, no time.

mod history;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use history::Memberships;

use crate::types::{LogIndex, NodeId};

/// Most voters a membership may have.
pub const MAX_VOTERS: usize = 101;
/// Most members, voters and learners together.
pub const MAX_MEMBERS: usize = 256;
/// Longest context of one member, in bytes.
pub const MAX_CONTEXT_BYTES: usize = 256;

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Whether its vote counts; a learner's does not (thesis 4.2.1).
    pub voter: bool,
    /// Whether a learner is to become a voter once it has caught up.
    pub promote: bool,
    /// Up to [`MAX_CONTEXT_BYTES`] that the core carries and never reads: an address, say.
    pub context: Vec<u8>,
}

impl Member {
    /// A voter without context.
    #[must_use]
    pub const fn voter(id: NodeId) -> Self {
        Self { id, voter: true, promote: false, context: Vec::new() }
    }

    /// A learner without context.
    #[must_use]
    pub const fn learner(id: NodeId) -> Self {
        Self { id, voter: false, promote: false, context: Vec::new() }
    }

    /// The same member with this context.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<Vec<u8>>) -> Self {
        self.context = context.into();
        self
    }
}

/// A complete topology: every member, sorted by id, and, during a joint change, the voters it leaves behind
/// (Raft 6). Copies share it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Membership(Arc<Topology>);

#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename = "Membership")]
struct Topology {
    members: Box<[Member]>,
    outgoing: Box<[NodeId]>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Topology { members, outgoing } = &*self.0;
        f.debug_struct("Membership").field("members", members).field("outgoing", outgoing).finish()
    }
}

/// Why a [`Membership`] cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// There is no voter.
    #[error("a membership needs at least one voter")]
    NoVoter,
    /// More than [`MAX_VOTERS`] voters, with those that are to become voters.
    #[error("a membership has at most {MAX_VOTERS} voters, with those to be promoted")]
    TooManyVoters,
    /// More than [`MAX_MEMBERS`] members.
    #[error("a membership has at most {MAX_MEMBERS} members")]
    TooManyMembers,
    /// An id stands twice.
    #[error("node {id} stands twice in the membership")]
    Duplicate {
        /// The id.
        id: NodeId,
    },
    /// Members are not in the order of their ids.
    #[error("members are not sorted by id")]
    Unsorted,
    /// A context is longer than [`MAX_CONTEXT_BYTES`].
    #[error("the context of node {id} is longer than {MAX_CONTEXT_BYTES} bytes")]
    ContextTooLong {
        /// The member.
        id: NodeId,
    },
    /// A voter is marked for promotion.
    #[error("node {id} is a voter already and cannot be promoted")]
    VoterPromoted {
        /// The member.
        id: NodeId,
    },
}

impl Membership {
    /// A membership of these members, in any order.
    ///
    /// # Errors
    /// [`MembershipError`] says what is wrong with them.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, MembershipError> {
        let mut members: Vec<Member> = members.into_iter().collect();
        members.sort_by_key(|member| member.id);
        let membership = Self::of(members, []);
        membership.validate()?;
        Ok(membership)
    }

    fn of(members: impl Into<Box<[Member]>>, outgoing: impl Into<Box<[NodeId]>>) -> Self {
        Self(Arc::new(Topology { members: members.into(), outgoing: outgoing.into() }))
    }

    /// A membership of voters without contexts.
    ///
    /// # Errors
    /// [`MembershipError`] says what is wrong with them.
    pub fn of_voters(ids: impl IntoIterator<Item = u64>) -> Result<Self, MembershipError> {
        Self::new(ids.into_iter().map(|id| Member::voter(NodeId(id))))
    }

    /// Checks a membership that came from outside.
    pub(crate) fn validate(&self) -> Result<(), MembershipError> {
        if self.members().len() > MAX_MEMBERS {
            return Err(MembershipError::TooManyMembers);
        }
        sorted(self.members().iter().map(|member| member.id))?;
        sorted(self.outgoing().iter().copied())?;
        for member in self.members() {
            if member.context.len() > MAX_CONTEXT_BYTES {
                return Err(MembershipError::ContextTooLong { id: member.id });
            }
            if member.voter && member.promote {
                return Err(MembershipError::VoterPromoted { id: member.id });
            }
        }
        if self.voters().next().is_none() {
            return Err(MembershipError::NoVoter);
        }
        let voters = self.members().iter().filter(|member| member.voter || member.promote).count();
        if voters > MAX_VOTERS || self.outgoing().len() > MAX_VOTERS {
            return Err(MembershipError::TooManyVoters);
        }
        Ok(())
    }

    /// All members of the new topology, sorted by id.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.0.members
    }

    /// The voters of the new topology.
    pub fn voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members().iter().filter(|member| member.voter).map(|member| member.id)
    }

    /// The voters of the old topology while a joint change runs; empty otherwise.
    #[must_use]
    pub fn outgoing(&self) -> &[NodeId] {
        &self.0.outgoing
    }

    /// The member with this id.
    #[must_use]
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        let at = self.members().binary_search_by_key(&id, |member| member.id).ok()?;
        self.members().get(at)
    }

    /// Whether the node's vote counts, in the new topology or in the one being left.
    #[must_use]
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.member(id).is_some_and(|member| member.voter) || self.outgoing().contains(&id)
    }

    /// Whether it is joint: on the way from one set of voters to another (Raft 6).
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing().is_empty()
    }

    /// The membership to append on the way to `next`: itself if the voters differ by one at most,
    /// which any two quorums survive (thesis 4.1), joint otherwise.
    pub(crate) fn towards(&self, next: Self) -> Self {
        let gone = self.voters().filter(|&id| !next.is_voter(id)).count();
        let new = next.voters().filter(|&id| !self.is_voter(id)).count();
        if gone.saturating_add(new) > 1 {
            return Self::of(next.members(), self.voters().collect::<Vec<_>>());
        }
        next
    }

    /// The membership after a joint one.
    pub(crate) fn left(&self) -> Self {
        Self::of(self.members(), [])
    }

    /// The same membership with one learner as a voter.
    pub(crate) fn promoted(&self, id: NodeId) -> Self {
        let mut members = self.0.members.clone();
        for member in members.iter_mut().filter(|member| member.id == id) {
            member.voter = true;
            member.promote = false;
        }
        Self::of(members, self.outgoing())
    }

    /// Every node that takes part: the members, and voters that are being left behind.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let leaving = self.outgoing().iter().copied().filter(|&id| self.member(id).is_none());
        self.members().iter().map(|member| member.id).chain(leaving)
    }
}

fn sorted(ids: impl Iterator<Item = NodeId> + Clone) -> Result<(), MembershipError> {
    match ids.clone().zip(ids.skip(1)).find(|(before, id)| before >= id) {
        None => Ok(()),
        Some((before, id)) if before == id => Err(MembershipError::Duplicate { id }),
        Some(_) => Err(MembershipError::Unsorted),
    }
}

/// A wished-for topology, and the index of the membership it was computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// Index of the entry that holds the membership this one was computed from.
    pub based_on: LogIndex,
    /// The complete new topology.
    pub members: Vec<Member>,
}

impl MembershipChange {
    /// A change computed from the membership at `based_on`, to these members.
    #[must_use]
    pub fn to(based_on: LogIndex, members: impl IntoIterator<Item = Member>) -> Self {
        Self { based_on, members: members.into_iter().collect() }
    }

    /// The current members and one more, or the same one with another context or standing.
    #[must_use]
    pub fn add(based_on: LogIndex, current: &Membership, member: Member) -> Self {
        let others = current.members().iter().filter(|other| other.id != member.id).cloned();
        Self::to(based_on, others.chain([member.clone()]))
    }

    /// The current members but this one.
    #[must_use]
    pub fn remove(based_on: LogIndex, current: &Membership, id: NodeId) -> Self {
        Self::to(based_on, current.members().iter().filter(|other| other.id != id).cloned())
    }

    /// The current members, one learner of which is to become a voter once it has caught up.
    #[must_use]
    pub fn promote(based_on: LogIndex, current: &Membership, id: NodeId) -> Self {
        let wish = |member: &Member| {
            let promote = member.promote || (member.id == id && !member.voter);
            Member { promote, ..member.clone() }
        };
        Self::to(based_on, current.members().iter().map(wish))
    }
}
