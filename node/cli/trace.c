#include "node/cli/trace.h"

#include "gossip/batch.h"
#include "node/core/table.h"

#include <globalstate/json.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { LINE_BYTES_MAX = 1024 * 1024 };

struct known_key {
    struct gs_table_entry entry;
    uint32_t number;
};

struct reading {
    struct gs_trace *trace;
    struct gs_table keys;
    struct gs_buffer value; /* of the line */
    struct gs_buffer text;
    struct gs_problem *problem;
    unsigned line;
};

static int wrong(struct reading *reading, int error, const char *what) {
    return gs_problem_set(reading->problem, error, "", "line %u of the trace: %s", reading->line, what);
}

static void *grown(void *items, uint32_t count, uint32_t *capacity, size_t size) {
    if (count < *capacity) {
        return items;
    }
    uint32_t next = *capacity == 0 ? 1024 : *capacity * 2;
    void *moved = realloc(items, next * size);
    if (moved != NULL) {
        *capacity = next;
    }
    return moved;
}

static struct gs_slice text_of(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return value.length > 0 ? gs_read_str(&reader, value.length) : value;
}

static char *copy_text(struct gs_trace *trace, struct gs_slice text) {
    char *copy = gs_arena_alloc(&trace->arena, text.length + 1);
    if (copy != NULL) {
        memcpy(copy, text.bytes, text.length);
        copy[text.length] = '\0';
    }
    return copy;
}

/* The number of an aggregate, given out at first sight. */
static int number_of(struct reading *reading, struct gs_slice type, struct gs_slice id, uint32_t *ret_number) {
    struct gs_trace *trace = reading->trace;
    reading->text.length = 0;
    gs_buffer_append(&reading->text, type.bytes, type.length);
    gs_buffer_byte(&reading->text, '/');
    gs_buffer_append(&reading->text, id.bytes, id.length);
    struct gs_slice name = gs_slice_make(reading->text.bytes, reading->text.length);
    struct known_key *known = (struct known_key *)gs_table_find(&reading->keys, name);
    if (known != NULL) {
        *ret_number = known->number;
        return 0;
    }
    struct gs_trace_key *keys = grown(trace->keys, trace->key_count, &trace->key_capacity, sizeof *keys);
    known = gs_arena_alloc(&trace->arena, sizeof *known);
    void *key = gs_arena_copy(&trace->arena, name.bytes, name.length);
    if (keys == NULL || known == NULL || key == NULL) {
        return GS_ENOMEM;
    }
    trace->keys = keys;
    keys[trace->key_count] = (struct gs_trace_key){.type = copy_text(trace, type), .id = copy_text(trace, id)};
    *known = (struct known_key){.entry = {.key = gs_slice_make(key, name.length)}, .number = trace->key_count};
    if (keys[trace->key_count].type == NULL || keys[trace->key_count].id == NULL ||
        gs_table_insert(&reading->keys, &known->entry) != 0) {
        return GS_ENOMEM;
    }
    *ret_number = trace->key_count++;
    return 0;
}

/* The line's object as JSON, without the member `region`. */
static void write_body(struct gs_slice object, struct gs_buffer *out) {
    struct gs_reader reader;
    gs_reader_init(&reader, object.bytes, object.length);
    uint32_t count = gs_read_map(&reader, UINT32_MAX);
    bool first = true;
    gs_buffer_text(out, "{");
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice name = gs_read_str(&reader, SIZE_MAX);
        struct gs_slice value = gs_read_value(&reader);
        if (name.length == 6 && memcmp(name.bytes, "region", 6) == 0) {
            continue;
        }
        gs_buffer_text(out, first ? "" : ",");
        gs_json_write_string(name.bytes, name.length, out);
        gs_buffer_text(out, ":");
        gs_json_write(value, out);
        first = false;
    }
    gs_buffer_text(out, "}");
}

static int add_event(struct reading *reading, struct gs_slice object) {
    struct gs_trace *trace = reading->trace;
    struct gs_slice type = text_of(gs_map_get(object, "aggregateType"));
    struct gs_slice id = text_of(gs_map_get(object, "aggregateId"));
    struct gs_slice region = gs_map_get(object, "region");
    struct gs_reader reader;
    gs_reader_init(&reader, region.bytes, region.length);
    if (type.length == 0 || id.length == 0) {
        return wrong(reading, GS_EINVAL, "has no aggregateType or aggregateId");
    }
    struct gs_trace_event event = {.region = region.length > 0 ? gs_read_u32(&reader, 1024) : 0};
    if (reader.error != 0) {
        return wrong(reading, GS_EINVAL, "`region` is not a small number");
    }
    int error = number_of(reading, type, id, &event.key);
    reading->text.length = 0;
    write_body(object, &reading->text);
    uint8_t *body = gs_arena_copy(&trace->arena, reading->text.bytes, reading->text.length);
    struct gs_trace_event *events = grown(trace->events, trace->count, &trace->capacity, sizeof *events);
    if (error != 0 || reading->text.failed != 0 || body == NULL || events == NULL) {
        return wrong(reading, GS_ENOMEM, "out of memory");
    }
    event.body = gs_slice_make(body, reading->text.length);
    trace->events = events;
    events[trace->count++] = event;
    return 0;
}

static int read_lines(gzFile file, uint32_t limit, struct reading *reading) {
    char *line = malloc(LINE_BYTES_MAX);
    int error = line != NULL ? 0 : wrong(reading, GS_ENOMEM, "out of memory");
    while (error == 0 && (limit == 0 || reading->trace->count < limit) && gzgets(file, line, LINE_BYTES_MAX) != NULL) {
        size_t length = strlen(line);
        reading->line++;
        if (length == LINE_BYTES_MAX - 1 && line[length - 1] != '\n') {
            error = wrong(reading, GS_ETOOBIG, "is longer than 1 MiB");
            continue;
        }
        reading->value.length = 0;
        struct gs_problem json = {0};
        if (gs_json_parse(line, length, GS_VALUE_DEPTH_MAX, &reading->value, &json) != 0) {
            error = wrong(reading, GS_EJSON, json.detail);
            continue;
        }
        error = add_event(reading, gs_slice_make(reading->value.bytes, reading->value.length));
    }
    int broken = Z_OK;
    const char *reason = gzerror(file, &broken);
    if (error == 0 && broken != Z_OK && broken != Z_STREAM_END) {
        error = wrong(reading, GS_EIO, reason);
    }
    free(line);
    return error;
}

int gs_trace_read(const char *path, uint32_t limit, struct gs_trace *ret_trace, struct gs_problem *problem) {
    gzFile file = gzopen(path, "rb");
    if (file == NULL) {
        return gs_problem_set(problem, GS_EIO, path, "cannot read %s", path);
    }
    struct gs_trace trace = {0};
    struct reading reading = {.trace = &trace, .problem = problem};
    int error = read_lines(file, limit, &reading);
    gzclose(file);
    gs_table_close(&reading.keys);
    gs_buffer_close(&reading.value);
    gs_buffer_close(&reading.text);
    if (error == 0 && trace.count == 0) {
        error = gs_problem_set(problem, GS_EINVAL, path, "%s holds no events", path);
    }
    if (error != 0) {
        gs_trace_close(&trace);
        return error;
    }
    *ret_trace = trace;
    return 0;
}

void gs_trace_close(struct gs_trace *trace) {
    gs_arena_close(&trace->arena);
    free(trace->events);
    free(trace->keys);
    *trace = (struct gs_trace){0};
}
