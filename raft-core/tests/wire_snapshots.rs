//! Snapshots that a hostile peer sends, and answers to snapshots: a typed error that changes nothing,
//! or harmless.
mod support;

use bytes::Bytes;
use raftcore::{
    Body, Config, DecodeError, EntryId, LogIndex, Membership, MembershipError, Message, Node,
    NodeId, Output, PeerState, RejectedMessage, SnapshotChunk, SnapshotMeta, SnapshotPiece,
    SnapshotReply, Term,
};
use support::lab::Lab;
use support::wire::{entry_id, message, snapshot_meta};
use support::{Cluster, drain, led_by_1};

/// A snapshot that ends two entries after the log of a follower of `led_by_1(3)`.
fn ahead() -> SnapshotMeta {
    let mut meta = snapshot_meta();
    meta.id.index = LogIndex(6);
    meta.id.term = Term(1);
    meta.membership_index = LogIndex(3);
    meta
}

fn piece(meta: &SnapshotMeta, offset: u64, total: u64, data: &'static [u8]) -> Message {
    let chunk = SnapshotChunk { snapshot: meta.id, offset, total, data: Bytes::from_static(data) };
    let meta = SnapshotMeta { length: total, ..meta.clone() };
    message(1, 3, 1, Body::SnapshotChunk(Box::new(SnapshotPiece { session: 1, meta, chunk })))
}

/// Gives a node a message that it must reject, changing nothing but what it reports to the sender.
fn rejects(node: &mut Node, message: Message) -> RejectedMessage {
    drain(node);
    let before = node.fingerprint();
    let error = node.receive(message).unwrap_err();
    for output in drain(node) {
        assert!(matches!(output, Output::Send(reply) if reply.kind() as u8 == 6), "only a report");
    }
    assert_eq!(node.fingerprint(), before, "{error}");
    error
}

fn follower() -> Cluster {
    led_by_1(3)
}

#[test]
fn a_piece_whose_place_cannot_be_is_rejected() {
    let mut cluster = follower();
    let meta = ahead();
    let error = RejectedMessage::Snapshot { index: LogIndex(6) };
    for (offset, total) in [(u64::MAX, u64::MAX), (u64::MAX - 2, u64::MAX), (3, 5), (0, 2), (9, 8)]
    {
        assert_eq!(rejects(cluster.node(3), piece(&meta, offset, total, b"bytes")), error);
    }
}

#[test]
fn a_piece_without_bytes_before_the_end_is_rejected() {
    let mut cluster = follower();
    let error = RejectedMessage::Snapshot { index: LogIndex(6) };
    assert_eq!(rejects(cluster.node(3), piece(&ahead(), 0, 5, b"")), error);
    assert_eq!(rejects(cluster.node(3), piece(&ahead(), 4, 5, b"")), error);
}

#[test]
fn a_piece_whose_length_contradicts_the_meta_is_rejected() {
    let mut cluster = follower();
    let mut message = piece(&ahead(), 0, 9, b"bytes");
    let Body::SnapshotChunk(mut piece) = message.body().clone() else { unreachable!() };
    piece.meta.length = 10;
    message = support::wire::message(1, 3, 1, Body::SnapshotChunk(piece));
    let error = rejects(cluster.node(3), message);
    assert_eq!(error, RejectedMessage::Snapshot { index: LogIndex(6) });
}

#[test]
fn a_snapshot_whose_last_entry_cannot_be_is_rejected() {
    let at = |index, term| {
        let mut meta = ahead();
        meta.id = raftcore::SnapshotId { index: LogIndex(index), term: Term(term), ..meta.id };
        meta.membership_index = meta.membership_index.min(meta.id.index);
        meta
    };
    let mut cluster = follower();
    for meta in [at(u64::MAX, 1), at(6, 0), at(0, 1), at(6, 2), at(6, u64::MAX)] {
        let index = meta.id.index;
        let error = rejects(cluster.node(3), piece(&meta, 0, 9, b"bytes"));
        assert_eq!(error, RejectedMessage::Snapshot { index }, "{:?}", meta.id);
    }
}

#[test]
fn a_membership_set_after_the_snapshot_is_rejected() {
    let mut cluster = follower();
    let meta = SnapshotMeta { membership_index: LogIndex(7), ..ahead() };
    let error = rejects(cluster.node(3), piece(&meta, 0, 9, b"bytes"));
    assert_eq!(error, RejectedMessage::Snapshot { index: LogIndex(6) });
}

