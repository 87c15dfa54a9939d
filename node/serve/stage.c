#include "node/serve/stage.h"

#include "gossip/bytes.h"
#include "node/core/giving.h"

#include <globalstate/codec.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HASH_SIZE = 16,
    HEAD_SIZE = 4 + HASH_SIZE,
    RECORD_MAX = 64 * 1024 * 1024,
    PART_LEAVES = 1024,
    PART_BYTES = 1024 * 1024,
    WHOLE_BYTES = 512 * 1024 * 1024
};

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

/* Where a leaf is in the file. Of those of one name the last one counts. */
struct leaf_mark {
    const uint8_t *name; /* among the names, once all are there */
    uint32_t name_length;
    uint32_t length;
    uint64_t at, order;
};

struct installation {
    FILE *file;
    struct gs_buffer names;
    struct leaf_mark *marks; /* owned */
    size_t mark_count, mark_capacity, next;
    uint64_t record_at; /* of the record that is read; in the end the size of the file */
    uint8_t *whole;     /* the file; owned; NULL: it is read leaf by leaf */
    struct gs_buffer part;
    struct gs_keep_state *states; /* of the part; owned */
    struct gs_keep keep;
    const struct gs_core_install *install;
    bool over;
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

static void begin_leaves(struct gs_reader *reader, struct gs_slice bytes) {
    gs_reader_init(reader, bytes.bytes, bytes.length);
    reader->nodes_left = UINT32_MAX;
}

static int add_mark(struct installation *all, const struct leaf_mark *mark) {
    if (all->mark_count == all->mark_capacity) {
        size_t capacity = all->mark_capacity == 0 ? 1024 : 2 * all->mark_capacity;
        struct leaf_mark *marks = realloc(all->marks, capacity * sizeof *marks);
        if (marks == NULL) {
            return GS_ENOMEM;
        }
        all->marks = marks;
        all->mark_capacity = capacity;
    }
    all->marks[all->mark_count++] = *mark;
    return 0;
}

static int mark_record(void *context, struct gs_slice bytes) {
    struct installation *all = context;
    struct gs_reader reader;
    int error = 0;
    begin_leaves(&reader, bytes);
    uint32_t count = gs_read_array(&reader, UINT32_MAX) / 4;
    for (uint32_t i = 0; i < count && reader.error == 0 && error == 0; i++) {
        const uint8_t *begin = reader.at;
        struct leaf leaf;
        read_leaf(&reader, &leaf);
        const struct leaf_mark mark = {.name_length = (uint32_t)leaf.name.length,
                                       .length = (uint32_t)(reader.at - begin),
                                       .at = all->record_at + HEAD_SIZE + (uint64_t)(begin - bytes.bytes),
                                       .order = all->mark_count};
        gs_buffer_append(&all->names, leaf.name.bytes, leaf.name.length);
        error = all->names.failed != 0 ? all->names.failed : add_mark(all, &mark);
    }
    all->record_at += HEAD_SIZE + bytes.length;
    return error != 0 ? error : reader.error != 0 ? GS_ECORRUPT : 0;
}

static int compare_names(const struct leaf_mark *a, const struct leaf_mark *b) {
    return gs_slice_compare(gs_slice_make(a->name, a->name_length), gs_slice_make(b->name, b->name_length));
}

static int compare_marks(const void *a, const void *b) {
    const struct leaf_mark *left = a;
    const struct leaf_mark *right = b;
    int order = compare_names(left, right);
    return order != 0 ? order : left->order < right->order ? -1 : 1;
}

/* By name: a store that keeps its rows in that order writes each page once, however large it is. What came by hash
 * would go to another page with every row. */
static void sort_marks(struct installation *all) {
    size_t kept = 0;
    const uint8_t *name = all->names.bytes;
    if (all->mark_count == 0) {
        return;
    }
    for (size_t i = 0; i < all->mark_count; i++) {
        all->marks[i].name = name;
        name += all->marks[i].name_length;
    }
    qsort(all->marks, all->mark_count, sizeof *all->marks, compare_marks);
    for (size_t i = 0; i < all->mark_count; i++) {
        if (i + 1 == all->mark_count || compare_names(&all->marks[i], &all->marks[i + 1]) != 0) {
            all->marks[kept++] = all->marks[i];
        }
    }
    all->mark_count = kept;
}

/* From memory, if the file is not larger than that, and there is room: a call of the system for every leaf takes as
 * long as all the rest. */
static int read_whole(struct installation *all) {
    uint64_t size = all->record_at;
    all->whole = size > 0 && size <= WHOLE_BYTES ? malloc(size) : NULL;
    return all->whole == NULL || fread(all->whole, 1, (size_t)size, all->file) == size ? 0 : GS_EIO;
}

static bool read_mark(const struct installation *all, const struct leaf_mark *mark, uint8_t *ret_bytes) {
    if (all->whole != NULL) {
        memcpy(ret_bytes, all->whole + mark->at, mark->length);
        return true;
    }
    return pread(fileno(all->file), ret_bytes, mark->length, (off_t)mark->at) == (ssize_t)mark->length;
}

/* The bytes of the next leaves, one after another; how many. */
static int read_part(struct installation *all, uint32_t *ret_count) {
    size_t begin = all->next;
    size_t length = 0;
    while (all->next < all->mark_count && all->next - begin < PART_LEAVES &&
           (length == 0 || length + all->marks[all->next].length <= PART_BYTES)) {
        length += all->marks[all->next++].length;
    }
    uint8_t *bytes = calloc(1, length + 1);
    size_t filled = 0;
    bool whole = bytes != NULL;
    for (size_t i = begin; i < all->next && whole; i++) {
        const struct leaf_mark *mark = &all->marks[i];
        whole = read_mark(all, mark, bytes + filled);
        filled += mark->length;
    }
    all->part.length = 0;
    if (whole) {
        gs_buffer_append(&all->part, bytes, length);
    }
    int error = bytes == NULL ? GS_ENOMEM : !whole ? GS_EIO : all->part.failed;
    free(bytes);
    *ret_count = (uint32_t)(all->next - begin);
    return error;
}

static struct gs_buffer borrowed(struct gs_slice bytes) {
    return (struct gs_buffer){.bytes = (uint8_t *)(uintptr_t)bytes.bytes, .length = bytes.length};
}

static int next_states(struct installation *all) {
    struct gs_reader reader;
    uint32_t count = 0;
    int error = read_part(all, &count);
    begin_leaves(&reader, gs_slice_make(all->part.bytes, all->part.length));
    all->keep = (struct gs_keep){.low = GS_STAGE_POSITION, .position = GS_STAGE_POSITION, .states = all->states};
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        all->keep.journals[i].first = 1; /* none */
    }
    for (uint32_t i = 0; error == 0 && i < count && reader.error == 0; i++) {
        struct leaf leaf;
        struct gs_slice type, id;
        read_leaf(&reader, &leaf);
        if (reader.error != 0 || leaf.version == 0 || !gs_name_split(leaf.name, &type, &id)) {
            continue;
        }
        all->states[all->keep.count++] = (struct gs_keep_state){.type = type,
                                                                .id = id,
                                                                .version = leaf.version,
                                                                .position = GS_STAGE_POSITION,
                                                                .updated = leaf.updated,
                                                                .state = borrowed(leaf.state)};
    }
    return error != 0 ? error : reader.error != 0 ? GS_ECORRUPT : 0;
}

