//! Nodes, messages and duties as short lines that anyone can read.

use super::members;
use crate::support::lab::{Happening, Lab, View};
use raftcore::{
    AppendOutcome, Body, Entries, EntryId, EntryKind, Event, LogIndex, Message, NodeId, Output,
    PeerState, ReadFailure, RoleName, SnapshotId, StepDownReason, Write,
};

/// How much of an account is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What nodes want, as it is polled.
    Duties,
    /// What arrives and what is applied.
    Traffic,
    /// Only how nodes change.
    Changes,
}

pub fn account(happenings: &[Happening], detail: Detail) -> Vec<String> {
    happenings.iter().filter_map(|happening| line(happening, detail)).collect()
}

fn line(happening: &Happening, detail: Detail) -> Option<String> {
    let traffic = detail == Detail::Traffic;
    match happening {
        Happening::Wants(_, Output::Send(sent)) if detail == Detail::Duties => Some(message(sent)),
        Happening::Wants(id, Output::Persist(wanted)) if detail == Detail::Duties => {
            Some(format!("{id} writes {}", write(wanted)))
        }
        Happening::Wants(id, Output::Apply(committed)) if detail != Detail::Changes => {
            Some(format!("{id} applies {}", entries(&committed.entries)))
        }
        Happening::Wants(id, Output::ReadSnapshot(asked)) if detail == Detail::Duties => {
            Some(format!("{id} reads {} from {}", snapshot(&asked.snapshot), asked.offset))
        }
        Happening::Wants(id, Output::ReadLog(request)) if detail != Detail::Changes => {
            Some(format!("{id} asks its storage for {} to {}", request.first, request.last))
        }
        Happening::Wants(id, output) => notice(output).map(|text| format!("{id} {text}")),
        Happening::Answers(id, read, applied) => {
            Some(format!("{id} may answer read {read}, applied {applied}"))
        }
        Happening::Arrived(arrived) if traffic => Some(message(arrived)),
        Happening::Lost(_) if detail == Detail::Duties => Some("  lost".into()),
        Happening::Lost(lost) if traffic => Some(format!("{} -- lost", message(lost))),
        Happening::Rejected(id, error) => Some(format!("  {id} rejects it: {error}")),
        Happening::ReadsSnapshot(id, asked, false) => {
            Some(format!("{id} cannot read {} from {}", snapshot(&asked.snapshot), asked.offset))
        }
        Happening::Synced(id, write) if detail == Detail::Duties => {
            Some(format!("{id} has {write} on disk"))
        }
        Happening::Changed { id, before, after } => {
            Some(format!("  {id} {}", change(before, after)))
        }
        _ => None,
    }
}

/// What is told whatever the detail.
fn notice(output: &Output) -> Option<String> {
    Some(match output {
        Output::Halted(reason) => format!("halts: {reason:?}"),
        Output::ReadFailed { id, reason: ReadFailure::LeaderLost } => {
            format!("gives up read {id}: the leader is lost")
        }
        Output::ReadFailed { id, reason: ReadFailure::TimedOut } => {
            format!("gives up read {id}: no answer came in time")
        }
        Output::ReadFailed { id, reason } => format!("gives up read {id}: {reason:?}"),
        Output::ProposalsLost { from, through } => {
            format!("loses its proposals {from} to {through}")
        }
        Output::ProposalsUnknown { from, through } => {
            format!("cannot tell what became of its proposals {from} to {through}")
        }
        Output::Restore(meta) => format!("restores {}", snapshot(&meta.id)),
        Output::Event(Event::Diverged { peer, at }) => {
            format!("hears that the log of {peer} differs at {at}")
        }
        Output::Event(Event::MembershipChanged { index }) => {
            format!("has changed its members by {index}")
        }
        Output::Event(Event::TransferFailed { to }) => format!("gives up handing over to {to}"),
        Output::Event(Event::SteppedDown { reason, .. }) => match reason {
            StepDownReason::HigherTerm => return None,
            StepDownReason::NoQuorum => "leads no more: it hears no quorum".into(),
            StepDownReason::DiskStalled => "leads no more: its disk is stalled".into(),
            StepDownReason::Asked => "leads no more: it was asked to".into(),
            StepDownReason::Removed => "leads no more: it is removed".into(),
            other => format!("leads no more: {other:?}"),
        },
        _ => return None,
    })
}

