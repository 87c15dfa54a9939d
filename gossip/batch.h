/* Batches and events: the unit that is signed, stored, relayed and applied (gossip/FORMAT.md).
 *
 * Writing: gs_batch_writer collects the events of one group commit, gs_batch_seal signs. Reading goes in the order that
 * hostile bytes ask for: gs_batch_parse_head checks sizes and fixed fields only; gs_batch_verify checks the signature
 * over the received bytes; gs_batch_decode then decodes the body. Nothing here keeps state about origins: chain and
 * causality are checked by the replica core against its heads. */
#ifndef GS_GOSSIP_BATCH_H
#define GS_GOSSIP_BATCH_H

#include "gossip/identity.h"
#include "gossip/vector.h"

#include <globalstate/delta.h>

enum {
    GS_BATCH_HEAD_SIZE = 111,
    GS_BATCH_DEP_SIZE = 56,
    GS_BATCH_EVENTS_MAX = 4096,
    GS_BATCH_DEPS_MAX = 4096,
    GS_BATCH_BYTES_MAX = 4 * 1024 * 1024,  /* head, deps, body and signature */
    GS_EVENT_BYTES_MAX = 1024 * 1024,      /* one encoded event: always fits a batch */
    GS_DETACHED_BYTES_MAX = 1024 * 1024,   /* one event's detached data */
    GS_RECORD_BYTES_MAX = 6 * 1024 * 1024, /* a batch with all its detached data */
    GS_EVENT_AGGREGATES_MAX = 256,
    GS_ID_BYTES_MAX = 128, /* aggregate type, aggregate id, event type */
    GS_ACTOR_BYTES_MAX = 256
};

/* Sequence numbers fit the signed 64-bit integers of databases. */
#define GS_SEQ_MAX ((uint64_t)INT64_MAX)

/* The type of events without changes, and of no others. */
#define GS_ACK_EVENT_TYPE "gs.ack"

/* True for 1..GS_ID_BYTES_MAX bytes of [A-Za-z0-9_.:-]: aggregate types and ids, event types. */
bool gs_id_valid(struct gs_slice id);

struct gs_idempotency {
    bool present;
    uint8_t key[16];
    uint32_t item;
    uint8_t request[16];
};

/* What one event does to one aggregate. */
struct gs_event_change {
    struct gs_slice aggregate_type;
    struct gs_slice aggregate_id;
    struct gs_delta delta;
};

struct gs_event {
    uint64_t seq;
    gs_hlc clock;
    struct gs_slice event_type;
    struct gs_slice actor;
    struct gs_idempotency idempotency;
    bool has_detached;
    gs_hash detached_hash;
    struct gs_slice detached; /* empty if there is none, or if it was erased */
    uint32_t change_count;
    const struct gs_event_change *changes;
};

/* The fixed part of a batch, decoded; slices borrow from the bytes that were parsed. */
struct gs_batch_head {
    gs_cluster cluster;
    gs_origin origin;
    gs_incarnation incarnation;
    uint64_t first_seq;
    uint32_t count;
    gs_hlc clock_first;
    gs_hlc clock_last;
    gs_hash prev_hash;
    uint32_t dep_count;
    struct gs_slice deps; /* dep_count × GS_BATCH_DEP_SIZE */
    struct gs_slice body;
    struct gs_slice signed_bytes; /* head ‖ deps ‖ body */
    const uint8_t *signature;
    gs_hash hash;
};

static inline uint64_t gs_batch_last_seq(const struct gs_batch_head *head) {
    return head->first_seq + head->count - 1;
}

/* Checks version, sizes, ranges and the order of deps, and computes the hash. GS_EFORMAT, GS_EVERSION, GS_ETOOBIG. */
int gs_batch_parse_head(const void *bytes, size_t length, struct gs_batch_head *ret_head);

/* Signature by `key`: 0 or GS_ESIGNATURE. That `key` belongs to the origin is the caller's business
 * (gs_trust_find_origin). */
int gs_batch_verify(const struct gs_batch_head *head, const gs_public_key *key);

/* The same for a hash and a signature that were kept from a batch: the newest signature vouches for its origin's whole
 * chain. */
int gs_batch_verify_hash(const gs_public_key *key, const gs_hash *hash, const uint8_t signature[GS_SIGNATURE_SIZE]);

/* Whether the batch continues its origin's chain, whose last batch ends at `seq` with `hash` (0 and zeros before the
 * first): 0, GS_EGAP (batches between are missing), GS_ECHAIN (it begins at or before `seq`, or hashes differ). */
