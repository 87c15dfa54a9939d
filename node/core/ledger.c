/* An entry's bytes: type and id of the aggregate, NUL-free text after each other; then one canonical value
 *
 *     [path, type of the field, rule, clock of the event, [[origin, seq, clock, type, value | nil, size, [[origin,
 * seq], …] | nil], …]]
 *
 * with the winner first. Names of regions are looked up when the entry is shown: an incarnation that has ended since
 * goes by another name. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGINS_SHOWN_MAX = 64, VALUES_MAX = 64 };

struct meeting {
    struct gs_core *core;
    struct gs_cell *cell;
    const struct gs_delta *delta;
};

static void drop_oldest(struct gs_ledger *ledger) {
    struct gs_ledger_entry *entry = ledger->oldest;
    ledger->oldest = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &ledger->newest) = NULL;
    ledger->count--;
    ledger->bytes -= sizeof *entry + entry->length;
    free(entry);
}

void gs_ledger_close(struct gs_ledger *ledger) {
    while (ledger->count > 0) {
        drop_oldest(ledger);
    }
}

static bool is_of(const struct gs_conflict_value *value, const struct gs_delta *delta) {
    return value->dot.at.seq == delta->seq && gs_origin_equal(&value->dot.origin, &delta->origin);
}

/* Values of a type that keeps no dot of its own cannot say who wrote them: then the path must be one that the event
 * has changed. */
static bool touches(const struct gs_delta *delta, const struct gs_path *path) {
    for (uint32_t i = 0; i < delta->count; i++) {
        const struct gs_path *changed = &delta->changes[i].path;
        bool same = changed->depth >= path->depth;
        for (uint32_t j = 0; j < path->depth && same; j++) {
            same = gs_slice_compare(changed->names[j], path->names[j]) == 0;
        }
        if (same) {
            return true;
        }
    }
    return false;
}

static bool is_news(const struct meeting *meeting, const struct gs_conflict *conflict) {
    bool nameless = false;
    for (uint32_t i = 0; i < conflict->count; i++) {
        if (is_of(&conflict->values[i], meeting->delta)) {
            return true;
        }
        nameless = nameless || conflict->values[i].dot.at.seq == 0;
    }
    return nameless && touches(meeting->delta, &conflict->path);
}

static uint64_t fingerprint_of(const struct meeting *meeting, struct gs_slice path,
                               const struct gs_conflict *conflict) {
    crypto_generichash_state hash;
    uint64_t fingerprint = 0;
    crypto_generichash_init(&hash, NULL, 0, crypto_generichash_BYTES_MIN);
    crypto_generichash_update(&hash, meeting->cell->entry.key.bytes, meeting->cell->entry.key.length);
    crypto_generichash_update(&hash, path.bytes, path.length);
    for (uint32_t i = 0; i < conflict->count; i++) {
        const struct gs_conflict_value *value = &conflict->values[i];
        uint64_t numbers[3] = {value->dot.at.seq, value->dot.at.index, (uint64_t)value->type};
        crypto_generichash_update(&hash, value->dot.origin.bytes, GS_ORIGIN_SIZE);
        crypto_generichash_update(&hash, (const uint8_t *)numbers, sizeof numbers);
    }
    uint8_t digest[crypto_generichash_BYTES_MIN];
    crypto_generichash_final(&hash, digest, sizeof digest);
    memcpy(&fingerprint, digest, sizeof fingerprint);
    return fingerprint;
}

static bool is_recorded(const struct gs_ledger *ledger, uint64_t fingerprint) {
    for (const struct gs_ledger_entry *entry = ledger->newest; entry != NULL; entry = entry->older) {
        if (entry->fingerprint == fingerprint) {
            return true;
        }
    }
    return false;
}

/* The first event of `origin` among the other values: what a writer that is concurrent with it cannot have seen. */
static uint64_t first_rival(const struct gs_conflict *conflict, uint32_t own, const gs_origin *origin) {
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < conflict->count; i++) {
        const gs_dot *dot = &conflict->values[i].dot;
        if (i != own && dot->at.seq != 0 && gs_origin_equal(&dot->origin, origin) && dot->at.seq < first) {
            first = dot->at.seq;
        }
    }
    return first;
}

