//! The follower: takes entries from the leader, and calls an election when it hears none
//! (Raft 5.2, 5.3).

use alloc::boxed::Box;

use super::Transition;
use crate::entries::Entries;
use crate::error::RejectedMessage;
use crate::log::{Log, Point, Verified};
use crate::log_reads::Reader;
use crate::message::{
    Append, AppendOutcome, AppendReply, Body, Commit, Heartbeat, HeartbeatReply, ReadIndex,
    ReadIndexReply, SnapshotPiece, SnapshotReply,
};
use crate::output::{Event, Output};
use crate::read::ReadState;
use crate::shared::{Shared, count};
use crate::snapshot::{Incoming, Resume};
use crate::sources::Sources;
use crate::types::{EntryId, LogIndex, NodeId, SnapshotId, Term, Tick};

/// What a follower knows besides the shared state; new for each term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    pub(crate) leader: Option<NodeId>,
    /// When to call an election.
    pub(crate) deadline: Option<Tick>,
    /// When the leader was last heard.
    heard: Option<Tick>,
    /// How long to wait for a sign of the leader; drawn once for this leader (Raft 5.2).
    patience: u64,
    session: u32,
    /// The end of the last append that passed the check of its previous entry, in this term and
    /// session: so far this log equals the leader's.
    verified: LogIndex,
    /// The largest index confirmed in this session.
    confirmed: LogIndex,
    /// When a question for a read index was last sent.
    asked_at: Option<Tick>,
    /// A question is to be sent, or sent again.
    ask_due: bool,
    /// The leader asked, so answer even if there is no news.
    reply_due: bool,
}

/// What an append means for the log here; found before anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The previous entry is missing or of another term.
    Conflict { hint: EntryId },
    /// It fits: the first `known` entries are here already, the rest are new.
    Fits { known: u64 },
    /// Entries must give way to it after this one, which is no longer in memory to be compared.
    Evicted { at: LogIndex },
}

/// Compares an append with the log (Raft 5.3, Log Matching) without changing anything.
///
/// # Errors
/// Whatever can not come from an honest leader with an undamaged log.
#[inline(always)]
pub(crate) fn check(
    shared: &Shared,
    term: Term,
    append: &Append,
) -> Result<(Verified, Checked), RejectedMessage> {
    let (log, entries) = (&shared.log, &append.entries);
    let before = Point { id: append.prev(), checksum: append.prev_checksum };
    let continues = before == log.last() && !shared.is_joining();
    if !continues && !precedes(before.id, term) {
        return Err(RejectedMessage::Sequence { prev: before.id, term });
    }
    let run = Log::verify(log.group(), before, entries)?;
    if run.end.id.term > term {
        return Err(RejectedMessage::Sequence { prev: before.id, term });
    }
    let checked = if continues { Checked::Fits { known: 0 } } else { compare(shared, append)? };
    Ok((run, checked))
}

/// Whether there can be such an entry before those of this term. One that ends the log can.
const fn precedes(prev: EntryId, term: Term) -> bool {
    prev.term.0 <= term.0 && (prev.index.0 == 0) == (prev.term.0 == 0)
}

/// Compares with the log what does not continue it.
#[cold]
fn compare(shared: &Shared, append: &Append) -> Result<Checked, RejectedMessage> {
    let (log, prev, entries) = (&shared.log, append.prev(), &append.entries);
    if shared.is_joining() {
        return Ok(Checked::Conflict { hint: EntryId::default() });
    }
    // What lies before the beginning of the log is committed, and so the same in all logs.
    let before = prev.index < log.base().id.index;
    let ignored = put_back!(PreviousTermIgnored) && prev.index <= log.last_index();
    if !before && !ignored && !agrees(shared, Point { id: prev, checksum: append.prev_checksum })? {
        return Ok(Checked::Conflict { hint: log.last_within(prev.index.prev(), prev.term) });
    }
    let known = known(shared, entries)?;
    let at = prev.index.plus(known);
    let evicted = log.term(at).is_some() && log.point(at).is_none();
    if known < entries.len() as u64 && evicted {
        return Ok(Checked::Evicted { at });
    }
    Ok(Checked::Fits { known })
}

