/* Regions that know each other, and a pair of links whose bytes the test carries. Tests only. */
#ifndef GS_TESTS_LINK_FIXTURE_H
#define GS_TESTS_LINK_FIXTURE_H

#include "gossip/link.h"

enum fixture_region { ALICE = 0, BOB = 1, MALLORY = 2, FIXTURE_REGIONS = 3 };

/* All three trust all three; MALLORY is an insider. Key seeds are 32 bytes of 0x11, 0x22, 0x33. */
struct fixture {
    struct gs_key_pair keys[FIXTURE_REGIONS];
    struct gs_trust_entry entries[FIXTURE_REGIONS];
    struct gs_trust trust; /* borrows `entries` */
    gs_cluster cluster;    /* "test" */
};

/* Hexadecimal points of order 1, 2, 4, 8 and their other encodings (D. J. Bernstein, cr.yp.to/ecdh.html). */
enum { FIXTURE_LOW_ORDER = 7 };
extern const char *const fixture_low_order[FIXTURE_LOW_ORDER];

void fixture_init(struct fixture *fixture);
/* A link of `region`; its ephemeral seed is 32 bytes of `seed`. */
struct gs_link *fixture_link(const struct fixture *fixture, enum gs_link_role role, enum fixture_region region,
                             uint8_t seed, struct gs_buffer *out);

/* What a link reported while bytes were fed to it. Zero-initialise; close frees the last message's copy. */
struct seen {
    uint32_t established, messages, goodbyes;
    gs_public_key key;
    char region[GS_REGION_NAME_MAX + 1];
    struct gs_buffer last; /* the newest message */
};

/* Feeds bytes until nothing is left; the first error, or 0. */
int feed(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out, struct seen *seen);
/* The same, one byte a call. */
int feed_slowly(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out, struct seen *seen);

/* A finished handshake between ALICE (initiator) and BOB, with its bytes. */
struct session {
    struct gs_link *alice, *bob;
    struct gs_buffer m1, m2, m3, bob_header; /* m3 is followed by alice's stream header, which bob has seen */
    struct seen alice_seen, bob_seen;
};

/* `seed` and `seed` + 1 are the ephemeral seeds. */
void session_open(const struct fixture *fixture, uint8_t seed, struct session *ret_session);
void session_close(struct session *session);

#endif
