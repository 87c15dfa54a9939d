/* States of the past, for GET /state/{type}/{id}?at=TIME, ?atVersion=N, each with &as=REGION if a time is given. */
#ifndef GS_NODE_HTTP_STATE_PAST_H
#define GS_NODE_HTTP_STATE_PAST_H

#include "node/http/response.h"

/* Does the request ask for the past? */
bool gs_state_past_wanted(const struct gs_http_request *request);
/* Contract: gs_http_handler_fn. */
int gs_state_past_answer(struct gs_http_request *request, struct gs_slice type, struct gs_slice id,
                         struct gs_http_response *response, struct gs_http_fault *fault);

#endif
