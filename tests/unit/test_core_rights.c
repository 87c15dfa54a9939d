/* Rights of bounded counters between regions: who gets them, who sees them, and batches that spend what is not there.
 */
#include "tests/unit/core_fixture.h"

#include <stdio.h>

#define CREATE(initial) "{'op':'create','path':'/n','type':'bounded_counter','initial':" #initial "}"
#define INCREMENT(by) "{'op':'increment','path':'/n','by':" #by "}"

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    for (uint32_t i = 0; i < 2; i++) {
        core_link(fixture, i, NULL, 0);
        core_deliver(fixture, i, GS_BATCHES_LAST, NULL, 0);
    }
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static void push(struct core_fixture *fixture, uint32_t author, const char *ops) {
    struct gs_buffer record = author_write(fixture, author, "a", ops, NULL);
    core_push(fixture, author, &record);
    core_settle(fixture);
    gs_buffer_close(&record);
}

/* A batch of author 0 that says it takes `by`, whatever it holds. */
static void push_forged(struct core_fixture *fixture, int64_t by) {
    struct gs_arena arena = {0};
    struct gs_buffer record = {0};
    struct gs_event_change change;
    struct gs_event event = author_event(fixture, 0, "a", "[" INCREMENT(-1) "]", &change, &arena);
    struct gs_change *forged = (struct gs_change *)change.delta.changes;
    forged->by = by;
    test_author_seal(&fixture->authors[0], &event, 1, NULL, 0, &record);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

static void test_a_batch_that_overspends_is_held(void **state) {
    struct core_fixture *fixture = *state;
    push(fixture, 0, "[" CREATE(3) "]");
    push_forged(fixture, -4);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
    assert_shows(fixture, "a", "{'n':3}");
    push(fixture, 0, "[" INCREMENT(1) "]"); /* what follows waits */
    push(fixture, 1, "[{'op':'set','path':'/other','value':1}]");
    assert_shows(fixture, "a", "{'n':3,'other':1}");
    core_restart(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    core_tick(fixture, 1000);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_shows(fixture, "a", "{'n':3,'other':1}");
}

static void test_all_that_is_held_may_be_spent(void **state) {
    struct core_fixture *fixture = *state;
    push(fixture, 0, "[" CREATE(3) "]");
    push_forged(fixture, -3);
    assert_int_equal(core_stats(fixture).held, 0);
    assert_shows(fixture, "a", "{'n':0}");
}

/* The counter that is spent from was never made: nothing of the batch stays. */
static void test_an_aggregate_of_debts_is_not_made(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_buffer record = {0};
    struct gs_event_change change;
    struct gs_event event = author_event(fixture, 0, "a", "[" CREATE(3) "]", &change, &arena);
    struct gs_change *forged = (struct gs_change *)change.delta.changes;
    forged->kind = GS_OP_INCREMENT_BC;
    forged->by = -1;
    test_author_seal(&fixture->authors[0], &event, 1, NULL, 0, &record);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_int_equal(core_stats(fixture).aggregates, 0);
    assert_shows(fixture, "a", "");
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

/* Two events of one batch: the second spends what the first made. */
static void test_events_of_a_batch_build_on_each_other(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author *author = &fixture->authors[0];
    struct gs_arena arena = {0};
    struct gs_buffer record = {0};
    struct gs_event_change changes[2];
    struct gs_event events[2];
    uint64_t seq = author->next_seq;
    gs_hlc clock = author->clock;
    for (int i = 0; i < 2; i++) {
        events[i] =
            author_event(fixture, 0, "a", i == 0 ? "[" CREATE(1) "]" : "[" INCREMENT(-1) "]", &changes[i], &arena);
        author->next_seq++;
        author->clock++;
    }
    author->next_seq = seq;
    author->clock = clock;
    test_author_seal(author, events, 2, NULL, 0, &record);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 0);
    assert_shows(fixture, "a", "{'n':0}");
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

static void write_transfer(const struct core_fixture *fixture, uint32_t to, int by, char ret_ops[160]) {
    char hex[2 * GS_ORIGIN_SIZE + 1];
    for (int i = 0; i < GS_ORIGIN_SIZE; i++) {
        snprintf(hex + 2 * i, 3, "%02x", fixture->authors[to].origin.bytes[i]);
    }
    snprintf(ret_ops, 160, "[{'op':'transfer','path':'/n','to':'%s','by':%d}]", hex, by);
}

/* Whether it knew of what it was given or not: once it is here, the batch is applied, so that all nodes come to the
 * same. */
static void test_it_is_tried_again_when_rights_have_moved(void **state) {
    struct core_fixture *fixture = *state;
    char ops[160];
    push(fixture, 0, "[" CREATE(3) "]");
    push_forged(fixture, -4);
    assert_int_equal(core_stats(fixture).held, 1);
    push(fixture, 1, "[" CREATE(5) "]");
    core_tick(fixture, 1000);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_shows(fixture, "a", "{'n':8}");
    write_transfer(fixture, 0, 2, ops);
    push(fixture, 1, ops);
    core_tick(fixture, 1000);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).held, 0);
    assert_shows(fixture, "a", "{'n':4}");
}

static void refuse_transfer(struct core_fixture *fixture, const char *to, const char *detail) {
    int answered = 0;
    char ops[160];
    snprintf(ops, sizeof ops, "[" CREATE(5) ",{'op':'transfer','path':'/n','to':'%s','by':1}]", to);
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", ops);
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->results[0].error, GS_EINVAL);
    assert_string_equal(command->results[0].problem.field, "/ops/1/to");
    assert_non_null(strstr(command->results[0].problem.detail, detail));
    gs_command_free(command);
}

static void test_regions_are_named_and_shown(void **state) {
    struct core_fixture *fixture = *state;
    refuse_transfer(fixture, "region-0", "\"region-0\" is no region that has written");
    refuse_transfer(fixture, "nowhere", "\"nowhere\" is no region");
    refuse_transfer(fixture, "0123456789abcdef0123456789abcdef", "is no region");
    push(fixture, 0, "[{'op':'set','path':'/other','value':1}]");
    core_write(fixture, "a", "[" CREATE(5) ",{'op':'transfer','path':'/n','to':'region-0','by':2}]");
    struct gs_command *command = core_read_a(fixture);
    char *json = calloc(1, command->views[0]->json.length + 1);
    memcpy(json, command->views[0]->json.bytes, command->views[0]->json.length);
    const char *rights = strstr(json, "\"rights\":{\"/n\":{\"bound\":0,\"regions\":{");
    assert_non_null(rights);
    assert_non_null(strstr(rights, "\"region-0\":2"));
    assert_non_null(strstr(rights, ":3"));
    free(json);
    gs_command_free(command);
}

#define LINKED(name) cmocka_unit_test_setup_teardown(name, open_linked, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED(test_a_batch_that_overspends_is_held),          LINKED(test_all_that_is_held_may_be_spent),
        LINKED(test_an_aggregate_of_debts_is_not_made),        LINKED(test_events_of_a_batch_build_on_each_other),
        LINKED(test_it_is_tried_again_when_rights_have_moved), LINKED(test_regions_are_named_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
