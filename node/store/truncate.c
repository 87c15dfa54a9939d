#include "node/store/truncate.h"

#include "node/core/table.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = GS_FLOORS_MAX + 1, KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1, ENOUGH = 1 };

struct name {
    const char *type; /* borrowed: of the retention, of the base, or "*" */
    uint64_t ms;
    uint64_t floor;
    bool walks; /* in the walk under way */
    bool done;
};

/* An aggregate of which something leaves the index. */
struct touched {
    struct gs_table_entry entry; /* key: "type/id" */
    size_t type_length;
    uint8_t key[];
};

struct step {
    const struct gs_truncate_engine *engine;
    const struct gs_truncation *truncation;
    struct gs_base base; /* as it is going to be */
    struct name names[NAMES_MAX];
    uint32_t name_count;
    uint32_t records_left;
    uint32_t changes_left;
    uint64_t removed;
    bool more;
    /* of the walk under way */
    uint64_t ms;
    uint64_t at; /* the last position that it passed */
    struct gs_table touched;
    uint64_t drops[GS_TRUNCATE_RECORDS_MAX];
    uint32_t drop_count;
};

static struct gs_slice slice_of(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static void add_name(struct step *step, const char *type) {
    struct gs_slice name = slice_of(type);
    for (uint32_t i = 0; i < step->name_count; i++) {
        if (strcmp(step->names[i].type, type) == 0) {
            return;
        }
    }
    if (step->name_count < NAMES_MAX) {
        step->names[step->name_count++] = (struct name){.type = type,
                                                        .ms = gs_retention_ms(step->truncation->retention, name),
                                                        .floor = gs_base_floor(step->engine->base, name)};
    }
}

static void list_names(struct step *step) {
    const struct gs_retention *retention = step->truncation->retention;
    add_name(step, GS_FLOOR_OTHERS);
    for (uint32_t i = 0; i < step->engine->base->floor_count; i++) {
        add_name(step, step->engine->base->floors[i].type);
    }
    for (uint32_t i = 0; i < retention->count; i++) {
        add_name(step, retention->rules[i].type);
    }
}

static const struct name *name_of(const struct step *step, struct gs_slice type) {
    for (uint32_t i = 1; i < step->name_count; i++) {
        if (gs_slice_compare(slice_of(step->names[i].type), type) == 0) {
            return &step->names[i];
        }
    }
    return &step->names[0];
}

static int touch(struct step *step, const struct gs_event_change *change) {
    uint8_t bytes[KEY_BYTES_MAX];
    struct gs_slice type = change->aggregate_type;
    size_t length = type.length + 1 + change->aggregate_id.length;
    memcpy(bytes, type.bytes, type.length);
    bytes[type.length] = '/';
    memcpy(bytes + type.length + 1, change->aggregate_id.bytes, change->aggregate_id.length);
    if (gs_table_find(&step->touched, gs_slice_make(bytes, length)) != NULL) {
        return 0;
    }
    struct touched *touched = malloc(sizeof *touched + length);
    if (touched == NULL) {
        return GS_ENOMEM;
    }
    memcpy(touched->key, bytes, length);
    touched->type_length = type.length;
    touched->entry.key = gs_slice_make(touched->key, length);
    if (gs_table_insert(&step->touched, &touched->entry) != 0) {
        free(touched);
        return GS_ENOMEM;
    }
    return 0;
}

/* Whether the walk may pass a record. */
static bool may_pass(const struct step *step, uint64_t position, const struct gs_batch_head *head) {
    const struct gs_truncation *truncation = step->truncation;
    const struct gs_head *stable = gs_vector_find(&truncation->stable, &head->origin);
    uint64_t last = gs_batch_last_seq(head);
    uint64_t written_ms = gs_hlc_ms(head->clock_last);
    bool old = written_ms < truncation->now_ms && truncation->now_ms - written_ms >= step->ms;
    bool same = stable != NULL &&
                (stable->seq > last || (stable->seq == last && memcmp(&stable->hash, &head->hash, GS_HASH_SIZE) == 0));
    return old && same && position <= truncation->low && position <= step->engine->indexed;
}

/* The base moves on to the record, which was the first one after it. */
static int move_base(struct step *step, uint64_t position, const struct gs_batch_head *head) {
    struct gs_head now = {.origin = head->origin, .seq = gs_batch_last_seq(head), .hash = head->hash};
    if (position != step->base.position + 1) {
        return GS_ECORRUPT; /* after the base the log is whole */
    }
    step->base.position = position;
    step->base.cluster = head->cluster;
    step->base.clock = head->clock_last > step->base.clock ? head->clock_last : step->base.clock;
    return gs_vector_set(&step->base.heads, &now);
}

static int pass(struct step *step, uint64_t position, const struct gs_batch_head *head, const struct gs_event *events) {
    bool goes = true;
    int error = position > step->base.position ? move_base(step, position, head) : 0;
    for (uint32_t i = 0; error == 0 && i < head->count; i++) {
        for (uint32_t j = 0; error == 0 && j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            const struct name *name = name_of(step, change->aggregate_type);
            error = name->walks ? touch(step, change) : 0;
            goes = goes && (name->walks || name->floor >= position);
            step->changes_left -= step->changes_left > 0 ? 1 : 0;
        }
    }
    if (error == 0 && goes) {
        step->drops[step->drop_count++] = position;
    }
    step->at = position;
    return error;
}

static int visit(void *context, uint64_t position, struct gs_slice bytes) {
    struct step *step = context;
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    if (step->records_left == 0 || step->changes_left == 0) {
        step->more = true;
        return ENOUGH;
    }
    int error = gs_record_parse(bytes, &record);
    error = error == 0 ? gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) : error;
    if (error == 0 && !may_pass(step, position, &head)) {
        return ENOUGH;
    }
    step->records_left--;
    error = error == 0 ? gs_batch_decode(&head, &arena, &events) : error;
    error = error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
    error = error == 0 ? pass(step, position, &head, events) : error;
    gs_arena_close(&arena);
    return error;
}