/* The checkpoint and what is remembered of events one by one; borrowed from `besides`. */
static int last_part(struct installation *all) {
    struct gs_besides besides;
    int error = gs_besides_read(gs_slice_make(all->install->besides.bytes, all->install->besides.length), &besides);
    if (error != 0) {
        return GS_ECORRUPT;
    }
    all->keep = (struct gs_keep){.low = GS_STAGE_POSITION, .position = GS_STAGE_POSITION};
    all->keep.core = borrowed(besides.checkpoint);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        struct gs_keep_entries *journal = &all->keep.journals[i];
        journal->first = journal->oldest = besides.journals[i].first;
        journal->last = besides.journals[i].last;
        journal->entries = borrowed(besides.journals[i].entries);
    }
    return 0;
}

static int next_part(void *context, const struct gs_keep **ret_keep) {
    struct installation *all = context;
    int error = 0;
    *ret_keep = NULL;
    if (all->over) {
        return 0;
    }
    if (all->next < all->mark_count) {
        error = next_states(all);
    } else {
        all->over = true;
        error = last_part(all);
    }
    *ret_keep = &all->keep;
    return error;
}

int gs_stage_install(const char *path, struct gs_store *store, const gs_cluster *cluster,
                     const struct gs_core_install *install) {
    struct installation all = {.install = install};
    struct gs_base base = {.cluster = *cluster, .position = GS_STAGE_POSITION, .clock = install->clock};
    all.states = malloc(PART_LEAVES * sizeof *all.states);
    int error = all.states != NULL ? gs_vector_copy(&base.heads, &install->heads) : GS_ENOMEM;
    error = error == 0 ? gs_base_raise_floor(&base, GS_FLOOR_OTHERS, GS_STAGE_POSITION) : error;
    error = error == 0 ? gs_stage_visit(path, mark_record, &all) : error;
    all.file = fopen(path, "rb"); /* none: a snapshot of nothing */
    if (error == 0) {
        sort_marks(&all);
        error = all.file != NULL ? read_whole(&all) : 0;
    }
    if (error == 0) {
        error =
            store->methods->install != NULL ? store->methods->install(store, &base, next_part, &all) : GS_EUNSUPPORTED;
    }
    if (all.file != NULL) {
        (void)fclose(all.file); /* it was only read */
    }
    gs_base_close(&base);
    gs_buffer_close(&all.part);
    gs_buffer_close(&all.names);
    free(all.marks);
    free(all.whole);
    free(all.states);
    return error;
}
