//! The simulator bites: known bugs of Raft libraries are put back into the core, one at a time, and
//! each is found.

use raftcore::PutBack;
use raftcore_sim::{Campaign, CampaignError, Failure, Property, SimConfig};

const SEEDS: u64 = 1_000;

/// The first failure that a bug causes.
fn found(bug: PutBack) -> Option<Box<Failure>> {
    PutBack::switch(Some(bug));
    let outcome = Campaign { seeds: SEEDS, ..Campaign::default() }.run(|_| ());
    PutBack::switch(None);
    match outcome {
        Err(CampaignError::Failure(failure)) => Some(failure),
        _ => None,
    }
}

#[test]
fn every_bug_that_is_put_back_is_found_by_a_property_within_a_thousand_seeds() {
    let mut missed = Vec::new();
    for bug in PutBack::ALL {
        match found(bug) {
            Some(failure) => {
                let Failure { seed, step, property, detail, .. } = &*failure;
                println!("{bug:?}: {property} in seed {seed} at step {step}: {detail}");
                assert_ne!(*property, Property::NoPanic, "{detail}");
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
    let clean = Campaign {
        first: SimConfig { steps: 2_000, ..SimConfig::default() },
        seeds: 20,
        threads: None,
    };
    assert!(clean.run(|_| ()).is_ok(), "with all bugs taken out again, the seeds are clean");
}
