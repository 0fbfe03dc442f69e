//! One operation after the other, read from bytes.

use bytes::Bytes;
use raftcore::{
    Answer, Chunk, ChunkId, EntryId, Incarnation, Input, LogIndex, LogReadId, Member,
    MembershipChange, NodeId, ReadConsistency, Term, Tick, Unavailable, WriteId,
};

use super::Cluster;
use super::setup::GROUP;
use crate::dice::Dice;
use crate::forge;

impl Cluster {
    pub(super) fn operate(&mut self, dice: &mut Dice<'_>) {
        let what = dice.byte();
        let at = dice.below(self.hosts.len());
        match what {
            0..=19 => self.settle(),
            20..=39 => self.work(at),
            40..=49 => self.drain(at),
            50..=57 => drop(self.poll(at)),
            58..=67 => self.persist(at, 1 + dice.below(2)),
            68..=71 => drop(self.hosts[at].store()),
            72..=97 => self.deliver_one(dice),
            98..=100 => self.lose(dice),
            101..=103 => self.cut_off = if self.cut_off.is_some() { None } else { Some(at) },
            104..=117 => self.time_out(at),
            118..=125 => self.pass_time(dice),
            126..=145 => self.propose(at, dice),
            146..=157 => self.change_membership(at, dice),
            158..=167 => {
                let kinds =
                    [ReadConsistency::Linearizable, ReadConsistency::Lease, ReadConsistency::Stale];
                self.read(at, kinds[dice.below(4) % 3]);
            }
            168..=173 => {
                let to = NodeId(1 + dice.below(7) as u64);
                self.give(at, Input::TransferLeadership { to });
            }
            174..=179 => drop(self.give(at, Input::Campaign)),
            180..=183 => drop(self.give(at, Input::StepDown)),
            184..=187 => {
                let max_bytes = dice.number(64) as usize;
                self.give(at, Input::Trim { max_bytes });
            }
            188..=199 => self.crash(at, dice),
            200..=211 => self.take_snapshot(at, dice),
            212..=219 => self.answer_one(at, dice),
            220..=225 => self.complete_oddly(at, dice),
            226 => {
                self.hosts[at].storage_failed = true;
                self.give(at, Input::StorageFailed);
            }
            227..=229 => self.hosts[at].twin = Some(self.hosts[at].node.clone()),
            230..=231 if self.faults.broken => self.break_promise(at, dice),
            232.. if self.faults.hostile => self.be_hostile(at, dice),
            _ => self.work(at),
        }
    }

    /// One message arrives; once in a while it stays under way and so comes again.
    fn deliver_one(&mut self, dice: &mut Dice<'_>) {
        if dice.once_in(8) && !self.earlier.is_empty() {
            let which = dice.below(self.earlier.len());
            return self.deliver(self.earlier[which].clone());
        }
        if !self.under_way.is_empty() {
            let which = dice.below(self.under_way.len());
            if let Some(message) = self.under_way.remove(which) {
                self.deliver(message);
            }
        }
    }

    fn lose(&mut self, dice: &mut Dice<'_>) {
        if dice.once_in(2) {
            self.under_way.clear();
        } else if !self.under_way.is_empty() {
            let which = dice.below(self.under_way.len());
            self.under_way.remove(which);
        }
    }

    fn pass_time(&mut self, dice: &mut Dice<'_>) {
        let ticks = match dice.below(16) {
            0 => dice.word(),
            1 => 200,
            few => few as u64,
        };
        (0..self.hosts.len()).for_each(|at| self.tick(at, ticks));
    }

    fn propose(&mut self, at: usize, dice: &mut Dice<'_>) {
        let length = match dice.below(16) {
            15 => 65,
            length => length * 4,
        };
        self.give(at, Input::Propose(vec![dice.byte(); length].into()));
    }

    fn change_membership(&mut self, at: usize, dice: &mut Dice<'_>) {
        let node = &self.hosts[at].node;
        let (current, index) = (node.membership(), node.membership_index());
        let id = NodeId(1 + dice.below(self.hosts.len() + 1) as u64);
        let change = match dice.below(8) {
            0 => MembershipChange::add(index, current, Member::voter(id)),
            1 => MembershipChange::add(index, current, Member::learner(id)),
            2 => MembershipChange::remove(index, current, id),
            3 => MembershipChange::promote(index, current, id),
            4 => {
                let voters = dice.byte();
                let ids = (1..=6).filter(|id| voters & (1 << id) != 0);
                MembershipChange::to(index, ids.map(|id| Member::voter(NodeId(id))))
            }
            5 => MembershipChange::add(dice.index(index), current, Member::voter(id)),
            6 => MembershipChange::to(index, odd_members(dice)),
            _ => {
                let member = current.members().first().cloned();
                let member = member.unwrap_or_else(|| Member::voter(id));
                MembershipChange::add(index, current, member.with_context([dice.byte()]))
            }
        };
        self.give(at, Input::ProposeMembership(change));
    }

    fn crash(&mut self, at: usize, dice: &mut Dice<'_>) {
        let keep = dice.below(self.hosts[at].pending.len() + 1);
        let fields = dice.below(9);
        self.restart(at, keep, fields, dice.once_in(2));
        if !dice.once_in(4) {
            let now = Tick(self.hosts[at].now);
            self.give(at, Input::Tick(now));
        }
    }

