//! The store on disk: what was written comes back, what was deleted is gone, and nothing else is taken
//! for either.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use raftcore::{
    Config, FORMAT_VERSION, GroupId, Identity, LogIndex, LogReadId, LogRequest, Membership, Node,
    NodeId, Output, SnapshotChunk, SnapshotId, SnapshotMeta, Stored, Term, Write,
};
use raftcore_server::store::{FILE_NAME, LOCK_NAME};
use raftcore_server::{RedbStore, Store, StoreError};
use redb::{Database, ReadableTable as _, TableDefinition};

const STATE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const IDENTITY: Identity = Identity { group: GroupId(1), node: NodeId(1) };

/// A node of a group of one whose snapshots are taken as its test says, and its writes.
struct Source {
    node: Node,
    writes: Vec<Write>,
}

impl Source {
    fn new(identity: Identity) -> Self {
        let membership = Membership::of_voters([identity.node.get()]).expect("one voter");
        Self::start(Stored::found(identity, membership))
    }

    fn start(stored: Stored) -> Self {
        let config = Config { max_retained_bytes: 0, ..Config::default() };
        let node = Node::new(config, stored, LogIndex(0)).expect("a node");
        let mut source = Self { node, writes: Vec::new() };
        source.drain();
        source.node.tick(raftcore::Tick(1));
        source.node.tick(raftcore::Tick(1000));
        source.drain();
        source
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Persist(write) => {
                    self.node.persisted(write.id).expect("handed out");
                    self.writes.push(write);
                }
                Output::Apply(committed) => {
                    self.node.applied(committed.last()).expect("handed out")
                }
                Output::Restore(meta) => self.node.applied(meta.id.index).expect("handed out"),
                _ => {}
            }
        }
    }

    fn commands(&mut self, count: u32) {
        for command in 0..count {
            self.node.propose(format!("command {command}").as_bytes()).expect("it leads");
            self.drain();
        }
    }

    fn snapshot_taken(&mut self) -> LogIndex {
        let index = self.node.applied_index();
        self.node.snapshot_taken(index).expect("applied");
        self.drain();
        index
    }

    /// What was written since the last call.
    fn take(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.writes)
    }
}

/// The writes a node makes when it is started and given commands.
fn writes(identity: Identity, commands: u32) -> Vec<Write> {
    let mut source = Source::new(identity);
    source.commands(commands);
    source.take()
}

/// Everything that a node would get to see: the fold, and the snapshot.
fn read_all(store: &mut RedbStore) -> Result<(Vec<Write>, Bytes), StoreError> {
    let Some(stored) = store.load(IDENTITY)? else { return Ok(Default::default()) };
    let id = stored.snapshot().expect("one was taken").id;
    let bytes = store.read_snapshot(id, 0, usize::MAX)?.data;
    Ok((stored.checkpoint().expect("nothing was trimmed"), bytes))
}

/// A closed store that holds the writes.
fn written(folder: &Path, writes: &[Write]) {
    let mut store = RedbStore::open(folder).expect("opened");
    for write in writes {
        store.append(core::slice::from_ref(write)).expect("appended");
    }
}

fn open_and_load(folder: &Path, identity: Identity) -> Result<Option<Stored>, StoreError> {
    RedbStore::open(folder)?.load(identity)
}

fn refusal(folder: &Path) -> StoreError {
    open_and_load(folder, IDENTITY).expect_err("refused")
}

/// What writes add up to.
fn folded(writes: &[Write]) -> Vec<Write> {
    let mut stored = Stored::empty();
    writes.iter().for_each(|write| stored.replay(write.clone()).expect("in order"));
    stored.checkpoint().expect("nothing was trimmed")
}

fn loaded(store: &mut RedbStore) -> Vec<Write> {
    let stored = store.load(IDENTITY).expect("read").expect("not empty");
    stored.checkpoint().expect("nothing was trimmed")
}

fn request(first: u64, last: u64, max_bytes: usize) -> LogRequest {
    let id = LogReadId { incarnation: raftcore::Incarnation(1), sequence: 1 };
    LogRequest { id, first: LogIndex(first), last: LogIndex(last), max_bytes }
}

