//! What is measured: one function per plot.

use bytes::Bytes;
use core::hint::black_box;
use raftcore::{
    Config, GroupId, Identity, LogIndex, Membership, Node, NodeId, Output, Stored, Tick, Write,
};
use raftcore_benches::{Acks, Cluster, Framed, Group, NODES, jobs, per_entry};
use stats_alloc::Region;
use std::sync::Arc;

use super::{ALLOCATOR, Axis, Plot, Series};

type Measure = fn(bool) -> Plot;

/// All of them, by the name of the plot.
pub(super) const ALL: [(&str, Measure); 5] = [
    ("log", log),
    ("voters", voters),
    ("groups", groups),
    ("window", window),
    ("restart", restart),
];

const PAYLOAD: usize = 16;
/// Bytes of an entry of that size in the log.
const ENTRY: usize = PAYLOAD + 8;

fn plot(title: &str, what: String, x: Axis, y: Axis, series: Vec<Series>) -> Plot {
    let (title, name, machine) = (title.to_owned(), String::new(), String::new());
    Plot { name, title, what, machine, x, y, series }
}

fn axis(label: &str) -> Axis {
    Axis { label: label.to_owned(), logarithmic: false }
}

fn logarithmic(label: &str) -> Axis {
    Axis { logarithmic: true, ..axis(label) }
}

fn series(label: &str) -> Series {
    Series { label: label.to_owned(), points: Vec::new() }
}

impl Series {
    /// The figure is kept to three places: the rest is noise.
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn push(&mut self, x: usize, y: f64) {
        self.points.push((x as f64, (y * 1e3).round() / 1e3));
    }
}

fn median(repetitions: usize, mut one: impl FnMut() -> f64) -> f64 {
    let mut values: Vec<f64> = (0..repetitions).map(|_| one()).collect();
    values.sort_by(f64::total_cmp);
    values[repetitions / 2]
}

/// Another program may take the machine for seconds: each line is measured again and again, and the
/// least figure of each point is kept.
fn best(passes: usize, mut one: impl FnMut() -> Vec<Series>) -> Vec<Series> {
    let mut all = one();
    for _ in 1..passes {
        for (line, again) in all.iter_mut().zip(one()) {
            for (point, (_, y)) in line.points.iter_mut().zip(again.points) {
                point.1 = point.1.min(y);
            }
        }
    }
    all
}

fn count(number: usize) -> u64 {
    u64::try_from(number).expect("a small number")
}

/// Bytes that are freed and not allocated meanwhile.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn freed(work: impl FnOnce()) -> f64 {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.bytes_deallocated as f64 - change.bytes_allocated as f64
}

/// 1, 3, 10, 30 and so on.
fn steps(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let tens = core::iter::successors(Some(1), |ten: &usize| ten.checked_mul(10));
    let all = tens.flat_map(|ten| [ten, ten.saturating_mul(3)]);
    all.skip_while(move |&step| step < from).take_while(move |&step| step <= to)
}

fn log(quick: bool) -> Plot {
    const WINDOW: usize = 256 << 10;
    let (to, repetitions, passes) = if quick { (3_000, 3, 1) } else { (10_000_000, 25, 5) };
    let config = Arc::new(Config { window_bytes: WINDOW, ..Config::default() });
    let all = best(passes, || one_log(&config, to, repetitions));
    let what = format!(
        "Entries of {PAYLOAD} B in a group of three that was never given a snapshot; each node keeps \
         {} KiB of its log in memory. Medians of {repetitions} probes of 640 and 128 entries, the \
         least of {passes} passes.",
        WINDOW >> 10
    );
    let (x, y) = (logarithmic("entries in the log"), axis("ns per committed entry"));
    plot("Cost of an entry in a growing log", what, x, y, all)
}

