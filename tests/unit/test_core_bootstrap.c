/* Snapshots from peers that lie: every lie is noticed by a hash or a signature, names the peer, is bounded, and leaves
 * nothing behind; another peer is asked, and in the end the log will do. */
#include "gossip/attestation.h"
#include "gossip/snapshot.h"
#include "node/core/core_impl.h"
#include "node/core/giving.h"
#include "tests/unit/core_fixture.h"

#include <stdio.h>

enum { LIAR = 0, OTHER = 1, EVENTS = 50000, LEAVES = 40 };

struct world {
    struct core_fixture fixture;
    struct gs_head head;        /* that both peers tell of */
    struct gs_digest_tree tree; /* of what the liar signs */
    struct gs_buffer chunk;     /* all of it, as it should be */
    struct gs_snapshot root;    /* borrowed vector */
    gs_hash root_hash;
    uint64_t session;
};

/* What the last step asked of a peer. */
static enum gs_snapshot_op asked(struct world *world, uint32_t author) {
    const struct gs_update *update = &world->fixture.update;
    enum gs_snapshot_op op = GS_SNAPSHOT_END;
    for (uint32_t i = 0; i < update->send_count; i++) {
        struct gs_slice body;
        struct gs_snapshot snapshot;
        const struct gs_core_send *send = &update->sends[i];
        struct gs_slice message = gs_slice_make(send->message.bytes, send->message.length);
        if (send->peer == author + 1 && gs_message_read_snapshot(message, &body)) {
            assert_int_equal(gs_snapshot_decode(body, &snapshot), 0);
            op = snapshot.op;
            world->session = snapshot.session;
            gs_snapshot_close(&snapshot);
        }
    }
    return op;
}

