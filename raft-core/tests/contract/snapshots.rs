//! What is promised about snapshots, and what is misuse.

use super::*;
use raftcore::{ChunkRequest, Member, SnapshotMeta};
use support::lab::Lab;

/// Three nodes, the first one leading with `size` commands; nothing is kept behind snapshots.
fn led_by_1(size: u64) -> Lab {
    let config = Config { max_retained_bytes: 0, max_chunk_bytes: 10, ..config() };
    let mut lab = Lab::new(3, &config);
    lab.elect(1);
    for number in 0..size {
        lab.propose(1, &format!("command {number}"));
    }
    lab.run(2);
    lab
}

/// The same, shipping a snapshot to the third node; the question for its first chunk is open.
fn asked_for_a_chunk() -> (Lab, ChunkRequest) {
    let mut lab = led_by_1(0);
    lab.network.cut_off(&[3], &[1, 2]);
    lab.propose(1, "x=1");
    lab.propose(1, "x=2");
    lab.settle();
    lab.snapshot(1).unwrap();
    lab.settle();
    lab.host(1).shelf.slow = true;
    lab.network.heal();
    lab.run(5);
    let request = lab.hosts[&1].shelf.asked[0];
    (lab, request)
}

fn named(lab: &mut Lab, id: u64) -> Vec<SnapshotMeta> {
    lab.poll(id);
    let writes = lab.host(id).pending.iter();
    writes.filter_map(|write| write.snapshot.as_deref().cloned()).collect()
}

#[test]
fn a_snapshot_not_newer_than_the_newest_is_ignored() {
    let mut lab = led_by_1(3);
    lab.snapshot(1).unwrap();
    lab.settle();
    let newest = lab.node(1).applied_index();
    for index in [newest, newest.prev(), LogIndex(1), LogIndex(0)] {
        assert_eq!(lab.act(1, |node| node.snapshot_taken(index)), Ok(()));
        assert_eq!(named(&mut lab, 1), []);
    }
}

#[test]
fn a_snapshot_may_be_of_any_applied_entry() {
    let mut lab = led_by_1(3);
    let earlier = lab.node(1).applied_index().prev();
    lab.act(1, |node| node.snapshot_taken(earlier)).unwrap();
    let named = named(&mut lab, 1);
    assert_eq!((named.len(), named[0].id.index), (1, earlier));
    lab.settle();
    assert_eq!(lab.log(1).len(), 1, "the entry after it stays");
}

#[test]
fn the_core_makes_the_meta_of_a_snapshot() {
    let mut lab = led_by_1(3);
    let index = lab.node(1).applied_index();
    lab.act(1, |node| node.snapshot_taken(index)).unwrap();
    let meta = named(&mut lab, 1).remove(0);
    let node = lab.node(1);
    assert_eq!((meta.id.index, Some(meta.id.term)), (index, node.term_at(index)));
    assert_eq!((meta.id.maker, meta.id.incarnation), (NodeId(1), node.incarnation()));
    assert_eq!(Some(meta.chain), node.checksum_at(index));
    assert_eq!((&meta.membership, meta.membership_index), (node.membership(), LogIndex(0)));
}

