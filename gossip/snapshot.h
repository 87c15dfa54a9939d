/* What nodes say to each other to hand over a snapshot, or parts of a log (gossip/FORMAT.md, "Snapshot"): encoding and
 * bounded decoding, nothing else. It travels as the body of a GS_MESSAGE_SNAPSHOT.
 *
 * One side asks, the other answers; a session is named by a random number of the asker's. The answerer of RANGE keeps
 * nothing of it; a snapshot is held at its cut until END, or until nobody has asked for a while. */
#ifndef GS_GOSSIP_SNAPSHOT_H
#define GS_GOSSIP_SNAPSHOT_H

#include "gossip/compare.h"

enum gs_snapshot_op {
    GS_SNAPSHOT_ASK,     /* take a snapshot for me */
    GS_SNAPSHOT_ROOT,    /* … here is what it is made of, signed */
    GS_SNAPSHOT_OPEN,    /* show me the children of these prefixes */
    GS_SNAPSHOT_NODES,   /* … in the same order */
    GS_SNAPSHOT_WANT,    /* give me all leaves below this prefix */
    GS_SNAPSHOT_CHUNK,   /* … signed */
    GS_SNAPSHOT_PART,    /* give me this part of what a start needs besides the states */
    GS_SNAPSHOT_CORE,    /* … */
    GS_SNAPSHOT_RANGE,   /* give me these events of this origin, as records of your log */
    GS_SNAPSHOT_RECORDS, /* … as many as fit; none: I do not have them */
    GS_SNAPSHOT_END      /* the session is over; from the one who answers: why it cannot go on */
};

enum gs_snapshot_end {
    GS_SNAPSHOT_DONE,
    GS_SNAPSHOT_BUSY,    /* too many snapshots are under way, or none is held under this session */
    GS_SNAPSHOT_DAMAGED, /* a log could not be read */
    GS_SNAPSHOT_LARGE    /* WANT: more than fits a chunk; open the prefix */
};

enum {
    GS_SNAPSHOT_OPEN_MAX = 64,
    GS_SNAPSHOT_CHUNK_BYTES = 4 * 1024 * 1024, /* leaves of a chunk, at most */
    GS_SNAPSHOT_CHUNK_LEAVES = 4096,
    GS_SNAPSHOT_AHEAD = 7, /* WANTs that may follow one which is not answered yet; others go unanswered */
    GS_SNAPSHOT_PART_BYTES = 1024 * 1024,
    GS_SNAPSHOT_PARTS_MAX = 4096,
    GS_SNAPSHOT_RECORDS_MAX = 4096,
    GS_SNAPSHOT_BODY_MAX = 7 * 1024 * 1024 + 1024
};

/* Children of a node of a digest tree, complete: the hash of their parent can be computed from them. */
struct gs_snapshot_children {
    uint16_t inner, leaf; /* sets; no child is of both */
    gs_hash hashes[GS_COMPARE_FANOUT];
    uint64_t counts[GS_COMPARE_FANOUT]; /* leaves below; of a leaf 1 */
};

struct gs_snapshot {
    enum gs_snapshot_op op;
    uint64_t session;
    struct gs_vector vector;               /* ROOT: the cut; owned */
    gs_hash root;                          /* ROOT: of the digest tree at it */
    uint64_t leaves;                       /* ROOT */
    uint64_t bytes;                        /* ROOT: of the states, an estimate */
    uint32_t part_count;                   /* ROOT */
    gs_hash parts;                         /* ROOT: see gs_snapshot_parts_add */
    uint8_t signature[GS_SIGNATURE_SIZE];  /* ROOT, CHUNK */
    uint32_t count;                        /* of prefixes, children, records */
    struct gs_compare_prefix *prefixes;    /* OPEN; WANT and CHUNK: one; owned */
    struct gs_snapshot_children *children; /* NODES; owned */
    uint32_t part;                         /* PART, CORE: 0 … part_count − 1 */
    struct gs_slice body;                  /* CHUNK, CORE; borrowed from the message */
    gs_origin origin;                      /* RANGE */
    uint64_t after, until;                 /* RANGE: events after + 1 … until; until 0: as far as there are any */
    struct gs_slice *records;              /* RECORDS: encoded; the array is owned, the bytes are borrowed */
    enum gs_snapshot_end end;              /* END */
};

/* The message that carries a body: [14, bin body]. Other kinds are message.h's. */
enum { GS_MESSAGE_SNAPSHOT = 14 };
void gs_message_write_snapshot(struct gs_slice body, struct gs_buffer *out);
/* True if a message is of this kind; its body is borrowed from it, and empty if the message is malformed. */
bool gs_message_read_snapshot(struct gs_slice message, struct gs_slice *ret_body);

/* Decodes a body. GS_EFORMAT, GS_ETOOBIG, GS_ENOMEM. */
int gs_snapshot_decode(struct gs_slice body, struct gs_snapshot *ret_snapshot);
void gs_snapshot_close(struct gs_snapshot *snapshot);

/* Appends the body. */
void gs_snapshot_write(const struct gs_snapshot *snapshot, struct gs_buffer *out);

/* `hash`, zeros before the first, runs over the parts in order. */
void gs_snapshot_parts_add(gs_hash *hash, struct gs_slice part);

/* The signature of a ROOT: what a member vouches for that has a snapshot. Its context string is its own. Signing: 0 or
 * GS_ENOMEM; checking: 0, GS_ESIGNATURE, GS_ENOMEM. `ret_hash` (optional) names the snapshot in its chunks. */
int gs_snapshot_sign(struct gs_snapshot *root, const gs_cluster *cluster, const struct gs_key_pair *keys,
                     gs_hash *ret_hash);
int gs_snapshot_verify(const struct gs_snapshot *root, const gs_cluster *cluster, const gs_public_key *key,
                       gs_hash *ret_hash);
/* The same for a CHUNK of the snapshot named by `root_hash`: it covers what the tree's hashes do not (versions, times).
 */
void gs_snapshot_sign_chunk(struct gs_snapshot *chunk, const gs_hash *root_hash, const struct gs_key_pair *keys);
int gs_snapshot_verify_chunk(const struct gs_snapshot *chunk, const gs_hash *root_hash, const gs_public_key *key);

#endif
