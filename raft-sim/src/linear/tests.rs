use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

use super::*;
use crate::rng::Rng;

fn write(value: u64, called: u64, returned: u64) -> Operation {
    Operation { called, returned, action: Action::Write(value) }
}

fn read(value: impl Into<Option<u64>>, called: u64, returned: u64) -> Operation {
    Operation { called, returned, action: Action::Read(value.into()) }
}

#[test]
fn operations_one_after_the_other_show_the_last_write() {
    assert_eq!(unexplained(&[]), None);
    assert_eq!(unexplained(&[read(None, 1, 2), write(7, 3, 4), read(7, 5, 6)]), None);
    assert_eq!(unexplained(&[write(7, 1, 2), read(None, 3, 4)]), Some(1));
    assert_eq!(unexplained(&[write(7, 1, 2), write(8, 3, 4), read(7, 5, 6)]), Some(2));
    assert_eq!(unexplained(&[read(7, 1, 2), write(7, 3, 4)]), Some(0));
}

#[test]
fn a_read_during_a_write_shows_the_value_before_or_after_but_never_goes_back() {
    let during = |first, second| [write(7, 1, 10), read(first, 2, 3), read(second, 4, 5)];
    assert_eq!(unexplained(&during(None, None)), None);
    assert_eq!(unexplained(&during(None, Some(7))), None);
    assert_eq!(unexplained(&during(Some(7), Some(7))), None);
    assert_eq!(unexplained(&during(Some(7), None)), Some(2));
}

#[test]
fn two_readers_agree_on_the_order_of_two_writes() {
    let writes = [write(1, 1, 4), write(2, 2, 3)];
    let seen = |values: [u64; 2]| {
        let reads = [read(values[0], 5, 6), read(values[1], 7, 8)];
        unexplained(&[writes.as_slice(), &reads].concat())
    };
    assert_eq!((seen([1, 1]), seen([2, 2])), (None, None));
    assert_eq!((seen([1, 2]), seen([2, 1])), (Some(3), Some(3)));
}

#[test]
fn a_write_of_unknown_outcome_takes_effect_late_or_never_but_not_before_its_call() {
    let history = |seen: [Option<u64>; 3]| {
        let reads = [read(seen[0], 1, 2), read(seen[1], 6, 7), read(seen[2], 20, 21)];
        [[write(7, 5, NEVER)].as_slice(), &reads].concat()
    };
    assert_eq!(unexplained(&history([None, None, None])), None);
    assert_eq!(unexplained(&history([None, None, Some(7)])), None);
    assert_eq!(unexplained(&history([None, Some(7), Some(7)])), None);
    assert_eq!(unexplained(&history([None, Some(7), None])), Some(3));
    assert_eq!(unexplained(&history([Some(7), Some(7), Some(7)])), Some(1));
}

#[test]
fn a_value_comes_back_only_if_it_was_written_twice() {
    let seen = [read(1, 5, 6), read(2, 7, 8), read(1, 9, 10)];
    let once = [write(1, 1, 2), write(2, 3, NEVER)];
    assert_eq!(unexplained(&[once.as_slice(), &seen].concat()), Some(4));
    let twice = [write(1, 1, 2), write(2, 3, NEVER), write(1, 4, NEVER)];
    assert_eq!(unexplained(&[twice.as_slice(), &seen].concat()), None);
}

#[test]
fn a_read_that_did_not_return_says_nothing() {
    assert_eq!(unexplained(&[write(1, 1, 2), read(9, 3, NEVER), read(1, 4, 5)]), None);
}

#[test]
fn many_writes_at_once_are_not_tried_in_every_order() {
    let count = 200;
    let unseen = (0..count).map(|value| write(value, 1 + value, 1000 + value));
    let late = [read(count - 1, 2000, 2001), read(0, 2002, 2003)];
    assert_eq!(unexplained(&unseen.chain(late).collect::<Vec<_>>()), Some(201));
    for values in [count, 3] {
        let pairs = (0..count).flat_map(|number| {
            let (value, begin) = (number % values, 10 * (number / 4));
            [write(value, begin, begin + 8), read(value, begin + 1, begin + 9)]
        });
        let mut pairs: Vec<Operation> = pairs.collect();
        assert_eq!(unexplained(&pairs), None);
        pairs.push(read(count, 5000, 5001));
        assert_eq!(unexplained(&pairs), Some(400));
    }
}

