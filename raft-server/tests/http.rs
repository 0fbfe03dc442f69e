//! Three nodes with real disks and sockets in one process, asked over HTTP.

mod support;

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::Path;

use raftcore::NodeId;
use raftcore_server::api::StatusBody;
use raftcore_server::{MemberAddresses, Process, Settings, StopReason};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use support::eventually;
use tokio::net::TcpListener;

struct Nodes {
    client: Client,
    settings: BTreeMap<NodeId, Settings>,
    running: BTreeMap<NodeId, Process>,
}

impl Nodes {
    /// Starts `running` of `count` nodes.
    async fn start(folder: &Path, count: u64, running: u64) -> Self {
        let mut listeners = Vec::new();
        for id in (1..=count).map(NodeId) {
            let raft = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let http = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listeners.push((id, raft, http));
        }
        let addresses: Vec<_> = listeners
            .iter()
            .map(|(id, raft, http)| MemberAddresses {
                id: *id,
                raft: raft.local_addr().expect("bound").to_string(),
                http: http.local_addr().expect("bound").to_string(),
            })
            .collect();
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut nodes = Self { client, settings: BTreeMap::new(), running: BTreeMap::new() };
        for (me, (id, raft, http)) in addresses.iter().zip(listeners) {
            let dir = folder.join(format!("node-{id}"));
            let mut settings = Settings::new(me.clone(), dir, addresses.clone());
            settings.tick_ms = 30;
            if id.get() <= running {
                let process = Process::start_on(&settings, raft, http).await.expect("started");
                nodes.running.insert(id, process);
            }
            nodes.settings.insert(id, settings);
        }
        nodes
    }

    async fn ask(&self, id: u64, method: Method, path: &str, body: &str) -> (u16, Value) {
        let url = format!("http://{}{path}", self.settings[&NodeId(id)].http);
        let request = self.client.request(method, url).body(body.to_owned());
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        let bytes = response.bytes().await.expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// The same, again while there is no leader.
    async fn ask_leader(&self, id: u64, method: Method, path: &str, body: &str) -> (u16, Value) {
        eventually("an answer other than no leader", async || {
            let (status, answer) = self.ask(id, method.clone(), path, body).await;
            (status != 503).then_some((status, answer))
        })
        .await
    }

    async fn status(&self, id: u64, index: u64) -> StatusBody {
        let (code, body) = self.ask(id, Method::GET, &format!("/status?index={index}"), "").await;
        assert_eq!(code, 200);
        serde_json::from_value(body).expect("a status")
    }

    async fn stop(&mut self, id: u64) {
        let mut process = self.running.remove(&NodeId(id)).expect("running");
        process.stop();
        assert!(matches!(process.wait().await, StopReason::Asked));
    }
}

fn kind(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().expect("an error"))
}

#[tokio::test]
async fn every_node_takes_puts_gets_and_deletes() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Nodes::start(folder.path(), 3, 3).await;
    for id in 1..=3 {
        let body = format!(r#"{{"key-{id}": {id}, "a/b c": [1,  2.50]}}"#);
        let method = if id == 1 { Method::POST } else { Method::PUT };
        let (code, done) = nodes.ask_leader(id, method, "/kv", &body).await;
        assert_eq!((code, &done["ok"]), (200, &json!(true)));
        assert!(done["index"].is_u64() && done["term"].is_u64());
    }
    for id in 1..=3 {
        let read = nodes.ask_leader(id, Method::GET, "/kv/key-3", "").await;
        assert_eq!(read, (200, json!({ "key": "key-3", "value": 3 })));
        let (code, read) = nodes.ask_leader(id, Method::GET, "/kv/a/b%20c", "").await;
        assert_eq!((code, &read["key"], &read["value"]), (200, &json!("a/b c"), &json!([1, 2.5])));
        let delete = format!("/kv/key-{id}");
        assert_eq!(nodes.ask_leader(id, Method::DELETE, &delete, "").await.0, 200);
        let again = nodes.ask_leader(id, Method::DELETE, &delete, "").await;
        assert_eq!(kind(&again), (404, "unknown key"));
        let gone = nodes.ask_leader(id, Method::GET, &delete, "").await;
        assert_eq!(kind(&gone), (404, "unknown key"));
    }
}

