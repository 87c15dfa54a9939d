/* Events of batches that were taken out of the log (fork.h), written again. Each note holds such batches, in the order
 * of that log; each of their events becomes a write like a client's, under its own idempotency key or, if it had none,
 * under one made of its dot: so it counts once, however often it is tried. One batch at a time. What is refused stays,
 * is shown, and is tried again: rights may arrive. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTE_VERSION = 1,
    RETRY_MS = 10000,
    OTHERS_MS = 10000, /* an author that may have found the same events writes them first, once it is linked so long */
    WRITES_MAX = 256
};

static struct gs_slice slice_of(const struct gs_buffer *buffer) {
    return gs_slice_make(buffer->bytes, buffer->length);
}

static int decode(struct gs_slice bytes, struct gs_arena *arena, struct gs_batch_head *ret_head,
                  struct gs_event **ret_events) {
    struct gs_record record;
    int error = gs_record_parse(bytes, &record);
    error = error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, ret_head);
    error = error != 0 ? error : gs_batch_decode(ret_head, arena, ret_events);
    return error != 0 ? error : gs_record_attach(&record, *ret_events, ret_head->count);
}

/* Acknowledgements say what a life had applied that has ended, and what nodes decide about origins they decide anew;
 * decisions about forks have counted. */
static bool is_worth_writing(const struct gs_event *event) {
    static const char quarantine[] = GS_QUARANTINE_TYPE;
    if (event->change_count == 0) {
        return false;
    }
    struct gs_slice type = event->changes[0].aggregate_type;
    return type.length < 3 || memcmp(type.bytes, "gs.", 3) != 0 ||
           gs_slice_compare(type, gs_slice_make(quarantine, sizeof quarantine - 1)) == 0;
}

static int add_record(struct gs_core *core, uint32_t note_index, struct gs_slice bytes) {
    struct gs_import *import = &core->import;
    struct gs_import_note *note = &import->notes[note_index];
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    struct gs_arena arena = {0};
    if (gs_array_reserve((void **)&note->records, &note->record_capacity, note->record_count, sizeof *note->records) !=
        0) {
        return GS_ENOMEM;
    }
    int error = decode(bytes, &arena, &head, &events);
    struct gs_buffer *copy = &note->records[note->record_count];
    *copy = (struct gs_buffer){0};
    if (error == 0) {
        gs_buffer_append(copy, bytes.bytes, bytes.length);
        error = copy->failed;
    }
    for (uint32_t i = 0; error == 0 && i < head.count; i++) {
        if (!is_worth_writing(&events[i])) {
            continue;
        }
        error = gs_array_reserve((void **)&import->items, &import->item_capacity, import->item_count,
                                 sizeof *import->items);
        if (error == 0) {
            import->items[import->item_count++] = (struct gs_import_item){
                .origin = head.origin, .note = note_index, .record = note->record_count, .event = i};
        }
    }
    gs_arena_close(&arena);
    note->record_count++;
    import->bytes += bytes.length;
    return error;
}

/* The third member: what is done already. */
static void read_done(struct gs_import *import, uint32_t note, struct gs_reader *reader) {
    uint32_t flat = gs_read_array(reader, UINT32_MAX);
    for (uint32_t i = 0; i + 1 < flat && reader->error == 0; i += 2) {
        uint32_t record = gs_read_u32(reader, UINT32_MAX);
        uint32_t event = gs_read_u32(reader, UINT32_MAX);
        for (uint32_t j = import->item_count; j > 0 && import->items[j - 1].note == note; j--) {
            struct gs_import_item *item = &import->items[j - 1];
            item->done = item->done || (item->record == record && item->event == event);
        }
    }
}

