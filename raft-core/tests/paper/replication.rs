//! Log replication (5.3).

use super::*;
use raftcore::{Append, PeerState};
use support::lab::Link;
use support::wire::entry_id;

/// The appends under way on a link.
fn appends(lab: &Lab, from: u64, to: u64) -> Vec<Append> {
    let only = |message: &Message| match message.body() {
        Body::Append(append) => Some(append.clone()),
        _ => None,
    };
    lab.network.on(Link { from, to }).filter_map(only).collect()
}

/// A leader of term `term` (node 1) and a follower (node 2) that begin with these logs; node 3 only
/// votes.
fn leader_and_follower(leader: &[u64], follower: &[u64], term: u64) -> Lab {
    let mut lab = Lab::new(3, &plain());
    lab.preload(1, leader, term - 1);
    lab.preload(2, follower, term - 1);
    lab.preload(3, &[], term - 1);
    lab.wait_after_start();
    lab.act(1, Node::campaign).unwrap();
    lab.work(1);
    lab.deliver(1, 3);
    lab.work(3);
    lab.deliver(3, 1);
    assert_eq!(role_and_term(lab.node(1)), (RoleName::Leader, Term(term)));
    lab.network.clear();
    lab.network.cut_off(&[3], &[1, 2]);
    lab
}

/// 5.3: the leader appends a command to its log and sends it to all others at once.
#[test]
fn a_proposal_is_appended_and_sent_to_all_others() {
    let mut lab = led_by_1(5, &plain());
    assert_eq!(lab.propose(1, "x=1"), entry_id(1, 2));
    lab.poll(1);
    for to in 2..=5 {
        let append = &appends(&lab, 1, to)[0];
        assert_eq!(append.prev(), entry_id(1, 1));
        assert_eq!(append.entries.iter().next().unwrap().payload, b"x=1");
    }
    lab.work(1);
    assert_eq!(lab.log(1)[1].id, entry_id(1, 2));
}

/// 5.3: an entry is committed when it is on a majority, the leader included; then it is applied.
#[test]
fn an_entry_is_committed_once_a_majority_has_it() {
    for (size, followers_needed) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)] {
        let mut lab = led_by_1(size, &plain());
        lab.propose(1, "x=1");
        lab.work(1);
        for from in 2..2 + followers_needed {
            assert_eq!(lab.node(1).commit_index(), LogIndex(1), "{size}");
            lab.deliver(1, from);
            lab.work(from);
            lab.deliver(from, 1);
        }
        assert_eq!(lab.node(1).commit_index(), LogIndex(2), "{size}");
        lab.work(1);
        assert_eq!(lab.host(1).applied, [(entry_id(1, 2), b"x=1".to_vec())]);
    }
}

