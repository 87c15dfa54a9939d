/* Views: immutable, reference-counted pictures of one aggregate, as request threads answer with them.
 *
 * A view is rendered by the core's thread, is published only when everything it shows is stored, and never changes. Any
 * thread may hold references. */
#ifndef GS_NODE_CORE_VIEW_H
#define GS_NODE_CORE_VIEW_H

#include <globalstate/memory.h>

#include <stdatomic.h>
#include <stdbool.h>

enum { GS_ETAG_SIZE = 35 }; /* '"' + 32 hex digits + '"' + NUL */

struct gs_view {
    atomic_uint references;
    bool exists; /* false: nothing visible (never written, or deleted) */
    uint64_t version;
    char etag[GS_ETAG_SIZE]; /* names the exact causal context: equal everywhere at equal clocks; quotes included */
    struct gs_slice key;     /* "type/id" */
    struct gs_slice json;    /* the `state` document of the API */
};

/* A view with one reference and room for the copies of `key` and `json`; NULL when out of memory. */
struct gs_view *gs_view_new(struct gs_slice key, struct gs_slice json);
struct gs_view *gs_view_retain(struct gs_view *view);
/* NULL is allowed. */
void gs_view_release(struct gs_view *view);

#endif
