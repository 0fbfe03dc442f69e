//! What a node wants done, and in which order.

use super::Node;
use crate::output::Output;
use crate::role::Role;
use crate::shared::Shared;
use crate::types::Tick;

/// Where outputs come from, in the order in which they are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// What may leave before the disk is done.
    Role,
    /// What waited for the disk.
    Mail,
    Write,
    /// Entries for `Apply`, a snapshot for `Restore`.
    Delivery,
    /// Requests to storage, answers to reads, outcomes of proposals, events.
    Answers,
    Nothing,
}

impl Node {
    /// The next duty, or `None` when there is nothing to do for now.
    ///
    /// What may leave before the disk is done comes first, then writes, then what waited for them.
    #[inline]
    #[must_use = "an output is a duty: carry it out"]
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.source == Source::Nothing { None } else { self.poll_sources() }
    }

    fn poll_sources(&mut self) -> Option<Output> {
        if let Some(reason) = &self.halted {
            self.source = Source::Nothing;
            let first = !core::mem::replace(&mut self.halt_reported, true);
            return first.then(|| Output::Halted(*reason));
        }
        let shared = &mut self.shared;
        if self.source <= Source::Role {
            let output = match &mut self.role {
                Role::Leader(leader) => leader.poll(shared),
                Role::Candidate(candidate) => candidate.poll(shared).map(Output::Send),
                Role::Follower(follower) => follower.poll(shared).map(Output::Send),
            };
            if output.is_some() {
                return output;
            }
            self.source = Source::Mail;
        }
        if self.source <= Source::Mail {
            if shared.mail.len() > 0
                && let Some(message) = shared.mail.take(shared.durability.durable())
            {
                return Some(Output::Send(message));
            }
            self.source = Source::Write;
        }
        if self.source <= Source::Write {
            if shared.may_write() {
                return Some(next_write(shared));
            }
            self.source = Source::Delivery;
        }
        if self.source <= Source::Delivery {
            if shared.has_delivery()
                && let Some(output) = self.deliver()
            {
                return Some(output);
            }
            self.source = Source::Answers;
        }
        let answer = self.poll_answers();
        if answer.is_none() {
            self.source = Source::Nothing;
        }
        answer
    }

    #[inline(never)]
    fn deliver(&mut self) -> Option<Output> {
        let duty = self.shared.next_duty()?;
        if let (Role::Leader(leader), Output::Apply(committed)) = (&mut self.role, &duty) {
            leader.on_delivered(&committed.entries);
        }
        Some(duty)
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
        if self.source == Source::Nothing || self.halted.is_some() {
            return self.source != Source::Nothing && !self.halt_reported;
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
                let answers = [shared.reads.deadline(), shared.log_reads.deadline()];
                let timers = answers.into_iter().chain([role.deadline()]);
                timers.flatten().min()
            }
        }
    }
}

#[inline(never)]
fn next_write(shared: &mut Shared) -> Output {
    let (state, max_bytes) = (shared.hard_state, shared.config.max_write_bytes);
    let write = shared.durability.next_write(state, &mut shared.log, max_bytes, shared.now);
    shared.queue_chunk();
    Output::Persist(write)
}
