/* An established link: messages, frames, goodbyes, and what a relay that can touch every byte achieves: nothing. */
#include "failing_memory.h"
#include "link_fixture.h"

#include "gossip/bytes.h"
#include "gossip/frame.h"
#include "gossip/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

enum { CHUNK = GS_LINK_FRAME_BYTES_MAX - 17, OVERHEAD = 4 + 17 };

static struct fixture fixture;

static void exchange(struct gs_link *from, struct gs_link *to, struct seen *seen, const void *bytes, size_t length) {
    struct gs_buffer wire = {.length = 0};
    uint32_t before = seen->messages;
    assert_int_equal(gs_link_send(from, bytes, length, &wire), 0);
    assert_true(wire.length <= gs_link_sealed_size(length));
    assert_int_equal(feed(to, wire.bytes, wire.length, NULL, seen), 0);
    assert_int_equal(seen->messages, before + 1);
    assert_int_equal(seen->last.length, length);
    assert_true(length == 0 || memcmp(seen->last.bytes, bytes, length) == 0);
    gs_buffer_close(&wire);
}

static void establishes_and_carries_messages_both_ways(void **state) {
    (void)state;
    struct session s;
    session_open(&fixture, 1, &s);
    assert_string_equal(s.alice_seen.region, "bob");
    assert_string_equal(s.bob_seen.region, "alice");
    assert_memory_equal(&s.alice_seen.key, &fixture.keys[BOB].public_key, 32);
    assert_memory_equal(&s.bob_seen.key, &fixture.keys[ALICE].public_key, 32);
    exchange(s.alice, s.bob, &s.bob_seen, "from alice", 10);
    exchange(s.bob, s.alice, &s.alice_seen, "from bob", 8);
    exchange(s.alice, s.bob, &s.bob_seen, "again", 5);
    session_close(&s);
}

static void establishes_byte_by_byte(void **state) {
    (void)state;
    struct gs_buffer to_bob = {.length = 0};
    struct gs_buffer to_alice = {.length = 0};
    struct seen alice_seen = {.messages = 0};
    struct seen bob_seen = {.messages = 0};
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &to_bob);
    struct gs_link *bob = fixture_link(&fixture, GS_LINK_RESPONDER, BOB, 2, &to_alice);
    for (int round = 0; round < 3; round++) {
        struct gs_buffer bytes = to_bob;
        to_bob = (struct gs_buffer){.length = 0};
        assert_int_equal(feed_slowly(bob, bytes.bytes, bytes.length, &to_alice, &bob_seen), 0);
        gs_buffer_close(&bytes);
        bytes = to_alice;
        to_alice = (struct gs_buffer){.length = 0};
        assert_int_equal(feed_slowly(alice, bytes.bytes, bytes.length, &to_bob, &alice_seen), 0);
        gs_buffer_close(&bytes);
    }
    assert_int_equal(alice_seen.established + bob_seen.established, 2);
    assert_int_equal(gs_link_send(alice, "slow", 4, &to_bob), 0);
    assert_int_equal(gs_link_goodbye(alice, &to_bob), 0);
    assert_int_equal(feed_slowly(bob, to_bob.bytes, to_bob.length, &to_alice, &bob_seen), 0);
    assert_int_equal(bob_seen.messages, 1);
    assert_memory_equal(bob_seen.last.bytes, "slow", 4);
    assert_int_equal(bob_seen.goodbyes, 1);
    gs_buffer_close(&to_bob);
    gs_buffer_close(&to_alice);
    gs_buffer_close(&bob_seen.last);
    gs_link_free(alice);
    gs_link_free(bob);
}

