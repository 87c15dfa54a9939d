/* Problem documents: application/problem+json (RFC 9457).
 *
 * {"type","title","status","code","detail","field","requestId"}; a version conflict or a failed precondition adds
 * "currentVersion", a causal token that is ahead "behind", a 422 "violations". `field` is a JSON Pointer into the
 * request's body, or the name of a header, query parameter or path segment; absent when the whole is meant. */
#ifndef GS_NODE_HTTP_PROBLEM_H
#define GS_NODE_HTTP_PROBLEM_H

#include "node/http/response.h"

void gs_http_problem_write(const struct gs_http_fault *fault, const char *request_id, struct gs_buffer *out);

/* Makes the answer a problem document, with the headers that belong to its status (Retry-After, WWW-Authenticate);
 * `allow` is the value of a 405's Allow header, else NULL. Whatever was in the answer is dropped. */
void gs_http_problem_answer(const struct gs_http_request *request, const struct gs_http_fault *fault, const char *allow,
                            struct gs_http_response *response);

#endif
