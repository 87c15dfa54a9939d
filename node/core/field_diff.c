/* Names the fields in which two states of one aggregate differ: both are written as canonical values, whose maps are
 * sorted, and walked side by side. */
#include "node/core/verify.h"

#include <globalstate/aggregate.h>
#include <globalstate/json.h>

#include <string.h>

enum { PATH_MAX_BYTES = 512, SHOWN_BYTES_MAX = 256 };

struct walk {
    struct gs_buffer *out;
    uint32_t left; /* that may still be shown */
    bool any;
    char path[PATH_MAX_BYTES];
    size_t path_length;
};

static void write_side(const char *name, struct gs_slice value, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":", name);
    if (value.length == 0 || value.length > SHOWN_BYTES_MAX) {
        gs_buffer_text(out, "null");
    } else {
        gs_json_write(value, out);
    }
}

static void show(struct walk *walk, struct gs_slice ours, struct gs_slice theirs) {
    if (walk->left == 0) {
        return;
    }
    walk->left--;
    gs_buffer_text(walk->out, walk->any ? ",{\"path\":" : "{\"path\":");
    walk->any = true;
    gs_json_write_string(walk->path, walk->path_length, walk->out);
    write_side("local", ours, walk->out);
    write_side("remote", theirs, walk->out);
    gs_buffer_text(walk->out, "}");
}

/* Appends "/name", escaped as RFC 6901 has it. False: there is no room. */
static bool push_name(struct walk *walk, struct gs_slice name) {
    if (walk->path_length + 1 + 2 * name.length > sizeof walk->path) {
        return false;
    }
    walk->path[walk->path_length++] = '/';
    for (size_t i = 0; i < name.length; i++) {
        char c = (char)name.bytes[i];
        if (c == '~' || c == '/') {
            walk->path[walk->path_length++] = '~';
            c = c == '~' ? '0' : '1';
        }
        walk->path[walk->path_length++] = c;
    }
    return true;
}

struct member {
    struct gs_slice name, value;
};

static bool next_member(struct gs_reader *reader, uint32_t *left, struct member *ret_member) {
    if (*left == 0 || reader->error != 0) {
        return false;
    }
    --*left;
    ret_member->name = gs_read_str(reader, SIZE_MAX);
    ret_member->value = gs_skip_value(reader);
    return reader->error == 0;
}

static void walk_values(struct walk *walk, struct gs_slice ours, struct gs_slice theirs);

static void walk_member(struct walk *walk, struct gs_slice name, struct gs_slice ours, struct gs_slice theirs) {
    size_t length = walk->path_length;
    if (!push_name(walk, name)) {
        show(walk, ours, theirs); /* under the path as far as it fits */
        return;
    }
    walk_values(walk, ours, theirs);
    walk->path_length = length;
}

/* Maps are walked like a merge; as deep as a value may be. */
static void walk_maps(struct walk *walk, struct gs_slice ours, struct gs_slice theirs) {
    struct gs_reader a, b;
    struct member left = {0}, right = {0};
    gs_reader_init(&a, ours.bytes, ours.length);
    gs_reader_init(&b, theirs.bytes, theirs.length);
    a.nodes_left = b.nodes_left = UINT32_MAX;
    uint32_t a_left = gs_read_map(&a, UINT32_MAX);
    uint32_t b_left = gs_read_map(&b, UINT32_MAX);
    bool has_a = next_member(&a, &a_left, &left);
    bool has_b = next_member(&b, &b_left, &right);
    while ((has_a || has_b) && walk->left > 0) {
        int order = !has_a ? 1 : !has_b ? -1 : gs_slice_compare(left.name, right.name);
        walk_member(walk, order <= 0 ? left.name : right.name, order <= 0 ? left.value : (struct gs_slice){0},
                    order >= 0 ? right.value : (struct gs_slice){0});
        has_a = order <= 0 ? next_member(&a, &a_left, &left) : has_a;
        has_b = order >= 0 ? next_member(&b, &b_left, &right) : has_b;
    }
}

static void walk_values(struct walk *walk, struct gs_slice ours, struct gs_slice theirs) {
    if (gs_slice_compare(ours, theirs) == 0) {
        return;
    }
    if (gs_value_kind(ours) == GS_KIND_MAP && gs_value_kind(theirs) == GS_KIND_MAP) {
        walk_maps(walk, ours, theirs);
    } else {
        show(walk, ours, theirs);
    }
}

static int write_value(const struct gs_aggregate *aggregate, struct gs_buffer *out) {
    return aggregate == NULL ? 0 : gs_aggregate_write_value(aggregate, out);
}

int gs_field_diff(const struct gs_aggregate *ours, const struct gs_aggregate *theirs, uint32_t max,
                  struct gs_buffer *out) {
    struct gs_buffer a = {0};
    struct gs_buffer b = {0};
    struct walk walk = {.out = out, .left = max};
    int error = write_value(ours, &a);
    if (error == 0) {
        error = write_value(theirs, &b);
    }
    if (error == 0) {
        struct gs_slice left = gs_slice_make(a.bytes, a.length);
        struct gs_slice right = gs_slice_make(b.bytes, b.length);
        gs_buffer_text(out, "[");
        walk_values(&walk, left, right);
        if (!walk.any) {
            walk.path_length = 0;
            show(&walk, (struct gs_slice){0}, (struct gs_slice){0});
        }
        gs_buffer_text(out, "]");
        error = out->failed;
    }
    gs_buffer_close(&a);
    gs_buffer_close(&b);
    return error;
}
