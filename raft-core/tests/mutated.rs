//! Real messages, changed at random, given to nodes in every role.
//!
//! `MESSAGES=1000000 cargo test --release -p raftcore --test mutated -- --nocapture` runs a long
//! campaign; `SEED=…` starts elsewhere.
mod support;

use raftcore::{
    Append, AppendOutcome, Body, Entries, EntryId, Identity, LogIndex, Message, Node, NodeId,
    Output, RejectedMessage, RoleName, Term, Tick,
};
use support::wire::{every_body, message};
use support::{Cluster, drain, led_by_1};

/// How many messages a node takes before it is replaced by a fresh one.
const LIFE: u32 = 64;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = self.0 ^ (self.0 >> 29);
        word.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (word >> 32)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number near the given one, or at an edge.
    fn number(&mut self, near: u64) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX - 1,
            3 => near.wrapping_add(1 << 33),
            4 => self.next(),
            5 => near.wrapping_sub(1),
            6 => near.wrapping_add(1),
            7 => self.next() % 16,
            _ => near,
        }
    }

    fn small(&mut self, near: u32) -> u32 {
        self.number(near.into()) as u32
    }

    fn index(&mut self, near: LogIndex) -> LogIndex {
        LogIndex(self.number(near.0))
    }

    fn id(&mut self, near: EntryId) -> EntryId {
        EntryId { term: Term(self.number(near.term.0)), index: self.index(near.index) }
    }
}

/// Nodes in every role, and the messages of their life.
fn corpus() -> (Vec<Node>, Vec<Message>) {
    let mut cluster = led_by_1(40);
    cluster.tick(30);
    let mut nodes = cluster.nodes.clone();
    cluster.cut_off = vec![1];
    cluster.node(1).propose(b"lost").unwrap();
    cluster.tick(90);
    cluster.cut_off.clear();
    cluster.tick(60);
    nodes.extend(cluster.nodes.iter().cloned());
    let mut fresh = Cluster::new(3);
    fresh.tick(1);
    fresh.node(1).campaign().unwrap();
    nodes.push(fresh.nodes[0].clone());
    for output in drain(fresh.node(1)) {
        if let Output::Send(message) = output {
            fresh.sent.push(message);
        }
    }
    let grant = raftcore::PreVoteReply { asked: Term(0), granted: true, differs: false };
    fresh.node(1).receive(message(2, 1, 0, Body::PreVoteReply(grant))).unwrap();
    assert_eq!(fresh.node(1).role(), RoleName::Candidate);
    nodes.push(fresh.nodes[0].clone());
    let mut messages = cluster.sent;
    messages.extend(fresh.sent);
    let entries = messages.iter().find_map(|message| match message.body() {
        Body::Append(append) if append.entries.len() > 1 => Some(append.entries.clone()),
        _ => None,
    });
    let bodies = every_body(&entries.unwrap());
    messages.extend(bodies.into_iter().map(|body| message(2, 1, 3, body)));
    nodes.iter_mut().for_each(|node| drop(drain(node)));
    (nodes, messages)
}

fn mutate_body(random: &mut Random, body: &mut Body) {
    match body {
        Body::PreVote(body) => body.last = random.id(body.last),
        Body::PreVoteReply(body) => {
            body.asked = Term(random.number(body.asked.0));
            body.granted ^= random.below(3) == 0;
        }
        Body::RequestVote(body) => {
            body.last = random.id(body.last);
            body.transfer ^= random.below(3) == 0;
        }
        Body::VoteReply(body) => body.granted ^= random.below(2) == 0,
        Body::Append(body) => mutate_append(random, body),
        Body::AppendReply(body) => {
            body.session = random.small(body.session);
            body.outcome = mutate_outcome(random, body.outcome);
        }
        Body::Heartbeat(body) => {
            body.session = random.small(body.session);
            body.commit = random.index(body.commit);
            body.matched = random.index(body.matched);
            body.token = random.number(body.token);
        }
        Body::HeartbeatReply(body) => {
            body.session = random.small(body.session);
            body.verified = random.index(body.verified);
            body.token = random.number(body.token);
        }
        Body::Commit(body) => {
            body.session = random.small(body.session);
            body.commit = random.index(body.commit);
        }
        _ => {}
    }
}

