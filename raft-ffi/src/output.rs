//! `raftcore_output`: one duty of the caller, as an owned value.

use core::ops::Range;
use core_raftcore::{
    Committed, EntryId, Event, Frame, HaltReason, LogIndex, Output, ReadFailure, StepDownReason,
    Write,
};

use crate::fail::Fail;
use crate::guard::{Out, copy_out, lent, status_of, take_back};
use crate::log_read::raftcore_log_request;
use crate::status::*;
use crate::types::{raftcore_bytes, raftcore_entry_id, raftcore_write_id};

/// Output: a frame for a peer; see `raftcore_output_send`. May leave now. Dropping, delaying or
/// repeating it costs time, never safety.
pub const RAFTCORE_OUTPUT_SEND: u32 = 1;
/// Output: a record to make durable, in order; see `raftcore_output_persist`, and
/// `raftcore_output_write` for what it says of snapshots. Then `raftcore_node_persisted`.
pub const RAFTCORE_OUTPUT_PERSIST: u32 = 2;
/// Output: committed entries; see `raftcore_output_apply`. Apply in order; then
/// `raftcore_node_applied`.
pub const RAFTCORE_OUTPUT_APPLY: u32 = 3;
/// Output: replace the state machine by a durable snapshot, all or nothing; see
/// `raftcore_output_restore`. Then `raftcore_node_applied`. Also the first duty of a node that is
/// started from less than its snapshot holds.
pub const RAFTCORE_OUTPUT_RESTORE: u32 = 4;
/// Output: read entries from storage; see `raftcore_output_log_request`, answered by
/// `raftcore_node_log_read`.
pub const RAFTCORE_OUTPUT_READ_LOG: u32 = 5;
/// Output: read a piece of a snapshot to send; see `raftcore_output_chunk_request`.
pub const RAFTCORE_OUTPUT_READ_SNAPSHOT: u32 = 6;
/// Output: the state machine may be read now; see `raftcore_output_read`.
pub const RAFTCORE_OUTPUT_READ_READY: u32 = 7;
/// Output: a read will not be served; see `raftcore_output_read`.
pub const RAFTCORE_OUTPUT_READ_FAILED: u32 = 8;
/// Output: own proposals were overwritten, certainly not applied; see `raftcore_output_proposals`.
pub const RAFTCORE_OUTPUT_PROPOSALS_LOST: u32 = 9;
/// Output: a snapshot passed own proposals, applied or not; see `raftcore_output_proposals`.
pub const RAFTCORE_OUTPUT_PROPOSALS_UNKNOWN: u32 = 10;
/// Output: the node refuses everything from now on; see `raftcore_output_halted`.
pub const RAFTCORE_OUTPUT_HALTED: u32 = 11;
/// Output: notice only, may be ignored; see `raftcore_output_event`.
pub const RAFTCORE_OUTPUT_EVENT: u32 = 12;

/// A reason newer than the lists below.
pub const RAFTCORE_REASON_OTHER: u32 = 0;
/// Halted: `raftcore_node_storage_failed` was called.
pub const RAFTCORE_HALT_STORAGE_FAILED: u32 = 1;
/// Halted: terms or indexes reached the end of their range.
pub const RAFTCORE_HALT_OUT_OF_RANGE: u32 = 2;
/// Halted: the log here contradicts what a quorum holds.
pub const RAFTCORE_HALT_DIVERGED: u32 = 3;
/// Halted: storage gave back other entries than were made durable.
pub const RAFTCORE_HALT_LOG_DAMAGED: u32 = 4;
/// Read failed: leadership was lost before the read was confirmed.
pub const RAFTCORE_READ_FAILED_LEADER_LOST: u32 = 1;
/// Read failed: no confirmation came in time.
pub const RAFTCORE_READ_FAILED_TIMED_OUT: u32 = 2;

