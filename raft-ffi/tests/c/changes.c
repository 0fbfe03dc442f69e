/*
 * Three nodes and an outsider: reads, leadership handed over, members added and removed, proposals
 * lost.
 */
#include "cluster.h"

static const uint64_t outsider = 4;

/* A running host that does not lead. */
static struct host *some_follower(struct cluster *cluster)
{
    const struct host *leader = wait_for_leader(cluster);
    for (int i = 0; i < cluster->count; i++) {
        struct host *host = &cluster->hosts[i];
        if (host != leader && host->node != NULL)
            return host;
    }
    CHECK(!"somebody follows");
    return NULL;
}

static void wait_for_event(struct cluster *cluster, struct host *host, uint32_t kind)
{
    host->wanted_event = kind;
    host->event.kind = RAFTCORE_EVENT_OTHER;
    for (int i = 0; i < MAX_ROUNDS && host->event.kind != kind; i++)
        round_of(cluster);
    CHECK(host->event.kind == kind);
}

static void wait_for_read(struct cluster *cluster, struct host *host, uint64_t id)
{
    for (int i = 0; i < MAX_ROUNDS && host->read != id; i++)
        round_of(cluster);
    CHECK(host->read == id);
}

/* Proposes one value and waits until this host has applied it, and perhaps no other one. */
static void write_at(struct cluster *cluster, struct host *leader, uint64_t value)
{
    raftcore_entry_id id;
    size_t before = leader->value_count;
    OK(raftcore_node_propose(leader->node, (const uint8_t *)&value, sizeof value, &id));
    for (int i = 0; i < MAX_ROUNDS && leader->value_count == before; i++)
        round_of(cluster);
    CHECK(leader->values[before] == value);
}

static void check_reads(struct cluster *cluster)
{
    struct host *leader = wait_for_leader(cluster);
    struct host *follower = some_follower(cluster);
    write_at(cluster, leader, 1);
    OK(raftcore_node_read(leader->node, 10, RAFTCORE_READ_LINEARIZABLE));
    wait_for_read(cluster, leader, 10);
    CHECK(leader->read_reason == 0 && leader->read_values == 1);

    write_at(cluster, leader, 2);
    OK(raftcore_node_read(follower->node, 11, RAFTCORE_READ_LINEARIZABLE));
    wait_for_read(cluster, follower, 11);
    CHECK(follower->read_reason == 0 && follower->read_values == 2);

    cluster->cut_off = follower->id;
    write_at(cluster, leader, 3);
    OK(raftcore_node_read(follower->node, 12, RAFTCORE_READ_STALE));
    wait_for_read(cluster, follower, 12);
    CHECK(follower->read_reason == 0 && follower->read_values == 2);
    OK(raftcore_node_read(follower->node, 13, RAFTCORE_READ_LINEARIZABLE));
    wait_for_read(cluster, follower, 13);
    CHECK(follower->read_reason == RAFTCORE_READ_FAILED_LEADER_LOST ||
          follower->read_reason == RAFTCORE_READ_FAILED_TIMED_OUT);
    CHECK_STATUS(raftcore_node_read(follower->node, 14, RAFTCORE_READ_LINEARIZABLE),
                 RAFTCORE_STATUS_REFUSED_NOT_LEADER);
    cluster->cut_off = 0;
    wait_until_applied(cluster, 3);
}

