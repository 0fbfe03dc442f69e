//! Bytes read as choices. When they are used up every choice is the first one.

use arbitrary::Unstructured;
use raftcore::{EntryId, LogIndex, Term};

/// The bytes of one execution, as far as they are not read yet.
pub(crate) struct Dice<'a>(Unstructured<'a>);

impl<'a> Dice<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// A number below `bound`, which is not zero and at most 256.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// All bytes that are left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }

    /// A number near the given one, or at an edge.
    pub(crate) fn number(&mut self, near: u64) -> u64 {
        match self.below(16) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX - 1,
            3 => near.wrapping_add(1 << 33),
            4 => self.word(),
            5 | 6 => near.wrapping_sub(1),
            7 | 8 => near.wrapping_add(1),
            9 | 10 => u64::from(self.byte()) % 16,
            _ => near,
        }
    }

    pub(crate) fn small_number(&mut self, near: u32) -> u32 {
        self.number(near.into()) as u32
    }

    pub(crate) fn index(&mut self, near: LogIndex) -> LogIndex {
        LogIndex(self.number(near.0))
    }

    pub(crate) fn term(&mut self, near: Term) -> Term {
        Term(self.number(near.0))
    }

    pub(crate) fn entry_id(&mut self, near: EntryId) -> EntryId {
        EntryId { term: self.term(near.term), index: self.index(near.index) }
    }
}
