//! The node: public inputs, the term rule, the transitions, the order of outputs.

mod getters;
mod poll;
mod receive;
mod transition;

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::config::Config;
use crate::durability::{Durability, Mail};
use crate::entries::Entries;
use crate::error::{Misuse, Refused, RejectedMessage, StartError};
use crate::input::{Answer, Chunk, Input, Unavailable};
use crate::log_reads::Outcome;
use crate::membership::MembershipChange;
use crate::message::Message;
use crate::output::{HaltReason, ReadConsistency, StepDownReason, Write};
use crate::read::ReadState;
use crate::rng::Rng;
use crate::role::Role;
use crate::role::follower::Follower;
use crate::role::leader::Leader;
use crate::shared::{Shared, count};
use crate::snapshot::Snapshots;
use crate::sources::Sources;
use crate::stored::{Base, Stored};
use crate::types::{
    ChunkId, EntryId, HardState, Incarnation, LogIndex, LogReadId, NodeId, ReadId, Tick, WriteId,
};

/// Start of the grace time on used storage, until the first tick says when it ends.
const NOT_BEFORE_FIRST_TICK: Tick = Tick(u64::MAX);

/// One participant of one Raft group: a plain value.
///
/// * Getters: [`role`](Self::role), [`term`](Self::term), [`leader`](Self::leader),
///   [`status`](Self::status) and the like.
/// * Inputs: [`tick`](Self::tick), [`receive`](Self::receive), [`propose`](Self::propose) and the
///   like. None blocks; a failed one changes nothing.
/// * Completions: [`persisted`](Self::persisted), [`applied`](Self::applied) and the like.
///   Cumulative; repeats are harmless.
/// * Outputs: [`poll_output`](Self::poll_output), until it gives `None`.
#[derive(Clone, Debug)]
pub struct Node {
    shared: Shared,
    role: Role,
    /// Why the node takes nothing any more. It says so once: until then there are sources.
    halted: Option<Box<HaltReason>>,
}

impl Node {
    /// The one door: first start and every restart.
    ///
    /// `applied` is what the state machine durably holds: 0 if it lives in memory. The first write
    /// of every life raises the incarnation.
    ///
    /// # Errors
    /// [`StartError`] if the configuration cannot work, nothing is stored, or `applied` does not
    /// fit what is stored.
    pub fn new(
        config: impl Into<Arc<Config>>,
        stored: Stored,
        applied: LogIndex,
    ) -> Result<Self, StartError> {
        let config = config.into();
        config.validate()?;
        let Stored { identity, hard_state: mut durable, last_write, base } = stored;
        let (identity, base) = identity.zip(base).ok_or(StartError::NothingStored)?;
        let whole = base.is_whole();
        let Base { meta, log, memberships } =
            if whole { base } else { Base::new(identity.group, base.meta) };
        if !meta.is_of_joiner() {
            memberships.current().validate()?;
        }
        if put_back!(VoteForgottenOnRestart) {
            durable.vote = None;
        }
        let last = log.last_index();
        if applied > last {
            return Err(StartError::AppliedBeyondLog { applied, last });
        }
        let incarnation = durable.incarnation.0.checked_add(1).ok_or(StartError::OutOfRange)?;
        let hard_state = HardState { incarnation: Incarnation(incarnation), ..durable };
        let fresh = last_write.is_none();
        let commit = applied.max(meta.id.index);
        let first = Write {
            hard_state: Some(hard_state),
            snapshot: fresh.then(|| meta.clone().into()),
            reset_log_to: (!whole).then_some(meta.id.index),
            ..Write::default()
        };
        let mut shared = Shared {
            rng: Rng::new([config.seed, identity.node.0, incarnation]),
            config,
            identity,
            hard_state,
            behind: Some(durable.into()),
            log,
            durability: Durability::new(durable, last, first),
            mail: Mail::default(),
            memberships,
            commit,
            delivered: applied,
            applied,
            now: None,
            votes_from: if fresh { Tick(0) } else { NOT_BEFORE_FIRST_TICK },
            events: Default::default(),
            counters: None,
            reads: Default::default(),
            proposals: Default::default(),
            snapshots: Snapshots::new(meta, applied),
            doubt: None,
            log_reads: Default::default(),
            sources: Sources::ALL,
        };
        shared.evict(shared.config.window_bytes);
        let role = Role::Follower(Follower::default());
        Ok(Self { shared, role, halted: None })
    }

