//! Many small writes from several clients at once, each repeated until it is acknowledged.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Mutex;
use std::thread::{self, sleep};
use std::time::Instant;

use anyhow::{Result, anyhow, bail, ensure};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::client::{Client, Written};
use super::cluster::PATIENCE;
use super::interrupted;

const CLIENTS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// What the clients saw.
#[derive(Default)]
pub(super) struct Tally {
    /// Writes that were acknowledged.
    pub(super) acknowledged: AtomicU64,
    /// Attempts that certainly changed nothing: no leader at that moment, or no server.
    pub(super) refused: AtomicU64,
    /// Attempts whose outcome nobody knows.
    pub(super) unknown: AtomicU64,
    /// From the first attempt to the acknowledgement, one per write.
    latencies: Mutex<Vec<Duration>>,
}

impl Tally {
    /// Latency below which this share of the writes was acknowledged, in per cent.
    pub(super) fn percentile(&self, share: usize) -> Duration {
        let mut latencies = self.latencies.lock().map(|all| all.clone()).unwrap_or_default();
        latencies.sort_unstable();
        let at = (latencies.len() * share / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).copied().unwrap_or_default()
    }
}

/// Key of the write with this number.
fn key(number: u64) -> String {
    format!("key-{number}")
}

/// Value of the write with this number: writing it twice is writing it once.
fn value(number: u64) -> Value {
    json!(number * number)
}

/// Sends the writes 1 to `count` through all servers in turn.
///
/// # Errors
/// When a write cannot be acknowledged in time, or is answered with anything unexpected.
pub(super) fn write(
    client: &Client,
    addresses: &[String],
    count: u64,
    tally: &Tally,
    bar: &ProgressBar,
) -> Result<()> {
    in_parallel(count, |number| {
        let pairs = json!({ key(number): value(number) });
        let start = Instant::now();
        for attempt in 0.. {
            interrupted()?;
            let address = &addresses[(number + attempt) as usize % addresses.len()];
            match client.put(address, &pairs)? {
                Written::Acknowledged => break,
                Written::Refused => tally.refused.fetch_add(1, Ordering::Relaxed),
                Written::Unknown => tally.unknown.fetch_add(1, Ordering::Relaxed),
            };
            ensure!(start.elapsed() < PATIENCE, "write {number} is not acknowledged by any server");
            sleep(PAUSE);
        }
        tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut latencies) = tally.latencies.lock() {
            latencies.push(start.elapsed());
        }
        bar.inc(1);
        Ok(())
    })
}

/// Reads all writes back through all servers in turn.
///
/// # Errors
/// Names a write that is not there.
pub(super) fn read_back(
    client: &Client,
    addresses: &[String],
    count: u64,
    bar: &ProgressBar,
) -> Result<()> {
    in_parallel(count, |number| {
        let start = Instant::now();
        for attempt in 0.. {
            interrupted()?;
            let address = &addresses[(number + attempt) as usize % addresses.len()];
            match client.get(address, &key(number)) {
                Ok(Some(found)) if found == value(number) => break,
                Ok(Some(found)) => bail!("write {number} reads {found}, not {}", value(number)),
                Ok(None) => bail!("write {number} was acknowledged and is lost"),
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => sleep(PAUSE),
            }
        }
        bar.inc(1);
        Ok(())
    })
}

/// Does the jobs 1 to `count` on several threads; the first error ends them all.
fn in_parallel(count: u64, job: impl Fn(u64) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicU64::new(1);
    let work = || -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > count {
                return Ok(());
            }
            job(number).inspect_err(|_| next.store(count + 1, Ordering::Relaxed))?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("a client thread panicked")))
        });
        ended.fold(Ok(()), Result::and)
    })
}
