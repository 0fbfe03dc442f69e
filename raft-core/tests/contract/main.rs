//! The contract: what the caller promises, what is misuse, and what is harmless.
#[path = "../support/mod.rs"]
mod support;

mod inputs;
mod snapshots;
mod storage;

use bytes::Bytes;
use raftcore::{
    Answer, Chunk, ChunkId, Config, ConfigError, Entries, HaltReason, HardState, Incarnation,
    Input, LogIndex, LogReadId, LogRequest, Membership, MembershipChange, Misuse, Node, NodeId,
    Output, Refused, RejectedMessage, RoleName, StartError, Stored, StoredError, Term, Tick,
    Unavailable, Write, WriteId,
};
use support::{Cluster, config, drain, fold, founded, identity, led_by_1};

fn write_id(incarnation: u64, sequence: u64) -> WriteId {
    WriteId { incarnation: Incarnation(incarnation), sequence }
}

/// The writes among outputs.
fn writes(outputs: Vec<Output>) -> Vec<Write> {
    let only = |output| match output {
        Output::Persist(write) => Some(write),
        _ => None,
    };
    outputs.into_iter().filter_map(only).collect()
}

/// A leader of a group of one, whose disk is silent from now on.
fn single_leader() -> Node {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    cluster.nodes.remove(0)
}

#[test]
fn an_unknown_write_is_misuse_and_a_repeated_one_is_harmless() {
    let mut node = founded(1, [1]);
    let first = writes(drain(&mut node)).remove(0).id;
    assert_eq!(first, write_id(1, 1));
    for id in [write_id(1, 2), write_id(1, 0), write_id(2, 1)] {
        assert_eq!(node.persisted(id), Err(Misuse::UnknownWrite { id }));
    }
    assert_eq!(node.persisted(first), Ok(()));
    assert_eq!(node.persisted(first), Ok(()));
    assert_eq!(node.persisted(write_id(0, 77)), Ok(()), "of an earlier life");
}

#[test]
fn acknowledgements_are_cumulative_and_may_come_late() {
    let mut node = single_leader();
    node.propose(b"a").unwrap();
    let first = writes(drain(&mut node)).remove(0);
    node.propose(b"b").unwrap();
    let second = writes(drain(&mut node)).remove(0);
    node.persisted(second.id).unwrap();
    assert_eq!(node.commit_index(), LogIndex(3));
    node.persisted(first.id).unwrap();
    assert_eq!(node.commit_index(), LogIndex(3));
}

#[test]
fn only_so_many_writes_are_in_flight_and_the_rest_merges() {
    let mut node = single_leader();
    let mut handed_out = Vec::new();
    for number in 0..10u8 {
        node.propose(&[number]).unwrap();
        handed_out.extend(writes(drain(&mut node)));
    }
    assert_eq!(handed_out.len(), 2);
    assert!(!node.has_output());
    node.persisted(handed_out[1].id).unwrap();
    let rest = writes(drain(&mut node));
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].entries.len(), 8, "one write for all that waited");
}

#[test]
fn a_hundred_proposals_between_two_polls_are_one_write_and_one_append_per_follower() {
    let mut cluster = led_by_1(1);
    for number in 0..100u8 {
        cluster.node(1).propose(&[number]).unwrap();
    }
    let outputs = drain(cluster.node(1));
    let sends = outputs.iter().filter(|output| matches!(output, Output::Send(_))).count();
    assert_eq!(sends, 2);
    assert!(matches!(outputs[..2], [Output::Send(_), Output::Send(_)]), "before the own disk");
    let writes = writes(outputs);
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].entries.len(), 100);
}

#[test]
fn applied_beyond_what_was_handed_out_is_misuse() {
    let mut cluster = led_by_1(2);
    let (index, handed_out) = (LogIndex(4), LogIndex(3));
    let error = cluster.node(1).applied(index).unwrap_err();
    assert_eq!(error, Misuse::NotHandedOut { index, handed_out });
    assert_eq!(cluster.node(1).applied(LogIndex(1)), Ok(()), "earlier ones are harmless");
    assert_eq!(cluster.node(1).applied_index(), handed_out);
}

