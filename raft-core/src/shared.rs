//! What a node has in every role: log, durable image, commit index, membership, mail.

use alloc::boxed::Box;
use alloc::sync::Arc;
use thin_vec::ThinVec;

use crate::config::{Config, MAX_PRIORITY};
use crate::durability::{Durability, Mail};
use crate::entries::Entries;
use crate::log::{Fetched, Log, Point};
use crate::log_reads::{LogReads, Reader};
use crate::membership::Memberships;
use crate::message::{Body, Message};
use crate::output::{Event, SnapshotMeta, StepDownReason};
use crate::proposals::Proposals;
use crate::read::Reads;
use crate::rng::Rng;
use crate::role::Transition;
use crate::snapshot::Snapshots;
use crate::sources::Sources;
use crate::status::Counters;
use crate::types::{EntryId, HardState, Identity, LogIndex, NodeId, Term, Tick};

/// Most events that wait to be polled.
const MAX_EVENTS: usize = 64;

/// The state that all roles share.
///
/// 1. `log.base <= snapshot <= applied <= delivered <= commit <= log.last`; a snapshot that waits to
///    be restored may be ahead of `applied`.
/// 2. `delivered <= durability.stable`: only durable entries are handed out for `Apply`.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) identity: Identity,
    pub(crate) hard_state: HardState,
    /// The one that survives a crash, while that is another.
    pub(crate) behind: Option<Box<HardState>>,
    pub(crate) log: Log,
    pub(crate) durability: Durability,
    pub(crate) mail: Mail,
    pub(crate) memberships: Memberships,
    pub(crate) commit: LogIndex,
    /// The last entry handed out for `Apply`.
    pub(crate) delivered: LogIndex,
    pub(crate) applied: LogIndex,
    /// `None` before the first tick: no timer runs.
    pub(crate) now: Option<Tick>,
    /// No vote is given before this tick.
    pub(crate) votes_from: Tick,
    pub(crate) rng: Rng,
    pub(crate) events: ThinVec<Event>,
    pub(crate) counters: Option<Box<Counters>>,
    pub(crate) reads: Reads,
    pub(crate) proposals: Proposals,
    pub(crate) snapshots: Snapshots,
    /// An entry of this log that a leader has contradicted.
    pub(crate) doubt: Option<Box<Point>>,
    pub(crate) log_reads: LogReads,
    /// Where outputs may come from: the others had none, and nothing happened since that changes that.
    pub(crate) sources: Sources,
}

impl Shared {
    pub(crate) const fn me(&self) -> NodeId {
        self.identity.node
    }

    pub(crate) const fn term(&self) -> Term {
        self.hard_state.term
    }

    /// Enters a term, or votes in it. The next write says so.
    pub(crate) fn set_hard_state(&mut self, term: Term, vote: Option<NodeId>) {
        let state = HardState { term, vote, ..self.hard_state };
        if state != self.hard_state {
            self.behind.get_or_insert_with(|| self.hard_state.into());
            self.hard_state = state;
            self.durability.rare().hard_state = Some(state);
        }
    }

    /// The counters, to count one up.
    #[cold]
    pub(crate) fn counters(&mut self) -> &mut Counters {
        self.counters.get_or_insert_default()
    }

    /// Sends a message of the current term once what it claims is durable.
    pub(crate) fn post(&mut self, to: NodeId, body: Body) {
        let message = self.message(to, body);
        self.sources.add(Sources::MAIL);
        if self.mail.post(message) {
            count(&mut self.counters().merged_messages);
        }
    }

    /// A message of the current term.
    pub(crate) const fn message(&self, to: NodeId, body: Body) -> Message {
        let Identity { group, node } = self.identity;
        Message { group, from: node, to, term: self.hard_state.term, body }
    }

    /// Whether votes may be given now: not right after a start on used storage, for the life before
    /// may have promised otherwise.
    pub(crate) fn may_vote(&self) -> bool {
        self.votes_from == Tick(0) || self.now.is_some_and(|now| now >= self.votes_from)
    }

    /// A point in time this many ticks from now; none before the first tick.
    pub(crate) fn after(&self, ticks: u64) -> Option<Tick> {
        self.now.map(|now| now.plus(ticks))
    }

    /// A random election timeout, in ticks (Raft 5.2).
    pub(crate) fn election_ticks(&mut self) -> u64 {
        let Config { election_ticks_min: low, election_ticks_max: high, .. } = *self.config;
        let steps = MAX_PRIORITY.saturating_sub(self.config.priority);
        let behind = u64::from(steps).saturating_mul(u64::from(high.saturating_sub(low)));
        self.rng.between(low, high).saturating_add(behind)
    }

    /// Whether this node may call an election: it has a vote, may use it, and its disk works.
    pub(crate) fn may_run(&self, now: Tick) -> bool {
        self.may_lead() && self.may_vote() && !self.disk_stalled(now)
    }

