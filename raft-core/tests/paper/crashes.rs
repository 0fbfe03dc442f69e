//! Crashes of followers and candidates (5.5), and what must survive them (figure 2).

use super::*;
use support::lab::Link;
use support::wire::entry_id;

/// 5.5: requests to a node that is down are made again when it is back, and completed.
#[test]
fn a_follower_that_was_down_gets_everything_when_it_is_back() {
    let mut lab = led_by_1(3, &plain());
    lab.crash(2, 0);
    for text in ["a", "b", "c"] {
        lab.propose(1, text);
        lab.settle();
    }
    lab.start(2, 0);
    lab.run(5);
    assert_eq!(lab.log(2), lab.log(1));
    assert_eq!(lab.leaders(), [1]);
}

/// 5.5: a node that crashes after the request and before the answer gets the request again.
#[test]
fn a_crash_between_request_and_answer_does_no_harm() {
    let mut lab = led_by_1(3, &plain());
    lab.network.cut_off(&[3], &[1, 2]);
    for keep in [0, 1] {
        let entry = lab.propose(1, "x");
        lab.work(1);
        lab.deliver(1, 2);
        lab.poll(2);
        assert_eq!(lab.host(2).pending.len(), 1);
        lab.crash(2, keep);
        lab.start(2, 0);
        lab.run(5);
        assert_eq!(lab.node(1).commit_index(), entry.index, "{keep} writes were kept");
        assert_eq!(lab.log(2), lab.log(1));
    }
}

/// 5.5: a candidate that crashes begins again, in a term it has not used yet.
#[test]
fn a_candidate_that_crashed_runs_in_a_later_term() {
    let mut lab = Lab::new(3, &plain());
    lab.network.cut_off(&[1], &[2, 3]);
    lab.act(1, Node::campaign).unwrap();
    lab.work(1);
    lab.crash(1, 0);
    lab.start(1, 0);
    assert_eq!(role_and_term(lab.node(1)), (RoleName::Follower, Term(1)));
    lab.tick(1, 60);
    lab.work(1);
    assert!(lab.node(1).term() > Term(1));
}

/// Figure 2: term, vote and log are what survives.
#[test]
fn term_vote_and_log_survive_a_crash() {
    let mut lab = led_by_1(3, &plain());
    lab.propose(1, "x=1");
    lab.settle();
    let log = lab.log(1);
    lab.crash(1, 0);
    assert_eq!(lab.log(1), log);
    let state = support::fold(&lab.host(1).disk).hard_state();
    assert_eq!((state.term, state.vote), (Term(1), Some(raftcore::NodeId(1))));
    lab.start(1, 0);
    assert_eq!(role_and_term(lab.node(1)), (RoleName::Follower, Term(1)));
    assert_eq!(lab.node(1).last_index(), LogIndex(2));
}

/// Figure 2: the commit index and what was applied begin anew, and are learned again.
#[test]
fn commit_index_and_applied_begin_at_zero_and_are_learned_again() {
    let mut lab = led_by_1(3, &plain());
    lab.propose(1, "x=1");
    lab.settle();
    lab.restart(3);
    assert_eq!(lab.node(3).commit_index(), LogIndex(0));
    assert!(lab.host(3).applied.is_empty());
    lab.run(5);
    assert_eq!(lab.host(3).applied, [(entry_id(1, 2), b"x=1".to_vec())]);
}

/// 5.5, figure 2: a majority that loses power and comes back still has what was committed.
#[test]
fn a_crash_of_all_nodes_loses_nothing_that_was_committed() {
    let mut lab = led_by_1(5, &config());
    let mut expected = Vec::new();
    for round in 0..5 {
        let leader = lab.leaders()[0];
        let text = format!("round {round}");
        let id = lab.propose(leader, &text);
        expected.push((id, text.into_bytes()));
        lab.settle();
        for id in 1..=5 {
            lab.crash(id, 0);
        }
        lab.network.clear();
        for id in 1..=5 {
            lab.start(id, 0);
        }
        lab.run(150);
        assert!((1..=5).all(|id| lab.hosts[&id].applied == expected), "round {round}");
    }
}

/// 5.5: messages of a life before the crash do not confuse the next one.
#[test]
fn messages_from_before_a_crash_are_harmless_after_it() {
    let mut lab = led_by_1(3, &plain());
    lab.network.cut_off(&[3], &[1, 2]);
    lab.propose(1, "a");
    lab.work(1);
    lab.deliver(1, 2);
    lab.work(2);
    let confirmation = lab.network.take(Link { from: 2, to: 1 }).unwrap();
    lab.crash(1, 0);
    lab.start(1, 0);
    lab.arrive(confirmation);
    assert_eq!(lab.node(1).commit_index(), LogIndex(0));
    assert_eq!(lab.node(1).role(), RoleName::Follower);
}