#[test]
fn nothing_is_applied_before_it_is_durable_here() {
    let mut cluster = led_by_1(1);
    cluster.node(1).propose(b"x").unwrap();
    let mut own = Vec::new();
    let mut messages = Vec::new();
    for output in drain(cluster.node(1)) {
        match output {
            Output::Persist(write) => own.push(write),
            Output::Send(message) => messages.push(message),
            other => panic!("unexpected {other:?}"),
        }
    }
    messages.into_iter().for_each(|message| cluster.deliver(message));
    for at in [1, 2] {
        cluster.carry_out(at).into_iter().for_each(|message| cluster.deliver(message));
    }
    assert_eq!(cluster.node(1).commit_index(), LogIndex(3), "two followers are a quorum");
    let early = drain(cluster.node(1));
    assert!(early.iter().all(|output| !matches!(output, Output::Apply(_))), "{early:?}");
    cluster.node(1).persisted(own[0].id).unwrap();
    assert!(matches!(drain(cluster.node(1))[..], [Output::Apply(_)]));
}

#[test]
fn every_life_raises_the_incarnation_by_its_first_write() {
    let mut cluster = Cluster::new(1);
    cluster.settle();
    for life in 2..5 {
        cluster.restart(1);
        assert_eq!(cluster.node(1).incarnation(), Incarnation(life));
        cluster.settle();
        let write = cluster.disks[0].last().unwrap();
        assert_eq!(write.id, write_id(life, 1));
        assert_eq!(write.hard_state.unwrap().incarnation, Incarnation(life));
    }
}

#[test]
fn a_start_needs_something_stored_and_an_applied_index_that_fits() {
    let start = |stored, applied| Node::new(config(), stored, LogIndex(applied)).map(drop);
    assert_eq!(start(Stored::empty(), 0), Err(StartError::NothingStored));
    assert_eq!(start(Stored::join(identity(4)), 0), Ok(()));
    let stored = fold(&led_by_1(2).disks[0]);
    let (applied, last) = (LogIndex(4), LogIndex(3));
    assert_eq!(start(stored.clone(), 4), Err(StartError::AppliedBeyondLog { applied, last }));
    assert_eq!(start(stored, 3), Ok(()));
}

#[test]
fn a_start_goes_on_from_what_the_state_machine_holds() {
    let mut cluster = led_by_1(5);
    let stored = fold(&cluster.disks[2]);
    cluster.nodes[2] = Node::new(config(), stored, LogIndex(4)).unwrap();
    cluster.applied[2].clear();
    cluster.tick(30);
    assert_eq!(cluster.applied[2].len(), 2);
}

#[test]
fn a_configuration_that_cannot_work_is_named() {
    let start = |config: Config| {
        let stored = Stored::found(identity(1), Membership::of_voters([1]).unwrap());
        Node::new(config, stored, LogIndex(0)).map(drop)
    };
    let zero = Config { max_writes_in_flight: 0, ..config() };
    let field = "max_writes_in_flight";
    assert_eq!(start(zero), Err(StartError::Config(ConfigError::Zero { field })));
    let inverted = Config { election_ticks_min: 41, ..config() };
    assert!(matches!(start(inverted), Err(StartError::Config(ConfigError::TooLarge { .. }))));
    let beats = Config { heartbeat_ticks: 20, ..config() };
    assert!(matches!(start(beats), Err(StartError::Config(ConfigError::TooLarge { .. }))));
    let payload = Config { max_payload_bytes: usize::MAX, ..config() };
    assert!(matches!(start(payload), Err(StartError::Config(ConfigError::TooLarge { .. }))));
    let write = Config { max_write_bytes: usize::MAX, ..config() };
    assert!(matches!(start(write), Err(StartError::Config(ConfigError::TooLarge { .. }))));
}

#[test]
fn only_a_leader_takes_proposals_and_only_so_large_ones() {
    let mut cluster = led_by_1(1);
    let leader = Some(NodeId(1));
    assert_eq!(cluster.node(2).propose(b"x"), Err(Refused::NotLeader { leader }));
    let max = config().max_payload_bytes;
    let large = vec![0; max + 1];
    let error = Refused::TooLarge { bytes: max + 1, max };
    assert_eq!(cluster.node(1).propose(&large), Err(error));
    assert!(cluster.node(1).propose(&large[..max]).is_ok());
    cluster.settle();
    assert_eq!(cluster.applied[2].len(), 2);
}

