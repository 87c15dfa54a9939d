/* How a field of a given type comes to be there before it has a value: asked for by `create`, or by the schema. */
#include "crdt/kind.h"
#include "crdt/preparing.h"

#include <stdio.h>

static int refuse(struct gs_preparing *preparing, const struct gs_path *path, const struct gs_field *shown, int type) {
    char message[80];
    snprintf(message, sizeof(message), "is a %s already and cannot become a %s", gs_type_name(shown->type),
             gs_type_name(type));
    return gs_preparing_fail(preparing, GS_ETYPE, "/type", path, message);
}

static int refuse_other(struct gs_preparing *preparing, const struct gs_path *path, int wanted, int type) {
    char message[80];
    snprintf(message, sizeof(message), "is to be a %s and cannot be created as a %s", gs_type_name(wanted),
             gs_type_name(type));
    return gs_preparing_fail(preparing, GS_ETYPE, "/type", path, message);
}

/* The first op of types that come with a value: the one that says the least. */
static bool first_op(const struct gs_op *create, struct gs_op *ret_op) {
    static const uint8_t zero[] = {0x00}, nil[] = {0xc0}, empty[] = {0x90}; /* msgpack */
    *ret_op = (struct gs_op){.path = create->path, .bound = create->bound, .initial = create->initial};
    switch (create->type) {
    case GS_TYPE_MAP:
        ret_op->kind = GS_OP_MAKE_MAP;
        return true;
    case GS_TYPE_COUNTER:
        ret_op->kind = GS_OP_INCREMENT;
        ret_op->value = gs_slice_make(zero, sizeof(zero));
        return true;
    case GS_TYPE_BOUNDED_COUNTER:
        ret_op->kind = GS_OP_GRANT;
        return true;
    case GS_TYPE_FLAG_EW:
        ret_op->kind = GS_OP_DISABLE;
        return true;
    case GS_TYPE_FLAG_DW:
        ret_op->kind = GS_OP_DISABLE_DW;
        return true;
    case GS_TYPE_MVREGISTER:
        ret_op->kind = GS_OP_WRITE;
        ret_op->value = gs_slice_make(empty, sizeof(empty));
        return true;
    case GS_TYPE_REGISTER:
        ret_op->kind = GS_OP_SET;
        ret_op->value = gs_slice_make(nil, sizeof(nil));
        return true;
    default:
        return false;
    }
}

int gs_preparing_create(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_place *place) {
    const struct gs_type_ops *ops = gs_type_find((int)op->type);
    if (!ops) {
        return gs_preparing_fail(preparing, GS_EINVAL, "/type", &op->path, "is to be of an unknown type");
    }
    if (op->type == GS_TYPE_BOUNDED_COUNTER && op->initial < op->bound) {
        return gs_preparing_fail(preparing, GS_EINVAL, "/initial", &op->path, "is to begin below its bound");
    }
    const struct gs_field *field =
        place->parent ? gs_dot_map_find_alive(place->parent, place->name, (int)op->type) : NULL;
    if (!field && place->shown) {
        return refuse(preparing, &op->path, place->shown, (int)op->type);
    }
    const struct gs_schema_field *wanted = field ? NULL : gs_schema_find(preparing->stamp->schema, &op->path);
    if (wanted && wanted->type != op->type) {
        return refuse_other(preparing, &op->path, (int)wanted->type, (int)op->type);
    }
    /* What is dead may still have bookkeeping that the change must build on. */
    const struct gs_field *held = place->parent ? gs_dot_map_find(place->parent, place->name, (int)op->type) : NULL;
    if (held && op->type == GS_TYPE_BOUNDED_COUNTER) {
        int error = gs_preparing_check_bound(preparing, op, held, field != NULL);
        if (error != 0) {
            return error;
        }
    }
    struct gs_op first;
    if (!field && first_op(op, &first)) {
        return gs_preparing_resolve_field(preparing, &first, (int)first.kind, held);
    }
    struct gs_change change = {.kind = GS_OP_CREATE, .path = op->path, .type = op->type};
    return field ? 0 : gs_preparing_emit(preparing, &change);
}
