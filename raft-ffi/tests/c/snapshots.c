/*
 * Nodes that keep no entries behind their snapshots: a node that was away, one that crashes in the
 * middle of a transfer, one that joins, all of them started again, and proposals that a snapshot passed.
 */
#include "cluster.h"

static void check_values(const struct host *host, size_t count)
{
    CHECK(host->value_count >= count);
    for (size_t at = 0; at < count; at++)
        CHECK(host->values[at] == at + 1);
}

/* Every running node takes a snapshot, and deletes what it no longer needs. */
static void compact(struct cluster *cluster)
{
    for (int i = 0; i < cluster->count; i++)
        if (cluster->hosts[i].node != NULL)
            CHECK(take_snapshot(&cluster->hosts[i]) > 0);
    for (int i = 0; i < 20; i++)
        round_of(cluster);
    for (int i = 0; i < cluster->count; i++)
        CHECK(cluster->hosts[i].node == NULL || cluster->hosts[i].shelf.count == 1);
}

static void check_a_node_that_was_away(struct cluster *cluster)
{
    propose(cluster, 1, 50);
    struct host *away = &cluster->hosts[wait_for_leader(cluster)->id % FOUNDERS];
    crash(away);
    propose(cluster, 51, 120);
    compact(cluster);
    propose(cluster, 121, 130);

    /* Crashed after some pieces have come: they are of no use any more. */
    restart(away);
    for (int i = 0; i < MAX_ROUNDS && away->shelf.chunks_written < 3; i++)
        round_of(cluster);
    CHECK(away->shelf.chunks_written >= 3 && away->restores == 0);
    crash(away);
    restart(away);
    wait_until_applied(cluster, 130);
    CHECK(away->restores == 1);
    check_values(away, 130);
}

static void check_a_start_from_snapshots(struct cluster *cluster)
{
    compact(cluster);
    propose(cluster, 131, 140);
    for (int i = 0; i < FOUNDERS; i++)
        crash(&cluster->hosts[i]);
    for (int i = 0; i < FOUNDERS; i++) {
        struct host *host = &cluster->hosts[i];
        size_t restores = host->restores;
        restart(host);
        poll_host(cluster, host);
        CHECK(host->restores == restores + 1);
        check_values(host, 130);
    }
    wait_until_applied(cluster, 140);
    for (int i = 0; i < FOUNDERS; i++)
        check_values(&cluster->hosts[i], 140);
}

static void check_a_node_that_joins(struct cluster *cluster)
{
    struct host *added = add_host(cluster, true);
    for (int i = 0; i < 200; i++)
        round_of(cluster);
    uint32_t role;
    OK(raftcore_node_role(added->node, &role));
    CHECK(role == RAFTCORE_ROLE_FOLLOWER && added->value_count == 0);

    struct host *leader = wait_for_leader(cluster);
    raftcore_member members[MAX_HOSTS];
    for (uint64_t id = 1; id <= FOUNDERS; id++)
        members[id - 1] = (raftcore_member){id, 1, 0, {NULL, 0}};
    members[FOUNDERS] = (raftcore_member){added->id, 0, 1, {NULL, 0}};
    raftcore_entry_id id;
    OK(raftcore_node_propose_membership(leader->node, 0, members, MAX_HOSTS, &id));
    wait_until_applied(cluster, 140);
    CHECK(added->restores == 1);
    propose(cluster, 141, 150);
    check_values(added, 150);
}

/* A leader that is cut off proposes what the others replace, and learns it from a snapshot alone. */
static void check_unknown_proposals(struct cluster *cluster)
{
    struct host *old = wait_for_leader(cluster);
    raftcore_entry_id id;
    uint64_t value = 999;
    cluster->cut_off = old->id;
    OK(raftcore_node_propose(old->node, (const uint8_t *)&value, sizeof value, &id));
    struct host *leader = old;
    for (int i = 0; i < MAX_ROUNDS && leader == old; i++) {
        round_of(cluster);
        leader = find_leader(cluster);
    }
    CHECK(leader != old);
    for (value = 151; value <= 160; value++)
        OK(raftcore_node_propose(leader->node, (const uint8_t *)&value, sizeof value, &id));
    for (int i = 0; i < MAX_ROUNDS && leader->value_count < 160; i++)
        round_of(cluster);
    compact(cluster);
    CHECK(old->unknown.through == 0);
    cluster->cut_off = 0;
    wait_until_applied(cluster, 160);
    for (int i = 0; i < 100; i++)
        round_of(cluster);
    CHECK(old->unknown.from.index > 0 && old->unknown.through >= old->unknown.from.index);
    CHECK(old->lost.through == 0);
    check_values(old, 160);
}

static void check_wrong_answers(struct cluster *cluster)
{
    raftcore_node *node = wait_for_leader(cluster)->node;
    raftcore_chunk_request request = {.incarnation = 99, .sequence = 1};
    CHECK_STATUS(raftcore_node_snapshot_chunk(node, &request, 0, NULL, 0),
                 RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST);
    CHECK_STATUS(raftcore_node_snapshot_unavailable(node, &request),
                 RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST);
    CHECK_STATUS(raftcore_node_snapshot_unavailable(node, NULL), RAFTCORE_STATUS_NULL);
    uint64_t applied;
    OK(raftcore_node_applied_index(node, &applied));
    CHECK_STATUS(raftcore_node_snapshot_taken(node, applied + 1),
                 RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED);
}

/* Getters of another kind of output change nothing and say so. */
static void check_wrong_kinds(struct cluster *cluster)
{
    raftcore_output *output;
    raftcore_write write;
    raftcore_snapshot snapshot;
    raftcore_chunk_request request;
    struct host *leader = wait_for_leader(cluster);
    uint64_t value = 161;
    raftcore_entry_id id;
    OK(raftcore_node_propose(leader->node, (const uint8_t *)&value, sizeof value, &id));
    OK(raftcore_node_poll_output(leader->node, &output));
    uint32_t kind;
    OK(raftcore_output_kind(output, &kind));
    CHECK(kind == RAFTCORE_OUTPUT_SEND);
    CHECK_STATUS(raftcore_output_write(output, &write), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_restore(output, &snapshot), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_chunk_request(output, &request), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_write(output, NULL), RAFTCORE_STATUS_NULL);
    CHECK_STATUS(raftcore_output_restore(NULL, &snapshot), RAFTCORE_STATUS_NULL);
    raftcore_output_release(output);
}

int main(void)
{
    struct cluster cluster = {.compacts = true};
    found(&cluster);
    check_a_node_that_was_away(&cluster);
    check_a_start_from_snapshots(&cluster);
    check_a_node_that_joins(&cluster);
    check_unknown_proposals(&cluster);
    check_wrong_answers(&cluster);
    check_wrong_kinds(&cluster);
    finish(&cluster);
    printf("snapshots: ok\n");
    return 0;
}
