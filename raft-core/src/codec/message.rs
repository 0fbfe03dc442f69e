//! Frames: version, group, from, to, kind, length of the head, postcard head, body bytes, checksum.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    CHECKSUM_BYTES, FORMAT_VERSION, MAX_FRAME_BYTES, frame_checksum, take_array, take_u32,
    take_u64, whole,
};
use crate::entries::Entries;
use crate::error::DecodeError;
use crate::message::{Append, Body, Frame, Message, MessageKind, SnapshotPiece};
use crate::output::{SnapshotChunk, SnapshotMeta};
use crate::types::{EntryId, GroupId, LogIndex, NodeId, Term};

/// Bytes before the postcard head.
const FIXED_BYTES: usize = 1 + 8 + 8 + 8 + 1 + 4;

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
        let mut rest = frame;
        Self::take(&mut rest)
    }

    fn take(rest: &mut &[u8]) -> Result<Self, DecodeError> {
        let [version] = take_array(rest)?;
        if version != FORMAT_VERSION {
            return Err(DecodeError::UnknownVersion { version });
        }
        let group = GroupId(take_u64(rest)?);
        let from = NodeId(take_u64(rest)?);
        let to = NodeId(take_u64(rest)?);
        let [kind] = take_array(rest)?;
        let kind = MessageKind::from_byte(kind).ok_or(DecodeError::UnknownKind { kind })?;
        Ok(Self { group, from, to, kind })
    }
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    session: u32,
    prev: EntryId,
    prev_checksum: u32,
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
    /// The message as a frame: version, group, from, to, kind, head, body, checksum.
    #[must_use]
    pub fn encode(&self) -> Frame {
        let mut head = Vec::with_capacity(80);
        head.push(FORMAT_VERSION);
        head.extend_from_slice(&self.group.0.to_le_bytes());
        head.extend_from_slice(&self.from.0.to_le_bytes());
        head.extend_from_slice(&self.to.0.to_le_bytes());
        head.push(self.kind() as u8);
        head.extend_from_slice(&[0; 4]);
        let head = self.extend_head(head);
        let body = match &self.body {
            Body::Append(append) => append.entries.bytes().clone(),
            Body::SnapshotChunk(piece) => piece.chunk.data.clone(),
            _ => Bytes::new(),
        };
        let mut head = head;
        let length = u32::try_from(head.len().saturating_sub(FIXED_BYTES)).unwrap_or(u32::MAX);
        if let Some(space) = head.get_mut(FIXED_BYTES.saturating_sub(4)..FIXED_BYTES) {
            space.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = frame_checksum(&head, &body);
        Frame { head, body, checksum }
    }

    fn extend_head(&self, head: Vec<u8>) -> Vec<u8> {
        let term = self.term;
        match &self.body {
            Body::PreVote(body) => extend(head, &(term, body)),
            Body::PreVoteReply(body) => extend(head, &(term, body)),
            Body::RequestVote(body) => extend(head, &(term, body)),
            Body::VoteReply(body) => extend(head, &(term, body)),
            Body::Append(body) => {
                let count = u32::try_from(body.entries.len()).unwrap_or(u32::MAX);
                let Append { session, prev, prev_checksum, commit, .. } = *body;
                extend(head, &(term, AppendHead { session, prev, prev_checksum, commit, count }))
            }
            Body::AppendReply(body) => extend(head, &(term, body)),
            Body::Heartbeat(body) => extend(head, &(term, body)),
            Body::HeartbeatReply(body) => extend(head, &(term, body)),
            Body::Commit(body) => extend(head, &(term, body)),
            Body::SnapshotChunk(body) => {
                let meta = body.meta.clone();
                let (offset, total) = (body.chunk.offset, body.chunk.total);
                extend(head, &(term, PieceHead { session: body.session, meta, offset, total }))
            }
            Body::SnapshotReply(body) => extend(head, &(term, body)),
            Body::ReadIndex(body) => extend(head, &(term, body)),
            Body::ReadIndexReply(body) => extend(head, &(term, body)),
            Body::TimeoutNow => extend(head, &(term,)),
        }
    }

    /// Reads one whole frame. Entries keep sharing its memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong with the bytes; the checksum is compared before the head
    /// is read.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLarge { bytes: frame.len(), max: MAX_FRAME_BYTES });
        }
        let mut rest: &[u8] = &frame;
        let header = Header::take(&mut rest)?;
        let head_length = take_u32(&mut rest)? as usize;
        let (rest, checksum) =
            rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(DecodeError::Truncated)?;
        let (head, body) = rest.split_at_checked(head_length).ok_or(DecodeError::Truncated)?;
        let head_end = FIXED_BYTES.saturating_add(head_length);
        let whole_head = frame.get(..head_end).ok_or(DecodeError::Truncated)?;
        if frame_checksum(whole_head, body) != *checksum {
            return Err(DecodeError::Checksum);
        }
        let body = frame.slice_ref(body);
        let (term, body) = decode_body(header.kind, head, body)?;
        let Header { group, from, to, .. } = header;
        Ok(Self { group, from, to, term, body })
    }
}

