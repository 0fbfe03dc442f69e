//! `cargo fuzz run bytes`: see `raftcore_fuzz::bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raftcore_fuzz::bytes(data));
