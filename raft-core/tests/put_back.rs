//! Proof that the transcripts bite: each bug of another library, put back, changes what one of them
//! says.
//!
//! `cargo test -p raftcore --features put-back --test put_back`. The switch is process-wide, hence a
//! test program of its own.
#![cfg(feature = "put-back")]
mod scenario;
mod support;

use raftcore::PutBack;

/// The names of the transcripts that say something else while this bug is put back.
fn noticed_by(bug: PutBack) -> Vec<String> {
    PutBack::switch(Some(bug));
    let differs = |text: &str| {
        // A bug may also break what the interpreter takes for granted.
        let played = std::panic::catch_unwind(|| scenario::play(text));
        !played.is_ok_and(|played| played.is_ok_and(|played| played.difference.is_none()))
    };
    let files = scenario::transcripts();
    let names = files.into_iter().filter(|(_, text)| differs(text)).map(|(name, _)| name);
    let names = names.collect();
    PutBack::switch(None);
    names
}

#[test]
fn every_bug_put_back_changes_a_transcript() {
    let honest = |(_, text): &(String, String)| scenario::play(text).unwrap().difference.is_none();
    assert!(scenario::transcripts().iter().all(honest), "without any bug");
    std::panic::set_hook(Box::new(|_| {}));
    let found: Vec<_> = PutBack::ALL.map(|bug| (bug, noticed_by(bug))).into();
    drop(std::panic::take_hook());
    for (bug, names) in &found {
        println!("{bug:?}: {}", names.join(", "));
    }
    let missed: Vec<_> = found.iter().filter(|(_, names)| names.is_empty()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
