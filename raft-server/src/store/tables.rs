//! The tables of the store: the fold of all writes, kept up to date.
//!
//! What `STATE` and `LOG` hold is what [`Stored::checkpoint`] would say: where the log begins, its
//! entries, the newest snapshot. So a start reads what is needed and no more, and an entry that is
//! discarded is gone from the file.

use bytes::Bytes;
use raftcore::{
    DecodeError, Entries, HardState, Identity, LogIndex, SnapshotMeta, Stored, Write, WriteId,
};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::redb::Fault;
use super::snapshots::{self, Snapshots};

pub(super) type State = &'static str;
pub(super) const STATE: TableDefinition<'_, State, &[u8]> = TableDefinition::new("state");
pub(super) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

/// The name of the last write, with term, vote and incarnation: a write's record.
const HARD_STATE: State = "hard state";
/// What the log begins after, in the form of a snapshot: a write's record.
const BEGINNING: State = "beginning";
/// The newest snapshot: a write's record.
const SNAPSHOT: State = "snapshot";
/// The last entry of the log, so that a file that lost some cannot pass for a shorter one.
const END: State = "end";

/// Entries folded at one time, in bytes.
const BATCH_BYTES: usize = 1 << 20;
/// Entries kept in memory while a log is folded, in bytes; a node reads others again when it needs them.
const FOLD_BYTES: usize = 64 << 20;

/// The tables, open for a change.
pub(super) struct Tables<'t> {
    state: Table<'t, State, &'static [u8]>,
    log: Table<'t, u64, &'static [u8]>,
    pub(super) snapshots: Snapshots<'t>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            state: transaction.open_table(STATE)?,
            log: transaction.open_table(LOG)?,
            snapshots: Snapshots {
                names: transaction.open_table(snapshots::NAMES)?,
                pieces: transaction.open_table(snapshots::PIECES)?,
            },
        })
    }

    /// Carries out writes, field by field in the order of a write.
    pub(super) fn carry_out(&mut self, writes: &[Write]) -> Result<(), Fault> {
        let Some(last) = writes.last() else { return Ok(()) };
        let new = writes.iter().rev().find_map(|write| write.hard_state);
        let hard_state = match (new, record(&self.state, HARD_STATE)?) {
            (Some(new), _) => Some(new),
            (None, stored) => stored.and_then(|write| write.hard_state),
        };
        let mut head = Write::empty(last.identity, last.id);
        head.hard_state = hard_state;
        self.state.insert(HARD_STATE, head.encode().as_slice())?;
        for write in writes {
            self.change(write, hard_state)?;
        }
        let end = match self.log.last()? {
            Some((index, _)) => index.value(),
            None => beginning(&self.state)?.map_or(0, |meta| meta.id.index.get()),
        };
        self.state.insert(END, end.to_le_bytes().as_slice())?;
        Ok(())
    }

    fn change(&mut self, write: &Write, hard_state: Option<HardState>) -> Result<(), Fault> {
        if let Some(chunk) = &write.snapshot_chunk {
            self.snapshots.receive(chunk)?;
        }
        if let Some(meta) = &write.snapshot {
            self.snapshots.name(meta, write.identity.node)?;
            self.insert_meta(SNAPSHOT, write, meta)?;
            if self.state.get(BEGINNING)?.is_none() {
                self.insert_meta(BEGINNING, write, meta)?;
            }
        }
        if write.reset_log_to.is_some() {
            self.log.retain(|_, _| false)?;
            let newest = meta(&self.state, SNAPSHOT)?.ok_or_else(nothing_to_reset_to)?;
            self.insert_meta(BEGINNING, write, &newest)?;
        }
        if let Some(from) = write.truncate_from {
            self.log.retain_in(from.get().., |_, _| false)?;
        }
        for (index, bytes) in write.entries.records() {
            self.log.insert(index.get(), &bytes[..])?;
        }
        if let Some(through) = write.discard_through {
            self.discard(write, hard_state, through)?;
        }
        if let Some(newest) = write.release_snapshots_below {
            self.snapshots.release_below(newest)?;
        }
        Ok(())
    }

    fn insert_meta(&mut self, key: State, by: &Write, meta: &SnapshotMeta) -> Result<(), Fault> {
        let mut write = Write::empty(by.identity, by.id);
        write.snapshot = Some(Box::new(meta.clone()));
        self.state.insert(key, write.encode().as_slice())?;
        Ok(())
    }

    /// Deletes the first entries. What they say of checksums and memberships is folded into the new
    /// beginning.
    fn discard(
        &mut self,
        by: &Write,
        hard_state: Option<HardState>,
        through: LogIndex,
    ) -> Result<(), Fault> {
        let (Some(old), Some(newest)) = (beginning(&self.state)?, meta(&self.state, SNAPSHOT)?)
        else {
            return Err(nothing_to_reset_to());
        };
        if through <= old.id.index {
            return Ok(());
        }
        let mut fold = Fold::begin(by.identity, by.id, hard_state, &old)?;
        fold.entries(&self.log, old.id.index.next(), through)?;
        fold.snapshot(newest)?;
        fold.replay(|write| write.discard_through = Some(through))?;
        let head = fold.stored.checkpoint().map_err(|error| Fault::Damage(error.to_string()))?;
        if let Some(new) = head.first().and_then(|write| write.snapshot.as_deref()) {
            self.insert_meta(BEGINNING, by, new)?;
        }
        self.log.retain_in(..=through.get(), |_, _| false)?;
        Ok(())
    }
}

