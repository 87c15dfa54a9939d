/* Version lists: what a record's events made of the aggregates that they changed, in a few bytes each.
 *
 * An aggregate's version counts its events in log order; its vector clock is, for each origin, the last seq among them.
 * Both are functions of the log, kept so that a page of history need not replay what lies before it.
 *
 *   vector := n, n × (origin number, seq)                    LEB128 numbers; origins as the engine numbers them
 *   entry  := version, vector                                one for each change of each event, in order
 *   list   := entry* */
#ifndef GS_NODE_STORE_VERSION_LIST_H
#define GS_NODE_STORE_VERSION_LIST_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

struct gs_version_vector {
    uint32_t count, capacity;
    struct gs_version_pair {
        uint32_t origin; /* number */
        uint64_t seq;
    } * pairs; /* owned; in order of first appearance */
};

void gs_version_vector_close(struct gs_version_vector *vector);
/* The origin's last seq is now `seq`. GS_ENOMEM. */
int gs_version_vector_set(struct gs_version_vector *vector, uint32_t origin, uint64_t seq);
void gs_version_vector_write(const struct gs_version_vector *vector, struct gs_buffer *out);
/* Reads a vector off the front of `bytes`. GS_ECORRUPT, GS_ENOMEM. */
int gs_version_vector_read(struct gs_slice *bytes, struct gs_version_vector *ret_vector);

void gs_version_number_write(uint64_t number, struct gs_buffer *out);
/* Reads a number off the front of `bytes`. GS_ECORRUPT. */
int gs_version_number_read(struct gs_slice *bytes, uint64_t *ret_number);

/* Entry number `index` of a list; `ret_vector` is replaced. GS_ECORRUPT (also when there are not so many), GS_ENOMEM.
 */
int gs_version_list_get(struct gs_slice list, uint32_t index, uint64_t *ret_version,
                        struct gs_version_vector *ret_vector);

#endif
