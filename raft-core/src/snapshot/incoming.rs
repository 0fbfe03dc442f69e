//! A snapshot that is being received: its bytes go to the disk as they come, in order.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Digest;
use crate::message::SnapshotPiece;
use crate::output::{SnapshotChunk, SnapshotMeta};
use crate::types::SnapshotId;

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Taken; it will be acknowledged when it is durable.
    Taken,
    /// Known already, or no room for now: so many bytes are durable.
    Ignored { durable: u64 },
    /// What lies before it is missing: begin again after so many bytes.
    Gap { received: u64 },
    /// The whole does not have the checksum that was announced: begin again.
    Damaged,
}

/// A snapshot that is being received.
///
/// 1. `durable <= handed out <= accepted`, all counted from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    /// Tells this transfer from an earlier one of the same snapshot.
    transfer: u64,
    /// Known from the first piece; with length and checksum from the last.
    meta: Option<SnapshotMeta>,
    accepted: u64,
    durable: u64,
    digest: Digest,
    /// Accepted, and not yet part of a write.
    queue: VecDeque<Box<SnapshotChunk>>,
    queued_bytes: usize,
    /// Part of a write, or in the queue.
    pending: usize,
    whole: bool,
}

impl Incoming {
    pub(super) fn new(transfer: u64) -> Self {
        Self { transfer, ..Self::default() }
    }

    pub(crate) const fn transfer(&self) -> u64 {
        self.transfer
    }

    pub(super) fn accept(&mut self, piece: &SnapshotPiece, max_queued: usize) -> Outcome {
        let SnapshotPiece { meta, chunk, .. } = piece;
        if put_back!(ResumedWithoutBeginning) && self.meta.is_none() {
            self.accepted = chunk.offset;
        }
        if chunk.offset > self.accepted {
            return Outcome::Gap { received: self.accepted };
        }
        let full = !self.queue.is_empty() && self.queued_bytes >= max_queued;
        if chunk.offset < self.accepted || self.whole || full {
            return Outcome::Ignored { durable: self.durable };
        }
        self.digest.update(&chunk.data);
        self.accepted = self.accepted.saturating_add(chunk.data.len() as u64);
        self.meta = Some(meta.clone());
        if self.accepted == chunk.total {
            if self.digest.get() != meta.checksum && !meta.is_founding() {
                return Outcome::Damaged;
            }
            self.whole = true;
        }
        if !meta.is_founding() {
            self.queued_bytes = self.queued_bytes.saturating_add(chunk.data.len());
            self.pending = self.pending.saturating_add(1);
            self.queue.push_back(Box::new(chunk.clone()));
        }
        Outcome::Taken
    }

    /// The next bytes to write.
    pub(crate) fn next_chunk(&mut self) -> Option<Box<SnapshotChunk>> {
        let chunk = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(chunk.data.len());
        Some(chunk)
    }

    /// Bytes of this transfer up to `end` survive a crash.
    pub(crate) fn became_durable(&mut self, end: u64) {
        self.durable = self.durable.max(end);
        self.pending = self.pending.saturating_sub(1);
    }

    /// Its name, and how many bytes of it are durable.
    pub(crate) fn progress(&self) -> Option<(SnapshotId, u64)> {
        Some((self.meta.as_ref()?.id, self.durable))
    }

    /// The snapshot, once all its bytes survive a crash.
    pub(crate) fn whole(&self) -> Option<&SnapshotMeta> {
        let written = self.pending == 0 || put_back!(SnapshotNamedBeforeWhole);
        self.meta.as_ref().filter(|_| self.whole && written)
    }
}