    /// Says what time it is: absolute, monotonic; an earlier tick is ignored, coarse steps are fine.
    ///
    /// Fires each timer at most once.
    pub fn tick(&mut self, now: Tick) {
        if self.halted.is_some() {
            return;
        }
        if self.shared.now.is_some_and(|before| now < before) {
            return count(&mut self.shared.counters().earlier_ticks);
        }
        self.shared.now = Some(now);
        self.shared.sources = Sources::ALL;
        if self.shared.votes_from == NOT_BEFORE_FIRST_TICK {
            self.shared.votes_from = now.plus(self.shared.config.election_ticks_min.into());
        }
        let shared = &mut self.shared;
        shared.reads.on_tick(now);
        if shared.log_reads.on_tick(now)
            && let Role::Leader(leader) = &mut self.role
        {
            leader.wake(shared);
        }
        let transition = match &mut self.role {
            Role::Follower(follower) => follower.on_tick(shared, now),
            Role::Candidate(candidate) => candidate.on_tick(shared, now),
            Role::Leader(leader) => leader.on_tick(shared, now),
        };
        self.perform(transition);
    }

    /// Takes a message from a peer.
    ///
    /// # Errors
    /// [`RejectedMessage`] if no honest peer can have sent it, or if its entries were damaged on the
    /// way; nothing is adopted then.
    pub fn receive(&mut self, message: Message) -> Result<(), RejectedMessage> {
        let result = self.receive_checked(message);
        if result.is_err() {
            count(&mut self.shared.counters().rejected_messages);
        }
        result
    }

    /// Appends a payload to the replicated log; copied once (Raft 5.3).
    ///
    /// The proposal is applied if and only if `Apply` hands out its index with its term.
    ///
    /// # Errors
    /// [`Refused`] if this node does not lead, is busy, has halted, or the payload is too large.
    #[inline]
    pub fn propose(&mut self, payload: &[u8]) -> Result<EntryId, Refused> {
        self.ask_leader(|leader, shared| leader.propose(shared, payload))
    }

    /// Changes the membership (Raft 6; thesis 4): the complete new topology.
    ///
    /// Takes effect at once; over when `Event::MembershipChanged` says so. Sets of voters that differ
    /// by more than one go through a joint membership, which is left without further calls.
    ///
    /// # Errors
    /// [`Refused`] if this node does not lead, a change is under way, the change was computed from
    /// another membership than the current one, or the wished-for one cannot be.
    pub fn propose_membership(&mut self, change: MembershipChange) -> Result<EntryId, Refused> {
        self.ask_leader(|leader, shared| leader.propose_membership(shared, change))
    }

    /// Asks to read the state machine (thesis 6.4). Ends in exactly one of `ReadReady` and
    /// `ReadFailed`, after `read_ticks_max` ticks at the latest.
    ///
    /// A follower asks the leader. Reads that arrive together share one round of messages.
    ///
    /// # Errors
    /// [`Refused`] if no leader is known, too many reads are under way, or the node has halted.
    pub fn read(&mut self, id: ReadId, consistency: ReadConsistency) -> Result<(), Refused> {
        self.ask(|Self { shared, role, .. }| {
            shared.sources = Sources::ALL;
            let open = shared.reads.len();
            if open >= shared.config.max_reads {
                return Err(Refused::TooManyReads { open });
            }
            let state = match role {
                _ if consistency == ReadConsistency::Stale => {
                    ReadState::Confirmed { index: LogIndex(0) }
                }
                Role::Leader(leader) => leader.on_read(shared, consistency),
                Role::Follower(follower) if follower.leader.is_some() => follower.on_read(shared),
                _ => return Err(Refused::NotLeader { leader: None }),
            };
            let deadline = shared.after(shared.config.read_ticks_max.into());
            shared.reads.push(id, deadline.unwrap_or(Tick(u64::MAX)), state);
            Ok(())
        })
    }

