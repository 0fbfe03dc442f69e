//! One node with its disk, as a value; and one step of it.

use std::sync::Arc;

use raftcore::{
    AppendOutcome, Body, Config, Entries, LogIndex, Membership, Message, Node, Output, Stored,
    Tick, Write,
};
use xxhash_rust::xxh3::Xxh3;

use super::scope::Scope;
use super::seen::{Commit, Seen};
use crate::check::{Mark, View};
use crate::property::{Checked, Property, broken};

/// What happens to one node.
pub(super) enum Happens<'a> {
    /// A message arrives; `late`: after so much silence that no leader is believed to be alive.
    Delivery { message: &'a Message, late: bool },
    /// Its next timer fires.
    Timer,
    /// Somebody proposes a payload.
    Proposal(u8),
    /// Somebody proposes these voters.
    Change(&'static [u64]),
    /// Somebody wants this node to lead.
    Transfer(u64),
    /// The oldest write on its way is durable.
    Sync,
    /// A crash, of which so many pieces of the writes on their way survive, and a new start.
    Crash { kept: usize },
}

/// A node, what is durable, and what is on its way there.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) place: usize,
    pub(super) node: Node,
    pub(super) stored: Stored,
    pub(super) pending: Vec<Write>,
}

/// What the laws look at.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) view: View,
    pub(super) log: Vec<Mark>,
    pub(super) durable: Vec<Mark>,
    pub(super) membership: Membership,
    pub(super) durable_term: u64,
    /// How many pieces the writes on their way have.
    pub(super) pieces: usize,
}

impl Host {
    /// A founder, or a node that has its data and is to be added; after its first write.
    pub(super) fn found(scope: &Scope, place: usize, founders: &Membership) -> Checked<Self> {
        let identity = scope.identity(place);
        let stored = Stored::found(identity, founders.clone());
        let node = start(scope.config(), stored, place)?;
        let mut host = Self { place, node, stored: Stored::empty(), pending: Vec::new() };
        let mut step = Step { host: &mut host, slow_disks: false, seen: Seen::default() };
        step.give(|node| node.tick(Tick(0)))?;
        step.drain()?;
        Ok(host)
    }

    /// Names what matters of this value.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut digest = Xxh3::new();
        digest.update(&self.node.fingerprint_without_time().to_le_bytes());
        let state = (self.stored.hard_state(), self.stored.last_write(), marks_of(&self.stored));
        digest.update(format!("{state:?}").as_bytes());
        self.pending.iter().for_each(|write| digest.update(&write.encode()));
        digest.digest()
    }

    pub(super) fn facts(&self) -> Facts {
        let held = |index| {
            let term = self.node.term_at(LogIndex(index))?.0;
            Some(Mark { term, checksum: self.node.checksum_at(LogIndex(index))? })
        };
        Facts {
            view: View::of(&self.node),
            log: (1..).map_while(held).collect(),
            durable: marks_of(&self.stored),
            durable_term: self.stored.hard_state().term.0,
            membership: self.node.membership().clone(),
            pieces: self.pending.iter().map(|write| pieces(write).len()).sum(),
        }
    }

    /// Lets something happen, and carries out what the node asks for until it asks for nothing more.
    pub(super) fn step(&mut self, scope: &Scope, happens: &Happens<'_>) -> Checked<Seen> {
        if let Happens::Crash { kept } = happens {
            self.crash(scope, *kept)?;
        }
        let late = matches!(happens, Happens::Delivery { late: true, .. });
        let soon = self.node.deadline().map(Tick::prev).filter(|_| late);
        let timer = self.node.deadline();
        let change = self.node.membership_index();
        let mut step = Step { host: self, slow_disks: scope.slow_disks, seen: Seen::default() };
        if let Some(now) = soon {
            step.give(|node| node.tick(now))?;
        }
        match happens {
            Happens::Delivery { message, .. } => step.receive(message)?,
            Happens::Timer => step.give(|node| timer.into_iter().for_each(|now| node.tick(now)))?,
            Happens::Proposal(payload) => {
                step.give(|node| {
                    let _ = node.propose(&[*payload]);
                })?;
            }
            Happens::Change(voters) => step.give(|node| {
                let members = voters.iter().map(|&id| raftcore::Member::voter(id.into()));
                let _ = node.propose_membership(raftcore::MembershipChange::to(change, members));
            })?,
            Happens::Transfer(to) => step.give(|node| {
                let _ = node.transfer_leadership((*to).into());
            })?,
            Happens::Sync => step.sync()?,
            Happens::Crash { .. } => step.give(|node| node.tick(Tick(0)))?,
        }
        step.drain()?;
        Ok(step.seen)
    }

    /// Starts anew from what is durable and some pieces more.
    fn crash(&mut self, scope: &Scope, kept: usize) -> Checked {
        let pending = core::mem::take(&mut self.pending);
        for piece in pending.iter().flat_map(pieces).take(kept) {
            self.replay(piece)?;
        }
        // One form for equal contents, however they came to be.
        let checkpoint = self.stored.checkpoint().or_else(|error| {
            broken(Property::Restartable, self.place, format!("no checkpoint: {error}"))
        })?;
        self.stored = Stored::empty();
        checkpoint.into_iter().try_for_each(|write| self.replay(write))?;
        self.node = start(scope.config(), self.stored.clone(), self.place)?;
        Ok(())
    }

    fn replay(&mut self, write: Write) -> Checked {
        self.stored.replay(write).or_else(|error| {
            let detail = format!("a durable write does not fold: {error}");
            broken(Property::Restartable, self.place, detail)
        })
    }
}

