//! Reads at the leader (thesis 6.4): rounds of heartbeats, and leases (thesis 6.4.1).

use thin_vec::ThinVec;

use super::Leader;
use crate::message::{Body, HeartbeatReply, ReadIndex, ReadIndexReply};
use crate::output::ReadConsistency;
use crate::read::ReadState;
use crate::replication::Peer;
use crate::shared::{Shared, count};
use crate::sources::Sources;
use crate::types::{LogIndex, NodeId, Tick};

/// Most rounds whose time is remembered; only the newest matter.
const MAX_ROUNDS: usize = 32;
/// Most questions of other nodes under way.
const MAX_QUESTIONS: usize = 1024;
/// Safety margin of a lease, in ticks: one for the rounding of each of the two clocks.
const LEASE_MARGIN_TICKS: u64 = 2;

/// Rounds of heartbeats, and the questions of other nodes that wait for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    /// Number of the newest round: the token its heartbeats carry.
    pub(super) token: u64,
    /// A read waits for a round that has not begun.
    pub(super) wanted: bool,
    /// When the newest rounds began.
    begun: ThinVec<(u64, Tick)>,
    questions: ThinVec<Question>,
}

/// A follower's question for a read index.
#[derive(Clone, Copy, Debug)]
struct Question {
    from: NodeId,
    asked: ReadIndex,
    round: u64,
}

impl Rounds {
    pub(super) fn begin(&mut self, now: Tick) {
        self.token = self.token.saturating_add(1);
        self.wanted = false;
        if self.begun.len() >= MAX_ROUNDS {
            self.begun.remove(0);
        }
        self.begun.push((self.token, now));
    }

    pub(super) fn trim(&mut self) {
        self.begun.shrink_to_fit();
        self.questions.shrink_to_fit();
    }

    #[cfg(feature = "inspect")]
    pub(super) fn forget_time(&mut self) {
        self.begun.clear();
    }

    /// When the round with this token began, if it is one of the newest.
    fn began(&self, token: u64) -> Option<Tick> {
        let round = self.begun.iter().rev().find(|&&(begun, _)| begun == token);
        round.map(|&(_, at)| at)
    }

    /// The first round made after this moment: only its echoes prove leadership from now on.
    fn next(&mut self) -> u64 {
        self.wanted = true;
        if put_back!(EarlierEchoConfirmsRead) {
            return self.token;
        }
        self.token.saturating_add(1)
    }
}

impl Leader {
    /// A read of this node waits for the next round, unless a lease holds.
    pub(crate) fn on_read(&mut self, shared: &Shared, how: ReadConsistency) -> ReadState {
        if how == ReadConsistency::Lease && self.has_lease(shared) {
            return ReadState::Confirmed { index: shared.commit };
        }
        ReadState::Asking { token: self.rounds.next() }
    }

    /// Takes a follower's question.
    pub(crate) fn on_read_index(&mut self, shared: &mut Shared, from: NodeId, asked: ReadIndex) {
        let repeated = |question: &Question| question.from == from && question.asked == asked;
        if self.rounds.questions.iter().any(repeated) {
            return count(&mut shared.counters().merged_messages);
        }
        if self.rounds.questions.len() >= MAX_QUESTIONS {
            return count(&mut shared.counters().refused);
        }
        let round = self.rounds.next();
        self.rounds.questions.push(Question { from, asked, round });
    }

    /// Notes the echo of a heartbeat; says whether it may confirm something.
    pub(super) fn on_echo(&mut self, at: usize, reply: HeartbeatReply) -> bool {
        let began = self.rounds.began(reply.token);
        let Some(peer) = self.peers.get_mut(at) else { return false };
        if reply.token <= peer.echoed || reply.token > self.rounds.token {
            return false;
        }
        peer.echoed = reply.token;
        peer.lease_from = began.or(peer.lease_from);
        true
    }

    /// Confirms the reads whose round a quorum has echoed, once an entry of this term is committed:
    /// before, the commit index may lag behind what earlier leaders acknowledged.
    #[inline(always)]
    pub(super) fn confirm_reads(&mut self, shared: &mut Shared) {
        if !self.rounds.questions.is_empty() || !shared.reads.is_empty() {
            self.confirm_waiting(shared);
        }
    }

    #[inline(never)]
    fn confirm_waiting(&mut self, shared: &mut Shared) {
        if shared.commit < self.opened && !put_back!(ReadBeforeOwnCommit) {
            return;
        }
        let own = LogIndex(self.rounds.token);
        let round = self.reached(own, |peer| LogIndex(peer.echoed)).0;
        let index = shared.commit;
        shared.reads.confirm(round, index);
        shared.sources.add(Sources::ANSWERS);
        self.rounds.questions.retain(|question| {
            let Question { from, asked: ReadIndex { incarnation, token }, round: asked } =
                *question;
            if asked <= round {
                let index = Some(index);
                let reply = ReadIndexReply { incarnation, token, index };
                shared.post(from, Body::ReadIndexReply(reply));
            }
            asked > round
        });
    }

    /// Whether no other leader can exist now, by the clock: a quorum refuses votes since it heard a
    /// heartbeat that began less than a shortest election timeout ago.
    fn has_lease(&self, shared: &Shared) -> bool {
        let config = &shared.config;
        let (Some(drift), Some(now)) = (config.lease_drift_ticks, shared.now) else { return false };
        let lost = LEASE_MARGIN_TICKS.saturating_add(drift.into());
        let span = u64::from(config.election_ticks_min).saturating_sub(lost);
        let holds = |peer: &Peer| peer.lease_from.is_some_and(|from| now.since(from) < span);
        let over = self.lease_over && !put_back!(LeaseAfterTimeoutNow);
        let ended = over || shared.commit < self.opened || !config.check_quorum;
        !ended && self.has_quorum(holds)
    }
}
