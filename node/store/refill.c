/* The second half of damage.h: records that others have sent, into the gaps of a log. */
#include "node/store/damage.h"

#include <stdlib.h>
#include <string.h>

struct gs_damage_gap *gs_damage_next(struct gs_damage *damage) {
    for (uint32_t i = 0; i < damage->gap_count; i++) {
        if (!damage->gaps[i].complete) {
            return &damage->gaps[i];
        }
    }
    return NULL;
}

/* The origin's next record, by its signature and by the chain on this side of the gap. */
static int check(const struct gs_damage *damage, const struct gs_damage_gap *gap, struct gs_slice bytes,
                 struct gs_head *ret_head) {
    struct gs_record record;
    struct gs_batch_head head;
    int error = gs_record_parse(bytes, &record);
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
    }
    if (error != 0) {
        return GS_EFORMAT;
    }
    const struct gs_trust_entry *entry = gs_trust_find_origin(damage->trust, &head.origin, &head.incarnation);
    bool fits = gs_origin_equal(&head.origin, &gap->origin) &&
                memcmp(&head.cluster, &damage->cluster, sizeof damage->cluster) == 0 &&
                gs_batch_check_chain(&head, gap->at.seq, &gap->at.hash) == 0;
    if (!fits || entry == NULL) {
        return GS_ECHAIN;
    }
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    error = gs_batch_verify(&head, &entry->key);
    if (error == 0) {
        error = gs_batch_decode(&head, &arena, &events);
    }
    if (error == 0 && gs_record_attach(&record, events, head.count) != 0) {
        error = GS_ESIGNATURE;
    }
    gs_arena_close(&arena);
    *ret_head = (struct gs_head){.origin = head.origin, .seq = gs_batch_last_seq(&head), .hash = head.hash};
    return error;
}

static int keep(struct gs_damage_gap *gap, struct gs_slice bytes) {
    if (gap->record_count == gap->record_capacity) {
        uint32_t capacity = gap->record_capacity == 0 ? 8 : 2 * gap->record_capacity;
        struct gs_buffer *records = realloc(gap->records, capacity * sizeof *records);
        if (records == NULL) {
            return GS_ENOMEM;
        }
        gap->records = records;
        gap->record_capacity = capacity;
    }
    struct gs_buffer *record = &gap->records[gap->record_count];
    *record = (struct gs_buffer){0};
    gs_buffer_append(record, bytes.bytes, bytes.length);
    if (record->failed != 0) {
        gs_buffer_close(record);
        return GS_ENOMEM;
    }
    gap->record_count++;
    return 0;
}

static void undo(struct gs_damage_gap *gap, uint32_t count, const struct gs_head *at) {
    while (gap->record_count > count) {
        gs_buffer_close(&gap->records[--gap->record_count]);
    }
    gap->at = *at;
    gap->complete = false;
}

int gs_damage_take(struct gs_damage *damage, struct gs_damage_gap *gap, const struct gs_slice *records,
                   uint32_t count) {
    const uint32_t before = gap->record_count;
    const struct gs_head start = gap->at;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < count && !gap->complete; i++) {
        struct gs_head head;
        error = check(damage, gap, records[i], &head);
        if (error == 0 && gap->until != 0 && head.seq > gap->until) {
            error = GS_ECHAIN;
        }
        if (error == 0 && head.seq == gap->until && memcmp(&head.hash, &gap->until_hash, GS_HASH_SIZE) != 0) {
            error = GS_ECHAIN;
        }
        error = error == 0 && gap->record_count >= GS_DAMAGED_MAX ? GS_ETOOBIG : error;
        error = error == 0 ? keep(gap, records[i]) : error;
        if (error == 0) {
            gap->at = head;
            gap->complete =
                gap->until != 0 ? head.seq == gap->until : gap->record_count >= gap->rows && head.seq >= gap->hint;
        }
    }
    if (error != 0) {
        undo(gap, before, &start);
        return error;
    }
    if (count == 0 && gap->until == 0 && gap->record_count >= gap->rows) {
        gap->complete = true; /* what the last row names is not an event */
    }
    return (int)(gap->record_count - before);
}

static uint64_t last_seq_of(const struct gs_buffer *record) {
    struct gs_record parsed;
    struct gs_batch_head head;
    bool readable = gs_record_parse(gs_slice_make(record->bytes, record->length), &parsed) == 0 &&
                    gs_batch_parse_head(parsed.batch.bytes, parsed.batch.length, &head) == 0;
    return readable ? gs_batch_last_seq(&head) : 0;
}

static void give(struct gs_damaged_row *row, const gs_origin *origin, struct gs_buffer *record) {
    row->origin = *origin;
    row->last_seq = last_seq_of(record);
    row->record = *record;
    *record = (struct gs_buffer){0};
}

/* Rows that still say which record they held. */
static void place_named(struct gs_damage *damage, struct gs_damage_gap *gap) {
    for (uint32_t i = 0; i < gap->record_count; i++) {
        uint64_t last_seq = last_seq_of(&gap->records[i]);
        for (uint32_t j = 0; j < damage->row_count; j++) {
            struct gs_damaged_row *row = &damage->rows[j];
            if (row->record.length == 0 && row->named && row->last_seq == last_seq &&
                gs_origin_equal(&row->origin, &gap->origin)) {
                give(row, &gap->origin, &gap->records[i]);
                break;
            }
        }
    }
}

/* The others, in order, into what is left between their neighbours. */
static int place_rest(struct gs_damage *damage, struct gs_damage_gap *gap) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < gap->record_count; i++) {
        if (gap->records[i].length == 0) {
            continue;
        }
        while (at < damage->row_count &&
               (damage->rows[at].record.length > 0 || damage->rows[at].position <= gap->above)) {
            at++;
        }
        if (at == damage->row_count || damage->rows[at].position >= gap->below) {
            return GS_ECORRUPT;
        }
        give(&damage->rows[at], &gap->origin, &gap->records[i]);
    }
    return 0;
}

/* Records that had changed places, whole as they are, are put back in the order of their origin. */
static void sort(struct gs_damage *damage) {
    for (uint32_t i = 0; i < damage->row_count; i++) {
        for (uint32_t j = i + 1; j < damage->row_count; j++) {
            struct gs_damaged_row *a = &damage->rows[i];
            struct gs_damaged_row *b = &damage->rows[j];
            if (a->last_seq > b->last_seq && gs_origin_equal(&a->origin, &b->origin)) {
                struct gs_damaged_row earlier = *b;
                *b = *a;
                b->position = earlier.position;
                earlier.position = a->position;
                *a = earlier;
            }
        }
    }
}

int gs_damage_place(struct gs_damage *damage) {
    int error = 0;
    for (uint32_t i = 0; i < damage->gap_count; i++) {
        place_named(damage, &damage->gaps[i]);
    }
    for (uint32_t i = 0; error == 0 && i < damage->gap_count; i++) {
        error = place_rest(damage, &damage->gaps[i]);
    }
    for (uint32_t i = 0; error == 0 && i < damage->row_count; i++) {
        error = damage->rows[i].record.length > 0 ? 0 : GS_ECORRUPT;
    }
    if (error == 0) {
        sort(damage);
    }
    return error;
}
