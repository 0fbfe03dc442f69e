//! `raftcore_config`: limits and timings, as a plain struct.

use core_raftcore::Config;

use crate::fail::Fail;
use crate::guard::{Out, status_of};
use crate::status::*;

/// No lease reads: the default of `lease_drift_ticks`.
pub const RAFTCORE_NO_LEASES: u32 = u32::MAX;

/// How a node behaves. Fill it with `raftcore_config_default`, then change what you want.
///
/// All nodes of a group should run the same timings; nothing unsafe happens if they do not,
/// but for lease reads, which rely on it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct raftcore_config {
    /// The size of this struct, in bytes, as the caller was compiled. Leave it alone.
    pub size: usize,
    /// Seed of the random election timeouts; mixed with node id and incarnation. Default 0.
    pub seed: u64,
    /// Shortest election timeout, in ticks (Raft 5.2). Default 20.
    pub election_ticks_min: u32,
    /// Longest election timeout, in ticks. Default 40.
    pub election_ticks_max: u32,
    /// Time between a leader's heartbeats, in ticks. Default 4.
    pub heartbeat_ticks: u32,
    /// Ask before disturbing the cluster with a new term (thesis 9.6): 1 or 0. Default 1.
    pub pre_vote: u32,
    /// A leader that does not hear from a quorum for an election timeout steps down (thesis 6.2):
    /// 1 or 0. Default 1.
    pub check_quorum: u32,
    /// Always 0; room for a later field.
    pub reserved: u32,
    /// Largest payload of one proposal, in bytes; at most 16 MiB. Default 1 MiB.
    pub max_payload_bytes: usize,
    /// Largest run of entries in one append, in bytes; one entry always fits. Default 64 KiB.
    pub max_append_bytes: usize,
    /// Largest run of entries in one write, in bytes; one entry always fits. Default 1 MiB.
    pub max_write_bytes: usize,
    /// Largest run of entries in one apply, in bytes; one entry always fits. Default 64 KiB.
    pub max_apply_bytes: usize,
    /// Appends under way to one peer. Default 256.
    pub max_in_flight_messages: usize,
    /// Bytes of entries under way to one peer; one append is always allowed. Default 4 MiB.
    pub max_in_flight_bytes: usize,
    /// Bytes of entries proposed in this term and not yet handed out for apply; beyond it proposals
    /// are refused with `RAFTCORE_STATUS_REFUSED_BUSY`. Default 64 MiB.
    pub max_uncommitted_bytes: usize,
    /// Bytes of entries a follower holds that are not yet durable; beyond it appends are answered
    /// with "not now". Default 64 MiB.
    pub max_undurable_bytes: usize,
    /// Writes handed out and not yet acknowledged; further changes wait and merge. Default 2.
    pub max_writes_in_flight: usize,
    /// Memory for recent log entries, in bytes. Default 64 MiB.
    pub window_bytes: usize,
    /// Reads under way; beyond it reads are refused with `RAFTCORE_STATUS_REFUSED_TOO_MANY_READS`.
    /// Default 65,536.
    pub max_reads: usize,
    /// Largest piece of a snapshot in one message, in bytes. Default 256 KiB.
    pub max_chunk_bytes: usize,
    /// Bytes of entries kept behind the newest snapshot for followers that lag; beyond it they are
    /// sent the snapshot. Default 64 MiB.
    pub max_retained_bytes: usize,
    /// A read that is not served by then fails, in ticks. Default 100.
    pub read_ticks_max: u32,
    /// Largest difference between two nodes' clocks over an election timeout, in ticks, if lease
    /// reads are wanted: they rely on it (thesis 6.4.1), and on the same timings on all nodes.
    /// Default `RAFTCORE_NO_LEASES`: a lease read is served like a linearizable one.
    pub lease_drift_ticks: u32,
    /// A leader whose disk does not acknowledge a write for so long steps down, in ticks.
    /// Default 200.
    pub disk_stall_ticks: u32,
    /// How eager this node is to lead, 0 to 7: each step below 7 waits longer before it runs. A node
    /// that waits longer still runs. Default 7.
    pub priority: u32,
}

