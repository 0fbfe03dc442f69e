//! Every value of a node, every message and every step, once.
//!
//! What a node does depends on its own value and the input alone. So each distinct value of a node
//! and each distinct message is kept once and has a number, a step of a node is taken once and
//! looked up from then on, and a state is a short row of numbers.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{HashMap, HashSet};

use raftcore::{Body, Membership, Message, MessageKind, RoleName};
use xxhash_rust::xxh3::xxh3_64;

use super::action::{Action, Row, State, Used};
use super::host::{Facts, Happens, Host};
use super::scope::Scope;
use super::seen::{History, Seen};
use crate::property::{Checked, Property, broken};
use crate::trace::Told;

/// A value of a node that was seen.
struct Known {
    host: Host,
    facts: Facts,
}

/// What a step of one node leads to.
struct Taken {
    host: u32,
    sent: Vec<u32>,
    seen: Seen,
    /// Whether the step may matter to the history.
    notable: bool,
}

/// What is looked up of a message most often.
#[derive(Clone, Copy)]
struct Envelope {
    /// The place of the receiver.
    to: usize,
    kind: MessageKind,
    term: u64,
    /// The term in which a pre-vote was asked for.
    asked: u64,
}

impl Envelope {
    fn of(message: &Message) -> Self {
        let asked = match message.body() {
            Body::PreVoteReply(reply) => reply.asked.0,
            _ => 0,
        };
        let to = message.to().0 as usize - 1;
        Self { to, kind: message.kind(), term: message.term().0, asked }
    }

    /// Whether it may be refused because a leader is believed to be alive.
    const fn waits_for_silence(&self) -> bool {
        matches!(self.kind, MessageKind::PreVote | MessageKind::RequestVote)
    }
}

/// All that was seen of nodes, messages and histories, by number.
pub(super) struct Memory<'a> {
    pub(super) scope: &'a Scope,
    hosts: Vec<Known>,
    host_numbers: Numbers,
    messages: Vec<Message>,
    envelopes: Vec<Envelope>,
    message_numbers: HashMap<Vec<u8>, u32>,
    histories: Vec<History>,
    history_numbers: HashMap<History, u32>,
    taken: Vec<Taken>,
    /// By the numbers of the host and the message: one more than what the delivery led to.
    deliveries: Vec<Vec<u32>>,
    /// Other steps, by the number of the host and the action.
    steps: HashMap<(u32, u32), u32>,
}

