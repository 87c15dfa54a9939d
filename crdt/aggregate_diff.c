#include "crdt/aggregate_impl.h"
#include "crdt/path.h"
#include "crdt/type.h"

#include <globalstate/json.h>

struct diffing {
    struct gs_op_list list;
    struct gs_op_list surplus; /* goes last, so that no map vanishes before its new members are there */
    struct gs_problem *problem;
};

static int fail(struct diffing *diffing, int code, const struct gs_path *path, const char *message) {
    struct gs_memory memory = {0};
    struct gs_buffer text = {.memory = &memory};
    gs_path_write(path, &text);
    gs_buffer_byte(&text, 0);
    gs_problem_set(diffing->problem, code, text.failed ? "" : (const char *)text.bytes, "%s", message);
    gs_buffer_close(&text);
    return code;
}

static int diff_map(struct diffing *diffing, const struct gs_dot_map *map, struct gs_slice object,
                    const struct gs_path *path);

/* One name that both sides have. */
static int diff_field(struct diffing *diffing, const struct gs_field *field, struct gs_slice value,
                      const struct gs_path *path) {
    bool wants_map = gs_value_kind(value) == GS_KIND_MAP;
    if (field->type == GS_TYPE_MAP && wants_map) {
        return diff_map(diffing, field->store.map, value, path);
    }
    if (field->type == GS_TYPE_MAP) {
        return gs_op_list_push(&diffing->list, GS_OP_SET, path, value);
    }
    int error = gs_field_ops(field)->diff(&field->store, path, value, &diffing->list);
    if (error == GS_ETYPE && diffing->list.reason[0]) {
        return fail(diffing, error, path, diffing->list.reason);
    }
    if (error == GS_ETYPE) {
        char message[64] = "a ";
        strncat(message, gs_type_name(field->type), 16);
        strncat(message, " cannot take this value", 32);
        return fail(diffing, error, path, message);
    }
    return error == GS_EOVERFLOW ? fail(diffing, error, path, gs_error_message(error)) : error;
}

/* One name, at most one side of which is absent. */
static int diff_name(struct diffing *diffing, const struct gs_field *field, struct gs_slice name,
                     const struct gs_slice *value, const struct gs_path *path) {
    struct gs_path below;
    if (!value) {
        /* Copied: the op that unsets the field must outlive it. */
        name.bytes = gs_arena_copy(diffing->list.arena, name.bytes, name.length);
        if (!name.bytes) {
            return GS_ENOMEM;
        }
    }
    int error = gs_path_append(path, name, diffing->list.arena, &below);
    if (error == 0 && (error = gs_path_check(&below)) != 0) {
        return fail(diffing, error, path, gs_error_message(error));
    }
    if (error != 0) {
        return error;
    }
    if (!value) {
        return gs_op_list_push(&diffing->surplus, GS_OP_UNSET, &below, (struct gs_slice){0});
    }
    return field ? diff_field(diffing, field, *value, &below)
                 : gs_op_list_push(&diffing->list, GS_OP_SET, &below, *value);
}

/* Both sides are sorted by name: one pass. */
static int diff_map(struct diffing *diffing, const struct gs_dot_map *map, struct gs_slice object,
                    const struct gs_path *path) {
    struct gs_reader reader;
    gs_reader_init(&reader, object.bytes, object.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t left = gs_read_map(&reader, UINT32_MAX);
    struct gs_field *field = gs_dot_map_next_shown(map, NULL);
    struct gs_slice key = {0};
    struct gs_slice value = {0};
    bool has_key = false;
    int error = left == 0 && map->presence.count == 0 && reader.error == 0
                    ? gs_op_list_push(&diffing->list, GS_OP_MAKE_MAP, path, (struct gs_slice){0})
                    : 0;
    while (error == 0 && (field || has_key || left > 0)) {
        if (!has_key && left > 0) {
            key = gs_read_str(&reader, SIZE_MAX);
            value = gs_read_nested(&reader);
            has_key = true;
            left--;
        }
        if (reader.error != 0) {
            return fail(diffing, GS_EINVAL, path, "the document is not a canonical value");
        }
        int order = !has_key ? -1 : !field ? 1 : gs_slice_compare(gs_field_name(field), key);
        error = diff_name(diffing, order <= 0 ? field : NULL, order < 0 ? gs_field_name(field) : key,
                          order >= 0 ? &value : NULL, path);
        field = order <= 0 ? gs_dot_map_next_shown(map, field) : field;
        has_key = order >= 0 ? false : has_key;
    }
    return error;
}

int gs_aggregate_diff(const struct gs_aggregate *aggregate, struct gs_slice document, struct gs_arena *arena,
                      struct gs_op **ret_ops, uint32_t *ret_count, struct gs_problem *problem) {
    struct diffing diffing = {.list = {.arena = arena}, .surplus = {.arena = arena}, .problem = problem};
    struct gs_path root = {0};
    if (gs_value_kind(document) != GS_KIND_MAP) {
        return fail(&diffing, GS_ETYPE, &root, "an aggregate can only be replaced by an object");
    }
    int error = gs_aggregate_exists(aggregate) ? diff_map(&diffing, &aggregate->root, document, &root)
                                               : gs_op_list_push(&diffing.list, GS_OP_SET, &root, document);
    for (uint32_t i = 0; i < diffing.surplus.count && error == 0; i++) {
        error = gs_op_list_append(&diffing.list, &diffing.surplus.ops[i]);
    }
    if (error == GS_ENOMEM) {
        gs_problem_set(problem, error, NULL, "%s", gs_error_message(error));
    }
    if (error == 0) {
        *ret_ops = diffing.list.ops;
        *ret_count = diffing.list.count;
    }
    return error;
}