    /// Hands leadership to another voter as soon as its log is complete (thesis 3.10).
    ///
    /// Proposals are refused meanwhile. After a longest election timeout it is given up, which
    /// `Event::TransferFailed` says.
    ///
    /// # Errors
    /// [`Refused`] if this node does not lead, the other has no vote, or another handover runs.
    pub fn transfer_leadership(&mut self, to: NodeId) -> Result<(), Refused> {
        self.ask_leader(|leader, shared| leader.transfer(shared, to))
    }

    /// Gives up leadership; another election follows, which this node may win again.
    ///
    /// # Errors
    /// [`Refused`] if this node does not lead or has halted.
    pub fn step_down(&mut self) -> Result<(), Refused> {
        let transition = self.ask_leader(|_, shared| Ok(shared.follow(StepDownReason::Asked)))?;
        self.perform(transition);
        Ok(())
    }

    /// Asks for what only a leader does.
    #[inline]
    fn ask_leader<T>(
        &mut self,
        ask: impl FnOnce(&mut Leader, &mut Shared) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.ask(|node| match &mut node.role {
            Role::Leader(leader) => ask(leader, &mut node.shared),
            _ => Err(Refused::NotLeader { leader: node.leader() }),
        })
    }

    /// Asks for what may be refused.
    #[inline]
    fn ask<T>(&mut self, ask: impl FnOnce(&mut Self) -> Result<T, Refused>) -> Result<T, Refused> {
        let runs = self.runs(|reason| Refused::Halted { reason });
        let result = runs.and_then(|()| ask(self));
        if result.is_err() {
            count(&mut self.shared.counters().refused);
        }
        result
    }

    /// Calls an election now instead of at the next timeout (Raft 5.2). A leader stays leader.
    ///
    /// # Errors
    /// [`Refused`] if this node has no vote or may not use it yet, or hears a leader.
    pub fn campaign(&mut self) -> Result<(), Refused> {
        self.ask(|node| {
            let shared = &node.shared;
            if !shared.may_lead() || !shared.may_vote() || shared.now.is_none() {
                return Err(Refused::MayNotCampaign);
            }
            match &node.role {
                Role::Leader(_) => {}
                Role::Follower(follower) if follower.leader_is_alive(shared) => {
                    let leader = follower.leader.unwrap_or_default();
                    return Err(Refused::LeaderAlive { leader });
                }
                _ => node.perform(shared.campaign()),
            }
            Ok(())
        })
    }

    /// Gives memory back, for hosts of many groups: durable entries until about `max_bytes` of them
    /// are left, and buffers that hold nothing.
    pub fn trim(&mut self, max_bytes: usize) {
        self.shared.evict(max_bytes);
        self.shared.log.trim(self.shared.config.max_retained_bytes);
        self.shared.log_reads.trim();
        self.shared.durability.trim();
        self.shared.mail.trim();
        self.shared.events.shrink_to_fit();
        self.shared.reads.trim();
        self.shared.proposals.trim();
        self.shared.memberships.trim();
        if let Role::Leader(leader) = &mut self.role {
            leader.trim();
        }
    }

    /// Every write up to this one survives a crash. Cumulative; repeats are harmless.
    ///
    /// # Errors
    /// [`Misuse`] if the write was never handed out, or the node has halted.
    #[inline(always)]
    pub fn persisted(&mut self, write: WriteId) -> Result<(), Misuse> {
        self.runs(|reason| Misuse::Halted { reason })?;
        let shared = &mut self.shared;
        let incarnation = shared.hard_state.incarnation;
        if shared.durability.persisted(write, incarnation, shared.log.last_index())? {
            shared.sources.add(Sources::WRITE);
        }
        shared.evict(shared.config.window_bytes);
        if shared.durability.has_made() {
            self.look_at_made();
        }
        let shared = &mut self.shared;
        if shared.commit > shared.delivered {
            shared.sources.add(Sources::DELIVERY);
        }
        match &mut self.role {
            Role::Follower(_) => shared.sources.add(Sources::ROLE),
            Role::Candidate(candidate) => {
                // Its own vote may be durable now.
                shared.sources = Sources::ALL;
                let transition = candidate.count(shared);
                self.perform(transition);
            }
            Role::Leader(leader) => leader.on_stable(shared),
        }
        Ok(())
    }

