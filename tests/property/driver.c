/* The driver of the property harness: the CRDT library behind a line protocol.
 *
 * A line is a command, words separated by one space, the last of which may be JSON. Each is answered by one line.
 *
 *   reset                             → ok        forgets replicas and deltas
 *   new R ORIGIN                      → ok        replica number R, empty; ORIGIN in hex
 *   op R SEQ CLOCK INDEX OPS          → delta N COUNT HEX | empty | error CODE FIELD      prepares and applies
 *   put R SEQ CLOCK DOCUMENT          → delta N COUNT HEX OPS | empty | error …           gs_aggregate_diff
 *   keep R S                          → ok        a copy of R as it is now, as replica S
 *   back R SEQ CLOCK S                → delta N COUNT HEX OPS | empty OPS | error …       gs_aggregate_inverse to S
 *   settle R | compact R              → ok        all that R has applied is stable; drops what is not needed
 *   deliver N R | join A B            → ok        decodes and applies a delta; joins A into B
 *   json R | exists R | conflicts R | rights R → JSON
 *   bytes R full|canonical            → hex
 *   deltajson N                       → JSON
 *   mutate R SEED                     → ok        a damaged encoding is refused, or is one that we would write
 *   roundtrip R | deltalaw N R | joinlaws A B C → ok | what does not hold
 *
 * Deltas are kept as bytes and decoded at every use. An answer that starts with `broken` is a failure of the library.
 */
#include <globalstate/aggregate.h>
#include <globalstate/json.h>
#include <globalstate/rights.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLICAS_MAX = 128, WORDS_MAX = 8 };

struct replica {
    gs_origin origin;
    struct gs_aggregate *state;
};

struct stored_delta {
    gs_origin origin;
    uint64_t seq;
    gs_hlc clock;
    struct gs_origin_table table;
    struct gs_buffer bytes;
};

struct driver {
    struct replica replicas[REPLICAS_MAX];
    struct stored_delta *deltas;
    size_t delta_count;
    struct gs_context stable; /* what every replica has applied, with nothing on its way */
    bool settled;             /* bookkeeping may have been dropped: only canonical bytes can be compared */
    struct gs_buffer out;
};

struct words {
    char *word[WORDS_MAX];
    int count;
};

static void say(struct driver *driver, const char *text) {
    gs_buffer_text(&driver->out, text);
}

static void say_hex(struct driver *driver, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        gs_buffer_printf(&driver->out, "%02x", at[i]);
    }
}

static void say_error(struct driver *driver, const char *start, int code, const struct gs_problem *problem) {
    gs_buffer_printf(&driver->out, "%s %s %s", start, gs_error_name(code), problem != NULL ? problem->field : "");
}

static uint64_t number(const char *word) {
    return strtoull(word, NULL, 10);
}

static struct replica *replica_get(struct driver *driver, const char *word) {
    struct replica *replica = &driver->replicas[number(word) % REPLICAS_MAX];
    if (replica->state == NULL) {
        replica->state = gs_aggregate_new(NULL);
    }
    return replica;
}

static struct stored_delta *delta_get(struct driver *driver, const char *word) {
    uint64_t at = number(word);
    return at < driver->delta_count ? &driver->deltas[at] : NULL;
}

static void driver_reset(struct driver *driver) {
    for (int i = 0; i < REPLICAS_MAX; i++) {
        gs_aggregate_free(driver->replicas[i].state);
        driver->replicas[i].state = NULL;
    }
    for (size_t i = 0; i < driver->delta_count; i++) {
        gs_origin_table_close(&driver->deltas[i].table);
        gs_buffer_close(&driver->deltas[i].bytes);
    }
    free(driver->deltas);
    driver->deltas = NULL;
    driver->delta_count = 0;
    gs_context_close(&driver->stable, NULL);
    driver->settled = false;
}

static void do_reset(struct driver *driver, const struct words *words) {
    (void)words;
    driver_reset(driver);
    say(driver, "ok");
}

