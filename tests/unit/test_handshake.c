/* The handshake under attack: the attacker relays, alters, cuts, repeats and reflects, or is an insider (MALLORY). */
#include "link_fixture.h"

#include "gossip/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { M1_SIZE = 4 + 58, M2_SIZE = 4 + 177, M3_SIZE = 4 + 144, EPHEMERAL_IN_M1 = 4 + 8 + 2 + 16 };

static struct fixture fixture;

/* Feeds a fresh link and frees it: the error, what it answered (may be NULL) and whether it was established. */
static int fresh(enum gs_link_role role, enum fixture_region region, uint8_t seed, const struct gs_buffer *bytes,
                 struct gs_buffer *ret_answer) {
    struct gs_buffer out = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *link = fixture_link(&fixture, role, region, seed, &out);
    out.length = 0;
    int error = feed(link, bytes->bytes, bytes->length, &out, &seen);
    assert_int_equal(seen.established, 0);
    assert_int_equal(gs_link_receive_end(link), GS_EHANDSHAKE);
    if (error != 0) {
        assert_int_equal(error, GS_EHANDSHAKE);
        assert_int_equal(out.length, bytes->length > M1_SIZE && out.length > 0 ? M2_SIZE : 0); /* M1 was still fine */
        assert_int_equal(feed(link, "x", 1, &out, &seen), GS_EHANDSHAKE);
    }
    if (ret_answer != NULL) {
        *ret_answer = out;
    } else {
        gs_buffer_close(&out);
    }
    gs_link_free(link);
    return error;
}

static void sizes_are_as_documented(void **state) {
    (void)state;
    struct session s;
    session_open(&fixture, 1, &s);
    assert_int_equal(s.m1.length, M1_SIZE);
    assert_int_equal(s.m2.length, M2_SIZE);
    assert_int_equal(s.m3.length, M3_SIZE + 4 + 24);
    assert_int_equal(s.bob_header.length, 4 + 24);
    session_close(&s);
}

static void flip_if(bool yes, struct gs_buffer *message, size_t bit) {
    if (yes) {
        message->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* One handshake with bit `bit` of message `which` (1, 2, 3) altered on the way: nobody that comes after it in the
 * protocol is established. */
static void flip(int which, size_t bit) {
    struct gs_buffer m[4] = {{.length = 0}};
    struct seen alice_seen = {.messages = 0};
    struct seen bob_seen = {.messages = 0};
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m[1]);
    struct gs_link *bob = fixture_link(&fixture, GS_LINK_RESPONDER, BOB, 2, &m[2]);
    struct gs_buffer rest = {.length = 0};
    flip_if(which == 1, &m[1], bit);
    int error = feed(bob, m[1].bytes, m[1].length, &m[2], &bob_seen);
    if (error == 0 && m[2].length > 0) {
        flip_if(which == 2, &m[2], bit);
        error = feed(alice, m[2].bytes, m[2].length, &m[3], &alice_seen);
    }
    if (error == 0 && m[3].length > 0) {
        flip_if(which == 3, &m[3], bit);
        error = feed(bob, m[3].bytes, m[3].length, &rest, &bob_seen);
    }
    /* A length that grew within its cap makes a side wait; the transport's clock ends that. */
    assert_true(error == GS_EHANDSHAKE || (error == 0 && bit < 32));
    assert_int_equal(bob_seen.established, 0);
    assert_int_equal(alice_seen.established, which == 3);
    for (int i = 1; i < 4; i++) {
        gs_buffer_close(&m[i]);
    }
    gs_buffer_close(&rest);
    gs_link_free(alice);
    gs_link_free(bob);
}

static void every_flipped_bit_is_refused(void **state) {
    (void)state;
    static const size_t sizes[] = {0, M1_SIZE, M2_SIZE, M3_SIZE};
    for (int which = 1; which <= 3; which++) {
        for (size_t bit = 0; bit < sizes[which] * 8; bit++) {
            flip(which, bit);
        }
    }
}

static void every_cut_is_a_failed_handshake(void **state) {
    (void)state;
    struct session s;
    session_open(&fixture, 1, &s);
    for (size_t length = 0; length < M1_SIZE; length++) {
        struct gs_buffer part = {.bytes = s.m1.bytes, .length = length};
        assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &part, NULL), 0);
    }
    for (size_t length = 0; length < M2_SIZE; length++) {
        struct gs_buffer part = {.bytes = s.m2.bytes, .length = length};
        assert_int_equal(fresh(GS_LINK_INITIATOR, ALICE, 1, &part, NULL), 0);
    }
    for (size_t length = 0; length < M3_SIZE; length++) {
        struct gs_buffer parts = {.length = 0};
        gs_buffer_append(&parts, s.m1.bytes, s.m1.length);
        gs_buffer_append(&parts, s.m3.bytes, length);
        assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &parts, NULL), 0);
        gs_buffer_close(&parts);
    }
    session_close(&s);
}

