//! Roles and terms (5.1).

use super::*;
use raftcore::{AppendReply, Commit, Heartbeat, HeartbeatReply, VoteReply};
use support::wire::{append, entry_id, no_entries};

/// A node in each role, in term 3, with the role's name.
fn in_every_role() -> Vec<Node> {
    let mut candidate = Lab::new(3, &plain());
    candidate.preload(1, &[1], 2);
    candidate.tick(1, 20);
    candidate.act(1, Node::campaign).unwrap();
    let mut nodes = vec![candidate.node(1).clone()];
    speak(&mut nodes[0]);
    let mut leader = nodes[0].clone();
    leader.receive(message(2, 1, 3, Body::VoteReply(VoteReply { granted: true }))).unwrap();
    speak(&mut leader);
    let mut follower = leader.clone();
    // A leader without a quorum gives up, within its term.
    follower.tick(Tick(100));
    speak(&mut follower);
    nodes.extend([leader, follower]);
    let roles: Vec<_> = nodes.iter().map(role_and_term).collect();
    let wanted = [RoleName::Candidate, RoleName::Leader, RoleName::Follower];
    assert_eq!(roles, wanted.map(|role| (role, Term(3))));
    nodes
}

/// 5.1: nodes start as followers, in term 0.
#[test]
fn a_new_node_is_a_follower_of_nobody() {
    let node = follower();
    assert_eq!((node.role(), node.leader(), node.term()), (RoleName::Follower, None, Term(0)));
}

/// 5.1: whoever sees a larger term takes it over at once; a candidate or leader becomes a follower.
#[test]
fn a_higher_term_in_any_message_makes_any_node_a_follower_of_that_term() {
    let (session, token, none) = (1, 1, LogIndex(0));
    let bodies = [
        Body::AppendReply(AppendReply { session, outcome: AppendOutcome::OldTerm }),
        Body::VoteReply(VoteReply { granted: false }),
        Body::Heartbeat(Heartbeat { session, commit: none, matched: none, token }),
        Body::HeartbeatReply(HeartbeatReply { session, token, verified: none }),
        Body::Commit(Commit { session, commit: none }),
    ];
    for node in in_every_role() {
        for body in &bodies {
            let mut node = node.clone();
            node.receive(message(3, 1, 9, body.clone())).unwrap();
            assert_eq!(role_and_term(&node), (RoleName::Follower, Term(9)), "{body:?}");
        }
    }
}

/// 5.1: the new term is durable before the node answers in it (figure 2, persistent state).
#[test]
fn a_higher_term_is_written_before_it_is_spoken_of() {
    let mut node = follower();
    node.receive(vote_request(2, 7, entry_id(0, 0))).unwrap();
    let (messages, writes) = wants(&mut node);
    assert_eq!(messages, []);
    assert_eq!(writes[0].hard_state.unwrap().term, Term(7));
    node.persisted(writes[0].id).unwrap();
    assert_eq!(wants(&mut node).0[0].term(), Term(7));
}

/// 5.1: a request with an old term is refused, with the newer term in the answer.
#[test]
fn a_request_of_an_old_term_is_refused_with_the_newer_term() {
    for mut node in in_every_role() {
        let before = node.fingerprint();
        let requests = [
            vote_request(2, 2, entry_id(1, 9)),
            message(2, 1, 2, append(entry_id(1, 1), 0, 1, no_entries(1))),
        ];
        for request in requests {
            node.receive(request).unwrap();
            let answers = speak(&mut node);
            assert_eq!(answers.len(), 1);
            assert_eq!((answers[0].to().0, answers[0].term()), (2, Term(3)));
            assert_ne!(granted(&answers), Some(true));
            assert_eq!(confirmed(&answers), []);
            assert_eq!(node.fingerprint(), before, "nothing else changed");
        }
    }
}

/// 5.1: an answer with an old term changes nothing.
#[test]
fn an_answer_of_an_old_term_changes_nothing() {
    let outcome = AppendOutcome::Success { matched: LogIndex(2) };
    for mut node in in_every_role() {
        let before = node.fingerprint();
        for body in [
            Body::VoteReply(VoteReply { granted: true }),
            Body::AppendReply(AppendReply { session: 1, outcome }),
        ] {
            node.receive(message(2, 1, 2, body)).unwrap();
            assert_eq!(speak(&mut node), []);
        }
        assert_eq!(node.fingerprint(), before);
    }
}

/// 5.1, 5.2: every election opens a new term, the one after the last that the candidate knows.
#[test]
fn each_election_is_for_the_next_term() {
    let mut lab = Lab::new(3, &plain());
    lab.network.cut_off(&[1], &[2, 3]);
    for term in 1..6 {
        lab.timeout(1);
        // The first timer only begins to run.
        while lab.node(1).term() < Term(term) {
            lab.work(1);
            lab.timeout(1);
        }
        assert_eq!(role_and_term(lab.node(1)), (RoleName::Candidate, Term(term)));
        lab.work(1);
    }
}
