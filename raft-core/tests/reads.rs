//! Reads (thesis 6.4): fresh, by lease, stale; at the leader and at followers.
mod support;

use raftcore::{
    Body, Config, LogIndex, Membership, Node, NodeId, Output, ReadConsistency, ReadFailure, ReadId,
    Refused, RoleName, Stored, Tick,
};
use support::{Cluster, config, drain, identity, led_by_1};

const FRESH: ReadConsistency = ReadConsistency::Linearizable;

fn ready(node: u64, id: u64) -> (u64, Output) {
    (node, Output::ReadReady(ReadId(id)))
}

fn failed(node: u64, id: u64, reason: ReadFailure) -> (u64, Output) {
    (node, Output::ReadFailed { id: ReadId(id), reason })
}

/// A cluster whose nodes allow lease reads.
fn leased() -> Cluster {
    let mut cluster = Cluster::new(3);
    for (node, id) in cluster.nodes.iter_mut().zip(1..) {
        let config = Config { lease_drift_ticks: Some(1), ..config() };
        let membership = Membership::of_voters(1..=3).unwrap();
        *node = Node::new(config, Stored::found(identity(id), membership), LogIndex(0)).unwrap();
    }
    cluster.elect(1);
    cluster.tick(5);
    cluster
}

#[test]
fn a_read_at_the_leader_takes_one_round_of_heartbeats() {
    let mut cluster = led_by_1(2);
    cluster.node(1).read(ReadId(5), FRESH).unwrap();
    cluster.node(1).read(ReadId(6), FRESH).unwrap();
    let outputs = drain(cluster.node(1));
    assert_eq!(outputs.len(), 2, "one heartbeat to each peer for both: {outputs:?}");
    for output in outputs {
        let Output::Send(message) = output else { panic!("{output:?}") };
        cluster.deliver(message);
    }
    cluster.settle();
    assert_eq!(cluster.reads, [ready(1, 5), ready(1, 6)]);
}

#[test]
fn an_echo_of_an_earlier_heartbeat_confirms_nothing() {
    let mut cluster = led_by_1(2);
    cluster.tick(4);
    let earlier = cluster.sent.iter().rfind(|message| message.kind() as u8 == 8).unwrap().clone();
    cluster.cut_off = vec![2, 3];
    cluster.node(1).read(ReadId(5), FRESH).unwrap();
    cluster.settle();
    cluster.node(1).receive(earlier).unwrap();
    cluster.settle();
    assert_eq!(cluster.reads, []);
}

#[test]
fn a_read_that_arrives_while_a_round_runs_waits_for_the_next() {
    let mut cluster = led_by_1(2);
    cluster.node(1).read(ReadId(1), FRESH).unwrap();
    let round = drain(cluster.node(1));
    cluster.node(1).read(ReadId(2), FRESH).unwrap();
    for output in round {
        let Output::Send(message) = output else { panic!("{output:?}") };
        cluster.deliver(message);
    }
    for at in [1, 2] {
        cluster.carry_out(at).into_iter().for_each(|message| cluster.deliver(message));
    }
    assert!(cluster.node(1).has_output());
    let messages = cluster.carry_out(0);
    assert_eq!(cluster.reads, [ready(1, 1)]);
    messages.into_iter().for_each(|message| cluster.deliver(message));
    cluster.settle();
    assert_eq!(cluster.reads, [ready(1, 1), ready(1, 2)]);
}

#[test]
fn a_cut_off_leader_serves_no_read() {
    let mut cluster = led_by_1(2);
    cluster.cut_off = vec![1];
    cluster.node(1).read(ReadId(5), FRESH).unwrap();
    cluster.tick(60);
    assert_eq!(cluster.reads, [failed(1, 5, ReadFailure::LeaderLost)]);
}

/// Delivers everything but appends, a few times over.
fn settle_without_appends(cluster: &mut Cluster) {
    for _ in 0..6 {
        let messages: Vec<_> = (0..3).flat_map(|at| cluster.carry_out(at)).collect();
        for message in messages {
            if !matches!(message.body(), Body::Append(_)) {
                cluster.deliver(message);
            }
        }
    }
}

