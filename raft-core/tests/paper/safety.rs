//! Safety (5.4): elected leaders hold what is committed, and commit only by entries of their own term.

use super::*;
use support::lab::Link;
use support::wire::entry_id;

/// Five nodes with these logs, in the term before `term`, ready to vote.
fn five(logs: [&[u64]; 5], term: u64, config: &Config) -> Lab {
    let config = &Config { seed: 12, ..config.clone() };
    let mut lab = Lab::new(5, config);
    for (id, log) in (1..).zip(logs) {
        lab.preload(id, log, term - 1);
    }
    lab.wait_after_start();
    lab
}

/// 5.4.1 (Leader Completeness): only a node that holds every committed entry can win an election.
/// Nodes 1 to 3 hold the committed entry 2.
#[test]
fn only_a_node_with_all_committed_entries_can_be_elected() {
    let logs: [&[u64]; 5] = [&[1, 2], &[1, 2], &[1, 2, 2], &[1], &[1, 1, 1, 1]];
    for id in 1..=5 {
        let mut lab = five(logs, 3, &plain());
        lab.act(id, Node::campaign).unwrap();
        lab.settle();
        let has_it = logs[id as usize - 1].get(1) == Some(&2);
        let leads = lab.node(id).role() == RoleName::Leader;
        // A majority holds the entry, so nobody without it gets a majority of the votes.
        assert_eq!(leads, has_it, "node {id}");
        if leads {
            assert_eq!(lab.log(id)[1].id, entry_id(2, 2));
        }
    }
}

/// 5.4.1: any two majorities share a node: in every group of voters that can elect a leader, somebody
/// holds the committed entry, and no other candidate wins.
#[test]
fn no_set_of_voters_elects_a_node_that_lacks_a_committed_entry() {
    let logs: [&[u64]; 5] = [&[1, 2], &[1, 2], &[1, 2], &[1], &[1]];
    for down in 0..32u64 {
        let mut lab = five(logs, 3, &plain());
        for id in (1..=4).filter(|id| down >> id & 1 == 1) {
            lab.crash(id, 0);
        }
        lab.act(5, Node::campaign).unwrap();
        lab.settle();
        assert_ne!(lab.node(5).role(), RoleName::Leader, "{down:b}");
    }
}

/// 5.4.2, figure 8: an entry of an earlier term is not committed because a majority has it ...
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let config = Config { max_append_bytes: 1, ..plain() };
    let mut lab = five([&[1, 2], &[1, 2], &[1], &[1], &[1, 3]], 4, &config);
    lab.crash(5, 0);
    lab.act(1, Node::campaign).unwrap();
    lab.work(1);
    for id in [2, 3, 4] {
        lab.deliver(1, id);
        lab.work(id);
        lab.deliver(id, 1);
    }
    assert_eq!(role_and_term(lab.node(1)), (RoleName::Leader, Term(4)));
    // Entry 2 of term 2 goes to nodes 3 and 4; entry 3 of term 4 to nobody.
    lab.network.clear();
    lab.work(1);
    lab.network.take_all(Link { from: 1, to: 2 });
    for id in [3, 4] {
        lab.deliver(1, id);
        lab.work(id);
        lab.deliver(id, 1);
        lab.work(1);
        lab.deliver(1, id);
        lab.work(id);
        lab.network.take_all(Link { from: id, to: 1 }).into_iter().for_each(|it| lab.arrive(it));
        assert_eq!(lab.terms(id), [1, 2]);
    }
    let peers = lab.node(1).status().peers;
    let have_it = peers.iter().filter(|peer| peer.matched >= LogIndex(2)).count();
    assert_eq!(have_it, 2, "with the leader that is a majority, and the leader knows");
    assert_eq!(lab.node(1).commit_index(), LogIndex(0));
    // ... but together with an entry of the leader's own term.
    lab.settle();
    assert_eq!(lab.node(1).commit_index(), LogIndex(3));
}

/// 5.4.2: that is why such an entry can still be overwritten, and nobody has applied it.
#[test]
fn an_entry_that_was_only_counted_can_be_overwritten() {
    let mut lab = five([&[1, 2], &[1, 2], &[1, 2], &[1], &[1, 3]], 4, &plain());
    lab.crash(1, 0);
    lab.act(5, Node::campaign).unwrap();
    lab.settle();
    assert_eq!(role_and_term(lab.node(5)), (RoleName::Leader, Term(4)));
    for id in 2..=5 {
        assert_eq!(lab.terms(id), [1, 3, 4]);
        assert!(lab.host(id).applied.is_empty(), "only no-ops here");
        assert_eq!(lab.node(id).commit_index(), LogIndex(3));
    }
}

/// 5.4.3 (State Machine Safety): no two nodes apply different commands under one index, however often
/// leaders change.
#[test]
fn no_two_nodes_apply_different_commands_at_one_index() {
    for seed in 0..5 {
        let mut lab = Lab::new(5, &Config { seed, election_ticks_max: 25, ..config() });
        for round in 0..80u64 {
            let apart = [round % 5 + 1, (round / 2) % 5 + 1];
            let rest: Vec<u64> = (1..=5).filter(|id| !apart.contains(id)).collect();
            lab.network.heal();
            lab.network.cut_off(&apart, &rest);
            for leader in lab.leaders() {
                lab.propose(leader, &format!("{round} by {leader}"));
            }
            lab.run(12);
        }
        lab.network.heal();
        lab.run(120);
        let longest =
            (1..=5).map(|id| lab.hosts[&id].applied.clone()).max_by_key(Vec::len).unwrap();
        assert!(longest.len() > 10, "{}", longest.len());
        for id in 1..=5 {
            let applied = &lab.hosts[&id].applied;
            assert_eq!(applied[..], longest[..applied.len()]);
        }
    }
}

/// 5.4.3: what was committed in one term is in the log of every later leader.
#[test]
fn what_is_committed_stays_through_changes_of_leaders() {
    let mut lab = led_by_1(5, &plain());
    lab.propose(1, "kept");
    lab.settle();
    let kept = lab.log(1)[1].clone();
    for leader in [2, 3, 4, 5, 1] {
        for id in 1..=5 {
            lab.tick(id, 19);
        }
        lab.tick(leader, 1);
        let old = lab.leaders();
        old.into_iter().for_each(|id| lab.network.cut_off(&[id], &[1, 2, 3, 4, 5]));
        for id in 1..=5 {
            lab.tick(id, 1);
        }
        lab.act(leader, Node::campaign).unwrap();
        lab.settle();
        lab.network.heal();
        lab.run(60);
        let now = lab.leaders()[0];
        assert_eq!(lab.log(now)[1], kept);
    }
}
