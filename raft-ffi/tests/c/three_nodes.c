/*
 * Three nodes in one process elect a leader, replicate, crash, restart from their stored writes and
 * apply.
 *
 * The disk is slow on purpose: a write is durable one round after it was handed out, and its output
 * is kept until then, because its bytes belong to it. A crash loses the writes still under way.
 */
#include <string.h>

#include "check.h"

enum { NODES = 3, MAX_WRITING = 8, MAX_VALUES = 1024, MAX_ROUNDS = 5000 };

/* Records one after the other, as they would stand in a file. Survives a crash of its host. */
struct disk {
    uint8_t *bytes;
    size_t length;
};

struct host {
    uint64_t id;
    raftcore_node *node; /* NULL while it is down */
    struct disk disk;
    raftcore_output *writing[MAX_WRITING];
    size_t writing_count;
    uint64_t values[MAX_VALUES]; /* the state machine: what was applied, in order */
    size_t value_count;
};

struct frame {
    struct frame *next;
    uint64_t to;
    size_t length;
    uint8_t bytes[];
};

struct cluster {
    struct host hosts[NODES];
    struct frame *first;
    struct frame **end;
    uint64_t now;
};

static void *must_have(void *memory)
{
    CHECK(memory != NULL);
    return memory;
}

static void send_frame(struct cluster *cluster, const raftcore_output *output)
{
    uint64_t to;
    raftcore_frame parts;
    OK(raftcore_output_send(output, &to, &parts));
    CHECK(parts.head.length + parts.body.length + parts.checksum.length == parts.length);
    struct frame *frame = must_have(malloc(sizeof *frame + parts.length));
    frame->next = NULL;
    frame->to = to;
    frame->length = parts.length;
    OK(raftcore_output_copy_frame(output, frame->bytes, frame->length));
    *cluster->end = frame;
    cluster->end = &frame->next;
}

static void apply(struct host *host, const raftcore_output *output)
{
    raftcore_apply committed;
    OK(raftcore_output_apply(output, &committed));
    CHECK(committed.first <= committed.last);
    for (size_t at = 0; at < committed.commands; at++) {
        raftcore_command command;
        OK(raftcore_output_command(output, at, &command));
        CHECK(command.id.index >= committed.first && command.id.index <= committed.last);
        CHECK(command.payload.length == sizeof host->values[0]);
        CHECK(host->value_count < MAX_VALUES);
        memcpy(&host->values[host->value_count++], command.payload.data, command.payload.length);
    }
    OK(raftcore_node_applied(host->node, committed.last));
}

/* Carries out every duty the node has now. */
static void poll_host(struct cluster *cluster, struct host *host)
{
    for (;;) {
        raftcore_output *output;
        bool has;
        OK(raftcore_node_has_output(host->node, &has));
        OK(raftcore_node_poll_output(host->node, &output));
        CHECK(has == (output != NULL));
        if (output == NULL)
            return;
        uint32_t kind;
        OK(raftcore_output_kind(output, &kind));
        switch (kind) {
        case RAFTCORE_OUTPUT_SEND:
            send_frame(cluster, output);
            break;
        case RAFTCORE_OUTPUT_PERSIST:
            CHECK(host->writing_count < MAX_WRITING);
            host->writing[host->writing_count++] = output;
            continue; /* released when the disk is done */
        case RAFTCORE_OUTPUT_APPLY:
            apply(host, output);
            break;
        default:
            CHECK(kind == RAFTCORE_OUTPUT_EVENT);
        }
        raftcore_output_release(output);
    }
}

/* The disk completes what was handed out before. */
static void complete_writes(struct host *host)
{
    for (size_t i = 0; i < host->writing_count; i++) {
        raftcore_write_id id;
        raftcore_bytes record;
        OK(raftcore_output_persist(host->writing[i], &id, &record));
        struct disk *disk = &host->disk;
        disk->bytes = must_have(realloc(disk->bytes, disk->length + record.length));
        memcpy(disk->bytes + disk->length, record.data, record.length);
        disk->length += record.length;
        OK(raftcore_node_persisted(host->node, id));
        raftcore_output_release(host->writing[i]);
    }
    host->writing_count = 0;
}

static void deliver(struct cluster *cluster)
{
    struct frame *frame = cluster->first;
    cluster->first = NULL;
    cluster->end = &cluster->first;
    while (frame != NULL) {
        struct frame *next = frame->next;
        struct host *host = &cluster->hosts[frame->to - 1];
        if (host->node != NULL)
            OK(raftcore_node_receive(host->node, frame->bytes, frame->length));
        free(frame);
        frame = next;
    }
}

/* One tick: time, disk, outputs, network. */
static void round_of(struct cluster *cluster)
{
    cluster->now++;
    for (int i = 0; i < NODES; i++) {
        struct host *host = &cluster->hosts[i];
        if (host->node == NULL)
            continue;
        OK(raftcore_node_tick(host->node, cluster->now));
        complete_writes(host);
        poll_host(cluster, host);
    }
    deliver(cluster);
}

