/* What people are shown: names that pass to a new origin, lists, lag; and what must leave no trace. */
#include "tests/unit/core_fixture.h"

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, 0, NULL, 0);
    *state = fixture;
    return 0;
}

static int close_linked(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static char *copy_json(struct gs_slice json) {
    char *copy = calloc(1, json.length + 1);
    assert_non_null(copy);
    memcpy(copy, json.bytes, json.length);
    return copy;
}

/* The document of t/a as a reader gets it; the caller frees it. */
static char *read_a(struct core_fixture *fixture) {
    struct gs_command *command = core_read_a(fixture);
    char *json = copy_json(command->views[0]->json);
    gs_command_free(command);
    return json;
}

static struct gs_command *ask_json(struct core_fixture *fixture, enum gs_command_kind kind, int *answered) {
    struct gs_command *command = gs_command_new(kind);
    command->list_type = gs_slice_make("t", 1);
    command->list_limit = 10;
    command->owner = answered;
    core_ask(fixture, command);
    return command;
}

/* The plain name goes to the newest life of a key; views that show the old owner under it are wrong from then on. */
static void test_views_are_forgotten_when_a_name_passes_on(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    char *json = read_a(fixture);
    assert_non_null(strstr(json, "\"region-0\":1"));
    free(json);
    struct test_author later = fixture->authors[0];
    static const uint8_t random[6] = {9};
    later.incarnation = gs_incarnation_make(CORE_NOW_MS, random);
    later.origin = gs_origin_derive(&later.keys.public_key, &later.incarnation);
    later.next_seq = 1;
    memset(&later.last_hash, 0, sizeof later.last_hash);
    struct gs_buffer first = {0};
    test_author_batch(&later, 1, 0, &first);
    core_push(fixture, 0, &first);
    assert_true(fixture->update.forget_views);
    json = read_a(fixture);
    assert_null(strstr(json, "\"region-0\":1"));
    assert_non_null(strstr(json, "\"region-0~"));
    free(json);
    gs_buffer_close(&record);
    gs_buffer_close(&first);
}

/* That an aggregate is gone may be lost, as long as its deletion is not stored. */
static void test_a_list_waits_for_deletions(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    int deleted = 0;
    int listed = 0;
    struct gs_command *deletion = core_write_new(1, &deleted);
    core_write_set(deletion, 0, "a", "[{'op':'unset','path':''}]");
    core_ask(fixture, deletion);
    struct gs_command *list = ask_json(fixture, GS_COMMAND_LIST, &listed);
    assert_int_equal(listed, 0);
    core_store(fixture, 0);
    assert_int_equal(listed, 1);
    assert_int_equal(list->json.length, strlen("{\"items\":[],\"next\":null}"));
    gs_command_free(deletion);
    gs_command_free(list);
}

static void test_a_held_batch_leaves_no_aggregates(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_event_change change;
    struct test_author *author = &fixture->authors[0];
    struct test_author before = *author;
    struct gs_event events[2] = {
        {.seq = 1, .clock = author->clock, .event_type = {(const uint8_t *)GS_ACK_EVENT_TYPE, 6}}};
    author->next_seq++;
    author->clock++;
    events[1] = author_event(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", &change, &arena);
    change.delta.previous = 1; /* of an aggregate that it never changed */
    *author = before;
    struct gs_buffer record = {0};
    test_author_seal(author, events, 2, NULL, 0, &record);
    core_push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(core_stats(fixture).aggregates, 0);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

/* A peer that is gone still has what its log said it had. */
static void test_lag_outlives_the_link(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    const gs_origin self = gs_core_origin(fixture->core);
    struct gs_head ours = *gs_vector_find(gs_core_stored(fixture->core), &self);
    struct gs_buffer record = author_write(fixture, 0, "b", "[{'op':'increment','path':'/n','by':3}]", &ours);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 1}});
    int answered = 0;
    struct gs_command *command = ask_json(fixture, GS_COMMAND_STATUS, &answered);
    assert_int_equal(answered, 1);
    char *json = copy_json(gs_slice_make(command->json.bytes, command->json.length));
    const char *peer = strstr(json, "\"peers\":[");
    assert_non_null(peer);
    peer = strstr(peer, "\"region\":\"region-0\"");
    assert_non_null(peer);
    assert_non_null(strstr(peer, "\"state\":\"dead\""));
    assert_true(strstr(peer, "\"lag\":{\"events\":0,") < strstr(peer, "\"vector\":"));
    assert_non_null(strstr(peer, "\"lag\":{\"events\":0,"));
    free(json);
    gs_command_free(command);
    gs_buffer_close(&record);
}

static void test_links_are_looked_after_however_rare_the_exchange(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    (void)state;
    assert_non_null(fixture);
    core_open(fixture, 0);
    fixture->config.sync_interval_ms = 3600000;
    core_restart(fixture);
    core_link(fixture, 0, NULL, 0);
    core_tick(fixture, 1);
    assert_true(fixture->update.next_mono_ms <= fixture->mono_ms + 1000);
    core_close(fixture);
    free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_views_are_forgotten_when_a_name_passes_on, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_list_waits_for_deletions, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_a_held_batch_leaves_no_aggregates, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_lag_outlives_the_link, open_linked, close_linked),
        cmocka_unit_test(test_links_are_looked_after_however_rare_the_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
