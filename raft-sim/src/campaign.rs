//! Many seeds, over all cores.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use thiserror::Error;

use crate::config::{ConfigError, NODES, SimConfig};
use crate::faults::{FaultCounts, FaultKind};
use crate::pairs::FaultPairs;
use crate::report::{Failure, RunError, RunReport};
use crate::run;

/// From this many seeds on, a kind of fault that never fired fails the campaign.
pub const SEEDS_TO_SEE_ALL_FAULTS: u64 = 100;

/// A range of seeds to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// What each run is like; its seed is the first of the campaign.
    pub first: SimConfig,
    /// How many seeds. Default 100.
    pub seeds: u64,
    /// Threads; one per core if `None`. Default `None`.
    pub threads: Option<usize>,
}

impl Default for Campaign {
    fn default() -> Self {
        Self { first: SimConfig::default(), seeds: 100, threads: None }
    }
}

/// How far a campaign is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Seeds done.
    pub seeds_done: u64,
    /// Seeds of the whole campaign.
    pub seeds: u64,
    /// Events executed so far.
    pub steps_done: u64,
}

/// What a campaign found: every property held in every seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Seeds run.
    pub seeds: u64,
    /// Events executed in all of them.
    pub steps: u64,
    /// Entries committed in all of them.
    pub commits: u64,
    /// Leader changes in all of them.
    pub leader_changes: u64,
    /// Restarts in all of them.
    pub restarts: u64,
    /// How often each kind of fault fired.
    pub faults: FaultCounts,
    /// Which kinds of faults fired in the same seeds.
    pub fault_pairs: FaultPairs,
    /// Median of the events of a seed.
    pub median_steps: u64,
    /// Median of the commits of a seed.
    pub median_commits: u64,
    /// Median of the leader changes of a seed.
    pub median_leader_changes: u64,
    /// Longest recovery after the faults, in ticks.
    pub recovery_ticks_max: u64,
    /// Seeds in which a lost disk left nobody who can be elected.
    pub unelectable: u64,
    /// Digest of the digests of all seeds, in the order of the seeds.
    pub digest: u64,
    /// Time it took.
    pub elapsed: Duration,
}

impl Totals {
    /// Seeds per second of real time.
    #[must_use]
    pub fn seeds_per_second(&self) -> f64 {
        self.seeds as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Events per second of real time.
    #[must_use]
    pub fn steps_per_second(&self) -> f64 {
        self.steps as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Why a campaign failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// It could not start.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A seed broke a property; the lowest such seed.
    #[error(transparent)]
    Failure(#[from] Box<Failure>),
    /// A kind of fault never fired: the campaign proves less than it claims.
    #[error("the fault \"{kind}\" never fired in {seeds} seeds")]
    FaultNeverFired {
        /// The kind.
        kind: FaultKind,
        /// The seeds run.
        seeds: u64,
        /// What was found otherwise.
        totals: Box<Totals>,
    },
}

#[derive(Default)]
struct Results {
    reports: Vec<RunReport>,
    failure: Option<Box<Failure>>,
    steps: u64,
}

impl Campaign {
    /// Runs all seeds; `progress` is called after each, from several threads, one at a time.
    ///
    /// # Errors
    /// [`CampaignError`]: the lowest seed that failed, or a kind of fault that never fired.
    pub fn run(&self, progress: impl Fn(Progress) + Sync) -> Result<Totals, CampaignError> {
        self.validate()?;
        let begin = Instant::now();
        let results = Mutex::new(Results::default());
        let next = AtomicU64::new(0);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores).clamp(1, 256) as u64;
        thread::scope(|scope| {
            for _ in 0..threads.min(self.seeds) {
                scope.spawn(|| self.work(&next, &results, &progress));
            }
        });
        let results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(failure) = results.failure {
            return Err(failure.into());
        }
        let totals = totals(results.reports, begin.elapsed());
        match self.missing_fault(&totals) {
            Some(kind) => Err(CampaignError::FaultNeverFired {
                kind,
                seeds: self.seeds,
                totals: Box::new(totals),
            }),
            None => Ok(totals),
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.seeds == 0 {
            return Err(ConfigError::NoSeeds);
        }
        if self.first.seed.checked_add(self.seeds - 1).is_none() {
            return Err(ConfigError::SeedRange);
        }
        match self.first.nodes {
            Some(nodes) if !NODES.contains(&nodes) => Err(ConfigError::Nodes { nodes }),
            _ => Ok(()),
        }
    }

    /// Takes seeds in their order until none is left or one has failed.
    fn work(&self, next: &AtomicU64, results: &Mutex<Results>, progress: &impl Fn(Progress)) {
        loop {
            let offset = next.fetch_add(1, Ordering::Relaxed);
            if offset >= self.seeds {
                return;
            }
            let config = SimConfig { seed: self.first.seed + offset, ..self.first.clone() };
            let outcome = run(&config);
            let mut results = results.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match outcome {
                Ok(report) => {
                    results.steps += report.steps;
                    results.reports.push(report);
                    progress(Progress {
                        seeds_done: results.reports.len() as u64,
                        seeds: self.seeds,
                        steps_done: results.steps,
                    });
                }
                Err(RunError::Failure(failure)) => {
                    next.store(self.seeds, Ordering::Relaxed);
                    let lower = results.failure.as_ref().is_none_or(|old| old.seed > failure.seed);
                    if lower {
                        results.failure = Some(failure);
                    }
                }
                Err(RunError::Config(_)) => unreachable!("the campaign was validated"),
            }
        }
    }

    fn missing_fault(&self, totals: &Totals) -> Option<FaultKind> {
        if !self.first.faults || self.seeds < SEEDS_TO_SEE_ALL_FAULTS {
            return None;
        }
        let alone = self.first.nodes == Some(1);
        let mut counts = totals.faults.iter();
        counts
            .find(|&(kind, count)| count == 0 && !(alone && kind.needs_peers()))
            .map(|(kind, _)| kind)
    }
}

fn totals(mut reports: Vec<RunReport>, elapsed: Duration) -> Totals {
    reports.sort_by_key(|report| report.seed);
    let sum = |field: fn(&RunReport) -> u64| reports.iter().map(field).sum();
    let median = |field: fn(&RunReport) -> u64| {
        let mut values: Vec<u64> = reports.iter().map(field).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0)
    };
    let mut faults = FaultCounts::default();
    let mut fault_pairs = FaultPairs::default();
    let mut digests = Vec::with_capacity(reports.len() * 8);
    for report in &reports {
        faults.add(&report.faults);
        fault_pairs.add(&report.faults);
        digests.extend_from_slice(&report.digest.to_le_bytes());
    }
    Totals {
        seeds: reports.len() as u64,
        steps: sum(|report| report.steps),
        commits: sum(|report| report.commits),
        leader_changes: sum(|report| report.leader_changes),
        restarts: sum(|report| report.restarts),
        faults,
        fault_pairs,
        median_steps: median(|report| report.steps),
        median_commits: median(|report| report.commits),
        median_leader_changes: median(|report| report.leader_changes),
        unelectable: reports.iter().map(|report| report.unelectable).sum(),
        recovery_ticks_max: reports.iter().map(|report| report.recovery_ticks).max().unwrap_or(0),
        digest: xxhash_rust::xxh3::xxh3_64(&digests),
        elapsed,
    }
}
