//! Membership changes (6; thesis 4).

use super::*;
use raftcore::{Event, Member, Membership, MembershipChange, NodeId, Refused};

/// Three voters, the first one leading, and as many nodes that wait to be added.
fn with_outsiders(outsiders: u64) -> Lab {
    let mut lab = Lab::with_outsiders(3, outsiders, &config());
    lab.elect(1);
    lab.run(2);
    lab.account.clear();
    lab
}

fn voters(ids: &[u64]) -> Vec<Member> {
    ids.iter().map(|&id| Member::voter(NodeId(id))).collect()
}

fn change_to(lab: &mut Lab, id: u64, members: Vec<Member>) -> Result<EntryId, Refused> {
    let based_on = lab.node(id).membership_index();
    lab.act(id, |node| node.propose_membership(MembershipChange::to(based_on, members)))
}

fn voters_of(lab: &Lab, id: u64) -> Vec<u64> {
    lab.node(id).membership().voters().map(NodeId::get).collect()
}

/// Everybody but these is cut off from them.
fn isolate(lab: &mut Lab, some: &[u64]) {
    let others: Vec<u64> = lab.ids().into_iter().filter(|id| !some.contains(id)).collect();
    lab.network.cut_off(some, &others);
}

/// 6: a joint membership lies between two sets of voters, first one, then the other entry.
#[test]
fn voters_change_through_a_joint_membership() {
    let mut lab = with_outsiders(2);
    let joint = change_to(&mut lab, 1, voters(&[1, 4, 5])).unwrap();
    assert!(lab.node(1).membership().is_joint());
    assert_eq!(voters_of(&lab, 1), [1, 4, 5]);
    let outgoing: Vec<u64> =
        lab.node(1).membership().outgoing().iter().map(|id| id.get()).collect();
    assert_eq!(outgoing, [1, 2, 3]);
    lab.settle();
    assert!(!lab.node(1).membership().is_joint(), "left without being asked");
    assert_eq!(lab.node(1).membership_index(), joint.index.next());
}

/// 6: entries go to all servers of both sets.
#[test]
fn a_joint_membership_replicates_to_both_sets() {
    let mut lab = with_outsiders(2);
    isolate(&mut lab, &[2, 3]);
    change_to(&mut lab, 1, voters(&[1, 4, 5])).unwrap();
    let id = lab.propose(1, "to all");
    lab.settle();
    assert!(lab.node(1).membership().is_joint(), "the old voters are not there");
    lab.network.heal();
    lab.run(10);
    for node in [2, 3, 4, 5] {
        assert!(lab.node(node).last_index() >= id.index, "{node}");
    }
}

/// 6: during the change agreement needs a majority of each set: neither decides alone.
#[test]
fn a_joint_membership_commits_with_both_majorities_only() {
    for missing in [[2, 3], [4, 5]] {
        let mut lab = with_outsiders(2);
        lab.network.cut_off(&missing, &[1]);
        let joint = change_to(&mut lab, 1, voters(&[1, 4, 5])).unwrap();
        lab.run(10);
        assert!(lab.node(1).commit_index() < joint.index, "{missing:?}");
        lab.network.heal();
        lab.run(10);
        assert!(lab.node(1).commit_index() > joint.index);
    }
}

/// 6: during the change an election needs a majority of each set too.
#[test]
fn a_joint_membership_elects_with_both_majorities_only() {
    let mut lab = with_outsiders(2);
    lab.network.cut_off(&[2, 3], &[1]);
    change_to(&mut lab, 1, voters(&[1, 4, 5])).unwrap();
    lab.run(10);
    assert!(lab.node(4).membership().is_joint());
    lab.crash(1, 0);
    lab.network.heal();
    lab.network.cut_off(&[2, 3], &[4, 5]);
    lab.run(200);
    let elected = lab.leaders().into_iter().find(|id| [4, 5].contains(id));
    assert_eq!(elected, None, "4 and 5 are a majority of the new set only");
    lab.network.heal();
    lab.run(100);
    assert_eq!(lab.leaders().len(), 1);
}

