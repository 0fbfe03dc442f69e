//! Bytes as they come from a network, a disk or a file: whatever they are, an answer comes back.

use bytes::Bytes;
use core::cell::OnceCell;
use raftcore::{
    Entries, FORMAT_VERSION, Header, Input, LogIndex, MAX_FRAME_BYTES, Message, Node, NodeId,
    Output, Stored, Tick, Write,
};
use raftcore_sim::Recording;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

use crate::cluster::{GROUP, assert_rejected_unchanged, samples};
use crate::dice::Dice;
use crate::forge;

/// Most polls after one message; a node that goes on longer never becomes quiet.
const POLLS_MAX: usize = 200;
/// Most inputs of a recording that are played.
const INPUTS_MAX: usize = 200;

thread_local! {
    static NODES: OnceCell<Vec<(Node, u64)>> = const { OnceCell::new() };
}

/// The first byte says what the others are.
pub(crate) fn play(data: &[u8]) {
    let mut dice = Dice::new(data);
    match dice.below(10) {
        0 => frame(dice.rest().to_vec(), 0),
        1 | 2 => {
            let how = dice.byte();
            let mut bytes = dice.rest().to_vec();
            forge::seal_frame(&mut bytes);
            frame(bytes, how);
        }
        3 => {
            let how = dice.byte();
            frame(built_frame(dice), how);
        }
        4 => drop(record(dice.rest().to_vec())),
        5 => {
            let mut bytes = dice.rest().to_vec();
            forge::seal_record(&mut bytes);
            record(bytes);
        }
        6 => records(dice),
        7 => entries(dice),
        8 => recording(dice.rest().to_vec()),
        _ => {
            let mut file = b"raftcore recording \x01".to_vec();
            file.extend_from_slice(dice.rest());
            file.extend_from_slice(&[0; 8]);
            forge::seal_file(&mut file);
            recording(file);
        }
    }
}

/// What `read` gives for these bytes, for which it may not take much more memory than they are.
fn read<T>(length: usize, read: impl FnOnce() -> T) -> T {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let value = read();
    let taken = region.change().bytes_allocated;
    // A member of a membership has four bytes here and 48 there, in a vector that doubles.
    let most = 100 * length + 1024;
    assert!(taken <= most, "{taken} bytes are allocated to read {length}");
    value
}

/// A frame with a head and a body of chosen lengths.
fn built_frame(mut dice: Dice<'_>) -> Vec<u8> {
    let mut frame = vec![FORMAT_VERSION];
    let (from, to, kind) = (dice.below(5) as u64, dice.below(5) as u64, dice.below(16) as u8);
    [GROUP.0, from, to].iter().for_each(|word| frame.extend_from_slice(&word.to_le_bytes()));
    frame.push(kind);
    let head = u32::from(dice.byte());
    frame.extend_from_slice(&head.to_le_bytes());
    let fixed = frame.len();
    frame.extend_from_slice(dice.rest());
    let end = frame.len().min(fixed + head as usize);
    frame.splice(end..end, [0; 8]);
    forge::seal_frame(&mut frame);
    frame
}

fn frame(bytes: Vec<u8>, how: u8) {
    let length = bytes.len();
    let frame = Bytes::from(bytes);
    let header = Header::peek(&frame);
    let Ok(message) = read(length, || Message::decode(frame.clone())) else { return };
    assert!(length <= MAX_FRAME_BYTES);
    let header = header.expect("what decodes has a header");
    let outside = (message.group(), message.from(), message.to(), message.kind());
    assert_eq!((header.group, header.from, header.to, header.kind), outside);
    let again = Message::decode(message.encode().to_bytes());
    assert_eq!(again.as_ref(), Ok(&message), "a message changed by its encoding");
    NODES.with(|nodes| {
        let nodes = nodes.get_or_init(|| {
            samples()
                .into_iter()
                .map(|node| (node.fingerprint(), node))
                .map(|(a, b)| (b, a))
                .collect()
        });
        let (node, fingerprint) = &nodes[usize::from(how >> 2) % nodes.len()];
        let term = if how & 1 == 0 { node.term() } else { message.term() };
        let from =
            if how & 2 == 0 { NodeId(1 + node.identity().node.0 % 3) } else { message.from() };
        let to = node.identity().node;
        let message = Message::forge(GROUP, from, to, term, message.body().clone());
        receive(node, *fingerprint, message);
    });
}

