/* Bookkeeping of what was cancelled goes out of memory once every origin that may still write has applied that, and
 * not before. */
#include "tests/unit/core_fixture.h"

/* Of the authors the first alone is trusted. */
static int setup(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    for (uint32_t i = 0; i < fixture->trust.count; i++) {
        struct gs_trust_entry *entry = &fixture->trust.entries[i];
        entry->revoked = memcmp(&entry->key, &fixture->config.keys.public_key, sizeof entry->key) != 0 &&
                         memcmp(&entry->key, &fixture->authors[0].keys.public_key, sizeof entry->key) != 0;
    }
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, 0, NULL, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static struct gs_head our_head(const struct core_fixture *fixture) {
    gs_origin origin = gs_core_origin(fixture->core);
    return *gs_vector_find(gs_core_stored(fixture->core), &origin);
}

static void push(struct core_fixture *fixture, struct gs_buffer *record) {
    core_push(fixture, 0, record);
    core_settle(fixture);
    gs_buffer_close(record);
}

/* The author writes something, elsewhere, and has applied all that we have written. */
static void acknowledge(struct core_fixture *fixture, struct test_author *author) {
    struct gs_head head = our_head(fixture);
    struct gs_event event = {.seq = author->next_seq,
                             .clock = author->clock + 1,
                             .event_type = gs_slice_make(GS_ACK_EVENT_TYPE, strlen(GS_ACK_EVENT_TYPE))};
    struct gs_buffer record = {0};
    test_author_seal(author, &event, 1, &head, 1, &record);
    push(fixture, &record);
}

static void pass_time(struct core_fixture *fixture) {
    for (int i = 0; i < 10; i++) {
        core_tick(fixture, 300);
        core_settle(fixture);
    }
}

/* The author goes on with another life: with what it had of t/a, but under a new origin. */
static void begin_anew(struct core_fixture *fixture, struct test_author *author) {
    static const uint8_t random[6] = {9};
    author->incarnation = gs_incarnation_make(CORE_NOW_MS, random);
    author->origin = gs_origin_derive(&author->keys.public_key, &author->incarnation);
    author->next_seq = 1;
    memset(&author->last_hash, 0, sizeof author->last_hash);
    fixture->replicas[0].origin = author->origin;
}

/* What is said of why t/ID is remembered contains `part`. */
static void assert_held(struct core_fixture *fixture, const char *id, const char *part) {
    struct gs_read_key key = {.aggregate_type = gs_slice_make("t", 1), .aggregate_id = gs_slice_make(id, strlen(id))};
    struct gs_command *command = gs_command_new(GS_COMMAND_STABILITY);
    int answered = 0;
    char text[1000] = "";
    assert_non_null(command);
    command->owner = &answered;
    command->keys = &key;
    command->key_count = 1;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    assert_true(command->json.length < sizeof text);
    memcpy(text, command->json.bytes, command->json.length);
    if (strstr(text, part) == NULL) {
        fail_msg("%s is not in %s", part, text);
    }
    gs_command_free(command);
}

/* Nobody hears of what may still be lost. */
static void test_told_when_it_is_stored(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_read_key key = {.aggregate_type = gs_slice_make("t", 1), .aggregate_id = gs_slice_make("a", 1)};
    int written = 0;
    int answered = 0;
    struct gs_command *write = core_write_new(1, &written);
    core_write_set(write, 0, "a", "[{'op':'set','path':'/x','value':1}]");
    core_ask(fixture, write);
    struct gs_command *command = gs_command_new(GS_COMMAND_STABILITY);
    assert_non_null(command);
    command->owner = &answered;
    command->keys = &key;
    command->key_count = 1;
    core_ask(fixture, command);
    assert_int_equal(answered, 0);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    gs_command_free(command);
    gs_command_free(write);
}

static void test_deleted_and_acknowledged(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a",
               "[{'op':'increment','path':'/some/counter','by':5},{'op':'score','path':'/b','member':'x','by':1}]");
    core_write(fixture, "a", "[{'op':'unset','path':''}]");
    pass_time(fixture);
    assert_int_equal(core_stats(fixture).compacted, 0); /* nothing was ever heard of the other region */
    assert_held(fixture, "a", "\"shown\":{}}],\"stable\":false,\"cleaned\":false");
    assert_held(fixture, "a", "\"linked\":true");
    struct gs_buffer record = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':1}]", NULL);
    push(fixture, &record);
    pass_time(fixture);
    assert_int_equal(core_stats(fixture).compacted, 0);
    assert_held(fixture, "a", "\"stable\":false,\"cleaned\":false");
    uint64_t before = core_stats(fixture).aggregate_bytes;
    acknowledge(fixture, &fixture->authors[0]);
    pass_time(fixture);
    struct gs_core_stats after = core_stats(fixture);
    assert_int_equal(after.compacted, 1);
    assert_true(after.compacted_bytes > 200);
    assert_int_equal(after.aggregate_bytes, before - after.compacted_bytes);
    assert_int_equal(after.unclean, 0);
    assert_held(fixture, "a", "\"heldBackBy\":[],\"stable\":true,\"cleaned\":true");
    assert_shows(fixture, "a", "{}");
    core_restart(fixture); /* what the log makes of it is cleaned anew */
    pass_time(fixture);
    assert_int_equal(core_stats(fixture).compacted, 1);
    assert_shows(fixture, "a", "{}");
}

/* What a new life has applied says nothing of what an earlier one wrote and nobody has yet. */
static void test_an_earlier_life(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/c','by':5}]", NULL);
    push(fixture, &record);
    core_write(fixture, "a", "[{'op':'unset','path':'/c'}]");
    struct test_author first = fixture->authors[0];
    struct replica old = fixture->replicas[0];
    begin_anew(fixture, &fixture->authors[0]);
    acknowledge(fixture, &fixture->authors[0]);
    pass_time(fixture);
    assert_int_equal(core_stats(fixture).compacted, 0);
    assert_held(fixture, "a", "~"); /* the earlier life, by its name */
    assert_held(fixture, "a", "\"stable\":false");
    fixture->authors[0] = first;
    fixture->replicas[0].origin = old.origin;
    record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/c','by':2}]", NULL);
    push(fixture, &record);
    assert_shows(fixture, "a", "{\"c\":2}");
}

/* A region that comes back with an old disk inserts behind an element which all have deleted. */
static void test_places_stay(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(
        fixture, 0, "a",
        "[{'op':'create','path':'/l','type':'list'},{'op':'insert','path':'/l','index':0,'value':'x'}]", NULL);
    push(fixture, &record);
    struct gs_head known = test_author_head(&fixture->authors[0]);
    core_write(fixture, "a", "[{'op':'delete','path':'/l','index':0}]");
    acknowledge(fixture, &fixture->authors[0]);
    pass_time(fixture);
    assert_int_equal(core_stats(fixture).unclean, 0);
    begin_anew(fixture, &fixture->authors[0]);
    record = author_write(fixture, 0, "a", "[{'op':'insert','path':'/l','index':1,'value':'y'}]", &known);
    push(fixture, &record);
    assert_shows(fixture, "a", "{\"l\":[\"y\"]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told_when_it_is_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_and_acknowledged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_earlier_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_stay, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
