//! Logs as former terms left them, without playing these terms through.

use super::{Lab, forged};
use crate::support::drain;
use raftcore::{Body, Config, LogIndex, Node, NodeId, Output, RoleName, Stored, Tick, VoteReply};

impl Lab {
    /// Gives a node a durable log with entries of these terms, and lets it start from it in `term`.
    ///
    /// The node itself makes the entries, as a leader whose election is forged: the first entry of
    /// each term is its no-op, the others are commands like `4@2`.
    pub fn preload(&mut self, id: u64, terms: &[u64], term: u64) {
        self.preload_with(id, terms, term, |index, term| format!("{index}@{term}"));
    }

    /// The same with other commands.
    pub fn preload_with(
        &mut self,
        id: u64,
        terms: &[u64],
        term: u64,
        payload: impl Fn(u64, u64) -> String,
    ) {
        let membership = self.founders.clone();
        let voters: Vec<u64> = membership.voters().map(NodeId::get).collect();
        let config = Config { pre_vote: false, check_quorum: true, ..self.host(id).config.clone() };
        let stored = Stored::found(crate::support::identity(id), membership);
        let mut scribe = Node::new(config, stored, LogIndex(0)).unwrap();
        scribe.tick(Tick(0));
        let mut disk = write_out(&mut scribe);
        let mut now = 0;
        for run in terms.chunk_by(|one, next| one == next) {
            reach(&mut scribe, &voters, run[0] - 1);
            // Nobody answers: a leader gives up.
            now += u64::from(self.host(id).config.election_ticks_min);
            if scribe.role() == RoleName::Leader {
                scribe.tick(Tick(now));
            }
            scribe.campaign().unwrap();
            disk.extend(write_out(&mut scribe));
            let granted = Body::VoteReply(VoteReply { granted: true });
            for &from in voters.iter().filter(|&&from| from != id) {
                // Those after the majority are not needed any more.
                scribe.receive(forged(from, id, run[0], granted.clone())).unwrap();
            }
            for _ in 1..run.len() {
                let index = scribe.last_index().0 + 1;
                scribe.propose(payload(index, run[0]).as_bytes()).unwrap();
            }
            disk.extend(write_out(&mut scribe));
        }
        reach(&mut scribe, &voters, term);
        disk.extend(write_out(&mut scribe));
        let host = self.host(id);
        host.pending.clear();
        host.disk = disk;
        self.start(id, 0);
        let made: Vec<u64> = self.durable_log(id).iter().map(|entry| entry.id.term.0).collect();
        assert_eq!(made, terms, "terms must not fall");
    }
}

/// Lets a node see a term.
fn reach(node: &mut Node, voters: &[u64], term: u64) {
    let NodeId(id) = node.identity().node;
    let from = voters.iter().copied().find(|&from| from != id).expect("another voter");
    if term > node.term().0 {
        let refused = Body::VoteReply(VoteReply { granted: false });
        node.receive(forged(from, id, term, refused)).unwrap();
    }
}

/// Takes and acknowledges a node's writes; nothing else of what it wants is done.
fn write_out(node: &mut Node) -> Vec<raftcore::Write> {
    let mut writes = Vec::new();
    loop {
        let outputs = drain(node);
        if outputs.is_empty() {
            return writes;
        }
        for output in outputs {
            if let Output::Persist(write) = output {
                node.persisted(write.id).unwrap();
                writes.push(write);
            }
        }
    }
}
