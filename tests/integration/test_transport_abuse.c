/* A port that is open to strangers: garbage, silence, floods, altered frames, cut and doubled links. */
#include "transport_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FLOOD = 200 };

static void start_alice(struct world *w, uint32_t handshake_timeout_ms) {
    world_open(w);
    struct gs_transport_config config = node_config(w, ALICE);
    config.handshake_timeout_ms = handshake_timeout_ms;
    node_start(w, ALICE, &config);
}

static void garbage_closes_its_connection_and_nothing_else(void **state) {
    (void)state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    struct world w;
    char address[32];
    start_alice(&w, 0);
    node_address(&w, ALICE, address);
    node_start_dialing(&w, BOB, address);
    wait_for(&w, linked(&w, ALICE, BOB));
    int client = client_open(&w, ALICE, NULL);
    assert_int_equal(write(client, request, sizeof request - 1), sizeof request - 1);
    wait_for(&w, client_is_cut(client));
    char byte;
    assert_true(read(client, &byte, 1) <= 0); /* not a word */
    assert_int_equal(node_stats(&w, ALICE).handshake_failed, 1);
    assert_int_equal(node_stats(&w, ALICE).closed_bad_frame, 0);
    assert_true(linked(&w, ALICE, BOB));
    assert_int_equal(w.nodes[ALICE].ups, 1);
    close(client);
    world_close(&w);
}

static void silence_times_out(void **state) {
    (void)state;
    struct world w;
    start_alice(&w, 200);
    int silent = client_open(&w, ALICE, NULL);
    int dripping = client_open(&w, ALICE, NULL);
    uint64_t begin_ns = uv_hrtime();
    assert_int_equal(write(dripping, "\0\0\0\x3a", 4), 4);
    while (!client_is_cut(silent) || !client_is_cut(dripping)) {
        assert_true(uv_hrtime() - begin_ns < (uint64_t)WAIT_MS * 1000000);
        (void)!send(dripping, "g", 1, MSG_NOSIGNAL); /* progress does not buy time */
        turn(&w);
    }
    assert_true(uv_hrtime() - begin_ns >= 190 * 1000000ull);
    assert_int_equal(node_stats(&w, ALICE).handshake_failed, 2);
    close(silent);
    close(dripping);
    world_close(&w);
}

static void flood(bool many_addresses, uint32_t expect_open) {
    struct world w;
    char address[32];
    int clients[FLOOD];
    uint32_t open = 0;
    start_alice(&w, 60000); /* so that no time-out helps */
    for (int i = 0; i < FLOOD; i++) {
        char from[32];
        snprintf(from, sizeof from, "127.0.1.%d", many_addresses ? 1 + i % 20 : 1);
        clients[i] = client_open(&w, ALICE, from);
        turn(&w);
    }
    wait_for(&w, node_stats(&w, ALICE).accepted == FLOOD);
    for (int i = 0; i < FLOOD; i++) {
        open += !client_is_cut(clients[i]);
    }
    assert_int_equal(open, expect_open);
    assert_int_equal(node_stats(&w, ALICE).half_open_capped, FLOOD - expect_open);
    node_address(&w, ALICE, address);
    node_start_dialing(&w, BOB, address);
    wait_for(&w, linked(&w, ALICE, BOB));
    assert_int_equal(node_stats(&w, BOB).dialed, 1);
    for (int i = 0; i < FLOOD; i++) {
        close(clients[i]);
    }
    world_close(&w);
}

static void a_flood_is_capped_and_a_peer_still_connects(void **state) {
    (void)state;
    flood(false, GS_TRANSPORT_HALF_OPEN_ADDRESS_MAX);
    flood(true, GS_TRANSPORT_HALF_OPEN_MAX);
}