#[test]
fn a_new_leader_reads_only_after_a_commit_of_its_own_term() {
    let mut cluster = led_by_1(2);
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    settle_without_appends(&mut cluster);
    assert_eq!(cluster.node(3).role(), RoleName::Leader);
    cluster.node(3).read(ReadId(9), FRESH).unwrap();
    settle_without_appends(&mut cluster);
    assert_eq!(cluster.reads, [], "leadership is confirmed, but no entry of its term is committed");
    cluster.tick(5);
    assert_eq!(cluster.reads, [ready(3, 9)]);
}

#[test]
fn a_read_at_a_follower_waits_until_it_has_applied_enough() {
    let mut cluster = led_by_1(2);
    cluster.cut_off = vec![3];
    cluster.node(1).propose(b"new").unwrap();
    cluster.settle();
    cluster.cut_off.clear();
    cluster.node(3).read(ReadId(7), FRESH).unwrap();
    cluster.settle();
    cluster.tick(10);
    assert_eq!(cluster.reads, [ready(3, 7)]);
    assert_eq!(cluster.applied[2].len(), 3);
}

#[test]
fn a_lost_question_is_asked_again() {
    let mut cluster = led_by_1(2);
    cluster.node(3).read(ReadId(7), FRESH).unwrap();
    let lost = drain(cluster.node(3));
    assert!(matches!(&lost[..], [Output::Send(message)] if message.kind() as u8 == 12));
    cluster.tick(10);
    assert_eq!(cluster.reads, [ready(3, 7)]);
}

#[test]
fn a_read_at_a_follower_that_loses_its_leader_fails() {
    let mut cluster = led_by_1(2);
    cluster.cut_off = vec![3];
    cluster.node(3).read(ReadId(7), FRESH).unwrap();
    cluster.tick(60);
    assert_eq!(cluster.reads, [failed(3, 7, ReadFailure::LeaderLost)]);
    let refused = cluster.node(3).read(ReadId(8), FRESH);
    assert_eq!(refused, Err(Refused::NotLeader { leader: None }));
}

#[test]
fn a_stale_read_needs_nobody() {
    let mut cluster = led_by_1(2);
    cluster.cut_off = vec![3];
    cluster.tick(60);
    cluster.reads.clear();
    cluster.node(3).read(ReadId(7), ReadConsistency::Stale).unwrap();
    cluster.settle();
    assert_eq!(cluster.reads, [ready(3, 7)]);
}

#[test]
fn a_single_node_reads_at_once() {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    cluster.node(1).read(ReadId(1), FRESH).unwrap();
    assert_eq!(drain(cluster.node(1)), [Output::ReadReady(ReadId(1))]);
}

#[test]
fn reads_beyond_the_limit_are_refused() {
    let mut cluster = led_by_1(1);
    let open = config().max_reads;
    (0..open as u64).for_each(|id| cluster.node(1).read(ReadId(id), FRESH).unwrap());
    let refused = cluster.node(1).read(ReadId(0), FRESH);
    assert_eq!(refused, Err(Refused::TooManyReads { open }));
}

#[test]
fn a_lease_serves_a_read_without_messages_until_it_runs_out() {
    let mut cluster = leased();
    cluster.node(1).read(ReadId(1), ReadConsistency::Lease).unwrap();
    assert_eq!(drain(cluster.node(1)), [Output::ReadReady(ReadId(1))]);
    cluster.cut_off = vec![1];
    let now = cluster.now + 16;
    cluster.node(1).tick(Tick(now));
    drain(cluster.node(1));
    cluster.node(1).read(ReadId(2), ReadConsistency::Lease).unwrap();
    let outputs = drain(cluster.node(1));
    assert!(outputs.iter().all(|output| matches!(output, Output::Send(_))), "{outputs:?}");
}

#[test]
fn without_a_configured_drift_there_is_no_lease() {
    let mut cluster = led_by_1(1);
    cluster.tick(5);
    cluster.node(1).read(ReadId(1), ReadConsistency::Lease).unwrap();
    assert_eq!(drain(cluster.node(1)).len(), 2, "a round of heartbeats");
}

