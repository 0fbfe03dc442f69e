//! The store on disk: one redb file, one transaction and one sync per batch of writes.
//!
//! A new file gets its name only when it is complete and durable; an empty or torn file under that name
//! is damage, never a first start.

use core::ops::Deref;
use core::panic::AssertUnwindSafe;
use std::fs::{self, File};
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use raftcore::{Chunk, Entries, Identity, LogIndex, LogRequest, SnapshotId, Stored, Write};
use redb::{Database, DatabaseError, Durability, ReadableDatabase, StorageError};

use super::folder::{FolderLock, sync_folder, unusable};
use super::tables::{self, Tables};
use super::{Store, StoreError, snapshots};

/// The database's name in the data folder.
pub const FILE_NAME: &str = "raft.redb";

/// Pages in memory; most of what is written is never read again.
const CACHE_BYTES: usize = 16 << 20;

/// What one node writes, in `<folder>/raft.redb`.
#[derive(Debug)]
pub struct RedbStore {
    database: Opened,
    path: PathBuf,
    _lock: FolderLock,
}

/// A database that is closed without a panic, whatever its file holds: closing writes what was read.
#[derive(Debug)]
struct Opened(Option<Database>);

impl Deref for Opened {
    type Target = Database;

    fn deref(&self) -> &Database {
        self.0.as_ref().expect("open until it is dropped")
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let database = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
            tracing::error!("the database could not be closed: its pages make no sense");
        }
    }
}

impl RedbStore {
    /// Opens the data folder, creating it if it is missing, and locks it for this process.
    ///
    /// # Errors
    /// [`StoreError`] if the folder cannot be used, is in use, or its file is damaged.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let lock = FolderLock::take(folder)?;
        let path = folder.join(FILE_NAME);
        if !path.try_exists().map_err(unusable(&path))? {
            create(folder, &path)?;
        }
        let database = guarded(&path, || {
            let database = Database::builder().set_cache_size(CACHE_BYTES).open(&path)?;
            let database = Opened(Some(database));
            database.begin_read()?.open_table(tables::STATE)?;
            Ok(database)
        })?;
        Ok(Self { database, path, _lock: lock })
    }

    /// Changes the tables in one transaction, with one sync.
    fn commit(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate).map_err(Fault::other)?;
        change(&mut Tables::open(&transaction)?)?;
        transaction.commit()?;
        Ok(())
    }

    fn write(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<(), Fault>,
    ) -> Result<(), StoreError> {
        let failed = |what| StoreError::Failed { path: self.path.clone(), what };
        match catch_unwind(AssertUnwindSafe(|| self.commit(change))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(failed(fault.to_string())),
            Err(_) => Err(failed("the database panicked".to_owned())),
        }
    }
}

impl Store for RedbStore {
    fn load(&mut self, expected: Identity) -> Result<Option<Stored>, StoreError> {
        let path = &self.path;
        let (owner, stored) = guarded(path, || {
            let transaction = self.database.begin_read()?;
            let state = transaction.open_table(tables::STATE)?;
            let owner = tables::owner(&state)?;
            if owner.is_some_and(|owner| owner != expected) {
                return Ok((owner, None));
            }
            Ok((owner, tables::fold(&state, &transaction.open_table(tables::LOG)?)?))
        })?;
        if let Some(found) = owner.filter(|&found| found != expected) {
            return Err(StoreError::Foreign { path: path.clone(), found, expected });
        }
        let newest = stored.as_ref().and_then(Stored::snapshot).map(|meta| meta.id);
        guarded(path, || self.commit(|tables| tables.snapshots.keep_only(newest)))?;
        Ok(stored)
    }

    fn append(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.write(|tables| tables.carry_out(writes))
    }

    fn read_log(&mut self, request: &LogRequest) -> Result<Entries, StoreError> {
        let LogRequest { first, last, max_bytes, .. } = *request;
        guarded(&self.path, || {
            let log = self.database.begin_read()?.open_table(tables::LOG)?;
            let entries = tables::run(&log, first, last, max_bytes)?;
            if entries.is_empty() {
                return Err(Fault::Damage(format!("entry {first} is missing")));
            }
            Ok(entries)
        })
    }

    fn save_snapshot(
        &mut self,
        index: LogIndex,
        offset: u64,
        piece: &[u8],
    ) -> Result<(), StoreError> {
        self.write(|tables| tables.snapshots.save(index, offset, piece))
    }

    fn read_snapshot(
        &mut self,
        id: SnapshotId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Chunk, StoreError> {
        guarded(&self.path, || {
            let transaction = self.database.begin_read()?;
            let names = transaction.open_table(snapshots::NAMES)?;
            let pieces = transaction.open_table(snapshots::PIECES)?;
            snapshots::read(&names, &pieces, id, offset, max_bytes)
        })
    }

    fn name(&self) -> PathBuf {
        self.path.clone()
    }
}

/// What went wrong inside the database.
pub(super) enum Fault {
    Damage(String),
    OtherFormat(u8),
    Io(io::Error),
    InUse,
}

impl Fault {
    fn other(error: impl Into<redb::Error>) -> Self {
        Self::Damage(error.into().to_string())
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Damage(what) => f.write_str(what),
            Self::OtherFormat(version) => write!(f, "format version {version}"),
            Self::Io(error) => error.fmt(f),
            Self::InUse => f.write_str("in use"),
        }
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
                Self::Io(error)
            }
            error => Self::Damage(error.to_string()),
        }
    }
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            DatabaseError::Storage(error) => error.into(),
            error => Self::Damage(error.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Fault {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            error => Self::other(error),
        }
    }
}

impl From<redb::TableError> for Fault {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            error => Self::other(error),
        }
    }
}

impl From<redb::CommitError> for Fault {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            error => Self::other(error),
        }
    }
}

/// Runs work on a file that may hold anything; the database asserts what it believes of its pages.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    let path = path.to_owned();
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Fault::InUse)) => Err(StoreError::InUse { path }),
        Ok(Err(Fault::OtherFormat(version))) => Err(StoreError::OtherFormat { path, version }),
        Ok(Err(Fault::Io(source))) if source.kind() != io::ErrorKind::UnexpectedEof => {
            Err(StoreError::Unusable { path, source })
        }
        Ok(Err(fault)) => Err(StoreError::Damaged { path, what: fault.to_string() }),
        Err(_) => Err(StoreError::Damaged { path, what: "its pages make no sense".to_owned() }),
    }
}

/// Makes a complete, empty database under another name and renames it. The caller holds the lock.
fn create(folder: &Path, path: &Path) -> Result<(), StoreError> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result.map_err(unusable(&unfinished))?,
    }
    guarded(&unfinished, || {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(&unfinished)?;
        let transaction = database.begin_write()?;
        Tables::open(&transaction)?;
        transaction.commit()?;
        Ok(())
    })?;
    let sync = File::open(&unfinished).and_then(|file| file.sync_all());
    sync.map_err(unusable(&unfinished))?;
    fs::rename(&unfinished, path).map_err(unusable(path))?;
    sync_folder(folder).map_err(unusable(folder))
}
