//! A cluster whose every step is in the test's hand: who polls, whose disk is done, which message
//! arrives. It keeps an account of all that happens.

pub mod network;
mod preload;
pub mod snapshots;
pub mod storage;

pub use network::{Link, Network};

use snapshots::Shelf;

use super::{GROUP, fold, identity};
use raftcore::{
    ChunkRequest, Config, Entries, EntryId, EntryKind, LogIndex, Membership, Message, Node, NodeId,
    Output, ReadId, RejectedMessage, RoleName, Stored, Term, Tick, Write, WriteId,
};
use std::collections::{BTreeMap, VecDeque};

/// Most rounds of [`Lab::settle`]; a cluster that goes on longer never becomes quiet.
const ROUNDS_MAX: usize = 1_000;

/// What can be seen of a node from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    pub role: RoleName,
    pub term: Term,
    pub leader: Option<NodeId>,
    pub commit: LogIndex,
}

impl View {
    pub fn of(node: &Node) -> Self {
        let (role, term) = (node.role(), node.term());
        Self { role, term, leader: node.leader(), commit: node.commit_index() }
    }
}

/// Something that happened, in the order in which it did.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A node wants something done.
    Wants(u64, Output),
    /// A message arrived.
    Arrived(Message),
    /// A message got lost: its link is cut, or its addressee is down.
    Lost(Message),
    /// A node rejected the message that just arrived.
    Rejected(u64, RejectedMessage),
    /// The disk of a node finished a write.
    Synced(u64, WriteId),
    /// A disk answered a question for a chunk of a snapshot, or could not.
    ReadsSnapshot(u64, ChunkRequest, bool),
    /// A node may answer a read now, with what is applied.
    Answers(u64, ReadId, LogIndex),
    /// A node looks different than before.
    Changed { id: u64, before: View, after: View },
}

/// One entry of a log, as a test compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub id: EntryId,
    pub kind: EntryKind,
    pub payload: Vec<u8>,
}

/// A node, its disk, its state machine and its clock.
pub struct Host {
    /// `None` while it is down.
    pub node: Option<Node>,
    pub config: Config,
    /// Writes that survive a crash.
    pub disk: Vec<Write>,
    /// Writes that were handed out and are not durable yet.
    pub pending: VecDeque<Write>,
    pub applied: Vec<(EntryId, Vec<u8>)>,
    pub shelf: Shelf,
    /// The disk finishes a write only when the test says so.
    pub slow_disk: bool,
    /// Reads of the log that storage has not answered.
    pub reads: VecDeque<storage::LogRead>,
    /// Storage answers only when the test says so.
    pub slow_storage: bool,
    pub now: u64,
}

/// The cluster.
pub struct Lab {
    pub founders: Membership,
    pub hosts: BTreeMap<u64, Host>,
    pub network: Network,
    pub account: Vec<Happening>,
}

impl Lab {
    /// Nodes 1 to `size`, all voters, just founded; their clocks stand at 0.
    pub fn new(size: u64, config: &Config) -> Self {
        Self::with_outsiders(size, 0, config)
    }

    /// The same, and nodes after them that wait to be added.
    pub fn with_outsiders(size: u64, outsiders: u64, config: &Config) -> Self {
        let founders = Membership::of_voters(1..=size).unwrap();
        let host = |id| {
            let stored = first_start(&founders, id);
            let mut node = Node::new(config.clone(), stored, LogIndex(0)).unwrap();
            node.tick(Tick(0));
            Host {
                node: Some(node),
                config: config.clone(),
                disk: Vec::new(),
                pending: VecDeque::new(),
                applied: Vec::new(),
                shelf: Shelf::default(),
                slow_disk: false,
                reads: VecDeque::new(),
                slow_storage: false,
                now: 0,
            }
        };
        let hosts = (1..=size + outsiders).map(|id| (id, host(id))).collect();
        Self { founders, hosts, network: Network::default(), account: Vec::new() }
    }

    pub fn ids(&self) -> Vec<u64> {
        self.hosts.keys().copied().collect()
    }

    pub fn host(&mut self, id: u64) -> &mut Host {
        self.hosts.get_mut(&id).expect("no such node")
    }

    pub fn node(&self, id: u64) -> &Node {
        self.hosts[&id].node.as_ref().expect("the node is down")
    }

    pub fn is_up(&self, id: u64) -> bool {
        self.hosts[&id].node.is_some()
    }

    /// Calls a node and notes how it changed.
    pub fn act<R>(&mut self, id: u64, call: impl FnOnce(&mut Node) -> R) -> R {
        let node = self.host(id).node.as_mut().expect("the node is down");
        let before = View::of(node);
        let result = call(node);
        let after = View::of(node);
        if before != after {
            self.account.push(Happening::Changed { id, before, after });
        }
        result
    }