/// A node takes the message or leaves it, and goes on.
fn receive(before: &Node, fingerprint: u64, message: Message) {
    let mut node = before.clone();
    if let Err(error) = node.receive(message)
        && node.fingerprint() != fingerprint
    {
        assert_rejected_unchanged(before, &node, error);
    }
    go_on(&mut node);
}

/// Carries out what the node wants. It does not halt.
fn go_on(node: &mut Node) {
    for _ in 0..POLLS_MAX {
        let Some(output) = node.poll_output() else { return };
        match output {
            Output::Persist(write) => node.persisted(write.id).expect("it was handed out"),
            Output::Apply(committed) => node.applied(committed.last()).expect("handed out"),
            Output::Halted(reason) => panic!("halted: {reason:?}"),
            _ => {}
        }
    }
    panic!("the node does not become quiet");
}

fn record(bytes: Vec<u8>) -> Option<Write> {
    let length = bytes.len();
    let bytes = Bytes::from(bytes);
    let said = Write::record_length(&bytes);
    let (write, used) = read(length, || Write::decode(&bytes)).ok()?;
    assert_eq!(said, Ok(used), "two lengths of one record");
    assert!(used <= length);
    let again = write.encode();
    let length = again.len();
    assert_eq!(Write::decode(&again.into()), Ok((write.clone(), length)));
    Some(write)
}

/// A disk full of records with true checksums: they fold or they do not, a node starts or it does
/// not.
fn records(mut dice: Dice<'_>) {
    let mut stored = Stored::empty();
    let applied = LogIndex(dice.below(4) as u64);
    let data = dice.rest();
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (bytes, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        let mut bytes = [&[FORMAT_VERSION; 13], bytes, &[0; 8]].concat();
        bytes[5..9].copy_from_slice(&u32::from(length).to_le_bytes());
        forge::seal_record(&mut bytes);
        if let Some(write) = record(bytes) {
            let before = (stored.last_write(), stored.last(), stored.hard_state());
            if stored.replay(write).is_err() {
                let after = (stored.last_write(), stored.last(), stored.hard_state());
                assert_eq!(before, after, "a refused write changed the fold");
            }
        }
    }
    for write in stored.checkpoint().expect("nothing was trimmed") {
        assert_eq!(record(write.encode()), Some(write));
    }
    if let Ok(mut node) = Node::new(raftcore::Config::default(), stored, applied) {
        node.tick(Tick(1));
        go_on(&mut node);
        node.tick(Tick(100));
        go_on(&mut node);
    }
}

fn entries(mut dice: Dice<'_>) {
    let first = LogIndex(dice.number(1));
    let count = dice.small_number(2);
    let bytes = Bytes::copy_from_slice(dice.rest());
    let length = bytes.len();
    let Ok(entries) = read(length, || Entries::decode(first, count, bytes.clone())) else { return };
    assert_eq!((entries.len(), entries.iter().count()), (count as usize, count as usize));
    assert_eq!(entries.bytes(), &bytes);
    let indexes = entries.iter().map(|entry| entry.id.index);
    assert!(indexes.eq((first.0..=u64::MAX).take(count as usize).map(LogIndex)));
}

fn recording(file: Vec<u8>) {
    let Ok(mut recording) = Recording::decode(&file) else { return };
    let again = Recording::decode(&recording.encode());
    assert_eq!(again.as_ref(), Ok(&recording), "a recording changed by its encoding");
    for life in &mut recording.nodes {
        life.inputs.retain(|input| !matches!(input, Input::Trim { .. }));
        life.inputs.truncate(INPUTS_MAX);
    }
    let _ = recording.replay();
}
