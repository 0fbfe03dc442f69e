//! Small values, to and from the classes of `raftcore.values`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raftcore::{
    ChunkId, EntryId, LogIndex, LogReadId, LogRequest, Member, Membership, NodeId, SnapshotId,
    SnapshotMeta, WriteId,
};

/// A class of the Python half, imported once.
macro_rules! class {
    ($py:expr, $module:literal, $name:literal) => {{
        static CLASS: pyo3::sync::PyOnceLock<Py<pyo3::types::PyType>> =
            pyo3::sync::PyOnceLock::new();
        CLASS.import($py, $module, $name)
    }};
}
pub(crate) use class;

/// `raftcore.EntryId`.
pub(crate) fn entry_id(py: Python<'_>, id: EntryId) -> PyResult<Bound<'_, PyAny>> {
    class!(py, "raftcore.values", "EntryId")?.call1((id.term.get(), id.index.get()))
}

/// `raftcore.WriteId`.
pub(crate) fn write_id(py: Python<'_>, id: WriteId) -> PyResult<Bound<'_, PyAny>> {
    class!(py, "raftcore.values", "WriteId")?.call1((id.incarnation.get(), id.sequence))
}

/// `raftcore.Membership`.
pub(crate) fn membership<'py>(
    py: Python<'py>,
    index: LogIndex,
    membership: &Membership,
) -> PyResult<Bound<'py, PyAny>> {
    let member = |member: &Member| {
        let context = PyBytes::new(py, &member.context);
        let fields = (member.id.get(), member.voter, member.promote, context);
        class!(py, "raftcore.values", "Member")?.call1(fields)
    };
    let members = membership.members().iter().map(member).collect::<PyResult<Vec<_>>>()?;
    let outgoing = membership.outgoing().iter().map(|id| id.get());
    let fields =
        (index.get(), PyTuple::new(py, members)?, PyTuple::new(py, outgoing.collect::<Vec<_>>())?);
    class!(py, "raftcore.values", "Membership")?.call1(fields)
}

/// `raftcore.SnapshotId`.
pub(crate) fn snapshot_id(py: Python<'_>, id: SnapshotId) -> PyResult<Bound<'_, PyAny>> {
    let SnapshotId { index, term, maker, incarnation, counter } = id;
    let fields = (index.get(), term.get(), maker.get(), incarnation.get(), counter);
    class!(py, "raftcore.values", "SnapshotId")?.call1(fields)
}

/// `raftcore.Snapshot`.
pub(crate) fn snapshot<'py>(py: Python<'py>, meta: &SnapshotMeta) -> PyResult<Bound<'py, PyAny>> {
    let fields = (snapshot_id(py, meta.id)?, meta.length, meta.checksum);
    class!(py, "raftcore.values", "Snapshot")?.call1(fields)
}

/// The attributes of a `raftcore.ReadSnapshot` that name it.
#[derive(FromPyObject)]
pub(crate) struct ReadSnapshotFields {
    incarnation: u64,
    sequence: u64,
}

impl From<ReadSnapshotFields> for ChunkId {
    fn from(fields: ReadSnapshotFields) -> Self {
        Self { incarnation: fields.incarnation.into(), sequence: fields.sequence }
    }
}

/// The attributes of a `raftcore.WriteId`.
#[derive(FromPyObject)]
pub(crate) struct WriteIdFields {
    incarnation: u64,
    sequence: u64,
}

impl From<WriteIdFields> for WriteId {
    fn from(fields: WriteIdFields) -> Self {
        Self { incarnation: fields.incarnation.into(), sequence: fields.sequence }
    }
}

/// The attributes of a `raftcore.ReadLog`.
#[derive(FromPyObject)]
pub(crate) struct ReadLogFields {
    incarnation: u64,
    sequence: u64,
    first: u64,
    last: u64,
    max_bytes: usize,
}

impl From<ReadLogFields> for LogRequest {
    fn from(fields: ReadLogFields) -> Self {
        let ReadLogFields { incarnation, sequence, first, last, max_bytes } = fields;
        let id = LogReadId { incarnation: incarnation.into(), sequence };
        Self { id, first: first.into(), last: last.into(), max_bytes }
    }
}

/// The attributes of a `raftcore.Member`.
#[derive(FromPyObject)]
pub(crate) struct MemberFields {
    id: u64,
    voter: bool,
    promote: bool,
    context: Vec<u8>,
}

impl From<MemberFields> for Member {
    fn from(fields: MemberFields) -> Self {
        let MemberFields { id, voter, promote, context } = fields;
        Self { id: NodeId(id), voter, promote, context }
    }
}
