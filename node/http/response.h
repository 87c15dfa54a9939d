/* An answer: status line, head and body leave in one write (CivetWeb's helpers make ten). */
#ifndef GS_NODE_HTTP_RESPONSE_H
#define GS_NODE_HTTP_RESPONSE_H

#include "node/http/request.h"

/* For whoever shows an answer in a browser: it is what it says it is, runs and loads nothing, is in nobody's frame, and
 * its address is told to no other page. */
#define GS_HTTP_SECURITY_HEADERS                                                                                 \
    "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n" \
    "Referrer-Policy: no-referrer\r\n"

/* Zero-initialise; gs_http_response_close frees. */
struct gs_http_response {
    int status;
    const char *content_type; /* NULL: application/json, if there is a body */
    struct gs_buffer headers; /* further lines, each with its CR LF */
    struct gs_buffer body;    /* owned */
    struct gs_view *view;     /* a reference, or NULL: its JSON is the body, its etag the ETag */
    bool sent;                /* the handler has written it all */
};

void gs_http_response_close(struct gs_http_response *response);

/* Adds "Name: value". The value must not hold control characters. */
void gs_http_response_header(struct gs_http_response *response, const char *name, const char *value);

/* Answers with a view, taking the reference. */
void gs_http_response_view(struct gs_http_response *response, int status, struct gs_view *view);

/* Writes the answer, and, if the connection is to be closed, reads what the client still sends for a bounded while, so
 * that a reset does not take the answer away from it. */
void gs_http_response_send(struct gs_http_request *request, struct gs_http_response *response);

#endif
