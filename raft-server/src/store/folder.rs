//! A data folder: created durably, used by one process at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use super::StoreError;

/// The name of the file whose lock says that the folder is in use.
pub const LOCK_NAME: &str = "raftcore.lock";

/// A folder that this process has for itself, until this value is dropped or the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Creates the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] and [`StoreError::InUse`].
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        create_folder(folder).map_err(unusable(folder))?;
        let path = folder.join(LOCK_NAME);
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Unusable { path, source }),
        }
    }
}

pub(super) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Unusable { path, source }
}

/// Creates the folder and its missing parents, each made durable in its parent.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_folder(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        result => result?,
    }
    sync_folder(parent)
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
