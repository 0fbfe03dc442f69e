//! raft-rs as a [`Group`]: `RawNode` over `MemStorage`, driven as its guide says.

use core::marker::PhantomData;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::storage::MemStorage;
use raft::{Config, RawNode};
use std::collections::VecDeque;

use crate::cluster::{Direct, Framed};
use crate::group::{Group, NODES};
use crate::sample::measured;

/// The codec that raft-rs was built with.
#[cfg(feature = "peers")]
mod codec {
    use super::Message;
    use protobuf::Message as _;

    pub(super) const NAME: &str = "raft-rs";

    pub(super) fn encode(message: &Message) -> Vec<u8> {
        message.write_to_bytes().expect("a complete message")
    }

    pub(super) fn decode(bytes: &[u8]) -> Message {
        Message::parse_from_bytes(bytes).expect("a message just encoded")
    }
}

#[cfg(feature = "peers-prost")]
mod codec {
    use super::Message;
    use prost::Message as _;

    pub(super) const NAME: &str = "raft-rs-prost";

    pub(super) fn encode(message: &Message) -> Vec<u8> {
        message.encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Message {
        Message::decode(bytes).expect("a message just encoded")
    }
}

/// How messages of raft-rs travel.
pub trait PeerHop {
    /// A message under way.
    type Packet;
    /// What the sender does.
    fn pack(message: Message) -> Self::Packet;
    /// What the receiver does.
    fn unpack(packet: Self::Packet) -> Message;
}

impl PeerHop for Direct {
    type Packet = Message;

    fn pack(message: Message) -> Message {
        message
    }

    fn unpack(packet: Message) -> Message {
        packet
    }
}

impl PeerHop for Framed {
    type Packet = Vec<u8>;

    fn pack(message: Message) -> Vec<u8> {
        codec::encode(&message)
    }

    fn unpack(packet: Vec<u8>) -> Message {
        codec::decode(&packet)
    }
}

/// raft-rs nodes and the queue between them; `APPEND_BYTES` is its `max_size_per_msg`, here
/// raftcore's default.
pub struct RaftRs<H: PeerHop = Direct, const APPEND_BYTES: u64 = 65_536> {
    nodes: Vec<RawNode<MemStorage>>,
    road: Road<H>,
    touched: Vec<bool>,
    commands: Vec<u64>,
    payload_bytes: Vec<u64>,
}

struct Road<H: PeerHop> {
    packets: Vec<H::Packet>,
    cut: Option<u64>,
    hop: PhantomData<H>,
}

impl<H: PeerHop> Road<H> {
    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            if self.cut.is_none_or(|cut| cut != message.to && cut != message.from) {
                self.packets.push(H::pack(message));
            }
        }
    }
}

/// The timings and limits of raftcore's defaults.
fn config(id: u64, max_size_per_msg: u64) -> Config {
    let ours = raftcore::Config::default();
    Config {
        id,
        election_tick: ours.election_ticks_min as usize,
        heartbeat_tick: ours.heartbeat_ticks as usize,
        max_size_per_msg,
        max_inflight_msgs: ours.max_in_flight_messages,
        max_committed_size_per_ready: ours.max_apply_bytes as u64,
        check_quorum: true,
        pre_vote: true,
        ..Config::default()
    }
}

impl<H: PeerHop, const APPEND_BYTES: u64> RaftRs<H, APPEND_BYTES> {
    /// As [`Group::cold`], with any number of voters.
    #[must_use]
    pub fn of(voters: usize) -> Self {
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let ids: Vec<u64> = (1..=voters as u64).collect();
        let start = |&id| {
            let store = MemStorage::new_with_conf_state((ids.clone(), vec![]));
            RawNode::new(&config(id, APPEND_BYTES), store, &logger).expect("a legal configuration")
        };
        Self {
            nodes: ids.iter().map(start).collect(),
            road: Road { packets: Vec::new(), cut: None, hop: PhantomData },
            touched: vec![true; voters],
            commands: vec![0; voters],
            payload_bytes: vec![0; voters],
        }
    }

    /// Proposes several payloads in one call.
    #[allow(clippy::useless_conversion, reason = "with one of the codecs these are vectors")]
    pub fn propose_together(&mut self, payload: &[u8], count: u64) {
        let entry = || Entry { data: payload.to_vec().into(), ..Entry::default() };
        let mut message = Message { from: 1, ..Message::default() };
        message.set_msg_type(MessageType::MsgPropose);
        message.entries = (0..count).map(|_| entry()).collect::<Vec<_>>().into();
        self.nodes[0].step(message).expect("a leader with room");
        self.touched[0] = true;
    }

    /// Bytes of all payloads that a node has applied.
    #[must_use]
    pub fn payload_bytes(&self, node: usize) -> u64 {
        self.payload_bytes[node]
    }

    fn apply(&mut self, at: usize, entries: Vec<Entry>) {
        for entry in entries {
            if !entry.data.is_empty() {
                self.commands[at] += 1;
                self.payload_bytes[at] += entry.data.len() as u64;
            }
        }
    }