fn change(before: &View, after: &View) -> String {
    let mut parts = Vec::new();
    if (before.role, before.term, before.leader) != (after.role, after.term, after.leader) {
        parts.push(position(after));
    }
    if before.commit != after.commit {
        parts.push(format!("commits {}", after.commit));
    }
    parts.join(", ")
}

fn position(view: &View) -> String {
    let term = view.term;
    match (view.role, view.leader) {
        (RoleName::Leader, _) => format!("leads term {term}"),
        (RoleName::Candidate, _) => format!("runs for term {term}"),
        (RoleName::PreCandidate, _) => format!("asks before it leaves term {term}"),
        (RoleName::Follower, Some(leader)) => format!("follows {leader} in term {term}"),
        (RoleName::Follower, None) => format!("follows nobody in term {term}"),
    }
}

pub fn message(message: &Message) -> String {
    let (from, to, term) = (message.from(), message.to(), message.term());
    format!("{from}->{to} {:?} term {term}{}", message.kind(), body(message.body()))
}

fn body(body: &Body) -> String {
    match body {
        Body::PreVote(request) => format!(": log ends at {}", request.last),
        Body::RequestVote(request) => {
            let why = if request.transfer { ", at the leader's wish" } else { "" };
            format!(": log ends at {}{why}", request.last)
        }
        Body::PreVoteReply(reply) => format!(": {}", yes(reply.granted)),
        Body::VoteReply(reply) => format!(": {}", yes(reply.granted)),
        Body::Append(append) => format!(
            "{}: after {} {}, commit {}",
            session(append.session),
            append.prev(),
            entries(&append.entries),
            append.commit
        ),
        Body::AppendReply(reply) => {
            format!("{}: {}", session(reply.session), outcome(&reply.outcome))
        }
        Body::Heartbeat(beat) => {
            format!("{}: commit {}, round {}", session(beat.session), beat.commit, beat.token)
        }
        Body::HeartbeatReply(reply) => {
            let (session, verified) = (session(reply.session), reply.verified);
            format!("{session}: verified {verified}, round {}", reply.token)
        }
        Body::Commit(commit) => format!("{}: commit {}", session(commit.session), commit.commit),
        Body::ReadIndex(asked) => format!(": question {}", asked.token),
        Body::ReadIndexReply(reply) => {
            let index = reply.index.map_or_else(|| "nothing".into(), |index| index.to_string());
            format!(": to question {}, commit {index}", reply.token)
        }
        Body::SnapshotChunk(piece) => {
            let chunk = &piece.chunk;
            let end = chunk.offset + chunk.data.len() as u64;
            let (name, session) = (snapshot(&piece.meta.id), session(piece.session));
            format!("{session}: {name}, bytes {} to {end} of {}", chunk.offset, chunk.total)
        }
        Body::SnapshotReply(reply) => {
            let again = if reply.again { "again from" } else { "has" };
            let (name, session) = (snapshot(&reply.snapshot), session(reply.session));
            format!("{session}: {name}, {again} {}", reply.received)
        }
        Body::TimeoutNow => String::new(),
        other => format!(": {other:?}"),
    }
}

fn outcome(outcome: &AppendOutcome) -> String {
    match outcome {
        AppendOutcome::Success { matched } => format!("has {matched}"),
        AppendOutcome::Conflict { prev, hint } => format!("nothing fits after {prev}, try {hint}"),
        AppendOutcome::NotNow { verified } => format!("no room now, verified {verified}"),
        AppendOutcome::Diverged { at, .. } => format!("differs at {at}"),
        AppendOutcome::OldTerm => "your term is over".into(),
    }
}

/// The first session goes without saying.
fn session(session: u32) -> String {
    if session > 1 { format!(" session {session}") } else { String::new() }
}

const fn yes(granted: bool) -> &'static str {
    if granted { "yes" } else { "no" }
}

fn entries(entries: &Entries) -> String {
    let all: Vec<_> = entries.iter().map(|one| entry(one.id, one.kind, one.payload)).collect();
    format!("[{}]", all.join(", "))
}

pub fn entry(id: EntryId, kind: EntryKind, payload: &[u8]) -> String {
    match kind {
        EntryKind::Noop => format!("{id} no-op"),
        EntryKind::Membership => {
            let membership = postcard::from_bytes(payload).expect("a membership");
            format!("{id} {}", members::text(&membership))
        }
        EntryKind::Command if payload.len() > 20 => format!("{id} <{} bytes>", payload.len()),
        EntryKind::Command => format!("{id} {}", String::from_utf8_lossy(payload)),
    }
}

