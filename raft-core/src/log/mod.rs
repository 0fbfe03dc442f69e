//! The log in memory: append, truncate, look up, cut out runs.
//!
//! Entries are appended to an open buffer. Polling closes what is open into a *run*, a shared slice
//! of that buffer, so that outputs need no copy. A buffer that is full, or that fell into many runs,
//! is *sealed*: one copy into a block with an offset per 16 entries.

mod marks;
mod piece;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

use crate::entries::{
    Checksum, Entries, EntriesError, EntryKind, EntryRef, MAX_HEADER_BYTES, encode_entry,
};
use crate::types::{EntryId, GroupId, LogIndex, Term};
use marks::Marks;
use piece::{Block, Run};

/// Size of the first open buffer, in bytes; each further one is twice as large.
const BUFFER_BYTES_MIN: usize = 512;
/// Size of an open buffer, and so of a block, in bytes; larger only for one large entry.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Most runs before they are sealed: a run costs more memory than a small entry.
const MAX_RUNS: usize = 256;
/// A run with at least this many bytes left is given out as it is; smaller ones are gathered.
const GATHER_BELOW_BYTES: usize = 4096;

/// An entry without its payload: name and checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) id: EntryId,
    pub(crate) checksum: Checksum,
}

/// What a run was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Its last entry, or the one before it.
    pub(crate) end: Point,
    /// Some of its entries set memberships.
    pub(crate) memberships: bool,
}

/// Entries that storage gave back, whose chain was checked, with the points before and at their end.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) before: Point,
    pub(crate) entries: Entries,
    pub(crate) end: Point,
}

/// The log.
///
/// 1. `sealed`, `runs` and `open` hold consecutive entries up to `last`; those after `start` are in
///    the *window*. A block that reaches over `start` stays whole until it goes.
/// 2. `base <= start <= last`. What lies between `base` and `start` is in storage only.
/// 3. Terms never fall; `terms` has one item where each begins that entries after `base` have.
/// 4. Each entry's checksum follows from its predecessor's.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    group: GroupId,
    base: Point,
    start: Point,
    /// One more entry whose checksum is known, read back from storage; or the base.
    recalled: Point,
    last: Point,
    sealed: VecDeque<Block>,
    /// Memory that `sealed` holds, in bytes.
    sealed_capacity: usize,
    runs: VecDeque<Run>,
    open: BytesMut,
    open_first: LogIndex,
    /// Bytes that `open` may still take. Counted, not asked of the buffer: a clone must behave alike.
    room: usize,
    /// Capacity of the buffers that `runs` and `open` live in.
    tail_capacity: usize,
    terms: Vec<(LogIndex, Term)>,
    marks: Marks,
}

impl Log {
    /// An empty log that goes on after `base`.
    pub(crate) fn after(group: GroupId, base: Point) -> Self {
        Self {
            group,
            base,
            start: base,
            recalled: base,
            last: base,
            sealed: VecDeque::new(),
            sealed_capacity: 0,
            runs: VecDeque::new(),
            open: BytesMut::new(),
            open_first: base.id.index.next(),
            room: 0,
            tail_capacity: 0,
            terms: Vec::new(),
            marks: Marks::default(),
        }
    }

    pub(crate) const fn group(&self) -> GroupId {
        self.group
    }

    /// The entry before the first.
    pub(crate) const fn base(&self) -> Point {
        self.base
    }

    /// The entry before the first in memory.
    pub(crate) const fn start(&self) -> LogIndex {
        self.start.id.index
    }

    /// The last entry, or the base.
    pub(crate) const fn last(&self) -> Point {
        self.last
    }

    pub(crate) const fn last_index(&self) -> LogIndex {
        self.last.id.index
    }

    /// Bytes of capacity that this log holds.
    pub(crate) fn capacity(&self) -> usize {
        let runs = self.runs.len().saturating_mul(size_of::<Run>());
        self.sealed_capacity.saturating_add(self.tail_capacity).saturating_add(runs)
    }

    /// Appends one entry; its index is one more than the last. Gives its name and its size in bytes.
    pub(crate) fn append(
        &mut self,
        term: Term,
        kind: EntryKind,
        payload: &[u8],
    ) -> (EntryId, usize) {
        let id = EntryId { term, index: self.last.id.index.next() };
        self.make_room(payload.len().saturating_add(MAX_HEADER_BYTES));
        let before = self.open.len();
        let checksum =
            encode_entry(&mut self.open, self.group, id, kind, payload, self.last.checksum);
        self.note_term(id);
        self.last = Point { id, checksum };
        let bytes = self.open.len().saturating_sub(before);
        self.room = self.room.saturating_sub(bytes);
        (id, bytes)
    }

