#include "tests/simulation/checks.h"

#include "gossip/message.h"
#include "gossip/snapshot.h"
#include "tests/simulation/forker.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_identity {
    gs_origin origin;
    uint64_t first_seq; /* 0: free */
    gs_hash hash;
};

static struct sim_identity *identity_slot(struct sim_identity *slots, uint32_t capacity, const gs_origin *origin,
                                          uint64_t first_seq) {
    uint64_t hash;
    memcpy(&hash, origin->bytes, sizeof hash);
    uint32_t at = (uint32_t)((hash ^ first_seq * UINT64_C(0x9e3779b97f4a7c15)) & (capacity - 1));
    while (slots[at].first_seq != 0 &&
           (slots[at].first_seq != first_seq || !gs_origin_equal(&slots[at].origin, origin))) {
        at = (at + 1) & (capacity - 1);
    }
    return &slots[at];
}

static void grow_identities(struct sim_world *world) {
    uint32_t capacity = world->identity_capacity == 0 ? 1024 : world->identity_capacity * 2;
    struct sim_identity *slots = calloc(capacity, sizeof *slots);
    for (uint32_t i = 0; i < world->identity_capacity; i++) {
        const struct sim_identity *old = &world->identities[i];
        if (old->first_seq != 0) {
            *identity_slot(slots, capacity, &old->origin, old->first_seq) = *old;
        }
    }
    free(world->identities);
    world->identities = slots;
    world->identity_capacity = capacity;
}

static bool parse(struct gs_slice bytes, struct gs_batch_head *ret_head) {
    struct gs_record record;
    return gs_record_parse(bytes, &record) == 0 &&
           gs_batch_parse_head(record.batch.bytes, record.batch.length, ret_head) == 0;
}

void sim_check_identity(struct sim_world *world, struct gs_slice record) {
    struct gs_batch_head head;
    if (!parse(record, &head)) {
        sim_fail(world, "a record does not parse");
        return;
    }
    if (world->forker != NULL && gs_origin_equal(&head.origin, &world->forker->branches[0].author.origin)) {
        return; /* that is what it does */
    }
    if (2 * world->identity_count >= world->identity_capacity) {
        grow_identities(world);
    }
    struct sim_identity *slot =
        identity_slot(world->identities, world->identity_capacity, &head.origin, head.first_seq);
    if (slot->first_seq == 0) {
        *slot = (struct sim_identity){.origin = head.origin, .first_seq = head.first_seq, .hash = head.hash};
        world->identity_count++;
    } else if (memcmp(slot->hash.bytes, head.hash.bytes, GS_HASH_SIZE) != 0) {
        sim_fail(world, "identity: origin %02x%02x wrote two batches that begin at seq %llu", head.origin.bytes[0],
                 head.origin.bytes[1], (unsigned long long)head.first_seq);
    }
}

static bool on_disk(const struct sim_node *node, const struct gs_head *head) {
    for (uint32_t i = node->disk.count; i-- > 0;) {
        if (memcmp(&node->disk.records[i].head, head, sizeof *head) == 0) {
            return true;
        }
    }
    return false;
}

void sim_check_sent(struct sim_world *world, const struct sim_node *node, struct gs_slice bytes) {
    struct gs_message message = {0};
    struct gs_slice body;
    if (gs_message_read_snapshot(bytes, &body) && body.length > 0) {
        return;
    }
    if (gs_message_decode(bytes.bytes, bytes.length, &message) != 0) {
        sim_fail(world, "node %u sends a message that does not decode", node->index);
        return;
    }
    for (uint32_t i = 0; message.kind == GS_MESSAGE_BATCHES && i < message.record_count; i++) {
        struct gs_batch_head head;
        sim_check_identity(world, message.records[i]);
        bool parsed = parse(message.records[i], &head);
        struct gs_head end = {.origin = head.origin, .seq = gs_batch_last_seq(&head), .hash = head.hash};
        if (!parsed || !on_disk(node, &end)) {
            sim_fail(world, "durable: node %u sends a batch that is not on its disk", node->index);
        }
    }
    for (uint32_t i = 0; i < message.vector.count; i++) {
        if (!on_disk(node, &message.vector.heads[i])) {
            sim_fail(world, "durable: node %u tells of a head that is not on its disk", node->index);
        }
    }
    gs_message_close(&message);
}

