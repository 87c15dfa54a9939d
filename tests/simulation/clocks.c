/* The check "clock": hybrid clocks agree with causality, event by event. */
#include "tests/simulation/checks.h"

#include <stdlib.h>

struct stamped {
    gs_origin origin;
    uint64_t seq;
    gs_hlc clock;
};

struct checking {
    struct sim_world *world;
    struct stamped *items; /* every event of the disk, sorted by origin and seq once complete; owned */
    uint32_t count, capacity;
    const struct gs_delta *delta; /* whose claims are looked at */
};

typedef void (*visit_fn)(struct checking *checking, const gs_origin *origin, const struct gs_event *event);

static int compare(const void *a, const void *b) {
    const struct stamped *left = a;
    const struct stamped *right = b;
    int order = gs_origin_compare(&left->origin, &right->origin);
    return order != 0 ? order : (left->seq > right->seq) - (left->seq < right->seq);
}

static void walk_record(struct checking *checking, const struct sim_record *bytes, visit_fn visit) {
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    struct gs_record record;
    struct gs_batch_head head;
    if (gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0 ||
        gs_batch_decode(&head, &arena, &events) != 0) {
        sim_fail(checking->world, "a record does not decode");
    }
    for (uint32_t i = 0; events != NULL && i < head.count; i++) {
        visit(checking, &head.origin, &events[i]);
    }
    gs_arena_close(&arena);
}

static void walk(struct checking *checking, const struct sim_disk *disk, visit_fn visit) {
    for (uint32_t i = 0; i < disk->count && !checking->world->failed; i++) {
        walk_record(checking, &disk->records[i], visit);
    }
}

static void collect(struct checking *checking, const gs_origin *origin, const struct gs_event *event) {
    if (checking->count == checking->capacity) {
        checking->capacity = checking->capacity == 0 ? 256 : checking->capacity * 2;
        checking->items = realloc(checking->items, checking->capacity * sizeof *checking->items);
    }
    checking->items[checking->count++] = (struct stamped){.origin = *origin, .seq = event->seq, .clock = event->clock};
}

static const struct stamped *find(const struct checking *checking, const gs_origin *origin, uint64_t seq) {
    struct stamped key = {.origin = *origin, .seq = seq};
    return bsearch(&key, checking->items, checking->count, sizeof key, compare);
}

static int check_claim(void *context, const gs_origin *origin, gs_point at) {
    const struct checking *checking = context;
    const struct gs_delta *delta = checking->delta;
    const struct stamped *claimed = find(checking, origin, at.seq);
    bool itself = gs_origin_equal(origin, &delta->origin) && at.seq == delta->seq;
    if (!itself && (claimed == NULL || claimed->clock >= delta->clock)) {
        sim_fail(checking->world, "clock: event %llu supersedes one that is not earlier",
                 (unsigned long long)delta->seq);
    }
    return 0;
}

static void check_event(struct checking *checking, const gs_origin *origin, const struct gs_event *event) {
    const struct stamped *before = find(checking, origin, event->seq - 1);
    if (before != NULL && before->clock >= event->clock) {
        sim_fail(checking->world, "clock: event %llu is not later than the one before it",
                 (unsigned long long)event->seq);
    }
    for (uint32_t i = 0; i < event->change_count; i++) {
        checking->delta = &event->changes[i].delta;
        (void)gs_delta_visit_claims(checking->delta, check_claim, checking);
    }
}

void sim_check_clocks(struct sim_world *world, const struct sim_node *node) {
    struct checking checking = {.world = world};
    walk(&checking, &node->disk, collect);
    if (checking.count > 0) {
        qsort(checking.items, checking.count, sizeof *checking.items, compare);
    }
    walk(&checking, &node->disk, check_event);
    free(checking.items);
}
