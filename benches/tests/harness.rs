//! The harness does what it says before anybody believes its figures.

use raftcore_benches::{Acks, Cluster, Framed, Frames, Group, Job, NODES, Sizes, jobs};

type Run<G> = fn(&mut G, u64, usize) -> u64;

fn every_job_ends_with_equal_nodes<G: Group>() {
    let runs: [(&str, Run<G>); 3] = [("J1", jobs::j1), ("J2", jobs::j2), ("J3", jobs::j3)];
    for (name, job) in runs {
        let mut group: G = jobs::warmed(16);
        assert_eq!(job(&mut group, 300, 16), 300, "{name} gives its count");
        let applied: Vec<u64> = (0..NODES).map(|node| group.commands(node)).collect();
        assert_eq!(applied, [jobs::WARM_UP + 300; NODES], "{name}: all applied all");
        assert_eq!(group.in_transit(), 0, "{name} leaves nothing under way");
    }
}

fn a_cold_start_ends_with_one_applied_entry<G: Group>() -> u64 {
    let mut group = G::cold();
    assert_eq!(group.applied(0), 0);
    let messages = jobs::j5(&mut group);
    assert_eq!((group.applied(0), group.commands(0)), (1, 0));
    messages
}

fn a_node_that_was_cut_off_catches_up<G: Group>() {
    let mut group: G = jobs::behind(5_000, 16);
    assert_eq!(jobs::j6(&mut group), 5_000);
    assert_eq!(group.commands_everywhere(), 5_000);
}

#[test]
fn all_three_nodes_apply_what_every_job_proposed() {
    every_job_ends_with_equal_nodes::<Cluster>();
    every_job_ends_with_equal_nodes::<Cluster<Framed>>();
}

#[test]
fn all_three_nodes_hold_the_same_log() {
    let mut cluster: Cluster = jobs::warmed(16);
    jobs::j3(&mut cluster, 300, 200);
    let last = cluster.node(0).last_index();
    let checksum = cluster.node(0).checksum_at(last).expect("the last entry is in memory");
    for node in 0..NODES {
        assert_eq!(cluster.node(node).last_index(), last);
        assert_eq!(cluster.node(node).checksum_at(last), Some(checksum));
        assert_eq!(cluster.payload_bytes(node), jobs::WARM_UP * 16 + 300 * 200);
    }
}

#[test]
fn a_cold_start_takes_three_rounds_of_messages() {
    assert_eq!(a_cold_start_ends_with_one_applied_entry::<Cluster>(), 12);
}

#[test]
fn a_follower_that_was_cut_off_catches_up_in_the_job() {
    a_node_that_was_cut_off_catches_up::<Cluster>();
}

#[test]
fn an_idle_follower_has_no_work() {
    let cluster: Cluster = jobs::warmed(16);
    assert_eq!(jobs::j4(&cluster, 10), 10);
}

#[test]
fn every_measured_reply_moves_the_commit_index_by_one() {
    for voters in [3, 5, 101] {
        let mut acks = Acks::new(voters, 20);
        assert_eq!(acks.left(), 20);
        while acks.left() > 0 {
            assert_eq!(acks.deliver_next(), 1, "{voters} voters");
        }
        assert_eq!(acks.deliver_next(), 0);
    }
}

#[test]
fn the_measured_frame_holds_64_entries_and_is_checked_but_not_kept() {
    let mut frames = Frames::new();
    assert!(frames.wire_bytes() > Frames::ENTRIES * 256);
    assert_eq!(frames.decode().encode().len(), frames.wire_bytes());
    let before = frames.follower().status();
    frames.decode_and_verify();
    let after = frames.follower().status();
    assert_eq!(after.counters.conflicts, before.counters.conflicts + 1);
    assert_eq!(after.last_index, before.last_index);
}

#[test]
fn every_job_gives_figures() {
    use clap::ValueEnum;
    let sizes = Sizes { entries: 64, behind: 100, calls: 100, payload: 16 };
    for &job in Job::value_variants() {
        let samples = raftcore_benches::sample_raftcore(job, sizes);
        assert!(!samples.is_empty(), "{job:?}");
        assert!(samples.iter().all(|sample| sample.value.is_finite()), "{job:?}");
    }
}

#[cfg(feature = "raft-rs")]
mod raft_rs {
    use super::*;
    use raftcore_benches::{RaftRs, RaftRsAcks};

    #[test]
    fn raft_rs_nodes_apply_what_every_job_proposed() {
        every_job_ends_with_equal_nodes::<RaftRs>();
        every_job_ends_with_equal_nodes::<RaftRs<Framed>>();
    }

    #[test]
    fn raft_rs_starts_cold_in_three_rounds_of_messages() {
        assert_eq!(a_cold_start_ends_with_one_applied_entry::<RaftRs>(), 12);
    }

    #[test]
    fn a_raft_rs_follower_that_was_cut_off_catches_up() {
        a_node_that_was_cut_off_catches_up::<RaftRs>();
    }

    #[test]
    fn proposals_in_one_call_are_applied_like_the_others() {
        let mut group: RaftRs = jobs::warmed(16);
        assert_eq!(jobs::j2_together(&mut group, 100, 16), 100);
        assert_eq!(group.commands_everywhere(), jobs::WARM_UP + 100);
        assert_eq!(group.payload_bytes(NODES - 1), (jobs::WARM_UP + 100) * 16);
    }

    #[test]
    fn every_measured_reply_moves_the_commit_index_of_raft_rs_by_one() {
        for voters in [3, 5, 101] {
            let mut acks = RaftRsAcks::new(voters, 20);
            for _ in 0..20 {
                assert_eq!(acks.deliver_next(), 1, "{voters} voters");
                acks.drop_outputs();
            }
            assert_eq!(acks.deliver_next(), 0);
        }
    }
}
