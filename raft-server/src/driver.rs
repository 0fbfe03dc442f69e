//! The one owner of a node: carries inputs in and outputs out.
//!
//! A turn takes everything that waits (completions, messages, requests), then carries out what the
//! node asks for until it asks for nothing more. So requests that arrive together become one append
//! and one write, and sends leave while the disk's thread still syncs.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use raftcore::{
    Committed, EntryId, EntryKind, LogIndex, Membership, MembershipChange, Message, Misuse, Node,
    Output, Refused, RoleName, SnapshotMeta, Term, Tick,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use crate::disk::{Completion, Disk, Job};
use crate::error::{Failure, StopReason};
use crate::machine::StateMachine;
use crate::server::{Applied, LogChecksum, Role, ServerStatus, StoreCounts};
use crate::transport::Transport;

/// Most inputs of one kind in one turn, so that no kind starves another.
const TURN: usize = 1024;
/// Most queries that wait for one barrier.
const MAX_QUERIES: usize = 65_536;

type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// What a handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Request<M: StateMachine> {
    Propose { command: Bytes, reply: Reply<Applied<M::Answer>> },
    Query { query: M::Query, reply: Reply<M::Reply> },
    Change { change: MembershipChange, reply: Reply<EntryId> },
    Status { index: Option<LogIndex>, reply: oneshot::Sender<ServerStatus> },
}

type Waiting<M> = (<M as StateMachine>::Query, Reply<<M as StateMachine>::Reply>);

/// What waits for one entry.
struct Pending<M: StateMachine> {
    term: Term,
    command: Option<Reply<Applied<M::Answer>>>,
    change: Option<Reply<EntryId>>,
    queries: Vec<Waiting<M>>,
}

impl<M: StateMachine> Pending<M> {
    fn fail(self, failure: &Failure) {
        if let Some(reply) = self.command {
            let _ = reply.send(Err(failure.clone()));
        }
        if let Some(reply) = self.change {
            let _ = reply.send(Err(failure.clone()));
        }
        fail_queries(self.queries, failure);
    }
}

fn fail_queries<Q, R>(queries: impl IntoIterator<Item = (Q, Reply<R>)>, failure: &Failure) {
    for (_, reply) in queries {
        let _ = reply.send(Err(failure.clone()));
    }
}

/// What the state machine is to do.
enum Duty {
    Apply(Committed),
    Restore(Box<SnapshotMeta>),
}

/// How fast time goes, and how often a snapshot is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) tick: Duration,
    pub(crate) snapshot_every: u64,
}

/// Where others see what the node is now.
pub(crate) struct Shown {
    pub(crate) role: watch::Sender<Role>,
    pub(crate) membership: watch::Sender<Membership>,
}

pub(crate) struct Driver<M: StateMachine, T> {
    node: Node,
    machine: M,
    transport: T,
    disk: Disk,
    role: watch::Sender<Role>,
    membership: watch::Sender<Membership>,
    counts: Arc<StoreCounts>,
    start: Instant,
    pace: Pace,
    /// What waits for the state machine to be restored, in order.
    duties: VecDeque<Duty>,
    restoring: bool,
    /// The last entry of the newest snapshot, taken here or restored.
    snapshot: LogIndex,
    /// A snapshot is on its way to the disk.
    saving: bool,
    pending: BTreeMap<LogIndex, Pending<M>>,
    /// Queries that no entry was proposed for yet.
    queries: Vec<Waiting<M>>,
    /// The entry that was proposed for queries and is not applied yet.
    barrier: Option<EntryId>,
    /// The last entry proposed in this turn: nobody else knows it yet.
    proposed: Option<EntryId>,
    stop: Option<StopReason>,
}

