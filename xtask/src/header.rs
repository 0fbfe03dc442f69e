//! Keeps `include/raftcore.h` in step with `raft-ffi`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};

use crate::shell::root;

fn path() -> PathBuf {
    root().join("include/raftcore.h")
}

/// The header as the sources of `raft-ffi` say it.
fn generate() -> Result<Vec<u8>> {
    let folder = root().join("raft-ffi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))
        .map_err(|reason| anyhow!("raft-ffi/cbindgen.toml: {reason}"))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(folder)
        .with_config(config)
        .generate()
        .context("cbindgen cannot read raft-ffi")?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(text)
}

/// Writes the header.
///
/// # Errors
/// When the sources cannot be read or the file cannot be written.
pub(crate) fn write() -> Result<()> {
    let text = generate()?;
    fs::create_dir_all(root().join("include"))?;
    fs::write(path(), text).context("include/raftcore.h")
}

/// Checks that the header on disk is the one the sources say.
///
/// # Errors
/// When it is not, or cannot be read.
pub(crate) fn check() -> Result<()> {
    let found = fs::read(path()).context("include/raftcore.h")?;
    if found != generate()? {
        bail!("include/raftcore.h is out of date: run `cargo xtask header` and commit it");
    }
    Ok(())
}
