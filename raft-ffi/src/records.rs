//! `raftcore_records`: a list of encoded writes.

use crate::fail::Fail;
use crate::guard::{Out, lent, status_of, take_back};
use crate::status::*;
use crate::types::raftcore_bytes;

/// A list of encoded writes, in order. It never changes.
///
/// Owned by the caller until `raftcore_records_free`.
pub struct raftcore_records(pub(crate) Vec<Vec<u8>>);

/// How many records there are.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_records_count(
    records: *const raftcore_records,
    out_count: *mut usize,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (records, out) = unsafe { (lent(records)?, Out::new(out_count)?) };
        out.put(records.0.len());
        Ok(())
    })
}

/// The record at position `at`, from 0. Its bytes are borrowed until `raftcore_records_free`.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_OUT_OF_BOUNDS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_records_at(
    records: *const raftcore_records,
    at: usize,
    out_record: *mut raftcore_bytes,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (records, out) = unsafe { (lent(records)?, Out::new(out_record)?) };
        let record = records.0.get(at).ok_or_else(|| Fail::plain(RAFTCORE_STATUS_OUT_OF_BOUNDS))?;
        out.put(record.as_slice().into());
        Ok(())
    })
}

/// Frees the list. NULL is fine.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_records_free(records: *mut raftcore_records) {
    // SAFETY: the caller gives NULL, or an object of this library that it does not use again.
    unsafe { take_back(records) }
}
