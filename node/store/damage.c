#include "node/store/damage.h"

#include <stdlib.h>
#include <string.h>

static void *grow(void *items, uint32_t *capacity, uint32_t count, size_t size) {
    if (count < *capacity) {
        return items;
    }
    uint32_t wanted = *capacity == 0 ? 8 : 2 * *capacity;
    void *grown = realloc(items, wanted * size);
    if (grown != NULL) {
        *capacity = wanted;
    }
    return grown;
}

static void close_gap(struct gs_damage_gap *gap) {
    for (uint32_t i = 0; i < gap->record_count; i++) {
        gs_buffer_close(&gap->records[i]);
    }
    free(gap->records);
}

void gs_damage_close(struct gs_damage *damage) {
    for (uint32_t i = 0; i < damage->row_count; i++) {
        gs_buffer_close(&damage->rows[i].record);
    }
    for (uint32_t i = 0; i < damage->gap_count; i++) {
        close_gap(&damage->gaps[i]);
    }
    free(damage->walks);
    free(damage->rows);
    free(damage->gaps);
    *damage = (struct gs_damage){0};
}

/* The origin's place in the walk, made if it is new. NULL when out of memory. */
static struct gs_damage_walk *walk_of(struct gs_damage *damage, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = damage->walk_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = gs_origin_compare(&damage->walks[middle].head.origin, origin);
        if (order == 0) {
            return &damage->walks[middle];
        }
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    struct gs_damage_walk *walks = grow(damage->walks, &damage->walk_capacity, damage->walk_count, sizeof *walks);
    if (walks == NULL) {
        return NULL;
    }
    damage->walks = walks;
    memmove(walks + low + 1, walks + low, (damage->walk_count++ - low) * sizeof *walks);
    walks[low] = (struct gs_damage_walk){.head = {.origin = *origin}};
    return &walks[low];
}

int gs_damage_begin(struct gs_damage *damage, const gs_cluster *cluster, const struct gs_trust *trust,
                    const struct gs_vector *base, uint64_t base_position, bool thorough) {
    gs_damage_close(damage);
    damage->cluster = *cluster;
    damage->trust = trust;
    damage->thorough = thorough;
    damage->next_position = base_position + 1;
    for (uint32_t i = 0; base != NULL && i < base->count; i++) {
        struct gs_damage_walk *walk = walk_of(damage, &base->heads[i].origin);
        if (walk == NULL) {
            return GS_ENOMEM;
        }
        walk->head = base->heads[i];
        walk->position = base_position;
    }
    return 0;
}

/* Signed by its origin, and what travels beside it is what the origin signed. */
static bool is_signed(const struct gs_damage *damage, const struct gs_batch_head *head,
                      const struct gs_record *record) {
    const struct gs_trust_entry *entry = gs_trust_find_origin(damage->trust, &head->origin, &head->incarnation);
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    if (entry == NULL || gs_batch_verify(head, &entry->key) != 0) {
        return false;
    }
    int error = gs_batch_decode(head, &arena, &events);
    if (error == 0) {
        error = gs_record_attach(record, events, head->count);
    }
    gs_arena_close(&arena);
    return error == 0;
}

static int parse(const struct gs_damage *damage, struct gs_slice bytes, struct gs_record *ret_record,
                 struct gs_batch_head *ret_head) {
    int error = gs_record_parse(bytes, ret_record);
    if (error == 0) {
        error = gs_batch_parse_head(ret_record->batch.bytes, ret_record->batch.length, ret_head);
    }
    return error == 0 && memcmp(&ret_head->cluster, &damage->cluster, sizeof damage->cluster) != 0 ? GS_ECLUSTER
                                                                                                   : error;
}

static int add_row(struct gs_damage *damage, const struct gs_damaged_row *row) {
    if (damage->row_count >= GS_DAMAGED_MAX) {
        return GS_ETOOBIG;
    }
    struct gs_damaged_row *rows = grow(damage->rows, &damage->row_capacity, damage->row_count, sizeof *rows);
    if (rows == NULL) {
        return GS_ENOMEM;
    }
    damage->rows = rows;
    damage->rows[damage->row_count++] = *row;
    return 0;
}

static int add_gap(struct gs_damage *damage, const struct gs_damage_gap *gap) {
    struct gs_damage_gap *gaps = grow(damage->gaps, &damage->gap_capacity, damage->gap_count, sizeof *gaps);
    if (gaps == NULL) {
        return GS_ENOMEM;
    }
    damage->gaps = gaps;
    damage->gaps[damage->gap_count++] = *gap;
    return 0;
}

