//! A disk: writes in order, each pending or synced, and what a crash makes of them.

use std::collections::VecDeque;

use bytes::Bytes;
use raftcore::{Entries, LogRequest, Stored, StoredError, Unavailable, Write};

use crate::config::Plan;
use crate::faults::{FaultCounts, FaultKind};
use crate::property::{Checked, Property, broken};
use crate::rng::Rng;
use crate::shelf::{SNAPSHOT_BYTES_MAX, Shelf};

/// A write that was issued and is not yet durable.
enum Pending {
    Value(Write),
    Record { sequence: u64, record: Bytes },
}

impl Pending {
    const fn sequence(&self) -> u64 {
        match self {
            Self::Value(write) => write.id.sequence,
            Self::Record { sequence, .. } => *sequence,
        }
    }

    fn read(self, host: usize) -> Checked<Write> {
        match self {
            Self::Value(write) => Ok(write),
            Self::Record { sequence, record } => match Write::decode(&record) {
                Ok((write, length)) if length == record.len() && write.id.sequence == sequence => {
                    Ok(write)
                }
                other => {
                    let detail = format!("a record does not read back: {other:?}");
                    broken(Property::CodecRoundTrip, host, detail)
                }
            },
        }
    }
}

/// The disk of one host.
pub(crate) struct Disk {
    host: usize,
    codec: bool,
    durable: Stored,
    pub(crate) shelf: Shelf,
    pending: VecDeque<Pending>,
    /// Some restarts fold every record again.
    refolds: bool,
    /// Somebody wants a recording.
    record: bool,
    /// Every record ever made durable, if anybody needs them.
    journal: Option<Vec<Bytes>>,
    /// When the last issued write will be durable.
    pub(crate) busy_until: u64,
    /// The next sync fails.
    pub(crate) fails: bool,
}

impl Disk {
    /// An empty disk; `codec` keeps records instead of values, `record` keeps them for good.
    pub(crate) fn new(host: usize, plan: &Plan, record: bool) -> Self {
        let Plan { codec, refolds, damages, .. } = *plan;
        Self {
            host,
            codec,
            refolds,
            record,
            durable: Stored::empty(),
            shelf: Shelf::default(),
            pending: VecDeque::new(),
            journal: (refolds || record || damages).then(Vec::new),
            busy_until: 0,
            fails: false,
        }
    }

    /// How many writes are issued and not durable.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes a write; gives a digest of it.
    pub(crate) fn issue(&mut self, write: Write) -> u64 {
        if !self.codec {
            let digest = write.id.sequence ^ write.entries.last().0 << 20;
            self.pending.push_back(Pending::Value(write));
            return digest;
        }
        let record = write.encode();
        let digest = record.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let sequence = write.id.sequence;
        self.pending.push_back(Pending::Record { sequence, record: record.into() });
        digest
    }

    /// The oldest pending write reaches the disk; hand it to [`keep`](Self::keep).
    pub(crate) fn sync(&mut self, sequence: u64) -> Checked<Option<Write>> {
        match self.pending.front() {
            Some(oldest) if oldest.sequence() == sequence => {}
            _ => return Ok(None),
        }
        self.pending.pop_front().map(|oldest| oldest.read(self.host)).transpose()
    }

    /// Folds a durable write into the durable state.
    pub(crate) fn keep(&mut self, write: Write) -> Checked {
        if let Some(journal) = &mut self.journal {
            journal.push(write.encode().into());
        }
        self.shelf.keep(self.host, &write)?;
        self.durable.replay(write).or_else(|error| {
            let detail = format!("a durable write does not fold: {error}");
            broken(Property::Restartable, self.host, detail)
        })
    }

    /// What the disk holds of its log.
    pub(crate) fn read_log(&mut self, asked: &LogRequest) -> Result<Entries, Unavailable> {
        self.durable.read(asked)
    }

