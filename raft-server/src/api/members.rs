//! `/members`: who is in the group, and changes of that.

use std::sync::Arc;

use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;
use raftcore::{LogIndex, Member, MembershipChange, NodeId, RoleName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::{Context, ErrorBody, ErrorKind, Reply, Shared, Whole, forward, json_response};
use crate::config::MemberAddresses;
use crate::error::Failure;
use crate::server::ServerStatus;

/// The membership in force at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersBody {
    /// The index of the entry that set it; 0 for the founders'.
    pub index: LogIndex,
    /// Whether the voters are being changed through a joint membership.
    pub joint: bool,
    /// Its members.
    pub members: Vec<MemberBody>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBody {
    /// Its id.
    pub id: NodeId,
    /// Whether its vote counts.
    pub voter: bool,
    /// Whether it becomes a voter once it has caught up.
    pub promote: bool,
    /// Where it takes messages of other nodes; empty if nobody here knows it.
    pub raft: String,
    /// Where it takes requests of clients; empty if nobody here knows it.
    pub http: String,
}

/// A node that is to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMember {
    /// Where it takes messages of other nodes, as `host:port`.
    pub raft: String,
    /// Where it takes requests of clients, as `host:port`.
    pub http: String,
    /// Whether it stays a learner: a copy without a vote.
    #[serde(default)]
    pub learner: bool,
}

type Id = Result<Path<u64>, PathRejection>;

pub(super) async fn list(State(context): Shared) -> Reply {
    let status = context.handle.status(None).await?;
    let body = |member: &Member| {
        let found = context.addresses.find(member.id, &status.membership);
        let (raft, http) = found.map(|found| (found.raft, found.http)).unwrap_or_default();
        MemberBody { id: member.id, voter: member.voter, promote: member.promote, raft, http }
    };
    let members = status.membership.members().iter().map(body).collect();
    let (index, joint) = (status.membership_index, status.membership.is_joint());
    Ok(json_response(StatusCode::OK, &MembersBody { index, joint, members }))
}

pub(super) async fn add(
    State(context): Shared,
    id: Id,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Reply {
    let id = checked(id)?;
    let wrong = |what: String| ErrorBody::new(ErrorKind::WrongRequest, what);
    let body = body.map_err(|rejection| wrong(rejection.body_text()))?;
    let new: NewMember = serde_json::from_slice(&body).map_err(|error| {
        let message = format!("expected the addresses of the new member: {error}");
        ErrorBody::new(ErrorKind::WrongJson, message)
    })?;
    let addresses = MemberAddresses { id, raft: new.raft, http: new.http };
    addresses.check().map_err(|error| wrong(error.to_string()))?;
    let member = Member { promote: !new.learner, ..Member::learner(id) };
    let member = member.with_context(addresses.to_context());
    let whole = Whole::new(Method::PUT, &format!("/members/{id}"), &headers, body);
    change(&context, whole, |status| match status.membership.member(id) {
        Some(known) if known.context == member.context => Ok(None),
        Some(_) => {
            let message = format!(
                "node {id} is a member already; a node whose data were lost comes back under a new id"
            );
            Err(ErrorBody::new(ErrorKind::WrongMembers, message))
        }
        None => Ok(Some(with(status, member.clone()))),
    })
    .await
}

pub(super) async fn remove(State(context): Shared, id: Id, request: Request) -> Reply {
    let id = checked(id)?;
    let path = format!("/members/{id}");
    let whole = Whole::new(Method::DELETE, &path, request.headers(), Bytes::new());
    change(&context, whole, |status| {
        known(status, id)?;
        let ServerStatus { membership, membership_index, .. } = status;
        Ok(Some(MembershipChange::remove(*membership_index, membership, id)))
    })
    .await
}

pub(super) async fn promote(State(context): Shared, id: Id, request: Request) -> Reply {
    let id = checked(id)?;
    let path = format!("/members/{id}/promote");
    let whole = Whole::new(Method::POST, &path, request.headers(), Bytes::new());
    change(&context, whole, |status| {
        let member = known(status, id)?;
        let ServerStatus { membership, membership_index, .. } = status;
        let wish = || MembershipChange::promote(*membership_index, membership, id);
        Ok((!member.voter && !member.promote).then(wish))
    })
    .await
}

fn checked(id: Id) -> Result<NodeId, ErrorBody> {
    match id {
        Ok(Path(id)) if id > 0 => Ok(NodeId(id)),
        Ok(_) => Err(ErrorBody::new(ErrorKind::WrongRequest, "a node's id is 1 or more")),
        Err(rejection) => Err(ErrorBody::new(ErrorKind::WrongRequest, rejection.body_text())),
    }
}

fn known(status: &ServerStatus, id: NodeId) -> Result<&Member, ErrorBody> {
    let unknown = || ErrorBody::new(ErrorKind::UnknownMember, format!("node {id} is no member"));
    status.membership.member(id).ok_or_else(unknown)
}

/// The current members and a new one.
fn with(status: &ServerStatus, member: Member) -> MembershipChange {
    MembershipChange::add(status.membership_index, &status.membership, member)
}

/// Has the leader change the membership, as computed from the one in force there; `None`: it is as
/// wished for.
async fn change(
    context: &Arc<Context>,
    whole: Whole,
    wish: impl Fn(&ServerStatus) -> Result<Option<MembershipChange>, ErrorBody>,
) -> Reply {
    let status = context.handle.status(None).await?;
    let proposed = match (status.node.role, status.node.leader) {
        (RoleName::Leader, _) => match wish(&status)? {
            None => {
                let (index, term) = (status.membership_index, status.node.term);
                return Ok(done(index.get(), term.get()));
            }
            Some(mut change) => {
                name_addresses(context, &status, &mut change);
                timeout(context.timeout, context.handle.change_membership(change)).await
            }
        },
        (_, leader) => Ok(Err(Failure::NotLeader { leader })),
    };
    match proposed.unwrap_or(Err(Failure::Unknown)) {
        Ok(id) => Ok(done(id.index.get(), id.term.get())),
        Err(Failure::NotLeader { leader: Some(leader) }) if !whole.forwarded => {
            forward(context, leader, whole).await
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Writes the addresses that this node knows into contexts that have none, so that a node that joins
/// finds the founders.
fn name_addresses(context: &Context, status: &ServerStatus, change: &mut MembershipChange) {
    for member in change.members.iter_mut().filter(|member| member.context.is_empty()) {
        if let Some(found) = context.addresses.find(member.id, &status.membership) {
            member.context = found.to_context();
        }
    }
}

fn done(index: u64, term: u64) -> axum::response::Response {
    json_response(StatusCode::OK, &json!({ "ok": true, "index": index, "term": term }))
}