impl<'a> Memory<'a> {
    /// Starts all nodes of a scope; gives the first state too.
    pub(super) fn new(scope: &'a Scope) -> Checked<(Self, Row)> {
        let mut memory = Self {
            scope,
            hosts: Vec::new(),
            host_numbers: HashMap::default(),
            messages: Vec::new(),
            envelopes: Vec::new(),
            message_numbers: HashMap::new(),
            histories: Vec::new(),
            history_numbers: HashMap::new(),
            taken: Vec::new(),
            deliveries: Vec::new(),
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

    fn host(&mut self, host: Host) -> u32 {
        let number = self.hosts.len() as u32;
        let known = *self.host_numbers.entry(host.fingerprint()).or_insert(number);
        if known == number {
            let facts = host.facts();
            self.hosts.push(Known { host, facts });
            self.deliveries.push(Vec::new());
        }
        known
    }

    fn message(&mut self, message: Message) -> u32 {
        let number = self.messages.len() as u32;
        let bytes = message.encode().to_bytes().to_vec();
        let known = *self.message_numbers.entry(bytes).or_insert(number);
        if known == number {
            self.envelopes.push(Envelope::of(&message));
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

    /// How many values of nodes and how many messages there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.hosts.len(), self.messages.len())
    }

    pub(super) fn facts(&self, host: u32) -> &Facts {
        &self.hosts[host as usize].facts
    }

    pub(super) fn history_of(&self, row: &[u32]) -> &History {
        &self.histories[State::of(row, self.scope.nodes).history as usize]
    }

    /// All that may happen in a state.
    pub(super) fn actions(&self, row: &[u32], actions: &mut Vec<Action>) {
        actions.clear();
        let state = State::of(row, self.scope.nodes);
        for (place, &host) in state.hosts.iter().enumerate() {
            self.actions_of(place, self.facts(host), state.used, actions);
        }
        for &message in state.messages {
            actions.push(Action::Deliver { message, late: false });
            if self.envelopes[message as usize].waits_for_silence() {
                actions.push(Action::Deliver { message, late: true });
            }
        }
    }

    fn actions_of(&self, place: usize, facts: &Facts, used: Used, actions: &mut Vec<Action>) {
        let (scope, host) = (self.scope, place as u8);
        let (leads, term) = (facts.view.leads(), facts.view.term);
        // Founders are alike: the first to run is the first.
        let may_be_first = place == 0 || used.timeouts > 0 || !scope.is_symmetric();
        let runs = used.timeouts < scope.timeouts && term < scope.terms && may_be_first;
        if if leads { used.heartbeats < scope.heartbeats } else { runs } {
            actions.push(Action::Timer { host });
        }
        if leads && used.proposals < scope.proposals {
            actions.push(Action::Propose { host, payload: used.proposals });
        }
        if leads && usize::from(used.changes) < scope.changes.len() {
            actions.push(Action::Change { host, number: used.changes });
        }
        if leads && used.transfers < scope.transfers && term < scope.terms {
            let others = (0..scope.nodes as u8).filter(|&to| to != host);
            actions.extend(others.map(|to| Action::Transfer { host, to }));
        }
        if facts.pieces > 0 {
            actions.push(Action::Sync { host });
        }
        if used.crashes < scope.crashes && term > 0 {
            let kept = 0..=facts.pieces as u8;
            actions.extend(kept.map(|kept| Action::Crash { host, kept }));
        }
    }

    /// What an action leads to, in `next`; false if nothing comes of it.
    pub(super) fn follow(&mut self, row: &[u32], action: Action, next: &mut Row) -> Checked<bool> {
        let nodes = self.scope.nodes;
        let state = State::of(row, nodes);
        let place = self.place(action);
        let old = state.hosts[place];
        let number = self.take(old, action)?;
        let taken = &self.taken[number as usize];
        let told = taken.sent.iter().all(|sent| state.messages.binary_search(sent).is_ok());
        if taken.host == old && told && !taken.notable {
            return Ok(false);
        }
        let history =
            if taken.notable { self.remember(&state, place, number)? } else { state.history };
        let taken = &self.taken[number as usize];
        let led = self.facts(old).view.leads();
        next.clear();
        next.extend_from_slice(state.hosts);
        next[place] = taken.host;
        next.push(history);
        next.extend(state.used.and(action, led).pack());
        let begin = next.len();
        let mut hosts = [0; super::SCOPE_NODES_MAX];
        hosts[..nodes].copy_from_slice(&next[..nodes]);
        let alive = |&message: &u32| {
            let envelope = &self.envelopes[message as usize];
            let receiver = hosts[..nodes].get(envelope.to);
            receiver.is_some_and(|&host| !is_past(envelope, self.facts(host)))
        };
        let moved = |&message: &u32| self.envelopes[message as usize].to == place;
        next.extend(state.messages.iter().filter(|message| !moved(message) || alive(message)));
        next.extend(taken.sent.iter().filter(|message| alive(message)));
        next[begin..].sort_unstable();
        dedup_from(next, begin);
        Ok(true)
    }

    fn place(&self, action: Action) -> usize {
        match action {
            Action::Deliver { message, .. } => self.envelopes[message as usize].to,
            Action::Timer { host }
            | Action::Propose { host, .. }
            | Action::Change { host, .. }
            | Action::Transfer { host, .. }
            | Action::Sync { host }
            | Action::Crash { host, .. } => host.into(),
        }
    }

    /// A step of one node, from memory if it was taken before.
    fn take(&mut self, host: u32, action: Action) -> Checked<u32> {
        if let Action::Deliver { message, late: false } = action {
            let known = self.deliveries[host as usize].get(message as usize);
            if let Some(known) = known.and_then(|known| known.checked_sub(1)) {
                return Ok(known);
            }
        } else if let Some(&known) = self.steps.get(&(host, action.pack())) {
            return Ok(known);
        }
        let taken = self.take_anew(host, action)?;
        let number = self.taken.len() as u32;
        self.taken.push(taken);
        if let Action::Deliver { message, late: false } = action {
            let known = &mut self.deliveries[host as usize];
            known.resize(known.len().max(message as usize + 1), 0);
            known[message as usize] = number + 1;
        } else {
            self.steps.insert((host, action.pack()), number);
        }
        Ok(number)
    }

    fn take_anew(&mut self, number: u32, action: Action) -> Checked<Taken> {
        let scope = self.scope;
        let mut host = self.hosts[number as usize].host.clone();
        let happens = match action {
            Action::Deliver { message, late } => {
                Happens::Delivery { message: &self.messages[message as usize], late }
            }
            Action::Timer { .. } => Happens::Timer,
            Action::Propose { payload, .. } => Happens::Proposal(payload),
            Action::Change { number, .. } => Happens::Change(scope.changes[usize::from(number)]),
            Action::Transfer { to, .. } => Happens::Transfer(u64::from(to) + 1),
            Action::Sync { .. } => Happens::Sync,
            Action::Crash { kept, .. } => Happens::Crash { kept: kept.into() },
        };
        let mut seen = host.step(scope, &happens)?;
        let (place, sent) = (host.place, core::mem::take(&mut seen.sent));
        let sent = sent.into_iter().map(|message| self.message(message)).collect();
        let host = self.host(host);
        let (before, now) = (self.facts(number), self.facts(host));
        let crashed = matches!(action, Action::Crash { .. });
        if !crashed {
            only_appends(place, before, now)?;
        }
        stays_past(place, before, now)?;
        let notable = seen.is_notable(before, now);
        Ok(Taken { host, sent, seen, notable })
    }

    fn remember(&mut self, state: &State<'_>, place: usize, number: u32) -> Checked<u32> {
        let taken = &self.taken[number as usize];
        let mut numbers = state.hosts.to_vec();
        numbers[place] = taken.host;
        let hosts: Vec<&Facts> = numbers.iter().map(|&host| self.facts(host)).collect();
        let before = self.facts(state.hosts[place]);
        let mut history = self.histories[state.history as usize].clone();
        history.step(place, &taken.seen, before, &hosts)?;
        Ok(self.history(history))
    }

    /// Checks what must hold in every state.
    pub(super) fn check(&self, row: &[u32]) -> Checked {
        let state = State::of(row, self.scope.nodes);
        let mut facts: [&Facts; super::SCOPE_NODES_MAX] = [self.facts(0); super::SCOPE_NODES_MAX];
        facts.iter_mut().zip(state.hosts).for_each(|(place, &host)| *place = self.facts(host));
        self.histories[state.history as usize].check(&facts[..state.hosts.len()])
    }

    /// Checks that no node ever does anything with a message that [`is_past`] lets go: whatever was
    /// seen of nodes, with whatever was seen of messages.
    pub(super) fn check_past(&mut self) -> Checked {
        for number in 0..self.hosts.len() {
            for message in 0..self.messages.len() {
                let Known { host, facts } = &self.hosts[number];
                let (place, envelope) = (host.place, &self.envelopes[message]);
                if envelope.to != place || !is_past(envelope, facts) {
                    continue;
                }
                let action = Action::Deliver { message: message as u32, late: false };
                let outcome = self.take(number as u32, action)?;
                let taken = &self.taken[outcome as usize];
                if taken.host != number as u32 || !taken.sent.is_empty() {
                    let told = Told(&self.messages[message]);
                    return broken(Property::PastIsOver, place, format!("takes {told}"));
                }
            }
        }
        Ok(())
    }

    /// An action in one line.
    pub(super) fn told(&self, action: Action) -> String {
        match action {
            Action::Deliver { message, late } => {
                let silence = if late { "after a silence, " } else { "" };
                format!("{silence}{}", Told(&self.messages[message as usize]))
            }
            Action::Timer { host } => format!("n{}'s timer fires", host + 1),
            Action::Propose { host, payload } => {
                format!("n{} is given payload {payload}", host + 1)
            }
            Action::Change { host, number } => {
                let voters = self.scope.changes[usize::from(number)];
                format!("n{} is to change the voters to {voters:?}", host + 1)
            }
            Action::Transfer { host, to } => {
                format!("n{} is to hand over to n{}", host + 1, to + 1)
            }
            Action::Sync { host } => format!("n{}'s oldest write is durable", host + 1),
            Action::Crash { host, kept } => {
                format!("n{} crashes, keeps {kept} pieces of its writes, starts again", host + 1)
            }
        }
    }
}

fn dedup_from(row: &mut Row, begin: usize) {
    let mut kept = begin;
    for at in begin..row.len() {
        if at == begin || row[at] != row[kept - 1] {
            row[kept] = row[at];
            kept += 1;
        }
    }
    row.truncate(kept);
}

/// Whether a message answers what its receiver, in this life and in all to come, no longer asks:
/// the term is over for good, or the role in which it asked.
///
/// Such messages are let go, so that states do not differ by what is of no use to anybody.
fn is_past(message: &Envelope, receiver: &Facts) -> bool {
    let (view, durable) = (&receiver.view, receiver.durable_term);
    if message.term > durable {
        return false;
    }
    let plays = |role: RoleName| view.term == message.term && view.role == role;
    match message.kind {
        MessageKind::VoteReply => !plays(RoleName::Candidate),
        MessageKind::AppendReply | MessageKind::HeartbeatReply => !plays(RoleName::Leader),
        MessageKind::PreVoteReply => message.asked < durable,
        MessageKind::Commit | MessageKind::TimeoutNow => message.term < durable,
        _ => false,
    }
}

/// A leader never loses or changes an entry of its own log (Raft 5.3).
fn only_appends(place: usize, before: &Facts, now: &Facts) -> Checked {
    let leads = before.view.leads() && now.view.leads() && before.view.term == now.view.term;
    if leads && !now.log.starts_with(&before.log) {
        return broken(Property::LeaderAppendOnly, place, "the leader's log lost entries");
    }
    Ok(())
}

/// A role that is over in a term that is durable does not come back: what [`is_past`] rests on.
fn stays_past(place: usize, before: &Facts, now: &Facts) -> Checked {
    let (was, is) = (&before.view, &now.view);
    let runs = matches!(is.role, RoleName::Candidate | RoleName::Leader);
    let ran = was.term == is.term
        && (was.role == is.role || (was.role == RoleName::Candidate && is.leads()));
    if runs && !ran && is.term <= before.durable_term || now.durable_term < before.durable_term {
        let detail =
            format!("a {:?} of term {} became {:?} of {}", was.role, was.term, is.role, is.term);
        return broken(Property::PastIsOver, place, detail);
    }
    Ok(())
}

/// Numbers by a fingerprint.
type Numbers = HashMap<u64, u32, BuildHasherDefault<AsItIs>>;

/// Fingerprints of states that were seen.
pub(super) type Visited = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Names a state.
pub(super) fn fingerprint(row: &[u32], bytes: &mut Vec<u8>) -> u64 {
    bytes.clear();
    row.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    xxh3_64(bytes)
}

/// A fingerprint is not hashed again.
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