fn start(config: Arc<Config>, stored: Stored, place: usize) -> Checked<Node> {
    Node::new(config, stored, LogIndex(0)).or_else(|error| {
        broken(Property::Restartable, place, format!("what is durable does not start: {error}"))
    })
}

fn marks_of(stored: &Stored) -> Vec<Mark> {
    let entries = (1..).map_while(|index| stored.entry(LogIndex(index)));
    entries.map(|entry| Mark { term: entry.id.term.0, checksum: entry.checksum }).collect()
}

/// The parts of a write between which a crash may cut: its fields, and each entry.
fn pieces(write: &Write) -> Vec<Write> {
    let empty = || Write::empty(write.identity, write.id);
    let mut pieces = Vec::new();
    if write.hard_state.is_some() {
        pieces.push(Write { hard_state: write.hard_state, ..empty() });
    }
    if write.truncate_from.is_some() {
        pieces.push(Write { truncate_from: write.truncate_from, ..empty() });
    }
    let (mut first, mut rest) = (write.entries.first(), write.entries.bytes().clone());
    while !rest.is_empty() {
        let length = (1..=rest.len())
            .find(|&length| Entries::decode(first, 1, rest.slice(..length)).is_ok())
            .unwrap_or(rest.len());
        let one = Entries::decode(first, 1, rest.split_to(length)).unwrap_or_default();
        pieces.push(Write { entries: one, ..empty() });
        first = first.next();
    }
    pieces
}

/// A step under way.
struct Step<'a> {
    host: &'a mut Host,
    slow_disks: bool,
    seen: Seen,
}

