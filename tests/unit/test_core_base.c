/* Starts of a log whose first records are gone: from states that a region has attested, and from nothing less. */
#include "tests/unit/core_fixture.h"

enum { PEERS = 0 };

/* Three aggregates in five records, all of it kept. The base is there, too. */
static int setup(void **state) {
    struct core_fixture *fixture = malloc(sizeof *fixture);
    core_open(fixture, PEERS);
    fixture->config.keep = (struct gs_keep_policy){.behind_ms = 100};
    fixture->config.attest_keeps = true;
    gs_core_free(fixture->core);
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
    assert_int_equal(core_start(fixture), 0);
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':1}]");
    core_write(fixture, "b", "[{'op':'increment','path':'/n','by':5}]");
    core_write(fixture, "a", "[{'op':'set','path':'/x','value':2}]");
    core_tick(fixture, 200);
    core_keep(fixture);
    fixture->base_position = fixture->disk_count;
    assert_int_equal(gs_vector_copy(&fixture->base, gs_core_stored(fixture->core)), 0);
    for (uint32_t i = 0; i < fixture->disk_count; i++) {
        gs_buffer_close(&fixture->disk[i]); /* gone: whoever reads one of them now fails */
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* The first error of a start. */
static int try_start(struct core_fixture *fixture) {
    gs_update_clear(&fixture->update);
    gs_core_free(fixture->core);
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
    return core_start(fixture);
}

static void test_goes_on(void **state) {
    struct core_fixture *fixture = *state;
    core_restart(fixture);
    assert_shows(fixture, "a", "{\"x\":2}");
    assert_shows(fixture, "b", "{\"n\":5}");
    gs_origin self = gs_core_origin(fixture->core);
    assert_int_equal(core_seq(fixture, &self), 3);
    core_write(fixture, "b", "[{'op':'increment','path':'/n','by':1}]");
    core_write(fixture, "c", "[{'op':'set','path':'/y','value':true}]");
    core_restart(fixture);
    assert_shows(fixture, "b", "{\"n\":6}");
    assert_shows(fixture, "c", "{\"y\":true}");
    core_tick(fixture, 200); /* a later keep is attested, too, whatever the configuration says by now */
    fixture->config.attest_keeps = false;
    core_restart(fixture);
    core_write(fixture, "b", "[{'op':'increment','path':'/n','by':1}]");
    core_tick(fixture, 200);
    core_keep(fixture);
    core_restart(fixture);
    assert_shows(fixture, "b", "{\"n\":7}");
    assert_shows(fixture, "a", "{\"x\":2}");
}

static void test_nothing_kept(void **state) {
    struct core_fixture *fixture = *state;
    uint32_t keeps = fixture->keep_count;
    fixture->keep_count = 0;
    fixture->disk_count = 0;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
    fixture->keep_count = keeps;
}

/* A checkpoint that wants records which are gone. */
static void test_kept_before_the_base(void **state) {
    struct core_fixture *fixture = *state;
    fixture->base_position++;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
}

/* A state that a hash without a key cannot tell from the true one: it is well formed, and it is not what was attested.
 */
static void test_another_state(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_keep *keep = fixture->keeps[fixture->keep_count - 1];
    assert_int_equal(keep->count, 2);
    struct gs_buffer swapped = keep->states[0].state;
    keep->states[0].state = keep->states[1].state;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
    gs_buffer_close(&keep->states[1].state);
    keep->states[0].state = swapped;
    keep->count = 1;
    assert_int_equal(try_start(fixture), GS_ECORRUPT); /* one is missing */
    gs_buffer_close(&keep->states[0].state);
    keep->count = 0;
}

static void test_other_heads(void **state) {
    struct core_fixture *fixture = *state;
    fixture->base.heads[0].hash.bytes[0] ^= 1;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
    fixture->base.heads[0].hash.bytes[0] ^= 1;
    fixture->base.heads[0].seq++;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
    fixture->base.heads[0].seq--;
    assert_int_equal(try_start(fixture), 0);
}

/* The last 64 bytes of the checkpoint that stand alone are the signature under the root. */
static void test_forged_attestation(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer *core = &fixture->keeps[fixture->keep_count - 1]->core;
    size_t at = core->length - 66;
    while (core->bytes[at] != 0xc4 || core->bytes[at + 1] != 64) {
        assert_true(at-- > 0);
    }
    core->bytes[at + 10] ^= 1;
    assert_int_equal(try_start(fixture), GS_ECORRUPT);
    core->bytes[at + 10] ^= 1;
    assert_int_equal(try_start(fixture), 0);
}

/* Kept while nobody meant to remove anything: no attestation, no start from it. */
static void test_not_attested(void **state) {
    struct core_fixture *fixture = *state;
    struct core_fixture *other = malloc(sizeof *other);
    core_open(other, PEERS);
    other->config.keep = (struct gs_keep_policy){.behind_ms = 100};
    assert_int_equal(try_start(other), 0);
    core_write(other, "a", "[{'op':'set','path':'/x','value':1}]");
    core_tick(other, 200);
    core_keep(other);
    assert_int_equal(try_start(other), 0);
    other->base_position = other->disk_count;
    assert_int_equal(gs_vector_copy(&other->base, gs_core_stored(other->core)), 0);
    assert_int_equal(try_start(other), GS_ECORRUPT);
    core_close(other);
    free(other);
    (void)fixture;
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_goes_on),       CASE(test_nothing_kept), CASE(test_kept_before_the_base),
        CASE(test_another_state), CASE(test_other_heads),  CASE(test_forged_attestation),
        CASE(test_not_attested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
