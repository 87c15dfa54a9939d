/* The quarantine: validly signed batches whose turn has come and which must not be applied, yet or at all. At most one
 * an origin: what follows it is not taken meanwhile, what depends on it waits in the causal queue, other origins go on.
 * Each is kept with its reason, in memory and as a note, so that a person can look at it.
 *
 * A batch that is too far ahead of our clock is tried again when it is due; one that spends rights which its origin
 * does not hold, when rights have moved (rights.c). One with a releasable reason is also tried
 * once the log says that an operator has released it: an event that sets /released of gs.quarantine/ID. So a release
 * travels like any other write, and every node comes to the same. It counts once it is stored: a batch that was
 * released then stands behind its release in every log, and recovery finds them in that order. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE_VERSION = 1 };

static const char note_prefix[] = "held-";

static void make_id(const gs_hash *hash, char ret_id[GS_HELD_ID_SIZE]) {
    sodium_bin2hex(ret_id, GS_HELD_ID_SIZE, hash->bytes, (GS_HELD_ID_SIZE - 1) / 2);
}

static void make_note_name(const struct gs_held *held, char ret_name[GS_NOTE_NAME_MAX + 1]) {
    memcpy(ret_name, note_prefix, sizeof note_prefix - 1);
    memcpy(ret_name + sizeof note_prefix - 1, held->id, sizeof held->id);
}

bool gs_held_releasable(int reason) {
    return reason != GS_EFORMAT && reason != GS_ETOOBIG && reason != GS_EVERSION && reason != GS_EOVERCLAIM &&
           reason != GS_EENDED && reason != GS_ECLOSING;
}

bool gs_held_is_released(const struct gs_core *core, const gs_hash *hash) {
    static const char type[] = GS_QUARANTINE_TYPE;
    char id[GS_HELD_ID_SIZE];
    make_id(hash, id);
    const struct gs_cell *cell =
        gs_cell_find(core, gs_slice_make(type, sizeof type - 1), gs_slice_make(id, sizeof id - 1));
    if (cell == NULL || (!core->recovering && cell->last_group > core->stored_group)) {
        return false;
    }
    struct gs_buffer value = {0};
    bool released = false;
    if (gs_aggregate_write_value(cell->aggregate, &value) == 0) {
        struct gs_slice flag = gs_map_get(gs_slice_make(value.bytes, value.length), "released");
        struct gs_reader reader;
        gs_reader_init(&reader, flag.bytes, flag.length);
        released = gs_value_kind(flag) == GS_KIND_BOOL && gs_read_bool(&reader);
    }
    gs_buffer_close(&value);
    return released;
}

/* A log that has lost its tail has older batches to take first. */
static bool is_next(const struct gs_core *core, const struct gs_held *held) {
    return held->first_seq == gs_vector_seq(&core->applied, &held->origin) + 1;
}

const struct gs_held *gs_held_find(const struct gs_core *core, const gs_origin *origin) {
    for (const struct gs_held *held = core->held; held != NULL; held = held->next) {
        if (gs_origin_equal(&held->origin, origin) && is_next(core, held)) {
            return held;
        }
    }
    return NULL;
}

static struct gs_held *new_held(const struct gs_batch_head *head, struct gs_slice record, int reason, uint64_t now_ms) {
    struct gs_held *held = malloc(sizeof *held + record.length);
    if (held == NULL) {
        return NULL;
    }
    *held = (struct gs_held){
        .origin = head->origin,
        .first_seq = head->first_seq,
        .last_seq = gs_batch_last_seq(head),
        .clock_last = head->clock_last,
        .reason = reason,
        .held_ms = now_ms,
        .length = record.length,
    };
    make_id(&head->hash, held->id);
    memcpy(held->record, record.bytes, record.length);
    return held;
}

static void add(struct gs_core *core, struct gs_held *held) {
    struct gs_held **link = &core->held;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = held;
    core->stats.held++;
    core->held_bytes += sizeof *held + held->length;
}

/* [version, reason, held, record] */
static int keep_note(struct gs_core *core, const struct gs_held *held) {
    char name[GS_NOTE_NAME_MAX + 1];
    struct gs_buffer bytes = {0};
    make_note_name(held, name);
    gs_write_array(&bytes, 4);
    gs_write_uint(&bytes, NOTE_VERSION);
    gs_write_int(&bytes, held->reason);
    gs_write_uint(&bytes, held->held_ms);
    gs_write_bin(&bytes, held->record, held->length);
    return gs_update_note(&core->later, name, &bytes);
}

