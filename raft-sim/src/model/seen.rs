//! What a step showed, and what is remembered of all steps so far.

use raftcore::{Membership, Message};

use super::host::Facts;
use crate::check::{Mark, View, is_quorum};
use crate::property::{Checked, Property, broken};

/// A node raised its commit index.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) leads: bool,
    /// The membership that was in force before.
    pub(super) membership: Membership,
    /// Whether that membership is committed now.
    pub(super) settled: bool,
}

/// What one step of one node showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) sent: Vec<Message>,
    pub(super) commits: Vec<Commit>,
    /// Votes that became durable or were told: term and candidate.
    pub(super) votes: Vec<(u64, u64)>,
    pub(super) applied: Vec<(u64, Mark)>,
    /// Own proposals reported as lost: term, first and last index.
    pub(super) lost: Vec<(u64, u64, u64)>,
    /// The highest commit index that was told to anybody.
    pub(super) told: u64,
}

/// What no node may know any more, but the properties need: who led, who was voted for, what was
/// ever committed. Part of the state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct History {
    /// Who led each term; 0 is nobody.
    leaders: Vec<u64>,
    /// Whom each node voted for, by term.
    votes: Vec<Vec<u64>>,
    /// What is committed, and in which term it was.
    committed: Vec<(Mark, u64)>,
    /// The newest membership that is committed.
    membership: Membership,
    /// The membership whose quorum the newest committed entry was counted in.
    counted_in: Membership,
    /// Proposals that were reported as lost.
    lost: Vec<(u64, u64, u64)>,
}

impl History {
    pub(super) fn new(nodes: usize, founders: Membership) -> Self {
        let votes = vec![Vec::new(); nodes];
        let (leaders, committed, lost) = (Vec::new(), Vec::new(), Vec::new());
        let counted_in = founders.clone();
        Self { leaders, votes, committed, membership: founders, counted_in, lost }
    }

    /// How many entries are committed.
    pub(super) fn committed(&self) -> usize {
        self.committed.len()
    }

    /// The highest term that somebody led.
    pub(super) fn last_led(&self) -> usize {
        self.leaders.len().saturating_sub(1)
    }

    /// Checks a step of the node at `place` against all that was seen before, and remembers it.
    ///
    /// `hosts` are all nodes after the step, `before` is this one before it; `crashed`: the step is
    /// a new start.
    pub(super) fn step(
        &mut self,
        place: usize,
        seen: &Seen,
        before: &Facts,
        hosts: &[&Facts],
        crashed: bool,
    ) -> Checked {
        for &(term, candidate) in &seen.votes {
            self.vote(place, term, candidate)?;
        }
        let now = hosts[place];
        if now.view.leads() {
            self.leads(place, now)?;
        }
        for commit in &seen.commits {
            self.commits(place, commit, hosts)?;
        }
        for &(index, mark) in &seen.applied {
            if self.committed.get(index as usize - 1).map(|&(agreed, _)| agreed) != Some(mark) {
                let detail = format!("applies {index}@{}, which is not committed", mark.term);
                return broken(Property::StateMachineSafety, place, detail);
            }
        }
        if seen.told > self.committed.len() as u64 {
            let detail = format!("tells commit {}, only {} is", seen.told, self.committed.len());
            return broken(Property::DurableOnQuorum, place, detail);
        }
        self.lost.extend(&seen.lost);
        self.keeps(place, before, now, crashed)?;
        self.agree(place, hosts)
    }

    /// One vote per term, across restarts (Raft 5.2).
    fn vote(&mut self, place: usize, term: u64, candidate: u64) -> Checked {
        let vote = slot(&mut self.votes[place], term);
        if *vote != 0 && *vote != candidate {
            let detail = format!("voted for {vote} and for {candidate} in term {term}");
            return broken(Property::OneVotePerTerm, place, detail);
        }
        *vote = candidate;
        Ok(())
    }

    /// One leader per term, with the votes of a quorum (Raft 5.2).
    fn leads(&mut self, place: usize, now: &Facts) -> Checked {
        let (term, own) = (now.view.term, place as u64 + 1);
        let leader = slot(&mut self.leaders, term);
        if *leader == own {
            return Ok(());
        }
        if *leader != 0 {
            let detail = format!("leads term {term}, which node {leader} led");
            return broken(Property::ElectionSafety, place, detail);
        }
        *leader = own;
        let voted = |voter: usize| self.votes[voter].get(term as usize) == Some(&own);
        if !is_quorum(&now.membership, voted) {
            let detail = format!("leads term {term} without the votes of a quorum");
            return broken(Property::ElectedByQuorum, place, detail);
        }
        Ok(())
    }

    /// Committed is what a leader counted in its own term, durable on a quorum (Raft 5.3, 5.4.2).
    fn commits(&mut self, place: usize, commit: &Commit, hosts: &[&Facts]) -> Checked {
        let (index, term) = (commit.index as usize, commit.term);
        if index <= self.committed.len() {
            return Ok(());
        }
        if !commit.leads {
            let detail = format!("commits {index}, which no leader has");
            return broken(Property::DurableOnQuorum, place, detail);
        }
        let log = &hosts[place].log[..index];
        let same = |host: usize| hosts[host].durable.get(index - 1) == log.last();
        if !is_quorum(&commit.membership, same) {
            let detail = format!("commits {index}, which is not durable on a quorum");
            return broken(Property::DurableOnQuorum, place, detail);
        }
        if log.last().is_none_or(|mark| mark.term != term) {
            let detail = format!("leader of term {term} counted entry {index} of another term");
            return broken(Property::OwnTermCommit, place, detail);
        }
        self.committed.extend(log[self.committed.len()..].iter().map(|&mark| (mark, term)));
        self.counted_in.clone_from(&commit.membership);
        if commit.settled {
            self.membership.clone_from(&commit.membership);
        }
        Ok(())
    }

