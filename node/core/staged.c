#include "node/core/staged.h"

#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

struct gs_staged gs_staged_like(const struct gs_staged *like) {
    struct gs_staged staged = {.tree = {.root = NULL}};
    memcpy(staged.tree.key, like->tree.key, sizeof staged.tree.key);
    memcpy(staged.cells.secret, like->cells.secret, sizeof staged.cells.secret);
    return staged;
}

void gs_staged_close(struct gs_staged *staged) {
    gs_digest_tree_close(&staged->tree);
    staged->tree.root = NULL;
    gs_cells_free(&staged->cells);
}

static void forget(struct gs_staged *staged, struct gs_slice name) {
    struct gs_table_entry *entry = gs_table_find(&staged->cells, name);
    if (entry != NULL) {
        gs_table_remove(&staged->cells, entry);
        gs_cell_free((struct gs_cell *)entry);
    }
}

int gs_staged_set(struct gs_staged *staged, const gs_digest_path *path, struct gs_cell *cell, const gs_hash *hash) {
    forget(staged, cell->entry.key);
    int error = gs_table_insert(&staged->cells, &cell->entry);
    if (error != 0) {
        gs_cell_free(cell);
        return error;
    }
    return gs_digest_tree_set(&staged->tree, path, cell->entry.key, hash);
}

int gs_staged_remove(struct gs_staged *staged, const gs_digest_path *path, struct gs_slice name) {
    int error = gs_digest_tree_remove(&staged->tree, path);
    if (error == 0) {
        forget(staged, name);
    }
    return error;
}

struct merging {
    struct gs_staged *to, *from;
};

static int move_one(void *context, const struct gs_digest_leaf *leaf) {
    const struct merging *merging = context;
    struct gs_table_entry *entry = gs_table_find(&merging->from->cells, leaf->name);
    if (entry == NULL) {
        return GS_EINVAL; /* cannot be */
    }
    gs_table_remove(&merging->from->cells, entry);
    return gs_staged_set(merging->to, &leaf->path, (struct gs_cell *)entry, &leaf->hash);
}

int gs_staged_merge(struct gs_staged *staged, struct gs_staged *from) {
    const struct gs_digest_prefix all = {.depth = 0};
    struct merging merging = {.to = staged, .from = from};
    int error = gs_digest_tree_visit(&from->tree, &all, move_one, &merging);
    gs_staged_close(from);
    return error;
}

int gs_staged_restore(struct gs_core *core, struct gs_staged *staged, uint64_t position) {
    if (core->cells.count > 0) {
        return GS_EINVAL;
    }
    gs_table_close(&core->cells);
    core->cells = staged->cells;
    staged->cells.buckets = NULL;
    gs_table_close(&staged->cells);
    for (struct gs_table_entry *entry = gs_table_next(&core->cells, NULL); entry != NULL;
         entry = gs_table_next(&core->cells, entry)) {
        struct gs_cell *cell = (struct gs_cell *)entry;
        cell->kept_version = cell->version;
        cell->kept_position = position;
        core->stats.aggregates++;
        core->stats.aggregate_bytes += gs_aggregate_bytes(cell->aggregate);
        gs_digest_changed(core, cell);
        gs_compact_changed(core, cell);
    }
    gs_digest_take_tree(core, &staged->tree);
    return 0;
}
