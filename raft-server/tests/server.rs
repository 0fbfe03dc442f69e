//! A server over a network and disks in memory: what it promises whatever its parts are.

mod support;

use futures_util::future::join_all;
use raftcore::{LogIndex, Member, MembershipChange, MessageKind, NodeId};
use raftcore_server::{Answer, Failure, KeyValues, StateMachine, StopReason};
use support::{Cluster, eventually, put};

async fn get(cluster: &Cluster, id: NodeId, key: &str) -> Result<Option<String>, Failure> {
    let value = cluster.handle(id).query(key.to_owned()).await?;
    Ok(value.map(|value| value.get().to_owned()))
}

#[tokio::test]
async fn a_success_is_committed_and_applied_and_seen_by_the_next_query() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader().await;
    for round in 0..50 {
        let applied = cluster.handle(leader).propose(put("y", &round.to_string())).await;
        assert_eq!(applied.expect("a leader").answer, Answer::Put);
        assert_eq!(get(&cluster, leader, "y").await, Ok(Some(round.to_string())));
    }
    assert_eq!(get(&cluster, leader, "z").await, Ok(None));
}

#[tokio::test]
async fn a_follower_names_the_leader_and_changes_nothing() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader().await;
    cluster.put(None, "y", "7").await;
    let follower = NodeId(leader.get() % 3 + 1);
    let refusal = Failure::NotLeader { leader: Some(leader) };
    let proposed = cluster.handle(follower).propose(put("y", "8")).await;
    assert_eq!(proposed.map(|_| ()), Err(refusal.clone()));
    assert_eq!(get(&cluster, follower, "y").await, Err(refusal));
    assert_eq!(get(&cluster, leader, "y").await, Ok(Some("7".to_owned())));
}

#[tokio::test]
async fn commands_that_come_together_share_one_sync_and_queries_one_barrier() {
    let cluster = Cluster::start(1);
    let leader = cluster.leader().await;
    let handle = cluster.handle(leader);
    cluster.put(None, "first", "0").await;
    let syncs = cluster.disks[&leader].syncs();
    // All of them are in the queue before the driver gets its turn: this runtime has one thread.
    let keys: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    let proposals = keys.iter().map(|key| handle.propose(put(key, key)));
    for done in join_all(proposals).await {
        done.expect("applied");
    }
    assert_eq!(cluster.disks[&leader].syncs() - syncs, 1);

    let last = handle.status(None).await.expect("running").node.last_index;
    let queries = keys.iter().map(|key| get(&cluster, leader, key));
    for (found, key) in join_all(queries).await.into_iter().zip(&keys) {
        assert_eq!(found.as_ref(), Ok(&Some(key.clone())));
    }
    let after = handle.status(None).await.expect("running").node.last_index;
    assert_eq!(after.since(last), 1);
}

#[tokio::test]
async fn an_append_leaves_before_the_leaders_own_sync_ends() {
    let cluster = Cluster::start(3);
    let leader = cluster.leader().await;
    cluster.put(None, "first", "0").await;
    let before = cluster.handle(leader).status(None).await.expect("running").node;
    cluster.disks[&leader].hold(true);
    let handle = cluster.handle(leader);
    let proposal = tokio::spawn(async move { handle.propose(put("y", "7")).await });
    let follower = cluster.handle(NodeId(leader.get() % 3 + 1));
    eventually("the entry is durable on a follower", async || {
        let status = follower.status(None).await.expect("running").node;
        (status.stable_index > before.last_index).then_some(())
    })
    .await;
    let now = cluster.handle(leader).status(None).await.expect("running").node;
    assert_eq!(now.stable_index, before.last_index);
    assert!(now.last_index > before.last_index);
    assert!(!proposal.is_finished());
    cluster.disks[&leader].hold(false);
    let applied = proposal.await.expect("no panic").expect("applied");
    assert!(applied.id.index > before.last_index);
}

#[tokio::test]
async fn an_entry_that_a_new_leader_replaced_is_reported_as_not_applied() {
    let cluster = Cluster::start(3);
    let old = cluster.leader().await;
    cluster.put(None, "y", "1").await;
    cluster.hub.cut_off(old);
    let appends = cluster.hub.sent(old, MessageKind::Append);
    let handle = cluster.handle(old);
    let lost = tokio::spawn(async move { handle.propose(put("y", "2")).await });
    eventually("the old leader sends the entry in vain", async || {
        (cluster.hub.sent(old, MessageKind::Append) > appends).then_some(())
    })
    .await;
    cluster.put(Some(old), "y", "3").await;
    assert!(!lost.is_finished());
    cluster.hub.heal();
    let outcome = lost.await.expect("no panic").map(|applied| applied.answer);
    assert_eq!(outcome, Err(Failure::Overwritten));
    let leader = cluster.leader_but(Some(old)).await;
    assert_eq!(get(&cluster, leader, "y").await, Ok(Some("3".to_owned())));
}

