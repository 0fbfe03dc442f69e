//! Membership changes at the leader (Raft 6; thesis 4).

use alloc::boxed::Box;

use super::{Leader, append};
use crate::entries::{EntryKind, encode_membership};
use crate::error::Refused;
use crate::log::Point;
use crate::membership::{Membership, MembershipChange};
use crate::quorum::Votes;
use crate::replication::Peer;
use crate::shared::Shared;
use crate::types::{EntryId, LogIndex, NodeId, Tick};

/// A learner catches up in rounds: it has caught up when a round, from the log's end at its start,
/// takes less than an election timeout (thesis 4.2.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    end: LogIndex,
    since: Tick,
}

impl Leader {
    /// Appends the wished-for membership: at once if the voters differ by one at most, through a
    /// joint one otherwise.
    pub(crate) fn propose_membership(
        &mut self,
        shared: &mut Shared,
        change: MembershipChange,
    ) -> Result<EntryId, Refused> {
        if let Some(to) = self.transfers_to() {
            return Err(Refused::TransferInProgress { to });
        }
        let (current, based_on) = (shared.memberships.index(), change.based_on);
        if based_on != current {
            return Err(Refused::StaleMembership { based_on, current });
        }
        let committed = put_back!(ChangeBeforeOwnCommit) && current <= shared.commit;
        if !(self.is_settled(shared) || committed) || self.is_joint(shared) {
            return Err(Refused::ChangeInProgress);
        }
        let next = Membership::new(change.members)?;
        let next = shared.memberships.current().towards(next);
        Ok(self.append_membership(shared, next))
    }

    /// Whether the membership in force is committed, and an entry of this term: without that an earlier
    /// leader's change may still be committed by a quorum that does not overlap with this one's
    /// (Ongaro, raft-dev, July 2015).
    fn is_settled(&self, shared: &Shared) -> bool {
        shared.memberships.index() <= shared.commit && shared.commit >= self.opened
    }

    fn is_joint(&self, shared: &Shared) -> bool {
        shared.memberships.current().is_joint()
    }

    fn append_membership(&mut self, shared: &mut Shared, next: Membership) -> EntryId {
        let (before, payload) = (shared.log.last(), encode_membership(&next));
        let bytes = append(shared, EntryKind::Membership, &payload);
        let id = shared.log.last().id;
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_add(bytes);
        shared.memberships.appended(id.index, next);
        self.reconfigure(shared, before);
        id
    }

    /// Serves the nodes of the membership in force, and no others, new ones from the entry `before` it.
    pub(super) fn reconfigure(&mut self, shared: &mut Shared, before: Point) {
        let membership = shared.memberships.current();
        let me = shared.me();
        self.votes = Votes::of(membership, me);
        self.quorum = Votes::quorum(membership);
        let is_member = |id| membership.nodes().any(|node| node == id);
        for gone in self.peers.extract_if(.., |peer| !is_member(peer.id)) {
            self.first_session = self.first_session.max(gone.session.saturating_add(1));
        }
        for id in membership.nodes().filter(|&id| id != me) {
            let votes = Votes::of(membership, id);
            match self.peers.iter_mut().find(|peer| peer.id == id) {
                Some(peer) => peer.votes = votes,
                None => self.peers.push(Peer::new(id, votes, before, self.first_session)),
            }
        }
        shared.log_reads.forget_peers(|id| !is_member(id));
        self.wake(shared);
    }

    /// Goes on with a change whose entry is committed: leaves a joint membership, hands over if
    /// this node is no voter any more. Needs a commit of this term.
    pub(super) fn continue_change(&mut self, shared: &mut Shared) {
        if !self.is_settled(shared) {
            return;
        }
        if self.is_joint(shared) {
            let left = shared.memberships.current().left();
            self.append_membership(shared, left);
        } else if self.votes.incoming() == 0 && self.transfers_to().is_none() {
            self.hand_over(shared);
        }
    }

    /// Whether the committed membership knows this node as a voter no more.
    pub(super) fn is_removed(&self, shared: &Shared) -> bool {
        self.is_settled(shared) && self.votes == Votes::default()
    }

    /// A leader that has removed itself names the voter that knows most (thesis 4.2.2).
    fn hand_over(&mut self, shared: &mut Shared) {
        let voters = self.peers.iter().filter(|peer| peer.votes.incoming() > 0);
        if let Some(to) = voters.max_by_key(|peer| peer.matched).map(|peer| peer.id) {
            // The target is a voter, and no other handover runs.
            let _ = self.transfer(shared, to);
        }
    }

    /// Makes a voter of a learner that wishes it and has caught up (thesis 4.2.1).
    pub(super) fn promote(&mut self, shared: &mut Shared, now: Tick) {
        let busy = self.is_joint(shared) || self.transfers_to().is_some();
        if busy || !self.is_settled(shared) {
            return;
        }
        let (last, span) = (shared.log.last_index(), shared.config.election_ticks_min);
        let membership = shared.memberships.current();
        let wishes = |id: NodeId| membership.member(id).is_some_and(|member| member.promote);
        let mut learners = self.peers.iter_mut().filter(|peer| wishes(peer.id));
        let caught_up = |peer: &mut Peer| peer.catches_up(last, now, span).then_some(peer.id);
        if let Some(id) = learners.find_map(caught_up) {
            let next = membership.promoted(id);
            self.append_membership(shared, next);
        }
    }
}

impl Peer {
    /// Whether this learner's round is over and was short; begins the next one if it was long.
    fn catches_up(&mut self, last: LogIndex, now: Tick, span: u32) -> bool {
        let begin = || Box::new(CatchUp { end: last, since: now });
        let round = **self.catch_up.get_or_insert_with(begin);
        if self.matched < round.end {
            return false;
        }
        let short = now.since(round.since) < span.into();
        self.catch_up = Some(begin());
        short
    }
}
