/* Links between nodes that mean well: connect, exchange, cross, drop, come back, close. */
#include "transport_fixture.h"

#include "gossip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static int send_from(struct world *w, enum fixture_region region, const void *bytes, size_t length) {
    return gs_transport_send(w->nodes[region].transport, w->nodes[region].link_id, GS_LANE_FRESH, bytes, length);
}

/* ALICE listens, BOB dials her, they are linked. */
static void open_linked(struct world *w) {
    char address[32];
    struct gs_transport_config config = node_config(w, ALICE);
    node_start(w, ALICE, &config);
    node_address(w, ALICE, address);
    node_start_dialing(w, BOB, address);
    wait_for(w, linked(w, ALICE, BOB));
}

static void peers_connect_and_exchange(void **state) {
    (void)state;
    struct world w;
    struct gs_buffer large = {.length = 0};
    world_open(&w);
    open_linked(&w);
    assert_string_equal(w.nodes[ALICE].region, "bob");
    assert_string_equal(w.nodes[BOB].region, "alice");
    assert_int_equal(send_from(&w, ALICE, "to bob", 6), 0);
    assert_int_equal(send_from(&w, BOB, "to alice", 8), 0);
    wait_for(&w, w.nodes[ALICE].messages == 1 && w.nodes[BOB].messages == 1);
    assert_memory_equal(w.nodes[ALICE].last.bytes, "to alice", 8);
    assert_memory_equal(w.nodes[BOB].last.bytes, "to bob", 6);
    uint8_t *bytes = gs_buffer_reserve(&large, GS_MESSAGE_BYTES_MAX + 1);
    assert_non_null(bytes);
    randombytes_buf(bytes, GS_MESSAGE_BYTES_MAX + 1);
    assert_int_equal(send_from(&w, ALICE, bytes, GS_MESSAGE_BYTES_MAX + 1), GS_ETOOBIG);
    assert_int_equal(send_from(&w, ALICE, bytes, GS_MESSAGE_BYTES_MAX), 0);
    wait_for(&w, w.nodes[BOB].messages == 2);
    assert_int_equal(w.nodes[BOB].last.length, GS_MESSAGE_BYTES_MAX);
    assert_memory_equal(w.nodes[BOB].last.bytes, bytes, GS_MESSAGE_BYTES_MAX);
    wait_for(&w, node_stats(&w, ALICE).bytes_out == node_stats(&w, BOB).bytes_in);
    assert_int_equal(node_stats(&w, BOB).bytes_out, node_stats(&w, ALICE).bytes_in);
    assert_true(node_stats(&w, ALICE).bytes_out > GS_MESSAGE_BYTES_MAX);
    assert_int_equal(node_stats(&w, ALICE).accepted, 1);
    assert_int_equal(node_stats(&w, ALICE).established, 1);
    assert_int_equal(node_stats(&w, ALICE).handshake_failed, 0);
    assert_int_equal(node_stats(&w, BOB).dialed, 1);
    assert_int_equal(gs_transport_send(w.nodes[ALICE].transport, 999, GS_LANE_FRESH, "x", 1), GS_ENOTFOUND);
    gs_buffer_close(&large);
    world_close(&w);
}

/* History of several megabytes waits on the link: what is sent after it in an earlier lane arrives in the midst of the
 * first of it, each lane in its order, and heartbeats find room when the queue is full. */