#[test]
fn what_was_written_comes_back_after_every_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let writes = writes(IDENTITY, 20);
    for (count, batch) in writes.chunks(3).enumerate() {
        let mut store = RedbStore::open(folder.path()).expect("opened");
        if count > 0 {
            assert_eq!(loaded(&mut store), folded(&writes[..count * 3]));
        }
        store.append(batch).expect("appended");
    }
    let mut store = RedbStore::open(folder.path()).expect("opened");
    assert_eq!(loaded(&mut store), folded(&writes));
    let stored = store.load(IDENTITY).expect("read").expect("not empty");
    assert_eq!(stored.entry(stored.last().index).expect("there").payload, b"command 19");
}

#[test]
fn discarded_entries_are_gone_and_the_rest_is_what_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut source = Source::new(IDENTITY);
    let mut store = RedbStore::open(folder.path()).expect("opened");
    let mut all = Vec::new();
    for round in 0..5 {
        source.commands(20);
        let writes = source.take();
        store.append(&writes).expect("appended");
        all.extend(writes);
        let index = source.node.applied_index();
        store.save_snapshot(index, 0, &[round; 10]).expect("saved");
        store.save_snapshot(index, 10, &[round; 5]).expect("saved");
        assert_eq!(source.snapshot_taken(), index);
        let writes = source.take();
        assert!(writes.iter().any(|write| write.discard_through == Some(index)));
        store.append(&writes).expect("appended");
        all.extend(writes);
        assert_eq!(loaded(&mut store), folded(&all));
        assert!(store.read_log(&request(index.get(), index.get(), 1)).is_err());
        let newest = all.iter().rev().find_map(|write| write.snapshot.as_ref()).expect("one").id;
        let chunk = store.read_snapshot(newest, 0, 100).expect("named");
        assert_eq!((chunk.total, &chunk.data[..]), (15, &[round; 15][..]));
        let part = store.read_snapshot(newest, 8, 4).expect("named").data;
        assert_eq!(&part[..], [round; 4]);
    }
    source.commands(3);
    store.append(&source.take()).expect("appended");
    drop(store);
    let mut store = RedbStore::open(folder.path()).expect("opened");
    let stored = store.load(IDENTITY).expect("read").expect("not empty");
    let next = Source::start(stored);
    assert_eq!(next.node.applied_index(), next.node.last_index());
}

#[test]
fn entries_are_read_by_their_index_until_the_bytes_are_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let writes = writes(IDENTITY, 50);
    written(folder.path(), &writes);
    let mut store = RedbStore::open(folder.path()).expect("opened");
    let mut stored = store.load(IDENTITY).expect("read").expect("not empty");
    for (first, last, max) in
        [(1, 50, usize::MAX), (7, 20, 100), (7, 20, 1), (9, 9, 1), (50, 51, 0)]
    {
        let request = request(first, last, max);
        let entries = store.read_log(&request).expect("there");
        assert_eq!(entries.first(), LogIndex(first));
        assert!(entries.len() >= 2.min((last - first + 1) as usize));
        assert_eq!(entries.len(), stored.read(&request).expect("there").len(), "{request:?}");
    }
    for (first, last) in [(52, 60), (0, 3)] {
        store.read_log(&request(first, last, 100)).expect_err("not here");
    }
}

fn piece(counter: u64, offset: u64, total: u64, data: &'static [u8]) -> Write {
    let id = SnapshotId {
        index: LogIndex(9),
        term: Term(1),
        maker: NodeId(2),
        counter,
        ..SnapshotId::default()
    };
    let data = Bytes::from_static(data);
    let chunk = SnapshotChunk { snapshot: id, offset, total, data };
    let last = writes(IDENTITY, 3).last().expect("some").id;
    let mut write = Write::empty(IDENTITY, last);
    write.snapshot_chunk = Some(Box::new(chunk));
    write
}

#[test]
fn pieces_of_a_snapshot_that_was_never_finished_are_deleted_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path(), &writes(IDENTITY, 3));
    let pieces = [piece(1, 0, 9, b"abc"), piece(2, 0, 9, b"xyz"), piece(1, 3, 9, b"def")];
    let id = pieces[0].snapshot_chunk.as_ref().expect("one").snapshot;
    let mut store = RedbStore::open(folder.path()).expect("opened");
    store.append(&pieces).expect("appended");
    assert_eq!(&store.read_snapshot(id, 0, 100).expect("there").data[..], b"abcdef");
    // A transfer that begins anew writes over what was there.
    store.append(&[piece(1, 0, 9, b"ABC")]).expect("appended");
    assert_eq!(&store.read_snapshot(id, 0, 100).expect("there").data[..], b"ABC");
    store.save_snapshot(LogIndex(2), 0, b"taken, not named").expect("saved");
    store.load(IDENTITY).expect("read").expect("not empty");
    let error = store.read_snapshot(id, 0, 100).expect_err("deleted");
    assert!(error.to_string().contains("the snapshot at entry 9 is missing"), "{error}");
    assert_eq!(loaded(&mut store), folded(&writes(IDENTITY, 3)));
}

