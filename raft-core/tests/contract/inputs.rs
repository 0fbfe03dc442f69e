//! What holds of inputs and outputs in general, whatever the role.

use super::*;
use raftcore::{Body, Member, MessageKind, PeerState, ReadConsistency, ReadId, Status};
use support::lab::{Happening, Lab};
use support::wire::{append, entry_id, message, no_entries};

fn lab(size: u64) -> Lab {
    let mut lab = Lab::new(size, &config());
    lab.elect(1);
    lab.run(2);
    lab
}

/// A follower, a leader, and a candidate that waits for votes; their disks are done.
fn in_every_role() -> Vec<Node> {
    let lab = lab(3);
    let mut alone = founded(1, [1, 2, 3]);
    alone.tick(Tick(0));
    alone.campaign().unwrap();
    vec![lab.node(2).clone(), lab.node(1).clone(), alone]
}

#[test]
fn a_refused_input_changes_nothing() {
    for mut node in in_every_role() {
        drain(&mut node);
        let before = node.fingerprint();
        let stale = MembershipChange::to(LogIndex(99), [Member::voter(NodeId(1))]);
        assert!(node.propose_membership(stale).is_err());
        assert!(node.propose(&vec![0; 2 << 20]).is_err());
        assert!(node.transfer_leadership(NodeId(9)).is_err());
        if node.role() != RoleName::Leader {
            assert!(node.step_down().is_err());
            assert!(node.propose(b"x").is_err());
        }
        if node.role() == RoleName::Follower {
            assert!(node.campaign().is_err());
        } else if node.role() != RoleName::Leader {
            assert!(node.read(ReadId(1), ReadConsistency::Linearizable).is_err());
        }
        let far = LogIndex(99);
        assert!(node.applied(far).is_err() && node.snapshot_taken(far).is_err());
        assert!(node.persisted(write_id(1, 999)).is_err());
        assert_eq!((node.fingerprint(), node.poll_output()), (before, None));
    }
}

#[test]
fn nothing_happens_before_the_deadline_in_any_role() {
    for mut node in in_every_role() {
        drain(&mut node);
        for _ in 0..3 {
            let deadline = node.deadline().unwrap();
            node.tick(deadline.prev());
            assert_eq!(node.poll_output(), None, "{:?} before {deadline}", node.role());
            node.tick(deadline);
            drain(&mut node);
            if node.deadline() <= Some(deadline) {
                break;
            }
        }
    }
}

#[test]
fn one_tick_fires_each_timer_at_most_once() {
    let mut lab = lab(3);
    lab.host(1).now += 19;
    let now = Tick(lab.host(1).now);
    lab.act(1, |node| node.tick(now));
    lab.account.clear();
    lab.poll(1);
    let beats = lab.account.iter().filter(|one| {
        matches!(one, Happening::Wants(1, Output::Send(message)) if message.kind() == MessageKind::Heartbeat)
    });
    assert_eq!(beats.count(), 2, "one to each follower, though four were due");
    let mut node = founded(1, [1, 2, 3]);
    node.tick(Tick(0));
    node.tick(Tick(0));
    node.tick(Tick(1_000_000));
    assert_eq!((node.role(), node.status().counters.campaigns), (RoleName::PreCandidate, 0));
}

#[test]
fn who_polls_and_acknowledges_rarely_loses_time_only() {
    let mut lab = Lab::new(3, &config());
    let mut next = 0;
    for round in 0..6000_u64 {
        let id = round % 3 + 1;
        match round % 13 {
            0..3 => lab.poll(id),
            3..5 => lab.sync(id, usize::MAX),
            5..8 => {
                let messages = lab.network.take_free();
                messages.into_iter().for_each(|message| lab.arrive(message));
            }
            8 if lab.act(id, |node| node.propose(&round.to_le_bytes())).is_ok() => next += 1,
            _ => lab.tick(id, 1),
        }
    }
    lab.run(100);
    assert!(next > 0);
    let leader = lab.leaders()[0];
    lab.propose(leader, "last");
    lab.run(10);
    for id in 1..=3 {
        assert_eq!(lab.hosts[&id].applied, lab.hosts[&leader].applied);
        assert_eq!(lab.hosts[&id].applied.last().unwrap().1, b"last");
    }
}

#[test]
fn chance_comes_from_the_seed_the_node_and_the_life_alone() {
    let timeouts = |seed, id, lives: usize| {
        let mut disk = Vec::new();
        let config = Config { seed, election_ticks_max: 1_000_000, ..config() };
        let mut node = None;
        for _ in 0..lives {
            let stored = match disk.len() {
                0 => Stored::found(identity(id), Membership::of_voters(1..=3).unwrap()),
                _ => fold(&disk),
            };
            let mut next = Node::new(config.clone(), stored, LogIndex(0)).unwrap();
            disk.extend(writes(drain(&mut next)));
            node = Some(next);
        }
        let mut node = node.unwrap();
        node.tick(Tick(0));
        node.tick(Tick(0));
        node.deadline().unwrap()
    };
    assert_eq!(timeouts(5, 1, 1), timeouts(5, 1, 1));
    let others = [timeouts(6, 1, 1), timeouts(5, 2, 1), timeouts(5, 1, 2)];
    assert!(others.iter().all(|&other| other != timeouts(5, 1, 1)));
}

