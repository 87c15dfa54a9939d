#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 1000 };

/* A view of now: it may show the open group's events, so it leaves when they are stored. */
static int take_view(struct gs_core *core, struct gs_slice type, struct gs_slice id, struct gs_view **ret_view,
                     uint64_t *group) {
    struct gs_cell *cell = gs_cell_find(core, type, id);
    *ret_view = gs_cell_view(core, cell, type, id);
    if (cell != NULL && cell->last_group > *group) {
        *group = cell->last_group;
    }
    return *ret_view != NULL ? 0 : GS_ENOMEM;
}

/* What is stored already may be kept by the request threads for the next reader. */
static int publish_stored(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    for (uint32_t i = 0; i < command->key_count; i++) {
        const struct gs_read_key *key = &command->keys[i];
        struct gs_cell *cell = gs_cell_find(core, key->aggregate_type, key->aggregate_id);
        if (cell == NULL || cell->last_group > core->stored_group) {
            continue;
        }
        struct gs_view *view = gs_view_retain(command->views[i]);
        if (gs_update_publish(update, view, cell->entry.key) != 0) {
            gs_view_release(view);
            return GS_ENOMEM;
        }
    }
    return 0;
}

int gs_read_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    size_t size = command->key_count * sizeof(struct gs_view *);
    struct gs_view **views = gs_arena_alloc(&command->arena, size + 1);
    uint64_t group = 0;
    command->error = views != NULL ? 0 : GS_ENOMEM;
    if (views != NULL) {
        memset(views, 0, size);
        command->views = views;
    }
    for (uint32_t i = 0; command->error == 0 && i < command->key_count; i++) {
        command->error =
            take_view(core, command->keys[i].aggregate_type, command->keys[i].aggregate_id, &command->views[i], &group);
    }
    if (command->error != 0) {
        return gs_update_answer(update, command);
    }
    int error = publish_stored(core, command, update);
    return error != 0 ? error : gs_group_answer(core, command, group, update);
}

static int compare_ids(const void *a, const void *b) {
    const struct gs_cell *const *left = a;
    const struct gs_cell *const *right = b;
    return gs_slice_compare((*left)->id, (*right)->id);
}

/* The cells of a type whose ids come after `list_after` and that exist, sorted by id. That one is gone may be lost
 * until its deletion is stored: `group`. */
static int collect(const struct gs_core *core, const struct gs_command *command, struct gs_cell ***ret_cells,
                   uint32_t *ret_count, uint64_t *group) {
    struct gs_cell **cells = NULL;
    uint32_t count = 0;
    uint32_t capacity = 0;
    for (struct gs_table_entry *entry = gs_table_next(&core->cells, NULL); entry != NULL;
         entry = gs_table_next(&core->cells, entry)) {
        struct gs_cell *cell = (struct gs_cell *)entry;
        if (gs_slice_compare(cell->type, command->list_type) != 0 ||
            gs_slice_compare(cell->id, command->list_after) <= 0) {
            continue;
        }
        if (!gs_aggregate_exists(cell->aggregate)) {
            *group = cell->last_group > *group ? cell->last_group : *group;
            continue;
        }
        if (gs_array_reserve((void **)&cells, &capacity, count, sizeof *cells) != 0) {
            free(cells);
            return GS_ENOMEM;
        }
        cells[count++] = cell;
    }
    if (count > 0) {
        qsort(cells, count, sizeof *cells, compare_ids);
    }
    *ret_cells = cells;
    *ret_count = count;
    return 0;
}

static int write_items(struct gs_core *core, struct gs_command *command, struct gs_cell **cells, uint32_t count,
                       uint64_t *group) {
    uint32_t limit = command->list_limit < LIST_MAX ? command->list_limit : LIST_MAX;
    uint32_t shown = count < limit ? count : limit;
    gs_buffer_text(&command->json, "{\"items\":[");
    for (uint32_t i = 0; i < shown; i++) {
        struct gs_view *view = NULL;
        int error = take_view(core, cells[i]->type, cells[i]->id, &view, group);
        if (error != 0) {
            return error;
        }
        gs_buffer_text(&command->json, i > 0 ? "," : "");
        gs_buffer_append(&command->json, view->json.bytes, view->json.length);
        gs_view_release(view);
    }
    gs_buffer_text(&command->json, "],\"next\":");
    if (shown < count && shown > 0) {
        gs_json_write_string(cells[shown - 1]->id.bytes, cells[shown - 1]->id.length, &command->json);
    } else {
        gs_buffer_text(&command->json, "null");
    }
    gs_buffer_text(&command->json, "}");
    return command->json.failed;
}

int gs_list_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    struct gs_cell **cells = NULL;
    uint32_t count = 0;
    uint64_t group = 0;
    command->error = collect(core, command, &cells, &count, &group);
    if (command->error == 0) {
        command->error = write_items(core, command, cells, count, &group);
    }
    free(cells);
    return gs_group_answer(core, command, command->error == 0 ? group : 0, update);
}
