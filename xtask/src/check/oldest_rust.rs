//! The oldest Rust that the core says it builds with.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Outcome::{self, Passed, Skipped};
use super::no_std::MANIFEST;
use crate::shell::{Shell, cargo, program, target};

/// Builds the core with that version, where it is installed.
pub(super) fn run(shell: &mut Shell) -> Result<Outcome> {
    let version = promised(shell)?;
    let rustup = |arguments: &[&str]| {
        let mut command = program("rustup");
        command.args(["run", &version]).args(arguments);
        command
    };
    if shell.run(&mut rustup(&["rustc", "--version"])).is_err() {
        let reason =
            format!("Rust {version} is not installed (rustup toolchain install {version})");
        return Ok(Skipped(reason));
    }
    // Alone, so that nothing newer in the workspace matters.
    let mut check = rustup(&["cargo", "check", "--locked", "--manifest-path", MANIFEST]);
    shell.run(check.arg("--target-dir").arg(target().join("oldest-rust")))?;
    Ok(Passed)
}

/// The `rust-version` in the manifest of the core.
fn promised(shell: &mut Shell) -> Result<String> {
    let text = shell.read(&mut cargo(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let core = packages.find(|package| package["name"] == "raftcore");
    let version = core.and_then(|core| core["rust_version"].as_str());
    Ok(version.context("the core names no rust-version")?.to_owned())
}
