//! The candidate: asks for pre-votes (thesis 9.6), then for votes (Raft 5.2).

use alloc::vec::Vec;
use thin_vec::ThinVec;

use super::Transition;
use crate::message::{Body, Message, PreVote, PreVoteReply, RequestVote};
use crate::output::{HaltReason, StepDownReason};
use crate::quorum::{WITNESSES_MIN, has_quorum};
use crate::shared::Shared;
use crate::types::{NodeId, Tick};

/// A node that runs, or asks whether it could.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidate {
    pre_vote: bool,
    /// The leader asked for this election.
    transfer: bool,
    granted: Vec<NodeId>,
    refused: Vec<NodeId>,
    /// Have committed something else in the place of the entry in doubt.
    differ: ThinVec<NodeId>,
    /// The other voters that were not yet asked.
    unasked: Vec<NodeId>,
    /// When to try again; runs from when the requests leave.
    pub(crate) deadline: Option<Tick>,
}

impl Candidate {
    pub(crate) fn new(shared: &Shared, pre_vote: bool, transfer: bool) -> Self {
        let membership = shared.memberships.current();
        let others = membership.nodes().filter(|&id| id != shared.me() && membership.is_voter(id));
        Self { pre_vote, transfer, unasked: others.collect(), ..Self::default() }
    }

    pub(crate) const fn is_pre_vote(&self) -> bool {
        self.pre_vote
    }

    pub(crate) fn on_tick(&mut self, shared: &mut Shared, now: Tick) -> Transition {
        match self.deadline {
            Some(deadline) if now < deadline => Transition::Stay,
            // No quorum shares the doubt: what raised it may have been wrong.
            Some(_) if shared.doubt.take().is_some() => shared.follow(StepDownReason::NoQuorum),
            Some(_) => shared.campaign(),
            None => Transition::Stay,
        }
    }

    /// Takes a vote or pre-vote of this election.
    pub(crate) fn on_vote(&mut self, shared: &Shared, from: NodeId, granted: bool) -> Transition {
        let votes = if granted { &mut self.granted } else { &mut self.refused };
        if shared.memberships.current().is_voter(from) && !votes.contains(&from) {
            votes.push(from);
        }
        self.count(shared)
    }

    /// Takes an answer to a pre-vote request. Once a quorum has committed another history, this
    /// node's log is the wrong one.
    pub(crate) fn on_pre_vote_reply(
        &mut self,
        shared: &Shared,
        from: NodeId,
        reply: PreVoteReply,
    ) -> Transition {
        if let Some(doubt) = shared.doubt.as_deref().filter(|_| reply.differs)
            && !self.differ.contains(&from)
        {
            self.differ.push(from);
            let confirmed =
                has_quorum(shared.memberships.current(), |id| self.differ.contains(&id));
            if confirmed && self.differ.len() >= WITNESSES_MIN {
                return Transition::Halt { reason: HaltReason::Diverged { at: doubt.id } };
            }
        }
        self.on_vote(shared, from, reply.granted)
    }

    /// Counts the own vote once it is durable; a pre-vote needs no disk.
    pub(crate) fn count(&mut self, shared: &Shared) -> Transition {
        let (me, membership) = (shared.me(), shared.memberships.current());
        let durable = shared.hard_state_is_durable() || put_back!(OwnVoteBeforeDurable);
        let counts = membership.is_voter(me) && (self.pre_vote || durable);
        if counts && !self.granted.contains(&me) {
            self.granted.push(me);
        }
        if has_quorum(membership, |id| self.granted.contains(&id)) {
            let campaign = Transition::Campaign { transfer: false };
            return if self.pre_vote { campaign } else { Transition::Lead };
        }
        if has_quorum(membership, |id| self.refused.contains(&id)) {
            return shared.follow(StepDownReason::NoQuorum);
        }
        Transition::Stay
    }

    /// A vote request leaves when term, vote and the log tail it names are durable; a pre-vote
    /// request at once.
    fn may_ask(&self, shared: &Shared) -> bool {
        let durable =
            shared.hard_state_is_durable() && shared.durability.stable() >= shared.log.last_index();
        self.pre_vote || durable || put_back!(VoteRequestBeforeDurable)
    }

    pub(crate) fn has_message(&self, shared: &Shared) -> bool {
        !self.unasked.is_empty() && self.may_ask(shared)
    }

    /// The next request. The timer starts when the first one leaves.
    pub(crate) fn poll(&mut self, shared: &mut Shared) -> Option<Message> {
        if !self.has_message(shared) {
            return None;
        }
        let to = self.unasked.remove(0);
        if self.deadline.is_none() {
            self.deadline = shared.election_timeout();
        }
        let last = shared.log.last().id;
        let body = if self.pre_vote {
            let doubt = shared.doubt.as_deref().map(|doubt| (doubt.id, doubt.checksum));
            Body::PreVote(PreVote { last, doubt })
        } else {
            Body::RequestVote(RequestVote { last, transfer: self.transfer })
        };
        Some(shared.message(to, body))
    }
}