fn write(write: &Write) -> String {
    let mut parts = Vec::new();
    if let Some(state) = write.hard_state {
        parts.push(format!("term {} {}", state.term, vote(state.vote)));
    }
    if let Some(chunk) = &write.snapshot_chunk {
        let end = chunk.offset + chunk.data.len() as u64;
        parts.push(format!("{}, bytes {} to {end}", snapshot(&chunk.snapshot), chunk.offset));
    }
    if let Some(meta) = &write.snapshot {
        parts.push(match meta.id.index {
            LogIndex(0) if meta.membership.members().is_empty() => "waits to be added".into(),
            LogIndex(0) => {
                let voters: Vec<_> = meta.membership.voters().map(|id| id.to_string()).collect();
                format!("founding members {}", voters.join(" "))
            }
            _ => snapshot(&meta.id),
        });
    }
    if let Some(index) = write.reset_log_to {
        parts.push(format!("log begins anew after {index}"));
    }
    if let Some(from) = write.truncate_from {
        parts.push(format!("cut from {from}"));
    }
    if !write.entries.is_empty() {
        parts.push(entries(&write.entries));
    }
    if let Some(through) = write.discard_through {
        parts.push(format!("discard through {through}"));
    }
    if let Some(newest) = &write.release_snapshots_below {
        parts.push(format!("release snapshots below {}", snapshot(newest)));
    }
    format!("{}: {}", write.id, parts.join("; "))
}

/// A snapshot by its last entry, its maker, and the maker's count if it is not the first.
pub fn snapshot(id: &SnapshotId) -> String {
    let at = EntryId { term: id.term, index: id.index };
    match (id.index, id.counter) {
        (LogIndex(0), _) => "the founding".into(),
        (_, 1) => format!("snapshot {at} of {}", id.maker),
        (_, counter) => format!("snapshot {at} of {} number {counter}", id.maker),
    }
}

fn vote(vote: Option<NodeId>) -> String {
    vote.map_or_else(|| "no vote".into(), |id| format!("vote {id}"))
}

/// One line for each node.
pub fn status(lab: &Lab) -> Vec<String> {
    lab.ids().into_iter().map(|id| status_of(lab, id)).collect()
}

fn status_of(lab: &Lab, id: u64) -> String {
    if !lab.is_up(id) {
        return format!("{id} is down");
    }
    let node = lab.node(id);
    let position = position(&View::of(node));
    let last = node.last_index();
    let last = EntryId { index: last, term: node.term_at(last).unwrap_or_default() };
    let status = node.status();
    let (stable, commit, applied) =
        (status.stable_index, node.commit_index(), node.applied_index());
    format!("{id} {position}; log {last}, durable {stable}, commit {commit}, applied {applied}")
}

/// One line for each peer of a leader.
pub fn peers(lab: &Lab, id: u64) -> Vec<String> {
    let status = lab.node(id).status();
    let peers = status.peers.iter().map(|peer| {
        let state = match peer.state {
            PeerState::Probe => "probe",
            PeerState::Stream => "stream",
            PeerState::Snapshot => "snapshot",
        };
        let (matched, next) = (peer.matched, peer.next);
        let flight = (peer.in_flight_messages, peer.in_flight_bytes);
        format!(
            "{}: {state}, matched {matched}, next {next}, under way {} ({} bytes)",
            peer.id, flight.0, flight.1
        )
    });
    peers.collect()
}

/// One line for each entry; those that a crash could still take away are marked.
pub fn log(lab: &Lab, id: u64) -> Vec<String> {
    let durable = lab.durable_log(id);
    let lines = lab.log(id).into_iter().map(|one| {
        let safe = durable.contains(&one);
        let mark = if safe { "" } else { " (not durable)" };
        format!("{}{mark}", entry(one.id, one.kind, &one.payload))
    });
    lines.collect()
}

/// What a state machine holds, oldest first.
pub fn machine(lab: &Lab, id: u64) -> Vec<String> {
    let line = |(id, payload): &(EntryId, Vec<u8>)| entry(*id, EntryKind::Command, payload);
    lab.hosts[&id].applied.iter().map(line).collect()
}

/// The counters of rejected and ignored paths that are not zero.
pub fn counters(lab: &Lab, id: u64) -> Vec<String> {
    let text = format!("{:?}", lab.node(id).status().counters);
    let inner = text.trim_start_matches("Counters { ").trim_end_matches(" }");
    let parts = inner.split(", ").filter(|part| !part.ends_with(": 0"));
    parts.map(|part| part.replace('_', " ")).collect()
}