/* The vector clock that the writer of value `own` had of the aggregate, its own event included: by what its log says
 * that it had applied, and nothing of the other values. nil if that is too long ago to be remembered. */
static void write_clock(const struct meeting *meeting, const struct gs_conflict *conflict, uint32_t own,
                        struct gs_buffer *out) {
    const gs_dot *dot = &conflict->values[own].dot;
    const struct gs_context *context = gs_aggregate_context(meeting->cell->aggregate);
    const struct gs_origin_state *writer = dot->at.seq != 0 ? gs_registry_find(meeting->core, &dot->origin) : NULL;
    struct gs_buffer list = {0};
    uint32_t count = 0;
    bool known = writer != NULL;
    for (uint32_t i = 0; i < context->count && known && count < ORIGINS_SHOWN_MAX; i++) {
        const gs_origin *origin = &context->entries[i].origin;
        uint64_t seq = dot->at.seq;
        if (!gs_origin_equal(origin, &dot->origin)) {
            known = gs_witness_at(meeting->core, writer, dot->at.seq, origin, &seq);
            uint64_t rival = first_rival(conflict, own, origin);
            uint64_t last = gs_context_seq(context, origin);
            seq = seq < rival ? seq : rival - 1;
            seq = seq < last ? seq : last;
        }
        if (known && seq > 0) {
            gs_write_array(&list, 2);
            gs_write_bin(&list, origin->bytes, GS_ORIGIN_SIZE);
            gs_write_uint(&list, seq);
            count++;
        }
    }
    if (known) {
        gs_write_array(out, count);
        gs_buffer_append(out, list.bytes, list.length);
        out->failed = out->failed != 0 ? out->failed : list.failed;
    } else {
        gs_write_nil(out);
    }
    gs_buffer_close(&list);
}

static void write_value(const struct meeting *meeting, const struct gs_conflict *conflict, uint32_t index,
                        struct gs_buffer *out) {
    const struct gs_conflict_value *value = &conflict->values[index];
    gs_write_array(out, 7);
    gs_write_bin(out, value->dot.origin.bytes, GS_ORIGIN_SIZE);
    gs_write_uint(out, value->dot.at.seq);
    gs_write_uint(out, value->clock);
    gs_write_uint(out, (uint64_t)value->type);
    if (value->value.length > 0 && value->value.length <= GS_LEDGER_VALUE_MAX) {
        gs_buffer_append(out, value->value.bytes, value->value.length);
    } else {
        gs_write_nil(out);
    }
    gs_write_uint(out, value->value.length);
    write_clock(meeting, conflict, index, out);
}

static void write_entry(const struct meeting *meeting, struct gs_slice path, const struct gs_conflict *conflict,
                        struct gs_buffer *out) {
    const struct gs_cell *cell = meeting->cell;
    uint32_t count = conflict->count < VALUES_MAX ? conflict->count : VALUES_MAX;
    gs_buffer_append(out, cell->type.bytes, cell->type.length);
    gs_buffer_append(out, cell->id.bytes, cell->id.length);
    gs_write_array(out, 5);
    gs_write_str(out, path.bytes, path.length);
    gs_write_uint(out, (uint64_t)conflict->type);
    gs_write_str(out, conflict->rule, strlen(conflict->rule));
    gs_write_uint(out, cell->updated);
    gs_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        write_value(meeting, conflict, i, out);
    }
}

int gs_ledger_restore(struct gs_ledger *ledger, uint64_t fingerprint, size_t type_length, size_t id_length,
                      struct gs_slice bytes) {
    struct gs_ledger_entry *entry = malloc(sizeof *entry + bytes.length);
    if (entry == NULL) {
        return GS_ENOMEM;
    }
    *entry = (struct gs_ledger_entry){
        .number = ++ledger->recorded, .fingerprint = fingerprint, .older = ledger->newest, .length = bytes.length};
    memcpy(entry->bytes, bytes.bytes, bytes.length);
    entry->type = gs_slice_make(entry->bytes, type_length);
    entry->id = gs_slice_make(entry->bytes + type_length, id_length);
    *(ledger->newest != NULL ? &ledger->newest->newer : &ledger->oldest) = entry;
    ledger->newest = entry;
    ledger->count++;
    ledger->bytes += sizeof *entry + entry->length;
    while (ledger->count > GS_LEDGER_ENTRIES_MAX || (ledger->bytes > GS_LEDGER_BYTES_MAX && ledger->count > 1)) {
        drop_oldest(ledger);
    }
    return 0;
}