#[tokio::test]
async fn a_query_to_a_deposed_leader_is_never_answered_from_its_old_state() {
    let cluster = Cluster::start(3);
    let old = cluster.leader().await;
    cluster.put(None, "y", "1").await;
    cluster.hub.cut_off(old);
    let query = get(&cluster, old, "y");
    let outcome = tokio::time::timeout(support::PATIENCE, async {
        cluster.put(Some(old), "y", "2").await;
        cluster.hub.heal();
    });
    let (answer, done) = tokio::join!(query, outcome);
    done.expect("in time");
    assert!(answer.is_err() || answer == Ok(Some("2".to_owned())), "{answer:?}");
}

#[tokio::test]
async fn a_failed_sync_stops_the_server_and_leaves_open_what_was_proposed() {
    let mut cluster = Cluster::start(1);
    let id = cluster.leader().await;
    cluster.put(None, "y", "1").await;
    cluster.disks[&id].fail();
    let handle = cluster.handle(id);
    let outcome = handle.propose(put("y", "2")).await.map(|applied| applied.answer);
    assert_eq!(outcome, Err(Failure::Unknown));
    let reason = cluster.servers.get_mut(&id).expect("there").wait().await;
    assert!(matches!(reason, StopReason::Store(_)), "{reason}");
    let after = handle.propose(put("y", "3")).await.map(|applied| applied.answer);
    assert_eq!(after, Err(Failure::Stopping));

    cluster.disks[&id].repair();
    cluster.start_node(id);
    let leader = cluster.leader().await;
    assert_eq!(get(&cluster, leader, "y").await, Ok(Some("1".to_owned())));
}

#[tokio::test]
async fn a_node_that_was_away_gets_the_log_and_the_same_checksums() {
    let mut cluster = Cluster::start(3);
    let away = NodeId(cluster.leader().await.get() % 3 + 1);
    let mut server = cluster.servers.remove(&away).expect("there");
    server.stop();
    assert!(matches!(server.wait().await, StopReason::Asked));
    for number in 0..100 {
        cluster.put(None, &number.to_string(), "true").await;
    }
    cluster.start_node(away);
    let leader = cluster.leader().await;
    let index = cluster.handle(leader).status(None).await.expect("running").node.applied_index;
    assert!(index > LogIndex(100));
    let mut checksums = Vec::new();
    for &id in cluster.servers.keys() {
        let handle = cluster.handle(id);
        let status = eventually("everything is applied", async || {
            let status = handle.status(Some(index)).await.expect("running");
            (status.node.applied_index >= index).then_some(status)
        });
        checksums.push(status.await.checksum.value.expect("in the log"));
    }
    checksums.dedup();
    assert_eq!(checksums.len(), 1);
}

#[tokio::test]
async fn commands_that_are_empty_or_too_large_are_refused() {
    let cluster = Cluster::start(1);
    let handle = cluster.handle(cluster.leader().await);
    let propose = async |command: Vec<u8>| handle.propose(command.into()).await.map(|_| ());
    assert_eq!(propose(Vec::new()).await, Err(Failure::Empty));
    let max = raftcore::Config::default().max_payload_bytes;
    let refusal = Failure::TooLarge { bytes: max + 1, max };
    assert_eq!(propose(vec![0; max + 1]).await, Err(refusal));
    let answer = handle.propose(vec![0; max].into()).await.expect("applied").answer;
    assert!(matches!(answer, Answer::Unreadable(_)), "{answer:?}");
}

/// Waits until a node has applied as much as the leader has; gives its status.
async fn caught_up(cluster: &Cluster, id: NodeId) -> raftcore_server::ServerStatus {
    let leader = cluster.leader().await;
    let goal = cluster.handle(leader).status(None).await.expect("running").node.commit_index;
    eventually("everything is applied", async || {
        let status = cluster.handle(id).status(None).await.expect("running");
        (status.node.applied_index >= goal).then_some(status)
    })
    .await
}

#[tokio::test]
async fn a_node_that_was_away_while_the_log_was_shortened_gets_a_snapshot() {
    let mut cluster = Cluster::with_snapshots(3, 10);
    let away = NodeId(cluster.leader().await.get() % 3 + 1);
    let mut server = cluster.servers.remove(&away).expect("there");
    server.stop();
    server.wait().await;
    let before = cluster.handle(cluster.leader().await).status(None).await.expect("running");
    for number in 0..100 {
        cluster.put(None, &number.to_string(), "true").await;
    }
    let leader = cluster.leader().await;
    let disk = cluster.disks[&leader].clone();
    eventually("the leader's log begins after what the other has", async || {
        let begins = disk.snapshot_index()?;
        (begins > before.node.last_index).then_some(())
    })
    .await;
    cluster.start_node(away);
    let status = caught_up(&cluster, away).await;
    assert!(status.store.snapshot_index > before.node.last_index.get());
    assert!(cluster.disks[&away].received_bytes() > 0);
}

