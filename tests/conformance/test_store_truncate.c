/* What every engine promises of removing what the log no longer needs: exactly what is allowed, the index and the kept
 * states with it, in one piece, and the same after it is opened again. */
#include "store_fixture.h"

#include "node/store/truncate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 30, MINUTE_MS = 60000, EVENTS_MAX = 16 };

#define START_MS UINT64_C(1767225600000)

/* Record i, of minute i, changes player/p, combat/c, or both when i is divisible by three. */
struct truncating {
    struct store_fixture *fixture;
    struct test_author author;
    uint32_t records;
    uint64_t versions[2]; /* of player/p and combat/c */
    uint32_t keeps;
    struct gs_retention retention;
    struct gs_truncation request;
    struct gs_truncated result;
};

static const char *const types[2] = {"player", "combat"};
static const char *const ids[2] = {"p", "c"};

static struct gs_slice text(const char *string) {
    return gs_slice_make(string, strlen(string));
}

static bool has(uint32_t record, int type) {
    return record % 3 == 0 || record % 3 == (type == 0 ? 1 : 2);
}

/* The changes of an event, in the order of their names. */
static void fill(struct truncating *truncating, uint32_t number, struct gs_event *event,
                 struct gs_event_change changes[2]) {
    event->changes = changes;
    for (int type = 1; type >= 0; type--) {
        if (has(number, type)) {
            changes[event->change_count++] = (struct gs_event_change){
                .aggregate_type = text(types[type]),
                .aggregate_id = text(ids[type]),
                .delta = {.origin = truncating->author.origin, .seq = event->seq, .clock = event->clock}};
            truncating->versions[type]++;
        }
    }
}

/* A record of so many events, all alike. */
static void append_events(struct truncating *truncating, uint32_t count) {
    struct gs_event events[EVENTS_MAX] = {0};
    struct gs_event_change changes[EVENTS_MAX][2] = {0};
    struct gs_buffer record = {0};
    uint32_t number = ++truncating->records;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = (struct gs_event){.event_type = text("test.event"), .actor = text("tester")};
        events[i].seq = truncating->author.next_seq + i;
        events[i].clock = gs_hlc_from_ms(START_MS + (uint64_t)number * MINUTE_MS + i);
        fill(truncating, number, &events[i], changes[i]);
    }
    test_author_seal(&truncating->author, events, count, NULL, 0, &record);
    struct gs_store *store = truncating->fixture->store;
    assert_int_equal(store->methods->append(store, gs_slice_make(record.bytes, record.length), 1), 0);
    gs_buffer_close(&record);
}

static void append(struct truncating *truncating) {
    append_events(truncating, 1);
}

static void project(struct truncating *truncating) {
    struct gs_store *store = truncating->fixture->store;
    bool more = true;
    while (more) {
        assert_int_equal(store->methods->project(store, 1000, &more), 0);
    }
}

/* States of both aggregates as they are now. */
static void keep(struct truncating *truncating) {
    struct gs_keep_state states[2] = {0};
    struct gs_keep keep = {.low = truncating->records, .position = truncating->records, .states = states, .count = 2};
    for (int type = 0; type < 2; type++) {
        states[type] = (struct gs_keep_state){.type = text(types[type]),
                                              .id = text(ids[type]),
                                              .version = truncating->versions[type],
                                              .position = truncating->records};
        gs_buffer_text(&states[type].state, "state");
    }
    gs_buffer_text(&keep.core, "core");
    truncating->keeps++;
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        keep.journals[i] = (struct gs_keep_entries){.first = 2, .last = 1};
    }
    assert_int_equal(truncating->fixture->store->methods->keep(truncating->fixture->store, &keep), 0);
    gs_buffer_close(&keep.core);
    gs_buffer_close(&states[0].state);
    gs_buffer_close(&states[1].state);
}

