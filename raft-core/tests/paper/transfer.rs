//! Handing leadership over (thesis 3.10).

use super::*;
use raftcore::{NodeId, Refused};

fn transfer(lab: &mut Lab, to: u64) -> Result<(), Refused> {
    lab.act(1, |node| node.transfer_leadership(NodeId(to)))
}

/// 3.10, step 1: the leader takes no new proposals meanwhile.
#[test]
fn a_leader_that_hands_over_takes_no_proposals() {
    let mut lab = led_by_1(3, &config());
    lab.network.cut_off(&[3], &[1, 2]);
    transfer(&mut lab, 3).unwrap();
    let refused = lab.act(1, |node| node.propose(b"x"));
    assert_eq!(refused, Err(Refused::TransferInProgress { to: NodeId(3) }));
}

/// 3.10, step 2: the successor gets the whole log first.
#[test]
fn the_successor_gets_the_whole_log_first() {
    let mut lab = led_by_1(3, &config());
    lab.network.cut_off(&[3], &[1, 2]);
    let last = lab.propose(1, "x");
    lab.settle();
    lab.network.heal();
    transfer(&mut lab, 3).unwrap();
    lab.account.clear();
    lab.run(10);
    let mut arrived = lab.account.iter().filter_map(|one| match one {
        support::lab::Happening::Arrived(message) => Some(message),
        _ => None,
    });
    let confirms = |message: &&Message| {
        message.from() == NodeId(3) && confirmed(core::slice::from_ref(*message)) == [last.index]
    };
    assert!(arrived.any(|message| confirms(&message)));
    assert!(arrived.any(|message| message.kind() == MessageKind::TimeoutNow), "only then");
    assert_eq!(lab.leaders(), [3]);
}

/// 3.10, step 3: the successor runs at once, in the next term, without waiting for its timer.
#[test]
fn the_successor_runs_at_once() {
    let mut lab = led_by_1(3, &config());
    transfer(&mut lab, 2).unwrap();
    lab.settle();
    assert_eq!(lab.leaders(), [2]);
    assert_eq!(lab.node(2).term(), Term(2));
    assert_eq!(lab.node(1).role(), RoleName::Follower);
}

/// 3.10; 4.2.3: an election that the leader wants is not ignored by those who hear the leader.
#[test]
fn votes_at_the_leader_s_wish_are_given_while_it_lives() {
    let mut lab = led_by_1(3, &config());
    lab.run(4);
    let last = EntryId { term: Term(1), index: lab.node(2).last_index() };
    for (transfer, expected) in [(false, Term(1)), (true, Term(2))] {
        let body = Body::RequestVote(RequestVote { last, transfer });
        lab.act(3, |node| node.receive(message(2, 3, 2, body))).unwrap();
        assert_eq!(lab.node(3).term(), expected);
    }
}

/// 3.10: a handover that takes an election timeout is given up, and proposals are taken again.
#[test]
fn a_handover_that_takes_too_long_is_given_up() {
    let mut lab = led_by_1(3, &config());
    lab.network.cut_off(&[3], &[1, 2]);
    transfer(&mut lab, 3).unwrap();
    lab.run(39);
    assert!(lab.act(1, |node| node.propose(b"x")).is_err());
    lab.run(5);
    assert!(lab.act(1, |node| node.propose(b"x")).is_ok());
    assert_eq!(lab.leaders(), [1]);
}

/// 3.10: leadership goes to a voter, by nobody but the leader.
#[test]
fn leadership_goes_from_the_leader_to_a_voter() {
    let mut lab = led_by_1(3, &config());
    assert!(transfer(&mut lab, 9).is_err());
    let refused = lab.act(2, |node| node.transfer_leadership(NodeId(3)));
    assert_eq!(refused, Err(Refused::NotLeader { leader: Some(NodeId(1)) }));
}
