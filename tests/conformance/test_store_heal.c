/* A damaged log becomes what it was, from records that others have, and from nothing else. */
#include "node/store/damage.h"
#include "store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { AUTHORS = 3, RECORDS = 30 };

struct world {
    struct store_fixture *fixture;
    struct test_author authors[AUTHORS];
    struct gs_trust trust;
    struct gs_damage damage;
};

static int setup(void **state, const char *engine) {
    struct world *world = calloc(1, sizeof *world);
    world->fixture = store_fixture_new(engine);
    world->trust.entries = calloc(AUTHORS, sizeof *world->trust.entries);
    world->trust.count = AUTHORS;
    for (uint32_t i = 0; i < AUTHORS; i++) {
        test_author_init(&world->authors[i], i);
        world->trust.entries[i].key = world->authors[i].keys.public_key;
        snprintf(world->trust.entries[i].region, sizeof world->trust.entries[i].region, "region-%u", i);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        store_fixture_append(world->fixture, &world->authors[(i * 5 + i / 7) % AUTHORS], 1 + i % 3, i % 4 * 100);
    }
    store_fixture_close(world->fixture);
    *state = world;
    return 0;
}

static int setup_sqlite(void **state) {
    return setup(state, "sqlite");
}

static int setup_postgres(void **state) {
    return setup(state, "postgres");
}

static int teardown(void **state) {
    struct world *world = *state;
    gs_damage_close(&world->damage);
    free(world->trust.entries);
    store_fixture_free(world->fixture);
    free(world);
    return 0;
}

/* Both engines understand it. */
static void execute(struct world *world, const char *sql) {
    char answer[8];
    if (strcmp(world->fixture->engine, "postgres") == 0) {
        test_sql(world->fixture->url, sql, answer, sizeof answer);
        return;
    }
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(world->fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static const char *log_of(const struct world *world) {
    return strcmp(world->fixture->engine, "postgres") == 0 ? "global_state.delta_log" : "delta_log";
}

/* Makes a column of a row something else. */
static void spoil(struct world *world, const char *column, uint32_t position) {
    char sql[200];
    if (strcmp(column, "last_seq") == 0) {
        snprintf(sql, sizeof sql, "UPDATE %s SET last_seq = last_seq + 1000 WHERE position = %u", log_of(world),
                 position);
    } else if (strcmp(world->fixture->engine, "postgres") == 0) {
        snprintf(sql, sizeof sql, "UPDATE %s SET %s = set_byte(%s, 9, get_byte(%s, 9) # 4) WHERE position = %u",
                 log_of(world), column, column, column, position);
    } else {
        snprintf(sql, sizeof sql,
                 "UPDATE %s SET %s = CAST(substr(%s, 1, 9) || x'00' || substr(%s, 11) AS BLOB) WHERE position = %u",
                 log_of(world), column, column, column, position);
    }
    execute(world, sql);
}

static void erase(struct world *world, uint32_t position) {
    char sql[200];
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE position = %u", log_of(world), position);
    execute(world, sql);
}

static int on_row(void *context, const struct gs_stored_row *row) {
    return gs_damage_row(context, row);
}

/* A walk in slices, as the node does it. */
static void walk(struct world *world, bool thorough) {
    struct gs_store *store = world->fixture->store;
    uint64_t after = 0, last = 0;
    assert_int_equal(gs_damage_begin(&world->damage, &world->authors[0].cluster, &world->trust, NULL, 0, thorough), 0);
    for (;;) {
        assert_int_equal(store->methods->inspect(store, after, 7, on_row, &world->damage, &last), 0);
        if (last == after) {
            break;
        }
        after = last;
    }
    assert_int_equal(gs_damage_end(&world->damage), 0);
    assert_false(world->damage.hopeless);
}

/* What a peer answers that has all of it: a few records of the gap's origin after what is known, and too many. */
static uint32_t answer(const struct world *world, const struct gs_damage_gap *gap, struct gs_slice *records) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->fixture->log.count && count < 2; i++) {
        const struct expected_record *record = &world->fixture->log.records[i];
        if (gs_origin_equal(&record->origin, &gap->origin) && record->first_seq > gap->at.seq) {
            records[count++] = gs_slice_make(record->bytes.bytes, record->bytes.length);
        }
    }
    return count;
}

