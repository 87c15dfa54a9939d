/* Events of the region's whole feed, in the order in which it applied them, from one place to another. */
#ifndef GS_NODE_HTTP_FEED_H
#define GS_NODE_HTTP_FEED_H

#include "node/http/look.h"

/* Between two events of the log. */
struct gs_feed_place {
    uint64_t position; /* from 1 */
    uint64_t event;    /* of that record, the next to be shown */
};

/* "POSITION.EVENT"; false: it is not. */
bool gs_feed_place_parse(struct gs_slice text, struct gs_feed_place *ret_place);

/* Zero-initialise, fill in, gs_feed_close. */
struct gs_feed {
    struct gs_http_request *request; /* its principal sees what it may */
    const struct gs_look *look;
    struct gs_buffer *out;
    struct gs_feed_place place; /* where it stands */
    uint32_t limit;
    struct gs_slice actor; /* only what this one wrote; empty: all */
    bool skips_gone;       /* records that the log does not have any more are passed over; else they are an error */
    /* Its own. */
    struct gs_past_record record;
    uint32_t shown;
};

/* Appends events up to the record `last` as JSON values with commas between, and moves the place: it ends at the limit,
 * at GS_LOOK_BODY_MAX, after a bounded number of records, or after `last`. Errors as gs_past_record_load. */
int gs_feed_write(struct gs_feed *feed, uint64_t last, struct gs_http_fault *fault);
void gs_feed_close(struct gs_feed *feed);

#endif