/// Event: of a kind newer than this list.
pub const RAFTCORE_EVENT_OTHER: u32 = 0;
/// Event: this node became leader (Raft 5.2): `term`.
pub const RAFTCORE_EVENT_BECAME_LEADER: u32 = 1;
/// Event: this node is no longer leader: `term`, `reason`.
pub const RAFTCORE_EVENT_STEPPED_DOWN: u32 = 2;
/// Event: another node is known to lead: `term`, `node`.
pub const RAFTCORE_EVENT_LEADER_CHANGED: u32 = 3;
/// Event: a peer's log contradicts this one: `node`, `at`.
pub const RAFTCORE_EVENT_DIVERGED: u32 = 4;
/// Event: a membership change is over, the membership of this entry is committed: `at.index`.
pub const RAFTCORE_EVENT_MEMBERSHIP_CHANGED: u32 = 5;
/// Event: leadership could not be handed over in time, proposals are taken again (thesis 3.10):
/// `node`.
pub const RAFTCORE_EVENT_TRANSFER_FAILED: u32 = 6;
/// Stepped down: a message of a higher term arrived (Raft 5.1).
pub const RAFTCORE_STEP_DOWN_HIGHER_TERM: u32 = 1;
/// Stepped down: no quorum was heard for an election timeout (thesis 6.2).
pub const RAFTCORE_STEP_DOWN_NO_QUORUM: u32 = 2;
/// Stepped down: the disk has not acknowledged a write for `disk_stall_ticks`.
pub const RAFTCORE_STEP_DOWN_DISK_STALLED: u32 = 3;
/// Stepped down: `raftcore_node_step_down` was called.
pub const RAFTCORE_STEP_DOWN_ASKED: u32 = 4;
/// Stepped down: the node is no voter any more, and its successor did not take over in time.
pub const RAFTCORE_STEP_DOWN_REMOVED: u32 = 5;

/// One duty: an owned value that never changes and depends on nothing.
///
/// Owned by the caller until `raftcore_output_release`: at any time, on any thread, even after the
/// node was freed.
pub struct raftcore_output(Duty);

enum Duty {
    Send { to: u64, frame: Frame },
    Persist { write: Box<Write>, record: Vec<u8> },
    Apply { committed: Committed, commands: Vec<Span> },
    Other(Output),
}

/// Where one command lies within the bytes of the committed entries.
struct Span {
    id: EntryId,
    payload: Range<usize>,
}

/// A frame in the two parts in which it is sent, ready for a vectored write.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_frame {
    /// First.
    pub head: raftcore_bytes,
    /// Second; may be empty.
    pub body: raftcore_bytes,
    /// Both together, in bytes.
    pub length: usize,
}

/// One command for the state machine.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_command {
    /// Which entry it is.
    pub id: raftcore_entry_id,
    /// What was proposed.
    pub payload: raftcore_bytes,
}

/// Committed entries. Those of the library itself count, but are no commands.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_apply {
    /// Index of the first entry.
    pub first: u64,
    /// Index of the last entry: the number for `raftcore_node_applied`.
    pub last: u64,
    /// How many commands are among them.
    pub commands: usize,
}

/// Own proposals, from one entry through an index.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_proposals {
    /// The first of them.
    pub from: raftcore_entry_id,
    /// The index of the last.
    pub through: u64,
}

/// Why a node halted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_halt {
    /// One of `RAFTCORE_HALT_*`, or `RAFTCORE_REASON_OTHER`.
    pub reason: u32,
    /// An entry that differs, for `RAFTCORE_HALT_DIVERGED`; the index of the first entry that was
    /// read, for `RAFTCORE_HALT_LOG_DAMAGED`; zero otherwise.
    pub at: raftcore_entry_id,
}

/// Something worth knowing. Fields that `kind` does not name are zero.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct raftcore_event {
    /// One of `RAFTCORE_EVENT_*`.
    pub kind: u32,
    /// One of `RAFTCORE_STEP_DOWN_*`, or `RAFTCORE_REASON_OTHER`.
    pub reason: u32,
    /// A term.
    pub term: u64,
    /// A node.
    pub node: u64,
    /// An entry.
    pub at: raftcore_entry_id,
}