static int heal(struct world *world) {
    struct gs_store *store = world->fixture->store;
    struct gs_damage *damage = &world->damage;
    uint64_t positions[RECORDS];
    struct gs_slice records[RECORDS];
    for (struct gs_damage_gap *gap = gs_damage_next(damage); gap != NULL; gap = gs_damage_next(damage)) {
        uint32_t count = answer(world, gap, records);
        assert_true(gs_damage_take(damage, gap, records, count) > 0);
    }
    int error = gs_damage_place(damage);
    for (uint32_t i = 0; error == 0 && i < damage->row_count; i++) {
        positions[i] = damage->rows[i].position;
        records[i] = gs_slice_make(damage->rows[i].record.bytes, damage->rows[i].record.length);
    }
    return error != 0 ? error : store->methods->heal(store, positions, records, damage->row_count);
}

/* Rows spoilt in every way there is, next to each other and at the ends of origins. */
static void test_healed(void **state) {
    struct world *world = *state;
    static const char *const columns[] = {"record", "checksum", "origin", "last_seq"};
    for (uint32_t i = 0; i < 4; i++) {
        spoil(world, columns[i], 5 + 4 * i);
    }
    spoil(world, "record", 1);
    spoil(world, "record", 20);
    spoil(world, "record", 21);
    spoil(world, "origin", 22);
    erase(world, 25);
    for (uint32_t i = RECORDS - 3; i <= RECORDS; i++) {
        spoil(world, "record", i); /* the last one of each author among them */
    }
    store_fixture_open(world->fixture);
    assert_true(world->fixture->store->damaged);
    assert_int_equal(store_fixture_replay(world->fixture), GS_ECORRUPT);
    walk(world, false);
    assert_int_equal(world->damage.row_count, 13);
    assert_int_equal(heal(world), 0);
    assert_false(world->fixture->store->damaged);
    assert_int_equal(store_fixture_replay(world->fixture), 0);
    store_fixture_append(world->fixture, &world->authors[1], 1, 10);
    store_fixture_close(world->fixture);
    store_fixture_open(world->fixture);
    assert_int_equal(store_fixture_replay(world->fixture), 0);
    walk(world, true);
    assert_int_equal(world->damage.row_count, 0);
}

/* Two records of one origin have changed places, with all that is in their rows. */
static void test_misdirected(void **state) {
    struct world *world = *state;
    const struct expected_log *log = &world->fixture->log;
    uint32_t other = 4;
    while (!gs_origin_equal(&log->records[2].origin, &log->records[other].origin)) {
        other++;
    }
    char sql[400];
    snprintf(sql, sizeof sql,
             "UPDATE %s SET position = 1000 WHERE position = 3; UPDATE %s SET position = 3 WHERE position = %u; "
             "UPDATE %s SET position = %u WHERE position = 1000",
             log_of(world), log_of(world), other + 1, log_of(world), other + 1);
    execute(world, sql);
    store_fixture_open(world->fixture);
    assert_int_equal(store_fixture_replay(world->fixture), GS_ECORRUPT);
    walk(world, false);
    assert_int_equal(heal(world), 0);
    assert_int_equal(store_fixture_replay(world->fixture), 0);
}

/* A sound log has no damage, and a damaged one takes no append while a head is not known. */
static void test_nothing_to_heal(void **state) {
    struct world *world = *state;
    struct gs_buffer record = {0};
    store_fixture_open(world->fixture);
    walk(world, false);
    assert_int_equal(world->damage.row_count, 0);
    store_fixture_close(world->fixture);
    spoil(world, "record", RECORDS);
    store_fixture_open(world->fixture);
    struct test_author other;
    test_author_init(&other, 7);
    test_author_batch(&other, 1, 0, &record);
    const struct gs_slice bytes = gs_slice_make(record.bytes, record.length);
    assert_int_equal(world->fixture->store->methods->append(world->fixture->store, bytes, 1), GS_ECORRUPT);
    gs_buffer_close(&record);
}

/* Records of another history, of another place, or not signed, are not taken; nor is what does not meet the other side.
 */