int gs_import_recover(struct gs_core *core, const char *name, struct gs_slice bytes) {
    static const char prefix[] = GS_NOTE_IMPORT;
    static const char found[] = GS_NOTE_FOUND;
    struct gs_import *import = &core->import;
    struct gs_reader reader;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0 || import->bytes + bytes.length > GS_IMPORT_BYTES_MAX) {
        return 0; /* past the cap: with a later start, when those before are done */
    }
    if (gs_array_reserve((void **)&import->notes, &import->note_capacity, import->note_count, sizeof *import->notes) !=
        0) {
        return GS_ENOMEM;
    }
    uint32_t number = import->note_count++;
    import->notes[number] = (struct gs_import_note){0};
    import->notes[number].found = strncmp(name, found, sizeof found - 1) == 0;
    memcpy(import->notes[number].name, name, strnlen(name, sizeof import->notes[number].name - 1));
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    reader.nodes_left = UINT32_MAX; /* each record is bounded by itself */
    uint32_t members = gs_read_array(&reader, 3);
    if (gs_read_u32(&reader, UINT32_MAX) != NOTE_VERSION || members < 2) {
        return 0;
    }
    int error = 0;
    for (uint32_t left = gs_read_array(&reader, UINT32_MAX); left > 0 && reader.error == 0 && error == 0; left--) {
        const uint8_t *start = reader.at;
        struct gs_record record;
        if (gs_record_read(&reader, &record) == 0) {
            error = add_record(core, number, gs_slice_make(start, (size_t)(reader.at - start)));
        }
    }
    if (error == 0 && members == 3) {
        read_done(import, number, &reader);
    }
    return error == GS_ENOMEM ? error : 0;
}

static struct gs_slice make_number(struct gs_arena *arena, int64_t number) {
    struct gs_buffer bytes = {0};
    gs_write_int(&bytes, number);
    struct gs_slice copy = gs_slice_make(gs_arena_copy(arena, bytes.bytes, bytes.length), bytes.length);
    gs_buffer_close(&bytes);
    return copy;
}

/* How many elements the list at the path has; 0 if there is none. */
static uint64_t count_elements(const struct gs_core *core, const struct gs_event_change *change,
                               const struct gs_path *path) {
    const struct gs_cell *cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id);
    struct gs_buffer value = {0};
    uint64_t count = 0;
    if (cell != NULL && gs_aggregate_write_value(cell->aggregate, &value) == 0) {
        struct gs_slice at = slice_of(&value);
        for (uint32_t i = 0; i < path->depth && at.length > 0; i++) {
            char name[GS_NAME_BYTES_MAX + 1];
            memcpy(name, path->names[i].bytes, path->names[i].length);
            name[path->names[i].length] = '\0';
            at = gs_value_kind(at) == GS_KIND_MAP ? gs_map_get(at, name) : (struct gs_slice){0};
        }
        struct gs_reader reader;
        gs_reader_init(&reader, at.bytes, at.length);
        count = at.length > 0 && gs_value_kind(at) == GS_KIND_ARRAY ? gs_read_array(&reader, UINT32_MAX) : 0;
    }
    gs_buffer_close(&value);
    return count;
}

static bool same_path(const struct gs_path *a, const struct gs_path *b) {
    bool same = a->depth == b->depth;
    for (uint32_t i = 0; same && i < a->depth; i++) {
        same = gs_slice_compare(a->names[i], b->names[i]) == 0;
    }
    return same;
}

/* A run of elements goes to the end of its list: where it stood among others is not in the delta. `ops` are those of
 * the same delta before it. */
static uint64_t place_insert(const struct gs_core *core, const struct gs_event_change *change, const struct gs_op *ops,
                             uint32_t count, const struct gs_path *path) {
    uint64_t position = count_elements(core, change, path);
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].kind == GS_OP_INSERT && same_path(&ops[i].path, path)) {
            struct gs_reader reader;
            gs_reader_init(&reader, ops[i].value.bytes, ops[i].value.length);
            position += gs_read_array(&reader, UINT32_MAX);
        }
    }
    return position;
}

