//! Stored is the fold of writes: any prefix of them, down to between two fields, is a legal start.

use super::*;
use raftcore::{Member, SnapshotMeta};
use support::lab::Lab;

/// The disks of a cluster that has elected, overwritten, changed its members, taken snapshots,
/// shipped one, restarted, and added a node.
fn disks() -> Vec<Vec<Write>> {
    let config = Config { max_retained_bytes: 0, max_chunk_bytes: 10, ..config() };
    let mut lab = Lab::with_outsiders(3, 1, &config);
    lab.elect(1);
    lab.propose(1, "x=1");
    lab.settle();
    lab.network.cut_off(&[1], &[2, 3]);
    lab.propose(1, "overwritten");
    lab.propose(1, "overwritten too");
    lab.run(100);
    let leader = *lab.leaders().last().unwrap();
    lab.propose(leader, "x=2");
    lab.settle();
    lab.network.heal();
    lab.run(20);
    let (index, members) = (lab.node(leader).membership_index(), lab.node(leader).membership());
    let change = MembershipChange::add(index, members, Member::voter(NodeId(4)));
    lab.act(leader, |node| node.propose_membership(change)).unwrap();
    lab.run(20);
    lab.network.cut_off(&[1], &[2, 3, 4]);
    lab.propose(leader, "x=3");
    lab.settle();
    lab.snapshot(leader).unwrap();
    lab.settle();
    lab.propose(leader, "x=4");
    lab.network.heal();
    lab.run(20);
    lab.restart(1);
    lab.run(60);
    assert!(lab.hosts[&1].disk.iter().any(|write| write.truncate_from.is_some()));
    assert!(lab.hosts[&1].disk.iter().any(|write| write.reset_log_to.is_some()));
    assert!(lab.hosts[&leader].disk.iter().any(|write| write.discard_through.is_some()));
    lab.hosts.into_values().map(|host| host.disk).collect()
}

/// A write cut off after each of its fields.
fn torn(write: &Write) -> Vec<Write> {
    let mut pieces = Vec::new();
    let mut piece = Write::empty(write.identity, write.id);
    piece.hard_state = write.hard_state;
    pieces.push(piece.clone());
    piece.snapshot_chunk.clone_from(&write.snapshot_chunk);
    pieces.push(piece.clone());
    piece.snapshot.clone_from(&write.snapshot);
    pieces.push(piece.clone());
    piece.reset_log_to = write.reset_log_to;
    pieces.push(piece.clone());
    piece.truncate_from = write.truncate_from;
    pieces.push(piece.clone());
    piece.entries = write.entries.clone();
    pieces.push(piece.clone());
    piece.discard_through = write.discard_through;
    pieces.push(piece);
    pieces
}

#[test]
fn every_prefix_of_the_writes_down_to_between_two_fields_is_a_legal_start() {
    for disk in disks() {
        for (count, next) in disk.iter().enumerate() {
            for piece in torn(next) {
                let mut stored = fold(&disk[..count]);
                stored.replay(piece).unwrap();
                if stored.is_empty() {
                    continue;
                }
                let last = stored.last();
                let node = Node::new(config(), stored, LogIndex(0)).unwrap();
                assert!(node.last_index() >= last.index, "{} of {}", count, next.identity.node);
            }
        }
    }
}

/// What matters of a fold.
fn summary(
    stored: &Stored,
) -> (HardState, Option<WriteId>, raftcore::EntryId, Option<SnapshotMeta>) {
    (stored.hard_state(), stored.last_write(), stored.last(), stored.snapshot().cloned())
}

#[test]
fn a_checkpoint_after_every_write_says_the_same_and_the_next_write_follows() {
    for disk in disks() {
        let mut stored = Stored::empty();
        for write in &disk {
            stored.replay(write.clone()).unwrap();
            let few = fold(&stored.checkpoint().unwrap());
            assert_eq!(summary(&few), summary(&stored));
            let indexes = 0..=stored.last().index.0;
            for index in indexes.map(LogIndex) {
                assert_eq!(few.term_at(index), stored.term_at(index), "{index}");
                assert_eq!(
                    few.entry(index).map(|one| one.id),
                    stored.entry(index).map(|one| one.id)
                );
            }
            let start = |stored| Node::new(config(), stored, LogIndex(0)).unwrap();
            let (one, other) = (start(few.clone()), start(stored.clone()));
            assert_eq!(one.membership_index(), other.membership_index());
            assert_eq!(one.membership(), other.membership());
            stored = few;
        }
    }
}

#[test]
fn snapshots_that_do_not_fold_are_named_and_change_nothing() {
    let disk = disks().remove(0);
    let stored = fold(&disk);
    let newest = stored.snapshot().unwrap().clone();
    let last = stored.last_write().unwrap();
    let id = WriteId { sequence: last.sequence + 1, ..last };
    let empty = Write::empty(identity(1), id);
    let refuses = |write: Write| {
        let mut copy = stored.clone();
        let error = copy.replay(write).unwrap_err();
        assert_eq!(summary(&copy), summary(&stored));
        error
    };
    let with = |change: fn(&mut SnapshotMeta)| {
        let mut meta = newest.clone();
        change(&mut meta);
        Write { snapshot: Some(Box::new(meta)), ..empty.clone() }
    };
    let older = with(|meta| meta.id.index = meta.id.index.prev());
    assert!(matches!(refuses(older), StoredError::Snapshot { .. }));
    let other = with(|meta| meta.chain ^= 1);
    assert!(matches!(refuses(other), StoredError::Snapshot { .. }), "another one of that index");
    let members = with(|meta| {
        meta.id.index = meta.id.index.next();
        meta.membership_index = meta.id.index.next();
    });
    assert!(matches!(refuses(members), StoredError::Snapshot { .. }), "set after its end");
    let reset = Write { reset_log_to: Some(LogIndex(1)), ..empty.clone() };
    assert!(matches!(refuses(reset), StoredError::Snapshot { .. }), "without a snapshot there");
    let beyond = Write { discard_through: Some(newest.id.index.next()), ..empty.clone() };
    assert!(matches!(refuses(beyond), StoredError::OutsideLog { .. }));
    let contained = Write { truncate_from: Some(newest.id.index), ..empty };
    assert!(matches!(refuses(contained), StoredError::OutsideLog { .. }));
}

#[test]
fn a_start_with_less_applied_than_the_snapshot_restores_it_first() {
    let disk = disks().remove(0);
    let stored = fold(&disk);
    let index = stored.snapshot().unwrap().id.index;
    for applied in 0..=index.0 {
        let mut node = Node::new(config(), stored.clone(), LogIndex(applied)).unwrap();
        let restored = drain(&mut node).into_iter().find_map(|output| match output {
            Output::Restore(meta) => Some(meta.id.index),
            Output::Apply(committed) => panic!("applies {committed:?} first"),
            _ => None,
        });
        assert_eq!(restored, (applied < index.0).then_some(index));
    }
}
