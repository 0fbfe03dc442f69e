//! A server around one [`raftcore::Node`]: a disk, a network and a state machine.
//!
//! A [`Server`] owns one node of one group. What it needs from outside are three traits: a
//! [`Store`] keeps the node's writes, a [`Transport`] carries its messages, a [`StateMachine`] is
//! what the group replicates. A [`Handle`] proposes commands and asks questions from any task.
//!
//! [`Process`] puts the parts of this crate together to what the `raftcore` program runs as one
//! node: [`RedbStore`], [`TcpTransport`], [`KeyValues`], and the HTTP interface of [`api`].
//!
//! Three properties hold whatever the parts are:
//!
//! * Success is said only of commands that are committed and applied; a lost answer is
//!   [`Failure::Unknown`], never a failure.
//! * Commands that arrive together share one append and one sync, and appends to followers leave
//!   before the own sync ends.
//! * A failed sync is never tried again: the node halts, and its process is started anew from disk.
//!
//! Every so many applied entries the state machine gives a snapshot, and older entries are deleted. A
//! node that lacks them, or joins, gets the snapshot.
//!
//! Not in this version: TLS and any other proof of who a peer or client is (run it in a network you
//! trust).
//!
//! ```
//! use raftcore::NodeId;
//! use raftcore_server::{Command, MemberAddresses, Process, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("node-1");
//! let any_port = "127.0.0.1:0".to_owned();
//! let me = MemberAddresses { id: NodeId(1), raft: any_port.clone(), http: any_port };
//! let mut process = Process::start(&Settings::new(me, dir, vec![])).await?;
//! let handle = process.handle();
//! handle.roles().wait_for(|role| role.leader.is_some()).await?;
//!
//! let pairs = [("y".to_owned(), "7".to_owned())];
//! handle.propose(Command::Put(pairs.into()).encode().into()).await?;
//! let found = handle.query("y".to_owned()).await?;
//! assert_eq!(found.expect("it was put").get(), "7");
//!
//! process.stop();
//! process.wait().await;
//! # Ok(())
//! # }
//! ```
//!
//! Every so many applied entries the state machine gives a snapshot, and older entries are deleted. A
//! node that lacks them, or joins, gets the snapshot.
//!
//! Not in this version: TLS and any other proof of who a peer or client is (run it in a network you
//! trust).
//!
//! ```
//! use raftcore::NodeId;
//! use raftcore_server::{Command, MemberAddresses, Process, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("node-1");
//! let any_port = "127.0.0.1:0".to_owned();
//! let me = MemberAddresses { id: NodeId(1), raft: any_port.clone(), http: any_port };
//! let mut process = Process::start(&Settings::new(me, dir, vec![])).await?;
//! let handle = process.handle();
//! handle.roles().wait_for(|role| role.leader.is_some()).await?;
//!
//! let pairs = [("y".to_owned(), "7".to_owned())];
//! handle.propose(Command::Put(pairs.into()).encode().into()).await?;
//! let found = handle.query("y".to_owned()).await?;
//! assert_eq!(found.expect("it was put").get(), "7");
//!
//! process.stop();
//! process.wait().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod api;
mod config;
mod disk;
mod driver;
mod error;
mod kv;
mod machine;
mod members;
mod process;
mod server;
pub mod store;
pub mod transport;

pub use config::{ClusterFile, MemberAddresses, Settings, SettingsError};
pub use error::{Failure, StartError, StopReason};
pub use kv::{Answer, Command, CommandError, KeyValues};
pub use machine::{RestoreError, StateMachine};
pub use members::AddressBook;
pub use process::Process;
pub use server::{Applied, Handle, Options, Role, Server, ServerStatus};
pub use store::{RedbStore, Store, StoreError};
pub use transport::{TcpTransport, Transport};
