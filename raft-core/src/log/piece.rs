//! Pieces of the log: the tail that grows, and sealed blocks.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::entries::{Entries, EntriesIter, EntryRef};
use crate::types::LogIndex;

/// A place is marked for at least this many entries of a piece.
const MARK_AFTER: u64 = 16;
/// Most entries after a mark that get none, because they came together.
const MARK_BEFORE: usize = 64;

/// An entry, and where it begins.
type Mark = (LogIndex, u32);

/// Consecutive entries in one buffer, with marks to find them by.
#[derive(Clone, Debug)]
pub(super) struct Piece<B> {
    pub(super) first: LogIndex,
    /// The last entry; the one before `first` if there is none.
    pub(super) last: LogIndex,
    pub(super) bytes: B,
    marks: Vec<Mark>,
    /// The first entry far enough after the last mark to get one.
    due: LogIndex,
    /// Memory that counts against the window, in bytes. Counted, not asked of the buffer: a clone
    /// must behave alike.
    pub(super) held: usize,
}

/// What is appended to.
pub(super) type Tail = Piece<Vec<u8>>;
/// What is full, or was cut off: it is shared with outputs.
pub(super) type Block = Piece<Bytes>;

impl<B: AsRef<[u8]>> Piece<B> {
    /// An iterator that stands before `index`.
    fn seek(&self, index: LogIndex) -> Option<EntriesIter<'_>> {
        let after = self.marks.partition_point(|&(marked, _)| marked <= index);
        let &(start, offset) = self.marks.get(after.checked_sub(1)?)?;
        let rest = self.bytes.as_ref().get(offset as usize..)?;
        let mut iter = EntriesIter::over(start, u32::MAX, rest);
        for _ in 0..index.since(start) {
            iter.next()?;
        }
        Some(iter)
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        self.seek(index)?.next()
    }

    /// Where an entry begins; the end, if it is the next one.
    pub(super) fn offset(&self, index: LogIndex) -> usize {
        let left = self.seek(index).map_or(0, |iter| iter.bytes_left());
        self.bytes.as_ref().len().saturating_sub(left)
    }

    /// The entries from `from`, which begins at `start`, to `to`: about `max_bytes` of them, at least
    /// one. Gives the entry after them, and their bytes.
    pub(super) fn part(
        &self,
        (from, start): (LogIndex, usize),
        to: LogIndex,
        max_bytes: usize,
    ) -> (LogIndex, &[u8]) {
        let rest = self.bytes.as_ref().get(start..).unwrap_or_default();
        if to == self.last && rest.len() <= max_bytes {
            return (to.next(), rest);
        }
        let mut iter = EntriesIter::over(from, u32::MAX, rest);
        let (mut next, mut length) = (from, 0);
        while next <= to && iter.next().is_some() {
            let longer = rest.len().saturating_sub(iter.bytes_left());
            if next > from && longer > max_bytes {
                break;
            }
            length = longer;
            next = next.next();
        }
        (next, rest.get(..length).unwrap_or_default())
    }

    /// Drops `from` and everything after; the memory stays.
    pub(super) fn cut(&mut self, from: LogIndex, truncate: fn(&mut B, usize)) {
        let kept = self.offset(from);
        truncate(&mut self.bytes, kept);
        while self.marks.last().is_some_and(|&(marked, _)| marked >= from) {
            self.marks.pop();
        }
        self.due = self.marks.last().map_or(self.first, |&(marked, _)| marked.plus(MARK_AFTER));
        self.last = from.prev();
    }
}

impl Tail {
    pub(super) const fn new(first: LogIndex) -> Self {
        let last = first.prev();
        Self { first, last, bytes: Vec::new(), marks: Vec::new(), due: first, held: 0 }
    }

    /// Entries up to `last` are about to be appended, the first of them here.
    #[inline]
    pub(super) fn note(&mut self, first: LogIndex, last: LogIndex, offset: usize) {
        if first >= self.due {
            self.marks.push((first, u32::try_from(offset).unwrap_or(u32::MAX)));
            self.due = first.plus(MARK_AFTER);
        }
        self.last = last;
    }

    /// Copies entries to the end.
    #[inline]
    pub(super) fn extend(&mut self, entries: &Entries, last: LogIndex) {
        let start = self.bytes.len();
        if entries.len() <= MARK_BEFORE {
            self.note(entries.first(), last, start);
        } else {
            self.note_each(entries, start);
        }
        self.bytes.extend_from_slice(entries.bytes());
    }

    #[inline(never)]
    fn note_each(&mut self, entries: &Entries, mut offset: usize) {
        for EntryRef { id, bytes, .. } in entries {
            self.note(id.index, id.index, offset);
            offset = offset.saturating_add(bytes.len());
        }
    }

    /// Gives back memory that holds nothing.
    pub(super) fn trim(&mut self) {
        self.bytes.shrink_to_fit();
        self.marks.shrink_to_fit();
        self.held = self.bytes.len();
    }

    /// Makes a block of it.
    pub(super) fn seal(self) -> Block {
        let Self { first, last, bytes, mut marks, due, .. } = self;
        marks.shrink_to_fit();
        let held = bytes.len().saturating_add(marks.len().saturating_mul(size_of::<Mark>()));
        let held = held.saturating_add(size_of::<Block>());
        Block { first, last, bytes: bytes.into_boxed_slice().into(), marks, due, held }
    }
}

impl Block {
    pub(super) fn slice(&self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        let start = self.offset(from);
        let (next, part) = self.part((from, start), to.min(self.last), max_bytes);
        Entries::between(from, next, self.bytes.slice_ref(part))
    }
}