/// Compares a piece of a snapshot with what is here, without changing anything.
///
/// # Errors
/// Whatever can not come from an honest leader with an undamaged log.
#[inline(never)]
pub(crate) fn check_piece(
    shared: &Shared,
    term: Term,
    piece: &SnapshotPiece,
) -> Result<(), RejectedMessage> {
    let SnapshotPiece { meta, chunk, .. } = piece;
    let index = meta.id.index;
    let end = chunk.offset.checked_add(chunk.data.len() as u64);
    let empty = chunk.data.is_empty() && end != Some(chunk.total);
    let fits = end.is_some_and(|end| end <= chunk.total) && chunk.total == meta.length && !empty;
    let named = precedes(meta.point().id, term);
    let possible = meta.is_possible(shared.identity.group) && index.0 < u64::MAX;
    if !fits || !named || !possible {
        return Err(RejectedMessage::Snapshot { index });
    }
    if index >= shared.log.base().id.index && !shared.is_joining() {
        agrees(shared, meta.point())?;
    }
    Ok(())
}

/// How many of the first entries are in the log already. Those before its beginning are committed and
/// so known; of those no longer in memory only the terms are compared.
fn known(shared: &Shared, entries: &Entries) -> Result<u64, RejectedMessage> {
    let (log, base) = (&shared.log, shared.log.base().id.index);
    // If one is, all before it are (Raft 5.3, Log Matching): the last that can be decides nearly always.
    let overlap = log.last_index().next().since(entries.first()).min(entries.count().into());
    let last = overlap.checked_sub(1).and_then(|at| entries.iter().nth(at as usize));
    if last.is_some_and(|last| log.agrees(last.into())) {
        return Ok(overlap);
    }
    let mut known = 0u64;
    for entry in entries {
        let before = entry.id.index < base && !put_back!(CompactedAppendedAgain);
        if !before && !agrees(shared, entry.into())? {
            break;
        }
        known = known.saturating_add(1);
    }
    // After one that differs there is none of the same term in both.
    match last.filter(|last| log.term(last.id.index) == Some(last.id.term)) {
        Some(last) if known < overlap => Err(RejectedMessage::Diverged { at: last.id }),
        _ => Ok(known),
    }
}

/// Whether the log holds this entry, which is not before its beginning. Another one in its place may
/// only be of another term, and not committed.
fn agrees(shared: &Shared, there: Point) -> Result<bool, RejectedMessage> {
    let (log, index) = (&shared.log, there.id.index);
    match log.term(index) {
        _ if log.agrees(there) => Ok(true),
        Some(term) if term == there.id.term => Err(RejectedMessage::Diverged { at: there.id }),
        here if index <= shared.commit => {
            let at = EntryId { term: here.unwrap_or_default(), index };
            Err(RejectedMessage::ContradictsCommitted { at })
        }
        _ => Ok(false),
    }
}

/// A log that contradicts this one is reported to its owner; the election timer runs on, and the
/// other voters are then asked which of the two is right.
#[cold]
pub(crate) fn report(
    shared: &mut Shared,
    from: NodeId,
    session: u32,
    error: RejectedMessage,
) -> RejectedMessage {
    if let RejectedMessage::Diverged { at } | RejectedMessage::ContradictsCommitted { at } = error {
        let here = shared.log.point(at.index);
        let checksum = here.map_or(0, |point| point.checksum);
        shared.doubt = shared.doubt.take().or(here.map(Box::new));
        reply(shared, from, session, AppendOutcome::Diverged { at, checksum });
    }
    error
}

impl Follower {
    /// A follower that waits until `deadline` for a leader.
    pub(crate) fn new(deadline: Option<Tick>) -> Self {
        Self { deadline, ..Self::default() }
    }

    /// Whether the leader was heard within the shortest election timeout (thesis 6.2).
    pub(crate) fn leader_is_alive(&self, shared: &Shared) -> bool {
        let recent = |(now, heard): (Tick, Tick)| {
            now.since(heard) < u64::from(shared.config.election_ticks_min)
        };
        self.leader.is_some() && shared.now.zip(self.heard).is_some_and(recent)
    }

    #[cfg(feature = "inspect")]
    pub(crate) fn forget_time(&mut self, shared: &Shared) {
        self.heard = self.leader_is_alive(shared).then_some(Tick(0));
        self.deadline = self.deadline.map(|_| Tick(0));
        self.patience = 0;
    }

