//! What a peer may send: every malformed or hostile message is a typed error, or harmless.
mod support;

use bytes::Bytes;
use raftcore::{
    AppendOutcome, AppendReply, Body, Commit, DecodeError, Entries, EntriesError, EntryId, GroupId,
    Heartbeat, HeartbeatReply, LogIndex, Message, Node, NodeId, Output, PreVote, RejectedMessage,
    RequestVote, RoleName, Term, Tick, VoteReply,
};
use support::wire::{append, entry_id, every_body, message, no_entries, raw_entries};
use support::{Cluster, drain, led_by_1};

/// Gives a node a message that it must reject, changing nothing but what it reports to the sender.
fn rejects(node: &mut Node, message: Message) -> RejectedMessage {
    drain(node);
    let before = node.fingerprint();
    let counted = node.status().counters.rejected_messages;
    let error = node.receive(message).unwrap_err();
    for output in drain(node) {
        assert!(matches!(output, Output::Send(reply) if reply.kind() as u8 == 6), "only a report");
    }
    assert_eq!(node.fingerprint(), before, "{error}");
    assert_eq!(node.status().counters.rejected_messages, counted + 1);
    error
}

fn last(node: &Node) -> EntryId {
    let index = node.last_index();
    EntryId { term: node.term_at(index).unwrap(), index }
}

fn last_checksum(node: &Node) -> u32 {
    node.checksum_at(node.last_index()).unwrap()
}

/// The entries of the cluster's leader from `first` on, with true checksums.
fn true_entries(cluster: &Cluster, first: u64) -> Entries {
    let stored = support::fold(&cluster.disks[0]);
    let bytes: Vec<u8> = stored
        .checkpoint()
        .unwrap()
        .iter()
        .flat_map(|write| write.entries.bytes().to_vec())
        .collect();
    let all = Entries::decode(LogIndex(1), stored.last().index.0 as u32, bytes.into()).unwrap();
    let skipped: usize = all.iter().take(first as usize - 1).map(|entry| encoded(&entry)).sum();
    let count = stored.last().index.0 - first + 1;
    Entries::decode(LogIndex(first), count as u32, all.bytes().slice(skipped..)).unwrap()
}

fn encoded(entry: &raftcore::EntryRef<'_>) -> usize {
    raw_entries(&[(entry.id.term.0, entry.kind as u8, entry.payload)]).len()
}

#[test]
fn the_largest_term_is_rejected_and_elections_go_on() {
    let mut cluster = led_by_1(3);
    for body in every_body(&no_entries(0)) {
        let message = message(2, 3, u64::MAX, body);
        let error = rejects(cluster.node(3), message);
        assert_eq!(error, RejectedMessage::TermOutOfRange { term: Term(u64::MAX) });
    }
    cluster.cut_off = vec![1];
    cluster.tick(200);
    assert!(cluster.nodes[1..].iter().any(|node| node.role() == RoleName::Leader));
}

#[test]
fn a_term_far_ahead_or_zero_is_rejected() {
    let mut cluster = led_by_1(3);
    for term in [0, 2 + (1 << 32)] {
        let body = Body::VoteReply(VoteReply { granted: true });
        let error = rejects(cluster.node(3), message(2, 3, term, body));
        assert_eq!(error, RejectedMessage::TermOutOfRange { term: Term(term) });
    }
}

#[test]
fn strangers_are_rejected() {
    let mut cluster = led_by_1(3);
    let beat = Body::Commit(Commit { session: 1, commit: LogIndex(1) });
    let alien = Message::forge(GroupId(99), NodeId(1), NodeId(3), Term(1), beat.clone());
    let node = cluster.node(3);
    assert_eq!(rejects(node, alien), RejectedMessage::WrongGroup { group: GroupId(99) });
    let misrouted = message(1, 2, 1, beat.clone());
    assert_eq!(rejects(node, misrouted), RejectedMessage::WrongNode { to: NodeId(2) });
    assert_eq!(rejects(node, message(3, 3, 1, beat)), RejectedMessage::FromSelf);
    let outcome = AppendOutcome::Success { matched: LogIndex(1) };
    let reply = Body::AppendReply(AppendReply { session: 1, outcome });
    cluster.node(1).receive(message(44, 1, 1, reply)).unwrap();
    assert_eq!(cluster.node(1).status().counters.not_member, 1, "a removed node may answer late");
}

