//! A network and disks in memory, and patience: what the tests of the server share.
#![allow(dead_code, reason = "each test file uses its part")]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use raftcore::{
    Chunk, Config, Entries, GroupId, Identity, LogIndex, LogRequest, Membership, Message,
    MessageKind, NodeId, RoleName, SnapshotId, Stored, Write,
};
use raftcore_server::transport::{Inbox, Transport, TransportStatus};
use raftcore_server::{Command, Handle, KeyValues, Options, Server, Store, StoreError};

/// Longer than anything takes on a machine that does anything at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a question has an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

pub(crate) fn put(key: &str, json: &str) -> Bytes {
    Command::Put(BTreeMap::from([(key.to_owned(), json.to_owned())])).encode().into()
}

/// A network in memory.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<HubState>>);

#[derive(Default)]
struct HubState {
    inboxes: BTreeMap<NodeId, Inbox>,
    cut_off: BTreeSet<NodeId>,
    sent: BTreeMap<(NodeId, MessageKind), u64>,
}

impl Hub {
    pub(crate) fn cut_off(&self, id: NodeId) {
        self.0.lock().unwrap().cut_off.insert(id);
    }

    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().cut_off.clear();
    }

    /// How many messages of a kind a node has sent, delivered or not.
    pub(crate) fn sent(&self, from: NodeId, kind: MessageKind) -> u64 {
        self.0.lock().unwrap().sent.get(&(from, kind)).copied().unwrap_or(0)
    }
}

pub(crate) struct HubTransport {
    id: NodeId,
    hub: Hub,
}

impl Transport for HubTransport {
    fn start(&mut self, inbox: Inbox) {
        self.hub.0.lock().unwrap().inboxes.insert(self.id, inbox);
    }

    fn send(&mut self, message: Message) {
        let mut state = self.hub.0.lock().unwrap();
        *state.sent.entry((message.from(), message.kind())).or_default() += 1;
        let cut = [message.from(), message.to()].iter().any(|id| state.cut_off.contains(id));
        if let (false, Some(inbox)) = (cut, state.inboxes.get(&message.to()).cloned()) {
            tokio::spawn(async move { inbox.deliver(message).await });
        }
    }

    fn status(&self) -> TransportStatus {
        TransportStatus::default()
    }
}

/// A disk in memory that can be held up and can fail.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<DiskState>, Condvar)>);

#[derive(Default)]
struct DiskState {
    writes: Vec<Write>,
    taken: BTreeMap<LogIndex, Vec<u8>>,
    snapshots: BTreeMap<SnapshotId, Vec<u8>>,
    syncs: u64,
    held: bool,
    reads_held: bool,
    fails: bool,
}

impl DiskState {
    /// What a write says of snapshots.
    fn change(&mut self, write: &Write) {
        if let Some(chunk) = &write.snapshot_chunk {
            let bytes = self.snapshots.entry(chunk.snapshot).or_default();
            bytes.truncate(chunk.offset as usize);
            bytes.extend_from_slice(&chunk.data);
        }
        if let Some(meta) = &write.snapshot
            && !self.snapshots.contains_key(&meta.id)
            && let Some(bytes) = self.taken.remove(&meta.id.index)
        {
            self.snapshots.insert(meta.id, bytes);
        }
        if let Some(newest) = write.release_snapshots_below {
            self.snapshots.retain(|&id, _| id >= newest);
            self.taken.retain(|&index, _| index > newest.index);
        }
    }
}

impl Disk {
    pub(crate) fn hold(&self, held: bool) {
        self.0.0.lock().unwrap().held = held;
        self.0.1.notify_all();
    }

    /// Holds up whoever reads a snapshot.
    pub(crate) fn hold_reads(&self, held: bool) {
        self.0.0.lock().unwrap().reads_held = held;
        self.0.1.notify_all();
    }

    pub(crate) fn fail(&self) {
        self.0.0.lock().unwrap().fails = true;
    }

    pub(crate) fn repair(&self) {
        self.0.0.lock().unwrap().fails = false;
    }

    /// The last entry of the newest snapshot.
    pub(crate) fn snapshot_index(&self) -> Option<LogIndex> {
        let state = self.0.0.lock().unwrap();
        let metas = state.writes.iter().filter_map(|write| write.snapshot.as_ref());
        metas.map(|meta| meta.id.index).max().filter(|&index| index > LogIndex(0))
    }

    /// The newest snapshot that a node has made.
    pub(crate) fn newest_snapshot_of(&self, maker: NodeId) -> Option<(LogIndex, Vec<u8>)> {
        let state = self.0.0.lock().unwrap();
        let mut newest = state.snapshots.iter().rev().filter(|(id, _)| id.maker == maker);
        newest.next().map(|(id, bytes)| (id.index, bytes.clone()))
    }

    /// Bytes of snapshots that came from peers.
    pub(crate) fn received_bytes(&self) -> usize {
        let state = self.0.0.lock().unwrap();
        let chunks = state.writes.iter().filter_map(|write| write.snapshot_chunk.as_ref());
        chunks.map(|chunk| chunk.data.len()).sum()
    }

    pub(crate) fn damage_snapshots(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.snapshots.values_mut().for_each(|bytes| bytes.truncate(bytes.len() / 2));
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.0.0.lock().unwrap().syncs
    }
}