/* What a person would have asked for. GS_EUNSUPPORTED: the delta does not tell. */
static int make_op(const struct gs_core *core, const struct gs_event_change *on, uint32_t index, struct gs_arena *arena,
                   struct gs_op *ops) {
    const struct gs_change *change = &on->delta.changes[index];
    struct gs_op *op = &ops[index];
    *op = (struct gs_op){.kind = change->kind,
                         .path = change->path,
                         .value = change->value,
                         .member = change->member,
                         .type = change->type};
    const struct gs_origin_state *target = NULL;
    switch (change->kind) {
    case GS_OP_INCREMENT:
    case GS_OP_INCREMENT_BC:
    case GS_OP_SCORE_BY:
        op->value = make_number(arena, change->by);
        return op->value.bytes != NULL ? 0 : GS_ENOMEM;
    case GS_OP_GRANT:
        op->kind = GS_OP_CREATE;
        op->type = GS_TYPE_BOUNDED_COUNTER;
        op->bound = change->bound;
        op->initial = change->bound + change->by;
        return 0;
    case GS_OP_TRANSFER: /* to the region's present life */
        target = gs_registry_find(core, &change->target);
        op->value = make_number(arena, change->by);
        op->target = change->target;
        op->has_target = target == NULL;
        op->target_name = target != NULL ? gs_slice_make(target->region, strlen(target->region)) : op->target_name;
        return op->value.bytes != NULL ? 0 : GS_ENOMEM;
    case GS_OP_INSERT:
        op->position = place_insert(core, on, ops, index, &change->path);
        return 0;
    case GS_OP_DELETE:
        return GS_EUNSUPPORTED;
    default:
        return 0;
    }
}

static bool has_insert(const struct gs_event *event) {
    for (uint32_t i = 0; i < event->change_count; i++) {
        for (uint32_t j = 0; j < event->changes[i].delta.count; j++) {
            if (event->changes[i].delta.changes[j].kind == GS_OP_INSERT) {
                return true;
            }
        }
    }
    return false;
}

/* A key that no client has, the same whenever the event is written again. */
static void make_key(const struct gs_batch_head *head, uint64_t seq, struct gs_idempotency *ret_key) {
    uint8_t number[8];
    gs_hash hash;
    for (int i = 0; i < 8; i++) {
        number[i] = (uint8_t)(seq >> (56 - 8 * i));
    }
    struct gs_buffer bytes = {0};
    gs_buffer_append(&bytes, head->hash.bytes, GS_HASH_SIZE);
    gs_buffer_append(&bytes, number, sizeof number);
    gs_hash_bytes("gs-import-v1", bytes.bytes, bytes.length, &hash);
    gs_buffer_close(&bytes);
    *ret_key = (struct gs_idempotency){.present = true};
    memcpy(ret_key->key, hash.bytes, sizeof ret_key->key);
    memcpy(ret_key->request, hash.bytes + sizeof ret_key->key, sizeof ret_key->request);
}

static int make_write(const struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *event,
                      struct gs_arena *arena, struct gs_write *ret_write) {
    struct gs_write_change *changes = gs_arena_alloc(arena, event->change_count * sizeof *changes);
    if (changes == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        struct gs_op *ops = gs_arena_alloc(arena, change->delta.count * sizeof *ops + 1);
        if (ops == NULL) {
            return GS_ENOMEM;
        }
        for (uint32_t j = 0; j < change->delta.count; j++) {
            int error = make_op(core, change, j, arena, ops);
            if (error != 0) {
                return error;
            }
        }
        changes[i] = (struct gs_write_change){.aggregate_type = change->aggregate_type,
                                              .aggregate_id = change->aggregate_id,
                                              .kind = GS_WRITE_OPS,
                                              .ops = ops,
                                              .op_count = change->delta.count,
                                              .prefix = "/ops"};
    }
    *ret_write = (struct gs_write){.event_type = event->event_type,
                                   .actor = event->actor,
                                   .idempotency = event->idempotency,
                                   .detached = event->detached,
                                   .internal = true,
                                   .change_count = event->change_count,
                                   .changes = changes};
    if (!event->idempotency.present) {
        make_key(head, event->seq, &ret_write->idempotency);
    }
    return 0;
}

