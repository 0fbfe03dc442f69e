/*
 * What a careless host may do: NULLs, wrong numbers, wrong ids, garbage, outputs that outlive their
 * node and are released on another thread. Each gets its status; nothing is changed, nothing dies.
 */
#include <pthread.h>
#include <string.h>

#include "check.h"

static const uint64_t one_voter[] = {1};
static const uint64_t two_voters[] = {1, 2};

static raftcore_config default_config(void)
{
    raftcore_config config;
    OK(raftcore_config_default(&config, sizeof config));
    return config;
}

static raftcore_stored *founded(const uint64_t *voters, size_t count)
{
    raftcore_stored *stored;
    OK(raftcore_stored_found(7, 1, voters, count, &stored));
    return stored;
}

static raftcore_node *new_node(const uint64_t *voters, size_t count)
{
    raftcore_config config = default_config();
    raftcore_stored *stored = founded(voters, count);
    raftcore_node *node;
    OK(raftcore_node_new(&config, stored, 0, &node));
    raftcore_stored_free(stored);
    return node;
}

/* Polls until an output of this kind comes, acknowledging writes on the way; NULL if none does. */
static raftcore_output *poll_for(raftcore_node *node, uint32_t wanted)
{
    for (;;) {
        raftcore_output *output;
        uint32_t kind;
        OK(raftcore_node_poll_output(node, &output));
        if (output == NULL)
            return NULL;
        OK(raftcore_output_kind(output, &kind));
        if (kind == wanted)
            return output;
        if (kind == RAFTCORE_OUTPUT_PERSIST) {
            raftcore_write_id id;
            raftcore_bytes record;
            OK(raftcore_output_persist(output, &id, &record));
            OK(raftcore_node_persisted(node, id));
        }
        raftcore_output_release(output);
    }
}

/* A node that is alone leads once its election timeout is over. */
static raftcore_node *new_leader(void)
{
    raftcore_node *node = new_node(one_voter, 1);
    uint32_t role;
    OK(raftcore_node_tick(node, 0));
    OK(raftcore_node_tick(node, 100));
    for (int i = 0; i < 10; i++)
        raftcore_output_release(poll_for(node, RAFTCORE_OUTPUT_APPLY));
    OK(raftcore_node_role(node, &role));
    CHECK(role == RAFTCORE_ROLE_LEADER);
    return node;
}

static void check_status_texts(void)
{
    CHECK(strcmp(raftcore_status_text(RAFTCORE_STATUS_OK), "ok") == 0);
    CHECK(strcmp(raftcore_status_text(123456), "unknown status") == 0);
    CHECK(raftcore_status_class(RAFTCORE_STATUS_OK) == RAFTCORE_CLASS_OK);
    CHECK(raftcore_status_class(RAFTCORE_STATUS_NULL) == RAFTCORE_CLASS_MISUSE);
    CHECK(raftcore_status_class(RAFTCORE_STATUS_REJECTED_FROM_SELF) == RAFTCORE_CLASS_REJECTED);
    CHECK(raftcore_status_class(RAFTCORE_STATUS_REFUSED_BUSY) == RAFTCORE_CLASS_REFUSED);
    CHECK(raftcore_status_class(RAFTCORE_STATUS_PANIC) == RAFTCORE_CLASS_INTERNAL);
}

static void null_is_fine_to_free(void)
{
    raftcore_node_free(NULL);
    raftcore_stored_free(NULL);
    raftcore_records_free(NULL);
    raftcore_membership_free(NULL);
    raftcore_output_release(NULL);
}

#define NULL_STATUS(call) CHECK_STATUS(call, RAFTCORE_STATUS_NULL)

