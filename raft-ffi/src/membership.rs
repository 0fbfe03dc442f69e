//! `raftcore_membership`: who belongs to the group, as an owned value; and members coming in.

use core_raftcore::{Member, NodeId};

use crate::config::yes_or_no;
use crate::fail::Fail;
use crate::guard::{Out, elements, give, lent, status_of, take_back};
use crate::node::raftcore_node;
use crate::status::*;
use crate::types::raftcore_bytes;

/// One member of a group.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_member {
    /// Its id.
    pub id: u64,
    /// Whether its vote counts (1) or it is a learner (0; thesis 4.2.1).
    pub voter: u32,
    /// Whether a learner is to become a voter once it has caught up: 1 or 0.
    pub promote: u32,
    /// Up to 256 bytes that the library carries and never reads: an address, say. May be
    /// `{NULL, 0}` where the caller gives it.
    pub context: raftcore_bytes,
}

impl From<&Member> for raftcore_member {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id.get(),
            voter: member.voter.into(),
            promote: member.promote.into(),
            context: member.context.as_slice().into(),
        }
    }
}

/// The membership that was in force when it was asked for. It never changes.
///
/// Owned by the caller until `raftcore_membership_free`.
pub struct raftcore_membership {
    index: u64,
    members: Vec<Member>,
    outgoing: Vec<u64>,
}

/// Reads members that C lends, with their contexts.
///
/// # Safety
/// `members` is NULL, or good for reading `count` members whose contexts are good for reading.
pub(crate) unsafe fn read_members(
    members: *const raftcore_member,
    count: usize,
) -> Result<Vec<Member>, Fail> {
    let read = |member: &raftcore_member| {
        // SAFETY: promised by the caller.
        let context = unsafe { elements(member.context.data, member.context.length) }?;
        Ok(Member {
            id: NodeId(member.id),
            voter: yes_or_no(member.voter)?,
            promote: yes_or_no(member.promote)?,
            context: context.to_vec(),
        })
    };
    // SAFETY: promised by the caller.
    unsafe { elements(members, count) }?.iter().map(read).collect()
}

/// Gives the membership in force.
///
/// `*out_membership` is owned by the caller until `raftcore_membership_free`; it does not depend on
/// the node, which may change or be freed meanwhile.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_membership(
    node: *const raftcore_node,
    out_membership: *mut *mut raftcore_membership,
) -> raftcore_status {
    // SAFETY: promised by the caller.
    match unsafe { lent(node) } {
        Ok(node) => node.0.look(|node| {
            // SAFETY: the caller's pointer is NULL or good for this call.
            let out = unsafe { Out::new(out_membership) }?;
            let membership = node.membership();
            out.put(give(raftcore_membership {
                index: node.membership_index().get(),
                members: membership.members().to_vec(),
                outgoing: membership.outgoing().iter().map(|id| id.get()).collect(),
            }));
            Ok(())
        }),
        Err(fail) => fail.status,
    }
}

/// A call that looks at a membership.
///
/// # Safety
/// `membership` is NULL, or a membership that is not freed; `place` is NULL, or good for writing.
unsafe fn tell<T>(
    membership: *const raftcore_membership,
    place: *mut T,
    ask: impl FnOnce(&raftcore_membership) -> Result<T, Fail>,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: promised by the caller.
        let (membership, out) = unsafe { (lent(membership)?, Out::new(place)?) };
        out.put(ask(membership)?);
        Ok(())
    })
}

/// The index of the entry that set it, 0 for the founders': the `based_on` of a change.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_index(
    membership: *const raftcore_membership,
    out_index: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(membership, out_index, |membership| Ok(membership.index)) }
}

/// How many members there are.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_count(
    membership: *const raftcore_membership,
    out_count: *mut usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(membership, out_count, |membership| Ok(membership.members.len())) }
}

/// The member at position `at`, from 0, sorted by id. Its context is borrowed until
/// `raftcore_membership_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_OUT_OF_BOUNDS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_at(
    membership: *const raftcore_membership,
    at: usize,
    out_member: *mut raftcore_member,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        tell(membership, out_member, |membership| {
            let member = membership.members.get(at);
            Ok(member.ok_or_else(|| Fail::plain(RAFTCORE_STATUS_OUT_OF_BOUNDS))?.into())
        })
    }
}

/// How many voters are being left behind: more than 0 while a joint change runs (Raft 6).
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_outgoing_count(
    membership: *const raftcore_membership,
    out_count: *mut usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe { tell(membership, out_count, |membership| Ok(membership.outgoing.len())) }
}

/// The id of the voter of the old topology at position `at`, from 0, sorted.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_OUT_OF_BOUNDS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_outgoing_at(
    membership: *const raftcore_membership,
    at: usize,
    out_id: *mut u64,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        tell(membership, out_id, |membership| {
            let id = membership.outgoing.get(at).copied();
            id.ok_or_else(|| Fail::plain(RAFTCORE_STATUS_OUT_OF_BOUNDS))
        })
    }
}

/// Frees the membership. NULL is fine.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_membership_free(membership: *mut raftcore_membership) {
    // SAFETY: the caller gives NULL, or an object of this library that it does not use again.
    unsafe { take_back(membership) }
}
