#include "gossip/batch_impl.h"

#include <stdlib.h>
#include <string.h>

static int compare_origins(const void *a, const void *b) {
    return gs_origin_compare(a, b);
}

/* No origin may have two numbers, the batch's own included: a dot has one encoding. */
static int check_origins(const gs_origin *origins, uint32_t count, struct gs_arena *arena) {
    gs_origin *sorted = gs_arena_copy(arena, origins, count * sizeof *origins);
    if (sorted == NULL) {
        return GS_ENOMEM;
    }
    qsort(sorted, count, sizeof *sorted, compare_origins);
    for (uint32_t i = 1; i < count; i++) {
        if (gs_origin_equal(&sorted[i - 1], &sorted[i])) {
            return GS_EFORMAT;
        }
    }
    return 0;
}

static int read_origins(struct gs_reader *reader, const gs_origin *own, struct gs_arena *arena,
                        struct gs_origin_table *ret_table) {
    uint32_t count = gs_read_array(reader, GS_ORIGIN_TABLE_MAX - 1) + 1;
    if (reader->error != 0) {
        return reader->error;
    }
    gs_origin *origins = gs_arena_alloc(arena, count * sizeof *origins);
    if (origins == NULL) {
        return GS_ENOMEM;
    }
    origins[0] = *own;
    for (uint32_t i = 1; i < count; i++) {
        gs_read_bin_exact(reader, origins[i].bytes, GS_ORIGIN_SIZE);
    }
    if (reader->error != 0) {
        return reader->error;
    }
    *ret_table = (struct gs_origin_table){.origins = origins, .count = count};
    return check_origins(origins, count, arena);
}

static int check_clocks(const struct gs_batch_head *head, const struct gs_event *events) {
    if (events[0].clock != head->clock_first || events[head->count - 1].clock != head->clock_last) {
        return GS_EFORMAT;
    }
    for (uint32_t i = 1; i < head->count; i++) {
        if (events[i].clock <= events[i - 1].clock) {
            return GS_EFORMAT;
        }
    }
    return 0;
}

int gs_batch_decode(const struct gs_batch_head *head, struct gs_arena *arena, struct gs_event **ret_events) {
    struct gs_reader reader;
    gs_reader_init(&reader, head->body.bytes, head->body.length);
    /* A body holds many values; its length, capped by parse_head, bounds its nodes. */
    reader.nodes_left = (uint32_t)head->body.length;
    gs_read_array_exact(&reader, 2);
    struct gs_origin_table table = {0};
    int error = read_origins(&reader, &head->origin, arena, &table);
    if (error != 0) {
        return error;
    }
    gs_read_array_exact(&reader, head->count);
    if (reader.error != 0) {
        return reader.error;
    }
    if (head->count > (size_t)(reader.end - reader.at) / GS_EVENT_BYTES_MIN) {
        return GS_EFORMAT;
    }
    struct gs_event *events = gs_arena_alloc(arena, head->count * sizeof *events);
    if (events == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < head->count; i++) {
        error = gs_event_decode(&reader, head, head->first_seq + i, &table, arena, &events[i]);
        if (error != 0) {
            return error;
        }
    }
    error = gs_reader_finish(&reader);
    if (error == 0) {
        error = check_clocks(head, events);
    }
    if (error != 0) {
        return error;
    }
    *ret_events = events;
    return 0;
}
