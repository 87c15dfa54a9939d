/* Member records: "this key runs, or leaves, and can be reached there" (gossip/FORMAT.md, "Member record").
 *
 * A record is signed by the key that it speaks of, so that whoever passes it on can neither alter nor invent one. Its
 * number rises with every record that a key signs, over restarts too: of two records the one with the greater number
 * counts. A record whose number is greater than one that was named in a question was, as far as its author can know,
 * made after the question: that is how a member refutes a suspicion (Das, Gupta, Motivala, *SWIM*, 2002, section 4.2;
 * its incarnation numbers).
 *
 * Bytes are read in two steps: the head's fixed fields, by which a record may be put aside unseen (unknown key, known
 * number), then the signature over all bytes, and only then the body. */
#ifndef GS_GOSSIP_MEMBER_H
#define GS_GOSSIP_MEMBER_H

#include "gossip/identity.h"

#include <globalstate/memory.h>

#include <stdbool.h>

enum {
    GS_MEMBER_ADDRESSES_MAX = 4,
    GS_MEMBER_ADDRESS_MAX = 261, /* bytes of an address: name of at most 255, colon, port */
    GS_MEMBER_HEAD_SIZE = 60,
    GS_MEMBER_BODY_MAX = 1152,
    GS_MEMBER_BYTES_MAX = GS_MEMBER_HEAD_SIZE + GS_MEMBER_BODY_MAX + GS_SIGNATURE_SIZE
};

#define GS_MEMBER_NUMBER_MAX ((uint64_t)INT64_MAX)

/* What a member says of itself. */
enum gs_member_intent { GS_MEMBER_ALIVE = 1, GS_MEMBER_LEAVING = 2 };

/* What the fixed fields say; not to be believed before the signature was checked. */
struct gs_member_head {
    gs_public_key key;
    uint64_t number; /* 1 … GS_MEMBER_NUMBER_MAX; a first one is the wall clock in milliseconds */
    enum gs_member_intent intent;
};

struct gs_member {
    struct gs_member_head head;
    char region[GS_REGION_NAME_MAX + 1];
    uint32_t address_count;                                             /* 0: it can not be dialed */
    char addresses[GS_MEMBER_ADDRESSES_MAX][GS_MEMBER_ADDRESS_MAX + 1]; /* see gs_member_address_valid */
};

/* True for 1..GS_MEMBER_ADDRESS_MAX bytes of [A-Za-z0-9._:%-] and brackets: what HOST:PORT is made of, and nothing that
 * a log or a document would have to escape. */
bool gs_member_address_valid(const char *text, size_t length);

/* Appends the signed record; `keys` are those of `member->head.key`. GS_EINVAL (number, region, an address), GS_ENOMEM.
 */
int gs_member_write(const struct gs_member *member, const gs_cluster *cluster, const struct gs_key_pair *keys,
                    struct gs_buffer *out);

/* Checks sizes and fixed fields. GS_EFORMAT, GS_EVERSION, GS_ECLUSTER. */
int gs_member_read_head(struct gs_slice bytes, const gs_cluster *cluster, struct gs_member_head *ret_head);
/* Verifies the signature, then decodes. The same errors, and GS_ESIGNATURE. */
int gs_member_read(struct gs_slice bytes, const gs_cluster *cluster, struct gs_member *ret_member);

/* True if the two say the same, their numbers apart. */
bool gs_member_same(const struct gs_member *a, const struct gs_member *b);

#endif
