//! Commands about the window, and about reading back what it no longer holds.

use super::args::Args;
use super::commands::{Said, report, up};
use super::show::Detail;
use crate::support::lab::Lab;
use crate::support::lab::storage::{damaged, first_of};
use raftcore::Unavailable;

/// Whether `work`, `settle` and `run` leave reads of the log to `answer`.
pub fn storage(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    lab.host(id).slow_storage = match args.word(1)? {
        "slow" => true,
        "fast" => false,
        other => return Err(format!("storage is slow or fast, not {other}")),
    };
    Ok(Vec::new())
}

/// Storage answers the oldest request, or the `newest`: with what it read when it was asked, with the first few
/// entries of it, or that it cannot; `again`: and answers it once more later.
pub fn answer(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let reads = &mut lab.host(id).reads;
    let read = if args.has("newest") { reads.pop_back() } else { reads.pop_front() };
    let mut read = read.ok_or("nothing is asked for")?;
    if args.has("again") {
        lab.host(id).reads.push_front(read.clone());
    }
    if let Some(count) = args.number("entries")? {
        read.entries = read.entries.map(|entries| first_of(&entries, count));
    }
    if args.has("damaged") {
        read.entries = read.entries.map(|entries| damaged(&entries));
    }
    if args.has("failed") {
        read.entries = Err(Unavailable);
    }
    match lab.answer(id, read) {
        Ok(()) => Ok(report(lab, args, Detail::Duties)),
        Err(error) => Ok(vec![format!("misuse: {error}")]),
    }
}

/// The node gives memory back.
pub fn trim(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let bytes = args.number("bytes")?.unwrap_or(0);
    lab.act(id, |node| node.trim(bytes));
    Ok(Vec::new())
}
