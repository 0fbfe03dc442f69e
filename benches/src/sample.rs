//! One measurement of one job.

use clap::ValueEnum;
use core::hint::black_box;
use serde::Serialize;
use std::time::Instant;

use crate::cluster::{Acks, Cluster, Framed, Frames};
use crate::group::Group;
use crate::jobs;
#[cfg(feature = "raft-rs")]
use crate::{
    cluster::Direct,
    peer_raft_rs::{RaftRs, RaftRsFrames},
};

/// The jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "verbatim")]
pub enum Job {
    /// One proposal at a time.
    J1,
    /// The same, messages encoded and decoded.
    J1w,
    /// 64 proposals, then poll.
    J2,
    /// 256 in flight, one proposal per poll.
    J3,
    /// Idle follower: asking for work.
    J4,
    /// Cold start to the first applied entry.
    J5,
    /// A follower that is far behind catches up.
    J6,
    /// The reply that moves the commit index.
    J7,
    /// Decoding an append of 64 entries of 256 B.
    J8,
}

/// How much to do in one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Entries of J1, J1w, J2 and J3.
    pub entries: u64,
    /// Entries that the follower of J6 is behind.
    pub behind: u64,
    /// Calls of J4 and J8, and a hundredth of them starts of J5.
    pub calls: u64,
    /// Bytes in a payload, where the job does not fix it.
    pub payload: usize,
}

impl Sizes {
    /// Enough for a steady figure.
    #[must_use]
    pub const fn full() -> Self {
        Self { entries: 20_000, behind: 100_000, calls: 20_000, payload: 16 }
    }

    /// Enough to see that it runs.
    #[must_use]
    pub const fn quick() -> Self {
        Self { entries: 2_000, behind: 10_000, calls: 2_000, payload: 16 }
    }
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// What was measured, with its unit.
    pub metric: &'static str,
    /// The figure.
    pub value: f64,
}

const fn figure(metric: &'static str, value: f64) -> Sample {
    Sample { metric, value }
}

/// The measured part of a job, as a function of its own, so that callgrind can count it alone.
#[inline(never)]
pub fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Nanoseconds per entry of work that gives the number of entries.
#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
pub fn per_entry(work: impl FnOnce() -> u64) -> f64 {
    let start = Instant::now();
    let count = measured(work);
    start.elapsed().as_nanos() as f64 / count.max(1) as f64
}

/// Nanoseconds per call.
fn per_call<T>(calls: u64, mut call: impl FnMut() -> T) -> f64 {
    per_entry(|| {
        for _ in 0..calls {
            black_box(call());
        }
        calls
    })
}

/// Runs a job on raftcore once.
#[must_use]
pub fn sample_raftcore(job: Job, sizes: Sizes) -> Vec<Sample> {
    match job {
        Job::J1w => vec![wire::<Cluster<Framed>>(sizes)],
        Job::J4 => {
            let mut group: Cluster = jobs::warmed(sizes.payload);
            let idle = figure("ns_has_output", per_entry(|| jobs::j4(&group, sizes.calls)));
            let node = group.node_mut(crate::NODES - 1);
            let poll = per_call(sizes.calls, || black_box(&mut *node).poll_output().is_some());
            let deadline = per_call(sizes.calls, || black_box(&*node).deadline());
            vec![idle, figure("ns_poll_output", poll), figure("ns_deadline", deadline)]
        }
        Job::J7 => [("ns_5_voters", 5), ("ns_101_voters", 101)].map(acks).to_vec(),
        Job::J8 => decode(sizes),
        _ => sample_group::<Cluster>(job, sizes),
    }
}