    /// Appends a run that begins after the last entry, was verified, and ends in `end`.
    pub(crate) fn extend(&mut self, entries: &Entries, end: Point) {
        debug_assert_eq!(entries.first(), self.last.id.index.next());
        let mut rest = entries.clone();
        while rest.bytes().len() > self.room {
            let fits = piece::count_within(&rest, self.room);
            let tail = rest.skip(fits.max(1));
            let taken = rest.bytes().len().saturating_sub(tail.bytes().len());
            if fits == 0 {
                self.make_room(taken.max(rest.bytes().len().min(BUFFER_BYTES_MAX)));
                continue;
            }
            let head = Entries::from_parts(rest.first(), fits, rest.bytes().slice(..taken));
            self.put(&head, end.id.term);
            self.last.id.index = head.last();
            rest = tail;
        }
        self.put(&rest, end.id.term);
        self.last = end;
    }

    /// Copies a run that fits to the end of what is open.
    fn put(&mut self, entries: &Entries, end: Term) {
        self.note_terms(entries, end);
        self.open.put_slice(entries.bytes());
        self.room = self.room.saturating_sub(entries.bytes().len());
    }

    fn note_terms(&mut self, entries: &Entries, end: Term) {
        if self.terms.last().is_some_and(|&(_, newest)| newest == end) {
            return;
        }
        let mut iter = entries.iter();
        let Some(first) = iter.next() else { return };
        self.note_term(first.id);
        if first.id.term != end {
            iter.for_each(|entry| self.note_term(entry.id));
        }
    }

    fn note_term(&mut self, id: EntryId) {
        let newest = self.terms.last().map_or(Term(0), |&(_, term)| term);
        if id.term != newest {
            self.terms.push((id.index, id.term));
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.room >= bytes {
            return;
        }
        let before = self.tail_capacity;
        self.seal();
        let usual = before.saturating_mul(2).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        self.tail_capacity = usual.max(bytes);
        self.room = self.tail_capacity;
        self.open = BytesMut::with_capacity(self.tail_capacity);
    }

    /// Turns what is open into a run.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let first = self.open_first;
        let count = u32::try_from(self.last.id.index.next().since(first)).unwrap_or(u32::MAX);
        self.runs.push_back(Run { first, count, bytes: self.open.split().freeze() });
        self.open_first = self.last.id.index.next();
        if self.runs.len() >= MAX_RUNS {
            self.seal_runs();
        }
    }

    /// Copies open and runs into one block and lets their buffer go.
    fn seal(&mut self) {
        self.close();
        self.seal_runs();
        self.open = BytesMut::new();
        self.room = 0;
        self.tail_capacity = 0;
    }

