//! The roles (Raft 5.1). Role state lives in the enum's variant. Every handler has one form: it sees
//! the shared state, its own and one input, writes only these, and returns a [`Transition`]; `node`
//! performs it.

pub(crate) mod candidate;
pub(crate) mod follower;
pub(crate) mod leader;

use alloc::boxed::Box;

use crate::output::{HaltReason, StepDownReason};
#[cfg(feature = "inspect")]
use crate::shared::Shared;
use crate::status::RoleName;
use crate::types::{Term, Tick};
use candidate::Candidate;
use follower::Follower;
use leader::Leader;

/// The part a node plays, with the state that only this part has.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    Follower(Follower),
    /// Asks for pre-votes or for votes.
    Candidate(Candidate),
    Leader(Box<Leader>),
}

/// What a handler decided should become of the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    Stay,
    /// Follow in this term, whoever leads it.
    Follow {
        term: Term,
        reason: StepDownReason,
    },
    /// Ask for pre-votes, in the current term.
    PreCampaign,
    /// Ask for votes, in the next term; `transfer`: because the leader wants it (thesis 3.10).
    Campaign {
        transfer: bool,
    },
    /// Lead the current term.
    Lead,
    /// Refuse everything from now on.
    Halt {
        reason: HaltReason,
    },
}

impl Role {
    pub(crate) const fn name(&self) -> RoleName {
        match self {
            Self::Follower(_) => RoleName::Follower,
            Self::Candidate(candidate) if candidate.is_pre_vote() => RoleName::PreCandidate,
            Self::Candidate(_) => RoleName::Candidate,
            Self::Leader(_) => RoleName::Leader,
        }
    }

    /// What is the same for nodes that differ only in what time it is.
    #[cfg(feature = "inspect")]
    pub(crate) fn forget_time(&mut self, shared: &Shared) {
        match self {
            Self::Follower(follower) => follower.forget_time(shared),
            Self::Candidate(candidate) => {
                candidate.deadline = candidate.deadline.map(|_| Tick(0));
            }
            Self::Leader(leader) => leader.forget_time(shared.now.unwrap_or_default()),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        match self {
            Self::Follower(follower) => follower.deadline,
            Self::Candidate(candidate) => candidate.deadline,
            Self::Leader(leader) => leader.deadline(),
        }
    }
}