    /// What this node had of committed entries durably it keeps; a leader only appends.
    fn keeps(&self, place: usize, before: &Facts, now: &Facts, crashed: bool) -> Checked {
        let agreed = |(mark, other): (&Mark, &(Mark, u64))| *mark == other.0;
        let had = |marks: &[Mark]| marks.iter().zip(&self.committed).take_while(|&pair| agreed(pair)).count();
        if had(&now.durable) < had(&before.durable) {
            let detail = format!("deletes a committed entry, keeps {}", had(&now.durable));
            return broken(Property::CommittedIsImmutable, place, detail);
        }
        let led = before.view.leads() && now.view.leads() && before.view.term == now.view.term;
        if led && !crashed && !now.log.starts_with(&before.log) {
            return broken(Property::LeaderAppendOnly, place, "its log lost entries");
        }
        Ok(())
    }

    /// What must hold between the nodes at any time.
    fn agree(&self, place: usize, hosts: &[&Facts]) -> Checked {
        let logs = |host: usize| [&hosts[host].log, &hosts[host].durable];
        for other in 0..hosts.len() {
            let pairs = logs(place).into_iter().flat_map(|own| logs(other).map(|log| (own, log)));
            if let Some(index) = pairs.into_iter().find_map(|(own, log)| differ(own, log)) {
                let detail = format!("entry {index} differs on node {}", other + 1);
                return broken(Property::LogMatching, place, detail);
            }
        }
        for (host, facts) in hosts.iter().enumerate() {
            self.committed_is_held(host, facts)?;
        }
        let (durable, marks) = (self.committed.len(), &self.committed);
        if let Some(&(mark, _)) = marks.last()
            && !is_quorum(&self.counted_in, |host| hosts[host].durable.get(durable - 1) == Some(&mark))
        {
            let detail = format!("entry {durable} is committed and no more durable on a quorum");
            return broken(Property::DurableOnQuorum, place, detail);
        }
        for &(term, first, last) in &self.lost {
            let applied = |index: &u64| {
                marks.get(*index as usize - 1).is_some_and(|(mark, _)| mark.term == term)
            };
            if let Some(index) = (first..=last).find(applied) {
                let detail = format!("proposal {index}@{term} was reported lost and is committed");
                return broken(Property::ClientPromise, place, detail);
            }
        }
        self.quorums_intersect(hosts)
    }

    /// Leader Completeness (Raft 5.4.3), and what a node believes to be committed is.
    fn committed_is_held(&self, host: usize, facts: &Facts) -> Checked {
        let View { term, commit, .. } = facts.view;
        let own = |index: usize| facts.log.get(index).copied();
        for (index, &(mark, committed_in)) in self.committed.iter().enumerate() {
            let needed = facts.view.leads() && committed_in < term;
            if needed && own(index) != Some(mark) {
                let detail = format!("leader of term {term} lacks {}@{}", index + 1, mark.term);
                return broken(Property::LeaderCompleteness, host, detail);
            }
            if (index as u64) < commit && own(index) != Some(mark) {
                let detail = format!("believes another entry {} to be committed", index + 1);
                return broken(Property::StateMachineSafety, host, detail);
            }
        }
        if commit > self.committed.len() as u64 {
            let detail = format!("believes {commit} to be committed, which nobody committed");
            return broken(Property::DurableOnQuorum, host, detail);
        }
        Ok(())
    }

    /// Any quorum of the newest leader's membership meets any of the newest committed one (Raft 6).
    fn quorums_intersect(&self, hosts: &[&Facts]) -> Checked {
        let leaders = hosts.iter().enumerate().filter(|(_, facts)| facts.view.leads());
        let Some((place, newest)) = leaders.max_by_key(|(_, facts)| facts.view.term) else {
            return Ok(());
        };
        if *newest.membership == self.membership {
            return Ok(());
        }
        for set in 0..1u32 << hosts.len() {
            let inside = |host: usize| set & (1 << host) != 0;
            if is_quorum(&newest.membership, inside) && is_quorum(&self.membership, |host| !inside(host)) {
                let detail = "a quorum of its membership meets none of the committed one";
                return broken(Property::QuorumsIntersect, place, detail);
            }
        }
        Ok(())
    }
}

/// The first index at which two logs have one term and different entries (Raft 5.3, Log Matching).
fn differ(one: &[Mark], other: &[Mark]) -> Option<usize> {
    let differs = |(a, b): (&Mark, &Mark)| a.term == b.term && a.checksum != b.checksum;
    one.iter().zip(other).position(differs).map(|at| at + 1)
}

fn slot(by_term: &mut Vec<u64>, term: u64) -> &mut u64 {
    let place = term as usize;
    if by_term.len() <= place {
        by_term.resize(place + 1, 0);
    }
    &mut by_term[place]
}