impl Step<'_> {
    /// Gives the node an input, and notes what it commits by it.
    fn give<T>(&mut self, input: impl FnOnce(&mut Node) -> T) -> Checked<T> {
        let (place, node) = (self.host.place, &mut self.host.node);
        let (before, membership) = (View::of(node), node.membership().clone());
        let given = input(node);
        let now = View::of(node);
        let fell = now.term < before.term || now.commit < before.commit;
        if fell || now.applied < before.applied {
            let detail = format!("{before:?} became {now:?}");
            return broken(Property::MonotonicState, place, detail);
        }
        if now.applied > now.commit || now.commit > now.last {
            return broken(Property::IndexOrdering, place, format!("{now:?}"));
        }
        if now.commit > before.commit {
            let (index, leads) = (now.commit, before.leads() || now.leads());
            let settled = before.membership.0 <= index;
            self.seen.commits.push(Commit { index, term: now.term, leads, membership, settled });
        }
        Ok(given)
    }

    fn receive(&mut self, message: &Message) -> Checked {
        let message = message.clone();
        self.give(|node| node.receive(message))?.or_else(|error| {
            broken(Property::HonestPeerAccepted, self.host.place, error.to_string())
        })
    }

    fn drain(&mut self) -> Checked {
        let place = self.host.place;
        while let Some(output) = self.give(Node::poll_output)? {
            match output {
                Output::Send(message) => self.send(message)?,
                Output::Persist(write) => {
                    if let (true, Some(from)) =
                        (View::of(&self.host.node).leads(), write.truncate_from)
                    {
                        let detail = format!("a leader truncates from {from}");
                        return broken(Property::LeaderAppendOnly, place, detail);
                    }
                    self.host.pending.push(write);
                    if !self.slow_disks {
                        self.sync()?;
                    }
                }
                Output::Apply(committed) => {
                    for entry in &committed.entries {
                        let mark = Mark { term: entry.id.term.0, checksum: entry.checksum };
                        self.seen.applied.push((entry.id.index.0, mark));
                    }
                    self.complete(|node| node.applied(committed.last()))?;
                }
                Output::ProposalsLost { from, through } => {
                    self.seen.lost.push((from.term.0, from.index.0, through.0));
                }
                Output::Halted(reason) => {
                    return broken(Property::NeverHalts, place, format!("{reason:?}"));
                }
                Output::Event(raftcore::Event::Diverged { peer, at }) => {
                    let detail = format!("reports that {at} differs on node {peer}");
                    return broken(Property::LogMatching, place, detail);
                }
                Output::Event(_) => {}
                other => {
                    let detail = format!("asks for what the scope has not: {other:?}");
                    return broken(Property::ContractKept, place, detail);
                }
            }
        }
        Ok(())
    }

    fn complete(
        &mut self,
        done: impl FnOnce(&mut Node) -> Result<(), raftcore::Misuse>,
    ) -> Checked {
        self.give(done)?
            .or_else(|error| broken(Property::ContractKept, self.host.place, error.to_string()))
    }

    /// The oldest write becomes durable and is acknowledged.
    fn sync(&mut self) -> Checked {
        let write = self.host.pending.remove(0);
        let (id, state) = (write.id, write.hard_state);
        self.host.replay(write)?;
        if let Some((vote, term)) = state.and_then(|state| Some((state.vote?, state.term))) {
            self.seen.votes.push((term.0, vote.0));
        }
        self.complete(|node| node.persisted(id))
    }

    /// Checks that a message promises nothing that is not durable.
    fn send(&mut self, message: Message) -> Checked {
        let (term, own, to) = (message.term(), message.from(), message.to());
        let state = self.host.stored.hard_state();
        let mut voted = |candidate: raftcore::NodeId| {
            self.seen.votes.push((term.0, candidate.0));
            state.term > term || (state.term == term && state.vote == Some(candidate))
        };
        let (durable, commit) = (state.term >= term, self.host.node.commit_index());
        let kept = match message.body() {
            Body::PreVote(_) | Body::PreVoteReply(_) => true,
            Body::RequestVote(request) => {
                let last = request.last;
                voted(own) && self.host.stored.term_at(last.index) == Some(last.term)
            }
            Body::VoteReply(reply) if reply.granted => voted(to),
            Body::AppendReply(reply) => match reply.outcome {
                AppendOutcome::Success { matched } => {
                    durable && self.host.stored.last().index >= matched
                }
                _ => durable,
            },
            Body::Append(append) => durable && append.commit <= commit,
            Body::Heartbeat(beat) => durable && beat.commit <= commit,
            Body::Commit(told) => durable && told.commit <= commit,
            _ => durable,
        };
        if !kept {
            let detail = format!("{} leaves; durable: {state:?}", crate::trace::Told(&message));
            return broken(Property::MessageBehindDurability, self.host.place, detail);
        }
        self.seen.sent.push(message);
        Ok(())
    }
}
