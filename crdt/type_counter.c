/* Counter: increments add up, concurrent or not; an unset cancels exactly the increments that its writer saw. Nothing
 * is ever a conflict. Store: per origin the marks `last` and `reset`; join: the greater of each (crdt/SEMANTICS.md,
 * "Counters, exactly"). Sums over origins are exact and shown saturated at int64. */
#include "crdt/counter.h"
#include "crdt/number.h"
#include "crdt/type.h"

#include <inttypes.h>

/* Index of the first tally whose origin is not less. */
static uint32_t find_index(const struct gs_counter *counter, const gs_origin *origin) {
    uint32_t low = 0;
    uint32_t high = counter->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (gs_origin_compare(&counter->tallies[middle].origin, origin) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct gs_tally *gs_counter_find(const struct gs_counter *counter, const gs_origin *origin) {
    uint32_t index = find_index(counter, origin);
    bool found = index < counter->count && gs_origin_equal(&counter->tallies[index].origin, origin);
    return found ? &counter->tallies[index] : NULL;
}

static void raise_mark(struct gs_mark *mark, const struct gs_mark *other) {
    int order = gs_point_compare(other->at, mark->at);
    if (order > 0 || (order == 0 && other->total > mark->total)) {
        *mark = *other;
    }
}

int gs_counter_raise(struct gs_counter *counter, struct gs_memory *memory, const struct gs_tally *tally) {
    uint32_t index = find_index(counter, &tally->origin);
    if (index == counter->count || !gs_origin_equal(&counter->tallies[index].origin, &tally->origin)) {
        if (counter->count == counter->capacity) {
            uint32_t capacity = counter->capacity > 0 ? counter->capacity * 2 : 1;
            struct gs_tally *tallies = gs_memory_resize(memory, counter->tallies, counter->capacity * sizeof(*tallies),
                                                        capacity * sizeof(*tallies));
            if (!tallies) {
                return GS_ENOMEM;
            }
            counter->tallies = tallies;
            counter->capacity = capacity;
        }
        memmove(&counter->tallies[index + 1], &counter->tallies[index],
                (counter->count - index) * sizeof(struct gs_tally));
        counter->tallies[index] = (struct gs_tally){.origin = tally->origin};
        counter->count++;
    }
    raise_mark(&counter->tallies[index].last, &tally->last);
    raise_mark(&counter->tallies[index].reset, &tally->reset);
    return 0;
}

gs_wide gs_counter_sum(const struct gs_counter *counter) {
    gs_wide total = 0;
    for (uint32_t i = 0; i < counter->count; i++) {
        const struct gs_tally *tally = &counter->tallies[i];
        if (gs_tally_alive(tally)) {
            total += (gs_wide)tally->last.total - tally->reset.total;
        }
    }
    return total;
}

static int64_t shown(const union gs_store *store) {
    return gs_saturate(gs_counter_sum(&store->counter));
}

static void close_store(union gs_store *store, struct gs_memory *memory) {
    gs_memory_free(memory, store->counter.tallies, store->counter.capacity * sizeof(struct gs_tally));
    store->counter = (struct gs_counter){0};
}

static bool is_empty(const union gs_store *store) {
    return store->counter.count == 0;
}

static uint32_t count_alive(const struct gs_counter *counter) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < counter->count; i++) {
        count += gs_tally_alive(&counter->tallies[i]);
    }
    return count;
}

static bool is_alive(const union gs_store *store) {
    return count_alive(&store->counter) > 0;
}

/* A tally that the other side has seen (its newest increment is in the other's context) and yet does not hold was
 * cancelled there, and its marks dropped since. */