#[test]
fn a_vote_of_a_stranger_does_not_count() {
    let mut cluster = Cluster::new(3);
    cluster.tick(1);
    cluster.node(1).campaign().unwrap();
    drain(cluster.node(1));
    for stranger in 50..60 {
        let grant = raftcore::PreVoteReply { asked: Term(0), granted: true, differs: false };
        cluster.node(1).receive(message(stranger, 1, 0, Body::PreVoteReply(grant))).unwrap();
    }
    assert_eq!(cluster.node(1).role(), RoleName::PreCandidate);
}

#[test]
fn a_second_leader_in_one_term_is_rejected() {
    let mut cluster = led_by_1(3);
    let beat = Heartbeat { session: 1, commit: LogIndex(0), matched: LogIndex(0), token: 1 };
    let second = message(2, 3, 1, Body::Heartbeat(beat));
    let leader = NodeId(1);
    let error = RejectedMessage::SecondLeader { from: NodeId(2), term: Term(1), leader };
    assert_eq!(rejects(cluster.node(3), second), error);
    let at_leader = message(2, 1, 1, Body::Heartbeat(beat));
    assert_eq!(rejects(cluster.node(1), at_leader), error);
}

#[test]
fn a_commit_index_beyond_what_was_verified_is_not_adopted() {
    let mut cluster = led_by_1(3);
    let commit = cluster.node(3).commit_index();
    let far = LogIndex(u64::MAX);
    let beat = Heartbeat { session: 1, commit: far, matched: LogIndex(0), token: 1 };
    cluster.node(3).receive(message(1, 3, 1, Body::Heartbeat(beat))).unwrap();
    let notice = Body::Commit(Commit { session: 1, commit: far });
    cluster.node(3).receive(message(1, 3, 1, notice)).unwrap();
    assert_eq!(cluster.node(3).commit_index(), commit);
    let next_term = Heartbeat { session: 1, commit: far, matched: LogIndex(0), token: 1 };
    cluster.node(3).receive(message(2, 3, 2, Body::Heartbeat(next_term))).unwrap();
    assert_eq!(cluster.node(3).commit_index(), commit);
}

/// The first append of node 2 as leader of term 2: it holds entry 1 of that term.
fn first_append_of_term_2() -> raftcore::Append {
    let mut node = support::founded(2, [1, 2, 3]);
    node.tick(Tick(1));
    node.receive(message(3, 2, 1, Body::VoteReply(VoteReply { granted: false }))).unwrap();
    node.campaign().unwrap();
    let grant = raftcore::PreVoteReply { asked: Term(1), granted: true, differs: false };
    node.receive(message(3, 2, 1, Body::PreVoteReply(grant))).unwrap();
    node.receive(message(3, 2, 2, Body::VoteReply(VoteReply { granted: true }))).unwrap();
    let mut appends = Vec::new();
    while let Some(output) = node.poll_output() {
        match output {
            Output::Persist(write) => node.persisted(write.id).unwrap(),
            Output::Send(message) => appends.push(message),
            _ => {}
        }
    }
    let append = |message: &Message| match message.body() {
        Body::Append(append) => Some(append.clone()),
        _ => None,
    };
    appends.iter().find_map(append).unwrap()
}

#[test]
fn a_leader_that_takes_back_what_it_sent_commits_nothing_beyond_the_new_end() {
    let mut node = support::founded(3, [1, 2, 3]);
    let other = first_append_of_term_2();
    let entries = true_entries(&led_by_1(3), 1);
    let first = append(entry_id(0, 0), other.prev_checksum, 0, entries);
    node.receive(message(2, 3, 2, first)).unwrap();
    assert_eq!(node.last_index(), LogIndex(4));
    let commit = LogIndex(u64::MAX);
    let other = Body::Append(raftcore::Append { commit, ..other });
    node.receive(message(2, 3, 2, other)).unwrap();
    assert_eq!((node.last_index(), node.commit_index()), (LogIndex(1), LogIndex(1)));
}

#[test]
fn an_append_beyond_the_end_of_the_log_is_a_conflict_and_leaves_no_gap() {
    let mut cluster = led_by_1(3);
    let end = last(cluster.node(3));
    let gap = append(entry_id(1, 1000), 5, 0, no_entries(1000));
    cluster.node(3).receive(message(1, 3, 1, gap)).unwrap();
    assert_eq!(last(cluster.node(3)), end);
    let outcomes: Vec<_> = drain(cluster.node(3));
    let hint = end;
    let conflict = AppendOutcome::Conflict { prev: LogIndex(1000), hint };
    let reply = Body::AppendReply(AppendReply { session: 1, outcome: conflict });
    assert!(outcomes.contains(&Output::Send(message(3, 1, 1, reply))), "{outcomes:?}");
}