#[test]
fn two_snapshots_of_a_node_never_have_one_name() {
    let mut lab = led_by_1(1);
    let mut names = Vec::new();
    for round in 0..3 {
        for number in 0..2 {
            lab.propose(1, &number.to_string());
            lab.settle();
            lab.snapshot(1).unwrap();
            names.push(named(&mut lab, 1).remove(0).id);
            lab.settle();
        }
        lab.restart(1);
        lab.run(60);
        lab.run(60);
        let leader = lab.leaders()[0];
        lab.act(leader, |node| node.transfer_leadership(NodeId(1))).unwrap();
        lab.run(10);
        assert_eq!(lab.leaders(), [1], "round {round}");
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn an_answer_longer_than_asked_for_is_misuse_and_the_right_one_still_counts() {
    let (mut lab, request) = asked_for_a_chunk();
    let before = lab.node(1).fingerprint();
    let long = Bytes::from_static(b"eleven byte");
    for (total, data) in [(16, long), (1, Bytes::from_static(b"two"))] {
        let chunk = Ok(Chunk { total, data });
        let answer = lab.act(1, |node| node.snapshot_chunk(request.id, chunk));
        assert_eq!(answer, Err(Misuse::WrongAnswer));
    }
    assert_eq!(lab.node(1).fingerprint(), before);
    lab.host(1).shelf.slow = false;
    let chunk = lab.hosts[&1].shelf.read(&request);
    lab.answer_chunk(1, &request, chunk);
    lab.run(5);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

#[test]
fn a_repeated_or_late_answer_is_harmless() {
    let (mut lab, request) = asked_for_a_chunk();
    lab.host(1).shelf.slow = false;
    let chunk = lab.hosts[&1].shelf.read(&request);
    for _ in 0..3 {
        lab.answer_chunk(1, &request, chunk.clone());
    }
    lab.run(10);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
    lab.answer_chunk(1, &request, Err(Unavailable));
    lab.restart(1);
    lab.answer_chunk(1, &request, chunk);
    assert_eq!(lab.node(1).status().counters.unexpected_replies, 1, "of an earlier life");
}

#[test]
fn a_short_answer_is_legal() {
    let (mut lab, mut request) = asked_for_a_chunk();
    for _ in 0..16 {
        let mut chunk = lab.hosts[&1].shelf.read(&request).unwrap();
        chunk.data.truncate(1);
        lab.host(1).shelf.asked.clear();
        lab.answer_chunk(1, &request, Ok(chunk));
        lab.settle();
        match lab.hosts[&1].shelf.asked.first() {
            Some(next) => request = *next,
            None => break,
        }
    }
    lab.run(5);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

#[test]
fn a_file_that_changes_its_length_is_read_again_and_not_mixed() {
    let (mut lab, request) = asked_for_a_chunk();
    let chunk = lab.hosts[&1].shelf.read(&request);
    lab.host(1).shelf.asked.clear();
    lab.answer_chunk(1, &request, chunk);
    lab.work(1);
    let request = lab.host(1).shelf.asked.remove(0);
    let mut other = lab.hosts[&1].shelf.read(&request).unwrap();
    other.total -= 1;
    other.data.truncate(other.data.len() - 1);
    lab.settle();
    lab.answer_chunk(1, &request, Ok(other));
    lab.work(1);
    assert!(lab.network.all().is_empty(), "nothing of it is sent");
    lab.host(1).shelf.slow = false;
    lab.run(5);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
}

#[test]
fn a_snapshot_without_bytes_is_shipped_like_any_other() {
    let mut lab = led_by_1(0);
    lab.network.cut_off(&[3], &[1, 2]);
    let (index, members) = (lab.node(1).membership_index(), lab.node(1).membership());
    let change = MembershipChange::add(index, members, Member::learner(NodeId(3)));
    let done = lab.act(1, |node| node.propose_membership(change)).unwrap();
    lab.settle();
    assert_eq!(lab.snapshot(1), Ok(done.index));
    lab.settle();
    assert!(lab.hosts[&1].shelf.named.values().all(Vec::is_empty), "no command was applied");
    lab.network.heal();
    lab.run(10);
    assert_eq!(lab.node(3).applied_index(), done.index);
    assert_eq!(lab.node(3).membership_index(), done.index);
}

#[test]
fn a_restore_comes_once_and_waits_for_applied() {
    let (mut lab, request) = asked_for_a_chunk();
    lab.host(1).shelf.slow = false;
    let chunk = lab.hosts[&1].shelf.read(&request);
    lab.answer_chunk(1, &request, chunk);
    let mut node = None;
    for _ in 0..20 {
        for id in [1, 2] {
            lab.work(id);
        }
        let messages = lab.network.take_free();
        messages.into_iter().for_each(|message| lab.arrive(message));
        let mut copy = lab.node(3).clone();
        let (mut restores, mut applies) = (Vec::new(), 0);
        loop {
            let outputs = drain(&mut copy);
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                match output {
                    Output::Persist(write) => copy.persisted(write.id).unwrap(),
                    Output::Restore(meta) => restores.push(meta.id.index),
                    Output::Apply(_) => applies += 1,
                    _ => {}
                }
            }
        }
        if !restores.is_empty() {
            assert_eq!((restores.len(), applies), (1, 0));
            node = Some((copy, restores[0]));
            break;
        }
        lab.work(3);
    }
    let (mut node, index) = node.expect("a snapshot to restore");
    assert!(node.applied_index() < index);
    let beyond = Misuse::NotHandedOut { index: index.next(), handed_out: index };
    assert_eq!(node.applied(index.next()), Err(beyond));
    let taken = node.snapshot_taken(index);
    assert!(matches!(taken, Err(Misuse::BeyondApplied { .. })), "not yet the host's");
    assert_eq!(node.applied(index), Ok(()));
    assert_eq!(node.applied_index(), index);
}

#[test]
fn snapshots_are_released_only_below_a_durable_newer_one() {
    let mut lab = led_by_1(1);
    for number in 0..5 {
        lab.propose(1, &number.to_string());
        lab.settle();
        lab.snapshot(1).unwrap();
        lab.run(5);
    }
    let mut durable = None;
    for write in &lab.hosts[&1].disk {
        if let Some(below) = write.release_snapshots_below {
            assert_eq!(Some(below), durable, "in {}", write.id);
        }
        durable = write.snapshot.as_ref().map(|meta| meta.id).or(durable);
        if let Some(through) = write.discard_through {
            assert!(durable.is_some_and(|id| through <= id.index));
        }
    }
    assert_eq!(lab.hosts[&1].shelf.named.len(), 1);
}