    pub(crate) fn on_tick(&mut self, shared: &mut Shared, now: Tick) -> Transition {
        match self.deadline {
            Some(deadline) if now < deadline => {}
            Some(_) if shared.may_run(now) => return shared.campaign(),
            _ => self.deadline = shared.election_timeout(),
        }
        Transition::Stay
    }

    #[inline]
    fn hear(&mut self, shared: &mut Shared, leader: NodeId) {
        debug_assert!(self.leader.is_none_or(|known| known == leader), "a second one is refused");
        if self.heard.is_none() || self.heard != shared.now {
            self.hear_anew(shared, leader);
        }
    }

    /// For the first time in this tick. Nothing is verified against a leader that was not heard,
    /// whatever snapshot became whole.
    #[cold]
    fn hear_anew(&mut self, shared: &mut Shared, leader: NodeId) {
        if self.leader.is_none() {
            self.verified = LogIndex(0);
            self.reply_due = false;
            shared.notice(Event::LeaderChanged { term: shared.term(), leader });
            self.leader = Some(leader);
            self.patience = shared.election_ticks();
        }
        self.heard = shared.now;
        if shared.doubt.is_none() {
            self.deadline = shared.after(self.patience);
        }
    }

    pub(crate) fn on_append(
        &mut self,
        shared: &mut Shared,
        from: NodeId,
        append: &mut Append,
        (run, checked): (Verified, Checked),
    ) {
        if !self.enter(shared, from, append.session) {
            return;
        }
        if put_back!(ReplyWithLastIndex) {
            shared.sources.add(Sources::ROLE);
        }
        match checked {
            Checked::Conflict { hint } => {
                count(&mut shared.counters().conflicts);
                let outcome = AppendOutcome::Conflict { prev: append.prev().index, hint };
                reply(shared, from, self.session, outcome);
            }
            Checked::Evicted { at } => {
                let _ = shared.fetch(Reader::Check, at, at, 0);
                self.refuse(shared, from);
            }
            Checked::Fits { known } => {
                let end = run.end.id.index;
                if known < append.entries.len() as u64 {
                    // With nothing under way an append is always taken.
                    let bytes = shared.durability.undurable_bytes();
                    if bytes > 0 && bytes >= shared.config.max_undurable_bytes {
                        return self.refuse(shared, from);
                    }
                    self.store(shared, &mut append.entries, known, run);
                } else {
                    if put_back!(TruncateWithoutConflict) && end < shared.log.last_index() {
                        shared.truncate(end.next());
                    }
                    self.reply_due |= end <= shared.durability.stable();
                }
                self.verified = self.verified.max(end);
                if shared.doubt.take_if(|doubt| doubt.id.index <= end).is_some() {
                    self.deadline = shared.after(self.patience);
                }
                self.adopt_commit(shared, append.commit);
                if self.owes_reply(shared) {
                    shared.sources.add(Sources::ROLE);
                }
            }
        }
    }

    /// Stores entries, but for the first `known`, in the place of those that contradict them.
    fn store(&mut self, shared: &mut Shared, entries: &mut Entries, known: u64, run: Verified) {
        if entries.first() <= shared.log.last_index() {
            self.make_way(shared, entries, known);
        }
        shared.log.extend(entries, run.end);
        shared.appended(entries.bytes().len());
        if run.memberships {
            shared.memberships.extended(entries);
        }
        if shared.durability.handed().next() == entries.first() {
            shared.log.share(entries);
        }
    }

    #[cold]
    fn make_way(&mut self, shared: &mut Shared, entries: &mut Entries, known: u64) {
        *entries = entries.skip(known as u32);
        if entries.first() <= shared.log.last_index() {
            // An honest leader changes nothing of what was verified here (Raft figure 3, Leader
            // Append-Only).
            self.verified = self.verified.min(entries.first().prev());
            shared.truncate(entries.first());
        }
    }

    /// Not now: the leader asks again after the next heartbeat.
    fn refuse(&self, shared: &mut Shared, to: NodeId) {
        count(&mut shared.counters().not_now);
        let outcome = AppendOutcome::NotNow { verified: self.verified };
        reply(shared, to, self.session, outcome);
    }

