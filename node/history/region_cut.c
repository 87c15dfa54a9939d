/* What a region had applied at some time, by its own log: an origin's clocks rise with its seq, so its newest batch up
 * to that time is found by halving; the deps of its batches so far, newest first, are what it had seen of others. */
#include "node/history/past.h"

enum { BATCHES_MAX = 1 << 20 /* looked back over for deps */ };

struct walk {
    const struct gs_past *past;
    const gs_origin *origin;
    struct gs_buffer bytes;
    struct gs_batch_head head; /* of the record that was read last */
    struct gs_problem *problem;
};

/* Reads the record that holds event `seq`. */
static int read_at(struct walk *walk, uint64_t seq) {
    struct gs_record record;
    walk->bytes.length = 0;
    int error = walk->past->reader->methods->origin_record(walk->past->reader, walk->origin, seq, &walk->bytes);
    if (error != 0) {
        return error;
    }
    error = gs_record_parse(gs_slice_make(walk->bytes.bytes, walk->bytes.length), &record);
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &walk->head);
    }
    if (error != 0 && error != GS_ENOMEM) {
        error = gs_problem_set(walk->problem, GS_ECORRUPT, NULL, "the log's record of event %llu is damaged",
                               (unsigned long long)seq);
    }
    return error;
}

/* The last event of the newest batch that was sealed by `ms`. Halves between a batch that was (its end) and an event
 * whose batch was not, or is not there. */
static int find_last(struct walk *walk, uint64_t ms, uint64_t *ret_seq) {
    uint64_t in = 0;
    uint64_t out = 1;
    int error = 0;
    while ((error = read_at(walk, out)) == 0 && gs_hlc_ms(walk->head.clock_last) <= ms) {
        in = gs_batch_last_seq(&walk->head);
        out = in > GS_SEQ_MAX / 2 ? GS_SEQ_MAX : in * 2;
    }
    while ((error == 0 || error == GS_ENOTFOUND) && in + 1 < out) {
        uint64_t middle = in + (out - in) / 2;
        error = read_at(walk, middle);
        if (error == 0 && gs_hlc_ms(walk->head.clock_last) <= ms) {
            in = gs_batch_last_seq(&walk->head);
        } else if (error == 0 || error == GS_ENOTFOUND) {
            out = error == 0 && walk->head.first_seq > in ? walk->head.first_seq : middle;
        }
    }
    *ret_seq = in;
    return error == GS_ENOTFOUND ? 0 : error;
}

static int take_deps(const struct walk *walk, struct gs_vector *cut) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < walk->head.dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(&walk->head, i, &dep);
        if (gs_vector_seq(cut, &dep.origin) < dep.seq) {
            error = gs_vector_set(cut, &dep);
        }
    }
    return error;
}

/* Of batches up to the base some are gone: what they say cannot be told. */
static int is_gone(const struct walk *walk, const struct gs_base *base) {
    char time[25];
    gs_hlc_format(base->clock, time);
    return gs_problem_set(walk->problem, GS_EGONE, NULL,
                          "what a region had applied then is no longer kept: it is of times after %s", time);
}

/* The base has batches of an origin that no dep so far has named: which of them had been applied is not known. */
static bool lacks_deps(const struct gs_vector *cut, const struct gs_base *base) {
    for (uint32_t i = 0; i < base->heads.count; i++) {
        if (gs_vector_seq(cut, &base->heads.heads[i].origin) == 0) {
            return true;
        }
    }
    return false;
}

int gs_past_region_cut(const struct gs_past *past, const gs_origin *origin, uint64_t ms, struct gs_vector *ret_cut,
                       uint64_t *ret_cut_ms, struct gs_problem *problem) {
    struct walk walk = {.past = past, .origin = origin, .problem = problem};
    struct gs_base base = {0};
    uint64_t seq = 0;
    int error = past->reader->methods->base(past->reader, &base);
    uint64_t first = gs_vector_seq(&base.heads, origin) + 1; /* the first event after the base */
    error = error == 0 ? find_last(&walk, ms, &seq) : error;
    if (error == 0 && first > 1 && seq < first) {
        error = is_gone(&walk, &base);
    }
    if (error == 0) {
        error = seq == 0 ? GS_ENOTFOUND : read_at(&walk, seq);
    }
    if (error == 0) {
        struct gs_head own = {.origin = *origin, .seq = seq, .hash = walk.head.hash};
        *ret_cut_ms = gs_hlc_ms(walk.head.clock_last);
        error = gs_vector_set(ret_cut, &own);
    }
    /* Every origin that we know of may be named by a dep; once all are, older batches say nothing new. */
    for (uint32_t i = 0; error == 0 && i < BATCHES_MAX; i++) {
        error = take_deps(&walk, ret_cut);
        if (error != 0 || ret_cut->count >= past->origin_count || walk.head.first_seq == 1) {
            break;
        }
        if (walk.head.first_seq <= first) {
            error = lacks_deps(ret_cut, &base) ? is_gone(&walk, &base) : 0;
            break;
        }
        error = read_at(&walk, walk.head.first_seq - 1);
    }
    gs_buffer_close(&walk.bytes);
    gs_base_close(&base);
    return error;
}
