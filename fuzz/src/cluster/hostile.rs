//! Messages that no honest node sends, but that decode: changed ones, and forged ones.

use bytes::Bytes;
use raftcore::{
    Append, AppendOutcome, AppendReply, Body, Commit, Entries, EntryId, Heartbeat, HeartbeatReply,
    Incarnation, LogIndex, Message, Node, NodeId, PreVote, PreVoteReply, ReadIndex, ReadIndexReply,
    RequestVote, SnapshotChunk, SnapshotId, SnapshotMeta, SnapshotPiece, SnapshotReply, Term,
    VoteReply,
};

use super::Cluster;
use super::setup::GROUP;
use crate::dice::Dice;
use crate::forge::{self, Forged, ForgedMember};

impl Cluster {
    pub(super) fn be_hostile(&mut self, at: usize, dice: &mut Dice<'_>) {
        let node = &self.hosts[at].node;
        let mut body = match dice.below(4) {
            0 => forged_body(node, dice),
            1 => Body::Append(forged_append(node, dice)),
            _ => match self.known_message(dice) {
                Some(message) => message.body().clone(),
                None => forged_body(node, dice),
            },
        };
        for _ in 0..dice.below(3) {
            change(&mut body, dice);
        }
        let group = if dice.once_in(64) { raftcore::GroupId(dice.word()) } else { GROUP };
        let from = match dice.below(8) {
            0 => NodeId(dice.number(node.identity().node.0)),
            1..=4 => node.leader().filter(|&id| id != node.identity().node).unwrap_or(NodeId(1)),
            _ => NodeId(1 + dice.below(self.hosts.len()) as u64),
        };
        let to = if dice.once_in(64) { NodeId(dice.word()) } else { node.identity().node };
        let term = if dice.once_in(3) { dice.term(node.term()) } else { node.term() };
        let frame = Message::forge(group, from, to, term, body).encode().to_bytes();
        if let Ok(message) = Message::decode(frame) {
            self.attack(at, message);
        }
    }

    /// A message that is under way or has been.
    fn known_message(&self, dice: &mut Dice<'_>) -> Option<&Message> {
        let mut known = self.under_way.iter().chain(&self.earlier);
        let count = self.under_way.len() + self.earlier.len();
        if count == 0 { None } else { known.nth(dice.below(count)) }
    }
}

/// The entry with this index as the node has it, or nearly.
fn entry_of(node: &Node, dice: &mut Dice<'_>) -> (EntryId, u32) {
    let near = dice.one_of(&[node.last_index(), node.commit_index(), node.applied_index()]);
    let index = if dice.once_in(2) { dice.index(near) } else { near };
    let term = node.term_at(index).unwrap_or(node.term());
    let checksum = node.checksum_at(index).unwrap_or_default();
    if dice.once_in(8) {
        return (dice.entry_id(EntryId { term, index }), dice.small_number(checksum));
    }
    (EntryId { term, index }, checksum)
}

/// An append of an impostor that knows the log of its victim.
fn forged_append(node: &Node, dice: &mut Dice<'_>) -> Append {
    let (prev, prev_checksum) = entry_of(node, dice);
    let mut term = node.term().0;
    if dice.once_in(4) {
        term = dice.number(term);
    }
    let list: Vec<Forged> = (0..dice.below(4)).map(|_| forged_entry(term, dice)).collect();
    let entries = forge::entries(GROUP, prev, prev_checksum, &list);
    let commit = if dice.once_in(2) { prev.index.plus(2) } else { dice.index(node.commit_index()) };
    let session = 1 + u32::from(dice.once_in(4));
    let nothing = || Entries::decode(prev.index.next(), 0, Bytes::new()).unwrap_or_default();
    let entries = entries.unwrap_or_else(nothing);
    Append { session, prev_checksum, prev_term: prev.term, commit, entries }
}

fn forged_entry(term: u64, dice: &mut Dice<'_>) -> Forged {
    match dice.below(4) {
        0 => (term, 0, Vec::new()),
        1 => (term, 2, {
            let (members, outgoing) = forged_members(dice);
            forge::membership_payload(&members, &outgoing)
        }),
        _ => (term, 1, vec![dice.byte(); dice.below(32)]),
    }
}

fn forged_members(dice: &mut Dice<'_>) -> (Vec<ForgedMember>, Vec<u64>) {
    let (present, voters, promoted) = (dice.byte() | 1, dice.byte() | 1, dice.byte());
    let outgoing = if dice.once_in(2) { dice.byte() } else { 0 };
    let within = |set: u8, id: u64| set & (1 << id) != 0;
    let members = (0..8).filter(|&id| within(present, id)).map(|id| {
        let voter = within(voters, id);
        (id + 1, voter, !voter && within(promoted, id), Vec::new())
    });
    (members.collect(), (0..8).filter(|&id| within(outgoing, id)).map(|id| id + 1).collect())
}