static bool was_dropped(const struct gs_tally *tally, const struct gs_counter *other, const struct gs_context *seen) {
    const gs_dot last = {.origin = tally->origin, .at = tally->last.at};
    return last.at.seq > 0 && !gs_counter_find(other, &tally->origin) && gs_context_contains(seen, &last);
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    struct gs_counter *mine = &store->counter;
    const struct gs_counter *theirs = &other->counter;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < mine->count; i++) {
        if (!was_dropped(&mine->tallies[i], theirs, joining->theirs)) {
            mine->tallies[kept++] = mine->tallies[i];
        }
    }
    mine->count = kept;
    int error = 0;
    for (uint32_t i = 0; i < theirs->count && error == 0; i++) {
        if (!was_dropped(&theirs->tallies[i], mine, joining->mine)) {
            error = gs_counter_raise(mine, joining->memory, &theirs->tallies[i]);
        }
    }
    if (mine->count == 0) {
        close_store(store, joining->memory);
    }
    return error;
}

/* Every member has applied what cancelled the marks, so that each origin's next increment begins a new frame. */
static void compact(union gs_store *store, const struct gs_compacting *compacting) {
    struct gs_counter *counter = &store->counter;
    uint32_t kept = 0;
    for (uint32_t i = 0; compacting->all && i < counter->count; i++) {
        if (gs_tally_alive(&counter->tallies[i])) {
            counter->tallies[kept++] = counter->tallies[i];
        }
    }
    if (compacting->all) {
        counter->count = kept;
    }
    if (counter->count == 0) {
        close_store(store, compacting->memory);
    }
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_write_int(out, shown(store));
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_buffer_printf(out, "%" PRId64, shown(store));
}

static void encode_tally(const struct gs_tally *tally, const struct gs_encoding *encoding) {
    struct gs_buffer *out = encoding->out;
    gs_write_array(out, 7);
    gs_origin_encode(&tally->origin, encoding);
    const struct gs_mark *marks[] = {&tally->last, &tally->reset};
    for (int i = 0; i < 2; i++) {
        gs_write_uint(out, marks[i]->at.seq);
        gs_write_uint(out, marks[i]->at.index);
        gs_write_int(out, marks[i]->total);
    }
}

/* Cancelled marks are bookkeeping: the canonical form leaves them out. */
static bool is_encoded(const struct gs_tally *tally, enum gs_encode_form form) {
    return form == GS_ENCODE_FULL || gs_tally_alive(tally);
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    const struct gs_counter *counter = &store->counter;
    gs_write_array(encoding->out, encoding->form == GS_ENCODE_FULL ? counter->count : count_alive(counter));
    for (uint32_t i = 0; i < counter->count; i++) {
        if (is_encoded(&counter->tallies[i], encoding->form)) {
            encode_tally(&counter->tallies[i], encoding);
        }
    }
}

static int visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                         void *context) {
    const struct gs_counter *counter = &store->counter;
    int error = 0;
    for (uint32_t i = 0; i < counter->count && error == 0; i++) {
        error = is_encoded(&counter->tallies[i], form) ? visit(context, &counter->tallies[i].origin) : 0;
    }
    return error;
}

/* A point of an event, or, with total 0, the beginning: {0, 0} for a mark that is not set, and what lies just before
 * event 1 for a frame that starts with it. */
static bool mark_valid(const struct gs_mark *mark) {
    return mark->at.seq > 0 || (mark->total == 0 && (mark->at.index == 0 || mark->at.index == UINT32_MAX));
}

static bool tally_decode(struct gs_decoding *decoding, struct gs_tally *ret_tally) {
    struct gs_reader *reader = decoding->reader;
    struct gs_tally tally;
    gs_read_array_exact(reader, 7);
    if (!gs_origin_decode(decoding, &tally.origin)) {
        return false;
    }
    tally.last.at = gs_point_decode(reader);
    tally.last.total = gs_read_int(reader);
    tally.reset.at = gs_point_decode(reader);
    tally.reset.total = gs_read_int(reader);
    bool beginning = tally.last.at.seq == 0 && tally.last.at.index != 0; /* only a reset lies before event 1 */
    if (reader->error == 0 && (!mark_valid(&tally.last) || !mark_valid(&tally.reset) || beginning ||
                               (!gs_tally_alive(&tally) && tally.reset.at.seq == 0))) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0) {
        return false;
    }
    *ret_tally = tally;
    return true;
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    struct gs_tally tally;
    gs_origin previous = {{0}};
    for (uint32_t i = 0; i < count && tally_decode(decoding, &tally); i++) {
        if (i > 0 && gs_origin_compare(&previous, &tally.origin) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        } else if (gs_counter_raise(&store->counter, decoding->memory, &tally) != 0) {
            gs_reader_fail(reader, GS_ENOMEM);
        }
        previous = tally.origin;
    }
}

