//! What the thesis adds: pre-vote (9.6), a leader that loses its quorum (6.2), followers that stick
//! to a live leader (4.2.3), writing the leader's log in parallel (10.2.1).

use super::*;
use raftcore::{PreVote, PreVoteReply, Refused};
use support::lab::Link;
use support::wire::entry_id;

fn pre_vote(from: u64, term: u64, last: EntryId) -> Message {
    message(from, 1, term, Body::PreVote(PreVote { last, doubt: None }))
}

/// 9.6: who asks for pre-votes keeps its term and gives its vote to nobody.
#[test]
fn asking_for_pre_votes_changes_no_term_and_no_vote() {
    let mut lab = Lab::new(3, &config());
    lab.network.cut_off(&[1], &[2, 3]);
    lab.run(20);
    let before = lab.host(1).disk.len();
    lab.run(400);
    assert_eq!(role_and_term(lab.node(1)), (RoleName::PreCandidate, Term(0)));
    assert_eq!(lab.host(1).disk.len(), before, "nothing was written");
}

/// 9.6: the term is raised only once a majority would vote for the node.
#[test]
fn a_majority_of_pre_votes_begins_the_election() {
    for (size, others_needed) in [(3, 1), (4, 2), (5, 2)] {
        let mut lab = Lab::new(size, &config());
        lab.act(1, Node::campaign).unwrap();
        lab.work(1);
        let mut node = lab.node(1).clone();
        for from in 2..2 + others_needed {
            assert_eq!(role_and_term(&node), (RoleName::PreCandidate, Term(0)));
            let yes = PreVoteReply { asked: Term(0), granted: true, differs: false };
            node.receive(message(from, 1, 0, Body::PreVoteReply(yes))).unwrap();
        }
        assert_eq!(role_and_term(&node), (RoleName::Candidate, Term(1)), "{size}");
    }
}

/// 9.6: pre-votes of an earlier attempt, in another term, do not count.
#[test]
fn a_pre_vote_counts_only_for_the_term_it_was_asked_in() {
    let mut lab = Lab::new(3, &config());
    lab.preload(1, &[1], 4);
    lab.tick(1, 20);
    lab.act(1, Node::campaign).unwrap();
    let mut node = lab.node(1).clone();
    speak(&mut node);
    let late = PreVoteReply { asked: Term(3), granted: true, differs: false };
    node.receive(message(2, 1, 4, Body::PreVoteReply(late))).unwrap();
    assert_eq!(node.role(), RoleName::PreCandidate);
}

/// 9.6: a pre-vote promises nothing: several nodes may get one, and the vote stays free.
#[test]
fn a_pre_vote_promises_nothing() {
    let mut node = follower();
    for from in [2, 3] {
        node.receive(pre_vote(from, 0, entry_id(0, 0))).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(true));
    }
    assert_eq!(node.term(), Term(0));
    node.receive(vote_request(3, 1, entry_id(0, 0))).unwrap();
    assert_eq!(granted(&speak(&mut node)), Some(true));
}

/// 9.6: a pre-vote needs a log as up-to-date as a vote does, and a term that is not behind.
#[test]
fn a_pre_vote_needs_an_up_to_date_log_and_term() {
    let cases = [(2, entry_id(2, 2), true), (2, entry_id(2, 1), false), (1, entry_id(1, 9), false)];
    for (term, last, expected) in cases {
        let mut lab = Lab::new(3, &config());
        lab.preload(1, &[1, 2], 2);
        lab.tick(1, 20);
        let mut node = lab.node(1).clone();
        node.receive(pre_vote(2, term, last)).unwrap();
        assert_eq!(granted(&speak(&mut node)), Some(expected), "{term} {last}");
    }
}

/// 9.6: a node that was cut off does not disturb the others when it is back.
#[test]
fn a_node_that_comes_back_does_not_depose_the_leader() {
    let mut lab = led_by_1(5, &config());
    lab.network.cut_off(&[5], &[1, 2, 3, 4]);
    lab.run(500);
    lab.network.heal();
    lab.run(100);
    assert_eq!(lab.leaders(), [1]);
    assert!((1..=5).all(|id| lab.node(id).term() == Term(1)));
}

/// 9.6: with a live leader nobody gives a pre-vote.
#[test]
fn no_pre_vote_is_given_while_a_leader_is_alive() {
    let mut lab = led_by_1(3, &config());
    for id in [1, 2] {
        let ask = message(3, id, 1, Body::PreVote(PreVote { last: entry_id(1, 1), doubt: None }));
        lab.arrive(ask);
        lab.work(id);
        assert_eq!(lab.network.on(Link { from: id, to: 3 }).count(), 0);
        assert_eq!(lab.node(id).status().counters.leader_alive, 1);
    }
}

/// 6.2: a leader that hears no quorum for an election timeout gives up, but keeps its term.
#[test]
fn a_leader_without_a_quorum_gives_up() {
    let mut lab = led_by_1(5, &plain());
    lab.network.cut_off(&[1, 2], &[3, 4, 5]);
    lab.run(41);
    assert_ne!(lab.node(1).role(), RoleName::Leader);
    lab.run(150);
    assert!(!lab.leaders().contains(&1) && !lab.leaders().contains(&2), "{:?}", lab.leaders());
    assert_eq!(lab.leaders().len(), 1);
}

/// 6.2: a quorum is enough: answers of a minority are not missed.
#[test]
fn a_leader_with_a_quorum_stays() {
    let mut lab = led_by_1(5, &config());
    lab.network.cut_off(&[4, 5], &[1, 2, 3]);
    lab.run(500);
    assert_eq!(lab.leaders(), [1]);
}

