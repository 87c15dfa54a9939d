#include "crdt/kind.h"

#include "crdt/number.h"
#include "crdt/sketch.h"

#include <globalstate/json.h>

bool gs_is_scalar(struct gs_slice value) {
    enum gs_kind kind = gs_value_kind(value);
    return value.length > 0 && kind != GS_KIND_ARRAY && kind != GS_KIND_MAP;
}

static bool is_register_value(struct gs_slice value) {
    return value.length > 0 && gs_value_kind(value) != GS_KIND_MAP;
}

static bool is_array(struct gs_slice value) {
    return gs_value_kind(value) == GS_KIND_ARRAY;
}

static bool is_integer(struct gs_slice value) {
    return gs_value_kind(value) == GS_KIND_INT;
}

static bool is_filled_array(struct gs_slice value) {
    return is_array(value) && value.length > 1;
}

static const struct gs_kind_info kinds[GS_OP_KIND_COUNT] = {
    [GS_OP_SET] = {"set", GS_TYPE_REGISTER, GS_PART_DOTS | GS_PART_VALUE, 0, "value", is_register_value},
    [GS_OP_UNSET] = {"unset", 0, GS_PART_CLEARED, GS_KIND_AT_ROOT, NULL, NULL},
    [GS_OP_INCREMENT] = {"increment", GS_TYPE_COUNTER, GS_PART_TALLY, GS_KIND_MARKS, NULL, NULL},
    [GS_OP_ADD] = {"add", GS_TYPE_SET, GS_PART_DOTS | GS_PART_VALUE, 0, "value", gs_is_scalar},
    [GS_OP_REMOVE] = {"remove", GS_TYPE_SET, GS_PART_DOTS | GS_PART_VALUE, GS_KIND_TAKES, "value", gs_is_scalar},
    [GS_OP_MAX] = {"max", GS_TYPE_MAX, GS_PART_DOTS | GS_PART_VALUE, 0, "by", gs_is_number},
    [GS_OP_MIN] = {"min", GS_TYPE_MIN, GS_PART_DOTS | GS_PART_VALUE, 0, "by", gs_is_number},
    [GS_OP_MAKE_MAP] = {"set", GS_TYPE_MAP, GS_PART_DOTS, GS_KIND_AT_ROOT, NULL, NULL},
    [GS_OP_CREATE] = {"create", 0, GS_PART_DOTS | GS_PART_TYPE, GS_KIND_PRESENT, NULL, NULL},
    [GS_OP_WRITE] = {"set", GS_TYPE_MVREGISTER, GS_PART_DOTS | GS_PART_VALUE, 0, "value", is_array},
    [GS_OP_ENABLE] = {"enable", GS_TYPE_FLAG_EW, GS_PART_DOTS, 0, NULL, NULL},
    [GS_OP_DISABLE] = {"disable", GS_TYPE_FLAG_EW, GS_PART_DOTS, 0, NULL, NULL},
    [GS_OP_ENABLE_DW] = {"enable", GS_TYPE_FLAG_DW, GS_PART_DOTS, 0, NULL, NULL},
    [GS_OP_DISABLE_DW] = {"disable", GS_TYPE_FLAG_DW, GS_PART_DOTS, 0, NULL, NULL},
    [GS_OP_ADD_RW] = {"add", GS_TYPE_SET_RW, GS_PART_DOTS | GS_PART_VALUE, 0, "value", gs_is_scalar},
    [GS_OP_REMOVE_RW] = {"remove", GS_TYPE_SET_RW, GS_PART_DOTS | GS_PART_VALUE, 0, "value", gs_is_scalar},
    [GS_OP_GRANT] = {"create", GS_TYPE_BOUNDED_COUNTER, GS_PART_DOTS | GS_PART_BOUND | GS_PART_SPAN,
                     GS_KIND_PRESENT | GS_KIND_MARKS, NULL, NULL},
    [GS_OP_INCREMENT_BC] = {"increment", GS_TYPE_BOUNDED_COUNTER, GS_PART_DOTS | GS_PART_BOUND | GS_PART_SPAN,
                            GS_KIND_PRESENT | GS_KIND_MARKS, NULL, NULL},
    [GS_OP_TRANSFER] = {"transfer", GS_TYPE_BOUNDED_COUNTER, GS_PART_BOUND | GS_PART_TARGET | GS_PART_SPAN,
                        GS_KIND_MARKS, NULL, NULL},
    [GS_OP_TAKEOVER] = {"takeover", GS_TYPE_BOUNDED_COUNTER, GS_PART_BOUND | GS_PART_TARGET | GS_PART_SPAN,
                        GS_KIND_MARKS, NULL, NULL},
    [GS_OP_SCORE_TO] = {"score", GS_TYPE_LEADERBOARD, GS_PART_DOTS | GS_PART_MEMBER | GS_PART_MARKS | GS_PART_VALUE, 0,
                        "to", is_integer},
    [GS_OP_SCORE_BY] = {"score", GS_TYPE_LEADERBOARD, GS_PART_MEMBER | GS_PART_TALLY, GS_KIND_MARKS, NULL, NULL},
    [GS_OP_REMOVE_MEMBER] = {"remove", GS_TYPE_LEADERBOARD, GS_PART_DOTS | GS_PART_MEMBER | GS_PART_MARKS,
                             GS_KIND_TAKES, NULL, NULL},
    [GS_OP_OBSERVE] = {"observe", GS_TYPE_HYPERLOGLOG, GS_PART_DOTS | GS_PART_VALUE, 0, "value", gs_is_observation},
    [GS_OP_INSERT] = {"insert", GS_TYPE_LIST, GS_PART_VALUE | GS_PART_ANCHOR, GS_KIND_MARKS, "values", is_filled_array},
    [GS_OP_DELETE] = {"delete", GS_TYPE_LIST, GS_PART_DOTS, GS_KIND_TAKES, NULL, NULL},
};

const struct gs_kind_info *gs_kind_find(int kind) {
    return kind >= 0 && kind < GS_OP_KIND_COUNT && kinds[kind].op ? &kinds[kind] : NULL;
}

int gs_kind_on_type(int kind, int type) {
    const struct gs_kind_info *wanted = gs_kind_find(kind);
    if (wanted && wanted->type == type) {
        return kind;
    }
    if (wanted && strcmp(wanted->op, "set") == 0) { /* what a set becomes depends on its value too */
        return -1;
    }
    for (int i = 0; wanted && i < GS_OP_KIND_COUNT; i++) {
        if (kinds[i].op && kinds[i].type == type && strcmp(kinds[i].op, wanted->op) == 0) {
            return i;
        }
    }
    return -1;
}

int gs_type_of_kind(int kind) {
    const struct gs_kind_info *info = gs_kind_find(kind);
    return info ? info->type : 0;
}

const char *gs_op_name(int kind) {
    const struct gs_kind_info *info = gs_kind_find(kind);
    return info ? info->op : "unknown";
}

uint32_t gs_change_last_index(const struct gs_change *change) {
    if (change->kind != GS_OP_INSERT) {
        return change->index;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, change->value.bytes, change->value.length);
    return change->index + gs_read_array(&reader, UINT32_MAX) - 1;
}

uint32_t gs_kind_length(const struct gs_kind_info *info, bool fresh) {
    uint32_t length = 3 + (uint32_t)__builtin_popcount(info->parts);
    length += (info->parts & GS_PART_SPAN) != 0;
    return length + ((info->parts & GS_PART_TALLY) != 0 && !fresh);
}
