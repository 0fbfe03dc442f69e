//! One node of one group, running: its driver, its disk's thread, and the handles to it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use raftcore::{
    Config, EntryId, Identity, Incarnation, LogIndex, Membership, MembershipChange, Node, NodeId,
    RoleName, Status, Stored, Term,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::disk::{Completion, Disk};
use crate::driver::{Driver, Pace, Request, Shown};
use crate::error::{Failure, StartError, StopReason};
use crate::machine::StateMachine;
use crate::store::Store;
use crate::transport::{Inbox, Transport, TransportStatus};

/// Messages of peers waiting for the driver; transports wait beyond it.
const INBOX_MESSAGES: usize = 256;
/// Requests waiting for the driver; more are refused as busy.
const QUEUE_REQUESTS: usize = 4096;

/// What a server is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which node it is.
    pub identity: Identity,
    /// The members that found the group on a first start, the same on each of them; `None`: this node
    /// waits for a running group to add it. Without effect on later starts.
    pub founders: Option<Membership>,
    /// Limits and timings of the node.
    pub config: Config,
    /// How long a tick is.
    pub tick: Duration,
    /// Take a snapshot whenever so many entries were applied since the last one.
    pub snapshot_every: u64,
}

/// A running node.
#[derive(Debug)]
pub struct Server<M: StateMachine> {
    handle: Handle<M>,
    stop: watch::Sender<bool>,
    driver: JoinHandle<StopReason>,
}

impl<M: StateMachine> Server<M> {
    /// Reads the store, starts the node from it, and drives it in a task of its own.
    ///
    /// An empty store founds the group, or joins one. A store that holds a snapshot restores the machine
    /// from it before anything is applied.
    ///
    /// # Errors
    /// [`StartError`] if the store cannot be used or belongs to another node or group.
    pub fn start(
        options: Options,
        mut store: impl Store,
        machine: M,
        mut transport: impl Transport,
    ) -> Result<Self, StartError> {
        let Options { identity, founders, config, tick, snapshot_every } = options;
        let stored = store.load(identity)?.unwrap_or_else(|| match founders {
            Some(membership) => Stored::found(identity, membership),
            None => Stored::join(identity),
        });
        let counts = Arc::<StoreCounts>::default();
        let snapshot = stored.snapshot().map_or(0, |meta| meta.id.index.get());
        counts.snapshot_index.store(snapshot, Relaxed);
        let node = Node::new(config, stored, LogIndex(0))?;
        let (completed, completions) = mpsc::unbounded_channel::<Completion>();
        let disk =
            Disk::start(store, completed, Arc::clone(&counts)).map_err(StartError::Thread)?;
        let (inbox, messages) = mpsc::channel(INBOX_MESSAGES);
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS);
        let (stop, stopping) = watch::channel(false);
        let (role, roles) = watch::channel(Role::of(&node));
        let (membership, memberships) = watch::channel(node.membership().clone());
        transport.start(Inbox::new(inbox));
        transport.set_members(identity.node, node.membership());
        let shown = Shown { role, membership };
        let pace = Pace { tick, snapshot_every: snapshot_every.max(1) };
        let driver = Driver::new(node, machine, transport, disk, shown, pace, counts);
        let driver = tokio::spawn(driver.run(completions, messages, queue, stopping));
        Ok(Self { handle: Handle { requests, roles, memberships }, stop, driver })
    }

    /// A handle to propose and ask with.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        self.handle.clone()
    }

    /// Asks the server to stop: what was handed to the disk is finished, nothing else.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the server has stopped, and says why.
    pub async fn wait(&mut self) -> StopReason {
        (&mut self.driver).await.unwrap_or(StopReason::Lost)
    }
}

/// A command that is committed and applied here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<A> {
    /// Its entry.
    pub id: EntryId,
    /// What the state machine gave.
    pub answer: A,
}

/// The part a node plays, as it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its role.
    pub name: RoleName,
    /// Its term.
    pub term: Term,
    /// The leader it knows of.
    pub leader: Option<NodeId>,
}

impl Role {
    pub(crate) fn of(node: &Node) -> Self {
        Self { name: node.role(), term: node.term(), leader: node.leader() }
    }
}

