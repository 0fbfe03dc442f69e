//! Who gets a vote (5.2, 5.4.1).

use super::*;
use raftcore::NodeId;
use support::wire::entry_id;

/// 5.2: one vote in a term, first come first served.
#[test]
fn the_first_candidate_of_a_term_gets_the_vote_and_the_second_does_not() {
    let mut node = follower();
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(true));
    node.receive(vote_request(3, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(false));
}

/// 5.2: the vote stands for the whole term: asked again, the same candidate gets the same answer.
#[test]
fn a_repeated_request_gets_the_same_answer() {
    let mut node = follower();
    for _ in 0..3 {
        node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(true));
    }
}

/// 5.2: a new term, a new vote.
#[test]
fn the_next_term_has_a_vote_of_its_own() {
    let mut node = follower();
    for (term, candidate) in [(1, 2), (2, 3), (5, 2)] {
        node.receive(vote_request(candidate, term, entry_id(0, 0))).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(true));
        assert_eq!(node.term(), Term(term));
    }
}

/// 5.2: a candidate has given its vote to itself.
#[test]
fn a_candidate_votes_for_nobody_else_in_its_term() {
    let mut lab = Lab::new(3, &plain());
    lab.act(1, Node::campaign).unwrap();
    let mut node = lab.node(1).clone();
    speak(&mut node);
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(false));
}

/// 5.2: who grants a vote waits a whole timeout for the new leader.
#[test]
fn granting_a_vote_restarts_the_timer() {
    let mut node = follower();
    node.tick(Tick(15));
    let before = node.deadline().unwrap();
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    speak(&mut node);
    let after = node.deadline().unwrap();
    assert!(after >= Tick(35), "{before} {after}");
}

/// 5.2: who only asked for pre-votes and then votes for another stops asking.
#[test]
fn granting_a_vote_ends_the_own_attempt() {
    let mut lab = Lab::new(3, &config());
    lab.preload(1, &[], 1);
    lab.wait_after_start();
    lab.act(1, Node::campaign).unwrap();
    let mut node = lab.node(1).clone();
    speak(&mut node);
    assert_eq!(role_and_term(&node), (RoleName::PreCandidate, Term(1)));
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(true));
    assert_eq!(role_and_term(&node), (RoleName::Follower, Term(1)));
    assert!(node.deadline().unwrap() >= Tick(40));
}

/// 5.2: who refuses a vote does not wait any longer for it: a candidate that cannot win holds nobody up.
#[test]
fn refusing_a_vote_does_not_restart_the_timer() {
    let mut lab = Lab::new(3, &plain());
    lab.preload(1, &[1, 1], 1);
    lab.tick(1, 20);
    let mut node = lab.node(1).clone();
    let before = node.deadline();
    for term in 2..6 {
        node.receive(vote_request(2, term, entry_id(0, 0))).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(false));
    }
    assert_eq!(node.deadline(), before);
}

/// 5.4.1: the vote is refused if the own log is more up-to-date: a later last term, or in the same
/// term a longer log. The voter's log here is 1 1 2 2.
#[test]
fn only_a_log_at_least_as_up_to_date_gets_the_vote() {
    let cases = [
        (entry_id(2, 4), true),
        (entry_id(2, 5), true),
        (entry_id(3, 1), true),
        (entry_id(3, 9), true),
        (entry_id(2, 3), false),
        (entry_id(1, 4), false),
        (entry_id(1, 99), false),
        (entry_id(0, 0), false),
    ];
    for (last, expected) in cases {
        let mut lab = Lab::new(3, &plain());
        lab.preload(1, &[1, 1, 2, 2], 2);
        lab.tick(1, 20);
        let mut node = lab.node(1).clone();
        node.receive(vote_request(2, 7, last)).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(expected), "{last}");
        assert_eq!(node.term(), Term(7), "refused or not, the term counts (5.1)");
    }
}

/// 5.4.1: a refusal leaves the vote free for a better candidate of the same term.
#[test]
fn a_refused_candidate_does_not_use_up_the_vote() {
    let mut lab = Lab::new(3, &plain());
    lab.preload(1, &[1, 1], 1);
    lab.tick(1, 20);
    let mut node = lab.node(1).clone();
    node.receive(vote_request(2, 2, entry_id(1, 1))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(false));
    node.receive(vote_request(3, 2, entry_id(1, 2))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(true));
}

/// Figure 2: the vote is durable before it is given.
#[test]
fn a_vote_is_written_before_it_is_given() {
    let mut node = follower();
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    let (messages, writes) = wants(&mut node);
    assert_eq!(messages, []);
    let state = writes[0].hard_state.unwrap();
    assert_eq!((state.term, state.vote), (Term(1), Some(NodeId(2))));
    node.persisted(writes[0].id).unwrap();
    assert_eq!(granted(&wants(&mut node).0), Some(true));
}

/// Figure 2: a candidate's own vote counts when it is durable, not before.
#[test]
fn a_candidate_asks_when_its_own_vote_is_durable() {
    let mut lab = Lab::new(3, &plain());
    lab.act(1, Node::campaign).unwrap();
    let mut node = lab.node(1).clone();
    let (messages, writes) = wants(&mut node);
    assert_eq!(messages, []);
    node.persisted(writes[0].id).unwrap();
    assert_eq!(wants(&mut node).0.len(), 2);
}

/// 5.2: a vote is remembered after a crash: nobody else gets one in that term.
#[test]
fn a_vote_survives_a_crash() {
    let mut lab = Lab::new(3, &plain());
    lab.act(2, Node::campaign).unwrap();
    lab.work(2);
    lab.deliver(2, 1);
    lab.work(1);
    lab.crash(1, 0);
    lab.start(1, 0);
    lab.tick(1, 20);
    let mut node = lab.node(1).clone();
    node.receive(vote_request(3, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(false));
    node.receive(vote_request(2, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(true));
}
