//! Where members are: what the settings give, and what the group's membership holds.

use core::time::Duration;
use std::collections::BTreeMap;

use raftcore::{Membership, NodeId};
use tokio::time::{Instant, sleep, timeout};

use crate::api::StatusBody;
use crate::config::{MemberAddresses, Settings};
use crate::error::StartError;

/// How long a node that knows nobody asks for the members of the group it is to join.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// The addresses of a node and of those it was told of.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    given: BTreeMap<NodeId, MemberAddresses>,
}

impl AddressBook {
    /// A book that begins with what the settings give.
    #[must_use]
    pub const fn new(given: BTreeMap<NodeId, MemberAddresses>) -> Self {
        Self { given }
    }

    /// Where a member is: as given, or else as its context says.
    #[must_use]
    pub fn find(&self, id: NodeId, membership: &Membership) -> Option<MemberAddresses> {
        let given = self.given.get(&id).cloned();
        given.or_else(|| membership.member(id).and_then(MemberAddresses::of_member))
    }

    /// Every node of a membership; one whose addresses nobody knows has empty ones.
    #[must_use]
    pub fn list(&self, membership: &Membership) -> Vec<MemberAddresses> {
        let unknown = |id| MemberAddresses { id, raft: String::new(), http: String::new() };
        let find = |id| self.find(id, membership).unwrap_or_else(|| unknown(id));
        membership.nodes().map(find).collect()
    }
}

/// The members of a running group, as one of them tells. A node that knows nobody asks until there is an
/// answer; another one asks once, for it may know all it needs.
pub(crate) async fn of_running_group(
    settings: &Settings,
    client: &reqwest::Client,
    knows_nobody: bool,
) -> Result<Vec<MemberAddresses>, StartError> {
    let Some(url) = &settings.join else { return Ok(Vec::new()) };
    let failed = |what| StartError::Join { url: url.clone(), what };
    let end = Instant::now() + if knows_nobody { JOIN_PATIENCE } else { Duration::ZERO };
    loop {
        let what = match timeout(settings.request_timeout(), ask(client, url)).await {
            Ok(Ok(status)) if status.group != settings.group => {
                return Err(failed(format!("it belongs to group {}", status.group)));
            }
            Ok(Ok(status)) => {
                let others = status.members.into_iter().filter(|member| member.id != settings.id);
                return Ok(others.filter(|member| member.check().is_ok()).collect());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if !knows_nobody {
            return Ok(Vec::new());
        }
        if Instant::now() >= end {
            return Err(failed(what));
        }
        sleep(PAUSE).await;
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<StatusBody, String> {
    let url = format!("{}/status", url.trim_end_matches('/'));
    let response = client.get(url).send().await.map_err(|error| error.to_string())?;
    let body = response.bytes().await.map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map_err(|error| format!("it is no raftcore node: {error}"))
}
