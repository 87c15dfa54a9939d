#include "node/history/salvage.h"

#include "node/store/damage.h"
#include "node/store/notes.h"

#include <stdlib.h>
#include <string.h>

enum { SLICE_ROWS = 1024 };

struct look {
    struct gs_damage damage;
    struct gs_salvage *salvage;
};

/* The origin's entry, made if it is new. NULL when out of memory. */
static struct gs_salvage_loss *loss_of(struct gs_salvage *salvage, const gs_origin *origin) {
    for (uint32_t i = 0; i < salvage->loss_count; i++) {
        if (gs_origin_equal(&salvage->losses[i].origin, origin)) {
            return &salvage->losses[i];
        }
    }
    if (salvage->loss_count == salvage->loss_capacity) {
        uint32_t capacity = salvage->loss_capacity == 0 ? 8 : 2 * salvage->loss_capacity;
        struct gs_salvage_loss *losses = realloc(salvage->losses, capacity * sizeof *losses);
        if (losses == NULL) {
            return NULL;
        }
        salvage->losses = losses;
        salvage->loss_capacity = capacity;
    }
    struct gs_salvage_loss *loss = &salvage->losses[salvage->loss_count++];
    *loss = (struct gs_salvage_loss){.origin = *origin};
    return loss;
}

/* A sound record names its origin's incarnation, and so its key and region. */
static int note_region(struct look *look, const struct gs_stored_row *row) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_salvage_loss *loss = loss_of(look->salvage, &row->origin);
    if (loss == NULL) {
        return GS_ENOMEM;
    }
    if (loss->region[0] != '\0' || gs_record_parse(row->record, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return 0;
    }
    const struct gs_trust_entry *entry = gs_trust_find_origin(look->damage.trust, &head.origin, &head.incarnation);
    if (entry != NULL) {
        memcpy(loss->region, entry->region, sizeof loss->region);
    }
    return 0;
}

static int on_row(void *context, const struct gs_stored_row *row) {
    struct look *look = context;
    int error = row->intact ? note_region(look, row) : 0;
    return error == 0 ? gs_damage_row(&look->damage, row) : error;
}

static int walk(struct gs_store *store, uint64_t after, gs_store_row_fn visit, void *context) {
    for (uint64_t last = after;; after = last) {
        int error = store->methods->inspect(store, after, SLICE_ROWS, visit, context, &last);
        if (error != 0 || last == after) {
            return error;
        }
    }
}

/* As the healer walks: thoroughly only if the first walk asks for it. */
static int find_damage(struct gs_store *store, const gs_cluster *cluster, const struct gs_trust *trust,
                       struct look *look) {
    const struct gs_base *base = &store->log_base;
    int error = 0;
    for (int thorough = 0; error == 0 && thorough < 2; thorough++) {
        error = gs_damage_begin(&look->damage, cluster, trust, &base->heads, base->position, thorough > 0);
        error = error == 0 ? walk(store, base->position, on_row, look) : error;
        error = error == 0 ? gs_damage_end(&look->damage) : error;
        if (!look->damage.suspicious) {
            break;
        }
    }
    return error == 0 && look->damage.hopeless ? GS_ECORRUPT : error;
}

static int on_lost(void *context, const struct gs_stored_row *row) {
    struct gs_salvage *salvage = context;
    struct gs_salvage_loss *loss = loss_of(salvage, &row->origin);
    if (loss == NULL) {
        return GS_ENOMEM;
    }
    salvage->records++;
    loss->first_seq = loss->first_seq == 0 || row->first_seq < loss->first_seq ? row->first_seq : loss->first_seq;
    loss->last_seq = row->last_seq > loss->last_seq ? row->last_seq : loss->last_seq;
    return 0;
}

int gs_salvage_look(struct gs_store *store, const gs_cluster *cluster, const struct gs_trust *trust,
                    struct gs_salvage *ret_salvage) {
    struct gs_salvage salvage = {0};
    struct look look = {.salvage = &salvage};
    const struct gs_damage *damage = &look.damage;
    if (store->methods->inspect == NULL) {
        return GS_EUNSUPPORTED;
    }
    int error = find_damage(store, cluster, trust, &look);
    for (uint32_t i = 0; error == 0 && i < damage->row_count; i++) {
        bool whole = damage->rows[i].record.length > 0; /* the next start puts it back */
        salvage.damaged += whole ? 0 : 1;
        salvage.first = !whole && salvage.first == 0 ? damage->rows[i].position : salvage.first;
    }
    if (error == 0 && salvage.first > 0) {
        error = walk(store, salvage.first - 1, on_lost, &salvage);
    }
    gs_damage_close(&look.damage);
    if (error != 0) {
        gs_salvage_close(&salvage);
        return error;
    }
    *ret_salvage = salvage;
    return 0;
}

int gs_salvage_cut(struct gs_store *store, const struct gs_salvage *salvage, const char *notes_directory) {
    if (store->log_base.position > 0) {
        return GS_EINVAL;
    }
    int error = gs_notes_remove(notes_directory, "self");
    return error != 0 ? error : store->methods->cut(store, salvage->first - 1, gs_slice_make(NULL, 0), 0);
}

void gs_salvage_close(struct gs_salvage *salvage) {
    free(salvage->losses);
    *salvage = (struct gs_salvage){0};
}