void sim_check_chain(struct sim_world *world, const struct sim_node *node) {
    struct gs_vector heads = {0};
    for (uint32_t i = 0; i < node->disk.count; i++) {
        struct gs_batch_head head;
        static const gs_hash none;
        if (!parse(gs_slice_make(node->disk.records[i].bytes, node->disk.records[i].length), &head)) {
            sim_fail(world, "chain: record %u of node %u does not parse", i, node->index);
            break;
        }
        const struct gs_head *last = gs_vector_find(&heads, &head.origin);
        uint64_t seq = last != NULL ? last->seq : 0;
        const gs_hash *hash = last != NULL ? &last->hash : &none;
        if (head.first_seq != seq + 1 || memcmp(hash->bytes, head.prev_hash.bytes, GS_HASH_SIZE) != 0) {
            sim_fail(world, "chain: record %u of node %u does not continue its origin", i, node->index);
        }
        for (uint32_t j = 0; j < head.dep_count; j++) {
            struct gs_head dep;
            gs_batch_dep(&head, j, &dep);
            if (gs_vector_seq(&heads, &dep.origin) < dep.seq) {
                sim_fail(world, "causal: record %u of node %u stands before what it depends on", i, node->index);
            }
        }
        if (gs_vector_set(&heads, &node->disk.records[i].head) != 0) {
            sim_fail(world, "out of memory");
        }
    }
    gs_vector_close(&heads);
}

static int find_versions(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                         const struct gs_aggregate *aggregate) {
    uint64_t *versions = context;
    (void)aggregate;
    if (!sim_is_internal(type)) {
        versions[id.bytes[0] - '0'] = version;
    }
    return 0;
}

void sim_check_shown(struct sim_world *world, const struct sim_node *node) {
    uint64_t versions[SIM_AGGREGATES] = {0};
    if (node->core == NULL) {
        return;
    }
    (void)gs_core_visit(node->core, find_versions, versions);
    for (uint32_t i = 0; i < SIM_AGGREGATES; i++) {
        if (versions[i] < node->shown[i]) {
            sim_fail(world, "shown: node %u answered with version %llu of t/%u, and after a restart has only %llu",
                     node->index, (unsigned long long)node->shown[i], i, (unsigned long long)versions[i]);
        }
    }
}

void sim_check_fresh(struct sim_world *world, const struct sim_node *node) {
    for (uint32_t i = 0; i < SIM_AGGREGATES; i++) {
        if (node->cached[i].present && node->cached[i].version < node->shown[i]) {
            sim_fail(world, "fresh: node %u still offers version %llu of t/%u after it has shown %llu", node->index,
                     (unsigned long long)node->cached[i].version, i, (unsigned long long)node->shown[i]);
        }
    }
}

/* Our own events are in memory before they are in the vector. */
static bool is_ahead(const struct gs_core *core) {
    struct gs_core_stats stats;
    gs_core_get_stats(core, &stats);
    return stats.open_events > 0;
}

/* Sums the hashes of all aggregates, so that the order of the walk does not matter. */
static int add_digest(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                      const struct gs_aggregate *aggregate) {
    uint64_t *digest = context;
    struct gs_buffer bytes = {0};
    if (version == 0) {
        return 0;
    }
    gs_buffer_append(&bytes, type.bytes, type.length);
    gs_buffer_append(&bytes, id.bytes, id.length);
    gs_buffer_append(&bytes, &version, sizeof version);
    int error = gs_aggregate_encode(aggregate, GS_ENCODE_CANONICAL, &bytes);
    uint64_t words[4];
    crypto_generichash((uint8_t *)words, sizeof words, bytes.bytes, bytes.length, NULL, 0);
    for (int i = 0; i < 4; i++) {
        digest[i] += words[i];
    }
    gs_buffer_close(&bytes);
    return error;
}

static int dump(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                const struct gs_aggregate *aggregate) {
    struct gs_buffer json = {0};
    struct gs_buffer bytes = {0};
    (void)context;
    int error = gs_aggregate_write_json(aggregate, &json);
    (void)gs_aggregate_encode(aggregate, GS_ENCODE_FULL, &bytes);
    printf("%.*s/%.*s version %llu, %zu bytes: %.*s\n", (int)type.length, (const char *)type.bytes, (int)id.length,
           (const char *)id.bytes, (unsigned long long)version, bytes.length, (int)json.length,
           (const char *)json.bytes);
    gs_buffer_close(&json);
    gs_buffer_close(&bytes);
    return error;
}

static bool has_written(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < gs_core_stored(core)->count; i++) {
        gs_public_key writer;
        if (gs_core_origin_key(core, &gs_core_stored(core)->heads[i].origin, &writer) &&
            memcmp(&writer, key, sizeof writer) == 0) {
            return true;
        }
    }
    return false;
}