static int setup(void **state, const char *engine) {
    struct truncating *truncating = calloc(1, sizeof *truncating);
    truncating->fixture = store_fixture_new(engine);
    test_author_init(&truncating->author, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        append(truncating);
    }
    struct gs_head head = test_author_head(&truncating->author);
    truncating->request.retention = &truncating->retention;
    truncating->request.low = RECORDS;
    truncating->request.now_ms = START_MS + (RECORDS + 1) * MINUTE_MS;
    assert_int_equal(gs_vector_set(&truncating->request.stable, &head), 0);
    *state = truncating;
    return 0;
}

static int setup_memory(void **state) {
    return setup(state, "memory");
}

static int setup_sqlite(void **state) {
    return setup(state, "sqlite");
}

static int setup_postgres(void **state) {
    return setup(state, "postgres");
}

static int teardown(void **state) {
    struct truncating *truncating = *state;
    gs_vector_close(&truncating->request.stable);
    gs_vector_close(&truncating->result.heads);
    store_fixture_free(truncating->fixture);
    free(truncating);
    return 0;
}

static void reopen(struct truncating *truncating) {
    if (!store_fixture_is_memory(truncating->fixture)) {
        store_fixture_close(truncating->fixture);
        store_fixture_open(truncating->fixture);
        project(truncating);
    }
}

static int try_step(struct truncating *truncating, const char *retention) {
    struct gs_store *store = truncating->fixture->store;
    assert_int_equal(gs_retention_parse(retention, &truncating->retention, NULL), 0);
    truncating->request.turn++;
    return store->methods->truncate(store, &truncating->request, &truncating->result);
}

static void step(struct truncating *truncating, const char *retention) {
    assert_int_equal(try_step(truncating, retention), 0);
}

static int mark(void *context, uint64_t position, struct gs_slice record) {
    (void)record;
    ((bool *)context)[position] = true;
    return 0;
}

