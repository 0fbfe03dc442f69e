//! Counts of instructions, by `benches/count.sh`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::shell::{Shell, cargo, program, target};

/// What stands in the baseline: the name of a figure, and what counts it.
const FIGURES: &[(&str, &[&str])] = &[
    ("J1", &["J1"]),
    ("J1w", &["J1w"]),
    ("J2", &["J2"]),
    ("J3", &["J3"]),
    ("J4 has_output", &["J4"]),
    ("J4 poll_output", &["J4", "--what", "poll"]),
    ("J4 deadline", &["J4", "--what", "deadline"]),
    ("J5", &["J5"]),
    ("J6", &["J6"]),
    ("J7 5 voters", &["J7"]),
    ("J7 101 voters", &["J7", "--voters", "101"]),
    ("J8 decode", &["J8"]),
    ("J8 verify", &["J8", "--what", "verify"]),
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

/// Counts one job of that program.
pub(super) fn count(shell: &mut Shell, binary: &Path, arguments: &[&str]) -> Result<f64> {
    let printed = shell.read(program("benches/count.sh").args(arguments).env("BINARY", binary))?;
    let (_, number) = printed.trim().rsplit_once("instructions=").context("no count")?;
    number.parse().with_context(|| format!("`{number}` is no count"))
}

/// Counts all of them.
pub(super) fn all(shell: &mut Shell) -> Result<Counts> {
    let binary = build(shell)?;
    let mut counts = Counts::new();
    for (name, arguments) in FIGURES {
        let count = count(shell, &binary, arguments)?;
        shell.note(&format!("{name}: {count}"))?;
        counts.insert((*name).to_owned(), count);
    }
    Ok(counts)
}
