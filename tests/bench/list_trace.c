/* Replays a recorded editing history on lists and says what it costs.
 *
 *   zcat tests/data/sveltecomponent.json.gz | build/tests/bench/list_trace [ROUNDS]
 *
 * `store`: each patch is resolved to an anchor or dots and applied to the list itself, as a writer's own replica does.
 * `remote`: the same changes at a replica that receives them. `aggregate`: each patch is an event, prepared against an
 * aggregate and applied to it, encoded on the way. The best of ROUNDS (20) is printed. */
#include "crdt/list.h"

#include <globalstate/aggregate.h>
#include <globalstate/json.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { JSON_DEPTH = 8 };

struct patch {
    uint32_t position;
    uint32_t deleted;
    uint32_t count;         /* of the values */
    struct gs_slice values; /* canonical, one behind the other */
    struct gs_slice array;  /* the same with its head */
};

struct trace {
    struct patch *patches;
    uint32_t count;
    uint32_t end_length; /* bytes */
    struct gs_arena arena;
};

/* What one patch became: for the replica that receives it. */
struct made {
    struct gs_list_anchor anchor;
    gs_dot *dots;
};

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void check(int error, const char *what) {
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", what, gs_error_message(error));
        exit(1);
    }
}

static void *need(void *pointer) {
    check(pointer ? 0 : GS_ENOMEM, "memory");
    return pointer;
}

