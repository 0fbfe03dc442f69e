//! The tables of `benches/README.md`: every figure beside the floor, the best peer and the budget.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;

use super::counts::Tools;
use crate::shell::{Shell, program};

/// One figure of both sides, from one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) ours: Option<f64>,
    pub(super) value: Option<f64>,
}

impl Pair {
    fn ratio(self) -> Option<f64> {
        self.ours.zip(self.value).map(|(ours, value)| ours / value)
    }
}

/// All pairs, by figure and peer.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<(String, &'static str), Pair>);

impl Figures {
    pub(super) fn insert(&mut self, figure: String, peer: &'static str, pair: Pair) {
        self.0.insert((figure, peer), pair);
    }

    fn pair(&self, figure: &str, peer: &'static str) -> Pair {
        let nothing = Pair { ours: None, value: None };
        self.0.get(&(figure.to_owned(), peer)).copied().unwrap_or(nothing)
    }

    /// One line per figure and peer.
    pub(super) fn result_lines(&self) -> String {
        let mut text = String::new();
        let number =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        for ((figure, peer), pair) in &self.0 {
            let (job, metric) = figure.split_once(' ').unwrap_or((figure, ""));
            let (metric, ours, value) =
                (metric.replace(' ', "_"), number(pair.ours), number(pair.value));
            let ratio = number(pair.ratio().map(|ratio| (ratio * 1e4).round() / 1e4));
            let _ = writeln!(
                text,
                "RESULT job={job} metric={metric} ours={ours} peer={peer} value={value} ratio={ratio}"
            );
        }
        text
    }
}

