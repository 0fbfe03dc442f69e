//! The jobs under criterion; nothing here asserts a time.

use core::hint::black_box;
use core::time::Duration;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use raftcore_benches::{Acks, Cluster, Framed, Frames, Group, NODES, jobs};
use std::time::Instant;

const PAYLOAD: usize = 16;
/// Entries after which a group is replaced, so that logs stay small.
const FRESH: u64 = 20_000;

/// Times `count` entries of a job over groups that are replaced now and then.
fn in_groups<G: Group>(mut count: u64, job: fn(&mut G, u64, usize) -> u64) -> Duration {
    let mut total = Duration::ZERO;
    while count > 0 {
        let entries = count.min(FRESH);
        let mut group: G = jobs::warmed(PAYLOAD);
        let start = Instant::now();
        black_box(job(&mut group, entries, PAYLOAD));
        total += start.elapsed();
        count -= entries;
    }
    total
}

fn replicate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replicate");
    group.throughput(Throughput::Elements(1));
    group.bench_function("J1 one at a time", |bencher| {
        bencher.iter_custom(|count| in_groups::<Cluster>(count, jobs::j1));
    });
    group.bench_function("J1w one at a time, framed", |bencher| {
        bencher.iter_custom(|count| in_groups::<Cluster<Framed>>(count, jobs::j1));
    });
    group.bench_function("J2 64 proposals per poll", |bencher| {
        bencher.iter_custom(|count| in_groups::<Cluster>(count, jobs::j2));
    });
    group.bench_function("J3 256 in flight", |bencher| {
        bencher.iter_custom(|count| in_groups::<Cluster>(count, jobs::j3));
    });
    group.finish();
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("J4 idle follower");
    let mut cluster: Cluster = jobs::warmed(PAYLOAD);
    let node = cluster.node_mut(NODES - 1);
    group.bench_function("has_output", |bencher| bencher.iter(|| black_box(&*node).has_output()));
    group.bench_function("poll_output", |bencher| {
        bencher.iter(|| black_box(&mut *node).poll_output().is_some());
    });
    group.bench_function("deadline", |bencher| bencher.iter(|| black_box(&*node).deadline()));
    group.finish();
}

fn elect(criterion: &mut Criterion) {
    criterion.bench_function("J5 cold start to the first applied entry", |bencher| {
        let run = |mut cluster: Cluster| {
            jobs::j5(&mut cluster);
            cluster
        };
        bencher.iter_batched(Cluster::cold, run, BatchSize::SmallInput);
    });
}

fn catch_up(criterion: &mut Criterion) {
    const BEHIND: u64 = 10_000;
    let mut group = criterion.benchmark_group("J6 catch up");
    group.throughput(Throughput::Elements(BEHIND)).sample_size(10);
    group.bench_function("10,000 entries behind", |bencher| {
        let run = |mut cluster: Cluster| {
            jobs::j6(&mut cluster);
            cluster
        };
        bencher.iter_batched(|| jobs::behind(BEHIND, PAYLOAD), run, BatchSize::PerIteration);
    });
    group.finish();
}

fn acks(criterion: &mut Criterion) {
    const ACKS: usize = 200;
    let mut group = criterion.benchmark_group("J7 reply that moves the commit index");
    group.throughput(Throughput::Elements(ACKS as u64));
    for voters in [5, 101] {
        let ready = Acks::new(voters, ACKS);
        group.bench_function(format!("{voters} voters"), |bencher| {
            let run = |mut acks: Acks| {
                while acks.left() > 0 {
                    black_box(acks.deliver_next());
                }
                acks
            };
            bencher.iter_batched(|| ready.clone(), run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("J8 append of 64 x 256 B");
    let mut frames = Frames::new();
    group.throughput(Throughput::Bytes(frames.wire_bytes() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| frames.decode()));
    group.bench_function("decode and verify", |bencher| {
        bencher.iter(|| frames.decode_and_verify());
    });
    group.finish();
}

criterion_group!(benches, replicate, idle, elect, catch_up, acks, decode);
criterion_main!(benches);