static void null_objects_are_misuse(void)
{
    raftcore_config config = default_config();
    raftcore_stored *stored = founded(one_voter, 1);
    raftcore_write_id write = {1, 1};
    raftcore_entry_id id;
    raftcore_output *output;
    raftcore_node *node;
    raftcore_membership *membership;
    raftcore_member member;
    bool flag;
    uint64_t number;
    uint32_t small;
    size_t size;
    char text[8];
    NULL_STATUS(raftcore_stored_replay(NULL, NULL, 0, &size));
    NULL_STATUS(raftcore_stored_is_empty(NULL, &flag));
    NULL_STATUS(raftcore_stored_last_error(NULL, text, sizeof text));
    NULL_STATUS(raftcore_node_new(NULL, stored, 0, &node));
    NULL_STATUS(raftcore_node_new(&config, NULL, 0, &node));
    NULL_STATUS(raftcore_node_tick(NULL, 1));
    NULL_STATUS(raftcore_node_receive(NULL, NULL, 0));
    NULL_STATUS(raftcore_node_propose(NULL, NULL, 0, &id));
    NULL_STATUS(raftcore_node_propose_membership(NULL, 0, NULL, 0, &id));
    NULL_STATUS(raftcore_node_read(NULL, 1, RAFTCORE_READ_STALE));
    NULL_STATUS(raftcore_node_transfer_leadership(NULL, 2));
    NULL_STATUS(raftcore_node_campaign(NULL));
    NULL_STATUS(raftcore_node_step_down(NULL));
    NULL_STATUS(raftcore_node_trim(NULL, 0));
    NULL_STATUS(raftcore_node_persisted(NULL, write));
    NULL_STATUS(raftcore_node_applied(NULL, 1));
    NULL_STATUS(raftcore_node_snapshot_taken(NULL, 1));
    NULL_STATUS(raftcore_node_storage_failed(NULL));
    NULL_STATUS(raftcore_node_poll_output(NULL, &output));
    NULL_STATUS(raftcore_node_last_error(NULL, text, sizeof text));
    NULL_STATUS(raftcore_node_has_output(NULL, &flag));
    NULL_STATUS(raftcore_node_deadline(NULL, &flag, &number));
    NULL_STATUS(raftcore_node_leader(NULL, &flag, &number));
    NULL_STATUS(raftcore_node_role(NULL, &small));
    NULL_STATUS(raftcore_node_term(NULL, &number));
    NULL_STATUS(raftcore_node_commit_index(NULL, &number));
    NULL_STATUS(raftcore_node_applied_index(NULL, &number));
    NULL_STATUS(raftcore_node_last_index(NULL, &number));
    NULL_STATUS(raftcore_node_incarnation(NULL, &number));
    NULL_STATUS(raftcore_node_checksum_at(NULL, 1, &flag, &small));
    NULL_STATUS(raftcore_output_kind(NULL, &small));
    NULL_STATUS(raftcore_output_copy_frame(NULL, NULL, 0));
    NULL_STATUS(raftcore_records_count(NULL, &size));
    NULL_STATUS(raftcore_node_membership(NULL, &membership));
    NULL_STATUS(raftcore_membership_index(NULL, &number));
    NULL_STATUS(raftcore_membership_count(NULL, &size));
    NULL_STATUS(raftcore_membership_at(NULL, 0, &member));
    NULL_STATUS(raftcore_membership_outgoing_count(NULL, &size));
    NULL_STATUS(raftcore_membership_outgoing_at(NULL, 0, &number));
    raftcore_stored_free(stored);
}

static void null_places_are_misuse(void)
{
    raftcore_config config = default_config();
    raftcore_stored *stored = founded(one_voter, 1);
    raftcore_node *node = new_node(one_voter, 1);
    raftcore_output *output;
    bool flag;
    uint64_t number;
    NULL_STATUS(raftcore_config_default(NULL, sizeof config));
    NULL_STATUS(raftcore_stored_found(7, 1, NULL, 1, &stored));
    NULL_STATUS(raftcore_stored_found(7, 1, one_voter, 1, NULL));
    NULL_STATUS(raftcore_stored_join(7, 1, NULL));
    NULL_STATUS(raftcore_stored_empty(NULL));
    NULL_STATUS(raftcore_stored_checkpoint(stored, NULL));
    NULL_STATUS(raftcore_stored_last_error(stored, NULL, 8));
    NULL_STATUS(raftcore_node_new(&config, stored, 0, NULL));
    NULL_STATUS(raftcore_node_receive(node, NULL, 1));
    NULL_STATUS(raftcore_node_propose(node, NULL, 1, NULL));
    NULL_STATUS(raftcore_node_poll_output(node, NULL));
    NULL_STATUS(raftcore_node_deadline(node, NULL, &number));
    NULL_STATUS(raftcore_node_deadline(node, &flag, NULL));
    NULL_STATUS(raftcore_node_term(node, NULL));
    NULL_STATUS(raftcore_node_membership(node, NULL));
    OK(raftcore_node_poll_output(node, &output));
    CHECK(output != NULL);
    NULL_STATUS(raftcore_output_kind(output, NULL));
    NULL_STATUS(raftcore_output_persist(output, NULL, NULL));
    raftcore_output_release(output);
    raftcore_node_free(node);
    raftcore_stored_free(stored);
}