/// 6: any server of either set may lead during the change.
#[test]
fn a_server_of_either_set_can_lead_a_joint_membership() {
    for leader in [2, 4] {
        let mut lab = with_outsiders(2);
        let joint = change_to(&mut lab, 1, voters(&[3, 4, 5])).unwrap();
        let limit = joint.index;
        while lab.ids().iter().any(|&id| lab.node(id).last_index() < limit) {
            lab.ids().into_iter().for_each(|id| lab.work(id));
            let messages = lab.network.take_free();
            messages.into_iter().for_each(|message| lab.arrive(message));
        }
        lab.network.clear();
        assert!(lab.node(leader).membership().is_joint());
        lab.crash(1, usize::MAX);
        lab.ids().into_iter().filter(|&id| id != 1).for_each(|id| lab.tick(id, 20));
        lab.act(leader, Node::campaign).unwrap();
        lab.settle();
        assert_eq!(lab.node(leader).term(), Term(2));
        assert!(!lab.node(leader).membership().is_joint(), "it has finished the change");
        assert_eq!(voters_of(&lab, 5), [3, 4, 5]);
    }
}

/// 6; thesis 4.1: a server uses the latest membership of its log, committed or not.
#[test]
fn a_membership_holds_from_when_it_is_appended() {
    let mut lab = with_outsiders(1);
    isolate(&mut lab, &[1, 4]);
    let id = change_to(&mut lab, 1, voters(&[1, 2, 3, 4])).unwrap();
    lab.settle();
    for node in [1, 4] {
        assert!(lab.node(node).commit_index() < id.index);
        assert_eq!(voters_of(&lab, node), [1, 2, 3, 4]);
    }
}

/// 6: a change that is overwritten never held: the membership before it holds again.
#[test]
fn a_change_rolls_back_with_its_entry() {
    let mut lab = with_outsiders(0);
    isolate(&mut lab, &[1]);
    let id = change_to(&mut lab, 1, voters(&[1, 2])).unwrap();
    lab.run(100);
    lab.network.heal();
    lab.run(100);
    let node = lab.node(1);
    assert_ne!(node.term_at(id.index), Some(id.term));
    assert_eq!(voters_of(&lab, 1), [1, 2, 3]);
    let told = |one: &support::lab::Happening| {
        matches!(
            one,
            support::lab::Happening::Wants(_, Output::Event(Event::MembershipChanged { .. }))
        )
    };
    assert!(!lab.account.iter().any(told), "no change was committed");
}

/// 6; thesis 4.2.1: new servers join without a vote first: no majority counts them.
#[test]
fn a_learner_counts_for_no_majority() {
    let mut lab = with_outsiders(2);
    let learners = [4, 5].map(|id| Member::learner(NodeId(id)));
    change_to(&mut lab, 1, [voters(&[1, 2, 3]), learners.to_vec()].concat()).unwrap();
    lab.settle();
    isolate(&mut lab, &[1, 4, 5]);
    let alone = lab.propose(1, "with two learners");
    lab.settle();
    assert_eq!(lab.node(4).last_index(), alone.index, "they get entries");
    assert!(lab.node(1).commit_index() < alone.index);
    lab.run(100);
    assert!(!lab.leaders().contains(&1), "nor do they keep a leader in office");
    for id in [4, 5] {
        assert_eq!(lab.act(id, Node::campaign), Err(Refused::MayNotCampaign));
    }
}

/// Thesis 4.2.1: a learner is promoted once it has caught up, not before.
#[test]
fn a_learner_is_promoted_when_it_has_caught_up() {
    let mut lab = with_outsiders(1);
    isolate(&mut lab, &[4]);
    let learner = Member { promote: true, ..Member::learner(NodeId(4)) };
    change_to(&mut lab, 1, [voters(&[1, 2, 3]), vec![learner]].concat()).unwrap();
    lab.run(60);
    assert_eq!(voters_of(&lab, 1), [1, 2, 3]);
    lab.network.heal();
    lab.run(60);
    assert_eq!(voters_of(&lab, 4), [1, 2, 3, 4]);
}

