//! What clients and operators want of a node: writes, reads, another leader, other members.

use raftcore::{
    EntryId, Member, Membership, MembershipChange, NodeId, ReadConsistency, Refused, RoleName,
};

use super::{Checked, Event, FaultKind, Property, UNITS_PER_TICK, World, broken, note};
use crate::check::Proposed;
use crate::host::Host;
use crate::trace::Members;

/// Something that is wanted of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Write,
    /// A write of the key that the payload with this number wrote.
    Again {
        number: u64,
    },
    Read,
    Change,
    /// A membership without somebody who cannot be reached.
    Oust,
    Snapshot,
    Transfer,
    StepDown,
    Campaign,
}

impl World {
    /// The next client wants something.
    pub(super) fn client(&mut self) -> Checked {
        let gap = self.rng.between(1, self.weather.client_gap);
        self.queue.push(self.now + gap, Event::Client);
        let reads = self.sim.faults && self.rng.chance(300);
        let count = self.hosts.len();
        let begin = self.rng.below(count as u64) as usize;
        let mut order = (0..count).map(|step| (begin + step) % count);
        let wants_leader = self.rng.chance(if reads { 500 } else { 930 });
        let fits = |&host: &usize| !wants_leader || self.hosts[host].leads();
        let Some(host) = order.find(fits) else { return Ok(()) };
        let burst = self.rng.chance(self.weather.client_burst);
        let times = if burst { self.rng.between(2, 12) } else { 1 };
        self.wish(host, if reads { Wish::Read } else { Wish::Write }, times)
    }

    /// The same thing is wanted of a node so many times at once.
    pub(super) fn wish(&mut self, host: usize, wish: Wish, times: u64) -> Checked {
        if self.hosts[host].paused_until > self.now || self.hosts[host].driver.is_none() {
            return Ok(());
        }
        self.fresh_clock(host)?;
        for _ in 0..times {
            match wish {
                Wish::Write => drop(self.propose(host, None)?),
                Wish::Again { number } => drop(self.propose(host, Some(number))?),
                Wish::Read => self.read(host)?,
                Wish::Change => self.change(host, false)?,
                Wish::Oust => self.change(host, true)?,
                Wish::Snapshot => self.take_snapshot(host)?,
                Wish::Transfer => self.transfer(host)?,
                Wish::StepDown => self.step_down(host)?,
                Wish::Campaign => self.campaign(host)?,
            }
            self.observe(host)?;
        }
        self.poll_soon(host)
    }

    /// Plans so many wishes within the next ticks.
    pub(super) fn wish_soon(&mut self, host: usize, wish: Wish, times: u64, ticks: u64) {
        let life = self.hosts[host].life;
        for _ in 0..times {
            let at = self.now + self.rng.between(1, ticks * UNITS_PER_TICK);
            self.queue.push(at, Event::Wish { host: host as u8, life, wish });
        }
    }

    /// A client whose write has no outcome waits no longer; it may try again, at whoever leads.
    pub(super) fn gives_up(&mut self, number: u64) -> Checked {
        if !self.checks.clients.history.gives_up(number) {
            return Ok(());
        }
        note!(self, "the client of payload {number} waits no longer");
        self.counts[FaultKind::ClientTimeout] += 1;
        let leads = |host: &Host| host.leads() && host.paused_until <= self.now;
        let leader = self.hosts.iter().position(leads);
        match leader.filter(|_| self.rng.chance(500)) {
            Some(leader) => self.wish(leader, Wish::Again { number }, 1),
            None => Ok(()),
        }
    }

