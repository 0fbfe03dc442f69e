//! The simulator bites: known bugs of Raft libraries are put back into the core, one at a time, and
//! each is found.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use raftcore::PutBack;
use raftcore_sim::model::{Limits, Scope, search};
use raftcore_sim::{
    Campaign, CampaignError, Failure, Property, Recording, RecordingError, RunError, SimConfig, run,
};

const SEEDS: u64 = 10_000;

/// A bug is put back in the whole process: one test at a time.
static SWITCH: Mutex<()> = Mutex::new(());

struct Bug<'a>(#[allow(dead_code, reason = "held until the bug is taken out")] MutexGuard<'a, ()>);

impl Bug<'_> {
    fn put_back(bug: PutBack) -> Self {
        let guard = SWITCH.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        PutBack::switch(Some(bug));
        Self(guard)
    }
}

impl Drop for Bug<'_> {
    fn drop(&mut self) {
        PutBack::switch(None);
    }
}

/// The first failure in so many seeds.
fn failure(seeds: u64) -> Option<Box<Failure>> {
    match (Campaign { seeds, ..Campaign::default() }).run(|_| ()) {
        Err(CampaignError::Failure(failure)) => Some(failure),
        _ => None,
    }
}

#[test]
fn every_bug_that_is_put_back_is_found_by_a_property_within_ten_thousand_seeds() {
    let mut missed = Vec::new();
    for bug in PutBack::ALL {
        let _bug = Bug::put_back(bug);
        match failure(SEEDS) {
            Some(failure) => {
                let Failure { seed, step, property, detail, .. } = &*failure;
                println!("{bug:?}: {property} in seed {seed} at step {step}: {detail}");
                assert!(![Property::NoPanic, Property::Repeatability].contains(property));
            }
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}

#[test]
fn a_failing_seed_gives_its_command_a_trace_and_a_recording_that_plays_again() {
    let bug = Bug::put_back(PutBack::CommitBeyondVerified);
    let failure = failure(SEEDS).expect("the bug is found");
    let config =
        SimConfig { seed: failure.seed, nodes: Some(failure.nodes), ..SimConfig::default() };
    assert_eq!(run(&config), Err(RunError::Failure(failure.clone())), "the command repeats it");
    let command = failure.replay_command();
    let (seed, nodes) = (failure.seed, failure.nodes);
    let expected = format!("raftcore simulate --seeds 1 --seed {seed} --nodes {nodes}");
    assert_eq!(command, expected);
    let last = failure.trace.last().expect("a trace");
    assert!(last.starts_with(&format!("step {} ", failure.step)), "{last}");

    let recording = Recording::decode(&failure.recording).expect("a recording");
    assert_eq!(recording.replay().map(|nodes| nodes.len()), Ok(recording.nodes.len()));
    assert!(recording.nodes.len() > failure.nodes / 2);
    drop(bug);

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sim-failures");
    let path = failure.save(&folder).expect("a folder to write to");
    assert_eq!(std::fs::read(path).expect("the recording"), failure.recording);
}

#[test]
fn a_recording_that_was_altered_is_noticed() {
    let _bug = Bug::put_back(PutBack::ReplyBeforeDurable);
    let failure = failure(SEEDS).expect("the bug is found");
    let mut recording = Recording::decode(&failure.recording).expect("a recording");
    let longest = recording.nodes.iter_mut().max_by_key(|node| node.inputs.len()).expect("a node");
    longest.inputs.truncate(longest.inputs.len() / 2);
    assert_eq!(recording.replay().err(), Some(RecordingError::Differs));
    assert!(Recording::decode(&failure.recording[..20]).is_err());
}

/// A small scope in which a bug shows, and the property that it breaks.
fn small_scopes() -> Vec<(PutBack, Scope, Property)> {
    let named = |name| Scope::named(name).expect("a scope").clone();
    let start = named("start");
    let alone = Scope { nodes: 1, founders: &[1], ..start.clone() };
    let quiet = Scope { proposals: 0, ..named("two-terms") };
    let late = Scope { slow_disks: true, ..named("two-terms") };
    let rivals = Scope { timeouts: 3, ..named("election") };
    vec![
        (PutBack::VoteBeforeDurable, start.clone(), Property::MessageBehindDurability),
        (PutBack::VoteForgottenOnRestart, named("restart"), Property::Restartable),
        (PutBack::TwoVotesInATerm, start.clone(), Property::Restartable),
        (PutBack::LogNotComparedInVotes, rivals, Property::LeaderCompleteness),
        (PutBack::VoteRequestBeforeDurable, start.clone(), Property::MessageBehindDurability),
        (PutBack::OwnVoteBeforeDurable, alone, Property::ElectedByQuorum),
        (PutBack::ReplyBeforeDurable, start.clone(), Property::MessageBehindDurability),
        (PutBack::OwnMatchBeforeDurable, start, Property::DurableOnQuorum),
        (PutBack::TruncateWithoutConflict, named("command"), Property::DurableOnQuorum),
        (PutBack::LateAcknowledgementCounts, late, Property::DurableOnQuorum),
        (PutBack::RepliesOfOldTermsCount, quiet, Property::PastIsOver),
        (PutBack::JointCountsOneQuorum, named("joint"), Property::DurableOnQuorum),
    ]
}

#[test]
fn the_model_finds_bugs_in_small_scopes_and_tells_a_shortest_way() {
    for (bug, scope, property) in small_scopes() {
        let _bug = Bug::put_back(bug);
        PutBack::switch(None);
        let sound = search(&scope, Limits { states: 20_000, ..Limits::default() }, |_| ());
        assert!(sound.is_ok(), "{bug:?} is not needed: {sound:?}");
        PutBack::switch(Some(bug));
        let Err(example) = search(&scope, Limits::default(), |_| ()) else {
            panic!("{bug:?} is not found in {scope}");
        };
        println!("{bug:?}: {example}");
        assert_eq!(example.property, property, "{bug:?}");
        let told = example.steps > 0 && example.trace.len() >= example.steps;
        assert!(told || property == Property::PastIsOver, "{bug:?}: {example}");
    }
}