static void a_wrong_config_starts_nothing(void)
{
    raftcore_config config = default_config();
    raftcore_stored *stored = founded(one_voter, 1);
    raftcore_node *node = NULL;
    char text[128];
    CHECK_STATUS(raftcore_config_default(&config, 4), RAFTCORE_STATUS_CONFIG_SIZE);
    config.size--;
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node), RAFTCORE_STATUS_CONFIG_SIZE);
    config = default_config();
    config.pre_vote = 2;
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node), RAFTCORE_STATUS_UNKNOWN_NUMBER);
    config = default_config();
    config.reserved = 1;
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node), RAFTCORE_STATUS_UNKNOWN_NUMBER);
    config = default_config();
    config.heartbeat_ticks = 0;
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node), RAFTCORE_STATUS_START_CONFIG);
    OK(raftcore_stored_last_error(stored, text, sizeof text));
    CHECK(strstr(text, "heartbeat_ticks") != NULL);
    config = default_config();
    CHECK(config.lease_drift_ticks == RAFTCORE_NO_LEASES && config.priority == 7);
    config.priority = 8;
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node), RAFTCORE_STATUS_START_CONFIG);
    OK(raftcore_stored_last_error(stored, text, sizeof text));
    OK(raftcore_stored_last_error(stored, text, 5));
    CHECK(strlen(text) == 4);
    CHECK_STATUS(raftcore_stored_last_error(stored, text, 0), RAFTCORE_STATUS_BUFFER_TOO_SMALL);
    CHECK(node == NULL);
    config = default_config();
    OK(raftcore_node_new(&config, stored, 0, &node)); /* the failures left it as it was */
    raftcore_node_free(node);
    raftcore_stored_free(stored);
}

static void what_is_stored_starts_one_node(void)
{
    static const uint64_t twice[] = {1, 1};
    raftcore_config config = default_config();
    raftcore_stored *stored;
    raftcore_records *records;
    raftcore_node *node, *second = NULL;
    bool empty;
    CHECK_STATUS(raftcore_stored_found(7, 1, twice, 2, &stored),
                 RAFTCORE_STATUS_MEMBERSHIP_DUPLICATE);
    CHECK_STATUS(raftcore_stored_found(7, 1, NULL, 0, &stored),
                 RAFTCORE_STATUS_MEMBERSHIP_NO_VOTER);
    OK(raftcore_stored_empty(&stored));
    OK(raftcore_stored_is_empty(stored, &empty));
    CHECK(empty);
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &node),
                 RAFTCORE_STATUS_START_NOTHING_STORED);
    raftcore_stored_free(stored);
    OK(raftcore_stored_join(7, 1, &stored));
    OK(raftcore_node_new(&config, stored, 0, &node));
    raftcore_node_free(node);
    raftcore_stored_free(stored);
    stored = founded(one_voter, 1);
    CHECK_STATUS(raftcore_node_new(&config, stored, 5, &node),
                 RAFTCORE_STATUS_START_APPLIED_BEYOND_LOG);
    OK(raftcore_node_new(&config, stored, 0, &node));
    CHECK_STATUS(raftcore_node_new(&config, stored, 0, &second), RAFTCORE_STATUS_ALREADY_STARTED);
    CHECK_STATUS(raftcore_stored_checkpoint(stored, &records), RAFTCORE_STATUS_ALREADY_STARTED);
    CHECK(second == NULL);
    raftcore_node_free(node);
    raftcore_stored_free(stored);
}

