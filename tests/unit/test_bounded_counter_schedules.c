/* Bounded counters: every schedule of a few actions on three replicas, enumerated. Whatever is spent, made, given and
 * delivered when, no replica ever sees the value below the bound, nor does anyone who sees everything; a decrement or
 * transfer is refused exactly if its writer lacks the rights, and nothing is ever lost. The oracle counts operations.
 *
 * usage: test_bounded_counter_schedules [DEPTH]     actions in a schedule; 6 without it, 8 at most */
#include "tests/unit/replica_fixture.h"

#include <globalstate/rights.h>

#include <stdio.h>

enum { REPLICAS = 3, DEPTH_MAX = 8, BOUND = -1, INITIAL = 1, TABLE_SIZE = 1 << 24 };

enum what { MAKE, SPEND, GIVE, LEARN };

struct action {
    enum what what;
    int who;
    int other; /* GIVE: who gets it; LEARN: who is listened to */
};

struct made {
    struct action action;
    struct gs_delta delta;
    uint64_t digest; /* of its bytes */
};

struct world {
    struct replica replicas[REPLICAS];
    uint32_t known[REPLICAS]; /* deltas, by number */
    struct made made[DEPTH_MAX];
    uint32_t count;
};

/* Worlds that have been explored, and how deep. */
static struct {
    uint64_t key;
    int depth;
} table[TABLE_SIZE];
static uint64_t worlds, refusals;
static int actions = 6;

static uint64_t mix(uint64_t hash, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3; /* FNV-1a */
    }
    return hash;
}

static uint64_t digest_delta(const struct gs_delta *delta) {
    struct gs_origin_table origins = {0};
    struct gs_buffer bytes = {0};
    assert_int_equal(gs_delta_encode(delta, &origins, &bytes), 0);
    uint64_t digest = mix(0xcbf29ce484222325, bytes.bytes, bytes.length);
    digest = mix(digest, origins.origins, origins.count * sizeof(gs_origin));
    gs_origin_table_close(&origins);
    gs_buffer_close(&bytes);
    return digest;
}

/* What is to come depends on the deltas that each replica knows, and on nothing else. */
static bool seen_before(const struct world *world, int depth) {
    uint64_t key = 0xcbf29ce484222325;
    for (int i = 0; i < REPLICAS; i++) {
        uint64_t sum = 0; /* the order of delivery does not matter */
        for (uint32_t j = 0; j < world->count; j++) {
            uint64_t digest = world->made[j].digest;
            sum += world->known[i] >> j & 1 ? mix(0xcbf29ce484222325, &digest, sizeof(digest)) : 0;
        }
        key = mix(key, &sum, sizeof(sum));
    }
    key |= 1;
    uint32_t at = (uint32_t)(key >> 32) % TABLE_SIZE;
    while (table[at].key != 0 && table[at].key != key) {
        at = (at + 1) % TABLE_SIZE;
    }
    if (table[at].key == key && table[at].depth >= depth) {
        return true;
    }
    worlds += table[at].key == 0;
    assert_true(worlds < TABLE_SIZE - 1);
    table[at].key = key;
    table[at].depth = depth;
    return false;
}

/* The oracle: rights that `who` holds by what is in `known`. */
static int count_rights(const struct world *world, uint32_t known, int who) {
    int rights = who == 0 ? INITIAL - BOUND : 0;
    for (uint32_t i = 0; i < world->count; i++) {
        const struct action *action = &world->made[i].action;
        if (!(known >> i & 1)) {
            continue;
        }
        rights += action->what == MAKE && action->who == who;
        rights -= (action->what == SPEND || action->what == GIVE) && action->who == who;
        rights += action->what == GIVE && action->other == who;
    }
    return rights;
}

struct looking {
    const struct world *world;
    uint32_t known;
    bool met;
};

static int check_counter(void *context, const struct gs_rights *rights) {
    struct looking *looking = context;
    int64_t sum = 0;
    looking->met = true;
    assert_int_equal(rights->bound, BOUND);
    assert_true(rights->value >= BOUND);
    for (uint32_t i = 0; i < rights->count; i++) {
        const struct gs_rights_holder *holder = &rights->holders[i];
        assert_true(holder->rights > 0);
        assert_int_equal(holder->rights, count_rights(looking->world, looking->known, holder->origin.bytes[0] - 1));
        sum += holder->rights;
    }
    assert_int_equal(rights->value, BOUND + sum);
    int expected = 0;
    for (int i = 0; i < REPLICAS; i++) {
        expected += count_rights(looking->world, looking->known, i);
    }
    assert_int_equal(sum, expected);
    return 0;
}

static void check_state(const struct world *world, const struct gs_aggregate *state, uint32_t known) {
    struct looking looking = {.world = world, .known = known};
    assert_int_equal(gs_aggregate_visit_rights(state, check_counter, &looking), 0);
    assert_true(looking.met);
}

/* Every replica's view, and that of somebody who sees everything. */
static void check_world(const struct world *world) {
    struct gs_aggregate *all = gs_aggregate_clone(world->replicas[0].state, NULL);
    for (int i = 0; i < REPLICAS; i++) {
        check_state(world, world->replicas[i].state, world->known[i]);
        assert_int_equal(gs_aggregate_join(all, world->replicas[i].state), 0);
    }
    check_state(world, all, UINT32_MAX);
    gs_aggregate_free(all);
}

