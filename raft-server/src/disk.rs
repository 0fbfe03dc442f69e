//! The disk's thread: carries out writes, and reads what the node asks back.

use core::sync::atomic::Ordering::Relaxed;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;

use bytes::Bytes;
use raftcore::{
    Chunk, ChunkId, ChunkRequest, Entries, LogIndex, LogReadId, LogRequest, SnapshotMeta,
    Unavailable, Write, WriteId,
};
use tokio::sync::mpsc;
use tracing::warn;

use crate::server::StoreCounts;
use crate::store::{Store, StoreError};

/// Bytes of a snapshot saved with one sync: other writes go in between.
const PIECE_BYTES: usize = 256 << 10;

/// What the driver asks of the disk.
#[derive(Debug)]
pub(crate) enum Job {
    Write(Write),
    ReadLog(LogRequest),
    ReadSnapshot(ChunkRequest),
    /// The whole of a named snapshot, for the state machine.
    Load(Box<SnapshotMeta>),
    /// Keep a snapshot that the state machine gave at an index.
    Save {
        index: LogIndex,
        bytes: Bytes,
    },
}

/// What the disk's thread reports.
#[derive(Debug)]
pub(crate) enum Completion {
    Persisted(WriteId),
    LogRead(LogReadId, Result<Entries, Unavailable>),
    SnapshotRead(ChunkId, Result<Chunk, Unavailable>),
    Loaded(Box<SnapshotMeta>, Bytes),
    Saved(LogIndex),
    Failed(StoreError),
}

/// The driver's end of the thread.
#[derive(Debug)]
pub(crate) struct Disk {
    jobs: blocking::Sender<Job>,
    thread: JoinHandle<()>,
}

impl Disk {
    pub(crate) fn start(
        store: impl Store,
        completed: mpsc::UnboundedSender<Completion>,
        counts: Arc<StoreCounts>,
    ) -> io::Result<Self> {
        let (jobs, queue) = blocking::channel();
        let work = move || {
            let mut worker = Worker { store, completed, counts, saving: None };
            // The end of the queue, and of the driver, is the end of the thread.
            if let Err(Some(error)) = worker.run(&queue) {
                let _ = worker.completed.send(Completion::Failed(error));
            }
        };
        let thread = std::thread::Builder::new().name("raftcore-disk".to_owned()).spawn(work)?;
        Ok(Self { jobs, thread })
    }

    /// Hands a job over. `false`: the thread has ended, and has said why.
    pub(crate) fn ask(&self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// Finishes what was handed over, and ends the thread.
    pub(crate) async fn finish(self) {
        drop(self.jobs);
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// A snapshot that is being saved.
struct Saving {
    index: LogIndex,
    bytes: Bytes,
    offset: usize,
}

struct Worker<S> {
    store: S,
    completed: mpsc::UnboundedSender<Completion>,
    counts: Arc<StoreCounts>,
    saving: Option<Saving>,
}

/// The end of the thread: a failed store, or nobody who listens.
type End = Option<StoreError>;

impl<S: Store> Worker<S> {
    fn run(&mut self, queue: &blocking::Receiver<Job>) -> Result<(), End> {
        loop {
            let first = match (queue.try_recv(), &self.saving) {
                (Ok(job), _) => Some(job),
                (Err(blocking::TryRecvError::Empty), Some(_)) => None,
                (Err(blocking::TryRecvError::Empty), None) => Some(queue.recv().map_err(|_| None)?),
                (Err(blocking::TryRecvError::Disconnected), _) => return Ok(()),
            };
            let mut jobs: VecDeque<Job> = first.into_iter().chain(queue.try_iter()).collect();
            while let Some(job) = jobs.pop_front() {
                match job {
                    Job::Write(write) => {
                        let mut writes = vec![write];
                        while let Some(Job::Write(_)) = jobs.front() {
                            if let Some(Job::Write(write)) = jobs.pop_front() {
                                writes.push(write);
                            }
                        }
                        self.write(&writes)?;
                    }
                    Job::ReadLog(request) => {
                        let entries = available(self.store.read_log(&request));
                        self.report(Completion::LogRead(request.id, entries))?;
                    }
                    Job::ReadSnapshot(ChunkRequest { id, snapshot, offset, max_bytes }) => {
                        let chunk = self.store.read_snapshot(snapshot, offset, max_bytes);
                        self.report(Completion::SnapshotRead(id, available(chunk)))?;
                    }
                    Job::Load(meta) => {
                        let chunk = self.store.read_snapshot(meta.id, 0, usize::MAX)?;
                        self.report(Completion::Loaded(meta, chunk.data))?;
                    }
                    Job::Save { index, bytes } => {
                        self.saving = Some(Saving { index, bytes, offset: 0 });
                    }
                }
            }
            self.save()?;
        }
    }

    fn report(&self, completion: Completion) -> Result<(), End> {
        self.completed.send(completion).map_err(|_| None)
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), End> {
        self.store.append(writes)?;
        self.counts.syncs.fetch_add(1, Relaxed);
        self.counts.writes.fetch_add(writes.len() as u64, Relaxed);
        let bytes = |write: &Write| {
            let chunk = write.snapshot_chunk.as_ref().map_or(0, |chunk| chunk.data.len());
            (write.entries.bytes().len() + chunk) as u64
        };
        self.counts.bytes.fetch_add(writes.iter().map(bytes).sum(), Relaxed);
        let newest = writes.iter().rev().find_map(|write| write.snapshot.as_ref());
        if let Some(meta) = newest {
            self.counts.snapshot_index.store(meta.id.index.get(), Relaxed);
        }
        match writes.last() {
            Some(last) => self.report(Completion::Persisted(last.id)),
            None => Ok(()),
        }
    }

    /// Saves the next piece of a snapshot.
    fn save(&mut self) -> Result<(), End> {
        let Some(mut saving) = self.saving.take() else { return Ok(()) };
        let rest = saving.bytes.slice(saving.offset..);
        let piece = rest.slice(..rest.len().min(PIECE_BYTES));
        self.store.save_snapshot(saving.index, saving.offset as u64, &piece)?;
        saving.offset += piece.len();
        if saving.offset < saving.bytes.len() {
            self.saving = Some(saving);
            return Ok(());
        }
        self.report(Completion::Saved(saving.index))
    }
}

fn available<T>(read: Result<T, StoreError>) -> Result<T, Unavailable> {
    read.map_err(|error| {
        warn!(%error, "cannot be read");
        Unavailable
    })
}
