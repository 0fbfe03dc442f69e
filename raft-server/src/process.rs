//! One node with everything around it: store, transport, state machine, HTTP.

use raftcore::{NodeId, Stored};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api;
use crate::config::{MemberAddresses, Settings};
use crate::error::{StartError, StopReason};
use crate::kv::KeyValues;
use crate::members::{self, AddressBook};
use crate::server::{Handle, Options, Server};
use crate::store::{RedbStore, Store};
use crate::transport::TcpTransport;

/// A running node of the key-value cluster.
#[derive(Debug)]
pub struct Process {
    server: Server<KeyValues>,
    addresses: MemberAddresses,
    http: JoinHandle<()>,
    stop_http: watch::Sender<bool>,
}

impl Process {
    /// Opens the data folder, listens, and starts the node.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way; nothing that was stored is changed then.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        // The folder first: who may not use it need not disturb anyone's port.
        let store = open(settings).await?;
        let raft = listen(&settings.raft).await?;
        let http = listen(&settings.http).await?;
        Self::with(settings, store, raft, http).await
    }

    /// The same with listeners that are open already.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_on(
        settings: &Settings,
        raft: TcpListener,
        http: TcpListener,
    ) -> Result<Self, StartError> {
        Self::with(settings, open(settings).await?, raft, http).await
    }

    async fn with(
        settings: &Settings,
        mut store: RedbStore,
        raft: TcpListener,
        http: TcpListener,
    ) -> Result<Self, StartError> {
        let mut given = settings.members()?;
        let founders = match settings.join {
            Some(_) => None,
            None => Some(settings.membership()?),
        };
        let address = |listener: &TcpListener, given: &str| {
            listener.local_addr().map_or_else(|_| given.to_owned(), |found| found.to_string())
        };
        let addresses = MemberAddresses {
            id: settings.id,
            raft: address(&raft, &settings.raft),
            http: address(&http, &settings.http),
        };
        let client = api::client()?;
        if settings.join.is_some() {
            let stored = store.load(settings.identity())?;
            let membership = stored.as_ref().and_then(Stored::base_membership);
            let knows_nobody = membership.is_none_or(|known| known.members().is_empty());
            for member in members::of_running_group(settings, &client, knows_nobody).await? {
                given.entry(member.id).or_insert(member);
            }
        }
        let peers = given.values().filter(|member| member.id != settings.id);
        let transport = TcpTransport::new(raft, peers.map(|peer| (peer.id, peer.raft.clone())));
        let options = Options {
            identity: settings.identity(),
            founders,
            config: settings.node.clone(),
            tick: settings.tick(),
            snapshot_every: settings.snapshot_every,
        };
        let server = Server::start(options, store, KeyValues::default(), transport)?;
        let context = api::Context {
            id: settings.id,
            handle: server.handle(),
            addresses: AddressBook::new(given),
            client,
            timeout: settings.request_timeout(),
            max_body_bytes: settings.node.max_payload_bytes,
        };
        let (stop_http, mut stopping) = watch::channel(false);
        let service = axum::serve(http, api::router(context)).with_graceful_shutdown(async move {
            let _ = stopping.wait_for(|&stop| stop).await;
        });
        let http = tokio::spawn(async move {
            if let Err(error) = service.await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        Ok(Self { server, addresses, http, stop_http })
    }

    /// Where the node listens, with the ports it really got.
    #[must_use]
    pub const fn addresses(&self) -> &MemberAddresses {
        &self.addresses
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.addresses.id
    }

    /// A handle to the node.
    #[must_use]
    pub fn handle(&self) -> Handle<KeyValues> {
        self.server.handle()
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.server.stop();
    }

    /// Waits until the node has stopped and its files are closed; says why.
    pub async fn wait(&mut self) -> StopReason {
        let reason = self.server.wait().await;
        // The driver has answered every request that was open; idle connections need not end.
        self.stop_http.send_replace(true);
        let grace = core::time::Duration::from_millis(500);
        if tokio::time::timeout(grace, &mut self.http).await.is_err() {
            self.http.abort();
        }
        reason
    }
}

async fn open(settings: &Settings) -> Result<RedbStore, StartError> {
    let dir = settings.dir.clone();
    let opened = tokio::task::spawn_blocking(move || RedbStore::open(&dir)).await;
    match opened {
        Ok(store) => Ok(store?),
        Err(error) => Err(StartError::Thread(std::io::Error::other(error))),
    }
}

async fn listen(address: &str) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| StartError::Address { address: address.to_owned(), source })
}
