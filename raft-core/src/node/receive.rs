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
            if term < self.shared.term() && !self.outlives_its_term(&message.body) {
                election::answer_old_term(&mut self.shared, &message);
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
        self.refuse_second_leader(from, term)?;
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
        self.refuse_second_leader(from, term)?;
        self.heed(term, self.shared.doubt.is_none());
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

    /// Two leaders in one term: one of them forgot its vote (Raft 5.2, Election Safety).
    fn refuse_second_leader(&self, from: NodeId, term: Term) -> Taken {
        match self.leader().filter(|&leader| leader != from && term == self.shared.term()) {
            Some(leader) => Err(RejectedMessage::SecondLeader { from, term, leader }),
            None => Ok(()),
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
        let prev = match body {
            Body::PreVote(request) if request.last.term > term => request.last,
            Body::RequestVote(request) if request.last.term >= term => request.last,
            _ => return Ok(()),
        };
        Err(RejectedMessage::Sequence { prev, term })
    }

    /// Whether a message of an earlier term still counts: pre-votes are asked for before a term begins.
    #[cold]
    fn outlives_its_term(&self, body: &Body) -> bool {
        match (body, &self.role) {
            (Body::PreVote(_), _) => true,
            (Body::PreVoteReply(reply), Role::Candidate(candidate)) => {
                candidate.is_pre_vote() && reply.asked == self.shared.term()
            }
            (Body::AppendReply(_), Role::Leader(_)) => put_back!(RepliesOfOldTermsCount),
            _ => false,
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
                self.refuse_second_leader(from, term)?;
                self.heed(term, self.shared.doubt.is_none());
            }
            Body::SnapshotChunk(piece) => {
                self.refuse_second_leader(from, term)?;
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
            (&Body::RequestVote(request), role) => {
                // Who has granted a vote waits anew (Raft 5.2), and asks for no pre-votes against it.
                match (election::on_request_vote(shared, from, request), role) {
                    (false, _) => {}
                    (true, Role::Follower(follower)) => {
                        follower.deadline = shared.election_timeout();
                    }
                    (true, _) => return Ok(shared.follow(StepDownReason::HigherTerm)),
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

    /// Whether a leader is known to be alive, so that nobody needs another (thesis 6.2).
    fn leader_is_alive(&self) -> bool {
        match &self.role {
            Role::Follower(follower) => follower.leader_is_alive(&self.shared),
            Role::Candidate(_) => false,
            Role::Leader(_) => self.shared.config.check_quorum,
        }
    }
}