fn snapshot_id(node: &Node, dice: &mut Dice<'_>) -> SnapshotId {
    let (id, _) = entry_of(node, dice);
    let index = id.index.plus(dice.below(3) as u64);
    let maker = NodeId(1 + dice.below(3) as u64);
    let incarnation = Incarnation(1);
    SnapshotId { index, term: id.term, maker, incarnation, counter: dice.below(3) as u64 }
}

fn forged_piece(node: &Node, dice: &mut Dice<'_>) -> SnapshotPiece {
    let (_, chain) = entry_of(node, dice);
    let (members, outgoing) = forged_members(dice);
    let data: Bytes = vec![dice.byte(); dice.below(40)].into();
    let total = if dice.once_in(2) { data.len() as u64 } else { dice.number(16) };
    let checksum = if total == data.len() as u64 { xxhash_rust::xxh3::xxh3_64(&data) } else { 0 };
    let id = snapshot_id(node, dice);
    let meta = SnapshotMeta {
        id,
        chain,
        membership: forge::membership(&members, &outgoing),
        membership_index: dice.index(id.index),
        length: total,
        checksum,
    };
    let offset = if dice.once_in(2) { dice.number(16) } else { 0 };
    let chunk = SnapshotChunk { snapshot: id, offset, total, data };
    SnapshotPiece { session: 1, meta, chunk }
}

/// A body of any kind, made for this node.
fn forged_body(node: &Node, dice: &mut Dice<'_>) -> Body {
    let (last, checksum) = entry_of(node, dice);
    let (index, session) = (last.index, 1 + dice.below(2) as u32);
    let token = dice.below(4) as u64;
    let incarnation = node.incarnation().0;
    let granted = !dice.once_in(4);
    match dice.below(18) {
        0 => Body::PreVote(PreVote { last, doubt: dice.once_in(2).then_some((last, checksum)) }),
        1 => {
            let differs = dice.once_in(2);
            Body::PreVoteReply(PreVoteReply { asked: node.term(), granted, differs })
        }
        2 => Body::RequestVote(RequestVote { last, transfer: dice.once_in(2) }),
        3 => Body::VoteReply(VoteReply { granted }),
        4 => reply(session, AppendOutcome::Success { matched: index }),
        5 => reply(session, AppendOutcome::Conflict { prev: dice.index(index), hint: last }),
        6 => reply(session, AppendOutcome::NotNow { verified: index }),
        7 => reply(session, AppendOutcome::Diverged { at: last, checksum }),
        8 => reply(session, AppendOutcome::OldTerm),
        9 => Body::Heartbeat(Heartbeat { session, commit: index, matched: index, token }),
        10 => Body::HeartbeatReply(HeartbeatReply { session, token, verified: index }),
        11 => Body::Commit(Commit { session, commit: index }),
        12 | 13 => Body::SnapshotChunk(Box::new(forged_piece(node, dice))),
        14 => Body::SnapshotReply(Box::new(SnapshotReply {
            session,
            snapshot: snapshot_id(node, dice),
            received: dice.number(16),
            again: !granted,
        })),
        15 => Body::ReadIndex(ReadIndex { incarnation, token }),
        16 => {
            let index = (!dice.once_in(4)).then_some(index);
            Body::ReadIndexReply(ReadIndexReply { incarnation, token, index })
        }
        _ => Body::TimeoutNow,
    }
}

const fn reply(session: u32, outcome: AppendOutcome) -> Body {
    Body::AppendReply(AppendReply { session, outcome })
}

