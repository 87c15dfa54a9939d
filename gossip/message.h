/* Messages between linked peers (gossip/FORMAT.md, "Messages"): encoding and bounded decoding, nothing else. */
#ifndef GS_GOSSIP_MESSAGE_H
#define GS_GOSSIP_MESSAGE_H

#include "gossip/batch.h"
#include "gossip/member_message.h"
#include "gossip/statement.h"
#include "gossip/vector.h"

enum gs_message_kind {
    GS_MESSAGE_VECTOR = 1,
    GS_MESSAGE_BATCHES = 2,
    GS_MESSAGE_PING = 3,
    GS_MESSAGE_PONG = 4,
    GS_MESSAGE_STATEMENT = 5, /* of an instance: the sender's own, which asks for the next, or one that went round */
    GS_MESSAGE_HOLDINGS = 6,  /* what the sender has of the asker's key */
    GS_MESSAGE_FORK = 7,      /* two records whose batches prove that their origin has forked */
    GS_MESSAGE_COMPARE = 8,   /* of digest trees, see gossip/compare.h */
    GS_MESSAGE_MEMBERS = 9,   /* member records; perhaps with what the sender knows, to be told the rest */
    GS_MESSAGE_PROBE = 10,    /* "is this key alive?": to a peer that may reach it, and on to the key itself */
    GS_MESSAGE_PROBE_ANSWER = 11,
    GS_MESSAGE_CREDIT = 12,
    GS_MESSAGE_PACKED = 13,   /* batches that answer a pull, compressed (gossip/compress.h); decoded as what they are */
    GS_MESSAGE_FORK_ASK = 15, /* which batch of an origin holds this event, at the receiver? */
    GS_MESSAGE_FORK_SAY = 16, /* the answer */
    GS_MESSAGE_DECISION = 17  /* a record whose batch decides about a fork */
};

/* Parts of an answer that may be on their way, or not stored, at a time; a vector that wants grants as many. */
enum { GS_CREDIT_PARTS = 16 };

enum { GS_MESSAGE_BYTES_MAX = 8 * 1024 * 1024, GS_MESSAGE_RECORDS_MAX = 4096 };

/* How urgent a message is: what keeps a link alive and steers what is sent; a write that was just stored; history that
 * was asked for, and comparisons. */
enum gs_lane { GS_LANE_CONTROL = 0, GS_LANE_FRESH = 1, GS_LANE_BULK = 2, GS_LANE_COUNT = 3 };

/* What the sender of a vector wants back. In a full mesh every origin pushes its own batches, so third-party batches
 * that a routine vector lacks are usually on their way already, and are only sent once they have been missing for a
 * while; urgently, at once. */
enum gs_vector_want { GS_VECTOR_TELL = 0, GS_VECTOR_WANT = 1, GS_VECTOR_URGENT = 2 };

/* Why batches are sent: as the last or not the last part of an answer to a vector that wanted them, or unasked. */
enum gs_batches_answer { GS_BATCHES_LAST = 0, GS_BATCHES_MORE = 1, GS_BATCHES_PUSH = 2, GS_BATCHES_GONE = 3 };

/* What somebody has of one incarnation of a key: the greatest seq seen, stored or waiting, and the hash of the batch
 * that ends there (zeros if it is not known). */
struct gs_holding {
    gs_incarnation incarnation;
    uint64_t seq;
    gs_hash hash;
};

/* An origin of which the sender of a vector takes nothing for now: its next batch is held, or it has forked. */
struct gs_spared {
    gs_origin origin;
    bool forked;
};

struct gs_message {
    enum gs_message_kind kind;
    uint32_t credit;                 /* credit: parts, 1 to GS_CREDIT_PARTS */
    enum gs_vector_want want;        /* vector */
    struct gs_vector vector;         /* vector: owned by the message */
    uint32_t spared_count;           /* vector */
    struct gs_spared *spared;        /* vector: owned, sorted by origin */
    enum gs_batches_answer answer;   /* batches */
    uint32_t record_count;           /* batches, fork (2), fork say (0 or 1), decision (1) */
    struct gs_slice *records;        /* each an encoded record; the array is owned, the bytes are borrowed */
    uint64_t time_ms;                /* ping, pong */
    struct gs_statement statement;   /* statement */
    gs_instance asker;               /* holdings: whose statement is answered */
    bool rival_alive;                /* holdings: another instance of the key was alive when the asker came */
    uint32_t holding_count;          /* holdings */
    struct gs_holding *holdings;     /* holdings: owned */
    struct gs_slice compare;         /* compare: the encoded body, borrowed */
    struct gs_buffer plain;          /* what came packed; owned, and slices borrow from it */
    struct gs_member_message member; /* members, probe, probe answer */
    gs_origin origin;                /* fork ask, fork say */
    uint64_t seq;                    /* fork ask, fork say: of an event; the answer has one record, or none */
};

/* Decodes `bytes`; slices borrow from them, or from `plain`. GS_EFORMAT, GS_ETOOBIG, GS_ENOMEM. */
int gs_message_decode(const void *bytes, size_t length, struct gs_message *ret_message);
void gs_message_close(struct gs_message *message);

/* Append an encoded message to `out`. */
void gs_message_write_vector(const struct gs_vector *vector, enum gs_vector_want want, struct gs_buffer *out);
void gs_message_write_vector_sparing(const struct gs_vector *vector, enum gs_vector_want want,
                                     const struct gs_spared *spared, uint32_t spared_count, struct gs_buffer *out);
/* Two encoded records. */
void gs_message_write_fork(struct gs_slice a, struct gs_slice b, struct gs_buffer *out);
void gs_message_write_fork_ask(const gs_origin *origin, uint64_t seq, struct gs_buffer *out);
/* `record`: encoded, or empty. */
void gs_message_write_fork_say(const gs_origin *origin, uint64_t seq, struct gs_slice record, struct gs_buffer *out);
void gs_message_write_decision(struct gs_slice record, struct gs_buffer *out);
/* `records`: encoded records, one after another; `count` of them. */
void gs_message_write_batches(enum gs_batches_answer answer, uint32_t count, struct gs_slice records,
                              struct gs_buffer *out);
void gs_message_write_statement(const struct gs_statement *statement, struct gs_buffer *out);
void gs_message_write_holdings(const gs_instance *asker, bool rival_alive, const struct gs_holding *holdings,
                               uint32_t count, struct gs_buffer *out);
/* `body`: of gs_compare_write. */
void gs_message_write_compare(struct gs_slice body, struct gs_buffer *out);
/* `frame`: zstd, of an encoded answer of `size` bytes. */
void gs_message_write_packed(size_t size, struct gs_slice frame, struct gs_buffer *out);
void gs_message_write_credit(uint32_t parts, struct gs_buffer *out);
void gs_message_write_ping(bool pong, uint64_t time_ms, struct gs_buffer *out);

#endif
