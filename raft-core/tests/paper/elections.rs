//! Leader election (5.2): timers, candidates, leaders.

use super::*;
use raftcore::VoteReply;
use support::lab::Link;
use support::wire::{append, entry_id, no_entries};

/// A candidate of term 1 whose requests have left.
fn candidate(size: u64) -> Node {
    let mut lab = Lab::new(size, &plain());
    lab.act(1, Node::campaign).unwrap();
    lab.work(1);
    lab.node(1).clone()
}

fn vote(from: u64, term: u64, granted: bool) -> Message {
    message(from, 1, term, Body::VoteReply(VoteReply { granted }))
}

/// 5.2: a follower stays a follower as long as it hears a valid leader.
#[test]
fn a_follower_that_hears_its_leader_never_runs() {
    let mut lab = led_by_1(3, &plain());
    lab.run(400);
    assert_eq!(lab.leaders(), [1]);
    assert!([1, 2, 3].iter().all(|&id| lab.node(id).term() == Term(1)));
    assert!([2, 3].iter().all(|&id| lab.node(id).status().counters.campaigns == 0));
}

/// 5.2: a follower that hears nothing for an election timeout starts an election.
#[test]
fn a_follower_that_hears_nothing_runs_after_its_timeout() {
    for seed in 0..50 {
        let config = Config { seed, ..plain() };
        let mut lab = Lab::new(3, &config);
        let deadline = lab.node(1).deadline().unwrap().0;
        assert!((20..=40).contains(&deadline), "{deadline}");
        lab.tick(1, deadline - 1);
        assert_eq!(role_and_term(lab.node(1)), (RoleName::Follower, Term(0)));
        lab.tick(1, 1);
        assert_eq!(role_and_term(lab.node(1)), (RoleName::Candidate, Term(1)));
    }
}

/// 5.2: a candidate votes for itself and asks all others, at once.
#[test]
fn a_candidate_votes_for_itself_and_asks_every_other_node() {
    let mut lab = Lab::new(5, &plain());
    lab.act(1, Node::campaign).unwrap();
    lab.work(1);
    let state = support::fold(&lab.host(1).disk).hard_state();
    assert_eq!((state.term, state.vote), (Term(1), Some(raftcore::NodeId(1))));
    let asked = kinds(lab.network.all());
    assert_eq!(asked, [2, 3, 4, 5].map(|to| (to, MessageKind::RequestVote)));
}

/// 5.2: a majority of the whole group, own vote included, makes a leader; one less does not.
#[test]
fn a_candidate_wins_with_the_votes_of_a_majority() {
    for (size, majority) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
        let mut node = candidate(size);
        for have in 1..majority {
            assert_eq!(node.role(), RoleName::Candidate, "{have} votes of {size}");
            node.receive(vote(have + 1, 1, true)).unwrap();
        }
        assert_eq!(role_and_term(&node), (RoleName::Leader, Term(1)), "{majority} of {size}");
    }
}

/// 5.2: votes are counted per voter: a repeated answer is one vote.
#[test]
fn one_voter_counts_once_however_often_it_answers() {
    let mut node = candidate(5);
    for _ in 0..10 {
        node.receive(vote(2, 1, true)).unwrap();
    }
    assert_eq!(node.role(), RoleName::Candidate);
}

/// 5.2: only members vote.
#[test]
fn a_stranger_s_vote_does_not_count() {
    let mut node = candidate(3);
    node.receive(vote(9, 1, true)).unwrap();
    assert_eq!(node.role(), RoleName::Candidate);
}

/// 5.2: a new leader makes itself known to all others at once.
#[test]
fn a_new_leader_tells_everybody_at_once() {
    let mut node = candidate(5);
    node.receive(vote(2, 1, true)).unwrap();
    node.receive(vote(3, 1, true)).unwrap();
    let told = kinds(&wants(&mut node).0);
    assert_eq!(told, [2, 3, 4, 5].map(|to| (to, MessageKind::Append)));
}

/// 5.2: a leader with nothing to say sends heartbeats, often enough that nobody else runs.
#[test]
fn an_idle_leader_sends_heartbeats() {
    let mut lab = led_by_1(3, &plain());
    lab.tick(1, 4);
    lab.poll(1);
    let sent = kinds(lab.network.all());
    assert_eq!(sent, [2, 3].map(|to| (to, MessageKind::Heartbeat)));
}

/// 5.2: a candidate that hears a leader of its own or a later term follows it.
#[test]
fn a_candidate_that_hears_a_leader_of_its_term_follows_it() {
    for term in [1, 4] {
        let mut node = candidate(3);
        node.receive(message(2, 1, term, append(entry_id(0, 0), seed(&node), 0, no_entries(0))))
            .unwrap();
        assert_eq!(role_and_term(&node), (RoleName::Follower, Term(term)));
        assert_eq!(node.leader(), Some(raftcore::NodeId(2)));
    }
}