static void damaged_records_are_not_replayed(void)
{
    raftcore_node *node = new_node(one_voter, 1);
    raftcore_output *output = poll_for(node, RAFTCORE_OUTPUT_PERSIST);
    raftcore_stored *stored, *other;
    raftcore_records *records;
    raftcore_write_id id;
    raftcore_bytes record;
    uint8_t damaged[512];
    size_t used = 77, count;
    CHECK(output != NULL);
    OK(raftcore_output_persist(output, &id, &record));
    CHECK(record.length < sizeof damaged);
    OK(raftcore_stored_empty(&stored));
    for (size_t length = 0; length < record.length; length++)
        CHECK_STATUS(raftcore_stored_replay(stored, record.data, length, &used),
                     RAFTCORE_STATUS_DECODE_TRUNCATED);
    for (size_t at = 0; at < record.length * 8; at++) {
        memcpy(damaged, record.data, record.length);
        damaged[at / 8] ^= (uint8_t)(1u << at % 8);
        raftcore_status status = raftcore_stored_replay(stored, damaged, record.length, &used);
        CHECK(raftcore_status_class(status) == RAFTCORE_CLASS_DECODE);
    }
    CHECK(used == 77);
    OK(raftcore_stored_replay(stored, record.data, record.length, &used));
    CHECK(used == record.length);
    OK(raftcore_stored_found(7, 2, two_voters, 2, &other));
    CHECK_STATUS(raftcore_stored_replay(other, record.data, record.length, &used),
                 RAFTCORE_STATUS_STORED_FOREIGN_IDENTITY);
    OK(raftcore_stored_checkpoint(stored, &records));
    OK(raftcore_records_count(records, &count));
    CHECK(count == 1);
    OK(raftcore_records_at(records, 0, &record));
    CHECK_STATUS(raftcore_records_at(records, 1, &record), RAFTCORE_STATUS_OUT_OF_BOUNDS);
    raftcore_records_free(records);
    raftcore_stored_free(other);
    raftcore_stored_free(stored);
    raftcore_output_release(output);
    raftcore_node_free(node);
}

static void a_missing_record_is_noticed(void)
{
    raftcore_node *node = new_node(one_voter, 1);
    raftcore_output *output;
    raftcore_stored *stored;
    size_t used;
    char text[128];
    OK(raftcore_stored_empty(&stored));
    for (int i = 0; i < 3; i++) {
        raftcore_write_id id;
        raftcore_bytes record;
        OK(raftcore_node_tick(node, 100 * (uint64_t)i));
        output = poll_for(node, RAFTCORE_OUTPUT_PERSIST);
        CHECK(output != NULL);
        OK(raftcore_output_persist(output, &id, &record));
        OK(raftcore_node_persisted(node, id));
        if (i == 0)
            OK(raftcore_stored_replay(stored, record.data, record.length, &used));
        if (i == 2)
            CHECK_STATUS(raftcore_stored_replay(stored, record.data, record.length, &used),
                         RAFTCORE_STATUS_STORED_OUT_OF_ORDER);
        raftcore_output_release(output);
    }
    OK(raftcore_stored_last_error(stored, text, sizeof text));
    CHECK(strstr(text, "1.3") != NULL);
    raftcore_stored_free(stored);
    raftcore_node_free(node);
}

