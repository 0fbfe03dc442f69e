//! Entries as bytes: one representation in memory, on the wire and on disk, and the hash chain over it.
//!
//! An entry is four bytes of checksum, a small header (term, kind, length) and its payload.
//! A run of entries is one shared slice; an entry's index follows from its place.

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::MAX_PAYLOAD_BYTES;
use crate::membership::Membership;
use crate::types::{EntryId, GroupId, LogIndex, Term};

/// Longest header of an entry, its checksum included, in bytes: checksum, term, kind, length.
pub(crate) const MAX_HEADER_BYTES: usize = CHECKSUM_BYTES + 10 + 1 + 5;
const CHECKSUM_BYTES: usize = 4;

/// What an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum EntryKind {
    /// Opens a leader's term (Raft 8); empty.
    Noop = 0,
    /// A payload for the state machine.
    Command = 1,
    /// A membership, effective when appended (thesis 4.1).
    Membership = 2,
}

impl EntryKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Noop),
            1 => Some(Self::Command),
            2 => Some(Self::Membership),
            _ => None,
        }
    }
}

/// Of an entry, and through its predecessor's checksum of every entry before it.
pub(crate) type Checksum = u32;

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Header {
    term: u64,
    kind: u8,
    length: u32,
}

/// One entry, borrowed from the run that holds it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// Term and index.
    pub id: EntryId,
    /// What it is for.
    pub kind: EntryKind,
    /// Of this entry and, through its predecessor's, of every entry before it.
    pub checksum: u32,
    /// The bytes that were proposed.
    pub payload: &'a [u8],
    /// The entry as it is stored: checksum, header, payload.
    pub(crate) bytes: &'a [u8],
}

impl EntryRef<'_> {
    /// The checksum this entry should carry after a predecessor with checksum `before`.
    #[inline]
    pub(crate) fn chained(&self, group: GroupId, before: Checksum) -> Checksum {
        let covered = self.bytes.get(CHECKSUM_BYTES..).unwrap_or_default();
        checksum(group, self.id.index, covered, before)
    }
}

impl fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {} B {:08x}", self.id, self.kind, self.payload.len(), self.checksum)
    }
}

/// Why bytes are not a run of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// The bytes end inside an entry, or more follow than were announced.
    #[error("the bytes do not hold the announced number of entries")]
    Length,
    /// A header cannot be read or names an unknown kind.
    #[error("entry {index} has an unreadable header")]
    Header {
        /// The entry.
        index: LogIndex,
    },
    /// Terms go down within the run.
    #[error("the term falls at entry {index}")]
    TermFalls {
        /// The entry.
        index: LogIndex,
    },
    /// A payload is larger than any configuration allows.
    #[error("entry {index} is larger than {MAX_PAYLOAD_BYTES} bytes")]
    TooLarge {
        /// The entry.
        index: LogIndex,
    },
    /// An index would not fit in 64 bits, or the first one is zero.
    #[error("entry indexes out of range")]
    Index,
    /// The checksum does not follow from the entry and its predecessor.
    #[error("checksum of entry {index} is wrong")]
    Checksum {
        /// The entry.
        index: LogIndex,
    },
    /// A membership entry does not hold a membership.
    #[error("entry {index} does not hold a membership")]
    Membership {
        /// The entry.
        index: LogIndex,
    },
}