    /// A client writes; perhaps `again`, the key that the payload with that number wrote.
    pub(super) fn propose(&mut self, host: usize, again: Option<u64>) -> Checked<Option<EntryId>> {
        let length = self.rng.between(8, self.plan.payload_max);
        let payload = self.checks.clients.next_payload(length);
        let Host { driver: Some(driver), life, .. } = &mut self.hosts[host] else {
            return Ok(None);
        };
        let life = *life;
        let leads = driver.node.role() == RoleName::Leader;
        match driver.propose(payload) {
            Ok(id) if !leads => {
                broken(Property::ContractKept, host, format!("took proposal {id} without leading"))
            }
            Ok(id) => {
                note!(self, "n{} takes proposal {id}", host + 1);
                if (id.term, id.index) != (driver.node.term(), driver.node.last_index()) {
                    return broken(Property::ContractKept, host, format!("proposal became {id}"));
                }
                let number = self.checks.clients.accepted();
                self.checks.clients.accepted_by(Proposed { host, life, id })?;
                self.checks.clients.history.writes(number, again);
                self.counts[FaultKind::ClientRetry] += u64::from(again.is_some());
                if self.rng.chance(self.weather.impatience) {
                    let patience = self.rng.between(1, self.weather.patience_max);
                    self.queue.push(self.now + patience, Event::GivesUp { number });
                }
                self.digest.mix(id.index.0);
                self.observe(host)?;
                Ok(Some(id))
            }
            Err(Refused::NotLeader { .. }) if !leads => Ok(None),
            Err(Refused::Busy { .. }) if leads => {
                self.counts[FaultKind::Overload] += 1;
                Ok(None)
            }
            Err(Refused::TransferInProgress { .. }) if leads => Ok(None),
            Err(error) => refuses(host, &error),
        }
    }

    fn read(&mut self, host: usize) -> Checked {
        use ReadConsistency::{Lease, Linearizable, Stale};
        let consistency = self.rng.pick(if self.plan.leases {
            &[Linearizable, Lease, Lease, Lease, Stale]
        } else {
            &[Linearizable, Linearizable, Linearizable, Lease, Stale]
        });
        let acknowledged = self.checks.clients.acknowledged();
        let config = &self.plan.configs[host];
        let (open, id) = (self.checks.reads.open(host), self.checks.reads.next());
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        let leader = driver.node.leader();
        match driver.read(id, consistency) {
            Ok(()) if open >= config.max_reads => {
                broken(Property::BoundedResources, host, format!("{} reads are open", open + 1))
            }
            Ok(()) => {
                note!(
                    self,
                    "n{} takes {consistency:?} read {id}, {acknowledged} acknowledged",
                    host + 1
                );
                let deadline = driver.told + u64::from(config.read_ticks_max);
                self.checks.reads.accepted_by(host, consistency, acknowledged, deadline);
                let key = self.rng.next();
                self.checks.clients.history.asks(key, consistency == Stale);
                self.counts[match consistency {
                    Lease => FaultKind::LeaseRead,
                    Stale => FaultKind::StaleRead,
                    _ => FaultKind::LinearizableRead,
                }] += 1;
                self.digest.mix(id.0);
                Ok(())
            }
            Err(Refused::TooManyReads { open: told })
                if open >= config.max_reads && told == open =>
            {
                self.counts[FaultKind::TooManyReads] += 1;
                Ok(())
            }
            Err(Refused::NotLeader { leader: None })
                if leader.is_none() && consistency != Stale =>
            {
                Ok(())
            }
            Err(error) => refuses(host, &error),
        }
    }

    /// Wishes for another membership: any, or the one without somebody who cannot be reached.
    fn change(&mut self, host: usize, oust: bool) -> Checked {
        let there = |id: &NodeId| self.hosts[id.0 as usize - 1].exists();
        let ids: Vec<NodeId> = (1..=self.hosts.len() as u64).map(NodeId).filter(there).collect();
        if self.checks.membership(host).nodes().any(|id| !ids.contains(&id)) {
            // First of all the node whose disk is lost is replaced.
            return Ok(());
        }
        let Host { driver: Some(driver), life, .. } = &mut self.hosts[host] else { return Ok(()) };
        let (life, node) = (*life, &driver.node);
        let leads = node.role() == RoleName::Leader;
        let (mut based_on, current) = (node.membership_index(), node.membership().clone());
        let stale = self.rng.chance(30);
        if stale {
            based_on.0 += 1;
        }
        let own = NodeId(host as u64 + 1);
        let (mut kind, mut members) = wished(&mut self.rng, &ids, own, &current);
        let away = |id: NodeId| self.network.is_cut(host, id.0 as usize - 1);
        if let Some(gone) = current.voters().find(|&id| oust && away(id)) {
            kind = FaultKind::Removal;
            members =
                current.members().iter().filter(|member| member.id != gone).cloned().collect();
        }
        let possible = members.iter().any(|member| member.voter);
        match driver.propose_membership(MembershipChange::to(based_on, members)) {
            Ok(id) if !leads || stale || !possible => {
                broken(Property::ContractKept, host, format!("took change {id}"))
            }
            Ok(id) => {
                let node = &driver.node;
                if (node.membership_index(), node.last_index()) != (id.index, id.index) {
                    return broken(Property::ContractKept, host, format!("change became {id}"));
                }
                note!(self, "n{} takes change {id}: {}", host + 1, Members(node.membership()));
                if node.membership().is_joint() {
                    kind = FaultKind::JointChange;
                }
                self.counts[kind] += 1;
                if self.network.has_cuts() {
                    self.counts[FaultKind::ChangeWhileCut] += 1;
                }
                self.digest.mix(id.index.0);
                self.checks.clients.accepted_by(Proposed { host, life, id })
            }
            Err(Refused::NotLeader { .. }) if !leads => Ok(()),
            Err(Refused::StaleMembership { .. }) if stale => {
                self.counts[FaultKind::StaleChange] += 1;
                Ok(())
            }
            Err(Refused::Membership(_)) if !possible => Ok(()),
            Err(Refused::ChangeInProgress | Refused::TransferInProgress { .. }) if leads => Ok(()),
            Err(error) => refuses(host, &error),
        }
    }

