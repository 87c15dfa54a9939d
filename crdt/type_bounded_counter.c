/* Bounded counter: an integer that no schedule of decrements takes below its bound, without asking anyone. Each origin
 * spends only rights that it holds: those it made by increments (and by create: initial - bound), and those that others
 * gave it by `transfer`, or that it took over from one that has ended. Concurrent increments, decrements and transfers
 * all count; nothing is ever a conflict. Of several bounds (concurrent creates) the least counts, and what each create
 * put above its own bound is added up. (Balegas et al. 2015, arXiv 1503.09052.)
 *
 * It is there while it has presence, which create and every increment leave and an unset takes away, or while there are
 * rights: an unset is refused as long as its writer sees any, since nobody could spend what is gone. What has been made
 * and spent stays as bookkeeping, because later changes name cells as they will be, not by how much they grow.
 * Store: struct gs_bounded_counter, allocated with the first change. */
#include "crdt/bounded_counter.h"
#include "crdt/number.h"
#include "crdt/type.h"

#include <inttypes.h>

static void close_store(union gs_store *store, struct gs_memory *memory) {
    if (store->bounded) {
        gs_rights_close(&store->bounded->rights, memory);
        gs_rights_close(&store->bounded->spent, memory);
        gs_rights_close(&store->bounded->taken, memory);
        gs_memory_free(memory, store->bounded, sizeof(*store->bounded));
        store->bounded = NULL;
    }
}

static bool is_empty(const union gs_store *store) {
    return !store->bounded;
}

static bool is_alive(const union gs_store *store) {
    return gs_bounded_counter_rights(store->bounded) > 0;
}

/* The counter to write to, its bound lowered to `bound`; NULL when out of memory. */
static struct gs_bounded_counter *obtain(union gs_store *store, struct gs_memory *memory, int64_t bound) {
    if (!store->bounded) {
        store->bounded = gs_memory_zalloc(memory, sizeof(*store->bounded));
        if (store->bounded) {
            store->bounded->bound = bound;
        }
    } else if (bound < store->bounded->bound) {
        store->bounded->bound = bound;
    }
    return store->bounded;
}

static int join_cells(struct gs_rights_cells *cells, const struct gs_rights_cells *other, struct gs_memory *memory) {
    int error = 0;
    for (uint32_t i = 0; i < other->count && error == 0; i++) {
        error = gs_rights_raise(cells, memory, &other->list[i]);
    }
    return error;
}

static int join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining) {
    const struct gs_bounded_counter *theirs = other->bounded;
    if (!theirs) {
        return 0;
    }
    struct gs_bounded_counter *counter = obtain(store, joining->memory, theirs->bound);
    if (!counter) {
        return GS_ENOMEM;
    }
    int error = join_cells(&counter->rights, &theirs->rights, joining->memory);
    error = error != 0 ? error : join_cells(&counter->spent, &theirs->spent, joining->memory);
    return error != 0 ? error : join_cells(&counter->taken, &theirs->taken, joining->memory);
}

static int64_t shown(const union gs_store *store) {
    return gs_wide_clamp(gs_bounded_counter_value(store->bounded));
}

static void write_value(const union gs_store *store, struct gs_buffer *out) {
    gs_write_int(out, shown(store));
}

static void write_json(const union gs_store *store, struct gs_buffer *out) {
    gs_buffer_printf(out, "%" PRId64, shown(store));
}

static void encode_pairs(const struct gs_rights_cells *cells, const struct gs_encoding *encoding) {
    gs_write_array(encoding->out, 3 * cells->count);
    for (uint32_t i = 0; i < cells->count; i++) {
        gs_origin_encode(&cells->list[i].from, encoding);
        gs_origin_encode(&cells->list[i].to, encoding);
        gs_write_int(encoding->out, cells->list[i].total);
    }
}

static void encode(const union gs_store *store, const struct gs_encoding *encoding) {
    static const struct gs_bounded_counter nothing;
    const struct gs_bounded_counter *counter = store->bounded ? store->bounded : &nothing;
    struct gs_buffer *out = encoding->out;
    gs_write_array(out, counter->taken.count > 0 ? 4 : 3);
    gs_write_int(out, counter->bound);
    encode_pairs(&counter->rights, encoding);
    gs_write_array(out, 2 * counter->spent.count);
    for (uint32_t i = 0; i < counter->spent.count; i++) {
        gs_origin_encode(&counter->spent.list[i].from, encoding);
        gs_write_int(out, counter->spent.list[i].total);
    }
    if (counter->taken.count > 0) {
        encode_pairs(&counter->taken, encoding);
    }
}

static int visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                         void *context) {
    const struct gs_bounded_counter *counter = store->bounded;
    int error = 0;
    (void)form;
    for (uint32_t i = 0; counter && i < counter->rights.count && error == 0; i++) {
        error = visit(context, &counter->rights.list[i].from);
        error = error != 0 ? error : visit(context, &counter->rights.list[i].to);
    }
    for (uint32_t i = 0; counter && i < counter->spent.count && error == 0; i++) {
        error = visit(context, &counter->spent.list[i].from);
    }
    for (uint32_t i = 0; counter && i < counter->taken.count && error == 0; i++) {
        error = visit(context, &counter->taken.list[i].from);
        error = error != 0 ? error : visit(context, &counter->taken.list[i].to);
    }
    return error;
}

