//! Breadth-first search over all states of a scope.
//!
//! What a node does depends on its own value and the input alone. So every distinct value of a node
//! and every distinct message is kept once and has a number, a step of a node is taken once and
//! looked up from then on, and a state is a short row of numbers.

use core::fmt;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use raftcore::{Membership, Message, MessageKind};
use xxhash_rust::xxh3::xxh3_64;

use super::host::{Facts, Happens, Host};
use super::scope::Scope;
use super::seen::{History, Seen};
use crate::property::{Checked, Violation};
use crate::trace::Told;

/// A state as a row of numbers: the hosts, the history, what is used up, the messages under way.
pub(super) type Row = Vec<u32>;

/// What may happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Deliver { message: u32, late: bool, again: bool },
    Timer { host: u8 },
    Propose { host: u8 },
    Change { host: u8 },
    Transfer { host: u8, to: u8 },
    Sync { host: u8 },
    Crash { host: u8, kept: u8 },
}

/// How often what has happened that a scope limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) timeouts: u8,
    pub(super) heartbeats: u8,
    pub(super) proposals: u8,
    pub(super) changes: u8,
    pub(super) transfers: u8,
    pub(super) crashes: u8,
    pub(super) duplicates: u8,
}

impl Used {
    fn pack(self) -> [u32; 2] {
        let Self { timeouts, heartbeats, proposals, changes, transfers, crashes, duplicates } = self;
        let word = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
        [word([timeouts, heartbeats, proposals, changes]), word([transfers, crashes, duplicates, 0])]
    }

    fn unpack(words: &[u32]) -> Self {
        let [timeouts, heartbeats, proposals, changes] = words[0].to_le_bytes();
        let [transfers, crashes, duplicates, _] = words[1].to_le_bytes();
        Self { timeouts, heartbeats, proposals, changes, transfers, crashes, duplicates }
    }
}

/// A row, taken apart.
pub(super) struct State<'a> {
    pub(super) hosts: &'a [u32],
    pub(super) history: u32,
    pub(super) used: Used,
    pub(super) network: &'a [u32],
}

impl<'a> State<'a> {
    pub(super) fn of(row: &'a [u32], nodes: usize) -> Self {
        let (hosts, rest) = row.split_at(nodes);
        let used = Used::unpack(&rest[1..3]);
        Self { hosts, history: rest[0], used, network: &rest[3..] }
    }
}

/// A value of a node that was seen.
struct Known {
    host: Arc<Host>,
    facts: Arc<Facts>,
}

/// What a step of one node leads to.
struct Taken {
    host: u32,
    sent: Vec<u32>,
    seen: Seen,
}

/// All that was seen of nodes, messages and histories, by number.
pub(super) struct Memory<'a> {
    pub(super) scope: &'a Scope,
    hosts: Vec<Known>,
    host_numbers: HashMap<u64, u32>,
    pub(super) messages: Vec<Message>,
    message_numbers: HashMap<Vec<u8>, u32>,
    pub(super) histories: Vec<History>,
    history_numbers: HashMap<History, u32>,
    steps: HashMap<(u32, Action, u8), Result<Arc<Taken>, Box<Violation>>>,
}

/// A state that follows another.
pub(super) enum Next {
    /// Nothing came of it.
    Same,
    State,
}

impl<'a> Memory<'a> {
    pub(super) fn new(scope: &'a Scope) -> Checked<(Self, Row)> {
        let mut memory = Self {
            scope,
            hosts: Vec::new(),
            host_numbers: HashMap::new(),
            messages: Vec::new(),
            message_numbers: HashMap::new(),
            histories: Vec::new(),
            history_numbers: HashMap::new(),
            steps: HashMap::new(),
        };
        let founders = Membership::of_voters(scope.founders.iter().copied()).unwrap_or_default();
        let mut row = Vec::new();
        for place in 0..scope.nodes {
            row.push(memory.host(Host::found(scope, place, &founders)?));
        }
        row.push(memory.history(History::new(scope.nodes, founders)));
        row.extend(Used::default().pack());
        Ok((memory, row))
    }

    pub(super) fn counts(&self) -> [usize; 4] {
        [self.hosts.len(), self.messages.len(), self.histories.len(), self.steps.len()]
    }

    fn host(&mut self, host: Host) -> u32 {
        let number = self.hosts.len() as u32;
        let known = *self.host_numbers.entry(host.fingerprint()).or_insert(number);
        if known == number {
            let facts = Arc::new(host.facts());
            self.hosts.push(Known { host: Arc::new(host), facts });
        }
        known
    }

