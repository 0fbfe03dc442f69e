/*
 * A cluster in one process: nodes, their disks, their state machines, and the network between them.
 *
 * The disk is slow on purpose: a write is durable one round after it was handed out, and its output
 * is kept until then, because its bytes belong to it. A crash loses the writes still under way.
 */
#ifndef RAFTCORE_TESTS_CLUSTER_H
#define RAFTCORE_TESTS_CLUSTER_H

#include <string.h>

#include "check.h"
#include "shelf.h"

enum { FOUNDERS = 3, MAX_HOSTS = 4, MAX_WRITING = 8, MAX_VALUES = 1024, MAX_ROUNDS = 5000 };

static const uint64_t founders[FOUNDERS] = {1, 2, 3};

/* Records one after the other, as they would stand in a file. Survives a crash of its host. */
struct disk {
    uint8_t *bytes;
    size_t length;
};

struct host {
    uint64_t id;
    raftcore_node *node; /* NULL while it is down */
    struct disk disk;
    struct shelf shelf;
    bool compacts;         /* keeps no entries behind a snapshot, and ships it in small pieces */
    size_t restores;       /* how often its state machine was replaced */
    raftcore_output *writing[MAX_WRITING];
    size_t writing_count;
    uint64_t values[MAX_VALUES]; /* the state machine: what was applied, in order */
    size_t value_count;
    uint64_t read;        /* the last read that ended, */
    uint32_t read_reason; /* why it failed, */
    size_t read_values;   /* and how many values the state machine held then */
    raftcore_proposals lost; /* the last proposals that were lost */
    raftcore_proposals unknown; /* or that a snapshot passed */
    raftcore_event event;    /* the last event of the kind that is waited for */
    uint32_t wanted_event;
    size_t log_reads; /* how often it read back what its node no longer held */
};

struct frame {
    struct frame *next;
    uint64_t from;
    uint64_t to;
    size_t length;
    uint8_t bytes[];
};

struct cluster {
    struct host hosts[MAX_HOSTS];
    int count;
    struct frame *first;
    struct frame **end;
    uint64_t now;
    bool compacts;
    uint64_t cut_off; /* frames from or to this node are lost; 0: none are */
};

static inline void *must_have(void *memory)
{
    CHECK(memory != NULL);
    return memory;
}

static inline void send_frame(struct cluster *cluster, uint64_t from, const raftcore_output *output)
{
    uint64_t to;
    raftcore_frame parts;
    OK(raftcore_output_send(output, &to, &parts));
    CHECK(parts.head.length + parts.body.length == parts.length);
    struct frame *frame = must_have(malloc(sizeof *frame + parts.length));
    frame->next = NULL;
    frame->from = from;
    frame->to = to;
    frame->length = parts.length;
    OK(raftcore_output_copy_frame(output, frame->bytes, frame->length));
    *cluster->end = frame;
    cluster->end = &frame->next;
}

static inline void apply(struct host *host, const raftcore_output *output)
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

static inline void note_read(struct host *host, const raftcore_output *output)
{
    OK(raftcore_output_read(output, &host->read, &host->read_reason));
    host->read_values = host->value_count;
}

static inline void note_event(struct host *host, const raftcore_output *output)
{
    raftcore_event event;
    OK(raftcore_output_event(output, &event));
    if (event.kind == host->wanted_event)
        host->event = event;
}

/* Replaces the state machine by a snapshot. */
static inline void restore(struct host *host, const raftcore_output *output)
{
    raftcore_snapshot snapshot;
    OK(raftcore_output_restore(output, &snapshot));
    const struct file *file = find_file(&host->shelf, &snapshot.id);
    CHECK(file != NULL && file->length % sizeof host->values[0] == 0);
    CHECK(snapshot.length == 0 || snapshot.length == file->length);
    host->value_count = file->length / sizeof host->values[0];
    CHECK(host->value_count <= MAX_VALUES);
    if (file->length > 0)
        memcpy(host->values, file->bytes, file->length);
    host->restores++;
    OK(raftcore_node_applied(host->node, snapshot.id.index));
}

