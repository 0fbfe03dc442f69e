//! Disks that break a promise: what they hold is not what was made durable. A host must notice when
//! it reads them; it then stays down.

use bytes::Bytes;
use raftcore::{DecodeError, Stored, StoredError, Write};
use thiserror::Error;

use crate::faults::FaultKind;
use crate::rng::Rng;

/// Bytes that become unreadable together.
const SECTOR_BYTES: usize = 512;

/// Why a disk cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ReadError {
    #[error("a record cannot be read: {0}")]
    Record(#[from] DecodeError),
    #[error("the records do not fold: {0}")]
    Fold(#[from] StoredError),
    #[error("the disk is empty")]
    Empty,
}

/// What a damaged disk holds: the records one after the other, as in a file. Never only the newest
/// record is missing: nothing on the disk tells that from a write that was not acknowledged. What
/// was torn away before it named the end of the log tells no more of the record before it.
pub(crate) fn damage(records: &[Bytes], rng: &mut Rng) -> (FaultKind, Vec<u8>) {
    let place = |rng: &mut Rng, count: usize| rng.below(count as u64) as usize;
    let mut ends: Vec<usize> = Vec::with_capacity(records.len());
    for record in records {
        ends.push(ends.last().unwrap_or(&0) + record.len());
    }
    let mut file = records.concat();
    let count = records.len();
    let told = count - records.iter().rev().take_while(|record| names_no_end(record)).count();
    let kind = if count < 2 { 0 } else { rng.below(if told < 2 { 3 } else { 4 }) };
    match kind {
        0 => {
            let at = place(rng, file.len());
            file[at] ^= 1 << rng.below(8);
            (FaultKind::BitRot, file)
        }
        1 => {
            let begin = place(rng, file.len()) / SECTOR_BYTES * SECTOR_BYTES;
            let end = file.len().min(begin + SECTOR_BYTES);
            file[begin..end].fill(0);
            (FaultKind::UnreadableSector, file)
        }
        2 => {
            let (from, to) = (place(rng, count), place(rng, count - 1));
            let (from, to) = if from == to { (to + 1, to) } else { (from, to) };
            let length = records[from].len();
            file[ends[from] - length..ends[from]].fill(0);
            if from + 1 == count {
                file.truncate(ends[from] - length);
            }
            let begin = ends[to] - records[to].len();
            file.resize(file.len().max(begin + length), 0);
            file[begin..begin + length].copy_from_slice(&records[from]);
            (FaultKind::MisdirectedWrite, file)
        }
        _ => {
            let missing = place(rng, told - 1);
            let kept = records.iter().enumerate().filter(|&(place, _)| place != missing);
            (FaultKind::StaleWrite, kept.flat_map(|(_, record)| record.iter().copied()).collect())
        }
    }
}

/// Whether this is the first write of a life, torn before it named the end of the log.
fn names_no_end(record: &Bytes) -> bool {
    Write::decode(record).is_ok_and(|(write, _)| {
        write.id.sequence == 1 && write.truncate_from.or(write.reset_log_to).is_none()
    })
}

/// Reads records one after the other, as a host does after a crash: a torn tail is cut off.
pub(crate) fn read(file: Vec<u8>) -> Result<Stored, ReadError> {
    let mut rest = Bytes::from(file);
    let mut stored = Stored::empty();
    while !rest.is_empty() {
        match Write::decode(&rest) {
            Ok((write, length)) => {
                stored.replay(write)?;
                rest = rest.slice(length..);
            }
            Err(DecodeError::Truncated) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if stored.is_empty() { Err(ReadError::Empty) } else { Ok(stored) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raftcore::{
        Config, GroupId, HardState, Identity, LogIndex, Membership, Node, NodeId, Output, Tick,
    };

    /// What a single node wrote in three lives.
    fn records() -> Vec<Bytes> {
        let identity = Identity { group: GroupId(1), node: NodeId(1) };
        let mut stored = Stored::found(identity, Membership::of_voters([1]).unwrap());
        let mut records: Vec<Bytes> = Vec::new();
        for _ in 0..3 {
            let mut node = Node::new(Config::default(), stored, LogIndex(0)).unwrap();
            for now in 0..120 {
                node.tick(Tick(now));
                let _ = node.propose(b"something");
                while let Some(output) = node.poll_output() {
                    if let Output::Persist(write) = output {
                        records.push(write.encode().into());
                        node.persisted(write.id).unwrap();
                    }
                }
            }
            stored = read(records.concat()).unwrap();
        }
        records
    }

    #[test]
    fn damage_of_every_kind_is_noticed_or_harmless() {
        let records = records();
        let whole = read(records.concat()).unwrap();
        let said = |stored: &Stored| (stored.hard_state(), stored.last());
        let mut rng = Rng::new(5);
        let mut noticed = 0;
        for _ in 0..500 {
            let (kind, file) = damage(&records, &mut rng);
            match read(file) {
                Ok(stored) => assert_eq!(said(&stored), said(&whole), "{kind}"),
                Err(_) => noticed += 1,
            }
        }
        assert!(noticed > 400, "{noticed}");
    }

    #[test]
    fn what_comes_before_torn_beginnings_of_lives_is_never_missing() {
        let mut records = records();
        let whole = read(records.concat()).unwrap();
        let mut torn = Write::empty(whole.identity().unwrap(), whole.last_write().unwrap());
        for _ in 0..2 {
            torn.id.incarnation.0 += 1;
            torn.id.sequence = 1;
            let incarnation = torn.id.incarnation;
            torn.hard_state = Some(HardState { incarnation, ..whole.hard_state() });
            records.push(torn.encode().into());
        }
        assert_eq!(read(records.concat()).unwrap().last(), whole.last());
        let mut rng = Rng::new(5);
        for _ in 0..5_000 {
            if let (FaultKind::StaleWrite, file) = damage(&records, &mut rng) {
                assert!(read(file).is_err());
            }
        }
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let records = records();
        let mut file = records.concat();
        file.truncate(file.len() - 1);
        let before = read(records[..records.len() - 1].concat()).unwrap();
        assert_eq!(read(file).unwrap().last_write(), before.last_write());
    }
}