fn extend<T: Serialize>(head: Vec<u8>, value: &T) -> Vec<u8> {
    postcard::to_extend(value, head).unwrap_or_default()
}

fn decode_body(kind: MessageKind, head: &[u8], bytes: Bytes) -> Result<(Term, Body), DecodeError> {
    if !matches!(kind, MessageKind::Append | MessageKind::SnapshotChunk) && !bytes.is_empty() {
        return Err(DecodeError::Trailing);
    }
    Ok(match kind {
        MessageKind::PreVote => plain(head, Body::PreVote)?,
        MessageKind::PreVoteReply => plain(head, Body::PreVoteReply)?,
        MessageKind::RequestVote => plain(head, Body::RequestVote)?,
        MessageKind::VoteReply => plain(head, Body::VoteReply)?,
        MessageKind::Append => append(head, bytes)?,
        MessageKind::AppendReply => plain(head, Body::AppendReply)?,
        MessageKind::Heartbeat => plain(head, Body::Heartbeat)?,
        MessageKind::HeartbeatReply => plain(head, Body::HeartbeatReply)?,
        MessageKind::Commit => plain(head, Body::Commit)?,
        MessageKind::SnapshotChunk => piece(head, bytes)?,
        MessageKind::SnapshotReply => plain(head, |body| Body::SnapshotReply(Box::new(body)))?,
        MessageKind::ReadIndex => plain(head, Body::ReadIndex)?,
        MessageKind::ReadIndexReply => plain(head, Body::ReadIndexReply)?,
        MessageKind::TimeoutNow => (whole::<(Term,)>(head)?.0, Body::TimeoutNow),
    })
}

fn plain<'a, T: Deserialize<'a>>(
    head: &'a [u8],
    wrap: impl FnOnce(T) -> Body,
) -> Result<(Term, Body), DecodeError> {
    let (term, body) = whole::<(Term, T)>(head)?;
    Ok((term, wrap(body)))
}

fn append(head: &[u8], bytes: Bytes) -> Result<(Term, Body), DecodeError> {
    let (term, head) = whole::<(Term, AppendHead)>(head)?;
    let AppendHead { session, prev, prev_checksum, commit, count } = head;
    let entries = Entries::decode(prev.index.next(), count, bytes)?;
    Ok((term, Body::Append(Append { session, prev, prev_checksum, commit, entries })))
}

fn piece(head: &[u8], data: Bytes) -> Result<(Term, Body), DecodeError> {
    let (term, head) = whole::<(Term, PieceHead)>(head)?;
    let PieceHead { session, meta, offset, total } = head;
    meta.membership.validate()?;
    let chunk = SnapshotChunk { snapshot: meta.id, offset, total, data };
    Ok((term, Body::SnapshotChunk(Box::new(SnapshotPiece { session, meta, chunk }))))
}
