//! What a node and a local cluster are told: TOML files, checked.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use raftcore::{Config, GroupId, Identity, Member, Membership, MembershipError, NodeId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a member is found, as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberAddresses {
    /// Its id.
    pub id: NodeId,
    /// Where it takes messages of other nodes.
    pub raft: String,
    /// Where it takes requests of clients.
    pub http: String,
}

impl MemberAddresses {
    /// The addresses as the context of a member: what the group's membership holds of it.
    #[must_use]
    pub fn to_context(&self) -> Vec<u8> {
        format!("{},{}", self.raft, self.http).into_bytes()
    }

    /// The addresses in a member's context, if it holds any.
    #[must_use]
    pub fn of_member(member: &Member) -> Option<Self> {
        let (raft, http) = core::str::from_utf8(&member.context).ok()?.split_once(',')?;
        let found = Self { id: member.id, raft: raft.to_owned(), http: http.to_owned() };
        found.check().is_ok().then_some(found)
    }

    /// Checks that both are `host:port`.
    ///
    /// # Errors
    /// [`SettingsError::Address`] names the one that is not.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_address(&self.raft)?;
        check_address(&self.http)
    }
}

/// What one node is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The group; the same on every member.
    #[serde(default = "default_group")]
    pub group: GroupId,
    /// This node's id.
    pub id: NodeId,
    /// Its data folder.
    pub dir: PathBuf,
    /// Where it takes messages of other nodes, as `host:port`.
    pub raft: String,
    /// Where it takes requests of clients, as `host:port`.
    pub http: String,
    /// Length of a tick, in milliseconds.
    #[serde(default = "default_tick_ms")]
    pub tick_ms: u64,
    /// After so many milliseconds without an answer the outcome of a request is unknown.
    #[serde(default = "default_request_timeout_ms")]
    pub request_timeout_ms: u64,
    /// The other members: on a first start they found the group with this one. Later the group says who
    /// its members are; addresses given here still stand above those it knows.
    #[serde(default, rename = "peer")]
    pub peers: Vec<MemberAddresses>,
    /// Join a group that runs instead of founding one: where one of its members takes requests of
    /// clients, as `http://host:port`. Needed until the node was added; harmless afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Take a snapshot whenever so many entries were applied since the last one, so that older
    /// entries can be deleted.
    #[serde(default = "default_snapshot_every")]
    pub snapshot_every: u64,
    /// Limits and timings of the node.
    #[serde(default)]
    pub node: Config,
}

const fn default_group() -> GroupId {
    GroupId(1)
}

const fn default_tick_ms() -> u64 {
    10
}

const fn default_request_timeout_ms() -> u64 {
    5000
}

const fn default_snapshot_every() -> u64 {
    10_000
}

/// Why settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error("{}: {what}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// A member is described twice, in two ways.
    #[error("node {id} is described twice; name each peer once")]
    Twice {
        /// The member.
        id: NodeId,
    },
    /// A number that must not be zero is.
    #[error("{field} must not be zero")]
    Zero {
        /// Its name.
        field: &'static str,
    },
    /// An address is not `host:port`.
    #[error("{address:?} is no address; write host:port, as in 127.0.0.1:7101")]
    Address {
        /// What was given.
        address: String,
    },
    /// What to join is no URL of a node.
    #[error("{url:?} is no node's address; write http://host:port, as in http://127.0.0.1:8101")]
    Url {
        /// What was given.
        url: String,
    },
    /// The members cannot form a group.
    #[error("members: {0}")]
    Members(#[from] MembershipError),
    /// Limits or timings cannot work.
    #[error("node: {0}")]
    Node(#[from] raftcore::ConfigError),
}

impl Settings {
    /// Settings of a node with the defaults for everything but its place.
    #[must_use]
    pub fn new(me: MemberAddresses, dir: PathBuf, peers: Vec<MemberAddresses>) -> Self {
        Self {
            group: default_group(),
            id: me.id,
            dir,
            raft: me.raft,
            http: me.http,
            tick_ms: default_tick_ms(),
            request_timeout_ms: default_request_timeout_ms(),
            peers,
            join: None,
            snapshot_every: default_snapshot_every(),
            node: Config::default(),
        }
    }

    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and what is wrong.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        read_toml(path)
    }

    /// Which node this is.
    #[must_use]
    pub const fn identity(&self) -> Identity {
        Identity { group: self.group, node: self.id }
    }

    /// Every member's addresses, this node's included.
    ///
    /// # Errors
    /// [`SettingsError::Twice`] if a member is described in two ways.
    pub fn members(&self) -> Result<BTreeMap<NodeId, MemberAddresses>, SettingsError> {
        let me = MemberAddresses { id: self.id, raft: self.raft.clone(), http: self.http.clone() };
        let mut members = BTreeMap::from([(self.id, me)]);
        for peer in &self.peers {
            if members.insert(peer.id, peer.clone()).is_some_and(|before| before != *peer) {
                return Err(SettingsError::Twice { id: peer.id });
            }
        }
        Ok(members)
    }

    /// The founding membership: the ids alone, so that addresses may change.
    ///
    /// # Errors
    /// [`SettingsError`] if the members cannot form a group.
    pub fn membership(&self) -> Result<Membership, SettingsError> {
        Ok(Membership::new(self.members()?.into_keys().map(Member::voter))?)
    }

    /// Checks everything that can be checked without touching disk or network.
    ///
    /// # Errors
    /// [`SettingsError`] says what is wrong first.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let numbers = [
            ("id", self.id.get()),
            ("tick_ms", self.tick_ms),
            ("request_timeout_ms", self.request_timeout_ms),
            ("snapshot_every", self.snapshot_every),
        ];
        if let Some((field, _)) = numbers.into_iter().find(|&(_, number)| number == 0) {
            return Err(SettingsError::Zero { field });
        }
        for member in self.members()?.values() {
            member.check()?;
        }
        if let Some(url) = &self.join
            && !url.starts_with("http://")
        {
            return Err(SettingsError::Url { url: url.clone() });
        }
        self.node.validate()?;
        self.membership().map(|_| ())
    }

    /// Length of a tick.
    #[must_use]
    pub const fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms)
    }

    /// How long a request may take.
    #[must_use]
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

