//! What a leader knows of each peer, and the appends built from it.
//!
//! A peer is probed, one append at a time, until its log is known to agree with the leader's; then
//! entries stream ahead of the replies, within limits in messages and bytes. Each return to probing
//! opens a new replication session; what belongs to an earlier one is ignored.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::num::NonZeroU64;

use crate::entries::Entries;
use crate::input::{Chunk, Unavailable};
use crate::log::Point;
use crate::log_reads::Reader;
use crate::message::{Append, Body, Commit, Heartbeat, SnapshotReply};
use crate::output::Output;
use crate::quorum::Votes;
use crate::role::leader::CatchUp;
use crate::shared::Shared;
use crate::snapshot::Shipment;
use crate::status::{PeerState, PeerStatus};
use crate::types::{ChunkId, EntryId, LogIndex, NodeId, Tick};

/// A leader's view of one peer.
///
/// 1. `matched < next`.
/// 2. `in_flight` is empty while probing; its indexes rise and lie above `matched`.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    /// Whether its vote counts in the topology that is coming, and in the one that is going.
    pub(crate) votes: Votes,
    pub(crate) matched: LogIndex,
    next: LogIndex,
    /// The entry before `next`, where the last append ended; not kept after a restart.
    before_next: Option<Point>,
    session: u32,
    probe: Option<Probe>,
    /// Nothing is sent until the peer answers a heartbeat.
    paused: bool,
    in_flight: VecDeque<(LogIndex, usize)>,
    in_flight_bytes: usize,
    /// Whether the peer was heard since the last check of the quorum.
    pub(crate) heard: bool,
    /// The commit index that the peer was told, as far as it can use it.
    commit_told: LogIndex,
    /// The newest heartbeat token that came back, and when that heartbeat was made.
    pub(crate) echoed: u64,
    pub(crate) lease_from: Option<Tick>,
    /// The round of a learner that is to be promoted.
    pub(crate) catch_up: Option<Box<CatchUp>>,
    beat_due: bool,
    /// A heartbeat whose echo is awaited: its token, and `next` when it left. Its echo or that of a
    /// later one tells what was lost before; later heartbeats do not replace it, however slow echoes are.
    watch: Option<(NonZeroU64, LogIndex)>,
    /// The peer's log contradicts this one, or it denies what it once confirmed.
    pub(crate) contradicts: bool,
    /// It holds something else in the place of an entry here.
    pub(crate) differs: bool,
    /// The snapshot it is sent, instead of entries.
    shipment: Option<Box<Shipment>>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: bool,
    /// The entry the probe was about: it begins after this one.
    prev: LogIndex,
}

/// What should be sent to a peer next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Append,
    /// An append of entries that are no longer in memory.
    StoredAppend,
    Heartbeat,
    Commit,
    /// A piece of a snapshot, or a request for it.
    Snapshot,
    /// The call to take over, once all others are served.
    TimeoutNow,
    Nothing,
}

impl Peer {
    pub(crate) const fn new(id: NodeId, votes: Votes, next: LogIndex, session: u32) -> Self {
        Self {
            id,
            votes,
            matched: LogIndex(0),
            next,
            before_next: None,
            session,
            probe: Some(Probe { sent: false, prev: next.prev() }),
            paused: false,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            heard: false,
            commit_told: LogIndex(0),
            echoed: 0,
            lease_from: None,
            catch_up: None,
            beat_due: false,
            watch: None,
            contradicts: false,
            differs: false,
            shipment: None,
        }
    }

    pub(crate) const fn beat(&mut self) {
        self.beat_due = true;
    }

    /// The first session number that this term has not used with this peer.
    pub(crate) const fn unused_session(&self) -> u32 {
        self.session.saturating_add(1)
    }

    /// Whether a reply belongs to the current session.
    pub(crate) const fn is_current(&self, session: u32) -> bool {
        self.session == session
    }

