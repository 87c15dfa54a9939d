/* Two runs of one key: each learns of the other through its peers, and the later one stops. */
#include "tests/unit/core_fixture.h"

static int open_running(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* A statement of another run of `keys`, `later_ms` after ours (may be negative). */
static struct gs_statement state_of(const struct core_fixture *fixture, const struct gs_key_pair *keys,
                                    int64_t later_ms, const gs_instance *rival) {
    struct gs_statement statement = {.key = keys->public_key, .instance = {{0x77}}};
    statement.started_ms = (uint64_t)((int64_t)fixture->config.now_ms + later_ms);
    statement.rival = rival != NULL ? *rival : (gs_instance){{0}};
    gs_statement_sign(&statement, &fixture->config.cluster, keys);
    return statement;
}

static void test_a_later_run_is_answered(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_statement rival = state_of(fixture, &fixture->config.keys, 10, NULL);
    struct gs_statement counter;
    core_state(fixture, 0, &rival);
    assert_false(fixture->update.halt);
    for (uint32_t author = 0; author < 2; author++) {
        assert_true(core_stated(fixture, author, &counter));
        assert_true(gs_instance_equal(&counter.instance, &fixture->instance));
        assert_true(gs_instance_equal(&counter.rival, &rival.instance));
        assert_int_equal(gs_statement_verify(&counter, &fixture->config.cluster), 0);
    }
    core_state(fixture, 0, &rival); /* not at any rate */
    assert_false(core_stated(fixture, 0, &counter));
    core_tick(fixture, 500);
    core_state(fixture, 0, &rival);
    assert_true(core_stated(fixture, 0, &counter));
}

static void test_an_earlier_run_that_names_us_stops_us(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_statement rival = state_of(fixture, &fixture->config.keys, -10, &fixture->instance);
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':4}]");
    core_state(fixture, 0, &rival);
    assert_true(fixture->update.halt);
    assert_int_equal(fixture->update.note_count, 1); /* the proof is kept; the fixture has taken its bytes */
    assert_string_equal(fixture->update.notes[0].name, "rival");
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, GS_ESHUTDOWN);
    assert_false(fixture->update.has_commit);
    gs_command_free(command);
}

/* Of an earlier run that is long gone, anybody may have kept a statement; it names somebody else. */
static void test_an_old_statement_stops_nobody(void **state) {
    struct core_fixture *fixture = *state;
    gs_instance other = {{0x12}};
    struct gs_statement counter;
    struct gs_statement gone = state_of(fixture, &fixture->config.keys, -10, NULL);
    core_state(fixture, 0, &gone);
    assert_false(fixture->update.halt);
    assert_false(core_stated(fixture, 0, &counter));
    gone = state_of(fixture, &fixture->config.keys, -10, &other);
    core_state(fixture, 0, &gone);
    assert_false(fixture->update.halt);
}

static void test_a_forged_statement_costs_the_link(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_statement forged = state_of(fixture, &fixture->authors[0].keys, -10, &fixture->instance);
    forged.key = fixture->config.keys.public_key;
    core_state(fixture, 0, &forged);
    assert_false(fixture->update.halt);
    assert_true(core_dropped(fixture, 0));
}

static void test_a_statement_of_another_cluster_is_forged(void **state) {
    struct core_fixture *fixture = *state;
    gs_cluster other = gs_cluster_from_name("other");
    struct gs_statement rival = state_of(fixture, &fixture->config.keys, -10, &fixture->instance);
    gs_statement_sign(&rival, &other, &fixture->config.keys);
    core_state(fixture, 0, &rival);
    assert_false(fixture->update.halt);
    assert_true(core_dropped(fixture, 0));
}

