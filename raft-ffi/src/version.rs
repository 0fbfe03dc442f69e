//! The version, three ways.

use core::ffi::{CStr, c_char};

/// The first part of the version of this header.
pub const RAFTCORE_VERSION_MAJOR: u32 = 0;
/// The second part of the version of this header.
pub const RAFTCORE_VERSION_MINOR: u32 = 1;
/// The third part of the version of this header.
pub const RAFTCORE_VERSION_PATCH: u32 = 0;
/// The version of this header as one number: major * 1,000,000 + minor * 1,000 + patch.
pub const RAFTCORE_VERSION_NUMBER: u32 = 1000;

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The version of the library as text, such as "0.1.0". Never NULL; valid for ever.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_version() -> *const c_char {
    CStr::from_bytes_with_nul(VERSION.as_bytes()).unwrap_or_default().as_ptr()
}

/// The version of the library as a number; compare it with `RAFTCORE_VERSION_NUMBER`, that of the
/// header.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn raftcore_version_number() -> u32 {
    RAFTCORE_VERSION_NUMBER
}