static void say(struct world *world, uint32_t author, struct gs_snapshot *snapshot) {
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    snapshot->session = world->session;
    gs_snapshot_write(snapshot, &body);
    gs_message_write_snapshot(gs_slice_make(body.bytes, body.length), &message);
    core_step(
        &world->fixture,
        (struct gs_core_event){.type = GS_CORE_MESSAGE,
                               .peer = {.peer = author + 1, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&body);
    gs_buffer_close(&message);
}

/* LEAVES aggregates, and a root over them that the liar has signed. */
static void make_snapshot(struct world *world) {
    const struct test_author *liar = &world->fixture.authors[LIAR];
    memcpy(world->tree.key, world->fixture.core->digest.tree.key, sizeof world->tree.key);
    gs_write_array(&world->chunk, 4 * LEAVES);
    for (int i = 0; i < LEAVES; i++) {
        char name[16];
        struct gs_buffer full = {0};
        gs_hash hash;
        int length = snprintf(name, sizeof name, "t/%d", i);
        struct gs_slice text = gs_slice_make(name, (size_t)length);
        assert_int_equal(gs_aggregate_encode(world->fixture.core->empty, GS_ENCODE_FULL, &full), 0);
        assert_int_equal(gs_digest_hash_aggregate(world->fixture.core, text, world->fixture.core->empty, &hash), 0);
        gs_digest_path path = gs_digest_path_of(world->tree.key, text);
        assert_int_equal(gs_digest_tree_set(&world->tree, &path, text, &hash), 0);
        gs_snapshot_write_leaf(text, 1, 7, gs_slice_make(full.bytes, full.length), &world->chunk);
        gs_buffer_close(&full);
    }
    world->root = (struct gs_snapshot){
        .op = GS_SNAPSHOT_ROOT, .vector = {.heads = &world->head, .count = 1}, .bytes = 1000, .part_count = 1};
    gs_snapshot_parts_add(&world->root.parts, gs_slice_make("nothing that a start knows", 26));
    gs_digest_tree_root(&world->tree, &world->root.root, &world->root.leaves);
    assert_int_equal(gs_snapshot_sign(&world->root, &world->fixture.config.cluster, &liar->keys, &world->root_hash), 0);
}

static int open_world(void **state) {
    struct world *world = calloc(1, sizeof *world);
    core_open(&world->fixture, 0);
    assert_int_equal(core_start(&world->fixture), 0);
    world->fixture.core->config.bootstrap_events = 100;
    world->head = (struct gs_head){.origin = world->fixture.authors[2].origin, .seq = EVENTS, .hash = {{1}}};
    make_snapshot(world);
    core_link(&world->fixture, LIAR, &world->head, 1);
    core_tell(&world->fixture, LIAR, GS_VECTOR_TELL, &world->head, 1);
    core_link(&world->fixture, OTHER, &world->head, 1);
    core_tell(&world->fixture, OTHER, GS_VECTOR_TELL, &world->head, 1);
    assert_true(world->fixture.core->bootstrap.active);
    world->session = world->fixture.core->bootstrap.session;
    *state = world;
    return 0;
}

static int close_world(void **state) {
    struct world *world = *state;
    gs_digest_tree_close(&world->tree);
    gs_buffer_close(&world->chunk);
    core_close(&world->fixture);
    free(world);
    return 0;
}

/* The liar is dropped and named, nothing is installed, and the other one is asked. */
static void assert_caught(struct world *world, const char *why) {
    const struct gs_bootstrap *bootstrap = &world->fixture.core->bootstrap;
    assert_true(core_dropped(&world->fixture, LIAR));
    assert_null(world->fixture.update.install);
    if (strstr(bootstrap->trouble, why) == NULL || strstr(bootstrap->trouble, "region-0") == NULL) {
        fail_msg("it says: %s", bootstrap->trouble);
    }
    assert_int_equal(core_stats(&world->fixture).snapshots_refused, 1);
    assert_false(core_stats(&world->fixture).started);
    core_tick(&world->fixture, 1);
    assert_int_equal(world->fixture.core->bootstrap.link, OTHER + 1);
    assert_int_equal(core_stats(&world->fixture).aggregates, 0);
}

static void test_forged_root(void **state) {
    struct world *world = *state;
    struct gs_snapshot root = world->root;
    root.leaves++;
    say(world, LIAR, &root);
    assert_caught(world, "signature");
}

static void begin(struct world *world) {
    struct gs_snapshot root = world->root;
    say(world, LIAR, &root);
    assert_int_equal(asked(world, LIAR), GS_SNAPSHOT_WANT);
}

static void give(struct world *world, struct gs_slice body, bool is_signed) {
    struct gs_compare_prefix prefix = {.depth = 0};
    struct gs_snapshot chunk = {.op = GS_SNAPSHOT_CHUNK, .count = 1, .prefixes = &prefix, .body = body};
    gs_snapshot_sign_chunk(&chunk, &world->root_hash, &world->fixture.authors[is_signed ? LIAR : OTHER].keys);
    say(world, LIAR, &chunk);
}

static void test_forged_chunk(void **state) {
    struct world *world = *state;
    begin(world);
    struct gs_buffer forged = {0};
    gs_buffer_append(&forged, world->chunk.bytes, world->chunk.length);
    for (size_t i = 0; i + 3 < forged.length; i++) { /* t/17 becomes t/1x, which is another aggregate */
        if (memcmp(forged.bytes + i, "t/17", 4) == 0) {
            forged.bytes[i + 3] = 'x';
        }
    }
    give(world, gs_slice_make(forged.bytes, forged.length), true);
    gs_buffer_close(&forged);
    assert_caught(world, "does not fit the root");
}

static void test_chunk_of_somebody_else(void **state) {
    struct world *world = *state;
    begin(world);
    give(world, gs_slice_make(world->chunk.bytes, world->chunk.length), false);
    assert_caught(world, "does not fit the root");
}

static void test_chunk_cut_short(void **state) {
    struct world *world = *state;
    begin(world);
    give(world, gs_slice_make("\x90", 1), true);
    assert_caught(world, "does not fit the root");
}

/* What hashes up to the root is staged; what a start needs besides does not let one begin. */
static void test_besides_are_tried(void **state) {
    struct world *world = *state;
    begin(world);
    give(world, gs_slice_make(world->chunk.bytes, world->chunk.length), true);
    assert_int_equal(world->fixture.update.stage_count, 1);
    assert_int_equal(asked(world, LIAR), GS_SNAPSHOT_PART);
    struct gs_snapshot part = {.op = GS_SNAPSHOT_CORE, .body = gs_slice_make("nothing that a start knows", 26)};
    say(world, LIAR, &part);
    assert_int_equal(world->fixture.core->bootstrap.phase,
                     GS_BOOTSTRAP_CONFIRMING); /* the other one's word is missing */
    assert_null(world->fixture.update.install);
    core_step(&world->fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = OTHER + 1}});
    core_tick(&world->fixture, 2000); /* nobody who could give it */
    assert_true(core_dropped(&world->fixture, LIAR));
    assert_null(world->fixture.update.install);
    assert_int_equal(core_stats(&world->fixture).snapshots_refused, 1);
    assert_int_equal(core_stats(&world->fixture).aggregates, 0);
}

static void test_other_parts(void **state) {
    struct world *world = *state;
    begin(world);
    give(world, gs_slice_make(world->chunk.bytes, world->chunk.length), true);
    struct gs_snapshot part = {.op = GS_SNAPSHOT_CORE, .body = gs_slice_make("something else", 14)};
    say(world, LIAR, &part);
    assert_caught(world, "parts do not hash");
}

