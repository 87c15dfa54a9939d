/* Who is right? The log at the cut says what both sides should have: the side whose state is something else is at
 * fault. */
#include "node/core/compare_impl.h"
#include "node/core/verify.h"

#include <string.h>

enum { FIELDS_SHOWN = 8 };

static bool same(const gs_hash *a, const gs_hash *b, size_t bytes) {
    return memcmp(a->bytes, b->bytes, bytes) == 0;
}

void gs_verify_note_repaired(struct gs_verify *verify, const char *name) {
    verify->repaired++;
    for (uint32_t i = 0; i < verify->difference_count; i++) {
        if (strcmp(verify->differences[i].name, name) == 0) {
            verify->differences[i].repaired = true;
        }
    }
}

static int find_fault(const struct gs_core *core, const struct gs_verify_item *item, const struct gs_core_event *event,
                      uint32_t *ret_fault) {
    struct gs_slice name = gs_slice_make(item->name, strlen(item->name));
    bool made = event->rebuilt.version > 0;
    gs_hash log = {{0}};
    int error = event->rebuilt.error;
    if (error == 0 && made) {
        error = gs_rebuilt_hash(core, name, event->rebuilt.state, &log);
    }
    if (error != 0) {
        *ret_fault = GS_FAULT_LOG;
        return error == GS_ENOMEM ? error : 0;
    }
    bool ours = item->here == made && (!made || same(&item->ours, &log, GS_HASH_SIZE));
    bool theirs = item->there == made &&
                  (!made || same(&item->theirs, &log, item->there_in_full ? GS_HASH_SIZE : GS_COMPARE_HASH_SIZE));
    *ret_fault = (ours ? 0 : GS_FAULT_LOCAL) | (theirs ? 0 : GS_FAULT_REMOTE);
    return 0;
}

/* What differs between what we have (or, where memory went on, should have) and what the peer has. */
static int describe(struct gs_core *core, const struct gs_comparison *c, const struct gs_verify_item *item,
                    const struct gs_core_event *event, struct gs_buffer *out) {
    struct gs_slice name = gs_slice_make(item->name, strlen(item->name));
    gs_digest_path path = gs_digest_path_of(c->tree.key, name);
    struct gs_digest_leaf leaf;
    struct gs_aggregate *rebuilt = NULL;
    struct gs_aggregate *theirs = NULL;
    const struct gs_aggregate *ours =
        gs_digest_tree_find(&c->tree, &path, &leaf) ? gs_comparison_memory(core, &leaf) : NULL;
    int error = 0;
    if (ours == NULL && item->here && event->rebuilt.error == 0 && event->rebuilt.version > 0) {
        error = gs_aggregate_decode(event->rebuilt.state.bytes, event->rebuilt.state.length, NULL, &rebuilt);
        ours = rebuilt;
    }
    if (error == 0 && item->there_in_full) {
        error = gs_aggregate_decode(item->state.bytes, item->state.length, NULL, &theirs);
    }
    if (error == 0 || error == GS_ENOMEM) {
        error = error == 0 ? gs_field_diff(ours, theirs, FIELDS_SHOWN, out) : error;
    } else {
        gs_buffer_text(out, "[]");
        error = 0;
    }
    gs_aggregate_free(rebuilt);
    gs_aggregate_free(theirs);
    return error;
}

static int note_mends(struct gs_verify *verify, const char *name, uint32_t fault) {
    for (uint32_t side = GS_FAULT_LOCAL; side <= GS_FAULT_REMOTE; side <<= 1) {
        if ((fault & side) == 0) {
            continue;
        }
        int error = gs_array_reserve((void **)&verify->mends, &verify->mend_capacity, verify->mend_count,
                                     sizeof *verify->mends);
        if (error != 0) {
            return error;
        }
        struct gs_verify_mend *mend = &verify->mends[verify->mend_count++];
        *mend = (struct gs_verify_mend){.ours = side == GS_FAULT_LOCAL};
        memcpy(mend->name, name, sizeof mend->name);
    }
    return 0;
}

int gs_verify_judge(struct gs_core *core, const struct gs_comparison *c, const struct gs_verify_item *item,
                    const struct gs_core_event *event) {
    struct gs_verify *verify = c->verify;
    uint32_t fault = 0;
    int error = find_fault(core, item, event, &fault);
    if (error != 0 || fault == 0) {
        return error; /* a few bytes of hash that differed by where they were cut */
    }
    verify->differing++;
    core->stats.verify_differing++;
    if (error == 0 && verify->difference_count < GS_VERIFY_SHOWN) {
        error = gs_array_reserve((void **)&verify->differences, &verify->difference_capacity, verify->difference_count,
                                 sizeof *verify->differences);
        if (error == 0) {
            struct gs_difference *difference = &verify->differences[verify->difference_count++];
            *difference = (struct gs_difference){.fault = fault};
            memcpy(difference->name, item->name, sizeof difference->name);
            error = describe(core, c, item, event, &difference->fields);
        }
    }
    return error == 0 && verify->mend ? note_mends(verify, item->name, fault) : error;
}
