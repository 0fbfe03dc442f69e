//! After the faults: a leader, a fresh proposal applied everywhere, equal logs, within a bound.

use raftcore::{EntryId, LogIndex, NodeId};

use super::{Checked, Property, UNITS_PER_TICK, Wish, World, broken, note};
use crate::property::Violation;
use crate::trace::Members;
use crate::weather::LATE_MAX;

/// Longest recovery, in longest election timeouts, twice as many if disks were lost and their nodes
/// must be replaced; [`TICKS_PER_PIECE`] come on top.
pub const RECOVERY_ELECTIONS: u64 = 10;
/// Ticks of recovery allowed for each append, write or apply in which the node furthest behind gets
/// what it lacks, on top of a heartbeat's: tight limits make that one per entry, and a full node asks for
/// a pause after each, which lasts until the next heartbeat.
pub const TICKS_PER_PIECE: u64 = 8;
/// Ticks after its end at which a host must have noticed that a read is over.
const READ_MARGIN_TICKS: u64 = 4;

impl World {
    /// Stops all faults and waits for the cluster to be well again.
    pub(super) fn recover(&mut self) -> Checked {
        note!(self, "the faults stop");
        if self.sim.faults
            && let Some(leader) = self.newest_leader()
        {
            let last = self.rng.pick(&[Wish::Transfer, Wish::Change, Wish::Read, Wish::Write]);
            if self.plan.changes || last != Wish::Change {
                self.wish(leader, last, 1)?;
            }
        }
        self.recovering = true;
        self.calm();
        let election_max =
            self.plan.configs.iter().map(|config| config.election_ticks_max).max().unwrap_or(1);
        let election_max = u64::from(election_max) * UNITS_PER_TICK;
        let paused = self.hosts.iter().map(|host| host.paused_until).max().unwrap_or(0);
        let quiet = self.now.max(paused) + 2 * LATE_MAX;
        while self.now < quiet
            || self.hosts.iter().any(|host| host.exists() && host.driver.is_none())
        {
            self.advance()?;
        }
        let begin = self.now;
        let heartbeat = self.plan.configs.iter().map(|config| config.heartbeat_ticks).max();
        let ticks = (TICKS_PER_PIECE + u64::from(heartbeat.unwrap_or(0))) * self.pieces_behind();
        let elections = RECOVERY_ELECTIONS * if self.plan.damages { 2 } else { 1 };
        let end = begin + elections * election_max + ticks * UNITS_PER_TICK;
        let mut fresh = None;
        loop {
            let next = self.now + UNITS_PER_TICK;
            while self.now < next {
                self.advance()?;
            }
            if self.recovered(&mut fresh)? {
                self.stats.recovery_ticks = (self.now - begin) / UNITS_PER_TICK;
                return self.settle();
            }
            if self.now > end && fresh.is_none() && self.plan.damages && !self.is_electable() {
                note!(self, "nobody can be elected: a lost disk's vote is needed");
                self.stats.unelectable = 1;
                return Ok(());
            }
            if self.now > end {
                return self.stuck(fresh, (self.now - begin) / UNITS_PER_TICK);
            }
        }
    }

    /// How many appends, writes or applies it takes to give the node furthest behind what its
    /// disk lacks.
    fn pieces_behind(&self) -> u64 {
        let longest = self.hosts.iter().map(|host| host.view.last).max().unwrap_or(0);
        let there = (0..self.hosts.len()).filter(|&host| self.hosts[host].exists());
        let durable = there.map(|host| self.checks.image(host).last());
        let applied = self.hosts.iter().map(|host| host.view.applied);
        let lacks = longest.saturating_sub(durable.chain(applied).min().unwrap_or(0));
        let config = &self.plan.configs[0];
        let limits = [config.max_append_bytes, config.max_write_bytes, config.max_apply_bytes];
        let piece = limits.into_iter().min().unwrap_or(1) as u64;
        let entry_max = self.plan.payload_max + 32;
        (lacks * entry_max / piece + 1).min(lacks)
    }

