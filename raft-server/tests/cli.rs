//! The program from outside: what it prints, how it ends, what it leaves.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::net::TcpListener;

use program::{Group, Running, eventually, free_ports, raftcore};

#[test]
fn an_address_in_use_ends_the_node_with_code_3_and_names_the_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    for address in [&group.raft[0], &group.http[0]] {
        let taken = TcpListener::bind(address).expect("free");
        raftcore(&group.arguments(folder.path(), 1)).fails(3, address);
        drop(taken);
    }
    let mut node = group.start(folder.path(), 1);
    node.wait_for("role=leader");
}

#[test]
fn a_folder_that_cannot_be_used_ends_the_node_with_code_4_and_names_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"not a folder").expect("written");
    let ended = raftcore(&Group::new(1).arguments(&file, 1));
    ended.fails(4, file.to_str().expect("text"));
    assert_eq!(fs::read(&file).expect("still there"), b"not a folder");
}

#[test]
fn a_second_process_on_a_data_folder_ends_with_code_5_and_the_first_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    let _first = group.start(folder.path(), 1);
    group.client(1, &["send", r#"{"y": 7}"#]).succeeds();
    let second = Group::new(1).arguments(folder.path(), 1);
    raftcore(&second).fails(5, "is used by another process");
    assert_eq!(group.client(1, &["get", "y"]).succeeds(), "7");
}

#[test]
fn data_of_another_node_end_the_node_with_code_6_and_stay_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    let node = group.start(folder.path(), 1);
    group.client(1, &["send", r#"{"y": 7}"#]).succeeds();
    drop(node);
    let mut other_node = group.arguments(folder.path(), 1);
    other_node[3] = "2".into();
    raftcore(&other_node).fails(6, "node 1 of group 1, not to node 2 of group 1");
    let mut other_group = group.arguments(folder.path(), 1);
    other_group.extend(["--group".into(), "5".into()]);
    raftcore(&other_group).fails(6, "node 1 of group 1, not to node 1 of group 5");
    let _node = group.start(folder.path(), 1);
    assert_eq!(group.client(1, &["get", "y"]).succeeds(), "7");
}

#[test]
fn damaged_data_end_the_node_with_code_7_and_name_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    let node = group.start(folder.path(), 1);
    group.client(1, &["send", r#"{"y": 7}"#]).succeeds();
    drop(node);
    let file = folder.path().join("node-1/raft.redb");
    let whole = fs::read(&file).expect("there");
    for bytes in [&whole[..whole.len() / 2], b"something else", b""] {
        fs::write(&file, bytes).expect("written");
        raftcore(&group.arguments(folder.path(), 1)).fails(7, file.to_str().expect("text"));
    }
}

#[test]
fn a_full_disk_ends_the_node_with_code_8_and_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    // The shell limits the size of files for the node alone; its blocks have 512 bytes.
    let limited = "trap '' XFSZ; ulimit -f 6000; exec \"$0\" \"$@\"";
    let mut arguments = vec!["-c".to_owned(), limited.to_owned(), program::PROGRAM.to_owned()];
    arguments.extend(group.arguments(folder.path(), 1));
    let mut node = Running::start_other("sh", &arguments);
    node.wait_for("node 1 ready");
    let put = |number: u32| {
        let body = format!(r#"{{"{number}": "{}"}}"#, "x".repeat(100_000));
        group.client_with_stdin(1, &["send", "-"], &body)
    };
    let (full, refused) = (0..)
        .map(|number| (number, put(number)))
        .find(|(_, ended)| ended.code != Some(0))
        .expect("it ends");
    refused.fails(12, "may or may not have been applied");
    let (code, _, error) = node.end_with_error();
    assert_eq!(code, Some(8));
    assert!(error.starts_with("raftcore: cannot write") && error.contains("raft.redb"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    let _node = group.start(folder.path(), 1);
    for number in 0..full {
        group.client(1, &["get", &number.to_string()]).succeeds();
    }
}

#[test]
fn wrong_settings_end_the_node_with_code_2_and_say_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("node.toml");
    fs::write(&file, "id = 1\ncolor = 3\n").expect("written");
    let file = file.to_str().expect("text");
    raftcore(&["node", "--config", file]).fails(2, "node.toml: line 2: unknown field `color`");
    raftcore(&["node", "--config", "/nowhere/node.toml"]).fails(2, "/nowhere/node.toml");
    let mut arguments = Group::new(1).arguments(folder.path(), 1);
    arguments[7] = "localhost".into();
    raftcore(&arguments).fails(2, "host:port");
}

#[test]
fn a_node_runs_from_a_settings_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    let text = format!(
        "id = 1\ndir = {:?}\nraft = {:?}\nhttp = {:?}\n[node]\nelection_ticks_max = 30\n",
        folder.path().join("data"),
        group.raft[0],
        group.http[0]
    );
    let file = folder.path().join("node.toml");
    fs::write(&file, text).expect("written");
    let mut node = Running::start(&["node", "--config", file.to_str().expect("text")]);
    node.wait_for("node 1 ready");
    group.client(1, &["send", r#"{"y": 7}"#]).succeeds();
    node.signal("TERM");
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn clients_end_with_a_code_for_each_outcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(1);
    let _node = group.start(folder.path(), 1);
    assert!(
        group.client(1, &["send", r#"{"y": 7, "é/ü": "x"}"#]).succeeds().starts_with("ok index=")
    );
    assert_eq!(group.client(1, &["get", "y"]).succeeds(), "7");
    assert_eq!(group.client(1, &["get", "é/ü"]).succeeds(), "\"x\"");
    assert!(group.client(1, &["delete", "é/ü"]).succeeds().starts_with("ok index="));
    group.client(1, &["get", "é/ü"]).fails(13, "é/ü");
    group.client(1, &["delete", "nothing"]).fails(13, "nothing");
    group.client(1, &["send", "{"]).fails(14, "line 1 column 1");
    let large = format!(r#"{{"large": "{}"}}"#, "x".repeat(1 << 20));
    group.client_with_stdin(1, &["send", "-"], &large).fails(14, "larger than 1048576 bytes");
    assert_eq!(group.client_with_stdin(1, &["send", "-"], "{\"z\": 1}").code, Some(0));
    let table = group.client(1, &["status"]);
    assert!(table.succeeds().contains("leader"), "{table:?}");
    let json = group.client(1, &["status", "--json"]);
    let nodes: serde_json::Value = serde_json::from_str(json.succeeds()).expect("JSON");
    assert_eq!(nodes[0]["role"], "leader");
    assert_eq!(group.client(1, &["get", "y"]).succeeds(), "7");
}

#[test]
fn without_a_majority_clients_end_with_code_10() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(3);
    let _node = group.start(folder.path(), 2);
    let brief = ["--timeout-ms", "300"];
    for arguments in [&["send", r#"{"y": 7}"#][..], &["get", "y"], &["delete", "y"], &["status"]] {
        group.client(2, &[arguments, &brief].concat()).fails(10, "leader");
    }
}

#[test]
fn without_a_node_clients_end_with_code_11() {
    let group = Group::new(1);
    for arguments in [&["send", r#"{"y": 7}"#][..], &["get", "y"], &["delete", "y"], &["status"]] {
        group.client(1, arguments).fails(11, &group.http[0]);
    }
}

#[test]
fn a_write_that_loses_its_majority_ends_with_code_12() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(2);
    // Slow elections: the leader keeps its office long enough to take the write.
    let slow = ["--tick-ms", "50", "--request-timeout-ms", "3000"].map(String::from);
    let mut nodes: Vec<_> = (1..=2)
        .map(|id| Running::start(&[group.arguments(folder.path(), id), slow.to_vec()].concat()))
        .collect();
    nodes.iter_mut().for_each(|node| drop(node.wait_for("ready")));
    group.client(1, &["send", r#"{"y": 1}"#]).succeeds();
    let json = group.client(1, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(json.succeeds()).expect("JSON");
    let leader = usize::try_from(status[0]["leader"].as_u64().expect("a leader")).expect("small");
    drop(nodes.remove(2 - leader));
    group.client(leader, &["send", r#"{"y": 2}"#]).fails(12, "may or may not");
}

#[test]
fn a_local_cluster_runs_until_it_is_interrupted_and_goes_on_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("cluster").display().to_string();
    let ports = ports();
    let run = ["run", "--dir", &dir, "--raft-port", &ports.0, "--http-port", &ports.1];
    let mut cluster = Running::start(&run);
    cluster.wait_for("role=leader");
    raftcore(&["send", "--dir", &dir, r#"{"y": 7}"#]).succeeds();
    raftcore(&run).fails(5, &dir);
    cluster.signal("INT");
    let (code, rest) = cluster.end();
    assert_eq!(code, Some(0));
    for id in 1..=3 {
        assert!(rest.contains(&format!("node {id} stopped")), "{rest}");
    }
    raftcore(&[&run[..], &["--nodes", "5"]].concat()).fails(2, "a cluster of 3 nodes");
    let taken = TcpListener::bind(format!("127.0.0.1:{}", ports.1)).expect("free again");
    raftcore(&run).fails(3, &ports.1);
    drop(taken);
    let mut cluster = Running::start(&run);
    cluster.wait_for("role=leader");
    assert_eq!(raftcore(&["get", "--dir", &dir, "y"]).succeeds(), "7");
}

#[test]
fn the_nodes_of_a_local_cluster_end_with_the_process_that_started_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().display().to_string();
    let ports = ports();
    let run = ["run", "--dir", &dir, "--raft-port", &ports.0, "--http-port", &ports.1];
    let mut cluster = Running::start(&run);
    cluster.wait_for("role=leader");
    cluster.signal("KILL");
    drop(cluster);
    eventually("every port is free", || {
        let first: u16 = ports.1.parse().ok()?;
        (first..first + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()).then_some(())
    });
}

/// The first ports of a local cluster of three.
fn ports() -> (String, String) {
    (free_ports(3).to_string(), free_ports(3).to_string())
}

#[test]
fn a_simulation_is_repeated_by_its_seed_and_reports_what_it_did() {
    let simulate = |seed: &str| {
        let seeds = ["--seeds", "2", "--nodes", "3", "--steps", "2000"];
        let ended = raftcore(&[&["simulate", "--json", "--seed", seed][..], &seeds].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let mut report: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
        for timing in ["seconds", "seeds_per_second", "steps_per_second"] {
            assert!(report[timing].take().as_f64().is_some_and(|number| number > 0.0), "{timing}");
        }
        report
    };
    let first = simulate("7");
    assert_eq!(first, simulate("7"));
    assert_ne!(first["digest"], simulate("8")["digest"]);
    assert_eq!(first["seeds"], 2);
    assert!(first["steps"].as_u64() >= Some(4000));
    let faults = first["faults"].as_object().expect("one number per kind");
    assert!(faults.values().any(|count| count.as_u64() > Some(0)));
    raftcore(&["simulate", "--seeds", "1", "--nodes", "9"]).fails(2, "9 nodes");
    raftcore(&["simulate", "--seeds", "0"]).fails(2, "at least one seed");
}

#[test]
fn a_scope_is_searched_as_a_whole_and_its_states_are_counted() {
    let ended = raftcore(&["model", "--json", "--scope", "start"]);
    let report: serde_json::Value = serde_json::from_str(ended.succeeds()).expect("JSON");
    assert_eq!((&report["scope"], &report["exhausted"]), (&"start".into(), &true.into()));
    assert!(report["states"].as_u64() > Some(1000));
    let ended = raftcore(&["model", "--json", "--scope", "start", "--max-depth", "3"]);
    let report: serde_json::Value = serde_json::from_str(ended.succeeds()).expect("JSON");
    assert_eq!((&report["depth"], &report["exhausted"]), (&3.into(), &false.into()));
    assert!(raftcore(&["model", "--list"]).succeeds().contains("start"));
    raftcore(&["model", "--scope", "everything"]).fails(2, "no scope everything");
}

#[test]
fn a_file_that_is_no_recording_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.recording");
    let file = path.to_str().expect("a path");
    raftcore(&["replay", file]).fails(16, "`raftcore simulate` leaves recordings in sim-failures/");
    fs::write(&path, "something else").expect("a file");
    raftcore(&["replay", file]).fails(16, "not a recording");
}

#[test]
fn help_names_every_command_with_an_example_and_the_exit_codes() {
    let help = raftcore(&["--help"]);
    let text = help.succeeds();
    for word in [
        "run",
        "node",
        "send",
        "get",
        "delete",
        "status",
        "simulate",
        "model",
        "replay",
        "member",
        "Exit codes:",
    ] {
        assert!(text.contains(word), "{word}");
    }
    for command in ["run", "node", "send", "get", "delete", "status", "member", "simulate", "model"]
    {
        let help = raftcore(&[command, "--help"]);
        assert!(help.succeeds().contains(&format!("  raftcore {command}")), "{command}");
    }
}