/* Cells of `members` numbers each: [from, to, total] or [origin, total]. */
static void decode_cells(struct gs_rights_cells *cells, struct gs_decoding *decoding, uint32_t members) {
    struct gs_reader *reader = decoding->reader;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % members != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    struct gs_rights_cell cell;
    for (uint32_t i = 0; i < count / members && gs_origin_decode(decoding, &cell.from); i++) {
        cell.to = cell.from;
        if (members == 3 && !gs_origin_decode(decoding, &cell.to)) {
            return;
        }
        cell.total = gs_read_int(reader);
        const struct gs_rights_cell *last = cells->count > 0 ? &cells->list[cells->count - 1] : NULL;
        int order = last ? gs_origin_compare(&last->from, &cell.from) : -1;
        order = order != 0 ? order : gs_origin_compare(&last->to, &cell.to);
        if (order >= 0 || cell.total <= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        } else if (gs_rights_raise(cells, decoding->memory, &cell) != 0) {
            gs_reader_fail(reader, GS_ENOMEM);
        }
    }
}

static void decode(union gs_store *store, struct gs_decoding *decoding) {
    uint32_t parts = gs_read_array(decoding->reader, 4);
    int64_t bound = gs_read_int(decoding->reader);
    if (decoding->reader->error != 0) {
        return;
    }
    struct gs_bounded_counter *counter = obtain(store, decoding->memory, bound);
    if (!counter) {
        gs_reader_fail(decoding->reader, GS_ENOMEM);
        return;
    }
    decode_cells(&counter->rights, decoding, 3);
    decode_cells(&counter->spent, decoding, 2);
    if (parts == 4) {
        decode_cells(&counter->taken, decoding, 3);
    }
    if (parts < 3 || (parts == 4 && counter->taken.count == 0)) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
}

/* The cell that a change raises: `before` is what its writer had there, so that deltas may come twice or in any order.
 * The sum is an int64: the decoder has checked it. */
static int apply(union gs_store *store, const struct gs_applying *applying) {
    const struct gs_change *change = applying->change;
    const gs_origin *own = &applying->dot.origin;
    struct gs_bounded_counter *counter = obtain(store, applying->memory, change->bound);
    if (!counter) {
        return GS_ENOMEM;
    }
    bool spends = change->by < 0;
    bool takes = change->kind == GS_OP_TAKEOVER;
    struct gs_rights_cell cell = {
        .from = *own,
        .to = takes || change->kind == GS_OP_TRANSFER ? change->target : *own,
        .total = gs_wide_clamp(change->before + (spends ? -(gs_wide)change->by : change->by)),
    };
    return gs_rights_raise(takes    ? &counter->taken
                           : spends ? &counter->spent
                                    : &counter->rights,
                           applying->memory, &cell);
}

static int collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared) {
    (void)arena;
    (void)ret_cleared;
    return is_alive(store) ? GS_ERIGHTS : 0;
}

/* Only presence goes, and that is the field's. */
static int clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory) {
    (void)store;
    (void)cleared;
    (void)memory;
    return 0;
}

/* Fills `by`, and `before` from the cell that the change will raise. */
static int settle(int64_t cell, gs_wide by, struct gs_change *change) {
    gs_wide size = by < 0 ? -by : by;
    if (by > INT64_MAX || cell + size > INT64_MAX) {
        return GS_EOVERFLOW;
    }
    change->by = (int64_t)by;
    change->before = cell;
    return 1;
}

static int resolve_increment(const struct gs_bounded_counter *counter, int64_t by, const gs_origin *writer,
                             struct gs_change *change) {
    if (by < 0) {
        bool held = gs_bounded_counter_rights_of(counter, writer) >= -(gs_wide)by;
        return held ? settle(gs_rights_find(&counter->spent, writer, writer), by, change) : GS_EBOUND;
    }
    if (gs_bounded_counter_value(counter) + by > INT64_MAX && by > 0) {
        return GS_EOVERFLOW;
    }
    return settle(gs_rights_find(&counter->rights, writer, writer), by, change);
}

static int resolve_transfer(const struct gs_bounded_counter *counter, int64_t by, const gs_origin *writer,
                            struct gs_change *change) {
    if (by <= 0 || gs_origin_equal(writer, &change->target)) {
        return GS_EINVAL;
    }
    bool takes = change->kind == GS_OP_TAKEOVER;
    bool held = gs_bounded_counter_rights_of(counter, takes ? &change->target : writer) >= by;
    const struct gs_rights_cells *cells = takes ? &counter->taken : &counter->rights;
    return held ? settle(gs_rights_find(cells, writer, &change->target), by, change) : GS_EBOUND;
}

static int resolve(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change) {
    static const struct gs_bounded_counter nothing;
    const struct gs_bounded_counter *counter = store && store->bounded ? store->bounded : &nothing;
    int64_t by = 0;
    (void)arena;
    if (change->kind == GS_OP_GRANT) {
        change->bound = op->bound;
        return settle(gs_rights_find(&counter->rights, writer, writer), (gs_wide)op->initial - op->bound, change);
    }
    if (!gs_integer_read(op->value, &by)) {
        return GS_EINVAL;
    }
    change->bound = counter->bound;
    bool moves = change->kind == GS_OP_TRANSFER || change->kind == GS_OP_TAKEOVER;
    return moves ? resolve_transfer(counter, by, writer, change) : resolve_increment(counter, by, writer, change);
}

static int diff(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list) {
    int64_t wanted = 0;
    if (!gs_integer_read(value, &wanted)) {
        return GS_ETYPE;
    }
    gs_wide by = wanted - gs_bounded_counter_value(store->bounded);
    if (by == 0) {
        return 0;
    }
    return by == gs_wide_clamp(by) ? gs_op_list_push_integer(list, GS_OP_INCREMENT, path, (int64_t)by) : GS_EOVERFLOW;
}

const struct gs_type_ops gs_type_bounded_counter = {
    .name = "bounded_counter",
    .clears = GS_CLEARS_DOTS,
    .close = close_store,
    .is_empty = is_empty,
    .is_alive = is_alive,
    .join = join,
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
