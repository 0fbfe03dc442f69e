//! However long the log and however late a follower, a node holds its window and little more.

use std::alloc::System;
use std::collections::VecDeque;

use raftcore::{
    Config, Entries, GroupId, Identity, LogIndex, LogRequest, Membership, Message, Node, NodeId,
    Output, Stored, Tick,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ENTRIES: usize = 1_000_000;
/// So many are proposed one per poll, which fills the log with the smallest runs; the others together.
const ALONE: usize = 100_000;
const WINDOW: usize = 1 << 20;
/// What a log may hold beyond its window: a block, and the buffer behind it.
const BLOCKS: usize = 128 * 1024;
/// Heap that nodes may hold besides their windows, and messages and answers on their way.
const CONSTANT: usize = 512 * 1024;

fn heap() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// The leader's log on disk: copies, so that nothing of the node's memory lives on in it.
struct Disk {
    bytes: Vec<u8>,
    /// Where each entry ends; the first item is 0.
    ends: Vec<usize>,
}

impl Disk {
    fn append(&mut self, entries: &Entries) {
        let (start, begin) = (self.bytes.len(), entries.bytes().as_ptr().addr());
        self.bytes.extend_from_slice(entries.bytes());
        let end = |payload: &[u8]| start + payload.as_ptr().addr() - begin + payload.len();
        self.ends.extend(entries.iter().map(|entry| end(entry.payload)));
    }

    fn read(&self, asked: &LogRequest) -> Entries {
        let (first, last) = (asked.first.0 as usize, asked.last.0 as usize);
        let begin = self.ends[first - 1];
        let fits = |&upto: &usize| upto > first && self.ends[upto] - begin <= asked.max_bytes;
        let upto = (first + 1..=last).rev().find(fits).unwrap_or(last.min(first + 1));
        let bytes = self.bytes[begin..self.ends[upto]].to_vec();
        Entries::decode(asked.first, (upto - first + 1) as u32, bytes.into()).unwrap()
    }
}

/// Three nodes; the first one leads, and the third one is dead for a long time.
struct Cluster {
    nodes: [Node; 3],
    network: VecDeque<Message>,
    disk: Disk,
    third_is_dead: bool,
    reads: usize,
    before: usize,
    most: usize,
}

impl Cluster {
    /// Carries out everything until nobody has anything to do; disks are instant.
    fn pump(&mut self) {
        loop {
            for at in 0..3 {
                while let Some(output) = self.nodes[at].poll_output() {
                    self.carry_out(at, output);
                }
            }
            let Some(message) = self.network.pop_front() else { return };
            let to = message.to().0 as usize - 1;
            if to != 2 || !self.third_is_dead {
                self.nodes[to].receive(message).unwrap();
            }
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let node = &mut self.nodes[at];
        match output {
            Output::Send(message) => self.network.push_back(message),
            Output::Persist(write) => {
                if at == 0 {
                    self.disk.append(&write.entries);
                }
                node.persisted(write.id).unwrap();
            }
            Output::Apply(committed) => node.applied(committed.last()).unwrap(),
            Output::ReadLog(asked) => {
                assert_eq!(at, 0, "only the leader needs what it no longer holds");
                self.reads += 1;
                node.log_read(asked.id, Ok(self.disk.read(&asked))).unwrap();
            }
            Output::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn measure(&mut self) {
        for node in &self.nodes {
            let held = node.status().window_bytes;
            assert!(held <= WINDOW + BLOCKS, "{held} bytes in a window of {WINDOW}");
        }
        self.most = self.most.max(heap() - self.before);
    }
}

fn founded(id: u64, config: &Config) -> Node {
    let membership = Membership::of_voters(1..=3).unwrap();
    let identity = Identity { group: GroupId(1), node: NodeId(id) };
    Node::new(config.clone(), Stored::found(identity, membership), LogIndex(0)).unwrap()
}

#[test]
fn a_leader_with_a_million_entries_and_a_dead_follower_stays_under_its_window() {
    let mut ends = Vec::with_capacity(ENTRIES + 2);
    ends.push(0);
    let disk = Disk { bytes: Vec::with_capacity(32 * (ENTRIES + 2)), ends };
    let network = VecDeque::with_capacity(1024);
    let before = heap();
    let config = Config { window_bytes: WINDOW, ..Config::default() };
    let nodes = [1, 2, 3].map(|id| founded(id, &config));
    let mut cluster =
        Cluster { nodes, network, disk, third_is_dead: true, reads: 0, before, most: 0 };
    cluster.nodes.iter_mut().for_each(|node| node.tick(Tick(0)));
    cluster.nodes[0].campaign().unwrap();
    cluster.pump();
    for number in 0..ENTRIES {
        cluster.nodes[0].propose(&[number as u8; 16]).unwrap();
        if number < ALONE || number % 32 == 0 {
            cluster.pump();
        }
        if number % 1000 == 0 {
            cluster.measure();
        }
    }
    cluster.pump();
    let last = LogIndex(ENTRIES as u64 + 1);
    assert_eq!(cluster.nodes[1].applied_index(), last);
    assert_eq!(cluster.reads, 0, "whoever keeps up needs no storage");
    assert!(cluster.nodes[0].status().window_bytes > WINDOW / 2, "the window is in use");

    cluster.third_is_dead = false;
    for now in 1..=16 {
        cluster.nodes.iter_mut().for_each(|node| node.tick(Tick(now)));
        cluster.pump();
        cluster.measure();
    }
    let checksums = cluster.nodes.each_ref().map(|node| node.checksum_at(last));
    assert!(checksums[0].is_some() && checksums == [checksums[0]; 3]);
    assert_eq!(cluster.nodes[2].applied_index(), last);
    assert!(cluster.reads > 100, "{} reads", cluster.reads);
    let limit = 3 * WINDOW * 5 / 4 + CONSTANT;
    assert!(cluster.most <= limit, "{} bytes held, {limit} allowed", cluster.most);
}
