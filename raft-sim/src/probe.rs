//! Bad input: what a host or a peer gets wrong is a typed error and changes nothing. Tried on a copy
//! of a node, so that the run goes on as if nothing had been asked.

use bytes::Bytes;
use raftcore::{
    Answer, Append, AppendOutcome, AppendReply, Body, Chunk, ChunkId, Entries, EntryId, GroupId,
    Header, Heartbeat, Identity, Incarnation, Input, LogIndex, LogReadId, LogRequest,
    MAX_CONTEXT_BYTES, MAX_MEMBERS, MAX_VOTERS, Member, Membership, Message, Node, NodeId, Output,
    PreVote, PreVoteReply, ReadConsistency, ReadId, RequestVote, RoleName, Term, Tick, Unavailable,
    Write, WriteId,
};

/// More sessions than a term has with one peer, nearly always.
const SESSIONS_MAX: u32 = 64;

/// Tries a copy of the node with bad input; says what it took, or what changed it.
pub(crate) fn probe(node: &Node) -> Result<(), String> {
    let mut copy = node.clone();
    let before = copy.fingerprint();
    for input in misuses(node) {
        let answer = copy.input(input.clone());
        if !matches!(answer, Answer::Misuse(_)) {
            return Err(format!("answers {answer:?} to {input:?}"));
        }
    }
    for message in hostile(node) {
        rejects(&mut copy, message)?;
    }
    if copy.fingerprint() != before {
        return Err("is changed by bad input".into());
    }
    if let Some(append) = contradiction(node) {
        rejects(&mut copy, append)?;
        doubts(copy.clone());
    }
    announces(&mut copy)?;
    impossible_memberships()?;
    contradicted(node.clone())?;
    halts(copy)
}

fn rejects(node: &mut Node, message: Message) -> Result<(), String> {
    match node.input(Input::Receive(message.clone())) {
        Answer::Rejected(_) => Ok(()),
        answer => Err(format!("answers {answer:?} to {message:?}")),
    }
}

/// Completions of what was never handed out or asked for.
fn misuses(node: &Node) -> [Input; 5] {
    let incarnation = Incarnation(node.incarnation().get() + 1);
    let (sequence, beyond) = (1, LogIndex(u64::MAX));
    let chunk = Chunk { total: 0, data: Bytes::new() };
    [
        Input::Persisted(WriteId { incarnation, sequence }),
        Input::Applied(beyond),
        Input::SnapshotTaken(beyond),
        Input::LogRead { request: LogReadId { incarnation, sequence }, entries: Err(Unavailable) },
        Input::SnapshotChunk { request: ChunkId { incarnation, sequence }, chunk: Ok(chunk) },
    ]
}

/// Messages that no honest peer sends, whatever the state here.
fn hostile(node: &Node) -> Vec<Message> {
    let Identity { group, node: me } = node.identity();
    let stranger = NodeId(me.get() + 1000);
    let term = node.term().next();
    let id = |index| EntryId { term, index: LogIndex(index) };
    let beat = |term| {
        let commit = LogIndex(0);
        (term, Body::Heartbeat(Heartbeat { session: 1, commit, matched: commit, token: 1 }))
    };
    let of = |(term, body): (Term, Body)| Message::forge(group, stranger, me, term, body);
    let gap = Append {
        session: 1,
        prev_checksum: 0,
        prev_term: term,
        commit: LogIndex(0),
        entries: Entries::default(),
    };
    let beyond = AppendOutcome::Success { matched: LogIndex(u64::MAX) };
    let mut messages = vec![
        Message::forge(GroupId(group.get() + 1), stranger, me, term, beat(term).1),
        Message::forge(group, stranger, stranger, term, beat(term).1),
        Message::forge(group, me, me, term, beat(term).1),
        of(beat(Term(0))),
        of(beat(Term(u64::MAX))),
        of((
            term,
            Body::PreVote(PreVote { last: EntryId { term: term.next(), ..id(1) }, doubt: None }),
        )),
        of((term, Body::RequestVote(RequestVote { last: id(1), transfer: false }))),
        of((term, Body::Append(gap))),
    ];
    let known = node.leader().filter(|_| node.term() > Term(0));
    messages.extend(known.map(|_| of(beat(node.term()))));
    if node.role() == RoleName::Leader
        && let Some(peer) = node.membership().nodes().find(|&peer| peer != me)
    {
        let reply = Body::AppendReply(AppendReply { session: 1, outcome: beyond });
        messages.push(Message::forge(group, peer, me, node.term(), reply));
    }
    messages
}

