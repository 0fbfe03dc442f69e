//! Membership changes (Raft 6; thesis 4).
mod support;

use raftcore::{
    Event, LogIndex, Member, Membership, MembershipChange, MembershipError, Node, NodeId, Refused,
    RoleName, Term, Tick,
};
use support::{Cluster, founded};

/// Three founders, the first one leading, and outsiders that know who founded the group.
fn with_outsiders(nodes: u64) -> Cluster {
    let mut cluster = Cluster::new(3);
    for id in 4..=nodes {
        cluster.nodes.push(founded(id, 1..=3));
        cluster.disks.push(Vec::new());
        cluster.applied.push(Vec::new());
    }
    cluster.elect(1);
    cluster
}

fn leader(cluster: &Cluster) -> u64 {
    let leads = |node: &Node| node.role() == RoleName::Leader;
    cluster
        .nodes
        .iter()
        .filter(|node| leads(node))
        .max_by_key(|node| node.term())
        .unwrap()
        .identity()
        .node
        .0
}

fn current(cluster: &mut Cluster, id: u64) -> (LogIndex, Membership) {
    let node = cluster.node(id);
    (node.membership_index(), node.membership().clone())
}

fn change(cluster: &mut Cluster, make: impl Fn(LogIndex, &Membership) -> MembershipChange) {
    let id = leader(cluster);
    let (based_on, membership) = current(cluster, id);
    let change = make(based_on, &membership);
    cluster.node(id).propose_membership(change).unwrap();
    cluster.settle();
    cluster.tick(12);
}

fn voters(ids: impl IntoIterator<Item = u64>) -> Vec<Member> {
    ids.into_iter().map(|id| Member::voter(NodeId(id))).collect()
}

fn voters_of(cluster: &mut Cluster, id: u64) -> Vec<u64> {
    cluster.node(id).membership().voters().map(NodeId::get).collect()
}

#[test]
fn a_voter_is_added_directly_with_its_context() {
    let mut cluster = with_outsiders(4);
    change(&mut cluster, |based_on, current| {
        MembershipChange::add(based_on, current, Member::voter(NodeId(4)).with_context("host:4"))
    });
    for id in 1..=4 {
        assert_eq!(voters_of(&mut cluster, id), [1, 2, 3, 4]);
        assert_eq!(cluster.node(id).membership().member(NodeId(4)).unwrap().context, b"host:4");
        let index = cluster.node(id).membership_index();
        assert!(cluster.events.contains(&(id, Event::MembershipChanged { index })));
    }
    assert_eq!(cluster.node(1).membership_index(), LogIndex(2), "one entry: no joint one");
    cluster.cut_off = vec![1, 4];
    cluster.tick(200);
    let leads = |node: &Node| node.role() == RoleName::Leader;
    assert!(!cluster.nodes[1..3].iter().any(leads), "two of four are no quorum");
}

#[test]
fn several_voters_change_through_a_joint_membership_that_is_left_by_itself() {
    let mut cluster = with_outsiders(5);
    change(&mut cluster, |based_on, _| MembershipChange::to(based_on, voters([1, 4, 5])));
    assert_eq!(cluster.node(1).membership_index(), LogIndex(3), "joint, then the final one");
    for id in [1, 4, 5] {
        assert_eq!(voters_of(&mut cluster, id), [1, 4, 5]);
        assert!(!cluster.node(id).membership().is_joint());
    }
    cluster.cut_off = vec![2, 3];
    cluster.node(1).propose(b"without them").unwrap();
    cluster.settle();
    assert_eq!(cluster.applied[0].len(), 1);
}

#[test]
fn a_joint_membership_needs_both_quorums() {
    for missing in [vec![2, 3], vec![4, 5]] {
        let mut cluster = with_outsiders(5);
        let joint = MembershipChange::to(LogIndex(0), voters([1, 4, 5]));
        cluster.cut_off = missing;
        cluster.node(1).propose_membership(joint).unwrap();
        cluster.settle();
        cluster.tick(12);
        assert!(cluster.node(1).membership().is_joint());
        assert_eq!(cluster.node(1).commit_index(), LogIndex(1));
        cluster.cut_off.clear();
        cluster.tick(12);
        assert_eq!(voters_of(&mut cluster, 1), [1, 4, 5]);
        assert_eq!(cluster.node(1).commit_index(), LogIndex(3));
    }
}

