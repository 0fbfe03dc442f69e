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
}

impl Seen {
    /// Whether it may change the history, or break it.
    pub(super) fn is_notable(&self, before: &Facts, now: &Facts) -> bool {
        let told = self.votes.len() + self.commits.len() + self.applied.len() + self.lost.len();
        let elected = now.view.leads() && !before.view.leads();
        told > 0 || elected || !now.durable.starts_with(&before.durable)
    }
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
    /// `hosts` are all nodes after the step, `before` is this one before it.
    pub(super) fn step(
        &mut self,
        place: usize,
        seen: &Seen,
        before: &Facts,
        hosts: &[&Facts],
    ) -> Checked {
        for &(term, candidate) in &seen.votes {
            self.vote(place, term, candidate)?;
        }
        if hosts[place].view.leads() {
            self.leads(place, hosts[place])?;
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
        self.lost.extend(&seen.lost);
        self.keeps(place, before, hosts[place])
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

    /// What this node had of committed entries durably it keeps.
    fn keeps(&self, place: usize, before: &Facts, now: &Facts) -> Checked {
        let had = |marks: &[Mark]| {
            let agreed = self.committed.iter().map(|(mark, _)| mark);
            marks.iter().zip(agreed).take_while(|(mark, agreed)| mark == agreed).count()
        };
        if had(&now.durable) < had(&before.durable) {
            let detail = format!("deletes a committed entry, keeps {}", had(&now.durable));
            return broken(Property::CommittedIsImmutable, place, detail);
        }
        Ok(())
    }

    /// Checks what must hold between the nodes in every state.
    pub(super) fn check(&self, hosts: &[&Facts]) -> Checked {
        for (host, facts) in hosts.iter().enumerate() {
            for other in &hosts[..=host] {
                logs_match(host, facts, other)?;
            }
            self.committed_is_held(host, facts)?;
        }
        self.committed_is_durable(hosts)?;
        self.lost_is_lost()?;
        self.quorums_intersect(hosts)
    }

    /// The newest committed entry, and with it all before, stays durable on a quorum.
    fn committed_is_durable(&self, hosts: &[&Facts]) -> Checked {
        let index = self.committed.len();
        let Some((mark, _)) = self.committed.last() else { return Ok(()) };
        let same = |host: usize| hosts[host].durable.get(index - 1) == Some(mark);
        if is_quorum(&self.counted_in, same) {
            return Ok(());
        }
        let detail = format!("entry {index} is committed and no more durable on a quorum");
        broken(Property::DurableOnQuorum, 0, detail)
    }

    /// A proposal that was reported as lost is never committed.
    fn lost_is_lost(&self) -> Checked {
        for &(term, first, last) in &self.lost {
            let marks = self.committed.iter().take(last as usize).skip(first as usize - 1);
            if marks.into_iter().any(|(mark, _)| mark.term == term) {
                let detail = format!("a proposal of {first} to {last} in term {term} was not lost");
                return broken(Property::ClientPromise, 0, detail);
            }
        }
        Ok(())
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
        if newest.membership == self.membership {
            return Ok(());
        }
        for set in 0..1u32 << hosts.len() {
            let inside = |host: usize| set & (1 << host) != 0;
            if is_quorum(&newest.membership, inside)
                && is_quorum(&self.membership, |host| !inside(host))
            {
                let detail = "a quorum of its membership meets none of the committed one";
                return broken(Property::QuorumsIntersect, place, detail);
            }
        }
        Ok(())
    }
}

/// Same index and term, same history: of what nodes hold and what is durable (Raft 5.3).
fn logs_match(place: usize, one: &Facts, other: &Facts) -> Checked {
    for log in [&one.log, &one.durable] {
        for other in [&other.log, &other.durable] {
            if let Some(index) = differ(log, other) {
                let detail = format!("entry {index} differs from another with its term");
                return broken(Property::LogMatching, place, detail);
            }
        }
    }
    Ok(())
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