/// One group whose log grows.
fn one_log(config: &Arc<Config>, to: usize, repetitions: usize) -> Vec<Series> {
    let mut cluster = Cluster::<raftcore_benches::Direct>::with(NODES, config);
    cluster.campaign();
    cluster.settle();
    let (mut single, mut batch) = (series("one proposal at a time"), series("64 per poll"));
    for length in steps(1_000, to) {
        let missing = count(length).saturating_sub(cluster.applied(0));
        jobs::j2(&mut cluster, missing, PAYLOAD);
        // The probes make the log longer, so the later ones are at a length a little larger.
        let mut probe = |job: fn(&mut _, u64, usize) -> u64, entries| {
            median(repetitions, || per_entry(|| job(&mut cluster, entries, PAYLOAD)))
        };
        batch.push(length, probe(jobs::j2, 640));
        single.push(length, probe(jobs::j1, 128));
    }
    vec![single, batch]
}

const ACKS: usize = 200;

fn voters(quick: bool) -> Plot {
    let (to, repetitions, passes) = if quick { (11, 3, 1) } else { (101, 25, 5) };
    let all = best(passes, || acks(to, repetitions));
    let what = format!(
        "A leader receives the one ack that moves its commit index; afterwards it is polled until \
         it has nothing left, which tells every peer. Medians of {repetitions} runs of {ACKS} acks, \
         the least of {passes} passes."
    );
    let (x, y) = (axis("voters"), axis("ns per ack"));
    plot("Cost of an ack and the number of voters", what, x, y, all)
}

fn acks(to: usize, repetitions: usize) -> Vec<Series> {
    let (mut alone, mut polled) = (series("the ack"), series("and the polls after it"));
    let sizes = [3, 5, 7, 11, 15, 21, 31, 41, 51, 61, 71, 81, 91, 101];
    for voters in sizes.into_iter().take_while(|&voters| voters <= to) {
        let ready = Acks::new(voters, ACKS);
        let probe = |after: fn(&mut Acks)| {
            median(repetitions, || {
                let mut acks = ready.clone();
                per_entry(|| {
                    let mut moved = 0;
                    while acks.left() > 0 {
                        moved += acks.deliver_next();
                        after(&mut acks);
                    }
                    moved
                })
            })
        };
        alone.push(voters, probe(|_| {}));
        polled.push(voters, probe(Acks::drop_outputs));
    }
    vec![alone, polled]
}

fn groups(quick: bool) -> Plot {
    const ENTRIES: u64 = 100;
    let to = if quick { 10 } else { 100_000 };
    let config = Arc::<Config>::default();
    let idle = |at: usize| {
        let mut cluster = Cluster::<Framed>::with(NODES, &config);
        cluster.campaign();
        cluster.settle();
        jobs::j2(&mut cluster, ENTRIES, PAYLOAD);
        cluster.trim(at);
        cluster.into_node(at).0
    };
    let roles = [("follower", NODES - 1), ("leader", 0)];
    let all = roles.map(|(role, at)| {
        let mut line = series(role);
        for groups in steps(1, to) {
            let mut host = Vec::with_capacity(groups);
            host.extend((0..groups).map(|_| idle(at)));
            let each = u32::try_from(groups).map_or(f64::NAN, f64::from);
            line.push(groups, freed(|| drop(host)) / each);
        }
        line
    });
    let what = format!(
        "A host with one node of each of so many groups of three, after {ENTRIES} applied entries of \
         {PAYLOAD} B and `trim(0)`: the nodes and their heap, divided by their number; one \
         configuration for all is not counted."
    );
    let (x, y) = (logarithmic("groups"), axis("bytes per group"));
    plot("Memory of an idle group", what, x, y, all.into())
}