static void do_new(struct driver *driver, const struct words *words) {
    struct replica *replica = &driver->replicas[number(words->word[1]) % REPLICAS_MAX];
    const char *hex = words->word[2];
    if (strlen(hex) != 2 * (size_t)GS_ORIGIN_SIZE) {
        say(driver, "usage origin");
        return;
    }
    for (int i = 0; i < GS_ORIGIN_SIZE; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        replica->origin.bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    gs_aggregate_free(replica->state);
    replica->state = gs_aggregate_new(NULL);
    say(driver, "ok");
}

/* Deltas: stored as bytes, decoded again for every use. */

static int delta_store(struct driver *driver, const struct gs_delta *delta, struct stored_delta **ret_stored) {
    struct stored_delta *grown = realloc(driver->deltas, (driver->delta_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return GS_ENOMEM;
    }
    driver->deltas = grown;
    struct stored_delta *stored = &grown[driver->delta_count++];
    *stored = (struct stored_delta){.origin = delta->origin, .seq = delta->seq, .clock = delta->clock};
    gs_origin_table_intern(&stored->table, &delta->origin);
    int error = gs_delta_encode(delta, &stored->table, &stored->bytes);
    *ret_stored = stored;
    return error != 0 ? error : stored->bytes.failed;
}

static int delta_load(const struct stored_delta *stored, struct gs_arena *arena, struct gs_delta *ret_delta) {
    struct gs_reader reader;
    gs_reader_init(&reader, stored->bytes.bytes, stored->bytes.length);
    *ret_delta = (struct gs_delta){.origin = stored->origin, .seq = stored->seq, .clock = stored->clock};
    int error = gs_delta_decode(&reader, &stored->table, arena, ret_delta);
    return error != 0 ? error : gs_reader_finish(&reader);
}

static bool delta_round_trips(const struct stored_delta *stored) {
    struct gs_arena arena = {0};
    struct gs_delta delta;
    struct gs_origin_table table = {0};
    struct gs_buffer bytes = {0};
    gs_origin_table_intern(&table, &stored->origin);
    bool same = delta_load(stored, &arena, &delta) == 0 && gs_delta_encode(&delta, &table, &bytes) == 0 &&
                bytes.length == stored->bytes.length && memcmp(bytes.bytes, stored->bytes.bytes, bytes.length) == 0 &&
                table.count == stored->table.count;
    gs_buffer_close(&bytes);
    gs_origin_table_close(&table);
    gs_arena_close(&arena);
    return same;
}

static int delta_apply(const struct stored_delta *stored, struct gs_aggregate *state) {
    struct gs_arena arena = {0};
    struct gs_delta delta;
    int error = delta_load(stored, &arena, &delta);
    if (error == 0) {
        error = gs_aggregate_apply(state, &delta);
    }
    gs_arena_close(&arena);
    return error;
}

/* Writing */

static void write_ops(struct driver *driver, struct replica *replica, const struct gs_stamp *stamp,
                      const struct gs_op *ops, uint32_t count, struct gs_arena *arena) {
    struct gs_delta delta;
    struct gs_problem problem = {0};
    int error = gs_aggregate_prepare(replica->state, ops, count, stamp, "/ops", arena, &delta, &problem);
    if (error != 0) {
        say_error(driver, "error", error, &problem);
        return;
    }
    if (delta.count == 0) {
        say(driver, "empty");
        return;
    }
    struct stored_delta *stored = NULL;
    error = delta_store(driver, &delta, &stored);
    if (error == 0 && !delta_round_trips(stored)) {
        error = GS_EFORMAT;
    }
    if (error == 0) {
        error = gs_aggregate_apply(replica->state, &delta);
    }
    if (error != 0) {
        say_error(driver, "broken", error, NULL);
        return;
    }
    gs_buffer_printf(&driver->out, "delta %zu %" PRIu32 " ", driver->delta_count - 1, delta.count);
    say_hex(driver, stored->bytes.bytes, stored->bytes.length);
}

static void do_op(struct driver *driver, const struct words *words) {
    struct replica *replica = replica_get(driver, words->word[1]);
    struct gs_stamp stamp = {.origin = replica->origin,
                             .seq = number(words->word[2]),
                             .clock = number(words->word[3]),
                             .first_index = (uint32_t)number(words->word[4])};
    struct gs_buffer value = {0};
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    int error = gs_json_parse(words->word[5], strlen(words->word[5]), GS_VALUE_DEPTH_MAX + 8, &value, &problem);
    if (error == 0) {
        error = gs_ops_parse(gs_slice_make(value.bytes, value.length), "/ops", &arena, &ops, &count, &problem);
    }
    if (error != 0) {
        say_error(driver, "error", error, &problem);
    } else {
        write_ops(driver, replica, &stamp, ops, count, &arena);
    }
    gs_arena_close(&arena);
    gs_buffer_close(&value);
}

/* What only a diff makes has names of its own, which the model knows. */
static void write_internal(struct gs_buffer *out, const struct gs_op *op) {
    struct gs_buffer path = {0};
    gs_path_write(&op->path, &path);
    gs_buffer_text(out, op->kind == GS_OP_WRITE ? "{\"op\":\"write\",\"path\":" : "{\"op\":\"make_map\",\"path\":");
    gs_json_write_string(path.bytes, path.length, out);
    if (op->kind == GS_OP_WRITE) {
        gs_buffer_text(out, ",\"value\":");
        gs_json_write(op->value, out);
    }
    gs_buffer_byte(out, '}');
    gs_buffer_close(&path);
}

/* As a client would send them. */
static void write_ops_json(struct gs_buffer *out, const struct gs_op *ops, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        gs_buffer_text(out, i == 0 ? "[" : ",");
        if (ops[i].kind == GS_OP_MAKE_MAP || ops[i].kind == GS_OP_WRITE) {
            write_internal(out, &ops[i]);
        } else {
            gs_op_write_json(&ops[i], out);
        }
    }
    gs_buffer_byte(out, ']');
}

static void do_put(struct driver *driver, const struct words *words) {
    struct replica *replica = replica_get(driver, words->word[1]);
    struct gs_stamp stamp = {.origin = replica->origin, .seq = number(words->word[2]), .clock = number(words->word[3])};
    struct gs_buffer value = {0};
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    int error = gs_json_parse(words->word[4], strlen(words->word[4]), GS_VALUE_DEPTH_MAX + 8, &value, &problem);
    if (error == 0) {
        struct gs_slice document = gs_slice_make(value.bytes, value.length);
        error = gs_aggregate_diff(replica->state, document, &arena, &ops, &count, &problem);
    }
    if (error != 0) {
        say_error(driver, "error", error, &problem);
    } else if (count == 0) {
        say(driver, "empty");
    } else {
        struct gs_buffer text = {0}; /* written first: the ops borrow from the state, which then changes */
        write_ops_json(&text, ops, count);
        write_ops(driver, replica, &stamp, ops, count, &arena);
        gs_buffer_byte(&driver->out, ' ');
        gs_buffer_append(&driver->out, text.bytes, text.length);
        gs_buffer_close(&text);
    }
    gs_arena_close(&arena);
    gs_buffer_close(&value);
}

/* A copy of R as it is, under the number S. */
static void do_keep(struct driver *driver, const struct words *words) {
    struct replica *kept = replica_get(driver, words->word[2]);
    const struct gs_aggregate *state = replica_get(driver, words->word[1])->state;
    gs_aggregate_free(kept->state);
    kept->state = gs_aggregate_clone(state, NULL);
    say(driver, kept->state ? "ok" : "broken: out of memory");
}

/* Brings R back to what S shows. */
static void do_back(struct driver *driver, const struct words *words) {
    struct replica *replica = replica_get(driver, words->word[1]);
    const struct gs_aggregate *past = replica_get(driver, words->word[4])->state;
    struct gs_stamp stamp = {.origin = replica->origin, .seq = number(words->word[2]), .clock = number(words->word[3])};
    struct gs_arena arena = {0};
    struct gs_problem problem = {0};
    struct gs_op *ops = NULL;
    uint32_t count = 0;
    int error = gs_aggregate_inverse(replica->state, past, &arena, &ops, &count, &problem);
    if (error != 0) {
        say_error(driver, "error", error, &problem);
    } else if (count == 0) {
        say(driver, "empty");
    } else {
        write_ops(driver, replica, &stamp, ops, count, &arena);
        gs_buffer_byte(&driver->out, ' ');
        write_ops_json(&driver->out, ops, count);
    }
    gs_arena_close(&arena);
}

/* Every replica knows what R knows, and nothing is on its way. */
static void do_settle(struct driver *driver, const struct words *words) {
    const struct gs_aggregate *state = replica_get(driver, words->word[1])->state;
    driver->settled = true;
    say(driver, gs_context_join(&driver->stable, NULL, gs_aggregate_context(state)) == 0 ? "ok" : "broken");
}

static void do_compact(struct driver *driver, const struct words *words) {
    struct gs_aggregate *state = replica_get(driver, words->word[1])->state;
    struct gs_stability stability = {.stable = &driver->stable};
    struct gs_buffer before = {0};
    struct gs_buffer after = {0};
    int error = gs_aggregate_encode(state, GS_ENCODE_CANONICAL, &before);
    error = error != 0 ? error : gs_aggregate_compact(state, &stability);
    error = error != 0 ? error : gs_aggregate_encode(state, GS_ENCODE_CANONICAL, &after);
    bool same =
        gs_slice_compare(gs_slice_make(before.bytes, before.length), gs_slice_make(after.bytes, after.length)) == 0;
    say(driver, error == 0 && same ? "ok" : "broken: compaction changes the canonical bytes");
    gs_buffer_close(&before);
    gs_buffer_close(&after);
}

/* Receiving */

static void do_deliver(struct driver *driver, const struct words *words) {
    struct stored_delta *stored = delta_get(driver, words->word[1]);
    int error = stored == NULL ? GS_ENOTFOUND : delta_apply(stored, replica_get(driver, words->word[2])->state);
    say(driver, error == 0 ? "ok" : gs_error_name(error));
}

static void do_join(struct driver *driver, const struct words *words) {
    const struct replica *from = replica_get(driver, words->word[1]);
    int error = gs_aggregate_join(replica_get(driver, words->word[2])->state, from->state);
    say(driver, error == 0 ? "ok" : gs_error_name(error));
}

/* Looking */

static void do_json(struct driver *driver, const struct words *words) {
    struct gs_buffer value = {0};
    size_t start = driver->out.length;
    const struct gs_aggregate *state = replica_get(driver, words->word[1])->state;
    gs_aggregate_write_json(state, &driver->out);
    gs_aggregate_write_value(state, &value);
    struct gs_buffer text = {0};
    gs_json_write(gs_slice_make(value.bytes, value.length), &text);
    if (gs_slice_compare(gs_slice_make(text.bytes, text.length),
                         gs_slice_make(driver->out.bytes + start, driver->out.length - start)) != 0) {
        say(driver, "broken: gs_aggregate_write_value differs");
    }
    gs_buffer_close(&text);
    gs_buffer_close(&value);
}

static void do_exists(struct driver *driver, const struct words *words) {
    say(driver, gs_aggregate_exists(replica_get(driver, words->word[1])->state) ? "true" : "false");
}

static int say_conflict(void *context, const struct gs_conflict *conflict) {
    struct driver *driver = context;
    struct gs_buffer path = {0};
    gs_path_write(&conflict->path, &path);
    say(driver, driver->out.length > 1 ? ",{\"path\":" : "{\"path\":");
    gs_json_write_string(path.bytes, path.length, &driver->out);
    gs_buffer_close(&path);
    gs_buffer_printf(&driver->out, ",\"type\":\"%s\",\"rule\":\"%s\",\"values\":[", gs_type_name((int)conflict->type),
                     conflict->rule);
    for (uint32_t i = 0; i < conflict->count; i++) {
        const struct gs_conflict_value *value = &conflict->values[i];
        say(driver, i > 0 ? ",{\"origin\":\"" : "{\"origin\":\"");
        say_hex(driver, value->dot.origin.bytes, GS_ORIGIN_SIZE);
        gs_buffer_printf(&driver->out, "\",\"seq\":%" PRIu64 ",\"index\":%" PRIu32 ",\"clock\":%" PRIu64,
                         value->dot.at.seq, value->dot.at.index, value->clock);
        gs_buffer_printf(&driver->out, ",\"type\":\"%s\",\"value\":", gs_type_name((int)value->type));
        if (value->value.length > 0) {
            gs_json_write(value->value, &driver->out);
        } else {
            say(driver, "null");
        }
        say(driver, "}");
    }
    say(driver, "]}");
    return 0;
}

static void do_conflicts(struct driver *driver, const struct words *words) {
    say(driver, "[");
    gs_aggregate_visit_conflicts(replica_get(driver, words->word[1])->state, say_conflict, driver);
    say(driver, "]");
}

static int say_rights(void *context, const struct gs_rights *rights) {
    struct driver *driver = context;
    struct gs_buffer path = {0};
    gs_path_write(&rights->path, &path);
    say(driver, driver->out.length > 1 ? ",{\"path\":" : "{\"path\":");
    gs_json_write_string(path.bytes, path.length, &driver->out);
    gs_buffer_close(&path);
    gs_buffer_printf(&driver->out, ",\"bound\":%" PRId64 ",\"value\":%" PRId64 ",\"rights\":{", rights->bound,
                     rights->value);
    for (uint32_t i = 0; i < rights->count; i++) {
        say(driver, i > 0 ? ",\"" : "\"");
        say_hex(driver, rights->holders[i].origin.bytes, GS_ORIGIN_SIZE);
        gs_buffer_printf(&driver->out, "\":%" PRId64, rights->holders[i].rights);
    }
    say(driver, "}}");
    return 0;
}

static void do_rights(struct driver *driver, const struct words *words) {
    say(driver, "[");
    gs_aggregate_visit_rights(replica_get(driver, words->word[1])->state, say_rights, driver);
    say(driver, "]");
}

static void do_bytes(struct driver *driver, const struct words *words) {
    struct gs_buffer bytes = {0};
    enum gs_encode_form form = strcmp(words->word[2], "full") == 0 ? GS_ENCODE_FULL : GS_ENCODE_CANONICAL;
    int error = gs_aggregate_encode(replica_get(driver, words->word[1])->state, form, &bytes);
    if (error != 0) {
        say(driver, gs_error_name(error));
    } else {
        say_hex(driver, bytes.bytes, bytes.length);
    }
    gs_buffer_close(&bytes);
}

static void do_deltajson(struct driver *driver, const struct words *words) {
    struct stored_delta *stored = delta_get(driver, words->word[1]);
    struct gs_arena arena = {0};
    struct gs_delta delta;
    if (stored == NULL || delta_load(stored, &arena, &delta) != 0) {
        say(driver, "broken");
    } else {
        gs_delta_write_json(&delta, &driver->out);
    }
    gs_arena_close(&arena);
}

/* Laws, on copies. */

static bool same_bytes(const struct driver *driver, const struct gs_aggregate *a, const struct gs_aggregate *b) {
    bool same = true;
    for (int form = driver->settled ? GS_ENCODE_CANONICAL : GS_ENCODE_FULL; form <= GS_ENCODE_CANONICAL; form++) {
        struct gs_buffer left = {0};
        struct gs_buffer right = {0};
        same = same && gs_aggregate_encode(a, (enum gs_encode_form)form, &left) == 0 &&
               gs_aggregate_encode(b, (enum gs_encode_form)form, &right) == 0 &&
               gs_slice_compare(gs_slice_make(left.bytes, left.length), gs_slice_make(right.bytes, right.length)) == 0;
        gs_buffer_close(&left);
        gs_buffer_close(&right);
    }
    return same;
}

/* A new aggregate a ⊔ b. */
static struct gs_aggregate *joined(const struct gs_aggregate *a, const struct gs_aggregate *b) {
    struct gs_aggregate *result = gs_aggregate_clone(a, NULL);
    if (result == NULL || gs_aggregate_join(result, b) != 0) {
        abort();
    }
    return result;
}

static void do_roundtrip(struct driver *driver, const struct words *words) {
    const struct gs_aggregate *state = replica_get(driver, words->word[1])->state;
    struct gs_buffer bytes = {0};
    struct gs_aggregate *copy = NULL;
    int error = gs_aggregate_encode(state, GS_ENCODE_FULL, &bytes);
    if (error == 0) {
        error = gs_aggregate_decode(bytes.bytes, bytes.length, NULL, &copy);
    }
    if (error != 0) {
        say_error(driver, "broken", error, NULL);
    } else {
        bool contexts = gs_context_equal(gs_aggregate_context(state), gs_aggregate_context(copy));
        say(driver, !contexts ? "other context" : same_bytes(driver, state, copy) ? "ok" : "other bytes");
    }
    gs_aggregate_free(copy);
    gs_buffer_close(&bytes);
}

/* Decodes a copy with one byte changed or the end cut off; what is accepted must be canonical. */
static bool mutation_holds(const struct gs_buffer *bytes, uint64_t random) {
    struct gs_buffer copy = {0};
    struct gs_aggregate *state = NULL;
    bool holds = true;
    size_t at = (size_t)(random >> 16) % bytes->length;
    bool cut = (random & 7) == 0;
    gs_buffer_append(&copy, bytes->bytes, cut ? at : bytes->length);
    if (!cut) {
        copy.bytes[at] = (random & 8) != 0 ? (uint8_t)(random >> 8) : (uint8_t)(copy.bytes[at] + (random & 16) / 8 - 1);
    }
    if (gs_aggregate_decode(copy.bytes, copy.length, NULL, &state) == 0) {
        struct gs_buffer again = {0};
        holds = gs_aggregate_encode(state, GS_ENCODE_FULL, &again) == 0 &&
                gs_slice_compare(gs_slice_make(copy.bytes, copy.length), gs_slice_make(again.bytes, again.length)) == 0;
        gs_buffer_close(&again);
    }
    gs_aggregate_free(state);
    gs_buffer_close(&copy);
    return holds;
}

static void do_mutate(struct driver *driver, const struct words *words) {
    struct gs_buffer bytes = {0};
    uint64_t random = number(words->word[2]) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    bool holds = gs_aggregate_encode(replica_get(driver, words->word[1])->state, GS_ENCODE_FULL, &bytes) == 0;
    for (int i = 0; i < 50 && holds; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        holds = mutation_holds(&bytes, random);
        if (!holds) {
            gs_buffer_printf(&driver->out, "accepted, mutation %d of ", i);
            say_hex(driver, bytes.bytes, bytes.length);
        }
    }
    say(driver, holds ? "ok" : "");
    gs_buffer_close(&bytes);
}

static void do_deltalaw(struct driver *driver, const struct words *words) {
    struct stored_delta *stored = delta_get(driver, words->word[1]);
    const struct gs_aggregate *state = replica_get(driver, words->word[2])->state;
    struct gs_aggregate *empty = gs_aggregate_new(NULL);
    struct gs_aggregate *applied = gs_aggregate_clone(state, NULL);
    if (stored == NULL || delta_apply(stored, empty) != 0 || delta_apply(stored, applied) != 0) {
        abort();
    }
    struct gs_aggregate *right = joined(state, empty);
    struct gs_aggregate *left = joined(empty, state);
    const char *verdict = "ok";
    if (!same_bytes(driver, applied, right) || !same_bytes(driver, applied, left)) {
        verdict = "apply(X, d) is not join(X, apply(empty, d))";
    } else if (delta_apply(stored, left) != 0 || !same_bytes(driver, applied, left)) {
        verdict = "applying a delta twice is not applying it once";
    }
    say(driver, verdict);
    gs_aggregate_free(empty);
    gs_aggregate_free(applied);
    gs_aggregate_free(right);
    gs_aggregate_free(left);
}

static void do_joinlaws(struct driver *driver, const struct words *words) {
    const struct gs_aggregate *a = replica_get(driver, words->word[1])->state;
    const struct gs_aggregate *b = replica_get(driver, words->word[2])->state;
    const struct gs_aggregate *c = replica_get(driver, words->word[3])->state;
    struct gs_aggregate *aa = joined(a, a);
    struct gs_aggregate *ab = joined(a, b);
    struct gs_aggregate *ba = joined(b, a);
    struct gs_aggregate *bc = joined(b, c);
    struct gs_aggregate *ab_c = joined(ab, c);
    struct gs_aggregate *a_bc = joined(a, bc);
    say(driver, !same_bytes(driver, aa, a)        ? "join is not idempotent"
                : !same_bytes(driver, ab, ba)     ? "join is not commutative"
                : !same_bytes(driver, ab_c, a_bc) ? "join is not associative"
                                                  : "ok");
    gs_aggregate_free(aa);
    gs_aggregate_free(ab);
    gs_aggregate_free(ba);
    gs_aggregate_free(bc);
    gs_aggregate_free(ab_c);
    gs_aggregate_free(a_bc);
}

struct command {
    const char *name;
    int words; /* the command's own included */
    void (*run)(struct driver *driver, const struct words *words);
};

static const struct command commands[] = {
    {"reset", 1, do_reset},
    {"new", 3, do_new},
    {"op", 6, do_op},
    {"put", 5, do_put},
    {"keep", 3, do_keep},
    {"settle", 2, do_settle},
    {"compact", 2, do_compact},
    {"back", 5, do_back},
    {"deliver", 3, do_deliver},
    {"join", 3, do_join},
    {"json", 2, do_json},
    {"exists", 2, do_exists},
    {"conflicts", 2, do_conflicts},
    {"rights", 2, do_rights},
    {"bytes", 3, do_bytes},
    {"deltajson", 2, do_deltajson},
    {"mutate", 3, do_mutate},
    {"roundtrip", 2, do_roundtrip},
    {"deltalaw", 3, do_deltalaw},
    {"joinlaws", 4, do_joinlaws},
};

/* Cuts the line into the command's number of words; the last one keeps its spaces. */
static void run_line(struct driver *driver, char *line) {
    size_t name_length = strcspn(line, " ");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strlen(commands[i].name) != name_length || strncmp(commands[i].name, line, name_length) != 0) {
            continue;
        }
        struct words words = {.count = 0};
        char *rest = line;
        while (rest != NULL && words.count < commands[i].words) {
            char *end = words.count + 1 < commands[i].words ? strchr(rest, ' ') : NULL;
            words.word[words.count++] = rest;
            rest = end == NULL ? NULL : end + 1;
            if (end != NULL) {
                *end = 0;
            }
        }
        if (words.count == commands[i].words) {
            commands[i].run(driver, &words);
            return;
        }
    }
    say(driver, "usage: see the head of driver.c");
}

int main(void) {
    struct driver driver = {.deltas = NULL};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        if (line[length - 1] == '\n') {
            line[length - 1] = 0;
        }
        driver.out.length = 0;
        run_line(&driver, line);
        gs_buffer_byte(&driver.out, '\n');
        if (driver.out.failed != 0) {
            return 1;
        }
        fwrite(driver.out.bytes, 1, driver.out.length, stdout);
        fflush(stdout);
    }
    driver_reset(&driver);
    gs_buffer_close(&driver.out);
    free(line);
    return 0;
}