static void carries_messages_of_every_size(void **state) {
    (void)state;
    static const size_t sizes[] = {0,
                                   1,
                                   CHUNK - 1,
                                   CHUNK,
                                   CHUNK + 1,
                                   2 * CHUNK,
                                   (1 << 20) - 1,
                                   1 << 20,
                                   GS_MESSAGE_BYTES_MAX - 1,
                                   GS_MESSAGE_BYTES_MAX};
    struct session s;
    struct gs_buffer message = {.length = 0};
    struct gs_buffer wire = {.length = 0};
    uint8_t *bytes = gs_buffer_reserve(&message, GS_MESSAGE_BYTES_MAX + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i <= GS_MESSAGE_BYTES_MAX; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 3);
    }
    session_open(&fixture, 1, &s);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        exchange(s.alice, s.bob, &s.bob_seen, bytes, sizes[i]);
    }
    assert_int_equal(gs_link_send(s.alice, bytes, GS_MESSAGE_BYTES_MAX + 1, &wire), GS_ETOOBIG);
    assert_int_equal(wire.length, 0);
    exchange(s.alice, s.bob, &s.bob_seen, "fine", 4);
    gs_buffer_close(&message);
    session_close(&s);
}

static void every_cut_is_an_error_and_not_a_goodbye(void **state) {
    (void)state;
    struct session s;
    struct gs_buffer wire = {.length = 0};
    session_open(&fixture, 1, &s);
    assert_int_equal(gs_link_receive_end(s.bob), GS_ECLOSED);
    assert_int_equal(gs_link_send(s.alice, "one", 3, &wire), 0);
    size_t message_end = wire.length;
    assert_int_equal(gs_link_goodbye(s.alice, &wire), 0);
    for (size_t i = 0; i < wire.length; i++) {
        assert_int_equal(gs_link_receive_end(s.bob), GS_ECLOSED);
        assert_int_equal(s.bob_seen.messages, i >= message_end);
        assert_int_equal(feed(s.bob, wire.bytes + i, 1, NULL, &s.bob_seen), 0);
    }
    assert_int_equal(s.bob_seen.goodbyes, 1);
    assert_int_equal(gs_link_receive_end(s.bob), 0);
    assert_int_equal(gs_link_send(s.alice, "late", 4, &wire), GS_ECLOSED);
    assert_int_equal(feed(s.bob, "x", 1, NULL, &s.bob_seen), GS_ECLOSED);
    gs_buffer_close(&wire);
    session_close(&s);
}

static void every_flipped_bit_of_a_frame_is_refused(void **state) {
    (void)state;
    enum { WIRE = OVERHEAD + 5 };
    for (size_t bit = 0; bit < WIRE * 8; bit++) {
        struct session s;
        struct gs_buffer wire = {.length = 0};
        session_open(&fixture, 1, &s);
        assert_int_equal(gs_link_send(s.alice, "hello", 5, &wire), 0);
        assert_int_equal(wire.length, WIRE);
        wire.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int error = feed(s.bob, wire.bytes, wire.length, NULL, &s.bob_seen);
        /* A length that grew within its cap only makes the link wait. */
        assert_true(error == GS_EFORMAT || (error == 0 && bit < 32));
        assert_int_equal(s.bob_seen.messages, 0);
        assert_int_equal(gs_link_receive_end(s.bob), error == 0 ? GS_ECLOSED : GS_EFORMAT);
        gs_buffer_close(&wire);
        session_close(&s);
    }
}

static void a_flipped_stream_header_is_refused(void **state) {
    (void)state;
    struct gs_buffer out = {.length = 0};
    struct gs_buffer wire = {.length = 0};
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m3 = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    struct gs_link *bob = fixture_link(&fixture, GS_LINK_RESPONDER, BOB, 2, &out);
    assert_int_equal(feed(bob, m1.bytes, m1.length, &out, &seen), 0);
    assert_int_equal(feed(alice, out.bytes, out.length, &m3, &seen), 0);
    assert_int_equal(gs_link_send(alice, "early", 5, &m3), 0);
    m3.bytes[m3.length - (OVERHEAD + 5) - 1] ^= 1;
    assert_int_equal(feed(bob, m3.bytes, m3.length, &out, &seen), GS_EFORMAT);
    assert_int_equal(seen.messages, 0);
    gs_buffer_close(&out);
    gs_buffer_close(&wire);
    gs_buffer_close(&m1);
    gs_buffer_close(&m3);
    gs_link_free(alice);
    gs_link_free(bob);
}