/// A run of consecutive entries: first index, count, and one shared slice.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    first: LogIndex,
    count: u32,
    bytes: Bytes,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Entries {
    /// A run whose shape was checked, or built, by the caller.
    pub(crate) const fn from_parts(first: LogIndex, count: u32, bytes: Bytes) -> Self {
        Self { first, count, bytes }
    }

    /// The same, of a run that ends before `next`.
    pub(crate) const fn between(first: LogIndex, next: LogIndex, bytes: Bytes) -> Self {
        Self { first, count: next.since(first) as u32, bytes }
    }

    /// Reads a run that came from outside and checks its shape: lengths, kinds, rising terms, indexes.
    ///
    /// # Errors
    /// [`EntriesError`] names the first entry that is wrong.
    pub fn decode(first: LogIndex, count: u32, bytes: Bytes) -> Result<Self, EntriesError> {
        let end = first.0.checked_add(count.into()).filter(|_| first.0 > 0 || count == 0);
        let indexes = first.0..end.ok_or(EntriesError::Index)?;
        let mut rest: &[u8] = &bytes;
        // None is of term 0.
        let mut least = 1;
        for index in indexes.map(LogIndex) {
            let Shape { term, kind, payload, end } = Shape::of(rest, index)?;
            if kind == EntryKind::Membership {
                let payload = rest.get(payload..end).ok_or(EntriesError::Length)?;
                decode_membership(payload).ok_or(EntriesError::Membership { index })?;
            }
            rest = rest.get(end..).ok_or(EntriesError::Length)?;
            if term < least {
                return Err(EntriesError::TermFalls { index });
            }
            least = term;
        }
        if rest.is_empty() { Ok(Self { first, count, bytes }) } else { Err(EntriesError::Length) }
    }

    /// Index of the first entry, or where it would be.
    #[must_use]
    pub const fn first(&self) -> LogIndex {
        self.first
    }

    /// Index of the last entry; the one before [`first`](Self::first) if there is none.
    #[must_use]
    pub const fn last(&self) -> LogIndex {
        LogIndex(self.first.0.saturating_sub(1).wrapping_add(self.count as u64))
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries as bytes, headers included: what goes over the wire and to disk.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The entries, first to last.
    #[must_use]
    pub fn iter(&self) -> EntriesIter<'_> {
        EntriesIter::over(self.first, self.count, &self.bytes)
    }

    /// Each entry as bytes of its own, for a host that stores entries one by one: some that follow each
    /// other, put together again, are what [`decode`](Self::decode) reads.
    pub fn records(&self) -> impl Iterator<Item = (LogIndex, Bytes)> + '_ {
        self.iter().map(|entry| (entry.id.index, self.bytes.slice_ref(entry.bytes)))
    }

    /// The memberships among them.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = (LogIndex, Membership)> + '_ {
        let found = self.iter().filter(|entry| entry.kind == EntryKind::Membership);
        found.filter_map(|entry| Some((entry.id.index, decode_membership(entry.payload)?)))
    }

    /// The same run without its first `skip` entries.
    pub(crate) fn skip(&self, skip: u32) -> Self {
        if skip == 0 {
            return self.clone();
        }
        let mut iter = self.iter();
        iter.by_ref().take(skip as usize).for_each(drop);
        let count = self.count.saturating_sub(skip);
        Self { first: iter.index, count, bytes: self.bytes.slice_ref(iter.rest) }
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = EntryRef<'a>;
    type IntoIter = EntriesIter<'a>;

    fn into_iter(self) -> EntriesIter<'a> {
        self.iter()
    }
}

/// Iterates over the entries of a run.
#[derive(Clone, Debug)]
pub struct EntriesIter<'a> {
    index: LogIndex,
    /// The index after the last.
    end: LogIndex,
    rest: &'a [u8],
}

impl<'a> EntriesIter<'a> {
    /// Entries in bytes whose shape was checked; their number is found by walking.
    pub(crate) const fn over(index: LogIndex, count: u32, rest: &'a [u8]) -> Self {
        Self { index, end: index.plus(count as u64), rest }
    }

    /// How many bytes are left.
    pub(crate) const fn bytes_left(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for EntriesIter<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        if self.index >= self.end {
            return None;
        }
        let Shape { term, kind, payload, end } = Shape::of(self.rest, self.index).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(end)?;
        let checksum = Checksum::from_le_bytes(*bytes.first_chunk()?);
        let id = EntryId { term: Term(term), index: self.index };
        self.rest = rest;
        self.index = self.index.next();
        Some(EntryRef { id, kind, checksum, payload: bytes.get(payload..)?, bytes })
    }
}

/// What an entry's header says.
struct Shape {
    term: u64,
    kind: EntryKind,
    /// Where the payload begins, from the checksum on.
    payload: usize,
    /// Where the entry ends.
    end: usize,
}

impl Shape {
    /// Reads the header of the first entry, which has this index.
    #[inline]
    fn of(bytes: &[u8], index: LogIndex) -> Result<Self, EntriesError> {
        bytes.first_chunk().and_then(Self::small).map_or_else(|| Self::any(bytes, index), Ok)
    }

    /// Nearly every header has a small term and a length of one byte or two.
    #[inline]
    fn small(bytes: &[u8; 8]) -> Option<Self> {
        let [_, _, _, _, term @ ..0x80, kind, low, high] = *bytes else { return None };
        let kind = match kind {
            0 => EntryKind::Noop,
            1 => EntryKind::Command,
            _ => return None,
        };
        let (payload, length) = match (low, high) {
            (..0x80, _) => (7, usize::from(low)),
            (_, 1..0x80) => (8, usize::from(low & 0x7f) | usize::from(high) << 7),
            _ => return None,
        };
        Some(Self { term: term.into(), kind, payload, end: payload.saturating_add(length) })
    }

    #[cold]
    fn any(bytes: &[u8], index: LogIndex) -> Result<Self, EntriesError> {
        // A term of two bytes, and otherwise small.
        if let Some(&low @ 0x80..) = bytes.get(CHECKSUM_BYTES)
            && let Some((_, rest)) = bytes.split_first()
            && let Some(small @ Self { term: 1.., .. }) = rest.first_chunk().and_then(Self::small)
        {
            let term = u64::from(low & 0x7f) | small.term << 7;
            let (payload, end) = (small.payload.saturating_add(1), small.end.saturating_add(1));
            return Ok(Self { term, payload, end, ..small });
        }
        let body = bytes.get(CHECKSUM_BYTES..).ok_or(EntriesError::Length)?;
        let (header, rest) = match postcard::take_from_bytes::<Header>(body) {
            Ok(found) => found,
            Err(postcard::Error::DeserializeUnexpectedEnd) => return Err(EntriesError::Length),
            Err(_) => return Err(EntriesError::Header { index }),
        };
        let kind = EntryKind::from_byte(header.kind).ok_or(EntriesError::Header { index })?;
        let length = header.length as usize;
        if length > MAX_PAYLOAD_BYTES {
            return Err(EntriesError::TooLarge { index });
        }
        let payload = bytes.len().saturating_sub(rest.len());
        Ok(Self { term: header.term, kind, payload, end: payload.saturating_add(length) })
    }
}