    /// Hears the leader, and goes on to a newer session. Says whether it spoke in the newest.
    #[inline(always)]
    fn enter(&mut self, shared: &mut Shared, leader: NodeId, session: u32) -> bool {
        self.hear(shared, leader);
        if session < self.session {
            count(&mut shared.counters().old_session);
            return false;
        }
        if session > self.session {
            self.session = session;
            self.verified = LogIndex(0);
            self.confirmed = LogIndex(0);
            self.reply_due = false;
        }
        true
    }

    /// Takes over the leader's commit index, as far as this log is known to equal the leader's.
    fn adopt_commit(&self, shared: &mut Shared, commit: LogIndex) {
        let verified =
            if put_back!(CommitBeyondVerified) { shared.log.last_index() } else { self.verified };
        if commit.min(verified) > shared.commit {
            shared.commit = commit.min(verified);
            shared.sources.add(Sources::DELIVERY);
        }
    }

    /// Takes a piece of a snapshot (Raft 7). A log that holds its last entry needs none of it.
    pub(crate) fn on_snapshot_chunk(
        &mut self,
        shared: &mut Shared,
        from: NodeId,
        piece: &SnapshotPiece,
    ) {
        if !self.enter(shared, from, piece.session) {
            return;
        }
        let end = piece.meta.point().id;
        if holds(shared, end) {
            return self.contain(shared, end.index);
        }
        match shared.snapshots.accept(piece, shared.config.max_undurable_bytes) {
            Ok(()) => {
                shared.queue_chunk();
                self.install(shared);
            }
            Err(resume) => self.report_received(shared, piece.meta.id, resume),
        }
    }

    fn report_received(&self, shared: &mut Shared, snapshot: SnapshotId, resume: Resume) {
        let Resume { received, again } = resume;
        let reply = SnapshotReply { session: self.session, snapshot, received, again };
        if let Some(leader) = self.leader {
            shared.post(leader, Body::SnapshotReply(reply.into()));
        }
    }

    /// Bytes of a snapshot survive a crash: says so, and replaces the log once all do.
    pub(crate) fn on_chunk_durable(&mut self, shared: &mut Shared, transfer: u64, end: u64) {
        let of_this = |incoming: &&mut Incoming| incoming.transfer == transfer;
        let Some(incoming) = shared.snapshots.incoming().filter(of_this) else { return };
        incoming.became_durable(end);
        if let Some((snapshot, received)) = incoming.progress() {
            self.report_received(shared, snapshot, Resume { received, again: false });
        }
        self.install(shared);
    }

    fn install(&mut self, shared: &mut Shared) {
        let whole = shared.snapshots.incoming().and_then(|incoming| incoming.whole()).cloned();
        let Some(meta) = whole else { return };
        let end = meta.point().id;
        // If appends have brought its last entry meanwhile, the log stays.
        if !holds(shared, end) {
            // What was verified of the log that is gone says nothing of this one.
            self.verified = LogIndex(0);
            shared.install(&meta);
        }
        self.contain(shared, end.index);
    }

    /// All that a snapshot holds is here.
    fn contain(&mut self, shared: &mut Shared, end: LogIndex) {
        shared.snapshots.stop_receiving();
        self.verified = self.verified.max(end);
        self.reply_due |= end <= shared.durability.stable();
        self.adopt_commit(shared, end);
    }

    pub(crate) fn on_heartbeat(&mut self, shared: &mut Shared, from: NodeId, beat: Heartbeat) {
        self.hear(shared, from);
        let mut verified = LogIndex(0);
        if beat.session == self.session {
            verified = self.verified;
            self.reply_due |= self.confirmed > beat.matched;
            self.adopt_commit(shared, beat.commit);
        }
        // A question that stays without an answer for so long was lost, or its answer was.
        let since = shared.now.zip(self.asked_at).map(|(now, asked)| now.since(asked));
        let lost = since.is_none_or(|since| since >= shared.config.heartbeat_ticks.into());
        self.ask_due |= lost && shared.reads.is_asking();
        let Heartbeat { session, token, .. } = beat;
        let body = Body::HeartbeatReply(HeartbeatReply { session, token, verified });
        shared.post(from, body);
    }