int gs_batch_check_chain(const struct gs_batch_head *head, uint64_t seq, const gs_hash *hash);

/* dep number `index` < dep_count. */
void gs_batch_dep(const struct gs_batch_head *head, uint32_t index, struct gs_head *ret_dep);

/* Decodes the events of a verified batch into `arena`; they borrow from the batch's bytes. Checks everything that needs
 * no state: counts, clocks rising within the head's range, ids, aggregates named once an event, dots rising through an
 * event, own dots not beyond the delta's past (GS_EOVERCLAIM). Claims of foreign dots need all deps so far and are the
 * replica core's to check. `ret_events` has head->count entries. GS_EFORMAT, GS_ETOOBIG, GS_EOVERCLAIM, GS_ENOMEM; what
 * `arena` then holds is waste. */
int gs_batch_decode(const struct gs_batch_head *head, struct gs_arena *arena, struct gs_event **ret_events);

/* Collects the events of one group commit. Zero-initialise, then gs_batch_writer_begin; reusable after gs_batch_seal.
 */
struct gs_batch_writer {
    struct gs_buffer events; /* encoded events */
    struct gs_origin_table origins;
    gs_origin origin;
    uint64_t first_seq;
    uint32_t count;
    gs_hlc clock_first;
    gs_hlc clock_last;
    struct gs_buffer detached; /* [index, bin] pairs, encoded */
    uint32_t detached_count;
};

void gs_batch_writer_begin(struct gs_batch_writer *writer, const gs_origin *origin, uint64_t first_seq);
/* Encodes and appends one event; seq must be first_seq + count and the clock greater than the last. If `detached` is
 * not empty, it is hashed here and `detached_hash` is ignored; if it is empty and has_detached is set, the data was
 * erased and only `detached_hash` goes in. On failure the writer is as before. GS_EINVAL: gs_batch_decode would refuse
 * the event; GS_ETOOBIG: it is larger than a cap (it never fits); GS_EBUSY: the batch has no room left (seal it first);
 * GS_ENOMEM. */
int gs_batch_writer_add(struct gs_batch_writer *writer, const struct gs_event *event);
/* What gs_batch_seal needs besides the events. */
struct gs_batch_seal_input {
    gs_cluster cluster;
    gs_incarnation incarnation;
    gs_hash prev_hash;
    const struct gs_head *deps; /* sorted by origin */
    uint32_t dep_count;
    const struct gs_key_pair *keys;
};
/* Appends the signed record (batch and detached data) to `ret_record`, sets `ret_hash`, and begins the writer anew at
 * the next seq. GS_EINVAL: no events, or an input that peers would refuse (deps out of order, prev_hash missing or too
 * much, an origin that is not of this key and incarnation); GS_ENOMEM. On failure nothing has changed. */
int gs_batch_seal(struct gs_batch_writer *writer, const struct gs_batch_seal_input *input, struct gs_buffer *ret_record,
                  gs_hash *ret_hash);
void gs_batch_writer_close(struct gs_batch_writer *writer);

/* A record: a batch and its detached data, borrowed from the encoded record. */
struct gs_record {
    struct gs_slice batch;
    struct gs_slice detached; /* the encoded array of [index, bin, …] */
};

/* Splits an encoded record, without looking inside. GS_EFORMAT, GS_ETOOBIG. */
int gs_record_parse(struct gs_slice bytes, struct gs_record *ret_record);
/* Reads one record from a reader (a message holds several). */
int gs_record_read(struct gs_reader *reader, struct gs_record *ret_record);
/* Attaches detached data to decoded events, checking each against its hash. Data whose hash the origin signed and which
 * is not detached data counts as erased: nodes that got it erased cannot know, and all must apply the same. Whatever
 * fails is the fault of who sent the record, not of the origin: GS_ESIGNATURE (a hash does not match), GS_EFORMAT and
 * GS_ETOOBIG (the list is malformed). The events before the culprit have theirs. */
int gs_record_attach(const struct gs_record *record, struct gs_event *events, uint32_t count);

/* What travels beside an event: the hash that goes into the batch, and whether it is a canonical map of one or both of
 * "data" and "metadata": 0, GS_EFORMAT, GS_ETOOBIG. */
void gs_detached_hash(struct gs_slice detached, gs_hash *ret_hash);
int gs_detached_check(struct gs_slice detached);

#endif