static void check_transfer(struct cluster *cluster)
{
    struct host *leader = wait_for_leader(cluster);
    struct host *follower = some_follower(cluster);
    raftcore_entry_id id;
    CHECK_STATUS(raftcore_node_transfer_leadership(follower->node, leader->id),
                 RAFTCORE_STATUS_REFUSED_NOT_LEADER);
    CHECK_STATUS(raftcore_node_transfer_leadership(leader->node, outsider),
                 RAFTCORE_STATUS_REFUSED_NOT_VOTER);
    cluster->cut_off = follower->id;
    OK(raftcore_node_transfer_leadership(leader->node, follower->id));
    CHECK_STATUS(raftcore_node_propose(leader->node, NULL, 0, &id),
                 RAFTCORE_STATUS_REFUSED_TRANSFER_IN_PROGRESS);
    wait_for_event(cluster, leader, RAFTCORE_EVENT_TRANSFER_FAILED);
    CHECK(leader->event.node == follower->id);

    cluster->cut_off = 0;
    for (int i = 0; i < 100; i++)
        round_of(cluster);
    leader = wait_for_leader(cluster);
    follower = some_follower(cluster);
    OK(raftcore_node_transfer_leadership(leader->node, follower->id));
    wait_for_event(cluster, follower, RAFTCORE_EVENT_BECAME_LEADER);
    CHECK(wait_for_leader(cluster) == follower);

    OK(raftcore_node_step_down(follower->node));
    wait_for_event(cluster, follower, RAFTCORE_EVENT_STEPPED_DOWN);
    CHECK(follower->event.reason == RAFTCORE_STEP_DOWN_ASKED);
    wait_for_leader(cluster);
}

/* The member with this id as a node knows it, without context; id 0 if it knows none. */
static raftcore_member member_of(const raftcore_node *node, uint64_t id)
{
    raftcore_member found = {0, 0, 0, {NULL, 0}};
    raftcore_membership *membership;
    size_t count;
    OK(raftcore_node_membership(node, &membership));
    OK(raftcore_membership_count(membership, &count));
    for (size_t at = 0; at < count; at++) {
        raftcore_member member;
        OK(raftcore_membership_at(membership, at, &member));
        if (member.id != id)
            continue;
        CHECK(id != outsider ||
              (member.context.length == 6 && memcmp(member.context.data, "host:4", 6) == 0));
        member.context.data = NULL;
        found = member;
    }
    raftcore_membership_free(membership);
    return found;
}

/* The leader of a cluster that has settled: it may change the membership. */
static struct host *settled_leader(struct cluster *cluster)
{
    for (int i = 0; i < 100; i++)
        round_of(cluster);
    return wait_for_leader(cluster);
}

/* Proposes the current members without `gone` (0: all of them) and, if told, one more. */
static raftcore_entry_id change(struct host *leader, uint64_t gone, const raftcore_member *more)
{
    raftcore_membership *membership;
    raftcore_member members[MAX_HOSTS];
    raftcore_entry_id id;
    uint64_t based_on;
    size_t count, kept = 0;
    OK(raftcore_node_membership(leader->node, &membership));
    OK(raftcore_membership_index(membership, &based_on));
    OK(raftcore_membership_count(membership, &count));
    for (size_t at = 0; at < count; at++) {
        raftcore_member member;
        OK(raftcore_membership_at(membership, at, &member));
        if (member.id != gone)
            members[kept++] = member;
    }
    if (more != NULL)
        members[kept++] = *more;
    CHECK_STATUS(raftcore_node_propose_membership(leader->node, based_on + 1, members, kept, &id),
                 RAFTCORE_STATUS_REFUSED_STALE_MEMBERSHIP);
    CHECK_STATUS(raftcore_node_propose_membership(leader->node, based_on, NULL, 0, &id),
                 RAFTCORE_STATUS_REFUSED_MEMBERSHIP);
    OK(raftcore_node_propose_membership(leader->node, based_on, members, kept, &id));
    CHECK_STATUS(raftcore_node_propose_membership(leader->node, id.index, members, kept, &id),
                 RAFTCORE_STATUS_REFUSED_CHANGE_IN_PROGRESS);
    raftcore_membership_free(membership);
    return id;
}

static void check_learner_is_added_and_promoted(struct cluster *cluster)
{
    const raftcore_member learner = {outsider, 0, 1, {(const uint8_t *)"host:4", 6}};
    struct host *leader = settled_leader(cluster);
    struct host *added = add_host(cluster, true);
    raftcore_entry_id id = change(leader, 0, &learner);
    raftcore_member member = member_of(leader->node, outsider);
    CHECK(member.id == outsider && member.voter == 0 && member.promote == 1);
    wait_for_event(cluster, leader, RAFTCORE_EVENT_MEMBERSHIP_CHANGED);
    CHECK(leader->event.at.index == id.index);
    for (int i = 0; i < MAX_ROUNDS && member_of(added->node, outsider).voter == 0; i++)
        round_of(cluster);
    member = member_of(added->node, outsider);
    CHECK(member.voter == 1 && member.promote == 0);
    wait_until_applied(cluster, 4);
}

