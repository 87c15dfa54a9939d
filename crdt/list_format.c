/* Lists in state encodings (crdt/FORMAT.md): as few runs as there can be, whatever the spans are. */
#include "crdt/list_format.h"

#include "crdt/list_impl.h"

enum {
    FULL_MEMBERS = 6,
    CANONICAL_MEMBERS = 5,
    SINGLE_DOTS_MAX = 64, /* elements of a run that the context may hold one by one */
};

/* Which elements, and in which order. */
enum order {
    SHOWN,  /* as they are shown */
    HIDDEN, /* alive but not shown, by dot */
    KNOWN,  /* all, deleted ones too, by dot */
};

/* A place between elements. */
struct walk {
    const struct gs_list *list;
    enum order order;
    uint32_t span; /* GS_SPAN_NONE: before the first */
    uint32_t offset;
};

static bool belongs(const struct walk *walk, const struct gs_span *span) {
    switch (walk->order) {
    case SHOWN:
        return gs_span_is_alive(span);
    case HIDDEN:
        return gs_span_is_alive(span) && !(span->flags & GS_SPAN_ATTACHED);
    default:
        return !(span->flags & GS_SPAN_PHANTOM);
    }
}

static uint32_t next_span(const struct walk *walk, uint32_t span) {
    do {
        span = walk->order == SHOWN ? gs_sequence_next(&walk->list->sequence, span)
                                    : gs_list_next_by_dot(walk->list, span);
    } while (span != GS_SPAN_NONE && !belongs(walk, &walk->list->spans[span]));
    return span;
}

/* A run of an encoding: where it begins, how many elements it has, and how their dots go on. */
struct part {
    uint32_t span;
    uint32_t offset;
    uint32_t count;
    int step;
};

/* How the dots go on from the last element of one span to the first of the next, -1 if a run ends there. */
static int link_step(const struct walk *walk, uint32_t from, uint32_t to) {
    const struct gs_span *a = &walk->list->spans[from];
    const struct gs_span *b = &walk->list->spans[to];
    bool chain = b->parent == from && !(b->flags & GS_SPAN_BEFORE);
    bool alike = (a->flags & GS_SPAN_DELETED) == (b->flags & GS_SPAN_DELETED);
    if (a->author != b->author || (walk->order == KNOWN && (!chain || !alike))) {
        return -1;
    }
    return gs_point_step(gs_span_point(a, a->length - 1), b->first);
}

/* Takes the longest run from where the walk stands. Runs do not depend on where spans begin. */
static bool next_part(struct walk *walk, struct part *ret_part) {
    const struct gs_list *list = walk->list;
    if (walk->span == GS_SPAN_NONE || walk->offset == list->spans[walk->span].length) {
        walk->span = next_span(walk, walk->span);
        walk->offset = 0;
    }
    if (walk->span == GS_SPAN_NONE) {
        return false;
    }
    *ret_part = (struct part){.span = walk->span, .offset = walk->offset++, .count = 1, .step = -1};
    for (;;) {
        const struct gs_span *span = &list->spans[walk->span];
        uint32_t left = span->length - walk->offset;
        uint32_t next = left > 0 ? walk->span : next_span(walk, walk->span);
        int step = next == GS_SPAN_NONE ? -1
                   : left > 0           ? (int)(span->flags & GS_SPAN_BY_EVENT)
                                        : link_step(walk, walk->span, next);
        if (step < 0 || (ret_part->step >= 0 && ret_part->step != step) || ret_part->count == UINT32_MAX) {
            return true;
        }
        uint32_t taken = left > 0 ? left : 1;
        taken = taken < UINT32_MAX - ret_part->count ? taken : UINT32_MAX - ret_part->count;
        walk->offset = left > 0 ? walk->offset + taken : 1;
        walk->span = next;
        ret_part->step = step;
        ret_part->count += taken;
    }
}