/* A record is there if one of its types' floors has not passed it. */
static void assert_log(struct truncating *truncating, uint64_t player_floor, uint64_t combat_floor) {
    struct gs_store *store = truncating->fixture->store;
    const uint64_t floors[2] = {player_floor, combat_floor};
    bool there[1024] = {false};
    assert_int_equal(store->methods->replay(store, mark, there), 0);
    for (uint32_t i = 1; i <= truncating->records; i++) {
        bool expected = (has(i, 0) && i > player_floor) || (has(i, 1) && i > combat_floor);
        assert_int_equal(there[i], expected);
    }
    struct gs_history_reader *reader = NULL;
    assert_int_equal(store->methods->open_history(store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    for (int type = 0; type < 2; type++) {
        static struct gs_history_entry entries[1024];
        const struct gs_history_range all = {.first = 1, .last = UINT64_MAX};
        uint32_t count = 0;
        uint64_t version = 0;
        uint32_t at = 0;
        assert_int_equal(reader->methods->version(reader, text(types[type]), text(ids[type]), &version), 0);
        assert_int_equal(version, truncating->versions[type]);
        assert_int_equal(
            reader->methods->entries(reader, text(types[type]), text(ids[type]), &all, entries, 1024, &count), 0);
        version = 0;
        for (uint32_t i = 1; i <= truncating->records; i++) {
            version += has(i, type) ? 1 : 0;
            if (has(i, type) && i > floors[type]) {
                assert_true(at < count);
                assert_int_equal(entries[at].position, i);
                assert_int_equal(entries[at++].version, version);
            }
        }
        assert_int_equal(at, count);
    }
    reader->methods->end(reader);
    reader->methods->close(reader);
}

static void assert_base(struct truncating *truncating, uint64_t position) {
    const struct gs_base *base = &truncating->fixture->store->log_base;
    assert_int_equal(base->position, position);
    if (position > 0) {
        assert_int_equal(base->heads.count, 1);
        assert_int_equal(base->heads.heads[0].seq, position);
        assert_int_equal(base->clock, gs_hlc_from_ms(START_MS + position * MINUTE_MS));
        assert_memory_equal(&base->cluster, &truncating->author.cluster, sizeof base->cluster);
    }
}

static void test_each_type_by_its_period(void **state) {
    struct truncating *truncating = *state;
    project(truncating);
    keep(truncating);
    step(truncating, "forever");
    assert_int_equal(truncating->result.position, 0);
    assert_log(truncating, 0, 0);
    step(truncating, "combat=10m,*=forever");
    assert_int_equal(truncating->result.position, 21);
    assert_int_equal(truncating->result.records, 7);
    assert_false(truncating->result.more);
    assert_log(truncating, 0, 21);
    assert_base(truncating, 21);
    step(truncating, "combat=10m,*=forever");
    assert_int_equal(truncating->result.records, 0);
    reopen(truncating);
    assert_base(truncating, 21);
    assert_log(truncating, 0, 21);
    step(truncating, "combat=10m,*=20m"); /* what both are in goes, too */
    assert_int_equal(truncating->result.records, 7);
    assert_log(truncating, 11, 21);
    reopen(truncating);
    assert_log(truncating, 11, 21);
    step(truncating, "combat=25m,*=5m"); /* what is gone stays gone, what is there is kept as long as it says now */
    assert_log(truncating, 26, 21);
    assert_base(truncating, 26);
    step(truncating, "5m");
    assert_log(truncating, 26, 26);
    reopen(truncating);
    assert_log(truncating, 26, 26);
    append(truncating);
    append(truncating);
    project(truncating);
    assert_log(truncating, 26, 26);
}

/* Later rules: a type that had been one of the others begins where they are. */
static void test_floors_of_their_own(void **state) {
    struct truncating *truncating = *state;
    project(truncating);
    keep(truncating);
    step(truncating, "20m");
    assert_log(truncating, 11, 11);
    step(truncating, "player=forever,*=10m");
    assert_log(truncating, 11, 21);
    reopen(truncating);
    step(truncating, "player=forever,*=5m");
    assert_log(truncating, 11, 26);
    step(truncating, "5m"); /* the type's own floor is remembered */
    assert_log(truncating, 26, 26);
}

static void test_nothing_that_somebody_needs(void **state) {
    struct truncating *truncating = *state;
    struct gs_head head = truncating->request.stable.heads[0];
    step(truncating, "1s"); /* nothing is indexed */
    assert_base(truncating, 0);
    project(truncating);
    assert_log(truncating, 0, 0);
    assert_int_equal(try_step(truncating, "1s"), GS_ECORRUPT); /* no state is kept */
    assert_log(truncating, 0, 0);
    assert_base(truncating, 0);
    keep(truncating);
    truncating->request.low = 12;
    step(truncating, "1s");
    assert_log(truncating, 12, 12);
    truncating->request.low = RECORDS;
    head.seq = 15; /* a member has heard of no more */
    assert_int_equal(gs_vector_set(&truncating->request.stable, &head), 0);
    truncating->request.stable.heads[0].hash.bytes[0] ^= 1;
    step(truncating, "1s"); /* … or of another batch with that number */
    assert_log(truncating, 14, 14);
    gs_vector_remove(&truncating->request.stable, &head.origin);
    step(truncating, "1s");
    assert_log(truncating, 14, 14);
    head = test_author_head(&truncating->author);
    assert_int_equal(gs_vector_set(&truncating->request.stable, &head), 0);
    truncating->request.now_ms = START_MS; /* a clock that went back */
    step(truncating, "1s");
    assert_log(truncating, 14, 14);
    truncating->request.now_ms = START_MS + RECORDS * MINUTE_MS;
    step(truncating, "1s");
    assert_log(truncating, RECORDS - 1, RECORDS - 1);
    reopen(truncating);
    assert_base(truncating, RECORDS - 1);
}

/* The newest state up to each version, or none. */
static uint64_t find_state(struct truncating *truncating, int type, uint64_t version) {
    struct gs_store *store = truncating->fixture->store;
    struct gs_history_reader *reader = NULL;
    struct gs_kept_state kept = {0};
    assert_int_equal(store->methods->open_history(store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    int error = reader->methods->state(reader, text(types[type]), text(ids[type]), version, &kept);
    assert_true(error == 0 || error == GS_ENOTFOUND);
    uint64_t found = error == 0 ? kept.version : 0;
    gs_buffer_close(&kept.state);
    reader->methods->end(reader);
    reader->methods->close(reader);
    return found;
}

/* What is left of the past begins with a state that has all that is gone, and no later keep takes it away. */
static void test_states_at_the_base(void **state) {
    struct truncating *truncating = *state;
    project(truncating);
    keep(truncating);
    uint64_t first = truncating->versions[1];
    step(truncating, "combat=10m");
    assert_int_equal(find_state(truncating, 1, UINT64_MAX), first);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 3; j++) {
            append(truncating);
        }
        project(truncating);
        keep(truncating);
        assert_int_equal(find_state(truncating, 1, first), first);
        assert_int_equal(find_state(truncating, 1, UINT64_MAX), truncating->versions[1]);
    }
    struct gs_head head = test_author_head(&truncating->author);
    assert_int_equal(gs_vector_set(&truncating->request.stable, &head), 0);
    truncating->request.low = truncating->records;
    truncating->request.now_ms = START_MS + (truncating->records + 1) * MINUTE_MS;
    step(truncating, "combat=1m");
    assert_int_equal(find_state(truncating, 1, first), 0); /* now one of later is needed */
    assert_int_equal(find_state(truncating, 1, UINT64_MAX), truncating->versions[1]);
}

/* All that there is, up to now. */
static void allow_all(struct truncating *truncating) {
    project(truncating);
    keep(truncating);
    struct gs_head head = test_author_head(&truncating->author);
    assert_int_equal(gs_vector_set(&truncating->request.stable, &head), 0);
    truncating->request.low = truncating->records;
    truncating->request.now_ms = START_MS + (truncating->records + 1) * MINUTE_MS;
}

static void test_bounded_steps(void **state) {
    struct truncating *truncating = *state;
    while (truncating->records < 2 * GS_TRUNCATE_RECORDS_MAX + 10) {
        append(truncating);
    }
    allow_all(truncating);
    step(truncating, "1s");
    assert_true(truncating->result.more);
    assert_int_equal(truncating->result.position, GS_TRUNCATE_RECORDS_MAX);
    assert_log(truncating, GS_TRUNCATE_RECORDS_MAX, GS_TRUNCATE_RECORDS_MAX);
    reopen(truncating);
    step(truncating, "1s");
    assert_true(truncating->result.more);
    step(truncating, "1s");
    assert_false(truncating->result.more);
    assert_log(truncating, truncating->records, truncating->records);
    reopen(truncating);
    append(truncating);
    project(truncating);
    assert_log(truncating, truncating->records - 1, truncating->records - 1);
}

/* Records of many changes: a step ends with the one that goes past the bound. */
static void test_bounded_changes(void **state) {
    struct truncating *truncating = *state;
    while (truncating->records < GS_TRUNCATE_RECORDS_MAX) {
        append_events(truncating, EVENTS_MAX);
    }
    allow_all(truncating);
    step(truncating, "1s");
    assert_true(truncating->result.more);
    uint64_t changes = 0;
    for (uint32_t number = RECORDS + 1; number < truncating->result.position; number++) {
        changes += (number % 3 == 0 ? 2u : 1u) * EVENTS_MAX;
    }
    assert_true(truncating->result.position > RECORDS);
    assert_true(changes < GS_TRUNCATE_CHANGES_MAX);
    assert_true(changes + (2 * RECORDS) + (2 * EVENTS_MAX) >= GS_TRUNCATE_CHANGES_MAX);
    while (truncating->result.more) {
        step(truncating, "1s");
    }
    assert_log(truncating, truncating->records, truncating->records);
}

int main(void) {
#define ON_ALL(test)                                                   \
    cmocka_unit_test_setup_teardown(test, setup_memory, teardown),     \
        cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown), \
        cmocka_unit_test_setup_teardown(test, setup_postgres, teardown)
    const struct CMUnitTest tests[] = {
        ON_ALL(test_each_type_by_its_period),
        ON_ALL(test_floors_of_their_own),
        ON_ALL(test_nothing_that_somebody_needs),
        ON_ALL(test_states_at_the_base),
        ON_ALL(test_bounded_steps),
        ON_ALL(test_bounded_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
