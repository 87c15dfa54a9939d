#include "gossip/batch_impl.h"

#include <stdlib.h>

bool gs_id_valid(struct gs_slice id) {
    if (id.length < 1 || id.length > GS_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.length; i++) {
        uint8_t c = id.bytes[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                  c == ':' || c == '-';
        if (!ok) {
            return false;
        }
    }
    return true;
}

struct claim_bounds {
    const gs_origin *origin;
    uint64_t previous;
    gs_point last; /* the delta's last dot */
};

/* An own dot in this aggregate is of an event up to `previous`, or of this event and before its last change; that each
 * change looks back only behind its own dot is checked where changes are decoded. */
static int check_claim(void *context, const gs_origin *origin, gs_point at) {
    const struct claim_bounds *bounds = context;
    if (!gs_origin_equal(origin, bounds->origin)) {
        return 0;
    }
    bool earlier = at.seq <= bounds->previous;
    bool same = at.seq == bounds->last.seq && gs_point_compare(at, bounds->last) < 0;
    return earlier || same ? 0 : GS_EOVERCLAIM;
}

/* `next_index` is the least index that the next change of the event may have. */
static int check_delta(const struct gs_event *event, const gs_origin *origin, const struct gs_delta *delta,
                       uint64_t *next_index) {
    if (delta->seq != event->seq || delta->clock != event->clock || !gs_origin_equal(&delta->origin, origin) ||
        delta->previous >= event->seq) {
        return GS_EFORMAT;
    }
    if (delta->count > GS_CHANGES_PER_DELTA_MAX) {
        return GS_ETOOBIG;
    }
    for (uint32_t i = 0; i < delta->count; i++) {
        if (delta->changes[i].index < *next_index) {
            return GS_EFORMAT;
        }
        *next_index = (uint64_t)gs_change_last_index(&delta->changes[i]) + 1;
    }
    if (delta->count == 0) {
        return 0;
    }
    struct claim_bounds bounds = {.origin = origin, .previous = delta->previous};
    bounds.last = (gs_point){.seq = event->seq, .index = delta->changes[delta->count - 1].index};
    return gs_delta_visit_claims(delta, check_claim, &bounds);
}

static int compare_aggregates(const void *a, const void *b) {
    const struct gs_event_change *const *left = a;
    const struct gs_event_change *const *right = b;
    int order = gs_slice_compare((*left)->aggregate_type, (*right)->aggregate_type);
    return order != 0 ? order : gs_slice_compare((*left)->aggregate_id, (*right)->aggregate_id);
}

/* Twice the same aggregate would make `previous` of the second one wrong. */
static bool names_twice(const struct gs_event *event) {
    const struct gs_event_change *sorted[GS_EVENT_AGGREGATES_MAX];
    for (uint32_t i = 0; i < event->change_count; i++) {
        sorted[i] = &event->changes[i];
    }
    qsort(sorted, event->change_count, sizeof sorted[0], compare_aggregates);
    for (uint32_t i = 1; i < event->change_count; i++) {
        if (compare_aggregates(&sorted[i - 1], &sorted[i]) == 0) {
            return true;
        }
    }
    return false;
}

int gs_event_check(const struct gs_event *event, const gs_origin *origin) {
    const struct gs_slice ack = gs_slice_make(GS_ACK_EVENT_TYPE, sizeof GS_ACK_EVENT_TYPE - 1);
    bool is_ack = gs_slice_compare(event->event_type, ack) == 0;
    if (event->change_count > GS_EVENT_AGGREGATES_MAX || event->actor.length > GS_ACTOR_BYTES_MAX) {
        return GS_ETOOBIG;
    }
    if (!gs_id_valid(event->event_type) || is_ack != (event->change_count == 0) ||
        !gs_utf8_valid(event->actor.bytes, event->actor.length)) {
        return GS_EFORMAT;
    }
    uint64_t next_index = 0;
    for (uint32_t i = 0; i < event->change_count; i++) {
        const struct gs_event_change *change = &event->changes[i];
        if (!gs_id_valid(change->aggregate_type) || !gs_id_valid(change->aggregate_id)) {
            return GS_EFORMAT;
        }
        int error = check_delta(event, origin, &change->delta, &next_index);
        if (error != 0) {
            return error;
        }
    }
    return names_twice(event) ? GS_EFORMAT : 0;
}