/* A recorded session, played again to sides that use new ephemerals. */
static void a_recorded_session_is_of_no_use(void **state) {
    (void)state;
    struct session s;
    struct gs_buffer recorded = {.length = 0};
    struct gs_buffer answer = {.length = 0};
    session_open(&fixture, 1, &s);
    /* M1 alone proves nothing and is answered; the recorded M3 does not fit the new answer. */
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 9, &s.m1, &answer), 0);
    assert_int_equal(answer.length, M2_SIZE);
    assert_memory_not_equal(answer.bytes, s.m2.bytes, M2_SIZE);
    gs_buffer_append(&recorded, s.m1.bytes, s.m1.length);
    gs_buffer_append(&recorded, s.m3.bytes, s.m3.length);
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 9, &recorded, NULL), GS_EHANDSHAKE);
    assert_int_equal(fresh(GS_LINK_INITIATOR, ALICE, 9, &s.m2, NULL), GS_EHANDSHAKE);
    gs_buffer_close(&recorded);
    gs_buffer_close(&answer);
    session_close(&s);
}

static void reflected_messages_are_refused(void **state) {
    (void)state;
    struct session s;
    session_open(&fixture, 1, &s);
    assert_int_equal(fresh(GS_LINK_INITIATOR, ALICE, 1, &s.m1, NULL), GS_EHANDSHAKE);
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &s.m2, NULL), GS_EHANDSHAKE);
    /* Alice's proof to Bob, with Bob's own M2 sent back to him. */
    struct gs_buffer back = {.length = 0};
    gs_buffer_append(&back, s.m1.bytes, s.m1.length);
    gs_buffer_append(&back, s.m2.bytes, s.m2.length);
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &back, NULL), GS_EHANDSHAKE);
    gs_buffer_close(&back);
    session_close(&s);
}

static void our_own_key_is_refused(void **state) {
    (void)state;
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m2 = {.length = 0};
    struct gs_buffer out = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *dialer = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    struct gs_link *listener = fixture_link(&fixture, GS_LINK_RESPONDER, ALICE, 2, &m2);
    assert_int_equal(feed(listener, m1.bytes, m1.length, &m2, &seen), 0);
    assert_false(gs_link_met_itself(dialer));
    assert_int_equal(feed(dialer, m2.bytes, m2.length, &out, &seen), GS_EHANDSHAKE);
    assert_true(gs_link_met_itself(dialer));
    assert_int_equal(seen.established, 0);
    gs_link_free(dialer);
    gs_link_free(listener);
    gs_buffer_close(&m1);
    gs_buffer_close(&m2);
    gs_buffer_close(&out);
}

