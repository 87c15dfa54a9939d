/* What every engine promises of a log that begins at a base: made in one piece or not at all, chained to, and honest
 * about what it no longer has. */
#include "node/store/version_list.h"
#include "store_fixture.h"

#include <globalstate/aggregate.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BASE = 7, VERSION = 5 };

struct based {
    struct store_fixture *fixture;
    struct test_author author; /* whose first ten batches came before the base */
    struct gs_base base;
    struct gs_keep parts[2];
    struct gs_keep_state states[2];
    uint32_t next; /* part to hand out */
    int fault;     /* in place of the second part */
};

static int setup(void **state, const char *engine) {
    struct based *based = calloc(1, sizeof *based);
    struct gs_buffer records = {0};
    based->fixture = store_fixture_new(engine);
    test_author_init(&based->author, 1);
    for (uint32_t i = 0; i < 10; i++) {
        test_author_batch(&based->author, 2, 0, &records);
    }
    gs_buffer_close(&records);
    struct gs_head head = test_author_head(&based->author);
    based->base.cluster = based->author.cluster;
    based->base.position = BASE;
    based->base.clock = based->author.clock;
    assert_int_equal(gs_vector_set(&based->base.heads, &head), 0);
    assert_int_equal(gs_base_raise_floor(&based->base, "*", BASE), 0);
    assert_int_equal(gs_base_raise_floor(&based->base, "combat", 3), 0); /* it begins with that of the others */
    struct gs_aggregate *empty = gs_aggregate_new(NULL);
    for (uint32_t i = 0; i < 2; i++) {
        struct gs_keep_state *kept = &based->states[i];
        *kept = (struct gs_keep_state){.type = gs_slice_make("player", 6),
                                       .id = gs_slice_make(i == 0 ? "a" : "b", 1),
                                       .version = VERSION + i,
                                       .position = BASE - i,
                                       .updated = based->base.clock};
        assert_int_equal(gs_aggregate_encode(empty, GS_ENCODE_FULL, &kept->state), 0);
        based->parts[i] = (struct gs_keep){.states = kept, .count = 1, .low = BASE, .position = BASE};
        for (int j = 0; j < GS_KEEP_JOURNALS; j++) {
            based->parts[i].journals[j] = (struct gs_keep_entries){.first = i + 1, .last = i + 1, .oldest = 1};
            gs_buffer_text(&based->parts[i].journals[j].entries, "entry");
        }
    }
    gs_buffer_text(&based->parts[1].core, "checkpoint");
    gs_aggregate_free(empty);
    *state = based;
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
    struct based *based = *state;
    for (uint32_t i = 0; i < 2; i++) {
        gs_buffer_close(&based->states[i].state);
        gs_buffer_close(&based->parts[i].core);
        for (int j = 0; j < GS_KEEP_JOURNALS; j++) {
            gs_buffer_close(&based->parts[i].journals[j].entries);
        }
    }
    gs_base_close(&based->base);
    store_fixture_free(based->fixture);
    free(based);
    return 0;
}

static int next_part(void *context, const struct gs_keep **ret_keep) {
    struct based *based = context;
    if (based->next == 1 && based->fault != 0) {
        return based->fault;
    }
    *ret_keep = based->next < 2 ? &based->parts[based->next] : NULL;
    based->next++;
    return 0;
}

static int install(struct based *based) {
    struct gs_store *store = based->fixture->store;
    based->next = 0;
    return store->methods->install(store, &based->base, next_part, based);
}

static void reopen(struct based *based) {
    if (!store_fixture_is_memory(based->fixture)) {
        store_fixture_close(based->fixture);
        store_fixture_open(based->fixture);
    }
}

static int count_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    assert_int_equal(low, BASE);
    assert_int_equal(position, BASE);
    assert_int_equal(core.length, 10);
    (*(int *)context) += 100;
    return 0;
}

static int count_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                         struct gs_slice entries) {
    (void)journal;
    assert_true(first == last && entries.length == 5);
    (*(int *)context) += 10;
    return 0;
}

