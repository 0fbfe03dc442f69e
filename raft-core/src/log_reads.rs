//! Entries asked back from storage: what `Apply` or a lagging peer needs and the window no longer
//! holds, and the entry before a truncation that reaches behind the window.
//!
//! Nothing is kept: an answer is checked and goes straight into the output it was asked for.

use alloc::vec::Vec;
use thin_vec::ThinVec;

use crate::entries::Entries;
use crate::error::Misuse;
use crate::input::Unavailable;
use crate::log::{Fetched, Log};
use crate::output::{LogRequest, Write};
use crate::types::{Incarnation, LogIndex, LogReadId, NodeId, Tick};

impl LogRequest {
    /// The answer, out of stored writes in the order in which they were made: those that hold the
    /// entries asked for, or as many of them as there are. What others hold is passed over.
    ///
    /// # Errors
    /// [`Unavailable`] if the first entry is not among them.
    pub fn answer<'a>(
        &self,
        writes: impl IntoIterator<Item = &'a Write>,
    ) -> Result<Entries, Unavailable> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for Write { entries, .. } in writes {
            let next = self.first.plus(ends.len() as u64);
            if entries.is_empty() || entries.first() > next || entries.last() < self.first {
                continue;
            }
            // Later entries take the place of earlier ones.
            let kept = usize::try_from(entries.first().since(self.first)).unwrap_or(usize::MAX);
            ends.truncate(kept);
            bytes.truncate(ends.last().copied().unwrap_or(0));
            let before = self.first.since(entries.first());
            let rest = entries.skip(u32::try_from(before).unwrap_or(u32::MAX));
            let (start, mut iter) = (bytes.len().saturating_add(rest.bytes().len()), rest.iter());
            while iter.next().is_some() {
                ends.push(start.saturating_sub(iter.bytes_left()));
            }
            bytes.extend_from_slice(rest.bytes());
        }
        let limit = ends.first().copied().unwrap_or(0).saturating_add(self.max_bytes);
        let wanted = usize::try_from(self.last.next().since(self.first)).unwrap_or(usize::MAX);
        let fits = ends.iter().take(wanted).enumerate();
        let count = fits.take_while(|&(place, &end)| place < 2 || end <= limit).count();
        let end = count.checked_sub(1).and_then(|last| ends.get(last)).ok_or(Unavailable)?;
        bytes.truncate(*end);
        Ok(Entries::from_parts(self.first, u32::try_from(count).unwrap_or(u32::MAX), bytes.into()))
    }
}

/// Who needs the entries; each has at most one request open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Apply,
    Peer(NodeId),
    /// A follower that compares an append with an entry it no longer holds.
    Check,
    /// A snapshot that is to be named after its last entry.
    Snapshot,
}

#[derive(Clone, Debug)]
struct Read {
    reader: Reader,
    /// What is asked for: one entry more than needed, at the front, unless the log begins there.
    first: LogIndex,
    /// The first entry that is needed.
    next: LogIndex,
    last: LogIndex,
    max_bytes: usize,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Wanted,
    Asked(LogReadId),
    /// Storage could not answer; it may be asked again then.
    Failed(Tick),
    Answered(Fetched),
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    /// The last entry of a snapshot is known again.
    Named(LogIndex),
    /// It came twice, or nobody waits for it any more.
    Dropped,
    /// It is not what was written.
    Damaged,
}

/// The open requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogReads {
    issued: u64,
    open: ThinVec<Read>,
}

impl LogReads {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether this reader waits for the entries from `next` on.
    pub(crate) fn awaits(&self, reader: Reader, next: LogIndex) -> bool {
        let same = |read: &Read| read.reader == reader && read.next == next;
        self.open.iter().any(|read| same(read) && !matches!(read.state, State::Answered(_)))
    }

    /// The entries from `next` on, if storage has given them; asks for them otherwise.
    pub(crate) fn fetch(
        &mut self,
        log: &Log,
        reader: Reader,
        next: LogIndex,
        last: LogIndex,
        max_bytes: usize,
    ) -> Option<Fetched> {
        if self.awaits(reader, next) {
            return None;
        }
        if let Some(at) = self.open.iter().position(|read| read.reader == reader)
            && let Read { state: State::Answered(fetched), next: found, .. } =
                self.open.swap_remove(at)
            && found == next
        {
            return Some(fetched);
        }
        let first = if next.prev() == log.base().id.index { next } else { next.prev() };
        self.open.push(Read { reader, first, next, last, max_bytes, state: State::Wanted });
        None
    }