    /// Moves a node's clock, one tick at a time.
    pub fn tick(&mut self, id: u64, ticks: u64) {
        for _ in 0..ticks {
            let host = self.host(id);
            host.now += 1;
            let now = Tick(host.now);
            self.act(id, |node| node.tick(now));
        }
    }

    /// Moves a node's clock to its next timer. Says whether there is one.
    pub fn timeout(&mut self, id: u64) -> bool {
        let Some(deadline) = self.node(id).deadline() else { return false };
        let host = self.host(id);
        host.now = host.now.max(deadline.0);
        let now = Tick(host.now);
        self.act(id, |node| node.tick(now));
        true
    }

    fn poll_one(&mut self, id: u64) -> Option<Output> {
        let announced = self.node(id).has_output();
        let output = self.act(id, Node::poll_output);
        assert!(announced || output.is_none(), "`has_output` did not tell of {output:?}");
        output
    }

    /// Takes all outputs of a node: messages enter the network, writes its disk's queue.
    pub fn poll(&mut self, id: u64) {
        while let Some(output) = self.poll_one(id) {
            self.account.push(Happening::Wants(id, output.clone()));
            match output {
                Output::Send(message) => self.network.send(message, &mut self.account),
                Output::Persist(write) => self.host(id).pending.push_back(write),
                Output::Apply(committed) => {
                    let commands = super::commands(&committed);
                    self.host(id).applied.extend(commands);
                    self.act(id, |node| node.applied(committed.last())).unwrap();
                }
                Output::ReadLog(request) => self.read_log(id, request),
                Output::ReadReady(read) => {
                    let applied = self.node(id).applied_index();
                    self.account.push(Happening::Answers(id, read, applied));
                }
                Output::Restore(meta) => self.restore(id, &meta),
                Output::ReadSnapshot(request) => self.read_snapshot(id, request),
                Output::ReadFailed { .. } | Output::Event(_) | Output::Halted(_) => {}
                Output::ProposalsLost { .. } | Output::ProposalsUnknown { .. } => {}
            }
        }
    }

    /// The disk finishes the next `count` writes, and says so once.
    pub fn sync(&mut self, id: u64, count: usize) {
        let mut last = None;
        let host = self.host(id);
        let done: Vec<Write> = host.pending.drain(..count.min(host.pending.len())).collect();
        for write in done {
            last = Some(write.id);
            self.account.push(Happening::Synced(id, write.id));
            let record = write.encode();
            let (decoded, _) = Write::decode(&record.into()).unwrap();
            assert_eq!(decoded, write);
            self.host(id).shelf.stored(&write);
            self.host(id).disk.push(write);
        }
        if let Some(last) = last {
            self.act(id, |node| node.persisted(last)).unwrap();
        }
    }

    /// Takes all outputs, lets a fast disk finish, until nothing is left to do.
    pub fn work(&mut self, id: u64) {
        for _ in 0..ROUNDS_MAX {
            if !self.is_up(id) {
                return;
            }
            self.poll(id);
            if self.answer_all(id) {
                continue;
            }
            let host = self.host(id);
            if host.slow_disk || host.pending.is_empty() {
                return;
            }
            self.sync(id, usize::MAX);
        }
        panic!("node {id} does not become quiet");
    }

