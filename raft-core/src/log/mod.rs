//! The log in memory: append, truncate, look up, cut out runs.
//!
//! Entries are appended to the *tail*, one buffer. A tail that is full is *sealed*: a block, which is
//! shared with outputs. What an output needs of the tail is copied once; the others of its round
//! share that copy.

mod marks;
mod piece;
mod window;

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::entries::{
    Checksum, Entries, EntriesError, EntryKind, EntryRef, MAX_HEADER_BYTES, encode_entry,
};
use crate::types::{EntryId, GroupId, LogIndex, Term};
use marks::Marks;
use piece::Tail;
use window::{TAIL_BYTES_MAX, Window};

/// An entry without its payload: name and checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    pub(crate) id: EntryId,
    pub(crate) checksum: Checksum,
}

impl From<EntryRef<'_>> for Point {
    fn from(entry: EntryRef<'_>) -> Self {
        Self { id: entry.id, checksum: entry.checksum }
    }
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
/// 1. The `window` holds consecutive entries up to `last`; those after `start` are looked up there. A
///    block that reaches over `start` stays whole until it goes.
/// 2. `base <= start <= last`. What lies between `base` and `start` is in storage only.
/// 3. Terms never fall; `terms` has one item where each begins after `base`.
/// 4. Each entry's checksum follows from its predecessor's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    group: GroupId,
    base: Point,
    start: Point,
    /// One more entry whose checksum is known, read back from storage.
    recalled: Option<Box<Point>>,
    last: Point,
    window: Option<Box<Window>>,
    terms: Vec<(LogIndex, Term)>,
    marks: Marks,
}

impl Log {
    /// An empty log that goes on after `base`.
    pub(crate) fn after(group: GroupId, base: Point) -> Self {
        Self { group, base, start: base, last: base, ..Self::default() }
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
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.window.as_ref().map_or(0, |window| window.capacity())
    }

    /// Appends one entry; its index is one more than the last. Gives its size in bytes.
    pub(crate) fn append(&mut self, term: Term, kind: EntryKind, payload: &[u8]) -> usize {
        let id = EntryId { term, index: self.last.id.index.next() };
        let bytes = payload.len().saturating_add(MAX_HEADER_BYTES);
        let (group, chain) = (self.group, self.last.checksum);
        let tail = self.room(id.index, bytes);
        let before = tail.bytes.len();
        tail.note(id.index, id.index, before);
        let checksum = encode_entry(&mut tail.bytes, group, id, kind, payload, chain);
        let bytes = tail.bytes.len().saturating_sub(before);
        if term != self.last.id.term {
            self.terms.push((id.index, term));
        }
        self.last = Point { id, checksum };
        bytes
    }

    /// Appends a run that begins after the last entry, was verified, and ends in `end`.
    #[inline(always)]
    pub(crate) fn extend(&mut self, entries: &Entries, end: Point) {
        debug_assert_eq!(entries.first(), self.last.id.index.next());
        if end.id.term != self.last.id.term {
            self.note_terms(entries);
        }
        if entries.bytes().len() <= TAIL_BYTES_MAX {
            self.room(entries.first(), entries.bytes().len()).extend(entries, end.id.index);
        } else {
            self.put_each(entries);
        }
        self.last = end;
    }

    #[cold]
    fn put_each(&mut self, entries: &Entries) {
        for (index, bytes) in entries.records() {
            let entry = Entries::from_parts(index, 1, bytes);
            self.room(index, entry.bytes().len()).extend(&entry, index);
        }
    }

    /// The log ends with these entries, and the next outputs want just them: takes them, and gives
    /// those that it had for that.
    pub(crate) fn share(&mut self, entries: &mut Entries) {
        if let Some(window) = &mut self.window {
            window.share(entries);
        }
    }

    /// No output is about to want what the last one took.
    pub(crate) fn forget_recent(&mut self) {
        if let Some(window) = &mut self.window {
            window.forget_recent();
        }
    }

    /// The tail, with room for so many bytes of entries, the first of which is `next`.
    #[inline]
    fn room(&mut self, next: LogIndex, bytes: usize) -> &mut Tail {
        let window = self.window.get_or_insert_with(|| Window::new(next));
        if window.tail.bytes.len().saturating_add(bytes) > window.tail.held {
            window.grow(&mut self.marks, bytes);
        }
        &mut window.tail
    }

    #[cold]
    fn note_terms(&mut self, entries: &Entries) {
        let mut newest = self.last.id.term;
        for EntryRef { id, .. } in entries {
            if id.term != newest {
                newest = id.term;
                self.terms.push((id.index, newest));
            }
        }
    }

    /// Gives back memory that holds nothing.
    pub(crate) fn trim(&mut self, max_retained_bytes: usize) {
        self.window.take_if(|window| window.trim());
        self.terms.shrink_to_fit();
        self.marks.trim(max_retained_bytes);
    }

    /// Lets blocks from the front go, as far as they are durable, until about `max_bytes` are left.
    #[inline]
    pub(crate) fn evict(&mut self, max_bytes: usize, durable: LogIndex) {
        if self.capacity() > max_bytes {
            self.evict_some(max_bytes, durable);
        }
    }

    #[cold]
    fn evict_some(&mut self, max_bytes: usize, durable: LogIndex) {
        while self.capacity() > max_bytes
            && let Some(window) = &mut self.window
        {
            match window.end_of_front() {
                Some(last) if last <= durable => {
                    self.start = window.pop_front().unwrap_or(self.start);
                }
                None if self.last.id.index <= durable && window.tail.held > 0 => {
                    window.seal(&mut self.marks);
                }
                _ => return,
            }
        }
    }

