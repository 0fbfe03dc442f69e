//! Where outputs may come from: what sets a flag here is what may lead to an output.
//!
//! What a steady group does sets its own flags, and so does whatever else is sure of them; other inputs,
//! and every transition, set all of them.

/// A set of sources, in the order in which they are polled. One too many costs a look, a missing one
/// an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sources(u8);

impl Sources {
    pub(crate) const NONE: Self = Self(0);
    /// What a role says; what may leave before the disk is done is among it.
    pub(crate) const ROLE: Self = Self(1);
    /// What waited for the disk.
    pub(crate) const MAIL: Self = Self(2);
    pub(crate) const WRITE: Self = Self(4);
    /// Entries for `Apply`, a snapshot for `Restore`.
    pub(crate) const DELIVERY: Self = Self(8);
    /// Requests to storage, answers to reads, outcomes of proposals, events.
    pub(crate) const ANSWERS: Self = Self(16);
    pub(crate) const ALL: Self = Self(31);

    pub(crate) const fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }

    pub(crate) const fn remove(&mut self, some: Self) {
        self.0 &= !some.0;
    }

    pub(crate) const fn has(self, some: Self) -> bool {
        self.0 & some.0 != 0
    }
}