static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    struct gs_tally tally = {.origin = applying->dot.origin, .last = {applying->dot.at, change->by}};
    if (change->fresh) {
        tally.reset.at = gs_point_before(applying->dot.at);
    } else if (__builtin_add_overflow(change->before, change->by, &tally.last.total)) {
        return GS_EFORMAT;
    }
    return gs_counter_raise(&store->counter, applying->memory, &tally);
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    const struct gs_counter *counter = &store->counter;
    uint32_t count = 0;
    struct gs_counter_mark *marks = gs_arena_alloc(arena, ((size_t)counter->count + 1) * sizeof(*marks));
    for (uint32_t i = 0; marks && i < counter->count; i++) {
        const struct gs_tally *tally = &counter->tallies[i];
        if (gs_tally_alive(tally)) {
            marks[count++] =
                (struct gs_counter_mark){.origin = tally->origin, .at = tally->last.at, .total = tally->last.total};
        }
    }
    ret_cleared->marks = marks;
    ret_cleared->mark_count = count;
    return marks ? 0 : GS_ENOMEM;
}

static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    int error = 0;
    for (uint32_t i = 0; i < cleared->mark_count && error == 0; i++) {
        const struct gs_counter_mark *mark = &cleared->marks[i];
        struct gs_tally tally = {.origin = mark->origin, .reset = {mark->at, mark->total}};
        error = gs_counter_raise(&store->counter, memory, &tally);
    }
    return error;
}

int gs_counter_continue(const struct gs_counter *counter, const gs_origin *writer, gs_wide shown, int64_t by,
                        struct gs_change *change) {
    int64_t total = 0;
    gs_wide after = shown + by;
    const struct gs_tally *tally = counter ? gs_counter_find(counter, writer) : NULL;
    bool fresh = !tally || !gs_tally_alive(tally);
    int64_t before = fresh ? 0 : tally->last.total;
    /* A sum that merging carried past int64 may still be led back. */
    if ((after > INT64_MAX && by > 0) || (after < INT64_MIN && by < 0) || __builtin_add_overflow(before, by, &total)) {
        return GS_EOVERFLOW;
    }
    change->by = by;
    change->before = before;
    change->fresh = fresh;
    return 1;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    (void)arena;
    int64_t by = 0;
    if (!gs_integer_read(op->value, &by)) {
        return GS_EINVAL;
    }
    const struct gs_counter *counter = store ? &store->counter : NULL;
    return gs_counter_continue(counter, writer, counter ? gs_counter_sum(counter) : 0, by, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    int64_t wanted = 0;
    if (!gs_integer_read(value, &wanted)) {
        return GS_ETYPE;
    }
    gs_wide by = (gs_wide)wanted - gs_counter_sum(&store->counter);
    if (by == 0) {
        return 0;
    }
    if (by > INT64_MAX || by < INT64_MIN) {
        return GS_EOVERFLOW;
    }
    return gs_op_list_push_integer(list, GS_OP_INCREMENT, path, (int64_t)by);
}

const struct gs_type_ops gs_type_counter = {
    .name = "counter",
    .clears = GS_CLEARS_MARKS,
    .close = close_store,
    .is_empty = is_empty,
    .is_alive = is_alive,
    .join = join,
    .compact = compact,
    .write_value = write_value,
    .write_json = write_json,
    .encode = encode,
    .decode = decode,
    .visit_origins = visit_origins,
    .apply = apply,
    .collect = collect,
    .clear = clear,
    .resolve = resolve,
    .diff = diff,
};
