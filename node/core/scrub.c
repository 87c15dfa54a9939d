/* Scrubbing: see digest.h. A cell that is written meanwhile is hashed because of that, so a pass only walks those whose
 * last change is older than the pass. */
#include "node/core/core_impl.h"

#include <string.h>

enum { CELLS_PER_STEP = 512 };

bool gs_scrub_busy(const struct gs_core *core) {
    return core->digest.scrub_last != 0;
}

static void begin_pass(struct gs_digest *digest) {
    digest->scrub = digest->oldest;
    digest->scrub_last = digest->changes > 0 ? digest->changes : 1;
}

uint64_t gs_scrub_begin(struct gs_core *core) {
    struct gs_digest *digest = &core->digest;
    if (gs_scrub_busy(core)) {
        digest->scrub_again = true;
        return digest->scrub_passes + 2;
    }
    begin_pass(digest);
    return digest->scrub_passes + 1;
}

/* Memory that is not what it was hashed as has changed by itself: from now on the tree says so. */
static int check_cell(struct gs_core *core, struct gs_cell *cell) {
    struct gs_digest_tree *tree = &core->digest.tree;
    gs_digest_path path = gs_digest_path_of(tree->key, cell->entry.key);
    struct gs_digest_leaf leaf;
    gs_hash hash;
    if (cell->dirty) {
        return 0;
    }
    int error = gs_digest_hash_aggregate(core, cell->entry.key, cell->aggregate, &hash);
    if (error != 0 ||
        (gs_digest_tree_find(tree, &path, &leaf) && memcmp(leaf.hash.bytes, hash.bytes, GS_HASH_SIZE) == 0)) {
        return error;
    }
    return gs_digest_tree_set(tree, &path, cell->entry.key, &hash);
}

int gs_scrub_step(struct gs_core *core) {
    struct gs_digest *digest = &core->digest;
    if (!gs_scrub_busy(core)) {
        return 0;
    }
    for (int i = 0; i < CELLS_PER_STEP && digest->scrub != NULL && digest->scrub->changed <= digest->scrub_last; i++) {
        struct gs_cell *cell = digest->scrub;
        int error = check_cell(core, cell);
        if (error != 0) {
            return error;
        }
        digest->scrub = cell->changed_newer;
    }
    if (digest->scrub == NULL || digest->scrub->changed > digest->scrub_last) {
        digest->scrub = NULL;
        digest->scrub_last = 0;
        digest->scrub_passes++;
        if (digest->scrub_again) {
            digest->scrub_again = false;
            begin_pass(digest);
        }
    }
    return 0;
}
