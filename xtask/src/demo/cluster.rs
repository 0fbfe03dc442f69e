//! Server processes on loopback, with real data folders; none of them outlives its owner.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::client::{Client, Status};
use super::interrupted;

/// How long anything may take that is not a write.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// Exit status of a server whose address another program uses.
const ADDRESS_IN_USE: i32 = 3;

/// One server: its addresses, and its process while it runs.
pub(super) struct Server {
    pub(super) id: u64,
    pub(super) raft: String,
    pub(super) http: String,
    process: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error can only mean that it has ended.
        let _ = self.kill();
    }
}

impl Server {
    /// SIGKILL: it has no chance to put anything in order.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    fn stop(&mut self) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        // It stops when its standard input ends.
        drop(process.stdin.take());
        let end = Instant::now() + STOP_PATIENCE;
        while Instant::now() < end {
            if let Some(status) = process.try_wait()? {
                self.process = None;
                ensure!(status.success(), "server {} ended with {status}", self.id);
                return Ok(());
            }
            sleep(PAUSE);
        }
        bail!("server {} does not stop", self.id)
    }
}

/// The servers of one group and the folder that holds their data.
pub(super) struct Cluster {
    pub(super) servers: Vec<Server>,
    pub(super) client: Client,
    program: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// `count` servers with free ports and without data; none runs yet.
    ///
    /// # Errors
    /// When there is no room for their data, or no free port.
    pub(super) fn new(program: PathBuf, count: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("raftcore-demo-").tempdir()?;
        let ports = free_ports(2 * count)?;
        let servers = (1..=count).zip(ports.chunks(2)).map(|(id, ports)| Server {
            id,
            raft: format!("127.0.0.1:{}", ports[0]),
            http: format!("127.0.0.1:{}", ports[1]),
            process: None,
        });
        Ok(Self { servers: servers.collect(), client: Client::new(), program, folder })
    }

    /// Starts all servers.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub(super) fn start(&mut self) -> Result<()> {
        (0..self.servers.len()).try_for_each(|at| self.launch(at))?;
        (0..self.servers.len()).try_for_each(|at| self.wait_until_it_answers(at))
    }

    /// Where each server answers HTTP.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.http.clone()).collect()
    }

    /// The place of the server with this id.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn position(&self, id: u64) -> Result<usize> {
        let at = self.servers.iter().position(|server| server.id == id);
        at.with_context(|| format!("there is no server {id}"))
    }

    /// Starts a server that was killed, on the data it left.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn restart(&mut self, at: usize) -> Result<()> {
        self.launch(at)?;
        self.wait_until_it_answers(at)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits for the one leader that a majority of the running servers follows.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) fn wait_for_leader(&mut self) -> Result<Status> {
        let majority = self.servers.len() / 2 + 1;
        self.wait("no leader was elected", |cluster| {
            let known = cluster.statuses();
            let leader = known.iter().find(|status| status.leads())?;
            let following =
                |status: &&Status| status.leader == Some(leader.id) && status.term == leader.term;
            (known.iter().filter(following).count() >= majority).then(|| leader.clone())
        })
    }

    /// Asks until `done` gives something.
    ///
    /// # Errors
    /// `complaint`, when it does not in time, or when a server ended by itself.
    pub(super) fn wait<T>(
        &mut self,
        complaint: &str,
        mut done: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            interrupted()?;
            self.check_processes()?;
            if let Some(found) = done(self) {
                return Ok(found);
            }
            sleep(PAUSE);
        }
        bail!("{complaint} within {} s", PATIENCE.as_secs())
    }

    /// The statuses of the servers that answer.
    pub(super) fn statuses(&self) -> Vec<Status> {
        let running = self.servers.iter().filter(|server| server.process.is_some());
        running.filter_map(|server| self.client.status(&server.http, None).ok()).collect()
    }

    /// Stops all servers and waits until they have.
    ///
    /// # Errors
    /// When one does not stop cleanly; it is killed then.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.servers.iter_mut().try_for_each(Server::stop)
    }

    /// What a server printed.
    pub(super) fn printed(&self, id: u64) -> String {
        fs::read_to_string(self.log_path(id)).unwrap_or_default()
    }

    fn log_path(&self, id: u64) -> PathBuf {
        self.folder().join(format!("server-{id}.log"))
    }

    fn launch(&mut self, at: usize) -> Result<()> {
        let server = &self.servers[at];
        let printed = File::options().create(true).append(true).open(self.log_path(server.id))?;
        let mut command = Command::new(&self.program);
        command.args(["node", "--exit-with-parent", "--id", &server.id.to_string()]);
        command.arg("--dir").arg(self.folder().join(format!("node-{}", server.id)));
        command.args(["--raft", &server.raft, "--http", &server.http]);
        for peer in self.servers.iter().filter(|peer| peer.id != server.id) {
            command.args(["--peer", &format!("{}={},{}", peer.id, peer.raft, peer.http)]);
        }
        command.stdin(Stdio::piped()).stdout(printed.try_clone()?).stderr(printed);
        let name = self.program.display();
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        self.servers[at].process = Some(process);
        Ok(())
    }

    fn wait_until_it_answers(&mut self, at: usize) -> Result<()> {
        let complaint = format!("server {} does not answer", self.servers[at].id);
        self.wait(&complaint, |cluster| {
            cluster.client.status(&cluster.servers[at].http, None).ok().map(drop)
        })
    }

    /// Finds servers that ended by themselves.
    fn check_processes(&mut self) -> Result<()> {
        for server in &mut self.servers {
            let Some(process) = &mut server.process else { continue };
            let Some(status) = process.try_wait()? else { continue };
            server.process = None;
            let hint = if status.code() == Some(ADDRESS_IN_USE) {
                "; another program took its port meanwhile, try again"
            } else {
                ""
            };
            bail!("server {} ended by itself with {status}{hint}", server.id);
        }
        Ok(())
    }
}

/// Ports nobody listens on, below those the system gives to outgoing connections: one of these
/// could take the port of a server that is down for a moment.
fn free_ports(count: u64) -> Result<Vec<u16>> {
    const FIRST: u32 = 12_000;
    const SPAN: u32 = 20_000;
    let start = process::id().wrapping_mul(31) % SPAN;
    let mut found = BTreeSet::new();
    for step in 0..SPAN {
        if found.len() as u64 == count {
            return Ok(found.into_iter().collect());
        }
        let port = u16::try_from(FIRST + (start + step) % SPAN)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            found.insert(port);
        }
    }
    bail!("no free ports on 127.0.0.1")
}
