//! A recording as lines to read: each input, and what the node gave back.

use core::fmt;

use raftcore::{Answer, Input, Output};

use crate::trace::{Named, Told, Written};

/// An input in one line.
pub(crate) struct Given<'a>(pub(crate) &'a Input);

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Input::Tick(now) => write!(f, "tick {now}"),
            Input::Receive(message) => write!(f, "receive {}", Told(message)),
            Input::Propose(payload) => write!(f, "propose {} bytes", payload.len()),
            Input::ProposeMembership(change) => {
                write!(f, "propose membership based on {}:", change.based_on)?;
                change.members.iter().try_for_each(|member| {
                    let standing = if member.voter { "voter" } else { "learner" };
                    write!(f, " {standing} {}", member.id)
                })
            }
            Input::Read { id, consistency } => write!(f, "read {id} {consistency:?}"),
            Input::TransferLeadership { to } => write!(f, "transfer leadership to n{to}"),
            Input::Campaign => write!(f, "campaign"),
            Input::StepDown => write!(f, "step down"),
            Input::Trim { max_bytes } => write!(f, "trim {max_bytes}"),
            Input::Persisted(id) => write!(f, "persisted {id}"),
            Input::Applied(index) => write!(f, "applied {index}"),
            Input::SnapshotTaken(index) => write!(f, "snapshot taken at {index}"),
            Input::SnapshotChunk { request, chunk: Ok(chunk) } => {
                let (sequence, bytes, total) = (request.sequence, chunk.data.len(), chunk.total);
                write!(f, "chunk {sequence}: {bytes} bytes of {total}")
            }
            Input::SnapshotChunk { request, chunk: Err(_) } => {
                write!(f, "chunk {} is unavailable", request.sequence)
            }
            Input::StorageFailed => write!(f, "storage failed"),
            Input::Poll => write!(f, "poll"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// An answer in one line; none where there is nothing to say.
pub(crate) struct Gave<'a>(pub(crate) &'a Answer);

impl fmt::Display for Gave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Answer::Done => Ok(()),
            Answer::Proposed(id) => write!(f, "proposed {id}"),
            Answer::Output(None) => write!(f, "nothing"),
            Answer::Output(Some(output)) => match output {
                Output::Send(message) => write!(f, "send {}", Told(message)),
                Output::Persist(write) => write!(f, "persist {}", Written(write)),
                Output::Apply(committed) => {
                    write!(f, "apply {} to {}", committed.entries.first(), committed.last())
                }
                Output::Restore(meta) => write!(f, "restore snapshot {}", Named(&meta.id)),
                Output::ReadSnapshot(request) => {
                    let (sequence, snapshot) = (request.id.sequence, Named(&request.snapshot));
                    write!(f, "chunk {sequence}: read snapshot {snapshot} at {}", request.offset)?;
                    write!(f, ", at most {} bytes", request.max_bytes)
                }
                Output::ReadReady(id) => write!(f, "read {id} is ready"),
                other => write!(f, "{other:?}"),
            },
            Answer::Refused(error) => write!(f, "refused: {error}"),
            Answer::Rejected(error) => write!(f, "rejected: {error}"),
            Answer::Misuse(error) => write!(f, "misuse: {error}"),
        }
    }
}
