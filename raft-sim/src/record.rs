//! Recordings: everything that a node was given in its last life, to be played again.

use bytes::Bytes;
use raftcore::{
    Answer, Config, DecodeError, Identity, Input, LogIndex, Membership, Node, StartError, Stored,
    StoredError, Write,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::transcript::{Gave, Given};

/// What every recording begins with.
const MARK: &[u8] = b"raftcore recording ";
/// Version of the format.
const VERSION: u8 = 1;

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
    /// For the first time, to be added by a running group.
    Join {
        /// The group and the node.
        identity: Identity,
    },
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
    /// The file is something else.
    #[error("not a recording")]
    NotARecording,
    /// Written by a version this one does not know.
    #[error("a recording of version {version}; this program reads version {VERSION}")]
    UnknownVersion {
        /// Its version.
        version: u8,
    },
    /// The checksum does not fit the bytes, or they cannot be read.
    #[error("the recording is damaged or cut short")]
    Damaged,
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
    /// The recording as a file: a mark, a version, the lives, a checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = MARK.to_vec();
        file.push(VERSION);
        let mut file = postcard::to_extend(self, file).unwrap_or_default();
        let checksum = xxh3_64(&file).to_le_bytes();
        file.extend_from_slice(&checksum);
        file
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// [`RecordingError`] if the bytes are none, of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordingError> {
        let body = bytes.strip_prefix(MARK).ok_or(RecordingError::NotARecording)?;
        let version = *body.first().ok_or(RecordingError::Damaged)?;
        if version != VERSION {
            return Err(RecordingError::UnknownVersion { version });
        }
        let (file, checksum) = bytes.split_last_chunk::<8>().ok_or(RecordingError::Damaged)?;
        if xxh3_64(file).to_le_bytes() != *checksum {
            return Err(RecordingError::Damaged);
        }
        let body = file.get(MARK.len() + 1..).ok_or(RecordingError::Damaged)?;
        postcard::from_bytes(body).map_err(|_| RecordingError::Damaged)
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
        self.tell(|_| {})
    }

    /// Plays the life again and tells each input, and below it what the node gave back.
    ///
    /// # Errors
    /// [`RecordingError`] if it cannot be started or answers otherwise; the lines come all the same.
    pub fn tell(&self, mut line: impl FnMut(&str)) -> Result<Node, RecordingError> {
        let stored = match &self.start {
            Start::Found { identity, membership } => Stored::found(*identity, membership.clone()),
            Start::Stored(records) => fold(records)?,
            Start::Join { identity } => Stored::join(*identity),
        };
        let mut node = Node::new(self.config.clone(), stored, self.applied)?;
        let (identity, life) = (node.identity(), node.incarnation());
        line(&format!("node {} of group {}, life {life}", identity.node, identity.group));
        let mut answers = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let answer = node.input(input.clone());
            line(&format!("> {}", Given(input)));
            if answer != Answer::Done {
                line(&format!("  {}", Gave(&answer)));
            }
            answers.push(answer);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::{GroupId, NodeId, Tick};

    /// A single node that elects itself, recorded.
    fn recording() -> Recording {
        let identity = Identity { group: GroupId(1), node: NodeId(1) };
        let membership = Membership::of_voters([1]).expect("a voter");
        let stored = Stored::found(identity, membership.clone());
        let mut node = Node::new(Config::default(), stored, LogIndex(0)).expect("a start");
        let inputs = [Input::Tick(Tick(0)), Input::Campaign, Input::Poll, Input::Poll];
        let answers: Vec<Answer> = inputs.iter().map(|input| node.input(input.clone())).collect();
        let life = NodeRecording {
            config: Config::default(),
            start: Start::Found { identity, membership },
            applied: LogIndex(0),
            inputs: inputs.to_vec(),
            answers: answers_digest(&answers),
        };
        Recording { seed: 7, nodes: vec![life] }
    }

    #[test]
    fn a_recording_plays_again_to_the_same_answers_and_tells_them() {
        let recording = Recording::decode(&recording().encode()).expect("a recording");
        let mut lines = Vec::new();
        let played = recording.nodes[0].tell(|line| lines.push(line.to_owned()));
        assert!(played.is_ok());
        assert_eq!(lines[..3], ["node 1 of group 1, life 1", "> tick 0", "> campaign"]);
        assert_eq!(lines[4], "  persist write 1.1 term 1 incarnation 1 vote 1 founding");
    }

    #[test]
    fn a_recording_that_plays_otherwise_is_noticed() {
        let mut recording = recording();
        recording.nodes[0].inputs.push(Input::Propose(Bytes::new()));
        assert_eq!(recording.replay().map(drop), Err(RecordingError::Differs));
    }

    #[test]
    fn a_damaged_cut_or_foreign_recording_is_named() {
        let file = recording().encode();
        for length in 0..file.len() {
            assert!(Recording::decode(&file[..length]).is_err());
        }
        let mut damaged = file.clone();
        damaged[MARK.len() + 4] ^= 1;
        assert_eq!(Recording::decode(&damaged), Err(RecordingError::Damaged));
        let mut newer = file;
        newer[MARK.len()] = 9;
        assert_eq!(Recording::decode(&newer), Err(RecordingError::UnknownVersion { version: 9 }));
        assert_eq!(Recording::decode(b"something"), Err(RecordingError::NotARecording));
    }
}
