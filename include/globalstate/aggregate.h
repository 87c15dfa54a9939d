/* Aggregates: typed, named pieces of state that replicas may change apart and merge.
 *
 * An aggregate is a map of fields over one causal context; fields are of the types in delta.h, and maps of these. It is
 * a join semilattice: gs_aggregate_join is idempotent, commutative and associative, and for every delta d that
 * gs_aggregate_prepare made from X, applying d to X equals joining X with d applied to the empty aggregate, in any
 * order, with loss and duplication. (Almeida, Shoker, Baquero 2018; counters: per-origin totals with reset marks, see
 * crdt/SEMANTICS.md.)
 *
 * Pure: no I/O, no clock, no globals. Not thread-safe; two threads may use two aggregates. */
#ifndef GLOBALSTATE_AGGREGATE_H
#define GLOBALSTATE_AGGREGATE_H

#include <globalstate/context.h>
#include <globalstate/delta.h>
#include <globalstate/schema.h>

struct gs_aggregate;

/* A new empty aggregate that allocates through `memory` (copied; NULL means libc). NULL when out of memory. */
struct gs_aggregate *gs_aggregate_new(const struct gs_memory *memory);
/* NULL is allowed. */
void gs_aggregate_free(struct gs_aggregate *aggregate);

/* Bytes of memory the aggregate holds, itself included. */
size_t gs_aggregate_bytes(const struct gs_aggregate *aggregate);
/* Which events have been applied; borrowed until the next change. */
const struct gs_context *gs_aggregate_context(const struct gs_aggregate *aggregate);
/* True if anything is visible: false before the first write and after an unobstructed DELETE. */
bool gs_aggregate_exists(const struct gs_aggregate *aggregate);

/* Who writes, and when: the stamp of the event that the ops belong to. */
struct gs_stamp {
    gs_origin origin;
    uint64_t seq;
    gs_hlc clock;
    uint32_t first_index;           /* index of the first op's dot: an event over several aggregates numbers on */
    const struct gs_schema *schema; /* borrowed; NULL: ops create the types that they imply */
};

/* Delta-mutator: resolves `ops`, in order, each seeing the ones before it, against the state as it is; the state does
 * not change. On success `ret_delta` holds the changes, allocated in `arena` and borrowing from `ops`; it may have no
 * changes (nothing to do is not an error). One op may become several changes. On failure `problem->field` is "PREFIX/N"
 * or "PREFIX/N/by" … Errors: GS_ETYPE, GS_EPATH, GS_EOVERFLOW, GS_EDEPTH, GS_ETOOBIG, GS_EINVAL, GS_ENOMEM; for bounded
 * counters GS_EBOUND (the detail says how many rights the writer holds and how many are missing) and GS_ERIGHTS. */
int gs_aggregate_prepare(const struct gs_aggregate *aggregate, const struct gs_op *ops, uint32_t count,
                         const struct gs_stamp *stamp, const char *prefix, struct gs_arena *arena,
                         struct gs_delta *ret_delta, struct gs_problem *problem);

/* Joins a delta: cost is the delta's, not the aggregate's. Already seen: nothing happens. Works in any order; in
 * production deltas of one origin arrive in order. GS_ENOMEM leaves the aggregate partly changed and valid: applying
 * the delta again completes it. */
int gs_aggregate_apply(struct gs_aggregate *aggregate, const struct gs_delta *delta);

/* aggregate := aggregate ⊔ other. 0 or GS_ENOMEM (partly joined and valid: joining again completes it). */
int gs_aggregate_join(struct gs_aggregate *aggregate, const struct gs_aggregate *other);

/* The smallest set of ops that leads from the state to `document` (a canonical map): what PUT does. Ops and
 * the names in them live in `arena`, their values borrow from `document`. Fields keep their type when the document's
 * value fits it (number → counter: increment by the difference; array → set: adds and removes; number → max); a value
 * that does not fit a counter, set or max is GS_ETYPE with `problem->field` the path. */
int gs_aggregate_diff(const struct gs_aggregate *aggregate, struct gs_slice document, struct gs_arena *arena,
                      struct gs_op **ret_ops, uint32_t *ret_count, struct gs_problem *problem);

/* The ops that bring back what `past`, an earlier state of the same aggregate, showed: what rollback does. They are new
 * operations like any others, to be prepared against `now`: increments by differences, adds and removes, writes of the
 * old values; fields that are gone are made again with their old type, fields that came since are unset (which
 * gs_aggregate_prepare may refuse where rights are left). Of a name with two types the one shown is brought back. Ops
 * live in `arena` and borrow nothing. GS_EOVERFLOW or GS_ETYPE with `problem->field` the path that cannot be led back
 * by ops; GS_ENOMEM. */
