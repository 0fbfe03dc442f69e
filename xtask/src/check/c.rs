//! The C interface: its tests, and the example.

use anyhow::Result;

use super::Outcome::{self, Passed, Skipped};
use super::journal;
use crate::shell::{Shell, exists, program, target};

pub(super) fn run(shell: &mut Shell) -> Result<Outcome> {
    if !exists("cc") {
        return Ok(Skipped("cc is missing (Debian package gcc)".to_owned()));
    }
    // Builds the static library too.
    shell.run(&mut program("raft-ffi/tests/c/run.sh"))?;
    let example = target().join("journal-c");
    let mut compile = program("cc");
    compile.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Iinclude"]);
    compile.arg("examples/c/journal.c").arg("-o").arg(&example);
    compile.arg(target().join("debug/libraftcore.a")).args(["-lpthread", "-ldl", "-lm"]);
    shell.run(&mut compile)?;
    journal::run(shell, || program(&example))?;
    Ok(Passed)
}