    /// The leader wants this node to take over: no pre-vote, no waiting (thesis 3.10).
    pub(crate) fn on_timeout_now(&self, shared: &mut Shared, from: NodeId) -> Transition {
        let may_run = shared.now.is_some_and(|now| shared.may_run(now));
        if self.leader == Some(from) && may_run {
            return Transition::Campaign { transfer: true };
        }
        count(&mut shared.counters().unexpected_replies);
        Transition::Stay
    }

    /// A read waits for the leader to say how far must be applied (thesis 6.4).
    pub(crate) fn on_read(&mut self, shared: &Shared) -> ReadState {
        self.ask_due = true;
        ReadState::Asking { token: shared.reads.next_question() }
    }

    pub(crate) fn on_read_index_reply(&mut self, shared: &mut Shared, reply: ReadIndexReply) {
        let same_life = reply.incarnation == shared.hard_state.incarnation.0;
        let answered = |index| same_life && shared.reads.answered(reply.token, index);
        if !reply.index.is_some_and(answered) {
            count(&mut shared.counters().unexpected_replies);
        }
    }

    pub(crate) fn on_commit(&mut self, shared: &mut Shared, from: NodeId, commit: Commit) {
        self.hear(shared, from);
        if commit.session == self.session {
            self.adopt_commit(shared, commit.commit);
        } else {
            count(&mut shared.counters().old_session);
        }
    }

    /// What may be confirmed: what equals the leader's log and is durable.
    fn confirmable(&self, shared: &Shared) -> LogIndex {
        if put_back!(ReplyBeforeDurable) {
            return self.verified;
        }
        if put_back!(ReplyWithLastIndex) {
            return shared.durability.stable();
        }
        self.verified.min(shared.durability.stable())
    }

    /// Whether there is something to confirm, once the term is durable.
    fn owes_reply(&self, shared: &Shared) -> bool {
        self.confirmable(shared) > self.confirmed || self.reply_due
    }

    /// Whether to confirm it now.
    #[inline]
    pub(crate) fn may_reply(&self, shared: &Shared) -> bool {
        self.owes_reply(shared) && self.leader.is_some() && shared.durable().term == shared.term()
    }

    /// Whether there is something to ask. A question waits until its life is durable: after a crash the
    /// next life would bear the same number, and take an old answer for its own.
    pub(crate) fn may_ask(&self, shared: &Shared) -> bool {
        let lives = shared.durable().incarnation == shared.hard_state.incarnation;
        self.ask_due && lives && shared.reads.is_asking()
    }

    /// Confirms what the appends of this session brought.
    #[inline]
    pub(crate) fn reply(&mut self, shared: &mut Shared) -> Option<Output> {
        let (to, matched) = (self.leader?, self.confirmable(shared));
        if !self.ask_due {
            shared.sources.remove(Sources::ROLE);
        }
        self.reply_due = false;
        self.confirmed = matched;
        let outcome = AppendOutcome::Success { matched };
        let body = Body::AppendReply(AppendReply { session: self.session, outcome });
        Some(Output::Send(shared.message(to, body)))
    }

    /// Asks how far must be applied for the reads that wait.
    #[cold]
    pub(crate) fn question(&mut self, shared: &mut Shared) -> Option<Output> {
        self.ask_due = false;
        self.asked_at = shared.now;
        let incarnation = shared.hard_state.incarnation.0;
        let body = Body::ReadIndex(ReadIndex { incarnation, token: shared.reads.question()? });
        Some(Output::Send(shared.message(self.leader?, body)))
    }
}

/// Whether the log contains the last entry of a snapshot, and so all of it.
fn holds(shared: &Shared, end: EntryId) -> bool {
    if put_back!(OlderSnapshotInstalled) {
        return shared.log.last().id == end;
    }
    let here = shared.log.term(end.index) == Some(end.term) && !put_back!(SnapshotDropsSuffix);
    (here || end.index <= shared.commit) && !shared.is_joining()
}

/// Answers an append with something other than success; it waits for its term only.
pub(crate) fn reply(shared: &mut Shared, to: NodeId, session: u32, outcome: AppendOutcome) {
    shared.post(to, Body::AppendReply(AppendReply { session, outcome }));
}