    /// Every node works and every message arrives, until all is quiet.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.ids().into_iter().for_each(|id| self.work(id));
            let messages = self.network.take_free();
            if messages.is_empty() {
                return;
            }
            messages.into_iter().for_each(|message| self.arrive(message));
        }
        panic!("the cluster does not become quiet");
    }

    /// All clocks move on, one tick at a time; after each, the cluster settles.
    pub fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            for id in self.ids() {
                if self.is_up(id) {
                    self.tick(id, 1);
                } else {
                    self.host(id).now += 1;
                }
            }
            self.settle();
        }
    }

    /// A message reaches its addressee, encoded and decoded on the way.
    pub fn arrive(&mut self, message: Message) {
        let to = message.to().0;
        if !self.is_up(to) {
            return self.account.push(Happening::Lost(message));
        }
        let decoded = Message::decode(message.encode().to_bytes()).unwrap();
        assert_eq!(decoded, message);
        self.account.push(Happening::Arrived(message));
        if let Err(error) = self.act(to, |node| node.receive(decoded)) {
            self.account.push(Happening::Rejected(to, error));
        }
    }

    /// The oldest message on a link arrives.
    pub fn deliver(&mut self, from: u64, to: u64) {
        let message = self.network.take(Link { from, to }).expect("nothing is under way");
        self.arrive(message);
    }

    /// A node dies. Of the writes that were not durable, the first `keep` are found on its disk.
    pub fn crash(&mut self, id: u64, keep: usize) {
        let host = self.host(id);
        host.node = None;
        let keep = keep.min(host.pending.len());
        for write in host.pending.drain(..keep) {
            host.shelf.stored(&write);
            host.disk.push(write);
        }
        host.pending.clear();
        host.reads.clear();
    }

    /// The same, but of the first write that is lost the beginning is found: its term and vote, the
    /// bytes of a snapshot, the name of a snapshot, and nothing of what comes after.
    pub fn crash_within_write(&mut self, id: u64, keep: usize) {
        let host = self.host(id);
        let mut torn = host.pending.get(keep).expect("no write is under way").clone();
        torn.reset_log_to = None;
        torn.truncate_from = None;
        torn.entries = Entries::default();
        torn.discard_through = None;
        torn.release_snapshots_below = None;
        self.crash(id, keep);
        let host = self.host(id);
        host.shelf.stored(&torn);
        host.disk.push(torn);
    }

    /// A node starts from its disk; its state machine holds everything up to `applied`.
    pub fn start(&mut self, id: u64, applied: u64) {
        let host = self.host(id);
        let mut stored = fold(&host.disk);
        if stored.is_empty() {
            stored = first_start(&self.founders, id);
        }
        let host = self.host(id);
        host.applied.retain(|(entry, _)| entry.index.0 <= applied);
        host.shelf.restarted(stored.snapshot());
        let mut node = Node::new(host.config.clone(), stored, LogIndex(applied)).unwrap();
        node.tick(Tick(host.now));
        host.node = Some(node);
    }

    /// Time passes until all nodes may vote; nobody's election timeout is over by then.
    pub fn wait_after_start(&mut self) {
        for id in self.ids() {
            let ticks = self.host(id).config.election_ticks_min;
            let deadline = self.node(id).deadline();
            assert!(deadline > Some(Tick(ticks.into())), "choose another seed: {deadline:?}");
            self.tick(id, ticks.into());
        }
    }

    /// A node dies with everything durable, and starts again.
    pub fn restart(&mut self, id: u64) {
        self.crash(id, usize::MAX);
        self.start(id, 0);
    }

    /// A node that nobody opposes becomes leader.
    pub fn elect(&mut self, id: u64) {
        self.act(id, Node::campaign).unwrap();
        self.settle();
        assert_eq!(self.node(id).role(), RoleName::Leader);
    }

    /// The same, of a node that may halt as soon as it leads.
    pub fn elect_against_doubt(&mut self, id: u64) {
        self.act(id, Node::campaign).unwrap();
        self.settle();
        assert!(self.node(id).term() > Term(1));
    }

    pub fn propose(&mut self, id: u64, payload: &str) -> EntryId {
        self.act(id, |node| node.propose(payload.as_bytes())).unwrap()
    }

    /// What a crash would leave of a node's log, if its disk finished everything first.
    pub fn log(&self, id: u64) -> Vec<LogEntry> {
        let host = &self.hosts[&id];
        entries_of(&fold_all(host.disk.iter().chain(&host.pending)))
    }

    /// What a crash would leave of a node's log now.
    pub fn durable_log(&self, id: u64) -> Vec<LogEntry> {
        entries_of(&fold(&self.hosts[&id].disk))
    }

    /// The terms of the entries of a log, oldest first.
    pub fn terms(&self, id: u64) -> Vec<u64> {
        self.log(id).iter().map(|entry| entry.id.term.0).collect()
    }

    pub fn leaders(&self) -> Vec<u64> {
        let leads = |id: &u64| self.is_up(*id) && self.node(*id).role() == RoleName::Leader;
        self.ids().into_iter().filter(leads).collect()
    }
}

/// Founders found the group; others wait to be added.
fn first_start(founders: &Membership, id: u64) -> Stored {
    match founders.member(NodeId(id)) {
        Some(_) => Stored::found(identity(id), founders.clone()),
        None => Stored::join(identity(id)),
    }
}

fn fold_all<'a>(writes: impl Iterator<Item = &'a Write>) -> Stored {
    let mut stored = Stored::empty();
    for write in writes {
        stored.replay(write.clone()).unwrap();
    }
    stored
}

fn entries_of(stored: &Stored) -> Vec<LogEntry> {
    let one = |index| {
        let entry = stored.entry(LogIndex(index))?;
        Some(LogEntry { id: entry.id, kind: entry.kind, payload: entry.payload.to_vec() })
    };
    (1..=stored.last().index.0).filter_map(one).collect()
}

/// A message that nobody sent.
pub fn forged(from: u64, to: u64, term: u64, body: raftcore::Body) -> Message {
    Message::forge(GROUP, NodeId(from), NodeId(to), Term(term), body)
}
