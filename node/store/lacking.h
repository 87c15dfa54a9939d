/* What a peer lacks, in log order: the merge behind gs_store_methods.read_lacking, the same for every engine.
 *
 * An origin's records lie in the log in order of seq, so what a peer lacks of it is a tail. One cursor an origin that
 * has such a tail stands at its first record; the least position of all cursors is the next record to send. Records
 * that the peer has are never looked at, however many lie between, and a call that is repeated with what the last one
 * returned begins where that one ended. Cost: O(log n) for each origin and each record that is returned. */
#ifndef GS_NODE_STORE_LACKING_H
#define GS_NODE_STORE_LACKING_H

#include "gossip/vector.h"

/* Where in the log a record of an origin is, and with which event it ends. */
struct gs_lacking_place {
    uint64_t position;
    uint64_t last_seq;
};

struct gs_lacking_source {
    void *context;
    /* The first record of `origin` that ends after `seq`. GS_ENOTFOUND, GS_EIO, GS_ECORRUPT. */
    int (*find)(void *context, const gs_origin *origin, uint64_t seq, struct gs_lacking_place *ret_place);
    /* Appends the record at `place`, which must be of `origin`. GS_EIO, GS_ECORRUPT. */
    int (*read)(void *context, const gs_origin *origin, const struct gs_lacking_place *place,
                struct gs_buffer *ret_record);
};

/* As gs_store_methods.read_lacking; `heads` are what the store has. `ret_records` is as before on failure. */
int gs_lacking_read(const struct gs_lacking_source *source, const struct gs_vector *heads, const struct gs_vector *have,
                    size_t bytes_max, struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more);

#endif
