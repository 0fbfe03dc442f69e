//! The TCP transport: messages arrive, connections come back, nonsense does no harm.

mod support;

use raftcore::{
    Config, GroupId, Identity, LogIndex, MAX_FRAME_BYTES, Membership, Message, Node, NodeId,
    Output, Stored, Tick,
};
use raftcore_server::TcpTransport;
use raftcore_server::transport::{Inbox, PeerTransport, Transport};
use support::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const ONE: NodeId = NodeId(1);
const TWO: NodeId = NodeId(2);

/// A message of node 1 to node 2: its call for an election.
fn message() -> Message {
    let identity = Identity { group: GroupId(1), node: ONE };
    let membership = Membership::of_voters([1, 2]).expect("two voters");
    let stored = Stored::found(identity, membership);
    let mut node = Node::new(Config::default(), stored, LogIndex(0)).expect("a node");
    node.tick(Tick(1));
    node.campaign().expect("nobody leads");
    loop {
        match node.poll_output().expect("a message") {
            Output::Send(message) => return message,
            Output::Persist(write) => node.persisted(write.id).expect("handed out"),
            _ => {}
        }
    }
}

struct End {
    address: String,
    transport: TcpTransport,
    messages: mpsc::Receiver<Message>,
}

async fn end(listen: &str, peers: Vec<(NodeId, String)>) -> End {
    let listener = TcpListener::bind(listen).await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut transport = TcpTransport::new(listener, peers);
    let (sender, messages) = mpsc::channel(16);
    transport.start(Inbox::new(sender));
    End { address, transport, messages }
}

fn peer(transport: &TcpTransport) -> PeerTransport {
    transport.status().peers[0]
}

/// Sends until something arrives: what is sent without a connection is lost.
async fn send_until_received(from: &mut TcpTransport, to: &mut mpsc::Receiver<Message>) -> Message {
    eventually("a message arrives", async || {
        from.send(message());
        tokio::time::sleep(core::time::Duration::from_millis(5)).await;
        to.try_recv().ok()
    })
    .await
}

#[tokio::test]
async fn a_message_arrives_as_it_was_sent() {
    let mut two = end("127.0.0.1:0", vec![]).await;
    let mut one = end("127.0.0.1:0", vec![(TWO, two.address.clone())]).await;
    let received = send_until_received(&mut one.transport, &mut two.messages).await;
    assert_eq!(received, message());
    assert!(two.transport.status().received >= 1);
}

#[tokio::test]
async fn a_lost_connection_comes_back() {
    let mut two = end("127.0.0.1:0", vec![]).await;
    let mut one = end("127.0.0.1:0", vec![(TWO, two.address.clone())]).await;
    send_until_received(&mut one.transport, &mut two.messages).await;
    let End { address, transport, messages } = two;
    drop((transport, messages));
    eventually("the loss is noticed", async || (!peer(&one.transport).connected).then_some(()))
        .await;
    one.transport.send(message());
    let mut again = eventually("the port is free", async || {
        TcpListener::bind(&address).await.ok().map(drop)?;
        Some(end(&address, vec![]).await)
    })
    .await;
    let received = send_until_received(&mut one.transport, &mut again.messages).await;
    assert_eq!(received, message());
    assert!(peer(&one.transport).connects >= 2);
}

#[tokio::test]
async fn a_peer_that_is_not_there_costs_messages_and_nothing_else() {
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("bound").to_string()
    };
    let mut one = end("127.0.0.1:0", vec![(TWO, nowhere)]).await;
    for _ in 0..5000 {
        one.transport.send(message());
    }
    let status = peer(&one.transport);
    assert_eq!((status.connected, status.sent), (false, 0));
    assert!(status.dropped >= 3000, "{status:?}");
}

/// Writes bytes to a transport and waits until it closes the connection.
async fn closes(address: &str, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(bytes).await.expect("written");
    let mut nothing = [0; 1];
    let closed = stream.read(&mut nothing);
    matches!(tokio::time::timeout(support::PATIENCE, closed).await, Ok(Ok(0) | Err(_)))
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_connection_and_are_counted() {
    let mut two = end("127.0.0.1:0", vec![]).await;
    let good = message().encode().to_bytes();
    let mut flipped = good.to_vec();
    flipped[20] ^= 1;
    for body in [&flipped[..], &good[..good.len() - 1], &[]] {
        assert!(closes(&two.address, &framed(body)).await);
    }
    assert_eq!(two.transport.status().undecodable, 3);
    let too_long = u32::try_from(MAX_FRAME_BYTES + 1).expect("fits").to_be_bytes();
    assert!(closes(&two.address, &too_long).await);
    assert!(closes(&two.address, b"GET / HTTP/1.1\r\n\r\n").await);

    let mut one = end("127.0.0.1:0", vec![(TWO, two.address.clone())]).await;
    send_until_received(&mut one.transport, &mut two.messages).await;
}

#[tokio::test]
async fn a_frame_of_an_unknown_version_or_kind_is_skipped() {
    let mut two = end("127.0.0.1:0", vec![]).await;
    let good = message().encode().to_bytes();
    let mut version = good.to_vec();
    version[0] = 200;
    let mut kind = good.to_vec();
    kind[25] = 200;
    let mut stream = TcpStream::connect(&two.address).await.expect("connected");
    for body in [&version[..], &kind, &good] {
        stream.write_all(&framed(body)).await.expect("written");
    }
    assert_eq!(two.messages.recv().await, Some(message()));
    assert_eq!(two.transport.status().undecodable, 2);
}
