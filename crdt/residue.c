#include "crdt/residue.h"

#include "crdt/path.h"

struct visiting {
    gs_counter_visit_fn visit;
    void *context;
    struct gs_slice names[GS_PATH_DEPTH_MAX];
};

static int visit_map(struct visiting *visiting, const struct gs_dot_map *map, uint32_t depth);

/* All of one name: its counter first, then what lies below it, since a path comes before those that it begins. */
static int visit_field(struct visiting *visiting, const struct gs_dot_map *map, const struct gs_field *field,
                       uint32_t depth) {
    struct gs_slice name = gs_field_name(field);
    const struct gs_field *below = gs_dot_map_find(map, name, GS_TYPE_MAP);
    if (field->type == GS_TYPE_COUNTER && below) {
        return 0; /* visited with the map, which comes first in the order of fields */
    }
    const struct gs_field *counter = gs_dot_map_find(map, name, GS_TYPE_COUNTER);
    visiting->names[depth] = name;
    struct gs_path path = {.depth = depth + 1, .names = visiting->names};
    int result = counter ? visiting->visit(visiting->context, &path, &counter->store.counter) : 0;
    if (result == 0 && below) {
        result = visit_map(visiting, below->store.map, depth + 1);
    }
    return result;
}

static int visit_map(struct visiting *visiting, const struct gs_dot_map *map, uint32_t depth) {
    struct gs_ordered_cursor cursor = {.ordered = &map->fields};
    const struct gs_field *field = NULL;
    int result = 0;
    while (result == 0 && (field = gs_ordered_next(&cursor))) {
        if (field->type == GS_TYPE_MAP || field->type == GS_TYPE_COUNTER) {
            result = visit_field(visiting, map, field, depth);
        }
    }
    return result;
}

int gs_counters_visit(const struct gs_dot_map *root, gs_counter_visit_fn visit, void *context) {
    struct visiting visiting = {.visit = visit, .context = context};
    return visit_map(&visiting, root, 0);
}

static int count_residue(void *context, const struct gs_path *path, const struct gs_counter *counter) {
    (void)path;
    uint32_t *count = context;
    for (uint32_t i = 0; i < counter->count; i++) {
        *count += !gs_tally_alive(&counter->tallies[i]);
    }
    return 0;
}

struct writing {
    const struct gs_origins *origins;
    struct gs_buffer *out;
};

static int write_residue(void *context, const struct gs_path *path, const struct gs_counter *counter) {
    struct writing *writing = context;
    for (uint32_t i = 0; i < counter->count; i++) {
        if (!gs_tally_alive(&counter->tallies[i])) {
            gs_write_array(writing->out, path->depth);
            for (uint32_t j = 0; j < path->depth; j++) {
                gs_write_str(writing->out, path->names[j].bytes, path->names[j].length);
            }
            gs_tally_encode(&counter->tallies[i], writing->origins, writing->out);
        }
    }
    return 0;
}

void gs_residue_encode(const struct gs_dot_map *root, const struct gs_origins *origins, struct gs_buffer *out) {
    uint32_t count = 0;
    gs_counters_visit(root, count_residue, &count);
    gs_write_array(out, 2 * count);
    gs_counters_visit(root, write_residue, &(struct writing){.origins = origins, .out = out});
}

/* Puts one mark where it belongs, making the maps on the way. */
static int place_tally(struct gs_dot_map *root, struct gs_memory *memory, const struct gs_path *path,
                       const struct gs_tally *tally) {
    struct gs_dot_map *map = root;
    for (uint32_t i = 0; i + 1 < path->depth; i++) {
        struct gs_field *field = gs_dot_map_obtain(map, memory, path->names[i], GS_TYPE_MAP);
        if (!field) {
            return GS_ENOMEM;
        }
        map = field->store.map;
    }
    struct gs_field *field = gs_dot_map_obtain(map, memory, path->names[path->depth - 1], GS_TYPE_COUNTER);
    if (!field) {
        return GS_ENOMEM;
    }
    bool twice = gs_counter_find(&field->store.counter, &tally->origin);
    return twice ? GS_EFORMAT : gs_counter_raise(&field->store.counter, memory, tally);
}

static void read_path(struct gs_reader *reader, struct gs_slice *names, struct gs_path *ret_path) {
    uint32_t depth = gs_read_array(reader, GS_PATH_DEPTH_MAX);
    for (uint32_t i = 0; i < depth; i++) {
        names[i] = gs_read_str(reader, GS_NAME_BYTES_MAX);
        if (!gs_name_valid(names[i])) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    if (depth == 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    *ret_path = (struct gs_path){.depth = depth, .names = names};
}

void gs_residue_decode(struct gs_dot_map *root, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % 2 != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_slice names[2][GS_PATH_DEPTH_MAX];
    struct gs_path before = {0};
    gs_origin last = {{0}};
    for (uint32_t i = 0; i < count / 2 && reader->error == 0; i++) {
        struct gs_path path;
        struct gs_tally tally;
        read_path(reader, names[i % 2], &path);
        if (!gs_tally_decode(decoding, &tally)) {
            return;
        }
        int order = i > 0 ? gs_path_compare(&before, &path) : -1;
        if (order > 0 || (order == 0 && gs_origin_compare(&last, &tally.origin) >= 0) || gs_tally_alive(&tally) ||
            tally.reset.at.seq == 0) {
            gs_reader_fail(reader, GS_EFORMAT);
            return;
        }
        int error = place_tally(root, decoding->memory, &path, &tally);
        if (error != 0) {
            gs_reader_fail(reader, error);
        }
        before = path;
        last = tally.origin;
    }
}