static void write_dot(gs_dot dot, const struct gs_encoding *encoding) {
    gs_origin_encode(&dot.origin, encoding);
    gs_write_uint(encoding->out, dot.at.seq);
    gs_write_uint(encoding->out, dot.at.index);
}

static void write_values(const struct walk *walk, const struct part *part, const struct gs_encoding *encoding) {
    uint32_t span = part->span;
    uint32_t offset = part->offset;
    gs_write_array(encoding->out, part->count);
    for (uint32_t left = part->count; left > 0;) {
        const struct gs_span *at = &walk->list->spans[span];
        uint32_t here = at->length - offset < left ? at->length - offset : left;
        struct gs_slice values = gs_span_value(walk->list, at, offset);
        gs_buffer_append(encoding->out, values.bytes, values.length * here);
        left -= here;
        offset = 0;
        span = left > 0 ? next_span(walk, span) : span;
    }
}

static void write_anchor(const struct gs_list *list, const struct part *part, const struct gs_encoding *encoding) {
    struct gs_list_anchor anchor = {.side = GS_LIST_AFTER};
    if (part->offset == 0) {
        anchor = gs_span_anchor(list, &list->spans[part->span]);
    } else {
        anchor.dot = gs_span_dot(list, part->span, part->offset - 1);
    }
    gs_write_array(encoding->out, anchor.side == GS_LIST_START ? 0 : 4);
    if (anchor.side != GS_LIST_START) {
        gs_write_uint(encoding->out, (uint64_t)anchor.side);
        write_dot(anchor.dot, encoding);
    }
}

static void write_runs(const struct gs_list *list, enum order order, const struct gs_encoding *encoding) {
    struct walk walk = {.list = list, .order = order, .span = GS_SPAN_NONE};
    struct part part;
    uint32_t count = 0;
    while (list && next_part(&walk, &part)) {
        count++;
    }
    gs_write_array(encoding->out, count * (order == KNOWN ? FULL_MEMBERS : CANONICAL_MEMBERS));
    walk = (struct walk){.list = list, .order = order, .span = GS_SPAN_NONE};
    while (list && next_part(&walk, &part)) {
        write_dot(gs_span_dot(list, part.span, part.offset), encoding);
        gs_write_uint(encoding->out, part.step == GS_SPAN_BY_EVENT);
        if (gs_span_is_alive(&list->spans[part.span])) {
            write_values(&walk, &part, encoding);
        } else {
            gs_write_uint(encoding->out, part.count);
        }
        if (order == KNOWN) {
            write_anchor(list, &part, encoding);
        }
    }
}

void gs_list_encode(const struct gs_list *list, const struct gs_encoding *encoding) {
    if (encoding->form == GS_ENCODE_FULL) {
        write_runs(list, KNOWN, encoding);
        return;
    }
    gs_write_array(encoding->out, 2);
    write_runs(list, SHOWN, encoding);
    write_runs(list, HIDDEN, encoding);
}

int gs_list_visit_origins(const struct gs_list *list, gs_origin_visit_fn visit, void *context) {
    int result = 0;
    for (uint32_t i = 0; list && i < list->span_count && result == 0; i++) {
        if (list->spans[i].flags & GS_SPAN_PHANTOM) {
            result = visit(context, &list->authors[list->spans[i].author].origin);
        }
    }
    return result;
}

/* True if the last dot of the run can be written, and all its dots are in the context. */
static bool run_holds(const struct gs_list_run *run, const struct gs_context *context) {
    uint64_t more = run->count - 1;
    gs_dot dot = run->first;
    if (run->by_event ? more > UINT64_MAX - dot.at.seq : more > UINT32_MAX - dot.at.index) {
        return false;
    }
    struct gs_interval range = {.first = dot.at, .last = dot.at};
    range.last.seq += run->by_event ? more : 0;
    range.last.index += run->by_event ? 0 : (uint32_t)more;
    if (gs_context_contains_range(context, &dot.origin, range)) {
        return true;
    }
    bool holds = run->count <= SINGLE_DOTS_MAX;
    for (uint32_t i = 0; i < run->count && holds; i++) {
        holds = gs_context_contains(context, &dot);
        dot.at.seq += run->by_event ? 1 : 0;
        dot.at.index += run->by_event ? 0 : 1;
    }
    return holds;
}

