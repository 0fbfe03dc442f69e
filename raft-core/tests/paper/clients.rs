//! What a leader owes its clients (8).

use super::*;
use raftcore::{EntryKind, NodeId, Refused};

/// 8: a leader opens its term with an empty entry, ...
#[test]
fn a_leader_opens_its_term_with_a_no_op() {
    let mut lab = Lab::new(3, &plain());
    lab.elect(1);
    let first = &lab.log(1)[0];
    assert_eq!((first.kind, first.payload.len(), first.id.term), (EntryKind::Noop, 0, Term(1)));
}

/// 8: ... which commits what earlier leaders left, without any client's help.
#[test]
fn the_no_op_commits_what_earlier_terms_left() {
    let mut lab = Lab::new(3, &plain());
    for id in 1..=3 {
        lab.preload(id, &[1, 1, 2, 2], 2);
    }
    lab.wait_after_start();
    assert_eq!(lab.node(1).commit_index(), LogIndex(0));
    lab.elect(1);
    lab.run(4);
    for id in 1..=3 {
        assert_eq!(lab.node(id).commit_index(), LogIndex(5));
        let applied: Vec<u64> = lab.hosts[&id].applied.iter().map(|(id, _)| id.index.0).collect();
        assert_eq!(applied, [2, 4], "the commands, without the no-ops");
    }
}

/// 8: a follower sends clients to the leader it knows.
#[test]
fn a_follower_names_the_leader() {
    let mut lab = led_by_1(3, &plain());
    let refused = lab.act(2, |node| node.propose(b"x"));
    assert_eq!(refused, Err(Refused::NotLeader { leader: Some(NodeId(1)) }));
    lab.crash(1, 0);
    lab.tick(2, 60);
    let refused = lab.act(2, |node| node.propose(b"x"));
    assert_eq!(refused, Err(Refused::NotLeader { leader: None }));
}

/// 8: a proposal came true exactly if its index is handed out with its term.
#[test]
fn a_proposal_that_was_overwritten_is_handed_out_with_another_term() {
    let mut lab = led_by_1(3, &config());
    lab.network.cut_off(&[1], &[2, 3]);
    let lost = lab.propose(1, "lost");
    lab.run(60);
    let leader = *lab.leaders().last().unwrap();
    assert_ne!(leader, 1);
    lab.propose(leader, "kept");
    lab.settle();
    lab.network.heal();
    lab.run(60);
    let at = |index| lab.log(1).into_iter().find(|entry| entry.id.index == index).unwrap();
    assert_ne!(at(lost.index).id.term, lost.term);
    let applied = &lab.hosts[&1].applied;
    assert!(applied.iter().all(|(id, payload)| *id != lost && payload != b"lost"));
    assert!(applied.iter().any(|(_, payload)| payload == b"kept"));
}
