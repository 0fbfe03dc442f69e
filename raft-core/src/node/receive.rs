//! Messages: what is rejected, the term rule (Raft 5.1), and who handles the rest.

use alloc::boxed::Box;

use super::Node;
use crate::election;
use crate::error::RejectedMessage;
use crate::message::{Body, Message};
use crate::output::StepDownReason;
use crate::role::follower;
use crate::role::{Role, Transition};
use crate::shared::count;

/// How far a message's term may be beyond this node's: elections do not get further ahead.
const MAX_TERM_JUMP: u64 = 1 << 32;

impl Node {
    pub(super) fn receive_checked(&mut self, message: &mut Message) -> Result<(), RejectedMessage> {
        self.admit(message)?;
        let term = self.shared.term();
        if message.term < term {
            self.receive_of_old_term(message);
            return Ok(());
        }
        self.refuse_second_leader(message)?;
        let checked = match &message.body {
            Body::Append(append) => {
                let checked = follower::check(&self.shared, message.term, append);
                Some(checked.map_err(|error| self.report_divergence(message, error))?)
            }
            Body::SnapshotChunk(piece) => {
                let checked = follower::check_piece(&self.shared, message.term, piece);
                checked.map_err(|error| self.report_divergence(message, error))?;
                None
            }
            _ => None,
        };
        if !self.follow_term(message) {
            return Ok(());
        }
        let from = message.from;
        match (&mut message.body, &mut self.role) {
            (Body::Append(append), Role::Follower(follower)) => {
                if let Some(checked) = checked {
                    follower.on_append(&mut self.shared, from, append, checked);
                }
            }
            (&mut Body::Commit(commit), Role::Follower(follower)) => {
                follower.on_commit(&mut self.shared, from, commit);
            }
            (&mut Body::AppendReply(reply), Role::Leader(leader)) => {
                let transition = leader.on_append_reply(&mut self.shared, from, reply)?;
                self.perform(transition);
            }
            _ => {
                let transition = self.dispatch(message)?;
                self.perform(transition);
            }
        }
        Ok(())
    }

