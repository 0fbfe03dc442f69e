//! Where a node's writes are kept.

mod folder;
mod redb;

use std::io;
use std::path::PathBuf;

use bytes::Bytes;
use raftcore::{Identity, Stored, Write};
use thiserror::Error;

pub use self::folder::{FolderLock, LOCK_NAME};
pub use self::redb::{FILE_NAME, RedbStore};

/// Keeps the records of one node's writes, in order.
///
/// A record is [`Write::encode`], unchanged. The disk's thread is the only one that calls.
pub trait Store: Send + 'static {
    /// Gives every record to `take`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if a record cannot be read, and whatever `take` returns.
    fn load(
        &mut self,
        take: &mut dyn FnMut(u64, Bytes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Appends records in order and returns when all of them survive a crash: one sync for all.
    ///
    /// # Errors
    /// [`StoreError`]; the store is not used again afterwards.
    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), StoreError>;

    /// What to call this store in an error message.
    fn name(&self) -> PathBuf;
}

/// Why a store cannot be used. Each names the file or folder it is about.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or a file in it cannot be created, opened, read or written.
    #[error("cannot use {}: {source}; check the path and its permissions", path.display())]
    Unusable {
        /// Folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process works in the folder.
    #[error("{} is used by another process; stop it or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The data belong to another node or group.
    #[error(
        "{} belongs to node {} of group {}, not to node {} of group {}; nothing was changed: give the folder of this node",
        path.display(), found.node, found.group, expected.node, expected.group
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: Identity,
        /// Whose it should be.
        expected: Identity,
    },
    /// The data belong to a group of other members.
    #[error(
        "{} belongs to a group of nodes {found}, but nodes {expected} are configured; nothing was changed: name the same members",
        path.display()
    )]
    OtherMembers {
        /// The file.
        path: PathBuf,
        /// The members that are stored.
        found: String,
        /// The members that are configured.
        expected: String,
    },
    /// The data cannot be what was written.
    #[error(
        "{} is damaged: {what}; nothing was changed: do not start this node from it again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A write did not become durable.
    #[error("cannot write {}: {what}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Folds what a store holds; `None` if it holds nothing, or a first write that was torn.
///
/// # Errors
/// [`StoreError`] if the records are damaged or another node's.
pub fn load(store: &mut impl Store, expected: Identity) -> Result<Option<Stored>, StoreError> {
    let path = store.name();
    let mut stored = Stored::empty();
    store.load(&mut |row, record| {
        let damaged = |what: String| StoreError::Damaged {
            path: path.clone(),
            what: format!("record {row}: {what}"),
        };
        let (write, length) = Write::decode(&record).map_err(|error| damaged(error.to_string()))?;
        if length != record.len() {
            return Err(damaged("bytes left over".to_owned()));
        }
        if write.identity != expected {
            let (path, found) = (path.clone(), write.identity);
            return Err(StoreError::Foreign { path, found, expected });
        }
        stored.replay(write).map_err(|error| damaged(error.to_string()))
    })?;
    Ok((!stored.is_empty()).then_some(stored))
}
