//! How costs grow: with the log, the voters, the groups and the window.
//!
//! Writes the figures as JSON and a plot of each as SVG.

mod measure;
mod plot;

use anyhow::{Context, Result};
use clap::Parser;
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fs;
use std::path::{Path, PathBuf};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Measures how costs grow, and draws it.
#[derive(Parser)]
struct Args {
    /// Only the plots with these names: log, voters, groups, window, restart.
    #[arg(long)]
    only: Vec<String>,
    /// Small sizes, to see that it runs.
    #[arg(long)]
    quick: bool,
    /// Measure nothing, and draw the figures that are there.
    #[arg(long, conflicts_with = "only")]
    draw: bool,
    /// Where figures and plots lie.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/growth"))]
    folder: PathBuf,
}

/// One plot and its figures.
#[derive(Serialize, Deserialize)]
struct Plot {
    /// Of the file.
    name: String,
    title: String,
    /// What was measured, and on which machine.
    what: String,
    machine: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

/// What the numbers along an edge of a plot say.
#[derive(Serialize, Deserialize)]
struct Axis {
    label: String,
    logarithmic: bool,
}

/// A line in a plot.
#[derive(Serialize, Deserialize)]
struct Series {
    label: String,
    points: Vec<(f64, f64)>,
}

fn main() -> Result<()> {
    run(&Args::parse())
}

fn run(args: &Args) -> Result<()> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    if !args.draw {
        let machine = machine();
        for (name, measure) in measure::ALL {
            if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
                continue;
            }
            eprintln!("measuring {name}");
            let mut plot = measure(args.quick);
            name.clone_into(&mut plot.name);
            machine.clone_into(&mut plot.machine);
            let text = serde_json::to_string_pretty(&plot)? + "\n";
            fs::write(folder.join(format!("{name}.json")), text)?;
        }
    }
    for (name, _) in measure::ALL {
        draw(folder, name)?;
    }
    Ok(())
}

/// Draws a plot if there are figures for it.
fn draw(folder: &Path, name: &str) -> Result<()> {
    let Ok(text) = fs::read_to_string(folder.join(format!("{name}.json"))) else { return Ok(()) };
    let plot: Plot = serde_json::from_str(&text).with_context(|| format!("{name}.json"))?;
    plot::draw(&plot, &folder.join(format!("{name}.svg")))
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let about = read("/proc/cpuinfo");
    let line = about.lines().find_map(|line| line.strip_prefix("model name"));
    let processor = line.map_or("unknown processor", |line| line.trim_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    format!("{processor}, {cores} cores; {} {}", std::env::consts::OS, release.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plot_is_measured_written_and_drawn() {
        let folder = std::env::temp_dir().join(format!("growth-{}", std::process::id()));
        let args = Args { only: vec![], quick: true, draw: false, folder: folder.clone() };
        run(&args).expect("small sizes");
        for (name, _) in measure::ALL {
            let read = |kind| fs::read_to_string(folder.join(format!("{name}.{kind}")));
            let plot: Plot = serde_json::from_str(&read("json").expect("written")).expect("read");
            assert!(!plot.series.is_empty(), "{name}");
            for Series { label, points } in &plot.series {
                assert!(!points.is_empty(), "{name}, {label}");
                assert!(points.iter().all(|&(x, y)| x > 0.0 && y > 0.0), "{name}, {label}");
            }
            assert!(read("svg").expect("drawn").contains("polyline"), "{name}");
        }
        fs::remove_dir_all(folder).expect("a folder of this test");
    }
}
