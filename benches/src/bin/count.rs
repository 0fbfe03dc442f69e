//! One job of one size, to be counted under callgrind: see `count.sh`.

use clap::Parser;
use core::hint::black_box;
use raftcore::Config;
use raftcore_benches::{Acks, Cluster, Framed, Frames, Group, Job, NODES, jobs, measured};

/// Runs a job once.
#[derive(Parser)]
struct Args {
    /// The job.
    #[arg(long)]
    job: Job,
    /// Entries, calls, starts or replies, as the job has it.
    #[arg(long)]
    entries: u64,
    /// Bytes in a payload.
    #[arg(long, default_value_t = 16)]
    payload: usize,
    /// Voters, in J7.
    #[arg(long, default_value_t = 5)]
    voters: usize,
    /// What to ask the idle node of J4, and how far to go in J8: decode, or verify too.
    #[arg(long, value_enum, default_value_t = What::Has)]
    what: What,
    /// A default of the configuration to switch off.
    #[arg(long, value_enum)]
    without: Vec<Feature>,
    /// Run raft-rs instead of raftcore.
    #[cfg(feature = "raft-rs")]
    #[arg(long)]
    raft_rs: bool,
    /// Hand raft-rs the proposals of J2 in one call.
    #[cfg(feature = "raft-rs")]
    #[arg(long)]
    together: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Has,
    Poll,
    Deadline,
    Decode,
    Verify,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Feature {
    PreVote,
    CheckQuorum,
}

fn main() {
    let args = Args::parse();
    raftcore_benches::configure(Config {
        pre_vote: !args.without.contains(&Feature::PreVote),
        check_quorum: !args.without.contains(&Feature::CheckQuorum),
        ..Config::default()
    });
    #[cfg(feature = "raft-rs")]
    if args.raft_rs {
        raft_rs(&args);
        return;
    }
    match args.job {
        Job::J1w => group::<Cluster<Framed>>(&args),
        Job::J4 if args.what != What::Has => ask(&args),
        Job::J7 => acks(&args),
        Job::J8 => frames(&args),
        _ => group::<Cluster>(&args),
    }
}

#[cfg(feature = "raft-rs")]
fn raft_rs(args: &Args) {
    use raftcore_benches::{RaftRs, RaftRsAcks, RaftRsFrames};
    match args.job {
        Job::J1w => group::<RaftRs<Framed>>(args),
        Job::J2 if args.together => {
            let mut group: RaftRs = jobs::warmed(args.payload);
            measured(|| jobs::j2_together(&mut group, args.entries, args.payload));
        }
        Job::J7 => {
            let count = usize::try_from(args.entries).unwrap_or(usize::MAX);
            let mut acks = RaftRsAcks::new(args.voters, count);
            for _ in 0..count {
                assert_eq!(acks.deliver_next(), 1);
                acks.drop_outputs();
            }
        }
        Job::J8 => {
            let frames = RaftRsFrames::new();
            measured(|| (0..args.entries).for_each(|_| drop(black_box(frames.decode()))));
        }
        _ => group::<RaftRs>(args),
    }
}

fn group<G: Group>(args: &Args) {
    let Args { entries, payload, .. } = *args;
    match args.job {
        Job::J5 => {
            let mut groups: Vec<G> = (0..entries).map(|_| G::cold()).collect();
            measured(|| groups.iter_mut().map(jobs::j5).sum::<u64>());
        }
        Job::J6 => {
            let mut group: G = jobs::behind(entries, payload);
            measured(|| jobs::j6(&mut group));
        }
        job => {
            let mut group: G = jobs::warmed(payload);
            if job == Job::J3 {
                jobs::j3(&mut group, jobs::WARM_UP, payload);
            }
            measured(|| match job {
                Job::J2 => jobs::j2(&mut group, entries, payload),
                Job::J3 => jobs::j3(&mut group, entries, payload),
                Job::J4 => jobs::j4(&group, entries),
                _ => jobs::j1(&mut group, entries, payload),
            });
        }
    }
}

fn ask(args: &Args) {
    let mut group: Cluster = jobs::warmed(args.payload);
    let node = group.node_mut(NODES - 1);
    measured(|| {
        for _ in 0..args.entries {
            let node = black_box(&mut *node);
            if args.what == What::Poll {
                assert!(black_box(node.poll_output()).is_none());
            } else {
                black_box(node.deadline());
            }
        }
    });
}

fn acks(args: &Args) {
    let count = usize::try_from(args.entries).unwrap_or(usize::MAX);
    let mut acks = Acks::new(args.voters, count);
    for _ in 0..count {
        assert_eq!(acks.deliver_next(), 1);
        acks.drop_outputs();
    }
}

fn frames(args: &Args) {
    let mut frames = Frames::new();
    measured(|| {
        for _ in 0..args.entries {
            match args.what {
                What::Verify => frames.decode_and_verify(),
                _ => drop(black_box(frames.decode())),
            }
        }
    });
}
