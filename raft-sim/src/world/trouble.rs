//! Things that go wrong: crashes, cuts, clogs, pauses, old messages, failing disks.

use super::{
    Checked, Event, FaultKind, Property, UNITS_PER_TICK, Weather, Wish, World, broken, note,
};
use crate::check::is_quorum;
use crate::weather::Action;

impl World {
    fn election_max(&self) -> u64 {
        u64::from(self.plan.configs[0].election_ticks_max)
    }

    /// Other things go wrong from now on, and hosts get other habits.
    pub(super) fn change_weather(&mut self) {
        let election_max = self.election_max();
        self.weather = Weather::rough(&mut self.rng, election_max);
        for host in 0..self.hosts.len() {
            self.new_habits(host);
        }
        let lasts = UNITS_PER_TICK * self.rng.between(2 * election_max, 12 * election_max);
        self.queue.push(self.now + lasts, Event::Weather);
    }

    pub(super) fn new_habits(&mut self, host: usize) {
        let mut habits = self.weather.habits(&mut self.rng);
        let config = &self.plan.configs[host];
        if let (true, Some(drift)) = (habits.rate != 1000, config.lease_drift_ticks) {
            let off = u64::from(1000 * drift / (2 * config.election_ticks_min));
            habits.rate = self.rng.pick(&[1000 - off, 1000 + off]);
        }
        let state = &mut self.hosts[host];
        state.clock.read(self.now);
        state.clock.rate = habits.rate;
        state.habits = habits;
        if state.driver.is_some() {
            state.tick_plan += 1;
            state.tick_at = self.now + 1;
            let plan = state.tick_plan;
            self.queue.push(self.now + 1, Event::Tick { host: host as u8, plan });
        }
    }

    /// The next thing goes wrong.
    pub(super) fn trouble(&mut self) -> Checked {
        if !self.weather.rough {
            self.queue.push(self.now + UNITS_PER_TICK, Event::Fault);
            return Ok(());
        }
        let gap = self.rng.between(1, self.weather.action_gap);
        self.queue.push(self.now + gap, Event::Fault);
        let action = self.weather.action(&mut self.rng);
        note!(self, "trouble: {action:?}");
        let host = self.rng.below(self.hosts.len() as u64) as usize;
        let leader = self.hosts.iter().position(|host| host.leads()).unwrap_or(host);
        self.act(action, host, leader)
    }

    fn act(&mut self, action: Action, host: usize, leader: usize) -> Checked {
        match action {
            Action::Crash => self.crash_if_affordable(host)?,
            Action::CrashLeader => self.crash_if_affordable(leader)?,
            Action::CrashAtOutput => {
                let host = if self.rng.chance(500) { leader } else { host };
                if self.affordable(host) {
                    self.hosts[host].stop_in = Some(self.rng.below(8) as u32);
                }
            }
            Action::PowerLoss => {
                for host in 0..self.hosts.len() {
                    if self.rng.chance(800) {
                        self.crash(host)?;
                    }
                }
            }
            Action::Partition => self.partition(false),
            Action::OneWay => self.partition(true),
            Action::Bridge => self.bridge(),
            Action::IsolateLeader => {
                self.isolate(leader);
                let wishes = self.rng.below(12);
                self.wish(leader, Wish::Write, wishes)?;
                self.wish_soon(leader, Wish::Read, wishes, 30);
                if self.plan.snapshots > 0 && self.rng.chance(500) {
                    self.pass_by(leader);
                }
                if self.plan.changes && self.rng.chance(400) {
                    let wish = self.rng.pick(&[Wish::Change, Wish::Oust]);
                    self.wish(leader, wish, 1)?;
                }
            }
            Action::Heal => self.network.heal(),
            Action::ClogLink => {
                let to = self.rng.below(self.hosts.len() as u64) as usize;
                self.clog(host, to);
            }
            Action::ClogHost => {
                for peer in 0..self.hosts.len() {
                    self.clog(host, peer);
                    self.clog(peer, host);
                }
            }
            Action::Pause => self.pause(host),
            Action::PauseLeader => self.pause(leader),
            Action::Replay => self.replay(),
            Action::FailSync => self.hosts[host].disk.fails = true,
            Action::Overload => {
                let times = self.rng.between(20, 200);
                return self.wish(leader, Wish::Write, times);
            }
            Action::Campaign => return self.wish(host, Wish::Campaign, 1),
            Action::Transfer => return self.wish(leader, Wish::Transfer, 1),
            Action::StepDown => return self.wish(leader, Wish::StepDown, 1),
            Action::Change if self.plan.changes => {
                let host = if self.rng.chance(900) { leader } else { host };
                return self.wish(host, Wish::Change, 1);
            }
            Action::Change => {}
            Action::NewHabits => {
                self.new_habits(host);
                return self.shake(host);
            }
        }
        Ok(())
    }

