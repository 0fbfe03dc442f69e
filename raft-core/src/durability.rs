//! What is durable, what is on its way there, and which messages wait for it.
//!
//! Each message waits for exactly the state it claims, and no more.

use alloc::boxed::Box;
use alloc::vec::Vec;
use thin_vec::ThinVec;

use crate::entries::Entries;
use crate::error::Misuse;
use crate::message::{AppendOutcome, AppendReply, Body, Message};
use crate::output::{SnapshotChunk, SnapshotMeta, Write};
use crate::types::{HardState, Incarnation, LogIndex, Tick, WriteId};

/// Most messages that wait; more peers than a membership can have are strangers.
const MAX_MAIL: usize = 512;

/// A write that was handed out, and what it will have made durable.
#[derive(Clone, Debug)]
struct Ticket {
    /// The log up to here, as it stands now: a truncation lowers it.
    stable: LogIndex,
    bytes: usize,
    /// When it was handed out.
    since: Option<Tick>,
}

/// What a write makes durable besides entries.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// The write.
    sequence: u64,
    pub(crate) hard_state: Option<HardState>,
    /// Bytes of a transfer, up to this end.
    pub(crate) chunk: Option<(u64, u64)>,
    pub(crate) snapshot: Option<Box<SnapshotMeta>>,
}

/// The next write, if it says something besides entries: rare.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rare {
    /// Its name and its entries are set when it is handed out.
    pub(crate) write: Write,
    /// The transfer that its chunk belongs to, and the end of the chunk.
    chunk: Option<(u64, u64)>,
}

/// The durable image, as far as it is known, and the difference to the state in memory.
///
/// 1. `stable` was acknowledged, and speaks of the log as it stands now.
/// 2. `handed` is the last entry of the log as it stands now that some write carried.
/// 3. `stable <= handed <= last`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durability {
    stable: LogIndex,
    handed: LogIndex,
    rare: Option<Box<Rare>>,
    /// One for each write in flight; the newest is that of write `sequence`.
    tickets: ThinVec<Ticket>,
    /// What writes make durable besides entries, oldest first, and was not yet looked at.
    made: ThinVec<Made>,
    /// Bytes of entries that are not yet durable.
    undurable_bytes: usize,
    sequence: u64,
}

impl Durability {
    pub(crate) fn new(durable: HardState, last: LogIndex, mut first: Write) -> Self {
        // The first write of a further life names the end of the log it found: a disk that has lost
        // what earlier lives wrote is recognised.
        if durable.incarnation.0 > 0 {
            first.truncate_from = Some(last.next());
        }
        let rare = Some(Rare { write: first, chunk: None }.into());
        Self { stable: last, handed: last, rare, ..Self::default() }
    }

    /// The last entry that survives a crash.
    pub(crate) const fn stable(&self) -> LogIndex {
        self.stable
    }

    /// The last entry that some write carried.
    pub(crate) const fn handed(&self) -> LogIndex {
        self.handed
    }

    pub(crate) fn writes_in_flight(&self) -> usize {
        self.tickets.len()
    }

    /// When the oldest write was handed out that is not acknowledged.
    pub(crate) fn waits_since(&self) -> Option<Tick> {
        self.tickets.first()?.since
    }

    /// Bytes of entries that are not yet durable.
    pub(crate) const fn undurable_bytes(&self) -> usize {
        self.undurable_bytes
    }

    /// The log grew by so many bytes.
    pub(crate) const fn appended(&mut self, bytes: usize) {
        self.undurable_bytes = self.undurable_bytes.saturating_add(bytes);
    }

    /// Whether the state in memory differs from what was handed out.
    pub(crate) fn is_dirty(&self, last: LogIndex) -> bool {
        self.handed < last || self.rare.is_some()
    }

    /// What the next write will say besides its name and its entries.
    pub(crate) fn rare(&mut self) -> &mut Write {
        &mut self.rare.get_or_insert_default().write
    }

