//! `raftcore.Node`.

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use raftcore::{
    Chunk, LogRequest, Member, MembershipChange, Message, NodeId, ReadConsistency, ReadId, Refused,
    RoleName, Tick, Unavailable, Write,
};

use crate::config::Config;
use crate::convert::{
    MemberFields, ReadLogFields, ReadSnapshotFields, WriteIdFields, class, entry_id, membership,
};
use crate::errors::{self, raised};
use crate::guard::Guarded;
use crate::outputs;
use crate::stored::{Stored, first_record};

/// One participant of one Raft group: a value without threads, clocks, files or sockets.
#[pyclass(frozen, module = "raftcore")]
pub(crate) struct Node(Guarded<raftcore::Node>);

type Core = raftcore::Node;

#[pymethods]
impl Node {
    /// Starts a node: the one door for first start and every restart.
    ///
    /// `applied` is the last entry that the state machine durably holds, 0 if it lives in memory.
    /// Success uses `stored` up.
    #[new]
    #[pyo3(signature = (config, stored, applied = 0))]
    fn new(
        py: Python<'_>,
        config: Config,
        stored: &Bound<'_, Stored>,
        applied: u64,
    ) -> PyResult<Self> {
        let config = raftcore::Config::from(config);
        let start = |stored| Core::new(config, stored, applied.into());
        Ok(Self(Guarded::new(stored.get().start(py, start)?)))
    }

    /// Tells the time: absolute, monotonic, in ticks. An earlier one is ignored.
    fn tick(&self, py: Python<'_>, now: u64) -> PyResult<()> {
        self.0.with(py, |node| node.tick(Tick(now)))
    }

    /// Takes one whole frame from a peer. A rejected one changes nothing.
    fn receive(&self, py: Python<'_>, frame: PyBuffer<u8>) -> PyResult<()> {
        let frame = Bytes::from(frame.to_vec(py)?);
        let message = raised(py, Message::decode(frame))?;
        raised(py, self.0.with(py, |node| node.receive(message))?)
    }

