//! The committed counts of instructions, and what has become of them since.

use core::fmt::Write as _;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::counts::{self, Counts, Tools};
use crate::shell::{Shell, exists, root};

/// By how much of itself a figure may change.
const TOLERANCE: f64 = 0.03;
const COMMAND: &str = "cargo xtask baseline";

/// `benches/baseline.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    made_with: Tools,
    counts: Counts,
}

/// What a comparison with the baseline says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No figure has left its place.
    Same,
    /// Figures are better, so that the baseline would no longer notice if they got worse again.
    Better(String),
    /// Figures are worse, or were never counted.
    Worse(String),
    /// It cannot be made here.
    Impossible(String),
}

fn path() -> PathBuf {
    root().join("benches/baseline.json")
}

fn read() -> Result<Baseline> {
    let text = fs::read_to_string(path()).context("benches/baseline.json")?;
    serde_json::from_str(&text).context("benches/baseline.json")
}

/// Counts again and compares.
///
/// # Errors
/// When the counts cannot be made although valgrind is there, or there is no baseline.
pub(crate) fn check(shell: &mut Shell) -> Result<Verdict> {
    if !exists("valgrind") {
        return Ok(Verdict::Impossible("valgrind is missing (Debian package valgrind)".to_owned()));
    }
    let baseline = read()?;
    let here = Tools::here(shell)?;
    if let Some(difference) = difference(&baseline.made_with, &here) {
        return Ok(Verdict::Impossible(difference));
    }
    Ok(judge(&baseline.counts, &counts::all(shell)?))
}

/// Counts again, says what has changed, and writes the new baseline.
///
/// # Errors
/// When the counts cannot be made or the file cannot be written.
pub(crate) fn rewrite() -> Result<()> {
    let mut shell = Shell::new(true)?;
    let made_with = Tools::here(&mut shell).context("valgrind and rustc are needed")?;
    let old = read().ok();
    let counts = counts::all(&mut shell)?;
    if let Some(text) = old.as_ref().and_then(|old| difference(&old.made_with, &made_with)) {
        println!("{text}");
    }
    print!("{}", changes(&old.map(|old| old.counts).unwrap_or_default(), &counts));
    let text = serde_json::to_string_pretty(&Baseline { made_with, counts })?;
    fs::write(path(), text + "\n").context("benches/baseline.json")
}

/// Why counts of these two cannot be compared.
fn difference(then: &Tools, now: &Tools) -> Option<String> {
    let pairs = [
        ("rustc", &then.rustc, &now.rustc),
        ("target", &then.host, &now.host),
        ("valgrind", &then.valgrind, &now.valgrind),
    ];
    let (what, then, now) = pairs.into_iter().find(|(_, then, now)| then != now)?;
    Some(format!("the baseline was made with {what} {then}, and this is {now} ({COMMAND})"))
}

/// By how much of the old figure the new one is larger.
fn change(old: f64, new: f64) -> f64 {
    (new - old) / old
}

fn judge(old: &Counts, new: &Counts) -> Verdict {
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for name in names(old, new) {
        let (Some(&old), Some(&new)) = (old.get(name), new.get(name)) else {
            worse.push(format!("{name} is only in the {}", side(old, name)));
            continue;
        };
        let text = || format!("{name}: {old} -> {new} ({:+.1} %)", change(old, new) * 100.0);
        if change(old, new) > TOLERANCE {
            worse.push(text());
        } else if change(old, new) < -TOLERANCE {
            better.push(text());
        }
    }
    if !worse.is_empty() {
        let list = worse.join("\n");
        let hint = format!("more than {} % above the baseline", TOLERANCE * 100.0);
        return Verdict::Worse(format!("{hint}:\n{list}\nif that is meant: {COMMAND}"));
    }
    if !better.is_empty() {
        return Verdict::Better(format!("{}; keep it: {COMMAND}", better.join(", ")));
    }
    Verdict::Same
}

fn side(old: &Counts, name: &str) -> &'static str {
    if old.contains_key(name) { "baseline" } else { "program" }
}

fn names<'a>(old: &'a Counts, new: &'a Counts) -> BTreeSet<&'a str> {
    old.keys().chain(new.keys()).map(String::as_str).collect()
}

/// One line per figure.
fn changes(old: &Counts, new: &Counts) -> String {
    let mut text = format!("{:<16}{:>10}{:>10}\n", "", "old", "new");
    let number = |count: Option<&f64>| count.map_or_else(|| "-".to_owned(), f64::to_string);
    for name in names(old, new) {
        let (old, new) = (old.get(name), new.get(name));
        let _ = write!(text, "{name:<16}{:>10}{:>10}", number(old), number(new));
        if let (Some(&old), Some(&new)) = (old, new) {
            let _ = write!(text, "{:>+9.1} %", change(old, new) * 100.0);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(figures: &[(&str, f64)]) -> Counts {
        figures.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn three_percent_more_is_the_same_and_beyond_is_worse() {
        let old = counts(&[("J1", 1000.0), ("J2", 200.0)]);
        let same = counts(&[("J1", 1030.0), ("J2", 194.0)]);
        assert_eq!(judge(&old, &same), Verdict::Same);
        let Verdict::Worse(text) = judge(&old, &counts(&[("J1", 1031.0), ("J2", 100.0)])) else {
            panic!("3.1 % more is worse")
        };
        assert!(text.contains("J1: 1000 -> 1031 (+3.1 %)"), "{text}");
    }

    #[test]
    fn a_figure_that_fell_asks_for_a_new_baseline() {
        let (old, new) = (counts(&[("J1", 1000.0)]), counts(&[("J1", 900.0)]));
        let Verdict::Better(text) = judge(&old, &new) else { panic!("10 % less is better") };
        assert!(text.contains(COMMAND), "{text}");
    }

    #[test]
    fn a_figure_that_only_one_side_knows_is_not_passed_over() {
        let (old, new) = (counts(&[("J1", 10.0)]), counts(&[("J1", 10.0), ("J9", 1.0)]));
        assert!(matches!(judge(&old, &new), Verdict::Worse(_)));
        assert!(matches!(judge(&new, &old), Verdict::Worse(_)));
        assert!(changes(&old, &new).contains("J9"));
    }

    #[test]
    fn another_compiler_makes_a_comparison_impossible() {
        let then = Tools { rustc: "1".into(), host: "a".into(), valgrind: "3".into() };
        assert_eq!(difference(&then, &then), None);
        for now in [
            Tools { rustc: "2".into(), ..then.clone() },
            Tools { host: "b".into(), ..then.clone() },
            Tools { valgrind: "4".into(), ..then.clone() },
        ] {
            assert!(difference(&then, &now).is_some());
        }
    }
}