#[test]
fn a_founding_that_is_none_is_rejected() {
    let mut cluster = follower();
    let mut meta = ahead();
    meta.id = raftcore::SnapshotId::default();
    meta.membership_index = LogIndex(0);
    let error = rejects(cluster.node(3), piece(&meta, 0, 0, b""));
    assert_eq!(error, RejectedMessage::Snapshot { index: LogIndex(0) }, "another chain");
}

#[test]
fn a_membership_that_cannot_be_does_not_decode() {
    let meta = SnapshotMeta { membership: Membership::default(), ..ahead() };
    let frame = piece(&meta, 0, 9, b"bytes").encode().to_bytes();
    assert_eq!(Message::decode(frame), Err(DecodeError::Membership(MembershipError::NoVoter)));
}

#[test]
fn a_snapshot_that_contradicts_what_is_committed_is_rejected() {
    let mut cluster = follower();
    let mut meta = ahead();
    meta.id.index = LogIndex(3);
    let error = rejects(cluster.node(3), piece(&meta, 0, 9, b"bytes"));
    assert_eq!(error, RejectedMessage::Diverged { at: entry_id(1, 3) }, "another chain");
    meta.id.term = Term(2);
    let Body::SnapshotChunk(body) = piece(&meta, 0, 9, b"bytes").body().clone() else {
        unreachable!()
    };
    let later = message(1, 3, 2, Body::SnapshotChunk(body));
    let error = rejects(cluster.node(3), later);
    assert_eq!(error, RejectedMessage::ContradictsCommitted { at: entry_id(1, 3) });
    assert_eq!(cluster.node(3).term(), Term(1), "a rejected message adopts nothing");
}

#[test]
fn a_snapshot_of_a_second_leader_is_rejected() {
    let mut cluster = follower();
    let Body::SnapshotChunk(body) = piece(&ahead(), 0, 9, b"bytes").body().clone() else {
        unreachable!()
    };
    let error = rejects(cluster.node(3), message(2, 3, 1, Body::SnapshotChunk(body)));
    let leader = NodeId(1);
    assert_eq!(error, RejectedMessage::SecondLeader { from: NodeId(2), term: Term(1), leader });
}

#[test]
fn a_snapshot_at_the_end_of_all_indexes_breaks_nothing() {
    let mut cluster = follower();
    let mut meta = ahead();
    meta.id.index = LogIndex(u64::MAX - 1);
    meta.membership = Membership::of_voters([3]).unwrap();
    meta.checksum = xxhash_rust::xxh3::xxh3_64(b"bytes");
    let node = cluster.node(3);
    node.receive(piece(&meta, 0, 5, b"bytes")).unwrap();
    for tick in 1..200 {
        node.tick(raftcore::Tick(tick));
        for output in drain(node) {
            match output {
                Output::Persist(write) => node.persisted(write.id).unwrap(),
                Output::Restore(meta) => node.applied(meta.id.index).unwrap(),
                Output::Apply(committed) => node.applied(committed.last()).unwrap(),
                _ => {}
            }
        }
    }
    let end = EntryId { term: node.term(), index: LogIndex(u64::MAX) };
    assert!(node.last_index() <= end.index && node.propose(b"x").is_err());
}

#[test]
fn an_append_in_the_middle_of_a_snapshot_leaves_a_disk_that_folds() {
    let mut lab = Lab::new(3, &support::config());
    lab.preload(2, &[1, 2], 2);
    lab.preload(3, &[1, 1, 1], 2);
    let entries = support::fold(&lab.hosts[&2].disk).checkpoint().unwrap().remove(1).entries;
    let mut disk = lab.hosts[&3].disk.clone();
    let mut node = lab.node(3).clone();
    node.tick(raftcore::Tick(50));
    let mut write_out = |node: &mut Node| {
        let before = disk.len();
        disk.extend(drain(node).into_iter().filter_map(|output| match output {
            Output::Persist(write) => Some(write),
            _ => None,
        }));
        assert!(disk.len() > before);
        disk.last().unwrap().id
    };
    let mut meta = ahead();
    meta.checksum = xxhash_rust::xxh3::xxh3_64(b"bytes");
    let chunk = piece(&meta, 0, 5, b"bytes");
    node.receive(message(1, 3, 2, chunk.body().clone())).unwrap();
    let written = write_out(&mut node);
    let seed = node.checksum_at(LogIndex(0)).unwrap();
    let overwrites = support::wire::append(entry_id(0, 0), seed, 0, entries);
    node.receive(message(1, 3, 2, overwrites)).unwrap();
    assert_eq!(node.term_at(LogIndex(2)), Some(Term(2)));
    node.persisted(written).unwrap();
    assert_eq!(node.last_index(), LogIndex(6), "the snapshot takes the place of all");
    let written = write_out(&mut node);
    node.persisted(written).unwrap();
    assert_eq!(support::fold(&disk).last().index, LogIndex(6));
}