/// An append that contradicts the last committed entry, if there is one in memory.
fn contradiction(node: &Node) -> Option<Message> {
    let Identity { group, node: me } = node.identity();
    let index = node.commit_index();
    let prev_term = node.term_at(index)?;
    let prev_checksum = !node.checksum_at(index)?;
    if index == LogIndex(0) {
        return None;
    }
    let (session, commit) = (1, index);
    let entries = Entries::decode(index.next(), 0, Bytes::new()).ok()?;
    let body = Body::Append(Append { session, prev_checksum, prev_term, commit, entries });
    Some(Message::forge(group, NodeId(me.get() + 1000), me, node.term().next(), body))
}

/// A node in doubt asks the others: whatever they answer, it neither panics nor breaks.
fn doubts(mut node: Node) {
    let Identity { group, node: me } = node.identity();
    node.input(Input::Tick(node.deadline().unwrap_or_default()));
    while node.poll_output().is_some() {}
    let (asked, granted, differs) = (node.term(), false, true);
    let others: Vec<NodeId> = node.membership().nodes().filter(|&id| id != me).collect();
    for from in others {
        let body = Body::PreVoteReply(PreVoteReply { asked, granted, differs });
        node.input(Input::Receive(Message::forge(group, from, me, node.term(), body)));
    }
    let last = EntryId { term: node.term(), index: node.last_index() };
    let body = Body::PreVote(PreVote { last, doubt: Some((last, 0)) });
    node.input(Input::Receive(Message::forge(
        group,
        NodeId(me.get() + 1000),
        me,
        node.term(),
        body,
    )));
}

/// Whatever comes out was announced, and reads back from bytes as what it was.
fn announces(node: &mut Node) -> Result<(), String> {
    loop {
        let announced = node.has_output();
        let Some(output) = node.poll_output() else { return Ok(()) };
        if !announced {
            return Err(format!("did not announce {output:?}"));
        }
        match &output {
            Output::Send(message) => {
                let frame = message.encode();
                let peeked = Header::peek(&frame.to_bytes()).map(|header| (header.to, header.kind));
                let told = (message.to(), message.kind());
                if peeked != Ok(told) || frame.len() != frame.to_bytes().len() {
                    return Err(format!("peeks at {peeked:?} in {message:?}"));
                }
            }
            Output::Persist(write) => {
                let Write { entries, .. } = write;
                let (first, last) = (entries.first(), entries.last());
                let id = LogReadId { incarnation: write.id.incarnation, sequence: 1 };
                let asked = LogRequest { id, first, last, max_bytes: usize::MAX };
                let bytes: usize = entries.records().map(|(_, bytes)| bytes.len()).sum();
                let again =
                    if entries.is_empty() { Ok(entries.clone()) } else { asked.answer([write]) };
                if again.as_ref() != Ok(entries) || bytes != entries.bytes().len() {
                    return Err(format!("finds {again:?} in {write:?}"));
                }
                let record = write.encode();
                if Write::record_length(&record) != Ok(record.len()) {
                    return Err(format!("mistakes the length of {write:?}"));
                }
            }
            _ => {}
        }
    }
}

