//! A snapshot on its way to a peer: chunks are read, sent ahead of the replies within a limit, and
//! sent again when they are lost.

use bytes::Bytes;

use super::Digest;
use crate::input::{Chunk, Unavailable};
use crate::message::{SnapshotPiece, SnapshotReply};
use crate::output::{ChunkRequest, SnapshotChunk, SnapshotMeta};
use crate::shared::Shared;
use crate::types::{ChunkId, Tick};

/// A snapshot on its way to a peer. It is the one the transfer began with, even if a newer one is
/// made meanwhile, unless all of it has to be sent again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shipment {
    pub(crate) meta: SnapshotMeta,
    /// Bytes that are durable at the peer, from the start.
    acked: u64,
    /// The first byte that was not sent.
    next: u64,
    /// The last piece was sent.
    sent: bool,
    /// Where the peer last asked to go on from, if it has made no progress since.
    resumed: Option<u64>,
    request: Option<ChunkRequest>,
    ready: Option<SnapshotChunk>,
    /// The digest of so many bytes, from the start; the whole's checksum goes with the last piece.
    digest: Digest,
    hashed: u64,
    /// When the peer last made progress, or was sent something again.
    since: Tick,
    /// A chunk could not be read: not before this tick again.
    not_before: Tick,
}

impl Shipment {
    pub(crate) fn new(meta: &SnapshotMeta, now: Tick) -> Self {
        Self { meta: meta.clone(), ready: founding(meta), since: now, ..Self::default() }
    }

    pub(crate) const fn bytes_in_flight(&self) -> u64 {
        self.next.saturating_sub(self.acked)
    }

    /// Whether a piece is ready, or may be asked for.
    #[cold]
    pub(crate) fn is_due(&self, Shared { config, now, .. }: &Shared) -> bool {
        let room = self.bytes_in_flight() < config.max_in_flight_bytes as u64;
        let busy = self.sent || self.request.is_some();
        self.ready.is_some() || room && !busy && now.unwrap_or_default() >= self.not_before
    }

    /// Asks for the next bytes; for earlier ones if the digest needs them.
    pub(crate) fn request(&mut self, id: ChunkId, max_bytes: usize) -> ChunkRequest {
        let known = self.meta.checksum != 0;
        let offset = if known { self.next } else { self.next.min(self.hashed) };
        let request = ChunkRequest { id, snapshot: self.meta.id, offset, max_bytes };
        self.request = Some(request);
        request
    }

    pub(crate) fn asked(&self, id: ChunkId) -> Option<ChunkRequest> {
        self.request.filter(|request| request.id == id)
    }

    /// Takes the answer to the request. `false`: it cannot be read, or is no longer the same
    /// snapshot; another one is needed, or another try at `retry`.
    pub(crate) fn answered(&mut self, chunk: Result<Chunk, Unavailable>, retry: Tick) -> bool {
        let Some(ChunkRequest { offset, snapshot, .. }) = self.request.take() else { return true };
        let Ok(Chunk { total, data }) = chunk else {
            self.not_before = retry;
            return false;
        };
        let end = offset.saturating_add(data.len() as u64);
        let changed = offset > 0 && total != self.meta.length;
        if changed || end > total || (data.is_empty() && end < total) {
            self.not_before = retry;
            return false;
        }
        self.meta.length = total;
        if let Some(skip) = self.hashed.checked_sub(offset)
            && let Some(new) = usize::try_from(skip).ok().and_then(|skip| data.get(skip..))
        {
            self.digest.0.update(new);
            self.hashed = end;
        }
        if self.hashed == total && self.meta.checksum == 0 {
            self.meta.checksum = self.digest.0.digest();
        }
        self.ready = Some(SnapshotChunk { snapshot, offset, total, data });
        true
    }

    pub(crate) fn take_piece(&mut self, session: u32) -> Option<SnapshotPiece> {
        let chunk = self.ready.take()?;
        self.next = chunk.offset.saturating_add(chunk.data.len() as u64);
        self.sent = self.next == chunk.total;
        Some(SnapshotPiece { session, meta: self.meta.clone(), chunk })
    }

    /// Takes a reply to a piece of this snapshot. Says whether all has to be sent again.
    pub(crate) fn on_reply(&mut self, reply: SnapshotReply, now: Tick, patience: u64) -> bool {
        let SnapshotReply { received, again, .. } = reply;
        if again {
            // Each piece after a gap says so: once is enough.
            let repeated = self.resumed == Some(received) && now.since(self.since) < patience;
            if received < self.next && !repeated {
                self.resumed = Some(received);
                if received < self.acked {
                    // It lost what it had, or the whole is damaged, which may happen again.
                    self.not_before = now.plus(patience);
                }
                self.begin_again(received, now);
                return received == 0;
            }
        } else if received > self.acked {
            self.acked = received;
            self.resumed = None;
            self.since = now;
            if self.next < received {
                self.next = received;
                self.sent = false;
            }
        }
        false
    }

    /// Nothing was heard for too long: what is not known to have arrived is sent again. Says whether
    /// that is all of it.
    pub(crate) fn on_tick(&mut self, now: Tick, patience: u64) -> bool {
        let waiting =
            (self.sent || self.bytes_in_flight() > 0) && !put_back!(LostPieceNeverSentAgain);
        let again = waiting && now.since(self.since) >= patience;
        if again {
            let all = self.sent && self.acked == self.next;
            self.begin_again(if all { 0 } else { self.acked }, now);
        }
        again && self.acked == 0
    }

    fn begin_again(&mut self, from: u64, now: Tick) {
        self.acked = from;
        self.next = from;
        self.sent = false;
        self.since = now;
        self.ready = founding(&self.meta);
    }
}

/// The one piece of a founding: a membership, and no bytes to read.
fn founding(meta: &SnapshotMeta) -> Option<SnapshotChunk> {
    let nothing = SnapshotChunk { snapshot: meta.id, offset: 0, total: 0, data: Bytes::new() };
    meta.is_founding().then_some(nothing)
}
