//! `raftcore simulate`: clusters in memory, with faults, every step checked.

use clap::Args;

use super::Fail;

/// Run simulated clusters with faults and check every step.
#[derive(Args, Debug)]
pub(crate) struct Simulate {}
impl Simulate {
    pub(crate) fn run(self) -> Result<(), Fail> {
        Ok(())
    }
}
