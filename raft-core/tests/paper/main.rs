//! The rules of the Raft paper and of Ongaro's thesis, one test each.
//!
//! Sections without another name are those of the paper ("In search of an understandable consensus
//! algorithm", extended version).
#[path = "../support/mod.rs"]
mod support;

mod clients;
mod crashes;
mod elections;
mod membership;
mod reads;
mod replication;
mod safety;
mod snapshots;
mod terms;
mod thesis;
mod timing;
mod transfer;
mod votes;

use raftcore::{
    AppendOutcome, Body, Config, EntryId, LogIndex, Message, MessageKind, Node, Output,
    RequestVote, RoleName, Term, Tick, Write,
};
use support::lab::Lab;
use support::wire::message;
use support::{config, drain, founded};

/// Elections as in the paper itself: without asking for pre-votes first.
fn plain() -> Config {
    Config { pre_vote: false, ..config() }
}

/// As many nodes, the first one leading term 1, its no-op committed everywhere.
fn led_by_1(size: u64, config: &Config) -> Lab {
    let mut lab = Lab::new(size, config);
    lab.elect(1);
    lab.run(2);
    lab.account.clear();
    lab
}

/// Takes a node's outputs until it wants nothing more; its disk is fast. Gives its messages.
fn speak(node: &mut Node) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        let outputs = drain(node);
        if outputs.is_empty() {
            return messages;
        }
        for output in outputs {
            match output {
                Output::Send(message) => messages.push(message),
                Output::Persist(write) => node.persisted(write.id).unwrap(),
                Output::Apply(committed) => node.applied(committed.last()).unwrap(),
                _ => {}
            }
        }
    }
}

/// Takes a node's outputs; nothing is done about them.
fn wants(node: &mut Node) -> (Vec<Message>, Vec<Write>) {
    let (mut messages, mut writes) = (Vec::new(), Vec::new());
    for output in drain(node) {
        match output {
            Output::Send(message) => messages.push(message),
            Output::Persist(write) => writes.push(write),
            _ => {}
        }
    }
    (messages, writes)
}

/// A follower of a group of three, just founded, whose clock runs.
fn follower() -> Node {
    let mut node = founded(1, [1, 2, 3]);
    node.tick(Tick(0));
    speak(&mut node);
    node
}

fn vote_request(from: u64, term: u64, last: EntryId) -> Message {
    message(from, 1, term, Body::RequestVote(RequestVote { last, transfer: false }))
}

/// Whether the last vote reply among these grants the vote.
fn granted(messages: &[Message]) -> Option<bool> {
    messages.iter().rev().find_map(|message| match message.body() {
        Body::VoteReply(reply) => Some(reply.granted),
        Body::PreVoteReply(reply) => Some(reply.granted),
        _ => None,
    })
}

/// What the append replies among these confirm.
fn confirmed(messages: &[Message]) -> Vec<LogIndex> {
    let confirms = |message: &Message| match message.body() {
        Body::AppendReply(reply) => match reply.outcome {
            AppendOutcome::Success { matched } => Some(matched),
            _ => None,
        },
        _ => None,
    };
    messages.iter().filter_map(confirms).collect()
}

fn kinds(messages: &[Message]) -> Vec<(u64, MessageKind)> {
    messages.iter().map(|message| (message.to().0, message.kind())).collect()
}

fn role_and_term(node: &Node) -> (RoleName, Term) {
    (node.role(), node.term())
}
