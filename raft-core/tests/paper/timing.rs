//! Timing and availability (5.6).

use super::*;

/// 5.6: safety does not depend on time: clocks that run apart, or leap, cost elections at most.
#[test]
fn clocks_that_run_apart_never_make_two_leaders_of_one_term() {
    let mut lab = Lab::new(3, &plain());
    let mut leaders = std::collections::BTreeMap::new();
    for round in 0..200u64 {
        for (id, pace) in [(1, 1), (2, 7), (3, 50)] {
            if round % 3 == id % 3 {
                lab.tick(id, pace);
            }
        }
        lab.settle();
        for leader in lab.leaders() {
            let term = lab.node(leader).term();
            assert_eq!(*leaders.entry(term).or_insert(leader), leader);
        }
    }
    assert!(!leaders.is_empty());
}

/// 5.6: as long as messages take much less time than an election timeout, a leader stays.
#[test]
fn a_leader_stays_while_messages_are_faster_than_the_timeout() {
    let mut lab = led_by_1(3, &config());
    let mut under_way = std::collections::VecDeque::new();
    for _ in 0..400 {
        for id in 1..=3 {
            lab.tick(id, 1);
            lab.work(id);
        }
        // Every message takes five ticks.
        under_way.push_back(lab.network.take_free());
        if under_way.len() > 5 {
            under_way.pop_front().unwrap().into_iter().for_each(|message| lab.arrive(message));
        }
    }
    assert_eq!(lab.leaders(), [1]);
    assert_eq!(lab.node(2).term(), Term(1));
}

/// 5.6: a cluster whose leader has crashed is led again within a few election timeouts.
#[test]
fn a_crashed_leader_is_replaced_within_a_few_timeouts() {
    for seed in 0..30 {
        let mut lab = led_by_1(5, &Config { seed, ..config() });
        lab.crash(1, 0);
        lab.run(4 * 40);
        assert_eq!(lab.leaders().len(), 1, "seed {seed}");
    }
}

/// 5.6: ticks may be coarse: each timer fires at most once for a call, and the cluster still works.
#[test]
fn coarse_ticks_still_elect_and_replicate() {
    let mut lab = Lab::new(3, &config());
    for now in 1..60u64 {
        for id in 1..=3 {
            // Not all at the same moment.
            lab.host(id).now = now * 15 + id;
            lab.act(id, |node| node.tick(Tick(now * 15 + id)));
        }
        lab.settle();
    }
    assert_eq!(lab.leaders().len(), 1);
    let leader = lab.leaders()[0];
    lab.propose(leader, "x=1");
    lab.settle();
    assert_eq!(lab.host(leader).applied.len(), 1);
}
