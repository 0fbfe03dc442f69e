//! What a job needs of a Raft implementation.

/// Nodes in the group of every job that does not say otherwise.
pub const NODES: usize = 3;

/// Nodes in one thread that talk through one queue, oldest message first.
///
/// Node 0 is the only one that campaigns. The required methods are the driver's steps; none does
/// more than its name says, so that a job decides what is counted.
pub trait Group: Sized {
    /// One node.
    type Node;
    /// What a node holds together with its host.
    type Shared;

    /// The implementation's name in reports.
    const NAME: &'static str;

    /// Nodes that were just started; nobody leads.
    fn cold() -> Self;

    /// Node 0 starts an election.
    fn campaign(&mut self);

    /// Proposes a payload on node 0.
    fn propose(&mut self, payload: &[u8]);

    /// Time passes on node 0 until its next heartbeat.
    fn heartbeat(&mut self);

    /// Takes all work from the nodes that were given something, and carries it out.
    fn poll(&mut self);

    /// Hands the oldest `count` messages to their nodes.
    fn deliver(&mut self, count: usize);

    /// Messages under way.
    fn in_transit(&self) -> usize;

    /// Messages from and to this node are lost from now on.
    fn cut(&mut self, node: Option<usize>);

    /// Proposals that a node has applied.
    fn commands(&self, node: usize) -> u64;

    /// The last entry that a node has applied, entries of the library included.
    fn applied(&self, node: usize) -> u64;

    /// Asks a node whether there is work, without taking it.
    fn has_work(&self, node: usize) -> bool;

    /// Gives back the memory that a node can do without.
    fn trim(&mut self, node: usize);

    /// Keeps one node and what it shares with its host, and drops everything else.
    fn into_node(self, node: usize) -> (Self::Node, Self::Shared);

    /// Polls and delivers until nothing is under way; gives the number of messages delivered.
    fn settle(&mut self) -> u64 {
        let mut delivered = 0;
        self.poll();
        while self.in_transit() > 0 {
            let count = self.in_transit();
            delivered += count as u64;
            self.deliver(count);
            self.poll();
        }
        delivered
    }

    /// A group that node 0 leads, with nothing under way.
    #[must_use]
    fn elected() -> Self {
        let mut group = Self::cold();
        group.campaign();
        group.settle();
        assert!(group.applied(0) > 0, "the election was lost");
        group
    }

    /// Proposals that every node has applied.
    fn commands_everywhere(&self) -> u64 {
        (0..NODES).map(|node| self.commands(node)).min().unwrap_or(0)
    }
}
