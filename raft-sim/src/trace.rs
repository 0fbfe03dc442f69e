//! The last events of a failing run, as lines to read.

use core::fmt;
use std::collections::VecDeque;

use raftcore::{AppendOutcome, Body, Membership, Message, SnapshotId, Write};

use crate::queue::UNITS_PER_TICK;

/// How many lines are kept.
const LINES: usize = 400;

/// A ring of lines. Only the second run of a failing seed has one.
#[derive(Default)]
pub(crate) struct Trace(VecDeque<String>);

impl Trace {
    pub(crate) fn push(&mut self, step: u64, now: u64, line: fmt::Arguments<'_>) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        let tick = now as f64 / UNITS_PER_TICK as f64;
        self.0.push_back(format!("step {step} tick {tick:.2} {line}"));
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.0.into()
    }
}

/// Adds a line to the trace of a world, if it has one.
macro_rules! note {
    ($world:expr, $($line:tt)*) => {
        if let Some(trace) = &mut $world.trace {
            trace.push($world.step, $world.now, format_args!($($line)*));
        }
    };
}
pub(crate) use note;

/// A message in one line.
pub(crate) struct Told<'a>(pub(crate) &'a Message);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0;
        let (from, to, term) = (message.from(), message.to(), message.term());
        write!(f, "n{from} -> n{to} {:?} term {term}", message.kind())?;
        match message.body() {
            Body::PreVote(body) => write!(f, " last {}", body.last),
            Body::PreVoteReply(body) => write!(f, " asked {} granted {}", body.asked, body.granted),
            Body::RequestVote(body) => write!(f, " last {}", body.last),
            Body::VoteReply(body) => write!(f, " granted {}", body.granted),
            Body::Append(body) => {
                let (session, prev, commit) = (body.session, body.prev(), body.commit);
                write!(f, " session {session} prev {prev} commit {commit}")?;
                write!(f, " entries {} to {}", body.entries.first(), body.entries.last())
            }
            Body::AppendReply(body) => {
                write!(f, " session {}", body.session)?;
                match body.outcome {
                    AppendOutcome::Success { matched } => write!(f, " matched {matched}"),
                    AppendOutcome::Conflict { prev, hint } => {
                        write!(f, " conflict at {prev} hint {hint}")
                    }
                    AppendOutcome::NotNow { verified } => {
                        write!(f, " not now, verified {verified}")
                    }
                    AppendOutcome::Diverged { at, .. } => write!(f, " diverged at {at}"),
                    AppendOutcome::OldTerm => write!(f, " old term"),
                }
            }
            Body::Heartbeat(body) => {
                write!(f, " session {} commit {} token {}", body.session, body.commit, body.token)
            }
            Body::HeartbeatReply(body) => {
                let (session, token, verified) = (body.session, body.token, body.verified);
                write!(f, " session {session} token {token} verified {verified}")
            }
            Body::Commit(body) => write!(f, " session {} commit {}", body.session, body.commit),
            Body::SnapshotChunk(body) => {
                let (session, id, chunk) = (body.session, body.meta.id, &body.chunk);
                let end = chunk.offset + chunk.data.len() as u64;
                write!(f, " session {session} snapshot {}", Named(&id))?;
                write!(f, " bytes {} to {end} of {}", chunk.offset, chunk.total)
            }
            Body::SnapshotReply(body) => {
                let (session, id, received) = (body.session, body.snapshot, body.received);
                write!(f, " session {session} snapshot {} received {received}", Named(&id))?;
                if body.again { write!(f, ", again") } else { Ok(()) }
            }
            other => write!(f, " {other:?}"),
        }
    }
}

/// A snapshot's name in one word: its last entry, its maker, and the maker's number for it.
pub(crate) struct Named<'a>(pub(crate) &'a SnapshotId);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotId { index, term, maker, incarnation, counter } = self.0;
        write!(f, "{index}@{term}:n{maker}.{incarnation}.{counter}")
    }
}

/// A membership in one line: its voters, its learners, and the voters it leaves behind.
pub(crate) struct Members<'a>(pub(crate) &'a Membership);

impl fmt::Display for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for member in self.0.members() {
            let standing = match (member.voter, member.promote) {
                (true, _) => "",
                (false, false) => "?",
                (false, true) => "!",
            };
            write!(f, " {}{standing}", member.id)?;
        }
        for id in self.0.outgoing() {
            write!(f, " -{id}")?;
        }
        write!(f, " ]")
    }
}

/// A write in one line.
pub(crate) struct Written<'a>(pub(crate) &'a Write);

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = self.0;
        write!(f, "write {}", write.id)?;
        if let Some(state) = write.hard_state {
            write!(f, " term {} incarnation {}", state.term, state.incarnation)?;
            if let Some(vote) = state.vote {
                write!(f, " vote {vote}")?;
            }
        }
        if let Some(chunk) = &write.snapshot_chunk {
            let end = chunk.offset + chunk.data.len() as u64;
            write!(f, " bytes {} to {end} of {}", chunk.offset, Named(&chunk.snapshot))?;
        }
        if let Some(meta) = &write.snapshot {
            match meta.id.index.0 {
                0 => write!(f, " founding")?,
                _ => write!(f, " snapshot {}", Named(&meta.id))?,
            }
        }
        if let Some(to) = write.reset_log_to {
            write!(f, " reset to {to}")?;
        }
        if let Some(from) = write.truncate_from {
            write!(f, " truncate {from}")?;
        }
        if let Some(last) = write.entries.iter().last() {
            write!(f, " entries {} to {}", write.entries.first(), last.id)?;
        }
        if let Some(through) = write.discard_through {
            write!(f, " discard to {through}")?;
        }
        if let Some(below) = &write.release_snapshots_below {
            write!(f, " release below {}", Named(below))?;
        }
        Ok(())
    }
}