#[test]
fn a_joint_membership_is_left_by_whichever_leader_holds_it() {
    let mut cluster = with_outsiders(5);
    let joint = MembershipChange::to(LogIndex(0), voters([1, 4, 5]));
    cluster.node(1).propose_membership(joint).unwrap();
    while cluster.node(1).membership().is_joint() {
        let messages: Vec<_> = (0..5).flat_map(|at| cluster.carry_out(at)).collect();
        messages.into_iter().for_each(|message| cluster.deliver(message));
    }
    cluster.cut_off = vec![1];
    cluster.tick(200);
    let id = leader(&cluster);
    assert_ne!(id, 1);
    cluster.tick(20);
    assert_eq!(voters_of(&mut cluster, id), [1, 4, 5]);
    let index = cluster.node(id).membership_index();
    assert!(cluster.node(id).term_at(index) > Some(Term(1)), "by a later leader");
}

#[test]
fn a_learner_replicates_without_a_vote_and_is_promoted_when_it_wishes_and_has_caught_up() {
    let mut cluster = with_outsiders(4);
    (0..200).for_each(|_| drop(cluster.node(1).propose(b"history")));
    cluster.settle();
    change(&mut cluster, |based_on, current| {
        MembershipChange::add(based_on, current, Member::learner(NodeId(4)))
    });
    assert_eq!(cluster.applied[3].len(), 200);
    assert_eq!(voters_of(&mut cluster, 1), [1, 2, 3]);
    cluster.cut_off = vec![2, 3];
    cluster.node(1).propose(b"no quorum").unwrap();
    cluster.settle();
    assert_eq!(cluster.applied[3].len(), 200, "a learner does not count");
    cluster.cut_off.clear();
    cluster.tick(12);
    change(&mut cluster, |based_on, current| {
        MembershipChange::promote(based_on, current, NodeId(4))
    });
    cluster.tick(20);
    assert_eq!(voters_of(&mut cluster, 4), [1, 2, 3, 4]);
}

#[test]
fn the_wish_to_promote_is_served_by_another_leader() {
    let mut cluster = with_outsiders(4);
    cluster.cut_off = vec![4];
    let learner = Member { promote: true, ..Member::learner(NodeId(4)) };
    change(&mut cluster, |based_on, current| {
        MembershipChange::add(based_on, current, learner.clone())
    });
    cluster.cut_off = vec![1, 4];
    cluster.tick(100);
    let id = leader(&cluster);
    assert_ne!(id, 1);
    cluster.cut_off = vec![1];
    cluster.tick(40);
    assert_eq!(voters_of(&mut cluster, id), [1, 2, 3, 4]);
}

#[test]
fn a_leader_that_removes_itself_leads_until_the_commit_and_hands_over() {
    let mut cluster = with_outsiders(3);
    let (based_on, membership) = current(&mut cluster, 1);
    let change = MembershipChange::remove(based_on, &membership, NodeId(1));
    cluster.cut_off = vec![2, 3];
    cluster.node(1).propose_membership(change).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(1).role(), RoleName::Leader);
    assert_eq!(cluster.node(1).commit_index(), LogIndex(1), "its own vote counts no more");
    cluster.cut_off.clear();
    cluster.tick(12);
    assert_ne!(leader(&cluster), 1);
    assert_eq!(cluster.node(1).role(), RoleName::Follower);
    let id = leader(&cluster);
    assert_eq!((voters_of(&mut cluster, id), cluster.node(id).term()), (vec![2, 3], Term(2)));
    cluster.tick(200);
    assert_eq!(cluster.node(1).role(), RoleName::Follower, "who is removed runs no more");
    assert_eq!(cluster.node(id).term(), Term(2));
}

#[test]
fn a_removed_node_that_does_not_know_cannot_disrupt() {
    let mut cluster = with_outsiders(3);
    cluster.cut_off = vec![3];
    change(&mut cluster, |based_on, current| {
        MembershipChange::remove(based_on, current, NodeId(3))
    });
    cluster.cut_off.clear();
    cluster.tick(300);
    assert_eq!(leader(&cluster), 1);
    assert_eq!(cluster.node(1).term(), Term(1));
}

