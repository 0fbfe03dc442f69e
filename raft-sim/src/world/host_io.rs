//! Between a host and its node: clock, polls, disk, state machine, stop and start.

use raftcore::{LogIndex, Message, MessageKind, Node, Output, Stored, Write, WriteId};

use super::{
    Checked, Clock, Event, FaultKind, LATE_MAX, Property, Told, UNITS_PER_TICK, View, Watch, World,
    broken, note,
};
use crate::host::Driver;
use crate::network::Flight;
use crate::record::Start;
use crate::trace::Written;

/// Outputs of a poll that no input accounts for: the core keeps up to 64 events, and a node that
/// has just started applies, and tells, what its log holds.
const NOTICES: u64 = 96;
/// What the window may hold beyond its limit: one block, the buffer behind it and their books.
const BLOCKS_MAX: usize = 192 * 1024;

impl World {
    /// Calls `tick` and plans the next look at the clock.
    pub(super) fn look_at_clock(&mut self, host: usize) -> Checked {
        let now = self.now;
        let state = &mut self.hosts[host];
        if state.habits.rate != 1000 {
            self.counts[FaultKind::UnevenTicks] += 1;
        }
        if matches!(state.habits.clock, Watch::Every(units) if units > UNITS_PER_TICK) {
            self.counts[FaultKind::CoarseTicks] += 1;
        }
        let tick = state.clock.read(now);
        let Some(driver) = &mut state.driver else { return Ok(()) };
        driver.tick(tick);
        if state.habits.rate != 1000 && self.rng.chance(50) {
            driver.tick(tick.saturating_sub(self.rng.between(1, 50)));
        }
        state.tick_at = u64::MAX;
        self.observe(host)?;
        self.poll_soon(host)?;
        self.plan_tick(host);
        Ok(())
    }

    /// Plans the next look at the clock, unless an early enough one is planned.
    fn plan_tick(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        let Some(driver) = &state.driver else { return };
        let at = match state.habits.clock {
            Watch::Every(_) if state.tick_at != u64::MAX => return,
            Watch::Every(units) => self.now + units,
            Watch::Deadline => match driver.node.deadline() {
                Some(deadline) => state.clock.when(deadline.0).max(self.now + 1),
                None => return,
            },
        };
        if at < state.tick_at {
            state.tick_at = at;
            state.tick_plan += 1;
            let plan = state.tick_plan;
            self.queue.push(at, Event::Tick { host: host as u8, plan });
        }
    }

    /// A host that sleeps until its deadline says what time it is before each input; so do all if
    /// leases rely on it.
    pub(super) fn fresh_clock(&mut self, host: usize) -> Checked {
        let now = self.now;
        let state = &mut self.hosts[host];
        if state.habits.clock == Watch::Deadline || self.plan.leases {
            let tick = state.clock.read(now);
            if let Some(driver) = &mut state.driver {
                driver.tick(tick);
            }
            self.observe(host)?;
        }
        Ok(())
    }

    /// Polls after an input, now or late.
    pub(super) fn poll_soon(&mut self, host: usize) -> Checked {
        let state = &mut self.hosts[host];
        state.inputs += 1;
        if state.poll_planned {
            return Ok(());
        }
        if self.rng.chance(state.habits.poll_late) {
            state.poll_planned = true;
            self.counts[FaultKind::LatePoll] += 1;
            let at = self.now + self.rng.between(1, LATE_MAX);
            self.queue.push(at, Event::Poll { host: host as u8, life: state.life });
            return Ok(());
        }
        self.pump(host)
    }