    /// What should be sent to this peer next.
    #[inline(always)]
    pub(crate) fn due(&self, shared: &Shared) -> Due {
        let config = &shared.config;
        let has_window = match self.probe {
            _ if self.shipment.is_some() => false,
            Some(probe) => !probe.sent,
            None => {
                self.next <= shared.log.last_index()
                    && self.in_flight.len() < config.max_in_flight_messages
                    && (self.in_flight.is_empty()
                        || self.in_flight_bytes < config.max_in_flight_bytes)
            }
        };
        let awaits = || shared.log_reads.awaits(Reader::Peer(self.id), self.next);
        if self.lacks_entries(shared) {
            Due::Snapshot
        } else if has_window && !self.paused && self.next > shared.log.start() {
            Due::Append
        } else if has_window && !self.paused && !awaits() {
            Due::StoredAppend
        } else if self.beat_due {
            Due::Heartbeat
        } else if let Some(shipment) = &self.shipment {
            let now = shared.now.unwrap_or_default();
            let due = shipment.has_piece() || shipment.wants_chunk(config, now);
            if due { Due::Snapshot } else { Due::Nothing }
        } else if self.probe.is_none() && self.commit_told < self.usable_commit(shared) {
            Due::Commit
        } else {
            Due::Nothing
        }
    }

    /// The commit index, as far as the peer was sent entries.
    fn usable_commit(&self, shared: &Shared) -> LogIndex {
        shared.commit.min(self.next.prev())
    }

    pub(crate) fn has_output(&self, shared: &Shared) -> bool {
        self.due(shared) != Due::Nothing
    }

    /// Whether nothing is left to say after a message with all entries there are.
    fn is_served(&self, shared: &Shared) -> bool {
        let sent = self.next > shared.log.last_index() && self.commit_told >= shared.commit;
        sent && !self.beat_due && self.shipment.is_none()
    }

    /// Whether the next entry for this peer is known from a snapshot only, and it gets none yet.
    fn lacks_entries(&self, shared: &Shared) -> bool {
        self.next <= shared.log.base().id.index && self.shipment.is_none() && !self.paused
    }

    /// The append that is due, of entries in memory.
    #[inline(never)]
    pub(crate) fn append(&mut self, shared: &mut Shared, cursor: &mut usize) -> Option<Output> {
        let (next, upto) = (self.next, shared.log.last_index());
        let prev = match self.before_next.take() {
            Some(prev) if prev.id.index == next.prev() => prev,
            _ => shared.log.point(next.prev())?,
        };
        let entries = shared.log.slice(next, upto, shared.config.max_append_bytes);
        let append = self.append_of(shared, prev, entries);
        *cursor = cursor.saturating_add(self.is_served(shared).into());
        Some(self.send(shared, Body::Append(append)))
    }

    #[inline(always)]
    fn append_of(&mut self, shared: &Shared, prev: Point, entries: Entries) -> Append {
        if !entries.is_empty() {
            let last = shared.log.last();
            self.next = entries.last().next();
            self.before_next = (entries.last() == last.id.index).then_some(last);
        }
        match &mut self.probe {
            Some(probe) => probe.sent = true,
            None => {
                let bytes = entries.bytes().len();
                self.in_flight.push_back((entries.last(), bytes));
                self.in_flight_bytes = self.in_flight_bytes.saturating_add(bytes);
            }
        }
        self.tell_commit(shared);
        Append {
            session: self.session,
            prev: prev.id,
            prev_checksum: prev.checksum,
            commit: shared.commit,
            entries,
        }
    }

    /// The commit notice that is due.
    #[inline(never)]
    pub(crate) fn commit(&mut self, shared: &Shared, cursor: &mut usize) -> Option<Output> {
        let commit = self.tell_commit(shared);
        *cursor = cursor.saturating_add(self.is_served(shared).into());
        Some(self.send(shared, Body::Commit(Commit { session: self.session, commit })))
    }

