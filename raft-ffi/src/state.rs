//! What a `raftcore_node` tells of itself.

use core_raftcore::{Node, RoleName};

use crate::guard::{Out, lent};
use crate::node::raftcore_node;
use crate::status::*;

/// Role: follows a leader, or waits for one.
pub const RAFTCORE_ROLE_FOLLOWER: u32 = 1;
/// Role: asks whether an election could be won (thesis 9.6).
pub const RAFTCORE_ROLE_PRE_CANDIDATE: u32 = 2;
/// Role: runs for leadership.
pub const RAFTCORE_ROLE_CANDIDATE: u32 = 3;
/// Role: leads.
pub const RAFTCORE_ROLE_LEADER: u32 = 4;

/// Puts one answer of the node where the caller wants it.
///
/// # Safety
/// `node` is NULL, or a node that is not freed and that nothing changes now; `place` is NULL, or
/// good for writing.
unsafe fn tell<T>(
    node: *const raftcore_node,
    place: *mut T,
    ask: impl FnOnce(&Node) -> T,
) -> raftcore_status {
    // SAFETY: promised by the caller.
    match unsafe { lent(node) } {
        // SAFETY: promised by the caller.
        Ok(node) => node.0.look(|node| unsafe {
            Out::new(place)?.put(ask(node));
            Ok(())
        }),
        Err(fail) => fail.status,
    }
}

/// The same for an answer that the node may not have; without one, the place is left alone.
///
/// # Safety
/// As for [`tell`], for both places.
unsafe fn tell_maybe<T>(
    node: *const raftcore_node,
    known: *mut bool,
    place: *mut T,
    ask: impl FnOnce(&Node) -> Option<T>,
) -> raftcore_status {
    // SAFETY: promised by the caller.
    match unsafe { lent(node) } {
        // SAFETY: promised by the caller.
        Ok(node) => node.0.look(|node| unsafe {
            let (known, place) = (Out::new(known)?, Out::new(place)?);
            let answer = ask(node);
            known.put(answer.is_some());
            if let Some(answer) = answer {
                place.put(answer);
            }
            Ok(())
        }),
        Err(fail) => fail.status,
    }
}

/// Whether `raftcore_node_poll_output` would hand out a duty.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_has_output(
    node: *const raftcore_node,
    out_has: *mut bool,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_has, |node| node.has_output()) }
}

/// The tick at which the next timer fires; nothing happens by itself before. Without a timer
/// `*out_has` is false and `*out_tick` is left alone.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_deadline(
    node: *const raftcore_node,
    out_has: *mut bool,
    out_tick: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell_maybe(node, out_has, out_tick, |node| node.deadline().map(|tick| tick.get())) }
}

/// The leader that this node knows of in its term. If it knows none, `*out_known` is false and
/// `*out_leader` is left alone.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_leader(
    node: *const raftcore_node,
    out_known: *mut bool,
    out_leader: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell_maybe(node, out_known, out_leader, |node| node.leader().map(|id| id.get())) }
}

/// Its role, one of `RAFTCORE_ROLE_*`.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_role(
    node: *const raftcore_node,
    out_role: *mut u32,
) -> raftcore_status {
    let number = |node: &Node| match node.role() {
        RoleName::Follower => RAFTCORE_ROLE_FOLLOWER,
        RoleName::PreCandidate => RAFTCORE_ROLE_PRE_CANDIDATE,
        RoleName::Candidate => RAFTCORE_ROLE_CANDIDATE,
        RoleName::Leader => RAFTCORE_ROLE_LEADER,
    };
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_role, number) }
}

/// Its term.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_term(
    node: *const raftcore_node,
    out_term: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_term, |node| node.term().get()) }
}

/// The last entry known to be committed.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_commit_index(
    node: *const raftcore_node,
    out_index: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_index, |node| node.commit_index().get()) }
}

/// The last entry that the state machine has applied.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_applied_index(
    node: *const raftcore_node,
    out_index: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_index, |node| node.applied_index().get()) }
}

/// The last entry of its log.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_last_index(
    node: *const raftcore_node,
    out_index: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_index, |node| node.last_index().get()) }
}

/// How often it was started.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_incarnation(
    node: *const raftcore_node,
    out_incarnation: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(node, out_incarnation, |node| node.incarnation().get()) }
}

/// The checksum of the log up to and including entry `index`: equal on two nodes if, and only if,
/// their logs up to there are. Where the node does not hold it, `*out_known` is false and
/// `*out_checksum` is left alone.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_checksum_at(
    node: *const raftcore_node,
    index: u64,
    out_known: *mut bool,
    out_checksum: *mut u32,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell_maybe(node, out_known, out_checksum, |node| node.checksum_at(index.into())) }
}
