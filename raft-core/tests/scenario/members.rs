//! Memberships: the command that changes one, and how they are shown.

use super::args::{Args, ids};
use super::commands::{Said, refused, up};
use crate::support::lab::Lab;
use raftcore::{LogIndex, Member, Membership, MembershipChange, NodeId};

/// Proposes a complete topology: `voters=1,2 learners=4 promote=5`; a node to promote is a learner.
pub fn change(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let listed = |key| args.option(key).map_or(Ok(Vec::new()), ids);
    let voters = listed("voters")?.into_iter().map(|id| Member::voter(NodeId(id)));
    let learners = listed("learners")?.into_iter().map(|id| Member::learner(NodeId(id)));
    let promoted = listed("promote")?.into_iter();
    let promoted = promoted.map(|id| Member { promote: true, ..Member::learner(NodeId(id)) });
    let members: Vec<Member> = voters.chain(learners).chain(promoted).collect();
    let based_on = args.number("based-on")?.map_or(lab.node(id).membership_index(), LogIndex);
    let change = MembershipChange::to(based_on, members);
    match lab.act(id, |node| node.propose_membership(change)) {
        Ok(entry) => Ok(vec![entry.to_string()]),
        Err(error) => Ok(vec![refused(&error)]),
    }
}

/// The membership that holds for a node, and the index of the entry that set it.
pub fn show(lab: &Lab, id: u64) -> Vec<String> {
    let node = lab.node(id);
    vec![format!("by {}: {}", node.membership_index(), text(node.membership()))]
}

pub fn text(membership: &Membership) -> String {
    let learners = |promote| {
        let members = membership.members().iter();
        members.filter(move |member| !member.voter && member.promote == promote)
    };
    let parts = [
        ("leaving voters", listed(membership.outgoing().iter().copied())),
        ("voters", listed(membership.voters())),
        ("learners", listed(learners(false).map(|member| member.id))),
        ("to be promoted", listed(learners(true).map(|member| member.id))),
    ];
    let parts = parts.into_iter().filter(|(_, ids)| !ids.is_empty());
    parts.map(|(name, ids)| format!("{name} {ids}")).collect::<Vec<_>>().join("; ")
}

fn listed(ids: impl Iterator<Item = NodeId>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(" ")
}