static void low_order_points_of_an_initiator_are_refused(void **state) {
    (void)state;
    struct gs_buffer m1 = {.length = 0};
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    for (int i = 0; i < FIXTURE_LOW_ORDER; i++) {
        assert_int_equal(sodium_hex2bin(m1.bytes + EPHEMERAL_IN_M1, 32, fixture_low_order[i], 64, NULL, NULL, NULL), 0);
        assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &m1, NULL), GS_EHANDSHAKE);
    }
    gs_link_free(alice);
    gs_buffer_close(&m1);
}

static void another_cluster_is_refused(void **state) {
    (void)state;
    struct fixture other = fixture;
    struct gs_buffer m1 = {.length = 0};
    other.cluster = gs_cluster_from_name("production");
    struct gs_link *alice = fixture_link(&other, GS_LINK_INITIATOR, ALICE, 1, &m1);
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &m1, NULL), GS_EHANDSHAKE);
    gs_link_free(alice);
    gs_buffer_close(&m1);
}

/* Runs a handshake of ALICE and BOB, BOB with `trust`: who failed. */
static void handshake_with_trust(const struct fixture *alice_side, const struct fixture *bob_side, int expect_alice,
                                 int expect_bob) {
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m2 = {.length = 0};
    struct gs_buffer m3 = {.length = 0};
    struct seen seen = {.messages = 0};
    struct gs_link *alice = fixture_link(alice_side, GS_LINK_INITIATOR, ALICE, 1, &m1);
    struct gs_link *bob = fixture_link(bob_side, GS_LINK_RESPONDER, BOB, 2, &m2);
    assert_int_equal(feed(bob, m1.bytes, m1.length, &m2, &seen), 0);
    assert_int_equal(feed(alice, m2.bytes, m2.length, &m3, &seen), expect_alice);
    if (expect_alice == 0) {
        assert_int_equal(feed(bob, m3.bytes, m3.length, &m2, &seen), expect_bob);
    }
    assert_int_equal(gs_link_established(alice), expect_alice == 0);
    assert_int_equal(gs_link_established(bob), expect_alice == 0 && expect_bob == 0);
    gs_link_free(alice);
    gs_link_free(bob);
    gs_buffer_close(&m1);
    gs_buffer_close(&m2);
    gs_buffer_close(&m3);
}

static void only_trusted_keys_are_accepted(void **state) {
    (void)state;
    struct fixture other = fixture;
    other.trust.entries = other.entries;
    handshake_with_trust(&fixture, &other, 0, 0);
    other.entries[ALICE].revoked = true;
    handshake_with_trust(&fixture, &other, 0, GS_EHANDSHAKE);
    other.entries[ALICE] = other.entries[MALLORY];
    handshake_with_trust(&fixture, &other, 0, GS_EHANDSHAKE);
    other = fixture;
    other.trust.entries = other.entries;
    other.entries[BOB].revoked = true;
    handshake_with_trust(&other, &fixture, GS_EHANDSHAKE, 0);
    other.trust.count = 0;
    handshake_with_trust(&other, &fixture, GS_EHANDSHAKE, 0);
}

static void somebody_elses_name_without_their_key_is_refused(void **state) {
    (void)state;
    struct fixture liar = fixture;
    memcpy(liar.keys[ALICE].secret_key, fixture.keys[MALLORY].secret_key, 32); /* the seed half signs */
    handshake_with_trust(&liar, &fixture, 0, GS_EHANDSHAKE);
    liar = fixture;
    memcpy(liar.keys[BOB].secret_key, fixture.keys[MALLORY].secret_key, 32);
    handshake_with_trust(&fixture, &liar, GS_EHANDSHAKE, 0);
}

static void a_proof_from_another_session_is_refused(void **state) {
    (void)state;
    struct session first;
    struct session second;
    struct gs_buffer mixed = {.length = 0};
    session_open(&fixture, 1, &first);
    session_open(&fixture, 3, &second);
    gs_buffer_append(&mixed, first.m1.bytes, first.m1.length);
    gs_buffer_append(&mixed, second.m3.bytes, second.m3.length);
    assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &mixed, NULL), GS_EHANDSHAKE);
    gs_buffer_close(&mixed);
    session_close(&first);
    session_close(&second);
}

