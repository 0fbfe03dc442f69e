//! Model checking of the shipped code: every state that a small cluster can reach.
//!
//! A [`Scope`] is a small world: a few nodes, and limits for how often what may happen. Within it
//! [`search()`] leaves nothing out. Every message that was ever sent may arrive next, any number of
//! times or never; with slow disks each write becomes durable at any later time; a crash keeps any
//! prefix of the writes on their way; timers fire in any order. The properties are checked in every
//! state. What is stepped is the same [`Node`](raftcore::Node) that ships, through the same inputs.
//!
//! States that differ only in what cannot matter are one state:
//!
//! * What time it is. Any election timer may fire at any time, so of time there remains which timers
//!   run, whether a leader is believed to be alive, and in which order a leader's timers fire.
//! * Counters, and memory that holds nothing.
//! * Messages whose receiver can do nothing with them any more. That it cannot is not believed: at
//!   the end of a search every one of them is given to every value of its receiver that was seen.
//! * Which of several equal founders runs first.
//!
//! What a search does not do: outputs are polled and entries applied at once after each input,
//! whole writes are acknowledged one by one, nothing is read, and liveness is not checked. The
//! simulator does all of that.
//!
//! ```
//! use raftcore_sim::model::{Limits, Scope, search};
//!
//! let scope = Scope::named("start").ok_or("no such scope")?;
//! let searched = search(scope, Limits::default(), |_| ())?;
//! assert!(searched.exhausted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod host;
mod memory;
mod scope;
mod search;
mod seen;

pub use scope::{SCOPE_NODES_MAX, Scope};
pub use search::search;

use core::time::Duration;

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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{property}: {detail}, after {steps} steps{}", lines(trace))]
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

fn lines(trace: &[String]) -> String {
    trace.iter().map(|line| format!("\n{line}")).collect()
}
