//! Commands about snapshots.

use super::args::Args;
use super::commands::{Said, node, report, up};
use super::show::Detail;
use crate::support::lab::Lab;
use raftcore::{LogIndex, Unavailable};

/// The state machine takes a snapshot of all that is applied; `at=3`: only says so of an index.
pub fn take(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let taken = match args.number("at")? {
        Some(index) => {
            lab.act(id, |node| node.snapshot_taken(LogIndex(index))).map(|()| LogIndex(index))
        }
        None => lab.snapshot(id),
    };
    Ok(vec![match taken {
        Ok(index) => format!("taken at {index}"),
        Err(error) => format!("misuse: {error}"),
    }])
}

/// `slow`: chunks are read only when `chunk` says so; `lost`: all snapshots are gone.
pub fn mode(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    let shelf = &mut lab.host(id).shelf;
    match args.word(1)? {
        "slow" => shelf.slow = true,
        "fast" => shelf.slow = false,
        "lost" => shelf.named.clear(),
        other => return Err(format!("snapshots are slow, fast or lost, not {other}")),
    }
    Ok(Vec::new())
}

/// The oldest question for a chunk is answered; `bytes=10`: with so few; `fail`: it cannot be read.
pub fn answer(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let limit = args.number("bytes")?.unwrap_or(usize::MAX);
    let shelf = &mut lab.host(id).shelf;
    if shelf.asked.is_empty() {
        return Err("no chunk is asked for".into());
    }
    let request = shelf.asked.remove(0);
    let mut chunk = if args.has("fail") { Err(Unavailable) } else { shelf.read(&request) };
    if let Ok(chunk) = &mut chunk {
        chunk.data.truncate(limit);
    }
    lab.answer_chunk(id, &request, chunk);
    Ok(report(lab, args, Detail::Duties))
}
