/* Ops as clients send them: an array of objects, every member known and of the right kind. */
#include "crdt/number.h"
#include "crdt/path.h"

#include <globalstate/json.h>

#include <stdio.h>
#include <string.h>

/* What a client may ask for: the op's name, and the member that carries its value. */
struct op_form {
    const char *name;
    enum gs_op_kind kind;
    const char *member; /* NULL: none */
};

static const struct op_form forms[] = {
    {"set", GS_OP_SET, "value"}, {"unset", GS_OP_UNSET, NULL},      {"increment", GS_OP_INCREMENT, "by"},
    {"add", GS_OP_ADD, "value"}, {"remove", GS_OP_REMOVE, "value"}, {"max", GS_OP_MAX, "by"},
};

struct parsing {
    const char *prefix;
    uint32_t number;
    struct gs_arena *arena;
    struct gs_problem *problem;
};

/* One op's members as they are found. */
struct members {
    struct gs_slice op;
    struct gs_slice path;
    struct gs_slice value;
    struct gs_slice by;
};

static int fail(struct parsing *parsing, int code, const char *member, const char *message) {
    char field[GS_PROBLEM_FIELD_MAX];
    snprintf(field, sizeof(field), "%s/%u%s", parsing->prefix ? parsing->prefix : "", (unsigned)parsing->number,
             member);
    return gs_problem_set(parsing->problem, code, field, "%s", message);
}

static bool is_text(struct gs_slice slice, const char *text) {
    return slice.length == strlen(text) && memcmp(slice.bytes, text, slice.length) == 0;
}

static int read_members(struct parsing *parsing, struct gs_slice object, struct members *ret_members) {
    struct gs_reader reader;
    gs_reader_init(&reader, object.bytes, object.length);
    uint32_t count = gs_read_map(&reader, UINT32_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice key = gs_read_str(&reader, SIZE_MAX);
        struct gs_slice value = gs_read_nested(&reader);
        if (reader.error != 0) {
            return fail(parsing, GS_EINVAL, "", "the op is not a canonical value");
        }
        if (is_text(key, "op")) {
            ret_members->op = value;
        } else if (is_text(key, "path")) {
            ret_members->path = value;
        } else if (is_text(key, "value")) {
            ret_members->value = value;
        } else if (is_text(key, "by")) {
            ret_members->by = value;
        } else {
            char member[64];
            int length = key.length < 40 ? (int)key.length : 40;
            snprintf(member, sizeof(member), "/%.*s", length, (const char *)key.bytes);
            return fail(parsing, GS_EINVAL, member, "the member is not known");
        }
    }
    return 0;
}

/* The text of a str value; false if it is none. */
static bool read_text(struct gs_slice value, struct gs_slice *ret_text) {
    struct gs_reader reader;
    if (gs_value_kind(value) != GS_KIND_STR) {
        return false;
    }
    gs_reader_init(&reader, value.bytes, value.length);
    *ret_text = gs_read_str(&reader, SIZE_MAX);
    return reader.error == 0;
}

static int find_form(struct parsing *parsing, const struct members *members, const struct op_form **ret_form) {
    struct gs_slice name;
    if (members->op.length == 0) {
        return fail(parsing, GS_EINVAL, "/op", "the op has no \"op\"");
    }
    if (!read_text(members->op, &name)) {
        return fail(parsing, GS_EINVAL, "/op", "\"op\" must be a string");
    }
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (is_text(name, forms[i].name)) {
            *ret_form = &forms[i];
            return 0;
        }
    }
    return fail(parsing, GS_EUNKNOWNOP, "/op", "known ops are set, unset, increment, add, remove and max");
}

static int read_op_path(struct parsing *parsing, struct gs_slice member, struct gs_path *ret_path) {
    struct gs_slice text;
    if (member.length == 0) {
        return fail(parsing, GS_EINVAL, "/path", "the op has no \"path\"");
    }
    if (!read_text(member, &text)) {
        return fail(parsing, GS_EINVAL, "/path", "\"path\" must be a string");
    }
    int error = gs_path_parse(text, parsing->arena, ret_path);
    return error != 0 ? fail(parsing, error, "/path", gs_error_message(error)) : 0;
}

static int check_value(struct parsing *parsing, const struct op_form *form, struct gs_slice value) {
    enum gs_kind kind = gs_value_kind(value);
    switch (form->kind) {
    case GS_OP_INCREMENT:
        return kind == GS_KIND_INT ? 0 : fail(parsing, GS_ETYPE, "/by", "\"by\" must be a 64-bit integer");
    case GS_OP_MAX:
        return gs_is_number(value) ? 0 : fail(parsing, GS_ETYPE, "/by", "\"by\" must be a number");
    case GS_OP_ADD:
    case GS_OP_REMOVE:
        return kind != GS_KIND_ARRAY && kind != GS_KIND_MAP
                   ? 0
                   : fail(parsing, GS_ETYPE, "/value", "elements of a set are scalars");
    default:
        return 0;
    }
}

static int parse_op(struct parsing *parsing, struct gs_slice object, struct gs_op *ret_op) {
    struct members members = {.op = {NULL, 0}};
    const struct op_form *form = NULL;
    struct gs_path path;
    if (gs_value_kind(object) != GS_KIND_MAP) {
        return fail(parsing, GS_EINVAL, "", "an op must be an object");
    }
    int error = read_members(parsing, object, &members);
    error = error != 0 ? error : find_form(parsing, &members, &form);
    error = error != 0 ? error : read_op_path(parsing, members.path, &path);
    if (error != 0) {
        return error;
    }
    bool by = form->member && strcmp(form->member, "by") == 0;
    bool carries_value = form->member && !by;
    if ((members.value.length > 0 && !carries_value) || (members.by.length > 0 && !by)) {
        return fail(parsing, GS_EINVAL, members.by.length > 0 && !by ? "/by" : "/value",
                    "the member does not belong to this op");
    }
    struct gs_slice value = by ? members.by : members.value;
    if (form->member && value.length == 0) {
        return fail(parsing, GS_EINVAL, by ? "/by" : "/value", "the op lacks this member");
    }
    error = form->member ? check_value(parsing, form, value) : 0;
    if (error == 0) {
        *ret_op = (struct gs_op){.kind = form->kind, .path = path, .value = value};
    }
    return error;
}

int gs_ops_parse(struct gs_slice array, const char *prefix, struct gs_arena *arena, struct gs_op **ret_ops,
                 uint32_t *ret_count, struct gs_problem *problem) {
    if (gs_value_kind(array) != GS_KIND_ARRAY) {
        return gs_problem_set(problem, GS_EINVAL, prefix, "the ops must be an array");
    }
    struct gs_reader reader;
    gs_reader_init(&reader, array.bytes, array.length);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    if (count > GS_OPS_PER_EVENT_MAX) {
        return gs_problem_set(problem, GS_ETOOBIG, prefix, "at most %d ops fit into one event", GS_OPS_PER_EVENT_MAX);
    }
    struct gs_op *ops = gs_arena_alloc(arena, ((size_t)count + 1) * sizeof(*ops));
    if (!ops) {
        return gs_problem_set(problem, GS_ENOMEM, prefix, "%s", gs_error_message(GS_ENOMEM));
    }
    struct parsing parsing = {.prefix = prefix, .arena = arena, .problem = problem};
    for (uint32_t i = 0; i < count; i++) {
        parsing.number = i;
        struct gs_slice object = gs_read_nested(&reader);
        int error = parse_op(&parsing, object, &ops[i]);
        if (error != 0) {
            return error;
        }
    }
    *ret_ops = ops;
    *ret_count = count;
    return 0;
}
