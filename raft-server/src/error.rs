//! Why a server does not start, why it stops, and why a request got no success.

use std::io;

use raftcore::{HaltReason, LogIndex, MembershipError, NodeId};
use thiserror::Error;

use crate::config::SettingsError;
use crate::machine::RestoreError;
use crate::store::StoreError;

/// Why a server did not start; nothing was changed on disk beyond what an empty folder needs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address or stop what uses it")]
    Address {
        /// The address.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The node refuses what it was given.
    #[error("node: {0}")]
    Node(#[from] raftcore::StartError),
    /// The HTTP client for forwarding cannot be made.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// No member of the group told where its members are.
    #[error("cannot join at {url}: {what}; name a node that runs")]
    Join {
        /// Who was asked.
        url: String,
        /// What went wrong.
        what: String,
    },
    /// The disk's thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Why a server stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StopReason {
    /// It was told to.
    #[error("stopped")]
    Asked,
    /// The disk failed; a failed sync is never tried again.
    #[error("{0}; the node stopped: repair the disk, then start it again")]
    Store(StoreError),
    /// The node halted.
    #[error("the node halted: {0:?}; start it again from its data folder, or replace it")]
    Halted(HaltReason),
    /// The state machine cannot be restored from a snapshot.
    #[error("the snapshot at entry {index} cannot be restored: {error}; replace the node")]
    Snapshot {
        /// The last entry it contains.
        index: LogIndex,
        /// Why.
        error: RestoreError,
    },
    /// The driver is gone: a bug.
    #[error("the driver of the node ended unexpectedly")]
    Lost,
}

/// Why a request got no success.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// This node does not lead. Nothing was changed.
    #[error("{}", match leader {
        Some(id) => format!("this node does not lead; node {id} does"),
        None => "no leader is known; try again".to_owned(),
    })]
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// Too much is under way. Nothing was changed.
    #[error("too many requests are under way; try again")]
    Busy,
    /// The command is larger than the group allows. Nothing was changed.
    #[error("the command has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An empty command; the server keeps those for itself. Nothing was changed.
    #[error("the command is empty")]
    Empty,
    /// A new leader put another entry in its place. Certainly not applied.
    #[error("a new leader replaced the entry; it was not applied; try again")]
    Overwritten,
    /// The wished-for membership cannot be. Nothing was changed.
    #[error("members: {0}")]
    Membership(MembershipError),
    /// Applied or not, nobody here can tell.
    #[error("the answer was lost; the request may or may not have been applied")]
    Unknown,
    /// The server stops, or has halted. Nothing was changed.
    #[error("the server is stopping")]
    Stopping,
}