#[test]
fn proposals_beyond_the_limit_are_refused_until_some_are_applied() {
    let stored = Stored::found(identity(1), Membership::of_voters([1]).unwrap());
    let config = Config { max_uncommitted_bytes: 1000, ..config() };
    let mut cluster = Cluster::new(1);
    cluster.nodes[0] = Node::new(config, stored, LogIndex(0)).unwrap();
    cluster.elect(1);
    let refused = (0..20).find_map(|_| cluster.node(1).propose(&[0; 100]).err()).unwrap();
    assert!(matches!(refused, Refused::Busy { uncommitted_bytes } if uncommitted_bytes <= 1000));
    assert!(cluster.node(1).status().uncommitted_bytes > 0);
    cluster.settle();
    assert_eq!(cluster.node(1).status().uncommitted_bytes, 0);
    assert!(cluster.node(1).propose(&[0; 100]).is_ok());
}

#[test]
fn a_failed_sync_halts_the_node_for_good() {
    let mut cluster = led_by_1(1);
    let node = cluster.node(1);
    node.propose(b"x").unwrap();
    let write = writes(drain(node)).remove(0).id;
    node.storage_failed();
    node.storage_failed();
    let reason = HaltReason::StorageFailed;
    assert_eq!(drain(node), [Output::Halted(reason)]);
    assert_eq!(node.persisted(write), Err(Misuse::Halted { reason }));
    assert_eq!(node.applied(LogIndex(1)), Err(Misuse::Halted { reason }));
    assert_eq!(node.propose(b"y"), Err(Refused::Halted { reason }));
    assert_eq!(node.campaign(), Err(Refused::Halted { reason }));
    node.tick(Tick(10_000));
    assert_eq!((node.deadline(), node.has_output(), node.poll_output()), (None, false, None));
    assert!(node.status().halted);
    let vote =
        support::wire::message(2, 1, 9, support::wire::every_body(&Entries::default()).remove(2));
    assert_eq!(node.receive(vote), Err(RejectedMessage::Halted { reason }));
}

#[test]
fn answers_to_what_was_never_asked_and_snapshots_of_what_is_not_applied_are_misuse() {
    let mut cluster = led_by_1(1);
    let node = cluster.node(1);
    let before = node.fingerprint();
    let (index, applied) = (LogIndex(9), node.applied_index());
    assert_eq!(node.snapshot_taken(index), Err(Misuse::BeyondApplied { index, applied }));
    let (incarnation, sequence) = (Incarnation(1), 1);
    let log = node.log_read(LogReadId { incarnation, sequence }, Err(Unavailable));
    assert_eq!(log, Err(Misuse::UnknownRequest));
    let chunk = Ok(Chunk { total: 1, data: Bytes::from_static(b"x") });
    let chunk = node.snapshot_chunk(ChunkId { incarnation, sequence }, chunk);
    assert_eq!(chunk, Err(Misuse::UnknownRequest));
    assert_eq!(node.fingerprint(), before);
}

#[test]
fn an_earlier_tick_is_ignored_and_nothing_happens_before_the_deadline() {
    let mut node = founded(1, [1, 2, 3]);
    assert_eq!(node.deadline(), Some(Tick(0)));
    node.tick(Tick(500));
    drain(&mut node);
    let deadline = node.deadline().unwrap();
    assert!((520..=540).contains(&deadline.0));
    node.tick(Tick(3));
    node.tick(deadline.prev());
    assert_eq!((node.role(), node.has_output()), (RoleName::Follower, false));
    assert_eq!(node.status().counters.earlier_ticks, 1);
    node.tick(deadline);
    assert_eq!(node.role(), RoleName::PreCandidate);
}

#[test]
fn campaigning_needs_a_clock_and_a_vote_and_no_live_leader() {
    let mut node = founded(1, [1, 2, 3]);
    assert_eq!(node.campaign(), Err(Refused::MayNotCampaign));
    let mut outsider = founded(9, [1, 2, 3]);
    outsider.tick(Tick(1));
    assert_eq!(outsider.campaign(), Err(Refused::MayNotCampaign));
    let mut cluster = led_by_1(1);
    cluster.tick(5);
    assert_eq!(cluster.node(2).campaign(), Err(Refused::LeaderAlive { leader: NodeId(1) }));
    assert_eq!(cluster.node(1).campaign(), Ok(()), "a leader stays leader");
    cluster.restart(3);
    cluster.node(3).tick(Tick(100));
    assert_eq!(cluster.node(3).campaign(), Err(Refused::MayNotCampaign), "it just started");
}

