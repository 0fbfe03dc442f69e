//! What nodes hold in memory is what their status says, and little more.

use std::alloc::System;
use std::collections::VecDeque;

use raftcore::{
    Config, GroupId, Identity, LogIndex, Membership, Message, Node, NodeId, Output, Stored, Tick,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Heap that nodes may hold besides their log windows.
const CONSTANT: usize = 64 * 1024;
const PROPOSALS: usize = 50_000;

fn heap() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn founded(id: u64, config: &Config) -> Node {
    let membership = Membership::of_voters(1..=3).unwrap();
    let identity = Identity { group: GroupId(1), node: NodeId(id) };
    Node::new(config.clone(), Stored::found(identity, membership), LogIndex(0)).unwrap()
}

/// Carries out everything until nobody has anything to do; disks are instant.
fn pump(nodes: &mut [Node], network: &mut VecDeque<Message>) {
    loop {
        for node in nodes.iter_mut() {
            while let Some(output) = node.poll_output() {
                match output {
                    Output::Send(message) => network.push_back(message),
                    Output::Persist(write) => node.persisted(write.id).unwrap(),
                    Output::Apply(committed) => node.applied(committed.last()).unwrap(),
                    Output::Event(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        let Some(message) = network.pop_front() else { return };
        let to = message.to().0 as usize - 1;
        nodes[to].receive(message).unwrap();
    }
}

#[test]
fn three_nodes_hold_little_more_than_their_windows_at_one_small_proposal_per_poll() {
    let mut network = VecDeque::with_capacity(64);
    let before = heap();
    let config = Config::default();
    let mut nodes = [1, 2, 3].map(|id| founded(id, &config));
    for node in &mut nodes {
        node.tick(Tick(0));
    }
    nodes[0].campaign().unwrap();
    pump(&mut nodes, &mut network);
    for number in 0..PROPOSALS {
        nodes[0].propose(&[number as u8; 16]).unwrap();
        pump(&mut nodes, &mut network);
    }
    let windows: usize = nodes.iter().map(|node| node.status().window_bytes).sum();
    let held = heap() - before;
    let limit = windows + windows / 4 + CONSTANT;
    assert_eq!(
        nodes.each_ref().map(|node| node.applied_index()),
        [LogIndex(PROPOSALS as u64 + 1); 3]
    );
    assert!(windows >= 3 * PROPOSALS * 16, "{windows} bytes of windows cannot hold the payloads");
    assert!(held <= limit, "{held} bytes held, {windows} in the windows, {limit} allowed");
}
