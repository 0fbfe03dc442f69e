//! `GET /status`: what a node says of itself.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use raftcore::{LogIndex, NodeId};
use serde::{Deserialize, Serialize};

use super::{Context, ErrorBody, ErrorKind, Reply, Shared, json_response};
use crate::config::MemberAddresses;
use crate::server::ServerStatus;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusQuery {
    index: Option<u64>,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusBody {
    /// The node.
    pub id: NodeId,
    /// Its group.
    pub group: raftcore::GroupId,
    /// How often it was started.
    pub incarnation: raftcore::Incarnation,
    /// Its role.
    pub role: raftcore::RoleName,
    /// Its term.
    pub term: raftcore::Term,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_index: LogIndex,
    /// The last entry known to be committed.
    pub commit_index: LogIndex,
    /// The last entry that was applied.
    pub applied_index: LogIndex,
    /// The last entry that is durable here.
    pub stable_index: LogIndex,
    /// Whether the node has halted.
    pub halted: bool,
    /// The log's checksum at an index, as eight hexadecimal digits.
    pub checksum: StatusChecksum,
    /// The members and their addresses, empty where nobody here knows them.
    pub members: Vec<MemberAddresses>,
    /// The last entry of the newest snapshot; 0 if there is none.
    pub snapshot_index: u64,
    /// What a leader knows of its peers.
    pub peers: Vec<raftcore::PeerStatus>,
    /// One count per rejected or ignored path of the node.
    pub counters: raftcore::Counters,
    /// What the transport has carried.
    pub transport: crate::transport::TransportStatus,
    /// What the store has written.
    pub store: crate::server::StoreStatus,
}

/// The checksum of a log at one entry; covers every entry before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChecksum {
    /// The entry.
    pub index: LogIndex,
    /// Eight hexadecimal digits; `None` if the entry is not here.
    pub value: Option<String>,
}

impl StatusBody {
    fn new(context: &Context, status: ServerStatus) -> Self {
        let ServerStatus { node, incarnation, membership, checksum, transport, store, .. } = status;
        let value = checksum.value.map(|value| format!("{value:08x}"));
        Self {
            id: node.identity.node,
            group: node.identity.group,
            incarnation,
            role: node.role,
            term: node.term,
            leader: node.leader,
            last_index: node.last_index,
            commit_index: node.commit_index,
            applied_index: node.applied_index,
            stable_index: node.stable_index,
            halted: node.halted,
            checksum: StatusChecksum { index: checksum.index, value },
            members: context.addresses.list(&membership),
            snapshot_index: store.snapshot_index,
            peers: node.peers,
            counters: node.counters,
            transport,
            store,
        }
    }
}

pub(super) async fn status(
    State(context): Shared,
    query: Result<Query<StatusQuery>, axum::extract::rejection::QueryRejection>,
) -> Reply {
    let Query(StatusQuery { index }) = query
        .map_err(|rejection| ErrorBody::new(ErrorKind::WrongRequest, rejection.body_text()))?;
    let status = context.handle.status(index.map(LogIndex)).await?;
    Ok(json_response(StatusCode::OK, &StatusBody::new(&context, status)))
}