#[test]
fn an_index_that_would_overflow_is_rejected() {
    let body = append(entry_id(1, u64::MAX - 1), 5, 0, no_entries(u64::MAX - 1));
    let frame = message(1, 3, 1, body).encode().to_bytes();
    let highest = postcard::to_allocvec(&(u64::MAX - 1)).unwrap();
    let place = frame.windows(highest.len()).position(|bytes| bytes == highest).unwrap();
    let (mut frame, head) = (frame.to_vec(), frame.len() - 8);
    frame[place] += 1;
    let checksum = xxhash_rust::xxh3::xxh3_64(&frame[..head]);
    frame[head..].copy_from_slice(&checksum.to_le_bytes());
    assert_eq!(Message::decode(frame.into()), Err(EntriesError::Index.into()));
    let entries = Entries::decode(LogIndex(u64::MAX), 2, Bytes::new());
    assert_eq!(entries, Err(EntriesError::Index));
}

#[test]
fn falling_terms_unknown_kinds_and_wrong_counts_do_not_decode() {
    let decode = |entries: &[(u64, u8, &[u8])], count| {
        Entries::decode(LogIndex(5), count, raw_entries(entries).into())
    };
    let index = LogIndex(6);
    assert_eq!(decode(&[(3, 1, b"a"), (2, 1, b"b")], 2), Err(EntriesError::TermFalls { index }));
    assert_eq!(decode(&[(3, 1, b"a"), (3, 9, b"b")], 2), Err(EntriesError::Header { index }));
    assert_eq!(decode(&[(3, 1, b"a")], 2), Err(EntriesError::Length));
    assert_eq!(decode(&[(3, 1, b"a"), (3, 1, b"b")], 1), Err(EntriesError::Length));
    assert_eq!(decode(&[(3, 1, b"a")], u32::MAX), Err(EntriesError::Length));
    let first = LogIndex(5);
    let none = Err(EntriesError::TermFalls { index: first });
    assert_eq!(decode(&[(0, 1, b"a")], 1), none);
    let members = Err(EntriesError::Membership { index: first });
    assert_eq!(decode(&[(3, 2, b"no membership")], 1), members);
}

#[test]
fn terms_and_lengths_of_any_size_are_read_as_they_were_written() {
    let payload = vec![7; 1 << 14];
    for term in [1, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000, u64::MAX] {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x3fff, 0x4000] {
            let payload = &payload[..length];
            let bytes = raw_entries(&[(term, 1, payload), (term, 0, b"")]);
            let entries = Entries::decode(LogIndex(5), 2, bytes.clone().into()).unwrap();
            let read: Vec<_> = entries.iter().map(|entry| (entry.id, entry.payload)).collect();
            assert_eq!(read, [(entry_id(term, 5), payload), (entry_id(term, 6), &[])]);
            for cut in 1..=bytes.len().min(30) {
                let cut = Bytes::copy_from_slice(&bytes[..bytes.len() - cut]);
                assert!(Entries::decode(LogIndex(5), 2, cut).is_err());
            }
        }
    }
}

#[test]
fn entries_older_than_their_predecessor_or_newer_than_the_message_are_rejected() {
    let mut cluster = led_by_1(3);
    let (end, checksum) = (last(cluster.node(3)), last_checksum(cluster.node(3)));
    let newer = raw_entries(&[(9, 1, b"x")]);
    let newer = Entries::decode(end.index.next(), 1, newer.into()).unwrap();
    let error = rejects(cluster.node(3), message(1, 3, 1, append(end, checksum, 0, newer)));
    assert!(matches!(error, RejectedMessage::Entries(EntriesError::Checksum { .. })));
    let from_future = append(entry_id(2, end.index.0), checksum, 0, no_entries(end.index.0));
    let error = rejects(cluster.node(3), message(1, 3, 1, from_future));
    assert!(matches!(error, RejectedMessage::Sequence { .. }));
}

#[test]
fn entries_with_a_wrong_checksum_are_rejected() {
    let mut cluster = led_by_1(3);
    let (end, checksum) = (last(cluster.node(3)), last_checksum(cluster.node(3)));
    let entries = raw_entries(&[(1, 1, b"not what was hashed")]);
    let entries = Entries::decode(end.index.next(), 1, entries.into()).unwrap();
    let error = rejects(cluster.node(3), message(1, 3, 1, append(end, checksum, 0, entries)));
    let index = end.index.next();
    assert_eq!(error, RejectedMessage::Entries(EntriesError::Checksum { index }));
}

