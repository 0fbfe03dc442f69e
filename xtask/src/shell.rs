//! Runs other programs and keeps what they print until it is wanted.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program to run in the folder of the workspace.
///
/// What `cargo run` told this process about xtask is kept from it: build scripts that look at
/// these variables would otherwise run again each time.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    for (key, _) in env::vars_os() {
        let text = key.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command
}

/// The cargo that started this process, with these arguments.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs programs one after the other; keeps their output, or lets it through.
pub(crate) struct Shell {
    kept: Option<File>,
}

impl Shell {
    /// `verbose` lets all output through at once.
    pub(crate) fn new(verbose: bool) -> Result<Self> {
        let kept = if verbose { None } else { Some(tempfile::tempfile()?) };
        Ok(Self { kept })
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it cannot be started or ends with anything but success.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        let line = describe(command);
        self.note(&format!("$ {line}"))?;
        if let Some(file) = &self.kept {
            command.stdout(file.try_clone()?).stderr(file.try_clone()?);
        }
        let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
        if !status.success() {
            bail!("`{line}` ended with {status}");
        }
        Ok(())
    }

    /// Runs a program to its end and gives what it printed.
    ///
    /// # Errors
    /// When it cannot be started, ends with anything but success, or prints no text.
    pub(crate) fn read(&mut self, command: &mut Command) -> Result<String> {
        let line = describe(command);
        self.note(&format!("$ {line}"))?;
        let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            self.note(&String::from_utf8_lossy(&output.stderr))?;
            bail!("`{line}` ended with {}", output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("what `{line}` printed"))
    }

    /// Adds a line to the output.
    pub(crate) fn note(&mut self, line: &str) -> Result<()> {
        match &mut self.kept {
            Some(file) => writeln!(file, "{line}")?,
            None => println!("{line}"),
        }
        Ok(())
    }

    /// Prints what was kept so far.
    pub(crate) fn show(&mut self) -> Result<()> {
        let Some(file) = &mut self.kept else { return Ok(()) };
        file.rewind()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        io::stdout().write_all(&text)?;
        Ok(())
    }
}

/// The command as a person would type it.
fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = [name].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Whether a program of this name can be started.
pub(crate) fn exists(name: &str) -> bool {
    let mut command = program(name);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}