impl<M: StateMachine, T: Transport> Driver<M, T> {
    pub(crate) fn new(
        node: Node,
        machine: M,
        transport: T,
        disk: Disk,
        shown: Shown,
        pace: Pace,
        counts: Arc<StoreCounts>,
    ) -> Self {
        let Shown { role, membership } = shown;
        Self {
            node,
            machine,
            transport,
            disk,
            role,
            membership,
            counts,
            start: Instant::now(),
            pace: Pace { tick: pace.tick.max(Duration::from_micros(1)), ..pace },
            duties: VecDeque::new(),
            restoring: false,
            snapshot: LogIndex(0),
            saving: false,
            pending: BTreeMap::new(),
            queries: Vec::new(),
            barrier: None,
            proposed: None,
            stop: None,
        }
    }

    /// Runs until told to stop, or until the node cannot go on.
    pub(crate) async fn run(
        mut self,
        mut completions: mpsc::UnboundedReceiver<Completion>,
        mut messages: mpsc::Receiver<Message>,
        mut requests: mpsc::Receiver<Request<M>>,
        mut stopping: watch::Receiver<bool>,
    ) -> StopReason {
        self.node.tick(self.now());
        self.carry_out();
        let reason = loop {
            if let Some(reason) = self.stop.take() {
                break reason;
            }
            let wake = self.wake();
            tokio::select! {
                _ = stopping.wait_for(|&stop| stop) => break StopReason::Asked,
                completion = completions.recv() => {
                    self.tick();
                    self.complete(completion);
                }
                Some(message) = messages.recv() => {
                    self.tick();
                    self.receive(message);
                }
                Some(request) = requests.recv() => {
                    self.tick();
                    self.serve(request);
                }
                () = sleep_until(wake) => self.tick(),
            }
            // Whoever is about to ask may do so now: then one append and one sync serve them all.
            tokio::task::yield_now().await;
            for _ in 0..TURN {
                let Ok(completion) = completions.try_recv() else { break };
                self.complete(Some(completion));
            }
            for _ in 0..TURN {
                let Ok(message) = messages.try_recv() else { break };
                self.receive(message);
            }
            for _ in 0..TURN {
                let Ok(request) = requests.try_recv() else { break };
                self.serve(request);
            }
            self.settle_queries();
            self.carry_out();
        };
        self.end(requests).await;
        reason
    }

    async fn end(self, requests: mpsc::Receiver<Request<M>>) {
        drop(requests);
        for pending in self.pending.into_values() {
            pending.fail(&Failure::Unknown);
        }
        fail_queries(self.queries, &Failure::Stopping);
        drop(self.transport);
        self.disk.finish().await;
    }

