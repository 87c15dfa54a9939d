/* Erasing what one actor's events carry beside their operations (privacy): their `data` and `metadata`.
 *
 * An event's data enters the signed bytes as a hash only, so the log stays whole without it: chain, signatures and
 * states are as before, and history says `dataErased`. Operations stay: they are the state. Every region erases its own
 * copy, of a running node (POST /subjects/{}/erase) or of a stopped one. */
#ifndef GS_NODE_HISTORY_ERASE_H
#define GS_NODE_HISTORY_ERASE_H

#include "node/store/store.h"

struct gs_erasure {
    struct gs_slice actor; /* exactly */
    /* Called after each record that was looked at. */
    void (*progress)(void *context, uint64_t done);
    void *context;
};

struct gs_erasure_report {
    uint64_t events;  /* of the actor */
    uint64_t erased;  /* … whose data is gone now */
    uint64_t records; /* rewritten */
};

/* What of a record is the actor's. */
struct gs_erasable {
    uint64_t events;
    uint64_t with_data; /* … whose data is still there */
};

/* Looks at a record; if `ret_record` is not NULL and some of the actor's data is in it, the same record without that is
 * appended there. GS_ECORRUPT, GS_ENOMEM. */
int gs_erase_from_record(struct gs_slice bytes, struct gs_slice actor, struct gs_buffer *ret_record,
                         struct gs_erasable *ret_found);

/* Of a stopped node: goes through the whole log. What was done before a failure stays done; doing it again completes
 * it. GS_ECORRUPT, GS_ESTORE, GS_EIO, GS_ENOMEM. */
int gs_erase_actor(struct gs_store *store, const struct gs_erasure *erasure, struct gs_erasure_report *ret_report);

#endif
