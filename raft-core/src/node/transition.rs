//! The one place where roles change.

use alloc::boxed::Box;

use super::Node;
use crate::output::{Event, HaltReason, ReadFailure, StepDownReason};
use crate::role::candidate::Candidate;
use crate::role::follower::Follower;
use crate::role::leader::Leader;
use crate::role::{Role, Transition};
use crate::shared::count;
use crate::sources::Sources;
use crate::types::Term;

impl Node {
    #[inline]
    pub(super) fn perform(&mut self, transition: Transition) {
        if !matches!(transition, Transition::Stay) {
            self.perform_all(transition);
        }
    }

    /// The one place where roles change. A transition may call for another.
    fn perform_all(&mut self, mut transition: Transition) {
        self.shared.sources = Sources::ALL;
        loop {
            transition = match transition {
                Transition::Stay => return,
                Transition::Follow { term, reason } => self.follow(term, reason),
                Transition::PreCampaign => self.run(Candidate::new(&self.shared, true, false)),
                Transition::Campaign { transfer } => self.campaign_in_next_term(transfer),
                Transition::Lead => self.lead(),
                Transition::Halt { reason } => return self.halt(reason),
            };
        }
    }

    fn follow(&mut self, term: Term, reason: StepDownReason) -> Transition {
        let shared = &mut self.shared;
        if let Role::Leader(leader) = &self.role {
            leader.retire(shared);
            shared.notice(Event::SteppedDown { term, reason });
        }
        shared.reads.fail_asking(ReadFailure::LeaderLost);
        if term > shared.hard_state.term {
            shared.set_hard_state(term, None);
            shared.mail.drop_held();
        }
        let deadline = match &self.role {
            Role::Follower(follower) => follower.deadline,
            _ => shared.election_timeout(),
        };
        if !put_back!(OvertakenAnswerCounts) {
            shared.log_reads.forget_peers(|_| true);
        }
        self.role = Role::Follower(Follower::new(deadline));
        Transition::Stay
    }

    fn run(&mut self, mut candidate: Candidate) -> Transition {
        self.shared.reads.fail_asking(ReadFailure::LeaderLost);
        self.shared.snapshots.stop_receiving();
        let next = candidate.count(&self.shared);
        self.role = Role::Candidate(candidate);
        next
    }

    fn campaign_in_next_term(&mut self, transfer: bool) -> Transition {
        let shared = &mut self.shared;
        let Some(term) = shared.hard_state.term.0.checked_add(1) else {
            return Transition::Halt { reason: HaltReason::OutOfRange };
        };
        count(&mut shared.counters().campaigns);
        shared.set_hard_state(Term(term), Some(shared.me()));
        shared.mail.drop_held();
        self.run(Candidate::new(&self.shared, false, transfer))
    }

    fn lead(&mut self) -> Transition {
        let shared = &mut self.shared;
        let leader = Box::new(Leader::new(shared));
        shared.notice(Event::BecameLeader { term: shared.term() });
        self.role = Role::Leader(leader);
        Transition::Stay
    }
}