static void damaged_frames_change_nothing(void)
{
    raftcore_node *node = new_node(two_voters, 2);
    raftcore_output *output;
    raftcore_frame frame;
    uint64_t to, term;
    uint8_t bytes[512], damaged[512];
    OK(raftcore_node_tick(node, 0));
    OK(raftcore_node_tick(node, 100));
    output = poll_for(node, RAFTCORE_OUTPUT_SEND);
    CHECK(output != NULL);
    OK(raftcore_output_send(output, &to, &frame));
    CHECK(to == 2 && frame.length < sizeof bytes);
    CHECK_STATUS(raftcore_output_copy_frame(output, bytes, frame.length - 1),
                 RAFTCORE_STATUS_BUFFER_TOO_SMALL);
    OK(raftcore_output_copy_frame(output, bytes, sizeof bytes));
    for (size_t length = 0; length < frame.length; length++) {
        raftcore_status status = raftcore_node_receive(node, bytes, length);
        CHECK(raftcore_status_class(status) == RAFTCORE_CLASS_DECODE);
    }
    for (size_t at = 0; at < frame.length * 8; at++) {
        memcpy(damaged, bytes, frame.length);
        damaged[at / 8] ^= (uint8_t)(1u << at % 8);
        raftcore_status status = raftcore_node_receive(node, damaged, frame.length);
        CHECK(raftcore_status_class(status) == RAFTCORE_CLASS_DECODE);
    }
    CHECK_STATUS(raftcore_node_receive(node, bytes, frame.length),
                 RAFTCORE_STATUS_REJECTED_WRONG_NODE);
    OK(raftcore_node_term(node, &term));
    CHECK(term == 0);
    raftcore_output_release(output);
    raftcore_node_free(node);
}

static void wrong_numbers_are_misuse(void)
{
    raftcore_node *node = new_leader();
    raftcore_member member = {2, 1, 9, {NULL, 0}};
    raftcore_write_id write = {1, 99};
    raftcore_stored *stored;
    raftcore_entry_id id;
    uint8_t *large = malloc((1u << 20) + 1);
    CHECK(large != NULL);
    memset(large, 0, (1u << 20) + 1);
    CHECK_STATUS(raftcore_node_persisted(node, write), RAFTCORE_STATUS_MISUSE_UNKNOWN_WRITE);
    write.incarnation = 9;
    CHECK_STATUS(raftcore_node_persisted(node, write), RAFTCORE_STATUS_MISUSE_UNKNOWN_WRITE);
    CHECK_STATUS(raftcore_node_applied(node, 99), RAFTCORE_STATUS_MISUSE_NOT_HANDED_OUT);
    CHECK_STATUS(raftcore_node_snapshot_taken(node, 1), RAFTCORE_STATUS_MISUSE_BEYOND_APPLIED);
    raftcore_log_request request = {.incarnation = 1, .sequence = 1, .first = 1, .last = 2};
    CHECK_STATUS(raftcore_node_log_read(node, &request, NULL, 0),
                 RAFTCORE_STATUS_MISUSE_UNKNOWN_REQUEST);
    CHECK_STATUS(raftcore_node_log_read(node, NULL, NULL, 0), RAFTCORE_STATUS_NULL);
    raftcore_bytes garbage = {(const uint8_t *)"no record", 9};
    CHECK_STATUS(raftcore_node_log_read(node, &request, &garbage, 1),
                 RAFTCORE_STATUS_DECODE_UNKNOWN_VERSION);
    uint64_t first, last;
    size_t used;
    CHECK_STATUS(raftcore_record_entries(garbage.data, 9, &first, &last, &used),
                 RAFTCORE_STATUS_DECODE_UNKNOWN_VERSION);
    CHECK_STATUS(raftcore_record_entries(garbage.data, 0, &first, &last, &used),
                 RAFTCORE_STATUS_DECODE_TRUNCATED);
    CHECK_STATUS(raftcore_node_read(node, 1, 0), RAFTCORE_STATUS_UNKNOWN_NUMBER);
    CHECK_STATUS(raftcore_node_read(node, 1, 77), RAFTCORE_STATUS_UNKNOWN_NUMBER);
    CHECK_STATUS(raftcore_node_propose_membership(node, 0, &member, 1, &id),
                 RAFTCORE_STATUS_UNKNOWN_NUMBER);
    member.promote = 1;
    CHECK_STATUS(raftcore_node_propose_membership(node, 0, &member, 1, &id),
                 RAFTCORE_STATUS_REFUSED_MEMBERSHIP);
    CHECK_STATUS(raftcore_node_propose_membership(node, 0, &member, SIZE_MAX, &id),
                 RAFTCORE_STATUS_TOO_LONG);
    CHECK_STATUS(raftcore_stored_found_members(7, 1, &member, 1, &stored),
                 RAFTCORE_STATUS_MEMBERSHIP_VOTER_PROMOTED);
    member.context.length = 1;
    NULL_STATUS(raftcore_stored_found_members(7, 1, &member, 1, &stored));
    CHECK_STATUS(raftcore_node_transfer_leadership(node, 2), RAFTCORE_STATUS_REFUSED_NOT_VOTER);
    CHECK_STATUS(raftcore_node_propose(node, large, (1u << 20) + 1, &id),
                 RAFTCORE_STATUS_REFUSED_TOO_LARGE);
    CHECK_STATUS(raftcore_node_propose(node, large, SIZE_MAX, &id), RAFTCORE_STATUS_TOO_LONG);
    OK(raftcore_node_trim(node, 0));
    free(large);
    raftcore_node_free(node);
}