impl Store for Disk {
    fn load(&mut self, expected: Identity) -> Result<Option<Stored>, StoreError> {
        let mut state = self.0.0.lock().unwrap();
        let mut stored = Stored::empty();
        for write in state.writes.clone() {
            assert_eq!(write.identity, expected);
            stored.replay(write).expect("what was written in order");
        }
        let newest = stored.snapshot().map(|meta| meta.id);
        state.snapshots.retain(|&id, _| Some(id) == newest);
        state.taken.clear();
        Ok((!stored.is_empty()).then_some(stored))
    }

    fn append(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        let (state, changed) = &*self.0;
        let mut state = changed.wait_while(state.lock().unwrap(), |state| state.held).unwrap();
        if state.fails {
            return Err(StoreError::Failed { path: self.name(), what: "no".to_owned() });
        }
        for write in writes {
            state.change(write);
        }
        state.writes.extend_from_slice(writes);
        state.syncs += 1;
        Ok(())
    }

    fn read_log(&mut self, request: &LogRequest) -> Result<Entries, StoreError> {
        let mut stored = Stored::empty();
        for write in self.0.0.lock().unwrap().writes.clone() {
            stored.replay(write).expect("what was written in order");
        }
        let failed = |_| StoreError::Failed { path: self.name(), what: "not here".to_owned() };
        stored.read(request).map_err(failed)
    }

    fn save_snapshot(
        &mut self,
        index: LogIndex,
        offset: u64,
        piece: &[u8],
    ) -> Result<(), StoreError> {
        let mut state = self.0.0.lock().unwrap();
        let bytes = state.taken.entry(index).or_default();
        bytes.truncate(offset as usize);
        bytes.extend_from_slice(piece);
        Ok(())
    }

    fn read_snapshot(
        &mut self,
        id: SnapshotId,
        offset: u64,
        max: usize,
    ) -> Result<Chunk, StoreError> {
        let (state, changed) = &*self.0;
        let state = changed.wait_while(state.lock().unwrap(), |state| state.reads_held).unwrap();
        let failed = || StoreError::Failed { path: self.name(), what: "not here".to_owned() };
        let bytes = state.snapshots.get(&id).ok_or_else(failed)?;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let data = rest[..rest.len().min(max)].to_vec().into();
        Ok(Chunk { total: bytes.len() as u64, data })
    }

    fn name(&self) -> PathBuf {
        PathBuf::from("memory")
    }
}

/// Servers over one hub, each with a disk of its own.
pub(crate) struct Cluster {
    pub(crate) hub: Hub,
    pub(crate) disks: BTreeMap<NodeId, Disk>,
    pub(crate) servers: BTreeMap<NodeId, Server<KeyValues>>,
    /// Nodes that found nothing, but wait to be added.
    pub(crate) joins: BTreeSet<NodeId>,
    config: Config,
    snapshot_every: u64,
}

impl Cluster {
    pub(crate) fn start(nodes: u64) -> Self {
        Self::with(nodes, Config::default(), 1_000_000)
    }

    /// The same with snapshots, behind which nothing is kept.
    pub(crate) fn with_snapshots(nodes: u64, snapshot_every: u64) -> Self {
        let config = Config { max_retained_bytes: 0, max_chunk_bytes: 1000, ..Config::default() };
        Self::with(nodes, config, snapshot_every)
    }

    fn with(nodes: u64, config: Config, snapshot_every: u64) -> Self {
        let ids = (1..=nodes).map(NodeId);
        let disks = ids.map(|id| (id, Disk::default())).collect();
        let mut cluster = Self {
            hub: Hub::default(),
            disks,
            servers: BTreeMap::new(),
            joins: BTreeSet::new(),
            config,
            snapshot_every,
        };
        for id in cluster.disks.keys().copied().collect::<Vec<_>>() {
            cluster.start_node(id);
        }
        cluster
    }

    /// Starts a node that waits to be added.
    pub(crate) fn join(&mut self, id: NodeId) {
        self.joins.insert(id);
        self.disks.insert(id, Disk::default());
        self.start_node(id);
    }

    /// Starts a node, again or for the first time.
    pub(crate) fn start_node(&mut self, id: NodeId) {
        let founders = self.disks.keys().filter(|id| !self.joins.contains(id)).map(|id| id.get());
        let options = Options {
            identity: Identity { group: GroupId(1), node: id },
            founders: (!self.joins.contains(&id)).then(|| Membership::of_voters(founders).unwrap()),
            config: self.config.clone(),
            // Slow enough that a busy machine does not depose a leader in the middle of a test.
            tick: Duration::from_millis(30),
            snapshot_every: self.snapshot_every,
        };
        let transport = HubTransport { id, hub: self.hub.clone() };
        let disk = self.disks[&id].clone();
        let server = Server::start(options, disk, KeyValues::default(), transport);
        self.servers.insert(id, server.expect("started"));
    }

    pub(crate) fn handle(&self, id: NodeId) -> Handle<KeyValues> {
        self.servers[&id].handle()
    }

    /// A leader among the nodes that are not excluded.
    pub(crate) async fn leader_but(&self, excluded: Option<NodeId>) -> NodeId {
        eventually("a leader", async || {
            let mut ids = self.servers.keys().copied().filter(|&id| Some(id) != excluded);
            ids.find(|&id| self.handle(id).roles().borrow().name == RoleName::Leader)
        })
        .await
    }

    pub(crate) async fn leader(&self) -> NodeId {
        self.leader_but(None).await
    }

    /// Puts a key through whoever leads, as often as it takes.
    pub(crate) async fn put(&self, excluded: Option<NodeId>, key: &str, json: &str) {
        eventually("a put", async || {
            let leader = self.leader_but(excluded).await;
            self.handle(leader).propose(put(key, json)).await.ok()
        })
        .await;
    }
}
