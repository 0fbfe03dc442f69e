//! C interface of raftcore: the same words as in Rust, with the prefix `raftcore_`.
//!
//! `include/raftcore.h` is generated from this crate and is its manual. The promises of the caller,
//! and the words in which threads and lifetimes are stated, stand at its top.
//!
//! Every function returns a status, takes what it gives back through out-parameters that come last,
//! and writes them on success only. A panic inside stops at the border, becomes
//! `RAFTCORE_STATUS_PANIC` and poisons the object.
#![allow(non_camel_case_types, reason = "types have their names in C")]
#![allow(clippy::missing_safety_doc, reason = "the top of the header states it for all functions")]
#![deny(clippy::undocumented_unsafe_blocks)]

pub mod config;
mod fail;
mod guard;
pub mod log_read;
pub mod membership;
pub mod node;
pub mod output;
pub mod records;
pub mod snapshot;
pub mod state;
pub mod status;
pub mod stored;
#[cfg(test)]
mod tests;
pub mod types;
pub mod version;