/// A step of a random history: a client calls, or its operation returns.
#[derive(Clone, Copy, Debug)]
enum Step {
    Calls(usize, Action),
    Returns(usize, Action),
}

/// A history of some clients on a register. An operation takes effect when it returns, or some time
/// before; now and then one shows what it should not, or its client is never seen again.
fn history(rng: &mut Rng) -> Vec<Step> {
    let (clients, values) = (rng.between(2, 5), rng.between(2, 5));
    let (length, wrong) = (rng.between(4, 22), rng.pick(&[0, 300, 700]));
    let mut names: Vec<usize> = (0..clients as usize).collect();
    let mut open: Vec<Option<(Action, bool)>> = vec![None; names.len()];
    let (mut register, mut steps) = (None, Vec::new());
    for _ in 0..length {
        let client = rng.below(clients) as usize;
        let Some((action, done)) = &mut open[client] else {
            let value = rng.below(values);
            let action = if rng.chance(500) { Action::Write(value) } else { Action::Read(None) };
            open[client] = Some((action, false));
            steps.push(Step::Calls(names[client], action));
            continue;
        };
        if !*done {
            match action {
                Action::Write(value) => register = Some(*value),
                Action::Read(value) => *value = register,
            }
            *done = true;
        }
        match rng.weighted(&[6, 3, 1]) {
            0 => {
                if let (Action::Read(value), true) = (&mut *action, rng.chance(wrong)) {
                    *value = rng.chance(800).then(|| rng.below(values));
                }
                steps.push(Step::Returns(names[client], *action));
                open[client] = None;
            }
            1 => {}
            _ => {
                names[client] += 100;
                open[client] = None;
            }
        }
    }
    steps
}

/// The history as this module takes it; what did not return is unknown.
fn operations(steps: &[Step]) -> Vec<Operation> {
    let mut operations: Vec<(usize, Operation)> = Vec::new();
    for (moment, step) in steps.iter().enumerate() {
        let moment = moment as u64;
        match *step {
            Step::Calls(client, action) => {
                operations.push((client, Operation { called: moment, returned: NEVER, action }));
            }
            Step::Returns(client, action) => {
                let called = operations.iter_mut().rev().find(|(caller, _)| *caller == client);
                let (_, operation) = called.expect("it was called");
                (operation.returned, operation.action) = (moment, action);
            }
        }
    }
    operations.into_iter().map(|(_, operation)| operation).collect()
}

fn stateright_agrees(steps: &[Step]) -> bool {
    let mut tester = LinearizabilityTester::new(Register(None));
    for step in steps {
        let told = match *step {
            Step::Calls(client, Action::Write(value)) => {
                tester.on_invoke(client, RegisterOp::Write(Some(value)))
            }
            Step::Calls(client, Action::Read(_)) => tester.on_invoke(client, RegisterOp::Read),
            Step::Returns(client, Action::Write(_)) => {
                tester.on_return(client, RegisterRet::WriteOk)
            }
            Step::Returns(client, Action::Read(value)) => {
                tester.on_return(client, RegisterRet::ReadOk(value))
            }
        };
        told.expect("a history");
    }
    tester.is_consistent()
}

#[test]
fn stateright_says_the_same_of_random_histories() {
    let mut rng = Rng::new(1);
    let (mut fine, mut broken) = (0, 0);
    for _ in 0..12_000 {
        let steps = history(&mut rng);
        let expected = stateright_agrees(&steps);
        *(if expected { &mut fine } else { &mut broken }) += 1;
        assert_eq!(is_linearizable(&operations(&steps)), expected, "{steps:?}");
    }
    println!("{fine} linearizable, {broken} not");
    assert!(fine > 6_000 && broken > 2_000, "{fine} linearizable, {broken} not");
}