static int add(const struct meeting *meeting, uint64_t fingerprint, const struct gs_buffer *bytes) {
    struct gs_ledger *ledger = &meeting->core->ledger;
    int error = gs_ledger_restore(ledger, fingerprint, meeting->cell->type.length, meeting->cell->id.length,
                                  gs_slice_make(bytes->bytes, bytes->length));
    if (error == 0) {
        ledger->newest->group = meeting->core->recovering ? 0 : meeting->core->open.number;
    }
    return error;
}

static int record(void *context, const struct gs_conflict *conflict) {
    const struct meeting *meeting = context;
    if (!is_news(meeting, conflict)) {
        return 0;
    }
    struct gs_buffer path = {0};
    struct gs_buffer bytes = {0};
    gs_path_write(&conflict->path, &path);
    uint64_t fingerprint = fingerprint_of(meeting, gs_slice_make(path.bytes, path.length), conflict);
    int error = path.failed;
    if (error == 0 && !is_recorded(&meeting->core->ledger, fingerprint)) {
        write_entry(meeting, gs_slice_make(path.bytes, path.length), conflict, &bytes);
        error = bytes.failed != 0 ? bytes.failed : add(meeting, fingerprint, &bytes);
    }
    gs_buffer_close(&path);
    gs_buffer_close(&bytes);
    return error;
}

int gs_ledger_meet(struct gs_core *core, struct gs_cell *cell, const struct gs_delta *delta) {
    struct meeting meeting = {.core = core, .cell = cell, .delta = delta};
    if (gs_aggregate_context(cell->aggregate)->count < 2) {
        return 0; /* only one origin has ever written here */
    }
    return gs_aggregate_visit_conflicts(cell->aggregate, record, &meeting);
}

/* An event as a value: its id, as the API shows it. */
static struct gs_conflict_value as_value(const gs_origin *origin, uint64_t seq, gs_hlc clock, struct gs_buffer *out) {
    char id[2 * GS_ORIGIN_SIZE + 24];
    sodium_bin2hex(id, sizeof id, origin->bytes, GS_ORIGIN_SIZE);
    (void)snprintf(id + (ptrdiff_t)(2 * GS_ORIGIN_SIZE), sizeof id - (size_t)(2 * GS_ORIGIN_SIZE), "-%llu",
                   (unsigned long long)seq);
    gs_write_str(out, id, strlen(id));
    return (struct gs_conflict_value){.op = "",
                                      .dot = {.origin = *origin, .at = {.seq = seq}},
                                      .clock = clock,
                                      .type = (enum gs_type)GS_LEDGER_EVENT,
                                      .value = gs_slice_make(out->bytes, out->length)};
}

int gs_ledger_duplicate(struct gs_core *core, const gs_origin *origin, const struct gs_event *event,
                        const struct gs_idempotency_entry *first) {
    bool same = memcmp(first->request, event->idempotency.request, sizeof first->request) == 0;
    bool later = event->clock > first->clock ||
                 (event->clock == first->clock && memcmp(origin->bytes, first->origin.bytes, GS_ORIGIN_SIZE) > 0);
    struct gs_buffer ids[2] = {{0}, {0}};
    struct gs_conflict_value values[2];
    values[later ? 0 : 1] = as_value(&first->origin, first->seq, first->clock, &ids[0]);
    values[later ? 1 : 0] = as_value(origin, event->seq, event->clock, &ids[1]);
    const struct gs_conflict conflict = {.type = (enum gs_type)GS_LEDGER_EVENT,
                                         .rule = same ? "crossed_requests" : "crossed_keys",
                                         .count = 2,
                                         .values = values};
    int error = ids[0].failed != 0 ? ids[0].failed : ids[1].failed;
    for (uint32_t i = 0; error == 0 && i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        struct meeting meeting = {.core = core,
                                  .cell = gs_cell_find(core, change->aggregate_type, change->aggregate_id),
                                  .delta = &change->delta};
        error = meeting.cell != NULL ? record(&meeting, &conflict) : 0;
    }
    gs_buffer_close(&ids[0]);
    gs_buffer_close(&ids[1]);
    return error;
}