#[test]
fn nodes_that_were_founded_differently_do_not_mix() {
    let mut cluster = led_by_1(1);
    let chain = cluster.node(1).checksum_at(LogIndex(0)).unwrap();
    let mut stranger = founded(4, [1, 2, 4]);
    stranger.tick(Tick(0));
    drain(&mut stranger);
    assert_ne!(stranger.checksum_at(LogIndex(0)), Some(chain), "the members are the seed");
    let first = message(1, 4, 1, append(entry_id(0, 0), chain, 0, no_entries(0)));
    let error = stranger.receive(first).unwrap_err();
    assert_eq!(error, RejectedMessage::Diverged { at: entry_id(0, 0) });
}

#[test]
fn a_write_takes_no_more_bytes_than_its_limit_but_one_entry_at_least() {
    for (limit, expected) in [(1, vec![1, 1, 1, 1]), (250, vec![2, 2]), (10_000, vec![4])] {
        let config = Config { max_write_bytes: limit, max_writes_in_flight: 9, ..config() };
        let stored = Stored::found(identity(1), Membership::of_voters([1]).unwrap());
        let mut cluster = Cluster::new(1);
        cluster.nodes[0] = Node::new(config, stored, LogIndex(0)).unwrap();
        cluster.elect(1);
        for _ in 0..4 {
            cluster.node(1).propose(&[7; 100]).unwrap();
        }
        let counts: Vec<_> =
            writes(drain(cluster.node(1))).iter().map(|write| write.entries.len()).collect();
        assert_eq!(counts, expected);
    }
}

#[test]
fn what_was_never_handed_to_the_disk_is_not_cut_from_it() {
    let mut lab = Lab::new(3, &config());
    for (id, terms, term) in [(1, &[1, 1, 1][..], 3), (2, &[1, 2], 2), (3, &[1], 2)] {
        lab.preload(id, terms, term);
    }
    let entries = {
        let stored = fold(&lab.hosts[&1].disk);
        stored.checkpoint().unwrap().remove(1).entries
    };
    let mut node = lab.node(3).clone();
    node.tick(Tick(50));
    drain(&mut node);
    let seed = node.checksum_at(LogIndex(0)).unwrap();
    node.receive(message(1, 3, 3, append(entry_id(0, 0), seed, 0, entries))).unwrap();
    assert_eq!(node.last_index(), LogIndex(3));
    let other = {
        let stored = fold(&lab.hosts[&2].disk);
        stored.checkpoint().unwrap().remove(1).entries
    };
    node.receive(message(2, 3, 4, append(entry_id(0, 0), seed, 0, other))).unwrap();
    assert_eq!(node.term_at(LogIndex(2)), Some(Term(2)), "overwritten before any poll");
    let writes = writes(drain(&mut node));
    assert!(writes.iter().all(|write| write.truncate_from.is_none()), "{writes:?}");
    assert_eq!(writes.iter().map(|write| write.entries.len()).sum::<usize>(), 1);
}

#[test]
fn the_leader_s_own_entries_need_no_room_under_its_limits() {
    let config = Config { max_uncommitted_bytes: 300, ..config() };
    let mut lab = Lab::with_outsiders(3, 3, &config);
    lab.elect(1);
    lab.run(2);
    let members = [1, 4, 5].map(|id| Member::voter(NodeId(id)));
    let wish = Member { promote: true, ..Member::learner(NodeId(6)) };
    let members = members.into_iter().chain([wish]);
    let based_on = lab.node(1).membership_index();
    let change = MembershipChange::to(based_on, members);
    lab.act(1, |node| node.propose_membership(change)).unwrap();
    for _ in 0..60 {
        while lab.act(1, |node| node.propose(&[7; 100])).is_ok() {}
        lab.run(1);
    }
    let membership = lab.node(1).membership();
    assert!(!membership.is_joint(), "left while clients fill all room");
    assert!(membership.is_voter(NodeId(6)), "promoted");
    assert_eq!(lab.node(1).status().peers[0].state, PeerState::Stream);
}

#[test]
fn pre_votes_and_the_check_of_the_quorum_are_on_and_leases_off_by_default() {
    let config = Config::default();
    assert!(config.pre_vote && config.check_quorum);
    assert_eq!(config.lease_drift_ticks, None);
    assert_eq!(config.max_writes_in_flight, 2);
}

#[test]
fn the_status_is_one_value_that_can_be_sent_elsewhere() {
    let mut lab = lab(3);
    lab.propose(1, "x");
    let status = lab.node(1).status();
    let bytes = postcard::to_allocvec(&status).unwrap();
    assert_eq!(postcard::from_bytes::<Status>(&bytes).unwrap(), status);
    assert_eq!(status.peers.len(), 2);
}

#[test]
fn a_message_says_who_it_is_for_and_what_it_is() {
    let sent = message(1, 2, 3, Body::TimeoutNow);
    assert_eq!((sent.from(), sent.to(), sent.term()), (NodeId(1), NodeId(2), Term(3)));
    assert_eq!((sent.group(), sent.kind()), (support::GROUP, MessageKind::TimeoutNow));
}
