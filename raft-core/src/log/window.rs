//! The part of the log in memory: sealed blocks, and the tail.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

use super::Point;
use super::marks::Marks;
use super::piece::{Block, Tail};
use crate::entries::{Entries, EntryRef};
use crate::types::LogIndex;

/// Size of a new tail, in bytes; it doubles as it fills.
const TAIL_BYTES_MIN: usize = 512;
/// Size of a full tail, and so of a block, in bytes; larger only for one large entry.
pub(super) const TAIL_BYTES_MAX: usize = 64 * 1024;
/// Copies of so much of the tail, in bytes, share a buffer; a larger one is by itself.
const SMALL_COPY_BYTES: usize = 512;
/// Size of the buffer that small copies share.
const COPIES_BYTES: usize = 4096;

/// Consecutive entries up to the end of the log. A trimmed log without entries in memory has none.
///
/// 1. `recent` equals what `tail` and `sealed` hold.
#[derive(Clone, Debug)]
pub(super) struct Window {
    sealed: VecDeque<Block>,
    /// Memory that `sealed` holds, in bytes.
    sealed_held: usize,
    pub(super) tail: Tail,
    /// What was last cut out of the tail, or received: the outputs of a round want the same.
    recent: Entries,
    /// The entry after what was last cut out of the tail, with which the next output often begins, and
    /// where it begins.
    next: (LogIndex, usize),
    /// Small copies are cut off from here.
    copies: BytesMut,
}

impl Window {
    #[cold]
    pub(super) fn new(first: LogIndex) -> Box<Self> {
        Box::new(Self {
            sealed: VecDeque::new(),
            sealed_held: 0,
            tail: Tail::new(first),
            recent: Entries::default(),
            next: (first, 0),
            copies: BytesMut::new(),
        })
    }

    /// Makes room for so many more bytes in the tail, or in a new one.
    #[cold]
    pub(super) fn grow(&mut self, marks: &mut Marks, bytes: usize) {
        let mut usual = self.tail.held.saturating_mul(2);
        if self.tail.bytes.len().saturating_add(bytes) > TAIL_BYTES_MAX {
            usual = TAIL_BYTES_MAX;
            self.seal(marks);
        }
        let length = self.tail.bytes.len();
        let usual = usual.clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX);
        self.tail.held = usual.max(length.saturating_add(bytes));
        self.tail.bytes.reserve_exact(self.tail.held.saturating_sub(length));
    }

    /// Bytes of capacity.
    pub(super) const fn capacity(&self) -> usize {
        self.sealed_held.saturating_add(self.tail.held)
    }

    /// The last entry of the first block.
    pub(super) fn end_of_front(&self) -> Option<LogIndex> {
        self.sealed.front().map(|block| block.last)
    }

    /// Lets the first block go. Gives its last entry.
    pub(super) fn pop_front(&mut self) -> Option<Point> {
        let block = self.sealed.pop_front()?;
        self.sealed_held = self.sealed_held.saturating_sub(block.held);
        if self.recent.first() <= block.last {
            self.recent = Entries::default();
        }
        block.entry(block.last).map(Point::from)
    }

    /// Makes a block of the tail.
    pub(super) fn seal(&mut self, marks: &mut Marks) {
        let next = self.tail.last.next();
        let tail = core::mem::replace(&mut self.tail, Tail::new(next));
        self.next = (next, 0);
        if tail.bytes.is_empty() {
            return;
        }
        let block = tail.seal();
        if let Some(end) = block.entry(block.last) {
            marks.sealed(end.into(), block.bytes.len());
        }
        self.sealed_held = self.sealed_held.saturating_add(block.held);
        self.sealed.push_back(block);
    }

    /// Gives back memory that holds nothing. Says whether there is no entry left.
    pub(super) fn trim(&mut self) -> bool {
        self.tail.trim();
        self.forget_recent();
        self.copies = BytesMut::new();
        self.sealed.shrink_to_fit();
        self.sealed.is_empty() && self.tail.bytes.is_empty()
    }

    /// Drops `from` and everything after.
    pub(super) fn truncate(&mut self, from: LogIndex) {
        if from > self.tail.first {
            self.tail.cut(from, Vec::truncate);
        } else {
            self.tail = Tail::new(from);
            while self.sealed.back().is_some_and(|block| block.first >= from) {
                let gone = self.sealed.pop_back().map_or(0, |block| block.held);
                self.sealed_held = self.sealed_held.saturating_sub(gone);
            }
            if let Some(block) = self.sealed.back_mut().filter(|block| block.last >= from) {
                block.cut(from, Bytes::truncate);
            }
        }
        self.forget_recent();
    }

    /// The log ends with these entries, and the next outputs want just them.
    pub(super) fn share(&mut self, entries: &mut Entries) {
        // A swap would go word by word.
        *entries = core::mem::replace(&mut self.recent, core::mem::take(entries));
    }

    /// No output is about to want the same entries again.
    pub(super) fn forget_recent(&mut self) {
        self.recent = Entries::default();
        self.next = (self.tail.first, 0);
    }

    /// What was last cut out; no output is about to want it again.
    #[inline]
    pub(super) fn take_recent(&mut self) -> Entries {
        core::mem::take(&mut self.recent)
    }

    #[inline]
    pub(super) fn delivered(&mut self, last: LogIndex) {
        if self.recent.last() <= last {
            self.take_recent();
        }
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        if index >= self.tail.first {
            return self.tail.entry(index);
        }
        self.block_with(index)?.entry(index)
    }

    fn block_with(&self, index: LogIndex) -> Option<&Block> {
        let after = self.sealed.partition_point(|block| block.first <= index);
        self.sealed.get(after.checked_sub(1)?)
    }

    /// What was last cut out, if it is just that.
    #[inline]
    pub(super) fn recent(
        &self,
        from: LogIndex,
        to: LogIndex,
        max_bytes: usize,
    ) -> Option<&Entries> {
        let recent = &self.recent;
        let same = recent.first() == from && recent.last() == to;
        (same && recent.bytes().len() <= max_bytes).then_some(recent)
    }

    /// The entries from `from` to at most `to`, which are here, within one block.
    pub(super) fn cut_out(&mut self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        if from < self.tail.first {
            let block = self.block_with(from);
            return block.map(|block| block.slice(from, to, max_bytes)).unwrap_or_default();
        }
        let start = if from == self.next.0 { self.next.1 } else { self.tail.offset(from) };
        let (next, part) = self.tail.part((from, start), to, max_bytes);
        self.next = (next, start.saturating_add(part.len()));
        let bytes = if part.len() > SMALL_COPY_BYTES {
            Bytes::copy_from_slice(part)
        } else {
            if self.copies.capacity() < part.len() {
                self.copies.reserve(COPIES_BYTES);
            }
            self.copies.extend_from_slice(part);
            self.copies.split().freeze()
        };
        self.recent = Entries::between(from, next, bytes);
        self.recent.clone()
    }
}