    fn now(&self) -> Tick {
        let ticks = self.start.elapsed().as_nanos() / self.pace.tick.as_nanos();
        Tick(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    fn tick(&mut self) {
        self.node.tick(self.now());
    }

    /// When the node's next timer fires.
    fn wake(&self) -> Instant {
        const LONG: Duration = Duration::from_secs(3600);
        let Some(Tick(tick)) = self.node.deadline() else { return Instant::now() + LONG };
        let nanos = u128::from(tick).saturating_mul(self.pace.tick.as_nanos());
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.start.checked_add(after).unwrap_or_else(|| Instant::now() + LONG)
    }

    fn complete(&mut self, completion: Option<Completion>) {
        match completion {
            Some(Completion::Persisted(id)) => taken("a completed write", self.node.persisted(id)),
            Some(Completion::LogRead(id, entries)) => {
                taken("entries that were read", self.node.log_read(id, entries));
            }
            Some(Completion::SnapshotRead(id, chunk)) => {
                taken("a piece of a snapshot", self.node.snapshot_chunk(id, chunk));
            }
            Some(Completion::Saved(index)) => {
                self.saving = false;
                taken("a snapshot", self.node.snapshot_taken(index));
            }
            Some(Completion::Loaded(meta, bytes)) => self.restore(&meta, &bytes),
            Some(Completion::Failed(error)) => {
                info!(%error, "the store failed");
                self.node.storage_failed();
                self.stop.get_or_insert(StopReason::Store(error));
            }
            None => {
                self.node.storage_failed();
                self.stop.get_or_insert(StopReason::Lost);
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let (from, kind) = (message.from(), message.kind());
        if let Err(rejected) = self.node.receive(message) {
            debug!(%from, ?kind, %rejected, "message rejected");
        }
    }

    fn serve(&mut self, request: Request<M>) {
        match request {
            Request::Propose { command, reply } => match self.node.propose(&command) {
                Ok(id) => {
                    self.proposed = Some(id);
                    self.pend(id).command = Some(reply);
                }
                Err(refused) => {
                    let _ = reply.send(Err(failure(refused)));
                }
            },
            Request::Change { change, reply } => match self.node.propose_membership(change) {
                Ok(id) => self.pend(id).change = Some(reply),
                Err(refused) => {
                    let _ = reply.send(Err(failure(refused)));
                }
            },
            Request::Query { reply, .. } if self.node.role() != RoleName::Leader => {
                let _ = reply.send(Err(Failure::NotLeader { leader: self.node.leader() }));
            }
            Request::Query { reply, .. } if self.queries.len() >= MAX_QUERIES => {
                let _ = reply.send(Err(Failure::Busy));
            }
            Request::Query { query, reply } => self.queries.push((query, reply)),
            Request::Status { index, reply } => {
                let _ = reply.send(self.status(index));
            }
        }
    }

    fn pend(&mut self, id: EntryId) -> &mut Pending<M> {
        let fresh = || Pending { term: id.term, command: None, change: None, queries: Vec::new() };
        match self.pending.entry(id.index) {
            std::collections::btree_map::Entry::Vacant(place) => place.insert(fresh()),
            std::collections::btree_map::Entry::Occupied(place) => {
                let pending = place.into_mut();
                if pending.term != id.term {
                    core::mem::replace(pending, fresh()).fail(&Failure::Overwritten);
                }
                pending
            }
        }
    }

    /// Ties the waiting queries to an entry that is proposed after they came.
    ///
    /// An entry of this very turn will do: it has not left this node. If it gets committed, then no
    /// other leader acknowledged anything before the queries came that it does not follow.
    fn settle_queries(&mut self) {
        let proposed = self.proposed.take();
        if self.queries.is_empty() {
            return;
        }
        let leads = self.node.role() == RoleName::Leader;
        let barrier = match proposed {
            Some(id) if leads => Ok(id),
            _ if leads && self.barrier.is_some() => return,
            _ => self.node.propose(&[]).map_err(failure),
        };
        let queries = core::mem::take(&mut self.queries);
        match barrier {
            Ok(id) => {
                self.barrier = Some(id);
                self.pend(id).queries.extend(queries);
            }
            Err(failure) => fail_queries(queries, &failure),
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send(message) => self.transport.send(message),
                Output::Persist(write) => self.ask(Job::Write(write)),
                Output::Apply(committed) => self.duties.push_back(Duty::Apply(committed)),
                Output::Restore(meta) => self.duties.push_back(Duty::Restore(meta)),
                Output::ProposalsLost { from, through } => {
                    self.lose(from, through, &Failure::Overwritten);
                }
                Output::ProposalsUnknown { from, through } => {
                    self.lose(from, through, &Failure::Unknown);
                }
                Output::ReadLog(request) => self.ask(Job::ReadLog(request)),
                Output::ReadSnapshot(request) => self.ask(Job::ReadSnapshot(request)),
                Output::ReadReady(_) | Output::ReadFailed { .. } => {}
                Output::Halted(reason) => {
                    info!(?reason, "the node halted");
                    self.stop.get_or_insert(StopReason::Halted(reason));
                }
                Output::Event(event) => info!(?event, "event"),
            }
            self.do_duties();
        }
        self.take_snapshot();
        self.show_role();
        self.show_membership();
    }

    fn ask(&self, job: Job) {
        if !self.disk.ask(job) {
            debug!("the disk's thread has ended");
        }
    }

    /// Applies and restores in order. What comes after a restore waits until it is done.
    fn do_duties(&mut self) {
        while !self.restoring
            && let Some(duty) = self.duties.pop_front()
        {
            match duty {
                Duty::Apply(committed) => self.apply(&committed),
                Duty::Restore(meta) => {
                    self.restoring = true;
                    self.ask(Job::Load(meta));
                }
            }
        }
    }

    /// The state machine becomes what a snapshot says.
    fn restore(&mut self, meta: &SnapshotMeta, bytes: &[u8]) {
        let index = meta.id.index;
        if let Err(error) = self.machine.restore(bytes) {
            self.stop.get_or_insert(StopReason::Snapshot { index, error });
            return;
        }
        info!(%index, bytes = bytes.len(), "restored a snapshot");
        self.restoring = false;
        self.snapshot = index;
        let later = self.pending.split_off(&index.next());
        for passed in core::mem::replace(&mut self.pending, later).into_values() {
            passed.fail(&Failure::Unknown);
        }
        taken("a restored snapshot", self.node.applied(index));
        self.do_duties();
    }

    /// Takes a snapshot if enough was applied since the last one.
    fn take_snapshot(&mut self) {
        let applied = self.node.applied_index();
        let due = applied.since(self.snapshot) >= self.pace.snapshot_every;
        if due && !self.saving && !self.restoring && self.stop.is_none() {
            self.saving = true;
            self.snapshot = applied;
            self.ask(Job::Save { index: applied, bytes: self.machine.snapshot().into() });
        }
    }

    /// Tells transport and others of another membership.
    fn show_membership(&mut self) {
        let now = self.node.membership();
        if *self.membership.borrow() != *now {
            self.transport.set_members(self.node.identity().node, now);
            self.membership.send_replace(now.clone());
        }
    }

    fn apply(&mut self, committed: &Committed) {
        for entry in &committed.entries {
            let command = entry.kind == EntryKind::Command && !entry.payload.is_empty();
            let answer = command.then(|| self.machine.apply(entry.payload));
            if self.barrier.is_some_and(|barrier| barrier.index <= entry.id.index) {
                self.barrier = None;
            }
            let Some(pending) = self.pending.remove(&entry.id.index) else { continue };
            if pending.term != entry.id.term {
                pending.fail(&Failure::Overwritten);
                continue;
            }
            if let (Some(reply), Some(answer)) = (pending.command, answer) {
                let _ = reply.send(Ok(Applied { id: entry.id, answer }));
            }
            if let Some(reply) = pending.change {
                let _ = reply.send(Ok(entry.id));
            }
            for (query, reply) in pending.queries {
                let _ = reply.send(Ok(self.machine.query(query)));
            }
        }
        taken("applied entries", self.node.applied(committed.last()));
    }

    fn lose(&mut self, from: EntryId, through: LogIndex, failure: &Failure) {
        if from.index > through {
            return;
        }
        let range = self.pending.range(from.index..=through);
        let lost: Vec<_> =
            range.filter(|(_, p)| p.term == from.term).map(|(&index, _)| index).collect();
        for pending in lost.into_iter().filter_map(|index| self.pending.remove(&index)) {
            pending.fail(failure);
        }
    }

    fn show_role(&mut self) {
        let role = Role::of(&self.node);
        if role.name != RoleName::Leader {
            self.barrier = None;
        }
        self.role.send_if_modified(|shown| {
            let changed = *shown != role;
            *shown = role;
            changed
        });
    }

    fn status(&self, index: Option<LogIndex>) -> ServerStatus {
        let node = self.node.status();
        let index = index.unwrap_or(node.applied_index);
        if node.halted {
            warn!("the node has halted");
        }
        ServerStatus {
            node,
            incarnation: self.node.incarnation(),
            membership: self.node.membership().clone(),
            membership_index: self.node.membership_index(),
            checksum: LogChecksum { index, value: self.node.checksum_at(index) },
            transport: self.transport.status(),
            store: self.counts.status(),
        }
    }
}

/// A completion that the node does not take is a bug here.
fn taken(what: &str, result: Result<(), Misuse>) {
    if let Err(misuse) = result {
        error!(%misuse, "{what}: not taken");
    }
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::NotLeader { leader } => Failure::NotLeader { leader },
        Refused::TooLarge { bytes, max } => Failure::TooLarge { bytes, max },
        Refused::Membership(error) => Failure::Membership(error),
        Refused::Halted { .. } => Failure::Stopping,
        _ => Failure::Busy,
    }
}
