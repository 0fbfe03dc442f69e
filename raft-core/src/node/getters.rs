//! What a node tells of itself.

use alloc::format;
use xxhash_rust::xxh3::xxh3_64;

use super::Node;
use crate::membership::Membership;
use crate::role::Role;
use crate::role::leader::Leader;
use crate::sources::Sources;
use crate::status::{RoleName, Status};
use crate::types::{Identity, Incarnation, LogIndex, NodeId, Term};

/// Getters.
impl Node {
    /// Group and node.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// Which life of this node this is; 1 is the first.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.shared.hard_state.incarnation
    }

    /// The part it plays.
    #[must_use]
    pub const fn role(&self) -> RoleName {
        self.role.name()
    }

    /// The latest term it knows of.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.shared.hard_state.term
    }

    /// The leader it knows of in this term.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.shared.identity.node),
            Role::Follower(follower) => follower.leader,
            Role::Candidate(_) => None,
        }
    }

    /// The last entry known to be committed.
    #[must_use]
    pub const fn commit_index(&self) -> LogIndex {
        self.shared.commit
    }

    /// The last entry the state machine has applied.
    #[must_use]
    pub const fn applied_index(&self) -> LogIndex {
        self.shared.applied
    }

    /// The last entry of the log, durable or not.
    #[must_use]
    pub const fn last_index(&self) -> LogIndex {
        self.shared.log.last_index()
    }

    /// The membership in force.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.shared.memberships.current()
    }

    /// The index of the entry that set it; 0 for the founders'. Names it in a `MembershipChange`.
    #[must_use]
    pub fn membership_index(&self) -> LogIndex {
        self.shared.memberships.index()
    }

    /// The hash chain's checksum at an entry: two nodes with the same checksum at an index hold the
    /// same log up to it. `None` for entries that are not held in memory.
    #[must_use]
    pub fn checksum_at(&self, index: LogIndex) -> Option<u32> {
        self.shared.log.point(index).map(|point| point.checksum)
    }

    /// The term of an entry; `None` for entries outside the log.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.shared.log.term(index)
    }

    /// Everything at a glance.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let leader = match &self.role {
            Role::Leader(leader) => Some(&**leader),
            _ => None,
        };
        Status {
            identity: shared.identity,
            role: self.role(),
            term: self.term(),
            leader: self.leader(),
            last_index: self.last_index(),
            commit_index: shared.commit,
            applied_index: shared.applied,
            stable_index: shared.durability.stable(),
            writes_in_flight: shared.durability.writes_in_flight(),
            undurable_bytes: shared.durability.undurable_bytes(),
            uncommitted_bytes: leader.map_or(0, Leader::uncommitted_bytes),
            window_bytes: shared.log.capacity(),
            halted: self.halted.is_some(),
            peers: leader.map(Leader::status).unwrap_or_default(),
            counters: shared.counters.as_deref().copied().unwrap_or_default(),
        }
    }

    /// A digest of the whole value but its counters, for model checkers and for checks of
    /// repeatability: equal nodes behave equally. A doubt that a rejected message raised is a note
    /// like the counters: it makes a node ask the others, and adopts nothing.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.without_counters().digest()
    }

    /// The same without clock, timers and random numbers, for model checkers that let any timer
    /// fire at any time: what is left of time is which timers run, in which order a leader's fire,
    /// and whether votes are given. Not for nodes with reads or leases; no stability promise.
    #[cfg(feature = "inspect")]
    #[doc(hidden)]
    #[must_use]
    pub fn fingerprint_without_time(&self) -> u64 {
        let mut node = self.without_counters();
        node.role.forget_time(&node.shared);
        node.shared.forget_time();
        node.digest()
    }
}

impl Node {
    fn digest(&self) -> u64 {
        xxh3_64(format!("{self:?}").as_bytes())
    }

    fn without_counters(&self) -> Self {
        let mut node = self.clone();
        if node.halted.is_none() {
            node.shared.sources = Sources::ALL;
        }
        node.shared.log.forget_recent();
        node.shared.counters = None;
        node.shared.doubt = None;
        node
    }
}