    /// The others take snapshots, while a host is cut off and has proposals of its own.
    fn pass_by(&mut self, host: usize) {
        let ticks = 3 * self.election_max();
        for other in (0..self.hosts.len()).filter(|&other| other != host) {
            self.wish_soon(other, Wish::Snapshot, 2, ticks);
        }
    }

    /// Whether the cluster keeps a quorum without the host; now and then it need not.
    pub(super) fn affordable(&mut self, host: usize) -> bool {
        let newest = self.hosts.iter().enumerate().max_by_key(|(_, host)| host.view.membership);
        let membership = self.checks.membership(newest.map_or(host, |(newest, _)| newest));
        let up = |at: usize| at != host && self.hosts[at].driver.is_some();
        let enough = is_quorum(membership, up);
        self.hosts[host].driver.is_some() && (enough || self.rng.chance(250))
    }

    fn crash_if_affordable(&mut self, host: usize) -> Checked {
        if self.affordable(host) { self.crash(host) } else { Ok(()) }
    }

    fn troubled_until(&mut self) -> u64 {
        self.now + self.rng.between(1, self.weather.trouble_max)
    }

    /// Cuts the links between two sides, in both directions or in one.
    fn partition(&mut self, one_way: bool) {
        let count = self.hosts.len();
        if count < 2 {
            return;
        }
        let sides = self.rng.between(1, (1 << count) - 2);
        for from in 0..count {
            for to in 0..count {
                let (left, right) = (sides >> from & 1, sides >> to & 1);
                if left < right || (left > right && !one_way) {
                    self.network.sever(from, to);
                }
            }
        }
        self.cut(if one_way { FaultKind::OneWayPartition } else { FaultKind::Partition });
    }

    /// Cuts a host and half of the voters off from the other half.
    fn halve(&mut self, host: usize) {
        let voters = self.checks.membership(host).voters().map(|id| id.0 as usize - 1);
        let mut others: Vec<usize> = voters.filter(|&voter| voter != host).collect();
        let mut far = Vec::new();
        while far.len() < others.len() {
            far.push(others.swap_remove(self.rng.below(others.len() as u64) as usize));
        }
        others.push(host);
        for &away in &far {
            for &near in &others {
                self.network.sever(away, near);
                self.network.sever(near, away);
            }
        }
        if !far.is_empty() {
            self.cut(FaultKind::Partition);
        }
    }

    /// Cuts some pairs, so that some nodes see peers that do not see each other.
    fn bridge(&mut self) {
        let count = self.hosts.len();
        for from in 0..count {
            for to in 0..from {
                if self.rng.chance(400) {
                    self.network.sever(from, to);
                    self.network.sever(to, from);
                    self.cut(FaultKind::Partition);
                }
            }
        }
    }

    /// Cuts one host off, in one or in both directions.
    fn isolate(&mut self, host: usize) {
        if self.hosts.len() < 2 {
            return;
        }
        let (hears, speaks) = self.rng.pick(&[(false, false), (true, false), (false, true)]);
        for peer in (0..self.hosts.len()).filter(|&peer| peer != host) {
            if !hears {
                self.network.sever(peer, host);
            }
            if !speaks {
                self.network.sever(host, peer);
            }
        }
        let one_way = hears || speaks;
        self.cut(if one_way { FaultKind::OneWayPartition } else { FaultKind::Partition });
    }

    /// Counts cuts and plans when they are mended.
    fn cut(&mut self, kind: FaultKind) {
        self.counts[kind] += 1;
        self.heal_plan += 1;
        let at = self.troubled_until();
        self.queue.push(at, Event::Heal { plan: self.heal_plan });
    }