    /// Whether this node waits for the snapshot that will tell it who the others are. Of any other node
    /// the first question tells already.
    pub(crate) fn is_joining(&self) -> bool {
        let Self { memberships, .. } = self;
        memberships.base().1.members().is_empty() && memberships.current().members().is_empty()
    }

    /// Whether its membership lets this node lead.
    pub(crate) fn may_lead(&self) -> bool {
        if put_back!(RemovedVoterNeverRuns) {
            return self.memberships.current().is_voter(self.me());
        }
        self.memberships.may_run(self.me(), self.commit)
    }

    /// How an election begins: with pre-votes, if they are on (thesis 9.6), or if the others must be
    /// asked about an entry in doubt.
    pub(crate) fn campaign(&self) -> Transition {
        if self.config.pre_vote || self.doubt.is_some() {
            Transition::PreCampaign
        } else {
            Transition::Campaign { transfer: false }
        }
    }

    /// Leads no more, or runs no more, in this term.
    pub(crate) const fn follow(&self, reason: StepDownReason) -> Transition {
        Transition::Follow { term: self.term(), reason }
    }

    /// Whether a write was handed out long ago and is not acknowledged.
    pub(crate) fn disk_stalled(&self, now: Tick) -> bool {
        let since = self.durability.waits_since();
        since.is_some_and(|since| now.since(since) >= self.config.disk_stall_ticks.into())
    }

    /// A random election timeout from now.
    pub(crate) fn election_timeout(&mut self) -> Option<Tick> {
        let ticks = self.election_ticks();
        self.after(ticks)
    }

    /// Whether a log that ends in `last` is at least as up-to-date as this one (Raft 5.4.1).
    pub(crate) fn is_up_to_date(&self, last: EntryId) -> bool {
        last >= self.log.last().id
    }

    /// The hard state that survives a crash.
    #[inline]
    pub(crate) fn durable(&self) -> HardState {
        self.behind.as_deref().copied().unwrap_or(self.hard_state)
    }

    /// Whether what this life knows of term and vote is durable.
    pub(crate) fn hard_state_is_durable(&self) -> bool {
        self.behind.is_none()
    }

    pub(crate) fn may_write(&self) -> bool {
        self.durability.is_dirty(self.log.last_index())
            && self.durability.writes_in_flight() < self.config.max_writes_in_flight
    }

    /// Lets go of durable entries until the log takes about `max_bytes`.
    #[inline]
    pub(crate) fn evict(&mut self, max_bytes: usize) {
        let durable = if put_back!(EvictsUndurable) {
            self.durability.handed()
        } else {
            self.durability.stable()
        };
        self.log.evict(max_bytes, durable);
    }

    /// Entries that are no longer in memory, once storage has given them.
    pub(crate) fn fetch(
        &mut self,
        reader: Reader,
        next: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Option<Fetched> {
        let last = last.min(self.log.start());
        self.sources.add(Sources::ANSWERS);
        self.log_reads.fetch(&self.log, reader, next, last, max_bytes)
    }

    /// How far entries can be handed out for `Apply`, or must be asked back first.
    #[inline]
    pub(crate) fn delivery(&self) -> Option<LogIndex> {
        let stable = self.durability.stable();
        let durable =
            if put_back!(ApplyBeforeDurable) { self.commit } else { self.commit.min(stable) };
        let upto = match self.snapshots.awaits() {
            Some(index) if durable < index && !put_back!(RestoreBeforeDurable) => return None,
            Some(index) => index,
            None => durable,
        };
        let due =
            self.delivered < upto && !self.log_reads.awaits(Reader::Apply, self.delivered.next());
        due.then_some(upto)
    }

    /// The log grew by so many bytes.
    #[inline]
    pub(crate) fn appended(&mut self, bytes: usize) {
        self.durability.appended(bytes);
        self.sources.add(Sources::WRITE);
    }

    /// The log loses this entry and everything after, and all that goes with them.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        self.log.truncate(from);
        self.durability.truncated(from);
        self.sources = Sources::ALL;
        if !put_back!(OvertakenAnswerCounts) {
            self.log_reads.truncated(from);
        }
        if put_back!(OverwrittenMeansLost) {
            self.proposals.delivered(LogIndex(u64::MAX), |index| {
                self.log.term(index).filter(|_| index < from)
            });
        }
        if !put_back!(MembershipNotRolledBack) {
            self.memberships.truncated(from);
        }
    }

    /// The next bytes of a snapshot that is being received go with the next write.
    pub(crate) fn queue_chunk(&mut self) {
        if let Some(incoming) = self.snapshots.incoming()
            && !self.durability.has_chunk()
            && let Some(chunk) = incoming.next_chunk()
        {
            self.durability.put_chunk(incoming.transfer, chunk);
            self.sources.add(Sources::WRITE);
        }
    }

