//! A small deterministic generator for election timeouts. Not for secrets.

/// SplitMix64: one word of state, good enough to spread timeouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(words: [u64; 3]) -> Self {
        let mut rng = Self(0x9E37_79B9_7F4A_7C15);
        for word in words {
            rng.0 ^= word;
            rng.0 = rng.next();
        }
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u64 {
        let span = u64::from(high.saturating_sub(low)).saturating_add(1);
        u64::from(low).saturating_add(self.next().checked_rem(span).unwrap_or(0))
    }
}
