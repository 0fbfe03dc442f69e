//! Disks that are damaged or lost, and the nodes that take the place of theirs.

use raftcore::{Member, MembershipChange, NodeId, Refused};

use super::{Checked, Event, FaultKind, Property, UNITS_PER_TICK, World, broken, note};
use crate::check::{Proposed, is_quorum};
use crate::damage::{damage, read};
use crate::host::{Host, Standing};
use crate::trace::Members;

impl World {
    /// A stopped host's disk is found damaged, or is lost. If the cluster can do without the host, it
    /// stays down; otherwise it was but a copy of the disk.
    pub(super) fn spoil_disk(&mut self, host: usize) -> Checked {
        if !self.plan.damages || self.recovering || !self.rng.chance(250) {
            return Ok(());
        }
        let gone = self.rng.chance(250);
        if !gone && self.survives_damage(host)? || !self.can_do_without(host) {
            return Ok(());
        }
        let spare = self.hosts.iter().position(|host| host.standing == Standing::Spare);
        let Some(spare) = spare.filter(|_| self.rng.chance(300)) else { return Ok(()) };
        note!(self, "n{} will not come back", host + 1);
        self.counts[FaultKind::LostDisk] += u64::from(gone);
        self.hosts[host].standing = Standing::Lost;
        self.hosts[spare].standing = Standing::Used;
        let soon = self.now + self.rng.between(1, self.weather.trouble_max);
        self.queue.push(soon, Event::Restart { host: spare as u8, life: self.hosts[spare].life });
        self.queue.push(soon + UNITS_PER_TICK, Event::Replace);
        Ok(())
    }

    /// Whether the others can go on without the host: no other disk that was lost is relied on, and
    /// it has a vote wherever it is a member.
    fn can_do_without(&self, host: usize) -> bool {
        let lost = |at: usize| self.hosts[at].standing == Standing::Lost;
        let relied = |id: NodeId| lost(id.0 as usize - 1);
        if self.checks.newest_membership().nodes().any(relied) {
            return false;
        }
        (0..self.hosts.len()).filter(|&at| !lost(at)).all(|at| {
            let membership = self.checks.membership(at);
            let learns = membership
                .members()
                .iter()
                .any(|member| member.id == Self::identity(host).node && !member.voter);
            membership.members().is_empty()
                || !learns && is_quorum(membership, |voter| voter != host && !lost(voter))
        })
    }

    /// Damages a disk and reads it. Says whether nothing of worth was hit; otherwise that was
    /// noticed.
    fn survives_damage(&mut self, host: usize) -> Checked<bool> {
        let Self { hosts, rng, .. } = self;
        let disk = &hosts[host].disk;
        let records = disk.records_to_damage(rng);
        if records.is_empty() {
            return Ok(true);
        }
        let (kind, file) = damage(&records, rng);
        let found = read(file);
        note!(self, "n{} has a disk with {kind}: {:?}", host + 1, found.as_ref().err());
        self.counts[kind] += 1;
        match found {
            Err(_) => Ok(false),
            Ok(stored) => match self.hosts[host].disk.differs_from(&stored) {
                None => Ok(true),
                Some(how) => {
                    let detail = format!("{kind} on its disk went unnoticed: {how}");
                    broken(Property::DamageIsNoticed, host, detail)
                }
            },
        }
    }

    /// Operators replace members whose disks are lost, until it is done.
    pub(super) fn replace(&mut self) -> Checked {
        if let Some(leader) = self.newest_leader()
            && self.hosts[leader].paused_until <= self.now
        {
            self.replace_at(leader)?;
        }
        let lost = |id: NodeId| self.hosts[id.0 as usize - 1].standing == Standing::Lost;
        if !self.recovering && self.checks.newest_membership().nodes().any(lost) {
            let again = self.now + self.rng.between(1, self.weather.trouble_max);
            self.queue.push(again, Event::Replace);
        }
        Ok(())
    }

    /// Asks a leader for a membership without the nodes that are lost. Says whether it has one.
    pub(super) fn replace_at(&mut self, host: usize) -> Checked<bool> {
        let standing = |id: NodeId| self.hosts[id.0 as usize - 1].standing;
        let lost = |id: NodeId| standing(id) == Standing::Lost;
        let current = self.checks.membership(host).clone();
        if !current.nodes().any(lost) {
            return Ok(true);
        }
        self.fresh_clock(host)?;
        let standing = |id: NodeId| self.hosts[id.0 as usize - 1].standing;
        let mut members: Vec<Member> = current
            .members()
            .iter()
            .filter(|member| standing(member.id) != Standing::Lost)
            .cloned()
            .collect();
        for id in (1..=self.hosts.len() as u64).map(NodeId) {
            let new = !current.nodes().any(|member| member == id);
            if new && standing(id) == Standing::Used {
                members.push(Member::voter(id));
            }
        }
        let Host { driver: Some(driver), life, .. } = &mut self.hosts[host] else {
            return Ok(false);
        };
        let change = MembershipChange::to(driver.node.membership_index(), members);
        match driver.propose_membership(change) {
            Ok(id) => {
                let (life, node) = (*life, &driver.node);
                note!(self, "n{} takes change {id}: {}", host + 1, Members(node.membership()));
                self.counts[FaultKind::ReplacedNode] += 1;
                self.checks.clients.accepted_by(Proposed { host, life, id })?;
            }
            Err(
                Refused::ChangeInProgress
                | Refused::TransferInProgress { .. }
                | Refused::NotLeader { .. },
            ) => {}
            Err(error) => {
                return broken(Property::ContractKept, host, format!("refuses: {error}"));
            }
        }
        self.observe(host)?;
        self.poll_soon(host)?;
        Ok(false)
    }
}