/// Runs a job on raft-rs once; nothing for jobs it has no equal of.
#[cfg(feature = "raft-rs")]
#[must_use]
pub fn sample_raft_rs(job: Job, sizes: Sizes) -> Vec<Sample> {
    match job {
        Job::J1w => vec![wire::<RaftRs<Framed>>(sizes)],
        Job::J2 => {
            let mut figures = sample_group::<RaftRs>(job, sizes);
            let mut group: RaftRs = jobs::warmed(sizes.payload);
            let Sizes { entries, payload, .. } = sizes;
            let together = per_entry(|| jobs::j2_together(&mut group, entries, payload));
            figures.push(figure("ns_one_call", together));
            figures
        }
        Job::J4 => {
            let group: RaftRs = jobs::warmed(sizes.payload);
            vec![figure("ns_has_output", per_entry(|| jobs::j4(&group, sizes.calls)))]
        }
        Job::J6 => {
            let mut figures = sample_group::<RaftRs>(job, sizes);
            // `MemStorage` copies all that is left of the log for each append, before it cuts.
            let mut group: RaftRs<Direct, { 1 << 20 }> = jobs::behind(sizes.behind, sizes.payload);
            figures.push(figure("ns_1_mib_appends", per_entry(|| jobs::j6(&mut group))));
            figures
        }
        Job::J7 => Vec::new(),
        Job::J8 => {
            let frames = RaftRsFrames::new();
            let decode = per_call(sizes.calls, || frames.decode());
            vec![figure("ns_decode", decode), bytes("wire_bytes", frames.wire_bytes())]
        }
        _ => sample_group::<RaftRs>(job, sizes),
    }
}

fn sample_group<G: Group>(job: Job, sizes: Sizes) -> Vec<Sample> {
    let Sizes { entries, payload, .. } = sizes;
    match job {
        Job::J2 => {
            let mut group: G = jobs::warmed(payload);
            vec![figure("ns", per_entry(|| jobs::j2(&mut group, entries, payload)))]
        }
        Job::J3 => {
            let mut group: G = jobs::warmed(payload);
            jobs::j3(&mut group, jobs::WARM_UP, payload);
            vec![figure("ns", per_entry(|| jobs::j3(&mut group, entries, payload)))]
        }
        Job::J5 => cold_start::<G>(sizes.calls / 100),
        Job::J6 => {
            let mut group: G = jobs::behind(sizes.behind, payload);
            vec![figure("ns", per_entry(|| jobs::j6(&mut group)))]
        }
        _ => vec![wire::<G>(sizes)],
    }
}

/// J1 and J1w.
fn wire<G: Group>(sizes: Sizes) -> Sample {
    let mut group: G = jobs::warmed(sizes.payload);
    figure("ns", per_entry(|| jobs::j1(&mut group, sizes.entries, sizes.payload)))
}

fn cold_start<G: Group>(starts: u64) -> Vec<Sample> {
    let starts = starts.max(1);
    let mut messages = 0;
    let mut groups: Vec<G> = (0..starts).map(|_| G::cold()).collect();
    let elect = per_entry(|| {
        for group in &mut groups {
            messages = jobs::j5(group);
        }
        starts
    });
    drop(groups);
    let mut kept = Vec::with_capacity(usize::try_from(starts).unwrap_or(0));
    let whole = per_entry(|| {
        for _ in 0..starts {
            let mut group = G::cold();
            jobs::j5(&mut group);
            kept.push(group);
        }
        starts
    });
    vec![
        figure("messages", f64::from(u32::try_from(messages).unwrap_or(u32::MAX))),
        figure("us", elect / 1_000.0),
        figure("us_with_start", whole / 1_000.0),
    ]
}

/// One round stays below the default limit of messages in flight.
const ACKS: usize = 200;

fn acks((metric, voters): (&'static str, usize)) -> Sample {
    let mut acks = Acks::new(voters, ACKS);
    figure(
        metric,
        per_entry(|| {
            let mut moved = 0;
            while acks.left() > 0 {
                moved += acks.deliver_next();
            }
            assert_eq!(moved, ACKS as u64, "every reply moves the commit index");
            moved
        }),
    )
}

fn decode(sizes: Sizes) -> Vec<Sample> {
    let mut frames = Frames::new();
    let decode = per_call(sizes.calls, || frames.decode());
    let verify = per_call(sizes.calls, || frames.decode_and_verify());
    vec![
        figure("ns_decode", decode),
        figure("ns_decode_and_verify", verify),
        bytes("wire_bytes", frames.wire_bytes()),
    ]
}

fn bytes(metric: &'static str, bytes: usize) -> Sample {
    figure(metric, f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)))
}
