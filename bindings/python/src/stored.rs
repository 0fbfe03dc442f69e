//! `raftcore.Stored`.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};
use raftcore::{Identity, Member, Membership, MembershipError, StartError, Write};

use crate::convert::{MemberFields, snapshot};
use crate::errors::{self, raised};
use crate::guard::Guarded;

/// Bytes of a record from which its length can be told.
const RECORD_FRONT_BYTES: usize = 16;

/// What a node last persisted: the fold of its stored writes, from which it is started once.
#[pyclass(frozen, module = "raftcore")]
pub(crate) struct Stored(Guarded<Option<raftcore::Stored>>);

impl Stored {
    fn new(stored: raftcore::Stored) -> Self {
        Self(Guarded::new(Some(stored)))
    }

    fn founded(
        py: Python<'_>,
        group: u64,
        node: u64,
        membership: Result<Membership, MembershipError>,
    ) -> PyResult<Self> {
        let identity = Identity { group: group.into(), node: node.into() };
        Ok(Self::new(raftcore::Stored::found(identity, raised(py, membership)?)))
    }

    /// Uses the value, which a node must not have been started from.
    fn with<R>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut raftcore::Stored) -> R,
    ) -> PyResult<R> {
        self.0.with(py, |stored| stored.as_mut().map(call))?.ok_or_else(|| used(py))
    }

    /// Starts a node, which uses the value up; a failure leaves it as it was.
    pub(crate) fn start(
        &self,
        py: Python<'_>,
        begin: impl FnOnce(raftcore::Stored) -> Result<raftcore::Node, StartError>,
    ) -> PyResult<raftcore::Node> {
        let begun = self.0.with(py, |stored| {
            let begun = begin(stored.clone()?);
            if begun.is_ok() {
                *stored = None;
            }
            Some(begun)
        })?;
        raised(py, begun.ok_or_else(|| used(py))?)
    }
}

/// Copies one record, not the rest of the file.
pub(crate) fn first_record(data: &Bound<'_, PyAny>) -> PyResult<Bytes> {
    let py = data.py();
    let view = PyMemoryView::from(data)?;
    let copy = |length: usize| {
        let end = isize::try_from(length)?;
        PyBuffer::<u8>::get(&view.get_item(PySlice::new(py, 0, end, 1))?)?.to_vec(py)
    };
    let length = raised(py, Write::record_length(&copy(RECORD_FRONT_BYTES)?))?;
    copy(length).map(Bytes::from)
}

fn used(py: Python<'_>) -> PyErr {
    errors::misuse(py, "a node was started from this already", "AlreadyStarted")
}

#[pymethods]
impl Stored {
    /// The first start of a founding member; its storage must be empty.
    ///
    /// Every founding member is given the same voters. Do this once for a group. A node that is
    /// added later starts with `join`.
    #[staticmethod]
    fn found(py: Python<'_>, group: u64, node: u64, voters: Vec<u64>) -> PyResult<Self> {
        Self::founded(py, group, node, Membership::of_voters(voters))
    }

    /// The same with learners and contexts: the members as `Node.membership` will tell them.
    #[staticmethod]
    fn found_members(
        py: Python<'_>,
        group: u64,
        node: u64,
        members: Vec<MemberFields>,
    ) -> PyResult<Self> {
        let members = members.into_iter().map(Member::from);
        Self::founded(py, group, node, Membership::new(members))
    }

    /// The first start of a node that a running group will add; its storage must be empty.
    ///
    /// It waits, without knowing anybody, for a leader that adds it.
    #[staticmethod]
    fn join(group: u64, node: u64) -> Self {
        let identity = Identity { group: group.into(), node: node.into() };
        Self::new(raftcore::Stored::join(identity))
    }

    /// Nothing yet: replay the stored records into it. The beginning of every restart.
    #[staticmethod]
    fn empty() -> Self {
        Self::new(raftcore::Stored::empty())
    }

    /// Folds in the record at the front of `data`, and gives its length.
    ///
    /// Call it for each record, oldest first. A `DecodeError` of kind "Truncated" at the end of a
    /// file is a write that a crash tore: it was never acknowledged, and may be cut off.
    fn replay(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (write, length) = raised(py, Write::decode(&first_record(data)?))?;
        raised(py, self.with(py, |stored| stored.replay(write))?)?;
        Ok(length)
    }

    /// The few records that say the same, so that a file can be rotated. The bytes of the newest snapshot
    /// are not among them: keep those apart.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let writes = raised(py, self.with(py, |stored| stored.checkpoint())?)?;
        Ok(writes.iter().map(|write| PyBytes::new(py, &write.encode())).collect())
    }

    /// Whether there is nothing to start from: no record, or only a first one that a crash cut
    /// short.
    #[getter]
    fn is_empty(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |stored| stored.is_empty())
    }

    /// The newest snapshot. All others may be deleted before a node is started.
    #[getter]
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let newest = self.with(py, |stored| stored.snapshot().cloned())?;
        newest.map(|meta| snapshot(py, &meta)).transpose()
    }
}
