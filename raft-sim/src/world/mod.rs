//! One run: a cluster, its disks, its network, its clients, and what happens to them.

mod damage;
mod host_io;
mod log_reads;
mod recover;
mod snapshots;
mod trouble;
mod wishes;

pub(crate) use log_reads::Answer as LogAnswer;
pub use recover::{RECOVERY_ELECTIONS, TICKS_PER_PIECE};
pub(crate) use wishes::Wish;

use raftcore::{Event as Notice, GroupId, Identity, LogIndex, NodeId, RoleName};

use crate::check::{Checks, View};
use crate::config::{ConfigError, Plan, SimConfig};
use crate::disk::Disk;
use crate::faults::{FaultCounts, FaultKind};
use crate::host::{Clock, Driver, Host};
use crate::network::Network;
use crate::probe::probe;
use crate::property::{Checked, Property, broken};
use crate::queue::{Event, Queue, UNITS_PER_TICK};
use crate::record::{NodeRecording, Recording, answers_digest};
use crate::report::RunReport;
use crate::rng::Rng;
use crate::trace::{Told, Trace, note};
use crate::weather::{Habits, LATE_MAX, Watch, Weather};

/// Steps between two looks at the whole status of a node.
const STEPS_PER_STATUS: u64 = 31;
/// Looks at a node between two trials of bad input, which are slow.
const STATUSES_PER_PROBE: usize = 97;

/// A digest of everything that happens, cheap enough to feed with every word.
#[derive(Clone, Copy, Default)]
pub(crate) struct Digest(u64);

impl Digest {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
    }
}

#[derive(Default)]
struct Stats {
    leader_changes: u64,
    last_leader: Option<usize>,
    elections: u64,
    restarts: u64,
    recovery_ticks: u64,
    unelectable: u64,
}

/// The state of one run.
pub(crate) struct World {
    sim: SimConfig,
    plan: Plan,
    rng: Rng,
    queue: Queue,
    now: u64,
    step: u64,
    hosts: Vec<Host>,
    network: Network,
    checks: Checks,
    weather: Weather,
    counts: FaultCounts,
    digest: Digest,
    stats: Stats,
    trace: Option<Trace>,
    heal_plan: u32,
    recovering: bool,
}

impl World {
    /// A cluster before its first event; `record` keeps a trace and all inputs.
    pub(crate) fn new(sim: &SimConfig, record: bool) -> Result<Self, ConfigError> {
        let mut rng = Rng::new(sim.seed);
        let plan = Plan::new(sim, &mut rng)?;
        let nodes = plan.configs.len();
        let weather = Weather::calm();
        let checks = Checks::new(nodes, &plan.membership, plan.keys);
        let hosts = (0..nodes)
            .map(|host| Host {
                driver: None,
                standing: plan.standing(host),
                view: View {
                    role: RoleName::Follower,
                    term: 0,
                    commit: 0,
                    applied: 0,
                    last: 0,
                    membership: (0, 0),
                },
                life: 0,
                disk: Disk::new(host, &plan, record),
                clock: Clock::new(0, 0, 1000),
                habits: Habits::calm(&mut rng),
                paused_until: 0,
                poll_planned: false,
                tick_plan: 0,
                tick_at: u64::MAX,
                stop_in: None,
                issued: Default::default(),
                acked: 0,
                issued_before: Default::default(),
                machine: 0,
                saved: 0,
                asked: Vec::new(),
                inputs: 0,
                answers: Vec::new(),
                answered: 0,
            })
            .collect();
        Ok(Self {
            sim: sim.clone(),
            plan,
            rng,
            queue: Queue::default(),
            now: 0,
            step: 0,
            hosts,
            network: Network::new(),
            checks,
            weather,
            counts: FaultCounts::default(),
            digest: Digest::default(),
            stats: Stats::default(),
            trace: record.then(Trace::default),
            heal_plan: 0,
            recovering: false,
        })
    }

    /// The whole run.
    pub(crate) fn run(&mut self) -> Checked<RunReport> {
        for host in 0..self.hosts.len() {
            if self.hosts[host].exists() {
                self.restart(host)?;
            }
        }
        self.queue.push(UNITS_PER_TICK, Event::Client);
        if self.sim.faults {
            self.queue.push(UNITS_PER_TICK, Event::Weather);
            self.queue.push(2 * UNITS_PER_TICK, Event::Fault);
        }
        while self.step < self.sim.steps {
            self.advance()?;
        }
        self.recover()?;
        self.digest.mix(self.step);
        Ok(RunReport {
            seed: self.sim.seed,
            nodes: self.nodes(),
            steps: self.step,
            ticks: self.now / UNITS_PER_TICK,
            proposals: self.checks.clients.accepted(),
            commits: self.checks.committed(),
            leader_changes: self.stats.leader_changes,
            elections: self.stats.elections,
            restarts: self.stats.restarts,
            recovery_ticks: self.stats.recovery_ticks,
            unelectable: self.stats.unelectable,
            faults: self.counts,
            digest: self.digest.0,
        })
    }