#[test]
fn a_handover_ends_the_lease_of_the_term() {
    let mut cluster = leased();
    cluster.node(1).transfer_leadership(NodeId(2)).unwrap();
    let outputs = drain(cluster.node(1));
    assert!(matches!(&outputs[..], [Output::Send(message)] if message.kind() as u8 == 14));
    cluster.node(1).read(ReadId(1), ReadConsistency::Lease).unwrap();
    let outputs = drain(cluster.node(1));
    assert!(outputs.iter().all(|output| matches!(output, Output::Send(_))), "{outputs:?}");
}

#[test]
fn a_late_answer_to_an_earlier_question_confirms_no_later_read() {
    let mut cluster = led_by_1(2);
    cluster.node(3).read(ReadId(1), FRESH).unwrap();
    let question = cluster.carry_out(2).remove(0);
    cluster.deliver(question);
    let round = cluster.carry_out(0);
    round.into_iter().for_each(|message| cluster.deliver(message));
    for message in cluster.carry_out(1) {
        cluster.deliver(message);
    }
    let answer = cluster.carry_out(0);
    let late = answer.into_iter().find(|message| message.kind() as u8 == 13).unwrap();
    cluster.cut_off = vec![3];
    for _ in 0..45 {
        cluster.now += 1;
        let now = Tick(cluster.now);
        cluster.node(3).tick(now);
        cluster.settle();
    }
    assert_eq!(cluster.node(3).role(), RoleName::PreCandidate);
    cluster.node(1).propose(b"acknowledged").unwrap();
    cluster.settle();
    cluster.cut_off.clear();
    let now = Tick(cluster.now);
    cluster.node(1).tick(now);
    let beats = cluster.carry_out(0);
    let beat = beats.into_iter().find(|message| message.to() == NodeId(3)).unwrap();
    cluster.deliver(beat);
    assert_eq!(cluster.node(3).role(), RoleName::Follower);
    cluster.reads.clear();
    cluster.node(3).read(ReadId(2), FRESH).unwrap();
    drop(drain(cluster.node(3)));
    cluster.deliver(late);
    cluster.carry_out(2);
    assert_eq!(cluster.reads, [], "the answer is to an earlier question");
}

#[test]
fn a_sole_voter_reads_once_its_term_is_committed() {
    let mut node = support::founded(1, [1]);
    node.tick(Tick(1));
    node.campaign().unwrap();
    let elected = drain(&mut node);
    let Output::Persist(write) = &elected[0] else { panic!("{elected:?}") };
    node.persisted(write.id).unwrap();
    node.read(ReadId(1), FRESH).unwrap();
    let opened = drain(&mut node);
    let write = opened.iter().find_map(|output| match output {
        Output::Persist(write) => Some(write.id),
        _ => None,
    });
    node.persisted(write.unwrap()).unwrap();
    let done = drain(&mut node);
    let Some(Output::Apply(committed)) = done.first() else { panic!("{done:?}") };
    node.applied(committed.last()).unwrap();
    assert_eq!(drain(&mut node), [Output::ReadReady(ReadId(1))]);
}

#[test]
fn a_question_leaves_only_when_its_life_is_durable() {
    let mut cluster = led_by_1(1);
    let stored = support::fold(&cluster.disks[2]);
    let mut node = Node::new(config(), stored, LogIndex(0)).unwrap();
    node.tick(Tick(0));
    let (session, token, commit) = (1, 1, LogIndex(0));
    let beat = raftcore::Heartbeat { session, commit, matched: commit, token };
    let term = cluster.node(1).term().get();
    node.receive(support::wire::message(1, 3, term, Body::Heartbeat(beat))).unwrap();
    node.read(ReadId(5), FRESH).unwrap();
    let asks = |outputs: &[Output]| {
        let question = |output: &Output| matches!(output, Output::Send(message) if message.kind() == raftcore::MessageKind::ReadIndex);
        outputs.iter().any(question)
    };
    let outputs = drain(&mut node);
    assert!(!asks(&outputs), "a crash now, and the next life would bear the same number");
    let first = outputs.into_iter().find_map(|output| match output {
        Output::Persist(write) => Some(write.id),
        _ => None,
    });
    node.persisted(first.unwrap()).unwrap();
    assert!(asks(&drain(&mut node)));
}
