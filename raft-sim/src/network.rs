//! The links between hosts, and what is under way on them.

use bytes::Bytes;
use raftcore::{Message, MessageKind};

use crate::config::{NODES, OUTSIDERS_MAX};
use crate::faults::{FaultCounts, FaultKind};
use crate::property::{Checked, Property, broken};
use crate::queue::UNITS_PER_TICK;
use crate::rng::Rng;
use crate::weather::Weather;

const HOSTS: usize = *NODES.end() + OUTSIDERS_MAX;
/// Old messages kept so that some come back.
const ARCHIVE: usize = 96;

/// A message on its way, as a value or as bytes.
#[derive(Clone)]
enum Carried {
    Value(Message),
    Frame(Bytes),
}

/// A message under way, or one that was.
#[derive(Clone)]
pub(crate) struct Flight {
    carried: Carried,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) term: u64,
    kind: MessageKind,
    /// The lives of sender and receiver when it left.
    pub(crate) lives: [u32; 2],
    clogged: bool,
}

impl Flight {
    /// Packs a message; `codec` sends it through bytes.
    pub(crate) fn new(message: Message, codec: bool, lives: [u32; 2]) -> (Self, u64) {
        let from = message.from().0 as usize - 1;
        let to = message.to().0 as usize - 1;
        let (term, kind) = (message.term().0, message.kind());
        let (carried, digest) = if codec {
            let frame = message.encode();
            let [head, _] = frame.parts();
            let digest = head.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            (Carried::Frame(frame.to_bytes()), digest)
        } else {
            (Carried::Value(message), term)
        };
        (Self { carried, from, to, term, kind, lives, clogged: false }, digest)
    }

    /// The message as it arrives.
    pub(crate) fn unpack(self) -> Checked<Message> {
        match self.carried {
            Carried::Value(message) => Ok(message),
            Carried::Frame(frame) => Message::decode(frame).or_else(|error| {
                let detail = format!("a frame does not decode: {error}");
                broken(Property::CodecRoundTrip, self.from, detail)
            }),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Link {
    cut: bool,
    clogged_until: u64,
    /// Latest arrival planned so far.
    latest: u64,
    /// When the clog last let go, so that a second message then counts as a burst.
    burst_at: u64,
}

/// All links, and all messages under way.
pub(crate) struct Network {
    links: [[Link; HOSTS]; HOSTS],
    flights: Vec<Option<Flight>>,
    free: Vec<u32>,
    archive: Vec<Flight>,
}

impl Network {
    pub(crate) fn new() -> Self {
        Self {
            links: [[Link::default(); HOSTS]; HOSTS],
            flights: Vec::new(),
            free: Vec::new(),
            archive: Vec::with_capacity(ARCHIVE),
        }
    }

    /// Plans the arrivals of a message: none, one or several.
    pub(crate) fn send(
        &mut self,
        flight: Flight,
        now: u64,
        weather: &Weather,
        rng: &mut Rng,
        counts: &mut FaultCounts,
        mut arrive: impl FnMut(u64, u32),
    ) {
        if self.is_cut(flight.from, flight.to) {
            return;
        }
        let reply = matches!(flight.kind, MessageKind::AppendReply | MessageKind::VoteReply);
        if weather.rough && rng.chance(if reply { 150 } else { 30 }) {
            self.keep(flight.clone(), rng);
        }
        let disliked = weather.disliked.filter(|&(kind, _)| kind == flight.kind);
        let disliked = disliked.is_some_and(|(_, chance)| rng.chance(chance));
        if rng.chance(weather.drop) || (disliked && rng.chance(500)) {
            counts[FaultKind::Drop] += 1;
            return;
        }
        let delay = if disliked { 1000 } else { weather.delay };
        if rng.chance(weather.duplicate) {
            counts[FaultKind::Duplicate] += 1;
            let again = flight.clone();
            let at = self.arrival(&again, now, (weather, delay), rng, counts);
            arrive(at, self.put(again));
        }
        let mut flight = flight;
        let at = self.arrival(&flight, now, (weather, delay), rng, counts);
        flight.clogged = self.links[flight.from][flight.to].clogged_until == at;
        arrive(at, self.put(flight));
    }

    fn arrival(
        &mut self,
        flight: &Flight,
        now: u64,
        (weather, delay): (&Weather, u32),
        rng: &mut Rng,
        counts: &mut FaultCounts,
    ) -> u64 {
        let link = &mut self.links[flight.from][flight.to];
        let mut at = now + rng.between(1, weather.latency_max);
        if rng.chance(delay) {
            counts[FaultKind::Delay] += 1;
            at += rng.between(UNITS_PER_TICK, weather.delay_max);
        }
        if link.clogged_until > now {
            at = link.clogged_until;
        } else if !weather.reorder {
            at = at.max(link.latest);
        } else if at < link.latest {
            counts[FaultKind::Reorder] += 1;
        }
        link.latest = link.latest.max(at);
        at
    }

    /// Takes a message off the network, unless its link is cut now.
    pub(crate) fn arrive(
        &mut self,
        flight: u32,
        now: u64,
        counts: &mut FaultCounts,
    ) -> Option<Flight> {
        let taken = self.flights[flight as usize].take();
        self.free.push(flight);
        let taken = taken?;
        if taken.clogged {
            let link = &mut self.links[taken.from][taken.to];
            if link.burst_at == now {
                counts[FaultKind::Burst] += 1;
            }
            link.burst_at = now;
        }
        (!self.is_cut(taken.from, taken.to)).then_some(taken)
    }

    fn put(&mut self, flight: Flight) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.flights[slot as usize] = Some(flight);
                slot
            }
            None => {
                self.flights.push(Some(flight));
                self.flights.len() as u32 - 1
            }
        }
    }

    fn keep(&mut self, flight: Flight, rng: &mut Rng) {
        if self.archive.len() < ARCHIVE {
            self.archive.push(flight);
        } else {
            self.archive[rng.below(ARCHIVE as u64) as usize] = flight;
        }
    }

    /// Puts an old message on the network again, one of an earlier term or life if there is one.
    pub(crate) fn replay(&mut self, rng: &mut Rng, stale: impl Fn(&Flight) -> bool) -> Option<u32> {
        let from = rng.below(self.archive.len() as u64) as usize;
        let (before, after) = self.archive.split_at(from);
        let flight = after.iter().chain(before).find(|flight| stale(flight))?.clone();
        Some(self.put(flight))
    }

    pub(crate) fn flight(&self, flight: u32) -> Option<&Flight> {
        self.flights.get(flight as usize)?.as_ref()
    }

    /// Whether the link is cut in this direction.
    pub(crate) const fn is_cut(&self, from: usize, to: usize) -> bool {
        self.links[from][to].cut
    }

    /// Cuts the link in this direction.
    pub(crate) fn sever(&mut self, from: usize, to: usize) {
        self.links[from][to].cut = true;
    }

    /// Holds back what is sent over the link until then.
    pub(crate) fn clog(&mut self, from: usize, to: usize, until: u64) {
        self.links[from][to].clogged_until = until;
    }

    /// Whether some link is cut.
    pub(crate) fn has_cuts(&self) -> bool {
        self.links.iter().flatten().any(|link| link.cut)
    }

    /// Mends all cuts.
    pub(crate) fn heal(&mut self) {
        for link in self.links.iter_mut().flatten() {
            link.cut = false;
        }
    }

    /// Mends everything and forgets the old messages.
    pub(crate) fn calm(&mut self) {
        self.heal();
        for link in self.links.iter_mut().flatten() {
            link.clogged_until = 0;
        }
        self.archive.clear();
    }
}
