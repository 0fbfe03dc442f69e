//! Snapshots in the store: pieces of files, and the names of the files.
//!
//! Each piece ends in its checksum, for a damaged snapshot must not be shipped or restored as a good
//! one.

use bytes::Bytes;
use raftcore::{Chunk, LogIndex, NodeId, SnapshotChunk, SnapshotId, SnapshotMeta};
use redb::{ReadableTable, Table, TableDefinition};
use xxhash_rust::xxh3::xxh3_64;

use super::redb::Fault;

/// A snapshot's name as a key: index, term, maker, the maker's life, number.
pub(super) type Name = (u64, u64, u64, u64, u64);
/// From a name to the number of a file.
pub(super) const NAMES: TableDefinition<'_, Name, u64> = TableDefinition::new("snapshots");
/// From the number of a file and an offset to bytes and their checksum.
pub(super) const PIECES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("pieces");

const CHECKSUM_BYTES: usize = 8;

const fn name(id: SnapshotId) -> Name {
    let SnapshotId { index, term, maker, incarnation, counter } = id;
    (index.0, term.0, maker.0, incarnation.0, counter)
}

/// The name of what is being taken here at an index, until the node has named it.
const fn unnamed(index: LogIndex) -> Name {
    (index.0, 0, 0, 0, 0)
}

/// The tables, open for a change.
pub(super) struct Snapshots<'t> {
    pub(super) names: Table<'t, Name, u64>,
    pub(super) pieces: Table<'t, (u64, u64), &'static [u8]>,
}

impl Snapshots<'_> {
    /// Keeps bytes that came from a peer.
    pub(super) fn receive(&mut self, chunk: &SnapshotChunk) -> Result<(), Fault> {
        self.put(name(chunk.snapshot), chunk.offset, &chunk.data)
    }

    /// Keeps bytes of a snapshot that is being taken here.
    pub(super) fn save(&mut self, at: LogIndex, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.put(unnamed(at), offset, bytes)
    }

    /// Puts bytes at an offset of a file; what was there and after it is of an earlier try.
    fn put(&mut self, name: Name, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let known = self.names.get(name)?.map(|file| file.value());
        let file = match known {
            Some(file) => file,
            None => {
                let mut used = self.names.iter()?.map(|row| row.map(|(_, file)| file.value()));
                let file = used.try_fold(0, |max, file| file.map(|file| max.max(file)))? + 1;
                self.names.insert(name, file)?;
                file
            }
        };
        self.pieces.retain_in((file, offset)..=(file, u64::MAX), |_, _| false)?;
        if !bytes.is_empty() {
            let piece = [bytes, &xxh3_64(bytes).to_le_bytes()].concat();
            self.pieces.insert((file, offset), piece.as_slice())?;
        }
        Ok(())
    }

    /// The node has named a snapshot: one whose bytes were received, or that was taken here.
    pub(super) fn name(&mut self, meta: &SnapshotMeta, me: NodeId) -> Result<(), Fault> {
        let (id, index) = (name(meta.id), meta.id.index);
        if index == LogIndex(0) || self.names.get(id)?.is_some() {
            return Ok(());
        }
        let taken = self.names.remove(unnamed(index))?.map(|file| file.value());
        match taken {
            Some(file) if meta.id.maker == me => {
                self.names.insert(id, file)?;
                Ok(())
            }
            _ => Err(missing(meta.id)),
        }
    }

    /// Deletes what is older than this snapshot.
    pub(super) fn release_below(&mut self, newest: SnapshotId) -> Result<(), Fault> {
        let newest = name(newest);
        self.retain(|name| name >= newest || name == unnamed(LogIndex(name.0)) && name.0 > newest.0)
    }

    /// Deletes everything but this snapshot, if there is one. Says whether there is.
    pub(super) fn keep_only(&mut self, id: Option<SnapshotId>) -> Result<(), Fault> {
        self.retain(|found| id.is_some_and(|id| name(id) == found))?;
        match id {
            Some(id) if self.names.get(name(id))?.is_none() => Err(missing(id)),
            _ => Ok(()),
        }
    }

    fn retain(&mut self, keep: impl Fn(Name) -> bool) -> Result<(), Fault> {
        let mut old = Vec::new();
        for row in self.names.iter()? {
            let (name, file) = row?;
            if !keep(name.value()) {
                old.push((name.value(), file.value()));
            }
        }
        for (name, file) in old {
            self.names.remove(name)?;
            self.pieces.retain_in((file, 0)..=(file, u64::MAX), |_, _| false)?;
        }
        Ok(())
    }
}

fn missing(SnapshotId { index, .. }: SnapshotId) -> Fault {
    Fault::Damage(format!("the snapshot at entry {index} is missing"))
}

/// Bytes of a snapshot from `offset` on, at most so many.
pub(super) fn read(
    names: &impl ReadableTable<Name, u64>,
    pieces: &impl ReadableTable<(u64, u64), &'static [u8]>,
    id: SnapshotId,
    offset: u64,
    max_bytes: usize,
) -> Result<Chunk, Fault> {
    let file = names.get(name(id))?.ok_or_else(|| missing(id))?.value();
    let damaged = || Fault::Damage(format!("the snapshot at entry {} is damaged", id.index));
    let mut total = 0;
    if let Some(row) = pieces.range((file, 0)..=(file, u64::MAX))?.next_back() {
        let (key, piece) = row?;
        total = key.value().1 + content(piece.value()).ok_or_else(damaged)?.len() as u64;
    }
    let mut data = Vec::new();
    let mut next = offset;
    while next < total && data.len() < max_bytes {
        let row = pieces.range((file, 0)..=(file, next))?.next_back().ok_or_else(damaged)?;
        let (key, piece) = row?;
        let bytes = content(piece.value()).ok_or_else(damaged)?;
        let skip = usize::try_from(next - key.value().1).map_err(|_| damaged())?;
        let rest = bytes.get(skip..).filter(|rest| !rest.is_empty()).ok_or_else(damaged)?;
        let part = &rest[..rest.len().min(max_bytes - data.len())];
        data.extend_from_slice(part);
        next += part.len() as u64;
    }
    Ok(Chunk { total, data: Bytes::from(data) })
}

/// The bytes of a piece, if they are what was written.
fn content(piece: &[u8]) -> Option<&[u8]> {
    let (bytes, checksum) = piece.split_at_checked(piece.len().checked_sub(CHECKSUM_BYTES)?)?;
    (checksum == xxh3_64(bytes).to_le_bytes()).then_some(bytes)
}