static void an_altered_frame_closes_the_link(void **state) {
    (void)state;
    struct world w;
    struct seen seen = {.messages = 0};
    struct gs_buffer wire = {.length = 0};
    start_alice(&w, 0);
    int client = client_open(&w, ALICE, NULL);
    struct gs_link *link = client_link(&w, client, BOB, &seen);
    wait_for(&w, w.nodes[ALICE].ups == 1);
    assert_int_equal(gs_link_send(link, "hello", 5, &wire), 0);
    assert_int_equal(write(client, wire.bytes, wire.length), wire.length);
    wait_for(&w, w.nodes[ALICE].messages == 1);
    wire.length = 0;
    assert_int_equal(gs_link_send(link, "hello", 5, &wire), 0);
    wire.bytes[wire.length - 1] ^= 1;
    assert_int_equal(write(client, wire.bytes, wire.length), wire.length);
    wait_for(&w, w.nodes[ALICE].downs == 1);
    assert_int_equal(w.nodes[ALICE].down_error, GS_EFORMAT);
    assert_int_equal(w.nodes[ALICE].messages, 1);
    assert_int_equal(node_stats(&w, ALICE).closed_bad_frame, 1);
    assert_int_equal(node_stats(&w, ALICE).handshake_failed, 0);
    gs_link_free(link);
    gs_buffer_close(&wire);
    close(client);
    world_close(&w);
}

static void a_cut_is_told_from_a_goodbye(void **state) {
    (void)state;
    struct world w;
    start_alice(&w, 0);
    for (int goodbye = 0; goodbye < 2; goodbye++) {
        struct seen seen = {.messages = 0};
        struct gs_buffer wire = {.length = 0};
        int client = client_open(&w, ALICE, NULL);
        struct gs_link *link = client_link(&w, client, BOB, &seen);
        wait_for(&w, w.nodes[ALICE].ups == (uint32_t)goodbye + 1);
        if (goodbye == 1) {
            assert_int_equal(gs_link_goodbye(link, &wire), 0);
            assert_int_equal(write(client, wire.bytes, wire.length), wire.length);
        }
        close(client);
        wait_for(&w, w.nodes[ALICE].downs == (uint32_t)goodbye + 1);
        assert_int_equal(w.nodes[ALICE].down_error, goodbye == 1 ? 0 : GS_ECLOSED);
        gs_link_free(link);
        gs_buffer_close(&wire);
    }
    world_close(&w);
}

/* A peer that lost its side without our noticing dials again: the new link takes the place of the dead one. */
static void a_second_link_of_the_same_dialer_replaces_the_first(void **state) {
    (void)state;
    struct world w;
    struct seen first_seen = {.messages = 0};
    struct seen second_seen = {.messages = 0};
    start_alice(&w, 0);
    int first = client_open(&w, ALICE, NULL);
    struct gs_link *first_link = client_link(&w, first, BOB, &first_seen);
    wait_for(&w, w.nodes[ALICE].ups == 1);
    uint64_t id = w.nodes[ALICE].link_id;
    int second = client_open(&w, ALICE, NULL);
    struct gs_link *second_link = client_link(&w, second, BOB, &second_seen);
    wait_for(&w, w.nodes[ALICE].ups == 2);
    assert_int_equal(w.nodes[ALICE].downs, 1);
    assert_int_equal(w.nodes[ALICE].down_error, GS_EBUSY);
    assert_int_not_equal(w.nodes[ALICE].link_id, id);
    assert_int_equal(gs_transport_send(w.nodes[ALICE].transport, w.nodes[ALICE].link_id, GS_LANE_FRESH, "x", 1), 0);
    gs_link_free(first_link);
    gs_link_free(second_link);
    close(first);
    close(second);
    world_close(&w);
}

static void a_peer_that_is_not_trusted_gets_nowhere(void **state) {
    (void)state;
    struct world w;
    char address[32];
    world_open(&w);
    struct fixture alone = w.fixture;
    alone.trust.entries = alone.entries;
    alone.trust.count = 1; /* Alice knows herself only */
    struct gs_transport_config config = node_config(&w, ALICE);
    config.trust = &alone.trust;
    node_start(&w, ALICE, &config);
    node_address(&w, ALICE, address);
    node_start_dialing(&w, BOB, address);
    wait_for(&w, node_stats(&w, ALICE).handshake_failed == 3);
    assert_int_equal(w.nodes[ALICE].ups, 0);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_closes_its_connection_and_nothing_else),
        cmocka_unit_test(silence_times_out),
        cmocka_unit_test(a_flood_is_capped_and_a_peer_still_connects),
        cmocka_unit_test(an_altered_frame_closes_the_link),
        cmocka_unit_test(a_cut_is_told_from_a_goodbye),
        cmocka_unit_test(a_second_link_of_the_same_dialer_replaces_the_first),
        cmocka_unit_test(a_peer_that_is_not_trusted_gets_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
