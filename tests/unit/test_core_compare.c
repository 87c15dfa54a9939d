/* Comparisons with peers that lie: every lie ends the comparison within a bounded number of rounds, names the peer, and
 * changes nothing. */
#include "gossip/attestation.h"
#include "node/core/core_impl.h"
#include "tests/unit/core_fixture.h"

enum { LIAR = 0, ROUNDS_MAX = 1100, WRONG = 0x5a };

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, LIAR, NULL, 0);
    core_write(fixture, "a", "[{'op':'set','path':'/name','value':'Ada'}]");
    core_write(fixture, "b", "[{'op':'set','path':'/name','value':'Bob'}]");
    *state = fixture;
    return 0;
}

static int close_linked(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* What the last step asked of the liar, if it was `op`. */
static bool asked(const struct core_fixture *fixture, enum gs_compare_op op, struct gs_compare *ret_compare) {
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message;
        struct gs_compare compare;
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (message.kind == GS_MESSAGE_COMPARE) {
            assert_int_equal(gs_compare_decode(message.compare, &compare), 0);
            if (compare.op == op) {
                *ret_compare = compare;
                gs_message_close(&message);
                return true;
            }
            gs_compare_close(&compare);
        }
        gs_message_close(&message);
    }
    return false;
}

static void say(struct core_fixture *fixture, const struct gs_compare *compare) {
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    gs_compare_write(compare, &body);
    gs_message_write_compare(gs_slice_make(body.bytes, body.length), &message);
    core_step(fixture, (struct gs_core_event){
                           .type = GS_CORE_MESSAGE,
                           .peer = {.peer = LIAR + 1, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&body);
    gs_buffer_close(&message);
}

static char *ask_jobs(struct core_fixture *fixture, struct gs_sync_request *request) {
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    int answered = 0;
    command->owner = &answered;
    command->sync = *request;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    *request = command->sync;
    char *text = calloc(1, command->json.length + 1);
    memcpy(text, command->json.bytes, command->json.length);
    gs_command_free(command);
    return text;
}

/* Starts a sync with the liar; it has asked for the root. The answer, but for the root, is in `ret_root`. */
static void begin(struct core_fixture *fixture, enum gs_sync_mode mode, char ret_id[GS_SYNC_ID_SIZE],
                  struct gs_compare *ret_ask) {
    static const struct gs_slice regions[] = {{(const uint8_t *)"region-0", 8}};
    struct gs_sync_request request = {.ask = GS_SYNC_START, .mode = mode, .regions = regions, .region_count = 1};
    free(ask_jobs(fixture, &request));
    memcpy(ret_id, request.ret_id, GS_SYNC_ID_SIZE);
    for (int i = 0; i < 5 && !asked(fixture, GS_COMPARE_ASK, ret_ask); i++) {
        core_tick(fixture, 1);
    }
    assert_int_equal(ret_ask->op, GS_COMPARE_ASK);
}

static void say_root(struct core_fixture *fixture, struct gs_compare *root, bool forged) {
    const struct test_author *author = &fixture->authors[LIAR];
    struct gs_attestation attestation = {
        .key = author->keys.public_key, .vector = &root->vector, .root = root->root, .count = root->leaves};
    assert_int_equal(gs_attestation_sign(&attestation, &fixture->config.cluster, &author->keys), 0);
    memcpy(root->signature, attestation.signature, sizeof root->signature);
    root->signature[0] ^= forged ? 1 : 0;
    say(fixture, root);
}

/* A root that is not ours, at our vector, signed. */
static void answer_root(struct core_fixture *fixture, struct gs_compare *ask, uint64_t leaves, bool forged) {
    struct gs_compare root = {.op = GS_COMPARE_ROOT, .session = ask->session, .vector = ask->vector, .leaves = leaves};
    memset(root.root.bytes, WRONG, GS_HASH_SIZE);
    say_root(fixture, &root, forged);
}

/* The root is ours: both agree. */
static void agree(struct core_fixture *fixture, struct gs_compare *ask) {
    struct gs_compare root = {.op = GS_COMPARE_ROOT, .session = ask->session, .vector = ask->vector};
    gs_digest_tree_root(&fixture->core->digest.tree, &root.root, &root.leaves);
    say_root(fixture, &root, false);
}

/* The job has failed for the liar, and says `why`; our state is what it was. */
static void assert_failed(struct core_fixture *fixture, const char *id, const char *why) {
    struct gs_sync_request request = {.ask = GS_SYNC_GET, .id = gs_slice_make(id, strlen(id))};
    core_tick(fixture, 1);
    char *text = ask_jobs(fixture, &request);
    if (strstr(text, "\"region\":\"region-0\",\"status\":\"failed\"") == NULL || strstr(text, why) == NULL) {
        fail_msg("not failed for \"%s\": %s", why, text);
    }
    assert_true(request.over);
    free(text);
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        assert_null(fixture->core->compares.sessions[i]);
    }
    assert_shows(fixture, "a", "{'name':'Ada'}");
    assert_shows(fixture, "b", "{'name':'Bob'}");
}

static void test_forged_root(void **state) {
    struct core_fixture *fixture = *state;
    char id[GS_SYNC_ID_SIZE];
    struct gs_compare ask = {0};
    begin(fixture, GS_SYNC_FULL, id, &ask);
    answer_root(fixture, &ask, 2, true);
    gs_compare_close(&ask);
    assert_failed(fixture, id, "its signature does not hold");
}

/* Inner nodes below inner nodes, for ever. Returns the rounds. */
static uint32_t show_endless(struct core_fixture *fixture, uint64_t leaves, char ret_id[GS_SYNC_ID_SIZE]) {
    struct gs_compare ask = {0};
    uint32_t rounds = 0;
    begin(fixture, GS_SYNC_FULL, ret_id, &ask);
    answer_root(fixture, &ask, leaves, false);
    for (struct gs_compare open; asked(fixture, GS_COMPARE_OPEN, &open); rounds++) {
        struct gs_compare nodes = {.op = GS_COMPARE_NODES, .session = open.session, .count = open.count};
        nodes.children = calloc(open.count, sizeof *nodes.children);
        for (uint32_t i = 0; i < open.count; i++) {
            nodes.children[i].inner = UINT16_MAX;
            memset(nodes.children[i].hashes, WRONG, sizeof nodes.children[i].hashes);
        }
        say(fixture, &nodes);
        free(nodes.children);
        gs_compare_close(&open);
        assert_true(rounds < ROUNDS_MAX);
    }
    gs_compare_close(&ask);
    return rounds;
}

static void test_endless_differences(void **state) {
    char id[GS_SYNC_ID_SIZE];
    assert_true(show_endless(*state, 2, id) <= 3); /* two leaves do not need so many nodes */
    assert_failed(*state, id, "it shows more than it has counted");
    (void)show_endless(*state, UINT64_C(1) << 40, id);
    assert_failed(*state, id, "it shows more than it has counted");
}

static void answer_open(struct core_fixture *fixture, uint32_t count, const struct gs_compare_children *children) {
    struct gs_compare open;
    struct gs_compare_children copy[2] = {children[0], children[0]};
    assert_true(asked(fixture, GS_COMPARE_OPEN, &open));
    struct gs_compare nodes = {.op = GS_COMPARE_NODES, .session = open.session, .count = count, .children = copy};
    say(fixture, &nodes);
    gs_compare_close(&open);
}

static void test_counts_that_do_not_fit(void **state) {
    struct core_fixture *fixture = *state;
    char id[GS_SYNC_ID_SIZE];
    struct gs_compare ask = {0};
    const struct gs_compare_children none = {0};
    begin(fixture, GS_SYNC_VERIFY, id, &ask);
    answer_root(fixture, &ask, 2, false);
    gs_compare_close(&ask);
    answer_open(fixture, 2, &none);
    assert_failed(fixture, id, "an answer that was not asked for");
}

/* Another root over the very same leaves. */
static void test_nothing_differs(void **state) {
    struct core_fixture *fixture = *state;
    char id[GS_SYNC_ID_SIZE];
    struct gs_compare ask = {0};
    struct gs_digest_tree tree;
    struct gs_digest_entry entries[GS_DIGEST_FANOUT];
    const struct gs_digest_prefix top = {0};
    struct gs_compare_children same = {0};
    begin(fixture, GS_SYNC_FULL, id, &ask);
    assert_int_equal(gs_digest_take(fixture->core, &tree), 0);
    gs_digest_tree_children(&tree, &top, entries);
    for (int i = 0; i < GS_DIGEST_FANOUT; i++) {
        same.inner |= (uint16_t)(entries[i].kind == GS_DIGEST_INNER ? 1U << i : 0);
        same.leaf |= (uint16_t)(entries[i].kind == GS_DIGEST_LEAF ? 1U << i : 0);
        memcpy(same.hashes[i], entries[i].hash.bytes, GS_COMPARE_HASH_SIZE);
    }
    gs_digest_tree_close(&tree);
    answer_root(fixture, &ask, 2, false);
    gs_compare_close(&ask);
    answer_open(fixture, 1, &same);
    assert_failed(fixture, id, "nothing differs below it");
}

/* A leaf of ours, another hash, and a state that is not what the hash is of. */
static void test_state_that_was_not_claimed(void **state) {
    struct core_fixture *fixture = *state;
    char id[GS_SYNC_ID_SIZE];
    struct gs_compare ask = {0};
    struct gs_compare want;
    struct gs_compare_children lie = {0};
    struct gs_slice name = gs_slice_make("t/a", 3);
    gs_digest_path path = gs_digest_path_of(fixture->core->digest.tree.key, name);
    uint8_t at = gs_digest_nibble(&path, 0);
    begin(fixture, GS_SYNC_FULL, id, &ask);
    answer_root(fixture, &ask, 2, false);
    gs_compare_close(&ask);
    lie.leaf = (uint16_t)(1U << at);
    memset(lie.hashes[at], WRONG, GS_COMPARE_HASH_SIZE);
    answer_open(fixture, 1, &lie);
    assert_true(asked(fixture, GS_COMPARE_WANT, &want));
    struct gs_buffer bytes = {0};
    struct gs_aggregate *empty = gs_aggregate_new(NULL);
    assert_int_equal(gs_aggregate_encode(empty, GS_ENCODE_FULL, &bytes), 0);
    struct gs_compare_state given = {.name = name, .state = gs_slice_make(bytes.bytes, bytes.length)};
    struct gs_compare states = {.op = GS_COMPARE_STATES, .session = want.session, .count = 1, .states = &given};
    say(fixture, &states);
    gs_aggregate_free(empty);
    gs_buffer_close(&bytes);
    gs_compare_close(&want);
    assert_failed(fixture, id, "a state is not what its hash was of");
}

static char *show_job(struct core_fixture *fixture, const char *id, bool over) {
    struct gs_sync_request request = {.ask = GS_SYNC_GET, .id = gs_slice_make(id, strlen(id))};
    core_tick(fixture, 1);
    char *text = ask_jobs(fixture, &request);
    assert_int_equal(request.over, over);
    return text;
}

/* A full sync ends when the region's own log was looked through, and fails for what is damaged there and stays so. */
static void look_through(struct core_fixture *fixture, uint32_t left, bool refused, const char *log,
                         const char *error) {
    static const struct gs_slice regions[] = {{(const uint8_t *)"region-0", 8}};
    struct gs_sync_request request = {
        .ask = GS_SYNC_START, .mode = GS_SYNC_FULL, .regions = regions, .region_count = 1};
    struct gs_compare ask = {0};
    fixture->core->config.heals_log = true;
    free(ask_jobs(fixture, &request));
    bool wanted = fixture->update.damaged;
    for (int i = 0; i < 5 && !asked(fixture, GS_COMPARE_ASK, &ask); i++) {
        core_tick(fixture, 1);
        wanted = wanted || fixture->update.damaged;
    }
    assert_true(wanted);
    agree(fixture, &ask);
    gs_compare_close(&ask);
    char *text = show_job(fixture, request.ret_id, false);
    assert_non_null(strstr(text, "\"status\":\"completed\"")); /* the peer's part; the walk goes on */
    assert_non_null(strstr(text, "\"log\":null"));
    free(text);
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_HEALED,
                                              .healed = {.records = 2, .left = left, .refused = refused}});
    text = show_job(fixture, request.ret_id, true);
    const char *status =
        left > 0 ? "\"mode\":\"full\",\"status\":\"failed\"" : "\"mode\":\"full\",\"status\":\"completed\"";
    if (strstr(text, log) == NULL || strstr(text, error) == NULL || strstr(text, status) == NULL) {
        fail_msg("not %s and %s: %s", log, error, text);
    }
    free(text);
}

