//! `raftcore_node`: making, driving and freeing it. What it tells is in `state.rs`.

use bytes::Bytes;
use core::ffi::c_char;
use core_raftcore::{MembershipChange, Message, Node, NodeId, ReadConsistency, ReadId, Tick};

use crate::config::{raftcore_config, read_config};
use crate::fail::Fail;
use crate::guard::{Guarded, Out, copy_text, elements, give, lent, lent_mut, status_of, take_back};
use crate::membership::{raftcore_member, read_members};
use crate::output::raftcore_output;
use crate::status::*;
use crate::stored::raftcore_stored;
use crate::types::{raftcore_entry_id, raftcore_write_id};

/// One participant of one Raft group: a value without threads, clocks, files or sockets.
///
/// Owned by the caller until `raftcore_node_free`.
pub struct raftcore_node(pub(crate) Guarded<Node>);

/// Consistency of a read: not older than any write acknowledged before it (thesis 6.4).
pub const RAFTCORE_READ_LINEARIZABLE: u32 = 1;
/// Consistency of a read: the same under the fourth promise, without messages (thesis 6.4.1).
pub const RAFTCORE_READ_LEASE: u32 = 2;
/// Consistency of a read: whatever this node has applied.
pub const RAFTCORE_READ_STALE: u32 = 3;

/// Starts a node: the one door for first start and every restart.
///
/// `applied` is the last entry that the state machine durably holds, 0 if it lives in memory.
/// Success uses `stored` up, for one node may be started from it; it is still to be freed. A
/// failure leaves it as it was, with the text in `raftcore_stored_last_error`.
///
/// `config` is copied. `*out_node` is owned by the caller until `raftcore_node_free`.
///
/// Threads: one at a time (`stored`). Errors: `RAFTCORE_STATUS_NULL`,
/// `RAFTCORE_STATUS_CONFIG_SIZE`, `RAFTCORE_STATUS_UNKNOWN_NUMBER`, `RAFTCORE_STATUS_ALREADY_STARTED`,
/// `RAFTCORE_STATUS_START_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_new(
    config: *const raftcore_config,
    stored: *mut raftcore_stored,
    applied: u64,
    out_node: *mut *mut raftcore_node,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (out, config, stored) =
            unsafe { (Out::new(out_node)?, read_config(config)?, lent_mut(stored)?) };
        let node = stored.start(|stored| Ok(Node::new(config, stored, applied.into())?))?;
        out.put(give(raftcore_node(Guarded::new(node))));
        Ok(())
    })
}

/// Frees the node. Its outputs stay valid. NULL is fine.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_free(node: *mut raftcore_node) {
    // SAFETY: the caller gives NULL, or an object of this library that it does not use again.
    unsafe { take_back(node) }
}

/// Copies the text of the node's last failure, cut to `capacity`, ended by a NUL.
///
/// An empty text: there was none. The texts are for people and may change.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_BUFFER_TOO_SMALL` (no
/// room even for the NUL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_last_error(
    node: *const raftcore_node,
    buffer: *mut c_char,
    capacity: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    status_of(|| unsafe { copy_text(lent(node)?.0.last_error(), buffer, capacity) })
}

/// A call that may change the node.
///
/// # Safety
/// `node` is NULL, or a node that is not freed and that no other call uses now.
pub(crate) unsafe fn change(
    node: *mut raftcore_node,
    call: impl FnOnce(&mut Node) -> Result<(), Fail>,
) -> raftcore_status {
    // SAFETY: promised by the caller.
    match unsafe { lent_mut(node) } {
        Ok(node) => node.0.change(call),
        Err(fail) => fail.status,
    }
}

/// Tells the time: absolute, monotonic, in ticks of the caller's choosing. An earlier one is
/// ignored; coarse steps are fine.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_tick(node: *mut raftcore_node, now: u64) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe {
        change(node, |node| {
            node.tick(Tick(now));
            Ok(())
        })
    }
}

/// Takes one whole frame from a peer. A rejected one changes nothing.
///
/// `frame` is copied. Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`,
/// `RAFTCORE_STATUS_DECODE_*`, `RAFTCORE_STATUS_REJECTED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_receive(
    node: *mut raftcore_node,
    frame: *const u8,
    length: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let frame = Bytes::copy_from_slice(elements(frame, length)?);
            Ok(node.receive(Message::decode(frame)?)?)
        })
    }
}

/// Proposes a command. It is applied if, and only if, an apply later hands out the entry at
/// `out_id->index` with the term `out_id->term`.
///
/// `payload` is copied. Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`,
/// `RAFTCORE_STATUS_REFUSED_*`; after `RAFTCORE_STATUS_REFUSED_NOT_LEADER` ask
/// `raftcore_node_leader`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_propose(
    node: *mut raftcore_node,
    payload: *const u8,
    length: usize,
    out_id: *mut raftcore_entry_id,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let (payload, out) = (elements(payload, length)?, Out::new(out_id)?);
            out.put(node.propose(payload)?.into());
            Ok(())
        })
    }
}