impl raftcore_output {
    /// Does the encoding now, so that the value never changes and can be read on any thread.
    pub(crate) fn new(output: Output) -> Self {
        Self(match output {
            Output::Send(message) => Duty::Send { to: message.to().get(), frame: message.encode() },
            Output::Persist(write) => {
                let record = write.encode();
                Duty::Persist { write: Box::new(write), record }
            }
            Output::Apply(committed) => {
                let commands = spans(&committed);
                Duty::Apply { committed, commands }
            }
            other => Duty::Other(other),
        })
    }

    pub(crate) const fn write(&self) -> Option<&Write> {
        match &self.0 {
            Duty::Persist { write, .. } => Some(write),
            _ => None,
        }
    }

    pub(crate) const fn other(&self) -> Option<&Output> {
        match &self.0 {
            Duty::Other(output) => Some(output),
            _ => None,
        }
    }

    const fn kind(&self) -> u32 {
        match &self.0 {
            Duty::Send { .. } | Duty::Other(Output::Send(_)) => RAFTCORE_OUTPUT_SEND,
            Duty::Persist { .. } | Duty::Other(Output::Persist(_)) => RAFTCORE_OUTPUT_PERSIST,
            Duty::Apply { .. } | Duty::Other(Output::Apply(_)) => RAFTCORE_OUTPUT_APPLY,
            Duty::Other(Output::Restore(_)) => RAFTCORE_OUTPUT_RESTORE,
            Duty::Other(Output::ReadLog(_)) => RAFTCORE_OUTPUT_READ_LOG,
            Duty::Other(Output::ReadSnapshot(_)) => RAFTCORE_OUTPUT_READ_SNAPSHOT,
            Duty::Other(Output::ReadReady(_)) => RAFTCORE_OUTPUT_READ_READY,
            Duty::Other(Output::ReadFailed { .. }) => RAFTCORE_OUTPUT_READ_FAILED,
            Duty::Other(Output::ProposalsLost { .. }) => RAFTCORE_OUTPUT_PROPOSALS_LOST,
            Duty::Other(Output::ProposalsUnknown { .. }) => RAFTCORE_OUTPUT_PROPOSALS_UNKNOWN,
            Duty::Other(Output::Halted(_)) => RAFTCORE_OUTPUT_HALTED,
            Duty::Other(Output::Event(_)) => RAFTCORE_OUTPUT_EVENT,
        }
    }
}

fn spans(committed: &Committed) -> Vec<Span> {
    let start = committed.entries.bytes().as_ptr().addr();
    let span = |id, payload: &[u8]| {
        let offset = payload.as_ptr().addr() - start;
        Span { id, payload: offset..offset + payload.len() }
    };
    committed.commands().map(|entry| span(entry.id, entry.payload)).collect()
}

/// A call that looks at an output.
///
/// # Safety
/// `output` is NULL, or an output that is not yet released.
pub(crate) unsafe fn look(
    output: *const raftcore_output,
    call: impl FnOnce(&raftcore_output) -> Result<(), Fail>,
) -> raftcore_status {
    // SAFETY: promised by the caller; an output never changes.
    status_of(|| call(unsafe { lent(output) }?))
}

pub(crate) fn wrong_kind<T>() -> Result<T, Fail> {
    Err(Fail::plain(RAFTCORE_STATUS_WRONG_KIND))
}

/// Releases an output, and with it every byte that was borrowed from it. NULL is fine.
///
/// Threads: any, once, at any time, also after the node was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_release(output: *mut raftcore_output) {
    // SAFETY: the caller gives NULL, or an object of this library that it does not use again.
    unsafe { take_back(output) }
}

/// What kind of duty it is, one of `RAFTCORE_OUTPUT_*`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_kind(
    output: *const raftcore_output,
    out_kind: *mut u32,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            Out::new(out_kind)?.put(output.kind());
            Ok(())
        })
    }
}

