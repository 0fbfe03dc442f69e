//! Raftcore as a [`Group`].

use bytes::Bytes;
use core::marker::PhantomData;
use raftcore::{
    Body, Config, GroupId, Identity, LogIndex, Membership, Message, Node, NodeId, Output, RoleName,
    Stored, Tick,
};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::group::{Group, NODES};
use crate::sample::measured;

/// How messages travel.
pub trait Hop {
    /// A message under way.
    type Packet;
    /// What the sender does.
    fn pack(message: Message) -> Self::Packet;
    /// What the receiver does.
    fn unpack(packet: Self::Packet) -> Message;
}

/// Messages move as values.
#[derive(Debug)]
pub struct Direct;

impl Hop for Direct {
    type Packet = Message;

    fn pack(message: Message) -> Message {
        message
    }

    fn unpack(packet: Message) -> Message {
        packet
    }
}

/// Messages are encoded to frames and decoded again.
#[derive(Debug)]
pub struct Framed;

impl Hop for Framed {
    type Packet = Bytes;

    fn pack(message: Message) -> Bytes {
        message.encode().to_bytes()
    }

    fn unpack(packet: Bytes) -> Message {
        Message::decode(packet).expect("a frame just encoded")
    }
}

/// Raftcore nodes and the queue between them.
#[derive(Debug)]
pub struct Cluster<H: Hop = Direct> {
    members: Vec<Member>,
    network: Vec<H::Packet>,
    cut: Option<NodeId>,
    now: Tick,
    hop: PhantomData<H>,
}

/// A node and its state machine, which keeps the number and the length of all payloads.
#[derive(Debug)]
struct Member {
    node: Node,
    /// Whether the node was given something since it was last polled.
    touched: bool,
    commands: u64,
    payload_bytes: u64,
}

static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();

/// One configuration for all nodes of the program, as a host of many groups would do it.
fn config() -> Arc<Config> {
    Arc::clone(CONFIG.get_or_init(Arc::default))
}

/// Chooses what clusters run with that are not told: the default, but for this.
///
/// # Panics
/// If there was a cluster already.
pub fn configure(config: Config) {
    CONFIG.set(Arc::new(config)).expect("the first use of the configuration");
}

fn index(id: NodeId) -> usize {
    usize::try_from(id.get()).expect("a small id") - 1
}

impl<H: Hop> Cluster<H> {
    /// As [`Group::cold`], with any number of voters.
    #[must_use]
    pub fn of(voters: usize) -> Self {
        Self::with(voters, &config())
    }

    /// As [`Group::cold`], with any number of voters, and another configuration.
    #[must_use]
    pub fn with(voters: usize, config: &Arc<Config>) -> Self {
        let ids = 1..=voters as u64;
        let membership = Membership::of_voters(ids.clone()).expect("a legal membership");
        let start = |id| {
            let identity = Identity { group: GroupId(1), node: NodeId(id) };
            let stored = Stored::found(identity, membership.clone());
            let mut node =
                Node::new(Arc::clone(config), stored, LogIndex(0)).expect("a first start");
            node.tick(Tick(0));
            Member { node, touched: true, commands: 0, payload_bytes: 0 }
        };
        Self {
            members: ids.map(start).collect(),
            network: Vec::new(),
            cut: None,
            now: Tick(0),
            hop: PhantomData,
        }
    }

    /// A node.
    #[must_use]
    pub fn node(&self, node: usize) -> &Node {
        &self.members[node].node
    }

    /// A node, to ask it something that may change it.
    pub fn node_mut(&mut self, node: usize) -> &mut Node {
        &mut self.members[node].node
    }

    /// Bytes of all payloads that a node has applied.
    #[must_use]
    pub fn payload_bytes(&self, node: usize) -> u64 {
        self.members[node].payload_bytes
    }

    /// The nodes alone, first to last.
    pub fn into_nodes(self) -> impl Iterator<Item = Node> {
        self.members.into_iter().map(|member| member.node)
    }

    fn member(&mut self, node: usize) -> &mut Node {
        let member = &mut self.members[node];
        member.touched = true;
        &mut member.node
    }
}

impl Member {
    fn drain(&mut self, mut send: impl FnMut(Message)) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(message) => send(message),
                Output::Persist(write) => self.node.persisted(write.id).expect("a write just made"),
                Output::Apply(committed) => {
                    for command in committed.commands() {
                        self.commands += 1;
                        self.payload_bytes += command.payload.len() as u64;
                    }
                    self.node.applied(committed.last()).expect("entries just handed out");
                }
                Output::Event(_) => {}
                other => panic!("no job leads to {other:?}"),
            }
        }
    }
}

impl<H: Hop> Group for Cluster<H> {
    type Node = Node;
    type Shared = Arc<Config>;

    const NAME: &'static str = "raftcore";

    fn cold() -> Self {
        Self::of(NODES)
    }

    fn campaign(&mut self) {
        self.member(0).campaign().expect("a voter without a leader");
    }

    fn propose(&mut self, payload: &[u8]) {
        self.member(0).propose(payload).expect("a leader with room");
    }

    fn heartbeat(&mut self) {
        let now = self.now;
        let node = self.member(0);
        let now = node.deadline().map_or(now, |deadline| deadline.max(now));
        node.tick(now);
        self.now = now;
    }

