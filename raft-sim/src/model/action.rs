//! What may happen in a state, and how much of it already has.

/// What may happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A message arrives; `late`: after so much silence that no leader is believed to be alive.
    Deliver { message: u32, late: bool },
    /// A node's next timer fires.
    Timer { host: u8 },
    /// Somebody proposes a payload.
    Propose { host: u8, payload: u8 },
    /// Somebody proposes the membership with this number.
    Change { host: u8, number: u8 },
    /// Somebody wants another node to lead.
    Transfer { host: u8, to: u8 },
    /// The oldest write on its way is durable.
    Sync { host: u8 },
    /// A crash, of which so many pieces of the writes on their way survive, and a new start.
    Crash { host: u8, kept: u8 },
}

const MESSAGE_BITS: u32 = 24;

impl Action {
    pub(super) const fn pack(self) -> u32 {
        let (kind, argument) = match self {
            Self::Deliver { message, late: false } => (0, message),
            Self::Deliver { message, late: true } => (1, message),
            Self::Timer { host } => (2, host as u32),
            Self::Propose { host, payload } => (3, pair(host, payload)),
            Self::Change { host, number } => (4, pair(host, number)),
            Self::Transfer { host, to } => (5, pair(host, to)),
            Self::Sync { host } => (6, host as u32),
            Self::Crash { host, kept } => (7, pair(host, kept)),
        };
        kind << MESSAGE_BITS | argument
    }

    pub(super) const fn unpack(word: u32) -> Self {
        let message = word & ((1 << MESSAGE_BITS) - 1);
        let [host, other, ..] = message.to_le_bytes();
        match word >> MESSAGE_BITS {
            0 => Self::Deliver { message, late: false },
            1 => Self::Deliver { message, late: true },
            2 => Self::Timer { host },
            3 => Self::Propose { host, payload: other },
            4 => Self::Change { host, number: other },
            5 => Self::Transfer { host, to: other },
            6 => Self::Sync { host },
            _ => Self::Crash { host, kept: other },
        }
    }
}

const fn pair(host: u8, other: u8) -> u32 {
    u32::from_le_bytes([host, other, 0, 0])
}

/// How often what has happened that a scope limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) timeouts: u8,
    pub(super) heartbeats: u8,
    pub(super) proposals: u8,
    pub(super) changes: u8,
    pub(super) transfers: u8,
    pub(super) crashes: u8,
}

impl Used {
    pub(super) const fn pack(self) -> [u32; 2] {
        let Self { timeouts, heartbeats, proposals, changes, transfers, crashes } = self;
        [
            u32::from_le_bytes([timeouts, heartbeats, proposals, changes]),
            u32::from_le_bytes([transfers, crashes, 0, 0]),
        ]
    }

    pub(super) const fn unpack(first: u32, second: u32) -> Self {
        let [timeouts, heartbeats, proposals, changes] = first.to_le_bytes();
        let [transfers, crashes, ..] = second.to_le_bytes();
        Self { timeouts, heartbeats, proposals, changes, transfers, crashes }
    }

    /// After one action more, at a node that led or did not.
    pub(super) const fn and(mut self, action: Action, led: bool) -> Self {
        match action {
            Action::Deliver { .. } | Action::Sync { .. } => {}
            Action::Timer { .. } if led => self.heartbeats += 1,
            Action::Timer { .. } => self.timeouts += 1,
            Action::Propose { .. } => self.proposals += 1,
            Action::Change { .. } => self.changes += 1,
            Action::Transfer { .. } => self.transfers += 1,
            Action::Crash { .. } => self.crashes += 1,
        }
        self
    }
}

/// A state as a row of numbers: the hosts, the history, what is used up, the messages under way.
pub(super) type Row = Vec<u32>;

/// A row, taken apart.
pub(super) struct State<'a> {
    pub(super) hosts: &'a [u32],
    pub(super) history: u32,
    pub(super) used: Used,
    /// Sorted; each stays until its receiver can do nothing with it any more.
    pub(super) messages: &'a [u32],
}

impl<'a> State<'a> {
    pub(super) fn of(row: &'a [u32], nodes: usize) -> Self {
        let (hosts, rest) = row.split_at(nodes);
        let used = Used::unpack(rest[1], rest[2]);
        Self { hosts, history: rest[0], used, messages: &rest[3..] }
    }
}
