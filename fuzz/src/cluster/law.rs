//! What must hold after every step.
//!
//! Some of it holds whatever peers send; the rest as long as all of them are honest.

use raftcore::{
    Answer, Committed, EntryId, HaltReason, LogIndex, Node, NodeId, Output, RejectedMessage,
    RoleName, SnapshotMeta, WriteId,
};

use super::host::{Host, Machine};

/// A committed entry, as those remember it who saw it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    term: u64,
    checksum: u32,
}

/// What the getters of a node say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    role: RoleName,
    term: u64,
    commit: u64,
    last: u64,
}

impl View {
    pub(crate) fn of(node: &Node) -> Self {
        let (commit, last) = (node.commit_index().0, node.last_index().0);
        Self { role: node.role(), term: node.term().0, commit, last }
    }
}

/// What all honest nodes have agreed upon so far.
#[derive(Default)]
pub(crate) struct Law {
    /// Who leads which term.
    leaders: Vec<(u64, NodeId)>,
    /// By index, from 1: the entry, and the term of the node that first knew it to be committed.
    committed: Vec<Option<(Mark, u64)>>,
    /// By index, from 1: the entry as applied, and the state machine's digest after it.
    applied: Vec<(Mark, u64)>,
    lost: Vec<EntryId>,
    /// Something came that no honest node sent.
    pub(crate) hostile: bool,
    /// The harness broke a promise of the caller.
    pub(crate) broken: bool,
}

impl Law {
    /// Whether all nodes and hosts are honest.
    pub(crate) const fn honest(&self) -> bool {
        !self.hostile && !self.broken
    }

    /// The largest index known to be committed.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    /// The state machine after this entry, if it was ever there.
    pub(crate) fn machine_at(&self, index: u64) -> Option<Machine> {
        let (_, digest) = self.applied.get(usize::try_from(index).ok()?.checked_sub(1)?)?;
        Some(Machine { applied: index, digest: *digest })
    }

    /// A node may look different than before.
    pub(crate) fn observe(&mut self, before: View, node: &Node) {
        let view = View::of(node);
        if view == before {
            return;
        }
        assert!(node.applied_index().0 <= view.commit, "applied beyond commit");
        assert!(view.commit <= view.last, "commit beyond the log");
        assert!(view.term >= before.term, "the term fell");
        assert!(view.commit >= before.commit, "the commit index fell");
        if !self.honest() {
            return;
        }
        if view.role == RoleName::Leader {
            self.leads(view, node);
        }
        for index in before.commit + 1..=view.commit {
            self.commits(view, node, LogIndex(index));
        }
    }

    /// Election Safety and Leader Completeness (Raft figure 3).
    fn leads(&mut self, view: View, node: &Node) {
        let id = node.identity().node;
        if let Some((term, leader)) = self.leaders.iter().find(|(term, _)| *term == view.term) {
            assert_eq!(*leader, id, "two leaders in term {term}");
            return;
        }
        self.leaders.push((view.term, id));
        for (index, place) in (1..).zip(&self.committed) {
            if let Some((mark, since)) = place
                && *since < view.term
            {
                let holds = view.last >= index
                    && node.checksum_at(LogIndex(index)).is_none_or(|sum| sum == mark.checksum);
                assert!(holds, "leader {id} of term {} misses committed entry {index}", view.term);
            }
        }
    }

    /// Log Matching of what is committed (Raft figure 3).
    fn commits(&mut self, view: View, node: &Node, index: LogIndex) {
        let (Some(term), Some(checksum)) = (node.term_at(index), node.checksum_at(index)) else {
            return;
        };
        let id = EntryId { term, index };
        assert!(!self.lost.contains(&id), "{id} was reported lost and is committed");
        let mark = Mark { term: term.0, checksum };
        let at = index.0 as usize - 1;
        if self.committed.len() <= at {
            self.committed.resize(at + 1, None);
        }
        match self.committed[at] {
            Some((agreed, _)) => {
                let me = node.identity().node;
                assert_eq!(agreed, mark, "node {me} commits another entry {index}");
            }
            None => self.committed[at] = Some((mark, view.term)),
        }
    }