    fn seal_runs(&mut self) {
        if let Some(block) = Block::seal(&self.runs) {
            if let Some(end) = block.entry(block.run().last()) {
                let end = Point { id: end.id, checksum: end.checksum };
                self.marks.sealed(end, block.run().bytes.len());
            }
            self.sealed_capacity = self.sealed_capacity.saturating_add(block.capacity());
            self.sealed.push_back(block);
            self.runs.clear();
        }
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn trim(&mut self) {
        self.seal();
        self.runs.shrink_to_fit();
        self.sealed.shrink_to_fit();
        self.terms.shrink_to_fit();
        self.marks.trim();
    }

    /// Lets blocks from the front go, as far as they are durable, until about `max_bytes` are left.
    pub(crate) fn evict(&mut self, max_bytes: usize, durable: LogIndex) {
        while self.capacity() > max_bytes {
            let front = self.sealed.front().map(|block| block.run().last());
            match front {
                Some(last) if last <= durable => {
                    self.start = self.find(last).unwrap_or(self.start);
                    self.pop_block();
                }
                None if self.last.id.index <= durable && self.tail_capacity > 0 => self.seal(),
                _ => return,
            }
        }
    }

    fn pop_block(&mut self) {
        let gone = self.sealed.pop_front().map_or(0, |block| block.capacity());
        self.sealed_capacity = self.sealed_capacity.saturating_sub(gone);
    }

    /// Deletes this entry and everything after. The one before is in memory, or was read back.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        if from > self.last.id.index || from <= self.base.id.index {
            return;
        }
        let Some(last) = self.find(from.prev()) else {
            debug_assert!(false, "entry {} is not known", from.prev());
            return;
        };
        self.close();
        while self.runs.back().is_some_and(|run| run.first >= from) {
            self.runs.pop_back();
        }
        if let Some(run) = self.runs.back_mut() {
            run.cut(from);
        } else {
            while self.sealed.back().is_some_and(|block| block.first() >= from) {
                let gone = self.sealed.pop_back().map_or(0, |block| block.capacity());
                self.sealed_capacity = self.sealed_capacity.saturating_sub(gone);
            }
            if let Some(block) = self.sealed.back_mut() {
                block.cut(from);
            }
        }
        while self.terms.last().is_some_and(|&(first, _)| first >= from) {
            self.terms.pop();
        }
        self.marks.truncated(from);
        self.open_first = from;
        self.last = last;
        if self.start.id.index >= from {
            self.start = last;
        }
        if self.recalled.id.index >= from {
            self.recalled = last;
        }
    }

    /// Whether the log holds this entry: its term there, and its checksum if that is known.
    pub(crate) fn agrees(&self, id: EntryId, checksum: Checksum) -> bool {
        let same = |here: Point| here.checksum == checksum;
        self.term(id.index) == Some(id.term) && self.point(id.index).is_none_or(same)
    }

    /// Keeps in mind an entry that was read back from storage.
    pub(crate) const fn recall(&mut self, point: Point) {
        self.recalled = point;
    }

    /// Checks what storage gave back: its terms, its chain, and its ends as far as they are known.
    ///
    /// It begins one entry before `next`, or right there if the log does.
    pub(crate) fn check(&self, next: LogIndex, entries: &Entries) -> Option<Fetched> {
        let (before, rest) = if entries.first() == next {
            (self.base, entries.clone())
        } else {
            let EntryRef { id, checksum, .. } = entries.iter().next()?;
            (Point { id, checksum }, entries.skip(1))
        };
        let end = Self::verify(self.group, before, &rest).ok()?.end;
        let agrees = |point: Point| self.agrees(point.id, point.checksum);
        let in_term = |entry: EntryRef<'_>| self.term(entry.id.index) == Some(entry.id.term);
        let fits = put_back!(OvertakenAnswerCounts)
            || agrees(before) && agrees(end) && rest.iter().all(in_term);
        fits.then_some(Fetched { before, entries: rest, end })
    }

    /// Forgets everything up to `base`, an entry of this log that a durable snapshot contains.
    pub(crate) fn discard_through(&mut self, base: Point) {
        let index = base.id.index;
        if index <= self.base.id.index {
            return;
        }
        debug_assert_eq!(self.term(index), Some(base.id.term));
        if index >= self.last.id.index {
            return self.reset(base);
        }
        let newest = self.terms.partition_point(|&(first, _)| first <= index);
        self.terms.drain(..newest.saturating_sub(1));
        self.marks.discarded(index);
        self.base = base;
        if self.start.id.index < index {
            self.start = base;
        }
        if self.recalled.id.index < index {
            self.recalled = base;
        }
        while self.sealed.front().is_some_and(|block| block.run().last() <= index) {
            self.pop_block();
        }
    }

    /// The earliest known entry before a snapshot's last one from which on there are at most about
    /// `max_bytes`.
    pub(crate) fn retained(&self, max_bytes: usize, snapshot: Point) -> Point {
        if max_bytes == 0 {
            return snapshot;
        }
        self.marks.within(max_bytes, snapshot.id.index).unwrap_or(self.base)
    }

    /// A known entry at or shortly before this one.
    pub(crate) fn point_at_or_before(&self, index: LogIndex) -> Point {
        let known = self.point(index).or_else(|| self.marks.at_or_before(index));
        known.unwrap_or(self.base)
    }

    /// Begins anew after `base`, the last entry of a snapshot that replaces this log.
    pub(crate) fn reset(&mut self, base: Point) {
        *self = Self::after(self.group, base);
    }

    /// The term of an entry; of the base too.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index > self.last.id.index || index < self.base.id.index {
            return None;
        }
        if let Some(&(first, term)) = self.terms.last()
            && index >= first
        {
            return Some(term);
        }
        let after = self.terms.partition_point(|&(first, _)| first <= index);
        match after.checked_sub(1).and_then(|at| self.terms.get(at)) {
            Some(&(_, term)) => Some(term),
            None => Some(self.base.id.term),
        }
    }

    /// The last entry at or before `index` whose term is at most `term`: where two logs may agree.
    pub(crate) fn last_within(&self, index: LogIndex, term: Term) -> EntryId {
        let mut index = index.min(self.last.id.index);
        loop {
            let Some(here) = self.term(index) else { return self.base.id };
            if here <= term || index <= self.base.id.index {
                return EntryId { term: here, index };
            }
            let after = self.terms.partition_point(|&(first, _)| first <= index);
            match after.checked_sub(1).and_then(|at| self.terms.get(at)) {
                Some(&(first, _)) => index = first.prev(),
                None => return self.base.id,
            }
        }
    }

    /// Name and checksum of an entry in memory, of the one before, of the base, and of one that was
    /// read back.
    pub(crate) fn point(&self, index: LogIndex) -> Option<Point> {
        if index == self.last.id.index { Some(self.last) } else { self.find(index) }
    }

    fn find(&self, index: LogIndex) -> Option<Point> {
        for known in [self.start, self.recalled, self.base] {
            if index == known.id.index {
                return Some(known);
            }
        }
        self.entry(index).map(|entry| Point { id: entry.id, checksum: entry.checksum })
    }

    /// One entry, if it is in memory.
    pub(crate) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        if index > self.last.id.index || index <= self.start.id.index {
            return None;
        }
        if index >= self.open_first {
            let skip = usize::try_from(index.since(self.open_first)).ok()?;
            return piece::walk(self.open_first, &self.open).nth(skip);
        }
        if let Some(run) = self.run_with(index) {
            return run.entry(index);
        }
        self.block_with(index)?.entry(index)
    }

    fn run_with(&self, index: LogIndex) -> Option<&Run> {
        let after = self.runs.partition_point(|run| run.first <= index);
        self.runs.get(after.checked_sub(1)?)
    }

    fn block_with(&self, index: LogIndex) -> Option<&Block> {
        let after = self.sealed.partition_point(|block| block.first() <= index);
        self.sealed.get(after.checked_sub(1)?)
    }

    /// The entries from `from` to at most `to`, about `max_bytes` of them but at least one; none if
    /// `from` is not in memory.
    ///
    /// Shares memory where one block or a large enough run holds them, copies small runs together
    /// otherwise. May stop early: ask again for the rest.
    pub(crate) fn slice(&mut self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        let to = to.min(self.last.id.index);
        if from > to || from <= self.start.id.index {
            return Entries::from_parts(from, 0, Bytes::new());
        }
        if to >= self.open_first {
            self.close();
        }
        if let Some(run) = self.runs.back()
            && run.first == from
            && run.last() == to
            && run.bytes.len() <= max_bytes
        {
            return Entries::from_parts(from, run.count, run.bytes.clone());
        }
        if let Some(at) = self.runs.partition_point(|run| run.first <= from).checked_sub(1) {
            let part = self.runs.get(at).map(|run| run.slice(from, to, max_bytes));
            let after = self.runs.iter().skip(at.saturating_add(1));
            return gathered(part.unwrap_or_default(), after, to, max_bytes);
        }
        let at = self.sealed.partition_point(|block| block.first() <= from).saturating_sub(1);
        let part = self.sealed.get(at).map(|block| block.slice(from, to, max_bytes));
        let after = self.sealed.iter().skip(at.saturating_add(1)).map(Block::run).chain(&self.runs);
        gathered(part.unwrap_or_default(), after, to, max_bytes)
    }

    /// Checks that a run can follow the entry `before` and that its chain holds; gives its end.
    pub(crate) fn verify(
        group: GroupId,
        before: Point,
        entries: &Entries,
    ) -> Result<Verified, EntriesError> {
        let mut end = before;
        let mut memberships = false;
        for entry in entries {
            if entry.id.term < end.id.term {
                return Err(EntriesError::TermFalls { index: entry.id.index });
            }
            let expected = entry.chained(group, end.checksum);
            if expected != entry.checksum {
                return Err(EntriesError::Checksum { index: entry.id.index });
            }
            end = Point { id: entry.id, checksum: expected };
            memberships |= entry.kind == EntryKind::Membership;
        }
        Ok(Verified { end, memberships })
    }
}

/// A part that is large enough, or all there is, as it is; a small one together with what follows.
fn gathered<'a>(
    part: Entries,
    after: impl Iterator<Item = &'a Run>,
    to: LogIndex,
    max_bytes: usize,
) -> Entries {
    let max_bytes = max_bytes.min(BUFFER_BYTES_MAX);
    if part.last() >= to || part.bytes().len() >= GATHER_BELOW_BYTES.min(max_bytes) {
        part
    } else {
        piece::gather(part, after, to, max_bytes)
    }
}

#[cfg(test)]
mod tests;