    fn take_snapshot(&mut self, at: usize, dice: &mut Dice<'_>) {
        let machine = self.hosts[at].machine;
        let index = if dice.once_in(4) { dice.number(machine.applied) } else { machine.applied };
        let earlier = self.law.machine_at(index).unwrap_or(machine);
        let earlier = if index == machine.applied { machine } else { earlier };
        self.hosts[at].keep_snapshot(index, earlier);
        self.give(at, Input::SnapshotTaken(LogIndex(index)));
    }

    /// A store answers one request: in full, in part, or that it cannot.
    fn answer_one(&mut self, at: usize, dice: &mut Dice<'_>) {
        let how = dice.below(4);
        let host = &mut self.hosts[at];
        if !host.log_requests.is_empty() {
            let which = dice.below(host.log_requests.len());
            let request = host.log_requests.swap_remove(which);
            let entries = match how {
                0 => Err(Unavailable),
                1 => host.read_log(&request, 2),
                _ => host.read_log(&request, u64::MAX),
            };
            self.give(at, Input::LogRead { request: request.id, entries });
        } else if !host.chunk_requests.is_empty() {
            let which = dice.below(host.chunk_requests.len());
            let request = host.chunk_requests.swap_remove(which);
            let mut chunk = host.read_chunk(&request);
            if let (1, Ok(chunk)) = (how, &mut chunk) {
                chunk.data.truncate(1);
            }
            let chunk = if how == 0 { Err(Unavailable) } else { chunk };
            self.give(at, Input::SnapshotChunk { request: request.id, chunk });
        }
    }

    /// Completions that are late, repeated, or name what was never asked.
    fn complete_oddly(&mut self, at: usize, dice: &mut Dice<'_>) {
        let host = &self.hosts[at];
        let incarnation = Incarnation(dice.number(host.node.incarnation().0));
        let acknowledged = host.durable.last_write().map_or(0, |id| id.sequence);
        let sequence = dice.number(acknowledged);
        let handed_out = |id: WriteId| {
            let pending = host.pending.iter().any(|write| write.id == id);
            pending
                || host.pending.front().is_some_and(|write| {
                    write.id.incarnation == id.incarnation && write.id.sequence < id.sequence
                })
        };
        match dice.below(4) {
            0 => {
                let id = WriteId { incarnation, sequence };
                let lie = handed_out(id);
                if self.faults.broken || !lie {
                    self.law.broken |= lie;
                    self.give(at, Input::Persisted(id));
                }
            }
            1 => {
                let index = dice.number(host.machine.applied);
                if index > host.machine.applied {
                    let answer = self.give(at, Input::Applied(LogIndex(index)));
                    assert!(matches!(answer, Answer::Misuse(_)), "{answer:?}");
                } else {
                    self.give(at, Input::Applied(LogIndex(index)));
                }
            }
            2 => {
                let request = LogReadId { incarnation, sequence: dice.number(1) };
                let prev = EntryId { term: Term(1), index: LogIndex(dice.number(1)) };
                let list = [(1, 1, vec![1])];
                let entries = forge::entries(GROUP, prev, 0, &list).ok_or(Unavailable);
                let lie = host.log_requests.iter().any(|open| open.id == request);
                if self.faults.broken || !lie {
                    self.law.broken |= lie;
                    self.give(at, Input::LogRead { request, entries });
                }
            }
            _ => {
                let request = ChunkId { incarnation, sequence: dice.number(1) };
                let lie = host.chunk_requests.iter().any(|open| open.id == request);
                let chunk = Chunk { total: dice.number(4), data: Bytes::from_static(b"odd") };
                if self.faults.broken || !lie {
                    self.law.broken |= lie;
                    self.give(at, Input::SnapshotChunk { request, chunk: Ok(chunk) });
                }
            }
        }
    }

    /// The harness lies as a caller must not: what it says is durable is not, or a disk goes back.
    fn break_promise(&mut self, at: usize, dice: &mut Dice<'_>) {
        self.law.broken = true;
        let host = &mut self.hosts[at];
        if dice.once_in(2) {
            if let Some(id) = host.pending.back().map(|write| write.id) {
                self.give(at, Input::Persisted(id));
            }
        } else if let Some((disk, machine)) = host.backup.take() {
            (host.durable, host.machine) = (disk, machine);
            host.pending.clear();
            self.restart(at, 0, 0, true);
        } else {
            host.backup = Some((host.durable.clone(), host.machine));
        }
    }
}

/// Members as no caller should name them: none, twice the same, with too long contexts.
fn odd_members(dice: &mut Dice<'_>) -> Vec<Member> {
    let member = |dice: &mut Dice<'_>| Member {
        id: NodeId(dice.number(1)),
        voter: dice.once_in(2),
        promote: dice.once_in(2),
        context: if dice.once_in(8) { vec![0; 257] } else { Vec::new() },
    };
    match dice.below(8) {
        7 => (0..300).map(|id| Member::voter(NodeId(id))).collect(),
        count => (0..count).map(|_| member(dice)).collect(),
    }
}