impl From<Config> for raftcore_config {
    fn from(config: Config) -> Self {
        Self {
            size: size_of::<Self>(),
            seed: config.seed,
            election_ticks_min: config.election_ticks_min,
            election_ticks_max: config.election_ticks_max,
            heartbeat_ticks: config.heartbeat_ticks,
            pre_vote: config.pre_vote.into(),
            check_quorum: config.check_quorum.into(),
            reserved: 0,
            max_payload_bytes: config.max_payload_bytes,
            max_append_bytes: config.max_append_bytes,
            max_write_bytes: config.max_write_bytes,
            max_apply_bytes: config.max_apply_bytes,
            max_in_flight_messages: config.max_in_flight_messages,
            max_in_flight_bytes: config.max_in_flight_bytes,
            max_uncommitted_bytes: config.max_uncommitted_bytes,
            max_undurable_bytes: config.max_undurable_bytes,
            max_writes_in_flight: config.max_writes_in_flight,
            window_bytes: config.window_bytes,
            max_chunk_bytes: config.max_chunk_bytes,
            max_retained_bytes: config.max_retained_bytes,
            max_reads: config.max_reads,
            read_ticks_max: config.read_ticks_max,
            lease_drift_ticks: config.lease_drift_ticks.unwrap_or(RAFTCORE_NO_LEASES),
            disk_stall_ticks: config.disk_stall_ticks,
            priority: config.priority,
        }
    }
}

impl raftcore_config {
    fn checked(self) -> Result<Config, Fail> {
        if self.reserved != 0 {
            return Err(Fail::plain(RAFTCORE_STATUS_UNKNOWN_NUMBER));
        }
        Ok(Config {
            seed: self.seed,
            election_ticks_min: self.election_ticks_min,
            election_ticks_max: self.election_ticks_max,
            heartbeat_ticks: self.heartbeat_ticks,
            pre_vote: yes_or_no(self.pre_vote)?,
            check_quorum: yes_or_no(self.check_quorum)?,
            max_payload_bytes: self.max_payload_bytes,
            max_append_bytes: self.max_append_bytes,
            max_write_bytes: self.max_write_bytes,
            max_apply_bytes: self.max_apply_bytes,
            max_in_flight_messages: self.max_in_flight_messages,
            max_in_flight_bytes: self.max_in_flight_bytes,
            max_uncommitted_bytes: self.max_uncommitted_bytes,
            max_undurable_bytes: self.max_undurable_bytes,
            max_writes_in_flight: self.max_writes_in_flight,
            window_bytes: self.window_bytes,
            max_chunk_bytes: self.max_chunk_bytes,
            max_retained_bytes: self.max_retained_bytes,
            max_reads: self.max_reads,
            read_ticks_max: self.read_ticks_max,
            lease_drift_ticks: Some(self.lease_drift_ticks)
                .filter(|&ticks| ticks != RAFTCORE_NO_LEASES),
            disk_stall_ticks: self.disk_stall_ticks,
            priority: self.priority,
        })
    }
}

pub(crate) fn yes_or_no(number: u32) -> Result<bool, Fail> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Fail::plain(RAFTCORE_STATUS_UNKNOWN_NUMBER)),
    }
}

/// Reads a configuration, whose first field tells how much of it there is.
///
/// # Safety
/// `config` is NULL, or good for reading the `size` bytes that its first field tells.
pub(crate) unsafe fn read_config(config: *const raftcore_config) -> Result<Config, Fail> {
    if config.is_null() {
        return Err(Fail::plain(RAFTCORE_STATUS_NULL));
    }
    // SAFETY: not NULL; `size` is the first field of every version of the struct.
    if unsafe { config.cast::<usize>().read() } != size_of::<raftcore_config>() {
        return Err(Fail::plain(RAFTCORE_STATUS_CONFIG_SIZE));
    }
    // SAFETY: the caller's struct is as large as ours.
    unsafe { config.read() }.checked()
}

/// Fills a configuration with the defaults, which suit a small cluster at 10 ms a tick.
///
/// `size` is `sizeof(raftcore_config)`, so that header and library cannot differ unnoticed.
///
/// Threads: any. Errors: `RAFTCORE_STATUS_NULL`, `RAFTCORE_STATUS_CONFIG_SIZE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn raftcore_config_default(
    out_config: *mut raftcore_config,
    size: usize,
) -> raftcore_status {
    status_of(|| {
        // SAFETY: the caller's pointer is NULL or good for writing `size` bytes, which are checked
        // to be enough before anything is written.
        let out = unsafe { Out::new(out_config) }?;
        if size != size_of::<raftcore_config>() {
            return Err(Fail::plain(RAFTCORE_STATUS_CONFIG_SIZE));
        }
        out.put(Config::default().into());
        Ok(())
    })
}
