/*
 * The snapshots on a disk of the test cluster: those taken here and not yet named, and named ones, whole
 * or not. Survives a crash of its host, like the records.
 */
#ifndef RAFTCORE_TESTS_SHELF_H
#define RAFTCORE_TESTS_SHELF_H

#include <string.h>

#include "check.h"

enum { MAX_SNAPSHOTS = 16 };

struct file {
    raftcore_snapshot_id id; /* all but the index is zero until it is named */
    uint8_t *bytes;
    size_t length;
};

struct shelf {
    struct file files[MAX_SNAPSHOTS];
    size_t count;
    size_t chunks_read;
    size_t chunks_written;
};

static inline int compare_ids(const raftcore_snapshot_id *a, const raftcore_snapshot_id *b)
{
    const uint64_t left[] = {a->index, a->term, a->maker, a->incarnation, a->counter};
    const uint64_t right[] = {b->index, b->term, b->maker, b->incarnation, b->counter};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static inline struct file *find_file(struct shelf *shelf, const raftcore_snapshot_id *id)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (compare_ids(&shelf->files[i].id, id) == 0)
            return &shelf->files[i];
    return NULL;
}

static inline struct file *open_file(struct shelf *shelf, const raftcore_snapshot_id *id)
{
    struct file *file = find_file(shelf, id);
    if (file == NULL) {
        CHECK(shelf->count < MAX_SNAPSHOTS);
        file = &shelf->files[shelf->count++];
        *file = (struct file){.id = *id};
    }
    return file;
}

static inline void write_file(struct file *file, size_t offset, const void *bytes, size_t length)
{
    CHECK(offset <= file->length);
    if (length > 0) {
        file->bytes = realloc(file->bytes, offset + length);
        CHECK(file->bytes != NULL);
        memcpy(file->bytes + offset, bytes, length);
    }
    file->length = offset + length;
}

/* Deletes what is older than a snapshot, or, with `others`, everything else. */
static inline void delete_files(struct shelf *shelf, const raftcore_snapshot_id *id, bool others)
{
    size_t kept = 0;
    for (size_t i = 0; i < shelf->count; i++) {
        int order = compare_ids(&shelf->files[i].id, id);
        if (order == 0 || (order > 0 && !others))
            shelf->files[kept++] = shelf->files[i];
        else
            free(shelf->files[i].bytes);
    }
    shelf->count = kept;
}

/* A write is durable: what it says of snapshots. */
static inline void keep_snapshots(struct shelf *shelf, uint64_t me, const raftcore_output *output)
{
    raftcore_write write;
    OK(raftcore_output_write(output, &write));
    CHECK((write.first_entry == 0) == (write.last_entry == 0));
    if (write.has_chunk) {
        const raftcore_snapshot_chunk *chunk = &write.chunk;
        CHECK(chunk->offset + chunk->data.length <= chunk->total);
        write_file(open_file(shelf, &chunk->snapshot), chunk->offset, chunk->data.data,
                   chunk->data.length);
        shelf->chunks_written++;
    }
    const raftcore_snapshot_id *name = &write.snapshot.id;
    if (write.has_snapshot && name->index > 0 && find_file(shelf, name) == NULL) {
        raftcore_snapshot_id unnamed = {.index = name->index};
        struct file *taken = find_file(shelf, &unnamed);
        CHECK(taken != NULL && name->maker == me);
        taken->id = *name;
    }
    if (write.has_release)
        delete_files(shelf, &write.release_below, false);
}

/* Gives a node a piece of a snapshot to send, and now and then nothing. */
static inline void read_snapshot(struct shelf *shelf, raftcore_node *node,
                                 const raftcore_output *output)
{
    raftcore_chunk_request request;
    OK(raftcore_output_chunk_request(output, &request));
    struct file *file = find_file(shelf, &request.snapshot);
    CHECK(file != NULL && request.offset <= file->length);
    if (++shelf->chunks_read % 7 == 0) {
        OK(raftcore_node_snapshot_unavailable(node, &request));
        return;
    }
    size_t length = file->length - request.offset;
    if (length > request.max_bytes)
        length = request.max_bytes;
    const uint8_t *data = file->bytes + request.offset;
    CHECK_STATUS(raftcore_node_snapshot_chunk(node, &request, file->length, NULL, length + 1),
                 RAFTCORE_STATUS_NULL);
    OK(raftcore_node_snapshot_chunk(node, &request, file->length, data, length));
}

static inline void free_shelf(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        free(shelf->files[i].bytes);
    shelf->count = 0;
}

#endif
