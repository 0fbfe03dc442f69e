//! What goes wrong for a while, and how hosts behave meanwhile.

use raftcore::MessageKind;

use crate::queue::UNITS_PER_TICK;
use crate::rng::Rng;

/// Something that goes wrong once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Crash,
    CrashLeader,
    CrashAtOutput,
    PowerLoss,
    Partition,
    OneWay,
    Bridge,
    IsolateLeader,
    Heal,
    ClogLink,
    ClogHost,
    Pause,
    PauseLeader,
    Replay,
    FailSync,
    Overload,
    Campaign,
    Transfer,
    StepDown,
    Change,
    NewHabits,
}

impl Action {
    const ALL: [Self; 21] = [
        Self::Crash,
        Self::CrashLeader,
        Self::CrashAtOutput,
        Self::PowerLoss,
        Self::Partition,
        Self::OneWay,
        Self::Bridge,
        Self::IsolateLeader,
        Self::Heal,
        Self::ClogLink,
        Self::ClogHost,
        Self::Pause,
        Self::PauseLeader,
        Self::Replay,
        Self::FailSync,
        Self::Overload,
        Self::Campaign,
        Self::Transfer,
        Self::StepDown,
        Self::Change,
        Self::NewHabits,
    ];
}

/// How things are for a while. Chances are in permille, times in units.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Whether anything may go wrong at all.
    pub(crate) rough: bool,
    pub(crate) drop: u32,
    pub(crate) duplicate: u32,
    pub(crate) delay: u32,
    pub(crate) delay_max: u64,
    pub(crate) latency_max: u64,
    pub(crate) reorder: bool,
    /// Longest wait between two actions.
    pub(crate) action_gap: u64,
    actions: [u32; Action::ALL.len()],
    /// Longest wait between two wishes of clients.
    pub(crate) client_gap: u64,
    /// Chance of a burst of wishes.
    pub(crate) client_burst: u32,
    /// Chance that a client waits only so long for the outcome of its write.
    pub(crate) impatience: u32,
    pub(crate) patience_max: u64,
    /// Longest time a node stays down.
    pub(crate) down_max: u64,
    /// Longest time that cuts, clogs and pauses last.
    pub(crate) trouble_max: u64,
    /// Messages of this kind fare badly: lost or late with this chance.
    pub(crate) disliked: Option<(MessageKind, u32)>,
    /// Chance that a node which runs or wins stops at one of its next outputs.
    pub(crate) crash_at_election: u32,
    /// Chance that a node stops while it writes what replaces other things.
    pub(crate) crash_at_write: u32,
    /// Chance that a new leader hears messages of earlier terms.
    pub(crate) stale_greetings: u32,
    /// Chance that a new leader is asked at once for reads and another membership.
    pub(crate) eager: u32,
    /// Chance that a host gets odd habits.
    odd: u32,
}