    /// State Machine Safety (Raft figure 3).
    pub(crate) fn applies(&mut self, committed: &Committed) {
        if !self.honest() {
            return;
        }
        for entry in &committed.entries {
            let mark = Mark { term: entry.id.term.0, checksum: entry.checksum };
            let at = entry.id.index.0 as usize - 1;
            match self.applied.get(at) {
                Some((agreed, _)) => {
                    assert_eq!(*agreed, mark, "another entry {} is applied", entry.id.index);
                }
                None => {
                    assert_eq!(self.applied.len(), at, "applied before those in front of it");
                    let before = self.applied.last().map_or(0, |(_, digest)| *digest);
                    self.applied.push((mark, Machine::after(before, mark.term, mark.checksum)));
                }
            }
        }
    }

    /// A received snapshot holds what the others applied.
    pub(crate) fn restores(&self, meta: &SnapshotMeta, machine: Machine) {
        if self.honest() {
            let agreed = self.machine_at(meta.id.index.0);
            assert_eq!(agreed, Some(machine), "restored another state");
        }
    }

    /// A read ends, and not before all that was committed when it began is applied.
    pub(crate) fn reads(&self, host: &mut Host, output: &Output) {
        let (Output::ReadReady(id) | Output::ReadFailed { id, .. }) = output else { return };
        let open = host.reads.iter().position(|(open, _)| open == id);
        let (_, committed) = host.reads.swap_remove(open.expect("a read that ends was open"));
        if let (Output::ReadReady(_), Some(committed), true) = (output, committed, self.honest()) {
            let applied = host.node.applied_index().0;
            assert!(applied >= committed, "a stale read at {applied}, {committed} was committed");
        }
    }

    pub(crate) fn loses(&mut self, from: EntryId, through: LogIndex) {
        if !self.honest() {
            return;
        }
        for index in from.index.0..=through.0 {
            let place = self.committed.get(index as usize - 1).copied().flatten();
            let applied = place.is_some_and(|(mark, _)| mark.term == from.term.0);
            assert!(!applied, "{index}@{} is reported lost and was committed", from.term);
            self.lost.push(EntryId { term: from.term, index: LogIndex(index) });
        }
    }

    /// A node halts only for its own disk, or when peers it may believe contradict it.
    pub(crate) fn halts(&self, host: &Host, reason: &HaltReason) {
        let allowed = match reason {
            HaltReason::StorageFailed => host.storage_failed,
            HaltReason::Diverged { .. } => self.hostile || self.broken,
            _ => self.broken,
        };
        assert!(allowed, "node {} halts: {reason:?}", host.id());
    }

    /// An honest peer's message is never rejected.
    pub(crate) fn rejects(&self, error: &RejectedMessage) {
        let halted = matches!(error, RejectedMessage::Halted { .. });
        assert!(halted || !self.honest(), "an honest message is rejected: {error}");
    }
}

/// Whether an answer promises that nothing was changed.
pub(crate) const fn is_failure(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_) | Answer::Rejected(_) | Answer::Misuse(_))
}

/// A rejected message has changed nothing, but for a report of divergence to its sender.
pub(crate) fn assert_rejected_unchanged(before: &Node, after: &Node, error: RejectedMessage) {
    assert_unchanged(before, after, &Answer::Rejected(error));
}

/// A failed input has changed nothing, but for a report of divergence to its sender.
pub(crate) fn assert_unchanged(before: &Node, after: &Node, answer: &Answer) {
    if before.fingerprint() == after.fingerprint() {
        return;
    }
    let reports = matches!(
        answer,
        Answer::Rejected(
            RejectedMessage::Diverged { .. } | RejectedMessage::ContradictsCommitted { .. }
        )
    );
    let same = reports && settled(before) == settled(after);
    assert!(same, "{answer:?} has changed the node\nbefore: {before:?}\nafter: {after:?}");
}

/// The fingerprint once all is said and written.
fn settled(node: &Node) -> u64 {
    let mut node = node.clone();
    let incarnation = node.incarnation();
    let handed_out = (1..).map(|sequence| WriteId { incarnation, sequence });
    handed_out.take_while(|&write| node.persisted(write).is_ok()).for_each(drop);
    while let Some(output) = node.poll_output() {
        if let Output::Persist(write) = output {
            let _ = node.persisted(write.id);
        }
    }
    node.fingerprint()
}
