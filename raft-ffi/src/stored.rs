//! `raftcore_stored`: what a node last persisted, folded from its writes.

use bytes::Bytes;
use core::ffi::c_char;
use core_raftcore::{Identity, Membership, MembershipError, Stored, Write};

use crate::fail::Fail;
use crate::guard::{Guarded, Out, copy_text, elements, give, lent, lent_mut, status_of, take_back};
use crate::membership::{raftcore_member, read_members};
use crate::records::raftcore_records;
use crate::status::*;

/// What a node last persisted: the fold of its stored writes, from which it is started once.
///
/// Owned by the caller until `raftcore_stored_free`.
pub struct raftcore_stored(Guarded<Option<Stored>>);

impl raftcore_stored {
    /// Starts something from the stored state and uses it up; a failure leaves it as it was.
    pub(crate) fn start<T>(
        &mut self,
        begin: impl FnOnce(Stored) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        let mut begun = None;
        let status = self.0.change(|stored| {
            let held = stored.as_ref().ok_or_else(used)?;
            begun = Some(begin(held.clone())?);
            *stored = None;
            Ok(())
        });
        begun.ok_or_else(|| Fail::plain(status))
    }
}

fn used() -> Fail {
    Fail::plain(RAFTCORE_STATUS_ALREADY_STARTED)
}

/// A call that looks at what is stored.
///
/// # Safety
/// `stored` is NULL, or an object that is not freed and that nothing changes now.
pub(crate) unsafe fn look(
    stored: *const raftcore_stored,
    call: impl FnOnce(&Stored) -> Result<(), Fail>,
) -> raftcore_status {
    // SAFETY: promised by the caller.
    match unsafe { lent(stored) } {
        Ok(stored) => stored.0.look(|stored| call(stored.as_ref().ok_or_else(used)?)),
        Err(fail) => fail.status,
    }
}

fn new_stored(stored: Stored) -> *mut raftcore_stored {
    give(raftcore_stored(Guarded::new(Some(stored))))
}

/// The first start of a founding member; its storage must be empty.
///
/// Every founding member is given the same voters, itself among them. Do this once for a group:
/// later starts are `raftcore_stored_empty` and `raftcore_stored_replay`. A node that is added later
/// starts with `raftcore_stored_join`.
///
/// `voters` are copied. `*out_stored` is owned by the caller until `raftcore_stored_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_MEMBERSHIP_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_found(
    group: u64,
    node: u64,
    voters: *const u64,
    count: usize,
    out_stored: *mut *mut raftcore_stored,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (out, voters) = unsafe { (Out::new(out_stored)?, elements(voters, count)?) };
        out.put(found(group, node, Membership::of_voters(voters.iter().copied()))?);
        Ok(())
    })
}

/// The same with learners and contexts: the members as `raftcore_node_membership` will tell them.
///
/// `members` and their contexts are copied. `*out_stored` is owned by the caller until
/// `raftcore_stored_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_UNKNOWN_NUMBER`,
/// `RAFTCORE_STATUS_MEMBERSHIP_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_found_members(
    group: u64,
    node: u64,
    members: *const raftcore_member,
    count: usize,
    out_stored: *mut *mut raftcore_stored,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (out, members) = unsafe { (Out::new(out_stored)?, read_members(members, count)?) };
        out.put(found(group, node, Membership::new(members))?);
        Ok(())
    })
}

fn found(
    group: u64,
    node: u64,
    membership: Result<Membership, MembershipError>,
) -> Result<*mut raftcore_stored, Fail> {
    let identity = Identity { group: group.into(), node: node.into() };
    Ok(new_stored(Stored::found(identity, membership?)))
}

/// The first start of a node that a running group will add: it waits, without knowing anybody, for
/// a leader that adds it. Its storage must be empty.
///
/// `*out_stored` is owned by the caller until `raftcore_stored_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_join(
    group: u64,
    node: u64,
    out_stored: *mut *mut raftcore_stored,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointer is NULL or good for this call.
        let out = unsafe { Out::new(out_stored) }?;
        let identity = Identity { group: group.into(), node: node.into() };
        out.put(new_stored(Stored::join(identity)));
        Ok(())
    })
}

/// Nothing yet: replay the stored writes into it. The beginning of every restart.
///
/// `*out_stored` is owned by the caller until `raftcore_stored_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_empty(
    out_stored: *mut *mut raftcore_stored,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointer is NULL or good for this call.
        let out = unsafe { Out::new(out_stored) }?;
        out.put(new_stored(Stored::empty()));
        Ok(())
    })
}

/// Folds in the record at the front of `data`; call it for each stored record, oldest first.
///
/// `*out_used` is the length of that record, so that a file of records one after the other is read
/// by moving on by it. `RAFTCORE_STATUS_DECODE_TRUNCATED` at the end of a file is a write that was
/// torn by a crash: it was never acknowledged, and may be cut off. Everything else is damage, and
/// nothing is repaired.
///
/// `data` is copied. Threads: one at a time.
/// Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_ALREADY_STARTED`, `RAFTCORE_STATUS_DECODE_*`,
/// `RAFTCORE_STATUS_STORED_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_replay(
    stored: *mut raftcore_stored,
    data: *const u8,
    length: usize,
    out_used: *mut usize,
) -> raftcore_status {
    // SAFETY: the caller's pointer is NULL or good for this call.
    let stored = match unsafe { lent_mut(stored) } {
        Ok(stored) => stored,
        Err(fail) => return fail.status,
    };
    stored.0.change(|stored| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (data, out) = unsafe { (elements(data, length)?, Out::new(out_used)?) };
        let stored = stored.as_mut().ok_or_else(used)?;
        // One record is copied, not the rest of the file.
        let record = &data[..Write::record_length(data)?.min(data.len())];
        let (write, used) = Write::decode(&Bytes::copy_from_slice(record))?;
        stored.replay(write)?;
        out.put(used);
        Ok(())
    })
}

/// Whether there is nothing to start from: no write, or only a first one that a crash cut short.
/// Then `raftcore_stored_found` or `raftcore_stored_join` is still to be done.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_ALREADY_STARTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_is_empty(
    stored: *const raftcore_stored,
    out_empty: *mut bool,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(stored, |stored| {
            let out = Out::new(out_empty)?;
            out.put(stored.is_empty());
            Ok(())
        })
    }
}

/// The few writes that say the same as all that were replayed, so that a file can be rotated. The bytes
/// of the newest snapshot are not among them: keep those apart.
///
/// `*out_records` is owned by the caller until `raftcore_records_free`.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_ALREADY_STARTED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_checkpoint(
    stored: *const raftcore_stored,
    out_records: *mut *mut raftcore_records,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        look(stored, |stored| {
            let out = Out::new(out_records)?;
            let records = stored.checkpoint()?.iter().map(Write::encode).collect();
            out.put(give(raftcore_records(records)));
            Ok(())
        })
    }
}

/// Copies the text of the last failure on this object, cut to `capacity`, ended by a NUL.
///
/// An empty text: there was none. The texts are for people and may change.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_BUFFER_TOO_SMALL` (no
/// room even for the NUL).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_last_error(
    stored: *const raftcore_stored,
    buffer: *mut c_char,
    capacity: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    status_of(|| unsafe { copy_text(lent(stored)?.0.last_error(), buffer, capacity) })
}

/// Frees it. NULL is fine.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_stored_free(stored: *mut raftcore_stored) {
    // SAFETY: the caller gives NULL, or an object of this library that it does not use again.
    unsafe { take_back(stored) }
}