    /// More than entries may survive a crash now.
    #[cold]
    fn look_at_made(&mut self) {
        self.shared.sources = Sources::ALL;
        while let Some(made) = self.shared.durability.next_made() {
            if let Some(state) = made.hard_state {
                self.shared.behind = (state != self.shared.hard_state).then(|| state.into());
            }
            if let (Role::Follower(follower), Some((transfer, end))) = (&mut self.role, made.chunk)
            {
                follower.on_chunk_durable(&mut self.shared, transfer, end);
            }
            if let Some(meta) = made.snapshot {
                self.shared.snapshots.became_durable(meta);
                self.discard();
            }
        }
    }

    /// Lets go of what the newest snapshot makes superfluous.
    #[cold]
    fn discard(&mut self) {
        match &self.role {
            Role::Leader(leader) => leader.discard(&mut self.shared),
            _ => self.shared.discard(LogIndex(0), false),
        }
    }

    /// The state machine holds everything up to this entry. Cumulative; repeats are harmless.
    ///
    /// # Errors
    /// [`Misuse`] if the entry was not handed out for `Apply`, or the node has halted.
    pub fn applied(&mut self, index: LogIndex) -> Result<(), Misuse> {
        self.runs(|reason| Misuse::Halted { reason })?;
        let handed_out = self.shared.delivered;
        if index > handed_out {
            return Err(Misuse::NotHandedOut { index, handed_out });
        }
        self.shared.applied = self.shared.applied.max(index);
        if !self.shared.reads.is_empty() {
            self.shared.sources.add(Sources::ANSWERS);
        }
        if self.shared.snapshots.release_due {
            self.shared.sources = Sources::ALL;
            self.discard();
        }
        Ok(())
    }

    /// Answers a `ReadLog`. Short answers are legal; one without a useful entry, or `Unavailable`,
    /// is asked for again a heartbeat later. Late and repeated answers are harmless.
    ///
    /// Entries that differ from what was made durable halt the node: its disk lied.
    ///
    /// # Errors
    /// [`Misuse`] if the request was never made, the entries are not those asked for, or the node
    /// has halted.
    pub fn log_read(
        &mut self,
        request: LogReadId,
        entries: Result<Entries, Unavailable>,
    ) -> Result<(), Misuse> {
        self.runs(|reason| Misuse::Halted { reason })?;
        self.shared.sources = Sources::ALL;
        let (first, last) = entries.as_ref().map(|e| (e.first(), e.last())).unwrap_or_default();
        let shared = &mut self.shared;
        let again = shared.after(shared.config.heartbeat_ticks.into()).unwrap_or_default();
        let (log, life) = (&mut shared.log, shared.hard_state.incarnation);
        match shared.log_reads.answer(log, request, life, entries, again)? {
            Outcome::Taken => {}
            Outcome::Named(index) => shared.name_snapshot(index),
            Outcome::Dropped => count(&mut shared.counters().dropped_answers),
            Outcome::Damaged => self.halt(HaltReason::LogDamaged { first, last }),
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.wake(&mut self.shared);
        }
        Ok(())
    }

    /// Says that a snapshot of the state machine with everything up to `index` is durable (Raft 7).
    ///
    /// The core names it: a `Write` hands out its `SnapshotMeta`; the log may be shortened later.
    /// Ignored if it is not newer than the newest one.
    ///
    /// # Errors
    /// [`Misuse::BeyondApplied`] if so much was not applied; [`Misuse::Halted`].
    pub fn snapshot_taken(&mut self, index: LogIndex) -> Result<(), Misuse> {
        self.runs(|reason| Misuse::Halted { reason })?;
        self.shared.sources = Sources::ALL;
        let applied = self.shared.applied;
        if index > applied {
            return Err(Misuse::BeyondApplied { index, applied });
        }
        self.shared.name_snapshot(index);
        Ok(())
    }

