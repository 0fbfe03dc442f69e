//! What must hold after every step. Each checker keeps the little it needs and looks only at what
//! has changed, so that a step costs the same at the end of a run as at its beginning.

mod client;
mod durable;
mod history;
mod log;
mod membership;
mod message;
mod read;
mod snapshot;
mod vote;

pub(crate) use client::{Clients, Proposed};
pub(crate) use durable::{Agreed, Image};

use raftcore::{Committed, EntryId, EntryKind, Event, LogIndex, Membership, Node, RoleName, Write};

use crate::property::{Checked, Property, broken};
use crate::trace::Members;
use history::History;
use log::Histories;
pub(crate) use membership::{Places, is_quorum};
use read::Reads;
use snapshot::Topologies;
use vote::{Ballots, Leaders};

/// An entry as the checkers remember it: its checksum covers its content and all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) term: u64,
    pub(crate) checksum: u32,
}

/// What the getters of a node say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) role: RoleName,
    pub(crate) term: u64,
    pub(crate) commit: u64,
    pub(crate) applied: u64,
    pub(crate) last: u64,
    /// Index and term of the membership in force; the term of what no log holds is 0, and that of
    /// none is 1.
    pub(crate) membership: (u64, u64),
}

impl View {
    pub(crate) fn of(node: &Node) -> Self {
        let membership = node.membership_index();
        let none = u64::from(node.membership().members().is_empty());
        let since = if membership == LogIndex(0) { None } else { node.term_at(membership) };
        Self {
            role: node.role(),
            term: node.term().0,
            commit: node.commit_index().0,
            applied: node.applied_index().0,
            last: node.last_index().0,
            membership: (membership.0, since.map_or(none, |term| term.0)),
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.role == RoleName::Leader
    }
}

/// All checkers of one run.
pub(crate) struct Checks {
    /// What is committed; the entry with index 1 comes first.
    committed: Vec<Mark>,
    /// Each term in which something was committed, and how much was when it ended; rising.
    commit_terms: Vec<(u64, u64)>,
    histories: Histories,
    topologies: Topologies,
    leaders: Leaders,
    ballots: Vec<Ballots>,
    images: Vec<Image>,
    /// The membership in force at each host.
    memberships: Vec<Membership>,
    /// Where the memberships are in the log that each host has handed out.
    places: Vec<Places>,
    /// The entry each host hands out next for `Apply`.
    next_apply: Vec<u64>,
    pub(crate) clients: Clients,
    pub(crate) reads: Reads,
}

impl Checks {
    pub(crate) fn new(hosts: usize, founders: &Membership, keys: u64) -> Self {
        Self {
            committed: Vec::new(),
            commit_terms: Vec::new(),
            histories: Histories::default(),
            topologies: Topologies::new(founders),
            leaders: Leaders::default(),
            ballots: vec![Ballots::default(); hosts],
            images: vec![Image::default(); hosts],
            memberships: vec![founders.clone(); hosts],
            places: vec![Places::default(); hosts],
            next_apply: vec![1; hosts],
            clients: Clients::new(hosts, History::new(keys)),
            reads: Reads::new(hosts),
        }
    }

    /// How many entries are committed.
    pub(crate) const fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    /// The committed entry with this index.
    pub(crate) fn committed_mark(&self, index: u64) -> Option<Mark> {
        self.committed.get((index as usize).checked_sub(1)?).copied()
    }

    /// How much was committed in terms before this one: its leader must hold that.
    pub(crate) fn committed_before(&self, term: u64) -> u64 {
        let earlier = self.commit_terms.partition_point(|&(committed_in, _)| committed_in < term);
        earlier.checked_sub(1).map_or(0, |last| self.commit_terms[last].1)
    }

    pub(crate) fn image(&self, host: usize) -> &Image {
        &self.images[host]
    }

    /// The newest membership that some node knows to be committed.
    pub(crate) fn newest_membership(&self) -> &Membership {
        self.topologies.newest().unwrap_or(&self.memberships[0])
    }

    /// The membership in force at a host.
    pub(crate) fn membership(&self, host: usize) -> &Membership {
        &self.memberships[host]
    }

    /// Another membership is in force at a host.
    pub(crate) fn reconfigured(&mut self, host: usize, membership: &Membership) {
        self.memberships[host].clone_from(membership);
    }

    /// A founding write that a crash cut short promised nothing: it is made anew.
    pub(crate) fn founds(&mut self, host: usize) {
        self.images[host] = Image::default();
    }