/// By job: all instructions, those of pre-vote, of check-quorum and of the hash chain.
pub(super) type Costs = Vec<(&'static str, [f64; 4])>;

/// Where it was measured.
pub(super) struct Machine {
    processor: String,
    cores: usize,
    system: String,
    tools: Tools,
}

impl Machine {
    pub(super) fn here(shell: &mut Shell, tools: Tools) -> Result<Self> {
        let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let line = about.lines().find_map(|line| line.strip_prefix("model name"));
        let processor =
            line.map_or("unknown processor", |line| line.trim_matches([' ', '\t', ':']));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let system = shell.read(program("uname").arg("-sr"))?.trim().to_owned();
        Ok(Self { processor: processor.to_owned(), cores, system, tools })
    }
}

/// A line of the table: the figure's name in [`Figures`] and in words, then the floor, the best peer
/// and the budget as words.
struct Line {
    figure: &'static str,
    words: &'static str,
    floor: &'static str,
    best: &'static str,
    budget: &'static str,
}

const fn line(
    figure: &'static str,
    words: &'static str,
    [floor, best, budget]: [&'static str; 3],
) -> Line {
    Line { figure, words, floor, best, budget }
}

const LINES: &[Line] = &[
    line("J1 instructions", "J1 instructions", ["700-1,015", "4,418 willemt (C)", "2,000"]),
    line("J1 ns", "J1 ns", ["71-90", "331 willemt", "0.10 x raft-rs"]),
    line("J1 allocations", "J1 allocations", ["0", "5 willemt", "1"]),
    line("J1w instructions", "J1w instructions", ["", "", "4,000"]),
    line("J1w ns", "J1w ns", [""; 3]),
    line("J1w allocations", "J1w allocations", [""; 3]),
    line(
        "J2 instructions",
        "J2 instructions",
        ["225", "1,183 cowsql (C, one submit of 64)", "450"],
    ),
    line("J2 in one call instructions", "J2 instructions, 64 in one call", [""; 3]),
    line("J2 ns", "J2 ns", [""; 3]),
    line("J2 ns_one_call", "J2 ns, 64 in one call", [""; 3]),
    line("J2 allocations", "J2 allocations", [""; 3]),
    line("J3 instructions", "J3 instructions", ["", "1,903 willemt", "900"]),
    line("J3 ns", "J3 ns", [""; 3]),
    line("J3 allocations", "J3 allocations", [""; 3]),
    line("J4 has_output instructions", "J4 instructions, `has_output`", ["13", "13", "20"]),
    line("J4 poll_output instructions", "J4 instructions, `poll_output`", [""; 3]),
    line("J4 deadline instructions", "J4 instructions, `deadline`", [""; 3]),
    line("J4 bytes follower", "J4 bytes, follower", ["", "816 cowsql", "900"]),
    line("J4 bytes leader", "J4 bytes, leader", ["", "", "1,500"]),
    line("J5 messages", "J5 messages", ["", "12", "12"]),
    line("J5 us", "J5 us", ["", "5.8 cowsql", "4"]),
    line("J5 us_with_start", "J5 us, with the start of the nodes", [""; 3]),
    line("J5 instructions", "J5 instructions", [""; 3]),
    line("J6 ns", "J6 ns", ["", "83", "50"]),
    line("J6 ns_1_mib_appends", "J6 ns, appends of 1 MiB", [""; 3]),
    line("J6 instructions", "J6 instructions", [""; 3]),
    line("J7 5 voters instructions", "J7 instructions, 5 voters", ["", "394", "400"]),
    line("J7 101 voters instructions", "J7 instructions, 101 voters", ["", "2,698", "2,000"]),
    line("J8 ns_decode", "J8 ns, decode", ["97", "830 (postcard, borrowing)", "250"]),
    line("J8 ns_decode_and_verify", "J8 ns, with checksums verified", ["", "none", "1,300"]),
    line("J8 decode instructions", "J8 instructions, decode", [""; 3]),
    line("J8 verify instructions", "J8 instructions, verify", [""; 3]),
    line("J8 wire_bytes", "J8 wire bytes", ["", "", "17,000"]),
];

/// Both tables as Markdown.
pub(super) fn tables(machine: &Machine, figures: &Figures, costs: &Costs) -> String {
    let Machine { processor, cores, system, tools } = machine;
    let Tools { rustc, valgrind, .. } = tools;
    let mut text = format!("{processor}, {cores} cores; {system}; rustc {rustc}; {valgrind}.\n\n");
    text += "| job | floor | best peer | raft-rs | raft-rs, prost | budget | raftcore | x raft-rs | x prost |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for Line { figure, words, floor, best, budget } in LINES {
        let (first, second) =
            (figures.pair(figure, "raft-rs"), figures.pair(figure, "raft-rs-prost"));
        let [theirs, prost, ours] = [first.value, second.value, first.ours].map(short);
        let [ratio, ratio_prost] =
            [first.ratio(), second.ratio()].map(|ratio| ratio.map_or_else(String::new, share));
        let _ = writeln!(
            text,
            "| {words} | {floor} | {best} | {theirs} | {prost} | {budget} | {ours} | {ratio} | {ratio_prost} |"
        );
    }
    text += "\nInstructions that the safety features take:\n\n";
    text += "| job | all | pre-vote | check-quorum | hash chain |\n|---|---|---|---|---|\n";
    for (job, figures) in costs {
        let [all, votes, quorum, chain] = figures.map(|figure| grouped(figure.round() + 0.0));
        let _ = writeln!(text, "| {job} | {all} | {votes} | {quorum} | {chain} |");
    }
    text
}

/// A ratio to two places, or three if it is small.
fn share(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

/// A number as a person reads it.
fn short(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() < 100.0 && value.fract() != 0.0 => format!("{value:.2}"),
        Some(value) => grouped(value),
    }
}

/// Without a fraction, digits in threes.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_small_ones_keep_a_fraction() {
        let numbers = [Some(11002.3), Some(999.6), Some(0.04), Some(12.0), Some(-4636.0), None];
        assert_eq!(numbers.map(short), ["11,002", "1,000", "0.04", "12", "-4,636", ""]);
    }

    #[test]
    fn a_result_line_names_job_metric_peer_and_ratio() {
        let mut figures = Figures::default();
        let pair = Pair { ours: Some(1.0), value: Some(3.0) };
        figures.insert("J4 has_output instructions".to_owned(), "raft-rs", pair);
        let expected = "RESULT job=J4 metric=has_output_instructions ours=1 peer=raft-rs value=3 ratio=0.3333\n";
        assert_eq!(figures.result_lines(), expected);
    }
}