#[test]
fn stored_writes_that_do_not_fold_are_named_and_change_nothing() {
    let disk = led_by_1(3).disks[0].clone();
    let stored = fold(&disk);
    let refuses = |write: Write| {
        let mut stored = stored.clone();
        let error = stored.replay(write).unwrap_err();
        assert_eq!(stored.last(), fold(&disk).last());
        assert_eq!(stored.last_write(), fold(&disk).last_write());
        error
    };
    let last = stored.last_write().unwrap();
    let next = WriteId { sequence: last.sequence + 1, ..last };
    let empty = Write::empty(identity(1), next);
    let foreign = Write { identity: identity(2), ..empty.clone() };
    assert!(matches!(refuses(foreign), StoredError::ForeignIdentity { .. }));
    let missing = Write { id: WriteId { sequence: next.sequence + 1, ..next }, ..empty.clone() };
    assert!(matches!(refuses(missing), StoredError::OutOfOrder { .. }));
    let older = HardState { term: Term(0), vote: None, incarnation: Incarnation(1) };
    let older = Write { hard_state: Some(older), ..empty.clone() };
    assert!(matches!(refuses(older), StoredError::HardStateFell { .. }));
    let second_vote = HardState { vote: Some(NodeId(2)), ..stored.hard_state() };
    let second_vote = Write { hard_state: Some(second_vote), ..empty.clone() };
    assert!(matches!(refuses(second_vote), StoredError::HardStateFell { .. }));
    let again = disk.iter().rfind(|write| !write.entries.is_empty()).unwrap().entries.clone();
    let gap = Write { entries: again, ..empty.clone() };
    assert!(matches!(refuses(gap), StoredError::Gap { .. }));
    let outside = Write { truncate_from: Some(LogIndex(40)), ..empty.clone() };
    assert!(matches!(refuses(outside), StoredError::OutsideLog { .. }));
    let compacted = Write { discard_through: Some(LogIndex(1)), ..empty.clone() };
    assert!(matches!(refuses(compacted), StoredError::OutsideLog { .. }));
    let reset = Write { reset_log_to: Some(LogIndex(1)), ..empty };
    assert!(matches!(refuses(reset), StoredError::Snapshot { .. }));
}

#[test]
fn damaged_stored_entries_are_found_by_the_hash_chain() {
    let disk = led_by_1(3).disks[0].clone();
    let mut stored = Stored::empty();
    let mut found = 0;
    for write in disk {
        if !write.entries.is_empty() {
            let mut bytes = write.entries.bytes().to_vec();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            let entries = &write.entries;
            let damaged = Entries::decode(entries.first(), entries.len() as u32, bytes.into());
            let damaged = Write { entries: damaged.unwrap_or_default(), ..write.clone() };
            if !damaged.entries.is_empty() {
                let error = stored.replay(damaged).unwrap_err();
                assert!(matches!(error, StoredError::Entries(_)));
                found += 1;
            }
        }
        stored.replay(write).unwrap();
    }
    assert!(found > 0);
}

#[test]
fn a_first_write_cut_short_is_still_empty_storage() {
    let mut node = founded(1, [1, 2, 3]);
    let whole = writes(drain(&mut node)).remove(0);
    let mut stored = fold(&[Write { snapshot: None, ..whole.clone() }]);
    assert!(stored.is_empty());
    assert_eq!(
        Node::new(config(), stored.clone(), LogIndex(0)).map(drop),
        Err(StartError::NothingStored)
    );
    stored.replay(whole).unwrap();
    assert!(!stored.is_empty());
}

#[test]
fn a_first_write_cut_short_is_written_again_whatever_term_it_had() {
    let mut node = founded(1, [1, 2]);
    node.tick(Tick(0));
    node.tick(node.deadline().unwrap());
    let reply = raftcore::Body::PreVoteReply(raftcore::PreVoteReply {
        asked: Term(0),
        granted: true,
        differs: false,
    });
    node.receive(support::wire::message(2, 1, 0, reply)).unwrap();
    let late = writes(drain(&mut node)).remove(0);
    assert_eq!(late.hard_state.unwrap().term, Term(1));
    let mut stored = fold(&[Write { snapshot: None, ..late }]);
    assert!(stored.is_empty());
    let again = writes(drain(&mut founded(1, [1, 2]))).remove(0);
    stored.replay(again.clone()).unwrap();
    assert_eq!(stored.hard_state(), again.hard_state.unwrap());
}