static int count_state(void *context, const struct gs_keep_state *state) {
    assert_true(state->version >= VERSION);
    (*(int *)context) += 1;
    return 0;
}

static int visit(struct gs_store *store) {
    int found = 0;
    const struct gs_kept_visitor visitor = {
        .context = &found, .checkpoint = count_checkpoint, .entries = count_entries, .state = count_state};
    int error = store->methods->visit_kept(store, &visitor, NULL);
    return error != 0 ? error : found;
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    (void)record;
    assert_int_equal(position, BASE + 1 + (*(uint64_t *)context)++);
    return 0;
}

/* Nothing of a failed installation stays, and the store is a new one. */
static void assert_untouched(struct based *based) {
    for (int i = 0; i < 2; i++) {
        assert_int_equal(based->fixture->store->log_base.position, 0);
        assert_int_equal(visit(based->fixture->store), GS_ENOTFOUND);
        assert_int_equal(store_fixture_replay(based->fixture), 0);
        reopen(based);
    }
}

static void test_installed(void **state) {
    struct based *based = *state;
    assert_int_equal(install(based), 0);
    for (int i = 0; i < 2; i++) {
        struct gs_store *store = based->fixture->store;
        assert_int_equal(store->log_base.position, BASE);
        assert_int_equal(store->log_base.clock, based->base.clock);
        assert_memory_equal(&store->log_base.cluster, &based->base.cluster, sizeof(gs_cluster));
        assert_true(gs_vector_equal(&store->log_base.heads, &based->base.heads));
        assert_int_equal(gs_base_floor(&store->log_base, gs_slice_make("combat", 6)), BASE);
        assert_int_equal(visit(store), 142);
        reopen(based);
    }
    assert_int_equal(install(based), GS_EINVAL); /* there is a base */
}

static void append(struct based *based, struct test_author *author, int expected) {
    struct gs_store *store = based->fixture->store;
    struct gs_buffer record = {0};
    test_author_batch(author, 1, 0, &record);
    assert_int_equal(store->methods->append(store, gs_slice_make(record.bytes, record.length), 1), expected);
    gs_buffer_close(&record);
}

static void test_the_log_goes_on_from_it(void **state) {
    struct based *based = *state;
    struct test_author stranger;
    struct test_author again;
    uint64_t seen = 0;
    test_author_init(&stranger, 2);
    test_author_init(&again, 1);
    assert_int_equal(install(based), 0);
    reopen(based);
    append(based, &again, GS_ECHAIN); /* its first batch: it lies before the base */
    append(based, &based->author, 0);
    reopen(based);
    append(based, &stranger, 0);
    append(based, &based->author, 0);
    reopen(based);
    struct gs_store *store = based->fixture->store;
    assert_int_equal(store->methods->replay(store, count_record, &seen), 0);
    assert_int_equal(seen, 3);
    seen = 0;
    assert_int_equal(store->methods->replay_after(store, BASE, count_record, &seen), 0);
    assert_int_equal(seen, 3);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        based->parts[1].journals[i].first = based->parts[1].journals[i].last = 3;
    }
    based->parts[1].low = based->parts[1].position = BASE + 3;
    assert_int_equal(store->methods->keep(store, &based->parts[1]), 0);
    based->parts[1].low = based->parts[1].position = BASE + 4;
    assert_int_equal(store->methods->keep(store, &based->parts[1]), GS_ESTORE);
}

