/* Framing: is it beyond doubt where this request ends, and what it says?
 *
 * CivetWeb 1.15 believes the first of two headers, takes "5abc" for a length, prefers Transfer-Encoding to
 * Content-Length, and stops reading headers without a word at a folded line or after the 64th. Behind a proxy that
 * reads differently each of these lets one client's bytes become the head of another's request (request smuggling), so
 * they are refused before anything else is looked at, and the connection is closed. RFC 9112 sections 2.2, 5, 6.3. */
#ifndef GS_NODE_HTTP_FRAMING_H
#define GS_NODE_HTTP_FRAMING_H

#include "node/http/fault.h"

#include <globalstate/memory.h>

#include <civetweb.h>

enum {
    GS_HTTP_HEAD_MAX = 16384,            /* bytes of request line and header fields */
    GS_HTTP_HEAD_BUFFER = 32768,         /* what CivetWeb reads at most; longer heads it calls malformed */
    GS_HTTP_HEADERS_MAX = 63,            /* one less than CivetWeb parses: whether there were more cannot be seen */
    GS_HTTP_BODY_MAX = 1024 * 1024,      /* bytes */
    GS_HTTP_DRAIN_MAX = 2 * 1024 * 1024, /* bytes read and thrown away so that a client gets to read its refusal */
    GS_HTTP_DRAIN_MS = 2000
};

struct gs_http_framing {
    bool has_length;
    uint64_t length; /* of the body */
    bool keep_alive; /* what the client wants, as CivetWeb understands it */
    bool expects_continue;
};

/* 0, or a GS_HTTP_E… code with the fault filled in; the connection must then be closed. */
int gs_http_framing_check(const struct mg_request_info *info, struct gs_http_framing *ret_framing,
                          struct gs_http_fault *fault);

/* The only value of a header: NULL bytes if absent. Two of them: GS_HTTP_EREQUEST. */
int gs_http_header_single(const struct mg_request_info *info, const char *name, struct gs_slice *ret_value,
                          struct gs_http_fault *fault);

#endif