#[test]
fn the_methods_and_the_inputs_are_one_door() {
    let mut cluster = led_by_1(1);
    let mut twin = cluster.node(1).clone();
    let node = cluster.node(1);
    node.tick(Tick(50));
    let proposed = node.propose(b"x").unwrap();
    assert_eq!(twin.input(Input::Tick(Tick(50))), Answer::Done);
    assert_eq!(twin.input(Input::Propose(Bytes::from_static(b"x"))), Answer::Proposed(proposed));
    let outputs = drain(node);
    for output in &outputs {
        assert_eq!(twin.input(Input::Poll), Answer::Output(Some(output.clone())));
    }
    assert_eq!(twin.input(Input::Poll), Answer::Output(None));
    let id = write_id(9, 9);
    assert_eq!(twin.input(Input::Persisted(id)), Answer::Misuse(Misuse::UnknownWrite { id }));
    let change = MembershipChange { based_on: LogIndex(0), members: Vec::new() };
    assert!(matches!(twin.input(Input::ProposeMembership(change)), Answer::Refused(_)));
    assert_eq!(twin.fingerprint(), node.fingerprint());
}

#[test]
fn an_input_survives_its_encoding() {
    let cluster = led_by_1(2);
    for message in cluster.sent {
        let input = Input::Receive(message);
        let bytes = postcard::to_allocvec(&input).unwrap();
        assert_eq!(postcard::from_bytes::<Input>(&bytes).unwrap(), input);
    }
}

#[test]
fn a_node_is_a_plain_value() {
    fn is_plain<T: Clone + core::fmt::Debug + Send + Sync + 'static>() {}
    is_plain::<Node>();
    is_plain::<Output>();
    is_plain::<Stored>();
    let mut node = single_leader();
    let copy = node.clone();
    assert_eq!(copy.fingerprint(), node.fingerprint());
    node.propose(b"x").unwrap();
    assert_ne!(copy.fingerprint(), node.fingerprint());
}

/// For hosts of many groups: what nearly every node never needs is kept behind a pointer.
#[test]
#[cfg(target_pointer_width = "64")]
fn a_node_itself_is_small() {
    assert!(size_of::<Node>() <= 640, "{} bytes", size_of::<Node>());
}

/// A group of one with small commands, whose memory holds none of them, and what it asks for.
fn forgetful() -> (Cluster, LogRequest) {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    for number in 0..8u8 {
        cluster.node(1).propose(&[number; 10]).unwrap();
        cluster.settle();
    }
    let stored = fold(&cluster.disks[0]);
    let config = Config { window_bytes: 1, ..config() };
    cluster.nodes[0] = Node::new(config, stored, LogIndex(0)).unwrap();
    cluster.node(1).tick(Tick(50));
    cluster.node(1).tick(Tick(100));
    cluster.node(1).campaign().unwrap();
    loop {
        match cluster.node(1).poll_output().expect("the log is to be applied") {
            Output::Persist(write) => {
                cluster.node(1).persisted(write.id).unwrap();
                cluster.disks[0].push(write);
            }
            Output::ReadLog(request) => return (cluster, request),
            _ => {}
        }
    }
}

#[test]
fn an_answer_of_other_entries_than_were_asked_for_is_misuse_and_the_right_one_still_counts() {
    let (mut cluster, request) = forgetful();
    assert_eq!((request.first, request.last), (LogIndex(1), LogIndex(10)));
    let disk = cluster.disks[0].clone();
    let node = cluster.node(1);
    let before = node.fingerprint();
    let id = request.id;
    let unknown = [
        LogReadId { sequence: id.sequence + 1, ..id },
        LogReadId { sequence: 0, ..id },
        LogReadId { incarnation: id.incarnation.next(), ..id },
    ];
    for id in unknown {
        assert_eq!(node.log_read(id, Err(Unavailable)), Err(Misuse::UnknownRequest));
    }
    let later = LogRequest { first: LogIndex(2), ..request }.answer(&disk).unwrap();
    assert_eq!(node.log_read(id, Ok(later)), Err(Misuse::WrongAnswer));
    let mut longer = disk.clone();
    longer.extend(entries_after(&disk));
    let longer = LogRequest { last: LogIndex(11), ..request }.answer(&longer).unwrap();
    assert_eq!(longer.last(), LogIndex(11));
    assert_eq!(node.log_read(id, Ok(longer)), Err(Misuse::WrongAnswer));
    assert_eq!(node.fingerprint(), before);
    let of_earlier_life = LogReadId { incarnation: Incarnation(1), ..id };
    assert_eq!(node.log_read(of_earlier_life, Err(Unavailable)), Ok(()));
    let answer = request.answer(&disk).unwrap();
    assert_eq!(node.log_read(id, Ok(answer.clone())), Ok(()));
    assert_eq!(node.log_read(id, Ok(answer)), Ok(()), "a repeated answer is harmless");
    assert_eq!(node.status().counters.dropped_answers, 2);
    let applied = drain(node).into_iter().find_map(|output| match output {
        Output::Apply(committed) => Some(committed.last()),
        _ => None,
    });
    assert_eq!(applied, Some(LogIndex(10)));
    node.storage_failed();
    assert!(matches!(node.log_read(id, Err(Unavailable)), Err(Misuse::Halted { .. })));
}

