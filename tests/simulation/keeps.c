/* What nodes keep beside their logs, and whether a start from it is a start from the log. */
#include "tests/simulation/checks.h"

#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

enum { CORES_KEPT = 32 }; /* a start reads the newest checkpoint alone, and a crash does not take so many of them */

static void push(struct sim_world *world, struct sim_disk *disk, struct gs_keep *keep) {
    if (disk->keep_count == SIM_KEEPS_MAX) {
        sim_fail(world, "bounded: more than %d keeps", SIM_KEEPS_MAX);
        gs_keep_free(keep);
        return;
    }
    if (disk->keeps == NULL) {
        disk->keeps = calloc(SIM_KEEPS_MAX, sizeof *disk->keeps);
    }
    disk->keeps[disk->keep_count++] = keep;
    uint32_t old = disk->keep_count > CORES_KEPT ? disk->keep_count - CORES_KEPT - 1 : 0;
    if (disk->keep_count > CORES_KEPT && old + 1 != disk->safe_keeps) {
        gs_buffer_close(&disk->keeps[old]->core); /* in a large world they are megabytes */
    }
}

/* True if what was kept before the newest is enough to start from, or nothing is left then. */
static bool may_lose_newest(const struct sim_disk *disk) {
    return disk->keep_count > disk->safe_keeps &&
           (disk->keep_count == 1 || disk->keeps[disk->keep_count - 2]->core.length > 0);
}

void sim_keep_start(struct sim_world *world, struct sim_node *node, struct gs_keep *keep) {
    if (node->pending_keep != NULL) {
        sim_fail(world, "node %u: a second keep before the first was written", node->index);
        gs_keep_free(keep);
        return;
    }
    if (keep->low > keep->position || keep->position > node->disk.count + node->pending_count) {
        sim_fail(world, "keep: node %u keeps more than its log will have", node->index);
    }
    node->pending_keep = keep;
    struct sim_event done = {.type = SIM_KEPT, .node = node->index, .epoch = node->epoch};
    sim_schedule(world, 1 + sim_below(&world->rng, world->plan.disk_ms_max), done);
}

void sim_keep_done(struct sim_world *world, struct sim_node *node) {
    if (node->pending_keep->position > node->disk.count) { /* the commit comes first */
        struct sim_event again = {.type = SIM_KEPT, .node = node->index, .epoch = node->epoch};
        sim_schedule(world, 1, again);
        return;
    }
    push(world, &node->disk, node->pending_keep);
    node->pending_keep = NULL;
    if (sim_dies_at(world, node, SIM_KEEP_AFTER)) {
        return;
    }
    sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_KEPT});
}

void sim_keep_crash(struct sim_world *world, struct sim_node *node) {
    struct gs_keep *keep = node->pending_keep;
    node->pending_keep = NULL;
    if (keep != NULL && keep->position <= node->disk.count && sim_chance(&world->rng, 50)) {
        push(world, &node->disk, keep);
    } else {
        gs_keep_free(keep);
    }
    /* Nothing of it is synced: the newest ones may be gone. */
    while (may_lose_newest(&node->disk) && sim_chance(&world->rng, 20)) {
        gs_keep_free(node->disk.keeps[--node->disk.keep_count]);
    }
}

void sim_keep_cut(struct sim_disk *disk, uint32_t count) {
    while (disk->keep_count > count) {
        gs_keep_free(disk->keeps[--disk->keep_count]);
    }
}

void sim_keep_clear(struct sim_disk *disk) {
    sim_keep_cut(disk, 0);
    free(disk->keeps);
    disk->keeps = NULL;
    disk->safe_keeps = 0;
}

static void copy_buffer(const struct gs_buffer *from, struct gs_buffer *to) {
    *to = (struct gs_buffer){0};
    gs_buffer_append(to, from->bytes, from->length);
}

struct gs_keep *sim_keep_copy(const struct gs_keep *keep) {
    struct gs_keep *copy = calloc(1, sizeof *copy);
    copy->low = keep->low;
    copy->position = keep->position;
    copy->count = keep->count;
    copy->states = gs_arena_alloc(&copy->arena, keep->count * sizeof *copy->states + 1);
    copy_buffer(&keep->core, &copy->core);
    for (uint32_t i = 0; i < keep->count; i++) {
        const struct gs_keep_state *state = &keep->states[i];
        copy->states[i] = *state;
        copy->states[i].type =
            gs_slice_make(gs_arena_copy(&copy->arena, state->type.bytes, state->type.length), state->type.length);
        copy->states[i].id =
            gs_slice_make(gs_arena_copy(&copy->arena, state->id.bytes, state->id.length), state->id.length);
        copy_buffer(&state->state, &copy->states[i].state);
    }
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        copy->journals[i] = keep->journals[i];
        copy_buffer(&keep->journals[i].entries, &copy->journals[i].entries);
    }
    return copy;
}

