//! Pieces of the log: sealed blocks and runs.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::entries::{Entries, EntriesIter, EntryRef};
use crate::types::LogIndex;

/// One offset is kept for this many entries of a block.
const ENTRIES_PER_OFFSET: u64 = 16;

/// A shared slice of an open buffer.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) first: LogIndex,
    pub(super) count: u32,
    pub(super) bytes: Bytes,
}

impl Run {
    pub(super) const fn last(&self) -> LogIndex {
        LogIndex(self.first.0.saturating_add(self.count as u64).saturating_sub(1))
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        seek(self.first, &self.bytes, index)?.next()
    }

    /// Drops `from` and everything after.
    pub(super) fn cut(&mut self, from: LogIndex) {
        if from > self.last() {
            return;
        }
        if let Some(iter) = seek(self.first, &self.bytes, from) {
            let keep = self.bytes.len().saturating_sub(iter.bytes_left());
            self.bytes.truncate(keep);
            self.count = u32::try_from(from.since(self.first)).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn slice(&self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        match seek(self.first, &self.bytes, from) {
            Some(iter) => {
                cut_out(&self.bytes, iter, from, to.min(self.last()), self.last(), max_bytes)
            }
            None => Entries::default(),
        }
    }
}

/// Sealed entries: one exact allocation, an offset per 16 entries.
#[derive(Clone, Debug)]
pub(super) struct Block {
    run: Run,
    offsets: Vec<u32>,
    capacity: usize,
}

impl Block {
    /// Copies consecutive runs into one block.
    pub(super) fn seal(runs: &VecDeque<Run>) -> Option<Self> {
        let first = runs.front()?.first;
        let length = runs.iter().fold(0usize, |sum, run| sum.saturating_add(run.bytes.len()));
        let count = runs.iter().fold(0u32, |sum, run| sum.saturating_add(run.count));
        let mut bytes = Vec::with_capacity(length);
        runs.iter().for_each(|run| bytes.extend_from_slice(&run.bytes));
        let mut offsets =
            Vec::with_capacity(usize::try_from(count / 16).unwrap_or(0).saturating_add(1));
        let mut iter = walk(first, &bytes);
        for place in 0..u64::from(count) {
            if place % ENTRIES_PER_OFFSET == 0 {
                let offset = length.saturating_sub(iter.bytes_left());
                offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
            }
            let _ = iter.next();
        }
        let capacity = length
            .saturating_add(offsets.len().saturating_mul(4))
            .saturating_add(size_of::<Self>());
        Some(Self { run: Run { first, count, bytes: bytes.into() }, offsets, capacity })
    }

    pub(super) const fn first(&self) -> LogIndex {
        self.run.first
    }

    pub(super) const fn run(&self) -> &Run {
        &self.run
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    fn seek(&self, index: LogIndex) -> Option<EntriesIter<'_>> {
        let place = index.since(self.run.first);
        let at = usize::try_from(place / ENTRIES_PER_OFFSET).ok()?;
        let offset = *self.offsets.get(at)? as usize;
        let start = self.run.first.plus(place.saturating_sub(place % ENTRIES_PER_OFFSET));
        seek(start, self.run.bytes.get(offset..)?, index)
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<EntryRef<'_>> {
        self.seek(index)?.next()
    }

    /// Drops `from` and everything after; the memory stays until the block goes.
    pub(super) fn cut(&mut self, from: LogIndex) {
        self.run.cut(from);
        let kept = u64::from(self.run.count).div_ceil(ENTRIES_PER_OFFSET);
        self.offsets.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    pub(super) fn slice(&self, from: LogIndex, to: LogIndex, max_bytes: usize) -> Entries {
        let last = self.run.last();
        match self.seek(from) {
            Some(iter) => cut_out(&self.run.bytes, iter, from, to.min(last), last, max_bytes),
            None => Entries::default(),
        }
    }
}

/// Walks over entries whose number is not known but fills `bytes`.
pub(super) const fn walk(first: LogIndex, bytes: &[u8]) -> EntriesIter<'_> {
    EntriesIter::over(first, u32::MAX, bytes)
}

/// An iterator that stands before `index`.
fn seek(first: LogIndex, bytes: &[u8], index: LogIndex) -> Option<EntriesIter<'_>> {
    let mut iter = walk(first, bytes);
    if let Some(skip) = usize::try_from(index.since(first)).ok()?.checked_sub(1) {
        iter.nth(skip)?;
    }
    Some(iter)
}

/// Cuts entries out of `bytes`: from where `iter` stands to `to`, about `max_bytes`, at least one.
fn cut_out(
    bytes: &Bytes,
    mut iter: EntriesIter<'_>,
    from: LogIndex,
    to: LogIndex,
    last: LogIndex,
    max_bytes: usize,
) -> Entries {
    let start = bytes.len().saturating_sub(iter.bytes_left());
    let wanted = u32::try_from(to.next().since(from)).unwrap_or(u32::MAX);
    if to == last && iter.bytes_left() <= max_bytes {
        return Entries::from_parts(from, wanted, bytes.slice(start..));
    }
    let (mut count, mut end) = (0u32, start);
    while count < wanted && iter.next().is_some() {
        let after = bytes.len().saturating_sub(iter.bytes_left());
        if count > 0 && after.saturating_sub(start) > max_bytes {
            break;
        }
        end = after;
        count = count.saturating_add(1);
    }
    Entries::from_parts(from, count, bytes.slice(start..end))
}

/// Copies a small part and the runs that follow it together.
pub(super) fn gather<'a>(
    part: Entries,
    after: impl Iterator<Item = &'a Run>,
    to: LogIndex,
    max_bytes: usize,
) -> Entries {
    let (first, mut count) = (part.first(), part.len());
    let mut next = part.last().next();
    let mut bytes = Vec::from(part.bytes().clone());
    for run in after {
        if next != run.first || next > to {
            break;
        }
        let left = max_bytes.saturating_sub(bytes.len());
        let part = run.slice(next, to, left);
        if part.bytes().len() > left {
            break;
        }
        bytes.extend_from_slice(part.bytes());
        count = count.saturating_add(part.len());
        next = part.last().next();
    }
    Entries::from_parts(first, u32::try_from(count).unwrap_or(u32::MAX), bytes.into())
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
