/* Trust: which keys may write, and what their regions are called.
 *
 * The trust file is text, one line a key: `REGION PUBLIC-KEY-BASE64 [revoked [ORIGIN:SEQ …]] [rotates OLD-KEY-BASE64
 * SIGNATURE SIGNATURE]`, `#` starts a comment. A
 * revoked key gets no links, and of what it signed only what the log has already is kept, and, so that all regions end
 * with the same, what the cut-offs say: batches of ORIGIN (32 hexadecimal digits) that end at SEQ or before. The file
 * A key that rotates another one of its region is the same member: it closes what the old one wrote, and inherits
 * (rotation.h has the signatures, by the old key and by the new one, base64). The file
 * is read by the shell; this module parses its text and answers lookups. Reading it again replaces the whole set. */
#ifndef GS_GOSSIP_TRUST_H
#define GS_GOSSIP_TRUST_H

#include "gossip/identity.h"

enum { GS_TRUST_MAX = 1024, GS_TRUST_CUTS_MAX = 8 };

/* Of a revoked key's origin, what is still taken: batches that end at `seq` or before. */
struct gs_trust_cut {
    gs_origin origin;
    uint64_t seq;
};

struct gs_trust_entry {
    char region[GS_REGION_NAME_MAX + 1];
    gs_public_key key;
    bool revoked;
    bool rotates; /* `previous`, a key of the same region in the same file */
    gs_public_key previous;
    uint32_t cut_count; /* only of revoked keys */
    struct gs_trust_cut cuts[GS_TRUST_CUTS_MAX];
};

struct gs_trust {
    struct gs_trust_entry *entries; /* owned */
    uint32_t count;
};

/* Parses `text`. Errors name the line: GS_EINVAL (bad region name, bad key, unknown word, duplicate key, a
 * rotation of a key that the region does not have or that has another successor), GS_ESIGNATURE, GS_ETOOBIG, GS_ENOMEM.
 * `ret_trust` is overwritten only on success; close the old one first. */
int gs_trust_parse(const char *text, size_t length, struct gs_trust *ret_trust, struct gs_problem *problem);
void gs_trust_close(struct gs_trust *trust);

/* The entry of `key`, or NULL. Revoked entries are found too. */
const struct gs_trust_entry *gs_trust_find_key(const struct gs_trust *trust, const gs_public_key *key);
/* The entry whose key, with `incarnation`, derives `origin`; NULL if none does. O(entries) hashes: callers remember the
 * answer. */
const struct gs_trust_entry *gs_trust_find_origin(const struct gs_trust *trust, const gs_origin *origin,
                                                  const gs_incarnation *incarnation);
/* True if batches of the key's `origin` that end at `last_seq` are taken: the key is not revoked, or a cut-off lies
 * there or behind. */
bool gs_trust_takes(const struct gs_trust_entry *entry, const gs_origin *origin, uint64_t last_seq);
/* The entry of the key that rotates `key`, or NULL. */
const struct gs_trust_entry *gs_trust_find_successor(const struct gs_trust *trust, const gs_public_key *key);
/* True if `key` rotates `old_key`, or a key that does, and so on. */
bool gs_trust_follows(const struct gs_trust *trust, const gs_public_key *key, const gs_public_key *old_key);
/* The first not revoked entry of a region, or NULL. */
const struct gs_trust_entry *gs_trust_find_region(const struct gs_trust *trust, const char *region);

/* Base64 (RFC 4648, padded) of a public key, 45 bytes with NUL; and back: 0 or GS_EINVAL. */
void gs_public_key_text(const gs_public_key *key, char ret_text[45]);
int gs_public_key_parse(const char *text, size_t length, gs_public_key *ret_key);

#endif