fn window(quick: bool) -> Plot {
    // A block of the log is 64 KiB: in less than four, what was just proposed may not stay.
    const FROM: usize = 256 << 10;
    let to = if quick { FROM } else { 64 << 20 };
    type Job = fn(&mut Cluster<Framed>, u64, usize) -> u64;
    let jobs: [(&str, Job); 2] =
        [("one proposal per poll", jobs::j1), ("64 proposals per poll", jobs::j2)];
    let mut all = Vec::new();
    for (name, job) in jobs {
        let (mut leader, mut follower) =
            (series(&format!("leader, {name}")), series(&format!("follower, {name}")));
        let doubled = |size: &usize| size.checked_mul(2);
        for size in core::iter::successors(Some(FROM), doubled).take_while(|&size| size <= to) {
            let config = Arc::new(Config { window_bytes: size, ..Config::default() });
            let mut cluster = Cluster::<Framed>::with(NODES, &config);
            cluster.campaign();
            cluster.settle();
            job(&mut cluster, count(size / ENTRY * 3 / 2 + 5_000), PAYLOAD);
            let heap: Vec<f64> = cluster.into_nodes().map(|node| freed(|| drop(node))).collect();
            let bytes = u32::try_from(size).map_or(f64::NAN, f64::from);
            leader.push(size >> 10, heap[0] / bytes);
            follower.push(size >> 10, heap[NODES - 1] / bytes);
        }
        all.extend([leader, follower]);
    }
    let what = format!(
        "The heap of a node, all of it, divided by `window_bytes`, when half as many entries of \
         {PAYLOAD} B again as fit have gone through it; messages were encoded and decoded."
    );
    let (x, y) = (logarithmic("window, KiB"), axis("heap / window"));
    plot("Heap and the window", what, x, y, all)
}

/// What a node alone in its group writes for `entries` proposals, so many in each write.
fn written(entries: usize, together: usize, config: &Arc<Config>) -> Vec<Bytes> {
    let identity = Identity { group: GroupId(1), node: NodeId(1) };
    let stored = Stored::found(identity, Membership::of_voters([1]).expect("a legal membership"));
    let mut node = Node::new(Arc::clone(config), stored, LogIndex(0)).expect("a first start");
    node.tick(Tick(0));
    node.campaign().expect("a voter without a leader");
    let mut disk = Vec::new();
    let mut proposed = 0;
    loop {
        while let Some(output) = node.poll_output() {
            match output {
                Output::Persist(write) => {
                    disk.push(write.encode().into());
                    node.persisted(write.id).expect("a write just made");
                }
                Output::Apply(committed) => {
                    node.applied(committed.last()).expect("entries just handed out");
                }
                Output::Event(_) => {}
                other => panic!("a node alone has no {other:?}"),
            }
        }
        if proposed >= entries {
            return disk;
        }
        for _ in 0..together {
            node.propose(&[7; PAYLOAD]).expect("a leader with room");
        }
        proposed += together;
    }
}

/// Reads, replays and starts; gives the entries of the log.
fn start(disk: &[Bytes], config: &Arc<Config>) -> u64 {
    let mut stored = Stored::empty();
    for record in disk {
        let (write, _) = Write::decode(record).expect("a record just encoded");
        stored.replay(write).expect("writes in order");
        stored.trim(config.window_bytes);
    }
    let last = stored.last().index;
    let node = Node::new(Arc::clone(config), stored, LogIndex(0)).expect("a restart");
    assert_eq!(black_box(&node).last_index(), last);
    last.get()
}

fn restart(quick: bool) -> Plot {
    const WINDOW: usize = 4 << 20;
    let (to, passes) = if quick { (30_000, 1) } else { (10_000_000, 5) };
    let config = Arc::new(Config { window_bytes: WINDOW, ..Config::default() });
    let all = best(passes, || restarts(to, &config));
    let what = format!(
        "From the encoded writes of a log of entries of {PAYLOAD} B, in memory, to a node: \
         `Write::decode`, `Stored::replay` and `Stored::trim` for each write, then `Node::new`. The \
         node keeps {} MiB of its log in memory. The least of {passes} passes.",
        WINDOW >> 20
    );
    let (x, y) = (logarithmic("entries in the log"), axis("ns per entry"));
    plot("Time to restart", what, x, y, all)
}

fn restarts(to: usize, config: &Arc<Config>) -> Vec<Series> {
    let all = [(1, to / 10, "1 entry per write"), (64, to, "64 entries per write")];
    let all = all.map(|(together, to, label)| {
        let mut line = series(label);
        for entries in steps(1_000, to) {
            let disk = written(entries, together, config);
            let repetitions = (to / entries).clamp(1, 25);
            line.push(entries, median(repetitions, || per_entry(|| start(&disk, config))));
        }
        line
    });
    all.into()
}
