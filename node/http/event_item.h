/* Event items: what POST /events asks for, one event each, read and written back.
 *
 * {"aggregateType","aggregateId","eventType","ops"?,"data"?,"metadata"?,"expectedVersion"?}, or, over several
 * aggregates, {"eventType","changes":[{"aggregateType","aggregateId","ops"?,"expectedVersion"?},…],"data"?,
 * "metadata"?}. */
#ifndef GS_NODE_HTTP_EVENT_ITEM_H
#define GS_NODE_HTTP_EVENT_ITEM_H

#include "node/http/response.h"

enum { GS_EVENT_PREFIX_SIZE = 24 }; /* "", or "/events/999" */

struct gs_event_item {
    struct gs_slice value; /* canonical, as sent */
    char prefix[GS_EVENT_PREFIX_SIZE];
    bool several; /* in the form with "changes" */
    struct gs_slice data;
    struct gs_slice metadata;
    const struct gs_slice *ops;  /* one for each change; {NULL, 0}: none were sent */
    struct gs_http_fault *fault; /* NULL, or why it is refused already */
    uint32_t write;              /* its number among the command's writes, if it is not refused */
};

/* Reads item->value into a write whose parts live in `arena`, or borrow from the item. Any code of gs_ops_parse,
 * GS_EINVAL, GS_EDEPTH, GS_ETOOBIG, GS_HTTP_EFORBIDDEN, GS_ENOMEM. */
int gs_event_item_parse(const struct gs_http_request *request, struct gs_event_item *item, struct gs_arena *arena,
                        struct gs_write *ret_write, struct gs_http_fault *fault);

/* Appends the event that an accepted item became. */
void gs_event_item_write(const struct gs_http_request *request, const struct gs_event_item *item,
                         const struct gs_write *write, const struct gs_write_result *result, struct gs_buffer *out);

#endif
