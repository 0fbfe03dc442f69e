//! The leader: takes proposals, replicates them, commits what a quorum holds (Raft 5.3, 5.4.2).

mod membership;
mod reads;
mod snapshots;
mod transfer;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Transition;
pub(crate) use membership::CatchUp;
use reads::Rounds;
use transfer::Transfer;

use crate::entries::{Checksum, Entries, EntryKind};
use crate::error::{Refused, RejectedMessage};
use crate::log::Point;
use crate::message::{AppendOutcome, AppendReply, HeartbeatReply};
use crate::output::{Event, HaltReason, Output, StepDownReason};
use crate::quorum::{Votes, WITNESSES_MIN, reached_by_majority};
use crate::replication::{Due, Peer};
use crate::shared::{Shared, count};
use crate::sources::Sources;
use crate::status::PeerStatus;
use crate::types::{EntryId, LogIndex, NodeId, Tick};

/// What a leader knows besides the shared state; new for each term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leader {
    /// Its own vote.
    votes: Votes,
    /// The votes that commit.
    quorum: Votes,
    peers: Vec<Peer>,
    /// Where the sessions with a new peer begin: beyond those with any that was removed in this
    /// term, which may be the same node.
    first_session: u32,
    /// Peers before this one have nothing to send.
    cursor: usize,
    /// The entry that opened this term: earlier ones do not count against the limit.
    opened: LogIndex,
    /// Bytes proposed in this term and not yet handed out for `Apply`.
    uncommitted_bytes: usize,
    rounds: Rounds,
    transfer: Option<Box<Transfer>>,
    /// `TimeoutNow` was handed out: another leader may exist at any time.
    lease_over: bool,
    heartbeat_at: Tick,
    check_quorum_at: Tick,
}

impl Leader {
    /// Opens the term with an empty entry (Raft 8) and starts to probe every peer.
    pub(crate) fn new(shared: &mut Shared) -> Self {
        let (last, now) = (shared.log.last(), shared.now.unwrap_or_default());
        append(shared, EntryKind::Noop, &[]);
        let mut leader = Self {
            first_session: 1,
            opened: shared.log.last_index(),
            heartbeat_at: now.plus(shared.config.heartbeat_ticks.into()),
            check_quorum_at: now.plus(shared.config.election_ticks_min.into()),
            ..Self::default()
        };
        leader.reconfigure(shared, last);
        // None was heard in this term yet.
        leader.peers.iter_mut().for_each(|peer| peer.heard = false);
        leader
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        let transfer = self.transfer.as_ref().map(|transfer| transfer.deadline);
        let timers = [Some(self.heartbeat_at), Some(self.check_quorum_at), transfer];
        timers.into_iter().flatten().min()
    }

    /// Leaves of each time how far ahead it is.
    #[cfg(feature = "inspect")]
    pub(crate) fn forget_time(&mut self, now: Tick) {
        let ahead = |at: Tick| Tick(at.since(now));
        self.heartbeat_at = ahead(self.heartbeat_at);
        self.check_quorum_at = ahead(self.check_quorum_at);
        self.rounds.forget_time();
        if let Some(transfer) = &mut self.transfer {
            transfer.deadline = ahead(transfer.deadline);
        }
        for peer in &mut self.peers {
            peer.lease_from = None;
        }
    }

    pub(crate) const fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    pub(crate) fn on_tick(&mut self, shared: &mut Shared, now: Tick) -> Transition {
        if shared.disk_stalled(now) {
            return shared.follow(StepDownReason::DiskStalled);
        }
        self.give_up_transfer(shared, now);
        if self.transfers_to().is_none() && self.is_removed(shared) {
            return shared.follow(StepDownReason::Removed);
        }
        self.promote(shared, now);
        if now >= self.check_quorum_at {
            self.check_quorum_at = now.plus(shared.config.election_ticks_min.into());
            if shared.config.check_quorum && !self.heard_quorum() {
                return shared.follow(StepDownReason::NoQuorum);
            }
        }
        if now >= self.heartbeat_at {
            self.tend_snapshots(shared, now);
            self.begin_round(shared, now);
        }
        Transition::Stay
    }