void sim_check_agreement(struct sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        sim_check_rights(world, &world->nodes[i]);
    }
    uint64_t digests[SIM_NODES_MAX][4] = {{0}};
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        if (core == NULL || is_ahead(core)) {
            continue;
        }
        if (gs_core_visit(core, add_digest, digests[i]) != 0) {
            sim_fail(world, "node %u: an aggregate does not encode", i);
        }
        for (uint32_t j = 0; j < i; j++) {
            const struct gs_core *other = world->nodes[j].core;
            if (other != NULL && !is_ahead(other) && gs_vector_equal(gs_core_applied(core), gs_core_applied(other)) &&
                memcmp(digests[i], digests[j], sizeof digests[i]) != 0) {
                if (getenv("SIM_DUMP") != NULL) {
                    (void)gs_core_visit(core, dump, NULL);
                    printf("--\n");
                    (void)gs_core_visit(other, dump, NULL);
                }
                sim_fail(world, "agreement: nodes %u and %u have equal vectors and different states", j, i);
            }
        }
    }
}

uint64_t sim_members(const struct sim_world *world, const struct sim_node *node) {
    uint64_t members = 0;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        members |= has_written(node->core, &world->nodes[i].keys.public_key) ? UINT64_C(1) << i : 0;
    }
    return members;
}

void sim_check_removed(struct sim_world *world, const struct sim_node *node, const struct gs_head *head) {
    const struct sim_plan *plan = &world->plan;
    for (uint32_t i = 0; i < plan->nodes; i++) {
        bool whole = !plan->wiped_disks && !plan->restored_disks && !plan->lying_disks && world->reseeded == 0;
        if (whole && (node->truncation_members >> i & 1) != 0 && !on_disk(&world->nodes[i], head)) {
            sim_fail(world, "removed: node %u removes a batch that node %u has not", node->index, i);
        }
    }
}

void sim_check_stable(struct sim_world *world) {
    if (world->plan.wiped_disks || world->plan.restored_disks || world->plan.lying_disks || world->plan.forks ||
        world->failed) {
        return; /* who has lost what it had acknowledged takes it back */
    }
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        struct gs_vector stable = {0};
        if (world->nodes[i].core == NULL || gs_core_stable(world->nodes[i].core, &stable) != 0) {
            continue;
        }
        for (uint32_t j = 0; j < world->plan.nodes; j++) {
            const struct gs_core *other = world->nodes[j].core;
            bool member = other != NULL && !sim_is_out(world, j) &&
                          has_written(world->nodes[i].core, &world->nodes[j].keys.public_key);
            if (member && !gs_vector_covers(gs_core_stored(other), &stable)) {
                sim_fail(world, "stable: node %u holds something for stable that node %u does not have", i, j);
            }
        }
        gs_vector_close(&stable);
    }
}

bool sim_all_agree(const struct sim_world *world) {
    const struct gs_core *first = world->nodes[0].core;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        if (sim_is_out(world, i)) {
            continue;
        }
        if (core == NULL || !gs_vector_equal(gs_core_stored(core), gs_core_stored(first)) ||
            !gs_vector_equal(gs_core_stored(core), gs_core_applied(core)) || is_ahead(core)) {
            return false;
        }
    }
    return true;
}

/* What a log holds, as far as the clients' calls and the sums go. */
struct tally {
    uint8_t seen[SIM_CALLS_MAX][8];
    int64_t sums[SIM_AGGREGATES];
    int64_t rights[SIM_AGGREGATES]; /* made and not spent */
};

static void count_event(struct tally *tally, const struct gs_event *event) {
    unsigned call = 0;
    unsigned item = 0;
    char type[GS_ID_BYTES_MAX + 1] = "";
    memcpy(type, event->event_type.bytes, event->event_type.length);
    char *end = NULL;
    if (strncmp(type, "op.", 3) == 0) {
        call = (unsigned)strtoul(type + 3, &end, 10);
        item = (unsigned)strtoul(end + 1, NULL, 10);
        tally->seen[call % SIM_CALLS_MAX][item % 8]++;
    }
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        for (uint32_t j = 0; j < change->delta.count && !sim_is_internal(change->aggregate_type); j++) {
            const struct gs_change *op = &change->delta.changes[j];
            if (op->kind == GS_OP_INCREMENT && op->path.depth == 1 && op->path.names[0].bytes[0] == 'n') {
                tally->sums[change->aggregate_id.bytes[0] - '0'] += op->by;
            } else if (op->kind == GS_OP_GRANT || op->kind == GS_OP_INCREMENT_BC) {
                tally->rights[change->aggregate_id.bytes[0] - '0'] += op->by;
            }
        }
    }
}

static void tally_disk(struct sim_world *world, const struct sim_node *node, struct tally *ret_tally) {
    for (uint32_t i = 0; i < node->disk.count; i++) {
        struct gs_arena arena = {0};
        struct gs_event *events = NULL;
        struct gs_batch_head head;
        if (!parse(gs_slice_make(node->disk.records[i].bytes, node->disk.records[i].length), &head) ||
            gs_batch_decode(&head, &arena, &events) != 0) {
            sim_fail(world, "record %u of node %u does not decode", i, node->index);
        }
        for (uint32_t j = 0; events != NULL && j < head.count; j++) {
            count_event(ret_tally, &events[j]);
        }
        gs_arena_close(&arena);
    }
}