/// One more write after those of a disk.
fn entries_after(disk: &[Write]) -> Option<Write> {
    let mut node = Node::new(config(), fold(disk), LogIndex(10)).unwrap();
    node.tick(Tick(0));
    node.tick(Tick(100));
    node.campaign().unwrap();
    let mut more = None;
    while let Some(output) = node.poll_output() {
        if let Output::Persist(write) = output {
            node.persisted(write.id).unwrap();
            more = Some(write).filter(|write| !write.entries.is_empty()).or(more);
        }
    }
    more
}

#[test]
fn an_answer_that_is_not_what_was_stored_halts_the_node() {
    let (mut cluster, request) = forgetful();
    let good = request.answer(&cluster.disks[0]).unwrap();
    let mut bytes = good.bytes().to_vec();
    bytes[0] ^= 1;
    let bad = Entries::decode(good.first(), good.len() as u32, bytes.into()).unwrap();
    let node = cluster.node(1);
    assert_eq!(node.log_read(request.id, Ok(bad)), Ok(()));
    let reason = HaltReason::LogDamaged { first: LogIndex(1), last: LogIndex(10) };
    assert_eq!(drain(node), [Output::Halted(reason)]);
}

#[test]
fn an_answer_is_put_together_from_the_writes_that_hold_it() {
    let (cluster, request) = forgetful();
    let mut disk = cluster.disks[0].clone();
    let whole = request.answer(&disk).unwrap();
    assert_eq!((whole.first(), whole.last()), (LogIndex(1), LogIndex(10)));
    let few = LogRequest { first: LogIndex(4), max_bytes: 1, ..request }.answer(&disk).unwrap();
    assert_eq!((few.first(), few.last()), (LogIndex(4), LogIndex(5)), "the first and one more");
    let one =
        LogRequest { first: LogIndex(4), last: LogIndex(4), ..request }.answer(&disk).unwrap();
    assert_eq!(one.len(), 1);
    // Entries that were overwritten are replaced by those of the later write.
    let old = disk.iter().find(|write| write.entries.last() == LogIndex(6)).unwrap().clone();
    let at = disk.iter().position(|write| write.entries.last() == LogIndex(3)).unwrap();
    disk.insert(at, old);
    assert_eq!(request.answer(&disk), Ok(whole));
    assert_eq!(LogRequest { first: LogIndex(12), ..request }.answer(&disk), Err(Unavailable));
    assert_eq!(request.answer(&[]), Err(Unavailable));
}

#[test]
fn what_was_trimmed_from_a_fold_is_missed_only_where_it_is_needed() {
    let (cluster, _) = forgetful();
    let mut stored = Stored::empty();
    for write in &cluster.disks[0] {
        stored.replay(write.clone()).unwrap();
        stored.trim(0);
    }
    assert_eq!(stored.last().index, LogIndex(10));
    assert_eq!(stored.term_at(LogIndex(3)), Some(Term(1)));
    assert_eq!(stored.entry(LogIndex(3)), None);
    assert_eq!(stored.checkpoint(), Err(StoredError::Trimmed { index: LogIndex(1) }));
    let mut cut = Write::empty(identity(1), stored.last_write().unwrap());
    cut.truncate_from = Some(LogIndex(5));
    assert_eq!(stored.replay(cut), Err(StoredError::Trimmed { index: LogIndex(4) }));
    assert!(Node::new(config(), stored, LogIndex(0)).is_ok());
}