    /// Answers a `ReadSnapshot`: bytes at the offset asked for, or that they cannot be read. A short
    /// answer is legal; an answer that nobody waits for any more is ignored.
    ///
    /// # Errors
    /// [`Misuse::UnknownRequest`] if there never was such a request; [`Misuse::WrongAnswer`] for more
    /// bytes than asked for or than there are; [`Misuse::Halted`].
    pub fn snapshot_chunk(
        &mut self,
        request: ChunkId,
        chunk: Result<Chunk, Unavailable>,
    ) -> Result<(), Misuse> {
        self.runs(|reason| Misuse::Halted { reason })?;
        self.shared.sources = Sources::ALL;
        let shared = &mut self.shared;
        if !shared.snapshots.was_requested(request, shared.hard_state.incarnation) {
            return Err(Misuse::UnknownRequest);
        }
        let too_long = |Chunk { total, data }: &Chunk| {
            data.len() > shared.config.max_chunk_bytes || data.len() as u64 > *total
        };
        if chunk.as_ref().is_ok_and(too_long) {
            return Err(Misuse::WrongAnswer);
        }
        match &mut self.role {
            Role::Leader(leader) => leader.on_snapshot_chunk(shared, request, chunk),
            _ => count(&mut shared.counters().unexpected_replies),
        }
        Ok(())
    }

    /// A write failed. Never retry a failed sync: the node halts; restart it from disk.
    pub fn storage_failed(&mut self) {
        self.halt(HaltReason::StorageFailed);
    }

    /// Any input, completion or poll as a value: the methods and this are the same door.
    pub fn input(&mut self, input: Input) -> Answer {
        let done = |()| Answer::Done;
        let received = |result: Result<_, _>| result.map_or_else(Answer::Rejected, done);
        let asked = |result: Result<_, _>| result.map_or_else(Answer::Refused, done);
        let proposed = |result: Result<_, _>| result.map_or_else(Answer::Refused, Answer::Proposed);
        let told = |result: Result<_, _>| result.map_or_else(Answer::Misuse, done);
        match input {
            Input::Tick(now) => self.tick(now),
            Input::Receive(message) => return received(self.receive(message)),
            Input::Propose(payload) => return proposed(self.propose(&payload)),
            Input::ProposeMembership(change) => return proposed(self.propose_membership(change)),
            Input::Read { id, consistency } => return asked(self.read(id, consistency)),
            Input::TransferLeadership { to } => return asked(self.transfer_leadership(to)),
            Input::Campaign => return asked(self.campaign()),
            Input::StepDown => return asked(self.step_down()),
            Input::Trim { max_bytes } => self.trim(max_bytes),
            Input::Persisted(write) => return told(self.persisted(write)),
            Input::Applied(index) => return told(self.applied(index)),
            Input::LogRead { request, entries } => return told(self.log_read(request, entries)),
            Input::SnapshotTaken(index) => return told(self.snapshot_taken(index)),
            Input::SnapshotChunk { request, chunk } => {
                return told(self.snapshot_chunk(request, chunk));
            }
            Input::StorageFailed => self.storage_failed(),
            Input::Poll => return Answer::Output(self.poll_output()),
        }
        Answer::Done
    }

    fn halt(&mut self, reason: HaltReason) {
        if self.halted.is_none() {
            self.shared.sources = Sources::ALL;
            self.halted = Some(reason.into());
        }
    }

    /// Whether the node still takes anything: if not, the error that says why it has halted.
    #[inline]
    fn runs<E>(&self, error: impl FnOnce(HaltReason) -> E) -> Result<(), E> {
        let Some(reason) = self.halted.as_deref() else { return Ok(()) };
        Err(error(*reason))
    }
}
