//! Reads: each ends once, in time, and never shows less than was acknowledged before it was asked.

use std::collections::VecDeque;

use raftcore::{ReadConsistency, ReadId};

use crate::property::{Checked, Property, broken};

struct Read {
    id: u64,
    /// What must be applied when it is ready.
    floor: u64,
    /// The tick of its node at which it must have ended.
    deadline: u64,
    consistency: ReadConsistency,
}

/// The reads that have not ended, by host, oldest first.
pub(crate) struct Reads {
    open: Vec<VecDeque<Read>>,
    accepted: u64,
}

impl Reads {
    pub(crate) fn new(hosts: usize) -> Self {
        Self { open: (0..hosts).map(|_| VecDeque::new()).collect(), accepted: 0 }
    }

    /// The name of the next read.
    pub(crate) const fn next(&self) -> ReadId {
        ReadId(self.accepted + 1)
    }

    pub(crate) fn open(&self, host: usize) -> usize {
        self.open[host].len()
    }

    /// A node took the read named last, when so much was acknowledged.
    pub(crate) fn accepted_by(
        &mut self,
        host: usize,
        consistency: ReadConsistency,
        acknowledged: u64,
        deadline: u64,
    ) {
        let stale = consistency == ReadConsistency::Stale;
        let floor = if stale { 0 } else { acknowledged };
        self.accepted += 1;
        self.open[host].push_back(Read { id: self.accepted, floor, deadline, consistency });
    }

    /// A read ended; if the state machine may be read, `applied` is what it holds.
    pub(crate) fn ended(&mut self, host: usize, id: ReadId, applied: Option<u64>) -> Checked {
        let open = &mut self.open[host];
        let place = open.iter().position(|read| read.id == id.0);
        let Some(read) = place.and_then(|place| open.remove(place)) else {
            return broken(Property::ReadsEnd, host, format!("ends read {id}, which is not open"));
        };
        match applied {
            Some(applied) if applied < read.floor => {
                let Read { floor, consistency, .. } = read;
                let detail = format!(
                    "{consistency:?} read {id} is ready with {applied} applied; {floor} was \
                     acknowledged before it was asked"
                );
                broken(Property::FreshReads, host, detail)
            }
            _ => Ok(()),
        }
    }

    /// No read is open that had to end by this tick of its node.
    pub(crate) fn in_time(&self, host: usize, tick: u64) -> Checked {
        match self.open[host].front() {
            Some(&Read { id, deadline, .. }) if deadline <= tick => {
                let detail = format!("read {id} is open at tick {tick}, its end was {deadline}");
                broken(Property::ReadsEnd, host, detail)
            }
            _ => Ok(()),
        }
    }

    /// A node stopped: nobody waits for its reads.
    pub(crate) fn stopped(&mut self, host: usize) {
        self.open[host].clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_read(consistency: ReadConsistency) -> Reads {
        let mut reads = Reads::new(2);
        reads.accepted_by(1, consistency, 7, 50);
        reads
    }

    fn breaks(checked: Checked, property: Property) {
        assert_eq!(checked.unwrap_err().property, property);
    }

    #[test]
    fn a_read_that_shows_less_than_was_acknowledged_is_noticed() {
        for consistency in [ReadConsistency::Linearizable, ReadConsistency::Lease] {
            breaks(one_read(consistency).ended(1, ReadId(1), Some(6)), Property::FreshReads);
            assert_eq!(one_read(consistency).ended(1, ReadId(1), Some(7)), Ok(()));
            assert_eq!(one_read(consistency).ended(1, ReadId(1), None), Ok(()));
        }
        assert_eq!(one_read(ReadConsistency::Stale).ended(1, ReadId(1), Some(0)), Ok(()));
    }

    #[test]
    fn a_read_ends_once_and_in_time() {
        let mut reads = one_read(ReadConsistency::Lease);
        assert_eq!(reads.in_time(1, 49), Ok(()));
        breaks(reads.in_time(1, 50), Property::ReadsEnd);
        assert_eq!(reads.ended(1, ReadId(1), Some(7)), Ok(()));
        breaks(reads.ended(1, ReadId(1), None), Property::ReadsEnd);
        assert_eq!(reads.in_time(1, 50), Ok(()));
    }
}