/// For which peer a frame is, and the frame. Its bytes are borrowed until the release.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_send(
    output: *const raftcore_output,
    out_to: *mut u64,
    out_frame: *mut raftcore_frame,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let (out_to, out_frame) = (Out::new(out_to)?, Out::new(out_frame)?);
            let Duty::Send { to, frame } = &output.0 else { return wrong_kind() };
            let [head, body] = frame.parts().map(raftcore_bytes::from);
            out_to.put(*to);
            out_frame.put(raftcore_frame { head, body, length: frame.len() });
            Ok(())
        })
    }
}

/// Copies a frame in one piece into the caller's buffer, which holds at least its `length`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`,
/// `RAFTCORE_STATUS_BUFFER_TOO_SMALL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_copy_frame(
    output: *const raftcore_output,
    buffer: *mut u8,
    capacity: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let Duty::Send { frame, .. } = &output.0 else { return wrong_kind() };
            copy_out(&frame.parts(), buffer, capacity)
        })
    }
}

/// The name of a write for `raftcore_node_persisted`, and its record: append it to a file, or store
/// it as a row. Its bytes are borrowed until the release.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_persist(
    output: *const raftcore_output,
    out_write: *mut raftcore_write_id,
    out_record: *mut raftcore_bytes,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let (out_write, out_record) = (Out::new(out_write)?, Out::new(out_record)?);
            let Duty::Persist { write, record } = &output.0 else { return wrong_kind() };
            out_write.put(write.id.into());
            out_record.put(record.as_slice().into());
            Ok(())
        })
    }
}

/// The range of committed entries, and how many commands are among them.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_apply(
    output: *const raftcore_output,
    out_apply: *mut raftcore_apply,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_apply)?;
            let Duty::Apply { committed, commands } = &output.0 else { return wrong_kind() };
            let (first, last) = (committed.entries.first().get(), committed.last().get());
            out.put(raftcore_apply { first, last, commands: commands.len() });
            Ok(())
        })
    }
}

/// The command at position `at`, from 0. Its bytes are borrowed until the release.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`,
/// `RAFTCORE_STATUS_OUT_OF_BOUNDS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_command(
    output: *const raftcore_output,
    at: usize,
    out_command: *mut raftcore_command,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_command)?;
            let Duty::Apply { committed, commands } = &output.0 else { return wrong_kind() };
            let span =
                commands.get(at).ok_or_else(|| Fail::plain(RAFTCORE_STATUS_OUT_OF_BOUNDS))?;
            let payload = &committed.entries.bytes()[span.payload.clone()];
            out.put(raftcore_command { id: span.id.into(), payload: payload.into() });
            Ok(())
        })
    }
}

/// The read that may be served (`*out_reason` is 0) or, as the kind of the output says, will not be
/// (one of `RAFTCORE_READ_FAILED_*`, or `RAFTCORE_REASON_OTHER`).
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_read(
    output: *const raftcore_output,
    out_read: *mut u64,
    out_reason: *mut u32,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let (out_read, out_reason) = (Out::new(out_read)?, Out::new(out_reason)?);
            let (id, reason) = match &output.0 {
                Duty::Other(Output::ReadReady(id)) => (id, 0),
                Duty::Other(Output::ReadFailed { id, reason }) => (id, read_failure(*reason)),
                _ => return wrong_kind(),
            };
            out_read.put(id.get());
            out_reason.put(reason);
            Ok(())
        })
    }
}

const fn read_failure(reason: ReadFailure) -> u32 {
    match reason {
        ReadFailure::LeaderLost => RAFTCORE_READ_FAILED_LEADER_LOST,
        ReadFailure::TimedOut => RAFTCORE_READ_FAILED_TIMED_OUT,
        _ => RAFTCORE_REASON_OTHER,
    }
}

