#include "node/serve/stage.h"

#include "gossip/bytes.h"
#include "node/core/compare.h"

#include <globalstate/codec.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HASH_SIZE = 16, HEAD_SIZE = 4 + HASH_SIZE, RECORD_MAX = 64 * 1024 * 1024, BASE_POSITION = 1 };

static void hash_bytes(struct gs_slice bytes, uint8_t ret_hash[HASH_SIZE]) {
    gs_hash16("gs-stage-v1", bytes.bytes, bytes.length, NULL, 0, ret_hash);
}

int gs_stage_append(const char *path, struct gs_slice bytes) {
    uint8_t head[HEAD_SIZE];
    gs_put_be(head, bytes.length, 4);
    hash_bytes(bytes, head + 4);
    FILE *file = fopen(path, "ab");
    if (file == NULL) {
        return GS_EIO;
    }
    bool written =
        fwrite(head, 1, sizeof head, file) == sizeof head && fwrite(bytes.bytes, 1, bytes.length, file) == bytes.length;
    return fclose(file) == 0 && written ? 0 : GS_EIO;
}

/* The next record into `buffer`; false: there is none, or it is not whole. */
static bool read_record(FILE *file, struct gs_buffer *buffer) {
    uint8_t head[HEAD_SIZE];
    uint8_t hash[HASH_SIZE];
    if (fread(head, 1, sizeof head, file) != sizeof head) {
        return false;
    }
    size_t length = (size_t)gs_get_be(head, 4);
    uint8_t *bytes = length <= RECORD_MAX ? malloc(length + 1) : NULL;
    bool whole = bytes != NULL && fread(bytes, 1, length, file) == length;
    if (whole) {
        hash_bytes(gs_slice_make(bytes, length), hash);
        whole = memcmp(hash, head + 4, sizeof hash) == 0;
    }
    buffer->length = 0;
    if (whole) {
        gs_buffer_append(buffer, bytes, length);
    }
    free(bytes);
    return whole && buffer->failed == 0;
}

int gs_stage_visit(const char *path, int (*visit)(void *context, struct gs_slice bytes), void *context) {
    struct gs_buffer buffer = {0};
    FILE *file = fopen(path, "rb");
    long end = 0;
    int error = 0;
    if (file == NULL) {
        return errno == ENOENT ? 0 : GS_EIO;
    }
    while (error == 0 && read_record(file, &buffer)) {
        end = ftell(file);
        error = visit(context, gs_slice_make(buffer.bytes, buffer.length));
    }
    gs_buffer_close(&buffer);
    (void)fclose(file); /* it was only read */
    if (error == 0 && truncate(path, end) != 0) {
        error = GS_EIO;
    }
    return error;
}

void gs_stage_remove(const char *path) {
    (void)remove(path); /* one that stays is ignored by a store that is not empty, and removed at the next start */
}

/* Every leaf of the file, in order; the last one of a name counts. */
struct leaf_mark {
    uint8_t name[HASH_SIZE];
    uint64_t order;
};

struct installation {
    FILE *file;
    struct leaf_mark *marks; /* owned */
    size_t mark_count, mark_capacity;
    uint8_t *last; /* by order; owned */
    uint64_t order;
    struct gs_buffer chunk;
    struct gs_keep_state *states; /* of the chunk; owned */
    struct gs_keep keep;
    const struct gs_core_install *install;
    bool states_over, over;
};

struct leaf {
    struct gs_slice name, state;
    uint64_t version, updated;
};

static void read_leaf(struct gs_reader *reader, struct leaf *ret_leaf) {
    ret_leaf->name = gs_read_bin(reader, GS_CORE_NAME_MAX);
    ret_leaf->version = gs_read_uint(reader);
    ret_leaf->updated = gs_read_uint(reader);
    ret_leaf->state = gs_read_bin(reader, RECORD_MAX);
}

static uint32_t begin_chunk(struct gs_reader *reader, struct gs_slice bytes) {
    gs_reader_init(reader, bytes.bytes, bytes.length);
    reader->nodes_left = UINT32_MAX;
    return gs_read_array(reader, UINT32_MAX) / 4;
}

static int mark_chunk(void *context, struct gs_slice bytes) {
    struct installation *all = context;
    struct gs_reader reader;
    uint32_t count = begin_chunk(&reader, bytes);
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        struct leaf leaf;
        read_leaf(&reader, &leaf);
        if (all->mark_count == all->mark_capacity) {
            size_t capacity = all->mark_capacity == 0 ? 1024 : 2 * all->mark_capacity;
            struct leaf_mark *marks = realloc(all->marks, capacity * sizeof *marks);
            if (marks == NULL) {
                return GS_ENOMEM;
            }
            all->marks = marks;
            all->mark_capacity = capacity;
        }
        struct leaf_mark *mark = &all->marks[all->mark_count];
        mark->order = all->mark_count++;
        hash_bytes(leaf.name, mark->name);
    }
    return reader.error != 0 ? GS_ECORRUPT : 0;
}