static void read_input(struct gs_buffer *text) {
    char chunk[65536];
    size_t length = 0;
    while ((length = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
        gs_buffer_append(text, chunk, length);
    }
    check(text->failed, "input");
}

/* A str as one value a code point. */
static void split_text(struct gs_slice text, struct patch *patch, struct gs_arena *arena) {
    struct gs_buffer values = {0};
    for (size_t at = 0; at < text.length; patch->count++) {
        size_t end = at + 1;
        while (end < text.length && (text.bytes[end] & 0xc0) == 0x80) {
            end++;
        }
        gs_write_str(&values, text.bytes + at, end - at);
        at = end;
    }
    struct gs_buffer array = {0};
    gs_write_array(&array, patch->count);
    size_t head = array.length;
    gs_buffer_append(&array, values.bytes, values.length);
    const uint8_t *bytes = need(gs_arena_copy(arena, array.bytes, array.length));
    patch->array = gs_slice_make(bytes, array.length);
    patch->values = gs_slice_make(bytes + head, array.length - head);
    gs_buffer_close(&values);
    gs_buffer_close(&array);
}

static void read_patches(struct gs_slice patches, struct trace *trace) {
    struct gs_reader reader;
    gs_reader_init(&reader, patches.bytes, patches.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct patch *patch = &trace->patches[trace->count++];
        gs_read_array_exact(&reader, 3);
        patch->position = gs_read_u32(&reader, UINT32_MAX);
        patch->deleted = gs_read_u32(&reader, UINT32_MAX);
        split_text(gs_read_str(&reader, SIZE_MAX), patch, &trace->arena);
    }
    check(reader.error, "patches");
}

static void read_trace(struct trace *trace) {
    struct gs_buffer text = {0};
    struct gs_buffer value = {0};
    read_input(&text);
    check(gs_json_parse((const char *)text.bytes, text.length, JSON_DEPTH, &value, NULL), "JSON");
    struct gs_slice root = gs_slice_make(value.bytes, value.length);
    struct gs_slice transactions = gs_map_get(root, "txns");
    struct gs_reader reader;
    gs_reader_init(&reader, transactions.bytes, transactions.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    trace->patches = need(calloc(GS_VALUE_NODES_MAX / 4, sizeof(*trace->patches))); /* four nodes each, at least */
    for (uint32_t i = 0; i < count; i++) {
        read_patches(gs_map_get(gs_skip_value(&reader), "patches"), trace);
    }
    struct gs_slice end = gs_map_get(root, "endContent");
    gs_reader_init(&reader, end.bytes, end.length);
    trace->end_length = (uint32_t)gs_read_str(&reader, SIZE_MAX).length;
    gs_buffer_close(&text);
    gs_buffer_close(&value);
}

static uint32_t delete_run(struct gs_list *list, struct gs_memory *memory, const gs_dot *dots, uint32_t count) {
    uint32_t end = 1;
    bool by_event = count > 1 && dots[1].at.seq == dots[0].at.seq + 1 && dots[1].at.index == dots[0].at.index;
    while (end < count && dots[end].at.seq == dots[end - 1].at.seq + by_event &&
           dots[end].at.index == dots[end - 1].at.index + !by_event) {
        end++;
    }
    check(gs_list_delete(list, memory, dots, end, by_event, false), "delete");
    return end;
}

static void apply(struct gs_list *list, struct gs_memory *memory, struct gs_context *context, const gs_origin *origin,
                  uint64_t seq, const struct patch *patch, const struct made *made) {
    for (uint32_t i = 0; i < patch->deleted;) {
        i += delete_run(list, memory, made->dots + i, patch->deleted - i);
    }
    if (patch->count > 0) {
        struct gs_list_run run = {
            .first = {*origin, {seq, 0}}, .count = patch->count, .anchor = made->anchor, .values = patch->values};
        check(gs_list_insert(list, memory, &run, context), "insert");
    }
    check(gs_context_add_events(context, memory, origin, seq - 1, seq), "context");
}

/* The index at which the patch inserts is behind what it deletes: its anchor is found before they go. */
static void resolve(const struct gs_list *list, const struct patch *patch, struct made *made) {
    struct gs_list_cursor cursor = gs_list_cursor_at(list, patch->position);
    gs_list_take_dots(&cursor, made->dots, patch->deleted);
    if (patch->count > 0) {
        made->anchor = gs_list_anchor_at(list, patch->position);
    }
}

/* One round on stores; `made` is filled by the writer (`resolves`) and read by who receives. */
static double replay_store(const struct trace *trace, struct made *made, bool resolves, size_t *ret_bytes) {
    static const gs_origin origin = {{1}};
    struct gs_memory memory = {0};
    struct gs_context context = {0};
    double start = now_ms();
    struct gs_list *list = need(gs_list_new(&memory));
    for (uint32_t i = 0; i < trace->count; i++) {
        if (resolves) {
            resolve(list, &trace->patches[i], &made[i]);
        }
        apply(list, &memory, &context, &origin, i + 1, &trace->patches[i], &made[i]);
    }
    double took = now_ms() - start;
    check(gs_list_length(list) == trace->end_length ? 0 : GS_ECORRUPT, "length");
    *ret_bytes = memory.used;
    gs_list_free(list, &memory);
    gs_context_close(&context, &memory);
    return took;
}

static uint32_t list_ops(const struct patch *patch, const struct gs_path *path, struct gs_op ops[2]) {
    uint32_t count = 0;
    if (patch->deleted > 0) {
        ops[count++] =
            (struct gs_op){.kind = GS_OP_DELETE, .path = *path, .position = patch->position, .count = patch->deleted};
    }
    if (patch->count > 0) {
        ops[count++] =
            (struct gs_op){.kind = GS_OP_INSERT, .path = *path, .position = patch->position, .value = patch->array};
    }
    return count;
}

/* One round on an aggregate; a patch that replaces is two events, since an event of two ops copies the list. */
static double replay_aggregate(const struct trace *trace, size_t *ret_bytes, size_t *ret_delta_bytes) {
    struct gs_slice name = gs_slice_make("text", 4);
    struct gs_path path = {.depth = 1, .names = &name};
    struct gs_stamp stamp = {.origin = {{1}}};
    struct gs_buffer out = {0};
    struct gs_origin_table table = {0};
    double start = now_ms();
    struct gs_aggregate *aggregate = need(gs_aggregate_new(NULL));
    for (uint32_t i = 0; i < trace->count; i++) {
        struct gs_op ops[2];
        uint32_t count = list_ops(&trace->patches[i], &path, ops);
        for (uint32_t j = 0; j < count; j++) {
            struct gs_arena arena = {0};
            struct gs_delta delta;
            stamp.seq++;
            stamp.clock++;
            check(gs_aggregate_prepare(aggregate, &ops[j], 1, &stamp, "", &arena, &delta, NULL), "prepare");
            check(gs_delta_encode(&delta, &table, &out), "encode");
            check(gs_aggregate_apply(aggregate, &delta), "apply");
            gs_arena_close(&arena);
        }
    }
    double took = now_ms() - start;
    *ret_bytes = gs_aggregate_bytes(aggregate);
    *ret_delta_bytes = out.length;
    gs_buffer_close(&out);
    check(gs_aggregate_encode(aggregate, GS_ENCODE_FULL, &out), "encode");
    printf("%-10s %9zu bytes, the full encoding of the list in the end\n", "state", out.length);
    gs_buffer_close(&out);
    gs_origin_table_close(&table);
    gs_aggregate_free(aggregate);
    return took;
}

static void print(const char *name, double best, const struct trace *trace, size_t bytes) {
    printf("%-10s %9.3f ms %7.0f ns a patch %9zu bytes of memory in the end\n", name, best, best * 1e6 / trace->count,
           bytes);
}

int main(int argc, char **argv) {
    struct trace trace = {0};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 20;
    read_trace(&trace);
    struct made *made = need(calloc(trace.count, sizeof(*made)));
    for (uint32_t i = 0; i < trace.count; i++) {
        made[i].dots = need(gs_arena_alloc(&trace.arena, (trace.patches[i].deleted + 1) * sizeof(gs_dot)));
    }
    printf("%u patches, %u elements in the end, best of %ld\n", trace.count, trace.end_length, rounds);
    double best[2] = {1e9, 1e9};
    size_t bytes = 0;
    size_t delta_bytes = 0;
    for (long i = 0; i < rounds; i++) {
        for (int received = 0; received < 2; received++) {
            double took = replay_store(&trace, made, !received, &bytes);
            best[received] = took < best[received] ? took : best[received];
        }
    }
    print("store", best[0], &trace, bytes);
    print("remote", best[1], &trace, bytes);
    print("aggregate", replay_aggregate(&trace, &bytes, &delta_bytes), &trace, bytes);
    printf("%-10s %9zu bytes, all of them\n", "deltas", delta_bytes);
    free(made);
    free(trace.patches);
    gs_arena_close(&trace.arena);
    return 0;
}