    /// A node has started with this state machine.
    pub(crate) fn started(&mut self, host: usize, applied: u64, view: &View) -> Checked {
        self.next_apply[host] = applied + 1;
        self.places[host] = self.images[host].places().clone();
        let stored = self.places[host].newest();
        if view.membership.0 != stored {
            let index = view.membership.0;
            let detail = format!("starts with the membership of {index}, stored is {stored}");
            return broken(Property::MembershipInForce, host, detail);
        }
        ordered(host, view)?;
        let image = &self.images[host];
        if view.term < image.term() {
            let detail = format!("started in term {}, stored was {}", view.term, image.term());
            return broken(Property::MonotonicDurableState, host, detail);
        }
        Ok(())
    }

    /// The getters of a node changed within one life.
    pub(crate) fn view(&self, host: usize, before: &View, now: &View) -> Checked {
        ordered(host, now)?;
        let fell = [
            ("term", before.term, now.term),
            ("commit", before.commit, now.commit),
            ("applied", before.applied, now.applied),
        ];
        if let Some((what, from, to)) = fell.into_iter().find(|&(_, from, to)| to < from) {
            let detail = format!("{what} fell from {from} to {to}");
            return broken(Property::MonotonicState, host, detail);
        }
        if before.leads() && now.leads() && before.term == now.term && now.last < before.last {
            let detail = format!("its log shrank from {} to {}", before.last, now.last);
            return broken(Property::LeaderAppendOnly, host, detail);
        }
        Ok(())
    }

    /// A node's checksum at an entry: what it no longer keeps in memory is on its disk, and what a
    /// snapshot contains was committed.
    pub(crate) fn held(&self, host: usize, node: &Node, index: u64) -> Option<u32> {
        if index > node.last_index().0 {
            return None;
        }
        node.checksum_at(LogIndex(index)).or_else(|| {
            let discarded = node.term_at(LogIndex(index)).is_none();
            let mark =
                if discarded { self.committed_mark(index) } else { self.images[host].mark(index) };
            mark.map(|mark| mark.checksum)
        })
    }

    /// A node now leads a term; `held` gives its checksums.
    pub(crate) fn leads(
        &mut self,
        host: usize,
        term: u64,
        held: impl Fn(u64) -> Option<u32>,
    ) -> Checked {
        self.leaders.record(host, term)?;
        let (image, own) = (&self.images[host], host as u64 + 1);
        if image.term() < term || (image.term() == term && image.vote() != own) {
            let detail = format!("leads term {term} before its vote for itself is durable");
            return broken(Property::OneVotePerTerm, host, detail);
        }
        let voted = |voter: usize| self.ballots[voter].voted(term, own);
        if !is_quorum(&self.memberships[host], voted) {
            let detail = format!("leads term {term} without the votes of a quorum");
            return broken(Property::ElectedByQuorum, host, detail);
        }
        self.leader_holds(host, term, held)
    }

    /// The leader of a term holds what was committed in earlier terms. One that was elected late,
    /// when a later term had begun, need not hold what was committed since.
    pub(crate) fn leader_holds(
        &self,
        host: usize,
        term: u64,
        held: impl Fn(u64) -> Option<u32>,
    ) -> Checked {
        let index = self.committed_before(term);
        match self.committed_mark(index) {
            Some(mark) if held(index) != Some(mark.checksum) => {
                let committed = mark.term;
                let detail = format!("leader of term {term} lacks the entry {index}@{committed}");
                broken(Property::LeaderCompleteness, host, detail)
            }
            _ => Ok(()),
        }
    }

    /// A node is the first to know that more is committed; `held` is its checksum of the last of
    /// it. The membership is the one before the input that committed it.
    pub(crate) fn commits(&mut self, host: usize, view: &View, held: Option<u32>) -> Checked {
        let (index, term) = (view.commit, view.term);
        if !view.leads() {
            let detail = format!("a {:?} was the first to commit entry {index}", view.role);
            return broken(Property::DurableOnQuorum, host, detail);
        }
        let same = |image: &&Image| image.mark(index).map(|mark| mark.checksum) == held;
        let agrees = |host: usize| self.images.get(host).is_some_and(|image| same(&image));
        let enough = is_quorum(&self.memberships[host], agrees);
        let Some(image) = self.images.iter().find(same).filter(|_| enough) else {
            let durable = self.images.iter().filter(same).count();
            let detail = format!(
                "leader of term {term}: entry {index} is durable on {durable}, no quorum of {}",
                Members(&self.memberships[host])
            );
            return broken(Property::DurableOnQuorum, host, detail);
        };
        let from = self.committed.len();
        let marks = &image.marks()[..index as usize];
        if marks.last().is_none_or(|mark| mark.term != term) {
            let detail = format!("leader of term {term} counted entry {index} of another term");
            return broken(Property::OwnTermCommit, host, detail);
        }
        if from > 0 && marks[from - 1] != self.committed[from - 1] {
            let detail = format!("entry {index} follows another history than entry {from}");
            return broken(Property::CommittedIsImmutable, host, detail);
        }
        self.committed.extend_from_slice(&marks[from..]);
        match self.commit_terms.last_mut() {
            Some(last) if last.0 == term => last.1 = index,
            _ => self.commit_terms.push((term, index)),
        }
        Ok(())
    }