static void test_log_is_looked_through(void **state) {
    look_through(*state, 0, false, "\"log\":{\"healed\":2,\"damaged\":0}", "\"error\":null");
}

static void test_log_stays_damaged(void **state) {
    look_through(*state, 3, false, "\"log\":{\"healed\":2,\"damaged\":3}",
                 "\"error\":\"3 records of this region's log");
}

static void test_log_cannot_be_looked_through(void **state) {
    look_through(*state, 0, true, "\"log\":null", "\"error\":null");
}

static void test_silence(void **state) {
    struct core_fixture *fixture = *state;
    char id[GS_SYNC_ID_SIZE];
    struct gs_compare ask = {0};
    begin(fixture, GS_SYNC_VERIFY, id, &ask);
    gs_compare_close(&ask);
    for (uint32_t ms = 0; ms <= GS_COMPARE_ANSWER_MS; ms += 5000) {
        core_tell(fixture, LIAR, GS_VECTOR_TELL, NULL, 0); /* it lives */
        core_tick(fixture, 5000);
    }
    assert_failed(fixture, id, "does not answer");
}

/* A peer that asks without end holds a few sessions, and no more; questions out of place get no answer. */
static void test_asker_is_bounded(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_compare ask = {.op = GS_COMPARE_ASK, .vector = *gs_core_stored(fixture->core)};
    struct gs_compare answer;
    uint32_t held = 0;
    for (ask.session = 1; ask.session <= 50; ask.session++) {
        say(fixture, &ask);
        bool busy = asked(fixture, GS_COMPARE_END, &answer);
        assert_int_equal(busy, ask.session > GS_COMPARES_PER_PEER);
    }
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        held += fixture->core->compares.sessions[i] != NULL ? 1 : 0;
    }
    assert_int_equal(held, GS_COMPARES_PER_PEER);
    struct gs_compare_prefix deep = {.depth = GS_COMPARE_DEPTH_MAX};
    struct gs_compare open = {.op = GS_COMPARE_OPEN, .session = 1, .count = 1, .prefixes = &deep};
    say(fixture, &open);
    assert_true(asked(fixture, GS_COMPARE_NODES, &answer));
    assert_int_equal(answer.children[0].inner | answer.children[0].leaf, 0);
    gs_compare_close(&answer);
    open.session = 99;
    say(fixture, &open);
    assert_false(asked(fixture, GS_COMPARE_NODES, &answer));
    core_tick(fixture, GS_COMPARE_STALE_MS - 1);
    ask.session = 100;
    say(fixture, &ask);
    assert_true(asked(fixture, GS_COMPARE_END, &answer)); /* the peer may still be at work on what it was told */
    core_tick(fixture, 1);
    say(fixture, &ask);
    assert_false(asked(fixture, GS_COMPARE_END, &answer)); /* the oldest has given way */
    for (int i = 0; i < 14; i++) {
        core_tell(fixture, LIAR, GS_VECTOR_TELL, NULL, 0);
        core_tick(fixture, 5000);
    }
    for (int i = 0; i < GS_COMPARES_MAX; i++) {
        assert_null(fixture->core->compares.sessions[i]); /* nobody went on with them */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forged_root, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_endless_differences, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_counts_that_do_not_fit, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_nothing_differs, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_state_that_was_not_claimed, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_log_is_looked_through, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_log_stays_damaged, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_log_cannot_be_looked_through, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_silence, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_asker_is_bounded, open_linked, close_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
