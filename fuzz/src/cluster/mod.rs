//! A small cluster in the hand of a byte string: who polls, whose disk is done, what arrives.

mod host;
mod hostile;
mod law;
mod operation;
mod setup;

use raftcore::{Answer, Input, LogIndex, Message, Output, ReadConsistency, ReadId, Tick};
use std::collections::VecDeque;

use crate::dice::Dice;
use host::Host;
use law::{Law, View, assert_unchanged, is_failure};

pub(crate) use law::assert_rejected_unchanged;
pub(crate) use setup::{GROUP, samples};

/// Most operations of one execution.
const OPERATIONS_MAX: usize = 60;
/// Most messages under way; the oldest is lost.
const UNDER_WAY_MAX: usize = 64;
/// Most earlier messages that can come again.
const EARLIER_MAX: usize = 24;
/// Rounds of one settling.
const ROUNDS: usize = 4;

/// Plays the operations that the bytes stand for.
pub(crate) fn play(data: &[u8], tell: bool) {
    let mut dice = Dice::new(data);
    let mut cluster = Cluster::new(&mut dice, tell);
    for _ in 0..OPERATIONS_MAX {
        if dice.is_used_up() || cluster.over {
            break;
        }
        cluster.operate(&mut dice);
    }
}

/// Who may be dishonest in this execution.
struct Faults {
    /// Peers.
    hostile: bool,
    /// The host.
    broken: bool,
}

/// Hosts, what is under way between them, and what they have agreed upon.
struct Cluster {
    hosts: Vec<Host>,
    under_way: VecDeque<Message>,
    earlier: VecDeque<Message>,
    /// What this one sends or is sent gets lost.
    cut_off: Option<usize>,
    law: Law,
    faults: Faults,
    /// Every failed input is shown to have changed nothing; slow.
    strict: bool,
    /// State machines say at once what they have applied.
    prompt: bool,
    reads: u64,
    /// A disk that went back in time holds nothing to start from.
    over: bool,
    tell: bool,
}

impl Cluster {
    /// Any input of any node; with all that must hold.
    fn give(&mut self, at: usize, input: Input) -> Answer {
        let host = &mut self.hosts[at];
        if self.tell && input != Input::Poll {
            println!("{} < {input:?}", host.id());
        }
        let view = View::of(&host.node);
        let before = self.strict.then(|| host.node.clone());
        let twin = host.twin.as_mut().map(|twin| twin.input(input.clone()));
        let answer = host.node.input(input);
        if self.tell && answer != Answer::Done && answer != Answer::Output(None) {
            println!("{}   {answer:?}", host.id());
        }
        if let Some(twin) = twin {
            assert_eq!(twin, answer, "two equal nodes answer differently");
        }
        if let Some(before) = before.filter(|_| is_failure(&answer)) {
            assert_unchanged(&before, &host.node, &answer);
        }
        self.law.observe(view, &host.node);
        answer
    }

    /// Polls once; carries out everything but writes. Says whether there was something to do.
    fn poll(&mut self, at: usize) -> bool {
        let expected = self.hosts[at].node.has_output();
        let Answer::Output(output) = self.give(at, Input::Poll) else { panic!("no output") };
        assert!(expected || output.is_none(), "has_output misses {output:?}");
        let Some(output) = output else { return false };
        let host = &mut self.hosts[at];
        match output {
            Output::Send(message) => self.send(message),
            Output::Persist(write) => host.handed_out(write),
            Output::Apply(committed) => {
                host.apply(&committed);
                self.law.applies(&committed);
                self.report_applied(at);
            }
            Output::Restore(meta) => {
                host.restore(&meta, !self.law.broken);
                self.law.restores(&meta, host.machine);
                self.report_applied(at);
            }
            Output::ReadLog(request) => host.log_requests.push(request),
            Output::ReadSnapshot(request) => host.chunk_requests.push(request),
            Output::ReadReady(_) | Output::ReadFailed { .. } => self.law.reads(host, &output),
            Output::ProposalsLost { from, through } => self.law.loses(from, through),
            Output::Halted(reason) => self.law.halts(host, &reason),
            Output::ProposalsUnknown { .. } | Output::Event(_) => {}
        }
        true
    }

