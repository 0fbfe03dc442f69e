//! Messages over TCP: one connection per direction, length-delimited frames.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use raftcore::{DecodeError, Frame, MAX_FRAME_BYTES, Membership, Message, NodeId};
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tracing::{debug, info, warn};

use crate::config::MemberAddresses;

use super::{Inbox, PeerTransport, Transport, TransportStatus};

/// Messages waiting for one peer; more are dropped.
const QUEUE_MESSAGES: usize = 1024;
/// Smaller parts of a frame are gathered up to this many bytes; larger ones are written in place.
const GATHER_BYTES: usize = 16 << 10;
/// Connections from outside at one time; more wait.
const MAX_INBOUND: usize = 256;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A peer that takes nothing for so long is given up and connected anew.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Carries messages over TCP. Its tasks end when it is dropped.
#[derive(Debug)]
pub struct TcpTransport {
    listener: Option<TcpListener>,
    /// Given at the start: they stand above those in the membership.
    addresses: BTreeMap<NodeId, String>,
    /// The members' contexts hold addresses of which none was given.
    from_members: BTreeMap<NodeId, String>,
    peers: BTreeMap<NodeId, Peer>,
    inbound: Arc<Inbound>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Peer {
    queue: mpsc::Sender<Message>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connected: AtomicBool,
    sent: AtomicU64,
    dropped: AtomicU64,
    connects: AtomicU64,
}

#[derive(Debug, Default)]
struct Inbound {
    received: AtomicU64,
    undecodable: AtomicU64,
}

impl TcpTransport {
    /// A transport that listens here and finds its peers at these addresses.
    #[must_use]
    pub fn new(listener: TcpListener, peers: impl IntoIterator<Item = (NodeId, String)>) -> Self {
        Self {
            listener: Some(listener),
            addresses: peers.into_iter().collect(),
            from_members: BTreeMap::new(),
            peers: BTreeMap::new(),
            inbound: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    fn connect(&mut self, id: NodeId, address: String) {
        let (queue, messages) = mpsc::channel(QUEUE_MESSAGES);
        let counts = Arc::<Counts>::default();
        self.tasks.spawn(serve_peer(id, address, messages, Arc::clone(&counts)));
        self.peers.insert(id, Peer { queue, counts });
        while self.tasks.try_join_next().is_some() {}
    }
}

impl Transport for TcpTransport {
    fn start(&mut self, inbox: Inbox) {
        if let Some(listener) = self.listener.take() {
            self.tasks.spawn(accept(listener, inbox, Arc::clone(&self.inbound)));
        }
        for (id, address) in self.addresses.clone() {
            self.connect(id, address);
        }
    }

    fn set_members(&mut self, me: NodeId, membership: &Membership) {
        let others = membership.members().iter().filter(|member| member.id != me);
        let found = others.filter_map(|member| {
            let address = MemberAddresses::of_member(member)?.raft;
            (!self.addresses.contains_key(&member.id)).then_some((member.id, address))
        });
        let now: BTreeMap<_, _> = found.collect();
        let before = core::mem::replace(&mut self.from_members, now.clone());
        for id in before.keys().filter(|&id| before.get(id) != now.get(id)) {
            self.peers.remove(id);
        }
        for (id, address) in now {
            if !self.peers.contains_key(&id) {
                self.connect(id, address);
            }
        }
    }

    fn send(&mut self, message: Message) {
        let Some(peer) = self.peers.get(&message.to()) else {
            warn!(to = %message.to(), "no address is configured for a member; its message is dropped");
            return;
        };
        if peer.queue.try_send(message).is_err() {
            peer.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    fn status(&self) -> TransportStatus {
        let peers = self.peers.iter().map(|(&id, Peer { counts, .. })| PeerTransport {
            id,
            connected: counts.connected.load(Relaxed),
            sent: counts.sent.load(Relaxed),
            dropped: counts.dropped.load(Relaxed),
            connects: counts.connects.load(Relaxed),
        });
        TransportStatus {
            peers: peers.collect(),
            received: self.inbound.received.load(Relaxed),
            undecodable: self.inbound.undecodable.load(Relaxed),
        }
    }
}

/// Keeps a connection to one peer and writes what is queued for it.
async fn serve_peer(
    id: NodeId,
    address: String,
    mut messages: mpsc::Receiver<Message>,
    counts: Arc<Counts>,
) {
    let mut backoff = BACKOFF_FIRST;
    while !messages.is_closed() {
        match timeout(CONNECT_TIMEOUT, connect(&address)).await {
            Ok(Ok(stream)) => {
                info!(peer = %id, address, "connected");
                counts.connects.fetch_add(1, Relaxed);
                discard(&mut messages, &counts);
                counts.connected.store(true, Relaxed);
                let end = write_messages(stream, &mut messages, &counts).await;
                counts.connected.store(false, Relaxed);
                let Err(error) = end else { return };
                info!(peer = %id, address, %error, "connection lost");
                backoff = BACKOFF_FIRST;
            }
            Ok(Err(error)) => debug!(peer = %id, address, %error, "cannot connect"),
            Err(_) => debug!(peer = %id, address, "cannot connect in time"),
        }
        sleep(backoff).await;
        backoff = BACKOFF_MAX.min(backoff * 2);
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT))?;
    Ok(stream)
}

/// Drops what was queued while there was no connection: it is old, and Raft says it again.
fn discard(messages: &mut mpsc::Receiver<Message>, counts: &Counts) {
    while messages.try_recv().is_ok() {
        counts.dropped.fetch_add(1, Relaxed);
    }
}

/// Writes until the connection breaks; `Ok` when the transport is gone.
async fn write_messages(
    stream: TcpStream,
    messages: &mut mpsc::Receiver<Message>,
    counts: &Counts,
) -> io::Result<()> {
    let (mut reader, writer) = stream.into_split();
    let mut writer = BufWriter::with_capacity(GATHER_BYTES, writer);
    let mut nothing = [0; 1];
    loop {
        let first = tokio::select! {
            message = messages.recv() => message,
            // A peer never writes on this connection: whatever comes is its end.
            end = tokio::io::AsyncReadExt::read(&mut reader, &mut nothing) => {
                end?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        };
        let Some(first) = first else { return Ok(()) };
        let mut next = Some(first);
        while let Some(message) = next {
            timeout(WRITE_TIMEOUT, write_frame(&mut writer, &message.encode())).await??;
            counts.sent.fetch_add(1, Relaxed);
            next = messages.try_recv().ok();
        }
        timeout(WRITE_TIMEOUT, writer.flush()).await??;
    }
}

async fn write_frame(
    writer: &mut BufWriter<tokio::net::tcp::OwnedWriteHalf>,
    frame: &Frame,
) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    writer.write_u32(u32::try_from(frame.len()).map_err(too_long)?).await?;
    for part in frame.parts() {
        writer.write_all(part).await?;
    }
    Ok(())
}

/// Accepts connections of peers until the server stops.
async fn accept(listener: TcpListener, inbox: Inbox, inbound: Arc<Inbound>) {
    let slots = Arc::new(Semaphore::new(MAX_INBOUND));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = inbox.closed() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let (inbox, inbound) = (inbox.clone(), Arc::clone(&inbound));
                connections.spawn(async move {
                    match read_messages(stream, &inbox, &inbound).await {
                        Ok(()) => debug!(%from, "connection closed"),
                        Err(error) => warn!(%from, %error, "connection of a peer closed"),
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(BACKOFF_FIRST).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Reads messages until the peer ends the connection or sends what cannot be framed.
///
/// A frame of an unknown version or kind is skipped, so that versions can be mixed; any other frame
/// that is no message ends the connection, for its bytes cannot be trusted.
async fn read_messages(stream: TcpStream, inbox: &Inbox, inbound: &Inbound) -> io::Result<()> {
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME_BYTES).new_codec();
    let mut frames = FramedRead::new(stream, codec);
    while let Some(frame) = frames.next().await {
        match Message::decode(frame?.freeze()) {
            Ok(message) => {
                inbound.received.fetch_add(1, Relaxed);
                if !inbox.deliver(message).await {
                    return Ok(());
                }
            }
            Err(error) => {
                inbound.undecodable.fetch_add(1, Relaxed);
                match error {
                    DecodeError::UnknownVersion { .. } | DecodeError::UnknownKind { .. } => {
                        debug!(%error, "frame skipped");
                    }
                    error => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                }
            }
        }
    }
    Ok(())
}
