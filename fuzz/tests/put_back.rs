//! The target over inputs finds bugs that other implementations had.

use raftcore::PutBack;
use raftcore_fuzz::{Generator, Target};
use std::panic::{catch_unwind, set_hook};

/// Those that so few executions find; the simulator finds the others.
const FOUND: [PutBack; 6] = [
    PutBack::VoteForgottenOnRestart,
    PutBack::TwoVotesInATerm,
    PutBack::LogNotComparedInVotes,
    PutBack::OwnMatchBeforeDurable,
    PutBack::TruncateWithoutConflict,
    PutBack::ReadBeforeOwnCommit,
];
const EXECUTIONS: u64 = 20_000;

#[test]
fn bugs_that_are_put_back_are_findings() {
    set_hook(Box::new(|_| {}));
    let generator = Generator::new(Target::Inputs, 1);
    let found = |number: &u64| {
        catch_unwind(|| Target::Inputs.run(&generator.bytes(*number), false)).is_err()
    };
    let first = |bug| {
        PutBack::switch(bug);
        (0..EXECUTIONS).find(found)
    };
    let missed: Vec<_> = FOUND.into_iter().filter(|bug| first(Some(*bug)).is_none()).collect();
    assert_eq!((missed, first(None)), (Vec::new(), None));
}