    fn report_applied(&mut self, at: usize) {
        if self.prompt {
            let index = LogIndex(self.hosts[at].machine.applied);
            let answer = self.give(at, Input::Applied(index));
            assert!(matches!(answer, Answer::Done), "{answer:?}");
        }
    }

    fn drain(&mut self, at: usize) {
        while self.poll(at) {}
    }

    fn send(&mut self, message: Message) {
        let decoded = Message::decode(message.encode().to_bytes()).expect("an own message decodes");
        assert_eq!(decoded, message, "a message changed by its encoding");
        if self.under_way.len() >= UNDER_WAY_MAX {
            self.under_way.pop_front();
        }
        self.under_way.push_back(decoded);
    }

    fn deliver(&mut self, message: Message) {
        let at = (message.to().0 as usize).wrapping_sub(1);
        if self.earlier.len() >= EARLIER_MAX {
            self.earlier.pop_front();
        }
        self.earlier.push_back(message.clone());
        let from = (message.from().0 as usize).wrapping_sub(1);
        if at < self.hosts.len()
            && !self.cut_off.is_some_and(|cut_off| [at, from].contains(&cut_off))
            && let Answer::Rejected(error) = self.give(at, Input::Receive(message))
        {
            self.law.rejects(&error);
        }
    }

    /// A message that no honest node sent.
    fn attack(&mut self, at: usize, message: Message) {
        self.law.hostile = true;
        self.give(at, Input::Receive(message));
    }

    /// Writes that are under way become durable, and the node hears of it.
    fn persist(&mut self, at: usize, count: usize) {
        let mut last = None;
        for _ in 0..count.min(self.hosts[at].pending.len()) {
            last = self.hosts[at].store();
        }
        if let Some(id) = last {
            self.give(at, Input::Persisted(id));
        }
    }

    /// A store answers all that was asked.
    fn answer_requests(&mut self, at: usize) {
        while let Some(request) = self.hosts[at].log_requests.pop() {
            let entries = self.hosts[at].read_log(&request, u64::MAX);
            self.give(at, Input::LogRead { request: request.id, entries });
        }
        while let Some(request) = self.hosts[at].chunk_requests.pop() {
            let chunk = self.hosts[at].read_chunk(&request);
            self.give(at, Input::SnapshotChunk { request: request.id, chunk });
        }
    }

    fn work(&mut self, at: usize) {
        self.drain(at);
        self.persist(at, usize::MAX);
        self.answer_requests(at);
        if self.hosts[at].node.applied_index().0 < self.hosts[at].machine.applied {
            self.give(at, Input::Applied(LogIndex(self.hosts[at].machine.applied)));
        }
        self.drain(at);
    }

    /// All nodes work and all messages arrive, some times over.
    fn settle(&mut self) {
        for _ in 0..ROUNDS {
            (0..self.hosts.len()).for_each(|at| self.work(at));
            if self.under_way.is_empty() {
                return;
            }
            for message in core::mem::take(&mut self.under_way) {
                self.deliver(message);
            }
        }
    }

    fn tick(&mut self, at: usize, ticks: u64) {
        let host = &mut self.hosts[at];
        host.now = host.now.saturating_add(ticks);
        let now = Tick(host.now);
        self.give(at, Input::Tick(now));
    }

    /// Moves a clock to the node's next timer.
    fn time_out(&mut self, at: usize) {
        let host = &self.hosts[at];
        let deadline = host.node.deadline().map_or(0, |deadline| deadline.0);
        self.tick(at, deadline.saturating_sub(host.now));
    }

    fn read(&mut self, at: usize, consistency: ReadConsistency) {
        self.reads += 1;
        let id = ReadId(self.reads);
        let fresh = consistency == ReadConsistency::Linearizable;
        let committed = fresh.then(|| self.law.committed());
        if let Answer::Done = self.give(at, Input::Read { id, consistency }) {
            self.hosts[at].reads.push((id, committed));
        }
    }

    /// A node dies and starts again.
    fn restart(&mut self, at: usize, keep: usize, fields: usize, machine_survives: bool) {
        let host = &mut self.hosts[at];
        if self.tell {
            println!("{} dies, {keep} writes and {fields} fields survive", host.id());
        }
        host.crash(keep, fields);
        if let Err(error) = host.start(machine_survives) {
            assert!(self.law.broken, "node {} does not start: {error}", host.id());
            self.over = true;
        }
    }
}
