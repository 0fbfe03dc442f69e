//! Write records: version, length of the whole, length of the head, checksum of these, postcard head,
//! chunk bytes, entry bytes, checksum.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{CHECKSUM_BYTES, FORMAT_VERSION, MAX_FRAME_BYTES, fixed, frame_checksum, whole};
use crate::entries::Entries;
use crate::error::DecodeError;
use crate::output::{SnapshotChunk, SnapshotMeta, Write};
use crate::types::{HardState, Identity, LogIndex, SnapshotId, WriteId};

/// Bytes before the postcard head.
const FIXED_BYTES: usize = LENGTHS_BYTES + 4;
/// Version and the two lengths; a checksum of their own follows, so that damage of a length is not
/// taken for a torn tail.
const LENGTHS_BYTES: usize = 1 + 4 + 4;

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
            entries_count: self.entries.count(),
            discard_through: self.discard_through,
            release_snapshots_below: self.release_snapshots_below,
        };
        let body = chunk_data.len().saturating_add(entries.len());
        let mut record = Vec::with_capacity(body.saturating_add(128));
        record.extend_from_slice(&[0; FIXED_BYTES]);
        let mut record = postcard::to_extend(&head, record).unwrap_or_default();
        let head_end = record.len();
        record.extend_from_slice(chunk_data);
        record.extend_from_slice(entries);
        let total = u32::try_from(record.len().saturating_add(CHECKSUM_BYTES)).unwrap_or(u32::MAX);
        let head_length = u32::try_from(head_end.saturating_sub(FIXED_BYTES)).unwrap_or(u32::MAX);
        if let Some(fixed) = record.first_chunk_mut::<FIXED_BYTES>() {
            *fixed = fixed_bytes(total, head_length);
        }
        let (head, body) = record.split_at_checked(head_end).unwrap_or((&record, &[]));
        let checksum = frame_checksum(head, body);
        record.extend_from_slice(&checksum);
        record
    }

    /// How long the record at the front of these bytes is; its first 13 bytes suffice.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] below 13 bytes; anything else is damage.
    pub fn record_length(front: &[u8]) -> Result<usize, DecodeError> {
        Self::lengths(front).map(|(total, _)| total)
    }

    /// The lengths of the whole record and of its head, proved by their own checksum.
    fn lengths(front: &[u8]) -> Result<(usize, usize), DecodeError> {
        let fixed = fixed::<FIXED_BYTES>(front)?;
        let mut rest: &[u8] = fixed;
        rest.advance(1);
        let (total, head_length) = (rest.get_u32_le(), rest.get_u32_le());
        if *fixed != fixed_bytes(total, head_length) {
            return Err(DecodeError::Checksum);
        }
        let bytes = total as usize;
        if bytes > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge { bytes, max: MAX_FRAME_BYTES });
        }
        Ok((bytes, head_length as usize))
    }

    /// Reads the record at the front of `bytes`; gives it and its length. Entries keep sharing the
    /// memory.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] for a torn tail; anything else is damage.
    pub fn decode(bytes: &Bytes) -> Result<(Self, usize), DecodeError> {
        let (total, head_length) = Self::lengths(bytes)?;
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
        if let Some(meta) = head.snapshot.as_ref().filter(|meta| !meta.is_of_joiner()) {
            meta.membership.validate()?;
        }
        let chunk = |ChunkHead { snapshot, offset, total, length }| {
            let fits = length as usize <= body.len();
            let data = fits.then(|| body.split_to(length as usize)).ok_or(DecodeError::Head)?;
            Ok::<_, DecodeError>(Box::new(SnapshotChunk { snapshot, offset, total, data }))
        };
        let snapshot_chunk = head.snapshot_chunk.map(chunk).transpose()?;
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

/// What a record begins with: version, lengths, and the low half of the XXH3 of these.
fn fixed_bytes(total: u32, head_length: u32) -> [u8; FIXED_BYTES] {
    let mut fixed = [FORMAT_VERSION; FIXED_BYTES];
    let (lengths, checksum) = fixed.split_at_mut(LENGTHS_BYTES);
    let words = [total.to_le_bytes(), head_length.to_le_bytes()].into_iter().flatten();
    lengths.iter_mut().skip(1).zip(words).for_each(|(place, byte)| *place = byte);
    checksum.copy_from_slice(&(xxh3_64(lengths) as u32).to_le_bytes());
    fixed
}
