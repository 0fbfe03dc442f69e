//! The formats: frames and write records as bytes, fixed for good.
//!
//! `REWRITE=1 cargo test -p raftcore --test golden` writes the file anew: read the diff before you
//! accept it, for a changed line is a broken rolling upgrade.
mod support;

use bytes::Bytes;
use core::fmt::Write as _;
use raftcore::{
    Body, DecodeError, Entries, FORMAT_VERSION, HardState, Header, Incarnation, LogIndex, Member,
    Membership, Message, MessageKind, NodeId, Output, SnapshotChunk, SnapshotPiece, Term, Write,
    WriteId,
};
use std::collections::BTreeSet;

use support::{drain, identity, led_by_1, wire};

/// Where the kind of a message stands in its frame.
const KIND_AT: usize = 25;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Real entries: an empty one, and two commands.
fn entries() -> Entries {
    let mut cluster = led_by_1(2);
    let all: Vec<_> = cluster.disks[0].iter().map(|write| write.entries.clone()).collect();
    let whole: Vec<u8> = all.iter().flat_map(|entries| entries.bytes().to_vec()).collect();
    drain(cluster.node(1));
    Entries::decode(LogIndex(1), 3, whole.into()).unwrap()
}

fn messages() -> Vec<Message> {
    let bodies = wire::every_body(&entries());
    bodies.into_iter().map(|body| wire::message(1, 2, 4, body)).collect()
}

fn writes() -> Vec<Write> {
    let id = WriteId { incarnation: Incarnation(3), sequence: 300 };
    let empty = Write::empty(identity(2), id);
    let hard_state =
        HardState { term: Term(7), vote: Some(NodeId(3)), incarnation: Incarnation(3) };
    let data = Bytes::from_static(b"snap");
    let chunk = SnapshotChunk { snapshot: wire::snapshot_id(), offset: 4, total: 8, data };
    vec![
        empty.clone(),
        Write { hard_state: Some(hard_state), entries: entries(), ..empty.clone() },
        Write { truncate_from: Some(LogIndex(5)), ..empty.clone() },
        Write {
            snapshot_chunk: Some(Box::new(chunk)),
            snapshot: Some(Box::new(wire::snapshot_meta())),
            reset_log_to: Some(LogIndex(9)),
            discard_through: Some(LogIndex(8)),
            release_snapshots_below: Some(wire::snapshot_id()),
            entries: entries(),
            ..empty
        },
    ]
}

#[test]
fn frames_and_records_are_the_golden_ones() {
    let mut text = String::new();
    for message in messages() {
        let frame = message.encode();
        writeln!(text, "{:?} {}", message.kind(), hex(&frame.to_bytes())).unwrap();
    }
    for write in writes() {
        writeln!(text, "Write {}", hex(&write.encode())).unwrap();
    }
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(FILE).unwrap(), text);
}

#[test]
fn every_kind_has_a_golden_frame_that_decodes_to_itself() {
    let mut kinds = BTreeSet::new();
    for message in messages() {
        let frame = message.encode();
        assert_eq!(frame.len(), frame.to_bytes().len());
        let header = Header::peek(&frame.to_bytes()).unwrap();
        assert_eq!((header.from, header.to, header.kind), (NodeId(1), NodeId(2), message.kind()));
        assert_eq!(Message::decode(frame.to_bytes()).unwrap(), message);
        kinds.insert((message.kind() as u8, message.kind()));
    }
    let mut frame = messages()[0].encode().to_bytes().to_vec();
    let known = (0..=u8::MAX).filter_map(|number| {
        frame[KIND_AT] = number;
        Header::peek(&frame).ok().map(|header| (number, header.kind))
    });
    assert_eq!(kinds, known.collect());
}

