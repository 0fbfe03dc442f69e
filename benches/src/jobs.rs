//! The jobs. Each gives the number of entries (or calls) it is to be divided by.

use core::hint::black_box;

use crate::group::{Group, NODES};

/// Entries before the measurement begins.
pub const WARM_UP: u64 = 1_000;
/// Proposals between two polls in [`j2`].
pub const BATCH: u64 = 64;
/// Proposals under way in [`j3`].
pub const IN_FLIGHT: u64 = 256;

/// A group in which every node has applied [`WARM_UP`] entries of this size.
#[must_use]
pub fn warmed<G: Group>(payload: usize) -> G {
    let mut group = G::elected();
    j2(&mut group, WARM_UP, payload);
    group
}

/// J1: one proposal at a time, each applied by all before the next.
pub fn j1<G: Group>(group: &mut G, entries: u64, payload: usize) -> u64 {
    let payload = vec![7; payload];
    let goal = group.commands_everywhere() + entries;
    for _ in 0..entries {
        group.propose(black_box(&payload));
        group.settle();
    }
    assert_eq!(group.commands_everywhere(), goal);
    entries
}

/// J2: [`BATCH`] proposals between two polls, applied by all before the next batch.
pub fn j2<G: Group>(group: &mut G, entries: u64, payload: usize) -> u64 {
    let payload = vec![7; payload];
    let goal = group.commands_everywhere() + entries;
    let mut left = entries;
    while left > 0 {
        let batch = left.min(BATCH);
        for _ in 0..batch {
            group.propose(black_box(&payload));
        }
        group.settle();
        left -= batch;
    }
    assert_eq!(group.commands_everywhere(), goal);
    entries
}

/// J2 with the proposals of a batch in one call, as raft-rs allows.
#[cfg(feature = "raft-rs")]
pub fn j2_together<H: crate::PeerHop>(
    group: &mut crate::RaftRs<H>,
    entries: u64,
    payload: usize,
) -> u64 {
    let payload = vec![7; payload];
    let goal = group.commands_everywhere() + entries;
    let mut left = entries;
    while left > 0 {
        let batch = left.min(BATCH);
        group.propose_together(black_box(&payload), batch);
        group.settle();
        left -= batch;
    }
    assert_eq!(group.commands_everywhere(), goal);
    entries
}

/// J3: one proposal per poll; messages arrive when [`IN_FLIGHT`] proposals are under way.
pub fn j3<G: Group>(group: &mut G, entries: u64, payload: usize) -> u64 {
    let payload = vec![7; payload];
    let goal = group.commands_everywhere() + entries;
    for at in 1..=entries {
        group.propose(black_box(&payload));
        group.poll();
        if at % IN_FLIGHT == 0 {
            group.settle();
        }
    }
    group.settle();
    assert_eq!(group.commands_everywhere(), goal);
    entries
}

/// J4: asks an idle follower for work.
pub fn j4<G: Group>(group: &G, calls: u64) -> u64 {
    for _ in 0..calls {
        assert!(!black_box(group).has_work(NODES - 1));
    }
    calls
}

/// J5: from nodes just started to the first entry that the leader applied; gives the messages
/// that took.
pub fn j5<G: Group>(group: &mut G) -> u64 {
    let mut messages = 0;
    group.campaign();
    group.poll();
    while group.applied(0) == 0 {
        let count = group.in_transit();
        assert!(count > 0, "the election is stuck");
        messages += count as u64;
        group.deliver(count);
        group.poll();
    }
    messages
}

/// A group in which the last node has missed this many entries: the start of [`j6`].
#[must_use]
pub fn behind<G: Group>(entries: u64, payload: usize) -> G {
    let mut group = G::elected();
    let payload = vec![7; payload];
    group.cut(Some(NODES - 1));
    for at in 0..entries {
        group.propose(&payload);
        if at % BATCH == 0 {
            group.settle();
        }
    }
    group.settle();
    assert_eq!(group.commands(0), entries);
    assert_eq!(group.commands(NODES - 1), 0);
    group
}

/// J6: the node that was cut off catches up; gives the entries it has applied.
pub fn j6<G: Group>(group: &mut G) -> u64 {
    group.cut(None);
    let mut heartbeats = 0;
    while group.applied(NODES - 1) < group.applied(0) {
        group.heartbeat();
        group.settle();
        heartbeats += 1;
        assert!(heartbeats < 10_000, "the follower does not catch up");
    }
    group.commands(NODES - 1)
}
