#include "crdt/type.h"

static const struct gs_type_ops *const types[GS_TYPE_COUNT] = {
    [GS_TYPE_MAP] = &gs_type_map,
    [GS_TYPE_LIST] = &gs_type_list,
    [GS_TYPE_SET] = &gs_type_set_aw,
    [GS_TYPE_SET_RW] = &gs_type_set_rw,
    [GS_TYPE_BOUNDED_COUNTER] = &gs_type_bounded_counter,
    [GS_TYPE_COUNTER] = &gs_type_counter,
    [GS_TYPE_LEADERBOARD] = &gs_type_leaderboard,
    [GS_TYPE_MAX] = &gs_type_max,
    [GS_TYPE_MIN] = &gs_type_min,
    [GS_TYPE_FLAG_EW] = &gs_type_flag_ew,
    [GS_TYPE_FLAG_DW] = &gs_type_flag_dw,
    [GS_TYPE_HYPERLOGLOG] = &gs_type_hyperloglog,
    [GS_TYPE_MVREGISTER] = &gs_type_mvregister,
    [GS_TYPE_REGISTER] = &gs_type_register,
};

const struct gs_type_ops *gs_type_find(int type) {
    return type >= 0 && type < GS_TYPE_COUNT ? types[type] : NULL;
}

bool gs_type_has_presence(int type) {
    const struct gs_type_ops *ops = gs_type_find(type);
    return type == GS_TYPE_BOUNDED_COUNTER || (ops && ops->creatable);
}

const struct gs_type_ops *gs_field_ops(const struct gs_field *field) {
    return types[field->type];
}

const char *gs_type_name(int type) {
    const struct gs_type_ops *ops = gs_type_find(type);
    return ops ? ops->name : "unknown";
}

int gs_type_named(struct gs_slice name) {
    for (int i = 0; i < GS_TYPE_COUNT; i++) {
        if (types[i] && strlen(types[i]->name) == name.length && memcmp(types[i]->name, name.bytes, name.length) == 0) {
            return i;
        }
    }
    return 0;
}

int gs_op_list_append(struct gs_op_list *list, const struct gs_op *op) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity > 0 ? list->capacity * 2 : 8;
        struct gs_op *ops = gs_arena_alloc(list->arena, capacity * sizeof(*ops));
        if (!ops) {
            return GS_ENOMEM;
        }
        if (list->count > 0) {
            memcpy(ops, list->ops, list->count * sizeof(*ops));
        }
        list->ops = ops;
        list->capacity = capacity;
    }
    list->ops[list->count++] = *op;
    return 0;
}

int gs_op_list_push(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path, struct gs_slice value) {
    return gs_op_list_append(list, &(struct gs_op){.kind = kind, .path = *path, .value = value});
}

int gs_op_list_push_integer(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path,
                            int64_t integer) {
    struct gs_buffer encoded = {.memory = list->arena->memory};
    gs_write_int(&encoded, integer);
    const uint8_t *bytes = encoded.failed ? NULL : gs_arena_copy(list->arena, encoded.bytes, encoded.length);
    size_t length = encoded.length;
    gs_buffer_close(&encoded);
    return bytes ? gs_op_list_push(list, kind, path, gs_slice_make(bytes, length)) : GS_ENOMEM;
}
