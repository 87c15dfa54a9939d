#include "node/history/past.h"

const struct gs_origin_name *gs_past_origin(const struct gs_past *past, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = past->origin_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = gs_origin_compare(&past->origins[middle].origin, origin);
        if (order == 0) {
            return &past->origins[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order > 0 ? middle : high;
    }
    return NULL;
}

static void write_name(const void *context, const gs_origin *origin, struct gs_buffer *out) {
    const struct gs_origin_name *name = gs_past_origin(context, origin);
    if (name != NULL) {
        gs_buffer_text(out, name->name);
    } else {
        gs_buffer_printf(out, "unknown~%02x%02x", origin->bytes[0], origin->bytes[1]);
    }
}

struct gs_namer gs_past_namer(const struct gs_past *past) {
    return (struct gs_namer){.write = write_name, .context = past};
}

void gs_past_record_close(struct gs_past_record *record) {
    gs_buffer_close(&record->bytes);
    gs_buffer_close(&record->versions);
    gs_arena_close(&record->arena);
    *record = (struct gs_past_record){0};
}

static void forget(struct gs_past_record *record) {
    record->position = 0;
    record->bytes.length = 0;
    record->versions.length = 0;
    record->signature = NULL;
    record->verified = false;
    gs_arena_close(&record->arena);
}

static int decode(struct gs_past_record *record) {
    struct gs_record parts;
    int error = gs_record_parse(gs_slice_make(record->bytes.bytes, record->bytes.length), &parts);
    if (error == 0) {
        error = gs_batch_parse_head(parts.batch.bytes, parts.batch.length, &record->head);
    }
    if (error == 0) {
        error = gs_batch_decode(&record->head, &record->arena, &record->events);
    }
    if (error == 0) {
        error = gs_record_attach(&parts, record->events, record->head.count);
    }
    return error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
}

int gs_past_record_load(const struct gs_past *past, uint64_t position, struct gs_past_record *record,
                        struct gs_problem *problem) {
    if (record->position == position && position != 0) {
        return 0;
    }
    const struct gs_history_methods *methods = past->reader->methods;
    forget(record);
    int error = methods->record(past->reader, position, &record->bytes);
    if (error == 0) {
        error = methods->versions(past->reader, position, &record->versions);
    }
    if (error == 0) {
        error = decode(record);
    }
    if (error == GS_ECORRUPT) {
        gs_problem_set(problem, error, NULL, "the log's record %llu is damaged", (unsigned long long)position);
    }
    record->position = error == 0 ? position : 0;
    return error;
}

/* The place that was used longest ago is taken; what is encoded in all of them is bounded, what is decoded with it. */
static struct gs_past_record *make_room(struct gs_past_records *records) {
    for (;;) {
        size_t bytes = 0;
        int oldest = 0;
        int largest = 0;
        for (int i = 0; i < GS_PAST_RECORDS_MAX; i++) {
            bytes += records->items[i].bytes.length;
            oldest = records->used[i] < records->used[oldest] ? i : oldest;
            bool larger = records->items[i].bytes.length > records->items[largest].bytes.length;
            largest = larger ? i : largest;
        }
        if (bytes <= GS_PAST_RECORDS_BYTES_MAX) {
            records->used[oldest] = ++records->uses;
            return &records->items[oldest];
        }
        gs_past_record_close(&records->items[largest]);
        records->used[largest] = 0;
    }
}

int gs_past_records_get(const struct gs_past *past, struct gs_past_records *records, uint64_t position,
                        struct gs_past_record **ret_record, struct gs_problem *problem) {
    struct gs_past_record *record = NULL;
    for (int i = 0; i < GS_PAST_RECORDS_MAX && record == NULL; i++) {
        if (records->items[i].position == position) {
            records->used[i] = ++records->uses;
            record = &records->items[i];
        }
    }
    record = record != NULL ? record : make_room(records);
    *ret_record = record;
    return gs_past_record_load(past, position, record, problem);
}

void gs_past_records_close(struct gs_past_records *records) {
    for (int i = 0; i < GS_PAST_RECORDS_MAX; i++) {
        gs_past_record_close(&records->items[i]);
    }
}