static void restore(struct sim_world *world, const struct sim_node *node, struct gs_core *core,
                    struct gs_core_event event) {
    struct gs_update update = {0};
    event.type = GS_CORE_RESTORE;
    event.now_ms = sim_node_wall_ms(world, node);
    event.mono_ms = world->now_ms;
    int error = gs_core_step(core, &event, &update);
    gs_update_clear(&update);
    if (error != 0) {
        sim_fail(world, "keep: node %u cannot restore what it kept: %s", node->index, gs_error_name(error));
    }
}

static bool is_newest(const struct sim_disk *disk, const struct gs_keep_state *state, uint32_t keep) {
    for (uint32_t i = keep + 1; i < disk->keep_count; i++) {
        for (uint32_t j = 0; j < disk->keeps[i]->count; j++) {
            const struct gs_keep_state *other = &disk->keeps[i]->states[j];
            if (gs_slice_compare(state->type, other->type) == 0 && gs_slice_compare(state->id, other->id) == 0) {
                return false;
            }
        }
    }
    return true;
}

static void restore_entries(struct sim_world *world, const struct sim_node *node, struct gs_core *core, int journal) {
    const struct sim_disk *disk = &node->disk;
    for (uint32_t i = 0; i < disk->keep_count; i++) {
        const struct gs_keep_entries *entries = &disk->keeps[i]->journals[journal];
        if (entries->first <= entries->last &&
            entries->last >= disk->keeps[disk->keep_count - 1]->journals[journal].oldest) {
            restore(world, node, core,
                    (struct gs_core_event){
                        .restore = {.is_journal = true,
                                    .journal = (enum gs_keep_journal)journal,
                                    .first = entries->first,
                                    .last = entries->last,
                                    .bytes = gs_slice_make(entries->entries.bytes, entries->entries.length)}});
        }
    }
}

bool sim_keep_restore(struct sim_world *world, const struct sim_node *node, struct gs_core *core, uint64_t *ret_low,
                      bool states) {
    const struct sim_disk *disk = &node->disk;
    *ret_low = 0;
    if (disk->keep_count == 0) {
        return false;
    }
    const struct gs_keep *newest = disk->keeps[disk->keep_count - 1];
    if (disk->base.position > 0) {
        restore(world, node, core,
                (struct gs_core_event){.restore = {.base = &disk->base.heads, .position = disk->base.position}});
    }
    restore(world, node, core,
            (struct gs_core_event){.restore = {.low = newest->low,
                                               .position = newest->position,
                                               .bytes = gs_slice_make(newest->core.bytes, newest->core.length)}});
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        restore_entries(world, node, core, i);
    }
    for (uint32_t i = 0; states && i < disk->keep_count; i++) {
        for (uint32_t j = 0; j < disk->keeps[i]->count; j++) {
            if (is_newest(disk, &disk->keeps[i]->states[j], i)) {
                restore(world, node, core, (struct gs_core_event){.restore = {.state = &disk->keeps[i]->states[j]}});
            }
        }
    }
    *ret_low = newest->low;
    return true;
}

struct comparing {
    struct sim_world *world;
    const struct sim_node *node;
    const struct gs_core *other;
    struct gs_slice type, id;
    uint64_t version;
    const struct gs_aggregate *aggregate;
    bool found;
};

static int compare_one(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                       const struct gs_aggregate *aggregate) {
    struct comparing *comparing = context;
    if (gs_slice_compare(type, comparing->type) != 0 || gs_slice_compare(id, comparing->id) != 0) {
        return 0;
    }
    struct gs_buffer left = {0};
    struct gs_buffer right = {0};
    (void)gs_aggregate_encode(aggregate, GS_ENCODE_CANONICAL, &left); /* one may be cleaned up, the other not yet */
    (void)gs_aggregate_encode(comparing->aggregate, GS_ENCODE_CANONICAL, &right);
    comparing->found = version == comparing->version && left.length == right.length &&
                       memcmp(left.bytes, right.bytes, left.length) == 0;
    gs_buffer_close(&left);
    gs_buffer_close(&right);
    return 1;
}

