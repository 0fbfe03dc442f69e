//! Nodes that lag, join and leave, as processes on loopback: snapshots, membership, crashes.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;

use program::{Ended, Group, Running, eventually, raftcore};
use raftcore::{GroupId, Identity, NodeId};
use raftcore_server::{RedbStore, Store};
use serde_json::Value;

/// Starts a node that takes snapshots often and keeps hardly an entry behind them.
fn start(group: &Group, folder: &Path, id: usize, founders: usize) -> Running {
    let mut text = format!("id = {id}\ndir = {:?}\n", folder.join(format!("node-{id}")));
    text += &format!("raft = {:?}\nhttp = {:?}\n", group.raft[id - 1], group.http[id - 1]);
    text += "snapshot_every = 20\n";
    if id > founders {
        text += &format!("join = \"http://{}\"\n", group.http[0]);
    }
    text += "[node]\nmax_retained_bytes = 0\nmax_chunk_bytes = 500\n";
    for peer in (1..=founders).filter(|&peer| peer != id && id <= founders) {
        let (raft, http) = (&group.raft[peer - 1], &group.http[peer - 1]);
        text += &format!("[[peer]]\nid = {peer}\nraft = {raft:?}\nhttp = {http:?}\n");
    }
    let file = folder.join(format!("node-{id}.toml"));
    fs::write(&file, text).expect("written");
    let config = file.to_str().expect("text");
    let mut running = Running::start(&["node", "--exit-with-parent", "--config", config]);
    running.wait_for(&format!("node {id} ready"));
    running
}

/// Puts keys of some size, one request each, through one node.
fn put_many(group: &Group, id: usize, keys: core::ops::Range<u32>) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for key in keys {
            let body = format!(r#"{{"key-{key}": "{key} {}"}}"#, "x".repeat(1000));
            let url = format!("http://{}/kv", group.http[id - 1]);
            while client.put(&url).body(body.clone()).send().await.expect("an answer").status()
                != 200
            {}
        }
    });
}

fn get(group: &Group, id: usize, key: u32) -> String {
    let ended = group.client(id, &["get", &format!("key-{key}")]);
    ended.succeeds().split(' ').next().expect("text").trim_matches('"').to_owned()
}

/// What a node says of itself.
fn status(group: &Group, id: usize) -> Option<Value> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let url = format!("http://{}/status", group.http[id - 1]);
        let body = client.get(url).send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice(&body).ok()
    })
}

fn number(group: &Group, id: usize, field: &str) -> u64 {
    status(group, id).and_then(|status| status[field].as_u64()).unwrap_or(0)
}

fn caught_up(group: &Group, id: usize, with: usize) {
    let goal = number(group, with, "commit_index");
    assert!(goal > 0);
    eventually("everything is applied", || {
        (number(group, id, "applied_index") >= goal).then_some(())
    });
}

fn member(group: &Group, id: usize, arguments: &[&str]) -> Ended {
    group.client(id, &[&["member"], arguments].concat())
}

fn add(group: &Group, through: usize, id: usize) {
    let (text, raft, http) = (id.to_string(), &group.raft[id - 1], &group.http[id - 1]);
    let ended = member(group, through, &["add", &text, "--raft", raft, "--http", http]);
    assert!(ended.succeeds().starts_with("ok index="));
}

/// The ids of the voters, as a node knows them.
fn voters(group: &Group, id: usize) -> Vec<u64> {
    let list = member(group, id, &["list", "--json"]);
    let list: Value = serde_json::from_str(list.succeeds()).expect("JSON");
    let members = list["members"].as_array().expect("a list").iter();
    members.filter(|member| member["voter"] == true).filter_map(|m| m["id"].as_u64()).collect()
}

