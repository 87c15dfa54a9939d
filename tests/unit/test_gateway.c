/* Commands between request threads and the loop: each answered once, with what the loop said. */
#include "node/serve/gateway_loop.h"

#include <globalstate/error.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CALLERS = 4, CALLS = 20000 };

struct fixture {
    struct gs_gateway *gateway;
    atomic_uint wakes;
    atomic_uint ended; /* callers that are through */
    atomic_uint wrong; /* answers that are not the loop's */
};

static void count_wake(void *context) {
    atomic_fetch_add(&((struct fixture *)context)->wakes, 1);
}

static int open_gateway(void **state) {
    static struct fixture fixture;
    static const uint8_t secret[16] = {1};
    atomic_init(&fixture.wakes, 0);
    atomic_init(&fixture.ended, 0);
    atomic_init(&fixture.wrong, 0);
    fixture.gateway = gs_gateway_new(1 << 20, secret, count_wake, &fixture);
    *state = &fixture;
    return fixture.gateway != NULL ? 0 : -1;
}

static int close_gateway(void **state) {
    gs_gateway_free(((struct fixture *)*state)->gateway);
    return 0;
}

static void *call_often(void *context) {
    struct fixture *fixture = context;
    for (int i = 0; i < CALLS; i++) {
        struct gs_command *command = gs_command_new(GS_COMMAND_STATUS);
        gs_gateway_call(fixture->gateway, command);
        if (command->error != GS_EOVERLOADED) {
            atomic_fetch_add(&fixture->wrong, 1);
        }
        gs_command_free(command);
    }
    atomic_fetch_add(&fixture->ended, 1);
    return NULL;
}

/* A loop that is never asleep answers before the caller is back from queueing. */
static void test_the_answer_is_the_loops(void **state) {
    struct fixture *fixture = *state;
    pthread_t callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&callers[i], NULL, call_often, fixture), 0);
    }
    uint32_t answered = 0;
    while (atomic_load(&fixture->ended) < CALLERS) {
        struct gs_command *command = gs_gateway_take(fixture->gateway);
        if (command != NULL) {
            command->error = GS_EOVERLOADED;
            gs_gateway_answer(fixture->gateway, command);
            answered++;
        }
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i], NULL);
    }
    assert_int_equal(answered, CALLERS * CALLS);
    assert_int_equal(atomic_load(&fixture->wrong), 0);
    assert_true(atomic_load(&fixture->wakes) > 0);
}

static struct gs_gateway *quick;

static void answer_at_once(void *context) {
    struct gs_command *command = gs_gateway_take(quick);
    (void)context;
    command->error = GS_EOVERLOADED;
    gs_gateway_answer(quick, command);
}

/* The loop may have answered before the one who woke it goes on. */
static void test_an_answer_before_the_wait_stands(void **state) {
    static const uint8_t secret[16] = {1};
    (void)state;
    quick = gs_gateway_new(1 << 20, secret, answer_at_once, NULL);
    assert_non_null(quick);
    struct gs_command *command = gs_command_new(GS_COMMAND_LIST);
    gs_gateway_call(quick, command);
    assert_int_equal(command->error, GS_EOVERLOADED);
    gs_command_free(command);
    gs_gateway_free(quick);
}

static void test_a_gateway_that_is_shut_answers_at_once(void **state) {
    struct fixture *fixture = *state;
    gs_gateway_shut(fixture->gateway);
    struct gs_command *command = gs_command_new(GS_COMMAND_STATUS);
    gs_gateway_call(fixture->gateway, command);
    assert_int_equal(command->error, GS_ESHUTDOWN);
    assert_int_equal(atomic_load(&fixture->wakes), 0);
    gs_command_free(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_answer_is_the_loops, open_gateway, close_gateway),
        cmocka_unit_test(test_an_answer_before_the_wait_stands),
        cmocka_unit_test_setup_teardown(test_a_gateway_that_is_shut_answers_at_once, open_gateway, close_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
