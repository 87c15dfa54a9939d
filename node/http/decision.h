/* What an operator decides for all regions: an event on one of the nodes' own aggregates, which no client may write. */
#ifndef GS_NODE_HTTP_DECISION_H
#define GS_NODE_HTTP_DECISION_H

#include "node/http/fault.h"
#include "node/http/request.h"

struct gs_http_decision {
    const char *type;   /* of the aggregate */
    struct gs_slice id; /* of the aggregate; borrowed, as all slices here, during the call */
    const char *event_type;
    const char *member;     /* that the event sets … */
    struct gs_slice value;  /* … to this, in canonical encoding */
    struct gs_slice reason; /* set as the member `reason`: a text, in canonical encoding */
};

/* Writes it in the name of who asks, and waits until it is stored. 0, or the fault of the write. */
int gs_http_decide(struct gs_http_request *request, const struct gs_http_decision *decision,
                   struct gs_http_fault *fault);

#endif