    fn drain(&mut self, at: usize) {
        while self.nodes[at].has_ready() {
            let node = &mut self.nodes[at];
            let mut ready = node.ready();
            self.road.send(ready.take_messages());
            let committed = ready.take_committed_entries();
            {
                let mut store = node.mut_store().wl();
                store.append(ready.entries()).expect("entries that follow");
                if let Some(hard_state) = ready.hs() {
                    store.set_hardstate(hard_state.clone());
                }
            }
            self.road.send(ready.take_persisted_messages());
            let mut light = node.advance(ready);
            if let Some(commit) = light.commit_index() {
                node.mut_store().wl().mut_hard_state().set_commit(commit);
            }
            self.road.send(light.take_messages());
            let more = light.take_committed_entries();
            node.advance_apply();
            self.apply(at, committed);
            self.apply(at, more);
        }
    }
}

impl<H: PeerHop, const APPEND_BYTES: u64> Group for RaftRs<H, APPEND_BYTES> {
    type Node = RawNode<MemStorage>;
    type Shared = MemStorage;

    const NAME: &'static str = codec::NAME;

    fn cold() -> Self {
        Self::of(NODES)
    }

    fn campaign(&mut self) {
        self.nodes[0].campaign().expect("a voter");
        self.touched[0] = true;
    }

    fn propose(&mut self, payload: &[u8]) {
        self.nodes[0].propose(vec![], payload.to_vec()).expect("a leader with room");
        self.touched[0] = true;
    }

    fn heartbeat(&mut self) {
        for _ in 0..raftcore::Config::default().heartbeat_ticks {
            self.nodes[0].tick();
        }
        self.touched[0] = true;
    }

    fn poll(&mut self) {
        for at in 0..self.nodes.len() {
            if core::mem::take(&mut self.touched[at]) {
                self.drain(at);
            }
        }
    }

    fn deliver(&mut self, count: usize) {
        let count = count.min(self.road.packets.len());
        for packet in self.road.packets.drain(..count) {
            let message = H::unpack(packet);
            let to = usize::try_from(message.to).expect("a small id") - 1;
            self.nodes[to].step(message).expect("a message of this group");
            self.touched[to] = true;
        }
    }

    fn in_transit(&self) -> usize {
        self.road.packets.len()
    }

    fn cut(&mut self, node: Option<usize>) {
        self.road.cut = node.map(|node| self.nodes[node].raft.id);
    }

    fn commands(&self, node: usize) -> u64 {
        self.commands[node]
    }

    fn applied(&self, node: usize) -> u64 {
        self.nodes[node].raft.raft_log.applied
    }

    fn has_work(&self, node: usize) -> bool {
        self.nodes[node].has_ready()
    }

    fn trim(&mut self, node: usize) {
        let applied = self.applied(node);
        self.nodes[node].mut_store().wl().compact(applied).expect("an applied entry");
    }

    fn into_node(mut self, node: usize) -> (RawNode<MemStorage>, MemStorage) {
        let node = self.nodes.swap_remove(node);
        let store = node.store().clone();
        (node, store)
    }
}

/// J7: a leader and the replies that are still to come to it.
pub struct RaftRsAcks {
    group: RaftRs,
    replies: VecDeque<Message>,
}

impl RaftRsAcks {
    /// As [`crate::Acks::new`].
    #[must_use]
    pub fn new(voters: usize, count: usize) -> Self {
        let mut group: RaftRs = RaftRs::of(voters);
        group.campaign();
        group.settle();
        let mut replies = Vec::new();
        for _ in 0..count {
            group.propose(&[7; 16]);
            group.poll();
            group.deliver(voters - 1);
            group.poll();
            replies.append(&mut group.road.packets);
        }
        assert_eq!(replies.len(), count * (voters - 1));
        let decider = voters as u64 / 2 + 1;
        let (early, rest): (Vec<_>, Vec<_>) =
            replies.into_iter().partition(|reply| reply.from < decider);
        for reply in early {
            group.nodes[0].step(reply).expect("a reply to this leader");
        }
        let replies = rest.into_iter().filter(|reply| reply.from == decider).collect();
        let mut acks = Self { group, replies };
        acks.drop_outputs();
        acks
    }

    /// Hands in the next reply; gives how far it moved the commit index.
    pub fn deliver_next(&mut self) -> u64 {
        let Some(reply) = self.replies.pop_front() else { return 0 };
        let node = &mut self.group.nodes[0];
        let before = node.raft.raft_log.committed;
        measured(|| node.step(reply)).expect("a reply to this leader");
        node.raft.raft_log.committed - before
    }

    /// Takes all outputs of the leader and drops them.
    pub fn drop_outputs(&mut self) {
        self.group.drain(0);
        self.group.road.packets.clear();
    }
}

/// J8: one append of 64 entries of 256 B.
pub struct RaftRsFrames {
    frame: Vec<u8>,
}

impl RaftRsFrames {
    /// The append as a leader makes it.
    #[must_use]
    pub fn new() -> Self {
        let mut group: RaftRs<Direct> = crate::jobs::warmed(16);
        group.propose_together(&[7; 256], 64);
        group.poll();
        let mut packets = group.road.packets.into_iter();
        let whole = packets.find(|message| message.entries.len() == 64);
        let message = whole.expect("an append of all entries");
        Self { frame: Framed::pack(message) }
    }

    /// Length of the message, in bytes.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Reads the message.
    #[must_use]
    pub fn decode(&self) -> Message {
        codec::decode(&self.frame)
    }
}

impl Default for RaftRsFrames {
    fn default() -> Self {
        Self::new()
    }
}
