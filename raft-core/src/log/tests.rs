//! The log against a plain vector of entries.

use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;

const GROUP: GroupId = GroupId(3);

fn empty() -> Log {
    Log::after(GROUP, Point { checksum: 99, ..Point::default() })
}

fn command(log: &mut Log, term: u64, payload: &[u8]) {
    log.append(Term(term), EntryKind::Command, payload);
}

fn payloads(entries: &Entries) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.payload.to_vec()).collect()
}

/// All entries from `from` on, through as many slices as it takes.
fn all_from(log: &mut Log, from: u64, max_bytes: usize) -> Vec<(EntryId, Vec<u8>)> {
    let mut found = Vec::new();
    let mut next = LogIndex(from);
    while next <= log.last_index() {
        let entries = log.slice(next, log.last_index(), max_bytes);
        assert!(!entries.is_empty(), "no entry at {next}");
        assert_eq!(entries.first(), next);
        found.extend(entries.iter().map(|entry| (entry.id, entry.payload.to_vec())));
        next = entries.last().next();
    }
    found
}

#[test]
fn an_appended_entry_is_found_by_its_index() {
    let mut log = empty();
    for number in 0..1000u32 {
        command(&mut log, 1 + u64::from(number) / 300, &number.to_le_bytes());
    }
    let entry = log.entry(LogIndex(700)).unwrap();
    assert_eq!(entry.payload, 699u32.to_le_bytes());
    assert_eq!(entry.id.term, Term(3));
    assert_eq!(log.entry(LogIndex(0)), None);
    assert_eq!(log.entry(LogIndex(1001)), None);
    assert_eq!(log.term(LogIndex(300)), Some(Term(1)));
    assert_eq!(log.term(LogIndex(301)), Some(Term(2)));
    assert_eq!(log.term(LogIndex(0)), Some(Term(0)));
    assert_eq!(log.term(LogIndex(1001)), None);
}

#[test]
fn a_slice_ends_at_its_limit_but_gives_one_entry_at_least() {
    let mut log = empty();
    (0..10).for_each(|_| command(&mut log, 1, &[7; 30]));
    assert_eq!(log.slice(LogIndex(1), LogIndex(10), 1).len(), 1);
    assert_eq!(log.slice(LogIndex(1), LogIndex(10), 120).len(), 3);
    assert_eq!(log.slice(LogIndex(4), LogIndex(6), usize::MAX).len(), 3);
    assert!(log.slice(LogIndex(11), LogIndex(20), 1000).is_empty());
    assert!(log.slice(LogIndex(0), LogIndex(3), 1000).is_empty());
}

#[test]
fn small_appends_are_cut_out_together() {
    let mut log = empty();
    command(&mut log, 1, &[0; TAIL_BYTES_MAX]);
    for number in 2..=100u8 {
        command(&mut log, 1, &[number]);
        log.slice(log.last_index(), log.last_index(), 10);
    }
    let entries = log.slice(LogIndex(20), LogIndex(90), usize::MAX);
    assert_eq!(entries.len(), 71);
    assert_eq!(payloads(&entries)[70], [90]);
}

#[test]
fn outputs_of_a_round_share_one_copy() {
    let mut log = empty();
    command(&mut log, 1, &[0; TAIL_BYTES_MAX]);
    (0..100).for_each(|_| command(&mut log, 1, &[1; 200]));
    let first = log.slice(LogIndex(2), LogIndex(101), usize::MAX);
    let again = log.slice(LogIndex(2), LogIndex(101), usize::MAX);
    assert_eq!(first.len(), 100);
    assert_eq!(first.bytes().as_ptr(), again.bytes().as_ptr());
}

#[test]
fn where_two_logs_may_agree_is_found_by_term() {
    let mut log = empty();
    for term in [1, 1, 1, 4, 4, 5] {
        command(&mut log, term, b"x");
    }
    let at = |index, term| log.last_within(LogIndex(index), Term(term)).index.0;
    assert_eq!(at(6, 5), 6);
    assert_eq!(at(9, 4), 5);
    assert_eq!(at(6, 3), 3);
    assert_eq!(at(2, 9), 2);
    assert_eq!(at(6, 0), 0);
}