/* News about others goes round once. */
static void test_news_is_passed_on_once(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_statement passed;
    struct gs_statement news = state_of(fixture, &fixture->authors[2].keys, 10, NULL);
    core_state(fixture, 0, &news);
    assert_true(core_stated(fixture, 1, &passed));
    assert_memory_equal(passed.instance.bytes, news.instance.bytes, GS_INSTANCE_SIZE);
    assert_false(core_stated(fixture, 0, &passed));
    core_tick(fixture, 1000);
    core_state(fixture, 0, &news);
    assert_false(core_stated(fixture, 1, &passed));
    news.instance.bytes[1]++;
    gs_statement_sign(&news, &fixture->config.cluster, &fixture->authors[2].keys);
    core_state(fixture, 1, &news);
    assert_true(core_stated(fixture, 0, &passed));
    news.instance.bytes[1]++; /* at once again: not at any rate */
    gs_statement_sign(&news, &fixture->config.cluster, &fixture->authors[2].keys);
    core_state(fixture, 1, &news);
    assert_false(core_stated(fixture, 0, &passed));
}

static bool answer_of(struct core_fixture *fixture, uint32_t author, bool *ret_rival) {
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        bool found = send->peer == author + 1 && message.kind == GS_MESSAGE_HOLDINGS;
        *ret_rival = found ? message.rival_alive : *ret_rival;
        gs_message_close(&message);
        if (found) {
            return true;
        }
    }
    return false;
}

static void link_down(struct core_fixture *fixture, uint32_t author, bool replaced) {
    core_step(fixture,
              (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = author + 1, .replaced = replaced}});
}

/* The second of two runs comes over a new link of the same key. */
static bool second_run_hears_of_rival(struct core_fixture *fixture, bool replaced, uint64_t after_ms) {
    bool rival = false;
    struct gs_statement first = state_of(fixture, &fixture->authors[0].keys, 10, NULL);
    core_state(fixture, 0, &first);
    assert_true(answer_of(fixture, 0, &rival));
    assert_false(rival);
    link_down(fixture, 0, replaced);
    core_tick(fixture, after_ms);
    core_link(fixture, 0, NULL, 0);
    struct gs_statement second = first;
    second.instance.bytes[2] = 9;
    gs_statement_sign(&second, &fixture->config.cluster, &fixture->authors[0].keys);
    core_state(fixture, 0, &second);
    assert_true(answer_of(fixture, 0, &rival));
    struct gs_statement told;
    assert_true(core_stated(fixture, 0, &told));
    assert_memory_equal(told.instance.bytes, first.instance.bytes, GS_INSTANCE_SIZE);
    return rival;
}

static void test_a_run_whose_link_was_taken_over_counts_as_alive(void **state) {
    assert_true(second_run_hears_of_rival(*state, true, 0));
}

static void test_a_run_that_was_cut_off_does_not(void **state) {
    assert_false(second_run_hears_of_rival(*state, false, 0));
}

static void test_nor_one_that_has_been_silent_for_long(void **state) {
    assert_false(second_run_hears_of_rival(*state, true, 15000));
}

/* A peer that has lost its disk hears of all that is here, also of what waits for its turn. */
static void test_an_answer_covers_what_waits(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    test_author_batch(&fixture->authors[0], 2, 0, &first);
    test_author_batch(&fixture->authors[0], 3, 0, &second);
    core_push(fixture, 0, &second);
    struct gs_statement statement = state_of(fixture, &fixture->authors[0].keys, 10, NULL);
    core_state(fixture, 0, &statement);
    struct gs_holding holding = {0};
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (message.kind == GS_MESSAGE_HOLDINGS) {
            assert_int_equal(message.holding_count, 1);
            holding = message.holdings[0];
        }
        gs_message_close(&message);
    }
    assert_int_equal(holding.seq, 5);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

#define RUNNING(name) cmocka_unit_test_setup_teardown(name, open_running, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNNING(test_a_later_run_is_answered),
        RUNNING(test_an_earlier_run_that_names_us_stops_us),
        RUNNING(test_an_old_statement_stops_nobody),
        RUNNING(test_a_forged_statement_costs_the_link),
        RUNNING(test_a_statement_of_another_cluster_is_forged),
        RUNNING(test_news_is_passed_on_once),
        RUNNING(test_a_run_whose_link_was_taken_over_counts_as_alive),
        RUNNING(test_a_run_that_was_cut_off_does_not),
        RUNNING(test_nor_one_that_has_been_silent_for_long),
        RUNNING(test_an_answer_covers_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
