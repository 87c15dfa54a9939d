/* Reading a store's past: by aggregate, by position, by origin, and states that were kept.
 *
 * Readers are apart from the store: they see what is committed, never delay a commit, and may be used by any thread,
 * each by one at a time. What they read lies between `begin` and `end`: one unchanging cut of the log.
 *
 * Events are found through an index that the store writes behind (gs_store_methods.project). `extent` says how far it
 * reaches; a reader that must see more asks for it (node/history/pool.h waits until it has caught up). */
#ifndef GS_NODE_STORE_HISTORY_H
#define GS_NODE_STORE_HISTORY_H

#include "gossip/batch.h"
#include "node/store/base.h"
#include "node/store/version_list.h"

struct gs_history_reader;

/* Where the event is that made an aggregate's version. */
struct gs_history_entry {
    uint64_t version;
    uint64_t position; /* of its record */
    uint32_t event;    /* its number in the batch */
    gs_hlc clock;
};

/* Which entries of an aggregate: versions first … last, both included. */
struct gs_history_range {
    uint64_t first, last;
    bool descending;
};

/* A state of an aggregate that was kept, checked against its hash. */
struct gs_kept_state {
    uint64_t version;
    uint64_t position;      /* it has all of the aggregate's events up to this record, and no other */
    gs_hlc updated;         /* the greatest clock among them */
    struct gs_buffer state; /* GS_ENCODE_FULL; owned */
};

/* Errors of all: GS_EIO, GS_ECORRUPT, GS_ENOMEM. */
struct gs_history_methods {
    int (*begin)(struct gs_history_reader *reader);
    void (*end)(struct gs_history_reader *reader);

    /* The last position of the log, and up to which position it is indexed. */
    int (*extent)(struct gs_history_reader *reader, uint64_t *ret_last, uint64_t *ret_indexed);
    /* Where the log begins; `ret_base` is zero-initialised or reused. */
    int (*base)(struct gs_history_reader *reader, struct gs_base *ret_base);
    /* Appends the record at `position`. GS_ENOTFOUND: also of one that is gone, at or before the base. */
    int (*record)(struct gs_history_reader *reader, uint64_t position, struct gs_buffer *ret_record);
    /* Appends its version list. GS_ENOTFOUND: not indexed. */
    int (*versions)(struct gs_history_reader *reader, uint64_t position, struct gs_buffer *ret_list);
    /* The origin that version lists call `number`. GS_ENOTFOUND. */
    int (*origin)(struct gs_history_reader *reader, uint32_t number, gs_origin *ret_origin);
    /* The last indexed version of an aggregate; 0: it has no events. */
    int (*version)(struct gs_history_reader *reader, struct gs_slice type, struct gs_slice id, uint64_t *ret_version);
    /* At most `max` entries of the range, in its order. */
    int (*entries)(struct gs_history_reader *reader, struct gs_slice type, struct gs_slice id,
                   const struct gs_history_range *range, struct gs_history_entry *ret_entries, uint32_t max,
                   uint32_t *ret_count);
    /* Appends the record that holds event `seq` of `origin`, or the next one if there is none. GS_ENOTFOUND. */
    int (*origin_record)(struct gs_history_reader *reader, const gs_origin *origin, uint64_t seq,
                         struct gs_buffer *ret_record);
    /* The newest kept state of an aggregate up to `version`; `ret_state` is zeroed or reused. GS_ENOTFOUND. */
    int (*state)(struct gs_history_reader *reader, struct gs_slice type, struct gs_slice id, uint64_t version,
                 struct gs_kept_state *ret_state);

    void (*close)(struct gs_history_reader *reader); /* frees it */
};

/* Engines embed this as their first member. */
struct gs_history_reader {
    const struct gs_history_methods *methods;
};

#endif