static void test_what_is_gone_is_said_to_be(void **state) {
    struct based *based = *state;
    struct gs_store *store = based->fixture->store;
    struct gs_buffer records = {0};
    struct gs_vector have = {0};
    uint32_t count = 99;
    bool more = true;
    assert_int_equal(install(based), 0);
    append(based, &based->author, 0);
    assert_int_equal(store->methods->read_lacking(store, &have, 1 << 20, &records, &count, &more), GS_EGONE);
    assert_int_equal(records.length, 0);
    struct gs_head head = based->base.heads.heads[0];
    head.seq--;
    assert_int_equal(gs_vector_set(&have, &head), 0);
    assert_int_equal(store->methods->read_lacking(store, &have, 1 << 20, &records, &count, &more), GS_EGONE);
    assert_int_equal(gs_vector_copy(&have, &based->base.heads), 0);
    assert_int_equal(store->methods->read_lacking(store, &have, 1 << 20, &records, &count, &more), 0);
    assert_true(count == 1 && !more && records.length > 0);
    records.length = 0;
    assert_int_equal(store->methods->read_event(store, &head.origin, 3, &records), GS_ENOTFOUND);
    assert_int_equal(store->methods->read_event(store, &head.origin, based->author.next_seq - 1, &records), 0);
    gs_buffer_close(&records);
    gs_vector_close(&have);
}