int gs_aggregate_inverse(const struct gs_aggregate *now, const struct gs_aggregate *past, struct gs_arena *arena,
                         struct gs_op **ret_ops, uint32_t *ret_count, struct gs_problem *problem);

/* Appends the state as JSON: an object; map → object, set → array sorted by encoding, counters of both kinds, max and
 * min → number, flag → boolean, mvregister → array of its values sorted by encoding, leaderboard → array of
 * {"member", "score"} from the highest score down, hyperloglog → its estimate, register → its winner. A name with two
 * types shows the least type. Counter sums past int64 are shown saturated. */
int gs_aggregate_write_json(const struct gs_aggregate *aggregate, struct gs_buffer *out);

/* Appends the state as a canonical value (a map), the same content as the JSON. */
int gs_aggregate_write_value(const struct gs_aggregate *aggregate, struct gs_buffer *out);

/* One value that takes part in a conflict. */
struct gs_conflict_value {
    const char *op; /* what was done: "set", "add", "enable", "score" …; "" for a whole field of another type */
    gs_dot dot;
    gs_hlc clock; /* 0 where the type keeps none */
    enum gs_type type;
    struct gs_slice value; /* canonical; leaderboard: {"member", "to"}; empty for a whole field of another type */
};

/* A field where concurrent writes stand side by side: the winner comes first. */
struct gs_conflict {
    struct gs_path path;
    enum gs_type type;
    /* "last_writer_wins" (register, leaderboard), "all_kept" (mvregister), "enable_wins", "disable_wins" (flags),
     * "remove_wins" (set_rw), "type_precedence" */
    const char *rule;
    uint32_t count; /* ≥ 2 */
    const struct gs_conflict_value *values;
};

/* Calls `visit` for each field in conflict, in order of paths; everything is valid during the call only. Stops at the
 * first non-zero result and returns it. */
typedef int (*gs_conflict_fn)(void *context, const struct gs_conflict *conflict);
int gs_aggregate_visit_conflicts(const struct gs_aggregate *aggregate, gs_conflict_fn visit, void *context);

/* What is known to be everywhere. An event is causally stable at a replica when the events that it has applied show
 * that every member has applied it; then nothing concurrent with it can come any more (Baquero, Almeida, Shoker, "Pure
 * operation-based replicated data types", 2017). */
struct gs_stability {
    const struct gs_context *stable; /* borrowed: only causally stable events; they may be of other aggregates too */
    const gs_origin *retired;        /* borrowed: origins that are closed, and whose events are all stable */
    uint32_t retired_count;
    bool keep_places; /* of deleted list elements: a writer whose disk is older than what is known of it may still come
                         and insert beside them */
};

/* Drops bookkeeping that no event to come can need: cancelled counter marks and list tombstones once everything that
 * the aggregate has applied is stable, and
 * the context's entries of retired origins to which nothing refers any more (no delta of theirs may be applied
 * afterwards; call this again before bytes are compared, since a late delta may still name a dot of theirs). A deleted
 * aggregate shrinks to its context: nothing but one number an origin. Neither values nor, but for retired origins,
 * canonical bytes change. Costs the aggregate's size. 0 or GS_ENOMEM (then less was dropped). */
int gs_aggregate_compact(struct gs_aggregate *aggregate, const struct gs_stability *stability);

enum gs_encode_form {
    GS_ENCODE_FULL,     /* everything; what gs_aggregate_decode reads */
    GS_ENCODE_CANONICAL /* values, dots and context only, without what garbage collection may drop: equal state ⇒ equal
                           bytes, for digests */
};

/* Appends the encoding (version byte first; crdt/FORMAT.md). Equal full states give equal full bytes as well.
 * GS_ENOMEM. */
int gs_aggregate_encode(const struct gs_aggregate *aggregate, enum gs_encode_form form, struct gs_buffer *out);

/* Reads a full encoding. Refuses whatever gs_aggregate_encode would not have written. GS_EFORMAT, GS_EVERSION,
 * GS_ETOOBIG, GS_ENOMEM. */
int gs_aggregate_decode(const void *bytes, size_t length, const struct gs_memory *memory,
                        struct gs_aggregate **ret_aggregate);
/* The same of the context alone, whatever follows it: the rest of the aggregate is empty. For who only asks which
 * events are in a state, and has the bytes from somebody who had read all of them. */
int gs_aggregate_decode_context(const void *bytes, size_t length, const struct gs_memory *memory,
                                struct gs_aggregate **ret_aggregate);

/* A deep copy that allocates through `memory` (NULL: the same allocator functions). NULL when out of memory. */
struct gs_aggregate *gs_aggregate_clone(const struct gs_aggregate *aggregate, const struct gs_memory *memory);

#endif
