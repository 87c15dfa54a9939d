#include "gossip/attestation.h"
#include "node/core/core_impl.h"
#include "node/core/giving.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void gs_digest_open(struct gs_core *core) {
    gs_digest_key(&core->config.cluster, core->digest.tree.key);
}

void gs_digest_close(struct gs_core *core) {
    struct gs_digest *digest = &core->digest;
    gs_digest_tree_close(&digest->tree);
    gs_digest_tree_close(&digest->sealed);
    gs_vector_close(&digest->forgot);
    free(digest->waiting);
}

static void take_from_list(struct gs_digest *digest, struct gs_cell *cell) {
    if (cell->changed == 0) {
        return;
    }
    if (digest->scrub == cell) {
        digest->scrub = cell->changed_newer;
    }
    *(cell->changed_newer != NULL ? &cell->changed_newer->changed_older : &digest->newest) = cell->changed_older;
    *(cell->changed_older != NULL ? &cell->changed_older->changed_newer : &digest->oldest) = cell->changed_newer;
}

void gs_digest_changed(struct gs_core *core, struct gs_cell *cell) {
    struct gs_digest *digest = &core->digest;
    take_from_list(digest, cell);
    cell->changed = ++digest->changes;
    cell->changed_newer = NULL;
    cell->changed_older = digest->newest;
    *(digest->newest != NULL ? &digest->newest->changed_newer : &digest->oldest) = cell;
    digest->newest = cell;
    if (!cell->dirty) {
        cell->dirty = true;
        cell->dirty_next = digest->dirty;
        digest->dirty = cell;
        digest->dirty_count++;
    }
}

int gs_digest_advanced(struct gs_core *core, const struct gs_head *head, bool own) {
    struct gs_digest *digest = &core->digest;
    uint64_t at = digest->batch_count % GS_DIGEST_BATCHES;
    if (digest->batch_count >= GS_DIGEST_BATCHES) {
        struct gs_head old = {.origin = digest->batches[at].origin, .seq = digest->batches[at].last_seq};
        int error = gs_vector_set(&digest->forgot, &old);
        if (error != 0) {
            return error;
        }
    }
    digest->batches[at].origin = head->origin;
    digest->batches[at].last_seq = head->seq;
    /* Our own events were applied one by one since our last batch, with others in between. */
    digest->batches[at].changes = own ? digest->changes_own : digest->changes_batch;
    digest->batch_count++;
    digest->changes_batch = digest->changes;
    digest->changes_own = own ? digest->changes : digest->changes_own;
    return 0;
}

