//! One vote per node and term, one leader per term (Raft 5.2), for the whole run.

use crate::property::{Checked, Property, broken};

/// Terms beyond this one are not an honest run's.
const TERM_MAX: u64 = 1 << 20;

/// Whom one node voted for, by term; survives its restarts.
#[derive(Clone, Default)]
pub(crate) struct Ballots(Vec<u8>);

impl Ballots {
    /// Takes note of a vote that is durable or was told to somebody.
    pub(crate) fn cast(&mut self, host: usize, term: u64, candidate: u64) -> Checked {
        let candidate = candidate as u8;
        let slot = slot(&mut self.0, host, term)?;
        match *slot {
            0 => *slot = candidate,
            earlier if earlier != candidate => {
                let detail = format!("voted for {earlier} and for {candidate} in term {term}");
                return broken(Property::OneVotePerTerm, host, detail);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Ballots {
    /// Whether it voted for this candidate in this term.
    pub(crate) fn voted(&self, term: u64, candidate: u64) -> bool {
        self.0.get(term as usize).is_some_and(|&vote| u64::from(vote) == candidate)
    }
}

/// Who led each term.
#[derive(Default)]
pub(crate) struct Leaders(Vec<u8>);

impl Leaders {
    /// Takes note of a node that leads a term, or speaks as its leader.
    pub(crate) fn record(&mut self, host: usize, term: u64) -> Checked {
        let leader = host as u8 + 1;
        let slot = slot(&mut self.0, host, term)?;
        match *slot {
            0 => *slot = leader,
            other if other != leader => {
                let detail = format!("leads term {term}, which node {other} led");
                return broken(Property::ElectionSafety, host, detail);
            }
            _ => {}
        }
        Ok(())
    }
}

fn slot(by_term: &mut Vec<u8>, host: usize, term: u64) -> Checked<&mut u8> {
    if term > TERM_MAX {
        return broken(Property::BoundedResources, host, format!("reached term {term}"));
    }
    let place = term as usize;
    if place >= by_term.len() {
        by_term.resize(place + 1, 0);
    }
    Ok(&mut by_term[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_votes_in_one_term_break_one_vote_per_term() {
        let mut ballots = Ballots::default();
        assert_eq!(ballots.cast(0, 5, 2), Ok(()));
        assert_eq!(ballots.cast(0, 5, 2), Ok(()));
        assert_eq!(ballots.cast(0, 6, 3), Ok(()));
        assert_eq!(ballots.cast(0, 5, 3).unwrap_err().property, Property::OneVotePerTerm);
    }

    #[test]
    fn two_leaders_in_one_term_break_election_safety() {
        let mut leaders = Leaders::default();
        assert_eq!(leaders.record(0, 5), Ok(()));
        assert_eq!(leaders.record(1, 6), Ok(()));
        assert_eq!(leaders.record(1, 5).unwrap_err().property, Property::ElectionSafety);
    }

    #[test]
    fn an_endless_rise_of_the_term_breaks_bounded_resources() {
        let fault = Leaders::default().record(0, TERM_MAX + 1).unwrap_err();
        assert_eq!(fault.property, Property::BoundedResources);
    }
}
