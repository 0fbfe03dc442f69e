//! What a node's storage gives back of its log, and when.

use super::Lab;
use crate::support::fold;
use raftcore::{Entries, LogRequest, Misuse, Unavailable};

/// A read of the log that storage has done and not yet told.
#[derive(Clone, Debug)]
pub struct LogRead {
    pub request: LogRequest,
    pub entries: Result<Entries, Unavailable>,
}

impl Lab {
    /// Storage reads what the node asks for, as it stands now.
    pub(super) fn read_log(&mut self, id: u64, request: LogRequest) {
        let entries = fold(&self.hosts[&id].disk).read(&request);
        self.host(id).reads.push_back(LogRead { request, entries });
    }

    /// Fast storage answers everything that was asked. Says whether there was something.
    pub(super) fn answer_all(&mut self, id: u64) -> bool {
        let host = self.host(id);
        if host.slow_storage || host.reads.is_empty() {
            return false;
        }
        for LogRead { request, entries } in core::mem::take(&mut host.reads) {
            self.act(id, |node| node.log_read(request.id, entries)).unwrap();
        }
        true
    }

    /// Storage gives this answer.
    pub fn answer(&mut self, id: u64, read: LogRead) -> Result<(), Misuse> {
        self.act(id, |node| node.log_read(read.request.id, read.entries))
    }
}

/// The first entries of a run.
pub fn first_of(entries: &Entries, count: usize) -> Entries {
    let ends = entries.iter().take(count).map(|entry| {
        let begin = entries.bytes().as_ptr() as usize;
        entry.payload.as_ptr() as usize + entry.payload.len() - begin
    });
    let end = ends.last().unwrap_or_default();
    let count = u32::try_from(count.min(entries.len())).unwrap();
    Entries::decode(entries.first(), count, entries.bytes().slice(..end)).unwrap()
}

/// The same run with its last payload changed.
pub fn damaged(entries: &Entries) -> Entries {
    let mut bytes = entries.bytes().to_vec();
    *bytes.last_mut().expect("an entry") ^= 1;
    let count = u32::try_from(entries.len()).unwrap();
    Entries::decode(entries.first(), count, bytes.into()).unwrap()
}