    /// What else is due; `None` if something was begun: look again.
    #[inline(never)]
    pub(crate) fn other(&mut self, due: Due, shared: &mut Shared, token: u64) -> Option<Output> {
        match due {
            Due::StoredAppend => {
                let (next, upto) = (self.next, shared.log.last_index());
                let max_bytes = shared.config.max_append_bytes;
                let fetched = shared.fetch(Reader::Peer(self.id), next, upto, max_bytes)?;
                let append = self.append_of(shared, fetched.before, fetched.entries);
                Some(self.send(shared, Body::Append(append)))
            }
            Due::Heartbeat => {
                self.beat_due = false;
                self.watch = self.watch.or(NonZeroU64::new(token).map(|token| (token, self.next)));
                let commit = self.tell_commit(shared);
                let (session, matched) = (self.session, self.matched);
                let beat = Heartbeat { session, commit, matched, token };
                Some(self.send(shared, Body::Heartbeat(beat)))
            }
            Due::Snapshot => self.next_of_snapshot(shared),
            Due::Append | Due::Commit | Due::TimeoutNow | Due::Nothing => None,
        }
    }

    /// The next piece of a snapshot, or what must be read for it; `None` if one has just begun.
    fn next_of_snapshot(&mut self, shared: &mut Shared) -> Option<Output> {
        let session = self.session;
        let Some(shipment) = &mut self.shipment else {
            self.ship(shared);
            return None;
        };
        if let Some(piece) = shipment.take_piece(session) {
            return Some(self.send(shared, Body::SnapshotChunk(Box::new(piece))));
        }
        let id = shared.snapshots.next_request(shared.hard_state.incarnation);
        Some(Output::ReadSnapshot(shipment.request(id, shared.config.max_chunk_bytes)))
    }

    #[inline(always)]
    fn send(&self, shared: &Shared, body: Body) -> Output {
        Output::Send(shared.message(self.id, body))
    }

    fn tell_commit(&mut self, shared: &Shared) -> LogIndex {
        self.commit_told = self.usable_commit(shared);
        self.commit_told
    }

    /// The peer has everything up to `matched`, durably. Says whether that is news.
    pub(crate) fn succeeded(&mut self, matched: LogIndex, base: LogIndex) -> bool {
        if let Some(shipment) = &self.shipment {
            // Only what the log goes on from ends the transfer, or its own end: if the log has lost
            // what comes after that, a newer snapshot follows.
            if matched < base.min(shipment.meta().id.index) {
                return false;
            }
            self.shipment = None;
            self.next = matched.next();
        }
        self.probe = None;
        self.contradicts = false;
        self.differs = false;
        if self.next <= matched {
            self.next = matched.next();
        }
        while let Some(&(last, bytes)) = self.in_flight.front()
            && last <= matched
        {
            self.in_flight.pop_front();
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        }
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        news
    }

    /// The peer does not have the entry before an append: look for the last one in common (Raft 5.3).
    ///
    /// Says whether that can be: a peer that denies what it once confirmed, in answer to the present
    /// probe, has lost it. Replies to earlier appends may be late.
    pub(crate) fn conflicted(&mut self, prev: LogIndex, hint: EntryId, shared: &Shared) -> bool {
        if prev <= self.matched && self.matched > LogIndex(0) {
            let denied = self.probe.is_some_and(|probe| probe.sent && probe.prev == prev);
            if denied {
                self.diverged();
            }
            return !denied;
        }
        let base = shared.log.base().id.index;
        if prev <= base || hint.index < base {
            self.ship(shared);
            return true;
        }
        let common = shared.log.last_within(hint.index.min(prev.prev()), hint.term);
        self.restart(common.index);
        true
    }

    /// The peer lacks what the log begins after: it is sent the newest snapshot instead (Raft 7).
    fn ship(&mut self, shared: &Shared) {
        let newest = shared.snapshots.newest();
        self.restart(newest.id.index);
        self.probe = None;
        let now = shared.now.unwrap_or_default();
        self.shipment = Some(Box::new(Shipment::new(newest, now)));
    }

    /// What the peer needs of the log begins after this entry.
    pub(crate) fn needs_after(&self) -> LogIndex {
        self.shipment.as_ref().map_or(self.matched, |shipment| shipment.meta().id.index)
    }

    pub(crate) const fn is_shipping(&self) -> bool {
        self.shipment.is_some()
    }

