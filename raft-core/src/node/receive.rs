//! Messages: what is rejected, the term rule (Raft 5.1), and who handles the rest.

use super::Node;
use crate::election;
use crate::error::RejectedMessage;
use crate::message::{Append, AppendReply, Body, Commit, Message};
use crate::output::StepDownReason;
use crate::role::{Role, Transition, follower};
use crate::shared::count;
use crate::sources::Sources;
use crate::types::{NodeId, Term};

/// How far a message's term may be beyond this node's: elections do not get further ahead.
const MAX_TERM_JUMP: u64 = 1 << 32;

/// Whether a message was taken.
type Taken = Result<(), RejectedMessage>;

impl Node {
    #[inline]
    pub(super) fn receive_checked(&mut self, message: Message) -> Taken {
        self.admit(&message)?;
        let Message { from, term, .. } = message;
        if term != self.shared.term() || term.0 == 0 {
            self.admit_rare(term, &message.body)?;
            if term < self.shared.term() {
                self.receive_of_old_term(&message);
                return Ok(());
            }
        }
        match message.body {
            Body::Append(mut append) => self.receive_append(from, term, &mut append),
            Body::Commit(commit) => self.receive_commit(from, term, commit),
            Body::AppendReply(reply) => self.receive_reply(from, term, reply),
            ref body => self.receive_rare(from, term, body),
        }
    }

    #[inline(never)]
    fn receive_append(&mut self, from: NodeId, term: Term, append: &mut Append) -> Taken {
        self.is_led(from, term)?;
        let checked = follower::check(&self.shared, term, append)
            .map_err(|error| follower::report(&mut self.shared, from, append.session, error))?;
        self.heed(term, true);
        if let Role::Follower(follower) = &mut self.role {
            follower.on_append(&mut self.shared, from, append, checked);
        }
        Ok(())
    }

    #[inline(always)]
    fn receive_commit(&mut self, from: NodeId, term: Term, commit: Commit) -> Taken {
        if !self.is_led(from, term)? {
            self.heed(term, self.shared.doubt.is_none());
        }
        match &mut self.role {
            Role::Follower(follower) => follower.on_commit(&mut self.shared, from, commit),
            _ => count(&mut self.shared.counters().unexpected_replies),
        }
        Ok(())
    }

    #[inline(always)]
    fn receive_reply(&mut self, from: NodeId, term: Term, reply: AppendReply) -> Taken {
        self.heed(term, false);
        let Role::Leader(leader) = &mut self.role else {
            count(&mut self.shared.counters().unexpected_replies);
            return Ok(());
        };
        self.shared.sources.add(Sources::ROLE);
        let transition = leader.on_append_reply(&mut self.shared, from, reply)?;
        self.perform(transition);
        Ok(())
    }

    /// Whether this node is already known to lead this term. Two leaders in one term: one of them
    /// forgot its vote (Raft 5.2, Election Safety).
    fn is_led(&self, from: NodeId, term: Term) -> Result<bool, RejectedMessage> {
        let here = term == self.shared.term();
        match &self.role {
            Role::Follower(follower) if here && follower.leader == Some(from) => Ok(true),
            _ => match self.leader().filter(|_| here) {
                Some(leader) => Err(RejectedMessage::SecondLeader { from, term, leader }),
                None => Ok(false),
            },
        }
    }

    /// Rejects what no honest peer sends, whatever the state here.
    fn admit(&self, message: &Message) -> Taken {
        self.runs(|reason| RejectedMessage::Halted { reason })?;
        let Message { group, from, to, .. } = *message;
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
        Ok(())
    }

    /// Rejects what a message of another term, or a rare one, cannot say.
    #[cold]
    fn admit_rare(&self, term: Term, body: &Body) -> Taken {
        let before_any_term = matches!(body, Body::PreVote(_) | Body::PreVoteReply(_));
        let too_low = term.0 == 0 && !before_any_term;
        if too_low || term.since(self.shared.term()) > MAX_TERM_JUMP {
            return Err(RejectedMessage::TermOutOfRange { term });
        }
        match body {
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
        self.shared.sources = Sources::ALL;
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
            (Body::AppendReply(reply), Role::Leader(leader))
                if put_back!(RepliesOfOldTermsCount) =>
            {
                let _ = leader.on_append_reply(shared, message.from, reply.clone());
            }
            _ => election::answer_old_term(shared, message),
        }
    }

    /// The term rule (Raft 5.1): a higher term is adopted. Who leads is followed in this one too
    /// (Raft 5.2); but who asks about an entry in doubt goes on asking, whatever signs of life the
    /// leader gives.
    #[inline]
    fn heed(&mut self, term: Term, leads: bool) {
        if term > self.shared.term() || leads && !matches!(self.role, Role::Follower(_)) {
            self.perform(Transition::Follow { term, reason: StepDownReason::HigherTerm });
        }
    }

    /// Takes what a steady group does not send with each entry.
    #[inline(never)]
    fn receive_rare(&mut self, from: NodeId, term: Term, body: &Body) -> Taken {
        self.admit_rare(term, body)?;
        self.shared.sources = Sources::ALL;
        match body {
            &Body::PreVote(request) => {
                let alive = self.leader_is_alive();
                election::on_pre_vote(&mut self.shared, from, term, request, alive);
                return Ok(());
            }
            // A term is not adopted from those who ask for a vote while a leader is alive (thesis 6.2).
            Body::RequestVote(request) => {
                let higher = term > self.shared.term();
                if higher && !request.transfer && self.leader_is_alive() {
                    count(&mut self.shared.counters().leader_alive);
                    return Ok(());
                }
                self.heed(term, false);
            }
            Body::Heartbeat(_) => {
                self.is_led(from, term)?;
                self.heed(term, self.shared.doubt.is_none());
            }
            Body::SnapshotChunk(piece) => {
                self.is_led(from, term)?;
                follower::check_piece(&self.shared, term, piece).map_err(|error| {
                    follower::report(&mut self.shared, from, piece.session, error)
                })?;
                self.heed(term, true);
            }
            _ => self.heed(term, false),
        }
        let transition = self.dispatch(from, body)?;
        self.perform(transition);
        Ok(())
    }

    fn dispatch(&mut self, from: NodeId, body: &Body) -> Result<Transition, RejectedMessage> {
        let shared = &mut self.shared;
        match (body, &mut self.role) {
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
        if let Role::Follower(follower) = &mut self.role {
            follower.deadline = self.shared.election_timeout();
            return Transition::Stay;
        }
        self.shared.follow(StepDownReason::HigherTerm)
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