/// 6; thesis 4.2.2: a leader that removes itself leads until that is committed, without counting
/// itself, and then no more.
#[test]
fn a_leader_that_removes_itself_does_not_count_itself_and_leaves() {
    let mut lab = with_outsiders(0);
    lab.network.cut_off(&[1], &[3]);
    let id = change_to(&mut lab, 1, voters(&[2, 3])).unwrap();
    lab.settle();
    assert!(lab.node(1).commit_index() < id.index, "node 2 alone is no majority of 2 and 3");
    assert_eq!(lab.node(1).role(), RoleName::Leader);
    lab.network.heal();
    lab.run(100);
    assert!(lab.node(2).commit_index() >= id.index);
    let leaders = lab.leaders();
    assert!(leaders == [2] || leaders == [3], "{leaders:?}");
}

/// 6; thesis 4.2.3: a removed server that hears nothing cannot depose the leader.
#[test]
fn a_removed_server_does_not_disrupt() {
    let mut lab = with_outsiders(0);
    isolate(&mut lab, &[3]);
    change_to(&mut lab, 1, voters(&[1, 2])).unwrap();
    lab.settle();
    lab.network.heal();
    lab.run(200);
    assert_eq!((lab.leaders(), lab.node(1).term()), (vec![1], Term(1)));
    assert_eq!(lab.node(3).role(), RoleName::PreCandidate, "it tries");
}

/// Thesis 4.1: at most one change at a time: the next one waits for the commit of the one before.
#[test]
fn a_second_change_waits_for_the_first() {
    let mut lab = with_outsiders(1);
    change_to(&mut lab, 1, voters(&[1, 2, 3, 4])).unwrap();
    assert_eq!(change_to(&mut lab, 1, voters(&[1, 2, 3])), Err(Refused::ChangeInProgress));
    lab.settle();
    change_to(&mut lab, 1, voters(&[1, 2, 3])).unwrap();
}

/// Thesis 4.1, as amended (Ongaro, raft-dev, July 2015): a leader changes nothing before an entry of
/// its own term is committed.
#[test]
fn a_new_leader_changes_nothing_before_a_commit_of_its_term() {
    let mut lab = with_outsiders(1);
    lab.crash(1, 0);
    lab.ids().into_iter().filter(|&id| id != 1).for_each(|id| lab.tick(id, 20));
    lab.act(2, Node::campaign).unwrap();
    while lab.node(2).role() != RoleName::Leader {
        lab.ids().into_iter().for_each(|id| lab.work(id));
        let messages = lab.network.take_free();
        messages.into_iter().for_each(|message| lab.arrive(message));
    }
    let refused = change_to(&mut lab, 2, voters(&[1, 2, 3, 4]));
    assert_eq!(refused, Err(Refused::ChangeInProgress));
    lab.settle();
    change_to(&mut lab, 2, voters(&[1, 2, 3, 4])).unwrap();
}

/// Thesis 4.2.3: a server that does not know of its promotion votes all the same.
#[test]
fn a_server_votes_whatever_membership_it_knows() {
    let mut lab = with_outsiders(1);
    isolate(&mut lab, &[4]);
    change_to(&mut lab, 1, voters(&[1, 2, 3, 4])).unwrap();
    lab.settle();
    lab.crash(1, 0);
    lab.crash(3, 0);
    lab.network.heal();
    lab.tick(2, 20);
    lab.act(2, Node::campaign).unwrap();
    lab.settle();
    assert_eq!(lab.leaders(), [], "two of four are no majority");
    lab.start(3, 0);
    lab.network.cut_off(&[3], &[2]);
    lab.start(1, 0);
    lab.run(100);
    assert_eq!(lab.leaders().len(), 1, "1, 2 and 4: node 4 had an empty log and no membership");
}

/// Thesis 4.4: a server that waits to be added knows nobody, and never calls an election.
#[test]
fn a_server_that_waits_to_be_added_is_passive() {
    let mut lab = with_outsiders(1);
    lab.run(500);
    assert_eq!(role_and_term(lab.node(4)), (RoleName::Follower, Term(0)));
    assert_eq!(lab.node(4).membership(), &Membership::default());
    assert_eq!(lab.act(4, Node::campaign), Err(Refused::MayNotCampaign));
}
