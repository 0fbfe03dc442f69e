//! Bytes to messages and writes, and back. Nothing is allocated by an unchecked number; the checksum
//! of the whole is compared before anything else is read, but for the entries of an append, which their
//! chain proves when they are received.

mod frame;
mod message;
mod write;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::entries::Entries;
use crate::error::DecodeError;
use crate::message::Message;
use crate::types::LogIndex;

pub use frame::Frame;
pub use message::Header;

/// Version of frames and of write records.
pub const FORMAT_VERSION: u8 = 4;
/// Largest frame or record, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

const CHECKSUM_BYTES: usize = 8;

/// The checksum of a frame or record: that of its head, or of what it covers besides, with the head's
/// as the seed.
fn frame_checksum(head: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let head = xxh3_64(head);
    let both = if body.is_empty() { head } else { xxh3_64_with_seed(body, head) };
    both.to_le_bytes()
}

/// The first bytes of a frame or record, of fixed length: the first of all is the version.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<&[u8; N], DecodeError> {
    match bytes.first() {
        Some(&version) if version != FORMAT_VERSION => Err(DecodeError::UnknownVersion { version }),
        _ => bytes.first_chunk().ok_or(DecodeError::Truncated),
    }
}

/// Reads a postcard value that must fill `bytes` to the end.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Head),
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.encode().to_bytes())
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frame = Bytes::deserialize(deserializer)?;
        Self::decode(frame).map_err(serde::de::Error::custom)
    }
}

/// Entries as they were serialized: not checked.
#[derive(Deserialize)]
struct RawEntries {
    first: LogIndex,
    count: u32,
    bytes: Bytes,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawEntries { first, count, bytes } = Deserialize::deserialize(deserializer)?;
        Self::decode(first, count, bytes).map_err(serde::de::Error::custom)
    }
}
