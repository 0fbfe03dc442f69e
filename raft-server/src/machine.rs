//! What a group replicates.

/// A state that changes only by commands, the same on every node.
///
/// It lives in memory: after a start every committed command is applied again, from the first.
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
}
