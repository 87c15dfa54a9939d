#include "link_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *const fixture_low_order[FIXTURE_LOW_ORDER] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

void fixture_init(struct fixture *fixture) {
    static const char *const names[FIXTURE_REGIONS] = {"alice", "bob", "mallory"};
    memset(fixture, 0, sizeof *fixture);
    for (int i = 0; i < FIXTURE_REGIONS; i++) {
        uint8_t seed[GS_SEED_SIZE];
        memset(seed, 0x11 * (i + 1), sizeof seed);
        gs_key_pair_from_seed(seed, &fixture->keys[i]);
        snprintf(fixture->entries[i].region, sizeof fixture->entries[i].region, "%s", names[i]);
        fixture->entries[i].key = fixture->keys[i].public_key;
    }
    fixture->trust = (struct gs_trust){.entries = fixture->entries, .count = FIXTURE_REGIONS};
    fixture->cluster = gs_cluster_from_name("test");
}

struct gs_link *fixture_link(const struct fixture *fixture, enum gs_link_role role, enum fixture_region region,
                             uint8_t seed, struct gs_buffer *out) {
    struct gs_link *link = NULL;
    struct gs_link_config config = {
        .role = role, .keys = &fixture->keys[region], .trust = &fixture->trust, .cluster = fixture->cluster};
    memset(config.seed, seed, sizeof config.seed);
    assert_int_equal(gs_link_new(&config, out, &link), 0);
    return link;
}

static void note(struct seen *seen, const struct gs_link_event *event) {
    switch (event->kind) {
    case GS_LINK_NOTHING:
        break;
    case GS_LINK_ESTABLISHED:
        seen->established++;
        seen->key = event->key;
        memcpy(seen->region, event->region, sizeof seen->region);
        break;
    case GS_LINK_MESSAGE:
        seen->messages++;
        seen->last.length = 0;
        gs_buffer_append(&seen->last, event->message.bytes, event->message.length);
        assert_int_equal(seen->last.failed, 0);
        break;
    case GS_LINK_GOODBYE:
        seen->goodbyes++;
        break;
    }
}

int feed(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out, struct seen *seen) {
    struct gs_slice input = gs_slice_make(bytes, length);
    struct gs_link_event event;
    do {
        int error = gs_link_receive(link, &input, out, &event);
        if (error != 0) {
            return error;
        }
        note(seen, &event);
    } while (event.kind != GS_LINK_NOTHING);
    assert_int_equal(input.length, 0);
    return 0;
}

int feed_slowly(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out, struct seen *seen) {
    for (size_t i = 0; i < length; i++) {
        /* In a block of its own, so that a sanitizer sees any use of it after the call. */
        struct gs_buffer one = {.length = 0};
        gs_buffer_byte(&one, ((const uint8_t *)bytes)[i]);
        int error = feed(link, one.bytes, one.length, out, seen);
        gs_buffer_close(&one);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

void session_open(const struct fixture *fixture, uint8_t seed, struct session *ret_session) {
    struct session *s = ret_session;
    memset(s, 0, sizeof *s);
    s->alice = fixture_link(fixture, GS_LINK_INITIATOR, ALICE, seed, &s->m1);
    s->bob = fixture_link(fixture, GS_LINK_RESPONDER, BOB, (uint8_t)(seed + 1), &s->m2);
    assert_int_equal(feed(s->bob, s->m1.bytes, s->m1.length, &s->m2, &s->bob_seen), 0);
    assert_int_equal(feed(s->alice, s->m2.bytes, s->m2.length, &s->m3, &s->alice_seen), 0);
    assert_int_equal(feed(s->bob, s->m3.bytes, s->m3.length, &s->bob_header, &s->bob_seen), 0);
    assert_int_equal(feed(s->alice, s->bob_header.bytes, s->bob_header.length, NULL, &s->alice_seen), 0);
    assert_int_equal(s->alice_seen.established, 1);
    assert_int_equal(s->bob_seen.established, 1);
}

void session_close(struct session *session) {
    gs_link_free(session->alice);
    gs_link_free(session->bob);
    gs_buffer_close(&session->m1);
    gs_buffer_close(&session->m2);
    gs_buffer_close(&session->m3);
    gs_buffer_close(&session->bob_header);
    gs_buffer_close(&session->alice_seen.last);
    gs_buffer_close(&session->bob_seen.last);
}