int gs_digest_hash_aggregate(const struct gs_core *core, struct gs_slice name, const struct gs_aggregate *aggregate,
                             gs_hash *ret_hash) {
    struct gs_buffer bytes = {0};
    int error = gs_aggregate_encode(aggregate, GS_ENCODE_CANONICAL, &bytes);
    if (error == 0) {
        gs_digest_leaf_hash(core->digest.tree.key, name, gs_slice_make(bytes.bytes, bytes.length), ret_hash);
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_digest_flush(struct gs_core *core, uint64_t max) {
    struct gs_digest *digest = &core->digest;
    for (; digest->dirty != NULL && max > 0; max--) {
        struct gs_cell *cell = digest->dirty;
        gs_digest_path path = gs_digest_path_of(digest->tree.key, cell->entry.key);
        gs_hash hash;
        int error = gs_digest_hash_aggregate(core, cell->entry.key, cell->aggregate, &hash);
        if (error == 0) {
            error = gs_digest_tree_set(&digest->tree, &path, cell->entry.key, &hash);
        }
        if (error != 0) {
            return error;
        }
        digest->dirty = cell->dirty_next;
        digest->dirty_count--;
        cell->dirty = false;
    }
    return 0;
}

void gs_digest_take_tree(struct gs_core *core, struct gs_digest_tree *tree) {
    struct gs_digest *digest = &core->digest;
    gs_digest_tree_close(&digest->tree);
    digest->tree.root = tree->root;
    tree->root = NULL;
    for (; digest->dirty != NULL; digest->dirty = digest->dirty->dirty_next) {
        digest->dirty->dirty = false;
    }
    digest->dirty_count = 0;
    digest->changes_batch = digest->changes_own = digest->changes;
}

int gs_digest_take(struct gs_core *core, struct gs_digest_tree *ret_tree) {
    if (core->in_flight || !gs_group_is_empty(core)) {
        core->digest.wanted = true;
        return GS_EBUSY;
    }
    int error = gs_digest_flush(core, UINT64_MAX);
    if (error == 0) {
        gs_digest_tree_share(ret_tree, &core->digest.tree);
    }
    return error;
}

int gs_digest_sealed(struct gs_core *core) {
    struct gs_digest *digest = &core->digest;
    if (!digest->wanted) {
        return 0;
    }
    int error = gs_digest_flush(core, UINT64_MAX);
    error = error != 0 ? error : gs_givings_sealed(core);
    if (error == 0) {
        gs_digest_tree_close(&digest->sealed);
        gs_digest_tree_share(&digest->sealed, &digest->tree);
        digest->wanted = false;
        digest->taken = true;
    }
    return error;
}

/* The first change that may belong to a batch beyond the cut; what came before lies within it. */
static uint64_t first_beyond(const struct gs_core *core, const struct gs_vector *cut) {
    const struct gs_digest *digest = &core->digest;
    uint64_t first = core->writer.count > 0 ? digest->changes_own : digest->changes;
    uint64_t kept = digest->batch_count < GS_DIGEST_BATCHES ? digest->batch_count : GS_DIGEST_BATCHES;
    if (!gs_vector_covers(cut, &digest->forgot)) {
        return 0;
    }
    for (uint64_t i = 0; i < kept; i++) {
        if (digest->batches[i].last_seq > gs_vector_seq(cut, &digest->batches[i].origin) &&
            digest->batches[i].changes < first) {
            first = digest->batches[i].changes;
        }
    }
    return first;
}

static bool is_beyond(const struct gs_cell *cell, const struct gs_vector *cut) {
    const struct gs_context *context = gs_aggregate_context(cell->aggregate);
    for (uint32_t i = 0; i < context->count; i++) {
        const gs_origin *origin = &context->entries[i].origin;
        if (gs_context_seq(context, origin) > gs_vector_seq(cut, origin)) {
            return true;
        }
    }
    return false;
}

int gs_digest_visit_beyond(const struct gs_core *core, const struct gs_vector *cut,
                           int (*visit)(void *context, struct gs_cell *cell), void *context) {
    uint64_t first = first_beyond(core, cut);
    int result = 0;
    for (struct gs_cell *cell = core->digest.newest; result == 0 && cell != NULL && cell->changed > first;
         cell = cell->changed_older) {
        if (is_beyond(cell, cut)) {
            result = visit(context, cell);
        }
    }
    return result;
}

static void write_hex(struct gs_buffer *out, const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        gs_buffer_printf(out, "%02x", bytes[i]);
    }
}

void gs_digest_write_statement(const struct gs_core *core, const struct gs_attestation *attestation,
                               struct gs_buffer *out) {
    char key[45];
    gs_public_key_text(&attestation->key, key);
    gs_buffer_text(out, "{\"cluster\":\"");
    write_hex(out, core->config.cluster.bytes, GS_CLUSTER_SIZE);
    gs_buffer_printf(out, "\",\"key\":\"%s\",\"root\":\"", key);
    write_hex(out, attestation->root.bytes, GS_HASH_SIZE);
    gs_buffer_printf(out, "\",\"aggregates\":%llu,\"heads\":[", (unsigned long long)attestation->count);
    for (uint32_t i = 0; i < attestation->vector->count; i++) {
        const struct gs_head *head = &attestation->vector->heads[i];
        gs_buffer_text(out, i > 0 ? ",{\"origin\":\"" : "{\"origin\":\"");
        write_hex(out, head->origin.bytes, GS_ORIGIN_SIZE);
        gs_buffer_printf(out, "\",\"seq\":%llu,\"hash\":\"", (unsigned long long)head->seq);
        write_hex(out, head->hash.bytes, GS_HASH_SIZE);
        gs_buffer_text(out, "\"}");
    }
    gs_buffer_text(out, "],\"signature\":\"");
    write_hex(out, attestation->signature, GS_SIGNATURE_SIZE);
    gs_buffer_text(out, "\"}");
}

int gs_digest_attest(const struct gs_core *core, const struct gs_digest_tree *tree, const struct gs_vector *vector,
                     struct gs_attestation *ret_attestation) {
    *ret_attestation = (struct gs_attestation){.key = core->config.keys.public_key, .vector = vector};
    gs_digest_tree_root(tree, &ret_attestation->root, &ret_attestation->count);
    return gs_attestation_sign(ret_attestation, &core->config.cluster, &core->config.keys);
}

static int answer(struct gs_core *core, struct gs_command *command, const struct gs_digest_tree *tree,
                  struct gs_update *update) {
    struct gs_attestation attestation;
    struct gs_buffer *out = &command->json;
    command->error = gs_digest_attest(core, tree, &core->stored, &attestation);
    if (command->error == 0) {
        gs_buffer_printf(out, "{\"region\":\"%s\",\"vector\":", core->self->region);
        gs_registry_write_vector(core, &core->stored, out);
        gs_buffer_text(out, ",\"root\":\"");
        write_hex(out, attestation.root.bytes, GS_HASH_SIZE);
        gs_buffer_printf(out, "\",\"aggregates\":%llu,\"statement\":", (unsigned long long)attestation.count);
        gs_digest_write_statement(core, &attestation, out);
        gs_buffer_text(out, "}");
        command->error = out->failed;
    }
    return gs_update_answer(update, command);
}

int gs_digest_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    struct gs_digest *digest = &core->digest;
    struct gs_digest_tree tree;
    int error = gs_digest_take(core, &tree);
    if (error == 0) {
        error = answer(core, command, &tree, update);
        gs_digest_tree_close(&tree);
        return error;
    }
    if (error == GS_EBUSY) {
        error = digest->waiting_count < GS_CORE_COMMANDS_MAX
                    ? gs_array_reserve((void **)&digest->waiting, &digest->waiting_capacity, digest->waiting_count,
                                       sizeof *digest->waiting)
                    : GS_EOVERLOADED;
    }
    if (error != 0) {
        command->error = error;
        return gs_update_answer(update, command);
    }
    digest->waiting[digest->waiting_count++] = command;
    return 0;
}

int gs_digest_stored(struct gs_core *core, struct gs_update *update) {
    struct gs_digest *digest = &core->digest;
    struct gs_digest_tree tree = digest->sealed;
    int error = 0;
    if (digest->taken) {
        digest->taken = false;
        digest->sealed.root = NULL;
    } else if (digest->wanted && gs_group_is_empty(core)) {
        digest->wanted = false;
        error = gs_digest_take(core, &tree);
        error = error != 0 ? error : gs_givings_sealed(core);
    } else {
        return 0;
    }
    while (error == 0 && digest->waiting_count > 0) {
        error = answer(core, digest->waiting[--digest->waiting_count], &tree, update);
    }
    if (error == 0) {
        error = gs_compares_take(core, &tree, update);
    }
    gs_digest_tree_close(&tree);
    return error;
}

void gs_digest_fail_all(struct gs_core *core, int error, struct gs_update *update) {
    struct gs_digest *digest = &core->digest;
    while (digest->waiting_count > 0) {
        struct gs_command *command = digest->waiting[--digest->waiting_count];
        command->error = error;
        (void)gs_update_answer(update, command);
    }
}