static int look_up(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                   const struct gs_aggregate *aggregate) {
    struct comparing *comparing = context;
    struct comparing inner = *comparing;
    inner.type = type;
    inner.id = id;
    inner.version = version;
    inner.aggregate = aggregate;
    inner.found = false;
    (void)gs_core_visit(comparing->other, compare_one, &inner);
    if (!inner.found) {
        sim_fail(comparing->world, "keep: node %u has another %.*s/%.*s from what it kept than from its log",
                 comparing->node->index, (int)type.length, (const char *)type.bytes, (int)id.length,
                 (const char *)id.bytes);
    }
    return 0;
}

/* Each meeting of `whole` is in `kept`, to the byte. Numbers may differ: the log has an order of application for every
 * aggregate, not between them. */
static void compare_ledgers(struct sim_world *world, const struct sim_node *node, const struct gs_core *kept,
                            const struct gs_core *whole) {
    for (const struct gs_ledger_entry *entry = whole->ledger.newest; entry != NULL; entry = entry->older) {
        const struct gs_ledger_entry *other = kept->ledger.newest;
        while (other != NULL && other->fingerprint != entry->fingerprint) {
            other = other->older;
        }
        if (other == NULL || other->length != entry->length || memcmp(other->bytes, entry->bytes, entry->length) != 0) {
            sim_fail(world, "keep: node %u has %s conflict of %.*s/%.*s from what it kept than from its log",
                     node->index, other == NULL ? "no" : "another", (int)entry->type.length,
                     (const char *)entry->type.bytes, (int)entry->id.length, (const char *)entry->id.bytes);
        }
    }
}

static bool has_proposal(const struct gs_closings *closings, const struct gs_proposal *p) {
    for (uint32_t i = 0; i < closings->proposal_count; i++) {
        const struct gs_proposal *q = &closings->proposals[i];
        if (gs_origin_equal(&p->of, &q->of) && gs_origin_equal(&p->by, &q->by) && p->seq == q->seq) {
            return p->clock == q->clock && p->over == q->over && p->vote_count == q->vote_count;
        }
    }
    return false;
}

static bool has_closed(const struct gs_closings *closings, const struct gs_closed *c) {
    for (uint32_t i = 0; i < closings->closed_count; i++) {
        const struct gs_closed *d = &closings->closed[i];
        if (gs_origin_equal(&c->of, &d->of)) {
            return c->final == d->final && gs_origin_equal(&c->by, &d->by) && c->seq == d->seq;
        }
    }
    return false;
}

/* What is decided about the end of origins, whatever came first; who has voted, since a closing to come is judged by
 * that. */
static bool same_closings(const struct gs_closings *a, const struct gs_closings *b) {
    bool same = a->proposal_count == b->proposal_count && a->closed_count == b->closed_count &&
                a->retired_count == b->retired_count;
    for (uint32_t i = 0; same && i < a->proposal_count; i++) {
        same = has_proposal(b, &a->proposals[i]); /* in any order: which of two counts, their clocks say */
    }
    for (uint32_t i = 0; same && i < a->closed_count; i++) {
        same = has_closed(b, &a->closed[i]);
    }
    return same;
}

void sim_keep_check(struct sim_world *world, const struct sim_node *node, const struct gs_core *kept,
                    const struct gs_core *whole) {
    struct comparing comparing = {.world = world, .node = node, .other = kept};
    (void)gs_core_visit(whole, look_up, &comparing);
    comparing.other = whole;
    (void)gs_core_visit(kept, look_up, &comparing);
    if (!gs_vector_equal(gs_core_applied(kept), gs_core_applied(whole))) {
        sim_fail(world, "keep: node %u has other heads from what it kept than from its log", node->index);
    }
    struct gs_core_stats a;
    struct gs_core_stats b;
    gs_core_get_stats(kept, &a);
    gs_core_get_stats(whole, &b);
    if (a.requests_known != b.requests_known || a.conflicts_known != b.conflicts_known) {
        sim_fail(
            world,
            "keep: node %u remembers %llu requests and %llu conflicts from what it kept, %llu and %llu from its log",
            node->index, (unsigned long long)a.requests_known, (unsigned long long)a.conflicts_known,
            (unsigned long long)b.requests_known, (unsigned long long)b.conflicts_known);
    }
    if (!same_closings(&kept->closings, &whole->closings)) {
        sim_fail(world, "keep: node %u knows other ends of origins from what it kept than from its log", node->index);
    }
    compare_ledgers(world, node, kept, whole);
}
