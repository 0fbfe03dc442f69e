//! The store on disk: what was appended comes back, and nothing else is taken for it.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use raftcore::{
    Config, GroupId, Identity, LogIndex, Membership, Node, NodeId, Output, Stored, Write,
};
use raftcore_server::store::{FILE_NAME, LOCK_NAME, load};
use raftcore_server::{RedbStore, Store, StoreError};

const IDENTITY: Identity = Identity { group: GroupId(1), node: NodeId(1) };

/// The records a node of a group of one makes when it is started and given commands.
fn records(identity: Identity, commands: u32) -> Vec<Vec<u8>> {
    let membership = Membership::of_voters([identity.node.get()]).expect("one voter");
    let stored = Stored::found(identity, membership);
    let mut node = Node::new(Config::default(), stored, LogIndex(0)).expect("a node");
    let mut records = Vec::new();
    let mut drain = |node: &mut Node| {
        while let Some(output) = node.poll_output() {
            match output {
                Output::Persist(write) => {
                    records.push(write.encode());
                    node.persisted(write.id).expect("handed out");
                }
                Output::Apply(committed) => node.applied(committed.last()).expect("handed out"),
                _ => {}
            }
        }
    };
    drain(&mut node);
    node.tick(raftcore::Tick(1));
    node.campaign().expect("nobody else leads");
    drain(&mut node);
    for command in 0..commands {
        node.propose(format!("command {command}").as_bytes()).expect("it leads");
        drain(&mut node);
    }
    records
}

fn read_all(store: &mut RedbStore) -> Result<Vec<Bytes>, StoreError> {
    let mut all = Vec::new();
    store.load(&mut |row, record| {
        assert_eq!(row, all.len() as u64);
        all.push(record);
        Ok(())
    })?;
    Ok(all)
}

/// A closed store that holds the records.
fn written(folder: &Path, records: &[Vec<u8>]) {
    let mut store = RedbStore::open(folder).expect("opened");
    for record in records {
        store.append(core::slice::from_ref(record)).expect("appended");
    }
}

fn open_and_load(folder: &Path, identity: Identity) -> Result<Option<Stored>, StoreError> {
    load(&mut RedbStore::open(folder)?, identity)
}

fn refusal(folder: &Path) -> StoreError {
    open_and_load(folder, IDENTITY).expect_err("refused")
}

#[test]
fn records_come_back_in_order_after_every_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = records(IDENTITY, 20);
    for (count, batch) in records.chunks(3).enumerate() {
        let mut store = RedbStore::open(folder.path()).expect("opened");
        assert_eq!(read_all(&mut store).expect("read"), records[..count * 3]);
        store.append(batch).expect("appended");
    }
    let stored = open_and_load(folder.path(), IDENTITY).expect("read").expect("not empty");
    assert_eq!(stored.identity(), Some(IDENTITY));
    let last = Write::decode(&records[records.len() - 1].clone().into()).expect("a write").0;
    assert_eq!(stored.last().index, last.entries.last());
    assert_eq!(stored.entry(last.entries.last()).expect("there").payload, b"command 19");
}

#[test]
fn an_empty_store_is_a_first_start_and_stays_one_until_something_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let nested = folder.path().join("deep/er/node");
    for _ in 0..2 {
        assert!(open_and_load(&nested, IDENTITY).expect("opened").is_none());
    }
}

#[test]
fn a_second_opening_of_the_same_folder_is_refused_until_the_first_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = RedbStore::open(folder.path()).expect("opened");
    let error = RedbStore::open(folder.path()).expect_err("refused");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(first);
    RedbStore::open(folder.path()).expect("free again");
}

#[test]
fn data_of_another_node_or_group_are_refused_with_both_names() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path(), &records(IDENTITY, 1));
    let others = [
        Identity { group: GroupId(1), node: NodeId(2) },
        Identity { group: GroupId(2), node: NodeId(1) },
    ];
    for other in others {
        let error = open_and_load(folder.path(), other).expect_err("refused");
        assert!(
            matches!(error, StoreError::Foreign { found: IDENTITY, expected, .. } if expected == other)
        );
        let path = folder.path().join(FILE_NAME);
        assert!(error.to_string().contains(path.to_str().expect("text")), "{error}");
    }
    open_and_load(folder.path(), IDENTITY).expect("nothing was changed");
}

#[test]
fn a_record_that_is_no_write_is_refused_with_file_and_number() {
    let good = records(IDENTITY, 3);
    let mut flipped = good[2].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut torn = good[2].clone();
    torn.pop();
    let mut longer = good[2].clone();
    longer.push(0);
    for bad in [flipped, torn, longer, vec![], vec![255; 40]] {
        let folder = tempfile::tempdir().expect("a folder");
        written(folder.path(), &[good[0].clone(), good[1].clone(), bad]);
        let error = refusal(folder.path());
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(FILE_NAME) && text.contains("record 2"), "{text}");
    }
}

#[test]
fn records_in_a_wrong_order_are_refused() {
    let good = records(IDENTITY, 3);
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path(), &[good[0].clone(), good[2].clone(), good[1].clone()]);
    assert!(matches!(refusal(folder.path()), StoreError::Damaged { .. }));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    for content in [&b""[..], b"hello", &[0; 10_000], &[0xff; 10_000]] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, content).expect("written");
        let error = refusal(folder.path());
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(FILE_NAME), "{error}");
        assert_eq!(fs::read(&path).expect("still there"), content);
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    written(folder.path(), &records(IDENTITY, 200));
    let whole = fs::read(&path).expect("there");
    for part in [1, 8, 100, 4096, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..part]).expect("written");
        let error = refusal(folder.path());
        assert!(matches!(error, StoreError::Damaged { .. }), "{part}: {error}");
    }
    fs::write(&path, &whole).expect("written");
    open_and_load(folder.path(), IDENTITY).expect("the whole file is good");
}

#[test]
fn a_changed_byte_is_noticed_or_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    let records = records(IDENTITY, 60);
    written(folder.path(), &records);
    let whole = fs::read(&path).expect("there");
    let mut noticed = 0;
    let used: Vec<_> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    for &at in used.iter().step_by(used.len() / 120 + 1) {
        let mut changed = whole.clone();
        changed[at] ^= 0x11;
        fs::write(&path, &changed).expect("written");
        // Twice: what was noticed once must not be taken for good after a silent repair.
        for _ in 0..2 {
            let loaded = RedbStore::open(folder.path()).and_then(|mut store| {
                load(&mut store, IDENTITY).and_then(|_| read_all(&mut store))
            });
            match loaded {
                Ok(all) => assert_eq!(all, records, "byte {at} changed what is read"),
                Err(StoreError::Damaged { .. }) => noticed += 1,
                Err(error) => panic!("byte {at}: {error}"),
            }
        }
    }
    assert!(noticed > 0);
}

#[test]
fn an_unfinished_creation_is_done_again() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("raft.new"), b"torn").expect("written");
    written(folder.path(), &records(IDENTITY, 1));
    open_and_load(folder.path(), IDENTITY).expect("read").expect("not empty");
    assert!(!folder.path().join("raft.new").exists());
}

#[test]
fn a_folder_that_cannot_be_one_is_refused_with_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("written");
    for path in [file.clone(), file.join("below")] {
        let error = RedbStore::open(&path).expect_err("refused");
        assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(file.to_str().expect("text")), "{error}");
    }
    let blocked = folder.path().join("blocked");
    fs::create_dir_all(blocked.join(LOCK_NAME)).expect("created");
    let error = RedbStore::open(&blocked).expect_err("refused");
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
}