#[test]
fn a_received_snapshot_that_contradicts_the_log_replaces_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = writes(IDENTITY, 20);
    let mut chunk = piece(1, 0, 3, b"abc");
    let mut id = chunk.snapshot_chunk.as_ref().expect("one").snapshot;
    id.term = Term(7);
    chunk.snapshot_chunk.as_mut().expect("one").snapshot = id;
    let last = all.last().expect("some").id;
    chunk.id = last;
    let mut install = Write::empty(IDENTITY, last);
    let mut hard_state = all.iter().rev().find_map(|write| write.hard_state).expect("one");
    (hard_state.term, hard_state.vote) = (Term(7), None);
    install.hard_state = Some(hard_state);
    install.snapshot = Some(Box::new(SnapshotMeta {
        id,
        chain: 5,
        membership: Membership::of_voters([1, 2]).expect("two voters"),
        membership_index: LogIndex(4),
        length: 3,
        checksum: 1,
    }));
    install.reset_log_to = Some(id.index);
    all.extend([chunk, install]);
    written(folder.path(), &all);
    let mut store = RedbStore::open(folder.path()).expect("opened");
    assert_eq!(loaded(&mut store), folded(&all));
    let stored = store.load(IDENTITY).expect("read").expect("not empty");
    assert_eq!((stored.last().index, stored.last().term), (id.index, Term(7)));
    assert_eq!(&store.read_snapshot(id, 0, 9).expect("there").data[..], b"abc");
    store.read_log(&request(10, 11, 100)).expect_err("gone");
}

#[test]
fn a_snapshot_that_is_not_there_cannot_be_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut source = Source::new(IDENTITY);
    source.commands(3);
    source.snapshot_taken();
    let mut store = RedbStore::open(folder.path()).expect("opened");
    let error = store.append(&source.take()).expect_err("refused");
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
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
    written(folder.path(), &writes(IDENTITY, 1));
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
fn data_of_another_format_are_refused_and_not_called_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    written(folder.path(), &writes(IDENTITY, 3));
    let database = Database::open(folder.path().join(FILE_NAME)).expect("opened");
    let transaction = database.begin_write().expect("begun");
    {
        let mut state = transaction.open_table(STATE).expect("there");
        let mut record = state.get("hard state").expect("read").expect("there").value().to_vec();
        record[0] = FORMAT_VERSION - 1;
        state.insert("hard state", &record[..]).expect("inserted");
    }
    transaction.commit().expect("committed");
    drop(database);
    let error = refusal(folder.path());
    let older = FORMAT_VERSION - 1;
    assert!(matches!(error, StoreError::OtherFormat { version, .. } if version == older));
    let advice = "start the node with the version that wrote it";
    assert!(error.to_string().contains(advice), "{error}");
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    written(folder.path(), &writes(IDENTITY, 200));
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
    let mut source = Source::new(IDENTITY);
    source.commands(60);
    let mut store = RedbStore::open(folder.path()).expect("opened");
    store.save_snapshot(source.node.applied_index(), 0, &[7; 3000]).expect("saved");
    source.snapshot_taken();
    source.commands(60);
    store.append(&source.writes).expect("appended");
    let expected = read_all(&mut store).expect("read");
    drop(store);
    let whole = fs::read(&path).expect("there");
    let mut noticed = 0;
    let used: Vec<_> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    for &at in used.iter().step_by(used.len() / 120 + 1) {
        let mut changed = whole.clone();
        changed[at] ^= 0x11;
        fs::write(&path, &changed).expect("written");
        // Twice: what was noticed once must not be taken for good after a silent repair.
        for _ in 0..2 {
            let all = RedbStore::open(folder.path()).and_then(|mut store| read_all(&mut store));
            match all {
                Ok(all) => assert_eq!(all, expected, "byte {at} changed what is read"),
                Err(StoreError::Damaged { .. } | StoreError::OtherFormat { .. }) => noticed += 1,
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
    written(folder.path(), &writes(IDENTITY, 1));
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
