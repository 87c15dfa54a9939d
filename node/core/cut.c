#include "node/core/cut.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void gs_cut_begin(struct gs_cut_walk *walk, const struct gs_cut *cut, const gs_public_key *key, const char *region) {
    *walk = (struct gs_cut_walk){.cut = *cut, .key = *key};
    snprintf(walk->region, sizeof walk->region, "%s", region);
}

static bool is_gone(const struct gs_cut_walk *walk, const gs_origin *origin, uint64_t seq) {
    const struct gs_head *first = gs_vector_find(&walk->gone, origin);
    return first != NULL && first->seq <= seq;
}

/* On the branch, after a batch that is gone, or depending on one. */
static bool goes(const struct gs_cut_walk *walk, const struct gs_batch_head *head) {
    uint64_t last = gs_batch_last_seq(head);
    bool branch = gs_origin_equal(&head->origin, &walk->cut.origin) && last > walk->cut.seq;
    bool gone = branch || is_gone(walk, &head->origin, last);
    for (uint32_t i = 0; !gone && i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        gone = is_gone(walk, &dep.origin, dep.seq);
    }
    return gone;
}

static bool is_ours(const struct gs_cut_walk *walk, const struct gs_batch_head *head) {
    if (walk->cut.found) {
        return true;
    }
    if (gs_origin_equal(&head->origin, &walk->cut.origin)) {
        return walk->cut.importer[0] != '\0' && strcmp(walk->cut.importer, walk->region) == 0;
    }
    gs_origin own = gs_origin_derive(&walk->key, &head->incarnation);
    return gs_origin_equal(&own, &head->origin);
}

int gs_cut_next(struct gs_cut_walk *walk, struct gs_slice bytes, enum gs_cut_fate *ret_fate) {
    struct gs_record record;
    struct gs_batch_head head;
    if (gs_record_parse(bytes, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return GS_ECORRUPT;
    }
    *ret_fate = GS_CUT_KEEPS;
    if (!goes(walk, &head)) {
        return 0;
    }
    walk->begun = true;
    *ret_fate = is_ours(walk, &head) ? GS_CUT_OURS : GS_CUT_OTHERS;
    if (gs_vector_find(&walk->gone, &head.origin) != NULL) {
        return 0;
    }
    struct gs_head first = {.origin = head.origin, .seq = head.first_seq, .hash = head.hash};
    return gs_vector_set(&walk->gone, &first);
}

void gs_cut_close(struct gs_cut_walk *walk) {
    gs_vector_close(&walk->gone);
}

void gs_cut_note_name(const struct gs_cut *cut, bool ours, const gs_hash *first, uint32_t number, char ret_name[81]) {
    char text[2 * 16 + 1];
    sodium_bin2hex(text, sizeof text, first->bytes, 16);
    const char *prefix = cut->found ? GS_NOTE_FOUND : ours ? GS_NOTE_IMPORT : GS_NOTE_LEFT;
    snprintf(ret_name, 81, "%s%s-%u", prefix, text, (unsigned)number);
}

void gs_cut_note_begin(uint32_t count, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, 1);
    gs_write_array(out, count);
}
