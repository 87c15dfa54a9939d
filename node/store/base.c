#include "node/store/base.h"

#include <globalstate/codec.h>
#include <globalstate/error.h>

#include <stdlib.h>
#include <string.h>

enum { BASE_VERSION = 1 };

void gs_base_close(struct gs_base *base) {
    gs_vector_close(&base->heads);
    free(base->floors);
    *base = (struct gs_base){0};
}

int gs_base_copy(struct gs_base *to, const struct gs_base *from) {
    struct gs_base copy = {.cluster = from->cluster, .position = from->position, .clock = from->clock};
    int error = gs_vector_copy(&copy.heads, &from->heads);
    if (error == 0 && from->floor_count > 0) {
        copy.floors = malloc(from->floor_count * sizeof *copy.floors);
        error = copy.floors == NULL ? GS_ENOMEM : 0;
    }
    if (error != 0) {
        gs_base_close(&copy);
        return error;
    }
    if (from->floor_count > 0) {
        memcpy(copy.floors, from->floors, from->floor_count * sizeof *copy.floors);
        copy.floor_count = from->floor_count;
    }
    gs_base_close(to);
    *to = copy;
    return 0;
}

static struct gs_floor *find_floor(const struct gs_base *base, const void *name, size_t length) {
    for (uint32_t i = 0; i < base->floor_count; i++) {
        if (strlen(base->floors[i].type) == length && memcmp(base->floors[i].type, name, length) == 0) {
            return &base->floors[i];
        }
    }
    return NULL;
}

uint64_t gs_base_floor(const struct gs_base *base, struct gs_slice type) {
    const struct gs_floor *floor = find_floor(base, type.bytes, type.length);
    floor = floor != NULL ? floor : find_floor(base, GS_FLOOR_OTHERS, sizeof GS_FLOOR_OTHERS - 1);
    return floor != NULL ? floor->position : 0;
}

static struct gs_floor *add_floor(struct gs_base *base, const char *type, uint64_t position) {
    struct gs_floor *floors = realloc(base->floors, (base->floor_count + 1) * sizeof *floors);
    if (floors == NULL) {
        return NULL;
    }
    base->floors = floors;
    struct gs_floor *floor = &floors[base->floor_count++];
    *floor = (struct gs_floor){.position = position};
    memcpy(floor->type, type, strlen(type) + 1);
    return floor;
}

int gs_base_raise_floor(struct gs_base *base, const char *type, uint64_t position) {
    size_t length = strlen(type);
    struct gs_floor *floor = find_floor(base, type, length);
    if (floor == NULL) {
        if (length > GS_FLOOR_NAME_MAX || base->floor_count >= GS_FLOORS_MAX) {
            return GS_ETOOBIG;
        }
        floor = add_floor(base, type, gs_base_floor(base, gs_slice_make("", 0)));
        if (floor == NULL) {
            return GS_ENOMEM;
        }
    }
    floor->position = position > floor->position ? position : floor->position;
    return 0;
}

int gs_base_write(const struct gs_base *base, struct gs_buffer *out) {
    gs_write_array(out, 6);
    gs_write_uint(out, BASE_VERSION);
    gs_write_bin(out, base->cluster.bytes, GS_CLUSTER_SIZE);
    gs_write_uint(out, base->position);
    gs_write_uint(out, base->clock);
    gs_write_array(out, 3 * base->heads.count);
    for (uint32_t i = 0; i < base->heads.count; i++) {
        gs_write_bin(out, base->heads.heads[i].origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, base->heads.heads[i].seq);
        gs_write_bin(out, base->heads.heads[i].hash.bytes, GS_HASH_SIZE);
    }
    gs_write_array(out, 2 * base->floor_count);
    for (uint32_t i = 0; i < base->floor_count; i++) {
        gs_write_str(out, base->floors[i].type, strlen(base->floors[i].type));
        gs_write_uint(out, base->floors[i].position);
    }
    return out->failed;
}

static int read_heads(struct gs_reader *reader, struct gs_base *base) {
    int error = 0;
    for (uint32_t left = gs_read_array(reader, 3 * GS_VECTOR_MAX); left >= 3 && error == 0 && reader->error == 0;
         left -= 3) {
        struct gs_head head;
        gs_read_bin_exact(reader, head.origin.bytes, GS_ORIGIN_SIZE);
        head.seq = gs_read_uint(reader);
        gs_read_bin_exact(reader, head.hash.bytes, GS_HASH_SIZE);
        error = reader->error == 0 ? gs_vector_set(&base->heads, &head) : 0;
    }
    return error;
}

static int read_floors(struct gs_reader *reader, struct gs_base *base) {
    int error = 0;
    for (uint32_t left = gs_read_array(reader, 2 * GS_FLOORS_MAX); left >= 2 && error == 0 && reader->error == 0;
         left -= 2) {
        char type[GS_FLOOR_NAME_MAX + 1] = "";
        struct gs_slice name = gs_read_str(reader, GS_FLOOR_NAME_MAX);
        uint64_t position = gs_read_uint(reader);
        if (reader->error == 0) {
            memcpy(type, name.bytes, name.length);
            bool fits = position <= base->position && find_floor(base, type, name.length) == NULL;
            error = !fits ? GS_ECORRUPT : add_floor(base, type, position) != NULL ? 0 : GS_ENOMEM;
        }
    }
    return error;
}

int gs_base_read(struct gs_slice bytes, struct gs_base *ret_base) {
    struct gs_base base = {0};
    struct gs_reader reader;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    reader.nodes_left = UINT32_MAX;
    gs_read_array_exact(&reader, 6);
    if (gs_read_uint(&reader) != BASE_VERSION && reader.error == 0) {
        return GS_EVERSION;
    }
    gs_read_bin_exact(&reader, base.cluster.bytes, GS_CLUSTER_SIZE);
    base.position = gs_read_uint(&reader);
    base.clock = gs_read_uint(&reader);
    int error = read_heads(&reader, &base);
    error = error == 0 ? read_floors(&reader, &base) : error;
    error = error == 0 ? gs_reader_finish(&reader) : error;
    if (error != 0) {
        gs_base_close(&base);
        return error == GS_ENOMEM ? error : GS_ECORRUPT;
    }
    *ret_base = base;
    return 0;
}

int gs_base_complete(const struct gs_base *base, struct gs_vector *heads) {
    for (uint32_t i = 0; i < base->heads.count; i++) {
        const struct gs_head *head = &base->heads.heads[i];
        const struct gs_head *found = gs_vector_find(heads, &head->origin);
        if (found != NULL && found->seq == head->seq && memcmp(&found->hash, &head->hash, GS_HASH_SIZE) != 0) {
            return GS_ECORRUPT;
        }
        int error = found == NULL || found->seq < head->seq ? gs_vector_set(heads, head) : 0;
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

bool gs_base_is_behind(const struct gs_base *base, const struct gs_vector *have) {
    return base->position > 0 && !gs_vector_covers(have, &base->heads);
}
