//! A snapshot that is being received: its bytes go to the disk as they come, in order.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Digest;
use crate::message::SnapshotPiece;
use crate::output::{SnapshotChunk, SnapshotMeta};
use crate::types::SnapshotId;

/// What the sender of a piece is told when it is not taken, or once it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The sender may count on so many bytes.
    pub(crate) received: u64,
    /// What comes after them is to be sent again.
    pub(crate) again: bool,
}

/// A snapshot that is being received.
///
/// 1. `durable <= handed out <= accepted`, all counted from the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    /// Tells this transfer from an earlier one of the same snapshot.
    pub(crate) transfer: u64,
    /// Known from the first piece; with length and checksum from the last.
    meta: Option<SnapshotMeta>,
    accepted: u64,
    durable: u64,
    digest: Digest,
    /// Accepted, and not yet part of a write; one after the other.
    queue: VecDeque<Box<SnapshotChunk>>,
    /// Part of a write, or in the queue.
    pending: usize,
}

impl Incoming {
    pub(super) fn new(transfer: u64) -> Self {
        Self { transfer, ..Self::default() }
    }

    /// Takes a piece, to be acknowledged when it is durable; or says at once what to do instead. Once
    /// all of it is here and damaged, nothing is left of it.
    pub(super) fn accept(
        &mut self,
        piece: &SnapshotPiece,
        max_queued: usize,
    ) -> Result<(), Resume> {
        let SnapshotPiece { meta, chunk, .. } = piece;
        if put_back!(ResumedWithoutBeginning) && self.meta.is_none() {
            self.accepted = chunk.offset;
        }
        if chunk.offset > self.accepted {
            return Err(Resume { received: self.accepted, again: true });
        }
        let queued_from = self.queue.front().map(|first| first.offset);
        let full =
            queued_from.is_some_and(|at| self.accepted.saturating_sub(at) >= max_queued as u64);
        if chunk.offset < self.accepted || self.is_complete() || full {
            return Err(Resume { received: self.durable, again: false });
        }
        self.digest.0.update(&chunk.data);
        self.accepted = self.accepted.saturating_add(chunk.data.len() as u64);
        self.meta = Some(meta.clone());
        if !meta.is_founding() {
            if self.is_complete() && self.digest.0.digest() != meta.checksum {
                *self = Self::default();
                return Err(Resume { received: 0, again: true });
            }
            self.pending = self.pending.saturating_add(1);
            self.queue.push_back(Box::new(chunk.clone()));
        }
        Ok(())
    }

    /// Whether all of it was accepted.
    fn is_complete(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.length == self.accepted)
    }

    /// The next bytes to write.
    pub(crate) fn next_chunk(&mut self) -> Option<Box<SnapshotChunk>> {
        self.queue.pop_front()
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
        self.meta.as_ref().filter(|_| self.is_complete() && written)
    }
}
