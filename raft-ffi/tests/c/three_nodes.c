/*
 * Three nodes in one process elect a leader, replicate, crash, restart from their stored writes and
 * apply.
 */
#include "cluster.h"

static void check_followers_refuse(struct cluster *cluster)
{
    const struct host *leader = wait_for_leader(cluster);
    for (int i = 0; i < FOUNDERS; i++) {
        struct host *host = &cluster->hosts[i];
        raftcore_entry_id id;
        bool known;
        uint64_t who;
        if (host == leader)
            continue;
        CHECK_STATUS(raftcore_node_propose(host->node, NULL, 0, &id),
                     RAFTCORE_STATUS_REFUSED_NOT_LEADER);
        OK(raftcore_node_leader(host->node, &known, &who));
        CHECK(known && who == leader->id);
    }
}

static void check_equal(const struct cluster *cluster, size_t values)
{
    uint64_t index;
    uint32_t expected;
    bool known;
    OK(raftcore_node_commit_index(cluster->hosts[0].node, &index));
    OK(raftcore_node_checksum_at(cluster->hosts[0].node, index, &known, &expected));
    CHECK(known);
    for (int i = 0; i < FOUNDERS; i++) {
        const struct host *host = &cluster->hosts[i];
        uint32_t checksum;
        CHECK(host->value_count == values);
        for (size_t at = 0; at < values; at++)
            CHECK(host->values[at] == at + 1);
        OK(raftcore_node_checksum_at(host->node, index, &known, &checksum));
        CHECK(known && checksum == expected);
    }
}

int main(void)
{
    static struct cluster cluster;
    CHECK(raftcore_version_number() == RAFTCORE_VERSION_NUMBER);
    found(&cluster);
    propose(&cluster, 1, 100);
    check_followers_refuse(&cluster);
    check_equal(&cluster, 100);

    struct host *leader = wait_for_leader(&cluster);
    struct host *follower = &cluster.hosts[leader->id % FOUNDERS];
    crash(follower);
    propose(&cluster, 101, 200);
    restart(follower);
    wait_until_applied(&cluster, 200);
    check_equal(&cluster, 200);

    leader = wait_for_leader(&cluster);
    crash(leader);
    propose(&cluster, 201, 300);
    restart(leader);
    wait_until_applied(&cluster, 300);
    check_equal(&cluster, 300);

    for (int i = 0; i < FOUNDERS; i++)
        crash(&cluster.hosts[i]);
    for (int i = 0; i < FOUNDERS; i++)
        restart(&cluster.hosts[i]);
    propose(&cluster, 301, 310);
    check_equal(&cluster, 310);
    for (int i = 0; i < FOUNDERS; i++)
        CHECK(cluster.hosts[i].log_reads > 5);
    uint64_t incarnation;
    OK(raftcore_node_incarnation(follower->node, &incarnation));
    CHECK(incarnation == 3);

    finish(&cluster);
    printf("three_nodes: ok (raftcore %s)\n", raftcore_version());
    return 0;
}
