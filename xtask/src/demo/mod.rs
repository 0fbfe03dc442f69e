//! Three servers, a killed leader, and nothing lost.

mod client;
mod cluster;
mod load;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::shell::{cargo, target};
use client::{Status, Written};
use cluster::Cluster;
use load::Tally;

/// Lines shown of what each server printed, after a failure.
const LINES_SHOWN: usize = 20;

/// Size of the demonstration.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many writes to send.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    writes: u64,
    /// Use this server instead of building one.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// Set by Ctrl-C; everything that waits looks at it, so that the servers are stopped on the way
/// out.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Set when the demonstration failed: the clients need not go on.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// # Errors
/// When it is time to end.
fn interrupted() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    ensure!(!GIVEN_UP.load(Ordering::Relaxed), "given up after another failure");
    Ok(())
}

/// Builds the server and shows that killing a leader loses nothing.
///
/// # Errors
/// Says what did not come true; no server is left running.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))?;
    let program = arguments.program.clone().map_or_else(build, Ok)?;
    let mut cluster = Cluster::new(program, 3)?;
    let shown = cluster.start().and_then(|()| show(&mut cluster, arguments.writes));
    if let Err(error) = shown.and_then(|()| cluster.stop()) {
        if !INTERRUPTED.load(Ordering::Relaxed) {
            cluster.servers.iter().for_each(|server| print_last_lines(&cluster, server.id));
        }
        return Err(error);
    }
    println!("demo: ok");
    Ok(())
}

/// What a server said last.
fn print_last_lines(cluster: &Cluster, id: u64) {
    let printed = cluster.printed(id);
    let lines: Vec<&str> = printed.lines().collect();
    for line in &lines[lines.len().saturating_sub(LINES_SHOWN)..] {
        eprintln!("server {id}: {line}");
    }
}

/// Builds the server.
fn build() -> Result<PathBuf> {
    println!("building the server");
    let arguments = ["build", "--release", "-p", "raftcore-server", "--locked"];
    let status = cargo(arguments).status()?;
    interrupted()?;
    ensure!(status.success(), "the server does not build");
    Ok(target().join("release/raftcore"))
}

/// The demonstration itself, on servers that run.
fn show(cluster: &mut Cluster, writes: u64) -> Result<()> {
    let leader = cluster.wait_for_leader()?;
    println!("server {} leads in term {}", leader.id, leader.term);
    write_one(cluster)?;

    let tally = Tally::default();
    write_through_a_crash(cluster, writes, &tally)?;
    let level = wait_until_level(cluster)?;
    println!("all servers have applied {level} entries");
    let bar = bar(writes, "reading back");
    load::read_back(&cluster.client, &cluster.addresses(), writes, &bar)?;
    bar.finish();
    println!("all {writes} acknowledged writes are there");

    let level = wait_until_level(cluster)?;
    let statuses = statuses_at(cluster, level)?;
    println!("{}", table(&statuses, level));
    let agreed = statuses
        .iter()
        .all(|status| status.checksum.value.is_some() && status.checksum == statuses[0].checksum);
    ensure!(agreed, "the checksums of the logs differ at entry {level}");
    print_tally(&tally);
    Ok(())
}

/// Sends `{"y": 7}` and reads it back.
fn write_one(cluster: &mut Cluster) -> Result<()> {
    let pairs = json!({ "y": 7 });
    let address = cluster.servers[0].http.clone();
    cluster.wait("{\"y\": 7} was not acknowledged", |cluster| {
        match cluster.client.put(&address, &pairs) {
            Ok(Written::Acknowledged) => Some(Ok(())),
            Ok(Written::Refused | Written::Unknown) => None,
            Err(error) => Some(Err(error)),
        }
    })??;
    let found = cluster.client.get(&address, "y")?;
    ensure!(found == Some(json!(7)), "y reads {found:?}, not 7");
    println!("{pairs} is committed and applied; y reads 7");
    Ok(())
}