    fn message(&mut self, message: Message) -> u32 {
        let number = self.messages.len() as u32;
        let bytes = message.encode().to_bytes().to_vec();
        let known = *self.message_numbers.entry(bytes).or_insert(number);
        if known == number {
            self.messages.push(message);
        }
        known
    }

    fn history(&mut self, history: History) -> u32 {
        if let Some(&number) = self.history_numbers.get(&history) {
            return number;
        }
        let number = self.histories.len() as u32;
        self.history_numbers.insert(history.clone(), number);
        self.histories.push(history);
        number
    }

    pub(super) fn facts(&self, host: u32) -> &Facts {
        &self.hosts[host as usize].facts
    }

    pub(super) fn node(&self, host: u32) -> &raftcore::Node {
        &self.hosts[host as usize].host.node
    }

    /// All that may happen in a state.
    pub(super) fn actions(&self, state: &State<'_>, actions: &mut Vec<Action>) {
        actions.clear();
        let (scope, used) = (self.scope, state.used);
        for (place, &host) in state.hosts.iter().enumerate() {
            let (facts, host) = (self.facts(host), place as u8);
            let view = facts.view;
            let first = used.timeouts == 0 && scope.is_symmetric();
            let runs = !view.leads() && used.timeouts < scope.timeouts && view.term < scope.terms;
            let beats = view.leads() && used.heartbeats < scope.heartbeats;
            if beats || runs && (place == 0 || !first) {
                actions.push(Action::Timer { host });
            }
            if view.leads() && used.proposals < scope.proposals {
                actions.push(Action::Propose { host });
            }
            if view.leads() && (used.changes as usize) < scope.changes.len() {
                actions.push(Action::Change { host });
            }
            if view.leads() && used.transfers < scope.transfers && view.term < scope.terms {
                let others = (0..scope.nodes as u8).filter(|&to| to != host);
                actions.extend(others.map(|to| Action::Transfer { host, to }));
            }
            if facts.pieces > 0 {
                actions.push(Action::Sync { host });
            }
            if used.crashes < scope.crashes && view.term > 0 {
                let kept = 0..=facts.pieces as u8;
                actions.extend(kept.map(|kept| Action::Crash { host, kept }));
            }
        }
        for (at, &message) in state.network.iter().enumerate() {
            if at > 0 && state.network[at - 1] == message {
                continue;
            }
            let kind = self.messages[message as usize].kind();
            let vote = matches!(kind, MessageKind::PreVote | MessageKind::RequestVote);
            for late in [false, true].into_iter().take(1 + usize::from(vote)) {
                let again = used.duplicates < scope.duplicates && scope.duplicates != u8::MAX;
                let ways = [false, true].into_iter().take(1 + usize::from(again));
                actions.extend(ways.map(|again| Action::Deliver { message, late, again }));
            }
        }
    }

    /// What an action leads to, in `next`.
    pub(super) fn follow(&mut self, row: &[u32], action: Action, next: &mut Row) -> Checked<Next> {
        let nodes = self.scope.nodes;
        let state = State::of(row, nodes);
        let place = self.place(action);
        let old = state.hosts[place];
        let argument = if matches!(action, Action::Propose { .. }) { state.used.proposals } else { state.used.changes };
        let taken = self.take(old, action, argument)?;
        if taken.host == old && taken.sent.is_empty() && !matches!(action, Action::Crash { .. }) {
            return Ok(Next::Same);
        }
        let led = self.facts(old).view.leads();
        let passed = matches!(action, Action::Timer { .. }) && taken.sent.is_empty() && !led;
        if passed && self.facts(taken.host).view == self.facts(old).view {
            return Ok(Next::Same);
        }
        let history = self.remember(&state, place, &taken, action)?;
        next.clear();
        next.extend_from_slice(state.hosts);
        next[place] = taken.host;
        next.push(history);
        next.extend(used(state.used, action, led).pack());
        let begin = next.len();
        let scope_once = self.scope.duplicates != u8::MAX;
        let mut taken_out = match action {
            Action::Deliver { message, again: false, .. } if scope_once => Some(message),
            _ => None,
        };
        next.extend(state.network.iter().filter(|&&message| {
            let out = taken_out == Some(message);
            if out {
                taken_out = None;
            }
            !out
        }));
        next.extend(&taken.sent);
        next[begin..].sort_unstable();
        if !scope_once {
            let mut kept = begin;
            for at in begin..next.len() {
                if at == begin || next[at] != next[kept - 1] {
                    next[kept] = next[at];
                    kept += 1;
                }
            }
            next.truncate(kept);
        }
        Ok(Next::State)
    }