    /// Sends every peer a heartbeat with a new token, which confirms reads at once without peers.
    #[cold]
    fn begin_round(&mut self, shared: &mut Shared, now: Tick) {
        self.heartbeat_at = now.plus(shared.config.heartbeat_ticks.into());
        self.rounds.begin(now);
        self.peers.iter_mut().for_each(|peer| peer.beat_due = true);
        self.cursor = 0;
        self.confirm_reads(shared);
    }

    /// Whether a quorum was heard since the last check (thesis 6.2).
    fn heard_quorum(&mut self) -> bool {
        let heard = self.has_quorum(|peer| peer.heard);
        self.peers.iter_mut().for_each(|peer| peer.heard = false);
        heard
    }

    /// Whether this node and the peers for which `agrees` holds are a quorum.
    fn has_quorum(&self, agrees: impl Fn(&Peer) -> bool) -> bool {
        self.votes_of(true, agrees).reach(self.quorum)
    }

    /// The votes of the peers for which `agrees` holds, and of this node if `own`.
    #[inline]
    fn votes_of(&self, own: bool, agrees: impl Fn(&Peer) -> bool) -> Votes {
        let mut votes = Votes::default().with(self.votes, own);
        for peer in &self.peers {
            votes = votes.with(peer.votes, agrees(peer));
        }
        votes
    }

    pub(crate) fn propose(
        &mut self,
        shared: &mut Shared,
        payload: &[u8],
    ) -> Result<EntryId, Refused> {
        let max = shared.config.max_payload_bytes;
        if payload.len() > max {
            return Err(Refused::TooLarge { bytes: payload.len(), max });
        }
        if let Some(to) = self.transfers_to() {
            return Err(Refused::TransferInProgress { to });
        }
        let uncommitted_bytes = self.uncommitted_bytes;
        let full = uncommitted_bytes > 0
            && uncommitted_bytes.saturating_add(payload.len())
                > shared.config.max_uncommitted_bytes;
        if full || shared.log.last_index().0 >= u64::MAX - 1 {
            return Err(Refused::Busy { uncommitted_bytes });
        }
        let bytes = append(shared, EntryKind::Command, payload);
        self.uncommitted_bytes = uncommitted_bytes.saturating_add(bytes);
        self.wake(shared);
        Ok(shared.log.last().id)
    }

    /// Entries were handed out for `Apply`: those of this term make room for new proposals.
    #[inline]
    pub(crate) fn on_delivered(&mut self, entries: &Entries) {
        let bytes = if entries.first() > self.opened {
            entries.bytes().len()
        } else {
            let earlier = self.opened.next().since(entries.first());
            entries.skip(u32::try_from(earlier).unwrap_or(u32::MAX)).bytes().len()
        };
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(bytes);
    }

    /// It leads no more: its proposals that were not handed out may be lost.
    pub(crate) fn retire(&self, shared: &mut Shared) {
        let settled = self.opened.max(shared.delivered);
        shared.proposals.led(shared.term(), settled, shared.log.last_index());
    }

    pub(crate) fn serves(&self, id: NodeId) -> bool {
        self.peers.iter().any(|peer| peer.id == id)
    }

    /// The peer that has said something, and its place.
    fn peer(&mut self, shared: &mut Shared, from: NodeId) -> Option<(usize, &mut Peer)> {
        let found = self.peers.iter().position(|peer| peer.id == from);
        if found.is_none() {
            count(&mut shared.counters().not_member);
        }
        found.and_then(|at| Some((at, self.peers.get_mut(at)?)))
    }

    /// Takes the answer to an append.
    #[inline(always)]
    pub(crate) fn on_append_reply(
        &mut self,
        shared: &mut Shared,
        from: NodeId,
        reply: AppendReply,
    ) -> Result<Transition, RejectedMessage> {
        let last = shared.log.last_index();
        let Some((at, peer)) = self.peer(shared, from) else { return Ok(Transition::Stay) };
        if let AppendOutcome::Success { matched } = reply.outcome
            && matched > last
        {
            return Err(RejectedMessage::BeyondLog { matched, last });
        }
        peer.heard = !peer.contradicts;
        if reply.session != peer.session {
            count(&mut shared.counters().old_session);
            return Ok(Transition::Stay);
        }
        let AppendOutcome::Success { matched } = reply.outcome else {
            return Ok(self.on_refusal(shared, at, reply.outcome));
        };
        let news = peer.succeeded(matched, shared);
        self.cursor = self.cursor.min(at);
        if news && matched > shared.commit {
            self.advance_commit(shared, matched);
        }
        Ok(Transition::Stay)
    }