#[test]
fn a_change_from_another_membership_or_during_another_change_is_refused() {
    let mut cluster = with_outsiders(5);
    cluster.cut_off = vec![2, 3];
    let members = voters([1, 2, 3, 4]);
    cluster.node(1).propose_membership(MembershipChange::to(LogIndex(0), members.clone())).unwrap();
    let again = MembershipChange::to(LogIndex(2), members.clone());
    assert_eq!(cluster.node(1).propose_membership(again), Err(Refused::ChangeInProgress));
    let (based_on, current) = (LogIndex(0), LogIndex(2));
    let stale = MembershipChange::to(based_on, members);
    let error = Refused::StaleMembership { based_on, current };
    assert_eq!(cluster.node(1).propose_membership(stale.clone()), Err(error));
    let leader = Some(NodeId(1));
    assert_eq!(cluster.node(2).propose_membership(stale), Err(Refused::NotLeader { leader }));
}

#[test]
fn a_membership_that_cannot_be_is_refused() {
    let mut cluster = with_outsiders(3);
    let mut refusal = |members: Vec<Member>| {
        cluster.node(1).propose_membership(MembershipChange::to(LogIndex(0), members)).unwrap_err()
    };
    assert_eq!(refusal(vec![]), Refused::Membership(MembershipError::NoVoter));
    let id = NodeId(2);
    assert_eq!(refusal(voters([1, 2, 2])), Refused::Membership(MembershipError::Duplicate { id }));
    let too_many = Refused::Membership(MembershipError::TooManyVoters);
    assert_eq!(refusal(voters(1..=102)), too_many);
    let wish = Member { promote: true, ..Member::learner(NodeId(102)) };
    assert_eq!(refusal([voters(1..=101), vec![wish]].concat()), too_many);
    let long = vec![Member::voter(id).with_context(vec![0; 257])];
    assert_eq!(refusal(long), Refused::Membership(MembershipError::ContextTooLong { id }));
}

#[test]
fn a_new_leader_changes_nothing_before_it_commits_in_its_own_term() {
    let mut cluster = with_outsiders(4);
    cluster.node(1).transfer_leadership(NodeId(3)).unwrap();
    for _ in 0..6 {
        let messages: Vec<_> = (0..3).flat_map(|at| cluster.carry_out(at)).collect();
        let appends = |message: &raftcore::Message| message.kind() as u8 == 5;
        messages
            .into_iter()
            .filter(|message| !appends(message))
            .for_each(|message| cluster.deliver(message));
    }
    assert_eq!(cluster.node(3).role(), RoleName::Leader);
    let change = MembershipChange::to(LogIndex(0), voters([1, 2, 3, 4]));
    assert_eq!(cluster.node(3).propose_membership(change.clone()), Err(Refused::ChangeInProgress));
    cluster.tick(8);
    assert!(cluster.node(3).propose_membership(change).is_ok());
}

#[test]
fn a_change_that_is_overwritten_rolls_back() {
    let mut cluster = with_outsiders(4);
    cluster.cut_off = vec![1];
    cluster
        .node(1)
        .propose_membership(MembershipChange::to(LogIndex(0), voters([1, 2, 3, 4])))
        .unwrap();
    cluster.settle();
    assert_eq!(voters_of(&mut cluster, 1), [1, 2, 3, 4]);
    cluster.tick(100);
    cluster.cut_off.clear();
    cluster.tick(60);
    assert_eq!(voters_of(&mut cluster, 1), [1, 2, 3]);
    assert_eq!(cluster.node(1).membership_index(), LogIndex(0));
}

#[test]
fn a_membership_survives_a_restart() {
    let mut cluster = with_outsiders(4);
    change(&mut cluster, |based_on, _| MembershipChange::to(based_on, voters([1, 2, 3, 4])));
    for id in 1..=4 {
        cluster.restart(id);
        assert_eq!(voters_of(&mut cluster, id), [1, 2, 3, 4]);
    }
    let mut again = support::fold(&support::fold(&cluster.disks[3]).checkpoint().unwrap());
    again = again.clone();
    let node = Node::new(support::config(), again, LogIndex(0)).unwrap();
    assert_eq!(node.membership().voters().count(), 4);
}

#[test]
fn a_hundred_and_one_voters_elect_and_commit() {
    let mut cluster = Cluster::new(101);
    cluster.elect(50);
    cluster.node(50).propose(b"many").unwrap();
    cluster.settle();
    cluster.now += 10;
    let now = cluster.now;
    cluster.nodes.iter_mut().for_each(|node| node.tick(Tick(now)));
    cluster.settle();
    assert!(cluster.applied.iter().all(|applied| applied.len() == 1));
}
