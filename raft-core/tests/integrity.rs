//! Logs that contradict each other: a damaged node never takes the healthy majority down, and what it
//! holds never spreads.

mod support;

use raftcore::{
    Config, EntryId, HaltReason, LogIndex, RejectedMessage, RoleName, Stored, StoredError, Term,
    Tick, Write,
};
use support::lab::Lab;
use support::{drain, led_by_1, wire};

fn at(index: u64, term: u64) -> EntryId {
    EntryId { term: Term(term), index: LogIndex(index) }
}

/// A group of three or five with equal logs, but for one node whose disk holds other payloads under a
/// chain of checksums that fits them.
fn one_lies(size: u64, liar: u64) -> Lab {
    let mut lab = Lab::new(size, &Config::default());
    for id in 1..=size {
        let lies = id == liar;
        lab.preload_with(id, &[1, 1, 1, 1], 1, |index, term| {
            format!("{index}@{term}{}", if lies && index >= 3 { " forged" } else { "" })
        });
    }
    lab
}

fn halted(lab: &Lab, id: u64) -> bool {
    lab.node(id).status().halted
}

fn forged_by_others(lab: &Lab, liar: u64) -> bool {
    let forged = |payload: &[u8]| payload.ends_with(b"forged");
    lab.ids().into_iter().filter(|&id| id != liar).any(|id| {
        lab.hosts[&id].applied.iter().any(|(_, payload)| forged(payload))
            || lab.log(id).iter().any(|entry| forged(&entry.payload))
    })
}

#[test]
fn a_follower_whose_log_a_quorum_contradicts_halts_and_the_others_go_on() {
    for size in [3, 5] {
        let mut lab = one_lies(size, 3);
        lab.run(20);
        lab.elect(1);
        lab.propose(1, "after");
        lab.run(200);
        let reason = HaltReason::Diverged { at: at(4, 1) };
        assert_eq!(lab.act(3, |node| node.campaign()), Err(raftcore::Refused::Halted { reason }));
        assert_eq!(lab.leaders(), [1]);
        assert!((1..=size).filter(|&id| id != 3).all(|id| !halted(&lab, id)));
        assert_eq!(lab.hosts[&2].applied.last().unwrap().1, b"after");
        assert!(!forged_by_others(&lab, 3));
    }
}

#[test]
fn a_leader_that_the_voters_contradict_halts_and_another_is_elected() {
    for size in [3, 5] {
        let mut lab = one_lies(size, 1);
        lab.run(20);
        lab.elect_against_doubt(1);
        lab.run(300);
        assert!(halted(&lab, 1));
        let mut leaders = lab.leaders();
        leaders.retain(|&id| id != 1);
        assert_eq!(leaders.len(), 1);
        lab.propose(leaders[0], "after");
        lab.run(20);
        assert!(!forged_by_others(&lab, 1));
        assert!((2..=size).all(|id| lab.hosts[&id].applied.last().unwrap().1 == b"after"));
    }
}

#[test]
fn one_peer_alone_halts_nobody() {
    for (size, liar) in [(2, 2), (2, 1)] {
        let mut lab = one_lies(size, liar);
        lab.run(400);
        assert!(!halted(&lab, 1) && !halted(&lab, 2));
        assert!(!forged_by_others(&lab, liar));
    }
}

#[test]
fn a_follower_whose_doubt_ends_waits_for_its_leader_again() {
    let mut cluster = led_by_1(2);
    let contradicts = wire::append(at(3, 1), 7, 0, wire::no_entries(3));
    let error = cluster.node(2).receive(wire::message(1, 2, 1, contradicts)).unwrap_err();
    assert_eq!(error, RejectedMessage::Diverged { at: at(3, 1) });
    let _ = drain(cluster.node(2));
    let in_doubt = cluster.node(2).deadline();
    for id in 1..=3 {
        cluster.node(id).tick(Tick(2));
    }
    cluster.node(1).propose(b"after").unwrap();
    cluster.settle();
    assert!(cluster.node(2).deadline() > in_doubt);
}

#[test]
fn an_append_that_differs_before_an_entry_of_the_same_term_is_refused() {
    let mut lab = Lab::new(3, &Config::default());
    for (id, terms) in [(1, [1, 2, 2, 2]), (2, [2, 2, 2, 2])] {
        lab.preload_with(id, &terms, 2, |index, term| format!("{index}@{term}"));
    }
    let writes = support::fold(&lab.hosts[&1].disk).checkpoint().unwrap();
    let mut runs = writes.into_iter().map(|write| write.entries);
    let run = runs.find(|entries| entries.len() == 4).unwrap();
    let chain = lab.node(2).checksum_at(LogIndex(0)).unwrap();
    let before = lab.log(2);
    let append = wire::message(1, 2, 6, wire::append(at(0, 0), chain, 0, run));
    let error = lab.act(2, |node| node.receive(append)).unwrap_err();
    assert_eq!(error, RejectedMessage::Diverged { at: at(4, 2) });
    assert_eq!(lab.log(2), before);
}

#[test]
fn a_payload_damaged_on_disk_does_not_start() {
    let lab = one_lies(3, 3);
    let (honest, forged) = (&lab.hosts[&1].disk, &lab.hosts[&3].disk);
    let mut stored = Stored::empty();
    let mut refused = 0;
    for (own, other) in honest.iter().zip(forged) {
        let mut write = own.clone();
        // The payload of another log under this one's chain.
        if write.entries.last() >= LogIndex(4) {
            let own = write.entries.bytes().to_vec();
            let mixed = own.iter().map(|&byte| if byte == b'@' { b'#' } else { byte }).collect();
            let mixed: Vec<u8> = mixed;
            let entries = raftcore::Entries::decode(
                write.entries.first(),
                write.entries.len() as u32,
                mixed.into(),
            );
            write.entries = entries.unwrap();
            let error = stored.replay(write).unwrap_err();
            assert!(matches!(error, StoredError::Entries(_)), "{error}");
            refused += 1;
            break;
        }
        assert_eq!(own.id, other.id);
        stored.replay(write).unwrap();
    }
    assert_eq!(refused, 1);
    assert_eq!(lab.node(1).role(), RoleName::Follower);
}

#[test]
fn a_disk_that_lost_a_write_before_another_one_is_recognised_even_between_two_lives() {
    let mut lab = Lab::new(1, &Config { max_retained_bytes: 0, ..Config::default() });
    for _ in 0..3 {
        lab.run(60);
        lab.propose(1, "something");
        lab.settle();
        lab.snapshot(1).unwrap();
        lab.settle();
        lab.propose(1, "something else");
        lab.settle();
        lab.restart(1);
    }
    lab.settle();
    let disk = lab.hosts[&1].disk.clone();
    let fold = |disk: &[Write], missing: usize| {
        let mut stored = Stored::empty();
        let mut kept = disk.iter().enumerate().filter(|&(place, _)| place != missing);
        let folded = kept.try_for_each(|(_, write)| stored.replay(write.clone()));
        folded.map(|()| stored)
    };
    let whole = fold(&disk, usize::MAX).unwrap();
    let said = |stored: &Stored| (stored.hard_state(), stored.last(), stored.snapshot().cloned());
    for disk in [&disk, &whole.checkpoint().unwrap()] {
        assert!(disk.len() > 2);
        for missing in 0..disk.len() - 1 {
            if let Ok(stored) = fold(disk, missing) {
                assert_eq!(said(&stored), said(&whole), "{:?} is missing", disk[missing]);
            }
        }
    }
}
