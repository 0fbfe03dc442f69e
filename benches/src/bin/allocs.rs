//! Allocations per entry, and the memory of an idle node.

use clap::Parser;
use raftcore_benches::{Cluster, Framed, Group, NODES, jobs};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts allocations per entry and bytes per idle node.
#[derive(Parser)]
struct Args {
    /// Entries per job.
    #[arg(long, default_value_t = 10_000)]
    entries: u64,
    /// Bytes in a payload.
    #[arg(long, default_value_t = 16)]
    payload: usize,
}

fn main() {
    let args = Args::parse();
    report::<Cluster, Cluster<Framed>>(&args);
    #[cfg(feature = "raft-rs")]
    report::<raftcore_benches::RaftRs, raftcore_benches::RaftRs<Framed>>(&args);
}

fn report<G: Group, W: Group>(args: &Args) {
    let Args { entries, payload } = *args;
    count::<G>("J1", args, |group| jobs::j1(group, entries, payload));
    count::<W>("J1w", args, |group| jobs::j1(group, entries, payload));
    count::<G>("J2", args, |group| jobs::j2(group, entries, payload));
    count::<G>("J3", args, |group| jobs::j3(group, entries, payload));
    memory::<G>("follower", NODES - 1, payload);
    memory::<G>("leader", 0, payload);
}

/// Allocations and reallocations per entry.
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
fn count<G: Group>(job: &str, args: &Args, run: impl FnOnce(&mut G) -> u64) {
    let mut group: G = jobs::warmed(args.payload);
    if job == "J3" {
        jobs::j3(&mut group, jobs::WARM_UP, args.payload);
    }
    let region = Region::new(ALLOCATOR);
    let entries = run(&mut group);
    let change = region.change();
    let calls = (change.allocations + change.reallocations) as f64 / entries as f64;
    let bytes = change.bytes_allocated as f64 / entries as f64;
    let (name, payload) = (G::NAME, args.payload);
    println!("COUNT job={job} payload={payload} of={name} allocations={calls:.2} bytes={bytes:.0}");
}

/// What an idle node holds after [`jobs::WARM_UP`] entries, one at a time, and a trim: itself, and what it frees
/// when the other nodes are gone already. What it shares with its host is not counted.
fn memory<G: Group>(role: &str, at: usize, payload: usize) {
    let mut group = G::elected();
    jobs::j1(&mut group, jobs::WARM_UP, payload);
    group.trim(at);
    let (node, shared) = group.into_node(at);
    let own = size_of_val(&node);
    let region = Region::new(ALLOCATOR);
    drop(node);
    let change = region.change();
    drop(shared);
    let heap = change.bytes_deallocated - change.bytes_allocated;
    let name = G::NAME;
    println!("COUNT job=J4 role={role} of={name} bytes={} own={own} heap={heap}", own + heap);
}