    /// A peer did not take an append.
    #[cold]
    fn on_refusal(&mut self, shared: &mut Shared, at: usize, outcome: AppendOutcome) -> Transition {
        self.cursor = self.cursor.min(at);
        let Some(peer) = self.peers.get_mut(at) else { return Transition::Stay };
        let id = peer.id;
        match outcome {
            AppendOutcome::Conflict { prev, hint } => {
                if !peer.conflicted(prev, hint, shared) {
                    shared.notice(Event::Diverged { peer: id, at: hint });
                }
            }
            AppendOutcome::NotNow { verified } => {
                peer.refused(verified.min(shared.log.last_index()));
            }
            AppendOutcome::Diverged { at, checksum } if differs(shared, at, checksum) => {
                peer.diverged();
                peer.differs = true;
                shared.notice(Event::Diverged { peer: id, at });
                return self.judge(at);
            }
            _ => count(&mut shared.counters().unexpected_replies),
        }
        Transition::Stay
    }

    /// A leader contradicted by so many voters that no quorum is left has the wrong log.
    fn judge(&self, at: EntryId) -> Transition {
        let witnesses = self.peers.iter().filter(|peer| peer.differs).count();
        if witnesses < WITNESSES_MIN || self.has_quorum(|peer| !peer.differs) {
            return Transition::Stay;
        }
        Transition::Halt { reason: HaltReason::Diverged { at } }
    }

    pub(crate) fn on_heartbeat_reply(
        &mut self,
        shared: &mut Shared,
        from: NodeId,
        reply: HeartbeatReply,
    ) -> Result<(), RejectedMessage> {
        let last = shared.log.last_index();
        let Some((at, peer)) = self.peer(shared, from) else { return Ok(()) };
        let matched = reply.verified;
        if reply.session == peer.session && matched > last {
            return Err(RejectedMessage::BeyondLog { matched, last });
        }
        peer.heard = !peer.contradicts;
        peer.answered(reply.session, reply.token, matched);
        self.cursor = self.cursor.min(at);
        if self.on_echo(at, reply) {
            self.confirm_reads(shared);
        }
        Ok(())
    }

    /// A write of this node became durable: its own match moved (Raft 5.3; thesis 10.2.1).
    #[inline]
    pub(crate) fn on_stable(&mut self, shared: &mut Shared) {
        let (own, commit) = (self.own_match(shared), shared.commit);
        // While no peer is beyond the commit index, only a leader that is a quorum by itself moves it.
        let ahead = || self.peers.iter().any(|peer| peer.matched > commit);
        if own > commit && (ahead() || self.votes.reach(self.quorum)) {
            self.count_own_match(shared, own);
        }
    }

    /// Seldom needed: nearly always a peer decides.
    #[inline(never)]
    fn count_own_match(&mut self, shared: &mut Shared, own: LogIndex) {
        self.advance_commit(shared, own);
    }

    fn own_match(&self, shared: &Shared) -> LogIndex {
        if put_back!(OwnMatchBeforeDurable) {
            return shared.log.last_index();
        }
        shared.durability.stable()
    }

    /// Commits what a quorum holds durably, if the newest of it is of this term (Raft 5.4.2), after
    /// a voter has moved to this entry.
    #[inline(always)]
    fn advance_commit(&mut self, shared: &mut Shared, moved_to: LogIndex) {
        let (own, commit) = (self.own_match(shared), shared.commit);
        let there = self.votes_of(own >= moved_to, |peer| peer.matched >= moved_to);
        let beyond = || self.votes_of(own > commit, |peer| peer.matched > commit);
        let reached = if there == self.quorum {
            // Just enough, and who has just moved is not beyond it. If that one has no vote, this may
            // be less than what they all have; the next voter to move tells.
            moved_to
        } else if beyond().reach(self.quorum) || put_back!(JointCountsOneQuorum) {
            self.reached(own, |peer| peer.matched)
        } else {
            return;
        };
        debug_assert!(reached <= shared.log.last_index() && moved_to > commit);
        let of_own_term = reached >= self.opened || put_back!(CommitOfEarlierTerms);
        if reached <= commit || !of_own_term {
            return;
        }
        shared.commit = reached;
        shared.sources.add(Sources::DELIVERY);
        self.wake(shared);
        self.confirm_reads(shared);
        if self.quorum.outgoing() > 0 || self.votes.incoming() == 0 {
            self.continue_change(shared);
        }
    }

