//! Progress on slow and lossy networks: no lost message may stop a peer for ever.
mod support;

use raftcore::{
    AppendOutcome, AppendReply, Body, Event, HeartbeatReply, LogIndex, Message, MessageKind,
    NodeId, PeerState, Tick,
};
use support::wire::{append, entry_id, message, no_entries};
use support::{Cluster, drain, led_by_1};

/// Moves time on, with every message under way for so many ticks.
fn run(cluster: &mut Cluster, ticks: u64, delay: u64, mut lost: impl FnMut(&Message) -> bool) {
    let mut under_way: Vec<(u64, Message)> = Vec::new();
    for _ in 0..ticks {
        cluster.now += 1;
        let now = cluster.now;
        cluster.nodes.iter_mut().for_each(|node| node.tick(Tick(now)));
        let due = under_way.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>();
        due.into_iter().for_each(|(_, message)| cluster.deliver(message));
        for at in 0..cluster.nodes.len() {
            let sent = cluster.carry_out(at).into_iter().filter(|message| !lost(message));
            under_way.extend(sent.map(|message| (now + delay, message)));
        }
    }
}

#[test]
fn a_lost_probe_is_repaired_however_slow_the_network_is() {
    for delay in 1..=9 {
        let mut cluster = Cluster::new(3);
        let mut appends = 0;
        run(&mut cluster, 300, delay, |message| {
            appends += u32::from(message.kind() == MessageKind::Append);
            message.kind() == MessageKind::Append && appends <= 2
        });
        let commits = cluster.nodes.iter().map(|node| node.commit_index());
        assert!(commits.min() >= Some(LogIndex(1)), "one-way delay of {delay} ticks");
    }
}

#[test]
fn a_lost_reply_to_an_empty_probe_does_not_stop_a_peer() {
    let mut cluster = led_by_1(0);
    cluster.cut_off = vec![3];
    run(&mut cluster, 60, 0, |message| message.to() == NodeId(2));
    cluster.cut_off.clear();
    let mut replies = 0;
    cluster.cut_off = vec![3];
    run(&mut cluster, 100, 0, |message| {
        let reply = message.kind() == MessageKind::AppendReply && message.from() == NodeId(2);
        replies += u32::from(reply);
        reply && replies == 1
    });
    let leads = |cluster: &Cluster| {
        cluster.nodes[..2].iter().position(|node| node.leader() == Some(node.identity().node))
    };
    let leader = leads(&cluster).expect("two of three elect a leader");
    cluster.nodes[leader].propose(b"goes on").unwrap();
    run(&mut cluster, 60, 0, |_| false);
    assert!(cluster.applied[..2].iter().all(|applied| applied.len() == 1));
}

#[test]
fn a_heartbeat_that_proves_agreement_ends_a_probe() {
    let mut cluster = led_by_1(0);
    let (session, matched) = (1, LogIndex(0));
    let outcome = AppendOutcome::Conflict { prev: LogIndex(9), hint: entry_id(1, 1) };
    let conflict = Body::AppendReply(AppendReply { session, outcome });
    cluster.node(1).receive(message(2, 1, 1, conflict)).unwrap();
    let probe = cluster.carry_out(0).remove(0);
    cluster.deliver(probe);
    drop(drain(cluster.node(2)));
    assert_eq!(cluster.node(1).status().peers[0].state, PeerState::Probe);
    cluster.tick(9);
    assert_eq!(cluster.node(1).status().peers[0].state, PeerState::Stream);
    assert!(cluster.node(1).status().peers[0].matched > matched);
}

/// The leader's appends to node 2, answered with a conflict each, until it sends none. Says how many.
fn deny(cluster: &mut Cluster) -> u32 {
    for answered in 0..100 {
        let sent = cluster.carry_out(0).into_iter().filter(|one| one.to() == NodeId(2));
        let appends: Vec<_> = sent.filter(|one| matches!(one.body(), Body::Append(_))).collect();
        let Some(Body::Append(append)) = appends.first().map(Message::body) else {
            return answered;
        };
        let (session, prev) = (append.session, append.prev().index);
        let outcome = AppendOutcome::Conflict { prev, hint: entry_id(0, 0) };
        let reply = Body::AppendReply(AppendReply { session, outcome });
        cluster.node(1).receive(message(2, 1, 1, reply)).unwrap();
    }
    100
}

#[test]
fn a_peer_that_lost_what_it_confirmed_is_asked_at_the_pace_of_heartbeats() {
    let mut cluster = led_by_1(3);
    cluster.node(1).propose(b"one more").unwrap();
    cluster.node(1).propose(b"and more").unwrap();
    assert_eq!(deny(&mut cluster), 1, "a late conflict in a stream means nothing");
    assert_eq!(cluster.node(1).status().peers[0].state, PeerState::Stream);
    let beat = HeartbeatReply { session: 1, token: 1, verified: LogIndex(0) };
    cluster.node(1).tick(Tick(50));
    drop(drain(cluster.node(1)));
    cluster.node(1).receive(message(2, 1, 1, Body::HeartbeatReply(beat))).unwrap();
    assert_eq!(
        deny(&mut cluster),
        1,
        "it denies what it confirmed: nothing more until a heartbeat"
    );
    let at = entry_id(0, 0);
    assert!(cluster.events.contains(&(1, Event::Diverged { peer: NodeId(2), at })));
}

#[test]
fn a_long_overlap_is_compared_at_its_end_first() {
    let mut cluster = led_by_1(2000);
    let stored = support::fold(&cluster.disks[2]);
    let first = stored.checkpoint().unwrap()[1].entries.clone();
    let seed = cluster.node(3).checksum_at(LogIndex(0)).unwrap();
    let repeated = append(entry_id(0, 0), seed, 0, first);
    let before = cluster.node(3).last_index();
    cluster.node(3).receive(message(1, 3, 1, repeated)).unwrap();
    assert_eq!(cluster.node(3).last_index(), before);
    let nothing = append(entry_id(0, 0), seed, 0, no_entries(0));
    cluster.node(3).receive(message(1, 3, 1, nothing)).unwrap();
    assert_eq!(cluster.node(3).last_index(), before);
}
