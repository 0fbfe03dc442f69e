//! Snapshots at the host: taken at some time, named later, read in pieces, restored.

use raftcore::{Body, ChunkRequest, EntryId, LogIndex, Message, SnapshotMeta, Stored, Unavailable};

use super::{Checked, Event, FaultKind, LATE_MAX, Property, World, broken, note};

impl World {
    /// The state machine takes a snapshot of what it has, or had; its node hears of it later.
    pub(super) fn take_snapshot(&mut self, host: usize) -> Checked {
        let state = &self.hosts[host];
        let (applied, life) = (state.machine, state.life);
        if applied == 0 {
            return Ok(());
        }
        let old = self.rng.chance(150);
        let index = if old { self.rng.between(1, applied) } else { applied };
        let maker = (host as u64) << 32 | u64::from(life);
        let Some(content) = self.checks.content(LogIndex(index), maker) else { return Ok(()) };
        self.counts[FaultKind::Snapshot] += 1;
        self.hosts[host].disk.shelf.take(content);
        let mut times = 1;
        if old || self.rng.chance(100) {
            self.counts[FaultKind::OldSnapshot] += 1;
            times += self.rng.below(2);
        }
        for _ in 0..times {
            if self.rng.chance(400) {
                let at = self.now + self.rng.between(1, 8 * LATE_MAX);
                self.queue.push(at, Event::Taken { host: host as u8, life, index });
            } else {
                self.snapshot_taken(host, index)?;
            }
        }
        Ok(())
    }

    /// The node hears that a snapshot is durable.
    pub(super) fn snapshot_taken(&mut self, host: usize, index: u64) -> Checked {
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        note!(self, "n{} has taken a snapshot at {index}", host + 1);
        if let Err(error) = driver.snapshot_taken(LogIndex(index)) {
            let detail = format!("a snapshot at {index}: {error}");
            return broken(Property::ContractKept, host, detail);
        }
        self.observe(host)
    }

    /// A planned moment to tell the node of a snapshot has come.
    pub(super) fn report_taken(&mut self, host: usize, index: u64) -> Checked {
        self.fresh_clock(host)?;
        self.snapshot_taken(host, index)?;
        self.poll_soon(host)
    }

    /// The state machine becomes what a snapshot says, now or a little later.
    pub(super) fn restore(&mut self, host: usize, meta: &SnapshotMeta) -> Checked {
        let (life, index) = (self.hosts[host].life, meta.id.index);
        note!(self, "n{} restores the snapshot of {index}", host + 1);
        self.counts[FaultKind::Restore] += 1;
        let content = self.hosts[host].disk.shelf.whole(host, meta)?;
        self.checks.restores(host, meta, content)?;
        self.digest.mix(index.0);
        if self.rng.chance(self.hosts[host].habits.apply_late) {
            self.counts[FaultKind::LateApply] += 1;
            let at = self.now + self.rng.between(1, LATE_MAX);
            self.queue.push(at, Event::Applied { host: host as u8, life, index: index.0 });
            return Ok(());
        }
        self.applied(host, index)
    }

    /// The node wants a piece of a snapshot: it gets it when the disk has the time.
    pub(super) fn read_snapshot(&mut self, host: usize, request: ChunkRequest) -> Checked {
        let Self { rng, hosts, queue, counts, now, .. } = self;
        let state = &mut hosts[host];
        if state.disk.shelf.length(request.snapshot) == 0 {
            let detail = format!("asks for {:?}, which is not there", request.snapshot);
            return broken(Property::SnapshotIsWhole, host, detail);
        }
        let mut takes = rng.between(1, state.habits.sync_max);
        if rng.chance(state.habits.read_late) {
            counts[FaultKind::LateChunk] += 1;
            takes += rng.between(1, 4 * LATE_MAX);
        }
        let (life, sequence) = (state.life, request.id.sequence);
        state.asked.push(request);
        queue.push(*now + takes, Event::Chunk { host: host as u8, life, sequence });
        Ok(())
    }

    /// The disk answers: in full, in part, or not at all.
    pub(super) fn answer_chunk(&mut self, host: usize, sequence: u64) -> Checked {
        let state = &mut self.hosts[host];
        let place = state.asked.iter().position(|request| request.id.sequence == sequence);
        let Some(request) = place.map(|place| state.asked.swap_remove(place)) else {
            return Ok(());
        };
        self.fresh_clock(host)?;
        let state = &mut self.hosts[host];
        let mut chunk = state.disk.shelf.read(&request, request.max_bytes);
        if self.rng.chance(state.habits.read_fails) {
            self.counts[FaultKind::FailedChunk] += 1;
            chunk = Err(Unavailable);
        } else if self.rng.chance(state.habits.read_short) {
            self.counts[FaultKind::ShortChunk] += 1;
            let some = self.rng.between(1, request.max_bytes as u64) as usize;
            chunk = state.disk.shelf.read(&request, some);
        }
        note!(
            self,
            "n{} reads {} bytes of a snapshot at {}",
            host + 1,
            chunk.as_ref().map_or(0, |chunk| chunk.data.len()),
            request.offset
        );
        let Some(driver) = &mut state.driver else { return Ok(()) };
        if let Err(error) = driver.snapshot_chunk(request.id, chunk) {
            return broken(Property::ContractKept, host, format!("a chunk: {error}"));
        }
        self.observe(host)?;
        self.poll_soon(host)
    }

    /// What a node says to have received of a snapshot is on its disk.
    pub(super) fn confirms_bytes(&self, host: usize, message: &Message) -> Checked {
        let Body::SnapshotReply(reply) = message.body() else { return Ok(()) };
        let durable = self.hosts[host].disk.shelf.length(reply.snapshot);
        if reply.again || reply.received <= durable {
            return Ok(());
        }
        let detail = format!("confirms {} bytes of a snapshot, has {durable}", reply.received);
        broken(Property::MessageBehindDurability, host, detail)
    }

    /// What the state machine holds at a start: all it had, some of it, or nothing. What the node
    /// relies on is on the disk.
    pub(super) fn prepare_machine(&mut self, host: usize, stored: &Stored) -> Checked<u64> {
        let keeps = self.rng.chance(500);
        let state = &mut self.hosts[host];
        state.disk.shelf.tidy(keeps);
        if let Some(meta) = stored.snapshot() {
            state.disk.shelf.whole(host, meta)?;
        }
        if self.plan.machine_in_memory {
            return Ok(0);
        }
        if self.rng.chance(200) && state.saved < state.machine {
            self.counts[FaultKind::LaggingMachine] += 1;
            state.machine = state.saved;
        }
        Ok(state.machine)
    }

    /// A started node hears of snapshots that were taken before.
    pub(super) fn tell_of_snapshots(&mut self, host: usize) -> Checked {
        let state = &self.hosts[host];
        let applied = state.machine;
        let taken = state.disk.shelf.unnamed().filter(|&index| index <= applied);
        for index in taken.collect::<Vec<_>>() {
            self.counts[FaultKind::SnapshotBeforeRestart] += 1;
            self.snapshot_taken(host, index)?;
        }
        Ok(())
    }

    /// A node gives up proposals because of a snapshot: one has replaced its log up to there.
    pub(super) fn passed(&mut self, host: usize, from: EntryId, through: LogIndex) -> Checked {
        let Some(driver) = &self.hosts[host].driver else { return Ok(()) };
        if through.0 > 1 && driver.node.term_at(LogIndex(through.0 - 1)).is_some() {
            let detail = format!("no snapshot has passed {from} to {through}");
            return broken(Property::ClientPromise, host, detail);
        }
        self.checks.clients.unknown(host, from, through)
    }
}
