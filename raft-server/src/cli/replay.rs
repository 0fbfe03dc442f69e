//! `raftcore replay`: a recording, played again.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use raftcore_sim::Recording;

use super::{Code, Fail};

/// Play a recording again.
///
/// Prints, for each node, every input (`>`) and what the node gave back, and says whether the answers
/// are the recorded ones. `raftcore simulate` writes a recording for a seed that fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  raftcore replay sim-failures/seed-7.recording
  raftcore replay --quiet sim-failures/seed-7.recording")]
pub(crate) struct Replay {
    /// The recording
    file: PathBuf,
    /// Only say whether the answers are the recorded ones
    #[arg(long, short)]
    quiet: bool,
}

impl Replay {
    pub(crate) fn run(self) -> Result<(), Fail> {
        let fail =
            |text: String| Fail::new(Code::Recording, format!("{}: {text}", self.file.display()));
        let bytes = std::fs::read(&self.file).map_err(|error| {
            fail(format!("{error}; `raftcore simulate` leaves recordings in sim-failures/"))
        })?;
        let recording = Recording::decode(&bytes).map_err(|error| fail(error.to_string()))?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        for life in &recording.nodes {
            let played = life.tell(|line| {
                // A reader that is gone is no reason to fail.
                if !self.quiet {
                    let _ = writeln!(out, "{line}");
                }
            });
            played.map_err(|error| fail(error.to_string()))?;
        }
        let (lives, seed) = (recording.nodes.len(), recording.seed);
        let _ = writeln!(out, "replay: ok, {lives} nodes of seed {seed} answered as recorded");
        let _ = out.flush();
        Ok(())
    }
}