/* A sound record: where it leaves its origin's chain, and what lies between it and the one before. */
static int follow(struct gs_damage *damage, const struct gs_batch_head *head, uint64_t position) {
    struct gs_damage_walk *walk = walk_of(damage, &head->origin);
    if (walk == NULL) {
        return GS_ENOMEM;
    }
    int error = 0;
    if (head->first_seq <= walk->head.seq) {
        damage->hopeless = true; /* two sound rows with one event: this is not damage of rows */
    } else if (head->first_seq > walk->head.seq + 1) {
        struct gs_damage_gap gap = {.origin = head->origin,
                                    .at = walk->head,
                                    .until = head->first_seq - 1,
                                    .until_hash = head->prev_hash,
                                    .above = walk->position,
                                    .below = position};
        error = add_gap(damage, &gap);
    } else if (memcmp(&walk->head.hash, &head->prev_hash, GS_HASH_SIZE) != 0) {
        *(damage->thorough ? &damage->hopeless : &damage->suspicious) = true;
    }
    walk->head.seq = gs_batch_last_seq(head);
    walk->head.hash = head->hash;
    walk->position = position;
    return error;
}

/* A whole record that comes next in its origin's chain: it is where it belongs. */
static bool continues(const struct gs_damage *damage, const struct gs_batch_head *head) {
    static const gs_hash none;
    for (uint32_t i = 0; i < damage->walk_count; i++) {
        const struct gs_head *last = &damage->walks[i].head;
        if (gs_origin_equal(&last->origin, &head->origin)) {
            return gs_batch_check_chain(head, last->seq, &last->hash) == 0;
        }
    }
    return gs_batch_check_chain(head, 0, &none) == 0;
}

static int put_back(struct gs_damage *damage, const struct gs_stored_row *row, const struct gs_batch_head *head) {
    struct gs_damaged_row bad = {.position = row->position,
                                 .named = true,
                                 .origin = head->origin,
                                 .first_seq = head->first_seq,
                                 .last_seq = gs_batch_last_seq(head)};
    gs_buffer_append(&bad.record, row->record.bytes, row->record.length);
    int error = bad.record.failed != 0 ? GS_ENOMEM : add_row(damage, &bad);
    if (error != 0) {
        gs_buffer_close(&bad.record);
        return error;
    }
    return follow(damage, head, row->position);
}

int gs_damage_row(struct gs_damage *damage, const struct gs_stored_row *row) {
    struct gs_record record;
    struct gs_batch_head head;
    int error = 0;
    for (; error == 0 && damage->next_position < row->position; damage->next_position++) {
        error = add_row(damage, &(struct gs_damaged_row){.position = damage->next_position});
    }
    if (error != 0) {
        return error;
    }
    damage->next_position = row->position + 1;
    bool parsed = parse(damage, row->record, &record, &head) == 0;
    bool fits = parsed && gs_origin_equal(&head.origin, &row->origin) && head.first_seq == row->first_seq &&
                gs_batch_last_seq(&head) == row->last_seq;
    bool sound = fits && row->intact;
    bool is_whole = false;
    if (parsed && (!sound || damage->thorough)) {
        is_whole = is_signed(damage, &head, &record);
        if (is_whole && !sound && continues(damage, &head)) {
            return put_back(damage, row, &head);
        }
        sound = sound && is_whole;
    }
    if (sound) {
        return follow(damage, &head, row->position);
    }
    struct gs_damaged_row bad = {.position = row->position,
                                 .named = true,
                                 .origin = row->origin,
                                 .first_seq = row->first_seq,
                                 .last_seq = row->last_seq};
    if (is_whole) { /* not where it belongs, or behind a gap; its own word is better than its columns' */
        bad.origin = head.origin;
        bad.first_seq = head.first_seq;
        bad.last_seq = gs_batch_last_seq(&head);
    }
    return add_row(damage, &bad);
}

static bool is_in_gap(const struct gs_damage *damage, const struct gs_damaged_row *row) {
    for (uint32_t i = 0; i < damage->gap_count; i++) {
        const struct gs_damage_gap *gap = &damage->gaps[i];
        bool between = row->position > gap->above && row->position < gap->below;
        bool within = row->first_seq > gap->at.seq && row->last_seq <= gap->until;
        if (gap->until != 0 && gs_origin_equal(&gap->origin, &row->origin) && (between || within)) {
            return true;
        }
    }
    return false;
}

/* Rows behind the last sound one of their origin: as many records are wanted of it. */
static int add_to_tail(struct gs_damage *damage, const struct gs_damaged_row *row) {
    for (uint32_t i = 0; i < damage->gap_count; i++) {
        if (damage->gaps[i].until == 0 && gs_origin_equal(&damage->gaps[i].origin, &row->origin)) {
            damage->gaps[i].rows++;
            damage->gaps[i].hint = row->last_seq > damage->gaps[i].hint ? row->last_seq : damage->gaps[i].hint;
            return 0;
        }
    }
    struct gs_damage_walk *walk = walk_of(damage, &row->origin);
    if (walk == NULL) {
        return GS_ENOMEM;
    }
    struct gs_damage_gap gap = {.origin = row->origin,
                                .at = walk->head,
                                .rows = 1,
                                .hint = row->last_seq,
                                .above = walk->position,
                                .below = UINT64_MAX};
    return add_gap(damage, &gap);
}

int gs_damage_end(struct gs_damage *damage) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < damage->row_count; i++) {
        const struct gs_damaged_row *row = &damage->rows[i];
        if (row->record.length == 0 && row->named && !is_in_gap(damage, row)) {
            error = add_to_tail(damage, row);
        }
    }
    return error;
}