#[test]
fn a_node_that_was_down_while_the_others_compacted_catches_up_by_a_snapshot() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(3);
    let mut nodes: Vec<_> = (1..=3).map(|id| start(&group, folder.path(), id, 3)).collect();
    put_many(&group, 1, 0..10);
    caught_up(&group, 3, 1);
    let before = number(&group, 3, "last_index");
    drop(nodes.pop());
    put_many(&group, 1, 10..80);
    eventually("both have compacted", || {
        (1..=2).all(|id| number(&group, id, "snapshot_index") > before).then_some(())
    });
    let _third = start(&group, folder.path(), 3, 3);
    caught_up(&group, 3, 1);
    assert!(number(&group, 3, "snapshot_index") > before);
    for key in [0, 9, 10, 79] {
        assert_eq!(get(&group, 3, key), key.to_string());
    }
    let checksums: Vec<_> = eventually("the same log", || {
        let statuses: Option<Vec<_>> = (1..=3).map(|id| status(&group, id)).collect();
        let found: Vec<_> = statuses?.iter().map(|status| status["checksum"].clone()).collect();
        found.windows(2).all(|pair| pair[0] == pair[1]).then_some(found)
    });
    assert!(checksums[0]["value"].is_string(), "{checksums:?}");
}

/// Whether a node that is down has a snapshot of more than so many entries.
fn has_snapshot_beyond(folder: &Path, id: u64, index: u64) -> bool {
    let identity = Identity { group: GroupId(1), node: NodeId(id) };
    let mut store = RedbStore::open(&folder.join(format!("node-{id}"))).expect("opened");
    let stored = store.load(identity).expect("not damaged").expect("not empty");
    stored.snapshot().is_some_and(|meta| meta.id.index.get() > index)
}

#[test]
fn a_node_killed_in_the_middle_of_a_transfer_begins_it_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(3);
    let mut nodes: Vec<_> = (1..=3).map(|id| start(&group, folder.path(), id, 3)).collect();
    put_many(&group, 1, 0..10);
    let mut keys = 10;
    let mut in_the_middle = 0;
    drop(nodes.pop());
    for _ in 0..20 {
        let before = eventually("the log of a node that is down is known", || {
            let before = number(&group, 1, "last_index");
            (before > 0).then_some(before)
        });
        put_many(&group, 1, keys..keys + 60);
        keys += 60;
        eventually("both have compacted", || {
            (1..=2).all(|id| number(&group, id, "snapshot_index") > before).then_some(())
        });
        let torn = start(&group, folder.path(), 3, 3);
        eventually("something of the snapshot has come", || {
            let bytes = status(&group, 3)?["store"]["bytes"].as_u64()?;
            (bytes > 0).then_some(())
        });
        torn.signal("KILL");
        drop(torn);
        in_the_middle += u32::from(!has_snapshot_beyond(folder.path(), 3, before));
        if in_the_middle == 2 {
            break;
        }
    }
    assert!(in_the_middle > 0);
    let _third = start(&group, folder.path(), 3, 3);
    caught_up(&group, 3, 1);
    for key in [0, 9, 10, keys - 1] {
        assert_eq!(get(&group, 3, key), key.to_string());
    }
}

#[test]
fn all_nodes_start_again_after_compaction_and_have_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(3);
    for round in 0..3 {
        let nodes: Vec<_> = (1..=3).map(|id| start(&group, folder.path(), id, 3)).collect();
        put_many(&group, 2, round * 50..round * 50 + 50);
        eventually("every node has compacted", || {
            let goal = u64::from(round * 50 + 20);
            (1..=3).all(|id| number(&group, id, "snapshot_index") > goal).then_some(())
        });
        nodes.iter().for_each(|node| node.signal("KILL"));
    }
    let _nodes: Vec<_> = (1..=3).map(|id| start(&group, folder.path(), id, 3)).collect();
    for key in [0, 49, 50, 149] {
        assert_eq!(get(&group, 1, key), key.to_string());
    }
    // Entries of 1 kB each: the file does not hold all of them, many times over.
    let file = folder.path().join("node-1/raft.redb");
    let size = fs::metadata(file).expect("there").len();
    assert!(size < 20 << 20, "{size}");
}

