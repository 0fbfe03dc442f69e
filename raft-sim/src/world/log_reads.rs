//! Reads of the log: what a host gives back to its node from its disk, and when.

use raftcore::{Entries, LogReadId, LogRequest, Unavailable};

use super::{Checked, Event, FaultKind, Property, World, broken, note};
use crate::disk::first_entries;

/// An answer on its way from the disk to the node.
#[derive(Clone)]
pub(crate) struct Answer {
    number: u64,
    request: LogReadId,
    entries: Result<Entries, Unavailable>,
}

impl World {
    /// The disk reads at once what a node asks for, and tells it later: perhaps only a part, or
    /// that it cannot, or twice.
    pub(super) fn read_log(&mut self, host: usize, asked: LogRequest) -> Checked {
        note!(self, "n{} asks its disk for {} to {}", host + 1, asked.first, asked.last);
        self.counts[FaultKind::LogRead] += 1;
        let durable = self.checks.image(host).last();
        let mut entries = self.hosts[host].disk.read_log(&asked);
        let Ok(read) = &entries else {
            let detail = format!("asks for {asked:?}, but {durable} is the last on its disk");
            return broken(Property::ContractKept, host, detail);
        };
        if asked.first > asked.last || asked.last.0 > durable {
            let detail = format!("asks for {asked:?}, {durable} is durable");
            return broken(Property::ContractKept, host, detail);
        }
        let mut takes = self.rng.between(1, self.hosts[host].habits.sync_max);
        if self.weather.rough {
            if self.rng.chance(300) {
                self.counts[FaultKind::ShortLogRead] += 1;
                let keep = self.rng.below(read.len() as u64 + 1) as usize;
                entries = Ok(first_entries(read, keep));
            } else if self.rng.chance(150) {
                self.counts[FaultKind::FailedLogRead] += 1;
                entries = Err(Unavailable);
            }
            if self.rng.chance(150) {
                self.counts[FaultKind::SlowLogRead] += 1;
                takes += self.rng.between(1, self.weather.trouble_max);
            }
            if self.rng.chance(100) {
                self.counts[FaultKind::RepeatedAnswer] += 1;
                let later = takes + self.rng.between(1, self.weather.trouble_max);
                self.answer_in(host, later, asked.id, entries.clone());
            }
        }
        self.answer_in(host, takes, asked.id, entries);
        Ok(())
    }

    fn answer_in(
        &mut self,
        host: usize,
        units: u64,
        request: LogReadId,
        entries: Result<Entries, Unavailable>,
    ) {
        let state = &mut self.hosts[host];
        state.answered += 1;
        let (life, number) = (state.life, state.answered);
        state.answers.push(Answer { number, request, entries });
        self.queue.push(self.now + units, Event::Answer { host: host as u8, life, number });
    }

    pub(super) fn answer(&mut self, host: usize, number: u64) -> Checked {
        self.fresh_clock(host)?;
        let state = &mut self.hosts[host];
        let Some(at) = state.answers.iter().position(|answer| answer.number == number) else {
            return Ok(());
        };
        let Answer { request, entries, .. } = state.answers.swap_remove(at);
        let Some(driver) = &mut state.driver else { return Ok(()) };
        if let Err(error) = driver.log_read(request, entries) {
            return broken(Property::ContractKept, host, error.to_string());
        }
        self.observe(host)?;
        self.poll_soon(host)
    }
}
