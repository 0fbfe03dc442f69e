//! An encoded message, in the parts in which it leaves.

use alloc::vec::Vec;
use bytes::Bytes;
use postcard::ser_flavors::Flavor;

/// As long as nearly all heads.
const SHORT_BYTES: usize = 80;

/// An encoded message: a small head, which ends in a checksum, and the shared body, ready for a
/// vectored write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub(super) head: Head,
    pub(super) body: Bytes,
}

impl Frame {
    /// The two parts, in the order in which they are sent.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 2] {
        [self.head.bytes(), &self.body]
    }

    /// Length of the whole frame, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.bytes().len().saturating_add(self.body.len())
    }

    /// Always false: a frame has a head.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The frame in one piece.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.parts().concat().into()
    }
}

/// The first part of a frame; a short one lies in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    length: usize,
    short: [u8; SHORT_BYTES],
    /// Everything, if that is more than fits there.
    long: Vec<u8>,
}

impl Head {
    pub(super) const fn new() -> Self {
        Self { length: 0, short: [0; SHORT_BYTES], long: Vec::new() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.short.get(..self.length).unwrap_or(&self.long)
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.short.get_mut(..self.length).unwrap_or(&mut self.long)
    }

    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let start = self.length;
        self.length = start.saturating_add(bytes.len());
        match self.short.get_mut(start..self.length) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.put_far(start, bytes),
        }
    }

    #[cold]
    fn put_far(&mut self, start: usize, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long.extend(self.short.iter().take(start));
        }
        self.long.extend_from_slice(bytes);
    }
}

impl Flavor for &mut Head {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.short.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length = self.length.saturating_add(1);
            }
            None => self.put(&[byte]),
        }
        Ok(())
    }

    /// Nearly every number is one byte long: that is no call of `memcpy`.
    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        if let [byte] = *data {
            self.try_push(byte)
        } else {
            self.put(data);
            Ok(())
        }
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