    /// Rejects what no honest peer sends, whatever the state here.
    fn admit(&self, message: &Message) -> Result<(), RejectedMessage> {
        if let Some(reason) = self.halted.as_deref() {
            return Err(RejectedMessage::Halted { reason: *reason });
        }
        let Message { group, from, to, term, .. } = *message;
        let identity = self.shared.identity;
        if group != identity.group {
            return Err(RejectedMessage::WrongGroup { group });
        }
        if to != identity.node {
            return Err(RejectedMessage::WrongNode { to });
        }
        if from == identity.node {
            return Err(RejectedMessage::FromSelf);
        }
        let before_any_term = matches!(message.body, Body::PreVote(_) | Body::PreVoteReply(_));
        let too_low = term.0 == 0 && !before_any_term;
        if too_low || term.since(self.shared.term()) > MAX_TERM_JUMP {
            return Err(RejectedMessage::TermOutOfRange { term });
        }
        match &message.body {
            Body::PreVote(request) if request.last.term > term => {
                Err(RejectedMessage::Sequence { prev: request.last, term })
            }
            Body::RequestVote(request) if request.last.term >= term => {
                Err(RejectedMessage::Sequence { prev: request.last, term })
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn receive_of_old_term(&mut self, message: &Message) {
        let term = self.shared.term();
        let alive = self.leader_is_alive();
        let shared = &mut self.shared;
        match (&message.body, &mut self.role) {
            (&Body::PreVote(request), _) => {
                election::on_pre_vote(shared, message.from, message.term, request, alive);
            }
            (Body::PreVoteReply(reply), Role::Candidate(candidate))
                if candidate.is_pre_vote() && reply.asked == term =>
            {
                let transition = candidate.on_pre_vote_reply(shared, message.from, *reply);
                self.perform(transition);
            }
            (&Body::AppendReply(reply), Role::Leader(leader))
                if put_back!(RepliesOfOldTermsCount) =>
            {
                let _ = leader.on_append_reply(shared, message.from, reply);
            }
            _ => election::answer_old_term(shared, message),
        }
    }

    /// Two leaders in one term: one of them forgot its vote (Raft 5.2, Election Safety).
    fn refuse_second_leader(&self, message: &Message) -> Result<(), RejectedMessage> {
        let term = self.shared.term();
        if !is_from_leader(&message.body) || message.term != term {
            return Ok(());
        }
        match self.leader() {
            Some(leader) if leader != message.from => {
                Err(RejectedMessage::SecondLeader { from: message.from, term, leader })
            }
            _ => Ok(()),
        }
    }

    /// A log that contradicts this one is reported to its owner; the election timer runs on, and the
    /// other voters are then asked which of the two is right.
    #[cold]
    fn report_divergence(&mut self, message: &Message, error: RejectedMessage) -> RejectedMessage {
        let session = match &message.body {
            Body::Append(append) => append.session,
            Body::SnapshotChunk(piece) => piece.session,
            _ => return error,
        };
        if let Some((at, outcome)) = follower::divergence(&error, &self.shared.log) {
            self.shared.doubt = self.shared.doubt.take().or(at.map(Box::new));
            follower::reply(&mut self.shared, message.from, session, outcome);
        }
        error
    }

    /// The term rule (Raft 5.1): a higher term is adopted, except from those who only ask for a
    /// pre-vote, or for a vote while a leader is alive (thesis 6.2). Says whether to go on.
    fn follow_term(&mut self, message: &Message) -> bool {
        let term = message.term;
        let candidate = matches!(self.role, Role::Candidate(_));
        let higher = term > self.shared.term();
        match &message.body {
            Body::PreVote(_) => return true,
            Body::RequestVote(request) if higher && !request.transfer && self.leader_is_alive() => {
                count(&mut self.shared.counters().leader_alive);
                return false;
            }
            _ => {}
        }
        // Who asks about an entry in doubt goes on asking, whatever signs of life the leader gives.
        let doubts = self.shared.doubt.is_some()
            && matches!(message.body, Body::Heartbeat(_) | Body::Commit(_));
        if higher || (candidate && is_from_leader(&message.body) && !doubts) {
            let reason = StepDownReason::HigherTerm;
            self.perform(Transition::Follow { term, reason });
        }
        true
    }

    #[inline(never)]
    fn dispatch(&mut self, message: &Message) -> Result<Transition, RejectedMessage> {
        let Message { from, term, .. } = *message;
        if let Body::PreVote(request) = message.body {
            let alive = self.leader_is_alive();
            election::on_pre_vote(&mut self.shared, from, term, request, alive);
            return Ok(Transition::Stay);
        }
        let shared = &mut self.shared;
        match (&message.body, &mut self.role) {
            (&Body::RequestVote(request), _) => {
                if election::on_request_vote(shared, from, request) {
                    return Ok(self.wait_for_the_candidate());
                }
            }
            (&Body::PreVoteReply(reply), Role::Candidate(candidate))
                if candidate.is_pre_vote() && reply.asked == shared.term() =>
            {
                return Ok(candidate.on_pre_vote_reply(shared, from, reply));
            }
            (&Body::VoteReply(reply), Role::Candidate(candidate)) if !candidate.is_pre_vote() => {
                return Ok(candidate.on_vote(shared, from, reply.granted));
            }
            (Body::SnapshotChunk(piece), Role::Follower(follower)) => {
                follower.on_snapshot_chunk(shared, from, piece);
            }
            (Body::SnapshotReply(reply), Role::Leader(leader)) => {
                leader.on_snapshot_reply(shared, from, **reply)?;
            }
            (&Body::Heartbeat(beat), Role::Follower(follower)) => {
                follower.on_heartbeat(shared, from, beat);
            }
            (&Body::HeartbeatReply(reply), Role::Leader(leader)) => {
                leader.on_heartbeat_reply(shared, from, reply)?;
            }
            (Body::TimeoutNow, Role::Follower(follower)) => {
                return Ok(follower.on_timeout_now(shared, from));
            }
            (&Body::ReadIndex(asked), Role::Leader(leader)) if leader.serves(from) => {
                leader.on_read_index(shared, from, asked);
            }
            (&Body::ReadIndexReply(reply), Role::Follower(follower)) => {
                follower.on_read_index_reply(shared, reply);
            }
            _ => count(&mut shared.counters().unexpected_replies),
        }
        Ok(Transition::Stay)
    }

    /// Who has granted a vote waits anew (Raft 5.2), and asks for no pre-votes against it.
    fn wait_for_the_candidate(&mut self) -> Transition {
        match &mut self.role {
            Role::Follower(follower) => {
                follower.deadline = self.shared.election_timeout();
                Transition::Stay
            }
            _ => {
                let (term, reason) = (self.shared.term(), StepDownReason::HigherTerm);
                Transition::Follow { term, reason }
            }
        }
    }

    /// Whether a leader is known to be alive, so that nobody needs another (thesis 6.2).
    fn leader_is_alive(&self) -> bool {
        match &self.role {
            Role::Follower(follower) => follower.leader_is_alive(&self.shared),
            Role::Candidate(_) => false,
            Role::Leader(_) => self.shared.config.check_quorum,
        }
    }
}

const fn is_from_leader(body: &Body) -> bool {
    matches!(body, Body::Append(_) | Body::Heartbeat(_) | Body::Commit(_) | Body::SnapshotChunk(_))
}
