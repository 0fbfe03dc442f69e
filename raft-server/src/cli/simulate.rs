//! `raftcore simulate`: clusters in memory, with faults, every step checked.

use std::path::PathBuf;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use raftcore_sim::{Campaign, CampaignError, Failure, FaultCounts, SimConfig, Totals};
use serde_json::json;

use super::{Code, Fail, say};

/// Run simulated clusters with faults and check every step.
///
/// One seed is one whole run of a cluster with clients: messages are lost, repeated and reordered,
/// nodes crash in the middle of a write, disks fail. Every property of Raft is checked after every
/// step. The same seed gives the same run. A failing seed prints the one command that replays it,
/// and its trace and recording are written into DIR.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  raftcore simulate --seeds 100
  raftcore simulate --seeds 1 --seed 4711 --nodes 5      the run of one seed again

Exit codes are listed by `raftcore --help`; 15 means that a property broke.")]
pub(crate) struct Simulate {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Nodes in each cluster, 1 to 7 [default: each seed chooses]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// Steps of each run before faults stop and recovery is checked
    #[arg(long, value_name = "N", default_value_t = SimConfig::default().steps)]
    steps: u64,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Where trace and recording of a failing seed are written
    #[arg(long, value_name = "DIR", default_value = "sim-failures")]
    failures: PathBuf,
}

impl Simulate {
    pub(crate) fn run(self) -> Result<(), Fail> {
        let first = SimConfig {
            seed: self.seed,
            nodes: self.nodes,
            steps: self.steps,
            ..SimConfig::default()
        };
        let campaign = Campaign { first, seeds: self.seeds, threads: self.threads };
        let bar = bar(self.seeds);
        let done = campaign.run(|progress| {
            bar.set_message(format!("{} steps", progress.steps_done));
            bar.set_position(progress.seeds_done);
        });
        bar.finish_and_clear();
        match done {
            Ok(totals) => self.show(&totals),
            Err(CampaignError::FaultNeverFired { kind, seeds, totals }) => {
                self.show(&totals)?;
                let message = format!("the fault \"{kind}\" never fired in {seeds} seeds");
                Err(Fail::new(Code::Violation, message))
            }
            Err(CampaignError::Failure(failure)) => Err(self.keep(&failure)),
            Err(error) => Err(Fail::new(Code::Usage, error.to_string())),
        }
    }

    fn show(&self, totals: &Totals) -> Result<(), Fail> {
        if self.json {
            let text = serde_json::to_string_pretty(&as_json(totals));
            say(text.map_err(|error| Fail::new(Code::Other, error.to_string()))?);
            return Ok(());
        }
        say(faults_table(&totals.faults));
        say(totals_table(totals));
        let (met, all) = totals.fault_pairs.met();
        let rarest = totals.fault_pairs.rarest().map_or_else(String::new, |(one, other, seeds)| {
            format!("; the rarest, {one} with {other}, in {seeds} seeds")
        });
        say(format_args!("{met} of {all} pairs of faults met in some seed{rarest}"));
        say(format_args!("simulate: ok, every property held in {} seeds", totals.seeds));
        Ok(())
    }

    /// Writes what is needed to look into a failure, and tells where it is.
    fn keep(&self, failure: &Failure) -> Fail {
        let kept = match failure.save(&self.failures) {
            Ok(recording) => format!("recording and trace: {}", recording.display()),
            Err(error) => format!("cannot write into {}: {error}", self.failures.display()),
        };
        if self.json {
            let line = json!({
                "ok": false,
                "seed": failure.seed,
                "nodes": failure.nodes,
                "step": failure.step,
                "property": failure.property.to_string(),
                "detail": failure.detail,
                "replay": failure.replay_command(),
            });
            say(line);
        }
        Fail::new(Code::Violation, format!("{failure}\n{kept}"))
    }
}

fn bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::stderr());
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {msg}, {eta} left";
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

fn as_json(totals: &Totals) -> serde_json::Value {
    let faults: serde_json::Map<_, _> =
        totals.faults.iter().map(|(kind, count)| (kind.to_string(), json!(count))).collect();
    let pairs: serde_json::Map<_, _> = totals
        .fault_pairs
        .iter()
        .map(|(one, other, seeds)| (format!("{one} + {other}"), json!(seeds)))
        .collect();
    json!({
        "ok": true,
        "seeds": totals.seeds,
        "steps": totals.steps,
        "commits": totals.commits,
        "leader_changes": totals.leader_changes,
        "restarts": totals.restarts,
        "median_steps": totals.median_steps,
        "median_commits": totals.median_commits,
        "median_leader_changes": totals.median_leader_changes,
        "recovery_ticks_max": totals.recovery_ticks_max,
        "unelectable": totals.unelectable,
        "digest": format!("{:016x}", totals.digest),
        "seconds": totals.elapsed.as_secs_f64(),
        "seeds_per_second": totals.seeds_per_second(),
        "steps_per_second": totals.steps_per_second(),
        "faults": faults,
        "fault_pairs": pairs,
    })
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table
}

fn faults_table(faults: &FaultCounts) -> Table {
    let mut table = plain_table();
    table.set_header(["fault", "times"]);
    for (kind, count) in faults.iter() {
        table.add_row([kind.to_string(), count.to_string()]);
    }
    table
}

fn totals_table(totals: &Totals) -> Table {
    let mut table = plain_table();
    table.set_header(["", "all seeds", "median seed"]);
    let with_median = [
        ("steps", totals.steps, totals.median_steps),
        ("commits", totals.commits, totals.median_commits),
        ("leader changes", totals.leader_changes, totals.median_leader_changes),
    ];
    for (name, all, median) in with_median {
        table.add_row([name.to_owned(), all.to_string(), median.to_string()]);
    }
    let alone = [
        ("restarts", totals.restarts.to_string()),
        ("longest recovery, ticks", totals.recovery_ticks_max.to_string()),
        ("seeds with nobody to elect after a lost disk", totals.unelectable.to_string()),
        ("digest", format!("{:016x}", totals.digest)),
        ("seconds", format!("{:.1}", totals.elapsed.as_secs_f64())),
        ("seeds per second", format!("{:.1}", totals.seeds_per_second())),
        ("steps per second", format!("{:.0}", totals.steps_per_second())),
    ];
    for (name, value) in alone {
        table.add_row([name.to_owned(), value, String::new()]);
    }
    table
}
