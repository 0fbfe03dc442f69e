//! Runs all jobs on the core and on raft-rs with both of its codecs, and writes the tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::counts::{self, Counter, Counts, Tools};
use super::table::{Costs, Figures, Machine, Pair, tables};
use crate::shell::{Shell, cargo, exists, program, root, target};

/// How to compare.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A few small repetitions and no new table, to see that it runs.
    #[arg(long)]
    quick: bool,
}

/// raft-rs with one of its codecs: the name in results, the feature of the benches.
const PEERS: [(&str, &str); 2] = [("raft-rs", "peers"), ("raft-rs-prost", "peers-prost")];
/// What hashes in the core: the chain is all that does, where messages are not encoded.
const CHAIN: &str = "rapidhash|::checksum";
const BEGIN: &str = "<!-- figures: `cargo xtask compare` writes from here -->\n";
const END: &str = "<!-- figures: to here -->\n";

/// A line of the JSON that the program `compare` writes.
#[derive(Deserialize)]
struct Row {
    job: String,
    metric: String,
    ours: Option<f64>,
    value: Option<f64>,
}

/// The programs built with one codec.
struct Programs(PathBuf);

impl Programs {
    /// Keeps them apart: cargo puts those of both codecs in the same place.
    fn build(shell: &mut Shell, peer: &str, feature: &str) -> Result<Self> {
        let names = ["compare", "count", "allocs"];
        let mut build =
            cargo(["build", "--locked", "--profile", "measure", "-p", "raftcore-benches"]);
        shell.run(
            build.args(["--features", feature]).args(names.map(|name| format!("--bin={name}"))),
        )?;
        let folder = target().join("compare").join(peer);
        fs::create_dir_all(&folder)?;
        for name in names {
            fs::copy(target().join("measure").join(name), folder.join(name))?;
        }
        Ok(Self(folder))
    }

    fn program(&self, name: &str) -> Command {
        program(self.0.join(name))
    }
}

/// Runs everything, prints a `RESULT` line per figure, and writes the tables into
/// `benches/README.md`.
///
/// # Errors
/// When a program is missing, or a job fails.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    for name in ["valgrind", "protoc"] {
        ensure!(exists(name), "{name} is missing (Debian: valgrind, protobuf-compiler)");
    }
    let mut shell = Shell::new(false)?;
    let result = measure(&mut shell, arguments.quick);
    if result.is_err() {
        shell.show()?;
    }
    let text = result?;
    println!("\n{text}");
    if arguments.quick {
        return Ok(());
    }
    let path = root().join("benches/README.md");
    let readme = fs::read_to_string(&path).context("benches/README.md")?;
    fs::write(&path, replace(&readme, &text)?).context("benches/README.md")
}

fn measure(shell: &mut Shell, quick: bool) -> Result<String> {
    let tools = Tools::here(shell)?;
    eprintln!("counting raftcore");
    // Alone, as the baseline does: with raft-rs in the program the compiler may decide otherwise.
    let binary = counts::build(shell)?;
    let ours = Counter { binary: &binary, arguments: &[], part: "" }.all(shell, |_| true)?;
    let costs = costs(shell, &binary)?;
    let mut figures = Figures::default();
    for (peer, feature) in PEERS {
        eprintln!("building raftcore and {peer}");
        let programs = Programs::build(shell, peer, feature)?;
        eprintln!("measuring both");
        time(shell, &programs, peer, quick, &mut figures)?;
        allocations(shell, &programs, peer, &mut figures)?;
        let binary = programs.0.join("count");
        let counter = |arguments| Counter { binary: &binary, arguments, part: "" };
        let mut theirs = counter(&["--raft-rs"]).all(shell, |figure| figure.peer)?;
        let together = counter(&["--raft-rs", "--together"]).count(shell, &["J2"])?;
        theirs.insert("J2 in one call".to_owned(), together);
        count_pairs(peer, &ours, &theirs, &mut figures);
    }
    print!("{}", figures.result_lines());
    Ok(tables(&Machine::here(shell, tools)?, &figures, &costs))
}