static int write_action(struct world *world, const struct action *action, struct gs_arena *arena) {
    struct replica *replica = &world->replicas[action->who];
    struct gs_delta delta;
    struct gs_problem problem = {0};
    char ops[160];
    if (action->what == GIVE) {
        snprintf(ops, sizeof(ops), "[{'op':'transfer','path':'/n','to':'%02x000000000000000000000000000000','by':1}]",
                 (unsigned)action->other + 1);
    } else {
        snprintf(ops, sizeof(ops), "[{'op':'increment','path':'/n','by':%d}]", action->what == MAKE ? 1 : -1);
    }
    int error = replica_prepare(replica, 1, ops, arena, &delta, &problem);
    bool allowed = action->what == MAKE || count_rights(world, world->known[action->who], action->who) > 0;
    assert_int_equal(error, allowed ? 0 : GS_EBOUND);
    if (error != 0) {
        refusals++;
        return error;
    }
    const struct gs_delta *sent = &delta;
    for (int i = 0; i < REPLICAS; i++) { /* nobody who knows what it builds on would call it overspent */
        if (i == action->who) {
            assert_int_equal(gs_aggregate_check_rights(replica->state, &sent, 1), 0);
        }
    }
    assert_int_equal(gs_aggregate_apply(replica->state, &delta), 0);
    replica->seq++;
    world->known[action->who] |= 1U << world->count;
    world->made[world->count++] = (struct made){.action = *action, .delta = delta, .digest = digest_delta(&delta)};
    return 0;
}

/* Everything that the other knows, in the order in which it was made: nothing before what it builds on. */
static int learn(struct world *world, const struct action *action) {
    struct replica *replica = &world->replicas[action->who];
    uint32_t news = world->known[action->other] & ~world->known[action->who];
    for (uint32_t i = 0; i < world->count; i++) {
        if (news >> i & 1) {
            const struct gs_delta *delta = &world->made[i].delta;
            assert_int_equal(gs_aggregate_check_rights(replica->state, &delta, 1), 0);
            assert_int_equal(gs_aggregate_apply(replica->state, delta), 0);
            world->known[action->who] |= 1U << i;
        }
    }
    return news != 0 ? 0 : GS_ENOTFOUND;
}

static void explore(const struct world *world, int depth);

/* The world after the action, if it is another one. */
static void try_action(const struct world *world, const struct action *action, int depth) {
    struct world next = *world;
    struct gs_arena arena = {0};
    for (int i = 0; i < REPLICAS; i++) {
        next.replicas[i].state = gs_aggregate_clone(world->replicas[i].state, NULL);
        assert_non_null(next.replicas[i].state);
    }
    int error = action->what == LEARN ? learn(&next, action) : write_action(&next, action, &arena);
    if (error == 0) {
        explore(&next, depth);
    }
    for (int i = 0; i < REPLICAS; i++) {
        gs_aggregate_free(next.replicas[i].state);
    }
    gs_arena_close(&arena);
}

static void explore(const struct world *world, int depth) {
    if (seen_before(world, depth)) {
        return;
    }
    check_world(world);
    for (int who = 0; who < REPLICAS && depth > 0; who++) {
        try_action(world, &(struct action){.what = MAKE, .who = who}, depth - 1);
        try_action(world, &(struct action){.what = SPEND, .who = who}, depth - 1);
        for (int other = 0; other < REPLICAS; other++) {
            if (other != who) {
                try_action(world, &(struct action){.what = GIVE, .who = who, .other = other}, depth - 1);
                try_action(world, &(struct action){.what = LEARN, .who = who, .other = other}, depth - 1);
            }
        }
    }
}

static void no_schedule_passes_the_bound(void **state) {
    (void)state;
    struct world world = {.count = 0};
    struct gs_arena arena = {0};
    char ops[128];
    for (int i = 0; i < REPLICAS; i++) {
        world.replicas[i] = replica_new(i + 1);
    }
    snprintf(ops, sizeof(ops), "[{'op':'create','path':'/n','type':'bounded_counter','bound':%d,'initial':%d}]", BOUND,
             INITIAL);
    struct gs_delta created = replica_write(&world.replicas[0], 1, ops, &arena);
    for (int i = 1; i < REPLICAS; i++) {
        assert_int_equal(gs_aggregate_apply(world.replicas[i].state, &created), 0);
    }
    explore(&world, actions);
    print_message("%llu worlds, %llu refusals\n", (unsigned long long)worlds, (unsigned long long)refusals);
    assert_true(worlds > 1000 && refusals > 1000);
    for (int i = 0; i < REPLICAS; i++) {
        gs_aggregate_free(world.replicas[i].state);
    }
    gs_arena_close(&arena);
}

int main(int argc, char **argv) {
    actions = argc > 1 ? (int)strtol(argv[1], NULL, 10) : actions;
    if (actions < 1 || actions > DEPTH_MAX) {
        fprintf(stderr, "usage: %s [1 to %d actions]\n", argv[0], DEPTH_MAX);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_schedule_passes_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