    /// A crash: some of the pending writes survive, the last of them perhaps in part; all of them
    /// do if the machine stays up and only the process ends.
    pub(crate) fn crash(
        &mut self,
        rng: &mut Rng,
        counts: &mut FaultCounts,
        machine_survives: bool,
    ) -> Checked<Vec<Write>> {
        let pending = core::mem::take(&mut self.pending);
        let count = pending.len();
        let whole = if machine_survives { count } else { rng.below(count as u64 + 1) as usize };
        let mut survivors = Vec::with_capacity(count);
        for (place, write) in pending.into_iter().enumerate() {
            if place < whole {
                survivors.push(write.read(self.host)?);
                continue;
            }
            counts[FaultKind::LostWrite] += 1;
            if place > whole || rng.chance(300) {
                continue;
            }
            if let Pending::Record { record, .. } = &write
                && rng.chance(300)
            {
                torn_record_is_recognised(self.host, record, rng)?;
                counts[FaultKind::TornEntries] += 1;
                continue;
            }
            let write = write.read(self.host)?;
            self.shelf.torn(&write, rng.below(SNAPSHOT_BYTES_MAX) as usize);
            survivors.extend(tear(write, rng, counts));
        }
        self.fails = false;
        Ok(survivors)
    }

    /// What a restart reads; and the records it comes from, if they are kept.
    pub(crate) fn read(&self, rng: &mut Rng) -> Checked<(Stored, Vec<Bytes>)> {
        if self.refolds && rng.chance(500) {
            let decode = |record: &Bytes| match Write::decode(record) {
                Ok((write, _)) => Ok(write),
                Err(error) => {
                    broken(Property::CodecRoundTrip, self.host, format!("a stored record: {error}"))
                }
            };
            let writes = self.journal.iter().flatten().map(decode).collect::<Checked<Vec<_>>>()?;
            return Ok((self.same(self.fold(writes)?)?, self.records()));
        }
        if rng.chance(150) {
            let checkpoint = self.durable.checkpoint().or_else(|error| {
                broken(Property::Restartable, self.host, format!("no checkpoint: {error}"))
            })?;
            let records = if self.record { checkpoint.as_slice() } else { &[] };
            let records = records.iter().map(|write| write.encode().into()).collect();
            return Ok((self.same(self.fold(checkpoint)?)?, records));
        }
        Ok((self.durable.clone(), self.records()))
    }

    /// Records to be damaged: all there ever were, or the few that say the same.
    pub(crate) fn records_to_damage(&self, rng: &mut Rng) -> Vec<Bytes> {
        match &self.journal {
            Some(journal) if rng.chance(700) => journal.clone(),
            _ => {
                let checkpoint = self.durable.checkpoint().unwrap_or_default();
                checkpoint.iter().map(|write| write.encode().into()).collect()
            }
        }
    }

    /// How a fold differs from what was made durable, if it does. That the newest snapshot or the
    /// newest deletion is unknown does no harm: the log begins earlier then. That the last write of a
    /// life is missing, which put entries in the place of as many others, cannot be noticed: what
    /// comes later names the end of the log, and that is where it was. What is left of a log does not
    /// matter where a crash came between a received snapshot and the reset that goes with it: the
    /// start replaces that log.
    pub(crate) fn differs_from(&self, stored: &Stored) -> Option<String> {
        let end = |stored: &Stored| match stored.snapshot() {
            Some(meta) if stored.term_at(meta.id.index) != Some(meta.id.term) => Err(meta.id),
            _ => Ok(stored.last().index),
        };
        let said = |stored: &Stored| (stored.identity(), stored.hard_state(), end(stored));
        let (found, durable) = (said(stored), said(&self.durable));
        let unacknowledged = durable.2.is_err() && found.2 == Ok(self.durable.last().index);
        let same =
            found == durable || (found.0, found.1) == (durable.0, durable.1) && unacknowledged;
        (!same).then(|| format!("{found:?} for {durable:?}"))
    }

    fn records(&self) -> Vec<Bytes> {
        self.journal.as_ref().filter(|_| self.record).cloned().unwrap_or_default()
    }

