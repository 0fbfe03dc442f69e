//! Write records: version, length of the whole, length of the head, postcard head, chunk bytes,
//! entry bytes, checksum.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    CHECKSUM_BYTES, FORMAT_VERSION, MAX_FRAME_BYTES, frame_checksum, take_array, take_u32, whole,
};
use crate::entries::Entries;
use crate::error::DecodeError;
use crate::output::{SnapshotChunk, SnapshotMeta, Write};
use crate::types::{HardState, Identity, LogIndex, SnapshotId, WriteId};

/// Bytes before the postcard head.
const FIXED_BYTES: usize = 1 + 4 + 4;

#[derive(Serialize, Deserialize)]
struct WriteHead {
    identity: Identity,
    id: WriteId,
    hard_state: Option<HardState>,
    snapshot_chunk: Option<ChunkHead>,
    snapshot: Option<Box<SnapshotMeta>>,
    reset_log_to: Option<LogIndex>,
    truncate_from: Option<LogIndex>,
    entries_first: LogIndex,
    entries_count: u32,
    discard_through: Option<LogIndex>,
    release_snapshots_below: Option<SnapshotId>,
}

#[derive(Serialize, Deserialize)]
struct ChunkHead {
    snapshot: SnapshotId,
    offset: u64,
    total: u64,
    length: u32,
}

impl Write {
    /// The write as one versioned, checksummed record: a row, or a piece of an append-only file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let chunk = self.snapshot_chunk.as_deref();
        let chunk_data = chunk.map_or(&[][..], |chunk| &chunk.data);
        let entries = self.entries.bytes();
        let head = WriteHead {
            identity: self.identity,
            id: self.id,
            hard_state: self.hard_state,
            snapshot_chunk: chunk.map(|chunk| ChunkHead {
                snapshot: chunk.snapshot,
                offset: chunk.offset,
                total: chunk.total,
                length: u32::try_from(chunk.data.len()).unwrap_or(u32::MAX),
            }),
            snapshot: self.snapshot.clone(),
            reset_log_to: self.reset_log_to,
            truncate_from: self.truncate_from,
            entries_first: self.entries.first(),
            entries_count: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            discard_through: self.discard_through,
            release_snapshots_below: self.release_snapshots_below,
        };
        let body = chunk_data.len().saturating_add(entries.len());
        let mut record = Vec::with_capacity(body.saturating_add(128));
        record.push(FORMAT_VERSION);
        record.extend_from_slice(&[0; 8]);
        let mut record = postcard::to_extend(&head, record).unwrap_or_default();
        let head_end = record.len();
        record.extend_from_slice(chunk_data);
        record.extend_from_slice(entries);
        let total = u32::try_from(record.len().saturating_add(CHECKSUM_BYTES)).unwrap_or(u32::MAX);
        let head_length = u32::try_from(head_end.saturating_sub(FIXED_BYTES)).unwrap_or(u32::MAX);
        if let Some(space) = record.get_mut(1..FIXED_BYTES) {
            let (first, second) = space.split_at_mut(4);
            first.copy_from_slice(&total.to_le_bytes());
            second.copy_from_slice(&head_length.to_le_bytes());
        }
        let (head, body) = record.split_at_checked(head_end).unwrap_or((&record, &[]));
        let checksum = frame_checksum(head, body);
        record.extend_from_slice(&checksum);
        record
    }

    /// How long the record at the front of these bytes is; its first five bytes suffice.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below five bytes; anything else is damage.
    pub fn record_length(front: &[u8]) -> Result<usize, DecodeError> {
        let mut rest = front;
        let [version] = take_array(&mut rest)?;
        if version != FORMAT_VERSION {
            return Err(DecodeError::UnknownVersion { version });
        }
        let total = take_u32(&mut rest)? as usize;
        if total > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge { bytes: total, max: MAX_FRAME_BYTES });
        }
        Ok(total)
    }

    /// Reads the record at the front of `bytes`; gives it and its length. Entries keep sharing the
    /// memory.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] for a torn tail; anything else is damage.
    pub fn decode(bytes: &Bytes) -> Result<(Self, usize), DecodeError> {
        let total = Self::record_length(bytes)?;
        let mut rest = bytes.get(5..).ok_or(DecodeError::Truncated)?;
        let head_length = take_u32(&mut rest)? as usize;
        let record = bytes.get(..total).ok_or(DecodeError::Truncated)?;
        let (record, checksum) =
            record.split_last_chunk::<CHECKSUM_BYTES>().ok_or(DecodeError::Checksum)?;
        let head_end = FIXED_BYTES.saturating_add(head_length);
        let (whole_head, body) = record.split_at_checked(head_end).ok_or(DecodeError::Checksum)?;
        if frame_checksum(whole_head, body) != *checksum {
            return Err(DecodeError::Checksum);
        }
        let head = whole_head.get(FIXED_BYTES..).ok_or(DecodeError::Head)?;
        let write = Self::from_head(whole(head)?, bytes.slice_ref(body))?;
        Ok((write, total))
    }

    fn from_head(head: WriteHead, mut body: Bytes) -> Result<Self, DecodeError> {
        if let Some(meta) = &head.snapshot {
            meta.membership.validate()?;
        }
        let snapshot_chunk = match head.snapshot_chunk {
            None => None,
            Some(ChunkHead { snapshot, offset, total, length }) => {
                let length = length as usize;
                if length > body.len() {
                    return Err(DecodeError::Head);
                }
                let data = body.split_to(length);
                Some(Box::new(SnapshotChunk { snapshot, offset, total, data }))
            }
        };
        Ok(Self {
            identity: head.identity,
            id: head.id,
            hard_state: head.hard_state,
            snapshot_chunk,
            snapshot: head.snapshot,
            reset_log_to: head.reset_log_to,
            truncate_from: head.truncate_from,
            entries: Entries::decode(head.entries_first, head.entries_count, body)?,
            discard_through: head.discard_through,
            release_snapshots_below: head.release_snapshots_below,
        })
    }
}
