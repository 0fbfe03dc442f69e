//! A node and what its host holds: disk, snapshots, state machine, clock.

use bytes::Bytes;
use raftcore::{
    ChunkRequest, Committed, Config, Entries, Identity, LogIndex, LogRequest, Membership, Node,
    NodeId, ReadId, SnapshotId, SnapshotMeta, StartError, Stored, Unavailable, Write,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A state machine that keeps nothing but a digest of all that was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) applied: u64,
    pub(crate) digest: u64,
}

impl Machine {
    /// The digest after one more entry.
    pub(crate) fn after(digest: u64, term: u64, checksum: u32) -> u64 {
        let words = [digest, term, checksum.into()];
        xxh3_64(&words.map(u64::to_le_bytes).concat())
    }

    fn apply(&mut self, committed: &Committed) {
        for entry in &committed.entries {
            self.digest = Self::after(self.digest, entry.id.term.0, entry.checksum);
        }
        self.applied = committed.last().0;
    }

    /// The state as the bytes of a snapshot: longer or shorter, so that chunks end anywhere.
    pub(crate) fn snapshot(self) -> Vec<u8> {
        let mut bytes = [self.applied.to_le_bytes(), self.digest.to_le_bytes()].concat();
        bytes.resize(16 + (self.applied as usize * 13) % 50, 7);
        bytes
    }

    /// The state in a snapshot, if it was made by such a machine.
    pub(crate) fn restored(bytes: &[u8]) -> Option<Self> {
        let (applied, rest) = bytes.split_first_chunk()?;
        let digest = rest.first_chunk()?;
        let (applied, digest) = (u64::from_le_bytes(*applied), u64::from_le_bytes(*digest));
        Some(Self { applied, digest })
    }
}

/// The bytes of one snapshot.
#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// Taken here, or received to the end.
    whole: bool,
}

/// One node and everything around it.
pub(crate) struct Host {
    pub(crate) identity: Identity,
    pub(crate) config: Arc<Config>,
    founders: Membership,
    pub(crate) node: Node,
    /// Is given the same as the node and must answer the same.
    pub(crate) twin: Option<Node>,
    /// The fold of all writes that survive a crash.
    pub(crate) durable: Stored,
    /// Handed out and not durable.
    pub(crate) pending: VecDeque<Write>,
    pub(crate) machine: Machine,
    files: BTreeMap<SnapshotId, File>,
    /// Snapshots of this life's state machine by index, before they have a name.
    taken: BTreeMap<u64, Vec<u8>>,
    pub(crate) now: u64,
    pub(crate) log_requests: Vec<LogRequest>,
    pub(crate) chunk_requests: Vec<ChunkRequest>,
    /// Reads that have not ended, and what was committed when they began.
    pub(crate) reads: Vec<(ReadId, Option<u64>)>,
    pub(crate) storage_failed: bool,
    /// Disk and state machine as they once were, to break the promise that a disk never goes back.
    pub(crate) backup: Option<(Stored, Machine)>,
}

impl Host {
    pub(crate) fn new(identity: Identity, config: Arc<Config>, founders: Membership) -> Self {
        let node = first_start(identity, &config, &founders);
        Self {
            identity,
            config,
            founders,
            node,
            twin: None,
            durable: Stored::empty(),
            pending: VecDeque::new(),
            machine: Machine::default(),
            files: BTreeMap::new(),
            taken: BTreeMap::new(),
            now: 0,
            log_requests: Vec::new(),
            chunk_requests: Vec::new(),
            reads: Vec::new(),
            storage_failed: false,
            backup: None,
        }
    }

    pub(crate) const fn id(&self) -> NodeId {
        self.identity.node
    }

    /// A write was handed out: it says the same as a record.
    pub(crate) fn handed_out(&mut self, write: Write) {
        let record = write.encode();
        assert_eq!(Write::record_length(&record), Ok(record.len()));
        let decoded = Write::decode(&record.into()).expect("an encoded write decodes");
        assert_eq!(decoded.0, write, "a write changed by its encoding");
        if let Some(meta) = &write.snapshot
            && meta.id.maker == self.id()
            && let Some(bytes) = self.taken.remove(&meta.id.index.0)
        {
            self.files.insert(meta.id, File { bytes, whole: true });
        }
        self.pending.push_back(write);
    }

    /// The oldest write on its way becomes durable.
    pub(crate) fn store(&mut self) -> Option<raftcore::WriteId> {
        let write = self.pending.pop_front()?;
        let id = write.id;
        self.fold(write);
        Some(id)
    }

    fn fold(&mut self, write: Write) {
        if let Some(chunk) = &write.snapshot_chunk {
            let file = self.files.entry(chunk.snapshot).or_default();
            let end = file.bytes.len() as u64;
            assert!(chunk.offset <= end, "a chunk at {} leaves a hole after {end}", chunk.offset);
            file.bytes.truncate(chunk.offset as usize);
            file.bytes.extend_from_slice(&chunk.data);
        }
        if let Some(meta) = &write.snapshot
            && let Some(file) = self.files.get_mut(&meta.id)
        {
            file.whole = true;
        }
        if let Some(oldest) = write.release_snapshots_below {
            self.files.retain(|id, _| *id >= oldest);
        }
        self.durable.replay(write).expect("a node's own writes fold");
    }