static void heartbeats_and_fresh_writes_pass_history(void **state) {
    (void)state;
    enum { BULK = 3, LENGTH = 4 * 1024 * 1024 };
    struct world w;
    struct gs_buffer large = {.length = 0};
    world_open(&w);
    open_linked(&w);
    struct gs_transport *alice = w.nodes[ALICE].transport;
    uint64_t id = w.nodes[ALICE].link_id;
    memset(gs_buffer_reserve(&large, LENGTH), 'h', LENGTH);
    for (int i = 0; i < BULK; i++) {
        assert_int_equal(gs_transport_send(alice, id, GS_LANE_BULK, large.bytes, LENGTH), 0);
    }
    assert_true(gs_transport_queued(alice, id) > (BULK - 1) * LENGTH);
    assert_int_equal(gs_transport_send(alice, id, GS_LANE_FRESH, "fresh 1", 7), 0);
    assert_int_equal(gs_transport_send(alice, id, GS_LANE_FRESH, "fresh 2", 7), 0);
    assert_int_equal(gs_transport_send(alice, id, GS_LANE_CONTROL, "ping", 4), 0);
    wait_for(&w, w.nodes[BOB].messages >= 3);
    assert_int_equal(w.nodes[BOB].messages, 3);
    assert_memory_equal(w.nodes[BOB].last.bytes, "fresh 2", 7);
    assert_true(node_stats(&w, BOB).bytes_in < 2 * LENGTH);
    while (gs_transport_send(alice, id, GS_LANE_BULK, large.bytes, LENGTH) == 0) {
    }
    assert_int_equal(gs_transport_send(alice, id, GS_LANE_BULK, large.bytes, LENGTH), GS_EBUSY);
    large.length = 64 * 1024;
    while (gs_transport_send(alice, id, GS_LANE_FRESH, large.bytes, large.length) == 0) {
    }
    assert_int_equal(gs_transport_send(alice, id, GS_LANE_CONTROL, "ping", 4), 0);
    uint32_t before = w.nodes[BOB].messages;
    wait_for(&w, w.nodes[BOB].messages > before);
    node_close(&w, ALICE); /* all of it leaves before the goodbye */
    wait_for(&w, w.nodes[BOB].downs == 1);
    assert_int_equal(w.nodes[BOB].down_error, 0);
    gs_buffer_close(&large);
    world_close(&w);
}

static void closing_says_goodbye_and_a_restarted_peer_is_found_again(void **state) {
    (void)state;
    struct world w;
    char address[32];
    world_open(&w);
    open_linked(&w);
    node_address(&w, ALICE, address);
    assert_int_equal(send_from(&w, ALICE, "last words", 10), 0);
    node_close(&w, ALICE);
    assert_int_equal(w.nodes[ALICE].down_error, GS_ESHUTDOWN);
    wait_for(&w, w.nodes[BOB].downs == 1);
    assert_int_equal(w.nodes[BOB].messages, 1); /* what was queued before the goodbye arrived */
    assert_int_equal(w.nodes[BOB].down_error, 0);
    struct gs_transport_config config = node_config(&w, ALICE);
    config.listen = address;
    node_start(&w, ALICE, &config);
    wait_for(&w, linked(&w, ALICE, BOB));
    assert_int_equal(w.nodes[BOB].ups, 2);
    world_close(&w);
}

/* Both dial at once, so that the links cross; whichever way it goes, both sides are left with the same one. */
static void crossing_links_leave_one(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct world w;
        char alice_address[32];
        char bob_address[32];
        struct gs_problem problem;
        world_open(&w);
        struct gs_transport_config config = node_config(&w, ALICE);
        node_start(&w, ALICE, &config);
        config = node_config(&w, BOB);
        node_start(&w, BOB, &config);
        node_address(&w, ALICE, alice_address);
        node_address(&w, BOB, bob_address);
        assert_int_equal(
            gs_transport_add_seed(w.nodes[round % 2].transport, round % 2 ? alice_address : bob_address, &problem), 0);
        assert_int_equal(
            gs_transport_add_seed(w.nodes[1 - round % 2].transport, round % 2 ? bob_address : alice_address, &problem),
            0);
        wait_for(&w, node_stats(&w, ALICE).dialed == 1 && node_stats(&w, BOB).dialed == 1);
        run_for(&w, 300);
        assert_true(linked(&w, ALICE, BOB));
        assert_int_equal(w.nodes[ALICE].ups - w.nodes[ALICE].downs, 1);
        assert_int_equal(w.nodes[BOB].ups - w.nodes[BOB].downs, 1);
        assert_int_equal(send_from(&w, ALICE, "a", 1), 0);
        assert_int_equal(send_from(&w, BOB, "b", 1), 0);
        wait_for(&w, w.nodes[ALICE].messages == 1 && w.nodes[BOB].messages == 1);
        uint32_t ups = w.nodes[ALICE].ups;
        run_for(&w, 500);
        assert_int_equal(w.nodes[ALICE].ups, ups); /* and it stays */
        assert_int_equal(node_stats(&w, ALICE).dialed + node_stats(&w, BOB).dialed, 2);
        world_close(&w);
    }
}

