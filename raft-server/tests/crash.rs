//! Nodes that are killed in the middle of their work, all at once, lose nothing they acknowledged.

#[path = "support/program.rs"]
mod program;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use program::{Group, eventually};
use serde_json::json;

const WRITERS: u64 = 4;
const ROUNDS: usize = 3;

/// Puts one key after another until told to stop; gives those that were acknowledged.
fn write(group: &Group, writer: u64, first: u64, stop: &AtomicBool, count: &AtomicU64) -> Vec<u64> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut acknowledged = Vec::new();
        for number in (first + writer..).step_by(WRITERS as usize) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let http = &group.http[(number % group.http.len() as u64) as usize];
            let body = json!({ format!("key-{number}"): number }).to_string();
            let put = client.put(format!("http://{http}/kv")).body(body).send().await;
            if put.is_ok_and(|response| response.status() == 200) {
                acknowledged.push(number);
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        acknowledged
    })
}

#[test]
fn nodes_killed_together_under_load_have_every_acknowledged_write_when_they_start_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let group = Group::new(3);
    let mut acknowledged: Vec<u64> = Vec::new();
    for round in 0..ROUNDS as u64 {
        let nodes: Vec<_> = (1..=3).map(|id| group.start(folder.path(), id)).collect();
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let first = round * 1_000_000;
        let written = thread::scope(|scope| {
            let start = |writer| {
                let (group, stop, count) = (&group, &stop, &count);
                scope.spawn(move || write(group, writer, first, stop, count))
            };
            let writers: Vec<_> = (0..WRITERS).map(start).collect();
            eventually("acknowledged writes", || {
                (count.load(Ordering::Relaxed) > 50).then_some(())
            });
            nodes.iter().for_each(|node| node.signal("KILL"));
            stop.store(true, Ordering::Relaxed);
            writers
                .into_iter()
                .flat_map(|writer| writer.join().expect("no panic"))
                .collect::<Vec<_>>()
        });
        acknowledged.extend(written);
    }
    assert!(acknowledged.len() > 50 * ROUNDS);
    let _nodes: Vec<_> = (1..=3).map(|id| group.start(folder.path(), id)).collect();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for number in acknowledged {
            let url = format!("http://{}/kv/key-{number}", group.http[0]);
            let body = loop {
                let response = client.get(&url).send().await.expect("an answer");
                match response.status().as_u16() {
                    503 => continue,
                    code => assert_eq!(code, 200, "key-{number} was acknowledged and is lost"),
                }
                break response.text().await.expect("a body");
            };
            assert_eq!(body, format!("{{\"key\":\"key-{number}\",\"value\":{number}}}"));
        }
    });
}
