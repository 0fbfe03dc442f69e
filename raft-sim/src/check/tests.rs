//! Each checker goes red when it is fed what must not be.

use bytes::Bytes;
use raftcore::{
    Append, AppendOutcome, AppendReply, Body, Committed, Entries, EntryId, Event, GroupId,
    HardState, Heartbeat, Identity, Incarnation, LogIndex, Membership, Message, NodeId, PreVote,
    RequestVote, RoleName, Term, VoteReply, Write, WriteId,
};

use super::{Checks, View};
use crate::property::{Checked, Property};

const GROUP: GroupId = GroupId(1);

fn id(index: u64, term: u64) -> EntryId {
    EntryId { term: Term(term), index: LogIndex(index) }
}

/// Entries of these terms and checksums; all are openings of a term, without payload.
fn entries(first: u64, marks: &[(u64, u32)]) -> Entries {
    let mut bytes = Vec::new();
    for &(term, checksum) in marks {
        let header = (checksum.to_le_bytes(), term, 0u8, 0u32);
        bytes.extend(postcard::to_allocvec(&header).unwrap());
    }
    Entries::decode(LogIndex(first), marks.len() as u32, Bytes::from(bytes)).unwrap()
}

pub(super) fn write() -> Write {
    let identity = Identity { group: GROUP, node: NodeId(1) };
    Write::empty(identity, WriteId { incarnation: Incarnation(1), sequence: 1 })
}

fn state(term: u64, vote: Option<u64>, incarnation: u64) -> Write {
    let vote = vote.map(NodeId);
    let incarnation = Incarnation(incarnation);
    Write { hard_state: Some(HardState { term: Term(term), vote, incarnation }), ..write() }
}

fn log(first: u64, marks: &[(u64, u32)]) -> Write {
    Write { entries: entries(first, marks), ..write() }
}

fn leader(term: u64, commit: u64, last: u64) -> View {
    View { role: RoleName::Leader, term, commit, applied: 0, last, membership: (0, 0) }
}

pub(super) fn follower(term: u64, applied: u64, commit: u64, last: u64) -> View {
    View { role: RoleName::Follower, term, commit, applied, last, membership: (0, 0) }
}

fn checks(hosts: usize) -> Checks {
    Checks::new(hosts, &Membership::of_voters(1..=hosts as u64).unwrap(), 1)
}

pub(super) fn breaks(checked: Checked, property: Property) {
    assert_eq!(checked.map_err(|violation| violation.property), Err(property));
}

/// Three nodes; entries 1 and 2 of term 1 are durable on the first two, and committed.
pub(super) fn two_committed() -> Checks {
    let mut checks = checks(3);
    for host in 0..2 {
        checks.durable(host, &state(1, Some(1), 1)).unwrap();
        checks.durable(host, &log(1, &[(1, 11), (1, 12)])).unwrap();
    }
    checks.leads(0, 1, |_| None).unwrap();
    checks.commits(0, &leader(1, 2, 2), Some(12)).unwrap();
    assert_eq!(checks.committed(), 2);
    checks
}

/// All nodes vote for one of them.
fn elect(checks: &mut Checks, host: usize, term: u64) {
    for voter in 0..3 {
        checks.durable(voter, &state(term, Some(host as u64 + 1), 1)).unwrap();
    }
}

fn said(from: u64, to: u64, term: u64, body: Body) -> Message {
    Message::forge(GROUP, NodeId(from), NodeId(to), Term(term), body)
}

#[test]
fn a_leader_without_a_committed_entry_breaks_leader_completeness() {
    let mut checks = two_committed();
    elect(&mut checks, 1, 2);
    assert_eq!(checks.leads(1, 2, |_| Some(12)), Ok(()));
    elect(&mut checks, 2, 3);
    breaks(checks.leads(2, 3, |_| None), Property::LeaderCompleteness);
    elect(&mut checks, 2, 4);
    breaks(checks.leads(2, 4, |_| Some(99)), Property::LeaderCompleteness);
}

#[test]
fn a_leader_without_a_durable_vote_for_itself_is_noticed() {
    let mut checks = checks(3);
    breaks(checks.leads(0, 1, |_| None), Property::OneVotePerTerm);
    checks.durable(1, &state(2, Some(1), 1)).unwrap();
    breaks(checks.leads(1, 2, |_| None), Property::OneVotePerTerm);
}

