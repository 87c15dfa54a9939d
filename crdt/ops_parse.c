/* Ops as clients send them: an array of objects, every member known and of the right kind. */
#include "crdt/kind.h"
#include "crdt/number.h"
#include "crdt/path.h"

#include <globalstate/json.h>

#include <stdio.h>
#include <string.h>

/* Members of an op besides "op" and "path". */
enum member { VALUE, VALUES, BY, TO, FROM, INDEX, COUNT, MEMBER, TYPE, BOUND, INITIAL, MEMBER_COUNT };

static const char *const member_names[MEMBER_COUNT] = {"value", "values", "by",   "to",    "from",   "index",
                                                       "count", "member", "type", "bound", "initial"};

struct parsing {
    const char *prefix;
    uint32_t number;
    struct gs_arena *arena;
    struct gs_problem *problem;
};

/* One op's members as they are found; empty where there is none. */
struct members {
    struct gs_slice op;
    struct gs_slice path;
    struct gs_slice other[MEMBER_COUNT];
};

/* What a client may ask for: the op's name, the members that it must and may have, and how to read them. */
struct op_form {
    const char *name;
    enum gs_op_kind kind; /* the kind for the type that it creates */
    uint32_t required;    /* bits by enum member */
    uint32_t optional;
    int (*read)(struct parsing *parsing, const struct members *members, struct gs_op *op); /* after `kind` and `path` */
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

/* The member that the key names, or NULL. */
static struct gs_slice *find_member(struct members *members, struct gs_slice key) {
    if (is_text(key, "op")) {
        return &members->op;
    }
    if (is_text(key, "path")) {
        return &members->path;
    }
    for (int i = 0; i < MEMBER_COUNT; i++) {
        if (is_text(key, member_names[i])) {
            return &members->other[i];
        }
    }
    return NULL;
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
        struct gs_slice *member = find_member(ret_members, key);
        if (!member) {
            char name[64];
            int length = key.length < 40 ? (int)key.length : 40;
            snprintf(name, sizeof(name), "/%.*s", length, (const char *)key.bytes);
            return fail(parsing, GS_EINVAL, name, "the member is not known");
        }
        *member = value;
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

static int read_any_value(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    (void)parsing;
    op->value = members->other[VALUE];
    return 0;
}

static int read_scalar(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    op->value = members->other[VALUE];
    return gs_is_scalar(op->value) ? 0 : fail(parsing, GS_ETYPE, "/value", "elements of a set are scalars");
}

static int read_integer_by(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    op->value = members->other[BY];
    return gs_value_kind(op->value) == GS_KIND_INT ? 0
                                                   : fail(parsing, GS_ETYPE, "/by", "\"by\" must be a 64-bit integer");
}

static bool read_digit(uint8_t c, uint8_t *ret_digit) {
    const char *digits = "0123456789abcdef";
    const char *at = c != 0 ? strchr(digits, c) : NULL;
    *ret_digit = at ? (uint8_t)(at - digits) : 0;
    return at != NULL;
}

/* An origin in lower-case hexadecimal, as everything else writes it. */
static bool read_origin(struct gs_slice text, gs_origin *ret_origin) {
    uint8_t high = 0;
    uint8_t low = 0;
    bool good = text.length == 2 * (size_t)GS_ORIGIN_SIZE;
    for (size_t i = 0; good && i < GS_ORIGIN_SIZE; i++) {
        good = read_digit(text.bytes[2 * i], &high) && read_digit(text.bytes[2 * i + 1], &low);
        ret_origin->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return good;
}

static int read_transfer(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    int64_t by = 0;
    if (!read_text(members->other[TO], &op->target_name) || op->target_name.length == 0) {
        return fail(parsing, GS_EINVAL, "/to", "\"to\" must be a string that names who gets the rights");
    }
    op->value = members->other[BY];
    if (!gs_integer_read(op->value, &by)) {
        return fail(parsing, GS_ETYPE, "/by", "\"by\" must be a 64-bit integer");
    }
    op->has_target = read_origin(op->target_name, &op->target);
    return by > 0 ? 0 : fail(parsing, GS_EINVAL, "/by", "\"by\" must be one right or more");
}

static int read_takeover(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    int64_t by = 0;
    struct gs_slice from;
    if (!read_text(members->other[FROM], &from) || !read_origin(from, &op->target)) {
        return fail(parsing, GS_EINVAL, "/from", "\"from\" must be the origin, in hexadecimal, that held the rights");
    }
    op->has_target = true;
    op->value = members->other[BY];
    if (!gs_integer_read(op->value, &by)) {
        return fail(parsing, GS_ETYPE, "/by", "\"by\" must be a 64-bit integer");
    }
    return by > 0 ? 0 : fail(parsing, GS_EINVAL, "/by", "\"by\" must be one right or more");
}

static int read_number_by(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    op->value = members->other[BY];
    return gs_is_number(op->value) ? 0 : fail(parsing, GS_ETYPE, "/by", "\"by\" must be a number");
}

static int read_observed(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    op->value = members->other[VALUE];
    return gs_is_scalar(op->value) ? 0 : fail(parsing, GS_ETYPE, "/value", "only a scalar can be observed");
}

static int read_score(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    struct gs_slice to = members->other[TO];
    struct gs_slice by = members->other[BY];
    if (!read_text(members->other[MEMBER], &op->member)) {
        return fail(parsing, GS_EINVAL, "/member", "\"member\" must be a string");
    }
    if (!gs_name_valid(op->member)) {
        return fail(parsing, GS_EINVAL, "/member", "a member's name has at most 256 bytes, none of them NUL");
    }
    if ((to.length > 0) == (by.length > 0)) {
        return fail(parsing, GS_EINVAL, "", "a score has one of \"to\" and \"by\"");
    }
    if (by.length > 0) {
        op->kind = GS_OP_SCORE_BY;
        return read_integer_by(parsing, members, op);
    }
    op->value = to;
    return gs_value_kind(to) == GS_KIND_INT ? 0 : fail(parsing, GS_ETYPE, "/to", "\"to\" must be a 64-bit integer");
}

static int read_create(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    struct gs_slice name;
    if (!read_text(members->other[TYPE], &name)) {
        return fail(parsing, GS_EINVAL, "/type", "\"type\" must be a string");
    }
    op->type = (enum gs_type)gs_type_named(name);
    if (op->type == 0) {
        return fail(parsing, GS_EINVAL, "/type", "there is no such type of field");
    }
    struct gs_slice bound = members->other[BOUND];
    struct gs_slice initial = members->other[INITIAL];
    if (op->type != GS_TYPE_BOUNDED_COUNTER && (bound.length > 0 || initial.length > 0)) {
        return fail(parsing, GS_EINVAL, bound.length > 0 ? "/bound" : "/initial",
                    "the member belongs to a bounded_counter");
    }
    if (bound.length > 0 && !gs_integer_read(bound, &op->bound)) {
        return fail(parsing, GS_ETYPE, "/bound", "\"bound\" must be a 64-bit integer");
    }
    op->initial = op->bound;
    if (initial.length > 0 && !gs_integer_read(initial, &op->initial)) {
        return fail(parsing, GS_ETYPE, "/initial", "\"initial\" must be a 64-bit integer");
    }
    return op->initial >= op->bound ? 0 : fail(parsing, GS_EINVAL, "/initial", "\"initial\" lies below the bound");
}

/* An integer from `least` on; `*ret_number` keeps what it is where the member is absent. */
static int read_natural(struct parsing *parsing, const struct members *members, enum member member, int64_t least,
                        uint64_t *ret_number) {
    int64_t number = 0;
    struct gs_slice value = members->other[member];
    if (value.length == 0) {
        return 0;
    }
    char name[32];
    snprintf(name, sizeof(name), "/%s", member_names[member]);
    if (!gs_integer_read(value, &number)) {
        return fail(parsing, GS_ETYPE, name, "the member must be an integer");
    }
    if (number < least) {
        return fail(parsing, GS_ERANGE, name, least > 0 ? "the member must be at least 1" : "the member is negative");
    }
    *ret_number = (uint64_t)number;
    return 0;
}

/* One value as an array of one. */
static int wrap_value(struct parsing *parsing, struct gs_slice value, struct gs_slice *ret_array) {
    uint8_t *bytes = gs_arena_alloc(parsing->arena, value.length + 1);
    if (!bytes) {
        return fail(parsing, GS_ENOMEM, "", gs_error_message(GS_ENOMEM));
    }
    bytes[0] = 0x91; /* msgpack: an array of one */
    memcpy(bytes + 1, value.bytes, value.length);
    *ret_array = gs_slice_make(bytes, value.length + 1);
    return 0;
}

static int read_insert(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    struct gs_slice one = members->other[VALUE];
    struct gs_slice many = members->other[VALUES];
    if ((one.length > 0) == (many.length > 0)) {
        return fail(parsing, GS_EINVAL, "/value", "the op needs \"value\" or \"values\", not both");
    }
    if (many.length > 0 && (gs_value_kind(many) != GS_KIND_ARRAY || many.length == 1)) {
        return fail(parsing, GS_ETYPE, "/values", "\"values\" must be an array with elements");
    }
    op->value = many;
    int error = one.length > 0 ? wrap_value(parsing, one, &op->value) : 0;
    return error != 0 ? error : read_natural(parsing, members, INDEX, 0, &op->position);
}

static int read_delete(struct parsing *parsing, const struct members *members, struct gs_op *op) {
    op->count = 1;
    int error = read_natural(parsing, members, INDEX, 0, &op->position);
    return error != 0 ? error : read_natural(parsing, members, COUNT, 1, &op->count);
}

static const struct op_form forms[] = {
    {"set", GS_OP_SET, 1 << VALUE, 0, read_any_value},
    {"unset", GS_OP_UNSET, 0, 0, NULL},
    {"increment", GS_OP_INCREMENT, 1 << BY, 0, read_integer_by},
    {"add", GS_OP_ADD, 1 << VALUE, 0, read_scalar},
    {"remove", GS_OP_REMOVE, 1 << VALUE, 0, read_scalar},
    {"enable", GS_OP_ENABLE, 0, 0, NULL},
    {"disable", GS_OP_DISABLE, 0, 0, NULL},
    {"max", GS_OP_MAX, 1 << BY, 0, read_number_by},
    {"min", GS_OP_MIN, 1 << BY, 0, read_number_by},
    {"score", GS_OP_SCORE_TO, 1 << MEMBER, 1 << TO | 1 << BY, read_score},
    {"observe", GS_OP_OBSERVE, 1 << VALUE, 0, read_observed},
    {"transfer", GS_OP_TRANSFER, 1 << TO | 1 << BY, 0, read_transfer},
    {"takeover", GS_OP_TAKEOVER, 1 << FROM | 1 << BY, 0, read_takeover},
    {"insert", GS_OP_INSERT, 1 << INDEX, 1 << VALUE | 1 << VALUES, read_insert},
    {"delete", GS_OP_DELETE, 1 << INDEX, 1 << COUNT, read_delete},
    {"create", GS_OP_CREATE, 1 << TYPE, 1 << BOUND | 1 << INITIAL, read_create},
};

static int find_form(struct parsing *parsing, const struct members *members, const struct op_form **ret_form) {
    struct gs_slice name;
    if (members->op.length == 0) {
        return fail(parsing, GS_EINVAL, "/op", "the op has no \"op\"");
    }
    if (!read_text(members->op, &name)) {
        return fail(parsing, GS_EINVAL, "/op", "\"op\" must be a string");
    }
    char known[GS_PROBLEM_DETAIL_MAX] = "known ops are ";
    size_t length = strlen(known);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (is_text(name, forms[i].name)) {
            *ret_form = &forms[i];
            return 0;
        }
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s", i > 0 ? ", " : "", forms[i].name);
    }
    return fail(parsing, GS_EUNKNOWNOP, "/op", known);
}

static int check_members(struct parsing *parsing, const struct op_form *form, const struct members *members) {
    char name[32];
    for (int i = 0; i < 2 * MEMBER_COUNT; i++) { /* what does not belong is reported before what is missing */
        int member = i % MEMBER_COUNT;
        bool present = members->other[member].length > 0;
        uint32_t bit = 1U << member;
        snprintf(name, sizeof(name), "/%s", member_names[member]);
        if (i < MEMBER_COUNT && present && !((form->required | form->optional) & bit)) {
            return fail(parsing, GS_EINVAL, name, "the member does not belong to this op");
        }
        if (i >= MEMBER_COUNT && !present && (form->required & bit)) {
            return fail(parsing, GS_EINVAL, name, "the op lacks this member");
        }
    }
    return 0;
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

static int parse_op(struct parsing *parsing, struct gs_slice object, struct gs_op *ret_op) {
    struct members members = {.op = {NULL, 0}};
    const struct op_form *form = NULL;
    struct gs_op op = {.kind = GS_OP_SET};
    if (gs_value_kind(object) != GS_KIND_MAP) {
        return fail(parsing, GS_EINVAL, "", "an op must be an object");
    }
    int error = read_members(parsing, object, &members);
    error = error != 0 ? error : find_form(parsing, &members, &form);
    error = error != 0 ? error : read_op_path(parsing, members.path, &op.path);
    error = error != 0 ? error : check_members(parsing, form, &members);
    if (error == 0) {
        op.kind = form->kind;
        error = form->read ? form->read(parsing, &members, &op) : 0;
    }
    if (error == 0) {
        *ret_op = op;
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