    /// Polls until there is nothing left, and carries everything out.
    pub(super) fn pump(&mut self, host: usize) -> Checked {
        self.hosts[host].poll_planned = false;
        let mut outputs = 0;
        let reads = self.checks.reads.open(host) as u64;
        while let Some(output) = self.hosts[host].driver.as_mut().and_then(Driver::poll) {
            outputs += 1;
            let stop = match &mut self.hosts[host].stop_in {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
            if stop {
                self.counts[FaultKind::CrashAtOutput] += 1;
                if self.rng.chance(500) {
                    self.carry_out(host, output)?;
                }
                return self.crash(host);
            }
            self.carry_out(host, output)?;
        }
        self.observe(host)?;
        let inputs = core::mem::take(&mut self.hosts[host].inputs);
        let limit = NOTICES
            + reads
            + 8 * (self.hosts.len() as u64 + u64::from(inputs))
            + self.backlog(host);
        if outputs > limit {
            let detail = format!("{outputs} outputs after {inputs} inputs");
            return broken(Property::BoundedResources, host, detail);
        }
        if let Some(Driver { node, .. }) = &self.hosts[host].driver
            && (node.has_output() || node.forgets_output())
        {
            return broken(Property::ContractKept, host, "has output after it gave none");
        }
        if let Some(Driver { told, .. }) = &self.hosts[host].driver {
            self.checks.reads.in_time(host, *told)?;
        }
        self.plan_tick(host);
        Ok(())
    }

    /// Entries that may rightly come out or go out in many pieces.
    fn backlog(&self, host: usize) -> u64 {
        let peers = self.hosts.len() as u64;
        peers * (self.hosts[host].view.last + 1)
    }

    fn carry_out(&mut self, host: usize, output: Output) -> Checked {
        match output {
            Output::Send(message) => self.send(host, message),
            Output::Persist(write) => self.persist(host, write),
            Output::Apply(committed) => {
                let (life, last) = (self.hosts[host].life, committed.last());
                note!(self, "n{} applies {} to {last}", host + 1, committed.entries.first());
                self.checks.applies(host, life, &committed)?;
                self.digest.mix(last.0);
                if self.rng.chance(self.hosts[host].habits.apply_late) {
                    self.counts[FaultKind::LateApply] += 1;
                    let at = self.now + self.rng.between(1, LATE_MAX);
                    self.queue.push(at, Event::Applied { host: host as u8, life, index: last.0 });
                    return Ok(());
                }
                self.applied(host, last)
            }
            Output::ProposalsLost { from, through } => {
                note!(self, "n{} lost its proposals {from} to {through}", host + 1);
                self.counts[FaultKind::LostProposals] += 1;
                self.checks.clients.lost(host, from, through)
            }
            Output::ReadLog(request) => self.read_log(host, request),
            Output::ProposalsUnknown { from, through } => {
                note!(self, "n{} passed its proposals {from} to {through}", host + 1);
                self.counts[FaultKind::UnknownProposals] += 1;
                self.passed(host, from, through)
            }
            Output::Restore(meta) => self.restore(host, &meta),
            Output::ReadSnapshot(request) => self.read_snapshot(host, request),
            Output::ReadReady(id) => {
                note!(self, "n{} is ready for read {id}", host + 1);
                let applied = self.hosts[host].machine;
                self.checks.clients.history.answers(id, applied);
                self.checks.reads.ended(host, id, Some(applied))
            }
            Output::ReadFailed { id, reason } => {
                note!(self, "n{} fails read {id}: {reason:?}", host + 1);
                self.counts[FaultKind::FailedRead] += 1;
                self.checks.reads.ended(host, id, None)
            }
            Output::Event(event) => self.notice(host, &event),
            Output::Halted(reason) => {
                broken(Property::NeverHalts, host, format!("halts: {reason:?}"))
            }
        }
    }

    fn send(&mut self, host: usize, message: Message) -> Checked {
        note!(self, "{} leaves", Told(&message));
        let agreed = self.agreed(&message);
        self.checks.sends(host, &message, agreed)?;
        self.confirms_bytes(host, &message)?;
        let to = message.to().0 as usize - 1;
        if to >= self.hosts.len() {
            return broken(Property::ContractKept, host, format!("sends to node {}", to + 1));
        }
        let lives = [self.hosts[host].life, self.hosts[to].life];
        if message.kind() == MessageKind::TimeoutNow {
            self.outlive_handover(host);
        }
        let (flight, digest) = Flight::new(message, self.plan.codec, lives);
        self.digest.mix(digest);
        let Self { network, queue, weather, rng, counts, now, .. } = self;
        network.send(flight, *now, weather, rng, counts, |at, flight| {
            queue.push(at, Event::Deliver { flight });
        });
        Ok(())
    }

    /// The receiver's checksum at the entry that a success confirms, if it leads in that term.
    fn agreed(&self, message: &Message) -> Option<Option<u32>> {
        let raftcore::Body::AppendReply(reply) = message.body() else { return None };
        let raftcore::AppendOutcome::Success { matched } = reply.outcome else { return None };
        let to = (message.to().0 as usize).checked_sub(1)?;
        let leader = self.hosts.get(to).filter(|host| host.leads())?;
        (leader.view.term == message.term().0).then(|| self.held(to, matched.0))
    }

    fn persist(&mut self, host: usize, write: Write) -> Checked {
        note!(self, "n{} issues {}", host + 1, Written(&write));
        let state = &mut self.hosts[host];
        self.checks.issues(host, &state.view, &write)?;
        let expected = WriteId { sequence: state.issued.sequence + 1, ..state.issued };
        if write.id != expected {
            let detail = format!("write {} comes after {}", write.id, state.issued);
            return broken(Property::ContractKept, host, detail);
        }
        state.issued = write.id;
        let in_flight = write.id.sequence - state.acked;
        let allowed = self.plan.configs[host].max_writes_in_flight as u64;
        if in_flight > allowed {
            let detail = format!("{in_flight} writes in flight, {allowed} are allowed");
            return broken(Property::BoundedResources, host, detail);
        }
        let matters = write.reset_log_to.is_some()
            || write.truncate_from.is_some()
            || write.snapshot.is_some();
        let takes = self.rng.between(1, state.habits.sync_max);
        if takes > UNITS_PER_TICK {
            self.counts[FaultKind::SlowDisk] += 1;
        }
        state.disk.busy_until = state.disk.busy_until.max(self.now + takes);
        let (life, sequence, at) = (state.life, write.id.sequence, state.disk.busy_until);
        self.digest.mix(state.disk.issue(write));
        self.queue.push(at, Event::Sync { host: host as u8, life, sequence });
        if matters && self.rng.chance(self.weather.crash_at_write) && self.affordable(host) {
            let at = self.now + self.rng.between(1, takes);
            self.queue.push(at, Event::Crash { host: host as u8, life });
        }
        Ok(())
    }

    /// The oldest pending write reaches the disk, or fails to.
    pub(super) fn sync(&mut self, host: usize, sequence: u64) -> Checked {
        if self.hosts[host].disk.fails {
            return self.fail_sync(host);
        }
        let Some(write) = self.hosts[host].disk.sync(sequence)? else {
            return broken(
                Property::ContractKept,
                host,
                format!("write {sequence} is not pending"),
            );
        };
        self.make_durable(host, write)?;
        let state = &self.hosts[host];
        let (habits, life, host8) = (state.habits, state.life, host as u8);
        let ack = Event::Ack { host: host8, life, sequence };
        if self.rng.chance(habits.ack_repeat) {
            self.counts[FaultKind::RepeatedAck] += 1;
            self.queue.push(self.now + self.rng.between(1, 3 * LATE_MAX), ack);
        }
        if state.disk.pending() > 0 && self.rng.chance(habits.ack_merge) {
            self.counts[FaultKind::CumulativeAck] += 1;
            return Ok(());
        }
        if self.rng.chance(habits.ack_late) {
            self.counts[FaultKind::LateAck] += 1;
            self.queue.push(self.now + self.rng.between(1, LATE_MAX), ack);
            return Ok(());
        }
        if self.awake(host, ack) { self.acknowledge(host, sequence) } else { Ok(()) }
    }

    fn make_durable(&mut self, host: usize, write: Write) -> Checked {
        note!(self, "n{} has on disk {}", host + 1, Written(&write));
        self.checks.durable(host, &write)?;
        self.hosts[host].disk.keep(write)
    }

    pub(super) fn acknowledge(&mut self, host: usize, sequence: u64) -> Checked {
        self.fresh_clock(host)?;
        let state = &mut self.hosts[host];
        state.acked = state.acked.max(sequence);
        let id = WriteId { sequence, ..state.issued };
        let Some(driver) = &mut state.driver else { return Ok(()) };
        note!(self, "n{} is told that write {id} is durable", host + 1);
        if let Err(error) = driver.persisted(id) {
            return broken(Property::ContractKept, host, error.to_string());
        }
        self.observe(host)?;
        self.poll_soon(host)
    }

    pub(super) fn applied(&mut self, host: usize, index: LogIndex) -> Checked {
        let state = &mut self.hosts[host];
        state.machine = state.machine.max(index.0);
        let Some(driver) = &mut state.driver else { return Ok(()) };
        if let Err(error) = driver.applied(index) {
            return broken(Property::ContractKept, host, error.to_string());
        }
        if self.rng.chance(100) {
            self.hosts[host].saved = index.0;
        }
        self.observe(host)?;
        if self.rng.chance(self.plan.snapshots) { self.take_snapshot(host) } else { Ok(()) }
    }

    pub(super) fn report_applied(&mut self, host: usize, index: LogIndex) -> Checked {
        self.fresh_clock(host)?;
        self.applied(host, index)?;
        self.poll_soon(host)
    }

    /// The disk says that a sync failed: the node halts and the host starts it again from the disk.
    fn fail_sync(&mut self, host: usize) -> Checked {
        self.counts[FaultKind::FailedSync] += 1;
        note!(self, "n{} is told that a sync failed", host + 1);
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        driver.storage_failed();
        let mut halted = false;
        while let Some(output) = driver.poll() {
            match output {
                Output::Halted(_) => halted = true,
                other if halted => {
                    let detail = format!("asks for {other:?} after it halted");
                    return broken(Property::ContractKept, host, detail);
                }
                _ => {}
            }
        }
        if !halted || driver.propose(b"too late").is_ok() {
            return broken(Property::ContractKept, host, "goes on after a failed sync");
        }
        self.crash(host)
    }

    /// The host stops at once: what was not synced is lost, or torn.
    pub(super) fn crash(&mut self, host: usize) -> Checked {
        if self.hosts[host].driver.take().is_none() {
            return Ok(());
        }
        note!(self, "n{} crashes", host + 1);
        self.counts[FaultKind::Crash] += 1;
        self.digest.mix(host as u64);
        self.checks.clients.stopped(host);
        self.checks.reads.stopped(host);
        if self.checks.membership(host).is_joint() {
            self.counts[FaultKind::CrashInJoint] += 1;
        }
        let machine_survives = self.rng.chance(250);
        let state = &mut self.hosts[host];
        state.life += 1;
        state.tick_plan += 1;
        state.poll_planned = false;
        state.answers.clear();
        state.stop_in = None;
        state.disk.busy_until = 0;
        state.asked.clear();
        self.counts[FaultKind::CrashInTransfer] += u64::from(state.disk.shelf.is_receiving());
        let survivors = state.disk.crash(&mut self.rng, &mut self.counts, machine_survives)?;
        for write in survivors {
            self.make_durable(host, write)?;
        }
        self.spoil_disk(host)?;
        let down = self.rng.between(1, self.weather.down_max);
        let life = self.hosts[host].life;
        self.queue.push(self.now + down, Event::Restart { host: host as u8, life });
        Ok(())
    }

    /// The host starts its node from the disk.
    pub(super) fn restart(&mut self, host: usize) -> Checked {
        let record = self.trace.is_some();
        let (mut stored, records) = self.hosts[host].disk.read(&mut self.rng)?;
        let mut start =
            record.then(|| Start::Stored(records.iter().map(|record| record.to_vec()).collect()));
        if stored.is_empty() {
            self.checks.founds(host);
            let (identity, membership) = (Self::identity(host), self.plan.membership.clone());
            if host < self.plan.founders {
                stored = Stored::found(identity, membership.clone());
                start = record.then_some(Start::Found { identity, membership });
            } else {
                self.counts[FaultKind::Join] += 1;
                stored = Stored::join(identity);
                start = record.then_some(Start::Join { identity });
            }
        }
        let applied = self.prepare_machine(host, &stored)?;
        let config = self.plan.configs[host].clone();
        let node = match Node::new(config, stored, LogIndex(applied)) {
            Ok(node) => node,
            Err(error) => return broken(Property::Restartable, host, error.to_string()),
        };
        self.started(host, node, applied, start)
    }

    fn started(&mut self, host: usize, node: Node, applied: u64, start: Option<Start>) -> Checked {
        let (incarnation, view) = (node.incarnation(), View::of(&node));
        note!(self, "n{} starts, incarnation {incarnation}, {view:?}", host + 1);
        let image = self.checks.image(host);
        let (durable, founds) = (image.incarnation(), image.last() == 0 && view.term == 0);
        if incarnation.0 < durable || (incarnation.0 == durable && !founds) {
            let detail = format!("incarnation {incarnation} starts, {durable} is durable");
            return broken(Property::MonotonicDurableState, host, detail);
        }
        self.checks.started(host, applied, &view)?;
        self.checks.reconfigured(host, node.membership());
        self.stats.restarts += u64::from(self.hosts[host].life > 0);
        let begin = self.rng.below(1 << 40);
        let state = &mut self.hosts[host];
        state.clock = Clock::new(self.now, begin, state.habits.rate);
        state.driver = Some(Driver::new(node, start, LogIndex(applied)));
        state.view = view;
        state.machine = applied;
        state.paused_until = 0;
        state.issued_before = state.issued;
        state.issued = WriteId { incarnation, sequence: 0 };
        state.acked = 0;
        state.tick_at = u64::MAX;
        let old = state.issued_before;
        if old.incarnation.0 > 0 && old.incarnation < incarnation && self.rng.chance(100) {
            self.counts[FaultKind::RepeatedAck] += 1;
            let told = state.driver.as_mut().map_or(Ok(()), |driver| driver.persisted(old));
            if let Err(error) = told {
                let detail = format!("a completion of an earlier life: {error}");
                return broken(Property::ContractKept, host, detail);
            }
        }
        self.tell_of_snapshots(host)?;
        self.look_at_clock(host)
    }

    /// Looks at the whole status of a node.
    pub(super) fn look_closely(&mut self, host: usize) -> Checked {
        let Some(driver) = &self.hosts[host].driver else { return Ok(()) };
        let status = driver.node.status();
        let config = &self.plan.configs[host];
        self.digest.mix(status.window_bytes as u64);
        let one = self.plan.payload_max as usize + 160;
        // The last command, a joint membership, and the one that ends it: these are never refused.
        let uncommitted = config.max_uncommitted_bytes + 3 * one;
        let window = config.window_bytes + status.undurable_bytes * 5 / 4 + BLOCKS_MAX;
        let bounds = [
            ("writes in flight", status.writes_in_flight, config.max_writes_in_flight),
            ("uncommitted bytes", status.uncommitted_bytes, uncommitted),
            ("window bytes", status.window_bytes, window),
        ];
        let peers = status.peers.iter().flat_map(|peer| {
            let bytes = config.max_in_flight_bytes + config.max_append_bytes.max(one);
            [
                ("messages in flight", peer.in_flight_messages, config.max_in_flight_messages),
                ("bytes in flight", peer.in_flight_bytes, bytes),
            ]
        });
        let over = bounds.into_iter().chain(peers).find(|&(_, value, limit)| value > limit);
        if let Some((what, value, limit)) = over {
            let detail = format!("{value} {what}, {limit} are allowed");
            return broken(Property::BoundedResources, host, detail);
        }
        status.peers.iter().try_for_each(|peer| {
            let (at, matched) = (peer.id.0 as usize - 1, peer.matched.0);
            let held = self.held(host, matched);
            self.checks.believes(host, status.term.0, at, matched, held)
        })
    }
}