static void members_keep_their_contexts(void)
{
    const raftcore_member founders[] = {{2, 0, 1, {(const uint8_t *)"two", 3}},
                                        {1, 1, 0, {NULL, 0}}};
    raftcore_config config = default_config();
    raftcore_stored *stored;
    raftcore_node *node;
    raftcore_membership *membership;
    raftcore_member member;
    uint64_t index;
    size_t count;
    OK(raftcore_stored_found_members(7, 1, founders, 2, &stored));
    OK(raftcore_node_new(&config, stored, 0, &node));
    OK(raftcore_node_membership(node, &membership));
    raftcore_node_free(node);
    raftcore_stored_free(stored);
    OK(raftcore_membership_index(membership, &index));
    OK(raftcore_membership_count(membership, &count));
    CHECK(index == 0 && count == 2);
    OK(raftcore_membership_at(membership, 0, &member));
    CHECK(member.id == 1 && member.voter == 1 && member.context.length == 0);
    CHECK(member.context.data != NULL);
    OK(raftcore_membership_at(membership, 1, &member));
    CHECK(member.id == 2 && member.voter == 0 && member.promote == 1);
    CHECK(member.context.length == 3 && memcmp(member.context.data, "two", 3) == 0);
    CHECK_STATUS(raftcore_membership_at(membership, 2, &member), RAFTCORE_STATUS_OUT_OF_BOUNDS);
    raftcore_membership_free(membership);
}

static void reads_have_a_limit(void)
{
    raftcore_config config = default_config();
    raftcore_stored *stored = founded(one_voter, 1);
    raftcore_node *node;
    raftcore_output *output;
    uint64_t read;
    uint32_t reason;
    config.max_reads = 1;
    OK(raftcore_node_new(&config, stored, 0, &node));
    raftcore_stored_free(stored);
    OK(raftcore_node_read(node, 5, RAFTCORE_READ_STALE));
    CHECK_STATUS(raftcore_node_read(node, 6, RAFTCORE_READ_STALE),
                 RAFTCORE_STATUS_REFUSED_TOO_MANY_READS);
    output = poll_for(node, RAFTCORE_OUTPUT_READ_READY);
    CHECK(output != NULL);
    OK(raftcore_output_read(output, &read, &reason));
    CHECK(read == 5 && reason == 0);
    raftcore_output_release(output);
    OK(raftcore_node_read(node, 6, RAFTCORE_READ_STALE));
    raftcore_node_free(node);
}

static void getters_want_their_kind(void)
{
    raftcore_node *node = new_leader();
    raftcore_entry_id id;
    raftcore_output *output;
    raftcore_apply apply;
    raftcore_command command;
    raftcore_write_id write;
    raftcore_bytes record;
    raftcore_frame frame;
    raftcore_proposals proposals;
    raftcore_halt halt;
    raftcore_event event;
    uint64_t number;
    uint32_t reason;
    OK(raftcore_node_propose(node, (const uint8_t *)"seven", 5, &id));
    output = poll_for(node, RAFTCORE_OUTPUT_APPLY);
    CHECK(output != NULL);
    OK(raftcore_output_apply(output, &apply));
    CHECK(apply.commands == 1 && apply.last == id.index);
    OK(raftcore_output_command(output, 0, &command));
    CHECK(command.id.term == id.term && command.id.index == id.index);
    CHECK(command.payload.length == 5 && memcmp(command.payload.data, "seven", 5) == 0);
    CHECK_STATUS(raftcore_output_command(output, 1, &command), RAFTCORE_STATUS_OUT_OF_BOUNDS);
    CHECK_STATUS(raftcore_output_command(output, SIZE_MAX, &command),
                 RAFTCORE_STATUS_OUT_OF_BOUNDS);
    CHECK_STATUS(raftcore_output_send(output, &number, &frame), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_copy_frame(output, NULL, 0), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_persist(output, &write, &record), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_read(output, &number, &reason), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_proposals(output, &proposals), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_halted(output, &halt), RAFTCORE_STATUS_WRONG_KIND);
    CHECK_STATUS(raftcore_output_event(output, &event), RAFTCORE_STATUS_WRONG_KIND);
    raftcore_output_release(output);
    raftcore_node_free(node);
}

