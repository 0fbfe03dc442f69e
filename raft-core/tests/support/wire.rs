//! Messages made by hand.

use super::GROUP;
use raftcore::{
    Append, AppendOutcome, AppendReply, Body, Commit, Entries, EntryId, Heartbeat, HeartbeatReply,
    Incarnation, LogIndex, Member, Membership, Message, NodeId, PreVote, PreVoteReply, ReadIndex,
    ReadIndexReply, RequestVote, SnapshotChunk, SnapshotId, SnapshotMeta, SnapshotPiece,
    SnapshotReply, Term, VoteReply,
};

pub fn message(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message::forge(GROUP, NodeId(from), NodeId(to), Term(term), body)
}

pub fn entry_id(term: u64, index: u64) -> EntryId {
    EntryId { term: Term(term), index: LogIndex(index) }
}

/// An append of entries that follow this one.
pub fn append(prev: EntryId, prev_checksum: u32, commit: u64, entries: Entries) -> Body {
    assert_eq!(entries.first().prev(), prev.index);
    let commit = LogIndex(commit);
    Body::Append(Append { session: 1, prev_checksum, prev_term: prev.term, commit, entries })
}

pub fn no_entries(after: u64) -> Entries {
    Entries::decode(LogIndex(after + 1), 0, bytes::Bytes::new()).unwrap()
}

/// Encoded entries, whatever they hold: (term, kind, payload) each, with zero checksums.
pub fn raw_entries(entries: &[(u64, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(term, kind, payload) in entries {
        let header = ([0u8; 4], term, kind, payload.len() as u32);
        bytes.extend(postcard::to_allocvec(&header).unwrap());
        bytes.extend_from_slice(payload);
    }
    bytes
}

pub fn snapshot_id() -> SnapshotId {
    SnapshotId {
        index: LogIndex(9),
        term: Term(3),
        maker: NodeId(2),
        incarnation: Incarnation(4),
        counter: 5,
    }
}

pub fn snapshot_meta() -> SnapshotMeta {
    let members = [
        Member::voter(NodeId(1)).with_context("host:1"),
        Member::voter(NodeId(2)),
        Member::learner(NodeId(3)),
    ];
    SnapshotMeta {
        id: snapshot_id(),
        chain: 0xDEAD_BEEF,
        membership: Membership::new(members).unwrap(),
        membership_index: LogIndex(6),
        length: 5,
        checksum: 77,
    }
}

/// One body of every kind and of every variant within.
pub fn every_body(entries: &Entries) -> Vec<Body> {
    let last = entry_id(3, 12);
    let before = entries.first().prev().0;
    let index = LogIndex(12);
    let reply = |outcome| Body::AppendReply(AppendReply { session: 2, outcome });
    let data = bytes::Bytes::from_static(b"bytes");
    let chunk = SnapshotChunk { snapshot: snapshot_id(), offset: 0, total: 5, data };
    vec![
        Body::PreVote(PreVote { last, doubt: None }),
        Body::PreVoteReply(PreVoteReply { asked: Term(4), granted: true, differs: false }),
        Body::RequestVote(RequestVote { last, transfer: false }),
        Body::VoteReply(VoteReply { granted: true }),
        append(entry_id(u64::from(before > 0), before), 0x0102_0304, 1, entries.clone()),
        reply(AppendOutcome::Success { matched: index }),
        reply(AppendOutcome::Conflict { prev: index, hint: entry_id(2, 8) }),
        reply(AppendOutcome::NotNow { verified: index }),
        reply(AppendOutcome::Diverged { at: last, checksum: 9 }),
        reply(AppendOutcome::OldTerm),
        Body::Heartbeat(Heartbeat { session: 2, commit: index, matched: LogIndex(11), token: 300 }),
        Body::HeartbeatReply(HeartbeatReply { session: 2, token: 300, verified: index }),
        Body::Commit(Commit { session: 2, commit: index }),
        Body::SnapshotChunk(Box::new(SnapshotPiece { session: 2, meta: snapshot_meta(), chunk })),
        Body::SnapshotReply(Box::new(SnapshotReply {
            session: 2,
            snapshot: snapshot_id(),
            received: 5,
            again: true,
        })),
        Body::ReadIndex(ReadIndex { incarnation: 4, token: 6 }),
        Body::ReadIndexReply(ReadIndexReply { incarnation: 4, token: 6, index: Some(index) }),
        Body::TimeoutNow,
    ]
}