static void test_readers_know(void **state) {
    struct based *based = *state;
    struct gs_store *store = based->fixture->store;
    struct gs_history_reader *reader = NULL;
    struct gs_base base = {0};
    struct gs_buffer bytes = {0};
    struct gs_history_entry entry;
    const struct gs_history_range all = {.first = 1, .last = UINT64_MAX};
    uint64_t last = 0;
    uint64_t indexed = 0;
    uint64_t version = 0;
    uint32_t count = 9;
    bool more = true;
    assert_int_equal(install(based), 0);
    append(based, &based->author, 0);
    while (more) {
        assert_int_equal(store->methods->project(store, 100, &more), 0);
    }
    assert_int_equal(store->methods->open_history(store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(reader->methods->extent(reader, &last, &indexed), 0);
    assert_int_equal(last, BASE + 1);
    assert_int_equal(indexed, BASE + 1);
    assert_int_equal(reader->methods->base(reader, &base), 0);
    assert_int_equal(base.position, BASE);
    assert_int_equal(reader->methods->record(reader, 3, &bytes), GS_ENOTFOUND);
    assert_int_equal(reader->methods->record(reader, BASE, &bytes), GS_ENOTFOUND);
    assert_int_equal(reader->methods->record(reader, BASE + 1, &bytes), 0);
    assert_int_equal(reader->methods->version(reader, gs_slice_make("player", 6), gs_slice_make("b", 1), &version), 0);
    assert_int_equal(version, VERSION + 1);
    assert_int_equal(
        reader->methods->entries(reader, gs_slice_make("player", 6), gs_slice_make("b", 1), &all, &entry, 1, &count),
        0);
    assert_int_equal(count, 0);
    reader->methods->end(reader);
    reader->methods->close(reader);
    gs_base_close(&base);
    gs_buffer_close(&bytes);
}

/* A record with an event on each of so many aggregates "player/a", "player/b". */
static void append_changes(struct based *based, uint32_t count) {
    struct gs_store *store = based->fixture->store;
    struct gs_event_change changes[2] = {0};
    struct gs_event event = {.event_type = gs_slice_make("test", 4),
                             .actor = gs_slice_make("test", 4),
                             .seq = based->author.next_seq,
                             .clock = based->author.clock + 1,
                             .change_count = count,
                             .changes = changes};
    for (uint32_t i = 0; i < count; i++) {
        changes[i].aggregate_type = based->states[i].type;
        changes[i].aggregate_id = based->states[i].id;
        changes[i].delta = (struct gs_delta){.origin = based->author.origin, .seq = event.seq, .clock = event.clock};
    }
    struct gs_buffer record = {0};
    test_author_seal(&based->author, &event, 1, NULL, 0, &record);
    assert_int_equal(store->methods->append(store, gs_slice_make(record.bytes, record.length), 1), 0);
    gs_buffer_close(&record);
}

/* "player/a" has an event of another author, the fourth. */
static void make_state_of_a(struct based *based, const struct test_author *other) {
    struct gs_aggregate *aggregate = gs_aggregate_new(NULL);
    const struct gs_delta delta = {.origin = other->origin, .seq = 4, .clock = 7};
    based->states[0].state.length = 0;
    assert_int_equal(gs_aggregate_apply(aggregate, &delta), 0);
    assert_int_equal(gs_aggregate_encode(aggregate, GS_ENCODE_FULL, &based->states[0].state), 0);
    gs_aggregate_free(aggregate);
}

static uint64_t version_of(struct gs_history_reader *reader, const struct gs_keep_state *state) {
    uint64_t version = 0;
    assert_int_equal(reader->methods->version(reader, state->type, state->id, &version), 0);
    return version;
}

/* The vector of the first change of a record has `count` origins; `other`'s seq there. */
static uint64_t seq_of(struct gs_history_reader *reader, uint64_t position, const gs_origin *other, uint32_t count) {
    struct gs_buffer list = {0};
    struct gs_version_vector vector = {0};
    uint64_t version = 0;
    uint64_t seq = 0;
    assert_int_equal(reader->methods->versions(reader, position, &list), 0);
    assert_int_equal(gs_version_list_get(gs_slice_make(list.bytes, list.length), 0, &version, &vector), 0);
    assert_int_equal(vector.count, count);
    for (uint32_t i = 0; i < vector.count; i++) {
        gs_origin origin;
        assert_int_equal(reader->methods->origin(reader, vector.pairs[i].origin, &origin), 0);
        seq = gs_origin_equal(&origin, other) ? vector.pairs[i].seq : seq;
    }
    gs_version_vector_close(&vector);
    gs_buffer_close(&list);
    return seq;
}

/* Versions and vector clocks go on from the states, also from one that was kept anew before its next event. */
static void test_index_goes_on_from_states(void **state) {
    struct based *based = *state;
    struct gs_store *store = based->fixture->store;
    struct gs_history_reader *reader = NULL;
    struct test_author other;
    bool more = true;
    test_author_init(&other, 2);
    make_state_of_a(based, &other);
    assert_int_equal(install(based), 0);
    append_changes(based, 1);
    struct gs_keep_state anew = based->states[1];
    struct gs_keep keep = {.states = &anew, .count = 1, .low = BASE + 1, .position = BASE + 1};
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        keep.journals[i].first = keep.journals[i].oldest = 1; /* none */
    }
    gs_buffer_text(&keep.core, "checkpoint");
    anew.position = BASE + 1;
    assert_int_equal(store->methods->keep(store, &keep), 0);
    gs_buffer_close(&keep.core);
    append_changes(based, 2);
    while (more) {
        assert_int_equal(store->methods->project(store, 100, &more), 0);
    }
    assert_int_equal(store->methods->open_history(store, &reader), 0);
    assert_int_equal(reader->methods->begin(reader), 0);
    assert_int_equal(version_of(reader, &based->states[0]), VERSION + 2);
    assert_int_equal(version_of(reader, &based->states[1]), VERSION + 2); /* it was one ahead */
    assert_int_equal(seq_of(reader, BASE + 1, &other.origin, 2), 4);
    assert_int_equal(seq_of(reader, BASE + 2, &other.origin, 2), 4);
    reader->methods->end(reader);
    reader->methods->close(reader);
}

static void test_all_or_nothing(void **state) {
    struct based *based = *state;
    based->fault = GS_ECLOSED;
    assert_int_equal(install(based), GS_ECLOSED);
    assert_untouched(based);
    based->fault = 0;
    based->parts[1].low = BASE - 1;
    assert_int_equal(install(based), GS_EINVAL); /* the checkpoint wants a record that is gone */
    assert_untouched(based);
    based->parts[1].low = BASE;
    based->base.position = 0;
    assert_int_equal(install(based), GS_EINVAL);
    assert_untouched(based);
    based->base.position = BASE;
    assert_int_equal(install(based), 0);
}

static void test_not_over_a_log(void **state) {
    struct based *based = *state;
    struct test_author stranger;
    test_author_init(&stranger, 2);
    store_fixture_append(based->fixture, &stranger, 2, 0);
    assert_int_equal(install(based), GS_EINVAL);
    assert_int_equal(visit(based->fixture->store), GS_ENOTFOUND);
    assert_int_equal(store_fixture_replay(based->fixture), 0);
}

/* A log that begins at a base and goes on, with all that was made of it: the store is empty afterwards, takes another
 * base, and the copy has what was there. */
static void test_set_aside(void **state) {
    struct based *based = *state;
    struct gs_store *store = based->fixture->store;
    char where[GS_STORE_ASIDE_MAX] = "";
    char counted[32] = "";
    bool more = true;
    assert_int_equal(install(based), 0);
    append(based, &based->author, 0);
    append(based, &based->author, 0);
    while (more) {
        assert_int_equal(store->methods->project(store, 100, &more), 0);
    }
    assert_int_equal(store->methods->set_aside(store, 1234, where), 0);
    assert_int_equal(store->methods->append(store, gs_slice_make("x", 1), 1), GS_EIO); /* it may only be closed */
    reopen(based);
    assert_untouched(based);
    assert_int_equal(install(based), 0);
    if (strcmp(based->fixture->engine, "postgres") == 0) {
        assert_string_equal(where, "global_state.delta_log_aside_1234");
        test_sql(based->fixture->url, "SELECT count(*) FROM global_state.delta_log_aside_1234", counted,
                 sizeof counted);
        assert_string_equal(counted, "2");
        test_sql(based->fixture->url, "SELECT position FROM global_state.log_base_aside_1234", counted, sizeof counted);
        assert_string_equal(counted, "7");
        return;
    }
    char url[GS_STORE_ASIDE_MAX + 8];
    struct gs_store *copy = NULL;
    uint64_t count = 0;
    (void)snprintf(url, sizeof url, "sqlite:%s", where);
    assert_int_equal(gs_store_open(url, &copy, NULL), 0);
    assert_int_equal(copy->log_base.position, BASE);
    assert_int_equal(copy->methods->replay(copy, count_record, &count), 0);
    assert_int_equal(count, 2);
    copy->methods->close(copy);
}

/* Where there is no room for the copy nothing changes. */
static void test_no_room_aside(void **state) {
    struct based *based = *state;
    char where[GS_STORE_ASIDE_MAX] = "";
    struct test_author stranger;
    test_author_init(&stranger, 2);
    store_fixture_append(based->fixture, &stranger, 2, 0);
    char taken[160];
    (void)snprintf(taken, sizeof taken, "%s.aside-77", based->fixture->path);
    FILE *file = fopen(taken, "w");
    assert_non_null(file);
    (void)fputs("somebody else's", file);
    (void)fclose(file);
    assert_int_equal(based->fixture->store->methods->set_aside(based->fixture->store, 77, where), GS_ESTORE);
    char text[32] = "";
    file = fopen(taken, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "somebody else's");
    (void)fclose(file);
    reopen(based);
    assert_int_equal(store_fixture_replay(based->fixture), 0);
}

int main(void) {
#define ON_ALL(test)                                                   \
    cmocka_unit_test_setup_teardown(test, setup_memory, teardown),     \
        cmocka_unit_test_setup_teardown(test, setup_sqlite, teardown), \
        cmocka_unit_test_setup_teardown(test, setup_postgres, teardown)
    const struct CMUnitTest tests[] = {
        ON_ALL(test_installed),
        ON_ALL(test_index_goes_on_from_states),
        ON_ALL(test_the_log_goes_on_from_it),
        ON_ALL(test_what_is_gone_is_said_to_be),
        ON_ALL(test_readers_know),
        ON_ALL(test_all_or_nothing),
        ON_ALL(test_not_over_a_log),
        cmocka_unit_test_setup_teardown(test_set_aside, setup_sqlite, teardown),
        cmocka_unit_test_setup_teardown(test_set_aside, setup_postgres, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_aside, setup_sqlite, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
