//! Model checking of the shipped code.

mod host;
mod scope;
mod search;
mod seen;

pub use scope::{SCOPE_NODES_MAX, Scope};

use core::fmt;
use std::time::{Duration, Instant};

use crate::property::{Property, Violation};
use search::{Action, Memory, Next, Row, State, Visited, fingerprint};

/// Where a search stops, if the scope is not exhausted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// After so many states.
    pub states: usize,
    /// After states so many steps away from the first one.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { states: 50_000_000, depth: usize::MAX }
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub struct Searched {
    /// Distinct states found.
    pub states: usize,
    /// Steps taken from them.
    pub steps: u64,
    /// Steps from the first state to the last ones found.
    pub depth: usize,
    /// States that wait for their steps.
    pub waiting: usize,
    /// Whether all states of the scope were found.
    pub exhausted: bool,
    /// Distinct values of nodes.
    pub nodes: usize,
    /// Distinct messages.
    pub messages: usize,
    /// Most entries that were committed in a state.
    pub committed_max: usize,
    /// The highest term that was led in a state.
    pub term_max: usize,
    /// Time used.
    pub elapsed: Duration,
}

/// A shortest way to a state in which a property does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The property.
    pub property: Property,
    /// The node to blame.
    pub node: Option<usize>,
    /// What is wrong.
    pub detail: String,
    /// What happened, one line for each step.
    pub trace: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} after {} steps", self.property, self.detail, self.trace.len())?;
        self.trace.iter().enumerate().try_for_each(|(at, line)| write!(f, "\n{:>4} {line}", at + 1))
    }
}

/// Searches a scope.
pub fn search(
    scope: &Scope,
    limits: Limits,
    mut progress: impl FnMut(&Searched),
) -> Result<Searched, Box<Counterexample>> {
    let started = Instant::now();
    let (mut memory, first) = Memory::new(scope).map_err(|v| counterexample(*v, Vec::new()))?;
    let mut visited = Visited::default();
    let mut bytes = Vec::new();
    visited.insert(fingerprint(&first, &mut bytes));
    let mut origins: Vec<(u32, Action)> = vec![(0, Action::Timer { host: 0 })];
    let mut level: Vec<Box<[u32]>> = vec![first.clone().into()];
    let mut done = Searched {
        states: 1,
        steps: 0,
        depth: 0,
        waiting: 1,
        exhausted: false,
        nodes: 0,
        messages: 0,
        committed_max: 0,
        term_max: 0,
        elapsed: Duration::ZERO,
    };
    let (mut actions, mut next) = (Vec::new(), Row::new());
    let mut number = 0u32;
    while !level.is_empty() && done.depth < limits.depth {
        let mut following: Vec<Box<[u32]>> = Vec::new();
        for row in core::mem::take(&mut level) {
            memory.actions(&State::of(&row, scope.nodes), &mut actions);
            for &action in &actions {
                done.steps += 1;
                match memory.follow(&row, action, &mut next) {
                    Ok(Next::Same) => continue,
                    Ok(Next::State) => {}
                    Err(violation) => {
                        let mut path = vec![action];
                        let mut at = number;
                        while at != 0 {
                            path.push(origins[at as usize].1);
                            at = origins[at as usize].0;
                        }
                        path.reverse();
                        let trace = tell(&mut memory, &first, &path);
                        return Err(counterexample(*violation, trace));
                    }
                }
                if !visited.insert(fingerprint(&next, &mut bytes)) {
                    continue;
                }
                origins.push((number, action));
                let state = State::of(&next, scope.nodes);
                let history = &memory.histories[state.history as usize];
                done.committed_max = done.committed_max.max(history.committed());
                done.term_max = done.term_max.max(history.last_led());
                following.push(next.as_slice().into());
            }
            number += 1;
            if visited.len() >= limits.states {
                done.elapsed = started.elapsed();
                done.states = visited.len();
                return Ok(done);
            }
        }
        done.depth += 1;
        done.states = visited.len();
        done.waiting = following.len();
        let [nodes, messages, ..] = memory.counts();
        (done.nodes, done.messages) = (nodes, messages);
        done.elapsed = started.elapsed();
        progress(&done);
        level = following;
    }
    done.exhausted = level.is_empty();
    if let Ok(n) = std::env::var("DUMP") {
        for host in 0..memory.counts()[0].min(n.parse().unwrap_or(0)) {
            println!("{:?}", memory.node(host as u32));
        }
    }
    Ok(done)
}

fn tell(memory: &mut Memory<'_>, first: &Row, path: &[Action]) -> Vec<String> {
    let (mut row, mut next, mut lines) = (first.clone(), Row::new(), Vec::new());
    for &action in path {
        let mut line = memory.told(action);
        if let Ok(Next::State) = memory.follow(&row, action, &mut next) {
            let state = State::of(&next, memory.scope.nodes);
            let nodes = state.hosts.iter().map(|&host| memory.facts(host).view);
            for view in nodes {
                line += &format!(" | {:?} {}:{}", view.role, view.term, view.commit);
            }
            core::mem::swap(&mut row, &mut next);
        }
        lines.push(line);
    }
    lines
}

fn counterexample(violation: Violation, trace: Vec<String>) -> Box<Counterexample> {
    let Violation { property, node, detail } = violation;
    Box::new(Counterexample { property, node, detail, trace })
}