#[test]
fn the_same_term_and_index_with_other_content_is_divergence() {
    let mut cluster = led_by_1(3);
    let end = last(cluster.node(3));
    let wrong = last_checksum(cluster.node(3)) ^ 1;
    let probe = append(end, wrong, 0, no_entries(end.index.0));
    let error = rejects(cluster.node(3), message(1, 3, 1, probe));
    assert_eq!(error, RejectedMessage::Diverged { at: end });
}

#[test]
fn a_committed_entry_is_never_overwritten() {
    let mut cluster = led_by_1(3);
    let commit = cluster.node(3).commit_index();
    assert_eq!(commit, LogIndex(4));
    let other = append(entry_id(2, 3), 7, 0, no_entries(3));
    let error = rejects(cluster.node(3), message(1, 3, 2, other));
    assert_eq!(error, RejectedMessage::ContradictsCommitted { at: entry_id(1, 3) });
    assert_eq!(cluster.node(3).term(), Term(1), "a rejected message adopts nothing");
}

#[test]
fn an_append_from_the_beginning_destroys_nothing() {
    let mut cluster = led_by_1(3);
    let seed = cluster.node(3).checksum_at(LogIndex(0)).unwrap();
    let end = last(cluster.node(3));
    let nothing = append(entry_id(0, 0), seed, 0, no_entries(0));
    cluster.node(3).receive(message(1, 3, 1, nothing)).unwrap();
    assert_eq!(last(cluster.node(3)), end);
    let everything = append(entry_id(0, 0), seed, 0, true_entries(&cluster, 1));
    cluster.node(3).receive(message(1, 3, 1, everything)).unwrap();
    assert_eq!(last(cluster.node(3)), end);
    assert!(drain(cluster.node(3)).iter().all(|output| !matches!(output, Output::Persist(_))));
}

#[test]
fn a_late_shorter_append_does_not_shorten_the_log() {
    let mut cluster = led_by_1(5);
    let end = last(cluster.node(3));
    let entries = true_entries(&cluster, 2);
    let few = Entries::decode(
        LogIndex(2),
        1,
        entries.bytes().slice(..encoded(&entries.iter().next().unwrap())),
    );
    let checksum = cluster.node(3).checksum_at(LogIndex(1)).unwrap();
    let late = append(entry_id(1, 1), checksum, 0, few.unwrap());
    cluster.node(3).receive(message(1, 3, 1, late)).unwrap();
    assert_eq!(last(cluster.node(3)), end);
}

#[test]
fn a_heartbeat_that_knows_less_reverts_nothing() {
    let mut cluster = led_by_1(3);
    let (end, commit) = (last(cluster.node(3)), cluster.node(3).commit_index());
    let beat = Heartbeat { session: 1, commit: LogIndex(0), matched: LogIndex(0), token: 1 };
    cluster.node(3).receive(message(1, 3, 1, Body::Heartbeat(beat))).unwrap();
    assert_eq!((last(cluster.node(3)), cluster.node(3).commit_index()), (end, commit));
}

#[test]
fn a_follower_that_hears_its_leader_ignores_a_candidate_of_a_higher_term() {
    let mut cluster = led_by_1(3);
    cluster.tick(8);
    let request = RequestVote { last: entry_id(40, 99), transfer: false };
    for id in [1, 3] {
        cluster.node(id).receive(message(2, id, 41, Body::RequestVote(request))).unwrap();
        assert_eq!(cluster.node(id).term(), Term(1));
        assert_eq!(cluster.node(id).status().counters.leader_alive, 1);
    }
    assert_eq!(cluster.node(1).role(), RoleName::Leader);
}

#[test]
fn a_pre_vote_request_is_never_adopted() {
    let mut cluster = led_by_1(3);
    cluster.tick(8);
    cluster.cut_off = vec![1];
    cluster.tick(1);
    let request = PreVote { last: entry_id(40, 99), doubt: None };
    cluster.node(3).receive(message(2, 3, 41, Body::PreVote(request))).unwrap();
    assert_eq!(cluster.node(3).term(), Term(1));
}

