/* The causal gate: what tokens say, who is let in, and how waits end. */
#include "node/serve/causal_gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct gs_causal_head head(uint8_t id, uint64_t seq, const char *region) {
    struct gs_causal_head made = {.origin = {.bytes = {id}}, .seq = seq};
    snprintf(made.region, sizeof made.region, "%s", region);
    return made;
}

static void read_token(struct gs_causal_gate *gate, struct gs_causal_token *ret_token) {
    struct gs_buffer text = {0};
    gs_causal_gate_write_token(gate, &text);
    assert_int_equal(gs_causal_token_parse(gs_slice_make(text.bytes, text.length), ret_token), 0);
    gs_buffer_close(&text);
}

static void announce(struct gs_causal_gate *gate, uint64_t a, uint64_t b) {
    struct gs_causal_head heads[] = {head(1, a, "eu"), head(2, b, "us")};
    assert_int_equal(gs_causal_gate_announce(gate, heads, 2), 0);
}

static void test_token_round_trip(void **state) {
    (void)state;
    static const uint64_t seqs[] = {1, 127, 128, 16384, UINT64_C(1) << 62};
    struct gs_causal_gate *gate = gs_causal_gate_new();
    static struct gs_causal_token token;
    read_token(gate, &token);
    assert_int_equal(token.count, 0);
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        announce(gate, seqs[i], 7);
        read_token(gate, &token);
        assert_int_equal(token.count, 2);
        assert_true(token.heads[0].seq == seqs[i] && token.heads[1].seq == 7 && token.heads[1].origin.bytes[0] == 2);
    }
    gs_causal_gate_free(gate);
}

static void test_bad_tokens(void **state) {
    (void)state;
    static struct gs_causal_token token;
    static char large[GS_CAUSAL_TOKEN_MAX + 2];
    memset(large, 'A', sizeof large - 1);
    const char *bad[] = {
        "",
        "A",
        "Ag",
        "AQ==",
        "AQ ",
        "AQAA",
        "!!",
        large,
        "AQAAAAAAAAAAAAAAAAAAAAA",                         /* an origin without its number */
        "AQAAAAAAAAAAAAAAAAAAAACA",                        /* a number without its end */
        "AQAAAAAAAAAAAAAAAAAAAAD___________8",             /* a number past 63 bits */
        "AQAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAE", /* an origin twice */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gs_causal_token_parse(gs_slice_make(bad[i], strlen(bad[i])), &token), GS_EFORMAT);
    }
}

static void test_announced_is_not_yet_open(void **state) {
    (void)state;
    struct gs_causal_gate *gate = gs_causal_gate_new();
    static struct gs_causal_token token;
    struct gs_causal_lag lag;
    announce(gate, 5, 3);
    gs_causal_gate_open(gate);
    announce(gate, 9, 3);
    read_token(gate, &token);
    assert_true(token.heads[0].seq == 9);
    assert_int_equal(gs_causal_gate_await(gate, &token, 0, 9, &lag), GS_EBUSY);
    assert_int_equal(lag.events, 4);
    assert_int_equal(lag.count, 1);
    assert_string_equal(lag.regions[0].region, "eu");
    gs_causal_gate_open(gate);
    assert_int_equal(gs_causal_gate_await(gate, &token, 0, 0, &lag), 0);
    token.heads[1].origin.bytes[0] = 0x77;
    assert_int_equal(gs_causal_gate_await(gate, &token, 10, 9, &lag), GS_EBUSY);
    assert_string_equal(lag.regions[0].region, "unknown~7700");
    assert_int_equal(gs_causal_gate_await(gate, &token, 10, 0, &lag), GS_EOVERLOADED);
    gs_causal_gate_free(gate);
}

struct waiter {
    struct gs_causal_gate *gate;
    struct gs_causal_token token;
    int result;
};

static void *wait_for_token(void *argument) {
    struct waiter *waiter = argument;
    struct gs_causal_lag lag;
    waiter->result = gs_causal_gate_await(waiter->gate, &waiter->token, 20000, 2, &lag);
    return NULL;
}

static void test_waits_end(void **state) {
    (void)state;
    struct gs_causal_gate *gate = gs_causal_gate_new();
    static struct waiter waiter;
    announce(gate, 9, 3);
    for (int round = 0; round < 2; round++) {
        pthread_t thread;
        waiter = (struct waiter){.gate = gate, .result = -1};
        read_token(gate, &waiter.token);
        waiter.token.heads[0].seq += (uint64_t)round;
        assert_int_equal(pthread_create(&thread, NULL, wait_for_token, &waiter), 0);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        if (round == 0) {
            gs_causal_gate_open(gate);
        } else {
            gs_causal_gate_shut(gate);
        }
        pthread_join(thread, NULL);
        assert_int_equal(waiter.result, round == 0 ? 0 : GS_ESHUTDOWN);
    }
    gs_causal_gate_free(gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token_round_trip),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_announced_is_not_yet_open),
        cmocka_unit_test(test_waits_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
