//! Whether a history of operations on one register is linearizable (Herlihy and Wing 1990): whether
//! they could have taken effect one at a time, each between its call and its return.
//!
//! The search is that of Wing and Gong (1993): of the operations that were called before any other
//! returned, try each as the next one. It remembers where it has been, as Lowe (2017) does: the
//! same operations done, in whatever order, are not tried twice. A register allows more:
//!
//! * A read that shows the present value comes next, without trying others: it changes nothing.
//! * A write whose value no read shows comes right before another write, or last: so it is done
//!   whenever a write is next, and never tried for itself.
//! * A write after which all reads of its value can come is next, without trying others: nobody
//!   needs it later. If some of them cannot, it is tried only while another write of that value is
//!   left. So a history that writes each value once, as the simulator does, needs no search.
//! * A write that did not return may have taken effect at any time since its call, and to come last
//!   is as good as never. If no read shows its value, it is left out. So is a read that did not
//!   return.

use std::collections::{HashMap, HashSet};

/// When an operation returned that did not.
pub(crate) const NEVER: u64 = u64::MAX;

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It wrote this value.
    Write(u64),
    /// It showed this value, or that nothing was written.
    Read(Option<u64>),
}

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) called: u64,
    /// Later than the call; [`NEVER`] if its outcome is unknown.
    pub(crate) returned: u64,
    pub(crate) action: Action,
}

/// If the history is not linearizable, the place of the operation with whose return it ceased to be.
pub(crate) fn unexplained(operations: &[Operation]) -> Option<usize> {
    if is_linearizable(operations) {
        return None;
    }
    let mut returns: Vec<usize> = (0..operations.len()).collect();
    returns.retain(|&place| operations[place].returned != NEVER);
    returns.sort_unstable_by_key(|&place| operations[place].returned);
    let until = |end: u64| -> Vec<Operation> {
        let known = operations.iter().filter(|operation| operation.called < end);
        let seen = |operation: &Operation| match *operation {
            Operation { returned, .. } if returned <= end => *operation,
            unknown => Operation { returned: NEVER, ..unknown },
        };
        known.map(seen).collect()
    };
    let fine = |&place: &usize| is_linearizable(&until(operations[place].returned));
    returns.get(returns.partition_point(fine)).copied()
}

fn is_linearizable(operations: &[Operation]) -> bool {
    let search = Search::new(operations);
    let mut tried = HashSet::new();
    let mut open = vec![search.begin()];
    while let Some(mut point) = open.pop() {
        while point.left > 0 {
            match search.next(&mut point) {
                Next::Only(next) => point = next,
                Next::OneOf(choices) => {
                    if tried.insert(point.done) {
                        open.extend(choices.into_iter().rev());
                    }
                    break;
                }
            }
        }
        if point.left == 0 {
            return true;
        }
    }
    false
}

/// What is searched: the operations that matter, by their calls.
struct Search {
    operations: Vec<Operation>,
    /// Whether the operation is a read, or some read shows what it wrote.
    matters: Vec<bool>,
    /// Where each value is written and shown.
    places: HashMap<u64, Places>,
}

#[derive(Default)]
struct Places {
    writes: Vec<usize>,
    reads: Vec<usize>,
}

/// Where the search goes on.
enum Next {
    /// Nothing else need be tried.
    Only(Point),
    OneOf(Vec<Point>),
}

/// A point of the search: some operations are done.
#[derive(Clone)]
struct Point {
    done: Vec<u64>,
    /// All before it are done.
    first: usize,
    /// Operations that matter and are not done.
    left: usize,
    value: Option<u64>,
}

impl Point {
    fn is_done(&self, place: usize) -> bool {
        self.done[place / 64] >> (place % 64) & 1 == 1
    }

    fn set_done(&mut self, place: usize) {
        self.done[place / 64] |= 1 << (place % 64);
    }
}

impl Search {
    fn new(operations: &[Operation]) -> Self {
        let mut values = HashSet::new();
        for operation in operations.iter().filter(|operation| operation.returned != NEVER) {
            if let Action::Read(Some(value)) = operation.action {
                values.insert(value);
            }
        }
        let matters = |operation: &Operation| match operation.action {
            Action::Write(value) => values.contains(&value),
            Action::Read(_) => operation.returned != NEVER,
        };
        let mut operations = operations.to_vec();
        operations.retain(|operation| operation.returned != NEVER || matters(operation));
        operations.sort_unstable_by_key(|operation| operation.called);
        let matters = operations.iter().map(matters).collect();
        let mut places: HashMap<u64, Places> = HashMap::new();
        for (place, operation) in operations.iter().enumerate() {
            match operation.action {
                Action::Write(value) => places.entry(value).or_default().writes.push(place),
                Action::Read(Some(value)) => places.entry(value).or_default().reads.push(place),
                Action::Read(None) => {}
            }
        }
        Self { operations, matters, places }
    }

    fn begin(&self) -> Point {
        let left = self.matters.iter().filter(|&&matters| matters).count();
        let done = vec![0; self.operations.len().div_ceil(64)];
        let mut point = Point { done, first: 0, left, value: None };
        self.take_reads(&mut point);
        point
    }

    /// Looks at the operations that may come next, in the order of their calls: those called before
    /// any other returned. The ones that are taken stand in nobody's way any more.
    fn walk(&self, point: &mut Point, mut takes: impl FnMut(usize, &Operation) -> bool) {
        let mut first_return = NEVER;
        while point.first < self.operations.len() && point.is_done(point.first) {
            point.first += 1;
        }
        for place in point.first..self.operations.len() {
            let operation = &self.operations[place];
            if operation.called > first_return {
                return;
            }
            if point.is_done(place) {
                continue;
            }
            if takes(place, operation) {
                point.set_done(place);
                point.left -= usize::from(self.matters[place]);
            } else {
                first_return = first_return.min(operation.returned);
            }
        }
    }

    /// Takes all reads that show the present value.
    fn take_reads(&self, point: &mut Point) {
        let value = point.value;
        self.walk(point, |_, operation| operation.action == Action::Read(value));
    }

    /// The writes that may come next and are shown by a read; takes all others that may.
    fn next_writes(&self, point: &mut Point) -> Vec<usize> {
        let mut choices = Vec::new();
        self.walk(point, |place, operation| {
            let writes = matches!(operation.action, Action::Write(_));
            if writes && self.matters[place] {
                choices.push(place);
            }
            writes && !self.matters[place]
        });
        choices
    }

    /// Goes on with one more write that is shown by a read, and what need not be tried.
    fn next(&self, point: &mut Point) -> Next {
        let mut choices = Vec::new();
        for write in self.next_writes(point) {
            let Action::Write(value) = self.operations[write].action else { continue };
            let mut next = point.clone();
            next.set_done(write);
            next.left -= 1;
            next.value = Some(value);
            self.take_reads(&mut next);
            let Places { writes, reads } = &self.places[&value];
            if reads.iter().all(|&read| next.is_done(read)) {
                return Next::Only(next);
            }
            if writes.iter().any(|&write| !next.is_done(write)) {
                choices.push(next);
            }
        }
        Next::OneOf(choices)
    }
}

#[cfg(test)]
mod tests;
