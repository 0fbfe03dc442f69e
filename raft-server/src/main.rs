//! The `raftcore` program: a replicated key-value cluster, its clients, and the simulator.
#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
