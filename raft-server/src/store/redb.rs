//! The store on disk: one redb file, one transaction and one sync per batch of records.
//!
//! The table maps row numbers to records. Its last row, [`END`], holds the number of rows, so that
//! a file that lost some cannot pass for a shorter one. A new file gets its name only when it is
//! complete and durable; an empty or torn file under that name is damage, never a first start.

use core::panic::AssertUnwindSafe;
use std::fs::{self, File};
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{Database, DatabaseError, ReadableDatabase, StorageError};
use redb::{Durability, TableDefinition};

use super::folder::{FolderLock, sync_folder, unusable};
use super::{Store, StoreError};

/// The database's name in the data folder.
pub const FILE_NAME: &str = "raft.redb";

const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("writes");
/// The row that holds the number of rows.
const END: u64 = u64::MAX;
/// Pages in memory; records are written once and read once.
const CACHE_BYTES: usize = 16 << 20;

/// Writes of one node in `<folder>/raft.redb`.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    path: PathBuf,
    rows: u64,
    _lock: FolderLock,
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
        let (database, rows) = guarded(&path, || {
            let database = Database::builder().set_cache_size(CACHE_BYTES).open(&path)?;
            let rows = count(&database)?;
            Ok((database, rows))
        })?;
        Ok(Self { database, path, rows, _lock: lock })
    }

    fn commit(&self, records: &[Vec<u8>]) -> Result<u64, Fault> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate).map_err(Fault::other)?;
        let mut rows = self.rows;
        {
            let mut table = transaction.open_table(ROWS)?;
            for record in records {
                table.insert(rows, record.as_slice())?;
                rows += 1;
            }
            table.insert(END, rows.to_le_bytes().as_slice())?;
        }
        transaction.commit()?;
        Ok(rows)
    }
}

impl Store for RedbStore {
    fn load(
        &mut self,
        take: &mut dyn FnMut(u64, Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut refused = None;
        guarded(&self.path, || {
            let table = self.database.begin_read()?.open_table(ROWS)?;
            let mut expected = 0;
            for row in table.range(..END)? {
                let (row, record) = row?;
                if row.value() != expected {
                    return Err(Fault::Damage(format!("record {expected} is missing")));
                }
                if let Err(error) = take(expected, Bytes::copy_from_slice(record.value())) {
                    refused = Some(error);
                    return Ok(());
                }
                expected += 1;
            }
            if expected == self.rows {
                return Ok(());
            }
            Err(Fault::Damage(format!("{expected} of {} records are there", self.rows)))
        })?;
        refused.map_or(Ok(()), Err)
    }

    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError> {
        let failed = |what| StoreError::Failed { path: self.path.clone(), what };
        match catch_unwind(AssertUnwindSafe(|| self.commit(records))) {
            Ok(Ok(rows)) => {
                self.rows = rows;
                Ok(())
            }
            Ok(Err(fault)) => Err(failed(fault.to_string())),
            Err(_) => Err(failed("the database panicked".to_owned())),
        }
    }

    fn name(&self) -> PathBuf {
        self.path.clone()
    }
}

/// What went wrong inside the database.
enum Fault {
    Damage(String),
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
        Ok(Err(Fault::Io(source))) if source.kind() != io::ErrorKind::UnexpectedEof => {
            Err(StoreError::Unusable { path, source })
        }
        Ok(Err(fault)) => Err(StoreError::Damaged { path, what: fault.to_string() }),
        Err(_) => Err(StoreError::Damaged { path, what: "its pages make no sense".to_owned() }),
    }
}

fn count(database: &Database) -> Result<u64, Fault> {
    let table = database.begin_read()?.open_table(ROWS)?;
    let end = table.get(END)?;
    let rows = end.and_then(|end| Some(u64::from_le_bytes(end.value().try_into().ok()?)));
    rows.ok_or_else(|| Fault::Damage("the number of records is missing".to_owned()))
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
        transaction.open_table(ROWS)?.insert(END, 0u64.to_le_bytes().as_slice())?;
        transaction.commit()?;
        Ok(())
    })?;
    let sync = File::open(&unfinished).and_then(|file| file.sync_all());
    sync.map_err(unusable(&unfinished))?;
    fs::rename(&unfinished, path).map_err(unusable(path))?;
    sync_folder(folder).map_err(unusable(folder))
}