/// Changes one field of a message.
fn change(body: &mut Body, dice: &mut Dice<'_>) {
    match body {
        Body::PreVote(body) => body.last = dice.entry_id(body.last),
        Body::PreVoteReply(body) if dice.once_in(2) => body.granted = !body.granted,
        Body::PreVoteReply(body) if dice.once_in(2) => body.differs = !body.differs,
        Body::PreVoteReply(body) => body.asked = dice.term(body.asked),
        Body::RequestVote(body) if dice.once_in(2) => body.transfer = !body.transfer,
        Body::RequestVote(body) => body.last = dice.entry_id(body.last),
        Body::VoteReply(body) => body.granted = !body.granted,
        Body::Append(body) => change_append(body, dice),
        Body::AppendReply(body) if dice.once_in(4) => {
            body.session = dice.small_number(body.session);
        }
        Body::AppendReply(body) => body.outcome = changed_outcome(body.outcome, dice),
        Body::Heartbeat(body) => match dice.below(4) {
            0 => body.session = dice.small_number(body.session),
            1 => body.commit = dice.index(body.commit),
            2 => body.matched = dice.index(body.matched),
            _ => body.token = dice.number(body.token),
        },
        Body::HeartbeatReply(body) => match dice.below(3) {
            0 => body.session = dice.small_number(body.session),
            1 => body.verified = dice.index(body.verified),
            _ => body.token = dice.number(body.token),
        },
        Body::Commit(body) if dice.once_in(4) => body.session = dice.small_number(body.session),
        Body::Commit(body) => body.commit = dice.index(body.commit),
        Body::SnapshotChunk(body) => change_piece(body, dice),
        Body::SnapshotReply(body) => match dice.below(4) {
            0 => body.session = dice.small_number(body.session),
            1 => change_snapshot_id(&mut body.snapshot, dice),
            2 => body.received = dice.number(body.received),
            _ => body.again = !body.again,
        },
        Body::ReadIndex(body) if dice.once_in(4) => {
            body.incarnation = dice.number(body.incarnation);
        }
        Body::ReadIndex(body) => body.token = dice.number(body.token),
        Body::ReadIndexReply(body) => match dice.below(4) {
            0 => body.incarnation = dice.number(body.incarnation),
            1 => body.token = dice.number(body.token),
            _ => body.index = dice.once_in(2).then(|| dice.index(LogIndex(2))),
        },
        _ => {}
    }
}

fn change_append(body: &mut Append, dice: &mut Dice<'_>) {
    let (first, count) = (body.entries.first(), body.entries.len() as u32);
    let bytes = body.entries.bytes();
    let changed = match dice.below(8) {
        0 => return body.session = dice.small_number(body.session),
        1 => return body.prev_term = dice.term(body.prev_term),
        2 => return body.prev_checksum = dice.small_number(body.prev_checksum),
        3 => return body.commit = dice.index(body.commit),
        4 => Entries::decode(first, 0, Bytes::new()),
        5 => Entries::decode(dice.index(first), count, bytes.clone()),
        _ if bytes.is_empty() => return,
        _ => {
            let mut damaged = bytes.to_vec();
            let place = dice.below(damaged.len().min(256));
            damaged[place] ^= 1 << dice.below(8);
            Entries::decode(first, count, damaged.into())
        }
    };
    if let Ok(entries) = changed {
        body.entries = entries;
    }
}

fn change_piece(body: &mut SnapshotPiece, dice: &mut Dice<'_>) {
    match dice.below(10) {
        0 => body.session = dice.small_number(body.session),
        1 => body.meta.chain = dice.small_number(body.meta.chain),
        2 => body.meta.membership_index = dice.index(body.meta.membership_index),
        3 => body.meta.length = dice.number(body.meta.length),
        4 => body.meta.checksum ^= 1,
        5 => body.chunk.offset = dice.number(body.chunk.offset),
        6 => body.chunk.total = dice.number(body.chunk.total),
        7 => body.chunk.data = body.chunk.data.slice(body.chunk.data.len().min(1)..),
        8 => {
            let (members, outgoing) = forged_members(dice);
            body.meta.membership = forge::membership(&members, &outgoing);
        }
        _ => {
            // A frame names its snapshot once.
            change_snapshot_id(&mut body.meta.id, dice);
            body.chunk.snapshot = body.meta.id;
        }
    }
}

fn change_snapshot_id(id: &mut SnapshotId, dice: &mut Dice<'_>) {
    match dice.below(4) {
        0 => id.index = dice.index(id.index),
        1 => id.term = dice.term(id.term),
        2 => id.maker = NodeId(dice.number(id.maker.0)),
        _ => id.counter = dice.number(id.counter),
    }
}

fn changed_outcome(outcome: AppendOutcome, dice: &mut Dice<'_>) -> AppendOutcome {
    let (index, checksum) = match outcome {
        AppendOutcome::Success { matched } => (matched, 0),
        AppendOutcome::Conflict { prev, .. } => (prev, 0),
        AppendOutcome::NotNow { verified } => (verified, 0),
        AppendOutcome::Diverged { at, checksum } => (at.index, checksum),
        AppendOutcome::OldTerm => (LogIndex(2), 0),
    };
    let index = dice.index(index);
    let at = dice.entry_id(EntryId { term: Term(1), index });
    match dice.below(6) {
        0 => AppendOutcome::Conflict { prev: index, hint: at },
        1 => AppendOutcome::NotNow { verified: index },
        2 => AppendOutcome::Diverged { at, checksum },
        3 => AppendOutcome::OldTerm,
        _ => AppendOutcome::Success { matched: index },
    }
}
