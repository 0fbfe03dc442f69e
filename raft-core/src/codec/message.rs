//! Frames: version, group, from, to, kind, length of the head, postcard head, checksum, body bytes.

use alloc::boxed::Box;
use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize, Serializer};

use super::frame::{Frame, Head};
use super::{CHECKSUM_BYTES, FORMAT_VERSION, MAX_FRAME_BYTES, fixed, frame_checksum, whole};
use crate::entries::{Checksum, Entries, EntriesError};
use crate::error::DecodeError;
use crate::message::{Append, Body, Message, MessageKind, SnapshotPiece};
use crate::output::{SnapshotChunk, SnapshotMeta};
use crate::types::{EntryId, GroupId, LogIndex, NodeId, Term};

/// Bytes before the postcard head.
const FIXED_BYTES: usize = LENGTH_AT + 4;
/// Where the length of the head stands.
const LENGTH_AT: usize = 1 + 8 + 8 + 8 + 1;

/// The outside of a frame: enough to route it without decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The group it belongs to.
    pub group: GroupId,
    /// The node that made it.
    pub from: NodeId,
    /// The node it is for.
    pub to: NodeId,
    /// Its kind.
    pub kind: MessageKind,
}

impl Header {
    /// Reads the outside of a frame. The checksum is not compared.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end too early, or version or kind are unknown.
    pub fn peek(frame: &[u8]) -> Result<Self, DecodeError> {
        Self::read(frame).map(|(header, _)| header)
    }

    /// The outside of a frame, and the length of its head.
    fn read(frame: &[u8]) -> Result<(Self, usize), DecodeError> {
        let mut rest: &[u8] = fixed::<FIXED_BYTES>(frame)?;
        rest.advance(1);
        let group = GroupId(rest.get_u64_le());
        let from = NodeId(rest.get_u64_le());
        let to = NodeId(rest.get_u64_le());
        let kind = rest.get_u8();
        let kind = MessageKind::from_byte(kind).ok_or(DecodeError::UnknownKind { kind })?;
        Ok((Self { group, from, to, kind }, rest.get_u32_le() as usize))
    }

    const fn around(self, term: Term, body: Body) -> Message {
        Message { group: self.group, from: self.from, to: self.to, term, body }
    }
}

type Decoded = Result<Message, DecodeError>;