#[test]
fn a_leader_elected_late_needs_only_what_was_committed_before_its_term() {
    let mut checks = two_committed();
    for host in 0..2 {
        checks.durable(host, &log(3, &[(2, 23), (4, 24)])).unwrap();
    }
    for (voter, term, candidate) in [(0, 3, 1), (2, 3, 1), (1, 4, 2), (2, 4, 2)] {
        checks.durable(voter, &state(term, Some(candidate), 1)).unwrap();
    }
    checks.leads(1, 4, |_| Some(12)).unwrap();
    checks.commits(1, &leader(4, 4, 4), Some(24)).unwrap();
    assert_eq!(checks.committed_before(3), 2);
    assert_eq!(checks.leads(0, 3, |index| (index == 2).then_some(12)), Ok(()));
    elect(&mut checks, 2, 5);
    let lacks = checks.leads(2, 5, |index| (index == 2).then_some(12));
    breaks(lacks, Property::LeaderCompleteness);
}

#[test]
fn a_leader_needs_the_votes_of_a_quorum_of_the_membership_in_force() {
    let mut checks = checks(3);
    checks.durable(1, &state(2, Some(2), 1)).unwrap();
    breaks(checks.leads(1, 2, |_| None), Property::ElectedByQuorum);
    checks.durable(2, &state(2, Some(2), 1)).unwrap();
    assert_eq!(checks.leads(1, 2, |_| None), Ok(()));
    checks.reconfigured(1, &Membership::of_voters([1]).unwrap());
    breaks(checks.leads(1, 2, |_| None), Property::ElectedByQuorum);
}

#[test]
fn what_is_committed_is_durable_on_a_quorum_of_the_membership_in_force() {
    let mut checks = two_committed();
    checks.durable(0, &log(3, &[(1, 13)])).unwrap();
    checks.durable(1, &log(3, &[(1, 13)])).unwrap();
    checks.reconfigured(0, &Membership::of_voters([2, 3]).unwrap());
    breaks(checks.commits(0, &leader(1, 3, 3), Some(13)), Property::DurableOnQuorum);
    checks.reconfigured(0, &Membership::of_voters([1]).unwrap());
    assert_eq!(checks.commits(0, &leader(1, 3, 3), Some(13)), Ok(()));
}

#[test]
fn a_second_leader_of_a_term_breaks_election_safety() {
    let mut checks = two_committed();
    breaks(checks.leads(1, 1, |_| Some(12)), Property::ElectionSafety);
}

#[test]
fn what_a_minority_holds_is_not_committed() {
    let mut checks = two_committed();
    checks.durable(0, &log(3, &[(1, 13)])).unwrap();
    breaks(checks.commits(0, &leader(1, 3, 3), Some(13)), Property::DurableOnQuorum);
    checks.durable(2, &log(1, &[(1, 11), (1, 12), (1, 13)])).unwrap();
    assert_eq!(checks.commits(0, &leader(1, 3, 3), Some(13)), Ok(()));
}

#[test]
fn a_leader_that_counts_on_what_a_peer_does_not_have_is_noticed() {
    let mut checks = two_committed();
    assert_eq!(checks.believes(0, 1, 1, 2, Some(12)), Ok(()));
    assert_eq!(checks.believes(0, 1, 2, 0, None), Ok(()));
    breaks(checks.believes(0, 1, 1, 2, Some(99)), Property::MatchIsDurable);
    breaks(checks.believes(0, 1, 1, 3, Some(13)), Property::MatchIsDurable);
    breaks(checks.believes(0, 2, 1, 2, Some(12)), Property::MatchIsDurable);
    checks.durable(1, &state(5, None, 1)).unwrap();
    assert_eq!(checks.believes(0, 2, 1, 3, Some(13)), Ok(()));
}

#[test]
fn a_follower_is_never_the_first_to_commit() {
    let mut checks = two_committed();
    checks.durable(0, &log(3, &[(1, 13)])).unwrap();
    checks.durable(1, &log(3, &[(1, 13)])).unwrap();
    breaks(checks.commits(1, &follower(1, 0, 3, 3), Some(13)), Property::DurableOnQuorum);
}

#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let mut checks = two_committed();
    checks.durable(0, &log(3, &[(1, 13)])).unwrap();
    checks.durable(1, &log(3, &[(1, 13)])).unwrap();
    breaks(checks.commits(0, &leader(4, 3, 3), Some(13)), Property::OwnTermCommit);
}