/// Nanoseconds, and what else the program `compare` says.
fn time(
    shell: &mut Shell,
    programs: &Programs,
    peer: &'static str,
    quick: bool,
    figures: &mut Figures,
) -> Result<()> {
    let mut command = programs.program("compare");
    command.arg("--json").args(quick.then_some("--quick"));
    let rows: Vec<Row> = serde_json::from_str(&shell.read(&mut command)?)?;
    for Row { job, metric, ours, value } in rows {
        figures.insert(format!("{job} {metric}"), peer, Pair { ours, value });
    }
    Ok(())
}

/// Allocations per entry and bytes per node.
fn allocations(
    shell: &mut Shell,
    programs: &Programs,
    peer: &'static str,
    figures: &mut Figures,
) -> Result<()> {
    let printed = shell.read(&mut programs.program("allocs"))?;
    let mut ours = Counts::new();
    for line in printed.lines().filter(|line| line.starts_with("COUNT ")) {
        let field = |name: &str| {
            line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let job = field("job").context("a count without a job")?;
        let (name, number) = match field("role") {
            Some(role) => (format!("{job} bytes {role}"), field("bytes")),
            None => (format!("{job} allocations"), field("allocations")),
        };
        let number: f64 = number.context("a count without a number")?.parse()?;
        match field("of") {
            Some("raftcore") => drop(ours.insert(name, number)),
            Some(name_of_peer) if name_of_peer == peer => {
                let pair = Pair { ours: ours.get(&name).copied(), value: Some(number) };
                figures.insert(name, peer, pair);
            }
            other => bail!("a count of {other:?}"),
        }
    }
    Ok(())
}

fn count_pairs(peer: &'static str, ours: &Counts, theirs: &Counts, figures: &mut Figures) {
    for name in ours.keys().chain(theirs.keys()) {
        let pair = Pair { ours: ours.get(name).copied(), value: theirs.get(name).copied() };
        figures.insert(format!("{name} instructions"), peer, pair);
    }
}

/// What can be left out, and what the chain takes.
fn costs(shell: &mut Shell, binary: &Path) -> Result<Costs> {
    let jobs: [(&'static str, &[&str]); 5] = [
        ("J1", &["J1"]),
        ("J2", &["J2"]),
        ("J5", &["J5"]),
        ("J6", &["J6"]),
        ("J8 verify", &["J8", "--what", "verify"]),
    ];
    let mut costs = Costs::new();
    for (name, job) in jobs {
        let mut count =
            |arguments: &[&str], part| Counter { binary, arguments, part }.count(shell, job);
        let all = count(&[], "")?;
        let votes = all - count(&["--without", "pre-vote"], "")?;
        let quorum = all - count(&["--without", "check-quorum"], "")?;
        costs.push((name, [all, votes, quorum, count(&[], CHAIN)?]));
    }
    // A frame has a checksum of its own.
    let frame = Counter { binary, arguments: &[], part: CHAIN }.count(shell, &["J8"])?;
    if let Some((_, [.., chain])) = costs.last_mut() {
        *chain -= frame;
    }
    Ok(costs)
}

/// The text with new tables between the marks.
fn replace(readme: &str, tables: &str) -> Result<String> {
    let split = readme.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = split.context("benches/README.md has no place for the figures")?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tables_stand_between_the_marks_and_all_else_stays() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        let new = replace(&readme, "new\n").expect("both marks");
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n\n{END}after\n"));
        assert!(replace("no marks", "new").is_err());
    }

    #[test]
    fn the_readme_of_the_benches_has_a_place_for_the_tables() {
        let readme = fs::read_to_string(root().join("benches/README.md")).expect("it is there");
        replace(&readme, "").expect("both marks");
    }
}