    fn place(&self, action: Action) -> usize {
        match action {
            Action::Deliver { message, .. } => self.messages[message as usize].to().0 as usize - 1,
            Action::Timer { host }
            | Action::Propose { host }
            | Action::Change { host }
            | Action::Transfer { host, .. }
            | Action::Sync { host }
            | Action::Crash { host, .. } => host.into(),
        }
    }

    /// A step of one node, from memory if it was taken before.
    fn take(&mut self, number: u32, action: Action, argument: u8) -> Checked<Arc<Taken>> {
        let asked = match action {
            Action::Deliver { message, late, .. } => Action::Deliver { message, late, again: false },
            other => other,
        };
        let counts = matches!(action, Action::Propose { .. } | Action::Change { .. });
        let key = (number, asked, if counts { argument } else { 0 });
        if let Some(taken) = self.steps.get(&key) {
            return taken.clone();
        }
        let taken = self.take_anew(number, action, argument).map(Arc::new);
        self.steps.insert(key, taken.clone());
        taken
    }

    fn take_anew(&mut self, number: u32, action: Action, argument: u8) -> Checked<Taken> {
        let scope = self.scope;
        let mut host = Host::clone(&self.hosts[number as usize].host);
        let happens = match action {
            Action::Deliver { message, late, .. } => {
                Happens::Delivery { message: &self.messages[message as usize], late }
            }
            Action::Timer { .. } => Happens::Timer,
            Action::Propose { .. } => Happens::Proposal(argument),
            Action::Change { .. } => Happens::Change(scope.changes[argument as usize]),
            Action::Transfer { to, .. } => Happens::Transfer(u64::from(to) + 1),
            Action::Sync { .. } => Happens::Sync,
            Action::Crash { kept, .. } => Happens::Crash { kept: kept.into() },
        };
        let mut seen = host.step(scope, &happens)?;
        let sent = core::mem::take(&mut seen.sent);
        let sent = sent.into_iter().map(|message| self.message(message)).collect();
        Ok(Taken { host: self.host(host), sent, seen })
    }

    fn remember(&mut self, state: &State<'_>, place: usize, taken: &Taken, action: Action) -> Checked<u32> {
        let before = Arc::clone(&self.hosts[state.hosts[place] as usize].facts);
        let mut numbers: [u32; super::scope::SCOPE_NODES_MAX] = Default::default();
        numbers[..state.hosts.len()].copy_from_slice(state.hosts);
        numbers[place] = taken.host;
        let hosts: Vec<&Facts> = numbers[..state.hosts.len()].iter().map(|&host| self.facts(host)).collect();
        let mut history = self.histories[state.history as usize].clone();
        let crashed = matches!(action, Action::Crash { .. });
        history.step(place, &taken.seen, &before, &hosts, crashed)?;
        Ok(self.history(history))
    }

    /// An action in one line.
    pub(super) fn told(&self, action: Action) -> String {
        match action {
            Action::Deliver { message, late, again } => {
                let told = Told(&self.messages[message as usize]);
                let when = if late { ", after a silence" } else { "" };
                let also = if again { ", and stays under way" } else { "" };
                format!("arrives: {told}{when}{also}")
            }
            Action::Timer { host } => format!("n{}'s timer fires", host + 1),
            Action::Propose { host } => format!("a proposal at n{}", host + 1),
            Action::Change { host } => format!("a change of the membership at n{}", host + 1),
            Action::Transfer { host, to } => format!("n{} is to hand over to n{}", host + 1, to + 1),
            Action::Sync { host } => format!("n{}'s oldest write is durable", host + 1),
            Action::Crash { host, kept } => {
                format!("n{} crashes, keeps {kept} pieces of its writes, starts anew", host + 1)
            }
        }
    }
}

fn used(mut used: Used, action: Action, led: bool) -> Used {
    match action {
        Action::Deliver { again, .. } => used.duplicates += u8::from(again),
        Action::Timer { .. } if led => used.heartbeats += 1,
        Action::Timer { .. } => used.timeouts += 1,
        Action::Propose { .. } => used.proposals += 1,
        Action::Change { .. } => used.changes += 1,
        Action::Transfer { .. } => used.transfers += 1,
        Action::Sync { .. } => {}
        Action::Crash { .. } => used.crashes += 1,
    }
    used
}

/// Names a state.
pub(super) fn fingerprint(row: &[u32], bytes: &mut Vec<u8>) -> u64 {
    bytes.clear();
    row.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    xxh3_64(bytes)
}

/// What is a fingerprint already is hashed no more.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// Fingerprints of states that were seen.
pub(super) type Visited = HashSet<u64, BuildHasherDefault<AsItIs>>;

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "same",
            Self::State => "state",
        })
    }
}
