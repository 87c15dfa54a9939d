/* The conflict ledger is after a start what it was before, whether the start begins with the log or with what was kept:
 * its entries, their numbers and the vector clocks in them. */
#include "tests/unit/core_fixture.h"

#include "node/core/core_impl.h"

#include <stdio.h>

enum {
    FIELDS = 480, /* conflicts of one wide event */
    WIDE = 22,    /* such events: more conflicts than the ledger keeps */
};

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    fixture->config.keep = (struct gs_keep_policy){.behind_ms = 100};
    core_restart(fixture);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_link(fixture, i, NULL, 0);
    }
    *state = fixture;
    return 0;
}

static int close_linked(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* All of the ledger that one page has room for, newest first; the caller frees it. */
static char *read_ledger(struct core_fixture *fixture) {
    int answered = 0;
    struct gs_buffer text = {0};
    struct gs_command *command = gs_command_new(GS_COMMAND_CONFLICTS);
    assert_non_null(command);
    command->list_limit = GS_LEDGER_PAGE_MAX;
    command->owner = &answered;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    gs_buffer_printf(&text, "%llu recorded\n", (unsigned long long)command->conflict_recorded);
    for (uint32_t i = 0; i < command->conflict_count; i++) {
        gs_buffer_append(&text, command->conflicts[i].json.bytes, command->conflicts[i].json.length);
        gs_buffer_byte(&text, '\n');
    }
    gs_buffer_byte(&text, '\0');
    assert_int_equal(text.failed, 0);
    gs_command_free(command);
    return (char *)text.bytes;
}

static void assert_recorded(struct core_fixture *fixture, uint64_t recorded, const char *mark) {
    char expected[32];
    char *ledger = read_ledger(fixture);
    snprintf(expected, sizeof expected, "%llu recorded\n", (unsigned long long)recorded);
    assert_int_equal(strncmp(ledger, expected, strlen(expected)), 0);
    assert_non_null(strstr(ledger, mark));
    free(ledger);
}

static void assert_survives(struct core_fixture *fixture) {
    char *before = read_ledger(fixture);
    uint64_t known = core_stats(fixture).conflicts_known;
    for (int i = 0; i < 2; i++) { /* the second start recovers what the first has not changed */
        core_restart(fixture);
        char *after = read_ledger(fixture);
        assert_string_equal(after, before);
        assert_int_equal(core_stats(fixture).conflicts_known, known);
        free(after);
    }
    free(before);
}

static void link_again(struct core_fixture *fixture) {
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_link(fixture, i, NULL, 0);
    }
}

/* An author that has not seen our newest write sets the same field of `id`. */
static void push_write(struct core_fixture *fixture, uint32_t author, const char *id, const char *ops,
                       const struct gs_head *dep) {
    struct gs_buffer record = author_write(fixture, author, id, ops, dep);
    core_push(fixture, author, &record);
    core_settle(fixture);
    gs_buffer_close(&record);
}

static void collide(struct core_fixture *fixture, uint32_t author, const char *field, const struct gs_head *dep) {
    char ops[100];
    snprintf(ops, sizeof ops, "[{'op':'set','path':'/%s','value':'home'}]", field);
    core_write(fixture, "a", ops);
    snprintf(ops, sizeof ops, "[{'op':'set','path':'/%s','value':'author %u'}]", field, author);
    push_write(fixture, author, "a", ops, dep);
}

static void keep_now(struct core_fixture *fixture) {
    core_tick(fixture, 200);
    core_keep(fixture);
}

static void test_log_alone(void **state) {
    struct core_fixture *fixture = *state;
    collide(fixture, 0, "first", NULL);
    collide(fixture, 1, "second", NULL);
    assert_recorded(fixture, 2, "/second");
    assert_survives(fixture);
}

/* Meetings before what was kept, after it, and both. The clock of the write that waits is told by what its author had
 * witnessed before that, and is asked for only afterwards. */
static void test_kept_between(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'set','path':'/seen','value':1}]");
    const gs_origin self = gs_core_origin(fixture->core);
    struct gs_head seen = *gs_vector_find(gs_core_stored(fixture->core), &self);
    collide(fixture, 0, "before", &seen);
    push_write(fixture, 1, "a", "[{'op':'set','path':'/late','value':'author 1'}]", &seen);
    keep_now(fixture);
    assert_survives(fixture);
    link_again(fixture);
    push_write(fixture, 2, "a", "[{'op':'set','path':'/late','value':'author 2'}]", NULL);
    collide(fixture, 0, "after", NULL);
    assert_recorded(fixture, 3, "\"path\":\"/before\"");
    assert_recorded(fixture, 3, "\"path\":\"/after\"");
    assert_recorded(fixture, 3, "\"region\":\"region-1\",\"seq\":1,\"timestamp\":");
    assert_recorded(fixture, 3, "\"vectorClock\":{\"home\":1,\"region-1\":1}");
    char *ledger = read_ledger(fixture);
    assert_null(strstr(ledger, "\"vectorClock\":null"));
    free(ledger);
    assert_survives(fixture);
    link_again(fixture);
    keep_now(fixture);
    collide(fixture, 2, "last", NULL);
    assert_recorded(fixture, 4, "\"path\":\"/before\"");
    assert_survives(fixture);
}

static void wide_ops(uint32_t number, const char *value, struct gs_buffer *ops) {
    gs_buffer_text(ops, "[");
    for (uint32_t i = 0; i < FIELDS; i++) {
        gs_buffer_printf(ops, "%s{'op':'set','path':'/f%u-%u','value':'%s'}", i > 0 ? "," : "", number, i, value);
    }
    gs_buffer_text(ops, "]");
    gs_buffer_byte(ops, '\0');
    assert_int_equal(ops->failed, 0);
}

