//! What a leader knows of each peer, and the appends built from it.
//!
//! A peer is probed, one append at a time, until its log is known to agree with the leader's; then
//! entries stream ahead of the replies, within limits in messages and bytes. Each return to probing
//! opens a new replication session; what belongs to an earlier one is ignored.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::num::NonZeroU64;

use crate::config::Config;
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
use crate::sources::Sources;
use crate::status::{PeerState, PeerStatus};
use crate::types::{ChunkId, EntryId, LogIndex, NodeId, Tick};

/// A leader's view of one peer.
///
/// 1. `matched <= sent`.
/// 2. `known` is an entry of the leader's log, or its base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) id: NodeId,
    pub(crate) votes: Votes,
    pub(crate) matched: LogIndex,
    /// The last entry that it was sent, or need not be sent.
    sent: LogIndex,
    /// Nearly always that entry.
    known: Point,
    /// Replies of another one are out of date.
    pub(crate) session: u32,
    progress: Progress,
    /// Whether the peer was heard since the last check of the quorum.
    pub(crate) heard: bool,
    /// The commit index that the peer was told, as far as it can use it.
    commit_told: LogIndex,
    /// The newest heartbeat token that came back.
    pub(crate) echoed: u64,
    /// When the newest of those was made whose time was remembered: many reads make many rounds.
    pub(crate) lease_from: Option<Tick>,
    /// The round of a learner that is to be promoted.
    pub(crate) catch_up: Option<Box<CatchUp>>,
    pub(crate) beat_due: bool,
    /// A heartbeat whose echo is awaited: its token, and `sent` when it left. Its echo or that of a
    /// later one tells what was lost before; later heartbeats do not replace it, however slow echoes are.
    watch: Option<(NonZeroU64, LogIndex)>,
    /// The peer's log contradicts this one, or it denies what it once confirmed.
    pub(crate) contradicts: bool,
    /// It holds something else in the place of an entry here.
    pub(crate) differs: bool,
}

/// How a peer is served.
#[derive(Clone, Debug, Default)]
enum Progress {
    /// An append is due that finds out whether it has the entry `sent`.
    #[default]
    Probe,
    /// That append was sent; it begins after this entry.
    Probing { after: LogIndex },
    /// As `Probe`, but not before the peer answers a heartbeat.
    Paused,
    /// Appends are sent ahead of the replies.
    Stream(InFlight),
    /// It is sent a snapshot.
    Snapshot(Box<Shipment>),
}

/// Appends that were sent and not answered: where each ends, above `matched` and rising, and how
/// many bytes of entries it has.
#[derive(Clone, Debug, Default)]
struct InFlight {
    appends: VecDeque<(LogIndex, usize)>,
    bytes: usize,
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

impl InFlight {
    fn has_room(&self, config: &Config) -> bool {
        self.appends.len() < config.max_in_flight_messages
            && self.bytes < config.max_in_flight_bytes
    }