/// 6.2: answers to anything count, refusals of appends too: the quorum is there.
#[test]
fn a_leader_hears_its_quorum_even_if_it_only_refuses() {
    let mut lab = led_by_1(3, &config());
    lab.host(2).slow_disk = true;
    lab.host(3).slow_disk = true;
    for _ in 0..100 {
        lab.propose(1, "x");
        lab.run(2);
    }
    assert_eq!(lab.leaders(), [1]);
    assert_eq!(lab.node(1).commit_index(), LogIndex(1));
}

/// 4.2.3, 6.2: who heard a leader within the shortest election timeout ignores vote requests, and
/// their term.
#[test]
fn a_vote_request_is_ignored_while_a_leader_is_alive() {
    let mut lab = led_by_1(3, &plain());
    for id in [1, 2] {
        let request = RequestVote { last: entry_id(9, 99), transfer: false };
        lab.arrive(message(3, id, 40, Body::RequestVote(request)));
        lab.work(id);
        assert_eq!(lab.node(id).term(), Term(1));
        assert_eq!(lab.network.on(Link { from: id, to: 3 }).count(), 0);
    }
    // Once the leader was silent for so long, the request counts.
    lab.tick(2, 20);
    let request = RequestVote { last: entry_id(9, 99), transfer: false };
    lab.arrive(message(3, 2, 40, Body::RequestVote(request)));
    assert_eq!(lab.node(2).term(), Term(40));
}

/// 4.2.3: nor does a follower run against a leader that it hears.
#[test]
fn a_follower_does_not_campaign_against_a_live_leader() {
    let mut lab = led_by_1(3, &config());
    let leader = raftcore::NodeId(1);
    assert_eq!(lab.act(2, Node::campaign), Err(Refused::LeaderAlive { leader }));
}

/// 4.2.3: a node that has just started cannot know whom it heard before: it waits with its votes.
#[test]
fn a_node_that_has_just_started_gives_no_vote_for_one_timeout() {
    let mut lab = led_by_1(3, &plain());
    lab.restart(2);
    let request = RequestVote { last: entry_id(1, 1), transfer: false };
    let ask = |term| message(3, 2, term, Body::RequestVote(request));
    lab.tick(2, 19);
    lab.arrive(ask(2));
    lab.work(2);
    assert_eq!(lab.network.on(Link { from: 2, to: 3 }).count(), 0);
    lab.tick(2, 1);
    lab.arrive(ask(3));
    lab.work(2);
    let answers: Vec<Message> = lab.network.on(Link { from: 2, to: 3 }).cloned().collect();
    assert_eq!(granted(&answers), Some(true));
}

/// 10.2.1: a leader sends entries before its own disk has them.
#[test]
fn a_leader_sends_before_its_own_disk_is_done() {
    let mut lab = led_by_1(3, &plain());
    lab.propose(1, "x=1");
    let outputs = lab.act(1, drain);
    assert!(matches!(outputs[..], [Output::Send(_), Output::Send(_), Output::Persist(_)]));
}

/// 10.2.1: an entry may be committed before the leader's own disk has it, if a majority without it does.
#[test]
fn a_majority_without_the_leader_commits() {
    let mut lab = led_by_1(3, &plain());
    lab.host(1).slow_disk = true;
    lab.propose(1, "x=1");
    lab.settle();
    assert_eq!(lab.node(1).commit_index(), LogIndex(2));
    assert_eq!(lab.node(1).status().stable_index, LogIndex(1));
    assert!(lab.host(1).applied.is_empty(), "but it is applied here only when it is durable here");
    lab.sync(1, 1);
    lab.work(1);
    assert_eq!(lab.host(1).applied.len(), 1);
}

/// 10.2.1: the leader counts itself only once its own disk is done.
#[test]
fn the_leader_counts_itself_when_its_disk_is_done() {
    let mut lab = led_by_1(3, &plain());
    lab.network.cut_off(&[3], &[1, 2]);
    lab.host(1).slow_disk = true;
    lab.propose(1, "x=1");
    lab.settle();
    assert_eq!(lab.node(1).status().peers[0].matched, LogIndex(2));
    assert_eq!(lab.node(1).commit_index(), LogIndex(1));
    lab.sync(1, 1);
    assert_eq!(lab.node(1).commit_index(), LogIndex(2));
}

/// 10.2.2: what is proposed together travels together.
#[test]
fn proposals_made_together_are_one_append() {
    let mut lab = led_by_1(3, &config());
    for number in 0..50 {
        lab.propose(1, &number.to_string());
    }
    lab.poll(1);
    let link = Link { from: 1, to: 2 };
    assert_eq!(lab.network.on(link).count(), 1);
    let Body::Append(append) = lab.network.on(link).next().unwrap().body() else { panic!() };
    assert_eq!(append.entries.len(), 50);
}

/// 10.2.2: a leader sends the next entries before it hears of those before.
#[test]
fn a_leader_sends_ahead_of_the_replies() {
    let mut lab = led_by_1(3, &config());
    let link = Link { from: 1, to: 2 };
    lab.network.hold(link);
    for number in 0..5 {
        let id = lab.propose(1, &number.to_string());
        lab.poll(1);
        let Body::Append(append) = lab.network.on(link).last().unwrap().body() else { panic!() };
        assert_eq!((append.entries.first(), append.entries.len()), (id.index, 1));
    }
    lab.network.release(link);
    lab.settle();
    assert_eq!(lab.hosts[&2].applied.len(), 5);
}