static void a_dropped_link_comes_back(void **state) {
    (void)state;
    struct world w;
    world_open(&w);
    open_linked(&w);
    uint64_t id = w.nodes[ALICE].link_id;
    assert_int_equal(gs_transport_drop(w.nodes[ALICE].transport, id), 0);
    assert_int_equal(w.nodes[ALICE].downs, 0); /* not from within */
    assert_int_equal(gs_transport_send(w.nodes[ALICE].transport, id, GS_LANE_FRESH, "x", 1), GS_ENOTFOUND);
    assert_int_equal(gs_transport_drop(w.nodes[ALICE].transport, id), GS_ENOTFOUND);
    wait_for(&w, w.nodes[ALICE].ups == 2 && w.nodes[BOB].ups == 2);
    assert_int_equal(w.nodes[ALICE].down_error, GS_ESHUTDOWN);
    assert_int_equal(w.nodes[BOB].down_error, 0);
    assert_int_not_equal(w.nodes[ALICE].link_id, id);
    world_close(&w);
}

static void a_full_write_queue_refuses(void **state) {
    (void)state;
    struct world w;
    struct gs_buffer large = {.length = 0};
    world_open(&w);
    open_linked(&w);
    uint8_t *bytes = gs_buffer_reserve(&large, GS_MESSAGE_BYTES_MAX);
    assert_non_null(bytes);
    memset(bytes, 1, GS_MESSAGE_BYTES_MAX);
    int status = 0;
    uint32_t sent = 0;
    while (status == 0) {
        status = send_from(&w, ALICE, bytes, 1024 * 1024);
        sent += status == 0;
        assert_true(gs_transport_queued(w.nodes[ALICE].transport, w.nodes[ALICE].link_id) <= GS_TRANSPORT_QUEUE_BYTES);
        assert_true(sent < 1000);
    }
    assert_int_equal(status, GS_EBUSY);
    assert_true(gs_transport_queued(w.nodes[ALICE].transport, w.nodes[ALICE].link_id) >
                GS_TRANSPORT_QUEUE_BYTES - 2 * 1024 * 1024);
    wait_for(&w, w.nodes[BOB].messages == sent);
    wait_for(&w, gs_transport_queued(w.nodes[ALICE].transport, w.nodes[ALICE].link_id) == 0);
    assert_int_equal(send_from(&w, ALICE, "again", 5), 0);
    wait_for(&w, w.nodes[BOB].messages == sent + 1);
    gs_buffer_close(&large);
    world_close(&w);
}

static void a_revoked_key_is_cut_off(void **state) {
    (void)state;
    struct world w;
    world_open(&w);
    open_linked(&w);
    struct fixture later = w.fixture;
    later.trust.entries = later.entries;
    gs_transport_set_trust(w.nodes[ALICE].transport, &later.trust);
    run_for(&w, 50);
    assert_true(linked(&w, ALICE, BOB));
    later.entries[BOB].revoked = true;
    gs_transport_set_trust(w.nodes[ALICE].transport, &later.trust);
    assert_int_equal(w.nodes[ALICE].downs, 0);
    wait_for(&w, w.nodes[ALICE].downs == 1);
    assert_int_equal(w.nodes[ALICE].down_error, GS_EUNTRUSTED);
    wait_for(&w, node_stats(&w, ALICE).handshake_failed >= 2); /* Bob tries again, with a growing pause */
    assert_int_equal(w.nodes[ALICE].ups, 1);
    world_close(&w);
}

