//! Raftcore and raft-rs on the same jobs in the same run: alternating repetitions, medians.

use clap::{Parser, ValueEnum};
use raftcore_benches::{Group, Job, RaftRs, Sample, Sizes, sample_raft_rs, sample_raftcore};
use serde::Serialize;

/// Compares raftcore with raft-rs.
#[derive(Parser)]
#[command(after_help = "Examples:\n  compare --job J1\n  compare --job J1 --payload 256 --json")]
struct Args {
    /// Only these jobs.
    #[arg(long)]
    job: Vec<Job>,
    /// Bytes in a payload.
    #[arg(long, default_value_t = 16)]
    payload: usize,
    /// Repetitions of each job and side.
    #[arg(long, default_value_t = 11)]
    repetitions: usize,
    /// A few small repetitions, to see that it runs.
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of lines and a table.
    #[arg(long)]
    json: bool,
}

/// One figure of both sides.
#[derive(Serialize)]
struct Row {
    job: Job,
    payload: usize,
    metric: &'static str,
    ours: Option<f64>,
    peer: &'static str,
    value: Option<f64>,
    ratio: Option<f64>,
}

fn main() {
    let args = Args::parse();
    let jobs = if args.job.is_empty() { Job::value_variants().to_vec() } else { args.job.clone() };
    let sizes = if args.quick { Sizes::quick() } else { Sizes::full() };
    let sizes = Sizes { payload: args.payload, ..sizes };
    let repetitions = if args.quick { 3 } else { args.repetitions.max(1) };
    let rows: Vec<Row> =
        jobs.into_iter().flat_map(|job| measure(job, sizes, repetitions, args.json)).collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows).expect("plain data"));
    } else {
        table(&rows);
    }
}

/// Both sides of one job, in turns.
fn measure(job: Job, sizes: Sizes, repetitions: usize, quiet: bool) -> Vec<Row> {
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        ours.push(sample_raftcore(job, sizes));
        peer.push(sample_raft_rs(job, sizes));
    }
    let mut metrics: Vec<&'static str> = Vec::new();
    for sample in ours.iter().chain(&peer).flatten() {
        if !metrics.contains(&sample.metric) {
            metrics.push(sample.metric);
        }
    }
    let payload = if job == Job::J8 { 256 } else { sizes.payload };
    let row = |metric| {
        let (ours, value) = (median(&ours, metric), median(&peer, metric));
        let ratio = ours.zip(value).map(|(ours, value)| ours / value);
        Row { job, payload, metric, ours, peer: <RaftRs as Group>::NAME, value, ratio }
    };
    let rows: Vec<Row> = metrics.into_iter().map(row).collect();
    if !quiet {
        rows.iter().for_each(print_result);
    }
    rows
}

fn median(repetitions: &[Vec<Sample>], metric: &str) -> Option<f64> {
    let mut values: Vec<f64> = repetitions
        .iter()
        .flatten()
        .filter(|sample| sample.metric == metric)
        .map(|sample| sample.value)
        .collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn print_result(row: &Row) {
    let Row { job, payload, metric, ours, peer, value, ratio } = row;
    let (ours, value, ratio) = (number(*ours, 1), number(*value, 1), number(*ratio, 3));
    println!(
        "RESULT job={job:?} payload={payload} metric={metric} ours={ours} peer={peer} value={value} ratio={ratio}"
    );
}

fn table(rows: &[Row]) {
    println!();
    println!(
        "{:<5}{:<24}{:>12}{:>15}{:>9}",
        "job",
        "metric",
        "raftcore",
        <RaftRs as Group>::NAME,
        "ratio"
    );
    for row in rows {
        let job = format!("{:?}", row.job);
        let (ours, value) = (number(row.ours, 1), number(row.value, 1));
        println!("{job:<5}{:<24}{ours:>12}{value:>15}{:>9}", row.metric, number(row.ratio, 3));
    }
}
