#include "crdt/type.h"

static const struct gs_type_ops *const types[] = {
    [GS_TYPE_MAP] = &gs_type_map, [GS_TYPE_SET] = &gs_type_set_aw,        [GS_TYPE_COUNTER] = &gs_type_counter,
    [GS_TYPE_MAX] = &gs_type_max, [GS_TYPE_REGISTER] = &gs_type_register,
};

const struct gs_type_ops *gs_type_find(int type) {
    return type >= 0 && (size_t)type < sizeof(types) / sizeof(types[0]) ? types[type] : NULL;
}

const struct gs_type_ops *gs_field_ops(const struct gs_field *field) {
    return types[field->type];
}

const char *gs_type_name(int type) {
    const struct gs_type_ops *ops = gs_type_find(type);
    return ops ? ops->name : "unknown";
}

struct op_kind {
    const char *name;
    int type;
};

static const struct op_kind kinds[] = {
    [GS_OP_SET] = {"set", GS_TYPE_REGISTER},
    [GS_OP_UNSET] = {"unset", 0},
    [GS_OP_INCREMENT] = {"increment", GS_TYPE_COUNTER},
    [GS_OP_ADD] = {"add", GS_TYPE_SET},
    [GS_OP_REMOVE] = {"remove", GS_TYPE_SET},
    [GS_OP_MAX] = {"max", GS_TYPE_MAX},
    [GS_OP_MAKE_MAP] = {"set", GS_TYPE_MAP},
};

const char *gs_op_name(int kind) {
    bool known = kind >= 0 && (size_t)kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind].name;
    return known ? kinds[kind].name : "unknown";
}

int gs_type_of_kind(int kind) {
    return kind >= 0 && (size_t)kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind].type : 0;
}

int gs_op_list_push(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path, struct gs_slice value) {
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
    list->ops[list->count++] = (struct gs_op){.kind = kind, .path = *path, .value = value};
    return 0;
}
