//! Snapshots (Raft 7; thesis 5): which one is durable here, which one is being received, and what
//! the log may lose because of them.
//!
//! The core makes the names and metas; the bytes are the caller's.

mod incoming;
mod shipment;

use alloc::boxed::Box;
use core::fmt;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use incoming::{Incoming, Resume};
pub(crate) use shipment::Shipment;

use crate::log::Point;
use crate::message::SnapshotPiece;
use crate::output::SnapshotMeta;
use crate::types::{ChunkId, EntryId, Incarnation, LogIndex, NodeId, SnapshotId};

/// The snapshots of this node.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    /// The newest one that survives a crash; the founding of the group at first.
    pub(crate) newest: Box<SnapshotMeta>,
    /// The newest one that was taken here or received, durable or not.
    pub(crate) latest: LogIndex,
    /// Older ones than the newest may still be stored.
    pub(crate) release_due: bool,
    /// Nothing before the first one is taken, received or sent.
    moves: Option<Box<Moves>>,
}

/// What becomes of snapshots.
#[derive(Clone, Debug, Default)]
struct Moves {
    /// Received and whole: the state machine is to be replaced by it.
    restore: Option<Box<SnapshotMeta>>,
    incoming: Option<Box<Incoming>>,
    taken: u64,
    transfers: u64,
    requests: u64,
}

impl Snapshots {
    /// A node that starts from this snapshot, and has applied so much.
    pub(crate) fn new(newest: SnapshotMeta, applied: LogIndex) -> Self {
        let index = newest.id.index;
        let moves = (index > applied).then(|| {
            let restore = Some(Box::new(newest.clone()));
            Box::new(Moves { restore, ..Moves::default() })
        });
        let release_due = index > LogIndex(0);
        Self { newest: newest.into(), latest: index, release_due, moves }
    }

    fn moves(&mut self) -> &mut Moves {
        self.moves.get_or_insert_default()
    }

    /// The name of the next snapshot taken here.
    pub(crate) fn name(&mut self, at: EntryId, maker: NodeId, life: Incarnation) -> SnapshotId {
        self.latest = at.index;
        let taken = &mut self.moves().taken;
        *taken = taken.saturating_add(1);
        let EntryId { term, index } = at;
        SnapshotId { index, term, maker, incarnation: life, counter: *taken }
    }

    /// A name for a request of a chunk.
    pub(crate) fn next_request(&mut self, incarnation: Incarnation) -> ChunkId {
        let requests = &mut self.moves().requests;
        *requests = requests.saturating_add(1);
        ChunkId { incarnation, sequence: *requests }
    }

    /// Whether such a request was ever made, in this life or an earlier one.
    pub(crate) fn was_requested(&self, id: ChunkId, incarnation: Incarnation) -> bool {
        let requests = self.moves.as_ref().map_or(0, |moves| moves.requests);
        let now = id.incarnation == incarnation && (1..=requests).contains(&id.sequence);
        id.incarnation < incarnation || now
    }

    /// Takes a piece of a snapshot; what belongs to another one is begun anew.
    pub(crate) fn accept(
        &mut self,
        piece: &SnapshotPiece,
        max_queued: usize,
    ) -> Result<(), Resume> {
        let same = |id| id == piece.meta.id || put_back!(PiecesOfTwoSnapshots);
        let moves = self.moves();
        let incoming = match &mut moves.incoming {
            Some(incoming) if incoming.progress().is_some_and(|(id, _)| same(id)) => incoming,
            _ if piece.chunk.offset > 0 && !put_back!(ResumedWithoutBeginning) => {
                return Err(Resume { received: 0, again: true });
            }
            incoming => {
                moves.transfers = moves.transfers.saturating_add(1);
                incoming.insert(Box::new(Incoming::new(moves.transfers)))
            }
        };
        incoming.accept(piece, max_queued)
    }

    /// The one that is being received.
    #[inline]
    pub(crate) fn incoming(&mut self) -> Option<&mut Incoming> {
        self.moves.as_mut()?.incoming.as_deref_mut()
    }

    /// Stops to receive: what came so far is of no use any more.
    pub(crate) fn stop_receiving(&mut self) {
        if let Some(moves) = &mut self.moves {
            moves.incoming = None;
        }
    }

    /// The received snapshot takes the place of log and state machine.
    pub(crate) fn installed(&mut self, meta: &SnapshotMeta) {
        self.stop_receiving();
        self.latest = meta.id.index;
        if meta.id.index > LogIndex(0) {
            self.moves().restore = Some(Box::new(meta.clone()));
        }
    }

    /// A snapshot survives a crash now.
    pub(crate) fn became_durable(&mut self, meta: Box<SnapshotMeta>) {
        self.newest = meta;
        self.release_due = self.newest.id.index > LogIndex(0);
    }

    /// Whether the state machine waits for a snapshot; how far it will then be.
    pub(crate) fn awaits(&self) -> Option<LogIndex> {
        self.moves.as_ref()?.restore.as_ref().map(|meta| meta.id.index)
    }

    /// Hands out the snapshot that the state machine is to be replaced by.
    pub(crate) fn take_restore(&mut self) -> Option<Box<SnapshotMeta>> {
        self.moves.as_mut()?.restore.take()
    }

    /// What may be deleted of older snapshots: nothing while one is shipped, or until the newest is
    /// restored and applied.
    pub(crate) fn release(&mut self, applied: LogIndex, shipped: bool) -> Option<SnapshotId> {
        let newest = self.newest.id;
        let restoring = self.awaits().is_some() || applied < newest.index;
        let shipped = shipped && !put_back!(ReleasedWhileShipped);
        if !self.release_due || restoring || shipped {
            return None;
        }
        self.release_due = false;
        // Appends have overtaken what is being received: its bytes go with the others.
        let received = self.incoming().and_then(|incoming| incoming.progress());
        if received.is_some_and(|(id, _)| id <= newest) {
            self.stop_receiving();
        }
        Some(newest)
    }
}

impl SnapshotMeta {
    /// The last entry it contains, and where the hash chain goes on.
    pub(crate) const fn point(&self) -> Point {
        let id = EntryId { term: self.id.term, index: self.id.index };
        Point { id, checksum: self.chain }
    }
}

/// The running XXH3 of a snapshot's bytes.
#[derive(Clone, Default)]
struct Digest(Xxh3);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0.digest())
    }
}
