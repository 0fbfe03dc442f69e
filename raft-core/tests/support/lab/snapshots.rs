//! Snapshots of the state machines, and the disks they are stored on.

use super::{Happening, Lab};
use raftcore::{
    Chunk, ChunkRequest, EntryId, LogIndex, Misuse, SnapshotId, SnapshotMeta, Term, Unavailable,
    Write,
};
use std::collections::BTreeMap;

/// The snapshots on a disk.
#[derive(Default)]
pub struct Shelf {
    /// Taken by the state machine and not yet named by the node.
    taken: BTreeMap<LogIndex, Vec<u8>>,
    /// Whole ones, and those of which bytes have arrived so far.
    pub named: BTreeMap<SnapshotId, Vec<u8>>,
    /// Questions for chunks wait until the test answers them.
    pub slow: bool,
    pub asked: Vec<ChunkRequest>,
}

impl Shelf {
    /// A write is durable.
    pub fn stored(&mut self, write: &Write) {
        if let Some(chunk) = &write.snapshot_chunk {
            let bytes = self.named.entry(chunk.snapshot).or_default();
            bytes.truncate(chunk.offset as usize);
            assert_eq!(bytes.len() as u64, chunk.offset, "bytes of a snapshot come in order");
            bytes.extend_from_slice(&chunk.data);
        }
        if let Some(meta) = &write.snapshot
            && let Some(bytes) = self.taken.remove(&meta.id.index)
            && meta.id.maker == write.identity.node
        {
            self.named.insert(meta.id, bytes);
        }
        if let Some(newest) = write.release_snapshots_below {
            self.named.retain(|&id, _| id >= newest);
            self.taken.retain(|&index, _| index > newest.index);
        }
    }

    /// A node starts: of everything else than its newest snapshot it will never speak again.
    pub fn restarted(&mut self, newest: Option<&SnapshotMeta>) {
        self.taken.clear();
        self.asked.clear();
        self.named.retain(|&id, _| newest.is_some_and(|newest| newest.id == id));
    }

    /// Some bytes of each snapshot become others, and nobody notices.
    pub fn damage(&mut self) {
        let last = self.named.values_mut().filter_map(|bytes| bytes.last_mut());
        last.for_each(|byte| *byte ^= 0xFF);
    }

    pub fn read(&self, request: &ChunkRequest) -> Result<Chunk, Unavailable> {
        let bytes = self.named.get(&request.snapshot).ok_or(Unavailable)?;
        let rest = bytes.get(request.offset as usize..).ok_or(Unavailable)?;
        let data = rest[..rest.len().min(request.max_bytes)].to_vec().into();
        Ok(Chunk { total: bytes.len() as u64, data })
    }
}

/// A state machine as bytes.
pub fn pack(applied: &[(EntryId, Vec<u8>)]) -> Vec<u8> {
    let line = |(id, payload): &(EntryId, Vec<u8>)| {
        [format!("{} {} ", id.index, id.term).as_bytes(), payload, b"\n"].concat()
    };
    applied.iter().flat_map(line).collect()
}

fn unpack(bytes: &[u8]) -> Vec<(EntryId, Vec<u8>)> {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let entry = |line: &[u8]| {
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let mut number = || String::from_utf8_lossy(parts.next().unwrap()).parse().unwrap();
        let (index, term) = (LogIndex(number()), Term(number()));
        (EntryId { term, index }, parts.next().unwrap().to_vec())
    };
    lines.map(entry).collect()
}

impl Lab {
    /// The state machine takes a snapshot of everything it has applied, and says so.
    pub fn snapshot(&mut self, id: u64) -> Result<LogIndex, Misuse> {
        self.snapshot_at(id, self.node(id).applied_index())
    }

    /// The same of what the state machine held when it had applied so much.
    pub fn snapshot_at(&mut self, id: u64, index: LogIndex) -> Result<LogIndex, Misuse> {
        let host = self.host(id);
        let earlier = host.applied.partition_point(|(entry, _)| entry.index <= index);
        let bytes = pack(&host.applied[..earlier]);
        host.shelf.taken.insert(index, bytes);
        self.act(id, |node| node.snapshot_taken(index)).map(|()| index)
    }

    /// The state machine becomes what a snapshot says.
    pub(super) fn restore(&mut self, id: u64, meta: &SnapshotMeta) {
        let host = self.host(id);
        let bytes = host.shelf.named.get(&meta.id).expect("a snapshot to restore is stored");
        host.applied = unpack(bytes);
        self.act(id, |node| node.applied(meta.id.index)).unwrap();
    }

    /// The disk answers a question for a chunk, or keeps it.
    pub(super) fn read_snapshot(&mut self, id: u64, request: ChunkRequest) {
        let host = self.host(id);
        if host.shelf.slow {
            return host.shelf.asked.push(request);
        }
        let chunk = host.shelf.read(&request);
        self.answer_chunk(id, &request, chunk);
    }

    pub fn answer_chunk(
        &mut self,
        id: u64,
        request: &ChunkRequest,
        chunk: Result<Chunk, Unavailable>,
    ) {
        self.account.push(Happening::ReadsSnapshot(id, *request, chunk.is_ok()));
        self.act(id, |node| node.snapshot_chunk(request.id, chunk)).unwrap();
    }
}
