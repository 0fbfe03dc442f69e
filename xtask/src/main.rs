//! The project's own commands: `cargo xtask check`, `baseline`, `compare`, `demo`, `tidy` and `header`.

mod check;
mod demo;
mod header;
mod shell;
mod speed;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check of the project, in numbered steps.
    Check(check::Arguments),
    /// Count instructions, and write what is counted to benches/baseline.json.
    Baseline,
    /// Run all jobs on raftcore and raft-rs, and write the tables of benches/README.md.
    Compare(speed::Arguments),
    /// Start three servers, kill the leader under load, and show that nothing was lost.
    Demo(demo::Arguments),
    /// Write include/raftcore.h from raft-ffi, or check that it is current.
    Header {
        /// Change nothing; fail if the header is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Check file and function lengths, leftovers, `unsafe`, and paths of one machine.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Baseline => speed::rewrite(),
        Command::Compare(arguments) => speed::compare(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Header { check: true } => header::check(),
        Command::Header { check: false } => header::write(),
        Command::Tidy => tidy::check(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
