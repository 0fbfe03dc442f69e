//! Breadth-first search: the first state in which a property breaks is one of the nearest.

use std::time::Instant;

use super::action::{Action, Row, State};
use super::memory::{Memory, Visited, fingerprint};
use super::{Counterexample, Limits, Scope, Searched};
use crate::property::Violation;

/// Searches all states of a scope, nearest first.
///
/// `progress` is called after each depth.
///
/// # Errors
/// [`Counterexample`]: a shortest way to a property that does not hold.
pub fn search(
    scope: &Scope,
    limits: Limits,
    mut progress: impl FnMut(&Searched),
) -> Result<Searched, Box<Counterexample>> {
    let started = Instant::now();
    let (memory, first) =
        Memory::new(scope).map_err(|broken| counterexample(*broken, Vec::new()))?;
    let mut search = Search::new(memory, first);
    while !search.level.is_empty()
        && search.done.depth < limits.depth
        && search.done.states < limits.states
    {
        search.deepen(limits)?;
        search.done.elapsed = started.elapsed();
        progress(&search.done);
    }
    let past = search.memory.check_past();
    past.map_err(|broken| counterexample(*broken, Vec::new()))?;
    search.done.exhausted = search.level.is_empty();
    search.done.elapsed = started.elapsed();
    Ok(search.done)
}

struct Search<'a> {
    memory: Memory<'a>,
    first: Row,
    visited: Visited,
    /// The state and the action that each state was first reached by.
    origins: Vec<(u32, u32)>,
    /// The states of the present depth that have not taken their steps; the first of them has the
    /// number `next`.
    level: Vec<Box<[u32]>>,
    next: u32,
    bytes: Vec<u8>,
    done: Searched,
}

impl<'a> Search<'a> {
    fn new(memory: Memory<'a>, first: Row) -> Self {
        let mut bytes = Vec::new();
        let mut visited = Visited::default();
        visited.insert(fingerprint(&first, &mut bytes));
        let level = vec![first.clone().into()];
        let done = Searched { states: 1, waiting: 1, ..Searched::default() };
        Self { memory, first, visited, origins: vec![(0, 0)], level, next: 0, bytes, done }
    }

    /// Takes all steps of all states of this depth.
    fn deepen(&mut self, limits: Limits) -> Result<(), Box<Counterexample>> {
        let (mut actions, mut next) = (Vec::new(), Row::new());
        let mut following = Vec::new();
        let level = core::mem::take(&mut self.level);
        let mut rows = level.into_iter();
        for row in rows.by_ref() {
            self.memory.actions(&row, &mut actions);
            for &action in &actions {
                if self.step(&row, action, &mut next)? {
                    following.push(next.as_slice().into());
                }
            }
            self.next += 1;
            if self.visited.len() >= limits.states {
                break;
            }
        }
        following.extend(rows);
        self.done.depth += 1;
        self.done.states = self.visited.len();
        self.done.waiting = following.len();
        (self.done.nodes, self.done.messages) = self.memory.counts();
        self.level = following;
        Ok(())
    }

    /// Takes one step; says whether it leads to a new state, which is then in `next`.
    fn step(
        &mut self,
        row: &[u32],
        action: Action,
        next: &mut Row,
    ) -> Result<bool, Box<Counterexample>> {
        self.done.steps += 1;
        let followed = self.memory.follow(row, action, next);
        if !followed.map_err(|broken| self.explain(action, *broken))? {
            return Ok(false);
        }
        if !self.visited.insert(fingerprint(next, &mut self.bytes)) {
            return Ok(false);
        }
        let held = self.memory.check(next);
        held.map_err(|broken| self.explain(action, *broken))?;
        self.origins.push((self.next, action.pack()));
        let history = self.memory.history_of(next);
        self.done.committed_max = self.done.committed_max.max(history.committed());
        self.done.term_max = self.done.term_max.max(history.last_led());
        Ok(true)
    }

    /// The way to a violation: back from state to state, then forward again to tell it.
    fn explain(&mut self, last: Action, violation: Violation) -> Box<Counterexample> {
        let mut path = vec![last];
        let mut at = self.next;
        while at != 0 {
            let (from, action) = self.origins[at as usize];
            path.push(Action::unpack(action));
            at = from;
        }
        let (mut row, mut next, mut lines) = (self.first.clone(), Row::new(), Vec::new());
        for &action in path.iter().rev() {
            lines.push(self.memory.told(action));
            if self.memory.follow(&row, action, &mut next) == Ok(true) {
                for (place, &host) in
                    State::of(&next, self.memory.scope.nodes).hosts.iter().enumerate()
                {
                    let view = self.memory.facts(host).view;
                    let line = format!(
                        "     n{}: {:?} of term {}, log to {}, commit {}, {} pieces of writes under way",
                        place + 1,
                        view.role,
                        view.term,
                        view.last,
                        view.commit,
                        self.memory.facts(host).pieces,
                    );
                    if State::of(&row, self.memory.scope.nodes).hosts[place] != host {
                        lines.push(line);
                    }
                }
                core::mem::swap(&mut row, &mut next);
            }
        }
        let mut example = counterexample(violation, lines);
        example.steps = path.len();
        example
    }
}

fn counterexample(violation: Violation, trace: Vec<String>) -> Box<Counterexample> {
    let Violation { property, node, detail } = violation;
    Box::new(Counterexample { property, node, detail, steps: 0, trace })
}