/// Sends the writes; kills the leader in the middle and starts it again a little later.
fn write_through_a_crash(cluster: &mut Cluster, writes: u64, tally: &Tally) -> Result<()> {
    let bar = bar(writes, "writing");
    let (client, addresses) = (cluster.client.clone(), cluster.addresses());
    thread::scope(|scope| {
        let writer = scope.spawn(|| load::write(&client, &addresses, writes, tally, &bar));
        let reached = |share: u64| {
            let acknowledged = || tally.acknowledged.load(Ordering::Relaxed);
            while acknowledged() < writes * share / 100 && !writer.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let crashed = crash(cluster, &bar, reached);
        if crashed.is_err() {
            GIVEN_UP.store(true, Ordering::Relaxed);
        }
        let written = writer.join().unwrap_or_else(|_| Err(anyhow!("the writer panicked")));
        crashed.and(written)
    })?;
    bar.finish();
    let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
    ensure!(acknowledged == writes, "only {acknowledged} of {writes} writes were acknowledged");
    Ok(())
}

/// Kills the leader at half of the writes, shows the new one, and starts the dead one at three
/// quarters.
fn crash(cluster: &mut Cluster, bar: &ProgressBar, reached: impl Fn(u64)) -> Result<()> {
    reached(50);
    let old = cluster.wait_for_leader()?;
    let at = cluster.position(old.id)?;
    cluster.servers[at].kill()?;
    let killed = Instant::now();
    say(bar, &format!("killed server {}, the leader, after {} writes", old.id, bar.position()));
    let new = cluster.wait_for_leader()?;
    let time = killed.elapsed().as_millis();
    ensure!(new.id != old.id, "server {} leads, but it was killed", old.id);
    ensure!(new.term > old.term, "server {} leads in the old term {}", new.id, old.term);
    say(bar, &format!("server {} leads in term {}, {time} ms later", new.id, new.term));
    reached(75);
    cluster.restart(at)?;
    say(bar, &format!("started server {} again after {} writes", old.id, bar.position()));
    Ok(())
}

/// Waits until every server has applied what the leader has committed; gives that index.
fn wait_until_level(cluster: &mut Cluster) -> Result<u64> {
    cluster.wait("the servers do not get level", |cluster| {
        let statuses = cluster.statuses();
        let commit = statuses.iter().find(|status| status.leads())?.commit_index;
        let level = |status: &Status| status.applied_index == commit;
        (statuses.len() == cluster.servers.len() && statuses.iter().all(level)).then_some(commit)
    })
}

/// The statuses of all servers, with the checksums of their logs at `index`.
fn statuses_at(cluster: &Cluster, index: u64) -> Result<Vec<Status>> {
    let addresses = cluster.addresses();
    addresses.iter().map(|address| cluster.client.status(address, Some(index))).collect()
}

fn table(statuses: &[Status], index: u64) -> Table {
    let mut table = Table::new();
    let checksum = format!("checksum at {index}");
    table.set_header(["server", "role", "term", "starts", "committed", "applied", &checksum]);
    for status in statuses {
        table.add_row([
            status.id.to_string(),
            status.role.clone(),
            status.term.to_string(),
            status.incarnation.to_string(),
            status.commit_index.to_string(),
            status.applied_index.to_string(),
            status.checksum.value.clone().unwrap_or_else(|| "unknown".to_owned()),
        ]);
    }
    table
}

fn print_tally(tally: &Tally) {
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    println!(
        "{} writes acknowledged; attempts repeated: {} refused, {} with unknown outcome",
        count(&tally.acknowledged),
        count(&tally.refused),
        count(&tally.unknown)
    );
    let ms = |share| tally.percentile(share).as_secs_f64() * 1e3;
    println!("latency in ms: median {:.1}, 99 % {:.1}, longest {:.1}", ms(50), ms(99), ms(100));
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:12} [{bar:40}] {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(length).with_message(what);
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Prints a line above the bar.
fn say(bar: &ProgressBar, line: &str) {
    bar.suspend(|| println!("{line}"));
}
