//! Recordings: everything that a node was given in its last life, to be played again.

use bytes::Bytes;
use raftcore::{
    Answer, Config, DecodeError, Identity, Input, LogIndex, Membership, Node, StartError, Stored,
    StoredError, Write,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

/// How a recorded life began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// For the first time, as a founding member.
    Found {
        /// The group and the node.
        identity: Identity,
        /// The founding members.
        membership: Membership,
    },
    /// From these stored records.
    Stored(Vec<Vec<u8>>),
}

/// One life of one node: what it began with and every input since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecording {
    /// Its configuration.
    pub config: Config,
    /// How it began.
    pub start: Start,
    /// What its state machine held.
    pub applied: LogIndex,
    /// Every input, polls included.
    pub inputs: Vec<Input>,
    /// Digest of every answer.
    pub answers: u64,
}

/// The last lives of all nodes that ran when a property broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The seed of the run.
    pub seed: u64,
    /// Its nodes.
    pub nodes: Vec<NodeRecording>,
}

/// Why a recording cannot be read or played.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The bytes are not a recording.
    #[error("not a recording: {0}")]
    Bytes(#[from] postcard::Error),
    /// A stored record cannot be read.
    #[error("a stored record cannot be read: {0}")]
    Record(#[from] DecodeError),
    /// The stored records do not fold.
    #[error("the stored records do not fold: {0}")]
    Stored(#[from] StoredError),
    /// The node does not start.
    #[error("the node does not start: {0}")]
    Start(#[from] StartError),
    /// The node answers otherwise than it did.
    #[error("the answers differ from the recorded ones")]
    Differs,
}

impl Recording {
    /// The recording as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// [`RecordingError::Bytes`] if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordingError> {
        Ok(postcard::from_bytes(bytes)?)
    }

    /// Plays every node's life again and compares the answers.
    ///
    /// # Errors
    /// [`RecordingError`] if a node cannot be started or answers otherwise.
    pub fn replay(&self) -> Result<Vec<Node>, RecordingError> {
        self.nodes.iter().map(NodeRecording::replay).collect()
    }
}

impl NodeRecording {
    /// Plays the life again; gives the node as it was at the end.
    ///
    /// # Errors
    /// [`RecordingError`] if it cannot be started or answers otherwise.
    pub fn replay(&self) -> Result<Node, RecordingError> {
        let stored = match &self.start {
            Start::Found { identity, membership } => Stored::found(*identity, membership.clone()),
            Start::Stored(records) => fold(records)?,
        };
        let mut node = Node::new(self.config.clone(), stored, self.applied)?;
        let answers: Vec<Answer> =
            self.inputs.iter().map(|input| node.input(input.clone())).collect();
        if answers_digest(&answers) == self.answers {
            Ok(node)
        } else {
            Err(RecordingError::Differs)
        }
    }
}

fn fold(records: &[Vec<u8>]) -> Result<Stored, RecordingError> {
    let mut stored = Stored::empty();
    for record in records {
        let (write, _) = Write::decode(&Bytes::copy_from_slice(record))?;
        stored.replay(write)?;
    }
    Ok(stored)
}

/// Digest of all answers, to tell two runs apart.
pub(crate) fn answers_digest(answers: &[Answer]) -> u64 {
    let mut digest = Xxh3::new();
    for answer in answers {
        digest.update(format!("{answer:?}").as_bytes());
    }
    digest.digest()
}