#[test]
fn a_log_tail_newer_than_the_candidate_is_rejected() {
    let mut cluster = led_by_1(3);
    let body = Body::RequestVote(RequestVote { last: entry_id(5, 9), transfer: false });
    let error = rejects(cluster.node(3), message(2, 3, 5, body));
    assert!(matches!(error, RejectedMessage::Sequence { .. }));
    let body = Body::PreVote(PreVote { last: entry_id(6, 9), doubt: None });
    let error = rejects(cluster.node(3), message(2, 3, 5, body));
    assert!(matches!(error, RejectedMessage::Sequence { .. }));
}

#[test]
fn a_confirmation_of_entries_never_sent_is_rejected() {
    let mut cluster = led_by_1(3);
    let matched = LogIndex(u64::MAX);
    let last = cluster.node(1).last_index();
    for session in [1, 2, 99] {
        let outcome = AppendOutcome::Success { matched };
        let body = Body::AppendReply(AppendReply { session, outcome });
        let error = rejects(cluster.node(1), message(2, 1, 1, body));
        assert_eq!(error, RejectedMessage::BeyondLog { matched, last });
    }
    let body = Body::HeartbeatReply(HeartbeatReply { session: 1, token: 1, verified: matched });
    let error = rejects(cluster.node(1), message(2, 1, 1, body));
    assert_eq!(error, RejectedMessage::BeyondLog { matched, last });
}

#[test]
fn a_reply_of_an_earlier_session_changes_no_progress() {
    let mut cluster = led_by_1(3);
    let before = cluster.node(1).status().peers;
    let outcome = AppendOutcome::Conflict { prev: LogIndex(2), hint: entry_id(0, 0) };
    for session in [0, 7] {
        let body = Body::AppendReply(AppendReply { session, outcome });
        cluster.node(1).receive(message(2, 1, 1, body)).unwrap();
    }
    assert_eq!(cluster.node(1).status().peers, before);
    assert_eq!(cluster.node(1).status().counters.old_session, 2);
}

#[test]
fn a_hint_far_away_costs_time_only() {
    for hint in [entry_id(u64::MAX, u64::MAX), entry_id(0, 0), entry_id(0, u64::MAX)] {
        let mut cluster = led_by_1(3);
        let outcome = AppendOutcome::Conflict { prev: LogIndex(u64::MAX), hint };
        let body = Body::AppendReply(AppendReply { session: 1, outcome });
        cluster.node(1).receive(message(2, 1, 1, body)).unwrap();
        cluster.node(1).propose(b"after").unwrap();
        cluster.settle();
        cluster.tick(20);
        assert_eq!(cluster.applied[1].len(), 4);
    }
}

#[test]
fn replies_nobody_waits_for_are_counted_and_ignored() {
    let mut cluster = led_by_1(3);
    let body = Body::VoteReply(VoteReply { granted: true });
    cluster.node(3).receive(message(2, 3, 1, body)).unwrap();
    assert_eq!(cluster.node(3).role(), RoleName::Follower);
    assert_eq!(cluster.node(3).status().counters.unexpected_replies, 1);
}

#[test]
fn a_length_beyond_the_bytes_allocates_nothing() {
    let body = append(entry_id(0, 0), 1, 0, no_entries(0));
    let mut frame = message(1, 3, 1, body).encode().to_bytes().to_vec();
    for (at, byte) in (26..30).zip(u32::MAX.to_le_bytes()) {
        frame[at] = byte;
    }
    assert_eq!(Message::decode(frame.into()), Err(DecodeError::Truncated));
}

#[test]
fn an_append_damaged_in_any_bit_changes_nothing() {
    let mut cluster = led_by_1(3);
    let (end, checksum) = (last(cluster.node(3)), last_checksum(cluster.node(3)));
    cluster.cut_off = vec![3];
    cluster.node(1).propose(b"sent to node 3").unwrap();
    cluster.node(1).propose(&[7; 200]).unwrap();
    cluster.settle();
    let entries = true_entries(&cluster, end.index.0 + 1);
    assert_eq!(entries.len(), 2);
    let message = message(1, 3, 1, append(end, checksum, 0, entries));
    let frame = message.encode().to_bytes();
    let mut refused = 0;
    for bit in 0..frame.len() * 8 {
        let mut bytes = frame.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = Message::decode(bytes.into()) else { continue };
        let error = rejects(cluster.node(3), damaged);
        assert!(matches!(error, RejectedMessage::Entries(EntriesError::Checksum { .. })));
        refused += 1;
    }
    assert!(refused > 200 * 8, "only {refused} are left to the chain");
    cluster.node(3).receive(message).unwrap();
    assert_eq!(last(cluster.node(3)).index.0, end.index.0 + 2);
}