fn check_address(address: &str) -> Result<(), SettingsError> {
    let parts = address.rsplit_once(':');
    if parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
        return Ok(());
    }
    Err(SettingsError::Address { address: address.to_owned() })
}

/// The nodes of a local cluster, as `raftcore run` records them in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// Its nodes.
    #[serde(rename = "node")]
    pub nodes: Vec<MemberAddresses>,
}

impl ClusterFile {
    /// The file's name in the cluster's folder.
    pub const NAME: &'static str = "cluster.toml";

    /// Reads the file of a cluster's folder; `None` if there is none.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and what is wrong.
    pub fn read(folder: &Path) -> Result<Option<Self>, SettingsError> {
        match read_toml(&folder.join(Self::NAME)) {
            Err(SettingsError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// Writes the file into a cluster's folder.
    ///
    /// # Errors
    /// [`SettingsError`] names the file and what is wrong.
    pub fn write(&self, folder: &Path) -> Result<(), SettingsError> {
        let path = folder.join(Self::NAME);
        let text = toml::to_string(self).map_err(|error| SettingsError::Parse {
            path: path.clone(),
            what: error.to_string(),
        })?;
        fs::write(&path, text).map_err(|source| SettingsError::Write { path, source })
    }
}

fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|&byte| byte == b'\n').count()
            });
            SettingsError::Parse { path, what: format!("line {line}: {}", error.message()) }
        }),
        Err(source) => Err(SettingsError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
id = 1
dir = "data/node-1"
raft = "127.0.0.1:7101"
http = "127.0.0.1:8101"

[[peer]]
id = 2
raft = "127.0.0.1:7102"
http = "127.0.0.1:8102"

[node]
heartbeat_ticks = 5
"#;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.toml");
        fs::write(&path, text).expect("written");
        Settings::read(&path)
    }

    #[test]
    fn a_file_gives_settings_with_defaults_for_the_rest() {
        let settings = parse(FULL).expect("valid");
        settings.validate().expect("usable");
        assert_eq!(settings.group, GroupId(1));
        assert_eq!(settings.tick_ms, 10);
        assert_eq!(settings.node.heartbeat_ticks, 5);
        assert_eq!(settings.node.election_ticks_min, Config::default().election_ticks_min);
        let ids: Vec<_> = settings.membership().expect("members").nodes().collect();
        assert_eq!(ids, [NodeId(1), NodeId(2)]);
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        let error = parse(&format!("color = 3\n{FULL}")).expect_err("unknown key").to_string();
        assert!(error.contains("node.toml: line 1: unknown field `color`"), "{error}");
    }

    #[test]
    fn unusable_settings_are_refused() {
        let settings = parse(FULL).expect("valid");
        let refusal = |change: fn(&mut Settings)| {
            let mut changed = settings.clone();
            change(&mut changed);
            changed.validate().expect_err("refused").to_string()
        };
        assert_eq!(refusal(|s| s.id = NodeId(0)), "id must not be zero");
        assert_eq!(refusal(|s| s.tick_ms = 0), "tick_ms must not be zero");
        assert_eq!(refusal(|s| s.snapshot_every = 0), "snapshot_every must not be zero");
        assert!(refusal(|s| s.join = Some("h:1".into())).contains("write http://host:port"));
        assert!(refusal(|s| s.raft = "7101".into()).contains("write host:port"));
        assert!(refusal(|s| s.peers[0].http = "h:99999".into()).contains("write host:port"));
        assert_eq!(refusal(|s| s.id = NodeId(2)), "node 2 is described twice; name each peer once");
        assert_eq!(
            refusal(|s| s.node.heartbeat_ticks = 0),
            "node: heartbeat_ticks must not be zero"
        );
    }

    #[test]
    fn addresses_come_back_from_a_members_context() {
        let addresses = MemberAddresses {
            id: NodeId(4),
            raft: "127.0.0.1:7104".into(),
            http: "127.0.0.1:8104".into(),
        };
        let member = Member::learner(NodeId(4)).with_context(addresses.to_context());
        assert_eq!(MemberAddresses::of_member(&member), Some(addresses));
        for context in [&b""[..], b"127.0.0.1:7104", b"a:1,b", b"\xff:1,b:2"] {
            let member = Member::voter(NodeId(4)).with_context(context);
            assert_eq!(MemberAddresses::of_member(&member), None);
        }
    }

    #[test]
    fn a_cluster_file_reads_back_as_written() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(ClusterFile::read(folder.path()).expect("no file"), None);
        let node = |id: u64| MemberAddresses {
            id: NodeId(id),
            raft: format!("127.0.0.1:710{id}"),
            http: format!("127.0.0.1:810{id}"),
        };
        let file = ClusterFile { nodes: vec![node(1), node(2)] };
        file.write(folder.path()).expect("written");
        assert_eq!(ClusterFile::read(folder.path()).expect("read"), Some(file));
    }
}
