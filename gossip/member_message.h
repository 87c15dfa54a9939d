/* What linked peers say about members: records, and probes through others (gossip/FORMAT.md, "Messages" 9 to 11).
 * Decoded and encoded for gossip/message.h. */
#ifndef GS_GOSSIP_MEMBER_MESSAGE_H
#define GS_GOSSIP_MEMBER_MESSAGE_H

#include "gossip/member.h"

#include <globalstate/codec.h>

enum { GS_MEMBER_RECORDS_MAX = 256 }; /* in one message, and keys in it that the sender knows records of */

/* The number of the record that the sender has of a key. */
struct gs_member_known {
    gs_public_key key;
    uint64_t number;
};

/* Of all kinds; what a kind does not use is zero. */
struct gs_member_message {
    uint32_t record_count;    /* members */
    struct gs_slice *records; /* members: owned array of borrowed bytes, none of them checked */
    bool asks;                /* members: what follows is all that the sender knows; it wants what it lacks */
    uint32_t known_count;
    struct gs_member_known *known; /* owned; sorted by key */
    uint64_t id;                   /* probe, answer: drawn by who asks */
    struct gs_member_known target; /* probe: who is looked for, and the number that the answer must exceed */
    struct gs_slice proof;         /* answer: a newer record of the target, borrowed; empty: it was not reached */
};

/* Read what follows the kind in a message of `length` elements. 0 or the reader's error, or GS_ENOMEM. */
int gs_member_message_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message);
int gs_member_probe_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message);
int gs_member_answer_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message);
void gs_member_message_close(struct gs_member_message *message);

/* Append a whole message to `out`. `known` sorted by key; NULL: nothing is asked for. */
void gs_message_write_members(const struct gs_slice *records, uint32_t record_count,
                              const struct gs_member_known *known, uint32_t known_count, struct gs_buffer *out);
void gs_message_write_probe(uint64_t id, const struct gs_member_known *target, struct gs_buffer *out);
/* `proof` empty: not reached. */
void gs_message_write_probe_answer(uint64_t id, struct gs_slice proof, struct gs_buffer *out);

#endif