    pub(crate) const fn step(&self) -> u64 {
        self.step
    }

    /// How many nodes founded the cluster.
    pub(crate) const fn nodes(&self) -> usize {
        self.plan.founders
    }

    /// The trace and the last life of every running node.
    pub(crate) fn into_evidence(self) -> (Vec<String>, Recording) {
        let mut nodes = Vec::new();
        for (host, config) in self.hosts.into_iter().zip(self.plan.configs) {
            let Some((start, applied, inputs, answers)) =
                host.driver.and_then(|driver| driver.into_recorded())
            else {
                continue;
            };
            let answers = answers_digest(&answers);
            nodes.push(NodeRecording {
                config: (*config).clone(),
                start,
                applied,
                inputs,
                answers,
            });
        }
        let trace = self.trace.map(Trace::into_lines).unwrap_or_default();
        (trace, Recording { seed: self.sim.seed, nodes })
    }

    fn identity(host: usize) -> Identity {
        Identity { group: GroupId(1), node: NodeId(host as u64 + 1) }
    }

    /// Executes the next event.
    fn advance(&mut self) -> Checked {
        let Some((at, event)) = self.queue.pop() else {
            return broken(Property::Liveness, 0, "nothing will ever happen again");
        };
        self.now = at;
        self.step += 1;
        self.digest.mix(at);
        self.checks.clients.history.begins(self.step);
        if self.step.is_multiple_of(STEPS_PER_STATUS) {
            let turn = (self.step / STEPS_PER_STATUS) as usize;
            let leader =
                self.hosts.iter().position(Host::leads).filter(|_| !turn.is_multiple_of(3));
            let host = leader.unwrap_or(turn % self.hosts.len());
            self.look_closely(host)?;
            if turn.is_multiple_of(STATUSES_PER_PROBE) {
                self.give_bad_input(host)?;
            }
        }
        self.handle(event)
    }

