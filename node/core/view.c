#include "node/core/view.h"

#include <stdlib.h>
#include <string.h>

struct gs_view *gs_view_new(struct gs_slice key, struct gs_slice json) {
    struct gs_view *view = calloc(1, sizeof *view + key.length + json.length);
    if (view == NULL) {
        return NULL;
    }
    uint8_t *bytes = (uint8_t *)(view + 1);
    if (key.length > 0) {
        memcpy(bytes, key.bytes, key.length);
    }
    if (json.length > 0) {
        memcpy(bytes + key.length, json.bytes, json.length);
    }
    atomic_init(&view->references, 1);
    view->key = gs_slice_make(bytes, key.length);
    view->json = gs_slice_make(bytes + key.length, json.length);
    return view;
}

struct gs_view *gs_view_retain(struct gs_view *view) {
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    return view;
}

void gs_view_release(struct gs_view *view) {
    if (view != NULL && atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) == 1) {
        free(view);
    }
}
