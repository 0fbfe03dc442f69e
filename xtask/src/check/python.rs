//! Installs the Python package into an environment of its own and runs its tests.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Outcome::{self, Passed, Skipped};
use super::journal;
use crate::shell::{Shell, exists, program, target};

pub(super) fn run(shell: &mut Shell) -> Result<Outcome> {
    if !exists("python3") {
        return Ok(Skipped("python3 is missing (Debian package python3)".to_owned()));
    }
    let environment = target().join("python");
    let mut create = program("python3");
    if shell.run(create.args(["-m", "venv", "--clear"]).arg(&environment)).is_err() {
        let reason = "`python3 -m venv` fails (Debian package python3-venv is missing)";
        return Ok(Skipped(reason.to_owned()));
    }
    let tools = ["maturin>=1.16,<2", "pytest>=8", "mypy>=1.15", "typing_extensions>=4.6"];
    if shell.run(pip(&environment).args(tools)).is_err() {
        return Ok(Skipped(format!("pip cannot fetch {}", tools.join(", "))));
    }
    shell.run(pip(&environment).arg("./bindings/python").env("CARGO_TARGET_DIR", target()))?;
    let python = environment.join("bin/python");
    let mut module = |arguments: &[&str]| shell.run(program(&python).arg("-m").args(arguments));
    module(&["pytest", "-q", "-p", "no:cacheprovider", "bindings/python/tests"])?;
    let no_cache = "--cache-dir=/dev/null";
    let sources = ["bindings/python/python", "bindings/python/tests"];
    module(&["mypy", "--strict", no_cache, sources[0], sources[1]])?;
    module(&["mypy", "--strict", no_cache, "examples/python"])?;
    let known = "bindings/python/tests/stubtest-allowlist.txt";
    module(&["mypy.stubtest", "raftcore", "--allowlist", known])?;
    journal::run(shell, || {
        let mut start = program(&python);
        start.arg("examples/python/journal.py");
        start
    })?;
    Ok(Passed)
}

fn pip(environment: &Path) -> Command {
    let mut pip = program(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip
}
