//! Memberships: which one is in force (thesis 4.1), and what a quorum of it is (Raft 6).

use raftcore::{Entries, EntryKind, Membership, NodeId, Write};

use crate::property::{Checked, Property, broken};

/// Whether a majority of the voters agree, of both topologies during a joint change.
pub(crate) fn is_quorum(membership: &Membership, agrees: impl Fn(usize) -> bool) -> bool {
    let majority = |voters: &[NodeId]| {
        let agreeing = voters.iter().filter(|voter| agrees(voter.0 as usize - 1)).count();
        agreeing > voters.len() / 2
    };
    let incoming: Vec<NodeId> = membership.voters().collect();
    let outgoing = membership.outgoing();
    majority(&incoming) && (outgoing.is_empty() || majority(outgoing))
}

/// Where the memberships of a log are.
#[derive(Clone, Default)]
pub(crate) struct Places {
    last: u64,
    memberships: Vec<u64>,
}

impl Places {
    /// Index of the newest membership; 0 is the founders'.
    pub(crate) fn newest(&self) -> u64 {
        self.memberships.last().copied().unwrap_or(0)
    }

    /// Folds in a write.
    pub(crate) fn fold(&mut self, write: &Write) {
        if let (Some(to), Some(meta)) = (write.reset_log_to, &write.snapshot) {
            self.reset(to.0, meta.membership_index.0);
        }
        if let Some(from) = write.truncate_from {
            self.truncate(from.0);
        }
        self.append(&write.entries);
    }

    /// A snapshot takes the place of the log.
    pub(super) fn reset(&mut self, to: u64, membership: u64) {
        self.memberships.clear();
        self.memberships.extend(Some(membership).filter(|&index| index > 0));
        self.last = to;
    }

    pub(super) fn truncate(&mut self, from: u64) {
        self.memberships.retain(|&index| index < from);
        self.last = from.saturating_sub(1);
    }

    pub(super) fn append(&mut self, entries: &Entries) {
        for entry in entries {
            self.last = entry.id.index.0;
            if entry.kind == EntryKind::Membership {
                self.memberships.push(self.last);
            }
        }
    }

    /// The membership in force is the newest of the log; what was not handed out yet may hold a
    /// newer one.
    pub(crate) fn in_force(&self, host: usize, index: u64) -> Checked {
        let newest = self.newest();
        if index == newest || index > self.last {
            return Ok(());
        }
        let detail = format!("the membership of {index} is in force, its log has that of {newest}");
        broken(Property::MembershipInForce, host, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::{GroupId, Identity, LogIndex, WriteId};

    #[test]
    fn a_quorum_is_more_than_half() {
        let membership = Membership::of_voters([1, 2, 3, 4]).unwrap();
        assert!(is_quorum(&membership, |host| host < 3));
        assert!(!is_quorum(&membership, |host| host < 2));
        assert!(!is_quorum(&membership, |host| host > 3));
    }

    #[test]
    fn a_quorum_of_a_joint_membership_is_one_of_both() {
        let incoming = Membership::of_voters([1, 4, 5]).unwrap();
        let outgoing = [1, 2, 3].map(NodeId);
        let bytes = postcard::to_allocvec(&(incoming.members(), &outgoing[..])).unwrap();
        let joint: Membership = postcard::from_bytes(&bytes).unwrap();
        assert!(joint.is_joint());
        assert!(is_quorum(&joint, |host| [0, 1, 3].contains(&host)));
        assert!(!is_quorum(&joint, |host| [0, 1, 2].contains(&host)));
        assert!(!is_quorum(&joint, |host| [0, 3, 4].contains(&host)));
    }

    #[test]
    fn a_membership_that_its_log_lost_breaks_membership_in_force() {
        let mut places = Places { last: 9, memberships: vec![3, 7] };
        assert_eq!(places.in_force(0, 7), Ok(()));
        assert_eq!(places.in_force(0, 12), Ok(()));
        assert!(places.in_force(0, 3).is_err());
        let write =
            Write::empty(Identity { group: GroupId(1), node: NodeId(1) }, WriteId::default());
        places.fold(&Write { truncate_from: Some(LogIndex(6)), ..write });
        assert_eq!(places.in_force(0, 3), Ok(()));
        let broken = Places { last: 9, ..places }.in_force(0, 7).unwrap_err();
        assert_eq!(broken.property, Property::MembershipInForce);
    }
}