#[test]
fn another_history_below_a_commit_breaks_immutability() {
    let mut checks = two_committed();
    checks.durable(2, &log(1, &[(1, 91), (1, 92), (4, 93)])).unwrap();
    checks.images[1] = checks.images[2].clone();
    breaks(checks.commits(2, &leader(4, 3, 3), Some(93)), Property::CommittedIsImmutable);
}

#[test]
fn applying_anything_but_the_committed_sequence_breaks_state_machine_safety() {
    let mut checks = two_committed();
    let applies = |first, marks: &[(u64, u32)]| Committed { entries: entries(first, marks) };
    breaks(checks.applies(2, 1, &applies(2, &[(1, 12)])), Property::StateMachineSafety);
    breaks(checks.applies(2, 1, &applies(1, &[(1, 77)])), Property::StateMachineSafety);
    breaks(checks.applies(2, 1, &applies(1, &[(2, 11)])), Property::StateMachineSafety);
    let beyond = applies(1, &[(1, 11), (1, 12), (1, 13)]);
    breaks(checks.applies(2, 1, &beyond), Property::DurableOnQuorum);
    assert_eq!(checks.applies(2, 1, &applies(1, &[(1, 11), (1, 12)])), Ok(()));
    breaks(checks.applies(2, 1, &applies(1, &[(1, 11)])), Property::StateMachineSafety);
}

#[test]
fn deleting_a_committed_entry_breaks_immutability() {
    let mut checks = two_committed();
    checks.durable(0, &log(3, &[(1, 13)])).unwrap();
    let truncate = |from| Write { truncate_from: Some(LogIndex(from)), ..write() };
    assert_eq!(checks.durable(0, &truncate(3)), Ok(()));
    breaks(checks.durable(0, &truncate(2)), Property::CommittedIsImmutable);
}

#[test]
fn a_node_of_an_earlier_term_may_give_up_what_was_committed_later() {
    let mut checks = two_committed();
    checks.durable(2, &log(1, &[(1, 11), (1, 12), (1, 13)])).unwrap();
    for host in 0..2 {
        checks.durable(host, &log(3, &[(1, 13), (3, 14)])).unwrap();
    }
    checks.commits(0, &leader(3, 4, 4), Some(14)).unwrap();
    let truncate = Write { truncate_from: Some(LogIndex(3)), ..state(2, None, 1) };
    assert_eq!(checks.durable(2, &truncate), Ok(()));
    let truncate = Write { truncate_from: Some(LogIndex(3)), ..state(3, None, 1) };
    breaks(checks.durable(1, &truncate), Property::CommittedIsImmutable);
}

#[test]
fn a_leader_that_truncates_or_shrinks_breaks_append_only() {
    let mut checks = two_committed();
    let write = Write { truncate_from: Some(LogIndex(3)), ..write() };
    breaks(checks.issues(0, &leader(1, 2, 2), &write), Property::LeaderAppendOnly);
    assert_eq!(checks.issues(0, &follower(1, 0, 0, 2), &write), Ok(()));
    let shrinks = checks.view(0, &leader(1, 0, 5), &leader(1, 0, 4));
    breaks(shrinks, Property::LeaderAppendOnly);
}

#[test]
fn two_contents_of_one_entry_break_log_matching() {
    let mut checks = checks(3);
    let view = follower(1, 0, 0, 0);
    assert_eq!(checks.issues(0, &view, &log(1, &[(1, 11)])), Ok(()));
    breaks(checks.issues(1, &view, &log(1, &[(1, 12)])), Property::LogMatching);
    let event = Event::Diverged { peer: NodeId(2), at: id(1, 1) };
    breaks(checks.notices(0, &event), Property::LogMatching);
}

#[test]
fn durable_term_and_incarnation_never_fall() {
    for fallen in [state(1, None, 5), state(3, None, 4)] {
        let mut checks = checks(1);
        checks.durable(0, &state(3, None, 5)).unwrap();
        breaks(checks.durable(0, &fallen), Property::MonotonicDurableState);
    }
    let mut checks = checks(1);
    checks.durable(0, &state(3, None, 5)).unwrap();
    let started = checks.started(0, 0, &follower(2, 0, 0, 0));
    breaks(started, Property::MonotonicDurableState);
}

