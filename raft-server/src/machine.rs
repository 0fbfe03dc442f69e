//! What a group replicates.

use thiserror::Error;

/// A state that changes only by commands, the same on every node.
///
/// It lives in memory: a start restores the newest snapshot and applies what was committed after it.
/// `apply` must be deterministic: no clock, no randomness, nothing but the state and the command.
pub trait StateMachine: Send + 'static {
    /// What a command gives to the one who proposed it.
    type Answer: Send + 'static;
    /// What can be asked without changing anything.
    type Query: Send + 'static;
    /// What a query gives.
    type Reply: Send + 'static;

    /// Applies one committed command.
    ///
    /// A command it cannot read must be answered as such and change nothing, on every node alike.
    fn apply(&mut self, command: &[u8]) -> Self::Answer;

    /// Answers a query from the present state.
    fn query(&self, query: Self::Query) -> Self::Reply;

    /// The whole present state as bytes. Everything else waits for it.
    fn snapshot(&self) -> Vec<u8>;

    /// Becomes what a snapshot says, whatever it was before.
    ///
    /// # Errors
    /// [`RestoreError`] if the bytes are no snapshot; nothing is changed then.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError>;
}

/// Bytes are not a snapshot of this state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Made by a version this one does not know.
    #[error("unknown snapshot version {0}")]
    UnknownVersion(u8),
    /// The bytes cannot be read.
    #[error("malformed snapshot")]
    Malformed,
}
