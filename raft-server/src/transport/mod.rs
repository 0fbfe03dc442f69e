//! How messages travel between servers.

mod tcp;

use raftcore::{Membership, Message, NodeId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use self::tcp::TcpTransport;

/// Carries messages to peers, and theirs to the server. Losing some costs time, never safety.
pub trait Transport: Send + 'static {
    /// Begins to deliver what peers send. Called once, before the first `send`.
    fn start(&mut self, inbox: Inbox);

    /// Sends a message, or drops it if there is no room. Never waits.
    fn send(&mut self, message: Message);

    /// Other members are in force now; their contexts may hold addresses.
    fn set_members(&mut self, _me: NodeId, _membership: &Membership) {}

    /// What was carried so far.
    fn status(&self) -> TransportStatus;
}

/// Where a transport puts the messages of peers. Closed when the server stops.
#[derive(Clone, Debug)]
pub struct Inbox {
    sender: mpsc::Sender<Message>,
}

impl Inbox {
    /// An inbox over a channel: what a test, or a server of another make, reads from.
    #[must_use]
    pub const fn new(sender: mpsc::Sender<Message>) -> Self {
        Self { sender }
    }

    /// Hands one message to the server; waits while it is busy. `false`: the server has stopped.
    pub async fn deliver(&self, message: Message) -> bool {
        self.sender.send(message).await.is_ok()
    }

    /// Returns when the server has stopped.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// What a transport has carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportStatus {
    /// To each peer.
    pub peers: Vec<PeerTransport>,
    /// Messages received from all.
    pub received: u64,
    /// Frames received that were no message.
    pub undecodable: u64,
}

/// What a transport has carried to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTransport {
    /// The peer.
    pub id: NodeId,
    /// Whether a connection to it is open.
    pub connected: bool,
    /// Messages written to a connection.
    pub sent: u64,
    /// Messages dropped: no connection, or no room in the queue.
    pub dropped: u64,
    /// Connections made so far.
    pub connects: u64,
}
