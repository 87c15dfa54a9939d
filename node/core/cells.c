#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1 };

/* "type/id" in `ret_key`; names never hold a slash. */
static struct gs_slice make_key(struct gs_slice type, struct gs_slice id, uint8_t ret_key[KEY_BYTES_MAX]) {
    memcpy(ret_key, type.bytes, type.length);
    ret_key[type.length] = '/';
    memcpy(ret_key + type.length + 1, id.bytes, id.length);
    return gs_slice_make(ret_key, type.length + 1 + id.length);
}

struct gs_cell *gs_cell_find(const struct gs_core *core, struct gs_slice type, struct gs_slice id) {
    uint8_t bytes[KEY_BYTES_MAX];
    if (!gs_id_valid(type) || !gs_id_valid(id)) {
        return NULL;
    }
    return (struct gs_cell *)gs_table_find(&core->cells, make_key(type, id, bytes));
}

struct gs_cell *gs_cell_new(struct gs_slice type, struct gs_slice id, struct gs_aggregate *aggregate) {
    struct gs_cell *cell = calloc(1, sizeof *cell + type.length + 1 + id.length);
    if (cell == NULL || aggregate == NULL) {
        gs_aggregate_free(aggregate);
        free(cell);
        return NULL;
    }
    cell->entry.key = make_key(type, id, (uint8_t *)cell->name);
    cell->type = gs_slice_make(cell->name, type.length);
    cell->id = gs_slice_make(cell->name + type.length + 1, id.length);
    cell->aggregate = aggregate;
    return cell;
}

void gs_cell_free(struct gs_cell *cell) {
    gs_view_release(cell->view);
    gs_aggregate_free(cell->aggregate);
    free(cell);
}

struct gs_cell *gs_cell_get(struct gs_core *core, struct gs_slice type, struct gs_slice id) {
    struct gs_cell *cell = gs_cell_find(core, type, id);
    if (cell != NULL || !gs_id_valid(type) || !gs_id_valid(id)) {
        return cell;
    }
    cell = gs_cell_new(type, id, gs_aggregate_new(NULL));
    if (cell == NULL || gs_table_insert(&core->cells, &cell->entry) != 0) {
        if (cell != NULL) {
            gs_cell_free(cell);
        }
        return NULL;
    }
    core->stats.aggregates++;
    core->stats.aggregate_bytes += gs_aggregate_bytes(cell->aggregate);
    return cell;
}

static void drop_view(struct gs_core *core, struct gs_cell *cell) {
    if (cell->view == NULL) {
        return;
    }
    *(cell->shown_older != NULL ? &cell->shown_older->shown_newer : &core->shown_oldest) = cell->shown_newer;
    *(cell->shown_newer != NULL ? &cell->shown_newer->shown_older : &core->shown_newest) = cell->shown_older;
    core->shown_bytes -= sizeof *cell->view + cell->view->key.length + cell->view->json.length;
    gs_view_release(cell->view);
    cell->view = NULL;
}

/* Takes the view. */
static void keep_view(struct gs_core *core, struct gs_cell *cell, struct gs_view *view) {
    cell->view = view;
    cell->shown_older = core->shown_newest;
    cell->shown_newer = NULL;
    *(core->shown_newest != NULL ? &core->shown_newest->shown_newer : &core->shown_oldest) = cell;
    core->shown_newest = cell;
    core->shown_bytes += sizeof *view + view->key.length + view->json.length;
    while (core->shown_bytes > VIEW_BYTES_MAX && core->shown_oldest != cell) {
        drop_view(core, core->shown_oldest);
    }
}

void gs_cells_forget_views(struct gs_core *core) {
    while (core->shown_oldest != NULL) {
        drop_view(core, core->shown_oldest);
    }
}

void gs_cell_discard(struct gs_core *core, struct gs_cell *cell) {
    drop_view(core, cell);
    gs_compact_forget(core, cell);
    core->stats.aggregates--;
    core->stats.aggregate_bytes -= gs_aggregate_bytes(cell->aggregate);
    gs_table_remove(&core->cells, &cell->entry);
    gs_aggregate_free(cell->aggregate);
    free(cell);
}

