//! A cluster without faults elects, replicates, restarts.
mod support;
use raftcore::RoleName;
use support::Cluster;

#[test]
fn three_nodes_elect_replicate_and_restart() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for number in 0..1000u32 {
        cluster.node(1).propose(&number.to_le_bytes()).unwrap();
        if number % 7 == 0 {
            cluster.settle();
        }
    }
    cluster.settle();
    cluster.tick(10);
    for at in 0..3 {
        assert_eq!(cluster.applied[at].len(), 1000, "{:#?}", cluster.nodes[at].status());
    }
    cluster.restart(1);
    cluster.tick(100);
    let leaders = cluster.nodes.iter().filter(|node| node.role() == RoleName::Leader).count();
    assert_eq!(leaders, 1);
    assert_eq!(cluster.applied[0].len(), 1000);
    let last = cluster.node(1).last_index();
    assert_eq!(cluster.node(1).checksum_at(last), cluster.node(2).checksum_at(last));
}

#[test]
fn a_single_node_elects_itself() {
    let mut cluster = Cluster::new(1);
    cluster.tick(50);
    cluster.node(1).propose(b"x").unwrap();
    cluster.settle();
    assert_eq!(cluster.applied[0].len(), 1);
    cluster.restart(1);
    cluster.tick(50);
    assert_eq!(cluster.applied[0].len(), 1);
}

#[test]
fn a_cluster_elects_by_timeout_and_after_loss_of_its_leader() {
    let mut cluster = Cluster::new(5);
    cluster.tick(100);
    let leader = cluster.nodes.iter().position(|node| node.role() == RoleName::Leader).unwrap();
    cluster.cut_off = vec![leader as u64 + 1];
    cluster.tick(200);
    assert_eq!(cluster.nodes[leader].role(), RoleName::PreCandidate);
    assert_eq!(cluster.nodes.iter().filter(|node| node.role() == RoleName::Leader).count(), 1);
    cluster.cut_off.clear();
    cluster.tick(200);
    assert_eq!(cluster.nodes[leader].role(), RoleName::Follower);
}