#[tokio::test]
async fn a_start_from_a_snapshot_applies_what_came_after_it() {
    let mut cluster = Cluster::with_snapshots(1, 10);
    let id = cluster.leader().await;
    for number in 0..25 {
        cluster.put(None, &number.to_string(), &number.to_string()).await;
    }
    let disk = cluster.disks[&id].clone();
    eventually("a snapshot", async || disk.snapshot_index()).await;
    let mut server = cluster.servers.remove(&id).expect("there");
    server.stop();
    server.wait().await;
    cluster.start_node(id);
    let leader = cluster.leader().await;
    for number in 0..25 {
        let key = number.to_string();
        assert_eq!(get(&cluster, leader, &key).await, Ok(Some(key.clone())));
    }
}

#[tokio::test]
async fn a_node_that_was_away_applies_nothing_before_it_is_restored() {
    let mut cluster = Cluster::with_snapshots(3, 10);
    for number in 0..25 {
        cluster.put(None, &number.to_string(), &number.to_string()).await;
    }
    let id = NodeId(cluster.leader().await.get() % 3 + 1);
    let disk = cluster.disks[&id].clone();
    eventually("a snapshot", async || disk.snapshot_index()).await;
    let mut server = cluster.servers.remove(&id).expect("there");
    server.stop();
    server.wait().await;
    let restored = disk.snapshot_index().expect("one");
    disk.hold_reads(true);
    cluster.start_node(id);
    let handle = cluster.handle(id);
    eventually("it knows that more is committed", async || {
        let node = handle.status(None).await.expect("running").node;
        assert_eq!(node.applied_index, LogIndex(0));
        (node.commit_index > restored).then_some(())
    })
    .await;
    disk.hold_reads(false);
    for number in 25..45 {
        cluster.put(None, &number.to_string(), &number.to_string()).await;
    }
    // The snapshot it takes next shows what its state machine holds.
    let machine = eventually("a snapshot of its own", async || {
        let (index, bytes) = disk.newest_snapshot_of(id)?;
        let mut machine = KeyValues::default();
        machine.restore(&bytes).expect("a snapshot");
        (index > restored.plus(10)).then_some(machine)
    })
    .await;
    for number in 0..30 {
        assert!(machine.query(number.to_string()).is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_damaged_snapshot_stops_the_server_with_its_place() {
    let mut cluster = Cluster::with_snapshots(1, 10);
    let id = cluster.leader().await;
    for number in 0..25 {
        cluster.put(None, &number.to_string(), "true").await;
    }
    let disk = cluster.disks[&id].clone();
    eventually("a snapshot", async || disk.snapshot_index()).await;
    let mut server = cluster.servers.remove(&id).expect("there");
    server.stop();
    server.wait().await;
    disk.damage_snapshots();
    cluster.start_node(id);
    let reason = cluster.servers.get_mut(&id).expect("there").wait().await;
    assert!(matches!(reason, StopReason::Snapshot { .. }), "{reason}");
}

#[tokio::test]
async fn a_node_that_joins_gets_everything_and_a_vote() {
    let mut cluster = Cluster::with_snapshots(3, 10);
    for number in 0..30 {
        cluster.put(None, &number.to_string(), "true").await;
    }
    let four = NodeId(4);
    cluster.join(four);
    let added = eventually("it is added", async || {
        let handle = cluster.handle(cluster.leader().await);
        let status = handle.status(None).await.ok()?;
        let member = Member { promote: true, ..Member::learner(four) };
        let change = MembershipChange::add(status.membership_index, &status.membership, member);
        handle.change_membership(change).await.ok()
    })
    .await;
    let mut memberships = cluster.handle(four).memberships();
    let voter = memberships.wait_for(|membership| membership.is_voter(four));
    tokio::time::timeout(support::PATIENCE, voter).await.expect("in time").expect("running");
    let status = caught_up(&cluster, four).await;
    assert!(status.node.applied_index >= added.index);
    assert_eq!(status.membership.voters().count(), 4);

    // It is busy until the leader, too, knows that the promotion is committed.
    let (handle, status) = eventually("an empty membership is refused", async || {
        let handle = cluster.handle(cluster.leader().await);
        let status = handle.status(None).await.ok()?;
        let nobody = MembershipChange::to(status.membership_index, []);
        let refusal = handle.change_membership(nobody).await;
        matches!(refusal, Err(Failure::Membership(_))).then_some((handle, status))
    })
    .await;
    let stale = MembershipChange::remove(LogIndex(0), &status.membership, four);
    assert_eq!(handle.change_membership(stale).await, Err(Failure::Busy));
}
