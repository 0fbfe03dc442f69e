//! Commands about snapshots.

use super::args::Args;
use super::commands::{Said, node, report, up};
use super::members;
use super::show::{self, Detail};
use crate::support::fold;
use crate::support::lab::Lab;
use raftcore::{LogIndex, Unavailable};

/// The state machine says that a snapshot of all it has applied is durable; `at=3`: of what it had
/// applied then.
pub fn take(lab: &mut Lab, args: &Args) -> Said {
    let id = up(lab, args)?;
    let taken = match args.number("at")? {
        Some(index) => lab.snapshot_at(id, LogIndex(index)),
        None => lab.snapshot(id),
    };
    Ok(vec![match taken {
        Ok(index) => format!("taken at {index}"),
        Err(error) => format!("misuse: {error}"),
    }])
}

/// `slow`: chunks are read only when `chunk` says so; `lost`: all snapshots are gone; `damaged`: they
/// hold other bytes; without a word: shows them.
pub fn mode(lab: &mut Lab, args: &Args) -> Said {
    let id = node(lab, args)?;
    let shelf = &mut lab.host(id).shelf;
    match args.words.get(1).map(String::as_str) {
        Some("slow") => shelf.slow = true,
        Some("fast") => shelf.slow = false,
        Some("lost") => shelf.named.clear(),
        Some("damaged") => shelf.damage(),
        None => return Ok(on_disk(lab, id)),
        Some(other) => {
            return Err(format!("snapshots are slow, fast, lost or damaged, not {other}"));
        }
    }
    Ok(Vec::new())
}

/// The snapshots on a disk, and where the log begins that a restart would find there.
fn on_disk(lab: &Lab, id: u64) -> Vec<String> {
    let stored = fold(&lab.hosts[&id].disk);
    let newest = stored.snapshot();
    let files = lab.hosts[&id].shelf.named.iter().map(|(id, bytes)| {
        let state = match newest {
            Some(newest) if newest.id == *id => {
                format!("the newest, with {}", members::text(&newest.membership))
            }
            Some(newest) if *id < newest.id => "to be released".into(),
            _ => "not whole yet".into(),
        };
        format!("{}: {} bytes, {state}", show::snapshot(id), bytes.len())
    });
    let begins =
        match (0..=stored.last().index.0).find(|&at| stored.term_at(LogIndex(at)).is_some()) {
            None => "nothing is stored".into(),
            Some(0) => "the log is whole".into(),
            Some(base) => format!("the log goes on after {base}"),
        };
    let asked = lab.hosts[&id].shelf.asked.iter().map(|asked| {
        let (name, from) = (show::snapshot(&asked.snapshot), asked.offset);
        format!("{name}: asked for up to {} bytes from {from}", asked.max_bytes)
    });
    files.chain(asked).chain([begins]).collect()
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