static void our_own_address_is_dropped_quietly(void **state) {
    (void)state;
    struct world w;
    char address[32];
    struct gs_problem problem;
    world_open(&w);
    struct gs_transport_config config = node_config(&w, ALICE);
    node_start(&w, ALICE, &config);
    node_address(&w, ALICE, address);
    assert_int_equal(gs_transport_add_seed(w.nodes[ALICE].transport, address, &problem), 0);
    assert_int_equal(gs_transport_add_seed(w.nodes[ALICE].transport, address, &problem), 0);
    wait_for(&w, node_stats(&w, ALICE).accepted == 1);
    run_for(&w, 1000);
    assert_int_equal(node_stats(&w, ALICE).dialed, 1);
    assert_int_equal(node_stats(&w, ALICE).established, 0);
    assert_int_equal(w.nodes[ALICE].ups, 0);
    world_close(&w);
}

static void names_are_resolved(void **state) {
    (void)state;
    struct world w;
    char name[32];
    world_open(&w);
    struct gs_transport_config config = node_config(&w, ALICE);
    config.listen = ":0"; /* all addresses of both families, whatever the name resolves to */
    node_start(&w, ALICE, &config);
    snprintf(name, sizeof name, "localhost:%u", (unsigned)gs_transport_port(w.nodes[ALICE].transport));
    node_start_dialing(&w, BOB, name);
    wait_for(&w, linked(&w, ALICE, BOB));
    world_close(&w);
}

static void a_busy_port_and_bad_addresses_are_reported(void **state) {
    (void)state;
    static const char *const bad[] = {"", "localhost", "1.2.3.4:", "1.2.3.4:99999", "::1:80", "[::1]", ":1:2", "h:-1"};
    struct world w;
    char address[32];
    struct gs_problem problem;
    struct gs_transport *none = NULL;
    world_open(&w);
    struct gs_transport_config config = node_config(&w, ALICE);
    node_start(&w, ALICE, &config);
    node_address(&w, ALICE, address);
    config.listen = address;
    assert_int_equal(gs_transport_start(&config, &none, &problem), GS_EBUSY);
    assert_string_equal(problem.field, address);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config.listen = bad[i];
        assert_int_equal(gs_transport_start(&config, &none, &problem), GS_EINVAL);
        config.listen = NULL;
        config.seeds = &bad[i];
        config.seed_count = 1;
        assert_int_equal(gs_transport_start(&config, &none, &problem), GS_EINVAL);
        assert_string_equal(problem.field, bad[i]);
    }
    assert_null(none);
    world_close(&w);
}

static void a_callback_may_close_the_transport(void **state) {
    (void)state;
    struct world w;
    world_open(&w);
    open_linked(&w);
    w.nodes[BOB].close_on_message = true;
    assert_int_equal(send_from(&w, ALICE, "one", 3), 0);
    assert_int_equal(send_from(&w, ALICE, "two", 3), 0);
    wait_for(&w, w.nodes[BOB].closed && w.nodes[ALICE].downs == 1);
    assert_int_equal(w.nodes[BOB].messages, 1);
    assert_int_equal(w.nodes[ALICE].down_error, 0);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_connect_and_exchange),
        cmocka_unit_test(heartbeats_and_fresh_writes_pass_history),
        cmocka_unit_test(closing_says_goodbye_and_a_restarted_peer_is_found_again),
        cmocka_unit_test(crossing_links_leave_one),
        cmocka_unit_test(a_dropped_link_comes_back),
        cmocka_unit_test(a_full_write_queue_refuses),
        cmocka_unit_test(a_revoked_key_is_cut_off),
        cmocka_unit_test(our_own_address_is_dropped_quietly),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(a_busy_port_and_bad_addresses_are_reported),
        cmocka_unit_test(a_callback_may_close_the_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