/* The state machine takes a snapshot of everything it has applied, and the node is told. */
static inline uint64_t take_snapshot(struct host *host)
{
    raftcore_snapshot_id unnamed = {0};
    OK(raftcore_node_applied_index(host->node, &unnamed.index));
    struct file *file = open_file(&host->shelf, &unnamed);
    write_file(file, 0, host->values, host->value_count * sizeof host->values[0]);
    OK(raftcore_node_snapshot_taken(host->node, unnamed.index));
    return unnamed.index;
}

/* Gives back entries that the node no longer keeps. A disk this small is read as a whole. */
static inline void read_log(struct host *host, const raftcore_output *output)
{
    raftcore_log_request request;
    OK(raftcore_output_log_request(output, &request));
    CHECK(request.first <= request.last);
    raftcore_bytes *records = NULL;
    size_t count = 0;
    for (size_t at = 0; at < host->disk.length;) {
        const uint8_t *data = host->disk.bytes + at;
        uint64_t first, last;
        size_t used;
        OK(raftcore_record_entries(data, host->disk.length - at, &first, &last, &used));
        CHECK(used > 0 && first <= last);
        if (first > 0 && first <= request.last && last >= request.first) {
            records = must_have(realloc(records, (count + 1) * sizeof *records));
            records[count++] = (raftcore_bytes){data, used};
        }
        at += used;
    }
    host->log_reads++;
    if (host->log_reads % 5 == 0)
        count = 0; /* the disk is busy: the node asks again */
    OK(raftcore_node_log_read(host->node, &request, records, count));
    free(records);
}

/* Carries out every duty the node has now. */
static inline void poll_host(struct cluster *cluster, struct host *host)
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
            send_frame(cluster, host->id, output);
            break;
        case RAFTCORE_OUTPUT_PERSIST:
            CHECK(host->writing_count < MAX_WRITING);
            host->writing[host->writing_count++] = output;
            continue; /* released when the disk is done */
        case RAFTCORE_OUTPUT_APPLY:
            apply(host, output);
            break;
        case RAFTCORE_OUTPUT_READ_LOG:
            read_log(host, output);
            break;
        case RAFTCORE_OUTPUT_RESTORE:
            restore(host, output);
            break;
        case RAFTCORE_OUTPUT_READ_SNAPSHOT:
            read_snapshot(&host->shelf, host->node, output);
            break;
        case RAFTCORE_OUTPUT_PROPOSALS_UNKNOWN:
            OK(raftcore_output_proposals(output, &host->unknown));
            break;
        case RAFTCORE_OUTPUT_READ_READY:
        case RAFTCORE_OUTPUT_READ_FAILED:
            note_read(host, output);
            CHECK((kind == RAFTCORE_OUTPUT_READ_READY) == (host->read_reason == 0));
            break;
        case RAFTCORE_OUTPUT_PROPOSALS_LOST:
            OK(raftcore_output_proposals(output, &host->lost));
            break;
        default:
            CHECK(kind == RAFTCORE_OUTPUT_EVENT);
            note_event(host, output);
        }
        raftcore_output_release(output);
    }
}

/* The disk completes what was handed out before. */
static inline void complete_writes(struct host *host)
{
    for (size_t i = 0; i < host->writing_count; i++) {
        raftcore_write_id id;
        raftcore_bytes record;
        OK(raftcore_output_persist(host->writing[i], &id, &record));
        struct disk *disk = &host->disk;
        disk->bytes = must_have(realloc(disk->bytes, disk->length + record.length));
        memcpy(disk->bytes + disk->length, record.data, record.length);
        disk->length += record.length;
        keep_snapshots(&host->shelf, host->id, host->writing[i]);
        OK(raftcore_node_persisted(host->node, id));
        raftcore_output_release(host->writing[i]);
    }
    host->writing_count = 0;
}