static void read_anchor(struct gs_decoding *decoding, struct gs_list_run *run) {
    struct gs_reader *reader = decoding->reader;
    uint32_t length = gs_read_array(reader, 4);
    run->anchor.side = GS_LIST_START;
    if (length == 0) {
        return;
    }
    uint32_t side = gs_read_u32(reader, GS_LIST_BEFORE);
    if (length != 4 || side == GS_LIST_START || !gs_origin_decode(decoding, &run->anchor.dot.origin)) {
        gs_reader_fail(reader, GS_EFORMAT);
        return;
    }
    run->anchor.side = (enum gs_list_side)side;
    run->anchor.dot.at = gs_point_decode(reader);
    bool own = gs_origin_equal(&run->anchor.dot.origin, &run->first.origin);
    if (run->anchor.dot.at.seq == 0 || (own && gs_point_compare(run->anchor.dot.at, run->first.at) >= 0)) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

/* Values of a run, or how many of it are deleted. */
static void read_content(struct gs_reader *reader, struct gs_list_run *run) {
    if (gs_peek_kind(reader) == GS_KIND_INT) {
        run->count = gs_read_u32(reader, UINT32_MAX);
        return;
    }
    run->count = gs_read_array(reader, UINT32_MAX);
    const uint8_t *start = reader->at;
    for (uint32_t i = 0; i < run->count && reader->error == 0; i++) {
        gs_read_value(reader);
    }
    run->values = gs_slice_make(start, (size_t)(reader->at - start));
}

static void read_run(struct gs_list *list, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    struct gs_list_run run = {.count = 0};
    if (!gs_origin_decode(decoding, &run.first.origin)) {
        return;
    }
    run.first.at = gs_point_decode(reader);
    run.by_event = gs_read_u32(reader, 1);
    read_content(reader, &run);
    read_anchor(decoding, &run);
    if (reader->error == 0 && (run.count == 0 || !run_holds(&run, decoding->context))) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error == 0 && gs_list_insert(list, decoding->memory, &run, NULL) != 0) {
        gs_reader_fail(reader, GS_ENOMEM);
    }
}

/* What was read must be what we would write of it: nothing twice, in order, runs as long as they can be. */
static void check_bytes(const struct gs_list *list, struct gs_decoding *decoding, const uint8_t *start) {
    struct gs_buffer bytes = {.memory = decoding->memory};
    struct gs_origins origins = {.list = (gs_origin *)decoding->origins, .count = decoding->origin_count};
    struct gs_encoding encoding = {.origins = &origins, .form = GS_ENCODE_FULL, .out = &bytes};
    gs_list_encode(list, &encoding);
    struct gs_slice read = gs_slice_make(start, (size_t)(decoding->reader->at - start));
    if (bytes.failed) {
        gs_reader_fail(decoding->reader, bytes.failed);
    } else if (gs_slice_compare(gs_slice_make(bytes.bytes, bytes.length), read) != 0) {
        gs_reader_fail(decoding->reader, GS_EFORMAT);
    }
    gs_buffer_close(&bytes);
}

void gs_list_decode(struct gs_list *list, struct gs_decoding *decoding) {
    struct gs_reader *reader = decoding->reader;
    const uint8_t *start = reader->at;
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    if (count % FULL_MEMBERS != 0) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    for (uint32_t i = 0; i < count / FULL_MEMBERS && reader->error == 0; i++) {
        read_run(list, decoding);
    }
    if (reader->error == 0) {
        check_bytes(list, decoding, start);
    }
}
