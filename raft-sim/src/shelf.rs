//! Snapshots of a state machine, and the shelf on a disk that they lie on.

use std::collections::BTreeMap;

use raftcore::{Chunk, ChunkRequest, SnapshotId, SnapshotMeta, Unavailable, Write};

use crate::property::{Checked, Property, broken};

/// Longest snapshot, in bytes.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = HEAD_BYTES as u64 + FILLER_BYTES_MAX;
const HEAD_BYTES: usize = 24;
const FILLER_BYTES_MAX: u64 = 200;

/// What a snapshot says of the state machine: how far it had applied, and the checksum there, which
/// covers the whole history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) index: u64,
    pub(crate) checksum: u32,
    /// No two makers make the same bytes.
    pub(crate) maker: u64,
}

impl Content {
    /// The snapshot as bytes: a head, and a filler that follows from it.
    pub(crate) fn pack(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SNAPSHOT_BYTES_MAX as usize);
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&u64::from(self.checksum).to_le_bytes());
        bytes.extend_from_slice(&self.maker.to_le_bytes());
        let mut word = (self.index << 20 ^ self.maker).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for _ in 0..word % (FILLER_BYTES_MAX + 1) {
            word = word.rotate_left(9).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            bytes.push((word >> 32) as u8);
        }
        bytes
    }

    /// Reads a whole, undamaged snapshot.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            bytes.get(8 * at..)?.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
        };
        let (index, maker) = (word(0)?, word(2)?);
        let content = Self { index, checksum: u32::try_from(word(1)?).ok()?, maker };
        (content.pack() == bytes).then_some(content)
    }
}

/// The snapshots on one disk.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Taken by the state machine, by index; durable, and not yet named by the node.
    taken: BTreeMap<u64, Vec<u8>>,
    /// Whole ones, and what has arrived so far of others.
    named: BTreeMap<SnapshotId, Vec<u8>>,
    /// The one the node relies on.
    newest: Option<SnapshotId>,
}

impl Shelf {
    /// The state machine has put a snapshot here.
    pub(crate) fn take(&mut self, content: Content) {
        self.taken.entry(content.index).or_insert_with(|| content.pack());
    }

    /// The snapshots that wait for a name.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = u64> + '_ {
        self.taken.keys().copied()
    }

    /// Carries out what a durable write says of snapshots.
    pub(crate) fn keep(&mut self, host: usize, write: &Write) -> Checked {
        if let Some(chunk) = &write.snapshot_chunk {
            let bytes = self.named.entry(chunk.snapshot).or_default();
            if self.newest == Some(chunk.snapshot) || chunk.offset > bytes.len() as u64 {
                let detail = format!(
                    "writes byte {} of {:?}, of which {} are there",
                    chunk.offset,
                    chunk.snapshot,
                    bytes.len()
                );
                return broken(Property::SnapshotIsWhole, host, detail);
            }
            bytes.truncate(chunk.offset as usize);
            bytes.extend_from_slice(&chunk.data);
        }
        if let Some(meta) = write.snapshot.as_ref().filter(|meta| meta.id.index.0 > 0) {
            self.name(host, meta)?;
        }
        if let Some(newest) = write.release_snapshots_below {
            self.named.retain(|&id, _| id >= newest);
            self.taken.retain(|&index, _| index > newest.index.0);
        }
        Ok(())
    }

    /// A snapshot that was taken here gets its name; a received one has it.
    fn name(&mut self, host: usize, meta: &SnapshotMeta) -> Checked {
        let own = meta.id.maker.0 == host as u64 + 1;
        if own && let Some(bytes) = self.taken.remove(&meta.id.index.0) {
            self.named.insert(meta.id, bytes);
        }
        self.newest = Some(meta.id);
        self.whole(host, meta).map(drop)
    }

    /// The snapshot, if all of it is here and is what its name says.
    pub(crate) fn whole(&self, host: usize, meta: &SnapshotMeta) -> Checked<Content> {
        let bytes = self.named.get(&meta.id).map_or(&[][..], Vec::as_slice);
        match Content::unpack(bytes) {
            Some(content) if content.index == meta.id.index.0 => Ok(content),
            other => {
                let detail = format!("{:?} is {} bytes here: {other:?}", meta.id, bytes.len());
                broken(Property::SnapshotIsWhole, host, detail)
            }
        }
    }

    /// How many bytes of a snapshot are here.
    pub(crate) fn length(&self, id: SnapshotId) -> u64 {
        self.named.get(&id).map_or(0, |bytes| bytes.len() as u64)
    }

    /// A crash cut a write short within the bytes of a snapshot: some of them are here, and no
    /// record says so.
    pub(crate) fn torn(&mut self, write: &Write, bytes: usize) {
        if let Some(chunk) = &write.snapshot_chunk
            && let Some(known) = self.named.get_mut(&chunk.snapshot)
            && known.len() as u64 == chunk.offset
        {
            known.extend_from_slice(&chunk.data[..bytes.min(chunk.data.len())]);
        }
    }

    /// Whether a snapshot is here in part.
    pub(crate) fn is_receiving(&self) -> bool {
        self.named.last_key_value().is_some_and(|(&id, _)| Some(id) > self.newest)
    }

    /// Before a start: lets go of all but the one that the node begins with, and of what was taken
    /// and not named; or keeps some of it.
    pub(crate) fn tidy(&mut self, keeps: bool) {
        let newest = self.newest;
        self.named.retain(|&id, _| keeps || newest == Some(id));
        self.taken.retain(|_, _| keeps);
    }

    /// Answers a request with at most so many bytes.
    pub(crate) fn read(
        &self,
        request: &ChunkRequest,
        max_bytes: usize,
    ) -> Result<Chunk, Unavailable> {
        let bytes = self.named.get(&request.snapshot).ok_or(Unavailable)?;
        let rest = bytes.get(request.offset as usize..).ok_or(Unavailable)?;
        let data = rest[..rest.len().min(max_bytes)].to_vec().into();
        Ok(Chunk { total: bytes.len() as u64, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_reads_back_and_any_damage_is_noticed() {
        let content = Content { index: 77, checksum: 0xFFFF_1234, maker: 3 << 32 | 5 };
        let bytes = content.pack();
        assert_eq!(Content::unpack(&bytes), Some(content));
        assert!(bytes.len() as u64 <= SNAPSHOT_BYTES_MAX);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_ne!(Content::unpack(&damaged), Some(content));
            assert_eq!(Content::unpack(&bytes[..at]), None);
        }
        let other = Content { maker: 4 << 32 | 5, ..content };
        assert_ne!(other.pack()[HEAD_BYTES..], bytes[HEAD_BYTES..]);
    }
}