    /// Dies. Of the writes on their way the first `keep` become durable, and the next one as far as
    /// its first `fields` fields.
    pub(crate) fn crash(&mut self, keep: usize, fields: usize) {
        for _ in 0..keep {
            self.store();
        }
        if let Some(write) = self.pending.pop_front()
            && fields > 0
        {
            self.fold(torn(write, fields));
        }
        self.pending.clear();
        self.files.retain(|_, file| file.whole);
        self.taken.clear();
        self.log_requests.clear();
        self.chunk_requests.clear();
        self.reads.clear();
        self.storage_failed = false;
        self.twin = None;
    }

    /// Starts from its disk, with its state machine as it was or, if that was in memory, empty.
    ///
    /// # Errors
    /// Whatever the node says; an honest disk gives no reason to.
    pub(crate) fn start(&mut self, machine_survives: bool) -> Result<(), StartError> {
        if self.durable.is_empty() {
            self.node = first_start(self.identity, &self.config, &self.founders);
            return Ok(());
        }
        if !machine_survives {
            self.machine = Machine::default();
        }
        let applied = LogIndex(self.machine.applied);
        self.node = Node::new(self.config.clone(), self.durable.clone(), applied)?;
        Ok(())
    }

    pub(crate) fn apply(&mut self, committed: &Committed) {
        let next = self.machine.applied + 1;
        assert_eq!(committed.entries.first(), LogIndex(next), "handed out for Apply");
        assert!(!committed.entries.is_empty(), "nothing was handed out for Apply");
        self.machine.apply(committed);
    }

    /// Replaces the state machine by a received snapshot. A host that said of a write that it is
    /// durable when it was not may have no such snapshot.
    pub(crate) fn restore(&mut self, meta: &SnapshotMeta, honest: bool) {
        let file = self.files.get(&meta.id);
        // The meta of a snapshot taken here says neither length nor checksum.
        let fits = |file: &File| {
            let bytes = &file.bytes;
            let same = meta.length == bytes.len() as u64 && meta.checksum == xxh3_64(bytes);
            file.whole && (same || meta.id.maker == self.id())
        };
        assert!(file.is_some_and(fits) || !honest, "restored in part");
        assert!(meta.id.index.0 > self.machine.applied, "an older snapshot is to be restored");
        let machine = file.and_then(|file| Machine::restored(&file.bytes)).unwrap_or_default();
        self.machine = Machine { applied: meta.id.index.0, ..machine };
    }

    /// The state machine's snapshot at this index is durable from now on.
    pub(crate) fn keep_snapshot(&mut self, index: u64, machine: Machine) {
        self.taken.insert(index, machine.snapshot());
    }

    /// What the store gives for a log request, so many entries at most.
    pub(crate) fn read_log(
        &mut self,
        request: &LogRequest,
        most: u64,
    ) -> Result<Entries, Unavailable> {
        let last = request.last.min(request.first.plus(most - 1));
        self.durable.read(&LogRequest { last, ..*request })
    }

    /// What the store gives for a piece of a snapshot.
    pub(crate) fn read_chunk(
        &self,
        request: &ChunkRequest,
    ) -> Result<raftcore::Chunk, Unavailable> {
        let file = self.files.get(&request.snapshot).ok_or(Unavailable)?;
        let from = usize::try_from(request.offset).map_err(|_| Unavailable)?;
        let rest = file.bytes.get(from..).ok_or(Unavailable)?;
        let data = Bytes::copy_from_slice(&rest[..rest.len().min(request.max_bytes)]);
        Ok(raftcore::Chunk { total: file.bytes.len() as u64, data })
    }
}

/// Members found the group; others wait to be added.
fn first_start(identity: Identity, config: &Arc<Config>, founders: &Membership) -> Node {
    if founders.member(identity.node).is_none() {
        let stored = Stored::join(identity);
        return Node::new(config.clone(), stored, LogIndex(0)).expect("joining");
    }
    let stored = Stored::found(identity, founders.clone());
    Node::new(config.clone(), stored, LogIndex(0)).expect("founding")
}

/// A write that a crash cut short after some of its fields.
fn torn(write: Write, fields: usize) -> Write {
    let mut kept = Write::empty(write.identity, write.id);
    let mut left = fields;
    macro_rules! keep {
        ($($field:ident),*) => {
            $(if left > 0 {
                kept.$field = write.$field;
                left -= 1;
            })*
        };
    }
    keep!(hard_state, snapshot_chunk, snapshot, reset_log_to, truncate_from, entries);
    keep!(discard_through, release_snapshots_below);
    let _ = left;
    kept
}
