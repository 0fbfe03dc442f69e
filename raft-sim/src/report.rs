//! What a run gives back.

use core::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::faults::FaultCounts;
use crate::property::Property;

/// A run in which every property held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The seed.
    pub seed: u64,
    /// Nodes in the cluster.
    pub nodes: usize,
    /// Events executed.
    pub steps: u64,
    /// Simulated time, in ticks.
    pub ticks: u64,
    /// Payloads that clients gave to a leader.
    pub proposals: u64,
    /// Entries committed.
    pub commits: u64,
    /// Times another node became leader.
    pub leader_changes: u64,
    /// Times a node asked for votes in a new term.
    pub elections: u64,
    /// Times a node was started again from its disk.
    pub restarts: u64,
    /// Ticks from the end of the faults until all logs were equal.
    pub recovery_ticks: u64,
    /// 1 if a lost disk left nobody who can be elected, so that the cluster did not recover.
    pub unelectable: u64,
    /// How often each kind of fault fired.
    pub faults: FaultCounts,
    /// Digest of everything that happened: events, messages, writes, applied entries.
    pub digest: u64,
}

/// A run in which a property broke, with all that is needed to look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Nodes in the cluster.
    pub nodes: usize,
    /// Events the run was to execute.
    pub steps: u64,
    /// The event at which the property broke.
    pub step: u64,
    /// The property.
    pub property: Property,
    /// The node at which it broke, if it is one node's doing.
    pub node: Option<usize>,
    /// What was seen.
    pub detail: String,
    /// The last events before, oldest first.
    pub trace: Vec<String>,
    /// A [`Recording`](crate::Recording) of every node's last life, as bytes.
    pub recording: Vec<u8>,
}

impl Failure {
    /// The one command that runs this again.
    #[must_use]
    pub fn replay_command(&self) -> String {
        let mut command =
            format!("raftcore simulate --seeds 1 --seed {} --nodes {}", self.seed, self.nodes);
        let default = crate::SimConfig::default().steps;
        if self.steps != default {
            command.push_str(&format!(" --steps {}", self.steps));
        }
        command
    }

    /// Writes recording and trace into the folder, which is made if need be, and gives the
    /// recording's path. `sim-failures` is the usual folder.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn save(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let name = format!("seed-{}-nodes-{}", self.seed, self.nodes);
        let mut trace = format!("{self}\n");
        for line in &self.trace {
            trace.push_str(line);
            trace.push('\n');
        }
        fs::write(folder.join(format!("{name}.trace")), trace)?;
        let recording = folder.join(format!("{name}.recording"));
        fs::write(&recording, &self.recording)?;
        Ok(recording)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} broke in seed {} with {} nodes", self.property, self.seed, self.nodes)?;
        write!(f, " at step {}", self.step)?;
        if let Some(node) = self.node {
            write!(f, ", node {node}")?;
        }
        write!(f, ": {}\nreplay: {}", self.detail, self.replay_command())
    }
}

impl core::error::Error for Failure {}

/// Why [`run`](crate::run) gave no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run could not start.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A property broke.
    #[error(transparent)]
    Failure(#[from] Box<Failure>),
}
