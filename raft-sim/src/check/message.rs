//! No message leaves before what it promises is durable.

use raftcore::{AppendOutcome, Body, EntryId, Message};

use super::{Checks, Image};
use crate::property::{Checked, Property, broken};

impl Checks {
    /// A node hands out a message; `agreed` is the receiver's checksum at the entry that a success
    /// confirms, if the receiver leads the message's term.
    pub(crate) fn sends(
        &mut self,
        host: usize,
        message: &Message,
        agreed: Option<Option<u32>>,
    ) -> Checked {
        let (term, own, to) = (message.term().0, host as u64 + 1, message.to().0);
        if message.from().0 != own || to == own {
            let detail = format!("sends from {} to {to}", message.from());
            return broken(Property::ContractKept, host, detail);
        }
        let commit = match message.body() {
            // Questions, and answers that promise nothing.
            Body::PreVote(_) | Body::PreVoteReply(_) | Body::ReadIndex(_) => return Ok(()),
            Body::RequestVote(request) => {
                self.ballots[host].cast(host, term, own)?;
                voted(&self.images[host], host, term, own)?;
                names_durable(&self.images[host], host, request.last)?;
                None
            }
            Body::VoteReply(reply) if reply.granted => {
                self.ballots[host].cast(host, term, to)?;
                voted(&self.images[host], host, term, to)?;
                None
            }
            Body::AppendReply(reply) => {
                if let AppendOutcome::Success { matched } = reply.outcome {
                    confirms(&self.images[host], host, matched.0, agreed)?;
                }
                None
            }
            Body::SnapshotChunk(piece) => {
                self.describes(host, &piece.meta)?;
                Some(piece.meta.id.index)
            }
            Body::Append(append) => Some(append.commit),
            Body::Heartbeat(heartbeat) => Some(heartbeat.commit),
            Body::Commit(commit) => Some(commit.commit),
            _ => None,
        };
        if let Some(commit) = commit {
            self.leaders.record(host, term)?;
            if commit.0 > self.committed() {
                let detail = format!("tells commit {commit}, only {} is", self.committed());
                return broken(Property::DurableOnQuorum, host, detail);
            }
        }
        let durable = self.images[host].term();
        if durable < term {
            let kind = message.kind();
            let detail = format!("{kind:?} of term {term} leaves, term {durable} is durable");
            return broken(Property::MessageBehindDurability, host, detail);
        }
        Ok(())
    }
}

/// A vote is durable, or its term is over for good.
fn voted(image: &Image, host: usize, term: u64, candidate: u64) -> Checked {
    if image.term() > term || (image.term() == term && image.vote() == candidate) {
        return Ok(());
    }
    let detail = format!(
        "a vote for {candidate} in term {term} leaves; durable are term {} and vote {}",
        image.term(),
        image.vote()
    );
    broken(Property::MessageBehindDurability, host, detail)
}

/// The log tail that a vote request names is durable.
fn names_durable(image: &Image, host: usize, last: EntryId) -> Checked {
    let durable = image.mark(last.index.0).map_or(0, |mark| mark.term);
    if durable == last.term.0 {
        return Ok(());
    }
    let detail = format!("a vote request names {last}; the durable log ends at {}", image.last());
    broken(Property::MessageBehindDurability, host, detail)
}

/// What a success confirms is durable, and is what the leader has.
fn confirms(image: &Image, host: usize, matched: u64, agreed: Option<Option<u32>>) -> Checked {
    if matched == 0 {
        return Ok(());
    }
    let Some(mark) = image.mark(matched) else {
        let detail = format!("confirms entry {matched}, durable are {}", image.last());
        return broken(Property::MessageBehindDurability, host, detail);
    };
    match agreed {
        Some(leader) if leader != Some(mark.checksum) => {
            let detail = format!("confirms entry {matched}@{}, the leader has another", mark.term);
            broken(Property::LogMatching, host, detail)
        }
        _ => Ok(()),
    }
}