    /// The leader of a term believes that a peer has everything up to an entry durably; `held` is
    /// its own checksum there.
    pub(crate) fn believes(
        &self,
        host: usize,
        term: u64,
        peer: usize,
        matched: u64,
        held: Option<u32>,
    ) -> Checked {
        let image = &self.images[peer];
        let durable = image.mark(matched).map(|mark| mark.checksum);
        if matched == 0 || image.term() > term || (image.term() == term && durable == held) {
            return Ok(());
        }
        let detail = format!(
            "leader of term {term} counts on entry {matched} at node {}, which in term {} has {}",
            peer + 1,
            image.term(),
            image
                .mark(matched)
                .map_or("none".to_owned(), |mark| format!("{matched}@{}", mark.term)),
        );
        broken(Property::MatchIsDurable, host, detail)
    }

    /// A node hands out a write.
    pub(crate) fn issues(&mut self, host: usize, view: &View, write: &Write) -> Checked {
        if let (true, Some(from)) = (view.leads(), write.truncate_from) {
            let detail = format!("leader of term {} truncates from {from}", view.term);
            return broken(Property::LeaderAppendOnly, host, detail);
        }
        for entry in &write.entries {
            let EntryId { term, index } = entry.id;
            self.histories.record(
                host,
                index.0,
                Mark { term: term.0, checksum: entry.checksum },
            )?;
        }
        self.issues_snapshot(host, view, write)?;
        self.places[host].fold(write);
        self.places[host].in_force(host, view.membership.0)
    }

    /// A write, or what a crash left of it, is now durable.
    pub(crate) fn durable(&mut self, host: usize, write: &Write) -> Checked {
        if let Some(state) = write.hard_state
            && let Some(vote) = state.vote
        {
            self.ballots[host].cast(host, state.term.0, vote.0)?;
        }
        let term = write.hard_state.map_or(self.images[host].term(), |state| state.term.0);
        // The node may have reached its term after it took the entries of an earlier leader.
        let newest = write.entries.iter().last().map_or(term, |entry| entry.id.term.0.min(term));
        let settled = self.committed_before(newest + 1) as usize;
        self.images[host].fold(host, write, Agreed { all: &self.committed, settled })
    }

    /// A node hands out committed entries.
    pub(crate) fn applies(&mut self, host: usize, life: u32, committed: &Committed) -> Checked {
        if committed.entries.first().0 != self.next_apply[host] {
            let (first, next) = (committed.entries.first(), self.next_apply[host]);
            let detail = format!("handed out entry {first} where {next} is next");
            return broken(Property::StateMachineSafety, host, detail);
        }
        for entry in &committed.entries {
            let index = entry.id.index.0;
            let mark = Mark { term: entry.id.term.0, checksum: entry.checksum };
            match self.committed.get(index as usize - 1) {
                Some(&agreed) if agreed == mark => {}
                Some(agreed) => {
                    let detail = format!(
                        "applies {} where {}@{} is committed",
                        entry.id, index, agreed.term
                    );
                    return broken(Property::StateMachineSafety, host, detail);
                }
                None => {
                    let detail = format!("applies {}, which nobody committed", entry.id);
                    return broken(Property::DurableOnQuorum, host, detail);
                }
            }
        }
        for entry in committed.entries.iter().filter(|entry| entry.kind == EntryKind::Membership) {
            self.topologies.applied(&entry);
            self.clients.changed(host, entry.id);
        }
        for command in committed.commands() {
            self.clients.applied(host, life, command.id, command.payload)?;
        }
        self.next_apply[host] = committed.last().0 + 1;
        Ok(())
    }

    /// A node gives notice of something.
    pub(crate) fn notices(&self, host: usize, event: &Event) -> Checked {
        match event {
            Event::Diverged { peer, at } => broken(
                Property::LogMatching,
                host,
                format!("reports that {at} differs on node {peer}"),
            ),
            _ => Ok(()),
        }
    }
}

fn ordered(host: usize, view: &View) -> Checked {
    if view.applied <= view.commit && view.commit <= view.last {
        return Ok(());
    }
    let View { applied, commit, last, .. } = view;
    let detail = format!("applied {applied}, commit {commit}, last {last}");
    broken(Property::IndexOrdering, host, detail)
}

#[cfg(test)]
mod tests;
