//! Leadership given, taken and given up (thesis 3.10), and what becomes of proposals.
mod support;

use raftcore::{
    Body, Config, EntryId, Event, LogIndex, Membership, Node, NodeId, Output, Refused, RoleName,
    StepDownReason, Stored, Term, Tick,
};
use support::wire::message;
use support::{Cluster, config, drain, identity, led_by_1};

#[test]
fn leadership_moves_to_the_named_node_at_once() {
    let mut cluster = led_by_1(3);
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(3).role(), RoleName::Leader);
    assert_eq!(cluster.node(3).term(), Term(2));
    cluster.node(3).propose(b"here").unwrap();
    cluster.tick(5);
    assert!(cluster.applied.iter().all(|applied| applied.len() == 4));
}

#[test]
fn a_lagging_node_gets_the_log_before_it_takes_over() {
    let mut cluster = led_by_1(1);
    cluster.cut_off = vec![3];
    (0..50).for_each(|_| drop(cluster.node(1).propose(b"more")));
    cluster.settle();
    cluster.cut_off.clear();
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    let refused = cluster.node(1).propose(b"wait");
    assert_eq!(refused, Err(Refused::TransferInProgress { to: NodeId(3) }));
    cluster.tick(12);
    assert_eq!(cluster.node(3).role(), RoleName::Leader);
    assert_eq!(cluster.applied[2].len(), 51);
}

#[test]
fn a_handover_that_fails_is_given_up_and_writes_go_on() {
    let mut cluster = led_by_1(1);
    cluster.cut_off = vec![3];
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    assert_eq!(cluster.node(1).transfer_leadership(NodeId(3)), Ok(()), "again, the same");
    let refused = cluster.node(1).transfer_leadership(NodeId(2));
    assert_eq!(refused, Err(Refused::TransferInProgress { to: NodeId(3) }));
    cluster.tick(39);
    assert!(cluster.node(1).propose(b"x").is_err());
    cluster.tick(2);
    assert!(cluster.events.contains(&(1, Event::TransferFailed { to: NodeId(3) })));
    cluster.node(1).propose(b"x").unwrap();
    cluster.settle();
    assert_eq!(cluster.applied[1].len(), 2);
}

#[test]
fn only_a_leader_hands_over_and_only_to_a_voter() {
    let mut cluster = led_by_1(1);
    let leader = Some(NodeId(1));
    let refused = cluster.node(2).transfer_leadership(NodeId(3));
    assert_eq!(refused, Err(Refused::NotLeader { leader }));
    let refused = cluster.node(1).transfer_leadership(NodeId(77));
    assert_eq!(refused, Err(Refused::NotVoter { node: NodeId(77) }));
    assert_eq!(cluster.node(1).transfer_leadership(NodeId(1)), Ok(()));
    assert!(cluster.node(1).propose(b"still here").is_ok());
}

#[test]
fn a_late_or_foreign_timeout_now_is_ignored() {
    let mut cluster = led_by_1(1);
    cluster.node(3).receive(message(2, 3, 1, Body::TimeoutNow)).unwrap();
    assert_eq!(cluster.node(3).role(), RoleName::Follower, "not from the leader");
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    cluster.settle();
    cluster.node(2).receive(message(1, 2, 1, Body::TimeoutNow)).unwrap();
    assert_eq!(cluster.node(2).role(), RoleName::Follower, "of an earlier term");
}

#[test]
fn a_leader_steps_down_when_asked() {
    let mut cluster = led_by_1(1);
    let refused = cluster.node(2).step_down();
    assert_eq!(refused, Err(Refused::NotLeader { leader: Some(NodeId(1)) }));
    cluster.node(1).step_down().unwrap();
    assert_eq!(cluster.node(1).role(), RoleName::Follower);
    cluster.settle();
    let reason = StepDownReason::Asked;
    assert!(cluster.events.contains(&(1, Event::SteppedDown { term: Term(1), reason })));
    cluster.tick(100);
    assert!(cluster.nodes.iter().any(|node| node.role() == RoleName::Leader));
}

#[test]
fn a_leader_whose_disk_is_silent_steps_down() {
    let mut cluster = led_by_1(1);
    cluster.node(1).propose(b"x").unwrap();
    let start = cluster.now;
    let mut held = 0;
    for now in start..start + 205 {
        cluster.now = now;
        cluster.node(1).tick(Tick(now));
        for output in drain(cluster.node(1)) {
            match output {
                Output::Persist(_) => held += 1,
                Output::Send(message) => cluster.deliver(message),
                _ => {}
            }
        }
        for at in [1, 2] {
            cluster.nodes[at].tick(Tick(now));
            cluster.carry_out(at).into_iter().for_each(|message| cluster.deliver(message));
        }
    }
    assert_eq!(held, 1);
    assert_eq!(cluster.node(1).role(), RoleName::Follower);
    assert_eq!(cluster.node(1).term(), Term(1));
}

#[test]
fn a_node_of_low_priority_leads_if_nobody_else_can() {
    let membership = Membership::of_voters([1, 2, 3]).unwrap();
    let mut cluster = Cluster::new(3);
    for (id, priority) in [(1, 7), (2, 0), (3, 0)] {
        let config = Config { priority, ..config() };
        let stored = Stored::found(identity(id), membership.clone());
        *cluster.node(id) = Node::new(config, stored, LogIndex(0)).unwrap();
    }
    cluster.tick(60);
    assert_eq!(cluster.node(1).role(), RoleName::Leader);
    cluster.cut_off = vec![1];
    cluster.tick(400);
    assert!(cluster.nodes[1..].iter().any(|node| node.role() == RoleName::Leader));
}

#[test]
fn overwritten_proposals_are_reported_lost_exactly_once() {
    let mut cluster = led_by_1(1);
    cluster.cut_off = vec![1];
    let first = cluster.node(1).propose(b"never").unwrap();
    cluster.node(1).propose(b"seen").unwrap();
    cluster.tick(100);
    cluster.cut_off.clear();
    cluster.tick(100);
    let through = LogIndex(first.index.0 + 1);
    assert_eq!(cluster.outcomes, [(1, Output::ProposalsLost { from: first, through })]);
    let later = cluster.nodes.iter().position(|node| node.role() == RoleName::Leader).unwrap();
    cluster.node(later as u64 + 1).propose(b"goes on").unwrap();
    cluster.tick(20);
    assert_eq!(cluster.outcomes.len(), 1);
    assert_eq!(cluster.applied[0].len(), 2);
}

#[test]
fn a_proposal_that_survives_its_leader_is_applied_and_not_lost() {
    let mut cluster = led_by_1(1);
    let id: EntryId = cluster.node(1).propose(b"kept").unwrap();
    for output in drain(cluster.node(1)) {
        match output {
            Output::Send(message) => cluster.deliver(message),
            Output::Persist(write) => cluster.node(1).persisted(write.id).unwrap(),
            _ => {}
        }
    }
    cluster.cut_off = vec![1];
    cluster.tick(100);
    cluster.cut_off.clear();
    cluster.tick(100);
    assert_eq!(cluster.outcomes, []);
    assert_eq!(cluster.applied[0].last().unwrap(), &(id, b"kept".to_vec()));
}