/// Proposes a complete new topology (Raft 6; thesis 4), computed from the membership at `based_on`:
/// change what `raftcore_node_membership` gives, and tell its index.
///
/// Takes effect at once; over when `RAFTCORE_EVENT_MEMBERSHIP_CHANGED` says so. Sets of voters that
/// differ by more than one go through a joint membership, which is left without further calls.
///
/// `members`, in any order, and their contexts are copied. Threads: one at a time. Errors:
/// `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_UNKNOWN_NUMBER`, `RAFTCORE_STATUS_REFUSED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_propose_membership(
    node: *mut raftcore_node,
    based_on: u64,
    members: *const raftcore_member,
    count: usize,
    out_id: *mut raftcore_entry_id,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let (members, out) = (read_members(members, count)?, Out::new(out_id)?);
            let change = MembershipChange { based_on: based_on.into(), members };
            out.put(node.propose_membership(change)?.into());
            Ok(())
        })
    }
}

/// Asks to read the state machine (thesis 6.4); `id` names the read, one of `RAFTCORE_READ_*` says how
/// fresh it must be.
///
/// Each accepted one ends in exactly one output with this name, `RAFTCORE_OUTPUT_READ_READY` or
/// `RAFTCORE_OUTPUT_READ_FAILED`, after `read_ticks_max` ticks at the latest. A follower asks the
/// leader. Reads that arrive together share one round of messages.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_UNKNOWN_NUMBER`,
/// `RAFTCORE_STATUS_REFUSED_*`; `RAFTCORE_STATUS_REFUSED_NOT_LEADER` if no leader is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_read(
    node: *mut raftcore_node,
    id: u64,
    consistency: u32,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe {
        change(node, |node| {
            let consistency = match consistency {
                RAFTCORE_READ_LINEARIZABLE => ReadConsistency::Linearizable,
                RAFTCORE_READ_LEASE => ReadConsistency::Lease,
                RAFTCORE_READ_STALE => ReadConsistency::Stale,
                _ => return Err(Fail::plain(RAFTCORE_STATUS_UNKNOWN_NUMBER)),
            };
            Ok(node.read(ReadId(id), consistency)?)
        })
    }
}

/// Hands leadership to another voter as soon as its log is complete (thesis 3.10).
///
/// Proposals are refused meanwhile. After a longest election timeout it is given up, which
/// `RAFTCORE_EVENT_TRANSFER_FAILED` says.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_REFUSED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_transfer_leadership(
    node: *mut raftcore_node,
    to: u64,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.transfer_leadership(NodeId(to))?)) }
}

/// Runs for leadership now, without waiting for the timeout. Needs one `raftcore_node_tick` before.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_REFUSED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_campaign(node: *mut raftcore_node) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.campaign()?)) }
}

/// Gives up leadership; another election follows, which this node may win again.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_REFUSED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_step_down(node: *mut raftcore_node) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.step_down()?)) }
}

/// Gives memory back, down to about `max_bytes`; for hosts of many groups.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_trim(
    node: *mut raftcore_node,
    max_bytes: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe {
        change(node, |node| {
            node.trim(max_bytes);
            Ok(())
        })
    }
}

/// Every write up to `write` survives a crash. Cumulative; repeats are harmless.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_MISUSE_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_persisted(
    node: *mut raftcore_node,
    write: raftcore_write_id,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.persisted(write.into())?)) }
}

/// The state machine has applied everything up to `index`. Cumulative; repeats are harmless.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_MISUSE_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_applied(
    node: *mut raftcore_node,
    index: u64,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.applied(index.into())?)) }
}

/// A snapshot of the state machine with everything up to `index` was taken, and its bytes are durable
/// (Raft 7).
///
/// A later write hands out its name (see `raftcore_output_write`), and writes after that say which
/// entries and older snapshots may be deleted. Ignored if it is not newer than the newest one.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED`,
/// `RAFTCORE_STATUS_MISUSE_HALTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_snapshot_taken(
    node: *mut raftcore_node,
    index: u64,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe { change(node, |node| Ok(node.snapshot_taken(index.into())?)) }
}

/// A write failed. Never retry a failed sync: the node halts; free it and start it from disk.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_storage_failed(node: *mut raftcore_node) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    unsafe {
        change(node, |node| {
            node.storage_failed();
            Ok(())
        })
    }
}

/// Hands out the next duty, or NULL if there is none now. Carry duties out in the order given.
///
/// `*out_output` is owned by the caller until `raftcore_output_release`; it does not depend on the
/// node, which may change or be freed meanwhile.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_poll_output(
    node: *mut raftcore_node,
    out_output: *mut *mut raftcore_output,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let out = Out::new(out_output)?;
            let output = node.poll_output().map(raftcore_output::new);
            out.put(output.map_or(core::ptr::null_mut(), give));
            Ok(())
        })
    }
}