/// What a server knows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The node.
    #[serde(flatten)]
    pub node: Status,
    /// How often it was started.
    pub incarnation: Incarnation,
    /// The membership in force.
    pub membership: Membership,
    /// The index of the entry that set it; 0 for the founders'.
    pub membership_index: LogIndex,
    /// The checksum of its log at an index.
    pub checksum: LogChecksum,
    /// What its transport has carried.
    pub transport: TransportStatus,
    /// What its store has written in this life.
    pub store: StoreStatus,
}

/// Where two logs agree here, they agree everywhere before: the log is a hash chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChecksum {
    /// The entry.
    pub index: LogIndex,
    /// The checksum; `None` if the entry is not here.
    pub value: Option<u32>,
}

/// What a store has written in this life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Batches made durable, one sync each.
    pub syncs: u64,
    /// Writes in them.
    pub writes: u64,
    /// Bytes of entries and of snapshots that came from peers.
    pub bytes: u64,
    /// The last entry of the newest snapshot; 0 if there is none.
    pub snapshot_index: u64,
}

#[derive(Debug, Default)]
pub(crate) struct StoreCounts {
    pub(crate) syncs: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) snapshot_index: AtomicU64,
}

impl StoreCounts {
    pub(crate) fn status(&self) -> StoreStatus {
        let load = |count: &AtomicU64| count.load(Relaxed);
        StoreStatus {
            syncs: load(&self.syncs),
            writes: load(&self.writes),
            bytes: load(&self.bytes),
            snapshot_index: load(&self.snapshot_index),
        }
    }
}

/// Proposes and asks; cheap to clone, usable from any task.
#[derive(Debug)]
pub struct Handle<M: StateMachine> {
    requests: mpsc::Sender<Request<M>>,
    roles: watch::Receiver<Role>,
    memberships: watch::Receiver<Membership>,
}

impl<M: StateMachine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        let (requests, roles) = (self.requests.clone(), self.roles.clone());
        Self { requests, roles, memberships: self.memberships.clone() }
    }
}

impl<M: StateMachine> Handle<M> {
    /// Proposes a command and waits until it is applied here.
    ///
    /// Waits as long as its fate is open: give it a timeout, after which the fate is unknown.
    ///
    /// # Errors
    /// [`Failure::Unknown`] if it may or may not be applied; any other [`Failure`] means that it
    /// never will be.
    pub async fn propose(&self, command: Bytes) -> Result<Applied<M::Answer>, Failure> {
        if command.is_empty() {
            return Err(Failure::Empty);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Propose { command, reply })?;
        answer.await.unwrap_or(Err(Failure::Unknown))
    }

    /// Asks the state machine, not older than any command acknowledged before the call.
    ///
    /// Only the leader answers. It commits an entry of its own term after the question came, one
    /// for all questions that wait, and answers when that entry is applied.
    ///
    /// # Errors
    /// [`Failure`]; nothing was changed in any case.
    pub async fn query(&self, query: M::Query) -> Result<M::Reply, Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Query { query, reply })?;
        answer.await.unwrap_or(Err(Failure::Stopping))
    }

    /// Proposes another membership and waits until its entry is committed.
    ///
    /// Compute it from [`status`](Self::status) of the leader: a change that was computed from another
    /// membership than the one in force is refused as [`Failure::Busy`].
    ///
    /// # Errors
    /// [`Failure::Unknown`] if it may or may not take effect; any other [`Failure`] means that it
    /// never will.
    pub async fn change_membership(&self, change: MembershipChange) -> Result<EntryId, Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Change { change, reply })?;
        answer.await.unwrap_or(Err(Failure::Unknown))
    }

    /// What the server knows of itself, with the log's checksum at `index`, or at the last applied
    /// entry.
    ///
    /// # Errors
    /// [`Failure::Busy`] and [`Failure::Stopping`].
    pub async fn status(&self, index: Option<LogIndex>) -> Result<ServerStatus, Failure> {
        let (reply, answer) = oneshot::channel();
        self.ask(Request::Status { index, reply })?;
        answer.await.map_err(|_| Failure::Stopping)
    }

    /// The node's role, and a way to wait for its changes.
    #[must_use]
    pub fn roles(&self) -> watch::Receiver<Role> {
        self.roles.clone()
    }

    /// The membership in force here, and a way to wait for its changes.
    #[must_use]
    pub fn memberships(&self) -> watch::Receiver<Membership> {
        self.memberships.clone()
    }

    fn ask(&self, request: Request<M>) -> Result<(), Failure> {
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Busy,
            mpsc::error::TrySendError::Closed(_) => Failure::Stopping,
        })
    }
}