    pub(crate) fn has_request(&self) -> bool {
        self.open.iter().any(|read| matches!(read.state, State::Wanted))
    }

    /// The next request to hand out.
    pub(crate) fn poll(&mut self, incarnation: Incarnation) -> Option<LogRequest> {
        let read = self.open.iter_mut().find(|read| matches!(read.state, State::Wanted))?;
        self.issued = self.issued.saturating_add(1);
        let id = LogReadId { incarnation, sequence: self.issued };
        read.state = State::Asked(id);
        Some(LogRequest { id, first: read.first, last: read.last, max_bytes: read.max_bytes })
    }

    /// Takes an answer; one that is of no use is asked for again at `again`.
    pub(crate) fn answer(
        &mut self,
        log: &mut Log,
        id: LogReadId,
        incarnation: Incarnation,
        answer: Result<Entries, Unavailable>,
        again: Tick,
    ) -> Result<Outcome, Misuse> {
        let issued = (1..=self.issued).contains(&id.sequence);
        if id.incarnation > incarnation || id.incarnation == incarnation && !issued {
            return Err(Misuse::UnknownRequest);
        }
        let asked = |read: &Read| matches!(read.state, State::Asked(asked) if asked == id);
        let mut open = self.open.iter_mut().enumerate();
        let Some((at, read)) = open.find(|(_, read)| asked(read)) else {
            return Ok(Outcome::Dropped);
        };
        let entries = answer.unwrap_or_default();
        if entries.is_empty() || entries.last() < read.next {
            read.state = match read.reader {
                Reader::Peer(_) if put_back!(ReadErrorSentAsAppend) => {
                    let (before, end) = Default::default();
                    State::Answered(Fetched { before, entries: Entries::default(), end })
                }
                _ => State::Failed(again),
            };
            return Ok(Outcome::Taken);
        }
        let last = entries.last();
        if entries.first() != read.first || last > read.last {
            return Err(Misuse::WrongAnswer);
        }
        let Some(fetched) = log.check(read.next, &entries) else { return Ok(Outcome::Damaged) };
        match read.reader {
            Reader::Apply | Reader::Peer(_) => read.state = State::Answered(fetched),
            Reader::Check | Reader::Snapshot => {
                log.recall(fetched.end);
                if self.open.swap_remove(at).reader == Reader::Snapshot {
                    return Ok(Outcome::Named(last));
                }
            }
        }
        Ok(Outcome::Taken)
    }

    /// Storage may have recovered: what failed may be asked for again, at the pace of heartbeats, by
    /// whoever still needs it. Says whether there is something.
    pub(crate) fn on_tick(&mut self, now: Tick) -> bool {
        let before = self.open.len();
        self.open.retain_mut(|read| {
            let over = matches!(read.state, State::Failed(again) if now >= again);
            let kept = !over || read.reader == Reader::Snapshot;
            if over && kept {
                read.state = State::Wanted;
            }
            kept
        });
        self.open.len() < before
    }

    pub(crate) fn deadline(&self) -> Option<Tick> {
        let failed = |read: &Read| match read.state {
            State::Failed(again) => Some(again),
            _ => None,
        };
        self.open.iter().filter_map(failed).min()
    }

    /// The log lost `from` and everything after: answers that name it are of no use any more.
    pub(crate) fn truncated(&mut self, from: LogIndex) {
        self.open.retain(|read| read.last < from);
    }

    /// The log begins after `base` now: nobody needs what it lost.
    pub(crate) fn discarded(&mut self, base: LogIndex) {
        self.open.retain(|read| read.first > base);
    }

    /// This node does not lead, or serves this peer no longer.
    pub(crate) fn forget_peers(&mut self, gone: impl Fn(NodeId) -> bool) {
        self.open.retain(|read| !matches!(read.reader, Reader::Peer(id) if gone(id)));
    }

    /// The first entry that an open request names: it must not be discarded.
    pub(crate) fn lowest_open(&self) -> Option<LogIndex> {
        let open = |read: &&Read| matches!(read.state, State::Wanted | State::Asked(_));
        self.open.iter().filter(open).map(|read| read.first).min()
    }

    pub(crate) fn trim(&mut self) {
        self.open.shrink_to_fit();
    }
}
