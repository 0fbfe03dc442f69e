//! `raftcore node`: one node in this process.

use std::path::PathBuf;

use clap::Args;
use raftcore::{GroupId, NodeId, RoleName};
use raftcore_server::{MemberAddresses, Process, Role, Settings, StopReason};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use super::{Code, Fail, say};

/// Run one node.
///
/// Every founding member names the same members. The first start founds the group, or joins one with
/// --join; later starts go on from the data folder, and the group knows its members. SIGTERM and Ctrl-C stop the node cleanly; SIGKILL is safe.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Node {
    /// A TOML file with the settings, instead of the flags below
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "dir", "raft", "http", "peers", "group", "tick_ms", "request_timeout_ms", "join", "snapshot_every"])]
    config: Option<PathBuf>,
    /// This node's id, 1 or more; never reuse one whose data were lost
    #[arg(long, value_name = "N", required_unless_present = "config")]
    id: Option<u64>,
    /// The data folder; created if it is missing
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    dir: Option<PathBuf>,
    /// Where to take messages of other nodes, as host:port
    #[arg(long, value_name = "ADDR", required_unless_present = "config")]
    raft: Option<String>,
    /// Where to take requests of clients, as host:port
    #[arg(long, value_name = "ADDR", required_unless_present = "config")]
    http: Option<String>,
    /// Join a running group instead of founding one: where one of its members takes requests. The
    /// node waits until `raftcore member add` names it
    #[arg(long, value_name = "URL")]
    join: Option<String>,
    /// Another member: its id, and where it takes messages and requests; once per member
    #[arg(long = "peer", value_name = "ID=RAFT_ADDR,HTTP_ADDR", value_parser = peer)]
    peers: Vec<MemberAddresses>,
    /// The group's id
    #[arg(long, value_name = "N", default_value_t = 1)]
    group: u64,
    /// Length of a tick in milliseconds; an election takes 20 to 40 ticks
    #[arg(long, value_name = "N", default_value_t = 10)]
    tick_ms: u64,
    /// After so many milliseconds the outcome of a request is unknown
    #[arg(long, value_name = "N", default_value_t = 5000)]
    request_timeout_ms: u64,
    /// Take a snapshot whenever so many entries were applied, and delete older entries
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    snapshot_every: u64,
    /// Stop when stdin ends, and so when a parent that holds it dies
    #[arg(long)]
    exit_with_parent: bool,
}

const AFTER_HELP: &str = "\
Example, the first of three nodes:
  raftcore node --id 1 --dir data/1 --raft 127.0.0.1:7101 --http 127.0.0.1:8101 \\
                --peer 2=127.0.0.1:7102,127.0.0.1:8102 --peer 3=127.0.0.1:7103,127.0.0.1:8103

A fourth one, for a group that runs:
  raftcore node --join http://127.0.0.1:8101 --id 4 --dir data/4 --raft 127.0.0.1:7104 --http 127.0.0.1:8104
  raftcore member add 4 --raft 127.0.0.1:7104 --http 127.0.0.1:8104

The first one as a file, for `raftcore node --config node-1.toml`:
  id = 1
  dir = \"data/1\"
  raft = \"127.0.0.1:7101\"
  http = \"127.0.0.1:8101\"
  [[peer]]
  id = 2
  raft = \"127.0.0.1:7102\"
  http = \"127.0.0.1:8102\"
  [[peer]]
  id = 3
  raft = \"127.0.0.1:7103\"
  http = \"127.0.0.1:8103\"
  [node]                     # limits and timings, all optional
  election_ticks_min = 20

Exit codes are listed by `raftcore --help`.";

fn peer(text: &str) -> Result<MemberAddresses, String> {
    let parts = text.split_once('=').and_then(|(id, addresses)| {
        let (raft, http) = addresses.split_once(',')?;
        let id = NodeId(id.parse().ok()?);
        Some(MemberAddresses { id, raft: raft.to_owned(), http: http.to_owned() })
    });
    parts
        .ok_or_else(|| "write ID=RAFT_ADDR,HTTP_ADDR, as in 2=127.0.0.1:7102,127.0.0.1:8102".into())
}

impl Node {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        let exit_with_parent = self.exit_with_parent;
        let settings = self.settings()?;
        settings.validate()?;
        let stop = stop_signal(exit_with_parent)?;
        let mut process = Process::start(&settings).await?;
        let MemberAddresses { id, raft, http } = process.addresses();
        say(format_args!("node {id} ready raft={raft} http={http}"));
        let shown = tokio::spawn(show_roles(*id, process.handle().roles()));
        let reason = tokio::select! {
            reason = process.wait() => reason,
            () = stop => {
                process.stop();
                process.wait().await
            }
        };
        shown.abort();
        match reason {
            StopReason::Asked => Ok(()),
            reason => Err(reason.into()),
        }
    }

    fn settings(self) -> Result<Settings, Fail> {
        if let Some(file) = &self.config {
            return Ok(Settings::read(file)?);
        }
        let (Some(id), Some(dir), Some(raft), Some(http)) =
            (self.id, self.dir, self.raft, self.http)
        else {
            return Err(Fail::new(Code::Usage, "give --config, or --id, --dir, --raft and --http"));
        };
        let me = MemberAddresses { id: NodeId(id), raft, http };
        let mut settings = Settings::new(me, dir, self.peers);
        settings.group = GroupId(self.group);
        settings.tick_ms = self.tick_ms;
        settings.request_timeout_ms = self.request_timeout_ms;
        settings.join = self.join;
        settings.snapshot_every = self.snapshot_every;
        Ok(settings)
    }
}

/// Ends when the process is told to stop. Listens from the moment of the call.
pub(super) fn stop_signal(exit_with_parent: bool) -> Result<impl Future<Output = ()>, Fail> {
    let listen =
        |kind| signal(kind).map_err(|error| Fail::new(Code::Other, format!("no signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let parent = async move {
        if !exit_with_parent {
            return core::future::pending().await;
        }
        let mut ignored = [0; 64];
        let mut stdin = tokio::io::stdin();
        while stdin.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
    };
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = parent => {}
        }
    })
}

async fn show_roles(id: NodeId, mut roles: tokio::sync::watch::Receiver<Role>) {
    loop {
        let Role { name, term, leader } = *roles.borrow_and_update();
        let leader = leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
        say(format_args!("node {id} role={} term={term} leader={leader}", role_name(name)));
        if roles.changed().await.is_err() {
            return;
        }
    }
}

pub(super) const fn role_name(role: RoleName) -> &'static str {
    match role {
        RoleName::Follower => "follower",
        RoleName::PreCandidate => "pre-candidate",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    }
}