static int compare_marks(const void *a, const void *b) {
    const struct leaf_mark *left = a;
    const struct leaf_mark *right = b;
    int order = memcmp(left->name, right->name, sizeof left->name);
    return order != 0 ? order : left->order < right->order ? -1 : 1;
}

static int find_last(struct installation *all) {
    all->last = calloc(all->mark_count + 1, 1);
    if (all->last == NULL) {
        return GS_ENOMEM;
    }
    if (all->mark_count > 0) {
        qsort(all->marks, all->mark_count, sizeof *all->marks, compare_marks);
    }
    for (size_t i = 0; i < all->mark_count; i++) {
        bool last = i + 1 == all->mark_count || memcmp(all->marks[i].name, all->marks[i + 1].name, HASH_SIZE) != 0;
        all->last[all->marks[i].order] = last ? 1 : 0;
    }
    return 0;
}

/* The states of a chunk that no later one replaces. */
static int next_states(struct installation *all) {
    struct gs_reader reader;
    uint32_t count = begin_chunk(&reader, gs_slice_make(all->chunk.bytes, all->chunk.length));
    struct gs_keep_state *states = realloc(all->states, (count + 1) * sizeof *states);
    if (states == NULL) {
        return GS_ENOMEM;
    }
    all->states = states;
    all->keep = (struct gs_keep){.low = BASE_POSITION, .position = BASE_POSITION, .states = states};
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        all->keep.journals[i].first = 1; /* none */
    }
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        struct leaf leaf;
        struct gs_slice type, id;
        read_leaf(&reader, &leaf);
        bool counts = reader.error == 0 && all->last[all->order] != 0 && leaf.version > 0;
        all->order++;
        if (!counts || !gs_name_split(leaf.name, &type, &id)) {
            continue;
        }
        states[all->keep.count++] = (struct gs_keep_state){
            .type = type,
            .id = id,
            .version = leaf.version,
            .position = BASE_POSITION,
            .updated = leaf.updated,
            .state = {.bytes = (uint8_t *)(uintptr_t)leaf.state.bytes, .length = leaf.state.length}};
    }
    return reader.error != 0 ? GS_ECORRUPT : 0;
}

/* The checkpoint and what is remembered of events one by one; borrowed from `besides`. */
static int last_part(struct installation *all) {
    struct gs_reader reader;
    const struct gs_buffer *besides = &all->install->besides;
    gs_reader_init(&reader, besides->bytes, besides->length);
    reader.nodes_left = UINT32_MAX;
    all->keep = (struct gs_keep){.low = BASE_POSITION, .position = BASE_POSITION};
    gs_read_array_exact(&reader, 1 + 3 * GS_KEEP_JOURNALS);
    struct gs_slice core = gs_read_bin(&reader, UINT32_MAX);
    all->keep.core = (struct gs_buffer){.bytes = (uint8_t *)(uintptr_t)core.bytes, .length = core.length};
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        struct gs_keep_entries *journal = &all->keep.journals[i];
        journal->first = gs_read_uint(&reader);
        journal->last = gs_read_uint(&reader);
        journal->oldest = journal->first;
        struct gs_slice entries = gs_read_bin(&reader, UINT32_MAX);
        journal->entries = (struct gs_buffer){.bytes = (uint8_t *)(uintptr_t)entries.bytes, .length = entries.length};
    }
    return gs_reader_finish(&reader) != 0 ? GS_ECORRUPT : 0;
}

static int next_part(void *context, const struct gs_keep **ret_keep) {
    struct installation *all = context;
    int error = 0;
    *ret_keep = NULL;
    if (all->over) {
        return 0;
    }
    if (!all->states_over && read_record(all->file, &all->chunk)) {
        error = next_states(all);
    } else {
        all->states_over = all->over = true;
        error = last_part(all);
    }
    *ret_keep = &all->keep;
    return error;
}

int gs_stage_install(const char *path, struct gs_store *store, const gs_cluster *cluster,
                     const struct gs_core_install *install) {
    struct installation all = {.install = install};
    struct gs_base base = {.cluster = *cluster, .position = BASE_POSITION, .clock = install->clock};
    int error = gs_vector_copy(&base.heads, &install->heads);
    error = error == 0 ? gs_base_raise_floor(&base, GS_FLOOR_OTHERS, BASE_POSITION) : error;
    error = error == 0 ? gs_stage_visit(path, mark_chunk, &all) : error;
    error = error == 0 ? find_last(&all) : error;
    all.file = fopen(path, "rb"); /* none: a snapshot of nothing */
    all.states_over = all.file == NULL;
    if (error == 0) {
        error =
            store->methods->install != NULL ? store->methods->install(store, &base, next_part, &all) : GS_EUNSUPPORTED;
    }
    if (all.file != NULL) {
        (void)fclose(all.file); /* it was only read */
    }
    gs_base_close(&base);
    gs_buffer_close(&all.chunk);
    free(all.marks);
    free(all.last);
    free(all.states);
    return error;
}
