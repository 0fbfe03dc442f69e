//! What a node wants done, and in which order.

use super::Node;
use crate::output::{Committed, Output, Write};
use crate::role::Role;
use crate::shared::Shared;
use crate::sources::Sources;
use crate::types::Tick;

impl Node {
    /// The next duty, or `None` when there is nothing to do for now.
    ///
    /// What may leave before the disk is done comes first, then writes, then what waited for them.
    #[inline]
    #[must_use = "an output is a duty: carry it out"]
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.shared.sources == Sources::NONE { None } else { self.poll_sources() }
    }

    fn poll_sources(&mut self) -> Option<Output> {
        if let Some(reason) = self.halted.as_deref() {
            self.shared.sources = Sources::NONE;
            return Some(Output::Halted(*reason));
        }
        let sources = self.shared.sources;
        if sources.has(Sources::ROLE) {
            self.poll_role()
        } else if sources.has(Sources::MAIL) {
            self.poll_rare(Sources::MAIL)
        } else if sources.has(Sources::WRITE) {
            self.poll_write()
        } else if sources.has(Sources::DELIVERY) {
            self.poll_delivery()
        } else {
            self.poll_answers()
        }
    }

    /// Nothing is left in a source: on to the next one.
    fn poll_after(&mut self, source: Sources) -> Option<Output> {
        self.shared.sources.remove(source);
        self.poll_output()
    }

    #[inline(never)]
    fn poll_role(&mut self) -> Option<Output> {
        let shared = &mut self.shared;
        match &mut self.role {
            Role::Leader(leader) => match leader.usually_due(shared) {
                Some(due) => leader.poll(due, shared),
                None => self.poll_rare(Sources::ROLE),
            },
            Role::Follower(follower) if follower.may_reply(shared) => follower.reply(shared),
            Role::Follower(follower) if follower.may_ask(shared) => follower.question(shared),
            Role::Follower(_) => self.poll_after(Sources::ROLE),
            Role::Candidate(_) => self.poll_rare(Sources::ROLE),
        }
    }

    /// Polls the mail, or what a role seldom says.
    #[cold]
    fn poll_rare(&mut self, source: Sources) -> Option<Output> {
        let shared = &mut self.shared;
        let output = match &mut self.role {
            _ if source == Sources::MAIL => shared.mail.take(shared.durable()).map(Output::Send),
            Role::Candidate(candidate) => candidate.poll(shared).map(Output::Send),
            Role::Leader(leader) => loop {
                let Some(due) = leader.due(shared) else { break None };
                let output = leader.poll(due, shared);
                // Nothing, if something was begun that comes first: look again.
                if output.is_some() {
                    break output;
                }
            },
            Role::Follower(_) => None,
        };
        output.or_else(|| self.poll_after(source))
    }

    #[inline(never)]
    fn poll_write(&mut self) -> Option<Output> {
        let shared = &mut self.shared;
        if !shared.may_write() {
            return self.poll_after(Sources::WRITE);
        }
        let (next, last) = (shared.durability.handed().next(), shared.log.last_index());
        let entries = shared.log.slice(next, last, shared.config.max_write_bytes);
        let (identity, life) = (shared.identity, shared.hard_state.incarnation);
        let (id, rare) = shared.durability.next_write(life, &entries, shared.now);
        if shared.durability.handed() == last {
            shared.sources.remove(Sources::WRITE);
        }
        shared.queue_chunk();
        if let Some(rare) = rare {
            return Some(Output::Persist(Write { identity, id, entries, ..rare.write }));
        }
        Some(Output::Persist(Write { entries, ..Write::empty(identity, id) }))
    }

    #[inline(never)]
    fn poll_delivery(&mut self) -> Option<Output> {
        let shared = &mut self.shared;
        let Some(upto) = shared.delivery() else { return self.poll_after(Sources::DELIVERY) };
        if shared.snapshots.awaits().is_some() {
            return shared.next_restore().map(Output::Restore);
        }
        let entries = shared.next_entries(upto);
        if entries.is_empty() {
            // Storage is asked first.
            return self.poll_after(Sources::DELIVERY);
        }
        shared.on_delivered(&entries, upto);
        if shared.delivered == shared.commit {
            self.shared.sources.remove(Sources::DELIVERY);
        }
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
        let mut answer = shared.reads.poll(shared.applied).or_else(|| shared.proposals.poll());
        if answer.is_none() && !shared.events.is_empty() {
            answer = Some(Output::Event(shared.events.remove(0)));
        }
        if answer.is_none() {
            self.shared.sources = Sources::NONE;
            debug_assert!(!self.looks_for_output(), "an output was forgotten");
        }
        answer
    }

    /// Whether [`poll_output`](Self::poll_output) would give something.
    #[inline]
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.shared.sources != Sources::NONE && self.looks_for_output()
    }

    /// Whether an output was forgotten: there is one that a poll does not look for.
    #[cfg(feature = "inspect")]
    #[doc(hidden)]
    #[must_use]
    pub fn forgets_output(&self) -> bool {
        !self.has_output() && self.looks_for_output()
    }

    #[inline(never)]
    fn looks_for_output(&self) -> bool {
        if self.halted.is_some() {
            return self.shared.sources != Sources::NONE;
        }
        let shared = &self.shared;
        shared.may_write()
            || shared.delivery().is_some()
            || shared.log_reads.has_request()
            || !shared.events.is_empty()
            || shared.reads.has_output(shared.applied)
            || shared.proposals.has_output()
            || shared.mail.has(shared.durable())
            || match &self.role {
                Role::Leader(leader) => leader.has_message(shared),
                Role::Candidate(candidate) => candidate.has_message(shared),
                Role::Follower(follower) => follower.may_reply(shared) || follower.may_ask(shared),
            }
    }

    /// When the next timer fires: nothing happens by itself before, an idle host may sleep until
    /// then.
    ///
    /// Tick 0 before the first tick: say what time it is. `None` while only the disk is awaited,
    /// and once halted.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        if self.halted.is_some() {
            return None;
        }
        let Shared { now, reads, log_reads, .. } = &self.shared;
        let idle = reads.is_empty() && log_reads.is_empty();
        match now {
            None => Some(Tick(0)),
            Some(_) if idle => self.role.deadline(),
            Some(_) => self.deadline_with_reads(),
        }
    }

    /// The first of all timers.
    #[cold]
    fn deadline_with_reads(&self) -> Option<Tick> {
        let Shared { reads, log_reads, .. } = &self.shared;
        let timers = [self.role.deadline(), reads.deadline(), log_reads.deadline()];
        timers.into_iter().flatten().min()
    }
}
