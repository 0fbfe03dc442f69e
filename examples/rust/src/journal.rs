//! `journal FILE LINE` adds a line to a journal and prints the whole of it.
//!
//! The journal is what one node alone in its group has committed; the file holds its writes. Only
//! a network is missing to make it a journal of three: see the README.

use core::error::Error;
use std::env;
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use bytes::{Buf, Bytes};
use raftcore::{
    Config, DecodeError, GroupId, Identity, LogIndex, Membership, Node, NodeId, Output, RoleName,
    Stored, Tick, Write,
};

type Result<T> = core::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, line] = arguments.as_slice() else { return Err("usage: journal FILE LINE".into()) };
    let mut file = open(Path::new(path))?;
    let stored = read(&mut file)?;
    // The whole journal stays in memory: it is never read back with `ReadLog`.
    let config = Config { window_bytes: usize::MAX, ..Config::default() };
    let mut node = Node::new(config, stored, LogIndex(0))?;
    let mut proposed = None;
    // Nobody waits for a network here, so time may run as fast as it can.
    for now in 0.. {
        node.tick(Tick(now));
        if node.role() == RoleName::Leader && proposed.is_none() {
            proposed = Some(node.propose(line.as_bytes())?);
        }
        while let Some(output) = node.poll_output() {
            match output {
                Output::Persist(write) => {
                    file.write_all(&write.encode())?;
                    file.sync_data()?;
                    node.persisted(write.id)?;
                }
                Output::Apply(committed) => {
                    for entry in committed.commands() {
                        println!("{}", String::from_utf8_lossy(entry.payload));
                    }
                    node.applied(committed.last())?;
                    if proposed.is_some_and(|entry| entry.index <= committed.last()) {
                        return Ok(());
                    }
                }
                Output::Halted(reason) => return Err(format!("halted: {reason:?}").into()),
                Output::Event(_) => {}
                other => return Err(format!("nobody asked for {other:?}").into()),
            }
        }
    }
    Ok(())
}

/// Opens the file; a new one is there after a crash only once its folder was synced.
fn open(path: &Path) -> Result<File> {
    let file = File::options().read(true).append(true).create(true).open(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// Folds the stored writes; cuts off the last one if a crash tore it, for then nobody was told that
/// it is durable.
fn read(file: &mut File) -> Result<Stored> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut stored = Stored::empty();
    let mut rest = Bytes::from(bytes);
    let mut whole = 0;
    while !rest.is_empty() {
        match Write::decode(&rest) {
            Ok((write, length)) => {
                stored.replay(write)?;
                rest.advance(length);
                whole += length as u64;
            }
            Err(DecodeError::Truncated) => break,
            Err(error) => return Err(error.into()),
        }
    }
    file.set_len(whole)?;
    if stored.is_empty() {
        let identity = Identity { group: GroupId(1), node: NodeId(1) };
        stored = Stored::found(identity, Membership::of_voters([1])?);
    }
    Ok(stored)
}