    /// What a quorum has reached, of both topologies during a joint change, given how far this node
    /// and each peer are.
    #[cold]
    fn reached(&self, own: LogIndex, progress: fn(&Peer) -> LogIndex) -> LogIndex {
        let of = |count: fn(Votes) -> u8| {
            let peers = self.peers.iter().filter(move |peer| count(peer.votes) > 0);
            let own = (count(self.votes) > 0).then_some(own);
            reached_by_majority(own.into_iter().chain(peers.map(progress)))
        };
        let joint = !put_back!(JointCountsOneQuorum);
        let outgoing = if joint { of(Votes::outgoing) } else { None };
        of(Votes::incoming).into_iter().chain(outgoing).min().unwrap_or_default()
    }

    pub(crate) fn has_message(&self, shared: &Shared) -> bool {
        self.rounds.wanted
            || self.has_timeout_now(shared)
            || self.peers.iter().skip(self.cursor).any(|peer| peer.due(shared) != Due::Nothing)
    }

    /// What the first peer that may be served is told nearly always, unless something comes before.
    #[inline(always)]
    pub(crate) fn usually_due(&self, shared: &Shared) -> Option<Due> {
        let peer = self.peers.get(self.cursor).filter(|_| !self.rounds.wanted)?;
        peer.due_in_stream(shared).filter(|due| matches!(due, Due::Append | Due::Commit))
    }

    /// What is to be said next, and to whom: all of it may leave before the own disk is done.
    pub(crate) fn due(&mut self, shared: &mut Shared) -> Option<Due> {
        if self.rounds.wanted {
            self.begin_round(shared, shared.now.unwrap_or_default());
        }
        while let Some(peer) = self.peers.get(self.cursor) {
            match peer.due(shared) {
                Due::Nothing => self.cursor = self.cursor.saturating_add(1),
                due => return Some(due),
            }
        }
        self.has_timeout_now(shared).then_some(Due::TimeoutNow)
    }

    /// What is due; `None` if something was begun that comes first: look again.
    #[inline(always)]
    pub(crate) fn poll(&mut self, due: Due, shared: &mut Shared) -> Option<Output> {
        let next = self.cursor.saturating_add(1);
        let is_last = next == self.peers.len() && self.transfer.is_none();
        let done = if is_last { Sources::ROLE } else { Sources::NONE };
        match (due, self.peers.get_mut(self.cursor)) {
            (Due::Append, Some(peer)) => peer.append(shared, &mut self.cursor, done),
            (Due::Commit, Some(peer)) => {
                self.cursor = next;
                shared.sources.remove(done);
                Some(peer.commit(shared))
            }
            (due, Some(peer)) => peer.other(due, shared, self.rounds.token),
            (_, None) => self.timeout_now(shared).map(Output::Send),
        }
    }

    pub(crate) fn status(&self) -> Vec<PeerStatus> {
        self.peers.iter().map(Peer::status).collect()
    }

    /// Any peer may be served.
    pub(crate) fn wake(&mut self, shared: &mut Shared) {
        self.cursor = 0;
        shared.sources.add(Sources::ROLE);
    }

    pub(crate) fn trim(&mut self) {
        self.peers.shrink_to_fit();
        self.rounds.trim();
        self.peers.iter_mut().for_each(Peer::trim);
    }
}

/// Whether this log holds something else in the place of a peer's entry.
fn differs(shared: &Shared, at: EntryId, checksum: Checksum) -> bool {
    shared.log.term(at.index).is_some() && !shared.log.agrees(Point { id: at, checksum })
}

/// Appends an entry of this term; gives its size in bytes.
fn append(shared: &mut Shared, kind: EntryKind, payload: &[u8]) -> usize {
    let bytes = shared.log.append(shared.hard_state.term, kind, payload);
    shared.appended(bytes);
    bytes
}
