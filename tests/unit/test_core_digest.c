/* The digest of a core: it says what memory holds at a vector, is never ahead of the disk, and cuts find what lies
 * beyond them. */
#include "gossip/attestation.h"
#include "node/core/core_impl.h"
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

static gs_hash root_of(const struct gs_digest_tree *tree) {
    gs_hash root;
    uint64_t count;
    gs_digest_tree_root(tree, &root, &count);
    return root;
}

static int add_leaf(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                    const struct gs_aggregate *aggregate) {
    struct gs_digest_tree *tree = context;
    struct gs_buffer name = {0};
    struct gs_buffer bytes = {0};
    gs_hash hash;
    assert_true(version > 0);
    gs_buffer_append(&name, type.bytes, type.length);
    gs_buffer_byte(&name, '/');
    gs_buffer_append(&name, id.bytes, id.length);
    assert_int_equal(gs_aggregate_encode(aggregate, GS_ENCODE_CANONICAL, &bytes), 0);
    struct gs_slice slice = gs_slice_make(name.bytes, name.length);
    gs_digest_path path = gs_digest_path_of(tree->key, slice);
    gs_digest_leaf_hash(tree->key, slice, gs_slice_make(bytes.bytes, bytes.length), &hash);
    int error = gs_digest_tree_set(tree, &path, slice, &hash);
    gs_buffer_close(&name);
    gs_buffer_close(&bytes);
    return error;
}

/* The tree that the core has, against one made of what is in memory now. */
static void assert_digest_is_memory(struct core_fixture *fixture, const struct gs_digest_tree *tree) {
    struct gs_digest_tree fresh = {0};
    memcpy(fresh.key, tree->key, sizeof fresh.key);
    assert_int_equal(gs_core_visit(fixture->core, add_leaf, &fresh), 0);
    gs_hash expected = root_of(&fresh);
    gs_hash root = root_of(tree);
    assert_memory_equal(root.bytes, expected.bytes, GS_HASH_SIZE);
    gs_digest_tree_close(&fresh);
}

static void test_follows_writes_of_all_regions(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_digest_tree tree;
    for (int i = 0; i < 5; i++) {
        core_write(fixture, i % 2 == 0 ? "a" : "b", "[{'op':'increment','path':'/n','by':3}]");
        struct gs_buffer record = author_write(fixture, 0, "c", "[{'op':'add','path':'/s','value':'x'}]", NULL);
        core_push(fixture, 0, &record);
        gs_buffer_close(&record);
        core_settle(fixture);
        assert_int_equal(gs_digest_take(fixture->core, &tree), 0);
        assert_digest_is_memory(fixture, &tree);
        gs_digest_tree_close(&tree);
        core_tick(fixture, 10);
    }
    core_restart(fixture);
    core_settle(fixture);
    assert_int_equal(gs_digest_take(fixture->core, &tree), 0);
    assert_digest_is_memory(fixture, &tree);
    gs_digest_tree_close(&tree);
}

static struct gs_command *ask_digest(struct core_fixture *fixture, int *answered) {
    struct gs_command *command = gs_command_new(GS_COMMAND_DIGEST);
    assert_non_null(command);
    command->owner = answered;
    core_ask(fixture, command);
    return command;
}

static char *text_of(const struct gs_command *command) {
    char *text = calloc(1, command->json.length + 1);
    assert_non_null(text);
    memcpy(text, command->json.bytes, command->json.length);
    return text;
}