static void events_tell_who_leads(void)
{
    raftcore_node *node = new_node(one_voter, 1);
    raftcore_output *output;
    raftcore_event event;
    OK(raftcore_node_tick(node, 0));
    OK(raftcore_node_tick(node, 100));
    output = poll_for(node, RAFTCORE_OUTPUT_EVENT);
    CHECK(output != NULL);
    OK(raftcore_output_event(output, &event));
    CHECK(event.kind == RAFTCORE_EVENT_BECAME_LEADER && event.term == 1);
    raftcore_output_release(output);
    raftcore_node_free(node);
}

static void a_halted_node_refuses_everything(void)
{
    raftcore_node *node = new_leader();
    raftcore_write_id write = {1, 1};
    raftcore_entry_id id;
    raftcore_output *output;
    raftcore_halt halt;
    char text[128];
    bool has;
    uint64_t tick;
    OK(raftcore_node_storage_failed(node));
    CHECK_STATUS(raftcore_node_propose(node, NULL, 0, &id), RAFTCORE_STATUS_REFUSED_HALTED);
    OK(raftcore_node_last_error(node, text, sizeof text));
    CHECK(strstr(text, "halted") != NULL);
    CHECK_STATUS(raftcore_node_persisted(node, write), RAFTCORE_STATUS_MISUSE_HALTED);
    CHECK_STATUS(raftcore_node_campaign(node), RAFTCORE_STATUS_REFUSED_HALTED);
    OK(raftcore_node_deadline(node, &has, &tick));
    CHECK(!has);
    OK(raftcore_node_poll_output(node, &output));
    CHECK(output != NULL);
    OK(raftcore_output_halted(output, &halt));
    CHECK(halt.reason == RAFTCORE_HALT_STORAGE_FAILED && halt.at.index == 0);
    raftcore_output_release(output);
    OK(raftcore_node_poll_output(node, &output));
    CHECK(output == NULL);
    raftcore_node_free(node);
}

static void *read_and_release(void *argument)
{
    raftcore_output *output = argument;
    raftcore_write_id id;
    raftcore_bytes record;
    uint64_t sum = 0;
    OK(raftcore_output_persist(output, &id, &record));
    for (size_t at = 0; at < record.length; at++)
        sum += record.data[at];
    CHECK(sum > 0);
    raftcore_output_release(output);
    return NULL;
}

static void an_output_outlives_its_node_on_another_thread(void)
{
    raftcore_node *node = new_leader();
    raftcore_entry_id id;
    pthread_t thread;
    OK(raftcore_node_propose(node, (const uint8_t *)"late", 4, &id));
    raftcore_output *output = poll_for(node, RAFTCORE_OUTPUT_PERSIST);
    CHECK(output != NULL);
    CHECK(pthread_create(&thread, NULL, read_and_release, output) == 0);
    raftcore_node_free(node);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    check_status_texts();
    null_is_fine_to_free();
    null_objects_are_misuse();
    null_places_are_misuse();
    a_wrong_config_starts_nothing();
    what_is_stored_starts_one_node();
    damaged_records_are_not_replayed();
    a_missing_record_is_noticed();
    damaged_frames_change_nothing();
    wrong_numbers_are_misuse();
    members_keep_their_contexts();
    reads_have_a_limit();
    getters_want_their_kind();
    events_tell_who_leads();
    a_halted_node_refuses_everything();
    an_output_outlives_its_node_on_another_thread();
    printf("misuse: ok\n");
    return 0;
}
