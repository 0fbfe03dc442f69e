//! Runs a campaign: `campaign [seeds] [first seed] [nodes, 0 for any] [steps]`.

use std::path::Path;
use std::process::ExitCode;

use raftcore_sim::{Campaign, CampaignError, SimConfig, Totals};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let mut number = |default| match numbers.next() {
        Some(Ok(number)) => number,
        _ => default,
    };
    let seeds = number(100);
    let seed = number(0);
    let nodes = Some(number(0) as usize).filter(|&nodes| nodes > 0);
    let steps = number(SimConfig::default().steps);
    let first = SimConfig { seed, nodes, steps, ..SimConfig::default() };
    match (Campaign { first, seeds, threads: None }).run(|_| ()) {
        Ok(totals) => {
            show(&totals);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            if let CampaignError::Failure(failure) = error {
                match failure.save(Path::new("sim-failures")) {
                    Ok(path) => eprintln!("recording: {}", path.display()),
                    Err(error) => eprintln!("the recording could not be written: {error}"),
                }
            } else if let CampaignError::FaultNeverFired { totals, .. } = error {
                show(&totals);
            }
            ExitCode::FAILURE
        }
    }
}

fn show(totals: &Totals) {
    println!(
        "{} seeds, {} steps, {} commits, {} leader changes, {} restarts, digest {:016x}",
        totals.seeds,
        totals.steps,
        totals.commits,
        totals.leader_changes,
        totals.restarts,
        totals.digest
    );
    println!(
        "median per seed: {} steps, {} commits, {} leader changes; longest recovery {} ticks",
        totals.median_steps,
        totals.median_commits,
        totals.median_leader_changes,
        totals.recovery_ticks_max
    );
    for (kind, count) in totals.faults.iter() {
        println!("{kind:>20} {count}");
    }
    println!("{:.1} seeds/s, {:.0} steps/s", totals.seeds_per_second(), totals.steps_per_second());
}
