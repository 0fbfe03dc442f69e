//! A host: a node, a disk, a clock, a state machine, and habits.

use raftcore::{
    Answer, Chunk, ChunkId, ChunkRequest, Entries, EntryId, Input, LogIndex, LogReadId,
    MembershipChange, Message, Misuse, Node, NodeId, Output, ReadConsistency, ReadId, Refused,
    RejectedMessage, Tick, Unavailable, WriteId,
};

use crate::check::View;
use crate::disk::Disk;
use crate::queue::UNITS_PER_TICK;
use crate::record::Start;
use crate::weather::Habits;
use crate::world::LogAnswer;

/// A node whose inputs are kept if somebody wants a recording.
pub(crate) struct Driver {
    pub(crate) node: Node,
    /// The latest time it was told.
    pub(crate) told: u64,
    applied: LogIndex,
    start: Option<Start>,
    inputs: Option<Vec<Input>>,
    answers: Vec<Answer>,
}

/// A life as it was recorded: its beginning, its inputs, its answers.
pub(crate) type Recorded = (Start, LogIndex, Vec<Input>, Vec<Answer>);

impl Driver {
    /// A started node; with its beginning, everything is recorded.
    pub(crate) fn new(node: Node, start: Option<Start>, applied: LogIndex) -> Self {
        let inputs = start.is_some().then(Vec::new);
        Self { node, told: 0, applied, start, inputs, answers: Vec::new() }
    }

    /// What was put in, and what came out.
    pub(crate) fn into_recorded(self) -> Option<Recorded> {
        Some((self.start?, self.applied, self.inputs?, self.answers))
    }

    fn keep(&mut self, input: impl FnOnce() -> Input) {
        if let Some(inputs) = &mut self.inputs {
            inputs.push(input());
        }
    }

    fn kept(&mut self, answer: impl FnOnce() -> Answer) {
        if self.inputs.is_some() {
            self.answers.push(answer());
        }
    }

    pub(crate) fn tick(&mut self, now: u64) {
        self.told = self.told.max(now);
        self.keep(|| Input::Tick(Tick(now)));
        self.node.tick(Tick(now));
        self.kept(|| Answer::Done);
    }

    pub(crate) fn receive(&mut self, message: Message) -> Result<(), RejectedMessage> {
        self.keep(|| Input::Receive(message.clone()));
        let result = self.node.receive(message);
        self.kept(|| result.clone().map_or_else(Answer::Rejected, |()| Answer::Done));
        result
    }

    pub(crate) fn propose(&mut self, payload: &[u8]) -> Result<EntryId, Refused> {
        self.keep(|| Input::Propose(payload.to_vec().into()));
        let result = self.node.propose(payload);
        self.kept(|| result.clone().map_or_else(Answer::Refused, Answer::Proposed));
        result
    }

    pub(crate) fn propose_membership(
        &mut self,
        change: MembershipChange,
    ) -> Result<EntryId, Refused> {
        self.keep(|| Input::ProposeMembership(change.clone()));
        let result = self.node.propose_membership(change);
        self.kept(|| result.clone().map_or_else(Answer::Refused, Answer::Proposed));
        result
    }

    pub(crate) fn read(&mut self, id: ReadId, consistency: ReadConsistency) -> Result<(), Refused> {
        self.keep(|| Input::Read { id, consistency });
        let result = self.node.read(id, consistency);
        self.answered(result)
    }

    pub(crate) fn transfer_leadership(&mut self, to: NodeId) -> Result<(), Refused> {
        self.keep(|| Input::TransferLeadership { to });
        let result = self.node.transfer_leadership(to);
        self.answered(result)
    }

    pub(crate) fn step_down(&mut self) -> Result<(), Refused> {
        self.keep(|| Input::StepDown);
        let result = self.node.step_down();
        self.answered(result)
    }

    pub(crate) fn campaign(&mut self) -> Result<(), Refused> {
        self.keep(|| Input::Campaign);
        let result = self.node.campaign();
        self.answered(result)
    }

    fn answered(&mut self, result: Result<(), Refused>) -> Result<(), Refused> {
        self.kept(|| result.clone().map_or_else(Answer::Refused, |()| Answer::Done));
        result
    }

    /// Gives memory back, and goes on with a copy: neither may change anything. Says whether the
    /// two nodes are alike, if it is to `compare` them, which is slow.
    pub(crate) fn shake(&mut self, max_bytes: usize, compare: bool) -> bool {
        self.keep(|| Input::Trim { max_bytes });
        self.node.trim(max_bytes);
        self.kept(|| Answer::Done);
        let copy = self.node.clone();
        let alike = !compare || copy.fingerprint() == self.node.fingerprint();
        self.node = copy;
        alike
    }

    pub(crate) fn persisted(&mut self, write: WriteId) -> Result<(), Misuse> {
        self.keep(|| Input::Persisted(write));
        let result = self.node.persisted(write);
        self.kept(|| result.clone().map_or_else(Answer::Misuse, |()| Answer::Done));
        result
    }

