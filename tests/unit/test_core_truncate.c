/* When a core lets records go: behind what members, peers and kept states need, and never while a fork is open; and
 * what it tells those who lack what is gone. */
#include "tests/unit/core_fixture.h"

static const struct gs_retention short_retention = {.count = 1, .rules = {{.type = "*", .ms = 1000}}};

/* The first author alone is trusted, or nobody is but us. */
static void trust_author(struct core_fixture *fixture, bool trusted) {
    for (uint32_t i = 0; i < fixture->trust.count; i++) {
        struct gs_trust_entry *entry = &fixture->trust.entries[i];
        bool first = memcmp(&entry->key, &fixture->authors[0].keys.public_key, sizeof entry->key) == 0;
        bool home = memcmp(&entry->key, &fixture->config.keys.public_key, sizeof entry->key) == 0;
        entry->revoked = !home && (!first || !trusted);
    }
}

static int setup(void **state) {
    struct core_fixture *fixture = malloc(sizeof *fixture);
    core_open(fixture, 0);
    fixture->config.keep = (struct gs_keep_policy){.behind_ms = 100};
    fixture->config.retention = &short_retention;
    gs_core_free(fixture->core);
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
    assert_int_equal(core_start(fixture), 0);
    trust_author(fixture, false);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* Lets time pass until a truncation is asked for; NULL if none is within a few seconds. */
static const struct gs_truncation *wait_for(struct core_fixture *fixture) {
    for (int i = 0; i < 20; i++) {
        core_tick(fixture, 300);
        if (fixture->update.truncation != NULL) {
            return fixture->update.truncation;
        }
        if (fixture->update.keep != NULL) {
            core_keep(fixture);
        }
        if (fixture->update.truncation != NULL) {
            return fixture->update.truncation;
        }
        core_settle(fixture);
    }
    return NULL;
}

static void answer(struct core_fixture *fixture, int error, const struct gs_truncated *result) {
    core_step(fixture,
              (struct gs_core_event){.type = GS_CORE_TRUNCATED, .truncated = {.error = error, .result = result}});
}

static void test_only_what_is_kept(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    core_tick(fixture, 200);
    assert_non_null(fixture->update.keep);
    uint64_t low = fixture->update.keep->low;
    assert_true(low > 0);
    for (int i = 0; i < 10; i++) { /* the keep is under way: nothing may go */
        struct gs_keep *keep = fixture->update.keep;
        fixture->update.keep = NULL;
        core_tick(fixture, 300);
        assert_null(fixture->update.truncation);
        fixture->update.keep = keep != NULL ? keep : fixture->update.keep;
        core_settle(fixture);
        if (keep != NULL) {
            fixture->keeps[fixture->keep_count++] = keep;
            fixture->update.keep = NULL;
        }
    }
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_KEPT});
    const struct gs_truncation *truncation = fixture->update.truncation;
    truncation = truncation != NULL ? truncation : wait_for(fixture);
    assert_non_null(truncation);
    assert_int_equal(truncation->low, low);
    assert_ptr_equal(truncation->retention, &short_retention);
    assert_true(gs_vector_equal(&truncation->stable, gs_core_stored(fixture->core)));
    assert_int_equal(truncation->now_ms, fixture->now_ms);
}

static void test_a_keep_that_failed(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    core_tick(fixture, 200);
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_KEPT, .kept = GS_ESTORE});
    assert_null(fixture->update.truncation);
    assert_null(wait_for(fixture));
}

/* What a member has not acknowledged stays, and what a peer that is linked lacks. */
static void test_only_what_others_have(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    gs_origin self = gs_core_origin(fixture->core);
    struct gs_head one = *gs_vector_find(gs_core_stored(fixture->core), &self);
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':2}]");
    trust_author(fixture, true);
    assert_null(wait_for(fixture)); /* nothing was ever heard of a region: it may be writing all the while */
    core_link(fixture, 0, NULL, 0);
    struct gs_buffer record = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':1}]", &one);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    gs_buffer_close(&record);
    const struct gs_truncation *truncation = wait_for(fixture);
    assert_non_null(truncation);
    assert_int_equal(gs_vector_seq(&truncation->stable, &self), 0); /* the peer says that it has nothing */
    struct gs_truncated nothing = {0};
    answer(fixture, 0, &nothing);
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 1}});
    truncation = wait_for(fixture);
    assert_non_null(truncation);
    assert_int_equal(gs_vector_seq(&truncation->stable, &self), 1);
}

/* One step at a time, and commits get as much of the store's time; one that failed is tried again much later. */
static void test_one_at_a_time(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_truncated result = {.records = 2, .more = true};
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    assert_non_null(wait_for(fixture));
    assert_null(wait_for(fixture));
    answer(fixture, 0, &result); /* after six seconds */
    core_tick(fixture, 5900);
    assert_null(fixture->update.truncation);
    core_tick(fixture, 200);
    assert_non_null(fixture->update.truncation);
    core_tick(fixture, 8);
    answer(fixture, 0, &result);
    core_tick(fixture, 6);
    assert_null(fixture->update.truncation);
    core_tick(fixture, 4);
    assert_non_null(fixture->update.truncation);
    answer(fixture, GS_ESTORE, NULL);
    assert_null(wait_for(fixture));
    core_tick(fixture, 60000);
    assert_non_null(fixture->update.truncation);
    assert_int_equal(core_stats(fixture).truncated, 4);
}

static bool was_told(const struct core_fixture *fixture, enum gs_batches_answer expected) {
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        bool found = gs_message_decode(send->message.bytes, send->message.length, &message) == 0 &&
                     message.kind == GS_MESSAGE_BATCHES && message.answer == expected;
        gs_message_close(&message);
        if (found) {
            return true;
        }
    }
    return false;
}

/* A peer that is behind the base is told so; one that has what is gone is not. */
static void test_a_peer_behind_the_base(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    assert_non_null(wait_for(fixture));
    struct gs_truncated result = {.position = fixture->disk_count, .records = 1};
    assert_int_equal(gs_vector_copy(&result.heads, gs_core_stored(fixture->core)), 0);
    answer(fixture, 0, &result);
    trust_author(fixture, true);
    core_link(fixture, 0, NULL, 0);
    core_tell(fixture, 0, GS_VECTOR_WANT, NULL, 0);
    assert_true(was_told(fixture, GS_BATCHES_GONE));
    assert_int_equal(fixture->update.log_read_count, 0);
    core_tell(fixture, 0, GS_VECTOR_WANT, result.heads.heads, result.heads.count);
    assert_true(was_told(fixture, GS_BATCHES_LAST));
    assert_false(was_told(fixture, GS_BATCHES_GONE));
    gs_vector_close(&result.heads);
}

/* … and one that tells us so is remembered for it, until it has something for us. */
static void test_behind_a_peers_base(void **state) {
    struct core_fixture *fixture = *state;
    trust_author(fixture, true);
    core_link(fixture, 0, NULL, 0);
    core_deliver(fixture, 0, GS_BATCHES_GONE, NULL, 0);
    assert_false(core_dropped(fixture, 0));
    assert_int_equal(core_stats(fixture).behind_base, 1);
    core_deliver(fixture, 0, GS_BATCHES_LAST, NULL, 0);
    assert_int_equal(core_stats(fixture).behind_base, 0);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_only_what_is_kept), CASE(test_a_keep_that_failed),     CASE(test_only_what_others_have),
        CASE(test_one_at_a_time),     CASE(test_a_peer_behind_the_base), CASE(test_behind_a_peers_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