static void check_calls(struct sim_world *world, const struct tally *tally) {
    for (uint32_t i = 0; i < world->call_count; i++) {
        const struct sim_call *call = &world->calls[i];
        for (uint32_t j = 0; j < call->writes; j++) {
            uint32_t times = tally->seen[i][j];
            if (call->forgiven || call->refused || times == 1) {
                continue;
            }
            sim_fail(world, "kept: call %u item %u was acknowledged by node %u and is in the log %u times", i, j,
                     call->node, times);
        }
    }
}

static int check_sum(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                     const struct gs_aggregate *aggregate) {
    struct {
        struct sim_world *world;
        const struct tally *tally;
    } *check = context;
    struct gs_buffer value = {0};
    if (sim_is_internal(type)) {
        return 0;
    }
    int error = gs_aggregate_write_value(aggregate, &value);
    struct gs_slice sum = gs_map_get(gs_slice_make(value.bytes, value.length), "n");
    struct gs_reader reader;
    gs_reader_init(&reader, sum.bytes, sum.length);
    int64_t shown = sum.length > 0 ? gs_read_int(&reader) : 0;
    int64_t expected = check->tally->sums[id.bytes[0] - '0'];
    if (shown != expected) {
        sim_fail(check->world, "exact: t/%c shows %lld, its log sums to %lld", id.bytes[0], (long long)shown,
                 (long long)expected);
    }
    if (error == 0) {
        error = sim_check_rights_sum(check->world, aggregate, check->tally->rights[id.bytes[0] - '0']);
    }
    (void)version;
    gs_buffer_close(&value);
    return error;
}

static void check_queue(struct sim_world *world, const struct sim_node *node) {
    struct gs_core_stats stats = {0};
    if (node->core != NULL) {
        gs_core_get_stats(node->core, &stats);
    }
    /* A wiped disk may have been the only one with the batches before those that wait. */
    if (stats.causal_bytes > 0 && !world->plan.wiped_disks && !world->plan.restored_disks && !world->plan.lying_disks &&
        !world->plan.byzantine) {
        sim_fail(world, "bounded: %llu bytes wait in node %u, which lacks nothing",
                 (unsigned long long)stats.causal_bytes, node->index);
    }
}

void sim_check_end(struct sim_world *world) {
    for (uint32_t i = 0; i < world->plan.nodes && !world->failed; i++) {
        const struct sim_node *node = &world->nodes[i];
        if (sim_is_out(world, i)) {
            continue;
        }
        struct tally *tally = calloc(1, sizeof *tally);
        sim_check_chain(world, node);
        tally_disk(world, node, tally);
        check_calls(world, tally);
        struct {
            struct sim_world *world;
            const struct tally *tally;
        } check = {world, tally};
        if (node->core != NULL && gs_core_visit(node->core, check_sum, &check) != 0) {
            sim_fail(world, "node %u: an aggregate does not show its value", i);
        }
        check_queue(world, node);
        free(tally);
    }
    sim_check_clocks(world, &world->nodes[0]); /* they all hold the same */
}

static bool on_any_disk(const struct sim_world *world, const struct sim_identity *identity) {
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct sim_disk *disk = &world->nodes[i].disk;
        for (uint32_t j = 0; j < disk->count; j++) {
            if (disk->records[j].first_seq == identity->first_seq &&
                gs_origin_equal(&disk->records[j].head.origin, &identity->origin)) {
                return true;
            }
        }
    }
    return false;
}

/* Numbers of batches that nobody holds any more may be given out again. */
static void forget_identities(struct sim_world *world) {
    struct sim_identity *slots = calloc(world->identity_capacity, sizeof *slots);
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->identity_capacity; i++) {
        const struct sim_identity *old = &world->identities[i];
        if (old->first_seq != 0 && on_any_disk(world, old)) {
            *identity_slot(slots, world->identity_capacity, &old->origin, old->first_seq) = *old;
            count++;
        }
    }
    free(world->identities);
    world->identities = slots;
    world->identity_count = count;
}

void sim_forgive(struct sim_world *world, const struct sim_node *node) {
    struct tally *tally = calloc(1, sizeof *tally);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        if (!sim_is_out(world, i)) {
            tally_disk(world, &world->nodes[i], tally);
        }
    }
    forget_identities(world);
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct sim_call *call = &world->calls[i];
        bool elsewhere = true;
        for (uint32_t j = 0; j < call->writes; j++) {
            elsewhere = elsewhere && tally->seen[i][j] > 0;
        }
        /* One that is still to be repeated may meet a node that has forgotten its key, while the first attempt lives on
         * elsewhere. */
        if (!elsewhere || (call->node == node->index && !call->acked)) {
            call->forgiven = true;
        }
    }
    free(tally);
}
