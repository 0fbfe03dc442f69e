//! Plain structs of the interface.

use core_raftcore::{EntryId, WriteId};

/// Bytes that belong to another object, which says how long they are valid.
///
/// Where the library gives it, `data` is never NULL, not even when `length` is 0.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub length: usize,
}

impl From<&[u8]> for raftcore_bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), length: bytes.len() }
    }
}

/// Names one entry for ever (Raft 5.3, Log Matching).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct raftcore_entry_id {
    /// The term in which a leader created the entry.
    pub term: u64,
    /// Its position in the log; the first entry has index 1.
    pub index: u64,
}

impl From<EntryId> for raftcore_entry_id {
    fn from(id: EntryId) -> Self {
        Self { term: id.term.get(), index: id.index.get() }
    }
}

/// Names one write: the life of the node that made it, and its place therein.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct raftcore_write_id {
    /// The life of the node: how often it was started.
    pub incarnation: u64,
    /// 1 for the first write of that life, then one more each.
    pub sequence: u64,
}

impl From<WriteId> for raftcore_write_id {
    fn from(id: WriteId) -> Self {
        Self { incarnation: id.incarnation.get(), sequence: id.sequence }
    }
}

impl From<raftcore_write_id> for WriteId {
    fn from(id: raftcore_write_id) -> Self {
        Self { incarnation: id.incarnation.into(), sequence: id.sequence }
    }
}