    fn poll(&mut self) {
        for member in &mut self.members {
            if core::mem::take(&mut member.touched) {
                member.drain(|message| {
                    if self.cut.is_none_or(|cut| cut != message.to() && cut != message.from()) {
                        self.network.push(H::pack(message));
                    }
                });
            }
        }
    }

    fn deliver(&mut self, count: usize) {
        let count = count.min(self.network.len());
        for packet in self.network.drain(..count) {
            let message = H::unpack(packet);
            let member = &mut self.members[index(message.to())];
            member.touched = true;
            member.node.receive(message).expect("a message of this group");
        }
    }

    fn in_transit(&self) -> usize {
        self.network.len()
    }

    fn cut(&mut self, node: Option<usize>) {
        self.cut = node.map(|node| self.members[node].node.identity().node);
    }

    fn commands(&self, node: usize) -> u64 {
        self.members[node].commands
    }

    fn applied(&self, node: usize) -> u64 {
        self.members[node].node.applied_index().get()
    }

    fn has_work(&self, node: usize) -> bool {
        self.members[node].node.has_output()
    }

    fn trim(&mut self, node: usize) {
        self.members[node].node.trim(0);
    }

    fn into_node(mut self, node: usize) -> (Node, Arc<Config>) {
        (self.members.swap_remove(node).node, config())
    }
}

/// J7: a leader and the replies that are still to come to it.
#[derive(Clone, Debug)]
pub struct Acks {
    leader: Node,
    replies: VecDeque<Message>,
}

impl Acks {
    /// A leader of `voters` that has all replies for `count` single entries but those of one
    /// follower, whose every reply moves the commit index by one.
    #[must_use]
    pub fn new(voters: usize, count: usize) -> Self {
        let mut cluster = Cluster::<Direct>::of(voters);
        cluster.campaign();
        cluster.settle();
        assert_eq!(cluster.node(0).role(), RoleName::Leader);
        let mut replies = Vec::new();
        for _ in 0..count {
            cluster.propose(&[7; 16]);
            cluster.poll();
            cluster.deliver(voters - 1);
            cluster.poll();
            replies.append(&mut cluster.network);
        }
        assert_eq!(replies.len(), count * (voters - 1));
        // The leader counts itself, so all but one of the others in a bare majority.
        let decider = NodeId(voters as u64 / 2 + 1);
        let (mut leader, _) = cluster.into_node(0);
        let (early, rest): (Vec<_>, Vec<_>) =
            replies.into_iter().partition(|reply| reply.from() < decider);
        for reply in early {
            leader.receive(reply).expect("a reply to this leader");
        }
        while leader.poll_output().is_some() {}
        let replies = rest.into_iter().filter(|reply| reply.from() == decider).collect();
        Self { leader, replies }
    }

    /// How many replies are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.replies.len()
    }

    /// Hands in the next reply, which alone is measured; gives how far it moved the commit index.
    pub fn deliver_next(&mut self) -> u64 {
        let Some(reply) = self.replies.pop_front() else { return 0 };
        let leader = &mut self.leader;
        let before = leader.commit_index();
        measured(|| leader.receive(reply)).expect("a reply to this leader");
        leader.commit_index().since(before)
    }

    /// Takes all outputs of the leader and drops them.
    pub fn drop_outputs(&mut self) {
        while self.leader.poll_output().is_some() {}
    }
}

/// J8: the frame of one append of 64 entries of 256 B, and a follower to read it.
///
/// The follower has missed the entry before the append: it checks every checksum and refuses, so
/// that the same frame can be read again and again and no log grows.
#[derive(Debug)]
pub struct Frames {
    frame: Bytes,
    follower: Node,
}

impl Frames {
    /// Entries in the append.
    pub const ENTRIES: usize = 64;

    /// The append as a leader makes it.
    #[must_use]
    pub fn new() -> Self {
        let mut cluster: Cluster<Direct> = crate::jobs::warmed(16);
        // A batch may be cut where a block of the log is full; the next one is whole.
        for _ in 0..10 {
            let follower = cluster.node(NODES - 1).clone();
            cluster.propose(&[7; 16]);
            cluster.settle();
            for _ in 0..Self::ENTRIES {
                cluster.propose(&[7; 256]);
            }
            cluster.poll();
            let whole = cluster.network.iter().find(|message| {
                let Body::Append(append) = message.body() else { return false };
                append.entries.len() == Self::ENTRIES && index(message.to()) == NODES - 1
            });
            if let Some(message) = whole {
                return Self { frame: message.encode().to_bytes(), follower };
            }
            cluster.settle();
        }
        panic!("no append holds {} entries of 256 B", Self::ENTRIES)
    }

    /// Length of the frame, in bytes.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.frame.len()
    }

    /// The follower.
    #[must_use]
    pub fn follower(&self) -> &Node {
        &self.follower
    }

    /// Reads the frame.
    #[must_use]
    pub fn decode(&self) -> Message {
        Message::decode(self.frame.clone()).expect("a frame just encoded")
    }

    /// Reads the frame and lets the follower check it.
    pub fn decode_and_verify(&mut self) {
        let message = self.decode();
        self.follower.receive(message).expect("an append of an honest leader");
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}