    pub(crate) fn log_read(
        &mut self,
        request: LogReadId,
        entries: Result<Entries, Unavailable>,
    ) -> Result<(), Misuse> {
        self.keep(|| Input::LogRead { request, entries: entries.clone() });
        let result = self.node.log_read(request, entries);
        self.kept(|| result.clone().map_or_else(Answer::Misuse, |()| Answer::Done));
        result
    }

    pub(crate) fn applied(&mut self, index: LogIndex) -> Result<(), Misuse> {
        self.keep(|| Input::Applied(index));
        let result = self.node.applied(index);
        self.kept(|| result.clone().map_or_else(Answer::Misuse, |()| Answer::Done));
        result
    }

    pub(crate) fn snapshot_taken(&mut self, index: LogIndex) -> Result<(), Misuse> {
        self.keep(|| Input::SnapshotTaken(index));
        let result = self.node.snapshot_taken(index);
        self.kept(|| result.clone().map_or_else(Answer::Misuse, |()| Answer::Done));
        result
    }

    pub(crate) fn snapshot_chunk(
        &mut self,
        request: ChunkId,
        chunk: Result<Chunk, Unavailable>,
    ) -> Result<(), Misuse> {
        self.keep(|| Input::SnapshotChunk { request, chunk: chunk.clone() });
        let result = self.node.snapshot_chunk(request, chunk);
        self.kept(|| result.clone().map_or_else(Answer::Misuse, |()| Answer::Done));
        result
    }

    pub(crate) fn storage_failed(&mut self) {
        self.keep(|| Input::StorageFailed);
        self.node.storage_failed();
        self.kept(|| Answer::Done);
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.keep(|| Input::Poll);
        let output = self.node.poll_output();
        self.kept(|| Answer::Output(output.clone()));
        output
    }
}

/// A clock of its own speed and beginning.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// True time at the last look.
    at: u64,
    /// Own time at the last look, in thousandths of a unit.
    own: u64,
    pub(crate) rate: u64,
}

const TICK: u64 = 1000 * UNITS_PER_TICK;

impl Clock {
    pub(crate) const fn new(now: u64, begin: u64, rate: u64) -> Self {
        Self { at: now, own: begin * TICK, rate }
    }

    /// The tick it shows.
    pub(crate) const fn read(&mut self, now: u64) -> u64 {
        self.own += (now - self.at) * self.rate;
        self.at = now;
        self.own / TICK
    }

    /// The true time at which it will show the tick.
    pub(crate) const fn when(&self, tick: u64) -> u64 {
        let left = tick.saturating_mul(TICK).saturating_sub(self.own);
        self.at.saturating_add(left.div_ceil(self.rate))
    }
}

/// One host.
pub(crate) struct Host {
    pub(crate) driver: Option<Driver>,
    pub(crate) standing: Standing,
    pub(crate) view: View,
    /// Counts starts and stops, so that events of an earlier life are recognised.
    pub(crate) life: u32,
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    pub(crate) habits: Habits,
    pub(crate) paused_until: u64,
    /// A late poll is planned.
    pub(crate) poll_planned: bool,
    /// The plan of ticks that is valid, and when the next one comes.
    pub(crate) tick_plan: u32,
    pub(crate) tick_at: u64,
    /// Stop before, or after, this many more outputs.
    pub(crate) stop_in: Option<u32>,
    /// The last write handed out, acknowledged, and the last one of the life before.
    pub(crate) issued: WriteId,
    pub(crate) acked: u64,
    pub(crate) issued_before: WriteId,
    /// What the state machine holds, and what of it was durable some time ago.
    pub(crate) machine: u64,
    pub(crate) saved: u64,
    /// Pieces of snapshots that its disk is to read.
    pub(crate) asked: Vec<ChunkRequest>,
    /// Inputs since the last poll.
    pub(crate) inputs: u32,
    /// What the disk has read of the log and not yet told, and how often it has.
    pub(crate) answers: Vec<LogAnswer>,
    pub(crate) answered: u64,
}

/// Whether a host is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// From the beginning.
    Present,
    /// Not yet: it may take the place of another one.
    Spare,
    /// It took the place of another one.
    Used,
    /// Not any more: its disk is lost.
    Lost,
}

impl Host {
    /// Whether it has a node, be it down.
    pub(crate) fn exists(&self) -> bool {
        matches!(self.standing, Standing::Present | Standing::Used)
    }

    pub(crate) fn leads(&self) -> bool {
        self.driver.is_some() && self.view.leads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_shows_each_tick_at_the_time_it_says() {
        for rate in [500, 800, 1000, 1250, 2000] {
            let mut clock = Clock::new(77, 1 << 40, rate);
            assert_eq!(clock.read(77), 1 << 40);
            let at = clock.when((1 << 40) + 9);
            assert_eq!(clock.read(at - 1), (1 << 40) + 8);
            assert_eq!(clock.read(at), (1 << 40) + 9);
        }
    }
}
