//! Pieces of the log: the tail that grows, and sealed blocks.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::entries::{Entries, EntriesIter, EntryRef};
use crate::types::LogIndex;

/// One offset is kept for this many entries of a piece.
const ENTRIES_PER_OFFSET: u64 = 16;

/// Consecutive entries in one buffer, with an offset per 16 of them.
#[derive(Clone, Debug)]
pub(super) struct Piece<B> {
    pub(super) first: LogIndex,
    /// The last entry; the one before `first` if there is none.
    pub(super) last: LogIndex,
    pub(super) bytes: B,
    offsets: Vec<u32>,
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
        let place = index.since(self.first);
        let at = usize::try_from(place / ENTRIES_PER_OFFSET).ok()?;
        let offset = *self.offsets.get(at)? as usize;
        let start = LogIndex(index.0.saturating_sub(place % ENTRIES_PER_OFFSET));
        let mut iter = EntriesIter::over(start, u32::MAX, self.bytes.as_ref().get(offset..)?);
        for _ in 0..place % ENTRIES_PER_OFFSET {
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
    /// one. Gives their number and where they end.
    pub(super) fn measure(
        &self,
        (from, start): (LogIndex, usize),
        to: LogIndex,
        max_bytes: usize,
    ) -> (u32, usize) {
        let all = self.bytes.as_ref();
        let mut iter = EntriesIter::over(from, u32::MAX, all.get(start..).unwrap_or_default());
        let wanted = u32::try_from(to.next().since(from)).unwrap_or(u32::MAX);
        if to == self.last && iter.bytes_left() <= max_bytes {
            return (wanted, all.len());
        }
        let (mut count, mut end) = (0u32, start);
        while count < wanted && iter.next().is_some() {
            let after = all.len().saturating_sub(iter.bytes_left());
            if count > 0 && after.saturating_sub(start) > max_bytes {
                break;
            }
            end = after;
            count = count.saturating_add(1);
        }
        (count, end)
    }

    fn forget(&mut self, from: LogIndex) {
        let kept = from.since(self.first).div_ceil(ENTRIES_PER_OFFSET);
        self.offsets.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        self.last = from.prev();
    }
}

impl Tail {
    pub(super) const fn new(first: LogIndex) -> Self {
        Self { first, last: first.prev(), bytes: Vec::new(), offsets: Vec::new(), held: 0 }
    }

    /// An entry is about to be appended.
    #[inline]
    pub(super) fn note(&mut self, index: LogIndex, offset: usize) {
        if index.since(self.first) % ENTRIES_PER_OFFSET == 0 {
            self.offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
        }
        self.last = index;
    }

    /// Copies entries to the end.
    pub(super) fn extend(&mut self, entries: &Entries) {
        let mut iter = entries.iter();
        let end = self.bytes.len().saturating_add(iter.bytes_left());
        let mut offset = self.bytes.len();
        while let Some(entry) = iter.next() {
            self.note(entry.id.index, offset);
            offset = end.saturating_sub(iter.bytes_left());
        }
        self.bytes.extend_from_slice(entries.bytes());
    }

    /// Drops `from` and everything after.
    pub(super) fn cut(&mut self, from: LogIndex) {
        let kept = self.offset(from);
        self.bytes.truncate(kept);
        self.forget(from);
    }

    /// Makes a block of it.
    pub(super) fn seal(self) -> Block {
        let Self { first, last, bytes, mut offsets, .. } = self;
        offsets.shrink_to_fit();
        let held = bytes.len().saturating_add(offsets.len().saturating_mul(size_of::<u32>()));
        let held = held.saturating_add(size_of::<Block>());
        Block { first, last, bytes: bytes.into_boxed_slice().into(), offsets, held }
    }
}

impl Block {
    /// Drops `from` and everything after; the memory stays until the block goes.
    pub(super) fn cut(&mut self, from: LogIndex) {
        let kept = self.offset(from);
        self.bytes.truncate(kept);
        self.forget(from);
    }

    pub(super) fn slice(&self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        let start = self.offset(from);
        let (count, end) = self.measure((from, start), to.min(self.last), max_bytes);
        Entries::from_parts(from, count, self.bytes.slice(start..end))
    }
}

/// How many of the first entries fit into `room` bytes.
pub(super) fn count_within(entries: &Entries, room: usize) -> u32 {
    let all = entries.bytes().len();
    let mut iter = entries.iter();
    let mut count = 0u32;
    while iter.next().is_some() && all.saturating_sub(iter.bytes_left()) <= room {
        count = count.saturating_add(1);
    }
    count
}