static inline void deliver(struct cluster *cluster)
{
    struct frame *frame = cluster->first;
    cluster->first = NULL;
    cluster->end = &cluster->first;
    while (frame != NULL) {
        struct frame *next = frame->next;
        struct host *host = &cluster->hosts[frame->to - 1];
        bool lost = frame->from == cluster->cut_off || frame->to == cluster->cut_off;
        if (host->node != NULL && !lost)
            OK(raftcore_node_receive(host->node, frame->bytes, frame->length));
        free(frame);
        frame = next;
    }
}

/* One tick: time, disk, outputs, network. */
static inline void round_of(struct cluster *cluster)
{
    cluster->now++;
    for (int i = 0; i < cluster->count; i++) {
        struct host *host = &cluster->hosts[i];
        if (host->node == NULL)
            continue;
        OK(raftcore_node_tick(host->node, cluster->now));
        complete_writes(host);
        poll_host(cluster, host);
    }
    deliver(cluster);
}

static inline struct host *find_leader(struct cluster *cluster)
{
    struct host *leader = NULL;
    uint64_t highest = 0;
    for (int i = 0; i < cluster->count; i++) {
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

static inline struct host *wait_for_leader(struct cluster *cluster)
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

static inline void wait_until_applied(struct cluster *cluster, size_t values)
{
    for (int i = 0; i < MAX_ROUNDS; i++) {
        bool all = true;
        for (int at = 0; at < cluster->count; at++) {
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
static inline void propose(struct cluster *cluster, uint64_t first, uint64_t last)
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

static inline void start(struct host *host, raftcore_stored *stored)
{
    raftcore_config config;
    OK(raftcore_config_default(&config, sizeof config));
    config.seed = 42;
    config.window_bytes = 256; /* so that much is read back from the disk */
    if (host->compacts) {
        config.max_retained_bytes = 0;
        config.max_chunk_bytes = 64;
        config.max_in_flight_bytes = 256;
    }
    OK(raftcore_node_new(&config, stored, 0, &host->node));
    raftcore_stored_free(stored);
    host->value_count = 0;
}

static inline void restart(struct host *host)
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
    raftcore_snapshot newest;
    bool has;
    OK(raftcore_stored_snapshot(stored, &has, &newest));
    CHECK(has == (newest.id.index > 0));
    delete_files(&host->shelf, &newest.id, true);
    CHECK(host->shelf.count == (has ? 1 : 0));
    start(host, stored);
}

/* The writes under way are lost; their buffers outlive the node, as an asynchronous disk needs. */
static inline void crash(struct host *host)
{
    raftcore_node_free(host->node);
    host->node = NULL;
    for (size_t i = 0; i < host->writing_count; i++) {
        raftcore_write_id id;
        raftcore_bytes record;
        OK(raftcore_output_persist(host->writing[i], &id, &record));
        CHECK(record.length > 0 && record.data[0] == 4);
        raftcore_output_release(host->writing[i]);
    }
    host->writing_count = 0;
}

/* Starts one more node: a founder, or one that waits to be added. */
static inline struct host *add_host(struct cluster *cluster, bool joins)
{
    CHECK(cluster->count < MAX_HOSTS);
    struct host *host = &cluster->hosts[cluster->count++];
    raftcore_stored *stored;
    host->id = (uint64_t)cluster->count;
    host->compacts = cluster->compacts;
    if (joins)
        OK(raftcore_stored_join(7, host->id, &stored));
    else
        OK(raftcore_stored_found(7, host->id, founders, FOUNDERS, &stored));
    start(host, stored);
    return host;
}

static inline void found(struct cluster *cluster)
{
    cluster->end = &cluster->first;
    for (int i = 0; i < FOUNDERS; i++)
        add_host(cluster, false);
}

static inline void finish(struct cluster *cluster)
{
    for (int i = 0; i < cluster->count; i++) {
        crash(&cluster->hosts[i]);
        free(cluster->hosts[i].disk.bytes);
        free_shelf(&cluster->hosts[i].shelf);
    }
    deliver(cluster); /* nobody is up: frees the frames */
}

#endif
