//! What a node wants done, and in which order.

use super::Node;
use crate::output::{Committed, Output};
use crate::role::Role;
use crate::shared::Shared;
use crate::types::Tick;

/// Where outputs come from: a set, in the order in which they are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sources(u8);

impl Sources {
    pub(super) const NONE: Self = Self(0);
    /// What may leave before the disk is done.
    pub(super) const ROLE: Self = Self(1);
    /// What waited for the disk.
    pub(super) const MAIL: Self = Self(2);
    pub(super) const WRITE: Self = Self(4);
    /// Entries for `Apply`, a snapshot for `Restore`.
    pub(super) const DELIVERY: Self = Self(8);
    /// Requests to storage, answers to reads, outcomes of proposals, events.
    pub(super) const ANSWERS: Self = Self(16);
    pub(super) const ALL: Self = Self(31);

    pub(super) const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    const fn has(self, some: Self) -> bool {
        self.0 & some.0 != 0
    }

    const fn without(self, some: Self) -> Self {
        Self(self.0 & !some.0)
    }
}

impl Node {
    /// An input may have filled these sources. What is polled of them may lead to requests and events.
    #[inline]
    pub(super) const fn look(&mut self, sources: Sources) {
        self.sources = self.sources.and(sources).and(Sources::ANSWERS);
    }

    /// The next duty, or `None` when there is nothing to do for now.
    ///
    /// What may leave before the disk is done comes first, then writes, then what waited for them.
    #[inline]
    #[must_use = "an output is a duty: carry it out"]
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.sources == Sources::NONE { None } else { self.poll_sources() }
    }

    fn poll_sources(&mut self) -> Option<Output> {
        if let Some(reason) = &self.halted {
            self.sources = Sources::NONE;
            let first = !core::mem::replace(&mut self.halt_reported, true);
            return first.then(|| Output::Halted(**reason));
        }
        let shared = &mut self.shared;
        if self.sources.has(Sources::ROLE) {
            let output = match &mut self.role {
                Role::Leader(leader) => leader.poll(shared),
                Role::Candidate(candidate) => candidate.poll(shared).map(Output::Send),
                Role::Follower(follower) => follower.poll(shared).map(Output::Send),
            };
            if output.is_some() {
                return output;
            }
            self.sources = self.sources.without(Sources::ROLE);
        }
        if self.sources.has(Sources::MAIL) {
            if shared.mail.len() > 0
                && let Some(message) = shared.mail.take(shared.durability.durable())
            {
                return Some(Output::Send(message));
            }
            self.sources = self.sources.without(Sources::MAIL);
        }
        if self.sources.has(Sources::WRITE) {
            if shared.may_write() {
                return next_write(shared);
            }
            self.sources = self.sources.without(Sources::WRITE);
        }
        if self.sources.has(Sources::DELIVERY) {
            if shared.has_delivery()
                && let Some(output) = self.deliver()
            {
                return Some(output);
            }
            self.sources = self.sources.without(Sources::DELIVERY);
        }
        let answer = if self.shared.may_answer() { self.poll_answers() } else { None };
        if answer.is_none() {
            self.sources = Sources::NONE;
            debug_assert!(!self.looks_for_output(), "an output was forgotten");
        }
        answer
    }

    #[inline(never)]
    fn deliver(&mut self) -> Option<Output> {
        let shared = &mut self.shared;
        if shared.snapshots.awaits().is_some() {
            return shared.next_restore();
        }
        let entries = shared.deliver()?;
        if let Role::Leader(leader) = &mut self.role {
            leader.on_delivered(&entries);
        }
        Some(Output::Apply(Committed { entries }))
    }

    #[inline(never)]
    fn poll_answers(&mut self) -> Option<Output> {
        let shared = &mut self.shared;
        if let Some(request) = shared.log_reads.poll(shared.hard_state.incarnation) {
            return Some(Output::ReadLog(request));
        }
        let answer = shared.reads.poll(shared.applied).or_else(|| shared.proposals.poll());
        answer.or_else(|| shared.events.pop_front().map(Output::Event))
    }

    /// Whether [`poll_output`](Self::poll_output) would give something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.sources != Sources::NONE && self.looks_for_output()
    }

    /// Whether an output was forgotten: there is one that a poll does not look for.
    #[cfg(feature = "inspect")]
    #[doc(hidden)]
    #[must_use]
    pub fn forgets_output(&self) -> bool {
        !self.has_output() && self.looks_for_output()
    }

    fn looks_for_output(&self) -> bool {
        if self.halted.is_some() {
            return !self.halt_reported;
        }
        let shared = &self.shared;
        shared.may_write()
            || shared.has_delivery()
            || shared.log_reads.has_request()
            || !shared.events.is_empty()
            || shared.reads.has_output(shared.applied)
            || shared.proposals.has_output()
            || shared.mail.has(shared.durability.durable())
            || match &self.role {
                Role::Leader(leader) => leader.has_message(shared),
                Role::Candidate(candidate) => candidate.has_message(shared),
                Role::Follower(follower) => follower.has_message(shared),
            }
    }

    /// When the next timer fires: nothing happens by itself before, an idle host may sleep until
    /// then.
    ///
    /// Tick 0 before the first tick: say what time it is. `None` while only the disk is awaited,
    /// and once halted.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        match (&self.halted, self.shared.now) {
            (Some(_), _) => None,
            (None, None) => Some(Tick(0)),
            (None, Some(_)) => {
                let Self { role, shared, .. } = self;
                let timer = role.deadline();
                let idle = shared.reads.is_empty() && shared.log_reads.is_empty();
                if idle { timer } else { with_reads(timer, shared) }
            }
        }
    }
}

/// The first of a timer and the timeouts of reads.
#[cold]
fn with_reads(timer: Option<Tick>, shared: &Shared) -> Option<Tick> {
    let answers = [shared.reads.deadline(), shared.log_reads.deadline()];
    answers.into_iter().chain([timer]).flatten().min()
}

#[inline(never)]
fn next_write(shared: &mut Shared) -> Option<Output> {
    let (state, max_bytes) = (shared.hard_state, shared.config.max_write_bytes);
    let (identity, log) = (shared.identity, &mut shared.log);
    let write = shared.durability.next_write(identity, state, log, max_bytes, shared.now);
    if shared.snapshots.is_receiving() {
        shared.queue_chunk();
    }
    Some(Output::Persist(write))
}