#[derive(Serialize, Deserialize)]
struct AppendHead {
    session: u32,
    prev: EntryId,
    #[serde(with = "postcard::fixint::le")]
    prev_checksum: Checksum,
    commit: LogIndex,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct PieceHead {
    session: u32,
    meta: SnapshotMeta,
    offset: u64,
    total: u64,
}

impl Message {
    /// The message as a frame: version, group, from, to, kind, head, checksum, body.
    #[must_use]
    pub fn encode(&self) -> Frame {
        let mut head = Head::new();
        head.put(&[FORMAT_VERSION]);
        for id in [self.group.0, self.from.0, self.to.0] {
            head.put(&id.to_le_bytes());
        }
        head.put(&[self.kind() as u8, 0, 0, 0, 0]);
        let _ = postcard::serialize_with_flavor(&(self.term, &self.body), &mut head);
        let length = head.bytes().len().saturating_sub(FIXED_BYTES);
        if let Some(place) = head.bytes_mut().get_mut(LENGTH_AT..FIXED_BYTES) {
            place.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        let body = match &self.body {
            Body::Append(append) => append.entries.bytes().clone(),
            Body::SnapshotChunk(piece) => piece.chunk.data.clone(),
            _ => Bytes::new(),
        };
        head.put(&checksum(self.kind(), head.bytes(), &body));
        Frame { head, body }
    }

    /// Reads one whole frame. Entries keep sharing its memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with the bytes; the checksum is compared before the head
    /// is read. It leaves out the bytes of entries: damage of these is found by `receive`.
    pub fn decode(mut frame: Bytes) -> Result<Self, DecodeError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge { bytes: frame.len(), max: MAX_FRAME_BYTES });
        }
        let (outside, head_length) = Header::read(&frame)?;
        let head_end = FIXED_BYTES.saturating_add(head_length);
        let (whole_head, rest) = frame.split_at_checked(head_end).ok_or(DecodeError::Truncated)?;
        let (sum, body) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        if checksum(outside.kind, whole_head, body) != *sum {
            return Err(DecodeError::Checksum);
        }
        let head = whole_head.get(FIXED_BYTES..).ok_or(DecodeError::Truncated)?;
        let body_at = head_end.saturating_add(CHECKSUM_BYTES);
        match outside.kind {
            MessageKind::Append => {
                let (term, head) = whole(head)?;
                frame.advance(body_at);
                append(outside, term, head, frame)
            }
            MessageKind::SnapshotChunk => {
                let (term, head) = whole(head)?;
                frame.advance(body_at);
                piece(outside, term, head, frame)
            }
            _ if !body.is_empty() => Err(DecodeError::Trailing),
            MessageKind::PreVote => plain(outside, head, Body::PreVote),
            MessageKind::PreVoteReply => plain(outside, head, Body::PreVoteReply),
            MessageKind::RequestVote => plain(outside, head, Body::RequestVote),
            MessageKind::VoteReply => plain(outside, head, Body::VoteReply),
            MessageKind::AppendReply => plain(outside, head, Body::AppendReply),
            MessageKind::Heartbeat => plain(outside, head, Body::Heartbeat),
            MessageKind::HeartbeatReply => plain(outside, head, Body::HeartbeatReply),
            MessageKind::Commit => plain(outside, head, Body::Commit),
            MessageKind::SnapshotReply => {
                plain(outside, head, |body| Body::SnapshotReply(Box::new(body)))
            }
            MessageKind::ReadIndex => plain(outside, head, Body::ReadIndex),
            MessageKind::ReadIndexReply => plain(outside, head, Body::ReadIndexReply),
            MessageKind::TimeoutNow => plain(outside, head, |()| Body::TimeoutNow),
        }
    }
}

/// The checksum of a frame. It leaves out the entries of an append: their hash chain covers them, and a
/// node follows it before it adopts anything.
fn checksum(kind: MessageKind, head: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    frame_checksum(head, if kind == MessageKind::Append { &[] } else { body })
}

/// As the head of a frame; the entries follow it.
impl Serialize for Append {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { session, prev_checksum, commit, ref entries, .. } = *self;
        let (prev, count) = (self.prev(), entries.count());
        AppendHead { session, prev, prev_checksum, commit, count }.serialize(serializer)
    }
}

/// As the head of a frame; the bytes follow it.
impl Serialize for SnapshotPiece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { session, ref meta, chunk: SnapshotChunk { offset, total, .. } } = *self;
        PieceHead { session, meta: meta.clone(), offset, total }.serialize(serializer)
    }
}

fn plain<'a, T: Deserialize<'a>>(
    outside: Header,
    head: &'a [u8],
    wrap: impl FnOnce(T) -> Body,
) -> Decoded {
    let (term, body) = whole::<(Term, T)>(head)?;
    Ok(outside.around(term, wrap(body)))
}

fn append(outside: Header, term: Term, head: AppendHead, bytes: Bytes) -> Decoded {
    let AppendHead { session, prev, prev_checksum, commit, count } = head;
    let first = prev.index.0.checked_add(1).ok_or(EntriesError::Index)?;
    let entries = Entries::decode(LogIndex(first), count, bytes)?;
    let append = Append { session, prev_checksum, prev_term: prev.term, commit, entries };
    Ok(outside.around(term, Body::Append(append)))
}

fn piece(outside: Header, term: Term, head: PieceHead, data: Bytes) -> Decoded {
    let PieceHead { session, meta, offset, total } = head;
    meta.membership.validate()?;
    let chunk = SnapshotChunk { snapshot: meta.id, offset, total, data };
    let piece = SnapshotPiece { session, meta, chunk };
    Ok(outside.around(term, Body::SnapshotChunk(Box::new(piece))))
}