    fn give_bad_input(&self, host: usize) -> Checked {
        let Some(Driver { node, .. }) = &self.hosts[host].driver else { return Ok(()) };
        probe(node).or_else(|detail| broken(Property::BadInputRefused, host, detail))
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Tick { host, plan } => {
                let host = host as usize;
                let valid = self.hosts[host].tick_plan == plan;
                if valid && self.awake(host, event) { self.look_at_clock(host) } else { Ok(()) }
            }
            Event::Deliver { flight } => self.deliver(flight),
            Event::Poll { host, life } => {
                let host = host as usize;
                if self.lives(host, life) && self.awake(host, event) {
                    self.pump(host)
                } else {
                    Ok(())
                }
            }
            Event::Sync { host, life, sequence } => {
                let host = host as usize;
                if self.lives(host, life) { self.sync(host, sequence) } else { Ok(()) }
            }
            Event::Ack { host, life, .. }
            | Event::Applied { host, life, .. }
            | Event::Answer { host, life, .. }
            | Event::Taken { host, life, .. }
            | Event::Chunk { host, life, .. } => {
                let host = host as usize;
                let valid = self.lives(host, life) && self.awake(host, event);
                if valid { self.complete(host, event) } else { Ok(()) }
            }
            Event::Replace => self.replace(),
            Event::Crash { .. } if self.recovering => Ok(()),
            Event::Crash { host, life } => {
                let host = host as usize;
                if self.lives(host, life) { self.crash(host) } else { Ok(()) }
            }
            Event::Restart { host, life } => {
                let host = host as usize;
                let Host { driver, life: now, .. } = &self.hosts[host];
                let down = driver.is_none() && *now == life && self.hosts[host].exists();
                if down { self.restart(host) } else { Ok(()) }
            }
            Event::Wish { host, life, wish } => {
                let host = host as usize;
                let valid = self.lives(host, life) && !self.recovering;
                if valid { self.wish(host, wish, 1) } else { Ok(()) }
            }
            Event::GivesUp { .. } | Event::Client if self.recovering => Ok(()),
            Event::GivesUp { number } => self.gives_up(number),
            Event::Client => self.client(),
            Event::Fault | Event::Weather if self.recovering => Ok(()),
            Event::Fault => self.trouble(),
            Event::Heal { plan } => {
                if plan == self.heal_plan {
                    note!(self, "all cuts are mended");
                    self.network.heal();
                }
                Ok(())
            }
            Event::Weather => {
                self.change_weather();
                Ok(())
            }
        }
    }

    /// A host tells its node that something is done.
    fn complete(&mut self, host: usize, event: Event) -> Checked {
        match event {
            Event::Ack { sequence, .. } => self.acknowledge(host, sequence),
            Event::Applied { index, .. } => self.report_applied(host, LogIndex(index)),
            Event::Answer { number, .. } => self.answer(host, number),
            Event::Taken { index, .. } => self.report_taken(host, index),
            Event::Chunk { sequence, .. } => self.answer_chunk(host, sequence),
            _ => Ok(()),
        }
    }

    fn lives(&self, host: usize, life: u32) -> bool {
        self.hosts[host].life == life && self.hosts[host].driver.is_some()
    }

    /// Whether the host's process runs; if it is paused, the event waits for its end.
    fn awake(&mut self, host: usize, event: Event) -> bool {
        let until = self.hosts[host].paused_until;
        if self.hosts[host].driver.is_none() {
            return false;
        }
        if until <= self.now {
            return true;
        }
        self.queue.push(until, event);
        false
    }

    fn deliver(&mut self, flight: u32) -> Checked {
        let Some(to) = self.network.flight(flight).map(|flight| flight.to) else {
            return Ok(());
        };
        let paused = self.hosts[to].driver.is_some() && self.hosts[to].paused_until > self.now;
        if paused {
            self.queue.push(self.hosts[to].paused_until, Event::Deliver { flight });
            return Ok(());
        }
        let Some(flight) = self.network.arrive(flight, self.now, &mut self.counts) else {
            return Ok(());
        };
        if self.hosts[to].driver.is_none() {
            return Ok(());
        }
        let message = flight.unpack()?;
        note!(self, "{} arrives", Told(&message));
        self.fresh_clock(to)?;
        let Some(driver) = &mut self.hosts[to].driver else { return Ok(()) };
        if let Err(error) = driver.receive(message) {
            return broken(Property::HonestPeerAccepted, to, error.to_string());
        }
        self.observe(to)?;
        self.poll_soon(to)
    }

    /// Looks at the getters after an input, and checks what has changed.
    fn observe(&mut self, host: usize) -> Checked {
        let Some(driver) = &self.hosts[host].driver else { return Ok(()) };
        let now = View::of(&driver.node);
        let before = self.hosts[host].view;
        if now == before {
            return Ok(());
        }
        self.checks.view(host, &before, &now)?;
        self.hosts[host].view = now;
        let runs = matches!(now.role, RoleName::Candidate | RoleName::Leader);
        if runs && now.term > before.term {
            self.stats.elections += 1;
            self.disturb_election(host);
        }
        if now.commit > self.checks.committed() {
            let held = self.held(host, now.commit);
            self.checks.commits(host, &now, held)?;
            for other in 0..self.hosts.len() {
                let view = self.hosts[other].view;
                if view.term > now.term && self.hosts[other].leads() {
                    let held = |index| self.held(other, index);
                    self.checks.leader_holds(other, view.term, held)?;
                }
            }
        }
        if now.membership != before.membership
            && let Some(Driver { node, .. }) = &self.hosts[host].driver
        {
            self.checks.reconfigured(host, node.membership());
        }
        if now.leads() && !(before.leads() && before.term == now.term) {
            self.elected(host, now.term)?;
        }
        Ok(())
    }

    /// A node has become leader.
    fn elected(&mut self, host: usize, term: u64) -> Checked {
        note!(self, "n{} leads term {term}", host + 1);
        if self.stats.last_leader.is_some_and(|last| last != host) {
            self.stats.leader_changes += 1;
        }
        self.stats.last_leader = Some(host);
        self.disturb_election(host);
        self.greet_leader(host);
        let held = self.held(host, self.checks.committed_before(term));
        self.checks.leads(host, term, |_| held)
    }

    /// A node's checksum at an entry; what it no longer keeps in memory is on its disk.
    fn held(&self, host: usize, index: u64) -> Option<u32> {
        self.checks.held(host, &self.hosts[host].driver.as_ref()?.node, index)
    }

    fn notice(&mut self, host: usize, event: &Notice) -> Checked {
        note!(self, "n{} reports {event:?}", host + 1);
        self.checks.notices(host, event)
    }
}