    /// The appends up to `matched` were answered, but not all.
    #[inline(never)]
    fn answered(&mut self, matched: LogIndex) {
        while let Some(&(last, bytes)) = self.appends.front()
            && last <= matched
        {
            self.appends.pop_front();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

impl Peer {
    /// A peer that is first asked for this entry, and has until the next check to be heard.
    pub(crate) fn new(id: NodeId, votes: Votes, known: Point, session: u32) -> Self {
        Self { id, votes, sent: known.id.index, known, session, heard: true, ..Self::default() }
    }

    /// What should be sent to this peer next.
    pub(crate) fn due(&self, shared: &Shared) -> Due {
        self.due_in_stream(shared).unwrap_or_else(|| self.due_out_of_stream(shared))
    }

    /// What is due to a peer that is sent entries from memory one after the other.
    #[inline(always)]
    pub(crate) fn due_in_stream(&self, shared: &Shared) -> Option<Due> {
        match &self.progress {
            _ if self.sent < shared.log.start() => None,
            Progress::Stream(in_flight)
                if self.sent < shared.log.last_index() && in_flight.has_room(&shared.config) =>
            {
                Some(Due::Append)
            }
            Progress::Stream(_) => Some(self.due_besides_entries(shared)),
            _ => None,
        }
    }

    /// What is due to any other peer.
    #[cold]
    fn due_out_of_stream(&self, shared: &Shared) -> Due {
        let has_window = match &self.progress {
            Progress::Stream(in_flight) => in_flight.has_room(&shared.config),
            progress => matches!(progress, Progress::Probe),
        };
        let waits = matches!(self.progress, Progress::Paused | Progress::Snapshot(_));
        let awaits = || shared.log_reads.awaits(Reader::Peer(self.id), self.sent.next());
        if has_window && self.sent >= shared.log.start() {
            Due::Append
        } else if !waits && self.sent < shared.log.base().id.index {
            Due::Snapshot
        } else if has_window && !awaits() {
            Due::StoredAppend
        } else {
            self.due_besides_entries(shared)
        }
    }

    #[inline(always)]
    fn due_besides_entries(&self, shared: &Shared) -> Due {
        if self.beat_due {
            return Due::Heartbeat;
        }
        match &self.progress {
            Progress::Stream(_) if self.commit_told < self.usable_commit(shared) => Due::Commit,
            Progress::Snapshot(shipment) if shipment.is_due(shared) => Due::Snapshot,
            _ => Due::Nothing,
        }
    }

    /// The commit index, as far as the peer was sent entries.
    fn usable_commit(&self, shared: &Shared) -> LogIndex {
        shared.commit.min(self.sent)
    }

    /// The append that is due, of entries in memory; `done` need not be polled once it is the last.
    #[inline(never)]
    pub(crate) fn append(
        &mut self,
        shared: &mut Shared,
        cursor: &mut usize,
        done: Sources,
    ) -> Option<Output> {
        if self.known.id.index != self.sent {
            self.known = shared.log.point(self.sent)?;
        }
        let upto = shared.log.last_index();
        let entries = shared.log.slice(self.sent.next(), upto, shared.config.max_append_bytes);
        if entries.last() >= upto && !self.beat_due {
            *cursor = cursor.saturating_add(1);
            shared.sources.remove(done);
        }
        let append = self.append_of(shared, self.known, entries);
        Some(self.send(shared, Body::Append(append)))
    }

    #[inline(always)]
    fn append_of(&mut self, shared: &Shared, prev: Point, entries: Entries) -> Append {
        self.sent = entries.last();
        self.known = shared.log.last();
        match &mut self.progress {
            Progress::Stream(in_flight) => {
                let bytes = entries.bytes().len();
                in_flight.appends.push_back((self.sent, bytes));
                in_flight.bytes = in_flight.bytes.saturating_add(bytes);
            }
            progress => *progress = Progress::Probing { after: prev.id.index },
        }
        self.tell_commit(shared);
        let Point { id: EntryId { term: prev_term, .. }, checksum: prev_checksum } = prev;
        Append { session: self.session, prev_checksum, prev_term, commit: shared.commit, entries }
    }

    /// The commit notice that is due; nothing else is.
    #[inline(never)]
    pub(crate) fn commit(&mut self, shared: &Shared) -> Output {
        let commit = self.tell_commit(shared);
        self.send(shared, Body::Commit(Commit { session: self.session, commit }))
    }

    /// What else is due; `None` if something was begun: look again.
    #[cold]
    pub(crate) fn other(&mut self, due: Due, shared: &mut Shared, token: u64) -> Option<Output> {
        match due {
            Due::StoredAppend => {
                let (next, upto) = (self.sent.next(), shared.log.last_index());
                let max_bytes = shared.config.max_append_bytes;
                let fetched = shared.fetch(Reader::Peer(self.id), next, upto, max_bytes)?;
                let append = self.append_of(shared, fetched.before, fetched.entries);
                Some(self.send(shared, Body::Append(append)))
            }
            Due::Heartbeat => {
                self.beat_due = false;
                self.watch = self.watch.or(NonZeroU64::new(token).map(|token| (token, self.sent)));
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
        let Some(shipment) = self.shipment_mut() else {
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
    pub(crate) fn succeeded(&mut self, matched: LogIndex, shared: &Shared) -> bool {
        if let Progress::Stream(in_flight) = &mut self.progress {
            if matched < self.sent {
                in_flight.answered(matched);
            } else {
                in_flight.appends.clear();
                in_flight.bytes = 0;
                self.sent = matched;
            }
        } else if !self.begin_stream(matched, shared) {
            return false;
        }
        self.contradicts = false;
        self.differs = false;
        let news = matched > self.matched;
        self.matched = self.matched.max(matched);
        news
    }

    /// The logs agree up to `matched`; `false` if a snapshot under way is still needed.
    #[cold]
    fn begin_stream(&mut self, matched: LogIndex, shared: &Shared) -> bool {
        if let Some(shipment) = self.shipment() {
            // Only what the log goes on from ends the transfer, or its own end: if the log has lost
            // what comes after that, a newer snapshot follows.
            if matched < shared.log.base().id.index.min(shipment.meta.id.index) {
                return false;
            }
            self.sent = matched;
        }
        self.sent = self.sent.max(matched);
        self.progress = Progress::Stream(InFlight::default());
        true
    }

    /// The peer does not have the entry before an append: look for the last one in common (Raft 5.3).
    ///
    /// Says whether that can be: a peer that denies what it once confirmed, in answer to the present
    /// probe, has lost it. Replies to earlier appends may be late.
    pub(crate) fn conflicted(&mut self, prev: LogIndex, hint: EntryId, shared: &Shared) -> bool {
        if prev <= self.matched && self.matched > LogIndex(0) {
            let denied = matches!(self.progress, Progress::Probing { after } if after == prev);
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
        self.restart(common.index, Progress::Probe);
        true
    }

    /// The peer lacks what the log begins after: it is sent the newest snapshot instead (Raft 7), unless
    /// that is under way.
    fn ship(&mut self, shared: &Shared) {
        let newest = &shared.snapshots.newest;
        if self.shipment().is_some_and(|shipment| shipment.meta.id == newest.id) {
            return;
        }
        let shipment = Shipment::new(newest, shared.now.unwrap_or_default());
        self.restart(newest.id.index, Progress::Snapshot(Box::new(shipment)));
    }

    /// What the peer needs of the log begins after this entry.
    pub(crate) fn needs_after(&self) -> LogIndex {
        self.shipment().map_or(self.matched, |shipment| shipment.meta.id.index)
    }

    /// The snapshot it is sent.
    pub(crate) fn shipment(&self) -> Option<&Shipment> {
        if let Progress::Snapshot(shipment) = &self.progress { Some(shipment) } else { None }
    }

    fn shipment_mut(&mut self) -> Option<&mut Shipment> {
        if let Progress::Snapshot(shipment) = &mut self.progress { Some(shipment) } else { None }
    }

    /// Takes the answer to a request for a chunk, if it was made for this peer.
    pub(crate) fn chunk_read(
        &mut self,
        shared: &Shared,
        id: ChunkId,
        chunk: &Result<Chunk, Unavailable>,
    ) -> bool {
        let retry = shared.after(shared.config.heartbeat_ticks.into()).unwrap_or_default();
        let mine = |shipment: &&mut Shipment| shipment.asked(id).is_some();
        let Some(shipment) = self.shipment_mut().filter(mine) else { return false };
        if !shipment.answered(chunk.clone(), retry) {
            self.ship(shared);
        }
        true
    }

    /// Whether a reply confirms more of the snapshot under way than there is.
    pub(crate) fn confirms_too_much(&self, reply: SnapshotReply) -> bool {
        let Some(shipment) = self.shipment() else { return false };
        let of_this = reply.session == self.session && shipment.meta.id == reply.snapshot;
        of_this && reply.received > shipment.meta.length
    }

    /// Takes a reply to a piece of a snapshot. Says whether it was awaited.
    pub(crate) fn piece_received(&mut self, shared: &Shared, reply: SnapshotReply) -> bool {
        let of_this = |shipment: &&mut Shipment| shipment.meta.id == reply.snapshot;
        let Some(shipment) = self.shipment_mut().filter(of_this) else { return false };
        let now = shared.now.unwrap_or_default();
        if shipment.on_reply(reply, now, shared.config.heartbeat_ticks.into()) {
            self.ship(shared);
        }
        true
    }

    /// A transfer without progress is tried again.
    pub(crate) fn on_tick(&mut self, shared: &Shared, now: Tick) {
        let patience = shared.config.election_ticks_max.into();
        if self.shipment_mut().is_some_and(|shipment| shipment.on_tick(now, patience)) {
            self.ship(shared);
        }
    }

    /// The peer refused for lack of room: start again behind what it has once it answers a heartbeat.
    pub(crate) fn refused(&mut self, verified: LogIndex) {
        let after = match self.progress {
            Progress::Probing { after } if verified == LogIndex(0) => after,
            Progress::Probe | Progress::Paused if verified == LogIndex(0) => self.sent,
            _ => verified,
        };
        self.restart(after, Progress::Paused);
    }

    /// The peer's log contradicts this one: ask again at the pace of heartbeats.
    pub(crate) fn diverged(&mut self) {
        self.restart(self.matched, Progress::Paused);
        self.contradicts = true;
    }

    /// The peer answered a heartbeat and has verified everything up to `verified`.
    pub(crate) fn answered(&mut self, session: u32, token: u64, verified: LogIndex) {
        let Some((watched, sent)) = self.watch else { return };
        if self.shipment().is_some() || token < watched.get() || session != self.session {
            return;
        }
        self.watch = None;
        let lost = verified < sent;
        match self.progress {
            Progress::Probing { after } if lost => self.restart(after, Progress::Probe),
            // The reply to the probe was lost, but it arrived: the logs agree so far.
            Progress::Probing { .. } => self.progress = Progress::Stream(InFlight::default()),
            Progress::Stream(_) if lost => self.restart(verified, Progress::Probe),
            Progress::Paused => self.progress = Progress::Probe,
            _ => {}
        }
    }

    /// Opens a new session behind `after`.
    fn restart(&mut self, after: LogIndex, progress: Progress) {
        self.session = self.session.saturating_add(1);
        self.sent = after.max(self.matched);
        self.progress = progress;
        self.watch = None;
        self.commit_told = self.matched;
    }

    pub(crate) fn status(&self) -> PeerStatus {
        let none = InFlight::default();
        let (state, in_flight) = match &self.progress {
            Progress::Stream(in_flight) => (PeerState::Stream, in_flight),
            Progress::Snapshot(_) => (PeerState::Snapshot, &none),
            _ => (PeerState::Probe, &none),
        };
        PeerStatus {
            id: self.id,
            state,
            matched: self.matched,
            next: self.sent.next(),
            in_flight_messages: in_flight.appends.len(),
            in_flight_bytes: in_flight.bytes,
        }
    }

    pub(crate) fn trim(&mut self) {
        if let Progress::Stream(in_flight) = &mut self.progress {
            in_flight.appends.shrink_to_fit();
        }
    }
}