#[test]
fn a_durable_vote_never_changes_or_vanishes_within_its_term() {
    for other in [Some(3), None] {
        let mut checks = checks(1);
        checks.durable(0, &state(3, Some(2), 1)).unwrap();
        breaks(checks.durable(0, &state(3, other, 2)), Property::OneVotePerTerm);
    }
}

#[test]
fn getters_stay_in_order_and_never_fall() {
    let checks = checks(1);
    let before = follower(3, 1, 2, 3);
    let ordering = [follower(3, 3, 2, 4), follower(3, 1, 4, 3)];
    for view in ordering {
        breaks(checks.view(0, &before, &view), Property::IndexOrdering);
    }
    let falling = [follower(2, 1, 2, 3), follower(3, 1, 1, 3), follower(3, 0, 2, 3)];
    for view in falling {
        breaks(checks.view(0, &before, &view), Property::MonotonicState);
    }
    assert_eq!(checks.view(0, &before, &follower(4, 2, 2, 2)), Ok(()));
}

#[test]
fn a_success_needs_the_entry_on_disk_and_the_leaders_content() {
    let mut checks = two_committed();
    let success = |matched| {
        let outcome = AppendOutcome::Success { matched: LogIndex(matched) };
        said(2, 1, 1, Body::AppendReply(AppendReply { session: 1, outcome }))
    };
    assert_eq!(checks.sends(1, &success(2), Some(Some(12))), Ok(()));
    assert_eq!(checks.sends(1, &success(2), None), Ok(()));
    breaks(checks.sends(1, &success(3), None), Property::MessageBehindDurability);
    breaks(checks.sends(1, &success(2), Some(Some(99))), Property::LogMatching);
    breaks(checks.sends(1, &success(2), Some(None)), Property::LogMatching);
}

#[test]
fn a_vote_leaves_only_when_it_is_durable() {
    let mut checks = two_committed();
    let granted = |to, term| said(2, to, term, Body::VoteReply(VoteReply { granted: true }));
    assert_eq!(checks.sends(1, &granted(1, 1), None), Ok(()));
    breaks(checks.sends(1, &granted(3, 1), None), Property::OneVotePerTerm);
    breaks(checks.sends(1, &granted(3, 2), None), Property::MessageBehindDurability);
    checks.durable(1, &state(3, None, 1)).unwrap();
    breaks(checks.sends(1, &granted(3, 3), None), Property::MessageBehindDurability);
}

#[test]
fn a_vote_request_leaves_only_after_its_own_vote_and_its_log_tail() {
    let mut checks = two_committed();
    let request =
        |last, term| said(1, 2, term, Body::RequestVote(RequestVote { last, transfer: false }));
    assert_eq!(checks.sends(0, &request(id(2, 1), 1), None), Ok(()));
    breaks(checks.sends(0, &request(id(3, 1), 1), None), Property::MessageBehindDurability);
    breaks(checks.sends(0, &request(id(2, 1), 2), None), Property::MessageBehindDurability);
}

#[test]
fn every_other_message_waits_for_its_term() {
    let mut checks = two_committed();
    let refused = said(2, 1, 2, Body::VoteReply(VoteReply { granted: false }));
    breaks(checks.sends(1, &refused, None), Property::MessageBehindDurability);
    let heartbeat = Heartbeat { session: 1, matched: LogIndex(0), commit: LogIndex(0), token: 1 };
    let heartbeat = said(2, 1, 2, Body::Heartbeat(heartbeat));
    breaks(checks.sends(1, &heartbeat, None), Property::MessageBehindDurability);
    let asks = said(2, 1, 9, Body::PreVote(PreVote { last: id(0, 0), doubt: None }));
    assert_eq!(checks.sends(1, &asks, None), Ok(()));
}

#[test]
fn nobody_speaks_as_leader_of_anothers_term_or_of_a_commit_that_is_none() {
    let mut checks = two_committed();
    let append = |from, to, commit| {
        let (prev_term, commit) = (Term(1), LogIndex(commit));
        let entries = entries(3, &[]);
        let append = Append { session: 1, prev_checksum: 12, prev_term, commit, entries };
        said(from, to, 1, Body::Append(append))
    };
    assert_eq!(checks.sends(0, &append(1, 2, 2), None), Ok(()));
    breaks(checks.sends(0, &append(1, 2, 3), None), Property::DurableOnQuorum);
    breaks(checks.sends(1, &append(2, 1, 2), None), Property::ElectionSafety);
    breaks(checks.sends(1, &append(1, 2, 2), None), Property::ContractKept);
}
