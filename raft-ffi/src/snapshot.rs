//! Snapshots: their names, what a write says of them, and pieces of them for peers.

use bytes::Bytes;
use core_raftcore::{
    Chunk, ChunkId, ChunkRequest, Output, SnapshotChunk, SnapshotId, SnapshotMeta, Unavailable,
    Write,
};

use crate::fail::Fail;
use crate::guard::{Out, elements, lent};
use crate::node::{change, raftcore_node};
use crate::output::{look, raftcore_output, wrong_kind};
use crate::status::raftcore_status;
use crate::stored::{look as look_at_stored, raftcore_stored};
use crate::types::raftcore_bytes;

/// Names one snapshot for ever; two snapshots of one index by two makers are two snapshots.
///
/// They are ordered by their fields, the first one first: a snapshot is older than another one if it
/// comes before it in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct raftcore_snapshot_id {
    /// The last entry it contains.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The node that made it.
    pub maker: u64,
    /// The life of the maker.
    pub incarnation: u64,
    /// Its number within that life.
    pub counter: u64,
}

impl From<SnapshotId> for raftcore_snapshot_id {
    fn from(id: SnapshotId) -> Self {
        Self {
            index: id.index.get(),
            term: id.term.get(),
            maker: id.maker.get(),
            incarnation: id.incarnation.get(),
            counter: id.counter,
        }
    }
}

impl From<raftcore_snapshot_id> for SnapshotId {
    fn from(id: raftcore_snapshot_id) -> Self {
        Self {
            index: id.index.into(),
            term: id.term.into(),
            maker: id.maker.into(),
            incarnation: id.incarnation.into(),
            counter: id.counter,
        }
    }
}

/// A snapshot, without its bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct raftcore_snapshot {
    /// Its name. Index 0 is the founding of the group, which has no bytes.
    pub id: raftcore_snapshot_id,
    /// Its length in bytes; 0 for one that was taken here, whose length the library does not know.
    pub length: u64,
    /// XXH3 of all its bytes; 0 for one that was taken here.
    pub checksum: u64,
}

impl From<&SnapshotMeta> for raftcore_snapshot {
    fn from(meta: &SnapshotMeta) -> Self {
        Self { id: meta.id.into(), length: meta.length, checksum: meta.checksum }
    }
}

/// Bytes of a snapshot that came from a peer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_snapshot_chunk {
    /// The snapshot.
    pub snapshot: raftcore_snapshot_id,
    /// Where the bytes begin. An offset that was there before begins anew from there.
    pub offset: u64,
    /// Length of the whole snapshot, in bytes.
    pub total: u64,
    /// The bytes, borrowed until the output is released.
    pub data: raftcore_bytes,
}

impl From<&SnapshotChunk> for raftcore_snapshot_chunk {
    fn from(chunk: &SnapshotChunk) -> Self {
        Self {
            snapshot: chunk.snapshot.into(),
            offset: chunk.offset,
            total: chunk.total,
            data: chunk.data[..].into(),
        }
    }
}

/// What a write changes, in the order in which it is carried out. The record of
/// `raftcore_output_persist` says all of it; this is for hosts that keep snapshots or entries apart.
///
/// After a crash any prefix of the writes, down to between two of these fields, is legal.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_write {
    /// Whether `chunk` is there: 1 or 0.
    pub has_chunk: u32,
    /// Whether `snapshot` is there: 1 or 0.
    pub has_snapshot: u32,
    /// Whether the log begins anew after the snapshot, without any entry: 1 or 0.
    pub resets_log: u32,
    /// Whether `release_below` is there: 1 or 0.
    pub has_release: u32,
    /// Bytes of a snapshot to keep.
    pub chunk: raftcore_snapshot_chunk,
    /// The newest snapshot: one whose bytes were kept before, or, if its maker is this node, the one
    /// that was told with `raftcore_node_snapshot_taken` for its index. By itself it deletes nothing.
    pub snapshot: raftcore_snapshot,
    /// Delete this entry and all after it; 0: none.
    pub truncate_from: u64,
    /// The first entry to append; 0: none.
    pub first_entry: u64,
    /// The last entry to append; 0: none.
    pub last_entry: u64,
    /// Entries up to here may be deleted; 0: none.
    pub discard_through: u64,
    /// Snapshots older than this one may be deleted, finished or not.
    pub release_below: raftcore_snapshot_id,
}