/// Topologies that cannot be are no memberships.
fn impossible_memberships() -> Result<(), String> {
    let of = |count: u64, make: fn(NodeId) -> Member| (1..=count).map(NodeId).map(make);
    let wishing = |id| Member { promote: true, ..Member::voter(id) };
    let wordy = |id| Member::voter(id).with_context([0; MAX_CONTEXT_BYTES + 1]);
    let impossible = [
        Membership::new(of(3, Member::learner)),
        Membership::new(of(MAX_VOTERS as u64 + 1, Member::voter)),
        Membership::new(of(MAX_MEMBERS as u64 + 1, Member::learner)),
        Membership::new(of(1, wishing)),
        Membership::new(of(1, wordy)),
        Membership::new(of(1, Member::voter).chain(of(1, Member::voter))),
    ];
    match impossible.into_iter().find(Result::is_ok) {
        Some(membership) => Err(format!("{membership:?} is no membership")),
        None => Ok(()),
    }
}

/// A leader that voters contradict, one after the other: one alone stops nobody.
fn contradicted(mut node: Node) -> Result<(), String> {
    let Identity { group, node: me } = node.identity();
    let voters: Vec<NodeId> = node.membership().voters().filter(|&id| id != me).collect();
    let at = EntryId { term: Term(u64::MAX), index: node.commit_index() };
    let voter = node.membership().is_voter(me) && !node.membership().is_joint();
    if node.role() != RoleName::Leader || !voter || voters.len() < 2 || at.index.get() == 0 {
        return Ok(());
    }
    let outcome = AppendOutcome::Diverged { at, checksum: 0 };
    for (place, &from) in voters.iter().enumerate() {
        // Whatever session it is: only a reply of the present one counts.
        for session in 0..SESSIONS_MAX {
            let body = Body::AppendReply(AppendReply { session, outcome });
            node.input(Input::Receive(Message::forge(group, from, me, node.term(), body)));
        }
        let alone = place == 0;
        if alone && node.status().halted {
            return Err("halts on the word of one".into());
        }
    }
    Ok(())
}

/// A node whose storage failed refuses everything.
fn halts(mut node: Node) -> Result<(), String> {
    node.input(Input::StorageFailed);
    let me = node.identity().node;
    let (id, consistency) = (ReadId(0), ReadConsistency::Stale);
    let inputs = [
        Input::Propose(Bytes::new()),
        Input::Read { id, consistency },
        Input::TransferLeadership { to: me },
        Input::Campaign,
        Input::StepDown,
        Input::Applied(LogIndex(0)),
    ];
    for input in inputs {
        let answer = node.input(input.clone());
        if !matches!(answer, Answer::Refused(_) | Answer::Misuse(_)) {
            return Err(format!("has halted and answers {answer:?} to {input:?}"));
        }
    }
    node.input(Input::Tick(Tick(u64::MAX)));
    node.input(Input::Trim { max_bytes: 0 });
    let outputs = [node.input(Input::Poll), node.input(Input::Poll)];
    match outputs {
        [Answer::Output(Some(Output::Halted(_))), Answer::Output(None)] => Ok(()),
        outputs => Err(format!("has halted and gives {outputs:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::{Config, Membership, Stored};

    fn started() -> Node {
        let founders = Membership::of_voters([1, 2, 3]).expect("three voters");
        let identity = Identity { group: GroupId(7), node: NodeId(1) };
        let stored = Stored::found(identity, founders);
        let mut node = Node::new(Config::default(), stored, LogIndex(0)).expect("a node");
        node.tick(Tick(0));
        node
    }

    #[test]
    fn a_node_that_just_started_refuses_all_bad_input() {
        assert_eq!(probe(&started()), Ok(()));
    }

    #[test]
    fn what_a_node_takes_is_told_from_what_it_rejects() {
        let last = EntryId::default();
        let honest = Body::PreVote(PreVote { last, doubt: None });
        let message = Message::forge(GroupId(7), NodeId(2), NodeId(1), Term(0), honest);
        assert!(rejects(&mut started(), message).is_err());
    }
}