/// A leader that ships a snapshot of three chunks, and has sent the first two.
fn shipping() -> Lab {
    let config = Config {
        max_retained_bytes: 0,
        max_chunk_bytes: 10,
        max_in_flight_bytes: 20,
        ..support::config()
    };
    let mut lab = Lab::new(3, &config);
    lab.elect(1);
    lab.network.cut_off(&[3], &[1, 2]);
    for payload in ["x=1", "y=2", "z=3"] {
        lab.propose(1, payload);
    }
    lab.settle();
    lab.snapshot(1).unwrap();
    lab.settle();
    lab.network.heal();
    lab.network.hold(support::lab::Link { from: 1, to: 3 });
    lab.run(4);
    lab.deliver(1, 3);
    lab.settle();
    let link = support::lab::Link { from: 1, to: 3 };
    assert_eq!(lab.network.on(link).count(), 2, "two chunks are under way");
    lab
}

fn session_and_id(lab: &Lab) -> (u32, raftcore::SnapshotId) {
    let link = support::lab::Link { from: 1, to: 3 };
    let sent = lab.network.on(link).next().unwrap();
    let Body::SnapshotChunk(piece) = sent.body() else { panic!("no chunk: {sent:?}") };
    (piece.session, piece.meta.id)
}

#[test]
fn an_answer_that_confirms_more_than_there_is_is_rejected() {
    for again in [false, true] {
        for received in [25, u64::MAX] {
            let mut lab = shipping();
            let (session, snapshot) = session_and_id(&lab);
            let reply = SnapshotReply { session, snapshot, received, again };
            let reply = message(3, 1, 1, Body::SnapshotReply(Box::new(reply)));
            let error = lab.act(1, |node| rejects(node, reply));
            assert_eq!(error, RejectedMessage::Snapshot { index: snapshot.index });
        }
    }
}

#[test]
fn an_answer_of_another_session_or_about_another_snapshot_is_counted_and_ignored() {
    let mut lab = shipping();
    let (session, snapshot) = session_and_id(&lab);
    let other = raftcore::SnapshotId { maker: NodeId(2), ..snapshot };
    let before = lab.node(1).status().counters;
    let answers = [(session - 1, snapshot), (session + 1, snapshot), (session, other)];
    for (session, snapshot) in answers {
        let reply = SnapshotReply { session, snapshot, received: 10, again: false };
        let reply = message(3, 1, 1, Body::SnapshotReply(Box::new(reply)));
        lab.act(1, |node| node.receive(reply)).unwrap();
        assert!(drain_of(&mut lab, 1).is_empty(), "no room for another chunk was made");
    }
    let counters = lab.node(1).status().counters;
    assert_eq!(counters.old_session, before.old_session + 2);
    assert_eq!(counters.unexpected_replies, before.unexpected_replies + 1);
}

#[test]
fn answers_that_deny_what_was_confirmed_cost_time_only() {
    let mut lab = shipping();
    let (session, snapshot) = session_and_id(&lab);
    for received in [20, 0, 10, 0, 20, 0] {
        for again in [true, false] {
            let reply = SnapshotReply { session, snapshot, received, again };
            let reply = message(3, 1, 1, Body::SnapshotReply(Box::new(reply)));
            lab.act(1, |node| node.receive(reply)).unwrap();
            lab.work(1);
        }
    }
    lab.network.release(support::lab::Link { from: 1, to: 3 });
    lab.run(60);
    assert_eq!(lab.hosts[&3].applied, lab.hosts[&1].applied);
    assert_eq!(lab.node(1).status().peers[1].state, PeerState::Stream);
}

fn drain_of(lab: &mut Lab, id: u64) -> Vec<Output> {
    lab.act(id, drain)
}