static struct host *find_leader(struct cluster *cluster)
{
    struct host *leader = NULL;
    uint64_t highest = 0;
    for (int i = 0; i < NODES; i++) {
        struct host *host = &cluster->hosts[i];
        uint32_t role;
        uint64_t term;
        if (host->node == NULL)
            continue;
        OK(raftcore_node_role(host->node, &role));
        OK(raftcore_node_term(host->node, &term));
        if (role == RAFTCORE_ROLE_LEADER && term > highest) {
            leader = host;
            highest = term;
        }
    }
    return leader;
}

static struct host *wait_for_leader(struct cluster *cluster)
{
    for (int i = 0; i < MAX_ROUNDS; i++) {
        struct host *leader = find_leader(cluster);
        if (leader != NULL)
            return leader;
        round_of(cluster);
    }
    CHECK(!"a leader was elected");
    return NULL;
}

static void wait_until_applied(struct cluster *cluster, size_t values)
{
    for (int i = 0; i < MAX_ROUNDS; i++) {
        bool all = true;
        for (int at = 0; at < NODES; at++) {
            const struct host *host = &cluster->hosts[at];
            all = all && (host->node == NULL || host->value_count >= values);
        }
        if (all)
            return;
        round_of(cluster);
    }
    CHECK(!"every running node applied every value");
}

/* Proposes the values from first to last, a few each round, to whoever leads. */
static void propose(struct cluster *cluster, uint64_t first, uint64_t last)
{
    for (uint64_t value = first; value <= last; value++) {
        struct host *leader = wait_for_leader(cluster);
        raftcore_entry_id id;
        OK(raftcore_node_propose(leader->node, (const uint8_t *)&value, sizeof value, &id));
        CHECK(id.index > 0 && id.term > 0);
        if (value % 7 == 0)
            round_of(cluster);
    }
    wait_until_applied(cluster, last);
}

static void start(struct host *host, raftcore_stored *stored)
{
    raftcore_config config;
    OK(raftcore_config_default(&config, sizeof config));
    config.seed = 42;
    OK(raftcore_node_new(&config, stored, 0, &host->node));
    raftcore_stored_free(stored);
    host->value_count = 0;
}

static void restart(struct host *host)
{
    raftcore_stored *stored;
    size_t at = 0;
    OK(raftcore_stored_empty(&stored));
    while (at < host->disk.length) {
        size_t used;
        OK(raftcore_stored_replay(stored, host->disk.bytes + at, host->disk.length - at, &used));
        CHECK(used > 0);
        at += used;
    }
    start(host, stored);
}

/* The writes under way are lost; their buffers outlive the node, as an asynchronous disk needs. */
static void crash(struct host *host)
{
    raftcore_node_free(host->node);
    host->node = NULL;
    for (size_t i = 0; i < host->writing_count; i++) {
        raftcore_write_id id;
        raftcore_bytes record;
        OK(raftcore_output_persist(host->writing[i], &id, &record));
        CHECK(record.length > 0 && record.data[0] == 1);
        raftcore_output_release(host->writing[i]);
    }
    host->writing_count = 0;
}

static void found(struct cluster *cluster)
{
    static const uint64_t voters[NODES] = {1, 2, 3};
    cluster->end = &cluster->first;
    for (int i = 0; i < NODES; i++) {
        raftcore_stored *stored;
        cluster->hosts[i].id = voters[i];
        OK(raftcore_stored_found(7, voters[i], voters, NODES, &stored));
        start(&cluster->hosts[i], stored);
    }
}

static void check_followers_refuse(struct cluster *cluster)
{
    const struct host *leader = wait_for_leader(cluster);
    for (int i = 0; i < NODES; i++) {
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
    for (int i = 0; i < NODES; i++) {
        const struct host *host = &cluster->hosts[i];
        uint32_t checksum;
        CHECK(host->value_count == values);
        for (size_t at = 0; at < values; at++)
            CHECK(host->values[at] == at + 1);
        OK(raftcore_node_checksum_at(host->node, index, &known, &checksum));
        CHECK(known && checksum == expected);
    }
}

static void finish(struct cluster *cluster)
{
    for (int i = 0; i < NODES; i++) {
        crash(&cluster->hosts[i]);
        free(cluster->hosts[i].disk.bytes);
    }
    deliver(cluster); /* nobody is up: frees the frames */
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
    struct host *follower = &cluster.hosts[leader->id % NODES];
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

    for (int i = 0; i < NODES; i++)
        crash(&cluster.hosts[i]);
    for (int i = 0; i < NODES; i++)
        restart(&cluster.hosts[i]);
    propose(&cluster, 301, 310);
    check_equal(&cluster, 310);
    uint64_t incarnation;
    OK(raftcore_node_incarnation(follower->node, &incarnation));
    CHECK(incarnation == 3);

    finish(&cluster);
    printf("three_nodes: ok (raftcore %s)\n", raftcore_version());
    return 0;
}
