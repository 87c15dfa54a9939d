#include "node/store/lacking.h"

#include <stdlib.h>

struct cursor {
    gs_origin origin;
    uint64_t head_seq; /* where the origin's tail ends */
    struct gs_lacking_place place;
};

/* A binary heap: the parent of cursor i is (i − 1) / 2 and has the lesser position. */
struct heap {
    struct cursor *cursors;
    uint32_t count;
};

static void swap(struct heap *heap, uint32_t a, uint32_t b) {
    struct cursor cursor = heap->cursors[a];
    heap->cursors[a] = heap->cursors[b];
    heap->cursors[b] = cursor;
}

static uint64_t position_at(const struct heap *heap, uint32_t at) {
    return heap->cursors[at].place.position;
}

static void sink(struct heap *heap, uint32_t at) {
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap->count; child++) {
            if (position_at(heap, child) < position_at(heap, least)) {
                least = child;
            }
        }
        if (least == at) {
            return;
        }
        swap(heap, at, least);
        at = least;
    }
}

/* A cursor for each origin of which `have` lacks something. */
static int open_cursors(const struct gs_lacking_source *source, const struct gs_vector *heads,
                        const struct gs_vector *have, struct heap *heap) {
    for (uint32_t i = 0; i < heads->count; i++) {
        const struct gs_head *head = &heads->heads[i];
        struct cursor cursor = {.origin = head->origin, .head_seq = head->seq};
        uint64_t seq = gs_vector_seq(have, &head->origin);
        if (seq >= head->seq) {
            continue;
        }
        int error = source->find(source->context, &head->origin, seq, &cursor.place);
        if (error != 0) {
            return error == GS_ENOTFOUND ? GS_ECORRUPT : error;
        }
        heap->cursors[heap->count++] = cursor;
    }
    for (uint32_t at = heap->count / 2; at-- > 0;) {
        sink(heap, at);
    }
    return 0;
}

/* Moves the first cursor to its origin's next record, or removes it at the end of the tail. */
static int advance(const struct gs_lacking_source *source, struct heap *heap) {
    struct cursor *first = &heap->cursors[0];
    if (first->place.last_seq >= first->head_seq) {
        *first = heap->cursors[--heap->count];
    } else {
        struct gs_lacking_place next;
        int error = source->find(source->context, &first->origin, first->place.last_seq, &next);
        if (error != 0) {
            return error == GS_ENOTFOUND ? GS_ECORRUPT : error;
        }
        if (next.position <= first->place.position || next.last_seq <= first->place.last_seq) {
            return GS_ECORRUPT;
        }
        first->place = next;
    }
    sink(heap, 0);
    return 0;
}

static int read_all(const struct gs_lacking_source *source, struct heap *heap, size_t bytes_max,
                    struct gs_buffer *records, uint32_t *ret_count) {
    const size_t start = records->length;
    uint32_t count = 0;
    while (heap->count > 0 && (count == 0 || records->length - start < bytes_max)) {
        const struct cursor *first = &heap->cursors[0];
        int error = source->read(source->context, &first->origin, &first->place, records);
        if (error == 0) {
            error = advance(source, heap);
        }
        if (error != 0) {
            return error;
        }
        count++;
    }
    *ret_count = count;
    return 0;
}

int gs_lacking_read(const struct gs_lacking_source *source, const struct gs_vector *heads, const struct gs_vector *have,
                    size_t bytes_max, struct gs_buffer *ret_records, uint32_t *ret_count, bool *ret_more) {
    if (ret_records->failed != 0) {
        return ret_records->failed;
    }
    struct heap heap = {.cursors = malloc((heads->count + 1) * sizeof *heap.cursors)};
    if (heap.cursors == NULL) {
        return GS_ENOMEM;
    }
    const size_t length = ret_records->length;
    uint32_t count = 0;
    int error = open_cursors(source, heads, have, &heap);
    if (error == 0) {
        error = read_all(source, &heap, bytes_max, ret_records, &count);
    }
    if (error == 0) {
        *ret_count = count;
        *ret_more = heap.count > 0;
    } else {
        ret_records->length = length;
        ret_records->failed = 0;
    }
    free(heap.cursors);
    return error;
}