static void frames_out_of_order_are_refused(void **state) {
    (void)state;
    enum { FRAME = OVERHEAD + 1 };
    /* Which of three frames arrive, in what order; how many messages get through before the error. */
    static const struct {
        int order[3];
        uint32_t good;
    } cases[] = {{{1, 0, 2}, 0}, {{0, 0, 1}, 1}, {{0, 2, 1}, 1}, {{0, 1, 1}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct session s;
        struct gs_buffer wire = {.length = 0};
        int error = 0;
        session_open(&fixture, 1, &s);
        for (int n = 0; n < 3; n++) {
            assert_int_equal(gs_link_send(s.alice, "abc" + n, 1, &wire), 0);
        }
        for (int n = 0; n < 3 && error == 0; n++) {
            error = feed(s.bob, wire.bytes + cases[i].order[n] * FRAME, FRAME, NULL, &s.bob_seen);
        }
        assert_int_equal(error, GS_EFORMAT);
        assert_int_equal(s.bob_seen.messages, cases[i].good);
        assert_int_equal(feed(s.bob, wire.bytes, FRAME, NULL, &s.bob_seen), GS_EFORMAT);
        gs_buffer_close(&wire);
        session_close(&s);
    }
}

/* Small messages pass between the frames of a large one, byte by byte or not; the large one arrives whole after them.
 */
static void messages_pass_between_the_frames_of_another(void **state) {
    (void)state;
    enum { LENGTH = 3 * CHUNK + 5 };
    uint8_t *bytes = malloc(LENGTH);
    assert_non_null(bytes);
    memset(bytes, 7, LENGTH);
    for (int slowly = 0; slowly < 2; slowly++) {
        struct session s;
        struct gs_buffer wire = {.length = 0};
        size_t at = 0;
        session_open(&fixture, 1, &s);
        assert_int_equal(gs_link_send_between(s.alice, "early", 5, &wire), GS_EINVAL);
        for (uint32_t frame = 0; frame < 4; frame++) {
            assert_int_equal(gs_link_send_frame(s.alice, bytes, LENGTH, &at, &wire), 0);
            assert_int_equal(at, frame < 3 ? (frame + 1) * CHUNK : LENGTH);
            if (frame == 3) {
                break;
            }
            assert_int_equal(gs_link_send(s.alice, "whole", 5, &wire), GS_EINVAL);
            assert_int_equal(gs_link_goodbye(s.alice, &wire), GS_EINVAL);
            assert_int_equal(gs_link_send_between(s.alice, bytes, GS_LINK_BETWEEN_MAX + 1, &wire), GS_ETOOBIG);
            size_t length = frame == 0 ? 4 : frame == 1 ? 0 : GS_LINK_BETWEEN_MAX;
            assert_int_equal(gs_link_send_between(s.alice, frame == 2 ? bytes : (const void *)"ping", length, &wire),
                             0);
            assert_int_equal((slowly ? feed_slowly : feed)(s.bob, wire.bytes, wire.length, NULL, &s.bob_seen), 0);
            wire.length = 0;
            assert_int_equal(s.bob_seen.messages, frame + 1);
            assert_int_equal(s.bob_seen.last.length, length);
        }
        assert_int_equal(feed(s.bob, wire.bytes, wire.length, NULL, &s.bob_seen), 0);
        assert_int_equal(s.bob_seen.messages, 4);
        assert_int_equal(s.bob_seen.last.length, LENGTH);
        assert_memory_equal(s.bob_seen.last.bytes, bytes, LENGTH);
        exchange(s.alice, s.bob, &s.bob_seen, "after", 5);
        gs_buffer_close(&wire);
        session_close(&s);
    }
    free(bytes);
}

static void our_own_frames_do_not_come_back(void **state) {
    (void)state;
    struct session s;
    struct gs_buffer wire = {.length = 0};
    session_open(&fixture, 1, &s);
    assert_int_equal(gs_link_send(s.alice, "echo", 4, &wire), 0);
    assert_int_equal(feed(s.alice, wire.bytes, wire.length, NULL, &s.alice_seen), GS_EFORMAT);
    gs_buffer_close(&wire);
    session_close(&s);
}

static void an_oversized_frame_is_refused_on_its_length(void **state) {
    (void)state;
    static const uint32_t lengths[] = {GS_LINK_FRAME_BYTES_MAX + 1, UINT32_MAX};
    for (int i = 0; i < 2; i++) {
        struct session s;
        uint8_t head[4];
        session_open(&fixture, 1, &s);
        gs_put_be(head, lengths[i], 4);
        assert_int_equal(feed_slowly(s.bob, head, 3, NULL, &s.bob_seen), 0);
        assert_int_equal(feed(s.bob, head + 3, 1, NULL, &s.bob_seen), GS_EFORMAT);
        session_close(&s);
    }
    struct gs_frame_reader reader = {.complete = false}; /* when all of it is there at once */
    uint8_t whole[4 + 9] = {0, 0, 0, 9};
    struct gs_slice input = gs_slice_make(whole, sizeof whole);
    struct gs_slice body;
    assert_int_equal(gs_frame_next(&reader, 8, &input, &body), GS_EFORMAT);
    assert_int_equal(gs_frame_next(&reader, 9, &input, &body), 1);
    assert_int_equal(body.length, 9);
}

/* A frame that claims a mebibyte and sends little holds little memory. */
static void memory_follows_bytes_and_not_claims(void **state) {
    (void)state;
    struct failing_memory failing = {.fail_at = 0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_link_config config = {.role = GS_LINK_RESPONDER,
                                    .keys = &fixture.keys[BOB],
                                    .trust = &fixture.trust,
                                    .cluster = fixture.cluster,
                                    .seed = {2},
                                    .memory = &memory};
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer to_alice = {.length = 0};
    struct gs_buffer to_bob = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *bob = NULL;
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    uint8_t head[4 + 1000] = {0};
    assert_int_equal(gs_link_new(&config, &to_alice, &bob), 0);
    assert_int_equal(feed(bob, m1.bytes, m1.length, &to_alice, &seen), 0);
    assert_int_equal(feed(alice, to_alice.bytes, to_alice.length, &to_bob, &seen), 0);
    assert_int_equal(feed(bob, to_bob.bytes, to_bob.length, &to_alice, &seen), 0);
    size_t before = memory.used;
    gs_put_be(head, GS_LINK_FRAME_BYTES_MAX, 4);
    assert_int_equal(feed(bob, head, sizeof head, &to_alice, &seen), 0);
    assert_true(memory.used <= before + 4096);
    gs_link_free(bob);
    assert_int_equal(memory.used, 0);
    assert_int_equal(failing.live, 0);
    gs_link_free(alice);
    gs_buffer_close(&m1);
    gs_buffer_close(&to_alice);
    gs_buffer_close(&to_bob);
}

static int talk_with_failing_memory(struct failing_memory *failing) {
    struct gs_memory memory = failing_memory(failing);
    struct gs_link_config config = {.role = GS_LINK_RESPONDER,
                                    .keys = &fixture.keys[BOB],
                                    .trust = &fixture.trust,
                                    .cluster = fixture.cluster,
                                    .seed = {2},
                                    .memory = &memory};
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer to_alice = {.memory = &memory};
    struct gs_buffer to_bob = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *bob = NULL;
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    int error = gs_link_new(&config, &to_alice, &bob);
    if (error == 0) {
        error = feed_slowly(bob, m1.bytes, m1.length, &to_alice, &seen);
    }
    if (error == 0) {
        assert_int_equal(feed(alice, to_alice.bytes, to_alice.length, &to_bob, &seen), 0);
        assert_int_equal(gs_link_send(alice, "hello", 5, &to_bob), 0);
        error = feed_slowly(bob, to_bob.bytes, to_bob.length, &to_alice, &seen);
    }
    if (error == 0) {
        error = gs_link_send(bob, "hello", 5, &to_alice);
    }
    gs_link_free(bob);
    gs_link_free(alice);
    gs_buffer_close(&m1);
    gs_buffer_close(&to_alice);
    gs_buffer_close(&to_bob);
    gs_buffer_close(&seen.last);
    return error;
}

static void every_failing_allocation_is_reported(void **state) {
    (void)state;
    int error = GS_ENOMEM;
    for (uint64_t n = 1; error != 0; n++) {
        struct failing_memory failing = {.fail_at = n};
        error = talk_with_failing_memory(&failing);
        assert_true(error == 0 || error == GS_ENOMEM);
        assert_int_equal(failing.live, 0);
        assert_true(error == 0 || failing.count == n);
        assert_true(n < 1000);
    }
}

static void keys_are_renewed_on_the_way(void **state) {
    (void)state;
    struct session s;
    struct gs_buffer wire = {.length = 0};
    uint32_t renewed = 0;
    session_open(&fixture, 1, &s);
    for (uint32_t i = 0; i < 140000; i++) {
        wire.length = 0;
        assert_int_equal(gs_link_send(s.alice, &i, sizeof i, &wire), 0);
        renewed += wire.length == 2 * OVERHEAD + sizeof i;
        assert_int_equal(feed(s.bob, wire.bytes, wire.length, NULL, &s.bob_seen), 0);
        assert_int_equal(s.bob_seen.messages, i + 1);
        assert_memory_equal(s.bob_seen.last.bytes, &i, sizeof i);
    }
    assert_int_equal(renewed, 2);
    gs_buffer_close(&wire);
    session_close(&s);
}

static void revocation_ends_an_established_link(void **state) {
    (void)state;
    struct fixture later = fixture;
    struct session s;
    later.trust.entries = later.entries;
    session_open(&fixture, 1, &s);
    assert_int_equal(gs_link_set_trust(s.bob, &later.trust), 0);
    later.entries[ALICE].revoked = true;
    assert_int_equal(gs_link_set_trust(s.bob, &later.trust), GS_EUNTRUSTED);
    later.entries[ALICE] = later.entries[MALLORY];
    assert_int_equal(gs_link_set_trust(s.bob, &later.trust), GS_EUNTRUSTED);
    assert_int_equal(gs_link_set_trust(s.bob, NULL), GS_EUNTRUSTED);
    session_close(&s);
}

static void nothing_is_sent_before_the_link_is_established(void **state) {
    (void)state;
    struct gs_buffer out = {.length = 0};
    struct gs_buffer none = {.length = 0};
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &out);
    assert_int_equal(gs_link_send(alice, "x", 1, &none), GS_EINVAL);
    assert_int_equal(gs_link_goodbye(alice, &none), 0);
    assert_int_equal(none.length, 0);
    assert_false(gs_link_established(alice));
    assert_int_equal(gs_link_receive_end(alice), GS_EHANDSHAKE);
    gs_link_free(alice);
    gs_link_free(NULL);
    gs_buffer_close(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(establishes_and_carries_messages_both_ways),
        cmocka_unit_test(establishes_byte_by_byte),
        cmocka_unit_test(carries_messages_of_every_size),
        cmocka_unit_test(every_cut_is_an_error_and_not_a_goodbye),
        cmocka_unit_test(every_flipped_bit_of_a_frame_is_refused),
        cmocka_unit_test(a_flipped_stream_header_is_refused),
        cmocka_unit_test(frames_out_of_order_are_refused),
        cmocka_unit_test(messages_pass_between_the_frames_of_another),
        cmocka_unit_test(our_own_frames_do_not_come_back),
        cmocka_unit_test(an_oversized_frame_is_refused_on_its_length),
        cmocka_unit_test(memory_follows_bytes_and_not_claims),
        cmocka_unit_test(every_failing_allocation_is_reported),
        cmocka_unit_test(keys_are_renewed_on_the_way),
        cmocka_unit_test(revocation_ends_an_established_link),
        cmocka_unit_test(nothing_is_sent_before_the_link_is_established),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    fixture_init(&fixture);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
