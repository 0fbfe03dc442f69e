//! Reading back entries of the log that a node no longer keeps in memory.

use bytes::Bytes;
use core_raftcore::{LogReadId, LogRequest, Write};

use crate::fail::Fail;
use crate::guard::{Out, elements, lent, status_of};
use crate::node::{change, raftcore_node};
use crate::status::raftcore_status;
use crate::types::raftcore_bytes;

/// Entries that a node wants back from storage.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct raftcore_log_request {
    /// The life of the node that asks.
    pub incarnation: u64,
    /// Its name in that life.
    pub sequence: u64,
    /// The first entry wanted.
    pub first: u64,
    /// The last entry wanted; a shorter answer is legal, but only one of two entries or more is of
    /// use.
    pub last: u64,
    /// About this many bytes after the first entry will do.
    pub max_bytes: usize,
}

impl From<LogRequest> for raftcore_log_request {
    fn from(request: LogRequest) -> Self {
        Self {
            incarnation: request.id.incarnation.get(),
            sequence: request.id.sequence,
            first: request.first.get(),
            last: request.last.get(),
            max_bytes: request.max_bytes,
        }
    }
}

impl From<raftcore_log_request> for LogRequest {
    fn from(request: raftcore_log_request) -> Self {
        let raftcore_log_request { incarnation, sequence, first, last, max_bytes } = request;
        let id = LogReadId { incarnation: incarnation.into(), sequence };
        Self { id, first: first.into(), last: last.into(), max_bytes }
    }
}

/// Decodes a record that is here as a whole; copies only that record.
fn decode(data: &[u8]) -> Result<(Write, usize), Fail> {
    let record = &data[..Write::record_length(data)?.min(data.len())];
    Ok(Write::decode(&Bytes::copy_from_slice(record))?)
}

/// Which entries the record at the front of `data` holds, and how long it is: for a host that must
/// find the records of a `raftcore_log_request` again. Without entries both indexes are 0.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_DECODE_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_record_entries(
    data: *const u8,
    length: usize,
    out_first: *mut u64,
    out_last: *mut u64,
    out_used: *mut usize,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointers are NULL or good for this call.
        let (data, out_first, out_last, out_used) = unsafe {
            (
                elements(data, length)?,
                Out::new(out_first)?,
                Out::new(out_last)?,
                Out::new(out_used)?,
            )
        };
        let (write, used) = decode(data)?;
        let entries = &write.entries;
        let range = (!entries.is_empty()).then(|| (entries.first().get(), entries.last().get()));
        let (first, last) = range.unwrap_or_default();
        out_first.put(first);
        out_last.put(last);
        out_used.put(used);
        Ok(())
    })
}

/// Answers a `RAFTCORE_OUTPUT_READ_LOG` out of stored records, in the order in which they were
/// written: those that hold the entries asked for, others do no harm.
///
/// Without records, or if they do not hold what is needed, the node asks again a heartbeat later.
/// Late and repeated answers are harmless. Records that are not what the node wrote halt it. The
/// bytes are copied.
///
/// Threads: one at a time. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_DECODE_*`,
/// `RAFTCORE_STATUS_MISUSE_*`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_node_log_read(
    node: *mut raftcore_node,
    request: *const raftcore_log_request,
    records: *const raftcore_bytes,
    count: usize,
) -> raftcore_status {
    // SAFETY: the caller's pointers are NULL or good for this call.
    unsafe {
        change(node, |node| {
            let request = LogRequest::from(*lent(request)?);
            let mut writes = Vec::new();
            for record in elements(records, count)? {
                writes.push(decode(elements(record.data, record.length)?)?.0);
            }
            Ok(node.log_read(request.id, request.answer(&writes))?)
        })
    }
}