fn mutate_append(random: &mut Random, body: &mut Append) {
    match random.below(6) {
        0 => body.session = random.small(body.session),
        1 => body.prev_term = Term(random.number(body.prev_term.0)),
        2 => body.prev_checksum = random.small(body.prev_checksum),
        3 => body.commit = random.index(body.commit),
        4 => {
            let first = random.index(body.entries.first());
            let (count, bytes) = (body.entries.len() as u32, body.entries.bytes().clone());
            body.entries = Entries::decode(first, count, bytes).unwrap_or(body.entries.clone());
        }
        _ => {
            let mut bytes = body.entries.bytes().to_vec();
            if let Some(byte) = (!bytes.is_empty()).then(|| random.below(bytes.len())) {
                bytes[byte] ^= 1 << random.below(8);
            }
            let (first, count) = (body.entries.first(), body.entries.len() as u32);
            let damaged = Entries::decode(first, count, bytes.into());
            body.entries = damaged.unwrap_or(body.entries.clone());
        }
    }
}

fn mutate_outcome(random: &mut Random, outcome: AppendOutcome) -> AppendOutcome {
    let index = match outcome {
        AppendOutcome::Success { matched } => matched,
        AppendOutcome::Conflict { prev, .. } => prev,
        AppendOutcome::NotNow { verified } => verified,
        AppendOutcome::Diverged { at, .. } => at.index,
        AppendOutcome::OldTerm => LogIndex(3),
    };
    let index = random.index(index);
    let at = random.id(EntryId { term: Term(1), index });
    match random.below(6) {
        0 => AppendOutcome::Conflict { prev: index, hint: at },
        1 => AppendOutcome::NotNow { verified: index },
        2 => AppendOutcome::Diverged { at, checksum: 3 },
        3 => AppendOutcome::OldTerm,
        _ => AppendOutcome::Success { matched: index },
    }
}

/// A frame that may or may not decode, addressed to this node more often than not.
fn mutate(random: &mut Random, original: &Message, node: &Node) -> Vec<u8> {
    let Identity { group, node: me } = node.identity();
    let mut body = original.body().clone();
    (0..=random.below(2)).for_each(|_| mutate_body(random, &mut body));
    let from = [NodeId(1), NodeId(2), NodeId(3), original.from()][random.below(4)];
    let to = if random.below(16) == 0 { original.to() } else { me };
    let near = if random.below(6) == 0 { original.term().0 } else { node.term().0 };
    let term = if random.below(8) == 0 { random.number(near) } else { near };
    let frame = Message::forge(group, from, to, Term(term), body).encode().to_bytes();
    let mut bytes = frame.to_vec();
    match random.below(5) {
        0 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        1 if random.below(2) == 0 => bytes.truncate(random.below(frame.len())),
        _ => {}
    }
    bytes
}

#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    decoded: u64,
    handled: u64,
    rejected: u64,
}

fn feed(node: &mut Node, bytes: Vec<u8>, tally: &mut Tally) {
    tally.sent += 1;
    let Ok(message) = Message::decode(bytes.into()) else { return };
    tally.decoded += 1;
    let before = node.fingerprint();
    let ignored = |node: &Node| {
        let counters = node.status().counters;
        counters.old_term + counters.leader_alive + counters.unexpected_replies
    };
    let ignored_before = ignored(node);
    match node.receive(message) {
        Ok(()) => tally.handled += u64::from(ignored(node) == ignored_before),
        Err(error) => {
            tally.rejected += 1;
            assert!(!matches!(error, RejectedMessage::Halted { .. }));
            let reports = drain(node).into_iter().all(|output| matches!(output, Output::Send(_)));
            assert!(reports && node.fingerprint() == before, "{error} changed the node");
        }
    }
}

/// Carries out what the node wants, in memory.
fn carry_out(node: &mut Node) {
    while let Some(output) = node.poll_output() {
        match output {
            Output::Persist(write) => node.persisted(write.id).unwrap(),
            Output::Apply(committed) => node.applied(committed.last()).unwrap(),
            Output::Halted(reason) => panic!("halted: {reason:?}"),
            _ => {}
        }
    }
}

#[test]
fn no_mutated_message_panics_halts_or_changes_a_node_that_rejects_it() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    let count = number("MESSAGES", 20_000);
    let mut random = Random(number("SEED", 1));
    let (nodes, messages) = corpus();
    let mut tally = Tally::default();
    let mut node = nodes[0].clone();
    for step in 0..count {
        if step % u64::from(LIFE) == 0 {
            node = nodes[random.below(nodes.len())].clone();
        }
        let original = &messages[random.below(messages.len())];
        let bytes = mutate(&mut random, original, &node);
        feed(&mut node, bytes, &mut tally);
        if random.below(32) == 0 {
            node.tick(Tick(1000 + step % u64::from(LIFE)));
        }
        carry_out(&mut node);
        if step % 100_000 == 99_999 {
            println!("{tally:?}");
        }
    }
    println!("{tally:?}");
    assert!(tally.decoded * 2 >= tally.sent, "at least half decode");
    assert!(tally.handled * 10 >= tally.sent, "at least a tenth reach a role handler");
    assert!(tally.rejected * 20 >= tally.sent, "enough are rejected");
}