static void refuse(struct gs_import *import, struct gs_import_item *item, int error, const char *detail) {
    import->refused += item->error == 0 ? 1 : 0;
    free(item->detail);
    item->error = error;
    item->detail = strdup(detail);
}

/* The command for the batch of the item at `first`, or as much of it as goes together. */
static int make_command(struct gs_core *core, uint32_t first, bool again, struct gs_command *command) {
    struct gs_import *import = &core->import;
    const struct gs_import_item *begin = &import->items[first];
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    int error = decode(slice_of(&import->notes[begin->note].records[begin->record]), &command->arena, &head, &events);
    struct gs_write *writes = gs_arena_alloc(&command->arena, WRITES_MAX * sizeof *writes);
    if (error != 0 || writes == NULL) {
        return error != 0 ? error : GS_ENOMEM;
    }
    for (uint32_t i = first; i < import->item_count && command->write_count < WRITES_MAX; i++) {
        struct gs_import_item *item = &import->items[i];
        const struct gs_event *event = &events[item->event];
        bool other = item->note != begin->note || item->record != begin->record;
        if (other || (has_insert(event) && command->write_count > 0)) {
            break; /* where a list ends is known once those before are written */
        }
        if (item->done || (item->error != 0 && !again)) {
            continue;
        }
        error = make_write(core, &head, event, &command->arena, &writes[command->write_count]);
        if (error == GS_ENOMEM) {
            return error;
        }
        if (error != 0) {
            refuse(import, item, error, "what it deletes from a list is named by places that are not known any more");
            continue;
        }
        import->batch[command->write_count++] = i;
        if (has_insert(event)) {
            break;
        }
    }
    command->writes = writes;
    return 0;
}

/* Forgets a note whose events are all written; else keeps what is done of it with it. */
static int settle_note(struct gs_core *core, uint32_t number) {
    struct gs_import *import = &core->import;
    struct gs_import_note *note = &import->notes[number];
    struct gs_buffer bytes = {0};
    uint32_t left = 0;
    uint32_t done = 0;
    for (uint32_t i = 0; i < import->item_count; i++) {
        left += import->items[i].note == number && !import->items[i].done;
        done += import->items[i].note == number && import->items[i].done;
    }
    if (note->finished) {
        return 0;
    }
    note->finished = left == 0;
    if (left > 0) {
        gs_write_array(&bytes, 3);
        gs_write_uint(&bytes, NOTE_VERSION);
        gs_write_array(&bytes, note->record_count);
        for (uint32_t i = 0; i < note->record_count; i++) {
            gs_buffer_append(&bytes, note->records[i].bytes, note->records[i].length);
        }
        gs_write_array(&bytes, 2 * done);
        for (uint32_t i = 0; i < import->item_count; i++) {
            if (import->items[i].note == number && import->items[i].done) {
                gs_write_uint(&bytes, import->items[i].record);
                gs_write_uint(&bytes, import->items[i].event);
            }
        }
    }
    return gs_update_note(&core->later, note->name, &bytes);
}

/* Of events that were found, those of other regions: their authors may have found them, too. They would write them
 * under the same keys, so what arrives from them is known for what it is; two that cross would both count. */
static bool is_for_others(const struct gs_core *core, const struct gs_import_item *item) {
    const struct gs_origin_state *origin = gs_registry_find(core, &item->origin);
    if (!core->import.notes[item->note].found || origin == NULL) {
        return false;
    }
    const struct gs_trust_entry *author = gs_trust_find_key(core->config.trust, &origin->key);
    const struct gs_peer_state *peer = gs_members_link(core, &origin->key);
    return author != NULL && gs_stable_counts(core, author) &&
           (peer == NULL || !peer->heard || core->mono_ms - peer->up_mono_ms < OTHERS_MS);
}

