/* The request target: path segments and query parameters, percent-decoded strictly (RFC 3986).
 *
 * "%" without two hex digits, "%00", bytes outside of ASCII, and the segments "." and ".." are refused rather than
 * repaired: what a proxy in front saw and what is acted upon must be the same. */
#ifndef GS_NODE_HTTP_TARGET_H
#define GS_NODE_HTTP_TARGET_H

#include "node/http/fault.h"

#include <globalstate/memory.h>

enum { GS_HTTP_SEGMENTS_MAX = 8, GS_HTTP_PARAMETERS_MAX = 16 };

struct gs_http_parameter {
    struct gs_slice name;
    struct gs_slice value;
};

struct gs_http_target {
    uint32_t segment_count;
    struct gs_slice segments[GS_HTTP_SEGMENTS_MAX]; /* "/state/player/p1": "state", "player", "p1" */
    uint32_t parameter_count;
    struct gs_http_parameter parameters[GS_HTTP_PARAMETERS_MAX];
};

/* `path` begins with "/"; `query` may be NULL. Decoded bytes live in `arena`. GS_HTTP_EREQUEST, GS_HTTP_EROUTE (more
 * segments than any route has), GS_ENOMEM. */
int gs_http_target_parse(const char *path, const char *query, struct gs_arena *arena, struct gs_http_target *ret_target,
                         struct gs_http_fault *fault);

/* The value of a parameter, or {NULL, 0}. */
struct gs_slice gs_http_target_parameter(const struct gs_http_target *target, const char *name);

#endif
