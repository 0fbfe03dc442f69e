//! Plays the transcripts in `scenarios/` and compares what the nodes do with what is written.
//!
//! `REWRITE=1 cargo test -p raftcore --test scenarios` writes what they do today into the files:
//! read the difference as critically as any other change. `SCENARIO=figure` plays only those with
//! that in their name.
mod scenario;
mod support;

#[test]
fn the_nodes_do_what_the_transcripts_say() {
    let rewrite = std::env::var("REWRITE").is_ok_and(|value| value == "1");
    let mut wrong = Vec::new();
    let files = scenario::transcripts();
    assert!(!files.is_empty(), "no transcript found");
    for (name, text) in files {
        match scenario::play(&text) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(played) if rewrite => scenario::rewrite(&name, &played.text),
            Ok(played) => {
                wrong.extend(played.difference.map(|lines| format!("{name}: {lines}")));
            }
        }
    }
    assert!(wrong.is_empty(), "- written, + done today:\n\n{}", wrong.join("\n"));
}

#[test]
fn a_transcript_that_says_something_else_is_noticed() {
    let honest = "cluster nodes=1\n----\n\ncampaign 1\n----\n  1 runs for term 1\n";
    let played = scenario::play(honest).unwrap();
    assert_eq!((played.text.as_str(), played.difference), (honest, None));
    let wrong = honest.replace("term 1\n", "term 2\n");
    let played = scenario::play(&wrong).unwrap();
    assert_eq!(played.text, honest);
    let difference = "line 4: campaign 1\n-   1 runs for term 2\n+   1 runs for term 1\n";
    assert_eq!(played.difference.unwrap(), difference);
}

#[test]
fn a_command_that_makes_no_sense_is_named_with_its_line() {
    for (text, why) in [
        ("tick 1\n----\n", "line 1: tick 1: begin with"),
        ("cluster nodes=3\n----\n\nfly 1\n----\n", "line 4: fly 1: unknown command"),
        ("cluster nodes=3 wings=2\n----\n", "unknown option wings"),
        ("cluster nodes=3\n----\n\npoll 7\n----\n", "there is no node 7"),
        ("cluster nodes=3\n----\n\ndeliver 1->2\n----\n", "nothing is under way"),
    ] {
        let error = scenario::play(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
