//! Log compaction (7; thesis 5).

use super::*;
use raftcore::{Member, Membership, MembershipChange, Misuse, NodeId, PeerState};
use support::lab::Link;

/// Node 3 lacks what the log begins after: the pieces of a snapshot for it wait on the link.
fn transfer_begun(lacking: &[&str]) -> Lab {
    let mut lab = with_laggard(lacking);
    snapshot(&mut lab, 1);
    lab.network.heal();
    lab.network.hold(Link { from: 1, to: 3 });
    lab.run(4);
    lab.deliver(1, 3);
    lab.settle();
    lab
}

/// Three nodes that keep nothing behind a snapshot; the first one leads, the third one is cut off and
/// lacks `lacking`.
fn with_laggard(lacking: &[&str]) -> Lab {
    let config = Config { max_retained_bytes: 0, max_chunk_bytes: 10, ..config() };
    let mut lab = led_by_1(3, &config);
    lab.network.cut_off(&[3], &[1, 2]);
    for payload in lacking {
        lab.propose(1, payload);
    }
    lab.settle();
    lab
}

fn snapshot(lab: &mut Lab, id: u64) -> LogIndex {
    let index = lab.snapshot(id).unwrap();
    lab.work(id);
    index
}

/// What the writes on a node's disk say of snapshots, oldest first.
fn writes(lab: &Lab, id: u64) -> Vec<Write> {
    let of_snapshots = |write: &&Write| write.snapshot.is_some() || write.discard_through.is_some();
    lab.hosts[&id].disk.iter().skip(1).filter(of_snapshots).cloned().collect()
}

/// 7: a snapshot covers only what is committed, and applied: more is refused.
#[test]
fn a_snapshot_covers_only_applied_entries() {
    let mut lab = with_laggard(&[]);
    lab.network.cut_off(&[1], &[2]);
    let open = lab.propose(1, "not committed").index;
    lab.settle();
    let applied = lab.node(1).applied_index();
    let refused = lab.act(1, |node| node.snapshot_taken(open));
    assert_eq!(refused, Err(Misuse::BeyondApplied { index: open, applied }));
    assert_eq!(lab.snapshot(1), Ok(applied));
}

/// 7: each node takes snapshots by itself, whatever its role; no message goes with that.
#[test]
fn each_node_takes_snapshots_independently() {
    let mut lab = with_laggard(&["x=1"]);
    for id in [1, 2, 3] {
        let index = lab.node(id).applied_index();
        snapshot(&mut lab, id);
        let name = writes(&lab, id)[0].snapshot.clone().unwrap().id;
        assert_eq!((name.index, name.maker.0), (index, id));
        assert!(lab.network.all().is_empty());
    }
}

/// 7: a snapshot has the index and the term of its last entry, for the check of the entry after it.
#[test]
fn the_entry_after_a_snapshot_is_checked_against_the_snapshot() {
    let mut lab = with_laggard(&["x=1"]);
    let index = snapshot(&mut lab, 2);
    assert_eq!(lab.node(2).term_at(index), Some(Term(1)));
    assert_eq!(lab.log(2), []);
    lab.propose(1, "x=2");
    lab.settle();
    assert_eq!(lab.node(2).last_index(), index.next());
    lab.restart(2);
    lab.work(2);
    assert_eq!(lab.node(2).term_at(index), Some(Term(1)), "the same from disk");
}

/// 7: a snapshot has the latest membership as of its last entry.
#[test]
fn a_snapshot_has_the_membership_at_its_last_entry() {
    let mut lab = with_laggard(&[]);
    let index = lab.node(1).applied_index();
    lab.network.cut_off(&[1], &[2]);
    let change = MembershipChange::remove(LogIndex(0), lab.node(1).membership(), NodeId(3));
    lab.act(1, |node| node.propose_membership(change)).unwrap();
    lab.work(1);
    assert_eq!(lab.node(1).membership().voters().count(), 2);
    assert_eq!(snapshot(&mut lab, 1), index);
    let meta = writes(&lab, 1)[0].snapshot.clone().unwrap();
    assert_eq!(meta.membership, Membership::of_voters(1..=3).unwrap());
    assert_eq!(meta.membership_index, LogIndex(0));
}

/// 7: the log and earlier snapshots go only once the snapshot is on disk.
#[test]
fn entries_and_earlier_snapshots_go_once_the_snapshot_is_durable() {
    let mut lab = with_laggard(&["x=1"]);
    snapshot(&mut lab, 1);
    lab.propose(1, "x=2");
    lab.settle();
    lab.host(1).slow_disk = true;
    lab.snapshot(1).unwrap();
    lab.poll(1);
    let named = lab.host(1).pending.back().unwrap().clone();
    assert!(named.snapshot.is_some() && named.discard_through.is_none());
    assert!(named.release_snapshots_below.is_none());
    lab.poll(1);
    assert_eq!(lab.host(1).pending.len(), 1, "nothing goes before");
    lab.sync(1, 1);
    lab.poll(1);
    let gone = lab.host(1).pending.back().unwrap().clone();
    let id = named.snapshot.unwrap().id;
    assert_eq!(gone.discard_through, Some(id.index));
    assert_eq!(gone.release_snapshots_below, Some(id));
}

