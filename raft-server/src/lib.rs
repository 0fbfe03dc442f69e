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
#![forbid(unsafe_code)]

pub mod api;
mod config;
mod driver;
mod error;
mod kv;
mod machine;
mod process;
mod server;
pub mod store;
pub mod transport;

pub use config::{ClusterFile, MemberAddresses, Settings, SettingsError};
pub use error::{Failure, StartError, StopReason};
pub use kv::{Answer, Command, CommandError, KeyValues};
pub use machine::StateMachine;
pub use process::Process;
pub use server::{Applied, Handle, Options, Role, Server, ServerStatus};
pub use store::{RedbStore, Store, StoreError};
pub use transport::{TcpTransport, Transport};
