//! `raftcore run`: a local cluster, one process per node.

use core::time::Duration;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use raftcore::NodeId;
use raftcore_server::store::FolderLock;
use raftcore_server::{ClusterFile, MemberAddresses, StartError};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::{Code, Fail, node, say};

/// A node that does not end in this time after it was asked to is killed; that is safe, too.
const GRACE: Duration = Duration::from_secs(5);

/// Run a local cluster: one process per node, until Ctrl-C.
///
/// Each node keeps its data in a folder of its own below DIR, and a later run goes on from there.
/// The nodes' addresses are recorded in DIR/cluster.toml.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Run {
    /// How many nodes, 1 to 7 [default: 3, or as many as DIR holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=7))]
    nodes: Option<u64>,
    /// The cluster's folder; created if it is missing
    #[arg(long, value_name = "DIR", default_value = "raftcore-data")]
    dir: PathBuf,
    /// The first node's port for messages; the others take the next ones
    #[arg(long, value_name = "PORT", default_value_t = 7101, value_parser = port())]
    raft_port: u16,
    /// The first node's port for clients; the others take the next ones
    #[arg(long, value_name = "PORT", default_value_t = 8101, value_parser = port())]
    http_port: u16,
    /// Each node takes a snapshot whenever so many entries were applied, and deletes older entries
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    snapshot_every: u64,
}

const AFTER_HELP: &str = "\
Examples:
  raftcore run                              three nodes, clients at 127.0.0.1:8101 to 8103
  raftcore run --nodes 5 --dir /tmp/five --raft-port 7201 --http-port 8201
  raftcore send --dir /tmp/five '{\"y\": 7}'   a client that finds them by their folder

Exit codes are listed by `raftcore --help`.";

/// Ports that leave room for the other nodes.
fn port() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=65_529)
}

struct Ended {
    id: NodeId,
    code: Option<i32>,
}

impl Run {
    pub(crate) async fn run(self) -> Result<(), Fail> {
        let stop = node::stop_signal(false)?;
        let _lock = FolderLock::take(&self.dir)?;
        let members = self.members()?;
        for address in members.iter().flat_map(|member| [&member.raft, &member.http]) {
            // Asked once here, so that there is one clear line and not one of each node.
            TcpListener::bind(address).map(drop).map_err(|source| {
                Fail::from(StartError::Address { address: address.clone(), source })
            })?;
        }
        ClusterFile { nodes: members.clone() }.write(&self.dir)?;
        let program = std::env::current_exe()
            .map_err(|error| Fail::new(Code::Other, format!("cannot find myself: {error}")))?;
        let mut watched = JoinSet::new();
        let mut stdins = Vec::new();
        for member in &members {
            let mut child = self.spawn(&program, member, &members)?;
            stdins.push(child.stdin.take());
            watched.spawn(watch(member.id, child));
        }
        say(format_args!("{} nodes in {}; Ctrl-C stops them", members.len(), self.dir.display()));
        let done = tokio::select! {
            () = stop => Ok(()),
            failed = until_failure(&mut watched) => Err(failed),
        };
        // The nodes stop when their stdin ends, as it also does if this process is killed.
        drop(stdins);
        let all = async {
            while let Some(ended) = watched.join_next().await {
                tell(&ended)
            }
        };
        if timeout(GRACE, all).await.is_err() {
            say("a node does not stop in time; it is killed, which is safe");
            watched.shutdown().await;
        }
        done
    }

    /// The nodes: as many as the folder holds, or as wished for if it holds none.
    fn members(&self) -> Result<Vec<MemberAddresses>, Fail> {
        let found = ClusterFile::read(&self.dir)?.map(|file| file.nodes.len() as u64);
        let count = match (found, self.nodes) {
            (Some(found), Some(wished)) if found != wished => {
                let message = format!(
                    "{} holds a cluster of {found} nodes; leave out --nodes or choose another --dir",
                    self.dir.display()
                );
                return Err(Fail::new(Code::Usage, message));
            }
            (found, wished) => found.or(wished).unwrap_or(3),
        };
        if !(1..=7).contains(&count) {
            let file = self.dir.join(ClusterFile::NAME);
            let message = format!("{} names {count} nodes, not 1 to 7", file.display());
            return Err(Fail::new(Code::Usage, message));
        }
        let member = |id: u64| MemberAddresses {
            id: NodeId(id),
            raft: format!("127.0.0.1:{}", u64::from(self.raft_port) + id - 1),
            http: format!("127.0.0.1:{}", u64::from(self.http_port) + id - 1),
        };
        Ok((1..=count).map(member).collect())
    }

    fn spawn(
        &self,
        program: &Path,
        me: &MemberAddresses,
        members: &[MemberAddresses],
    ) -> Result<Child, Fail> {
        let mut command = Command::new(program);
        command.arg("node").arg("--exit-with-parent");
        command.arg("--id").arg(me.id.to_string());
        command.arg("--dir").arg(self.dir.join(format!("node-{}", me.id)));
        command.args(["--raft", &me.raft, "--http", &me.http]);
        command.arg("--snapshot-every").arg(self.snapshot_every.to_string());
        for peer in members.iter().filter(|peer| peer.id != me.id) {
            command.arg("--peer").arg(format!("{}={},{}", peer.id, peer.raft, peer.http));
        }
        // Ctrl-C in a terminal reaches this process alone; it stops the nodes in order.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(|error| {
            Fail::new(Code::Other, format!("cannot start node {}: {error}", me.id))
        })
    }
}

/// Prints what a node says, until it ends.
async fn watch(id: NodeId, mut child: Child) -> Option<Ended> {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // An election in progress is of no interest; its result is.
            if !line.contains("candidate") {
                say(line);
            }
        }
    }
    let status = child.wait().await.ok()?;
    Some(Ended { id, code: status.code() })
}

/// Waits for a node that could not start, or for the end of all; one that dies leaves the others.
async fn until_failure(watched: &mut JoinSet<Option<Ended>>) -> Fail {
    while let Some(ended) = watched.join_next().await {
        tell(&ended);
        let Ok(Some(Ended { id, code: Some(number) })) = ended else { continue };
        let code = Code::from_number(number);
        if !matches!(code, Code::Other | Code::Stopped) {
            return Fail::new(code, format!("node {id} could not start; the cluster was stopped"));
        }
    }
    Fail::new(Code::Other, "every node has ended")
}

fn tell(ended: &Result<Option<Ended>, JoinError>) {
    let Ok(Some(Ended { id, code })) = ended else { return };
    match code {
        Some(0) => say(format_args!("node {id} stopped")),
        Some(code) => say(format_args!("node {id} ended with exit code {code}")),
        None => say(format_args!("node {id} was killed; the next run starts it again")),
    }
}
