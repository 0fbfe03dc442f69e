//! What the fuzz targets do, so that libFuzzer and a driver of this package's own run the same code.
//!
//! A finding is a panic.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

mod bytes;
mod cluster;
mod dice;
mod forge;
mod generator;

pub use generator::{Generator, Target};

/// Counts, so that an allocation sized by an unchecked number is seen.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Arbitrary bytes where a network or a disk gives bytes.
pub fn bytes(data: &[u8]) {
    bytes::play(data);
}

/// Bytes as a sequence of inputs to a small cluster.
pub fn inputs(data: &[u8]) {
    cluster::play(data, false);
}

/// The same, and every input and answer is printed.
pub fn tell_inputs(data: &[u8]) {
    cluster::play(data, true);
}
