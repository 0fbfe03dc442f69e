//! Limits and timings of a node.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest payload of one entry that any configuration may allow, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// The largest run of entries in one output that any configuration may allow, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 2 * MAX_PAYLOAD_BYTES;

/// The highest election priority.
pub const MAX_PRIORITY: u32 = 7;

/// How a node behaves. Every field has a default that suits a small cluster at 10 ms a tick.
///
/// All nodes of a group should run the same timings. Nothing unsafe happens if they do not, but for
/// lease reads: see [`lease_drift_ticks`](Self::lease_drift_ticks).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed of the random election timeouts; mixed with node id and incarnation. Default 0.
    pub seed: u64,
    /// Shortest election timeout, in ticks (Raft 5.2). Default 20.
    pub election_ticks_min: u32,
    /// Longest election timeout, in ticks. Default 40.
    pub election_ticks_max: u32,
    /// Time between a leader's heartbeats, in ticks. Default 4.
    pub heartbeat_ticks: u32,
    /// Ask before disturbing the cluster with a new term (thesis 9.6). Default true. Without it a
    /// removed node that does not know it may depose leaders again and again.
    pub pre_vote: bool,
    /// A leader that does not hear from a quorum for an election timeout steps down (thesis 6.2). Default true.
    pub check_quorum: bool,
    /// Largest payload of one proposal, in bytes; at most [`MAX_PAYLOAD_BYTES`]. Default 1 MiB.
    pub max_payload_bytes: usize,
    /// Largest run of entries in one append, in bytes; one entry always fits. Default 64 KiB.
    pub max_append_bytes: usize,
    /// Largest run of entries in one write, in bytes; one entry always fits. Default 1 MiB.
    pub max_write_bytes: usize,
    /// Largest run of entries in one `Apply`, in bytes; one entry always fits. Default 64 KiB.
    pub max_apply_bytes: usize,
    /// Appends under way to one peer. Default 256.
    pub max_in_flight_messages: usize,
    /// Bytes of entries under way to one peer, beyond which no further append leaves; so one append
    /// more may be under way. Default 4 MiB.
    pub max_in_flight_bytes: usize,
    /// Bytes of entries proposed in this term and not yet handed out for `Apply`; beyond it
    /// proposals are refused with `Busy`. Default 64 MiB.
    pub max_uncommitted_bytes: usize,
    /// Bytes of entries a follower holds that are not yet durable; beyond it appends are answered
    /// with "not now". Default 64 MiB.
    pub max_undurable_bytes: usize,
    /// Writes handed out and not yet acknowledged; further changes wait and merge. Default 2.
    pub max_writes_in_flight: usize,
    /// Reads under way; beyond it reads are refused with `Busy`. Default 65,536.
    pub max_reads: usize,
    /// A read that is not served by then fails, in ticks. Default 100.
    pub read_ticks_max: u32,
    /// Largest difference between two nodes' clocks over an election timeout, in ticks, if lease
    /// reads are wanted: they rely on it (thesis 6.4.1), and on the same `election_ticks_min` on all
    /// nodes. Default `None`: no leases.
    pub lease_drift_ticks: Option<u32>,
    /// A leader whose disk does not acknowledge a write for so long steps down, in ticks. Default 200.
    pub disk_stall_ticks: u32,
    /// How eager this node is to lead, 0 to [`MAX_PRIORITY`]: each step below waits longer before it
    /// runs. A node that waits longer still runs. Default [`MAX_PRIORITY`].
    pub priority: u32,
    /// Largest piece of a snapshot in one message, in bytes. Default 256 KiB.
    pub max_chunk_bytes: usize,
    /// Bytes of entries kept behind the newest snapshot for followers that lag; beyond it they are
    /// sent the snapshot. Default 64 MiB.
    pub max_retained_bytes: usize,
    /// Memory for recent log entries, in bytes of capacity. Only durable entries leave it, in blocks
    /// of up to 64 KiB, so it may be exceeded by what is not durable and one block. The last append
    /// received may be held besides, until its entries are handed out for `Apply`. What the window no
    /// longer holds is asked back with `ReadLog`. Default 64 MiB.
    pub window_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            election_ticks_min: 20,
            election_ticks_max: 40,
            heartbeat_ticks: 4,
            pre_vote: true,
            check_quorum: true,
            max_payload_bytes: 1 << 20,
            max_append_bytes: 64 << 10,
            max_write_bytes: 1 << 20,
            max_apply_bytes: 64 << 10,
            max_in_flight_messages: 256,
            max_in_flight_bytes: 4 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_undurable_bytes: 64 << 20,
            max_writes_in_flight: 2,
            max_reads: 1 << 16,
            read_ticks_max: 100,
            lease_drift_ticks: None,
            disk_stall_ticks: 200,
            priority: MAX_PRIORITY,
            max_chunk_bytes: 256 << 10,
            max_retained_bytes: 64 << 20,
            window_bytes: 64 << 20,
        }
    }
}

/// Why a [`Config`] cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A field that must not be zero is zero.
    #[error("{field} must not be zero")]
    Zero {
        /// The field's name.
        field: &'static str,
    },
    /// A field must not be larger than another field or a fixed limit.
    #[error("{field} must not be larger than {limit}")]
    TooLarge {
        /// The field's name.
        field: &'static str,
        /// The name of the limit.
        limit: &'static str,
    },
}

impl Config {
    /// Checks that the numbers can work together.
    ///
    /// # Errors
    /// [`ConfigError`] names the first field that cannot.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [
            ("election_ticks_min", self.election_ticks_min as usize),
            ("heartbeat_ticks", self.heartbeat_ticks as usize),
            ("max_payload_bytes", self.max_payload_bytes),
            ("max_append_bytes", self.max_append_bytes),
            ("max_write_bytes", self.max_write_bytes),
            ("max_apply_bytes", self.max_apply_bytes),
            ("max_in_flight_messages", self.max_in_flight_messages),
            ("max_in_flight_bytes", self.max_in_flight_bytes),
            ("max_uncommitted_bytes", self.max_uncommitted_bytes),
            ("max_undurable_bytes", self.max_undurable_bytes),
            ("max_writes_in_flight", self.max_writes_in_flight),
            ("max_reads", self.max_reads),
            ("read_ticks_max", self.read_ticks_max as usize),
            ("disk_stall_ticks", self.disk_stall_ticks as usize),
            ("max_chunk_bytes", self.max_chunk_bytes),
            ("window_bytes", self.window_bytes),
        ];
        if let Some((field, _)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return Err(ConfigError::Zero { field });
        }
        let [append, write] = [self.max_append_bytes, self.max_write_bytes];
        let outputs = [append, write, self.max_apply_bytes, self.max_chunk_bytes];
        let (field, limit) = if self.max_payload_bytes > MAX_PAYLOAD_BYTES {
            ("max_payload_bytes", "MAX_PAYLOAD_BYTES")
        } else if outputs.into_iter().any(|bytes| bytes > MAX_OUTPUT_BYTES) {
            ("bytes per append, write, apply or chunk", "MAX_OUTPUT_BYTES")
        } else if self.priority > MAX_PRIORITY {
            ("priority", "MAX_PRIORITY")
        } else if self.election_ticks_min > self.election_ticks_max {
            ("election_ticks_min", "election_ticks_max")
        } else if self.heartbeat_ticks >= self.election_ticks_min {
            ("heartbeat_ticks", "election_ticks_min - 1")
        } else {
            return Ok(());
        };
        Err(ConfigError::TooLarge { field, limit })
    }
}