    /// Whether a fresh proposal is applied by all members and their logs are equal; makes the
    /// proposal. Nodes that are no members may lag.
    fn recovered(&mut self, fresh: &mut Option<EntryId>) -> Checked<bool> {
        let Some(leader) = self.newest_leader() else { return Ok(false) };
        let view = self.hosts[leader].view;
        if self.hosts[leader].paused_until <= self.now && !self.replace_at(leader)? {
            return Ok(false);
        }
        let Some(id) = *fresh else {
            self.fresh_clock(leader)?;
            *fresh = self.propose(leader, None)?;
            self.poll_soon(leader)?;
            return Ok(false);
        };
        if id.term.0 != view.term {
            *fresh = None;
            return Ok(false);
        }
        let membership = self.checks.membership(leader);
        let settled = !membership.is_joint() && membership.is_voter(Self::identity(leader).node);
        let own = self.held(leader, view.last);
        let same = |id: NodeId| {
            let host = id.0 as usize - 1;
            let there = self.hosts[host].view;
            (there.last, there.commit, there.applied) == (view.last, view.last, view.last)
                && self.held(host, view.last) == own
        };
        Ok(settled && view.last >= id.index.0 && membership.nodes().all(same))
    }

    /// Whether some node can win an election, by its own log and those of the others that are left.
    ///
    /// A disk that is lost while a change of voters is under way may leave none, though most voters are
    /// well: the node with the longest log knows itself as a learner only, and the change needs its vote.
    fn is_electable(&self) -> bool {
        let end = |host: usize| {
            let node = &self.hosts.get(host)?.driver.as_ref()?.node;
            Some((node.term_at(node.last_index()), node.last_index()))
        };
        let wins = |host: usize| {
            let (view, membership) = (self.hosts[host].view, self.checks.membership(host));
            let settled = view.membership.0 <= view.commit;
            let votes = |voters: &mut dyn Iterator<Item = NodeId>| {
                let (mut all, mut granted) = (0usize, 0usize);
                for voter in voters {
                    all += 1;
                    let theirs = end(voter.0 as usize - 1);
                    granted += usize::from(theirs.is_some_and(|theirs| Some(theirs) <= end(host)));
                }
                all == 0 || granted > all / 2
            };
            (!settled || membership.is_voter(Self::identity(host).node))
                && votes(&mut membership.voters())
                && votes(&mut membership.outgoing().iter().copied())
        };
        (0..self.hosts.len()).any(|host| self.hosts[host].driver.is_some() && wins(host))
    }

    pub(super) fn newest_leader(&self) -> Option<usize> {
        let leaders = self.hosts.iter().enumerate().filter(|(_, host)| host.leads());
        leaders.max_by_key(|(_, host)| host.view.term).map(|(leader, _)| leader)
    }

    /// The last looks: memory at rest, reads, and what clients were told.
    fn settle(&mut self) -> Checked {
        note!(self, "recovered");
        let membership = self.checks.membership(self.newest_leader().unwrap_or(0));
        let mut lives = vec![None; self.hosts.len()];
        for (host, state) in self.hosts.iter_mut().enumerate() {
            let tick = state.clock.read(self.now);
            self.checks.reads.in_time(host, tick.saturating_sub(READ_MARGIN_TICKS))?;
            let member = membership.nodes().any(|id| id == Self::identity(host).node);
            let Some(driver) = state.driver.as_ref().filter(|_| member) else { continue };
            lives[host] = Some(state.life);
            let status = driver.node.status();
            let left = (status.uncommitted_bytes, status.undurable_bytes);
            if left != (0, 0) {
                let detail = format!("at rest it counts {left:?} bytes as uncommitted, undurable");
                return broken(Property::BoundedResources, host, detail);
            }
        }
        let checks = &self.checks;
        if let Some(detail) = checks.clients.history.unexplained() {
            let violation = Violation { property: Property::Linearizability, node: None, detail };
            return Err(Box::new(violation));
        }
        checks.clients.settled(&lives, |index: LogIndex| {
            let committed = index.0 <= checks.committed();
            committed.then(|| checks.committed_mark(index.0).map(|mark| mark.term)).flatten()
        })
    }

    fn stuck(&self, fresh: Option<EntryId>, ticks: u64) -> Checked {
        let views: Vec<String> = self
            .hosts
            .iter()
            .enumerate()
            .map(|(host, state)| {
                let membership = self.checks.membership(host);
                format!("n{} {:?} {}", host + 1, state.view, Members(membership))
            })
            .collect();
        let what = match fresh {
            None => "no leader takes a proposal".to_owned(),
            Some(id) => format!("proposal {id} is not applied everywhere with equal logs"),
        };
        broken(Property::Liveness, 0, format!("{what} after {ticks} ticks: {}", views.join(", ")))
    }
}
