//! Bytes for the targets where there is no libFuzzer: seeds, changed at random.

use core::fmt;
use raftcore::{Config, GroupId, Identity, Input, LogIndex, Membership, NodeId, Tick};
use raftcore_sim::{NodeRecording, Recording, Start};

/// The formats as the core's tests fix them.
const GOLDEN: &str = include_str!("../../raft-core/tests/golden.txt");
/// Longest sequence of bytes for `inputs`.
const INPUTS_LENGTH_MAX: usize = 240;

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Arbitrary bytes where a network or a disk gives bytes.
    Bytes,
    /// Bytes as a sequence of inputs to a small cluster.
    Inputs,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Inputs => "inputs",
        })
    }
}

impl Target {
    /// One execution.
    ///
    /// # Panics
    /// That is a finding.
    pub fn run(self, data: &[u8], tell: bool) {
        match self {
            Self::Bytes => crate::bytes(data),
            Self::Inputs if tell => crate::tell_inputs(data),
            Self::Inputs => crate::inputs(data),
        }
    }

    /// What to begin with.
    #[must_use]
    pub fn seeds(self) -> Vec<Vec<u8>> {
        match self {
            Self::Bytes => byte_seeds(),
            Self::Inputs => {
                let generator = Generator { target: self, seed: 0, seeds: Vec::new() };
                (0..100).map(|number| generator.bytes(number)).collect()
            }
        }
    }
}

/// Every golden vector, raw and to be sealed, and a recording.
fn byte_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![[&[8], &*recording()].concat(), [&[9], &recording()[20..]].concat()];
    for line in GOLDEN.lines() {
        let Some((kind, text)) = line.split_once(' ') else { continue };
        let bytes = from_hex(text);
        if kind == "Write" {
            let inner = &bytes[13..bytes.len() - 8];
            seeds.push([&[4], &*bytes].concat());
            seeds.push([&[5], &*bytes].concat());
            seeds.push([&[6, 0, inner.len() as u8], inner].concat());
        } else {
            let built = [2, 1, bytes[25], bytes[26]];
            seeds.push([&[0], &*bytes].concat());
            seeds.push([&[1, 0], &*bytes].concat());
            seeds.push([&[3, 0], &built[..], &bytes[30..bytes.len() - 8]].concat());
        }
        if kind == "Append" {
            seeds.push([&[7, 15, 15], &bytes[40..bytes.len() - 8]].concat());
        }
    }
    seeds
}

fn recording() -> Vec<u8> {
    let identity = Identity { group: GroupId(1), node: NodeId(1) };
    let membership = Membership::of_voters([1]).unwrap_or_default();
    let life = NodeRecording {
        config: Config::default(),
        start: Start::Found { identity, membership },
        applied: LogIndex(0),
        inputs: vec![Input::Tick(Tick(0)), Input::Campaign, Input::Poll, Input::Poll],
        answers: 0,
    };
    Recording { seed: 7, nodes: vec![life] }.encode()
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap_or("0"), 16);
    pairs.map(|pair| byte(pair).unwrap_or_default()).collect()
}

/// Gives the bytes of each execution; they follow from its number and the seed alone.
pub struct Generator {
    target: Target,
    seed: u64,
    seeds: Vec<Vec<u8>>,
}

impl Generator {
    /// A generator for this target.
    #[must_use]
    pub fn new(target: Target, seed: u64) -> Self {
        let seeds = if target == Target::Bytes { target.seeds() } else { Vec::new() };
        Self { target, seed, seeds }
    }

    /// The bytes of this execution.
    #[must_use]
    pub fn bytes(&self, number: u64) -> Vec<u8> {
        let mut random = Random(self.seed.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ number);
        match self.target {
            Target::Inputs => {
                let length = random.below(INPUTS_LENGTH_MAX);
                random.bytes(length)
            }
            Target::Bytes => {
                let mut bytes = self.seeds[random.below(self.seeds.len())].clone();
                for _ in 0..random.below(6) {
                    self.change(&mut bytes, &mut random);
                }
                bytes
            }
        }
    }

    fn change(&self, bytes: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(8)).min(bytes.len());
        match (random.below(8), bytes.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(byte)) => *byte = random.next() as u8,
            (2, Some(byte)) => *byte = [0, 1, 2, 127, 128, 255][random.below(6)],
            (3, _) => drop(bytes.drain(at..end)),
            (4, _) => {
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            (5, _) => {
                let more = random.below(6);
                let more = random.bytes(more);
                bytes.splice(at..at, more);
            }
            // The longest number of a postcard head.
            (6, _) => {
                let count = 1 + random.below(9);
                bytes.splice(at..end, [0xFF; 10].into_iter().take(count).chain([1]));
            }
            _ => {
                let other = &self.seeds[random.below(self.seeds.len())];
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(length);
        bytes
    }
}