/* The first item that is to be tried, or item_count. */
static uint32_t find_next(const struct gs_core *core, bool again) {
    const struct gs_import *import = &core->import;
    const struct gs_import_item *other = NULL; /* the last one that is for others: the next are often like it */
    uint32_t next = 0;
    for (; next < import->item_count; next++) {
        const struct gs_import_item *item = &import->items[next];
        if (item->done || (item->error != 0 && !again) ||
            (other != NULL && other->note == item->note && gs_origin_equal(&other->origin, &item->origin))) {
            continue;
        }
        if (!is_for_others(core, item)) {
            break;
        }
        other = item;
    }
    return next;
}

static int settle_notes(struct gs_core *core) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->import.note_count; i++) {
        error = settle_note(core, i);
    }
    return error;
}

int gs_import_tick(struct gs_core *core, struct gs_update *update) {
    struct gs_import *import = &core->import;
    bool quiet = !core->waiting_for_peers && !core->store_away && !core->must_cut && core->backlog_count == 0 &&
                 core->stats.started && !gs_decisions_pending(core);
    if (!quiet || import->count > 0 || import->note_count == 0) {
        return 0;
    }
    bool again = import->refused > 0 && core->mono_ms >= import->retry_mono_ms;
    uint32_t next = find_next(core, false);
    if (next == import->item_count && again) {
        import->retry_mono_ms = core->mono_ms + RETRY_MS;
        next = find_next(core, true);
    } else {
        again = false;
    }
    if (next == import->item_count) {
        return 0;
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    if (import->batch == NULL) {
        import->batch = calloc(WRITES_MAX, sizeof *import->batch);
    }
    int error = command == NULL || import->batch == NULL ? GS_ENOMEM : make_command(core, next, again, command);
    if (error != 0 || command->write_count == 0) {
        gs_command_free(command);
        return error == GS_ENOMEM ? error : 0;
    }
    command->owner = import;
    import->command = command;
    import->count = command->write_count;
    return gs_write_command(core, command, update);
}

static void take_result(struct gs_core *core, const struct gs_command *command, uint32_t index) {
    struct gs_import *import = &core->import;
    struct gs_import_item *item = &import->items[import->batch[index]];
    int error = command->error != 0 ? command->error : command->results[index].error;
    if (command->error != 0 || error == GS_EOVERLOADED || error == GS_ENOMEM) {
        return; /* tried again */
    }
    if (error != 0 && error != GS_EIDEMPOTENCY) { /* the key's request has arrived otherwise */
        refuse(import, item, error, command->results[index].problem.detail);
        return;
    }
    import->refused -= item->error != 0 ? 1 : 0;
    item->error = 0;
    item->done = true;
    import->done++;
}

int gs_import_answered(struct gs_core *core, struct gs_update *update) {
    struct gs_import *import = &core->import;
    for (uint32_t i = 0; i < update->answer_count; i++) {
        struct gs_command *command = update->answers[i];
        if (command->owner != import) {
            continue;
        }
        memmove(update->answers + i, update->answers + i + 1,
                (update->answer_count - i - 1) * sizeof(struct gs_command *));
        update->answer_count--;
        for (uint32_t j = 0; j < import->count; j++) {
            take_result(core, command, j);
        }
        gs_command_free(command);
        import->command = NULL;
        import->count = 0;
        return find_next(core, false) == import->item_count ? settle_notes(core) : 0;
    }
    return 0;
}

void gs_import_close(struct gs_core *core) {
    struct gs_import *import = &core->import;
    for (uint32_t i = 0; i < import->note_count; i++) {
        for (uint32_t j = 0; j < import->notes[i].record_count; j++) {
            gs_buffer_close(&import->notes[i].records[j]);
        }
        free(import->notes[i].records);
    }
    for (uint32_t i = 0; i < import->item_count; i++) {
        free(import->items[i].detail);
    }
    gs_command_free(import->command);
    free(import->notes);
    free(import->items);
    free(import->batch);
}