#[test]
fn a_node_joins_a_running_group_and_takes_the_place_of_one_whose_disk_was_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(4);
    let mut nodes: Vec<_> = (1..=3).map(|id| start(&group, folder.path(), id, 3)).collect();
    put_many(&group, 1, 0..50);
    let four = start(&group, folder.path(), 4, 3);
    assert_eq!(number(&group, 4, "last_index"), 0);
    // Before it was added it may start again as often as it likes.
    drop(four);
    let four = start(&group, folder.path(), 4, 3);
    add(&group, 2, 4);
    eventually("it is a voter", || (voters(&group, 4) == [1, 2, 3, 4]).then_some(()));
    caught_up(&group, 4, 1);
    assert_eq!(get(&group, 4, 7), "7");

    drop(nodes.remove(2));
    fs::remove_dir_all(folder.path().join("node-3")).expect("its disk is lost");
    let removed = member(&group, 1, &["remove", "3", "--json"]);
    let removed: Value = serde_json::from_str(removed.succeeds()).expect("JSON");
    assert_eq!(removed["ok"], true);
    put_many(&group, 4, 50..60);
    // It knows the others from the group now: the node it was told to join may be away.
    drop((nodes, four));
    let _two = start(&group, folder.path(), 2, 3);
    let _four = start(&group, folder.path(), 4, 3);
    eventually("two of three serve", || {
        (group.client(4, &["get", "key-55"]).code == Some(0)).then_some(())
    });
    assert_eq!(voters(&group, 4), [1, 2, 4]);
}

#[test]
fn a_learner_is_added_and_promoted_and_wrong_wishes_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(2);
    let _one = start(&group, folder.path(), 1, 1);
    put_many(&group, 1, 0..30);
    let _two = start(&group, folder.path(), 2, 1);
    let addresses = ["--raft", &group.raft[1], "--http", &group.http[1]];
    let learner = [&["add", "2", "--learner"][..], &addresses].concat();
    member(&group, 1, &learner).succeeds();
    caught_up(&group, 2, 1);
    assert_eq!(voters(&group, 2), [1]);
    // The same wish again finds it granted; another one for the same id is refused.
    member(&group, 1, &learner).succeeds();
    let other = ["add", "2", "--raft", "127.0.0.1:1", "--http", "127.0.0.1:2"];
    member(&group, 1, &other).fails(14, "node 2 is a member already");
    member(&group, 1, &["add", "3", "--raft", "x", "--http", "127.0.0.1:2"]).fails(14, "host:port");
    member(&group, 1, &["add", "0", "--raft", "a:1", "--http", "a:2"]).fails(14, "1 or more");
    member(&group, 1, &["remove", "9"]).fails(17, "node 9 is no member");
    member(&group, 1, &["promote", "9"]).fails(17, "node 9 is no member");
    member(&group, 1, &["remove", "1"]).fails(14, "voter");
    member(&group, 2, &["promote", "2"]).succeeds();
    eventually("it is a voter", || (voters(&group, 1) == [1, 2]).then_some(()));
    let table = member(&group, 2, &["list"]);
    assert!(table.succeeds().contains(&group.raft[0]), "{table:?}");
    member(&group, 2, &["remove", "2"]).succeeds();
    assert_eq!(voters(&group, 1), [1]);
}

#[test]
fn a_node_that_finds_nobody_to_join_ends_with_a_clear_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(2);
    let mut arguments = group.arguments(folder.path(), 2);
    arguments.extend(["--join".into(), "127.0.0.1:1".into()]);
    raftcore(&arguments).fails(2, "write http://host:port");
    let _one = start(&group, folder.path(), 1, 1);
    let last = arguments.len() - 1;
    arguments[last] = format!("http://{}", group.http[0]);
    arguments.extend(["--group".into(), "7".into()]);
    raftcore(&arguments).fails(11, "it belongs to group 1");
}