fn nothing_to_reset_to() -> Fault {
    Fault::Damage("the beginning of the log is missing".to_owned())
}

fn record(
    state: &impl ReadableTable<State, &'static [u8]>,
    key: State,
) -> Result<Option<Write>, Fault> {
    let Some(value) = state.get(key)? else { return Ok(None) };
    let record = Bytes::copy_from_slice(value.value());
    match Write::decode(&record) {
        Ok((write, length)) if length == record.len() => Ok(Some(write)),
        Ok(_) => Err(Fault::Damage(format!("{key}: bytes left over"))),
        Err(DecodeError::UnknownVersion { version }) => Err(Fault::OtherFormat(version)),
        Err(error) => Err(Fault::Damage(format!("{key}: {error}"))),
    }
}

fn meta(
    state: &impl ReadableTable<State, &'static [u8]>,
    key: State,
) -> Result<Option<SnapshotMeta>, Fault> {
    Ok(record(state, key)?.and_then(|write| write.snapshot).map(|meta| *meta))
}

fn beginning(
    state: &impl ReadableTable<State, &'static [u8]>,
) -> Result<Option<SnapshotMeta>, Fault> {
    meta(state, BEGINNING)
}

/// Whose data these are, if there are any.
pub(super) fn owner(
    state: &impl ReadableTable<State, &'static [u8]>,
) -> Result<Option<Identity>, Fault> {
    Ok(record(state, HARD_STATE)?.map(|write| write.identity))
}

/// Folds what is stored.
pub(super) fn fold(
    state: &impl ReadableTable<State, &'static [u8]>,
    log: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Option<Stored>, Fault> {
    let Some(head) = record(state, HARD_STATE)? else {
        return match log.first()? {
            Some(_) => Err(Fault::Damage("the hard state is missing".to_owned())),
            None => Ok(None),
        };
    };
    let (Some(begin), Some(newest)) = (beginning(state)?, meta(state, SNAPSHOT)?) else {
        return Err(nothing_to_reset_to());
    };
    let end = state.get(END)?.and_then(|end| end.value().try_into().ok().map(u64::from_le_bytes));
    let mut fold = Fold::begin(head.identity, head.id, head.hard_state, &begin)?;
    fold.entries(log, begin.id.index.next(), LogIndex(u64::MAX))?;
    if newest != begin {
        fold.snapshot(newest)?;
    }
    let last = fold.stored.last().index.get();
    if end != Some(last) {
        return Err(Fault::Damage(format!("the log ends at entry {last}, not where it should")));
    }
    Ok(Some(fold.stored))
}

/// A fold of rows.
struct Fold {
    identity: Identity,
    id: WriteId,
    stored: Stored,
}

impl Fold {
    fn begin(
        identity: Identity,
        id: WriteId,
        hard_state: Option<HardState>,
        beginning: &SnapshotMeta,
    ) -> Result<Self, Fault> {
        let mut fold = Self { identity, id, stored: Stored::empty() };
        fold.replay(|write| {
            write.hard_state = hard_state;
            write.snapshot = Some(Box::new(beginning.clone()));
        })?;
        Ok(fold)
    }

    fn replay(&mut self, fill: impl FnOnce(&mut Write)) -> Result<(), Fault> {
        let mut write = Write::empty(self.identity, self.id);
        fill(&mut write);
        self.stored.replay(write).map_err(|error| Fault::Damage(error.to_string()))
    }

    fn snapshot(&mut self, newest: SnapshotMeta) -> Result<(), Fault> {
        self.replay(|write| write.snapshot = Some(Box::new(newest)))
    }

    fn entries(
        &mut self,
        log: &impl ReadableTable<u64, &'static [u8]>,
        first: LogIndex,
        last: LogIndex,
    ) -> Result<(), Fault> {
        let mut next = first;
        while next <= last {
            let entries = run(log, next, last, BATCH_BYTES)?;
            if entries.is_empty() {
                break;
            }
            next = entries.last().next();
            self.replay(|write| write.entries = entries)?;
            if last == LogIndex(u64::MAX) {
                self.stored.trim(FOLD_BYTES);
            }
        }
        Ok(())
    }
}

/// Consecutive entries from `first` on: two, if there are as many, and more until the bytes are enough.
pub(super) fn run(
    log: &impl ReadableTable<u64, &'static [u8]>,
    first: LogIndex,
    last: LogIndex,
    max_bytes: usize,
) -> Result<Entries, Fault> {
    let (mut bytes, mut count, mut limit) = (Vec::new(), 0u32, max_bytes);
    for row in log.range(first.get()..=last.get())? {
        let (index, record) = row?;
        let expected = first.get() + u64::from(count);
        if index.value() != expected {
            return Err(Fault::Damage(format!("entry {expected} is missing")));
        }
        let record = record.value();
        match count {
            0 => limit = limit.saturating_add(record.len()),
            1 => {}
            _ if bytes.len() + record.len() > limit => break,
            _ => {}
        }
        bytes.extend_from_slice(record);
        count += 1;
    }
    Entries::decode(first, count, bytes.into()).map_err(|error| Fault::Damage(error.to_string()))
}
