//! Counts of instructions, by `benches/count.sh`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::shell::{Shell, cargo, program, target};

/// One count.
pub(super) struct Figure {
    /// As in the baseline and in the tables: the job, and what of it.
    pub(super) name: &'static str,
    /// For `benches/count.sh`.
    arguments: &'static [&'static str],
    /// Whether raft-rs does the same.
    pub(super) peer: bool,
}

const fn figure(name: &'static str, arguments: &'static [&'static str], peer: bool) -> Figure {
    Figure { name, arguments, peer }
}

/// What stands in the baseline.
pub(super) const FIGURES: &[Figure] = &[
    figure("J1", &["J1"], true),
    figure("J1w", &["J1w"], true),
    figure("J2", &["J2"], true),
    figure("J3", &["J3"], true),
    figure("J4 has_output", &["J4"], true),
    figure("J4 poll_output", &["J4", "--what", "poll"], false),
    figure("J4 deadline", &["J4", "--what", "deadline"], false),
    figure("J5", &["J5"], true),
    figure("J6", &["J6"], true),
    figure("J7 5 voters", &["J7"], true),
    figure("J7 101 voters", &["J7", "--voters", "101"], true),
    figure("J8 decode", &["J8"], true),
    figure("J8 verify", &["J8", "--what", "verify"], false),
];

/// Instructions per entry (or call), by figure.
pub(super) type Counts = BTreeMap<String, f64>;

/// What decides how many instructions the same code takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tools {
    pub(super) rustc: String,
    pub(super) host: String,
    pub(super) valgrind: String,
}

impl Tools {
    /// Those of this machine.
    pub(super) fn here(shell: &mut Shell) -> Result<Self> {
        let rustc = shell.read(program("rustc").arg("-vV"))?;
        let field =
            |name| rustc.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Ok(Self {
            host: field("host: ").context("`rustc -vV` names no host")?,
            rustc: field("rustc ").context("`rustc -vV` names no version")?,
            valgrind: shell.read(program("valgrind").arg("--version"))?.trim().to_owned(),
        })
    }
}

/// Builds the program that runs one job.
pub(super) fn build(shell: &mut Shell) -> Result<PathBuf> {
    let package = ["--profile", "measure", "-p", "raftcore-benches", "--bin", "count", "--locked"];
    shell.run(cargo(["build"]).args(package))?;
    Ok(target().join("measure/count"))
}

/// Counts one job of a program that was built.
pub(super) struct Counter<'a> {
    pub(super) binary: &'a Path,
    /// After the arguments of the figure.
    pub(super) arguments: &'a [&'a str],
    /// Only functions and source files whose names match.
    pub(super) part: &'a str,
}

impl Counter<'_> {
    pub(super) fn count(&self, shell: &mut Shell, arguments: &[&str]) -> Result<f64> {
        let mut command = program("benches/count.sh");
        command.args(arguments).args(self.arguments);
        let printed = shell.read(command.env("BINARY", self.binary).env("IN", self.part))?;
        let (_, number) = printed.trim().rsplit_once("instructions=").context("no count")?;
        number.parse().with_context(|| format!("`{number}` is no count"))
    }

    /// Counts those figures that are wanted.
    pub(super) fn all(&self, shell: &mut Shell, wanted: fn(&Figure) -> bool) -> Result<Counts> {
        let mut counts = Counts::new();
        for figure in FIGURES.iter().filter(|figure| wanted(figure)) {
            let count = self.count(shell, figure.arguments)?;
            shell.note(&format!("{}: {count}", figure.name))?;
            counts.insert(figure.name.to_owned(), count);
        }
        Ok(counts)
    }
}

/// Builds the core and counts all of its figures.
pub(super) fn all(shell: &mut Shell) -> Result<Counts> {
    let binary = build(shell)?;
    Counter { binary: &binary, arguments: &[], part: "" }.all(shell, |_| true)
}