#[test]
fn a_frame_whose_head_is_of_any_length_decodes_to_itself() {
    for length in 0..=256 {
        let mut meta = wire::snapshot_meta();
        let member = Member::voter(NodeId(1)).with_context(vec![b'x'; length]);
        meta.membership = Membership::new([member]).unwrap();
        let data = Bytes::from_static(b"bytes");
        let chunk = SnapshotChunk { snapshot: meta.id, offset: 0, total: 5, data };
        let piece = SnapshotPiece { session: 2, meta, chunk };
        let message = wire::message(1, 2, 4, Body::SnapshotChunk(Box::new(piece)));
        let frame = message.encode();
        assert_eq!(frame.parts().concat(), frame.to_bytes());
        assert_eq!(Message::decode(frame.to_bytes()), Ok(message), "{length}");
    }
}

#[test]
fn a_write_decodes_to_itself_and_says_how_long_it_is() {
    for write in writes() {
        let mut record = write.encode();
        let length = record.len();
        record.extend_from_slice(b"the next record");
        assert_eq!(Write::decode(&record.into()), Ok((write, length)));
    }
}

/// Where the entries begin, if it has any: their checksums are for the receiver to compare.
fn entries_at(message: &Message) -> usize {
    let frame = message.encode();
    if message.kind() == MessageKind::Append { frame.parts()[0].len() } else { frame.len() }
}

#[test]
fn a_damaged_frame_is_an_error_and_never_another_message() {
    for message in messages() {
        let frame = message.encode().to_bytes();
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let entries = bit >= entries_at(&message) * 8;
            let read = Message::decode(bytes.into());
            assert!(read.is_err() || entries, "{:?} bit {bit}", message.kind());
        }
        for length in 0..frame.len() {
            assert!(Message::decode(frame.slice(..length)).is_err());
        }
    }
}

#[test]
fn a_torn_record_is_truncated_and_a_damaged_one_is_not() {
    for write in writes() {
        let record = Bytes::from(write.encode());
        for length in 0..record.len() {
            let torn = Write::decode(&record.slice(..length));
            assert_eq!(torn, Err(DecodeError::Truncated), "at {length}");
        }
        for bit in 0..record.len() * 8 {
            let mut bytes = record.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let damaged = Write::decode(&bytes.into());
            assert!(damaged.is_err() && damaged != Err(DecodeError::Truncated), "bit {bit}");
        }
    }
}

#[test]
fn an_unknown_version_or_kind_is_named() {
    let frame = messages()[0].encode().to_bytes();
    let with = |at: usize, byte: u8| {
        let mut bytes = frame.to_vec();
        bytes[at] = byte;
        Message::decode(bytes.into())
    };
    for version in [FORMAT_VERSION - 1, FORMAT_VERSION + 1] {
        assert_eq!(with(0, version), Err(DecodeError::UnknownVersion { version }));
        let mut record = writes()[1].encode();
        record[0] = version;
        let read = Write::decode(&record.into());
        assert_eq!(read, Err(DecodeError::UnknownVersion { version }));
    }
    assert_eq!(with(25, 99), Err(DecodeError::UnknownKind { kind: 99 }));
}

#[test]
fn a_checkpoint_says_the_same_in_a_few_writes() {
    let mut cluster = led_by_1(2000);
    let stored = support::fold(&cluster.disks[0]);
    let checkpoint = stored.checkpoint().unwrap();
    assert!(checkpoint.len() < 10);
    let again = support::fold(&checkpoint);
    assert_eq!(again.last(), stored.last());
    assert_eq!(again.hard_state(), stored.hard_state());
    for index in 1..=2001 {
        assert_eq!(again.entry(LogIndex(index)), stored.entry(LogIndex(index)));
    }
    cluster.node(1).propose(b"next").unwrap();
    for output in drain(cluster.node(1)) {
        if let Output::Persist(write) = output {
            let mut again = again.clone();
            again.replay(write).unwrap();
            assert_eq!(again.last().index.0, 2002);
        }
    }
}

#[test]
fn a_snapshot_with_impossible_members_does_not_decode() {
    let mut meta = wire::snapshot_meta();
    meta.membership = Membership::default();
    let write = Write { snapshot: Some(Box::new(meta)), ..writes()[0].clone() };
    assert!(matches!(Write::decode(&write.encode().into()), Err(DecodeError::Membership(_))));
}