/* Nodes that do not hash to what is known of them, however many the liar has. */
static void test_endless_nodes(void **state) {
    struct world *world = *state;
    const struct test_author *liar = &world->fixture.authors[LIAR];
    struct gs_snapshot root = world->root;
    root.leaves = 1000000;
    root.bytes = 50;
    assert_int_equal(gs_snapshot_sign(&root, &world->fixture.config.cluster, &liar->keys, NULL), 0);
    say(world, LIAR, &root);
    assert_int_equal(asked(world, LIAR), GS_SNAPSHOT_OPEN);
    struct gs_snapshot_children children = {.inner = UINT16_MAX};
    for (int i = 0; i < GS_COMPARE_FANOUT; i++) {
        children.counts[i] = 1000000 / GS_COMPARE_FANOUT;
    }
    struct gs_snapshot nodes = {.op = GS_SNAPSHOT_NODES, .count = 1, .children = &children};
    say(world, LIAR, &nodes);
    assert_caught(world, "nodes do not hash");
}

static void test_too_many_leaves(void **state) {
    struct world *world = *state;
    struct gs_snapshot root = world->root;
    root.leaves = UINT64_C(1) << 40;
    assert_int_equal(gs_snapshot_sign(&root, &world->fixture.config.cluster, &world->fixture.authors[LIAR].keys, NULL),
                     0);
    say(world, LIAR, &root);
    assert_caught(world, "is not one");
}

static void second_says(struct world *world, const struct gs_compare *word) {
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    gs_compare_write(word, &body);
    gs_message_write_compare(gs_slice_make(body.bytes, body.length), &message);
    core_step(
        &world->fixture,
        (struct gs_core_event){.type = GS_CORE_MESSAGE,
                               .peer = {.peer = OTHER + 1, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&body);
    gs_buffer_close(&message);
}

/* Its root at the cut may take the other member long: it is not asked again while it works on it. */
static void test_second_is_given_time(void **state) {
    struct world *world = *state;
    struct gs_bootstrap *bootstrap = &world->fixture.core->bootstrap;
    core_tick(&world->fixture, 2000);
    begin(world);
    uint64_t first = bootstrap->second_session;
    assert_int_equal(bootstrap->second_link, OTHER + 1);
    core_tick(&world->fixture, GS_COMPARE_ANSWER_MS / 2);
    assert_int_equal(bootstrap->second_session, first);
    const struct gs_compare busy = {.op = GS_COMPARE_END, .session = first, .end = GS_COMPARE_BUSY};
    second_says(world, &busy);
    core_tick(&world->fixture, GS_BOOTSTRAP_SECOND_MS - 1);
    assert_int_equal(bootstrap->second_session, first);
    core_tick(&world->fixture, 1);
    assert_int_not_equal(bootstrap->second_session, first);
    uint64_t second = bootstrap->second_session; /* to which there is no answer at all */
    give(world, gs_slice_make(world->chunk.bytes, world->chunk.length), true);
    struct gs_snapshot part = {.op = GS_SNAPSHOT_CORE, .body = gs_slice_make("nothing that a start knows", 26)};
    say(world, LIAR, &part);
    core_tick(&world->fixture, GS_COMPARE_ANSWER_MS);
    assert_int_not_equal(bootstrap->second_session, second);
}

/* The other member has another state at the same cut: the snapshot is not taken, whole as it is. */
static void test_contradicted(void **state) {
    struct world *world = *state;
    core_tick(&world->fixture, 2000);
    begin(world);
    uint64_t session = world->fixture.core->bootstrap.second_session;
    assert_int_equal(world->fixture.core->bootstrap.second_link, OTHER + 1);
    struct gs_compare word = {.op = GS_COMPARE_ROOT,
                              .session = session,
                              .vector = {.heads = &world->head, .count = 1},
                              .root = {{9}},
                              .leaves = LEAVES};
    const struct test_author *other = &world->fixture.authors[OTHER];
    struct gs_attestation attestation = {
        .key = other->keys.public_key, .vector = &word.vector, .root = word.root, .count = LEAVES};
    assert_int_equal(gs_attestation_sign(&attestation, &world->fixture.config.cluster, &other->keys), 0);
    memcpy(word.signature, attestation.signature, sizeof word.signature);
    second_says(world, &word);
    assert_caught(world, "another state at the same cut");
}

/* With nobody left, it is done by the log, and writes are taken again. */
static void test_nobody_left(void **state) {
    struct world *world = *state;
    struct gs_snapshot root = world->root;
    root.leaves++;
    core_step(&world->fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = OTHER + 1}});
    say(world, LIAR, &root);
    core_tick(&world->fixture, 10);
    assert_true(core_stats(&world->fixture).started);
    assert_false(world->fixture.core->bootstrap.active);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_forged_root),     TEST(test_forged_chunk),         TEST(test_chunk_of_somebody_else),
        TEST(test_chunk_cut_short), TEST(test_besides_are_tried),    TEST(test_other_parts),
        TEST(test_endless_nodes),   TEST(test_too_many_leaves),      TEST(test_contradicted),
        TEST(test_nobody_left),     TEST(test_second_is_given_time),
    };
    return cmocka_run_group_tests_name("core_bootstrap", tests, NULL, NULL);
}