/// 7: a follower that needs what the leader has discarded gets the snapshot; then the log goes on.
#[test]
fn a_follower_that_needs_discarded_entries_gets_the_snapshot() {
    let mut lab = with_laggard(&["x=1", "x=2"]);
    snapshot(&mut lab, 1);
    lab.network.heal();
    lab.propose(1, "x=3");
    lab.run(5);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
    assert_eq!(lab.node(3).last_index(), lab.node(1).last_index());
    assert_eq!(lab.log(3).len(), 1, "what the snapshot contains is in no log");
}

/// 7: a leader sends no snapshot to a follower that needs none.
#[test]
fn a_follower_that_is_not_behind_gets_no_snapshot() {
    let mut lab = with_laggard(&["x=1"]);
    snapshot(&mut lab, 1);
    lab.account.clear();
    lab.run(20);
    let read =
        lab.account.iter().any(|one| matches!(one, support::lab::Happening::ReadsSnapshot(..)));
    assert!(!read, "node 2 has all, node 3 is not heard");
}

/// 7: a snapshot with new information replaces the whole log, conflicting entries included.
#[test]
fn a_snapshot_with_news_replaces_the_whole_log() {
    let mut lab = with_laggard(&["x=1", "x=2"]);
    lab.network.heal();
    lab.network.cut_off(&[1], &[2, 3]);
    for number in 0..9 {
        lab.propose(1, &format!("never committed {number}"));
    }
    lab.run(60);
    let leader = *lab.leaders().last().unwrap();
    assert_ne!(leader, 1);
    lab.propose(leader, "x=3");
    lab.settle();
    snapshot(&mut lab, leader);
    lab.network.heal();
    lab.run(10);
    assert_eq!(lab.node(1).last_index(), lab.node(leader).last_index());
    assert_eq!(lab.log(1), []);
    assert_eq!(lab.hosts[&1].applied, lab.hosts[&leader].applied);
}

/// 7: a snapshot of what the log begins with, by retransmission or mistake, costs no entry after it.
#[test]
fn a_snapshot_of_a_prefix_keeps_the_entries_after_it() {
    let mut lab = transfer_begun(&["x=1"]);
    let pieces: Vec<Message> = lab.network.take_all(Link { from: 1, to: 3 });
    assert!(pieces.iter().all(|piece| piece.kind() == MessageKind::SnapshotChunk));
    pieces.iter().cloned().for_each(|piece| lab.arrive(piece));
    lab.network.release(Link { from: 1, to: 3 });
    lab.propose(1, "x=2");
    lab.settle();
    let (log, disk) = (lab.log(3), lab.host(3).disk.len());
    assert_eq!(log.len(), 1);
    pieces.into_iter().for_each(|piece| lab.arrive(piece));
    lab.settle();
    assert_eq!((lab.log(3), lab.host(3).disk.len()), (log, disk));
}

/// 7, figure 13: each chunk resets the election timer.
#[test]
fn a_chunk_is_a_sign_of_life() {
    let mut lab = transfer_begun(&["x=1", "x=2"]);
    let pieces = lab.network.take_all(Link { from: 1, to: 3 });
    assert!(pieces.len() > 1);
    for piece in pieces {
        lab.tick(3, 19);
        lab.arrive(piece);
        lab.tick(3, 19);
        lab.work(3);
        assert_eq!(lab.node(3).role(), RoleName::Follower, "38 ticks since the chunk before");
    }
}

/// 7, figure 13: a chunk of an old term is refused, and its sender told.
#[test]
fn a_chunk_of_an_old_term_is_refused() {
    let mut lab = transfer_begun(&["x=1", "x=2"]);
    lab.tick(3, 30);
    lab.act(3, |node| node.receive(vote_request_to(3, 2, 9))).unwrap();
    lab.work(3);
    assert_eq!(lab.node(3).term(), Term(9));
    let piece = lab.network.take(Link { from: 1, to: 3 }).unwrap();
    assert_eq!(piece.kind(), MessageKind::SnapshotChunk);
    let stored = lab.host(3).disk.len();
    lab.network.clear();
    lab.arrive(piece);
    lab.work(3);
    assert_eq!(lab.host(3).disk.len(), stored, "no bytes of it");
    let reply = lab.network.take(Link { from: 3, to: 1 }).unwrap();
    assert_eq!(reply.term(), Term(9));
}

fn vote_request_to(to: u64, from: u64, term: u64) -> Message {
    let request = RequestVote { last: support::wire::entry_id(1, 1), transfer: false };
    message(from, to, term, Body::RequestVote(request))
}