static void test_speaks_only_of_what_is_stored(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    int written = 0;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_command *at_rest = ask_digest(fixture, &answered);
    assert_int_equal(answered, 1);
    struct gs_command *write = core_write_new(1, &written);
    core_write_set(write, 0, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_ask(fixture, write);
    struct gs_command *behind = ask_digest(fixture, &answered);
    assert_int_equal(answered, 1); /* a commit is in flight */
    core_store(fixture, 0);
    assert_int_equal(answered, 2);
    char *before = text_of(at_rest);
    char *after = text_of(behind);
    assert_string_not_equal(before, after);
    assert_non_null(strstr(before, "\"vector\":{\"home\":1}"));
    assert_non_null(strstr(after, "\"vector\":{\"home\":2}"));
    free(before);
    free(after);
    gs_command_free(at_rest);
    gs_command_free(behind);
    gs_command_free(write);
}

/* Between two commits under way the digest is that of the first one, though memory is further. */
static void test_is_that_of_the_sealed_group(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    int written = 0;
    struct gs_command *writes[3];
    struct gs_command *digest = NULL;
    for (int i = 0; i < 3; i++) {
        writes[i] = core_write_new(1, &written);
        core_write_set(writes[i], 0, "a", "[{'op':'increment','path':'/n','by':1}]");
    }
    core_ask(fixture, writes[0]);
    digest = ask_digest(fixture, &answered);
    core_ask(fixture, writes[1]);
    core_store(fixture, 0); /* the first; the second is sealed, and the digest with it */
    assert_int_equal(answered, 0);
    core_ask(fixture, writes[2]);
    core_store(fixture, 0);
    assert_int_equal(answered, 1);
    char *text = text_of(digest);
    assert_non_null(strstr(text, "\"vector\":{\"home\":2}"));
    free(text);
    core_settle(fixture);
    gs_command_free(digest);
    for (int i = 0; i < 3; i++) {
        gs_command_free(writes[i]);
    }
}

static void test_failed_commit_answers_the_digest(void **state) {
    struct core_fixture *fixture = *state;
    int answered = 0;
    int written = 0;
    struct gs_command *write = core_write_new(1, &written);
    core_write_set(write, 0, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_ask(fixture, write);
    struct gs_command *digest = ask_digest(fixture, &answered);
    core_store(fixture, GS_ESTORE);
    assert_int_equal(answered, 1);
    assert_int_equal(digest->error, GS_ESTORE);
    gs_command_free(write);
    gs_command_free(digest);
}

struct found {
    char ids[64];
};

static int note_cell(void *context, struct gs_cell *cell) {
    struct found *found = context;
    strncat(found->ids, (const char *)cell->id.bytes, cell->id.length);
    return 0;
}

static void test_cut_finds_what_lies_beyond(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_vector cut = {0};
    struct found found = {0};
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    core_write(fixture, "b", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(gs_vector_copy(&cut, gs_core_stored(fixture->core)), 0);
    assert_int_equal(gs_digest_visit_beyond(fixture->core, &cut, note_cell, &found), 0);
    assert_string_equal(found.ids, "");
    struct gs_buffer record = author_write(fixture, 0, "c", "[{'op':'increment','path':'/n','by':1}]", NULL);
    core_push(fixture, 0, &record);
    gs_buffer_close(&record);
    core_settle(fixture);
    core_write(fixture, "b", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(gs_digest_visit_beyond(fixture->core, &cut, note_cell, &found), 0);
    assert_string_equal(found.ids, "bc");
    /* What the other region has not got of us alone. */
    found = (struct found){0};
    gs_vector_close(&cut);
    assert_int_equal(gs_vector_copy(&cut, gs_core_stored(fixture->core)), 0);
    for (uint32_t i = 0; i < cut.count; i++) {
        if (!gs_origin_equal(&cut.heads[i].origin, &fixture->authors[0].origin)) {
            cut.heads[i].seq = 1;
        }
    }
    assert_int_equal(gs_digest_visit_beyond(fixture->core, &cut, note_cell, &found), 0);
    assert_string_equal(found.ids, "b");
    gs_vector_close(&cut);
}

/* An event of ours that waits for its batch is older than the batches that are applied meanwhile. */
static void test_cut_finds_what_waited_for_its_batch(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_vector cut = {0};
    struct found found = {0};
    int written = 0;
    struct gs_command *writes[2];
    for (int i = 0; i < 2; i++) {
        writes[i] = core_write_new(1, &written);
        core_write_set(writes[i], 0, i == 0 ? "a" : "b", "[{'op':'increment','path':'/n','by':1}]");
        core_ask(fixture, writes[i]);
    }
    struct gs_buffer record = author_write(fixture, 0, "c", "[{'op':'increment','path':'/n','by':1}]", NULL);
    core_push(fixture, 0, &record);
    gs_buffer_close(&record);
    core_settle(fixture);
    assert_int_equal(gs_vector_copy(&cut, gs_core_stored(fixture->core)), 0);
    struct gs_head *own = (struct gs_head *)gs_vector_find(&cut, &fixture->core->self->origin);
    assert_int_equal(own->seq, 2);
    own->seq = 1;
    assert_int_equal(gs_digest_visit_beyond(fixture->core, &cut, note_cell, &found), 0);
    assert_string_equal(found.ids, "b");
    gs_vector_close(&cut);
    gs_command_free(writes[0]);
    gs_command_free(writes[1]);
}

/* Also when the batches beyond the cut are more than are remembered. */
static void test_cut_of_long_ago(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_vector none = {0};
    struct found found = {0};
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_head head = *gs_vector_find(gs_core_stored(fixture->core), &fixture->core->self->origin);
    for (uint32_t i = 0; i < GS_DIGEST_BATCHES + 2; i++) {
        assert_int_equal(gs_digest_advanced(fixture->core, &head, false), 0);
    }
    assert_int_equal(gs_digest_visit_beyond(fixture->core, &none, note_cell, &found), 0);
    assert_string_equal(found.ids, "a");
}

static void test_statement_is_signed(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_digest_tree tree;
    struct gs_attestation attestation;
    struct gs_vector vector = {0};
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(gs_vector_copy(&vector, gs_core_stored(fixture->core)), 0);
    assert_int_equal(gs_digest_take(fixture->core, &tree), 0);
    assert_int_equal(gs_digest_attest(fixture->core, &tree, &vector, &attestation), 0);
    const gs_cluster *cluster = &fixture->config.cluster;
    gs_cluster other = gs_cluster_from_name("other");
    assert_int_equal(gs_attestation_verify(&attestation, cluster), 0);
    assert_int_equal(gs_attestation_verify(&attestation, &other), GS_ESIGNATURE);
    attestation.root.bytes[31] ^= 1;
    assert_int_equal(gs_attestation_verify(&attestation, cluster), GS_ESIGNATURE);
    attestation.root.bytes[31] ^= 1;
    attestation.count++;
    assert_int_equal(gs_attestation_verify(&attestation, cluster), GS_ESIGNATURE);
    attestation.count--;
    vector.heads[0].seq++;
    assert_int_equal(gs_attestation_verify(&attestation, cluster), GS_ESIGNATURE);
    vector.heads[0].seq--;
    vector.heads[0].hash.bytes[0] ^= 1;
    assert_int_equal(gs_attestation_verify(&attestation, cluster), GS_ESIGNATURE);
    vector.heads[0].hash.bytes[0] ^= 1;
    attestation.key = fixture->authors[0].keys.public_key;
    assert_int_equal(gs_attestation_verify(&attestation, cluster), GS_ESIGNATURE);
    gs_digest_tree_close(&tree);
    gs_vector_close(&vector);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_follows_writes_of_all_regions, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_speaks_only_of_what_is_stored, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_is_that_of_the_sealed_group, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_failed_commit_answers_the_digest, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_cut_finds_what_lies_beyond, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_cut_finds_what_waited_for_its_batch, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_cut_of_long_ago, open_linked, close_linked),
        cmocka_unit_test_setup_teardown(test_statement_is_signed, open_linked, close_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