impl From<&Write> for raftcore_write {
    fn from(write: &Write) -> Self {
        let nothing: &[u8] = &[];
        let no_chunk = raftcore_snapshot_chunk {
            snapshot: raftcore_snapshot_id::default(),
            offset: 0,
            total: 0,
            data: nothing.into(),
        };
        let (chunk, snapshot) = (write.snapshot_chunk.as_deref(), write.snapshot.as_deref());
        let entries = Some(&write.entries).filter(|entries| !entries.is_empty());
        Self {
            has_chunk: chunk.is_some().into(),
            has_snapshot: snapshot.is_some().into(),
            resets_log: write.reset_log_to.is_some().into(),
            has_release: write.release_snapshots_below.is_some().into(),
            chunk: chunk.map_or(no_chunk, Into::into),
            snapshot: snapshot.map(Into::into).unwrap_or_default(),
            truncate_from: write.truncate_from.map_or(0, |index| index.get()),
            first_entry: entries.map_or(0, |entries| entries.first().get()),
            last_entry: entries.map_or(0, |entries| entries.last().get()),
            discard_through: write.discard_through.map_or(0, |index| index.get()),
            release_below: write.release_snapshots_below.map(Into::into).unwrap_or_default(),
        }
    }
}

/// A piece of a snapshot that a node wants to send to a peer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct raftcore_chunk_request {
    /// The life of the node that asks.
    pub incarnation: u64,
    /// Its name in that life.
    pub sequence: u64,
    /// The snapshot.
    pub snapshot: raftcore_snapshot_id,
    /// Where the piece begins.
    pub offset: u64,
    /// How long it may be.
    pub max_bytes: usize,
}

impl From<ChunkRequest> for raftcore_chunk_request {
    fn from(request: ChunkRequest) -> Self {
        Self {
            incarnation: request.id.incarnation.get(),
            sequence: request.id.sequence,
            snapshot: request.snapshot.into(),
            offset: request.offset,
            max_bytes: request.max_bytes,
        }
    }
}

/// What a write changes. Bytes in it are borrowed until the release.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_write(
    output: *const raftcore_output,
    out_write: *mut raftcore_write,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_write)?;
            out.put(output.write().map_or_else(wrong_kind, Ok)?.into());
            Ok(())
        })
    }
}

/// Which snapshot the state machine is to be replaced by, all or nothing; it is durable. Then
/// `raftcore_node_applied` with its index.
///
/// What comes after this output waits for it: apply nothing before the state machine is replaced.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_restore(
    output: *const raftcore_output,
    out_snapshot: *mut raftcore_snapshot,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_snapshot)?;
            let Some(Output::Restore(meta)) = output.other() else { return wrong_kind() };
            out.put((&**meta).into());
            Ok(())
        })
    }
}

/// Which piece of a snapshot to read; answer with `raftcore_node_snapshot_chunk` or
/// `raftcore_node_snapshot_unavailable`, at any later time.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_chunk_request(
    output: *const raftcore_output,
    out_request: *mut raftcore_chunk_request,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_request)?;
            let Some(Output::ReadSnapshot(request)) = output.other() else { return wrong_kind() };
            out.put((*request).into());
            Ok(())
        })
    }
}

/// Answers a `RAFTCORE_OUTPUT_READ_SNAPSHOT`: bytes at the offset asked for, of a snapshot that has
/// `total` bytes. A short answer is legal; one that nobody waits for any more is ignored.
///
/// `data` is copied. Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`,
/// `RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST`, `RAFTCORE_STATUS_MISUSE_WRONG_ANSWER` for more bytes than
/// asked for, `RAFTCORE_STATUS_MISUSE_HALTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_snapshot_chunk(
    node: *mut raftcore_node,
    request: *const raftcore_chunk_request,
    total: u64,
    data: *const u8,
    length: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let data = Bytes::copy_from_slice(elements(data, length)?);
            Ok(node.snapshot_chunk(request_id(request)?, Ok(Chunk { total, data }))?)
        })
    }
}

/// Answers a `RAFTCORE_OUTPUT_READ_SNAPSHOT`: the snapshot cannot be read. The node tries again
/// later, perhaps with a newer one.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST`,
/// `RAFTCORE_STATUS_MISUSE_HALTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_snapshot_unavailable(
    node: *mut raftcore_node,
    request: *const raftcore_chunk_request,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { change(node, |node| Ok(node.snapshot_chunk(request_id(request)?, Err(Unavailable))?)) }
}

/// # Safety
/// `request` is NULL, or good for reading.
unsafe fn request_id(request: *const raftcore_chunk_request) -> Result<ChunkId, Fail> {
    // SAFETY: promised by the caller.
    let request = unsafe { lent(request) }?;
    Ok(ChunkId { incarnation: request.incarnation.into(), sequence: request.sequence })
}

/// The newest snapshot among what is stored: `*out_has` is false, and `*out_snapshot` zero, if there is
/// none. All others, finished or not, may be deleted before a node is started.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_ALREADY_STARTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_snapshot(
    stored: *const raftcore_stored,
    out_has: *mut bool,
    out_snapshot: *mut raftcore_snapshot,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look_at_stored(stored, |stored| {
            let (out_has, out_snapshot) = (Out::new(out_has)?, Out::new(out_snapshot)?);
            let newest = stored.snapshot();
            out_has.put(newest.is_some());
            out_snapshot.put(newest.map(Into::into).unwrap_or_default());
            Ok(())
        })
    }
}