    /// Deletes this entry and everything after. The one before is in memory, or was read back.
    pub(crate) fn truncate(&mut self, from: LogIndex) {
        if from > self.last.id.index || from <= self.base.id.index {
            return;
        }
        let Some(last) = self.point(from.prev()) else {
            debug_assert!(false, "entry {} is not known", from.prev());
            return;
        };
        if let Some(window) = &mut self.window {
            window.truncate(from);
        }
        while self.terms.last().is_some_and(|&(first, _)| first >= from) {
            self.terms.pop();
        }
        self.marks.truncated(from);
        self.last = last;
        if self.start.id.index >= from {
            self.start = last;
        }
        if let Some(recalled) = self.recalled.as_deref_mut().filter(|point| point.id.index >= from)
        {
            *recalled = last;
        }
    }

    /// Whether the log holds this entry: its term there, and its checksum if that is known.
    pub(crate) fn agrees(&self, there: Point) -> bool {
        let EntryId { term, index } = there.id;
        self.term(index) == Some(term) && self.point(index).is_none_or(|here| here == there)
    }

    /// Keeps in mind an entry that was read back from storage.
    pub(crate) fn recall(&mut self, point: Point) {
        self.recalled = Some(point.into());
    }

    /// Checks what storage gave back: its terms, its chain, and its ends as far as they are known.
    ///
    /// It begins one entry before `next`, or right there if the log does.
    pub(crate) fn check(&self, next: LogIndex, entries: &Entries) -> Option<Fetched> {
        let (before, rest) = if entries.first() == next {
            (self.base, entries.clone())
        } else {
            (entries.iter().next()?.into(), entries.skip(1))
        };
        let end = Self::verify(self.group, before, &rest).ok()?.end;
        let in_term = |entry: EntryRef<'_>| self.term(entry.id.index) == Some(entry.id.term);
        let fits = put_back!(OvertakenAnswerCounts)
            || self.agrees(before) && self.agrees(end) && rest.iter().all(in_term);
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
        self.terms.drain(..newest);
        self.marks.discarded(index);
        self.base = base;
        if self.start.id.index < index {
            self.start = base;
        }
        self.recalled.take_if(|point| point.id.index < index);
        while let Some(window) = &mut self.window
            && window.end_of_front().is_some_and(|end| end <= index)
        {
            window.pop_front();
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
        let after = self.terms.partition_point(|&(first, _)| first <= index);
        let begun = after.checked_sub(1).and_then(|at| self.terms.get(at));
        Some(begun.map_or(self.base.id.term, |&(_, term)| term))
    }

    /// The last entry at or before `index` whose term is at most `term`: where two logs may agree.
    pub(crate) fn last_within(&self, index: LogIndex, term: Term) -> EntryId {
        let within = self.terms.partition_point(|&(_, begun)| begun <= term);
        let later = self.terms.get(within).map(|&(first, _)| first.prev());
        let index = index.min(later.unwrap_or(self.last.id.index));
        match self.term(index) {
            Some(here) if here <= term => EntryId { term: here, index },
            _ => self.base.id,
        }
    }

    /// Name and checksum of an entry in memory, of the one before, of the base, and of one that was
    /// read back.
    pub(crate) fn point(&self, index: LogIndex) -> Option<Point> {
        let recalled = self.recalled.as_deref().unwrap_or(&self.base);
        let known = [&self.last, &self.start, recalled, &self.base];
        let known = known.into_iter().find(|known| index == known.id.index).copied();
        known.or_else(|| self.entry(index).map(Point::from))
    }

    /// One entry, if it is in memory.
    pub(crate) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        if index > self.last.id.index || index <= self.start.id.index {
            return None;
        }
        self.window.as_ref()?.entry(index)
    }

    /// The entries from `from` to at most `to`, about `max_bytes` of them but at least one; none if
    /// `from` is not in memory.
    ///
    /// May stop early, at the end of a block: ask again for the rest.
    #[inline]
    pub(crate) fn slice(&mut self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        if let Some(window) = &self.window
            && let Some(recent) = window.recent(from, to, max_bytes)
        {
            return recent.clone();
        }
        self.cut_out(from, to, max_bytes)
    }

    /// The same for `Apply`, nearly always the last use of these entries.
    #[inline]
    pub(crate) fn take(&mut self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        if let Some(window) = &mut self.window
            && window.recent(from, to, max_bytes).is_some()
        {
            return window.take_recent();
        }
        let entries = self.cut_out(from, to, max_bytes);
        if let Some(window) = &mut self.window {
            window.delivered(entries.last());
        }
        entries
    }

    #[inline(never)]
    fn cut_out(&mut self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        let to = to.min(self.last.id.index);
        match &mut self.window {
            Some(window) if from > self.start.id.index && from <= to => {
                window.cut_out(from, to, max_bytes)
            }
            _ => Entries::from_parts(from, 0, Bytes::new()),
        }
    }

    /// Checks that a run can follow the entry `before` and that its chain holds; gives its end.
    #[inline(always)]
    pub(crate) fn verify(
        group: GroupId,
        before: Point,
        entries: &Entries,
    ) -> Result<Verified, EntriesError> {
        let (mut end, mut memberships) = (before, false);
        for entry in entries {
            if entry.kind == EntryKind::Membership {
                memberships = true;
            }
            if entry.id.term < end.id.term {
                return Err(EntriesError::TermFalls { index: entry.id.index });
            }
            if entry.checksum != entry.chained(group, end.checksum) {
                return Err(EntriesError::Checksum { index: entry.id.index });
            }
            end = entry.into();
        }
        Ok(Verified { end, memberships })
    }
}

#[cfg(test)]
mod tests;