int gs_cell_apply(struct gs_core *core, struct gs_cell *cell, const struct gs_delta *delta) {
    core->stats.aggregate_bytes -= gs_aggregate_bytes(cell->aggregate);
    int error = gs_aggregate_apply(cell->aggregate, delta);
    core->stats.aggregate_bytes += gs_aggregate_bytes(cell->aggregate);
    if (error != 0) {
        return error;
    }
    core->rights_moves += gs_rights_move(delta);
    gs_takeover_notice(core, delta);
    cell->version++;
    gs_keep_touch(core, cell);
    cell->updated = gs_hlc_observe(cell->updated, delta->clock);
    drop_view(core, cell);
    gs_digest_changed(core, cell);
    gs_compact_changed(core, cell);
    return core->recovering ? 0 : gs_group_touch(core, cell);
}

int gs_cell_replace(struct gs_core *core, struct gs_cell *cell, struct gs_aggregate *aggregate, uint64_t version,
                    struct gs_update *update) {
    core->stats.aggregate_bytes -= gs_aggregate_bytes(cell->aggregate);
    gs_aggregate_free(cell->aggregate);
    cell->aggregate = aggregate;
    cell->version = version;
    core->stats.aggregate_bytes += gs_aggregate_bytes(aggregate);
    drop_view(core, cell);
    gs_digest_changed(core, cell);
    gs_compact_changed(core, cell);
    gs_keep_touch(core, cell); /* what the store keeps of it may be where the damage came from */
    return gs_update_publish(update, NULL, cell->entry.key);
}

void gs_cell_etag(const struct gs_cell *cell, char ret_etag[GS_ETAG_SIZE]) {
    gs_document_etag(cell->entry.key, gs_aggregate_context(cell->aggregate), ret_etag);
}

/* The `state` document of the API. */
static int write_document(const struct gs_core *core, const struct gs_cell *cell, struct gs_buffer *out) {
    const struct gs_document document = {
        .type = cell->type,
        .id = cell->id,
        .version = cell->version,
        .updated = cell->updated,
        .region = core->self->region,
        .aggregate = cell->aggregate,
    };
    return gs_document_write(&document, gs_registry_namer(core), out);
}

struct gs_view *gs_cell_view(struct gs_core *core, struct gs_cell *cell, struct gs_slice type, struct gs_slice id) {
    if (cell == NULL) {
        uint8_t bytes[KEY_BYTES_MAX];
        if (!gs_id_valid(type) || !gs_id_valid(id)) {
            return NULL;
        }
        return gs_view_new(make_key(type, id, bytes), (struct gs_slice){0});
    }
    if (cell->view == NULL) {
        struct gs_buffer json = {0};
        struct gs_view *view = NULL;
        if (write_document(core, cell, &json) == 0) {
            view = gs_view_new(cell->entry.key, gs_slice_make(json.bytes, json.length));
        }
        gs_buffer_close(&json);
        if (view == NULL) {
            return NULL;
        }
        view->exists = gs_aggregate_exists(cell->aggregate);
        view->version = cell->version;
        gs_cell_etag(cell, view->etag);
        keep_view(core, cell, view);
    }
    return gs_view_retain(cell->view);
}

void gs_cells_free(struct gs_table *cells) {
    struct gs_table_entry *entry = gs_table_next(cells, NULL);
    while (entry != NULL) {
        struct gs_cell *cell = (struct gs_cell *)entry;
        entry = gs_table_next(cells, entry);
        gs_cell_free(cell);
    }
    gs_table_close(cells);
}

int gs_core_visit(const struct gs_core *core, gs_core_aggregate_fn visit, void *context) {
    int result = 0;
    for (struct gs_table_entry *entry = gs_table_next(&core->cells, NULL); entry != NULL && result == 0;
         entry = gs_table_next(&core->cells, entry)) {
        struct gs_cell *cell = (struct gs_cell *)entry;
        result = visit(context, cell->type, cell->id, cell->version, cell->aggregate);
    }
    return result;
}