static void garbage_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        int error;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, GS_EHANDSHAKE},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, GS_EHANDSHAKE},
        {"\0\0\4\1", 4, GS_EHANDSHAKE}, /* 1025 bytes are one too many */
        {"\0\0\4\0", 4, 0},             /* 1024 could become something */
        {"\0\0\0\0", 4, GS_EHANDSHAKE},
        {"\xff\xff\xff\xff", 4, GS_EHANDSHAKE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gs_buffer bytes = {.length = 0};
        gs_buffer_append(&bytes, cases[i].bytes, cases[i].length);
        assert_int_equal(fresh(GS_LINK_RESPONDER, BOB, 2, &bytes, NULL), cases[i].error);
        assert_int_equal(fresh(GS_LINK_INITIATOR, ALICE, 1, &bytes, NULL), cases[i].error);
        gs_buffer_close(&bytes);
    }
}

/* A side that speaks versions 2 and 1, at the level below gs_link. */
static struct gs_handshake speaker(enum gs_link_role role, enum fixture_region region, uint8_t count) {
    struct gs_handshake handshake;
    struct gs_link_config config = {
        .role = role, .keys = &fixture.keys[region], .trust = &fixture.trust, .cluster = fixture.cluster};
    memset(config.seed, 1 + (int)region, sizeof config.seed);
    gs_handshake_init(&handshake, &config);
    handshake.versions[0] = count == 2 ? 2 : 1;
    handshake.versions[1] = 1;
    handshake.version_count = count;
    return handshake;
}

static struct gs_slice body(const struct gs_buffer *frame) {
    return gs_slice_make(frame->bytes + 4, frame->length - 4);
}

static void versions_are_negotiated_and_downgrades_noticed(void **state) {
    (void)state;
    for (int tampered = 0; tampered < 2; tampered++) {
        struct gs_buffer m1 = {.length = 0};
        struct gs_buffer m2 = {.length = 0};
        struct gs_buffer m3 = {.length = 0};
        struct gs_handshake alice = speaker(GS_LINK_INITIATOR, ALICE, 2);
        struct gs_handshake bob = speaker(GS_LINK_RESPONDER, BOB, 2);
        assert_int_equal(gs_handshake_start(&alice, &m1), 0);
        if (tampered == 1) {
            m1.bytes[4 + 9] = 1; /* 2 is gone from the list */
        }
        assert_int_equal(gs_handshake_receive(&bob, body(&m1), &m2), 0);
        assert_int_equal(bob.version, tampered == 1 ? 1 : 2);
        assert_int_equal(gs_handshake_receive(&alice, body(&m2), &m3), tampered == 1 ? GS_EHANDSHAKE : 0);
        gs_buffer_close(&m1);
        gs_buffer_close(&m2);
        gs_buffer_close(&m3);
    }
    /* No version in common. */
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m2 = {.length = 0};
    struct gs_handshake alice = speaker(GS_LINK_INITIATOR, ALICE, 1);
    struct gs_handshake bob = speaker(GS_LINK_RESPONDER, BOB, 1);
    alice.versions[0] = 7;
    assert_int_equal(gs_handshake_start(&alice, &m1), 0);
    assert_int_equal(gs_handshake_receive(&bob, body(&m1), &m2), GS_EHANDSHAKE);
    gs_buffer_close(&m1);
}

static void assert_hash(const struct gs_buffer *message, const char *hex) {
    uint8_t hash[32];
    char text[65];
    crypto_generichash(hash, sizeof hash, message->bytes, message->length, NULL, 0);
    assert_string_equal(sodium_bin2hex(text, sizeof text, hash, sizeof hash), hex);
}

