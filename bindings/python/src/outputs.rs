//! Outputs of the core as the classes of `raftcore.outputs`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use raftcore::{
    ChunkRequest, Committed, EntryRef, Event, HaltReason, LogIndex, LogRequest, Output,
    ReadFailure, SnapshotChunk, StepDownReason, Write,
};

use crate::convert::{class, entry_id, snapshot, snapshot_id, write_id};

type Made<'py> = PyResult<Bound<'py, PyAny>>;

macro_rules! make {
    ($py:expr, $name:literal, $fields:expr) => {
        class!($py, "raftcore.outputs", $name)?.call1($fields)
    };
}

/// The Python value of an output.
pub(crate) fn output(py: Python<'_>, output: Output) -> Made<'_> {
    match output {
        Output::Send(message) => {
            let frame = PyBytes::new(py, &message.encode().to_bytes());
            make!(py, "Send", (message.to().get(), frame))
        }
        Output::Persist(write) => {
            let record = PyBytes::new(py, &write.encode());
            make!(py, "Persist", (write_id(py, write.id)?, record, changes(py, &write)?))
        }
        Output::Apply(committed) => apply(py, &committed),
        Output::ReadReady(id) => make!(py, "ReadReady", (id.get(),)),
        Output::ReadFailed { id, reason } => {
            let reason = match reason {
                ReadFailure::LeaderLost => "leader-lost",
                ReadFailure::TimedOut => "timed-out",
                _ => "other",
            };
            let reason = make!(py, "ReadFailure", (reason,))?;
            make!(py, "ReadFailed", (id.get(), reason))
        }
        Output::ProposalsLost { from, through } => {
            make!(py, "ProposalsLost", (entry_id(py, from)?, through.get()))
        }
        Output::ProposalsUnknown { from, through } => {
            make!(py, "ProposalsUnknown", (entry_id(py, from)?, through.get()))
        }
        Output::Halted(reason) => halted(py, &reason),
        Output::Event(notice) => event(py, &notice),
        Output::ReadLog(request) => {
            let LogRequest { id, first, last, max_bytes } = request;
            let (incarnation, first, last) = (id.incarnation.get(), first.get(), last.get());
            make!(py, "ReadLog", (incarnation, id.sequence, first, last, max_bytes))
        }
        Output::Restore(meta) => make!(py, "Restore", (snapshot(py, &meta)?,)),
        Output::ReadSnapshot(request) => {
            let ChunkRequest { id, snapshot, offset, max_bytes } = request;
            let (incarnation, name) = (id.incarnation.get(), snapshot_id(py, snapshot)?);
            make!(py, "ReadSnapshot", (incarnation, id.sequence, name, offset, max_bytes))
        }
    }
}

fn changes<'py>(py: Python<'py>, write: &Write) -> Made<'py> {
    let chunk = |chunk: &SnapshotChunk| {
        let (id, data) = (snapshot_id(py, chunk.snapshot)?, PyBytes::new(py, &chunk.data));
        class!(py, "raftcore.values", "SnapshotChunk")?.call1((id, chunk.offset, chunk.total, data))
    };
    let entries = Some(&write.entries).filter(|entries| !entries.is_empty());
    let fields = (
        write.snapshot_chunk.as_deref().map(chunk).transpose()?,
        write.snapshot.as_deref().map(|meta| snapshot(py, meta)).transpose()?,
        write.reset_log_to.is_some(),
        write.truncate_from.map(LogIndex::get),
        entries.map(|entries| entries.first().get()),
        entries.map(|entries| entries.last().get()),
        write.discard_through.map(LogIndex::get),
        write.release_snapshots_below.map(|id| snapshot_id(py, id)).transpose()?,
    );
    make!(py, "Changes", fields)
}

fn apply<'py>(py: Python<'py>, committed: &Committed) -> Made<'py> {
    let command = |entry: EntryRef<'_>| {
        make!(py, "Command", (entry_id(py, entry.id)?, PyBytes::new(py, entry.payload)))
    };
    let commands = committed.commands().map(command).collect::<PyResult<Vec<_>>>()?;
    let (first, last) = (committed.entries.first().get(), committed.last().get());
    make!(py, "Apply", (first, last, PyTuple::new(py, commands)?))
}

fn halted<'py>(py: Python<'py>, reason: &HaltReason) -> Made<'py> {
    let (reason, at) = match reason {
        HaltReason::StorageFailed => ("storage-failed", None),
        HaltReason::OutOfRange => ("out-of-range", None),
        HaltReason::Diverged { at } => ("diverged", Some(entry_id(py, *at)?)),
        HaltReason::LogDamaged { .. } => ("log-damaged", None),
        _ => ("other", None),
    };
    let reason = make!(py, "HaltReason", (reason,))?;
    make!(py, "Halted", (reason, at))
}

fn event<'py>(py: Python<'py>, event: &Event) -> Made<'py> {
    match event {
        Event::BecameLeader { term } => make!(py, "BecameLeader", (term.get(),)),
        Event::SteppedDown { term, reason } => {
            let reason = make!(py, "StepDownReason", (step_down(*reason),))?;
            make!(py, "SteppedDown", (term.get(), reason))
        }
        Event::LeaderChanged { term, leader } => {
            make!(py, "LeaderChanged", (term.get(), leader.get()))
        }
        Event::Diverged { peer, at } => make!(py, "Diverged", (peer.get(), entry_id(py, *at)?)),
        Event::MembershipChanged { index } => make!(py, "MembershipChanged", (index.get(),)),
        Event::TransferFailed { to } => make!(py, "TransferFailed", (to.get(),)),
        _ => make!(py, "Event", ()),
    }
}

const fn step_down(reason: StepDownReason) -> &'static str {
    match reason {
        StepDownReason::HigherTerm => "higher-term",
        StepDownReason::NoQuorum => "no-quorum",
        StepDownReason::DiskStalled => "disk-stalled",
        StepDownReason::Asked => "asked",
        StepDownReason::Removed => "removed",
        _ => "other",
    }
}
