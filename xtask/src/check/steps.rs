//! What the steps do.
//!
//! Their order shares what is built: the lints and the documents use one set of artefacts, all
//! tests and benches a second, everything in release a third.

use anyhow::Result;

use super::Outcome::Passed;
use super::{Outcome, Step, c, no_std, oldest_rust, python, speed};
use crate::shell::{Shell, cargo, program, target};
use crate::{header, tidy};

/// All steps, in the order in which they run.
pub(super) const ALL: &[Step] = &[
    step("format", "the code is formatted", format),
    step("tidy", "files and functions are short, nothing is left over", tidy),
    step("clippy", "clippy finds nothing", clippy),
    step("docs", "the documents build without warnings", docs),
    step("header", "include/raftcore.h is what raft-ffi says", header),
    step("test", "all tests and the examples in the documents pass", test),
    step("bench", "the benches run, as tests", bench),
    step("c", "the C programs run", c::run),
    step("no-std", "the core runs in a C program without any library", no_std::linked),
    step("bare-metal", "the core builds for a bare-metal target", no_std::bare_metal),
    step("oldest-rust", "the core builds with the oldest Rust it names", oldest_rust::run),
    step("simulate", "200 simulated clusters keep every property", simulate),
    step("fuzz", "both fuzz targets find nothing in 20,000 executions each", fuzz),
    step("put-back", "tests, simulator and fuzz target find the bugs that are put back", put_back),
    step("speed", "no job takes 3 % more instructions than in the baseline", speed::run),
    step("python", "the Python package installs and its tests pass", python::run),
];

const fn step(
    name: &'static str,
    what: &'static str,
    run: fn(&mut Shell) -> Result<Outcome>,
) -> Step {
    Step { name, what, run }
}

fn format(shell: &mut Shell) -> Result<Outcome> {
    shell.run(&mut cargo(["fmt", "--all", "--check", "--", "--color=never"]))?;
    shell.run(&mut cargo([
        "fmt",
        "--manifest-path",
        no_std::MANIFEST,
        "--check",
        "--",
        "--color=never",
    ]))?;
    Ok(Passed)
}

fn tidy(_: &mut Shell) -> Result<Outcome> {
    tidy::check()?;
    Ok(Passed)
}

fn clippy(shell: &mut Shell) -> Result<Outcome> {
    let core = ["-p", "raftcore", "--features", "put-back,inspect"];
    let simulator = ["-p", "raftcore-sim", "--features", "put-back"];
    for packages in [&["--workspace"][..], &core, &simulator] {
        let mut command = cargo(["clippy", "--all-targets", "--locked", "--keep-going"]);
        shell.run(command.args(packages).args(["--", "-D", "warnings"]))?;
    }
    Ok(Passed)
}

fn docs(shell: &mut Shell) -> Result<Outcome> {
    // Only libraries, and not the C interface, whose documents are its header: several of these
    // bear the name of the core, and so would share its folder.
    let mut command = cargo(["doc", "--workspace", "--lib", "--no-deps", "--locked"]);
    command.args(["--exclude", "raftcore-ffi"]);
    shell.run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Passed)
}

fn header(_: &mut Shell) -> Result<Outcome> {
    header::check()?;
    Ok(Passed)
}

fn test(shell: &mut Shell) -> Result<Outcome> {
    shell.run(&mut cargo(["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    Ok(Passed)
}

fn bench(shell: &mut Shell) -> Result<Outcome> {
    // The whole workspace, so that what the tests built is used again.
    shell.run(&mut cargo(["test", "--workspace", "--benches", "--locked"]))?;
    Ok(Passed)
}

fn simulate(shell: &mut Shell) -> Result<Outcome> {
    shell.run(&mut cargo(["build", "--release", "-p", "raftcore-server", "--locked"]))?;
    let mut command = program(target().join("release/raftcore"));
    shell.run(command.args(["simulate", "--seeds", "200"]))?;
    Ok(Passed)
}

fn fuzz(shell: &mut Shell) -> Result<Outcome> {
    shell.run(&mut cargo(["build", "--release", "-p", "raftcore-fuzz", "--locked"]))?;
    for name in ["bytes", "inputs"] {
        let mut command = program(target().join("release/fuzz-run"));
        shell.run(command.args([name, "--count", "20000"]))?;
    }
    Ok(Passed)
}

fn put_back(shell: &mut Shell) -> Result<Outcome> {
    let put_back = ["--features", "put-back", "--test", "put_back", "--locked"];
    shell.run(cargo(["test", "-p", "raftcore"]).args(put_back))?;
    let drivers = ["test", "--release", "-p", "raftcore-sim", "-p", "raftcore-fuzz"];
    shell.run(cargo(drivers).args(put_back))?;
    Ok(Passed)
}
