//! The proof that the core needs neither `std` nor an operating system.
//!
//! `cargo build --workspace` turns `std` on in shared dependencies and would hide a break, so the
//! core is built alone here.

use anyhow::Result;

use super::Outcome::{self, Passed, Skipped};
use crate::shell::{Shell, cargo, exists, program, target};

/// A library around the core that brings its own allocator and panic handler.
pub(super) const MANIFEST: &str = "xtask/nostd/Cargo.toml";
const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// Links the core into a C program that has no C library, and runs it.
pub(super) fn linked(shell: &mut Shell) -> Result<Outcome> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(Skipped("the C program speaks to Linux on x86-64 only".to_owned()));
    }
    if !exists("gcc") {
        return Ok(Skipped("gcc is missing (Debian package gcc)".to_owned()));
    }
    let folder = target().join("nostd");
    let mut build = cargo(["build", "--release", "--locked", "--manifest-path", MANIFEST]);
    shell.run(build.arg("--target-dir").arg(&folder))?;
    let proof = folder.join("proof");
    let mut gcc = program("gcc");
    gcc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2", "-ffreestanding", "-fno-builtin"]);
    gcc.args(["-fno-tree-loop-distribute-patterns", "-fno-stack-protector", "-static"]);
    gcc.args(["-nostdlib", "-no-pie", "-Wl,--gc-sections", "xtask/nostd/proof.c"]);
    shell.run(gcc.arg(folder.join("release/libnostd.a")).arg("-o").arg(&proof))?;
    shell.run(&mut program(&proof))?;
    Ok(Passed)
}

/// Builds the core alone for a processor without an operating system.
pub(super) fn bare_metal(shell: &mut Shell) -> Result<Outcome> {
    if !exists("rustup") {
        return Ok(Skipped(format!("rustup is missing, so {BARE_METAL} cannot be added")));
    }
    if shell.run(program("rustup").args(["target", "add", BARE_METAL])).is_err() {
        return Ok(Skipped(format!("`rustup target add {BARE_METAL}` failed")));
    }
    let mut build = cargo(["build", "--locked", "-p", "raftcore", "--no-default-features"]);
    shell.run(build.args(["--target", BARE_METAL]))?;
    Ok(Passed)
}
