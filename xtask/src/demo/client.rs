//! Speaks to the servers over HTTP, as any client would.

use core::time::Duration;
use std::io;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use ureq::Agent;

/// Longer than a server waits for a commit before it says that the outcome is unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// What a server says of its node.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    pub(super) id: u64,
    pub(super) role: String,
    pub(super) term: u64,
    pub(super) leader: Option<u64>,
    pub(super) incarnation: u64,
    pub(super) commit_index: u64,
    pub(super) applied_index: u64,
    pub(super) checksum: Checksum,
}

impl Status {
    /// Whether the node leads.
    pub(super) fn leads(&self) -> bool {
        self.role == "leader"
    }
}

/// The checksum of a log's hash chain at one index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Checksum {
    pub(super) index: u64,
    pub(super) value: Option<String>,
}

/// How a write ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Committed and applied.
    Acknowledged,
    /// Certainly nothing was changed.
    Refused,
    /// The answer was lost: it may or may not have been applied.
    Unknown,
}

/// A client of all servers; cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder();
        let config = config.timeout_global(Some(ANSWER_TIMEOUT)).http_status_as_error(false);
        Self { agent: config.build().into() }
    }

    /// Puts keys through the server at `address`.
    ///
    /// # Errors
    /// When the server answers something that repeating will not change.
    pub(super) fn put(&self, address: &str, pairs: &Value) -> Result<Written> {
        let answer = self.agent.put(format!("http://{address}/kv")).send_json(pairs);
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) if never_connected(&error) => return Ok(Written::Refused),
            Err(_) => return Ok(Written::Unknown),
        };
        match answer.status().as_u16() {
            200 => Ok(Written::Acknowledged),
            503 => Ok(Written::Refused),
            504 => Ok(Written::Unknown),
            status => {
                let text = answer.body_mut().read_to_string().unwrap_or_default();
                bail!("{address} answered a write with {status}: {text}")
            }
        }
    }

    /// Gets a key through the server at `address`; `None` for an unknown key.
    ///
    /// # Errors
    /// When no usable answer comes.
    pub(super) fn get(&self, address: &str, key: &str) -> Result<Option<Value>> {
        let mut answer = self.agent.get(format!("http://{address}/kv/{key}")).call()?;
        match answer.status().as_u16() {
            200 => {
                let mut found: Value = answer.body_mut().read_json()?;
                Ok(Some(found["value"].take()))
            }
            404 => Ok(None),
            status => bail!("{address} answered a read with {status}"),
        }
    }

    /// The status of the node at `address`, with its log's checksum at `index`.
    ///
    /// # Errors
    /// When no usable answer comes.
    pub(super) fn status(&self, address: &str, index: Option<u64>) -> Result<Status> {
        let query = index.map(|index| format!("?index={index}")).unwrap_or_default();
        let mut answer = self.agent.get(format!("http://{address}/status{query}")).call()?;
        answer.body_mut().read_json().with_context(|| format!("the status of {address}"))
    }
}

/// Whether the request cannot have reached the server.
fn never_connected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}