static void check_voter_is_removed(struct cluster *cluster)
{
    struct host *leader = settled_leader(cluster);
    uint64_t gone = leader->id % FOUNDERS + 1;
    struct host *removed = &cluster->hosts[gone - 1];
    raftcore_entry_id id = change(leader, gone, NULL);
    wait_for_event(cluster, leader, RAFTCORE_EVENT_MEMBERSHIP_CHANGED);
    CHECK(leader->event.at.index == id.index);
    CHECK(member_of(leader->node, gone).id == 0);
    crash(removed);
    write_at(cluster, wait_for_leader(cluster), 5);
    wait_until_applied(cluster, 5);
}

static void check_joint_membership_tells_who_leaves(struct cluster *cluster)
{
    struct host *leader = settled_leader(cluster);
    raftcore_member alone = {leader->id, 1, 0, {NULL, 0}};
    raftcore_membership *before, *joint;
    raftcore_entry_id id;
    uint64_t based_on, outgoing;
    size_t count;
    OK(raftcore_node_membership(leader->node, &before));
    OK(raftcore_membership_index(before, &based_on));
    OK(raftcore_node_propose_membership(leader->node, based_on, &alone, 1, &id));
    OK(raftcore_node_membership(leader->node, &joint));
    OK(raftcore_membership_count(joint, &count));
    CHECK(count == 1);
    OK(raftcore_membership_outgoing_count(joint, &count));
    CHECK(count == 3);
    for (size_t at = 0; at < count; at++) {
        raftcore_member member;
        OK(raftcore_membership_outgoing_at(joint, at, &outgoing));
        OK(raftcore_membership_at(before, at, &member));
        CHECK(outgoing == member.id);
    }
    CHECK_STATUS(raftcore_membership_outgoing_at(joint, 3, &outgoing),
                 RAFTCORE_STATUS_OUT_OF_BOUNDS);
    raftcore_membership_free(before);
    wait_for_event(cluster, leader, RAFTCORE_EVENT_MEMBERSHIP_CHANGED);
    CHECK(leader->event.at.index == id.index + 1);
    OK(raftcore_membership_outgoing_count(joint, &count));
    CHECK(count == 3); /* what was asked for never changes */
    raftcore_membership_free(joint);
    OK(raftcore_node_membership(leader->node, &joint));
    OK(raftcore_membership_outgoing_count(joint, &count));
    CHECK(count == 0);
    raftcore_membership_free(joint);
}

static void check_lost_proposals(struct cluster *cluster)
{
    struct host *old = settled_leader(cluster);
    const uint64_t never = 77, after = 4;
    raftcore_entry_id first, last;
    cluster->cut_off = old->id;
    OK(raftcore_node_propose(old->node, (const uint8_t *)&never, sizeof never, &first));
    OK(raftcore_node_propose(old->node, (const uint8_t *)&never, sizeof never, &last));
    wait_for_event(cluster, old, RAFTCORE_EVENT_STEPPED_DOWN);
    CHECK(old->event.reason == RAFTCORE_STEP_DOWN_NO_QUORUM);
    CHECK(old->lost.through == 0);
    write_at(cluster, wait_for_leader(cluster), after);
    cluster->cut_off = 0;
    for (int i = 0; i < MAX_ROUNDS && old->lost.through == 0; i++)
        round_of(cluster);
    CHECK(old->lost.from.term == first.term && old->lost.from.index == first.index);
    CHECK(old->lost.through == last.index);
    wait_until_applied(cluster, 4);
    CHECK(old->value_count == 4 && old->values[3] == after);
}

int main(void)
{
    static struct cluster cluster;
    found(&cluster);
    check_reads(&cluster);
    check_transfer(&cluster);
    check_lost_proposals(&cluster);
    check_learner_is_added_and_promoted(&cluster);
    check_voter_is_removed(&cluster);
    check_joint_membership_tells_who_leaves(&cluster);
    finish(&cluster);
    printf("changes: ok\n");
    return 0;
}