    fn clog(&mut self, from: usize, to: usize) {
        if from != to {
            self.counts[FaultKind::Clog] += 1;
            let until = self.troubled_until();
            self.network.clog(from, to, until);
        }
    }

    fn pause(&mut self, host: usize) {
        if self.hosts[host].driver.is_some() {
            self.counts[FaultKind::Pause] += 1;
            self.hosts[host].paused_until = self.troubled_until();
        }
    }

    /// Some messages of earlier terms or lives come back.
    fn replay(&mut self) {
        for _ in 0..self.rng.between(1, 6) {
            if self.rng.chance(500) {
                self.replay_of_old_term(None, 2);
            } else {
                let hosts = &self.hosts;
                let found = self.network.replay(&mut self.rng, |old| {
                    old.lives != [hosts[old.from].life, hosts[old.to].life]
                });
                self.replayed(FaultKind::StaleLife, found, 2);
            }
        }
    }

    fn replay_of_old_term(&mut self, to: Option<usize>, ticks: u64) {
        let hosts = &self.hosts;
        let found = self.network.replay(&mut self.rng, |old| {
            to.is_none_or(|to| old.to == to) && old.term < hosts[old.to].view.term
        });
        self.replayed(FaultKind::StaleTerm, found, ticks);
    }

    fn replayed(&mut self, kind: FaultKind, flight: Option<u32>, ticks: u64) {
        if let Some(flight) = flight {
            self.counts[kind] += 1;
            let at = self.now + self.rng.between(1, ticks * UNITS_PER_TICK);
            self.queue.push(at, Event::Deliver { flight });
        }
    }

    /// A new leader is asked for much at once, and hears what was said to it in earlier terms.
    pub(super) fn greet_leader(&mut self, host: usize) {
        if self.weather.rough && self.rng.chance(self.weather.eager) {
            self.wish_soon(host, Wish::Write, 3, 2);
            self.wish_soon(host, Wish::Read, 3, 2);
            if self.plan.changes && self.rng.chance(500) {
                self.halve(host);
                self.wish_soon(host, Wish::Oust, 2, 1);
            } else if self.plan.changes {
                self.wish_soon(host, Wish::Change, 2, 1);
            }
        }
        if self.weather.rough && self.rng.chance(self.weather.stale_greetings) {
            for _ in 0..self.rng.between(4, 12) {
                self.replay_of_old_term(Some(host), 12);
            }
        }
    }

    /// A node runs for leadership, or has won: the worst moment to stop.
    pub(super) fn disturb_election(&mut self, host: usize) {
        if self.rng.chance(self.weather.crash_at_election) && self.affordable(host) {
            self.hosts[host].stop_in = Some(self.rng.below(6) as u32);
        }
    }

    /// A host asks for memory back and swaps its node for a copy.
    fn shake(&mut self, host: usize) -> Checked {
        let max_bytes = self.rng.below(4096) as usize;
        let compare = self.rng.chance(20);
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        if driver.shake(max_bytes, compare) {
            return Ok(());
        }
        broken(Property::Repeatability, host, "a copy of the node differs from it")
    }

    /// A leader that has named its successor hears nothing for a while, and is asked for reads:
    /// what was said to it is lost, or comes late.
    pub(super) fn outlive_handover(&mut self, host: usize) {
        if !self.weather.rough || !self.rng.chance(500) {
            return;
        }
        self.counts[FaultKind::OutlivedTransfer] += 1;
        let peers = (0..self.hosts.len()).filter(|&peer| peer != host);
        if self.rng.chance(500) {
            peers.for_each(|peer| self.network.sever(peer, host));
            self.cut(FaultKind::OneWayPartition);
        } else {
            let until = self.now + self.rng.between(4, 20) * UNITS_PER_TICK;
            peers.for_each(|peer| self.network.clog(peer, host, until));
            self.counts[FaultKind::Clog] += 1;
        }
        let (reads, ticks) = self.rng.pick(&[(1, 8), (2, 12), (10, 16)]);
        self.wish_soon(host, Wish::Read, reads, ticks);
    }

    /// All hosts behave from now on, and look at their clocks.
    pub(super) fn calm(&mut self) {
        self.weather = Weather::calm();
        self.network.calm();
        for host in 0..self.hosts.len() {
            self.hosts[host].disk.fails = false;
            self.hosts[host].stop_in = None;
            self.new_habits(host);
        }
    }
}