/// 7, figure 13: chunks are kept in order; what comes after a gap is not written.
#[test]
fn chunks_are_written_in_order() {
    let mut lab = with_laggard(&["x=1", "x=2", "x=3"]);
    snapshot(&mut lab, 1);
    lab.network.heal();
    lab.network.hold(Link { from: 1, to: 3 });
    lab.run(4);
    lab.deliver(1, 3);
    lab.settle();
    let mut pieces = lab.network.take_all(Link { from: 1, to: 3 });
    assert!(pieces.len() > 2);
    pieces.swap(0, 1);
    pieces.into_iter().for_each(|piece| lab.arrive(piece));
    lab.work(3);
    let chunks = lab.host(3).disk.iter().filter_map(|write| write.snapshot_chunk.clone());
    let offsets: Vec<u64> = chunks.map(|chunk| chunk.offset).collect();
    assert_eq!(offsets, [0], "the second came too early, the third too");
    lab.network.release(Link { from: 1, to: 3 });
    lab.run(50);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

/// 7, figure 13: the state machine is reset to the snapshot, and its membership holds.
#[test]
fn a_received_snapshot_resets_the_state_machine_and_the_membership() {
    let mut lab = with_laggard(&["x=1"]);
    let members = [Member::voter(NodeId(1)), Member::voter(NodeId(2)), Member::learner(NodeId(3))];
    let change = MembershipChange::to(LogIndex(0), members);
    let id = lab.act(1, |node| node.propose_membership(change)).unwrap();
    lab.settle();
    snapshot(&mut lab, 1);
    lab.network.heal();
    lab.run(5);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
    assert_eq!(lab.node(3).membership(), lab.node(1).membership());
    assert_eq!(lab.node(3).membership_index(), id.index);
}

/// Thesis 5.1: after a restart the snapshot takes the place of the entries it contains.
#[test]
fn a_restarted_node_goes_on_from_its_snapshot() {
    let mut lab = with_laggard(&["x=1", "x=2"]);
    snapshot(&mut lab, 2);
    lab.propose(1, "x=3");
    lab.settle();
    let applied = lab.hosts[&2].applied.clone();
    lab.restart(2);
    assert_eq!(lab.hosts[&2].applied, []);
    lab.run(5);
    assert_eq!(lab.hosts[&2].applied, applied);
}

/// Thesis 5.1.1: a node whose log begins after a snapshot can lead, and elections compare its end.
#[test]
fn a_compacted_log_counts_in_elections_by_its_snapshot() {
    let mut lab = with_laggard(&["x=1", "x=2"]);
    for id in [1, 2] {
        snapshot(&mut lab, id);
    }
    assert_eq!(lab.log(2), []);
    lab.crash(1, 0);
    lab.network.heal();
    lab.network.cut_off(&[1], &[2, 3]);
    lab.run(100);
    assert_eq!(lab.leaders(), [2], "node 3 lacks committed entries");
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&2].applied);
}

/// 7: sending a snapshot holds nothing else back: the others get entries, and all get heartbeats.
#[test]
fn a_slow_transfer_does_not_hold_the_cluster_back() {
    let mut lab = with_laggard(&["x=1"]);
    snapshot(&mut lab, 1);
    lab.host(1).shelf.slow = true;
    lab.network.heal();
    lab.run(4);
    let state = |lab: &Lab| lab.node(1).status().peers[1].state;
    assert_eq!(state(&lab), PeerState::Snapshot);
    for number in 0..50 {
        lab.propose(1, &number.to_string());
        lab.run(2);
    }
    assert_eq!(lab.hosts[&2].applied.len(), 51);
    assert_eq!(lab.leaders(), [1], "heartbeats go on");
    lab.host(1).shelf.slow = false;
    let asked = core::mem::take(&mut lab.host(1).shelf.asked);
    for request in asked {
        let chunk = lab.hosts[&1].shelf.read(&request);
        lab.answer_chunk(1, &request, chunk);
    }
    lab.run(10);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

/// Thesis 4.2.1, 5.1: a server that joins gets the snapshot, whatever the log once held.
#[test]
fn a_new_server_gets_the_snapshot() {
    let config = Config { max_retained_bytes: 0, max_chunk_bytes: 10, ..config() };
    let mut lab = Lab::with_outsiders(3, 1, &config);
    lab.elect(1);
    lab.propose(1, "x=1");
    lab.propose(1, "x=2");
    lab.run(2);
    snapshot(&mut lab, 1);
    assert_eq!(lab.log(1), []);
    let (index, members) = (lab.node(1).membership_index(), lab.node(1).membership());
    let change = MembershipChange::add(index, members, Member::voter(NodeId(4)));
    lab.act(1, |node| node.propose_membership(change)).unwrap();
    lab.run(10);
    assert_eq!(lab.hosts[&4].applied, lab.hosts[&1].applied);
    assert_eq!(lab.node(4).membership(), lab.node(1).membership());
}
