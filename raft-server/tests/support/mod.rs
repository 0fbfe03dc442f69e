//! A network and disks in memory, and patience: what the tests of the server share.
#![allow(dead_code, reason = "each test file uses its part")]

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use raftcore::{Config, GroupId, Identity, Membership, Message, MessageKind, NodeId, RoleName};
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
    records: Vec<Vec<u8>>,
    syncs: u64,
    held: bool,
    fails: bool,
}

impl Disk {
    pub(crate) fn hold(&self, held: bool) {
        self.0.0.lock().unwrap().held = held;
        self.0.1.notify_all();
    }

    pub(crate) fn fail(&self) {
        self.0.0.lock().unwrap().fails = true;
    }

    pub(crate) fn repair(&self) {
        self.0.0.lock().unwrap().fails = false;
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.0.0.lock().unwrap().syncs
    }
}

impl Store for Disk {
    fn load(
        &mut self,
        take: &mut dyn FnMut(u64, Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let records = self.0.0.lock().unwrap().records.clone();
        (0..).zip(records).try_for_each(|(row, record)| take(row, record.into()))
    }

    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        let (state, changed) = &*self.0;
        let mut state = changed.wait_while(state.lock().unwrap(), |state| state.held).unwrap();
        if state.fails {
            return Err(StoreError::Failed { path: self.name(), what: "no".to_owned() });
        }
        state.records.extend_from_slice(records);
        state.syncs += 1;
        Ok(())
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
}

impl Cluster {
    pub(crate) fn start(nodes: u64) -> Self {
        let ids = (1..=nodes).map(NodeId);
        let disks = ids.map(|id| (id, Disk::default())).collect();
        let mut cluster = Self { hub: Hub::default(), disks, servers: BTreeMap::new() };
        for id in cluster.disks.keys().copied().collect::<Vec<_>>() {
            cluster.start_node(id);
        }
        cluster
    }

    /// Starts a node, again or for the first time.
    pub(crate) fn start_node(&mut self, id: NodeId) {
        let options = Options {
            identity: Identity { group: GroupId(1), node: id },
            membership: Membership::of_voters(self.disks.keys().map(|id| id.get())).unwrap(),
            config: Config::default(),
            // Slow enough that a busy machine does not depose a leader in the middle of a test.
            tick: Duration::from_millis(30),
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
