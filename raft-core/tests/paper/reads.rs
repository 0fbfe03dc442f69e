//! Reads (8; thesis 6.4).

use super::*;
use raftcore::{ReadConsistency, ReadFailure, ReadId};
use support::lab::Happening;

fn read(lab: &mut Lab, id: u64, name: u64, how: ReadConsistency) {
    lab.act(id, |node| node.read(ReadId(name), how)).unwrap();
}

/// What reads have ended in: node, name, and up to where it was applied.
fn answers(lab: &Lab) -> Vec<(u64, u64, LogIndex)> {
    let answer = |one: &Happening| match one {
        Happening::Answers(id, read, applied) => Some((*id, read.0, *applied)),
        _ => None,
    };
    lab.account.iter().filter_map(answer).collect()
}

const FRESH: ReadConsistency = ReadConsistency::Linearizable;

/// 8; thesis 6.4, step 1: no read before an entry of the leader's own term is committed.
#[test]
fn a_new_leader_answers_no_read_before_a_commit_of_its_term() {
    let mut lab = Lab::new(3, &config());
    lab.act(1, Node::campaign).unwrap();
    while lab.node(1).role() != RoleName::Leader {
        lab.ids().into_iter().for_each(|id| lab.work(id));
        let messages = lab.network.take_free();
        messages.into_iter().for_each(|message| lab.arrive(message));
    }
    lab.network.cut_off(&[1], &[2, 3]);
    read(&mut lab, 1, 7, FRESH);
    lab.run(5);
    assert_eq!(answers(&lab), []);
    lab.network.heal();
    lab.run(10);
    assert_eq!(answers(&lab), [(1, 7, LogIndex(1))]);
}

/// 8; thesis 6.4, step 3: a leader answers only after a majority has echoed its leadership.
#[test]
fn a_leader_without_a_majority_answers_no_read() {
    let mut lab = led_by_1(3, &config());
    lab.network.cut_off(&[1], &[2, 3]);
    read(&mut lab, 1, 7, FRESH);
    lab.run(100);
    assert_eq!(answers(&lab), []);
    let failed = |one: &Happening| {
        matches!(
            one,
            Happening::Wants(
                1,
                Output::ReadFailed { id: ReadId(7), reason: ReadFailure::LeaderLost }
            )
        )
    };
    assert!(lab.account.iter().any(failed), "and it says so");
}

/// Thesis 6.4, step 4: a read waits until the state machine is as far as the commit index was.
#[test]
fn a_read_waits_until_enough_is_applied() {
    let mut lab = led_by_1(3, &config());
    let id = lab.propose(1, "x=1");
    lab.host(1).slow_disk = true;
    lab.settle();
    assert_eq!(lab.node(1).commit_index(), id.index, "two followers are a majority");
    assert!(lab.node(1).applied_index() < id.index, "the own disk is not done");
    read(&mut lab, 1, 7, FRESH);
    lab.settle();
    assert_eq!(answers(&lab), []);
    lab.host(1).slow_disk = false;
    lab.settle();
    assert_eq!(answers(&lab), [(1, 7, id.index)]);
}

/// Thesis 6.4: one round of heartbeats serves all reads that came before it.
#[test]
fn reads_share_a_round() {
    let mut lab = led_by_1(3, &config());
    for name in 1..=50 {
        read(&mut lab, 1, name, FRESH);
    }
    lab.settle();
    assert_eq!(answers(&lab).len(), 50);
    let beat = |one: &&Happening| matches!(one, Happening::Arrived(message) if message.kind() == MessageKind::Heartbeat);
    assert_eq!(lab.account.iter().filter(beat).count(), 2, "one to each follower");
}

/// Thesis 6.4: a follower asks the leader for the index, waits for it, and reads its own state.
#[test]
fn a_follower_reads_what_the_leader_had_committed() {
    let mut lab = led_by_1(3, &config());
    lab.network.hold(support::lab::Link { from: 1, to: 3 });
    let id = lab.propose(1, "x=1");
    lab.settle();
    assert!(lab.node(3).applied_index() < id.index);
    lab.network.release(support::lab::Link { from: 1, to: 3 });
    read(&mut lab, 3, 7, FRESH);
    lab.settle();
    assert_eq!(answers(&lab), [(3, 7, id.index)]);
}

/// Thesis 6.4.1: a lease answers without messages, for less than an election timeout.
#[test]
fn a_lease_answers_without_messages_until_it_runs_out() {
    let config = Config { lease_drift_ticks: Some(1), ..config() };
    let mut lab = led_by_1(3, &config);
    lab.run(4);
    lab.account.clear();
    lab.network.cut_off(&[1], &[2, 3]);
    read(&mut lab, 1, 7, ReadConsistency::Lease);
    lab.work(1);
    assert_eq!(answers(&lab).len(), 1);
    lab.tick(1, 17);
    read(&mut lab, 1, 8, ReadConsistency::Lease);
    lab.work(1);
    assert_eq!(answers(&lab).len(), 1);
}
