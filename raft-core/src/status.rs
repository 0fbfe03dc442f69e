//! What a node knows of itself and its peers, for people and dashboards.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::types::{Identity, LogIndex, NodeId, Term};

/// The part a node plays (Raft 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether an election could be won (thesis 9.6).
    PreCandidate,
    /// Runs for leadership.
    Candidate,
    /// Leads.
    Leader,
}

/// A node at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Group and node.
    pub identity: Identity,
    /// Its role.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// The leader it knows of in this term.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_index: LogIndex,
    /// The last entry known to be committed.
    pub commit_index: LogIndex,
    /// The last entry the state machine has applied.
    pub applied_index: LogIndex,
    /// The last entry that is durable here.
    pub stable_index: LogIndex,
    /// Writes handed out and not yet acknowledged.
    pub writes_in_flight: usize,
    /// Bytes of entries that are not yet durable.
    pub undurable_bytes: usize,
    /// Bytes proposed in this term and not yet handed out for `Apply`.
    pub uncommitted_bytes: usize,
    /// Memory held by the window, in bytes of capacity: recent entries of the log.
    pub window_bytes: usize,
    /// Whether the node has halted.
    pub halted: bool,
    /// What a leader knows of each peer; empty elsewhere.
    pub peers: Vec<PeerStatus>,
    /// One count per rejected or ignored path.
    pub counters: Counters,
}

/// How a leader replicates to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerState {
    /// Looks for the last entry in common, one append at a time.
    Probe,
    /// Sends ahead of the replies.
    Stream,
    /// Ships a snapshot.
    Snapshot,
}

/// What a leader knows of one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The peer.
    pub id: NodeId,
    /// How it is served.
    pub state: PeerState,
    /// The last entry known to be durable there (Raft figure 2, matchIndex).
    pub matched: LogIndex,
    /// The next entry to send (Raft figure 2, nextIndex).
    pub next: LogIndex,
    /// Appends under way.
    pub in_flight_messages: usize,
    /// Bytes of entries under way.
    pub in_flight_bytes: usize,
}

/// One count per rejected or ignored path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Messages answered with `RejectedMessage`.
    pub rejected_messages: u64,
    /// Messages of an earlier term.
    pub old_term: u64,
    /// Replies and appends of an earlier replication session.
    pub old_session: u64,
    /// Votes not considered because a leader is alive (thesis 6.2).
    pub leader_alive: u64,
    /// Votes not considered because this node has just started.
    pub just_started: u64,
    /// Replies of nodes that are no members: removed ones, say.
    pub not_member: u64,
    /// Replies nobody waits for.
    pub unexpected_replies: u64,
    /// Appends answered with "not now".
    pub not_now: u64,
    /// Appends whose predecessor was not found (Raft 5.3).
    pub conflicts: u64,
    /// Answers of storage that came twice, or too late to be of use.
    pub dropped_answers: u64,
    /// Messages merged with or displaced by a newer one before they were polled.
    pub merged_messages: u64,
    /// Events dropped because nobody polled them.
    pub dropped_events: u64,
    /// Ticks earlier than one given before.
    pub earlier_ticks: u64,
    /// Proposals and other wishes refused.
    pub refused: u64,
    /// Elections started.
    pub campaigns: u64,
}
