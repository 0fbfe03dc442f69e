//! Snapshots and compaction (Raft 7; thesis 5), with every step in the test's hand.

mod support;

use raftcore::{
    AppendOutcome, AppendReply, Body, Commit, Config, EntryId, Incarnation, LogIndex, NodeId,
    PeerState, RequestVote, SnapshotChunk, SnapshotId, SnapshotMeta, SnapshotPiece, Term,
};
use support::lab::{Lab, forged};

fn small() -> Config {
    Config { max_chunk_bytes: 64, max_retained_bytes: 0, ..Config::default() }
}

fn led_by_1(size: u64, outsiders: u64) -> Lab {
    let mut lab = Lab::with_outsiders(size, outsiders, &small());
    lab.elect(1);
    lab
}

fn peer_state(lab: &Lab, leader: u64, peer: u64) -> PeerState {
    let peers = lab.node(leader).status().peers;
    peers.into_iter().find(|other| other.id.0 == peer).unwrap().state
}

#[test]
fn a_peer_that_lacks_what_the_log_begins_after_gets_the_snapshot() {
    let mut lab = led_by_1(3, 0);
    lab.network.cut_off(&[3], &[1, 2]);
    for number in 0..40 {
        lab.propose(1, &format!("entry number {number}"));
    }
    lab.settle();
    assert_eq!(lab.snapshot(1), Ok(LogIndex(41)));
    lab.settle();
    assert_eq!(lab.log(1).len(), 0, "nothing is kept behind the snapshot");
    lab.network.heal();
    lab.propose(1, "after");
    lab.run(10);
    assert_eq!(peer_state(&lab, 1, 3), PeerState::Stream);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
    assert_eq!(lab.log(3), lab.log(1));
}

#[test]
fn a_host_that_asks_for_outputs_is_told_that_a_snapshot_is_to_be_shipped() {
    let mut lab = Lab::new(3, &small());
    lab.network.cut_off(&[3], &[1, 2]);
    lab.elect(1);
    lab.propose(1, "an entry");
    lab.settle();
    assert_eq!(peer_state(&lab, 1, 3), PeerState::Probe);
    lab.snapshot(1).unwrap();
    lab.settle();
    let outcome = AppendOutcome::Success { matched: LogIndex(2) };
    let repeated = Body::AppendReply(AppendReply { session: 1, outcome });
    lab.arrive(forged(2, 1, 1, repeated));
    lab.settle();
    assert_eq!(peer_state(&lab, 1, 3), PeerState::Snapshot);
}

#[test]
fn a_joining_node_learns_the_group_from_the_founding_or_a_snapshot() {
    for compacted in [false, true] {
        let mut lab = led_by_1(1, 1);
        for number in 0..40 {
            lab.propose(1, &format!("entry number {number}"));
        }
        lab.settle();
        if compacted {
            lab.snapshot(1).unwrap();
            lab.settle();
        }
        let node = lab.node(1);
        let change = raftcore::MembershipChange::add(
            node.membership_index(),
            node.membership(),
            raftcore::Member::voter(NodeId(2)),
        );
        lab.act(1, |node| node.propose_membership(change)).unwrap();
        lab.run(20);
        assert_eq!(lab.node(2).membership(), lab.node(1).membership());
        assert_eq!(lab.hosts[&2].applied, lab.hosts[&1].applied);
        for id in [1, 2] {
            lab.restart(id);
            lab.run(50);
        }
        assert_eq!(lab.hosts[&2].applied, lab.hosts[&1].applied);
    }
}

#[test]
fn a_log_that_is_trimmed_while_it_is_folded_may_have_been_shortened_anywhere() {
    let config = Config { max_retained_bytes: 600, ..small() };
    let mut lab = Lab::new(1, &config);
    lab.elect(1);
    for number in 0..300 {
        lab.propose(1, &format!("entry number {number}"));
        lab.settle();
        if number % 60 == 59 {
            lab.snapshot(1).unwrap();
            lab.settle();
        }
    }
    let disk = lab.hosts[&1].disk.clone();
    assert!(disk.iter().filter(|write| write.discard_through.is_some()).count() > 2);
    let mut stored = raftcore::Stored::empty();
    for write in disk {
        stored.replay(write).unwrap();
        stored.trim(0);
    }
    let applied = stored.snapshot().unwrap().id.index;
    let node = raftcore::Node::new(config, stored, applied).unwrap();
    assert_eq!(node.last_index(), lab.node(1).last_index());
}