    fn fold(&self, writes: Vec<Write>) -> Checked<Stored> {
        let mut stored = Stored::empty();
        writes.into_iter().try_for_each(|write| stored.replay(write)).or_else(
            |error: StoredError| {
                let detail = format!("stored writes do not fold: {error}");
                broken(Property::Restartable, self.host, detail)
            },
        )?;
        Ok(stored)
    }

    fn same(&self, folded: Stored) -> Checked<Stored> {
        let said = |stored: &Stored| {
            let last = stored.last();
            let checksum = stored.entry(last.index).map(|entry| entry.checksum);
            let checkpoint = stored.checkpoint().unwrap_or_default();
            let base = checkpoint.first().and_then(|write| write.snapshot.clone());
            let snapshot = stored.snapshot().cloned();
            (stored.identity(), stored.hard_state(), last, checksum, base, snapshot)
        };
        if said(&folded) == said(&self.durable) {
            return Ok(folded);
        }
        let detail = format!("folds to {:?}, not to {:?}", said(&folded), said(&self.durable));
        broken(Property::Restartable, self.host, detail)
    }
}

/// Cuts a record between two bytes; that must be seen as a torn tail, which is then cut off.
fn torn_record_is_recognised(host: usize, record: &Bytes, rng: &mut Rng) -> Checked {
    let torn = record.slice(..rng.below(record.len() as u64) as usize);
    match Write::decode(&torn) {
        Err(raftcore::DecodeError::Truncated) => Ok(()),
        other => {
            let detail = format!("{} of {} bytes read as {other:?}", torn.len(), record.len());
            broken(Property::CodecRoundTrip, host, detail)
        }
    }
}

/// What is left of a write that was torn between two of its fields, or within its entries.
pub(crate) fn tear(mut write: Write, rng: &mut Rng, counts: &mut FaultCounts) -> Option<Write> {
    let fields = [
        write.hard_state.is_some(),
        write.snapshot_chunk.is_some(),
        write.snapshot.is_some(),
        write.reset_log_to.is_some(),
        write.truncate_from.is_some(),
        !write.entries.is_empty(),
        write.discard_through.is_some(),
        write.release_snapshots_below.is_some(),
    ];
    let count = fields.iter().filter(|&&there| there).count() as u64;
    let mut left = rng.below(count.max(1));
    let reached = fields[..5].iter().filter(|&&there| there).count() as u64 == left;
    let [state, chunk, snapshot, reset, truncate, entries, discard, release] =
        fields.map(|there| {
            let keep = there && left > 0;
            left -= u64::from(keep);
            keep
        });
    write.hard_state = write.hard_state.filter(|_| state);
    write.snapshot_chunk = write.snapshot_chunk.filter(|_| chunk);
    write.snapshot = write.snapshot.filter(|_| snapshot);
    write.reset_log_to = write.reset_log_to.filter(|_| reset);
    write.truncate_from = write.truncate_from.filter(|_| truncate);
    write.discard_through = write.discard_through.filter(|_| discard);
    write.release_snapshots_below = write.release_snapshots_below.filter(|_| release);
    if !entries {
        let keep = if reached { rng.below(write.entries.len() as u64) } else { 0 };
        if keep > 0 {
            counts[FaultKind::TornEntries] += 1;
        }
        write.entries = first_entries(&write.entries, keep as usize);
    }
    if write == Write::empty(write.identity, write.id) {
        return None;
    }
    counts[FaultKind::TornWrite] += 1;
    Some(write)
}

/// A run's first entries.
pub(crate) fn first_entries(entries: &Entries, count: usize) -> Entries {
    if count == 0 {
        return Entries::default();
    }
    let begin = entries.bytes().as_ptr() as usize;
    let end = entries
        .iter()
        .nth(count - 1)
        .map_or(begin, |entry| entry.payload.as_ptr() as usize + entry.payload.len());
    let bytes = entries.bytes().slice(..end - begin);
    Entries::decode(entries.first(), count as u32, bytes).unwrap_or_default()
}