/* The bound goes through what was kept: its oldest entries went before the start and do not come back. */
static void test_kept_beyond_the_bound(void **state) {
    struct core_fixture *fixture = *state;
    for (uint32_t i = 0; i < WIDE; i++) {
        struct gs_buffer home = {0};
        struct gs_buffer away = {0};
        char id[8];
        snprintf(id, sizeof id, "w%u", i % 2);
        wide_ops(i, "home", &home);
        wide_ops(i, "away", &away);
        core_write(fixture, id, (const char *)home.bytes);
        push_write(fixture, i % 2, id, (const char *)away.bytes, NULL);
        gs_buffer_close(&home);
        gs_buffer_close(&away);
        if (i % 4 == 2) {
            keep_now(fixture);
        }
    }
    assert_int_equal(core_stats(fixture).conflicts, WIDE * FIELDS);
    assert_int_equal(core_stats(fixture).conflicts_known, GS_LEDGER_ENTRIES_MAX);
    assert_survives(fixture);
}

static struct gs_head head_of(const struct test_author *author) {
    return (struct gs_head){.origin = author->origin, .seq = author->next_seq - 1, .hash = author->last_hash};
}

static void assert_witnessed(struct core_fixture *fixture, uint64_t seq, const gs_origin *of, bool known,
                             uint64_t expected) {
    uint64_t found = UINT64_MAX;
    const struct gs_origin_state *writer = gs_registry_find(fixture->core, &fixture->authors[0].origin);
    assert_int_equal(gs_witness_at(fixture->core, writer, seq, of, &found), known);
    assert_true(!known || found == expected);
}

static void note_often(struct core_fixture *fixture, const struct gs_buffer *bytes, uint64_t first, uint64_t last) {
    struct gs_record record;
    struct gs_batch_head head;
    assert_int_equal(gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record), 0);
    assert_int_equal(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head), 0);
    struct gs_origin_state *writer = gs_registry_find(fixture->core, &fixture->authors[0].origin);
    for (head.first_seq = first; head.first_seq <= last; head.first_seq++) {
        assert_int_equal(gs_witness_note(fixture->core, writer, &head), 0);
        assert_true(writer->witness.count <= WITNESS_MAX);
    }
}

/* An author goes on for long after it has heard of another: what it had of that one is still known. */
static void test_clocks_of_quiet_origins(void **state) {
    struct core_fixture *fixture = *state;
    const uint64_t last = 5 * WITNESS_MAX;
    core_write(fixture, "a", "[{'op':'set','path':'/seen','value':1}]");
    push_write(fixture, 1, "b", "[{'op':'increment','path':'/n','by':1}]", NULL);
    const gs_origin self = gs_core_origin(fixture->core);
    const gs_origin quiet = fixture->authors[1].origin;
    struct gs_head seen = *gs_vector_find(gs_core_stored(fixture->core), &self);
    struct gs_head heard = head_of(&fixture->authors[1]);
    push_write(fixture, 0, "c", "[{'op':'increment','path':'/n','by':1}]", &heard);
    struct gs_buffer record = author_write(fixture, 0, "c", "[{'op':'increment','path':'/n','by':1}]", &seen);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    note_often(fixture, &record, 3, last);
    keep_now(fixture);
    for (int i = 0; i < 2; i++) {
        assert_witnessed(fixture, last, &quiet, true, 1);
        assert_witnessed(fixture, last - WITNESS_MAX / 4, &quiet, true, 1);
        assert_witnessed(fixture, last, &self, true, seen.seq);
        assert_witnessed(fixture, last, &fixture->authors[2].origin, true, 0);
        assert_witnessed(fixture, 1, &quiet, false, 0); /* too long ago */
        core_restart(fixture);
    }
    gs_buffer_close(&record);
}

/* The same request in two regions that did not hear each other: both count, and it is told for each aggregate. */
static void push_request(struct core_fixture *fixture, uint32_t author, uint8_t key, uint8_t request) {
    struct gs_arena arena = {0};
    struct gs_event_change change;
    struct gs_buffer record = {0};
    struct gs_event event =
        author_event(fixture, author, "a", "[{'op':'increment','path':'/n','by':3}]", &change, &arena);
    event.idempotency = (struct gs_idempotency){.present = true, .key = {key}, .request = {request}};
    test_author_seal(&fixture->authors[author], &event, 1, NULL, 0, &record);
    core_push(fixture, author, &record);
    core_settle(fixture);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

static void test_requests_that_crossed(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) { /* they write now, and not long ago */
        fixture->authors[i].clock = gs_hlc_from_ms(CORE_NOW_MS + i * 50);
    }
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':3}]")->idempotency =
        (struct gs_idempotency){.present = true, .key = {7}, .request = {8}};
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    push_request(fixture, 0, 7, 8);
    assert_shows(fixture, "a", "{'n':6}");
    assert_recorded(fixture, 1, "\"path\":\"\",\"type\":\"event\",\"rule\":\"crossed_requests\"");
    assert_recorded(fixture, 1, "\"vectorClock\":{\"home\":1}");
    assert_recorded(fixture, 1, "\"vectorClock\":{\"region-0\":1}");
    push_request(fixture, 1, 7, 9);
    assert_recorded(fixture, 2, "crossed_keys");
    push_request(fixture, 2, 6, 9);
    assert_recorded(fixture, 2, "crossed_keys");
    assert_survives(fixture);
    link_again(fixture);
    keep_now(fixture);
    assert_survives(fixture);
    gs_command_free(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_alone, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_kept_between, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_kept_beyond_the_bound, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_clocks_of_quiet_origins, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_requests_that_crossed, open_linked, close_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
