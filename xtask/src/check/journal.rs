//! Runs the journal, the example that exists in every language.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::shell::Shell;

/// Adds two lines in two runs: the second must print both.
pub(super) fn run(shell: &mut Shell, start: impl Fn() -> Command) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("journal");
    for (line, expected) in [("first", "first\n"), ("second", "first\nsecond\n")] {
        let printed = shell.read(start().arg(&path).arg(line))?;
        ensure!(printed == expected, "the journal printed {printed:?}, not {expected:?}");
    }
    Ok(())
}
