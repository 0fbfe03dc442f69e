//! Deterministic simulation of raftcore clusters: one seed is one whole run.
//!
//! A run is a cluster of one to seven nodes with their disks, clocks, network and clients, in one
//! thread and in simulated time. The seed decides everything: sizes, limits, what goes wrong and
//! when. The same seed gives the same run, byte for byte, on every machine; the digest in the
//! report shows it.
//!
//! After every step the properties of [`Property`] are checked, at a cost that does not grow with
//! the run; at its end, that what clients wrote and read is linearizable. After the configured number of steps the faults stop: within
//! [`RECOVERY_ELECTIONS`] election timeouts, and [`TICKS_PER_PIECE`] for each append or write in
//! which the node furthest behind gets what it lacks, the cluster must have a leader, apply a fresh
//! proposal everywhere and hold equal logs.
//!
//! ```
//! use raftcore_sim::{SimConfig, run};
//!
//! # fn main() -> Result<(), raftcore_sim::RunError> {
//! let report = run(&SimConfig { seed: 7, steps: 2_000, ..SimConfig::default() })?;
//! assert!(report.steps >= 2_000);
//! # Ok(())
//! # }
//! ```

mod campaign;
mod check;
mod config;
mod damage;
mod disk;
mod faults;
mod host;
mod linear;
pub mod model;
mod network;
mod pairs;
mod probe;
mod property;
mod queue;
mod record;
mod report;
mod rng;
mod shelf;
mod trace;
mod transcript;
mod weather;
mod world;

pub use campaign::{Campaign, CampaignError, Progress, SEEDS_TO_SEE_ALL_FAULTS, Totals};
pub use config::{ConfigError, NODES, SimConfig};
pub use faults::{FaultCounts, FaultKind};
pub use pairs::FaultPairs;
pub use property::Property;
pub use record::{NodeRecording, Recording, RecordingError, Start};
pub use report::{Failure, RunError, RunReport};
pub use world::{RECOVERY_ELECTIONS, TICKS_PER_PIECE};

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use property::{Checked, Violation};
use world::World;

/// Runs one seed.
///
/// A seed that fails is run a second time, with trace and recording, which the fast first run does
/// without.
///
/// # Errors
/// [`RunError::Failure`] with the property that broke; [`RunError::Config`] if nothing was run.
pub fn run(config: &SimConfig) -> Result<RunReport, RunError> {
    let mut world = World::new(config, false)?;
    let first = match guarded(&mut world) {
        Ok(report) => return Ok(report),
        Err(violation) => violation,
    };
    let step = world.step();
    let mut world = World::new(config, true)?;
    let second = guarded(&mut world).err();
    let repeated = second.as_ref() == Some(&first) && step == world.step();
    let Violation { property, node, detail } = if repeated {
        *first
    } else {
        let detail = format!("{first:?} at step {step}, then {second:?} at {}", world.step());
        Violation { property: Property::Repeatability, node: None, detail }
    };
    let nodes = world.nodes();
    let (trace, recording) = world.into_evidence();
    Err(RunError::Failure(Box::new(Failure {
        seed: config.seed,
        nodes,
        steps: config.steps,
        step,
        property,
        node,
        detail,
        trace,
        recording: recording.encode(),
    })))
}

/// Runs a world; a panic is a violation like others.
fn guarded(world: &mut World) -> Checked<RunReport> {
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let detail = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic".to_owned());
        Err(Box::new(Violation { property: Property::NoPanic, node: None, detail }))
    })
}