/// 5.3: followers learn the commit index from the leader and apply in the order of the log.
#[test]
fn followers_apply_what_the_leader_says_is_committed_in_log_order() {
    let mut lab = led_by_1(3, &plain());
    for number in 0..100 {
        lab.propose(1, &number.to_string());
        if number % 9 == 0 {
            lab.settle();
        }
    }
    lab.settle();
    for id in 1..=3 {
        let applied = &lab.host(id).applied;
        let numbers: Vec<_> = applied
            .iter()
            .map(|(_, payload)| String::from_utf8(payload.clone()).unwrap())
            .collect();
        assert_eq!(numbers, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}

/// 5.3: committing an entry commits everything before it, entries of earlier leaders included.
#[test]
fn committing_an_entry_commits_all_before_it() {
    let mut lab = leader_and_follower(&[1, 1, 2], &[1], 3);
    lab.settle();
    assert_eq!(lab.node(1).commit_index(), LogIndex(4));
    let committed: Vec<_> = lab.host(1).applied.iter().map(|(id, _)| id.index.0).collect();
    assert_eq!(committed, [2], "the one command; 1, 3 and 4 are no-ops");
    assert_eq!(lab.hosts[&1].applied, lab.hosts[&2].applied);
}

/// 5.3: a new leader begins each follower at the end of its own log.
#[test]
fn a_new_leader_begins_at_its_last_entry() {
    let mut lab = leader_and_follower(&[1, 1, 2], &[1], 3);
    lab.poll(1);
    let first = &appends(&lab, 1, 2)[0];
    assert_eq!(first.prev(), entry_id(2, 3));
    assert_eq!(lab.node(1).status().peers[0].state, PeerState::Probe);
}

/// 5.3: the consistency check: without an equal predecessor nothing is taken.
#[test]
fn an_append_without_its_predecessor_is_refused() {
    let too_short = leader_and_follower(&[1, 1, 2], &[1], 4);
    let other_term = leader_and_follower(&[1, 1, 2], &[1, 1, 3], 4);
    for mut lab in [too_short, other_term] {
        let before = lab.log(2);
        lab.work(1);
        lab.deliver(1, 2);
        lab.work(2);
        assert_eq!(lab.log(2), before);
        let answers: Vec<Message> = lab.network.on(Link { from: 2, to: 1 }).cloned().collect();
        assert_eq!(confirmed(&answers), []);
        assert_eq!(lab.node(2).status().counters.conflicts, 1);
    }
}

/// 5.3: an entry that conflicts with the leader's (same index, other term) goes, and all after it.
#[test]
fn a_conflicting_entry_is_deleted_with_all_that_follow() {
    let mut lab = leader_and_follower(&[1, 1], &[1, 2, 2, 2, 2, 3], 5);
    lab.settle();
    assert_eq!(lab.terms(2), [1, 1, 5]);
    assert_eq!(lab.log(2), lab.log(1));
}

/// 5.3, figure 2: entries that are there already stay; an old append that arrives late cuts nothing off.
#[test]
fn an_append_that_is_older_than_the_log_deletes_nothing() {
    let mut lab = led_by_1(3, &plain());
    lab.propose(1, "a");
    lab.poll(1);
    let early = lab.network.on(Link { from: 1, to: 2 }).next().unwrap().clone();
    lab.propose(1, "b");
    lab.settle();
    assert_eq!(lab.terms(2), [1, 1, 1]);
    for _ in 0..3 {
        lab.arrive(early.clone());
        lab.settle();
        assert_eq!(lab.terms(2), [1, 1, 1]);
        assert_eq!(lab.node(2).last_index(), LogIndex(3));
    }
}

/// 5.3 (Leader Append-Only): a leader never deletes or changes an entry of its own log.
#[test]
fn a_leader_only_appends_to_its_own_log() {
    let mut lab = leader_and_follower(&[1, 2], &[1, 3, 3, 3], 4);
    let before = lab.log(1);
    lab.settle();
    lab.run(40);
    let after = lab.log(1);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.last().unwrap().id, entry_id(4, 3));
    let writes = &lab.host(1).disk;
    let deletes = |from: LogIndex| from.0 <= before.len() as u64;
    assert!(!writes.iter().any(|write| write.truncate_from.is_some_and(deletes)));
}

/// 5.3, figure 7: a leader makes every follower's log equal to its own, whatever is missing from it
/// or extra in it.
#[test]
fn the_logs_of_figure_7_become_equal_to_the_leader_s() {
    let leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for follower in followers {
        let mut lab = leader_and_follower(&leader, follower, 8);
        lab.settle();
        assert_eq!(lab.log(2), lab.log(1), "{follower:?}");
        assert_eq!(lab.terms(2), [&leader[..], &[8]].concat());
        let last = lab.node(1).last_index();
        assert_eq!(lab.node(2).checksum_at(last), lab.node(1).checksum_at(last));
        assert_eq!(lab.node(2).commit_index(), last);
    }
}

/// 5.3: a follower tells where its conflicting term begins, so that a leader skips whole terms: at
/// most one refused append for each term in conflict.
#[test]
fn finding_the_common_entry_takes_one_append_for_each_term_at_most() {
    let leader: Vec<u64> = [&[1; 2][..], &[4; 200]].concat();
    let follower: Vec<u64> = [&[1; 2][..], &[2; 100], &[3; 100]].concat();
    let mut lab = leader_and_follower(&leader, &follower, 5);
    lab.settle();
    assert_eq!(lab.terms(2), lab.terms(1));
    assert!(lab.node(2).status().counters.conflicts <= 3);
    let short = [1; 2];
    let mut lab = leader_and_follower(&leader, &short, 5);
    lab.settle();
    assert_eq!(lab.node(2).status().counters.conflicts, 1, "a log that is only short says so");
}

/// 5.3 (Log Matching): entries with the same index and term are the same, and so is all before them.
#[test]
fn entries_of_the_same_name_have_the_same_history() {
    let mut lab = Lab::new(5, &Config { election_ticks_max: 25, ..plain() });
    let mut proposed = 0;
    for round in 0..60u64 {
        let id = round % 5 + 1;
        lab.network.heal();
        lab.network.cut_off(&[id], &(1..=5).filter(|&other| other != id).collect::<Vec<_>>());
        for leader in lab.leaders() {
            lab.propose(leader, &format!("{round}"));
            proposed += 1;
        }
        lab.run(15);
        for one in 1..=5 {
            for other in 1..one {
                let logs = (lab.log(one), lab.log(other));
                let same = |at: &usize| logs.0[*at].id == logs.1[*at].id;
                let shared = logs.0.len().min(logs.1.len());
                let last = (0..shared).rev().find(same).map_or(0, |at| at + 1);
                assert_eq!(logs.0[..last], logs.1[..last]);
            }
        }
    }
    assert!(proposed > 10, "{proposed}");
}

/// 5.3: a leader asks again and again until a follower has everything, long after it has answered its
/// client.
#[test]
fn a_leader_never_gives_a_follower_up() {
    let mut lab = led_by_1(3, &plain());
    lab.crash(3, 0);
    for number in 0..20 {
        lab.propose(1, &number.to_string());
        lab.settle();
    }
    assert_eq!(lab.host(1).applied.len(), 20);
    lab.run(500);
    lab.start(3, 0);
    lab.run(5);
    assert_eq!(lab.log(3), lab.log(1));
    assert_eq!(lab.host(3).applied.len(), 20);
}

/// 5.3: one slow follower does not delay the others: one round trip to a majority commits.
#[test]
fn a_slow_minority_does_not_delay_a_commit() {
    let mut lab = led_by_1(5, &plain());
    lab.network.cut_off(&[4, 5], &[1, 2, 3]);
    lab.propose(1, "x=1");
    lab.work(1);
    for id in [2, 3] {
        lab.deliver(1, id);
        lab.work(id);
        lab.deliver(id, 1);
    }
    assert_eq!(lab.node(1).commit_index(), LogIndex(2));
}

/// Figure 2: a follower's commit index does not pass the last entry that it knows to be the leader's.
#[test]
fn a_follower_commits_nothing_beyond_what_the_leader_verified() {
    let mut lab = leader_and_follower(&[1], &[1, 2, 2, 2], 4);
    lab.poll(1);
    lab.network.clear();
    // A leader whose log is long committed, and whose heartbeat says so, to a node with other entries.
    let beat =
        raftcore::Heartbeat { session: 1, commit: LogIndex(4), matched: LogIndex(0), token: 1 };
    lab.arrive(message(1, 2, 4, Body::Heartbeat(beat)));
    assert_eq!(lab.node(2).commit_index(), LogIndex(0));
    let commit = raftcore::Commit { session: 1, commit: LogIndex(4) };
    lab.arrive(message(1, 2, 4, Body::Commit(commit)));
    assert_eq!(lab.node(2).commit_index(), LogIndex(0));
}

/// Figure 2: a follower says that it has entries when they are durable, and how far, not before.
#[test]
fn a_follower_confirms_only_what_is_durable() {
    let mut lab = led_by_1(3, &plain());
    lab.host(2).slow_disk = true;
    lab.propose(1, "a");
    lab.work(1);
    lab.deliver(1, 2);
    lab.work(2);
    assert_eq!(lab.network.on(Link { from: 2, to: 1 }).count(), 0);
    lab.sync(2, 1);
    lab.work(2);
    let answers: Vec<Message> = lab.network.on(Link { from: 2, to: 1 }).cloned().collect();
    assert_eq!(confirmed(&answers), [LogIndex(2)]);
}

/// 5.3: a repeated append changes nothing: requests are idempotent.
#[test]
fn the_same_append_twice_is_taken_once() {
    let mut lab = led_by_1(3, &plain());
    lab.propose(1, "a");
    lab.poll(1);
    let append = lab.network.on(Link { from: 1, to: 2 }).next().unwrap().clone();
    lab.arrive(append.clone());
    lab.work(2);
    let (log, writes) = (lab.log(2), lab.host(2).disk.len());
    lab.arrive(append);
    lab.work(2);
    assert_eq!((lab.log(2), lab.host(2).disk.len()), (log, writes));
    let answers: Vec<Message> = lab.network.on(Link { from: 2, to: 1 }).cloned().collect();
    assert_eq!(confirmed(&answers), [LogIndex(2); 2]);
}
