//! What a run is asked to be, and what its seed makes of it.

use core::ops::RangeInclusive;
use std::sync::Arc;

use raftcore::{Config, MAX_PRIORITY, Membership};
use thiserror::Error;

use crate::host::Standing;
use crate::rng::Rng;

/// Sizes of cluster that can be simulated.
pub const NODES: RangeInclusive<usize> = 1..=7;

/// Most nodes that do not belong to the cluster from its beginning.
pub(crate) const OUTSIDERS_MAX: usize = 3;

/// What to run: everything else follows from the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    /// The seed; the same one gives the same run, byte for byte. Default 0.
    pub seed: u64,
    /// Nodes that found the cluster, 1 to 7; chosen by the seed if `None`. Default `None`.
    pub nodes: Option<usize>,
    /// Events to execute before faults stop and recovery is checked. Default 20,000.
    pub steps: u64,
    /// Whether faults are injected. Default true.
    pub faults: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self { seed: 0, nodes: None, steps: 20_000, faults: true }
    }
}

/// Why a run or a campaign cannot start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The number of nodes is out of range.
    #[error("{nodes} nodes; a simulated cluster has {} to {}", NODES.start(), NODES.end())]
    Nodes {
        /// The number asked for.
        nodes: usize,
    },
    /// A campaign of no seeds.
    #[error("a campaign needs at least one seed")]
    NoSeeds,
    /// The seeds would pass the largest number.
    #[error("seeds beyond the largest 64-bit number")]
    SeedRange,
}

/// What the seed decides before the first event.
pub(crate) struct Plan {
    /// How many nodes found the cluster; others may be added later.
    pub(crate) founders: usize,
    pub(crate) membership: Membership,
    /// Whether leases may be relied on: clocks drift within a bound, and are read before each input.
    pub(crate) leases: bool,
    /// Whether the membership changes.
    pub(crate) changes: bool,
    /// Whether disks are damaged or lost.
    pub(crate) damages: bool,
    /// How many hosts, the last ones, wait to take the place of others.
    pub(crate) spares: usize,
    /// One configuration per node.
    pub(crate) configs: Vec<Arc<Config>>,
    /// Whether messages and writes go through bytes.
    pub(crate) codec: bool,
    /// Whether restarts fold every stored record again.
    pub(crate) refolds: bool,
    /// Whether state machines forget everything at a crash.
    pub(crate) machine_in_memory: bool,
    /// Chance that a state machine takes a snapshot when it has applied something.
    pub(crate) snapshots: u32,
    /// Longest payload that clients propose.
    pub(crate) payload_max: u64,
    /// How many keys they write.
    pub(crate) keys: u64,
}

impl Plan {
    pub(crate) fn new(sim: &SimConfig, rng: &mut Rng) -> Result<Self, ConfigError> {
        let chosen = 1 + rng.weighted(&[3, 6, 40, 16, 22, 5, 8]);
        let nodes = sim.nodes.unwrap_or(chosen);
        if !NODES.contains(&nodes) {
            return Err(ConfigError::Nodes { nodes });
        }
        let Ok(membership) = Membership::of_voters(1..=nodes as u64) else {
            return Err(ConfigError::Nodes { nodes });
        };
        let (leases, changes) = (rng.chance(500), sim.faults && rng.chance(600));
        let mut common = timings_and_limits(rng);
        if leases {
            common.lease_drift_ticks = Some(rng.pick(&[1, 2]));
        }
        // Without them removed nodes, which do not know it, raise the term for ever.
        common.check_quorum |= changes;
        common.pre_vote |= changes;
        let mixed = !leases && !changes && rng.chance(200);
        let priorities = rng.chance(250);
        let damages = changes && rng.chance(500);
        let outsiders = if changes { rng.below(OUTSIDERS_MAX as u64 + 1) as usize } else { 0 };
        let outsiders = outsiders.max(usize::from(damages));
        let spares = if damages { rng.between(1, outsiders as u64) as usize } else { 0 };
        let configs = (0..nodes + outsiders)
            .map(|_| {
                let mut config = common.clone();
                config.seed = rng.next();
                if mixed {
                    config.pre_vote = rng.chance(500);
                    config.check_quorum = rng.chance(500);
                }
                if priorities {
                    config.priority = rng.between(0, MAX_PRIORITY.into()) as u32;
                }
                Arc::new(config)
            })
            .collect();
        Ok(Self {
            founders: nodes,
            membership,
            leases,
            changes,
            damages,
            spares,
            configs,
            codec: rng.chance(750),
            refolds: rng.chance(125),
            machine_in_memory: rng.chance(500),
            snapshots: rng.pick(&[0, 5, 20, 100, 500]),
            payload_max: rng.pick(&[16, 64, 200]),
            keys: rng.pick(&[1, 3, 16]),
        })
    }
}

impl Plan {
    pub(crate) fn standing(&self, host: usize) -> Standing {
        let spare = host + self.spares >= self.configs.len();
        if spare { Standing::Spare } else { Standing::Present }
    }
}

fn timings_and_limits(rng: &mut Rng) -> Config {
    let (min, max, heartbeat) =
        rng.pick(&[(8, 16, 2), (10, 20, 3), (10, 13, 2), (20, 40, 4), (12, 30, 3), (20, 30, 12)]);
    let tight = rng.chance(500);
    let mut limit = |small: &[usize], large: usize| {
        if tight && rng.chance(500) { rng.pick(small) } else { large }
    };
    let defaults = Config::default();
    Config {
        election_ticks_min: min,
        election_ticks_max: max,
        heartbeat_ticks: heartbeat,
        max_append_bytes: limit(&[1, 1, 1, 256], defaults.max_append_bytes),
        max_write_bytes: limit(&[1, 256, 2048], defaults.max_write_bytes),
        max_apply_bytes: limit(&[1, 200, 2048], defaults.max_apply_bytes),
        max_in_flight_messages: limit(&[1, 2, 8], defaults.max_in_flight_messages),
        max_in_flight_bytes: limit(&[512, 4096], defaults.max_in_flight_bytes),
        max_uncommitted_bytes: limit(&[2048, 16_384], defaults.max_uncommitted_bytes),
        window_bytes: limit(&[1, 300, 2048, 8192], defaults.window_bytes),
        max_undurable_bytes: limit(&[64, 128, 512], defaults.max_undurable_bytes),
        max_reads: limit(&[1, 2, 6], defaults.max_reads),
        read_ticks_max: limit(&[10, 30], defaults.read_ticks_max as usize) as u32,
        disk_stall_ticks: limit(&[15, 60], defaults.disk_stall_ticks as usize) as u32,
        max_chunk_bytes: limit(&[9, 32, 100], defaults.max_chunk_bytes),
        max_retained_bytes: if rng.chance(500) { 0 } else { rng.pick(&[1, 500, 5000, 1 << 20]) },
        max_writes_in_flight: rng.pick(&[1, 2, 2, 2, 3, 5]),
        pre_vote: rng.chance(800),
        check_quorum: rng.chance(850),
        ..defaults
    }
}