/// 5.2: a leader of an earlier term is refused, and the candidate goes on.
#[test]
fn a_candidate_that_hears_a_leader_of_an_earlier_term_goes_on() {
    let mut lab = Lab::new(3, &plain());
    lab.preload(1, &[1], 4);
    lab.tick(1, 20);
    lab.act(1, Node::campaign).unwrap();
    let mut node = lab.node(1).clone();
    node.receive(message(2, 1, 4, append(entry_id(0, 0), seed(&node), 0, no_entries(0)))).unwrap();
    assert_eq!(role_and_term(&node), (RoleName::Candidate, Term(5)));
}

/// 5.2: split votes: nobody wins, and after another timeout a new term begins.
#[test]
fn a_split_vote_ends_in_a_new_election() {
    let mut lab = Lab::new(4, &plain());
    for id in [1, 2] {
        lab.act(id, Node::campaign).unwrap();
        lab.work(id);
    }
    for (from, to) in [(1, 3), (2, 4), (1, 4), (2, 3), (1, 2), (2, 1)] {
        lab.deliver(from, to);
    }
    lab.settle();
    assert_eq!(lab.leaders(), []);
    assert!((1..=4).all(|id| lab.node(id).term() == Term(1)));
    lab.run(120);
    assert_eq!(lab.leaders().len(), 1);
    let leader = lab.leaders()[0];
    assert!(lab.node(leader).term() > Term(1));
}

/// 5.2: timeouts are drawn at random from an interval, so that split votes are rare and soon over.
#[test]
fn timeouts_are_spread_over_the_interval() {
    let mut seen = std::collections::BTreeSet::new();
    for id in 1..=7 {
        for seed in 0..40 {
            let lab = Lab::new(7, &Config { seed, ..plain() });
            seen.insert(lab.node(id).deadline().unwrap().0);
        }
    }
    assert_eq!(seen, (20..=40).collect());
}

/// 5.2: each election draws anew.
#[test]
fn each_election_of_a_node_has_its_own_timeout() {
    let mut lab = Lab::new(3, &plain());
    lab.network.cut_off(&[1], &[2, 3]);
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let before = lab.host(1).now;
        lab.timeout(1);
        lab.work(1);
        waits.insert(lab.host(1).now - before);
    }
    assert!(waits.len() > 5, "{waits:?}");
    assert!(waits.iter().all(|wait| (20..=40).contains(wait)), "{waits:?}");
}

/// 5.2: at most one leader in a term (Election Safety): two that run at the same time do not both win.
#[test]
fn a_term_has_at_most_one_leader() {
    for seed in 0..20 {
        let mut lab = Lab::new(5, &Config { seed, election_ticks_max: 22, ..plain() });
        let mut leaders = std::collections::BTreeMap::new();
        for _ in 0..60 {
            lab.run(2);
            for leader in lab.leaders() {
                let term = lab.node(leader).term();
                assert_eq!(*leaders.entry(term).or_insert(leader), leader);
                // Others run against it all the time.
                lab.timeout(leader % 5 + 1);
                lab.timeout((leader + 1) % 5 + 1);
            }
        }
        assert!(leaders.len() > 1, "{leaders:?}");
    }
}

/// 5.2: a second leader of one term can only be one that forgot its vote; it is rejected.
#[test]
fn a_second_leader_of_a_term_is_rejected() {
    let mut lab = led_by_1(3, &plain());
    let claim = |to| {
        let body = append(entry_id(0, 0), 0, 0, no_entries(0));
        message(3, to, 1, body)
    };
    for id in [1, 2] {
        let error = lab.act(id, |node| node.receive(claim(id))).unwrap_err();
        let leader = raftcore::NodeId(1);
        let from = raftcore::NodeId(3);
        let term = Term(1);
        assert_eq!(error, raftcore::RejectedMessage::SecondLeader { from, term, leader });
    }
    assert_eq!(lab.leaders(), [1]);
}

/// 5.2: a candidate asks as long as nobody leads: lost requests are made up for by the next election.
#[test]
fn lost_requests_and_answers_only_cost_time() {
    let mut lab = Lab::new(3, &plain());
    lab.network.cut(Link { from: 2, to: 1 });
    lab.network.cut(Link { from: 1, to: 3 });
    lab.run(200);
    lab.network.heal();
    lab.run(120);
    assert_eq!(lab.leaders().len(), 1);
}

/// The checksum that stands before the first entry.
fn seed(node: &Node) -> u32 {
    node.checksum_at(LogIndex(0)).unwrap()
}