    fn transfer(&mut self, host: usize) -> Checked {
        let to = NodeId(1 + self.rng.below(self.hosts.len() as u64));
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        let leads = driver.node.role() == RoleName::Leader;
        let voter = driver.node.membership().is_voter(to);
        match driver.transfer_leadership(to) {
            Ok(()) if leads && (voter || to.0 == host as u64 + 1) => {
                note!(self, "n{} hands over to {to}", host + 1);
                self.counts[FaultKind::Transfer] += u64::from(to.0 != host as u64 + 1);
                Ok(())
            }
            Ok(()) => broken(Property::ContractKept, host, format!("hands over to {to}")),
            Err(Refused::NotLeader { .. }) if !leads => Ok(()),
            Err(Refused::NotVoter { .. }) if !voter => Ok(()),
            Err(Refused::TransferInProgress { .. }) if leads => Ok(()),
            Err(error) => refuses(host, &error),
        }
    }

    fn step_down(&mut self, host: usize) -> Checked {
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        let leads = driver.node.role() == RoleName::Leader;
        match driver.step_down() {
            Ok(()) if leads && driver.node.role() != RoleName::Leader => {
                self.counts[FaultKind::StepDown] += 1;
                Ok(())
            }
            Err(Refused::NotLeader { .. }) if !leads => Ok(()),
            other => broken(Property::ContractKept, host, format!("steps down: {other:?}")),
        }
    }

    fn campaign(&mut self, host: usize) -> Checked {
        let Some(driver) = &mut self.hosts[host].driver else { return Ok(()) };
        match driver.campaign() {
            Ok(()) => {
                self.counts[FaultKind::Campaign] += 1;
                Ok(())
            }
            Err(Refused::MayNotCampaign | Refused::LeaderAlive { .. }) => Ok(()),
            Err(error) => refuses(host, &error),
        }
    }
}

fn refuses<T>(host: usize, error: &Refused) -> Checked<T> {
    broken(Property::ContractKept, host, format!("refuses: {error}"))
}

/// The members that somebody wishes for, among these nodes.
fn wished(
    rng: &mut crate::rng::Rng,
    ids: &[NodeId],
    own: NodeId,
    current: &Membership,
) -> (FaultKind, Vec<Member>) {
    let any = rng.pick(ids);
    let all = || current.members().iter().cloned();
    let but = |id: NodeId| all().filter(move |member| member.id != id);
    match rng.weighted(&[5, 3, 3, 3, 1, 5]) {
        0 => (FaultKind::AddedVoter, but(any).chain([Member::voter(any)]).collect()),
        1 => (FaultKind::AddedLearner, but(any).chain([Member::learner(any)]).collect()),
        2 => {
            let promote = |member: Member| Member { promote: !member.voter, ..member };
            (FaultKind::Promotion, all().map(promote).collect())
        }
        3 => (FaultKind::Removal, but(any).collect()),
        4 => (FaultKind::RemovedLeader, but(own).collect()),
        _ => {
            let mut members = Vec::new();
            for &id in ids {
                match rng.weighted(&[3, 1, 2]) {
                    0 => members.push(Member::voter(id)),
                    1 => members.push(Member::learner(id)),
                    _ => {}
                }
            }
            (FaultKind::AddedVoter, members)
        }
    }
}