/* What the walk has passed leaves index and log. */
static int carry_out(struct step *step) {
    int error = 0;
    for (const struct gs_table_entry *entry = gs_table_next(&step->touched, NULL); error == 0 && entry != NULL;
         entry = gs_table_next(&step->touched, entry)) {
        const struct touched *touched = (const struct touched *)entry;
        struct gs_slice type = gs_slice_make(touched->key, touched->type_length);
        struct gs_slice id = gs_slice_make(touched->key + type.length + 1, entry->key.length - type.length - 1);
        error = step->engine->cut(step->engine->context, type, id, step->at);
    }
    for (uint32_t i = 0; error == 0 && i < step->drop_count; i++) {
        error = step->engine->drop(step->engine->context, step->drops[i]);
        step->removed++;
    }
    for (uint32_t i = 0; error == 0 && i < step->name_count; i++) {
        struct name *name = &step->names[i];
        name->floor = name->walks ? step->at : name->floor;
    }
    return error;
}

static void forget_walk(struct step *step) {
    struct gs_table_entry *entry = gs_table_next(&step->touched, NULL);
    while (entry != NULL) {
        struct touched *touched = (struct touched *)entry;
        entry = gs_table_next(&step->touched, entry);
        free(touched);
    }
    gs_table_close(&step->touched);
    step->drop_count = 0;
}

/* With all that have the same period and floor. */
static int walk(struct step *step, const struct name *first) {
    uint64_t ms = first->ms;
    uint64_t floor = first->floor;
    for (uint32_t i = 0; i < step->name_count; i++) {
        struct name *name = &step->names[i];
        name->walks = !name->done && name->ms == ms && name->floor == floor;
        name->done = name->done || name->walks;
    }
    step->ms = ms;
    step->at = floor;
    uint32_t max = step->records_left + 1; /* one more, to learn whether there is more */
    int error = step->engine->read(step->engine->context, floor, max, visit, step);
    error = error == ENOUGH ? 0 : error;
    if (error == 0 && step->at > floor) {
        error = carry_out(step);
    }
    forget_walk(step);
    return error;
}

/* Every name has a floor of its own from now on, so that none rises with that of the others. */
static int set_floors(struct step *step) {
    int error = 0;
    for (uint32_t i = step->name_count; error == 0 && i-- > 0;) {
        error = gs_base_raise_floor(&step->base, step->names[i].type, step->names[i].floor);
    }
    return error;
}

int gs_truncate_step(const struct gs_truncate_engine *engine, const struct gs_truncation *truncation,
                     struct gs_base *ret_base, struct gs_truncated *ret_truncated) {
    struct step *step = calloc(1, sizeof *step);
    if (step == NULL) {
        return GS_ENOMEM;
    }
    step->engine = engine;
    step->truncation = truncation;
    step->records_left = GS_TRUNCATE_RECORDS_MAX;
    step->changes_left = GS_TRUNCATE_CHANGES_MAX;
    list_names(step);
    int error = gs_base_copy(&step->base, engine->base);
    bool moved = false;
    for (uint32_t i = 0; error == 0 && i < step->name_count; i++) {
        struct name *name = &step->names[(truncation->turn + i) % step->name_count];
        uint64_t floor = name->floor;
        if (name->done || name->ms == GS_RETENTION_FOREVER) {
            continue;
        }
        error = walk(step, name);
        moved = moved || name->floor > floor;
    }
    error = error == 0 && moved ? set_floors(step) : error;
    error = error == 0 && moved ? engine->set_base(engine->context, &step->base) : error;
    if (error == 0) {
        ret_truncated->records = step->removed;
        ret_truncated->more = step->more;
    }
    if (error == 0 && moved) {
        *ret_base = step->base;
    } else {
        gs_base_close(&step->base);
    }
    free(step);
    return error;
}

int gs_truncated_describe(const struct gs_base *base, struct gs_truncated *truncated) {
    truncated->position = base->position;
    truncated->clock = base->clock;
    return gs_vector_copy(&truncated->heads, &base->heads);
}