static void test_lies(void **state) {
    struct world *world = *state;
    spoil(world, "record", 10);
    store_fixture_open(world->fixture);
    walk(world, false);
    assert_int_equal(world->damage.gap_count, 1);
    struct gs_damage_gap *gap = gs_damage_next(&world->damage);
    struct gs_slice records[2];
    assert_true(answer(world, gap, records) > 0);
    struct gs_buffer forged = {0};
    gs_buffer_append(&forged, records[0].bytes, records[0].length);
    forged.bytes[forged.length - 20] ^= 1;
    struct gs_slice lie = gs_slice_make(forged.bytes, forged.length);
    assert_true(gs_damage_take(&world->damage, gap, &lie, 1) < 0);
    assert_true(gs_damage_take(&world->damage, gap, &records[1], 1) < 0);
    /* The author itself, with another past: signed, but the record behind the gap names another one. */
    struct test_author fork;
    for (uint32_t i = 0; i < AUTHORS; i++) {
        fork = gs_origin_equal(&world->authors[i].origin, &gap->origin) ? world->authors[i] : fork;
    }
    fork.next_seq = gap->at.seq + 1;
    fork.last_hash = gap->at.hash;
    forged.length = 0;
    test_author_batch(&fork, (uint32_t)(gap->until - gap->at.seq), 33, &forged);
    lie = gs_slice_make(forged.bytes, forged.length);
    assert_int_equal(gs_damage_take(&world->damage, gap, &lie, 1), GS_ECHAIN);
    assert_int_equal(gap->record_count, 0);
    assert_int_equal(gs_damage_take(&world->damage, gap, records, 1), 1);
    assert_true(gap->complete);
    gs_buffer_close(&forged);
}

/* Somebody has put a forged record there, with a checksum that fits: chains say that something is wrong, signatures
 * what. */
static void test_forged_row(void **state) {
    struct world *world = *state;
    struct expected_record *victim = &world->fixture->log.records[11];
    struct gs_buffer forged = {0};
    gs_buffer_append(&forged, victim->bytes.bytes, victim->bytes.length);
    forged.bytes[80] ^= 1; /* in the head: prev_hash */
    const uint64_t position = 12;
    struct gs_slice record = gs_slice_make(forged.bytes, forged.length);
    store_fixture_open(world->fixture);
    struct gs_store *store = world->fixture->store;
    assert_int_equal(store->methods->heal(store, &position, &record, 1), 0);
    walk(world, false);
    assert_true(world->damage.suspicious);
    assert_int_equal(world->damage.row_count, 0);
    walk(world, true);
    assert_int_equal(world->damage.row_count, 1);
    assert_int_equal(heal(world), 0);
    assert_int_equal(store_fixture_replay(world->fixture), 0);
    gs_buffer_close(&forged);
}

/* A record that is somewhere else already is not put anywhere. */
static void test_twice(void **state) {
    struct world *world = *state;
    const struct expected_record *other = &world->fixture->log.records[3];
    const uint64_t position = 9;
    const struct gs_slice record = gs_slice_make(other->bytes.bytes, other->bytes.length);
    const struct gs_slice nonsense = gs_slice_make("\x01", 1);
    store_fixture_open(world->fixture);
    struct gs_store *store = world->fixture->store;
    assert_int_equal(store->methods->heal(store, &position, &record, 1), GS_ECORRUPT);
    assert_int_equal(store->methods->heal(store, &position, &nonsense, 1), GS_EFORMAT);
    assert_int_equal(store_fixture_replay(world->fixture), 0);
    store_fixture_append(world->fixture, &world->authors[0], 1, 0);
}

#define FOR_BOTH(test)                                          \
    {#test " sqlite", test, setup_sqlite, teardown, NULL}, {    \
#test " postgres", test, setup_postgres, teardown, NULL \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        FOR_BOTH(test_healed), FOR_BOTH(test_misdirected), FOR_BOTH(test_nothing_to_heal),
        FOR_BOTH(test_lies),   FOR_BOTH(test_forged_row),  FOR_BOTH(test_twice),
    };
    return cmocka_run_group_tests_name("store_heal", tests, NULL, NULL);
}
