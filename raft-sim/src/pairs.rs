//! Which kinds of faults met: many bugs need two of them.

use crate::faults::{FaultCounts, FaultKind};

const KINDS: usize = FaultKind::ALL.len();

/// In how many runs each two kinds of faults fired both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPairs(Vec<u64>);

impl Default for FaultPairs {
    fn default() -> Self {
        Self(vec![0; KINDS * KINDS])
    }
}

impl FaultPairs {
    /// Takes in what fired in one run.
    pub fn add(&mut self, run: &FaultCounts) {
        let fired: Vec<usize> =
            run.iter().filter(|&(_, count)| count > 0).map(|(kind, _)| kind as usize).collect();
        for (place, &one) in fired.iter().enumerate() {
            for &other in &fired[place + 1..] {
                self.0[one * KINDS + other] += 1;
            }
        }
    }

    /// Each pair, and in how many runs both fired.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, FaultKind, u64)> + '_ {
        FaultKind::ALL.iter().enumerate().flat_map(move |(place, &one)| {
            let others = &FaultKind::ALL[place + 1..];
            others.iter().map(move |&other| (one, other, self.0[place * KINDS + other as usize]))
        })
    }

    /// The pair that met in the fewest runs, and in how many.
    #[must_use]
    pub fn rarest(&self) -> Option<(FaultKind, FaultKind, u64)> {
        self.iter().min_by_key(|&(_, _, runs)| runs)
    }

    /// How many pairs met in some run, and how many there are.
    #[must_use]
    pub fn met(&self) -> (usize, usize) {
        (self.iter().filter(|&(_, _, runs)| runs > 0).count(), KINDS * (KINDS - 1) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kinds_meet_in_a_run_in_which_both_fired() {
        let mut pairs = FaultPairs::default();
        let mut run = FaultCounts::default();
        run[FaultKind::Drop] = 3;
        run[FaultKind::Crash] = 1;
        pairs.add(&run);
        run[FaultKind::Pause] = 1;
        pairs.add(&run);
        let of = |wanted: (FaultKind, FaultKind)| {
            pairs.iter().find(|&(one, other, _)| (one, other) == wanted).map(|(_, _, runs)| runs)
        };
        assert_eq!(of((FaultKind::Drop, FaultKind::Crash)), Some(2));
        assert_eq!(of((FaultKind::Drop, FaultKind::Pause)), Some(1));
        assert_eq!(of((FaultKind::Drop, FaultKind::Delay)), Some(0));
        assert_eq!(pairs.met(), (3, pairs.iter().count()));
        assert_eq!(pairs.rarest().map(|(_, _, runs)| runs), Some(0));
    }
}
