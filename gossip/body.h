/* Parts that bodies of several messages have in common (gossip/FORMAT.md). Private to gossip. */
#ifndef GS_GOSSIP_BODY_H
#define GS_GOSSIP_BODY_H

#include "gossip/compare.h"

#include <globalstate/codec.h>

/* [origin, seq, hash, …], sorted by origin; what was read so far is in `ret_vector`, also on failure. 0, GS_EFORMAT,
 * GS_ENOMEM. */
int gs_body_read_vector(struct gs_reader *reader, struct gs_vector *ret_vector);
void gs_body_write_vector(const struct gs_vector *vector, struct gs_buffer *out);

/* bin (depth u8 | nibbles, two a byte, the rest 0); a failure is in the reader. */
void gs_body_read_prefix(struct gs_reader *reader, struct gs_compare_prefix *ret_prefix);
void gs_body_write_prefix(const struct gs_compare_prefix *prefix, struct gs_buffer *out);
/* 1 … max of them; the array is the caller's to free, also on failure. 0, GS_EFORMAT, GS_ENOMEM. */
int gs_body_read_prefixes(struct gs_reader *reader, uint32_t max, struct gs_compare_prefix **ret_prefixes,
                          uint32_t *ret_count);

#endif