    /// Takes the answer to a request for a chunk, if it was made for this peer.
    pub(crate) fn chunk_read(
        &mut self,
        shared: &Shared,
        id: ChunkId,
        chunk: &Result<Chunk, Unavailable>,
    ) -> bool {
        let retry = shared.after(shared.config.heartbeat_ticks.into()).unwrap_or_default();
        let mine = |shipment: &&mut Box<Shipment>| shipment.asked(id).is_some();
        let Some(shipment) = self.shipment.as_mut().filter(mine) else { return false };
        if !shipment.answered(chunk.clone(), retry) {
            self.ship_newer(shared);
        }
        true
    }

    /// Begins with the newest snapshot instead, if it is not the one under way.
    fn ship_newer(&mut self, shared: &Shared) {
        let newest = shared.snapshots.newest().id;
        if self.shipment.as_ref().is_some_and(|shipment| shipment.meta().id != newest) {
            self.ship(shared);
        }
    }

    /// Whether a reply confirms more of the snapshot under way than there is.
    pub(crate) fn confirms_too_much(&self, reply: SnapshotReply) -> bool {
        let Some(shipment) = self.shipment.as_deref() else { return false };
        let of_this = self.is_current(reply.session) && shipment.meta().id == reply.snapshot;
        of_this && reply.received > shipment.meta().length
    }

    /// Takes a reply to a piece of a snapshot. Says whether it was awaited.
    pub(crate) fn piece_received(&mut self, shared: &Shared, reply: SnapshotReply) -> bool {
        let of_this = |shipment: &&mut Box<Shipment>| shipment.meta().id == reply.snapshot;
        let Some(shipment) = self.shipment.as_mut().filter(of_this) else { return false };
        let now = shared.now.unwrap_or_default();
        if shipment.on_reply(reply, now, shared.config.heartbeat_ticks.into()) {
            self.ship_newer(shared);
        }
        true
    }

    /// A transfer without progress is tried again.
    pub(crate) fn on_tick(&mut self, shared: &Shared, now: Tick) {
        let patience = shared.config.election_ticks_max.into();
        if self.shipment.as_mut().is_some_and(|shipment| shipment.on_tick(now, patience)) {
            self.ship_newer(shared);
        }
    }

    /// The peer refused for lack of room: start again behind what it has once it answers a heartbeat.
    pub(crate) fn refused(&mut self, verified: LogIndex) {
        let unknown = verified == LogIndex(0);
        self.restart(self.probe.filter(|_| unknown).map_or(verified, |probe| probe.prev));
        self.paused = true;
    }

    /// The peer's log contradicts this one: ask again at the pace of heartbeats.
    pub(crate) fn diverged(&mut self) {
        self.restart(self.matched);
        self.paused = true;
        self.contradicts = true;
    }

    /// The peer answered a heartbeat and has verified everything up to `verified`.
    pub(crate) fn answered(&mut self, session: u32, token: u64, verified: LogIndex) {
        let Some((watched, next)) = self.watch else { return };
        if self.shipment.is_some() || token < watched.get() || !self.is_current(session) {
            return;
        }
        self.watch = None;
        self.paused = false;
        let lost = verified.next() < next;
        match self.probe {
            Some(probe) if probe.sent && lost => self.restart(probe.prev),
            // The reply to the probe was lost, but it arrived: the logs agree so far.
            Some(probe) if probe.sent => self.probe = None,
            None if lost => self.restart(verified),
            _ => {}
        }
    }

    /// Opens a new session that probes behind `after`.
    fn restart(&mut self, after: LogIndex) {
        self.session = self.session.saturating_add(1);
        self.next = after.max(self.matched).next();
        self.before_next = None;
        self.probe = Some(Probe { sent: false, prev: self.next.prev() });
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.shipment = None;
        self.watch = None;
        self.commit_told = self.matched;
    }

    pub(crate) fn status(&self) -> PeerStatus {
        PeerStatus {
            id: self.id,
            state: match self.probe {
                _ if self.shipment.is_some() => PeerState::Snapshot,
                Some(_) => PeerState::Probe,
                None => PeerState::Stream,
            },
            matched: self.matched,
            next: self.next,
            in_flight_messages: self.in_flight.len(),
            in_flight_bytes: self.in_flight_bytes,
        }
    }

    pub(crate) fn trim(&mut self) {
        self.in_flight.shrink_to_fit();
    }
}
