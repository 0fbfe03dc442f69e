//! How much of the world a search covers.

use core::fmt;
use std::sync::Arc;

use raftcore::{Config, GroupId, Identity, NodeId};

/// Most nodes of a scope.
pub const SCOPE_NODES_MAX: usize = 4;

/// A world that is small enough to be searched as a whole: what there is, and how often what may
/// happen.
///
/// Messages may be lost, repeated and reordered without limit in every scope: any message that was
/// ever sent may arrive next, once, often or never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name on the command line.
    pub name: &'static str,
    /// Whether it is searched within seconds.
    pub quick: bool,
    /// How many nodes there are; their ids are 1, 2 and so on.
    pub nodes: usize,
    /// The founding voters.
    pub founders: &'static [u64],
    /// No election timer fires in this term or a later one.
    pub terms: u64,
    /// How often an election timer fires, on any node.
    pub timeouts: u8,
    /// How often a leader's heartbeat timer fires.
    pub heartbeats: u8,
    /// How many payloads are proposed.
    pub proposals: u8,
    /// The memberships that are proposed, in this order: each a set of voters.
    pub changes: &'static [&'static [u64]],
    /// How often leadership is handed over.
    pub transfers: u8,
    /// How often a node crashes and starts again, with any prefix of the writes on their way, down to
    /// between two fields and two entries of one.
    pub crashes: u8,
    /// Whether a write is acknowledged at any later time, and not at once.
    pub slow_disks: bool,
    /// [`Config::max_writes_in_flight`].
    pub writes_in_flight: usize,
    /// [`Config::pre_vote`].
    pub pre_vote: bool,
    /// [`Config::check_quorum`].
    pub check_quorum: bool,
}

/// What all scopes start from: three founders, two terms, nothing else.
const PLAIN: Scope = Scope {
    name: "",
    quick: false,
    nodes: 3,
    founders: &[1, 2, 3],
    terms: 2,
    timeouts: 2,
    heartbeats: 0,
    proposals: 0,
    changes: &[],
    transfers: 0,
    crashes: 0,
    slow_disks: false,
    writes_in_flight: 2,
    pre_vote: false,
    check_quorum: false,
};

/// Slow disks, and few enough elections.
const QUICK: Scope = Scope { quick: true, slow_disks: true, ..PLAIN };

/// Pre-votes and check-quorum on, as by default.
const CAREFUL: Scope = Scope { pre_vote: true, check_quorum: true, ..QUICK };

/// A change of two voters at once, which goes through a joint membership.
const JOINT: Scope = Scope { founders: &[1, 2], changes: &[&[1, 3]], slow_disks: true, ..PLAIN };

impl Scope {
    /// The scopes that have names, the quick ones first.
    pub const ALL: &[Self] = &[
        Self { name: "start", terms: 1, timeouts: 3, ..QUICK },
        Self { name: "restart", terms: 1, timeouts: 1, crashes: 1, ..QUICK },
        Self { name: "command", terms: 1, proposals: 1, slow_disks: false, ..QUICK },
        Self {
            name: "heartbeat",
            terms: 1,
            timeouts: 1,
            heartbeats: 1,
            slow_disks: false,
            ..QUICK
        },
        Self { name: "pre-vote", terms: 1, slow_disks: false, ..CAREFUL },
        Self { name: "joint", slow_disks: false, quick: true, ..JOINT },
        Self { name: "election", slow_disks: true, ..PLAIN },
        Self {
            name: "command-crash",
            quick: false,
            terms: 1,
            timeouts: 1,
            proposals: 1,
            crashes: 1,
            ..QUICK
        },
        Self { name: "two-terms", proposals: 1, ..PLAIN },
        Self { name: "two-terms-pre-vote", quick: false, ..CAREFUL },
        Self { name: "handover", transfers: 1, timeouts: 1, ..PLAIN },
        Self { name: "joint-slow", ..JOINT },
        Self { name: "joint-crash", slow_disks: false, crashes: 1, ..JOINT },
        Self { name: "joint-slow-crash", crashes: 1, ..JOINT },
        Self { name: "grow", founders: &[1], changes: &[&[1, 2, 3]], ..JOINT },
        Self { name: "three-timeouts", timeouts: 3, proposals: 1, ..PLAIN },
        Self { name: "crash", proposals: 1, crashes: 1, ..PLAIN },
        Self { name: "crash-slow", crashes: 1, slow_disks: true, ..PLAIN },
        Self { name: "two-proposals", proposals: 2, ..PLAIN },
        Self { name: "whole", proposals: 2, crashes: 1, slow_disks: true, ..PLAIN },
    ];

    /// The scope with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|scope| scope.name == name)
    }

    /// Whether the founders can be told apart by their ids alone.
    pub(super) fn is_symmetric(&self) -> bool {
        self.changes.is_empty() && self.founders.len() == self.nodes
    }

    pub(super) fn identity(&self, host: usize) -> Identity {
        Identity { group: GroupId(1), node: NodeId(host as u64 + 1) }
    }

    /// Everybody waits at least twice as long as a leader is believed to be alive: so there is time
    /// in which a node would vote but does not run.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::new(Config {
            election_ticks_min: 10,
            election_ticks_max: 20,
            priority: raftcore::MAX_PRIORITY - 1,
            heartbeat_ticks: 1,
            pre_vote: self.pre_vote,
            check_quorum: self.check_quorum,
            max_writes_in_flight: self.writes_in_flight,
            disk_stall_ticks: u32::MAX,
            ..Config::default()
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, founders, terms, timeouts, .. } = self;
        write!(
            f,
            "{nodes} nodes, voters {founders:?}, {terms} terms, {timeouts} election timeouts"
        )?;
        for (count, what) in [
            (self.proposals, "proposals"),
            (self.heartbeats, "heartbeats"),
            (self.transfers, "handovers"),
            (self.crashes, "crashes"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        self.changes.iter().try_for_each(|voters| write!(f, ", a change to {voters:?}"))?;
        for (on, what) in [
            (self.slow_disks, "slow disks"),
            (self.pre_vote, "pre-votes"),
            (self.check_quorum, "check-quorum"),
        ] {
            if on {
                write!(f, ", {what}")?;
            }
        }
        Ok(())
    }
}
