#include <globalstate/schema.h>

static bool is_any(struct gs_slice name) {
    return name.length == 1 && name.bytes[0] == '*';
}

static bool fits(const struct gs_path *pattern, const struct gs_path *path) {
    bool same = pattern->depth == path->depth;
    for (uint32_t i = 0; same && i < path->depth; i++) {
        same = is_any(pattern->names[i]) || gs_slice_compare(pattern->names[i], path->names[i]) == 0;
    }
    return same;
}

const struct gs_schema_field *gs_schema_find(const struct gs_schema *schema, const struct gs_path *path) {
    for (uint32_t i = 0; schema && i < schema->count; i++) {
        if (fits(&schema->fields[i].path, path)) {
            return &schema->fields[i];
        }
    }
    return NULL;
}
