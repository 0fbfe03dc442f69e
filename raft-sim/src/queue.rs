//! Events in the order of their time; those of one time in the order in which they were planned.

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::world::Wish;

/// Units of simulated time in one tick of a clock that runs true.
pub(crate) const UNITS_PER_TICK: u64 = 16;

/// Something that will happen. A life that has changed meanwhile makes most events void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A host looks at its clock.
    Tick { host: u8, plan: u32 },
    /// A message arrives.
    Deliver { flight: u32 },
    /// A host polls late.
    Poll { host: u8, life: u32 },
    /// A write reaches the disk.
    Sync { host: u8, life: u32, sequence: u64 },
    /// A host tells its node about writes that reached the disk.
    Ack { host: u8, life: u32, sequence: u64 },
    /// A host tells its node about applied entries.
    Applied { host: u8, life: u32, index: u64 },
    /// A host tells its node what its disk has read of the log.
    Answer { host: u8, life: u32, number: u64 },
    /// A host tells its node of a snapshot that its state machine took.
    Taken { host: u8, life: u32, index: u64 },
    /// A disk answers a request for a piece of a snapshot.
    Chunk { host: u8, life: u32, sequence: u64 },
    /// Operators replace nodes whose disks are lost.
    Replace,
    /// A host stops at once.
    Crash { host: u8, life: u32 },
    /// A host starts its node from the disk.
    Restart { host: u8, life: u32 },
    /// Something is wanted of a node.
    Wish { host: u8, life: u32, wish: Wish },
    /// The client with this payload waits no longer.
    GivesUp { number: u64 },
    /// A client wants something.
    Client,
    /// Something goes wrong.
    Fault,
    /// Links that were cut are mended.
    Heal { plan: u32 },
    /// Other things go wrong from now on.
    Weather,
}

struct Planned {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// The future.
#[derive(Default)]
pub(crate) struct Queue {
    planned: BinaryHeap<Planned>,
    order: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.planned.push(Planned { at, order: self.order, event });
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        self.planned.pop().map(|planned| (planned.at, planned.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_planned() {
        let mut queue = Queue::default();
        queue.push(5, Event::Client);
        queue.push(3, Event::Fault);
        queue.push(5, Event::Weather);
        assert_eq!(queue.pop(), Some((3, Event::Fault)));
        assert_eq!(queue.pop(), Some((5, Event::Client)));
        assert_eq!(queue.pop(), Some((5, Event::Weather)));
        assert_eq!(queue.pop(), None);
    }
}
