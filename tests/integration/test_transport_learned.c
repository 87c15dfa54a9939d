/* Addresses that are learned while the transport runs: dialed, forgotten, replaced, and dropped when they are somebody
 * else's. */
#include "transport_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void start_listening(struct world *w, enum fixture_region region, char ret_address[32]) {
    struct gs_transport_config config = node_config(w, region);
    node_start(w, region, &config);
    node_address(w, region, ret_address);
}

static int learn(struct world *w, enum fixture_region node, enum fixture_region of, const char *address) {
    return gs_transport_learn(w->nodes[node].transport, &w->fixture.keys[of].public_key, &address,
                              address != NULL ? 1 : 0);
}

static void a_learned_address_is_dialed(void **state) {
    (void)state;
    struct world w;
    char alice[32];
    char bob[32];
    world_open(&w);
    start_listening(&w, ALICE, alice);
    start_listening(&w, BOB, bob);
    assert_int_equal(learn(&w, BOB, ALICE, alice), 0);
    assert_int_equal(learn(&w, BOB, ALICE, alice), 0); /* once */
    wait_for(&w, linked(&w, ALICE, BOB));
    assert_int_equal(node_stats(&w, BOB).dialed, 1);
    assert_int_equal(learn(&w, ALICE, BOB, bob), 0); /* linked already */
    run_for(&w, 500);
    assert_int_equal(node_stats(&w, ALICE).dialed, 0);
    assert_int_equal(gs_transport_drop(w.nodes[BOB].transport, w.nodes[BOB].link_id), 0);
    wait_for(&w, w.nodes[BOB].ups == 2 && linked(&w, ALICE, BOB)); /* and kept dialed, by either side */
    world_close(&w);
}

static void an_address_of_somebody_else_is_dropped(void **state) {
    (void)state;
    struct world w;
    char alice[32];
    char bob[32];
    world_open(&w);
    start_listening(&w, ALICE, alice);
    start_listening(&w, BOB, bob);
    assert_int_equal(learn(&w, BOB, MALLORY, alice), 0);
    wait_for(&w, node_stats(&w, BOB).dialed == 1);
    run_for(&w, 1500);
    assert_int_equal(node_stats(&w, BOB).dialed, 1);
    assert_int_equal(w.nodes[BOB].ups, 0);
    assert_int_equal(w.nodes[ALICE].ups, 0); /* she never heard who it was */
    assert_int_equal(learn(&w, BOB, ALICE, alice), 0);
    wait_for(&w, linked(&w, ALICE, BOB));
    world_close(&w);
}

static void a_forgotten_address_is_not_dialed(void **state) {
    (void)state;
    struct world w;
    char alice[32];
    char bob[32];
    world_open(&w);
    start_listening(&w, ALICE, alice);
    start_listening(&w, BOB, bob);
    assert_int_equal(learn(&w, BOB, ALICE, alice), 0);
    assert_int_equal(learn(&w, BOB, ALICE, NULL), 0); /* before it was dialed */
    run_for(&w, 400);
    assert_int_equal(node_stats(&w, BOB).dialed, 0);
    assert_int_equal(learn(&w, BOB, ALICE, "no address"), 0);
    assert_int_equal(learn(&w, BOB, ALICE, alice), 0);
    wait_for(&w, linked(&w, ALICE, BOB));
    assert_int_equal(learn(&w, BOB, ALICE, NULL), 0); /* the link stays */
    run_for(&w, 300);
    assert_true(linked(&w, ALICE, BOB));
    assert_int_equal(gs_transport_drop(w.nodes[BOB].transport, w.nodes[BOB].link_id), 0);
    wait_for(&w, w.nodes[BOB].downs == 1);
    run_for(&w, 1000);
    assert_int_equal(w.nodes[BOB].ups, 1);
    world_close(&w);
}

/* Forgotten while a connection is being made: nothing comes of it. */
static void an_address_may_be_forgotten_at_any_time(void **state) {
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct world w;
        char alice[32];
        char bob[32];
        world_open(&w);
        start_listening(&w, ALICE, alice);
        start_listening(&w, BOB, bob);
        assert_int_equal(learn(&w, BOB, ALICE, alice), 0);
        wait_for(&w, node_stats(&w, BOB).dialed == 1);
        for (int i = 0; i < turns; i++) {
            turn(&w);
        }
        assert_int_equal(learn(&w, BOB, ALICE, NULL), 0);
        run_for(&w, 50);
        assert_int_equal(node_stats(&w, BOB).dialed, 1);
        world_close(&w);
    }
}

static void a_seed_that_leads_to_the_key_is_preferred(void **state) {
    (void)state;
    struct world w;
    char alice[32];
    char other[32];
    struct gs_problem problem;
    world_open(&w);
    start_listening(&w, ALICE, alice);
    start_listening(&w, BOB, other);
    snprintf(other, sizeof other, "localhost:%s", strrchr(alice, ':') + 1);
    assert_int_equal(gs_transport_add_seed(w.nodes[BOB].transport, alice, &problem), 0);
    assert_int_equal(learn(&w, BOB, ALICE, other), 0); /* waits for the seed's answer */
    wait_for(&w, linked(&w, ALICE, BOB));
    assert_int_equal(gs_transport_drop(w.nodes[BOB].transport, w.nodes[BOB].link_id), 0);
    wait_for(&w, w.nodes[BOB].ups == 2);
    run_for(&w, 2500);
    assert_int_equal(node_stats(&w, BOB).dialed, 2);
    world_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_learned_address_is_dialed),
        cmocka_unit_test(an_address_of_somebody_else_is_dropped),
        cmocka_unit_test(a_forgotten_address_is_not_dialed),
        cmocka_unit_test(an_address_may_be_forgotten_at_any_time),
        cmocka_unit_test(a_seed_that_leads_to_the_key_is_preferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
