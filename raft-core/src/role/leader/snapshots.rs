//! Snapshots at the leader: for peers that lack what the log begins after (Raft 7).

use super::Leader;
use crate::error::RejectedMessage;
use crate::input::{Chunk, Unavailable};
use crate::message::SnapshotReply;
use crate::replication::Peer;
use crate::shared::{Shared, count};
use crate::types::{ChunkId, LogIndex, NodeId, Tick};

impl Leader {
    pub(crate) fn on_snapshot_reply(
        &mut self,
        shared: &mut Shared,
        from: NodeId,
        reply: SnapshotReply,
    ) -> Result<(), RejectedMessage> {
        let Some((at, peer)) = self.peer(shared, from) else { return Ok(()) };
        if peer.confirms_too_much(reply) {
            return Err(RejectedMessage::Snapshot { index: reply.snapshot.index });
        }
        peer.heard = !peer.contradicts;
        if reply.session != peer.session {
            count(&mut shared.counters().old_session);
            return Ok(());
        }
        if !peer.piece_received(shared, reply) {
            count(&mut shared.counters().unexpected_replies);
        }
        self.cursor = self.cursor.min(at);
        Ok(())
    }

    pub(crate) fn on_snapshot_chunk(
        &mut self,
        shared: &mut Shared,
        request: ChunkId,
        chunk: Result<Chunk, Unavailable>,
    ) {
        match self.peers.iter_mut().position(|peer| peer.chunk_read(shared, request, &chunk)) {
            Some(at) => self.cursor = self.cursor.min(at),
            None => count(&mut shared.counters().unexpected_replies),
        }
    }

    /// Tries again what was lost, and lets go of what peers have received meanwhile.
    pub(super) fn tend_snapshots(&mut self, shared: &mut Shared, now: Tick) {
        self.peers.iter_mut().for_each(|peer| peer.on_tick(shared, now));
        let kept = shared.log.base().id.index < shared.snapshots.newest.id.index;
        if kept || shared.snapshots.release_due {
            self.discard(shared);
        }
    }

    /// Lets go of entries that every peer has, and of those that take too much room.
    pub(crate) fn discard(&self, shared: &mut Shared) {
        let need = self.peers.iter().map(Peer::needs_after).min();
        let shipped = self.peers.iter().any(|peer| peer.shipment().is_some());
        shared.discard(need.unwrap_or(LogIndex(u64::MAX)), shipped);
    }
}