/// The own proposals that were lost, or whose fate is unknown.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_proposals(
    output: *const raftcore_output,
    out_proposals: *mut raftcore_proposals,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_proposals)?;
            let (from, through): (EntryId, LogIndex) = match &output.0 {
                Duty::Other(Output::ProposalsLost { from, through })
                | Duty::Other(Output::ProposalsUnknown { from, through }) => (*from, *through),
                _ => return wrong_kind(),
            };
            out.put(raftcore_proposals { from: from.into(), through: through.get() });
            Ok(())
        })
    }
}

/// Why the node halted.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_halted(
    output: *const raftcore_output,
    out_halt: *mut raftcore_halt,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_halt)?;
            let Duty::Other(Output::Halted(reason)) = &output.0 else { return wrong_kind() };
            let nowhere = raftcore_entry_id::default();
            let (reason, at) = match reason {
                HaltReason::StorageFailed => (RAFTCORE_HALT_STORAGE_FAILED, nowhere),
                HaltReason::OutOfRange => (RAFTCORE_HALT_OUT_OF_RANGE, nowhere),
                HaltReason::Diverged { at } => (RAFTCORE_HALT_DIVERGED, (*at).into()),
                HaltReason::LogDamaged { first, .. } => {
                    let at = raftcore_entry_id { index: first.get(), ..nowhere };
                    (RAFTCORE_HALT_LOG_DAMAGED, at)
                }
                _ => (RAFTCORE_REASON_OTHER, nowhere),
            };
            out.put(raftcore_halt { reason, at });
            Ok(())
        })
    }
}

/// Which entries to read from storage.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_log_request(
    output: *const raftcore_output,
    out_request: *mut raftcore_log_request,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_request)?;
            let Duty::Other(Output::ReadLog(request)) = output.0 else { return wrong_kind() };
            out.put(request.into());
            Ok(())
        })
    }
}

/// What there is to know.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_WRONG_KIND`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_output_event(
    output: *const raftcore_output,
    out_event: *mut raftcore_event,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(output, |output| {
            let out = Out::new(out_event)?;
            let Duty::Other(Output::Event(event)) = &output.0 else { return wrong_kind() };
            out.put(event.into());
            Ok(())
        })
    }
}

impl From<&Event> for raftcore_event {
    fn from(event: &Event) -> Self {
        let nothing = Self::default();
        match event {
            Event::BecameLeader { term } => {
                Self { kind: RAFTCORE_EVENT_BECAME_LEADER, term: term.get(), ..nothing }
            }
            Event::SteppedDown { term, reason } => {
                let (kind, reason) = (RAFTCORE_EVENT_STEPPED_DOWN, step_down(*reason));
                Self { kind, term: term.get(), reason, ..nothing }
            }
            Event::LeaderChanged { term, leader } => {
                let kind = RAFTCORE_EVENT_LEADER_CHANGED;
                Self { kind, term: term.get(), node: leader.get(), ..nothing }
            }
            Event::Diverged { peer, at } => {
                let kind = RAFTCORE_EVENT_DIVERGED;
                Self { kind, node: peer.get(), at: (*at).into(), ..nothing }
            }
            Event::MembershipChanged { index } => {
                let at = raftcore_entry_id { term: 0, index: index.get() };
                Self { kind: RAFTCORE_EVENT_MEMBERSHIP_CHANGED, at, ..nothing }
            }
            Event::TransferFailed { to } => {
                Self { kind: RAFTCORE_EVENT_TRANSFER_FAILED, node: to.get(), ..nothing }
            }
            _ => nothing,
        }
    }
}

const fn step_down(reason: StepDownReason) -> u32 {
    match reason {
        StepDownReason::HigherTerm => RAFTCORE_STEP_DOWN_HIGHER_TERM,
        StepDownReason::NoQuorum => RAFTCORE_STEP_DOWN_NO_QUORUM,
        StepDownReason::DiskStalled => RAFTCORE_STEP_DOWN_DISK_STALLED,
        StepDownReason::Asked => RAFTCORE_STEP_DOWN_ASKED,
        StepDownReason::Removed => RAFTCORE_STEP_DOWN_REMOVED,
        _ => RAFTCORE_REASON_OTHER,
    }
}