#[tokio::test]
async fn a_wrong_request_gets_a_kind_and_a_sentence_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Nodes::start(folder.path(), 1, 1).await;
    let (code, done) = nodes.ask_leader(1, Method::PUT, "/kv", r#"{"y": 7}"#).await;
    assert_eq!(code, 200);
    let large = format!(r#"{{"large": "{}"}}"#, "x".repeat(1 << 20));
    let cases = [
        (Method::PUT, "/kv", "{", 400, "wrong json"),
        (Method::PUT, "/kv", "[7]", 400, "wrong json"),
        (Method::PUT, "/kv", "{}", 400, "wrong request"),
        (Method::PUT, "/kv", r#"{"": 1}"#, 400, "wrong request"),
        (Method::PUT, "/kv", &large, 413, "too large"),
        (Method::GET, "/kv/unknown", "", 404, "unknown key"),
        (Method::GET, "/nothing", "", 404, "no such route"),
        (Method::GET, "/kv", "", 405, "wrong method"),
        (Method::PUT, "/status", "", 405, "wrong method"),
        (Method::GET, "/status?index=x", "", 400, "wrong request"),
        (Method::GET, "/status?color=1", "", 400, "wrong request"),
    ];
    for (method, path, body, code, name) in cases {
        let answer = nodes.ask(1, method, path, body).await;
        assert_eq!(kind(&answer), (code, name), "{path}");
        assert!(answer.1["message"].as_str().is_some_and(|text| !text.contains('\n')));
    }
    let status = nodes.status(1, 0).await;
    // The write, and the barrier of the one read.
    assert_eq!(status.last_index.get(), done["index"].as_u64().expect("a number") + 1);
}

#[tokio::test]
async fn without_a_majority_there_is_no_leader_and_nothing_is_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Nodes::start(folder.path(), 3, 1).await;
    let put = nodes.ask(1, Method::PUT, "/kv", r#"{"y": 7}"#).await;
    assert_eq!(kind(&put), (503, "no leader"));
    let get = nodes.ask(1, Method::GET, "/kv/y", "").await;
    assert_eq!(kind(&get), (503, "no leader"));
    assert_eq!(nodes.status(1, 0).await.last_index.get(), 0);
}

#[tokio::test]
async fn a_forwarded_request_is_not_forwarded_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = Nodes::start(folder.path(), 3, 3).await;
    nodes.ask_leader(1, Method::PUT, "/kv", r#"{"y": 7}"#).await;
    let mut refused = 0;
    for settings in nodes.settings.values() {
        let url = format!("http://{}/kv/y", settings.http);
        let request = nodes.client.get(url).header("x-raftcore-forwarded", "9");
        let status = request.send().await.expect("an answer").status().as_u16();
        refused += u32::from(status == 503);
    }
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn a_write_that_cannot_be_committed_is_reported_as_unknown_not_as_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nodes = Nodes::start(folder.path(), 2, 2).await;
    nodes.ask_leader(1, Method::PUT, "/kv", r#"{"y": 1}"#).await;
    let leader = nodes.status(1, 0).await.leader.expect("a leader").get();
    nodes.stop(3 - leader).await;
    // The leader keeps its office for an election timeout, and proposes meanwhile.
    let put = nodes.ask(leader, Method::PUT, "/kv", r#"{"y": 2}"#).await;
    assert_eq!(kind(&put), (504, "unknown outcome"));
}

#[tokio::test]
async fn nodes_that_start_again_have_everything_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nodes = Nodes::start(folder.path(), 3, 3).await;
    for number in 0..40 {
        let body = format!(r#"{{"key-{number}": {number}}}"#);
        assert_eq!(nodes.ask_leader(1, Method::PUT, "/kv", &body).await.0, 200);
    }
    let before = nodes.status(1, 0).await.incarnation;
    for id in 1..=3 {
        nodes.stop(id).await;
    }
    for (&id, settings) in &nodes.settings {
        let process =
            eventually("its ports are free", async || Process::start(settings).await.ok());
        nodes.running.insert(id, process.await);
    }
    for number in 0..40 {
        let path = format!("/kv/key-{number}");
        let (code, read) = nodes.ask_leader(2, Method::GET, &path, "").await;
        assert_eq!((code, &read["value"]), (200, &json!(number)));
    }
    assert_eq!(nodes.status(1, 0).await.incarnation, before.next());
    let index = nodes.status(1, 0).await.commit_index.get();
    let mut checksums = Vec::new();
    for id in 1..=3 {
        let status = eventually("everything is applied", async || {
            let status = nodes.status(id, index).await;
            (status.applied_index.get() >= index).then_some(status)
        });
        checksums.push(status.await.checksum.value.expect("in the log"));
    }
    checksums.dedup();
    assert_eq!(checksums.len(), 1, "{checksums:?}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut nodes = Nodes::start(folder.path(), 1, 1).await;
    nodes.ask_leader(1, Method::PUT, "/kv", r#"{"y": 7}"#).await;
    let stopped = tokio::time::timeout(Duration::from_secs(30), nodes.stop(1));
    stopped.await.expect("the client's open connection was not waited for");
}