    /// The received snapshot takes the place of log and state machine.
    pub(crate) fn install(&mut self, meta: &SnapshotMeta) {
        self.log.reset(meta.point());
        self.log_reads.truncated(LogIndex(0));
        self.memberships = Memberships::new(meta.membership_index, meta.membership.clone());
        self.durability.reset(meta, self.commit);
        self.commit = meta.id.index;
        self.proposals.passed(meta.point().id);
        self.snapshots.installed(meta);
    }

    /// The state machine's snapshot at this entry is durable: gives it a name and a meta, if there is
    /// no newer one.
    pub(crate) fn name_snapshot(&mut self, index: LogIndex) {
        if index <= self.snapshots.latest {
            return;
        }
        let Some(point) = self.log.point(index) else {
            // It is named as soon as its entry is read back.
            self.log_reads.fetch(&self.log, Reader::Snapshot, index, index, 0);
            return;
        };
        let at = if put_back!(NewestMembershipInSnapshot) { LogIndex(u64::MAX) } else { index };
        let (membership_index, membership) = self.memberships.at(at).clone();
        let life = self.hard_state.incarnation;
        let id = self.snapshots.name(point.id, self.identity.node, life);
        let chain = point.checksum;
        let meta = SnapshotMeta { id, chain, membership, membership_index, length: 0, checksum: 0 };
        self.durability.rare().snapshot = Some(meta.into());
    }

    /// Lets go of what the newest snapshot contains: of entries that no peer is known to `need`, or
    /// that take too much room, and of older snapshots, unless one is being `shipped`.
    pub(crate) fn discard(&mut self, need: LogIndex, shipped: bool) {
        let mut snapshot = self.snapshots.newest.point();
        if put_back!(DiscardBeyondSnapshot) {
            snapshot = self.log.point_at_or_before(self.applied);
        }
        let retained = self.log.retained(self.config.max_retained_bytes, snapshot);
        let all = need >= snapshot.id.index;
        let needed = if all { snapshot } else { self.log.point_at_or_before(need) };
        let point = if needed.id.index > retained.id.index { needed } else { retained };
        let point = match self.log_reads.lowest_open() {
            Some(first) if point.id.index >= first => self.log.point_at_or_before(first.prev()),
            _ => point,
        };
        if point.id.index > self.log.base().id.index {
            self.log.discard_through(point);
            self.memberships.discarded(point.id.index);
            self.log_reads.discarded(point.id.index);
            self.durability.rare().discard_through = Some(point.id.index);
        }
        if let Some(id) = self.snapshots.release(self.applied, shipped) {
            self.durability.rare().release_snapshots_below = Some(id);
        }
    }

    /// The received snapshot that is to replace the state machine, once it is durable.
    pub(crate) fn next_restore(&mut self) -> Option<Box<SnapshotMeta>> {
        let meta = self.snapshots.take_restore()?;
        let changed = meta.membership_index > self.delivered && !meta.membership.is_joint();
        if changed {
            self.notice(Event::MembershipChanged { index: meta.membership_index });
        }
        self.delivered = meta.id.index;
        Some(meta)
    }

    /// The next committed and durable entries; none if storage has to give them first.
    #[inline]
    pub(crate) fn next_entries(&mut self, upto: LogIndex) -> Entries {
        let (next, max_bytes) = (self.delivered.next(), self.config.max_apply_bytes);
        if next > self.log.start() {
            return self.log.take(next, upto, max_bytes);
        }
        let fetched = self.fetch(Reader::Apply, next, upto, max_bytes);
        fetched.map(|fetched| fetched.entries).unwrap_or_default()
    }

    /// These entries are handed out.
    #[inline]
    pub(crate) fn on_delivered(&mut self, entries: &Entries, upto: LogIndex) {
        self.delivered = entries.last();
        if put_back!(ShortAnswerCountsAsWhole) && entries.first() <= self.log.start() {
            self.delivered = upto.min(self.log.start());
        }
        if !self.proposals.is_empty() {
            self.proposals.delivered(self.delivered, |index| self.log.term(index));
            self.sources.add(Sources::ANSWERS);
        }
        // A change is over when its final entry is handed out.
        let first = entries.first();
        if self.memberships.index() >= first {
            let settled = self.memberships.settled(first, self.delivered);
            settled.into_iter().for_each(|index| self.notice(Event::MembershipChanged { index }));
        }
    }

    /// What is the same for nodes that differ only in what time it is.
    #[cfg(feature = "inspect")]
    pub(crate) fn forget_time(&mut self) {
        self.votes_from = Tick(u64::from(!self.may_vote()));
        self.now = self.now.map(|_| Tick(0));
        self.rng = Rng::new([0; 3]);
        self.durability.forget_time();
    }

    #[cold]
    pub(crate) fn notice(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.remove(0);
            count(&mut self.counters().dropped_events);
        }
        self.events.push(event);
        self.sources.add(Sources::ANSWERS);
    }
}

/// Adds one to a counter.
pub(crate) const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