#[test]
fn a_log_that_was_shortened_beyond_the_snapshot_under_way_is_followed_by_a_newer_one() {
    let mut lab = led_by_1(3, 0);
    lab.network.cut_off(&[3], &[1, 2]);
    for number in 0..40 {
        lab.propose(1, &format!("entry number {number}"));
    }
    lab.settle();
    lab.snapshot(1).unwrap();
    lab.settle();
    lab.host(1).shelf.slow = true;
    lab.network.heal();
    lab.propose(1, "the transfer has begun");
    lab.run(10);
    lab.snapshot(1).unwrap();
    lab.settle();
    assert_eq!(peer_state(&lab, 1, 3), PeerState::Snapshot);
    assert_eq!(lab.log(1).len(), 0, "the log begins after the newer snapshot");
    lab.host(1).shelf.slow = false;
    for request in core::mem::take(&mut lab.host(1).shelf.asked) {
        let chunk = lab.hosts[&1].shelf.read(&request);
        lab.answer_chunk(1, &request, chunk);
    }
    lab.run(20);
    assert_eq!(peer_state(&lab, 1, 3), PeerState::Stream);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

#[test]
fn a_snapshot_that_becomes_whole_after_its_leader_is_gone_is_confirmed_to_nobody() {
    let config = Config { max_retained_bytes: 0, ..Config::default() };
    let mut lab = Lab::new(3, &config);
    lab.elect(1);
    lab.network.cut_off(&[3], &[1, 2]);
    lab.propose(1, "an entry");
    lab.settle();
    lab.snapshot(1).unwrap();
    lab.settle();
    lab.network.heal();
    lab.host(3).slow_disk = true;
    lab.run(10);
    let received = |write: &raftcore::Write| write.snapshot_chunk.is_some();
    assert!(lab.hosts[&3].pending.iter().any(received));
    let last = EntryId { term: Term(1), index: lab.node(1).last_index() };
    let vote = Body::RequestVote(RequestVote { last, transfer: true });
    lab.arrive(forged(2, 3, 2, vote));
    lab.host(3).slow_disk = false;
    lab.work(3);
    assert_eq!((lab.node(3).term(), lab.node(3).leader()), (Term(2), None));
    assert_eq!(lab.node(3).commit_index(), LogIndex(2), "it was installed");
    let commit = Body::Commit(Commit { session: 0, commit: LogIndex(2) });
    lab.arrive(forged(2, 3, 2, commit));
    lab.work(3);
    assert!(!lab.node(3).forgets_output());
}

#[test]
fn a_false_snapshot_takes_back_what_was_verified_of_the_log_it_replaces() {
    let mut lab = Lab::new(5, &small());
    lab.elect(2);
    lab.settle();
    lab.act(2, |node| node.transfer_leadership(NodeId(1))).unwrap();
    lab.settle();
    lab.network.cut_off(&[2, 3, 4], &[1, 5]);
    for number in 0..3 {
        lab.propose(1, &format!("entry number {number}"));
    }
    lab.settle();
    let (last, commit) = (lab.node(5).last_index(), lab.node(5).commit_index());
    assert!(commit.next() < last);
    let id = SnapshotId {
        index: commit.next(),
        term: Term(1),
        maker: NodeId(1),
        incarnation: Incarnation(1),
        counter: 0,
    };
    let membership = lab.node(5).membership().clone();
    let (membership_index, checksum) = (LogIndex(0), xxhash_rust::xxh3::xxh3_64(b"2 1 lie\n"));
    let meta = SnapshotMeta { id, chain: 7, membership, membership_index, length: 8, checksum };
    let data = bytes::Bytes::from_static(b"2 1 lie\n");
    let chunk = SnapshotChunk { snapshot: id, offset: 0, total: 8, data };
    let piece = SnapshotPiece { session: 1, meta, chunk };
    lab.arrive(forged(1, 5, 2, Body::SnapshotChunk(Box::new(piece))));
    lab.work(5);
    assert_eq!(lab.node(5).last_index(), id.index);
    lab.arrive(forged(1, 5, 2, Body::Commit(Commit { session: 1, commit: last })));
    lab.work(5);
    assert_eq!(lab.node(5).commit_index(), id.index);
}