static void assert_hex(const uint8_t bytes[32], const char *hex) {
    char text[65];
    assert_string_equal(sodium_bin2hex(text, sizeof text, bytes, 32), hex);
}

/* gossip/HANDSHAKE.md, "Test vector". */
static void the_test_vector_holds(void **state) {
    (void)state;
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m2 = {.length = 0};
    struct gs_buffer m3 = {.length = 0};
    struct gs_handshake alice = speaker(GS_LINK_INITIATOR, ALICE, 1);
    struct gs_handshake bob = speaker(GS_LINK_RESPONDER, BOB, 1);
    assert_int_equal(gs_handshake_start(&alice, &m1), 0);
    assert_int_equal(gs_handshake_receive(&bob, body(&m1), &m2), 0);
    assert_int_equal(gs_handshake_receive(&alice, body(&m2), &m3), 0);
    assert_int_equal(gs_handshake_receive(&bob, body(&m3), NULL), 0);
    assert_hash(&m1, "1fcb18c6f2aa2b29376b5f083b0dde11730d2852e593004c41dd8839eb435fe6");
    assert_hash(&m2, "493b4dadef00afc4293a85bb61a25df9834e18e61b507d22bdf9987d9754fe08");
    assert_hash(&m3, "821965aea7337ee32f646f153efa2251fb59eb5b89403fa11b4cda95db5ad8bc");
    assert_hex(alice.send_key, "d0c26e674aa019d789ac148bd954031f15bf36a282b9519d8cb8434c3aad7ca2");
    assert_hex(alice.receive_key, "3ddeaa12765e31beffa0e0955581cee5f3e75e7fed0d3b77f32c7cb58bf101b1");
    assert_memory_equal(alice.send_key, bob.receive_key, 32);
    assert_memory_equal(alice.receive_key, bob.send_key, 32);
    gs_buffer_close(&m1);
    gs_buffer_close(&m2);
    gs_buffer_close(&m3);
}

static void secrets_are_wiped(void **state) {
    (void)state;
    static const uint8_t zeros[32] = {0};
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m2 = {.length = 0};
    struct gs_buffer m3 = {.length = 0};
    struct gs_handshake alice = speaker(GS_LINK_INITIATOR, ALICE, 1);
    struct gs_handshake bob = speaker(GS_LINK_RESPONDER, BOB, 1);
    assert_int_equal(gs_handshake_start(&alice, &m1), 0);
    assert_int_equal(gs_handshake_receive(&bob, body(&m1), &m2), 0);
    assert_memory_equal(bob.ephemeral_secret, zeros, 32);
    assert_memory_not_equal(bob.master, zeros, 32);
    m2.bytes[M2_SIZE - 1] ^= 1;
    assert_int_equal(gs_handshake_receive(&alice, body(&m2), &m3), GS_EHANDSHAKE);
    assert_memory_equal(alice.ephemeral_secret, zeros, 32);
    assert_memory_equal(alice.master, zeros, 32);
    gs_handshake_wipe(&bob);
    assert_memory_equal(bob.master, zeros, 32);
    gs_buffer_close(&m1);
    gs_buffer_close(&m2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_as_documented),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_cut_is_a_failed_handshake),
        cmocka_unit_test(a_recorded_session_is_of_no_use),
        cmocka_unit_test(reflected_messages_are_refused),
        cmocka_unit_test(our_own_key_is_refused),
        cmocka_unit_test(low_order_points_of_an_initiator_are_refused),
        cmocka_unit_test(another_cluster_is_refused),
        cmocka_unit_test(only_trusted_keys_are_accepted),
        cmocka_unit_test(somebody_elses_name_without_their_key_is_refused),
        cmocka_unit_test(a_proof_from_another_session_is_refused),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(versions_are_negotiated_and_downgrades_noticed),
        cmocka_unit_test(the_test_vector_holds),
        cmocka_unit_test(secrets_are_wiped),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    fixture_init(&fixture);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
