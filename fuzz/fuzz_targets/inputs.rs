//! `cargo fuzz run inputs`: see `raftcore_fuzz::inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| raftcore_fuzz::inputs(data));
