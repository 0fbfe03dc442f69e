//! Model checking of the shipped code.

mod action;
mod host;
mod memory;
mod scope;
mod search;
mod seen;

pub use scope::{SCOPE_NODES_MAX, Scope};
pub use search::search;

use core::fmt;
use std::time::Duration;

use crate::property::Property;

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
#[derive(Clone, Copy, Debug, Default)]
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
    /// How many steps lead there.
    pub steps: usize,
    /// What happened, one line for each step.
    pub trace: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, detail, steps, .. } = self;
        write!(f, "{property}: {detail}, after {steps} steps")?;
        self.trace.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

