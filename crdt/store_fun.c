/* The functions that registers, flags, max and min share: a store of dots with values. */
#include "crdt/type.h"

void gs_store_fun_close(union gs_store *store, struct gs_memory *memory) {
    gs_dot_fun_close(&store->fun, memory);
}

bool gs_store_fun_is_empty(const union gs_store *store) {
    return store->fun.count == 0;
}

bool gs_store_fun_is_alive(const union gs_store *store) {
    return store->fun.count > 0;
}

int gs_store_fun_join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    return gs_dot_fun_join(&store->fun, &other->fun, joining);
}

void gs_store_fun_retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen) {
    gs_dot_fun_retain(&store->fun, memory, seen);
}

void gs_store_fun_encode(const union gs_store *store, const struct gs_encoding *encoding) {
    struct gs_buffer *out = encoding->out;
    gs_write_array(out, store->fun.count);
    for (uint32_t i = 0; i < store->fun.count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(&store->fun, i);
        gs_write_array(out, 5);
        gs_origin_encode(&entry->dot.origin, encoding);
        gs_write_uint(out, entry->dot.at.seq);
        gs_write_uint(out, entry->dot.at.index);
        gs_write_uint(out, entry->clock);
        gs_buffer_append(out, entry->bytes, entry->length);
    }
}

void gs_store_fun_decode(union gs_store *store, struct gs_decoding *decoding,
                         bool (*accept)(gs_hlc clock, struct gs_slice value)) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    gs_dot previous = {0};
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        gs_dot dot;
        gs_read_array_exact(reader, 5);
        bool good = gs_dot_decode(decoding, &dot);
        gs_hlc clock = gs_read_uint(reader);
        struct gs_slice value = gs_read_value(reader);
        if (!good || reader->error != 0) {
            return;
        }
        if ((i > 0 && gs_dot_compare(&previous, &dot) >= 0) || !accept(clock, value)) {
            gs_reader_fail(reader, GS_EFORMAT);
        } else if (gs_dot_fun_add(&store->fun, decoding->memory, &dot, clock, value) != 0) {
            gs_reader_fail(reader, GS_ENOMEM);
        }
        previous = dot;
    }
}

int gs_store_fun_apply(union gs_store *store, const struct gs_applying *applying, gs_hlc clock, struct gs_slice value) {
    const struct gs_change *change = applying->change;
    bool seen = applying->seen && gs_context_contains(applying->seen, &applying->dot);
    if (!seen && gs_dot_fun_add(&store->fun, applying->memory, &applying->dot, clock, value) != 0) {
        return GS_ENOMEM;
    }
    gs_dot_fun_subtract(&store->fun, applying->memory, change->dots, change->dot_count);
    return 0;
}

gs_dot *gs_store_fun_dots(const union gs_store *store, struct gs_arena *arena) {
    gs_dot *dots = gs_arena_alloc(arena, (store->fun.count + (size_t)1) * sizeof(*dots));
    for (uint32_t i = 0; dots && i < store->fun.count; i++) {
        dots[i] = gs_dot_fun_at(&store->fun, i)->dot;
    }
    return dots;
}

int gs_store_fun_collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    gs_dot *dots = gs_store_fun_dots(store, arena);
    if (!dots) {
        return GS_ENOMEM;
    }
    ret_cleared->dots = dots;
    ret_cleared->dot_count = store->fun.count;
    return 0;
}

int gs_store_fun_clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    gs_dot_fun_subtract(&store->fun, memory, cleared->dots, cleared->dot_count);
    return 0;
}

const struct gs_entry *gs_store_fun_latest(const struct gs_dot_fun *fun) {
    const struct gs_entry *latest = NULL;
    for (uint32_t i = 0; i < fun->count; i++) {
        const struct gs_entry *entry = gs_dot_fun_at(fun, i); /* in the order of dots: a later one breaks the tie */
        latest = !latest || entry->clock >= latest->clock ? entry : latest;
    }
    return latest;
}

int gs_store_fun_resolve(const union gs_store *store, struct gs_arena *arena, struct gs_change *change) {
    if (store && store->fun.count > 0) {
        gs_dot *dots = gs_store_fun_dots(store, arena);
        if (!dots) {
            return GS_ENOMEM;
        }
        change->dots = dots;
        change->dot_count = store->fun.count;
    }
    return 1;
}
