//! Every check of the project, in numbered steps.

mod c;
mod journal;
mod no_std;
mod oldest_rust;
mod python;
mod speed;
mod steps;

use core::time::Duration;
use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell::Shell;

/// What to check.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only the steps with these names.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name the steps and run none.
    #[arg(long)]
    list: bool,
    /// Show what each step prints, also when it passes.
    #[arg(long)]
    verbose: bool,
}

/// One check.
struct Step {
    /// For `--only`.
    name: &'static str,
    /// One line for people.
    what: &'static str,
    run: fn(&mut Shell) -> Result<Outcome>,
}

/// How a step that did not fail ended.
enum Outcome {
    Passed,
    /// Passed, with something that people should know.
    Noted(String),
    /// With the reason.
    Skipped(String),
}

/// How all of them ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    /// The last line of the checks.
    fn line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs the steps and prints how each ended.
///
/// # Errors
/// When a step failed, or one was named that does not exist.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for step in steps::ALL {
            println!("{:<14} {}", step.name, step.what);
        }
        return Ok(());
    }
    if let Some(name) =
        arguments.only.iter().find(|name| steps::ALL.iter().all(|step| step.name != **name))
    {
        bail!("no step is called `{name}`; `cargo xtask check --list` names them");
    }
    let wanted = |step: &&Step| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == step.name)
    };
    let tally =
        run_steps(&steps::ALL.iter().filter(wanted).collect::<Vec<_>>(), arguments.verbose)?;
    println!("{}", tally.line());
    if tally.failed > 0 {
        bail!("{} of the checks failed", tally.failed);
    }
    Ok(())
}

fn run_steps(steps: &[&Step], verbose: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    for (number, step) in steps.iter().enumerate() {
        print!("[{:>2}/{}] {} ... ", number + 1, steps.len(), step.what);
        if verbose {
            println!();
        }
        io::stdout().flush()?;
        let start = Instant::now();
        let mut shell = Shell::new(verbose)?;
        let ended = (step.run)(&mut shell);
        let time = seconds(start.elapsed());
        match ended {
            Ok(Outcome::Passed) => {
                println!("ok ({time})");
                tally.passed += 1;
            }
            Ok(Outcome::Noted(what)) => {
                println!("ok ({time}): {what}");
                tally.passed += 1;
            }
            Ok(Outcome::Skipped(reason)) => {
                println!("skipped: {reason}");
                tally.skipped += 1;
            }
            Err(error) => {
                println!("FAILED ({time})");
                shell.show()?;
                println!("{error:#}");
                println!("to repeat it: cargo xtask check --only {}", step.name);
                tally.failed += 1;
            }
        }
    }
    Ok(tally)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_stop_the_others_and_is_counted() {
        let step = |run| Step { name: "", what: "", run };
        let steps = [
            step(|_| bail!("broken")),
            step(|_| Ok(Outcome::Skipped("no tool".to_owned()))),
            step(|_| Ok(Outcome::Passed)),
            step(|_| Ok(Outcome::Noted("look".to_owned()))),
        ];
        let tally =
            run_steps(&steps.iter().collect::<Vec<_>>(), false).expect("output can be kept");
        assert_eq!(tally, Tally { passed: 2, failed: 1, skipped: 1 });
        assert_eq!(tally.line(), "2 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn no_two_steps_have_the_same_name() {
        for (at, step) in steps::ALL.iter().enumerate() {
            assert!(
                steps::ALL[..at].iter().all(|before| before.name != step.name),
                "{}",
                step.name
            );
        }
    }
}
