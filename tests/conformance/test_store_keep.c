/* What every engine that keeps states promises: all of a keep or nothing, the newest of each, never more than the log.
 */
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 20 };

static int setup(void **state, const char *engine) {
    struct store_fixture *fixture = store_fixture_new(engine);
    struct test_author author;
    test_author_init(&author, 1);
    for (uint32_t i = 0; i < RECORDS; i++) {
        store_fixture_append(fixture, &author, 2, 0);
    }
    *state = fixture;
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
    store_fixture_free(*state);
    return 0;
}

static struct gs_slice text(const char *string) {
    return gs_slice_make(string, strlen(string));
}

static void fill(struct gs_buffer *buffer, const char *string) {
    gs_buffer_text(buffer, string);
}

/* A keep of one state of `id`, and one entry of each journal. */
static int keep_one(struct store_fixture *fixture, uint64_t position, const char *id, uint64_t version,
                    const char *bytes, uint64_t entry, uint64_t oldest) {
    struct gs_keep_state state = {
        .type = text("player"), .id = text(id), .version = version, .position = position, .updated = version << 16};
    struct gs_keep keep = {.low = position / 2, .position = position, .states = &state, .count = 1};
    fill(&state.state, bytes);
    fill(&keep.core, id);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        keep.journals[i] = (struct gs_keep_entries){.first = entry, .last = entry, .oldest = oldest};
        fill(&keep.journals[i].entries, bytes);
    }
    int error = fixture->store->methods->keep(fixture->store, &keep);
    gs_buffer_close(&state.state);
    gs_buffer_close(&keep.core);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        gs_buffer_close(&keep.journals[i].entries);
    }
    return error;
}

/* What a visit found, as text in its order. */
static int on_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    gs_buffer_printf(context, "checkpoint %d..%d %.*s;", (int)low, (int)position, (int)core.length,
                     (const char *)core.bytes);
    return 0;
}

static int on_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                      struct gs_slice entries) {
    gs_buffer_printf(context, "entries %d %d..%d %.*s;", (int)journal, (int)first, (int)last, (int)entries.length,
                     (const char *)entries.bytes);
    return 0;
}

static int on_state(void *context, const struct gs_keep_state *state) {
    assert_int_equal(state->updated, state->version << 16);
    assert_int_equal(gs_slice_compare(state->type, text("player")), 0);
    gs_buffer_printf(context, "state %.*s %d at %d %.*s;", (int)state->id.length, (const char *)state->id.bytes,
                     (int)state->version, (int)state->position, (int)state->state.length,
                     (const char *)state->state.bytes);
    return 0;
}

static void assert_kept(struct store_fixture *fixture, const char *expected) {
    struct gs_buffer found = {0};
    const struct gs_kept_visitor visitor = {
        .context = &found, .checkpoint = on_checkpoint, .entries = on_entries, .state = on_state};
    int error = fixture->store->methods->visit_kept(fixture->store, &visitor, NULL);
    assert_int_equal(error, expected == NULL ? GS_ENOTFOUND : 0);
    gs_buffer_byte(&found, 0);
    assert_string_equal((const char *)found.bytes, expected == NULL ? "" : expected);
    gs_buffer_close(&found);
}

static void reopen(struct store_fixture *fixture) {
    if (!store_fixture_is_memory(fixture)) {
        store_fixture_close(fixture);
        store_fixture_open(fixture);
    }
}

static void test_newest_of_each(void **state) {
    struct store_fixture *fixture = *state;
    assert_kept(fixture, NULL);
    assert_int_equal(keep_one(fixture, 4, "a", 3, "one", 1, 1), 0);
    assert_kept(fixture, "checkpoint 2..4 a;entries 0 1..1 one;entries 1 1..1 one;state a 3 at 4 one;");
    assert_int_equal(keep_one(fixture, 10, "a", 900, "two", 2, 1), 0);
    assert_int_equal(keep_one(fixture, 20, "a", 1900, "three", 3, 2), 0);
    reopen(fixture);
    assert_kept(fixture, "checkpoint 10..20 a;entries 0 2..2 two;entries 0 3..3 three;entries 1 2..2 two;entries 1 "
                         "3..3 three;state a 1900 at 20 three;");
    assert_int_equal(fixture->store->methods->forget_kept(fixture->store), 0);
    reopen(fixture);
    assert_kept(fixture, NULL);
    assert_int_equal(store_fixture_replay(fixture), 0);
}

static void test_not_past_the_log(void **state) {
    struct store_fixture *fixture = *state;
    assert_int_equal(keep_one(fixture, RECORDS + 1, "a", 3, "one", 1, 1), GS_ESTORE);
    assert_kept(fixture, NULL);
    assert_int_equal(keep_one(fixture, RECORDS, "a", 3, "one", 1, 1), 0);
}

static void test_states_for_looking_back(void **state) {
    struct store_fixture *fixture = *state;
    static const uint64_t versions[] = {300, 310, 320, 700, 710, 2000};
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(keep_one(fixture, 5 + i, "a", versions[i], "x", 1 + i, 1), 0);
    }
    struct gs_history_reader *reader = NULL;
    struct gs_kept_state kept = {0};
    assert_int_equal(fixture->store->methods->open_history(fixture->store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(reader->methods->state(reader, text("player"), text("a"), 299, &kept), GS_ENOTFOUND);
    assert_int_equal(reader->methods->state(reader, text("player"), text("b"), 9999, &kept), GS_ENOTFOUND);
    static const uint64_t asked[] = {300, 699, 1999, 2000, 5000};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(reader->methods->state(reader, text("player"), text("a"), asked[i], &kept), 0);
        assert_true(kept.version <= asked[i]);
        assert_true(asked[i] >= 2000 ? kept.version == 2000 : kept.version >= (asked[i] < 700 ? 300 : 700));
        assert_int_equal(kept.state.length, 1);
    }
    gs_buffer_close(&kept.state);
    reader->methods->end(reader);
    reader->methods->close(reader);
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    uint64_t *next = context;
    assert_int_equal(position, (*next)++);
    assert_true(record.length > 0);
    return 0;
}

static void test_replay_after(void **state) {
    struct store_fixture *fixture = *state;
    for (uint64_t after = 0; after <= RECORDS; after++) {
        uint64_t next = after + 1;
        assert_int_equal(fixture->store->methods->replay_after(fixture->store, after, count_record, &next), 0);
        assert_int_equal(next, RECORDS + 1);
    }
}

int main(void) {
#define ON_ALL(test)                                                   \
    cmocka_unit_test_setup_teardown(test, setup_memory, teardown),     \
        cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown), \
        cmocka_unit_test_setup_teardown(test, setup_postgres, teardown)
    const struct CMUnitTest tests[] = {
        ON_ALL(test_newest_of_each),
        ON_ALL(test_not_past_the_log),
        ON_ALL(test_states_for_looking_back),
        ON_ALL(test_replay_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