int gs_held_put(struct gs_core *core, const struct gs_batch_head *head, struct gs_slice record, int reason) {
    const struct gs_held *known = gs_held_find(core, &head->origin);
    if (known != NULL && known->first_seq == head->first_seq) {
        core->stats.batches_duplicate++;
        return 0;
    }
    core->stats.batches_held++;
    if (core->stats.held >= GS_CORE_HELD_MAX ||
        core->held_bytes + sizeof *known + record.length > GS_CORE_HELD_BYTES_MAX) {
        return 0; /* it is met again when there is room */
    }
    struct gs_held *held = new_held(head, record, reason, core->now_ms);
    if (held == NULL) {
        return 0;
    }
    held->rights_moves = core->rights_moves;
    add(core, held);
    return keep_note(core, held);
}

/* Takes `*link` out. */
static int forget(struct gs_core *core, struct gs_held **link) {
    struct gs_held *held = *link;
    char name[GS_NOTE_NAME_MAX + 1];
    struct gs_buffer nothing = {0};
    make_note_name(held, name);
    *link = held->next;
    core->stats.held--;
    core->held_bytes -= sizeof *held + held->length;
    free(held);
    return gs_update_note(&core->later, name, &nothing);
}

static bool is_due(const struct gs_core *core, const struct gs_held *held) {
    return held->reason == GS_ESKEW && gs_hlc_ms(held->clock_last) <= core->now_ms + core->config.max_skew_ms;
}

/* True if another attempt may end otherwise than the last one. */
static bool is_worth_trying(const struct gs_core *core, const struct gs_held *held) {
    struct gs_record record;
    struct gs_batch_head head;
    if (is_due(core, held) || held->reason == GS_ECLOSING ||
        (held->reason == GS_EOVERSPENT && held->rights_moves != core->rights_moves)) {
        return true;
    }
    if (!core->look_at_releases || !gs_held_releasable(held->reason) ||
        gs_record_parse(gs_slice_make(held->record, held->length), &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return false;
    }
    return gs_held_is_released(core, &head.hash);
}

int gs_held_retry(struct gs_core *core) {
    bool moved = false;
    struct gs_held **link = &core->held;
    while (*link != NULL) {
        struct gs_held *held = *link;
        struct gs_origin_state *origin = gs_registry_find(core, &held->origin);
        bool gone = origin == NULL || origin->forked || !is_next(core, held);
        int error = gone ? 0 : GS_EBUSY;
        if (!gone && is_worth_trying(core, held)) {
            held->rights_moves = core->rights_moves;
            error = gs_remote_apply_held(core, origin, held);
            moved = moved || error == 0;
        }
        if (error == GS_ENOMEM) {
            return error;
        }
        if (error == 0) {
            error = forget(core, link);
        } else {
            link = &held->next;
            error = 0;
        }
        if (error != 0) {
            return error;
        }
    }
    core->look_at_releases = false;
    return moved ? gs_causal_drain(core) : 0;
}

/* A held batch of an earlier run. Whether it still is in the way is seen after the log was recovered. */
int gs_held_recover(struct gs_core *core, const char *name, struct gs_slice bytes) {
    struct gs_reader reader;
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_origin_state *origin = NULL;
    if (strncmp(name, note_prefix, sizeof note_prefix - 1) != 0) {
        return 0;
    }
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    gs_read_array_exact(&reader, 4);
    uint32_t version = gs_read_u32(&reader, UINT32_MAX);
    int64_t reason = gs_read_int(&reader);
    uint64_t held_ms = gs_read_uint(&reader);
    struct gs_slice encoded = gs_read_bin(&reader, GS_RECORD_BYTES_MAX);
    if (gs_reader_finish(&reader) != 0 || version != NOTE_VERSION || reason >= 0 || reason < INT16_MIN ||
        gs_record_parse(encoded, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0 ||
        core->stats.held >= GS_CORE_HELD_MAX) {
        return 0; /* whoever has the batch sends it again */
    }
    int error = gs_registry_resolve(core, &head, &origin);
    if (error != 0) {
        return error == GS_ENOMEM ? error : 0;
    }
    if (gs_batch_verify(&head, &origin->key) != 0) {
        return 0;
    }
    struct gs_held *held = new_held(&head, encoded, (int)reason, held_ms);
    if (held == NULL) {
        return GS_ENOMEM;
    }
    add(core, held);
    return 0;
}

void gs_held_close(struct gs_core *core) {
    while (core->held != NULL) {
        struct gs_held *held = core->held;
        core->held = held->next;
        free(held);
    }
}