    /// Whether the next write has bytes of a snapshot already.
    pub(crate) fn has_chunk(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.chunk.is_some())
    }

    /// The next write has these bytes of a snapshot, which belong to this transfer.
    pub(crate) fn put_chunk(&mut self, transfer: u64, chunk: Box<SnapshotChunk>) {
        let rare = self.rare.get_or_insert_default();
        rare.chunk = Some((transfer, chunk.offset.saturating_add(chunk.data.len() as u64)));
        rare.write.snapshot_chunk = Some(chunk);
    }

    /// A received snapshot takes the place of the log: earlier writes vouch for what was `committed`
    /// before, which it contains, and for nothing else.
    pub(crate) fn reset(&mut self, meta: &SnapshotMeta, committed: LogIndex) {
        self.handed = meta.id.index;
        self.undurable_bytes = 0;
        if !put_back!(ResetKeepsTickets) {
            self.stable = self.stable.min(committed);
            self.tickets.iter_mut().for_each(|ticket| ticket.stable = ticket.stable.min(committed));
        }
        let rare = self.rare();
        rare.snapshot = Some(Box::new(meta.clone()));
        rare.truncate_from = None;
        rare.reset_log_to = Some(meta.id.index);
        rare.discard_through = None;
    }

    /// The log lost `from` and everything after: no earlier write vouches for what takes its place.
    pub(crate) fn truncated(&mut self, from: LogIndex) {
        if from <= self.handed {
            let truncate = &mut self.rare().truncate_from;
            *truncate = Some(truncate.map_or(from, |earlier| earlier.min(from)));
        }
        let kept = from.prev();
        self.handed = self.handed.min(kept);
        self.stable = self.stable.min(kept);
        if !put_back!(LateAcknowledgementCounts) {
            self.tickets.iter_mut().for_each(|ticket| ticket.stable = ticket.stable.min(kept));
        }
    }

    /// Wraps these entries, which follow those handed out, and all else that is dirty in one write.
    #[inline]
    pub(crate) fn next_write(
        &mut self,
        incarnation: Incarnation,
        entries: &Entries,
        now: Option<Tick>,
    ) -> (WriteId, Option<Box<Rare>>) {
        self.handed = entries.last();
        let bytes = entries.bytes().len();
        self.tickets.push(Ticket { stable: self.handed, bytes, since: now });
        self.sequence = self.sequence.saturating_add(1);
        let rare = self.rare.take();
        if let Some(rare) = &rare {
            self.made.push(rare.makes(self.sequence));
        }
        (WriteId { incarnation, sequence: self.sequence }, rare)
    }

    /// Takes an acknowledgement: every write up to `id` survives a crash. Repeats are harmless. Says
    /// whether there may be more to write.
    #[inline]
    pub(crate) fn persisted(
        &mut self,
        id: WriteId,
        incarnation: Incarnation,
        last: LogIndex,
    ) -> Result<bool, Misuse> {
        if id.incarnation < incarnation {
            return Ok(false);
        }
        if id.incarnation > incarnation || !(1..=self.sequence).contains(&id.sequence) {
            return Err(Misuse::UnknownWrite { id });
        }
        let in_part = id.sequence < self.sequence || self.is_dirty(last);
        if in_part {
            self.persisted_in_part(self.sequence.saturating_sub(id.sequence));
        } else {
            self.stable = last;
            self.tickets.clear();
        }
        if self.stable == last {
            self.undurable_bytes = 0;
        }
        Ok(in_part)
    }

    /// Not all there is survives a crash now: so many `later` writes are in flight, or dirt is left.
    #[inline(never)]
    fn persisted_in_part(&mut self, later: u64) {
        while self.tickets.len() as u64 > later {
            let ticket = self.tickets.remove(0);
            self.stable = self.stable.max(ticket.stable);
            self.undurable_bytes = self.undurable_bytes.saturating_sub(ticket.bytes);
        }
    }

    /// Whether writes have made, or will make, something durable besides entries.
    #[inline]
    pub(crate) fn has_made(&self) -> bool {
        !self.made.is_empty()
    }

    /// The next thing besides entries that became durable.
    pub(crate) fn next_made(&mut self) -> Option<Made> {
        let in_flight = self.tickets.len() as u64;
        let durable = self.sequence.saturating_sub(in_flight);
        let done = self.made.first().is_some_and(|made| made.sequence <= durable);
        done.then(|| self.made.remove(0))
    }

    #[cfg(feature = "inspect")]
    pub(crate) fn forget_time(&mut self) {
        self.tickets.iter_mut().for_each(|ticket| ticket.since = None);
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn trim(&mut self) {
        self.tickets.shrink_to_fit();
        self.made.shrink_to_fit();
    }
}

impl Rare {
    /// What the write makes durable that says this.
    #[cold]
    fn makes(&self, sequence: u64) -> Made {
        let snapshot = self.write.snapshot.clone();
        Made { sequence, hard_state: self.write.hard_state, chunk: self.chunk, snapshot }
    }
}

/// Whether a message claims nothing about durable state: a pre-vote promises nothing (thesis 9.6).
fn claims_nothing(message: &Message) -> bool {
    match message.body {
        Body::PreVoteReply(reply) => reply.granted,
        Body::VoteReply(reply) => reply.granted && put_back!(VoteBeforeDurable),
        _ => false,
    }
}

/// Whether what a message claims is durable: that its term was reached, and that its vote was given.
fn may_leave(message: &Message, durable: HardState) -> bool {
    let claimed = match message.body {
        Body::VoteReply(reply) if reply.granted => {
            durable.term == message.term && durable.vote == Some(message.to)
        }
        _ => durable.term >= message.term,
    };
    claimed || claims_nothing(message)
}

/// Messages that wait for what they claim. At most one of a kind for a peer: a newer one takes
/// the place of the older.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    waiting: Vec<Message>,
}

impl Mail {
    /// Takes a message. Says whether one was lost for it, or it was itself.
    #[must_use]
    pub(crate) fn post(&mut self, message: Message) -> bool {
        let same = |other: &&mut Message| other.to == message.to && other.kind() == message.kind();
        let old_term = matches!(
            message.body,
            Body::AppendReply(AppendReply { outcome: AppendOutcome::OldTerm, .. })
        );
        if let Some(place) = self.waiting.iter_mut().find(same) {
            // What the present leader waits for is worth more than telling an earlier one.
            if !old_term {
                *place = message;
            }
            !old_term
        } else if self.waiting.len() < MAX_MAIL {
            self.waiting.push(message);
            false
        } else {
            true
        }
    }

    /// The oldest message that may leave.
    pub(crate) fn take(&mut self, durable: HardState) -> Option<Message> {
        let at = self.waiting.iter().position(|message| may_leave(message, durable))?;
        Some(self.waiting.remove(at))
    }

    pub(crate) fn has(&self, durable: HardState) -> bool {
        self.waiting.iter().any(|message| may_leave(message, durable))
    }

    /// A new term: what was held for the old one is of no use any more.
    pub(crate) fn drop_held(&mut self) {
        self.waiting.retain(claims_nothing);
    }

    pub(crate) fn trim(&mut self) {
        self.waiting.shrink_to_fit();
    }
}