/// Kinds of messages whose loss alone does most harm.
const DISLIKED: [MessageKind; 5] = [
    MessageKind::Append,
    MessageKind::AppendReply,
    MessageKind::Heartbeat,
    MessageKind::HeartbeatReply,
    MessageKind::VoteReply,
];

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const fn calm() -> Self {
        Self {
            rough: false,
            drop: 0,
            duplicate: 0,
            delay: 0,
            delay_max: UNITS_PER_TICK,
            latency_max: UNITS_PER_TICK / 2,
            reorder: false,
            action_gap: 0,
            actions: [0; Action::ALL.len()],
            client_gap: UNITS_PER_TICK,
            client_burst: 50,
            impatience: 0,
            patience_max: UNITS_PER_TICK,
            down_max: UNITS_PER_TICK,
            trouble_max: UNITS_PER_TICK,
            disliked: None,
            crash_at_election: 0,
            crash_at_write: 0,
            stale_greetings: 0,
            eager: 0,
            odd: 0,
        }
    }

    /// A mix of troubles; now and then hardly any.
    pub(crate) fn rough(rng: &mut Rng, election_max: u64) -> Self {
        let mut some = |permille: u32, strengths: &[u32]| {
            if rng.chance(permille) { rng.pick(strengths) } else { 0 }
        };
        let mild = some(250, &[1]) == 1;
        let drop = some(450, &[10, 50, 150, 300]);
        let duplicate = some(400, &[10, 50, 200]);
        let delay = some(450, &[20, 100, 300]);
        let dislike = some(350, &[200, 600, 900]);
        let crash_at_election = some(500, &[30, 150]);
        let crash_at_write = some(500, &[5, 50, 300]);
        let stale_greetings = some(700, &[200, 800]);
        let eager = some(600, &[200, 900]);
        let actions = [
            some(500, &[1, 3]),
            some(600, &[1, 3]),
            some(700, &[2, 6]),
            some(200, &[1]),
            some(400, &[1, 3]),
            some(400, &[1, 3]),
            some(250, &[1]),
            some(500, &[1, 3]),
            some(700, &[1, 3]),
            some(400, &[1, 3]),
            some(300, &[1]),
            some(400, &[1, 2]),
            some(400, &[1, 3]),
            some(700, &[2, 10]),
            some(400, &[1, 2]),
            some(300, &[1]),
            some(300, &[1]),
            some(500, &[1, 4]),
            some(300, &[1]),
            some(800, &[3, 10, 20]),
            1,
        ];
        Self {
            rough: true,
            drop: if mild { 0 } else { drop },
            duplicate,
            delay: if mild { 0 } else { delay },
            delay_max: UNITS_PER_TICK * rng.pick(&[2, 5, election_max]),
            latency_max: UNITS_PER_TICK * rng.pick(&[1, 1, 2, 8]) / 2,
            reorder: rng.chance(600),
            action_gap: UNITS_PER_TICK * if mild { 60 } else { rng.pick(&[6, 12, 25]) },
            actions,
            client_gap: UNITS_PER_TICK * rng.pick(&[1, 2, 6]) / 2,
            client_burst: rng.pick(&[0, 50, 200]),
            impatience: rng.pick(&[0, 30, 200]),
            patience_max: UNITS_PER_TICK * rng.pick(&[2, election_max, 4 * election_max]),
            down_max: UNITS_PER_TICK * rng.pick(&[2, 10, 30]),
            trouble_max: UNITS_PER_TICK * rng.pick(&[5, election_max, 3 * election_max]),
            disliked: (dislike > 0 && !mild).then(|| (rng.pick(&DISLIKED), dislike)),
            crash_at_election,
            crash_at_write,
            stale_greetings,
            eager,
            odd: if mild { 100 } else { rng.pick(&[100, 300, 600]) },
        }
    }

    /// What goes wrong next.
    pub(crate) fn action(&self, rng: &mut Rng) -> Action {
        Action::ALL[rng.weighted(&self.actions)]
    }

    /// How a host behaves from now on.
    pub(crate) fn habits(&self, rng: &mut Rng) -> Habits {
        let mut habits = Habits::calm(rng);
        if !self.rough {
            return habits;
        }
        if rng.chance(self.odd) {
            habits.rate = rng.pick(&[500, 800, 1250, 2000]);
        }
        if rng.chance(self.odd) {
            habits.clock = Watch::Every(UNITS_PER_TICK * rng.pick(&[2, 3, 7, 15]));
        }
        if rng.chance(self.odd) {
            habits.sync_max = UNITS_PER_TICK * rng.pick(&[2, 5, 12, 40]);
        }
        if rng.chance(self.odd) {
            habits.ack_late = rng.pick(&[100, 500, 1000]);
            habits.ack_repeat = rng.pick(&[0, 200, 500]);
            habits.ack_merge = rng.pick(&[0, 300, 900]);
        }
        if rng.chance(self.odd) {
            habits.poll_late = rng.pick(&[50, 300, 1000]);
        }
        if rng.chance(self.odd) {
            habits.apply_late = rng.pick(&[100, 1000]);
        }
        if rng.chance(self.odd) {
            habits.read_late = rng.pick(&[200, 700]);
            habits.read_short = rng.pick(&[300, 900]);
            habits.read_fails = rng.pick(&[0, 100, 1000]);
        }
        habits
    }
}

/// When a host looks at its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Every so many units.
    Every(u64),
    /// At the node's deadline, and before each input.
    Deadline,
}

/// How one host behaves for a while. Chances are in permille, times in units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Speed of its clock; 1,000 is true.
    pub(crate) rate: u64,
    pub(crate) clock: Watch,
    /// Longest sync.
    pub(crate) sync_max: u64,
    pub(crate) ack_late: u32,
    pub(crate) ack_repeat: u32,
    pub(crate) ack_merge: u32,
    pub(crate) poll_late: u32,
    pub(crate) apply_late: u32,
    /// Pieces of snapshots are read late, in part, or not at all.
    pub(crate) read_late: u32,
    pub(crate) read_short: u32,
    pub(crate) read_fails: u32,
}

impl Habits {
    /// A host as it should be; some sleep until their deadline.
    pub(crate) fn calm(rng: &mut Rng) -> Self {
        Self {
            rate: 1000,
            clock: if rng.chance(500) { Watch::Deadline } else { Watch::Every(UNITS_PER_TICK) },
            sync_max: UNITS_PER_TICK / 2,
            ack_late: 0,
            ack_repeat: 0,
            ack_merge: 0,
            poll_late: 0,
            apply_late: 0,
            read_late: 0,
            read_short: 0,
            read_fails: 0,
        }
    }
}

/// Longest time that a late poll, acknowledgement or report is late, in units.
pub(crate) const LATE_MAX: u64 = 4 * UNITS_PER_TICK;
