//! Handing leadership over (thesis 3.10).

use super::Leader;
use crate::error::Refused;
use crate::message::{Body, Message};
use crate::output::Event;
use crate::shared::Shared;
use crate::types::{NodeId, Tick};

/// A handover under way: proposals wait until it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    to: NodeId,
    pub(super) deadline: Tick,
    sent: bool,
}

impl Leader {
    pub(crate) fn transfer(&mut self, shared: &mut Shared, to: NodeId) -> Result<(), Refused> {
        if to == shared.me() {
            return Ok(());
        }
        if !shared.memberships.current().is_voter(to) {
            return Err(Refused::NotVoter { node: to });
        }
        match self.transfers_to() {
            Some(other) if other == to => {}
            Some(to) => return Err(Refused::TransferInProgress { to }),
            None => {
                let now = shared.now.unwrap_or_default();
                let deadline = now.plus(shared.config.election_ticks_max.into());
                self.transfer = Some(Transfer { to, deadline, sent: false }.into());
                self.wake(shared);
            }
        }
        Ok(())
    }

    pub(super) fn transfers_to(&self) -> Option<NodeId> {
        self.transfer.as_ref().map(|transfer| transfer.to)
    }

    /// A handover that takes too long is given up: proposals go on here.
    pub(super) fn give_up_transfer(&mut self, shared: &mut Shared, now: Tick) {
        if let Some(&Transfer { to, deadline, .. }) = self.transfer.as_deref()
            && now >= deadline
        {
            self.transfer = None;
            shared.notice(Event::TransferFailed { to });
        }
    }

    pub(super) fn has_timeout_now(&self, shared: &Shared) -> bool {
        self.transfer.as_deref().is_some_and(|&Transfer { to, sent, .. }| {
            let caught_up = |id, matched| id == to && matched == shared.log.last_index();
            !sent && self.peers.iter().any(|peer| caught_up(peer.id, peer.matched))
        })
    }

    /// Tells the successor to start once its log is complete. From then on no lease holds.
    pub(super) fn timeout_now(&mut self, shared: &Shared) -> Option<Message> {
        let transfer = self.transfer.as_mut()?;
        transfer.sent = true;
        self.lease_over = true;
        Some(shared.message(transfer.to, Body::TimeoutNow))
    }
}
