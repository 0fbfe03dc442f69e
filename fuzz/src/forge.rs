//! What an attacker makes that knows the formats: checksums that fit, entries that follow each other.

use raftcore::{Entries, EntryId, GroupId, Membership};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of a frame before its head; the last five are its kind and the length of the head.
const FRAME_FIXED: usize = 30;
const APPEND: u8 = 5;
/// Bytes of a record before its head: version, two lengths, the checksum of these.
const RECORD_FIXED: usize = 13;

fn checksum(head: &[u8], body: &[u8]) -> [u8; 8] {
    let head = xxh3_64(head);
    let both = if body.is_empty() { head } else { xxh3_64_with_seed(body, head) };
    both.to_le_bytes()
}

/// Makes a frame's head fit into it, and its checksum true.
pub(crate) fn seal_frame(frame: &mut [u8]) {
    if frame.len() < FRAME_FIXED + 8 {
        return;
    }
    let head = fit_head(frame, FRAME_FIXED, FRAME_FIXED - 4);
    let kind = frame[FRAME_FIXED - 5];
    let (whole_head, rest) = frame.split_at_mut(FRAME_FIXED + head);
    let (sum, body) = rest.split_at_mut(8);
    sum.copy_from_slice(&checksum(whole_head, if kind == APPEND { &[] } else { body }));
}

/// Makes a record's lengths fit, and its checksums true.
pub(crate) fn seal_record(record: &mut [u8]) {
    if record.len() < RECORD_FIXED + 8 {
        return;
    }
    let total = record.len() as u32;
    record[1..5].copy_from_slice(&total.to_le_bytes());
    let head = fit_head(record, RECORD_FIXED, 5);
    let lengths = xxh3_64(&record[..9]) as u32;
    record[9..13].copy_from_slice(&lengths.to_le_bytes());
    let end = record.len() - 8;
    let (whole, last) = record.split_at_mut(end);
    let (whole_head, body) = whole.split_at(RECORD_FIXED + head);
    last.copy_from_slice(&checksum(whole_head, body));
}

/// Makes the head no longer than there is room; gives its length.
fn fit_head(bytes: &mut [u8], fixed: usize, at: usize) -> usize {
    let room = bytes.len() - fixed - 8;
    let said = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let head = if said as usize <= room { said as usize } else { said as usize % (room + 1) };
    bytes[at..at + 4].copy_from_slice(&(head as u32).to_le_bytes());
    head
}

/// Puts the right checksum at the end of a recording.
pub(crate) fn seal_file(file: &mut [u8]) {
    if let Some((whole, last)) = file.split_last_chunk_mut::<8>() {
        *last = xxh3_64(whole).to_le_bytes();
    }
}

/// An entry that is to be forged: its term, its kind, its payload.
pub(crate) type Forged = (u64, u8, Vec<u8>);

/// Entries after `prev` whose checksums follow from each other, if they can be entries at all.
pub(crate) fn entries(
    group: GroupId,
    prev: EntryId,
    mut chain: u32,
    list: &[Forged],
) -> Option<Entries> {
    let first = prev.index.next();
    let mut bytes = Vec::new();
    for (index, (term, kind, payload)) in (first.0..=u64::MAX).zip(list) {
        let header = (*term, *kind, payload.len() as u32);
        let mut covered = postcard::to_allocvec(&header).unwrap_or_default();
        covered.extend_from_slice(payload);
        let place = u64::from(chain) << 32 ^ group.0.rotate_left(40) ^ index;
        let secrets = RapidSecrets::seed_cpp(place);
        chain = rapidhash_v3_nano_inline::<true, false>(&covered, &secrets) as u32;
        bytes.extend(chain.to_le_bytes());
        bytes.extend(covered);
    }
    Entries::decode(first, list.len() as u32, bytes.into()).ok()
}

/// A member of a forged membership: id, voter, to be promoted, context.
pub(crate) type ForgedMember = (u64, bool, bool, Vec<u8>);

/// The payload of a membership entry, whether or not such a membership can be.
pub(crate) fn membership_payload(members: &[ForgedMember], outgoing: &[u64]) -> Vec<u8> {
    postcard::to_allocvec(&(members, outgoing)).unwrap_or_default()
}

/// A membership that nobody checked.
pub(crate) fn membership(members: &[ForgedMember], outgoing: &[u64]) -> Membership {
    postcard::from_bytes(&membership_payload(members, outgoing)).unwrap_or_default()
}
