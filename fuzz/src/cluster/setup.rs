//! How an execution begins: how many nodes, with which limits, how far they have come.

use raftcore::{
    Config, GroupId, Identity, Input, LogIndex, MAX_PRIORITY, Member, Membership, Node, NodeId,
};
use std::collections::VecDeque;
use std::sync::Arc;

use super::host::Host;
use super::law::Law;
use super::{Cluster, Faults};
use crate::dice::Dice;

pub(crate) const GROUP: GroupId = GroupId(7);

impl Cluster {
    pub(super) fn new(dice: &mut Dice<'_>, tell: bool) -> Self {
        let shape = dice.byte();
        let (voters, learners) = match shape % 8 {
            0 => (1, 0),
            1 => (2, 0),
            2 => (2, 1),
            3 => (3, 1),
            4 => (5, 0),
            _ => (3, 0),
        };
        let outsiders = u64::from((shape >> 3) & 3 == 0);
        let faults = Faults { hostile: shape >> 5 & 1 == 1, broken: shape >> 5 == 7 };
        let member = |id| match id {
            _ if id <= voters => Member::voter(NodeId(id)),
            _ => Member { promote: id % 2 == 0, ..Member::learner(NodeId(id)) },
        };
        let founders = Membership::new((1..=voters + learners).map(member)).expect("founders");
        let flags = dice.byte();
        let config = config(dice);
        let host = |id| {
            let priority = if flags & 1 == 0 { MAX_PRIORITY } else { id as u32 };
            let config = Arc::new(Config { priority, ..config.clone() });
            Host::new(Identity { group: GROUP, node: NodeId(id) }, config, founders.clone())
        };
        let mut cluster = Self {
            hosts: (1..=voters + learners + outsiders).map(host).collect(),
            under_way: VecDeque::new(),
            earlier: VecDeque::new(),
            cut_off: None,
            law: Law::default(),
            faults,
            strict: flags & 0b1_1110 == 0,
            prompt: flags & 0b10_0000 == 0,
            reads: 0,
            over: false,
            tell,
        };
        if tell {
            println!("{config:?}\n{founders:?}");
        }
        if flags & 0b1100_0000 != 0 {
            cluster.begin(flags >> 6);
        }
        cluster
    }

    /// The first node takes commands that nobody hears of.
    fn propose_and_forget(&mut self) {
        self.give(0, Input::Propose(vec![9; 9].into()));
        self.work(0);
        self.under_way.clear();
        self.give(0, Input::Propose(vec![9; 9].into()));
    }

    /// The first node leads; then a command is committed; then one more that the last node lacks,
    /// and a snapshot is taken of it.
    fn begin(&mut self, stages: u8) {
        (0..self.hosts.len()).for_each(|at| self.tick(at, 1));
        self.give(0, Input::Campaign);
        self.settle();
        for stage in 2..=stages {
            if stage == 3 {
                self.cut_off = Some(self.hosts.len() - 1);
            }
            self.give(0, Input::Propose(vec![stage; 4].into()));
            self.settle();
        }
        if stages == 3 {
            let machine = self.hosts[0].machine;
            self.hosts[0].keep_snapshot(machine.applied, machine);
            self.give(0, Input::SnapshotTaken(LogIndex(machine.applied)));
            self.settle();
            self.cut_off = None;
        }
    }
}

/// Small limits, so that each of them is met.
fn config(dice: &mut Dice<'_>) -> Config {
    let usual = Config {
        seed: 3,
        election_ticks_min: 10,
        election_ticks_max: 20,
        heartbeat_ticks: 3,
        read_ticks_max: 30,
        disk_stall_ticks: 50,
        max_payload_bytes: 64,
        ..Config::default()
    };
    let kind = dice.byte();
    let elections = Config {
        pre_vote: kind & 1 == 0,
        check_quorum: kind & 2 == 0,
        lease_drift_ticks: (kind & 4 != 0).then_some(1),
        max_retained_bytes: if kind & 32 == 0 { 0 } else { 4096 },
        ..usual
    };
    if kind & 0b1_1000 == 0 {
        return elections;
    }
    Config {
        max_append_bytes: dice.one_of(&[1, 40, 4096]),
        max_write_bytes: dice.one_of(&[4096, 40, 1]),
        max_apply_bytes: dice.one_of(&[4096, 40, 1]),
        max_in_flight_messages: dice.one_of(&[1, 2, 256]),
        max_in_flight_bytes: dice.one_of(&[4096, 60, 1]),
        max_uncommitted_bytes: dice.one_of(&[4096, 100]),
        max_undurable_bytes: dice.one_of(&[4096, 50, 1]),
        max_writes_in_flight: dice.one_of(&[2, 1, 4]),
        max_reads: dice.one_of(&[100, 2]),
        max_chunk_bytes: dice.one_of(&[10, 1000, 1]),
        max_retained_bytes: dice.one_of(&[0, 50, 4096]),
        window_bytes: dice.one_of(&[1, 100, 4096]),
        ..elections
    }
}

/// Nodes in every role.
pub(crate) fn samples() -> Vec<Node> {
    let mut samples = Vec::new();
    // Three voters and a learner, one leads; three voters without pre-votes.
    for (shape, kind) in [(3, 0), (5, 1)] {
        let mut cluster = Cluster::new(&mut Dice::new(&[shape, 0b1100_0010, kind]), false);
        samples.extend(cluster.hosts.iter().map(|host| host.node.clone()));
        for _ in 0..2 {
            cluster.time_out(2);
            cluster.drain(2);
        }
        samples.push(cluster.hosts[2].node.clone());
        cluster.propose_and_forget();
        samples.push(cluster.hosts[0].node.clone());
        cluster.restart(1, 0, 0, false);
        samples.push(cluster.hosts[1].node.clone());
    }
    samples
}
