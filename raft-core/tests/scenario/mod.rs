//! The interpreter of the transcripts in `scenarios/`: reads a transcript, does what it says, and
//! puts what came out below each command. `scenarios/README.md` describes the commands.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, reason = "shared by the test files")]

mod args;
mod commands;
mod config;
mod members;
mod parse;
mod show;
mod snapshots;
mod storage;

use core::fmt::Write as _;
use parse::{Item, Step};
use std::path::PathBuf;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "scenarios"].iter().collect()
}

/// Names and texts of all transcripts, or of those with `SCENARIO` in their names.
pub fn transcripts() -> Vec<(String, String)> {
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name.ends_with(".txt") && name.contains(&wanted)).collect();
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(folder().join(&name)).unwrap();
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// Puts another text in the place of a transcript.
pub fn rewrite(name: &str, text: &str) {
    std::fs::write(folder().join(name), text).unwrap();
}

/// What a transcript should say, given what the nodes do today.
#[derive(Debug)]
pub struct Played {
    /// The whole text, with the outputs of today.
    pub text: String,
    /// The first step whose output is another than written; readable.
    pub difference: Option<String>,
}

/// Plays a transcript.
///
/// # Errors
/// The number of the line that cannot be understood or carried out, and why.
pub fn play(text: &str) -> Result<Played, String> {
    let items = parse::parse(text)?;
    let mut world = commands::World::default();
    let mut played = Played { text: String::new(), difference: None };
    for item in &items {
        match item {
            Item::Text(line) => writeln!(played.text, "{line}").unwrap(),
            Item::Step(step) => {
                let place = |why| format!("line {}: {}: {why}", step.line, step.command);
                let output = world.carry_out(&step.command).map_err(place)?;
                played.difference = played.difference.take().or_else(|| difference(step, &output));
                write!(played.text, "{}\n----\n", step.command).unwrap();
                output.iter().for_each(|line| writeln!(played.text, "{line}").unwrap());
            }
        }
    }
    Ok(played)
}

/// The lines that differ, and nothing of those that agree before and after.
fn difference(step: &Step, actual: &[String]) -> Option<String> {
    let written = &step.output;
    if written == actual {
        return None;
    }
    let pairs = written.iter().zip(actual);
    let same = pairs.take_while(|(one, other)| one == other).count();
    let rest = (&written[same..], &actual[same..]);
    let pairs = rest.0.iter().rev().zip(rest.1.iter().rev());
    let tail = pairs.take_while(|(one, other)| one == other).count();
    let mut text = format!("line {}: {}\n", step.line, step.command);
    for line in &rest.0[..rest.0.len() - tail] {
        writeln!(text, "- {line}").unwrap();
    }
    for line in &rest.1[..rest.1.len() - tail] {
        writeln!(text, "+ {line}").unwrap();
    }
    Some(text)
}