/// Writes one entry at the end of `out` and gives its checksum.
#[inline(always)]
pub(crate) fn encode_entry(
    out: &mut Vec<u8>,
    group: GroupId,
    id: EntryId,
    kind: EntryKind,
    payload: &[u8],
    before: Checksum,
) -> Checksum {
    let (start, term, length) = (out.len(), id.term.0, payload.len());
    if term < 0x80 && length < 0x80 {
        out.extend_from_slice(&[0, 0, 0, 0, term as u8, kind as u8, length as u8]);
    } else {
        encode_header(out, id.term, kind, length);
    }
    out.extend_from_slice(payload);
    let Some((space, covered)) = out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut)
    else {
        return 0;
    };
    let checksum = checksum(group, id.index, covered, before);
    *space = checksum.to_le_bytes();
    checksum
}

/// Writes any header, with room for the checksum before it.
#[cold]
fn encode_header(out: &mut Vec<u8>, term: Term, kind: EntryKind, length: usize) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let header = Header { term: term.0, kind: kind as u8, length };
    let mut space = [0u8; MAX_HEADER_BYTES];
    out.extend_from_slice(&[0; CHECKSUM_BYTES]);
    if let Ok(head) = postcard::to_slice(&header, &mut space) {
        out.extend_from_slice(head);
    }
}

/// The checksum of an entry after `before`, its predecessor's; `covered` is its header and payload.
///
/// One function and no more, so that the secrets are constants in its code.
#[inline(never)]
fn checksum(group: GroupId, index: LogIndex, covered: &[u8], before: Checksum) -> Checksum {
    let place = u64::from(before) << 32 ^ group.0.rotate_left(40) ^ index.0;
    rapidhash_v3_nano_inline::<true, false>(covered, &RapidSecrets::seed_cpp(place)) as Checksum
}

/// The checksum "before" the first entry of a group: its founding membership.
pub(crate) fn chain_seed(group: GroupId, founding: &Membership) -> Checksum {
    let payload = encode_membership(founding);
    encode_entry(&mut Vec::new(), group, EntryId::default(), EntryKind::Membership, &payload, 0)
}

/// The payload of a membership entry.
pub(crate) fn encode_membership(membership: &Membership) -> Vec<u8> {
    postcard::to_allocvec(membership).unwrap_or_default()
}

/// The membership in a membership entry's payload, if it is one.
pub(crate) fn decode_membership(payload: &[u8]) -> Option<Membership> {
    let (membership, rest) = postcard::take_from_bytes::<Membership>(payload).ok()?;
    (rest.is_empty() && membership.validate().is_ok()).then_some(membership)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group, an index, the checksum before, and header and payload.
    type Input = (u64, u64, u64, Vec<u8>);

    fn of(input: &Input) -> Checksum {
        let (group, index, before, covered) = input;
        checksum(GroupId(*group), LogIndex(*index), covered, *before as Checksum)
    }

    /// Checks that no bit of some part keeps the checksum, and that each bit of the checksum changes
    /// with half of them.
    fn assert_unrelated(length: u8, bits: usize, flip: impl Fn(&mut Input, usize)) {
        let mut flips = [0; 32];
        for salt in 0..=255 {
            let covered = (0..length).map(|place| place.wrapping_mul(73) ^ salt).collect();
            let honest = (3, 1_000, 0x9e37_79b9, covered);
            for bit in 0..bits {
                let mut changed = honest.clone();
                flip(&mut changed, bit);
                let difference = of(&changed) ^ of(&honest);
                assert_ne!(difference, 0, "length {length}, salt {salt}, bit {bit}");
                flips.iter_mut().zip(0..).for_each(|(flips, at)| *flips += difference >> at & 1);
            }
        }
        for flips in flips {
            let share = f64::from(flips) / (256 * bits) as f64;
            assert!((0.45..0.55).contains(&share), "length {length}: {share}");
        }
    }

    #[test]
    fn a_change_of_any_bit_makes_an_unrelated_checksum() {
        for length in [3, 4, 7, 8, 15, 16, 17, 19, 32, 33, 48, 49, 66, 100, 255] {
            assert_unrelated(length, 64, |(group, ..), bit| *group ^= 1 << bit);
            assert_unrelated(length, 64, |(_, index, ..), bit| *index ^= 1 << bit);
            assert_unrelated(length, 32, |(_, _, before, _), bit| *before ^= 1 << bit);
            assert_unrelated(length, usize::from(length) * 8, |(.., covered), bit| {
                covered[bit / 8] ^= 1 << (bit % 8);
            });
        }
    }
}
