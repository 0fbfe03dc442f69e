//! The command line: one module per group of commands, one place for exit codes.

mod client;
mod exit;
mod model;
mod node;
mod replay;
mod run;
mod simulate;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

pub(crate) use exit::{Code, Fail};

/// A replicated key-value cluster over raftcore.
#[derive(Debug, Parser)]
#[command(version, about, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What to log to stderr, as in `info` or `raftcore_server=debug`; RUST_LOG says the same
    /// [default: warn]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

const AFTER_HELP: &str = "\
Examples:
  raftcore run                       three nodes on this machine, until Ctrl-C
  raftcore send '{\"y\": 7}'           put a key; success means committed and applied
  raftcore get y                     read it, never older than an acknowledged write
  raftcore status                    the nodes at a glance
  raftcore member list               who is in the group; add, remove and promote change it
  raftcore simulate --seeds 100      a hundred simulated clusters with faults

Exit codes:
   0  done
   1  something else failed
   2  wrong flags or settings file
   3  an address is in use or cannot be listened on
   4  the data folder cannot be used
   5  the data folder is used by another process
   6  the data belong to another node or group
   7  the data are damaged
   8  the node stopped itself: its disk failed or it halted
   9  the data have a format that this version does not read
  10  there is no leader; nothing was changed
  11  no node answers; nothing was changed
  12  the outcome is unknown: applied or not, nobody can tell
  13  there is no such key
  14  the request was refused: wrong JSON, too large, or members that cannot be a group
  15  the simulation or the model found a violation
  16  the recording cannot be read, or plays otherwise than it was recorded
  17  there is no such member";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a local cluster: one process per node, until Ctrl-C
    Run(run::Run),
    /// Run one node
    Node(node::Node),
    /// Put one or many keys
    Send(client::Send),
    /// Read a key
    Get(client::Get),
    /// Remove a key
    Delete(client::Delete),
    /// Show the nodes
    Status(client::Status),
    /// Show the members of the group, or change them
    Member(client::Member),
    /// Run simulated clusters with faults and check every step
    Simulate(simulate::Simulate),
    /// Visit every state that a small cluster can reach and check each
    Model(model::Model),
    /// Play a recording again and print what each node was given and gave back
    Replay(replay::Replay),
}

/// Runs the program and gives its exit code.
pub(crate) fn main() -> ExitCode {
    let Cli { command, log } = Cli::parse();
    quiet_database();
    let done = start_log(log.as_deref()).and_then(|()| match command {
        Command::Run(run) => block_on(run.run()),
        Command::Node(node) => block_on(node.run()),
        Command::Send(send) => block_on(send.run()),
        Command::Get(get) => block_on(get.run()),
        Command::Delete(delete) => block_on(delete.run()),
        Command::Status(status) => block_on(status.run()),
        Command::Member(member) => block_on(member.run()),
        Command::Simulate(simulate) => simulate.run(),
        Command::Model(model) => model.run(),
        Command::Replay(replay) => replay.run(),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fail { code, message }) => {
            let _ = writeln!(std::io::stderr(), "raftcore: {message}");
            code.into()
        }
    }
}

fn start_log(filter: Option<&str>) -> Result<(), Fail> {
    let filter = match filter {
        Some(filter) => EnvFilter::try_new(filter)
            .map_err(|error| Fail::new(Code::Usage, format!("--log {filter}: {error}")))?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}

/// Keeps panics of the database out of stderr: the store makes an error of each, in one clear line.
fn quiet_database() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|place| place.file().contains("/redb-")) {
            tracing::debug!("{panic}");
        } else {
            show(panic);
        }
    }));
}

fn block_on(work: impl Future<Output = Result<(), Fail>>) -> Result<(), Fail> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Fail::new(Code::Other, format!("no runtime: {error}")))?;
    let done = runtime.block_on(work);
    // A thread that waits for stdin cannot be interrupted.
    runtime.shutdown_background();
    done
}

/// Prints one line at once; a reader that is gone is no reason to fail.
pub(crate) fn say(line: impl core::fmt::Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
