//! Where a node's writes are kept.

mod folder;
mod redb;
mod snapshots;
mod tables;

use std::io;
use std::path::PathBuf;

use raftcore::{
    Chunk, Entries, FORMAT_VERSION, Identity, LogIndex, LogRequest, SnapshotId, Stored, Write,
};
use thiserror::Error;

pub use self::folder::{FolderLock, LOCK_NAME};
pub use self::redb::{FILE_NAME, RedbStore};

/// Keeps what one node writes. The disk's thread is the only one that calls.
pub trait Store: Send + 'static {
    /// What is stored, for a start; `None` if nothing is. Deletes what earlier lives left of snapshots
    /// that were never finished.
    ///
    /// # Errors
    /// [`StoreError`] if it is damaged or another node's.
    fn load(&mut self, expected: Identity) -> Result<Option<Stored>, StoreError>;

    /// Carries out writes in order and returns when all of them survive a crash: one sync for all.
    ///
    /// # Errors
    /// [`StoreError`]; the store is not used again afterwards.
    fn append(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Entries from `first` on: at least two of them if so many are wanted, else until `max_bytes`
    /// are reached.
    ///
    /// # Errors
    /// [`StoreError`] if they are not here, or damaged.
    fn read_log(&mut self, request: &LogRequest) -> Result<Entries, StoreError>;

    /// Keeps a piece of a snapshot that is being taken here at `index`, durably. Pieces come in order; offset
    /// 0 begins anew. The write that names the snapshot comes after the last one.
    ///
    /// # Errors
    /// [`StoreError`]; the store is not used again afterwards.
    fn save_snapshot(
        &mut self,
        index: LogIndex,
        offset: u64,
        piece: &[u8],
    ) -> Result<(), StoreError>;

    /// Bytes of a named snapshot: at most `max_bytes`, and some unless it ends before `offset`.
    ///
    /// # Errors
    /// [`StoreError`] if it is not here, or damaged.
    fn read_snapshot(
        &mut self,
        id: SnapshotId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<Chunk, StoreError>;

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
    /// The data are of a format that this program does not read.
    #[error(
        "{} has format version {version}, this program reads {FORMAT_VERSION}; nothing was changed: start the node with the version that wrote it",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u8,
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
