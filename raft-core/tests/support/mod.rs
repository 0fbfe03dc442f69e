//! Nodes in one thread, without faults: what the tests drive by hand.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "shared by the test files")]

pub mod lab;
pub mod wire;

use raftcore::{
    Committed, Config, EntryId, Event, GroupId, Identity, LogIndex, Membership, Message, Node,
    NodeId, Output, RoleName, Stored, Tick, Write,
};

pub const GROUP: GroupId = GroupId(7);

pub fn identity(id: u64) -> Identity {
    Identity { group: GROUP, node: NodeId(id) }
}

pub fn config() -> Config {
    Config { seed: 11, ..Config::default() }
}

pub fn founded(id: u64, voters: impl IntoIterator<Item = u64>) -> Node {
    let membership = Membership::of_voters(voters).unwrap();
    Node::new(config(), Stored::found(identity(id), membership), LogIndex(0)).unwrap()
}

/// All that a node wants done.
pub fn drain(node: &mut Node) -> Vec<Output> {
    core::iter::from_fn(|| node.poll_output()).collect()
}

/// Several nodes, the messages between them, and what each stored and applied.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub disks: Vec<Vec<Write>>,
    pub applied: Vec<Vec<(EntryId, Vec<u8>)>>,
    pub now: u64,
    /// Messages from or to these nodes are lost.
    pub cut_off: Vec<u64>,
    /// What each read ended in, in order.
    pub reads: Vec<(u64, Output)>,
    /// Proposals that were lost, by node.
    pub outcomes: Vec<(u64, Output)>,
    pub events: Vec<(u64, Event)>,
    pub sent: Vec<Message>,
}

impl Cluster {
    pub fn new(size: u64) -> Self {
        let nodes: Vec<Node> = (1..=size).map(|id| founded(id, 1..=size)).collect();
        let count = nodes.len();
        Self {
            nodes,
            disks: vec![Vec::new(); count],
            applied: vec![Vec::new(); count],
            now: 0,
            cut_off: Vec::new(),
            reads: Vec::new(),
            outcomes: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    pub fn node(&mut self, id: u64) -> &mut Node {
        &mut self.nodes[id as usize - 1]
    }

    /// Carries out all outputs and delivers all messages until nothing is left.
    pub fn settle(&mut self) {
        loop {
            let mut messages = Vec::new();
            for at in 0..self.nodes.len() {
                messages.extend(self.carry_out(at));
            }
            if messages.is_empty() {
                return;
            }
            for message in messages {
                self.deliver(message);
            }
        }
    }

    pub fn deliver(&mut self, message: Message) {
        self.sent.push(message.clone());
        if self.cut_off.contains(&message.from().0) || self.cut_off.contains(&message.to().0) {
            return;
        }
        let decoded = Message::decode(message.encode().to_bytes()).unwrap();
        assert_eq!(decoded, message);
        self.node(message.to().0).receive(decoded).unwrap();
    }

    /// Carries out a node's outputs; gives its messages.
    pub fn carry_out(&mut self, at: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        let node = &mut self.nodes[at];
        while let Some(output) = node.poll_output() {
            match output {
                Output::Send(message) => messages.push(message),
                Output::Persist(write) => {
                    let id = write.id;
                    let (decoded, _) = Write::decode(&write.encode().into()).unwrap();
                    assert_eq!(decoded, write);
                    self.disks[at].push(write);
                    node.persisted(id).unwrap();
                }
                Output::Apply(committed) => {
                    self.applied[at].extend(commands(&committed));
                    node.applied(committed.last()).unwrap();
                }
                Output::Event(event) => self.events.push((at as u64 + 1, event)),
                Output::ReadReady(_) | Output::ReadFailed { .. } => {
                    self.reads.push((at as u64 + 1, output));
                }
                Output::ProposalsLost { .. } | Output::ProposalsUnknown { .. } => {
                    self.outcomes.push((at as u64 + 1, output));
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(!node.has_output());
        messages
    }

    pub fn tick(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += 1;
            for node in &mut self.nodes {
                node.tick(Tick(self.now));
            }
            self.settle();
        }
    }

    /// Makes this node leader.
    pub fn elect(&mut self, id: u64) {
        self.tick(1);
        self.node(id).campaign().unwrap();
        self.settle();
        assert_eq!(self.node(id).role(), RoleName::Leader);
    }

    /// Starts a node again from its disk; its state machine is in memory.
    pub fn restart(&mut self, id: u64) {
        let at = id as usize - 1;
        let stored = fold(&self.disks[at]);
        self.nodes[at] = Node::new(config(), stored, LogIndex(0)).unwrap();
        self.applied[at].clear();
    }
}

/// Three nodes, the first one leading since term 1, with `commands` committed commands.
pub fn led_by_1(commands: u64) -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for number in 0..commands {
        cluster.node(1).propose(format!("command {number}").as_bytes()).unwrap();
    }
    cluster.settle();
    cluster
}

pub fn fold(disk: &[Write]) -> Stored {
    let mut stored = Stored::empty();
    for write in disk {
        stored.replay(write.clone()).unwrap();
    }
    stored
}

pub fn commands(committed: &Committed) -> Vec<(EntryId, Vec<u8>)> {
    committed.commands().map(|entry| (entry.id, entry.payload.to_vec())).collect()
}