#[test]
fn the_chain_depends_on_every_field() {
    let id = EntryId { term: Term(2), index: LogIndex(5) };
    let of = |group, id, kind, payload: &[u8], before| {
        encode_entry(&mut Vec::new(), group, id, kind, payload, before)
    };
    let usual = of(GROUP, id, EntryKind::Command, b"abc", 1);
    let others = [
        of(GroupId(4), id, EntryKind::Command, b"abc", 1),
        of(GROUP, EntryId { term: Term(3), ..id }, EntryKind::Command, b"abc", 1),
        of(GROUP, EntryId { index: LogIndex(6), ..id }, EntryKind::Command, b"abc", 1),
        of(GROUP, id, EntryKind::Noop, b"abc", 1),
        of(GROUP, id, EntryKind::Command, b"abd", 1),
        of(GROUP, id, EntryKind::Command, b"abc\0", 1),
        of(GROUP, id, EntryKind::Command, b"abc", 2),
    ];
    assert!(others.iter().all(|other| *other != usual));
}

#[test]
fn a_flipped_bit_in_a_run_is_found() {
    let mut log = empty();
    (0..8).for_each(|_| command(&mut log, 1, b"payload"));
    let run = log.slice(LogIndex(1), LogIndex(8), usize::MAX);
    let before = log.base();
    assert_eq!(Log::verify(GROUP, before, &run).map(|verified| verified.end), Ok(log.last()));
    for bit in 0..run.bytes().len() * 8 {
        let mut bytes = run.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(run) = Entries::decode(LogIndex(1), 8, bytes.into()) {
            assert!(Log::verify(GROUP, before, &run).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn capacity_follows_the_entries_at_one_small_entry_a_slice() {
    let mut log = empty();
    let mut bytes = 0;
    for _ in 0..100_000 {
        bytes += log.append(Term(1), EntryKind::Command, &[1; 16]);
        log.slice(log.last_index(), log.last_index(), 100);
    }
    assert!(log.capacity() < bytes * 5 / 4 + (128 << 10), "{} for {bytes}", log.capacity());
    assert!(log.capacity() >= bytes);
}

fn terms(terms: &[u64]) -> Log {
    let mut log = empty();
    terms.iter().for_each(|&term| command(&mut log, term, &[7; 30]));
    log
}

#[test]
fn what_a_snapshot_contains_leaves_the_log_and_the_rest_stays() {
    let mut log = terms(&[1, 1, 2, 2, 2, 4, 4, 5]);
    for index in [2, 5, 5, 7] {
        let base = log.point(LogIndex(index)).unwrap();
        log.discard_through(base);
        assert_eq!((log.base(), log.point(LogIndex(index))), (base, Some(base)));
        assert_eq!(log.term(LogIndex(index)), Some(base.id.term));
        assert_eq!((log.term(LogIndex(index - 1)), log.entry(LogIndex(index))), (None, None));
        assert!(log.slice(LogIndex(index), LogIndex(8), 1000).is_empty());
        assert_eq!(all_from(&mut log, index + 1, 1000).len() as u64, 8 - index);
    }
    assert_eq!(log.term(LogIndex(8)), Some(Term(5)));
    assert_eq!(log.last_within(LogIndex(8), Term(3)), log.base().id);
    log.discard_through(terms(&[1, 1]).last());
    assert_eq!(log.base().id.index, LogIndex(7));
}

#[test]
fn a_snapshot_of_the_whole_log_leaves_none_and_the_chain_goes_on() {
    let mut log = terms(&[1, 2, 2]);
    let end = log.last();
    log.discard_through(end);
    assert_eq!((log.base(), log.last(), log.capacity()), (end, end, 0));
    command(&mut log, 2, b"next");
    let mut other = terms(&[1, 2, 2]);
    command(&mut other, 2, b"next");
    assert_eq!((log.last(), log.term(LogIndex(4))), (other.last(), Some(Term(2))));
}

#[test]
fn blocks_that_a_snapshot_contains_give_their_memory_back() {
    let mut log = empty();
    (0..10_000).for_each(|_| command(&mut log, 1, &[7; 30]));
    let (all, base) = (log.capacity(), log.point(LogIndex(9_000)).unwrap());
    log.discard_through(base);
    assert!(log.capacity() < all / 2, "{} of {all}", log.capacity());
    assert_eq!(all_from(&mut log, 9_001, 1000).len(), 1000);
}

#[test]
fn a_log_that_a_snapshot_replaces_goes_on_after_it() {
    let mut log = terms(&[1, 1, 1]);
    let base = terms(&[2, 2, 2, 2, 2]).last();
    log.reset(base);
    assert_eq!((log.base(), log.last(), log.start()), (base, base, base.id.index));
    assert_eq!((log.term(LogIndex(3)), log.capacity()), (None, 0));
    command(&mut log, 3, b"next");
    assert_eq!(log.entry(LogIndex(6)).unwrap().payload, b"next");
}

/// A log, and one like it that has let everything but the last entries go.
fn evicted(all: &[u64], keep: usize) -> (Log, Log) {
    let (whole, mut log) = (terms(all), terms(&all[..all.len() - keep]));
    log.evict(0, log.last_index());
    all[all.len() - keep..].iter().for_each(|&term| command(&mut log, term, &[7; 30]));
    assert_eq!((log.last(), log.start().0 as usize), (whole.last(), all.len() - keep));
    (whole, log)
}

#[test]
fn what_left_memory_is_known_by_its_term_and_the_entry_before_the_rest_by_all() {
    let (mut whole, mut log) = evicted(&[1, 1, 2, 2, 4, 4], 2);
    for index in 0..=6 {
        assert_eq!(log.term(LogIndex(index)), whole.term(LogIndex(index)));
        let known = index == 0 || index >= 4;
        assert_eq!(log.point(LogIndex(index)).is_some(), known, "entry {index}");
    }
    assert_eq!(log.last_within(LogIndex(6), Term(2)), whole.last_within(LogIndex(6), Term(2)));
    assert_eq!(all_from(&mut log, 5, 1000), all_from(&mut whole, 5, 1000));
    assert!(log.slice(LogIndex(4), LogIndex(6), 1000).is_empty());
}

#[test]
fn a_truncation_behind_the_window_goes_on_from_the_entry_that_was_read_back() {
    let (whole, mut log) = evicted(&[1, 1, 2, 2, 4, 4], 2);
    log.recall(whole.point(LogIndex(2)).unwrap());
    log.truncate(LogIndex(3));
    assert_eq!((log.last(), log.start()), (whole.point(LogIndex(2)).unwrap(), LogIndex(2)));
    command(&mut log, 5, b"new");
    let mut other = terms(&[1, 1]);
    command(&mut other, 5, b"new");
    assert_eq!((log.last(), log.term(LogIndex(3))), (other.last(), Some(Term(5))));
}

#[test]
fn what_storage_gives_back_must_fit_the_terms_the_chain_and_what_memory_knows() {
    let (mut whole, log) = evicted(&[1, 1, 2, 2, 4, 4], 2);
    let answer = whole.slice(LogIndex(2), LogIndex(4), 1000);
    let fetched = log.check(LogIndex(3), &answer).unwrap();
    let points = [2, 4].map(|index| whole.point(LogIndex(index)).unwrap());
    assert_eq!([fetched.before, fetched.end], points);
    assert_eq!(fetched.entries, whole.slice(LogIndex(3), LogIndex(4), 1000));
    let first = whole.slice(LogIndex(1), LogIndex(2), 1000);
    assert_eq!(log.check(LogIndex(1), &first).unwrap().before, whole.base());

    let answer_of = |terms_there: &[u64]| terms(terms_there).slice(LogIndex(2), LogIndex(4), 1000);
    assert!(log.check(LogIndex(3), &answer_of(&[1, 1, 2, 3])).is_none(), "another term");
    assert!(log.check(LogIndex(3), &answer_of(&[1, 2, 2, 2])).is_none(), "another predecessor");
    let mut other = terms(&[1]);
    command(&mut other, 1, b"other");
    [2, 2].into_iter().for_each(|term| command(&mut other, term, &[7; 30]));
    let other = other.slice(LogIndex(2), LogIndex(4), 1000);
    assert!(log.check(LogIndex(3), &other).is_none(), "another history up to the window");
    let mut bytes = answer.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = Entries::decode(LogIndex(2), 3, bytes.into()).unwrap();
    assert!(log.check(LogIndex(3), &damaged).is_none(), "a changed byte");
}

#[derive(Clone, Debug)]
enum Step {
    Append { raises: bool, bytes: usize },
    Extend { entries: usize, bytes: usize },
    Truncate { back: u64 },
    Slice { back: u64, max_bytes: usize },
    Evict { max_bytes: usize, lag: u64 },
    Trim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (any::<bool>(), 0..300usize).prop_map(|(raises, bytes)| Step::Append { raises, bytes }),
        2 => (1..50usize, 0..4000usize).prop_map(|(entries, bytes)| Step::Extend { entries, bytes }),
        1 => (0..80u64).prop_map(|back| Step::Truncate { back }),
        4 => (0..60u64, 0..9000usize).prop_map(|(back, max_bytes)| Step::Slice { back, max_bytes }),
        2 => (0..20_000usize, 0..40u64).prop_map(|(max_bytes, lag)| Step::Evict { max_bytes, lag }),
        1 => Just(Step::Trim),
    ];
    proptest::collection::vec(step, 1..120)
}

fn perform(log: &mut Log, model: &mut Vec<(EntryId, Vec<u8>)>, step: Step, fill: u8) {
    let term = log.last().id.term.0.max(1);
    let next = |model: &Vec<(EntryId, Vec<u8>)>| LogIndex(model.len() as u64 + 1);
    match step {
        Step::Append { raises, bytes } => {
            let payload = vec![fill; bytes];
            log.append(Term(term + u64::from(raises)), EntryKind::Command, &payload);
            let id = log.last().id;
            assert_eq!(id.index, next(model));
            model.push((id, payload));
        }
        Step::Extend { entries, bytes } => {
            let mut other = Log::after(GROUP, log.last());
            for number in 0..entries {
                let payload = vec![fill; bytes];
                let term = Term(term + number as u64 / 20);
                other.append(term, EntryKind::Command, &payload);
                let id = other.last().id;
                model.push((id, payload));
            }
            while log.last_index() < other.last_index() {
                let run = other.slice(log.last_index().next(), other.last_index(), 100_000);
                let end = Log::verify(GROUP, log.last(), &run).unwrap().end;
                log.extend(&run, end);
                if entries % 2 == 0 {
                    log.share(&mut run.clone());
                }
            }
        }
        Step::Truncate { back } => {
            let keep = (model.len() as u64).saturating_sub(back).max(log.start().0);
            log.truncate(LogIndex(keep + 1));
            model.truncate(keep as usize);
        }
        Step::Slice { back, max_bytes } => {
            let from = (model.len() as u64).saturating_sub(back).max(log.start().0 + 1);
            let found = all_from(log, from, max_bytes);
            assert_eq!(found, model[(from as usize - 1).min(model.len())..]);
        }
        Step::Evict { max_bytes, lag } => {
            let durable = (model.len() as u64).saturating_sub(lag);
            let before = log.start();
            log.evict(max_bytes, LogIndex(durable));
            assert!(log.start() == before || log.start().0 <= durable);
            assert!(lag > 0 || log.capacity() <= max_bytes);
        }
        Step::Trim => log.trim(1000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_holds_what_a_plain_vector_holds(steps in steps()) {
        let mut log = empty();
        let mut model = Vec::new();
        for (fill, step) in steps.into_iter().enumerate() {
            perform(&mut log, &mut model, step, fill as u8);
            prop_assert_eq!(log.last_index().0, model.len() as u64);
            if let Some((id, _)) = model.last() {
                prop_assert_eq!(log.last().id, *id);
            }
        }
        let start = log.start();
        prop_assert_eq!(log.point(start).unwrap().id.index, start);
        for (id, payload) in &model {
            prop_assert_eq!(log.term(id.index), Some(id.term));
            let Some(entry) = log.entry(id.index) else {
                prop_assert!(id.index <= start);
                continue;
            };
            prop_assert!(id.index > start);
            prop_assert_eq!(entry.id, *id);
            prop_assert_eq!(entry.payload, &payload[..]);
        }
        let rest = all_from(&mut log, start.0 + 1, 5000);
        prop_assert_eq!(&rest[..], &model[start.0 as usize..]);
    }
}