    /// Proposes a command. It is applied if, and only if, an `Apply` later holds its id.
    fn propose<'py>(&self, py: Python<'py>, payload: PyBuffer<u8>) -> PyResult<Bound<'py, PyAny>> {
        let payload = payload.to_vec(py)?;
        let id = raised(py, self.0.with(py, |node| node.propose(&payload))?)?;
        entry_id(py, id)
    }

    /// Proposes a complete new topology (Raft 6), computed from the membership at `based_on`.
    ///
    /// Takes effect at once; over when `MembershipChanged` says so.
    fn propose_membership<'py>(
        &self,
        py: Python<'py>,
        based_on: u64,
        members: Vec<MemberFields>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let members = members.into_iter().map(Member::from).collect();
        let change = MembershipChange { based_on: based_on.into(), members };
        let id = raised(py, self.0.with(py, |node| node.propose_membership(change))?)?;
        entry_id(py, id)
    }

    /// Asks to read the state machine (thesis 6.4).
    ///
    /// Each accepted read ends in exactly one `ReadReady` or `ReadFailed` with this id, after
    /// `read_ticks_max` ticks at the latest. A follower asks the leader.
    fn read(&self, py: Python<'_>, id: u64, consistency: &str) -> PyResult<()> {
        let consistency = match consistency {
            "linearizable" => ReadConsistency::Linearizable,
            "lease" => ReadConsistency::Lease,
            "stale" => ReadConsistency::Stale,
            _ => return Err(errors::misuse(py, "no such consistency", "UnknownConsistency")),
        };
        self.wish(py, |node| node.read(ReadId(id), consistency))
    }

    /// Hands leadership to another voter as soon as its log is complete (thesis 3.10).
    ///
    /// Proposals are refused meanwhile. If it takes too long, `TransferFailed` says so.
    fn transfer_leadership(&self, py: Python<'_>, to: u64) -> PyResult<()> {
        self.wish(py, |node| node.transfer_leadership(NodeId(to)))
    }

    /// Runs for leadership now, without waiting for the timeout. Needs one `tick` before.
    fn campaign(&self, py: Python<'_>) -> PyResult<()> {
        self.wish(py, Core::campaign)
    }

    /// Gives leadership up; another election follows, which this node may win again.
    fn step_down(&self, py: Python<'_>) -> PyResult<()> {
        self.wish(py, Core::step_down)
    }

    /// Gives memory back, down to about `max_bytes`; for hosts of many groups.
    fn trim(&self, py: Python<'_>, max_bytes: usize) -> PyResult<()> {
        self.0.with(py, |node| node.trim(max_bytes))
    }

    /// Every write up to this one survives a crash. Cumulative; repeats are harmless.
    fn persisted(&self, py: Python<'_>, write: WriteIdFields) -> PyResult<()> {
        raised(py, self.0.with(py, |node| node.persisted(write.into()))?)
    }

    /// The state machine has applied everything up to `index`. Cumulative; repeats are harmless.
    fn applied(&self, py: Python<'_>, index: u64) -> PyResult<()> {
        raised(py, self.0.with(py, |node| node.applied(index.into()))?)
    }

    /// Answers a `ReadLog` out of stored records, in the order in which they were written: those that
    /// hold the entries asked for, others do no harm.
    ///
    /// Without records, or if they do not hold what is needed, the node asks again a heartbeat later.
    /// Late and repeated answers are harmless. Records that are not what the node wrote halt it.
    fn log_read(
        &self,
        py: Python<'_>,
        request: ReadLogFields,
        records: Vec<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let request = LogRequest::from(request);
        let decode = |record| Ok(raised(py, Write::decode(&first_record(record)?))?.0);
        let writes = records.iter().map(decode).collect::<PyResult<Vec<_>>>()?;
        let answer = request.answer(&writes);
        raised(py, self.0.with(py, |node| node.log_read(request.id, answer))?)
    }

    /// A snapshot of the state machine at `index` was taken and its bytes are durable (Raft 7).
    ///
    /// A later `Persist` hands out its name, and others say what may be deleted because of it. Ignored
    /// if it is not newer than the newest one.
    fn snapshot_taken(&self, py: Python<'_>, index: u64) -> PyResult<()> {
        raised(py, self.0.with(py, |node| node.snapshot_taken(index.into()))?)
    }

    /// Answers a `ReadSnapshot`: bytes at its offset, of a snapshot of `total` bytes.
    ///
    /// A short answer is legal; one that nobody waits for any more is ignored.
    fn snapshot_chunk(
        &self,
        py: Python<'_>,
        request: ReadSnapshotFields,
        total: u64,
        data: PyBuffer<u8>,
    ) -> PyResult<()> {
        let chunk = Ok(Chunk { total, data: data.to_vec(py)?.into() });
        raised(py, self.0.with(py, |node| node.snapshot_chunk(request.into(), chunk))?)
    }

    /// Answers a `ReadSnapshot`: it cannot be read. The node tries again later.
    fn snapshot_unavailable(&self, py: Python<'_>, request: ReadSnapshotFields) -> PyResult<()> {
        let answer = |node: &mut Core| node.snapshot_chunk(request.into(), Err(Unavailable));
        raised(py, self.0.with(py, answer)?)
    }

    /// A write failed. Never retry a failed sync: the node halts; start it from disk.
    fn storage_failed(&self, py: Python<'_>) -> PyResult<()> {
        self.0.with(py, Core::storage_failed)
    }

    /// The next duty, or None if there is none now. Carry duties out in the order given.
    fn poll_output<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let output = self.0.with(py, Core::poll_output)?;
        output.map(|output| outputs::output(py, output)).transpose()
    }

    /// Whether `poll_output` would hand out a duty.
    #[getter]
    fn has_output(&self, py: Python<'_>) -> PyResult<bool> {
        self.0.with(py, |node| node.has_output())
    }

    /// The tick at which the next timer fires; nothing happens by itself before.
    #[getter]
    fn deadline(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.0.with(py, |node| node.deadline().map(Tick::get))
    }

    /// The group it belongs to.
    #[getter]
    fn group(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.identity().group.get())
    }

    /// Its id within the group.
    #[getter]
    fn id(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.identity().node.get())
    }

    /// How often it was started.
    #[getter]
    fn incarnation(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.incarnation().get())
    }

    /// Its role.
    #[getter]
    fn role<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let role = match self.0.with(py, |node| node.role())? {
            RoleName::Follower => "follower",
            RoleName::PreCandidate => "pre-candidate",
            RoleName::Candidate => "candidate",
            RoleName::Leader => "leader",
        };
        class!(py, "raftcore.values", "Role")?.call1((role,))
    }

    /// Its term.
    #[getter]
    fn term(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.term().get())
    }

    /// The leader it knows of in its term.
    #[getter]
    fn leader(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.0.with(py, |node| node.leader().map(NodeId::get))
    }

    /// The last entry known to be committed.
    #[getter]
    fn commit_index(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.commit_index().get())
    }

    /// The last entry that the state machine has applied.
    #[getter]
    fn applied_index(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.applied_index().get())
    }

    /// The last entry of its log.
    #[getter]
    fn last_index(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.with(py, |node| node.last_index().get())
    }

    /// The membership in force.
    #[getter]
    fn membership<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let ask = |node: &mut Core| (node.membership_index(), node.membership().clone());
        let (index, current) = self.0.with(py, ask)?;
        membership(py, index, &current)
    }

    /// The checksum of the log up to and including `index`, if the node holds it.
    fn checksum_at(&self, py: Python<'_>, index: u64) -> PyResult<Option<u32>> {
        self.0.with(py, |node| node.checksum_at(index.into()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.0.with(py, |node| {
            let (id, role, term) = (node.identity().node, node.role(), node.term());
            format!("<raftcore.Node {id}: {role:?} in term {term}, commit {}>", node.commit_index())
        })
    }
}

impl Node {
    fn wish(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut Core) -> Result<(), Refused>,
    ) -> PyResult<()> {
        raised(py, self.0.with(py, call)?)
    }
}
