//! Measurements of raftcore, and of a peer on the same jobs.
//!
//! A job is a function over a [`Group`]: three nodes in one thread, in memory, every write durable
//! at once and every committed entry applied at once. Whoever implements [`Group`] runs the same
//! jobs, driven by the same code.

mod cluster;
mod group;
pub mod jobs;
#[cfg(feature = "raft-rs")]
mod peer_raft_rs;
mod sample;

pub use cluster::{Acks, Cluster, Direct, Framed, Frames, Hop, configure};
pub use group::{Group, NODES};
#[cfg(feature = "raft-rs")]
pub use peer_raft_rs::{PeerHop, RaftRs, RaftRsAcks, RaftRsFrames};
#[cfg(feature = "raft-rs")]
pub use sample::sample_raft_rs;
pub use sample::{Job, Sample, Sizes, measured, per_entry, sample_raftcore};
