/* Operations, and the deltas that they become.
 *
 * An *op* is what a client asks for: `{"op":"increment","path":"/gold","by":5}`. Prepared against an aggregate it
 * becomes a *change*: the op resolved to one dot, with the dots that it supersedes (what its writer had seen there) and
 * the field's type. A *delta* is all changes of one event to one aggregate. Its causal context is the interval
 * (previous, seq] of its own origin, where `previous` is the origin's last event on the same aggregate, and the
 * superseded dots; it claims nothing else. Changes are both the history that people read and the delta that replicas
 * join; there is no second copy. Wire form: gossip/FORMAT.md. Meaning of every op: crdt/SEMANTICS.md. */
#ifndef GLOBALSTATE_DELTA_H
#define GLOBALSTATE_DELTA_H

#include <globalstate/codec.h>
#include <globalstate/dot.h>
#include <globalstate/hlc.h>

enum {
    GS_PATH_DEPTH_MAX = 16,          /* names in a path */
    GS_NAME_BYTES_MAX = 256,         /* bytes in one name */
    GS_OPS_PER_EVENT_MAX = 1000,     /* ops a client may put into one event */
    GS_CHANGES_PER_DELTA_MAX = 65536 /* changes that these may become (an object set key by key) */
};

/* Field types. The numbers are in the encoding and give the precedence when one name holds two types: the least is
 * shown. */
enum gs_type {
    GS_TYPE_MAP = 1,
    GS_TYPE_LIST = 2,
    GS_TYPE_SET = 3,    /* add-wins */
    GS_TYPE_SET_RW = 4, /* remove-wins */
    GS_TYPE_BOUNDED_COUNTER = 5,
    GS_TYPE_COUNTER = 6,
    GS_TYPE_LEADERBOARD = 7,
    GS_TYPE_MAX = 8,
    GS_TYPE_MIN = 9,
    GS_TYPE_FLAG_EW = 10, /* enable-wins */
    GS_TYPE_FLAG_DW = 11, /* disable-wins */
    GS_TYPE_HYPERLOGLOG = 12,
    GS_TYPE_MVREGISTER = 13,
    GS_TYPE_REGISTER = 14, /* last writer wins */
    GS_TYPE_COUNT
};

/* "map", "list", "set", "set_rw", "bounded_counter", "counter", "leaderboard", "max", "min", "flag_ew", "flag_dw",
 * "hyperloglog", "mvregister", "register"; "unknown" for what is no type. Static storage. */
const char *gs_type_name(int type);
/* The type of that name, or 0. */
int gs_type_named(struct gs_slice name);

/* What a change does, and so to which type of field. A client's op is given as the kind for the type that it creates on
 * an absent name; preparing it picks the kind for the type that is there ("add" on a remove-wins set becomes
 * GS_OP_ADD_RW). The numbers are in the encoding. */
enum gs_op_kind {
    GS_OP_SET = 0,            /* register: value */
    GS_OP_UNSET = 1,          /* any: observed remove */
    GS_OP_INCREMENT = 2,      /* counter: by */
    GS_OP_ADD = 3,            /* set: value */
    GS_OP_REMOVE = 4,         /* set: value */
    GS_OP_MAX = 5,            /* max: by, a number */
    GS_OP_MIN = 6,            /* min: by, a number */
    GS_OP_MAKE_MAP = 7,       /* map: be there, even when empty */
    GS_OP_CREATE = 8,         /* a field of `type`: be there, even when empty */
    GS_OP_WRITE = 9,          /* mvregister: value, an array of values that stand side by side */
    GS_OP_ENABLE = 10,        /* flag_ew */
    GS_OP_DISABLE = 11,       /* flag_ew */
    GS_OP_ENABLE_DW = 12,     /* flag_dw */
    GS_OP_DISABLE_DW = 13,    /* flag_dw */
    GS_OP_ADD_RW = 14,        /* set_rw: value */
    GS_OP_REMOVE_RW = 15,     /* set_rw: value */
    GS_OP_GRANT = 16,         /* bounded_counter: be there, with `bound`, and `by` above it; "create" */
    GS_OP_INCREMENT_BC = 17,  /* bounded_counter: by; below 0 it spends the writer's rights */
    GS_OP_TRANSFER = 18,      /* bounded_counter: `by` rights to `target` */
    GS_OP_INSERT = 19,        /* list: values */
    GS_OP_DELETE = 20,        /* list: elements */
    GS_OP_SCORE_TO = 21,      /* leaderboard: the score of `member`, an integer */
    GS_OP_SCORE_BY = 22,      /* leaderboard: by, for `member` */
    GS_OP_REMOVE_MEMBER = 23, /* leaderboard: `member` */
    GS_OP_OBSERVE = 24,       /* hyperloglog: value, or [register, rank] */
    GS_OP_TAKEOVER = 25, /* bounded_counter: `by` rights of `target`, which will never write again, to the writer */
    GS_OP_KIND_COUNT
};

/* The name that clients use: "set", "unset", "increment", "add" …; several kinds may share one. GS_OP_MAKE_MAP is
 * written as "set" of {}. "unknown" for what is no kind. Static storage. */
const char *gs_op_name(int kind);

struct gs_path {
    uint32_t depth;               /* 0 is the aggregate itself */
    const struct gs_slice *names; /* UTF-8, unescaped */
};

struct gs_op {
    enum gs_op_kind kind;
    struct gs_path path;
    struct gs_slice value;  /* canonical; for increment, max, min, score and transfer the number; insert: an array */
    struct gs_slice member; /* score, and remove from a leaderboard: UTF-8 */
    uint64_t position;      /* insert, delete: the index in the list */
    uint64_t count;         /* delete: how many elements */
    enum gs_type type;      /* create */
    int64_t bound;          /* create bounded_counter: the value never passes below it */
    int64_t initial;        /* create bounded_counter: the value to begin with, >= bound */
    struct gs_slice target_name; /* transfer: who gets the rights, as the client named it */
    gs_origin target;            /* transfer: the origin that this is; takeover: the origin that held the rights */
    bool has_target;             /* false: the name is none, or the caller has not looked it up */
};

/* Reads an array of op objects (a canonical value, from gs_json_parse). `*ret_ops` and all paths live in `arena` and
 * borrow from `array`. A transfer's `to` is taken as an origin if it is one in hexadecimal; any other name is left to
 * the caller to look up. Errors name the culprit in `problem->field`, prefixed by `prefix` ("/ops" → "/ops/3/by"):
 * GS_EINVAL, GS_EUNKNOWNOP, GS_EPATH, GS_ETYPE, GS_ETOOBIG, GS_EDEPTH, GS_ENOMEM. Unknown members are refused. */
int gs_ops_parse(struct gs_slice array, const char *prefix, struct gs_arena *arena, struct gs_op **ret_ops,
                 uint32_t *ret_count, struct gs_problem *problem);

/* Appends the op as the JSON object that gs_ops_parse reads. (GS_OP_MAKE_MAP as a "set" of {}.) */
void gs_op_write_json(const struct gs_op *op, struct gs_buffer *out);

/* RFC 6901 JSON Pointer text to a path in `arena`; and back. */
int gs_path_parse(struct gs_slice text, struct gs_arena *arena, struct gs_path *ret_path);
void gs_path_write(const struct gs_path *path, struct gs_buffer *out);

/* What a counter change knows of one origin's part: the increments up to `at` amount to `total` since the frame began.
 */
struct gs_counter_mark {
    gs_origin origin;
    gs_point at;
    int64_t total;
};

/* What an unset takes away at one field, and below it. */
struct gs_cleared {
    struct gs_slice name; /* empty at the root of the tree */
    enum gs_type type;
    uint32_t presence_count;
    const gs_dot *presence; /* sorted: what keeps the field there when it is empty; a map's are its `dots` */
    uint32_t dot_count;
    const gs_dot *dots; /* sorted; all types but counters. Map: dots of its presence. Set: of all elements */
    uint32_t mark_count;
    const struct gs_counter_mark *marks; /* counter: sorted by origin */
    uint32_t child_count;
    const struct gs_cleared *children; /* map, leaderboard: sorted by (name, type) */
};

/* Where in a list the first element of a run hangs: a tree of elements, each with children to its left and right
 * (crdt/list.h). */
enum gs_list_side {
    GS_LIST_START = 0,  /* at the beginning: a right child of the root */
    GS_LIST_AFTER = 1,  /* a right child of the element `dot` */
    GS_LIST_BEFORE = 2, /* a left child of it */
};

struct gs_list_anchor {
    enum gs_list_side side;
    gs_dot dot; /* meaningless for GS_LIST_START */
};

/* Which members a kind has, and how they are encoded: crdt/FORMAT.md. */
struct gs_change {
    enum gs_op_kind kind;
    uint32_t index; /* of the dot (origin, seq, index); an insert of n values has that one and the n - 1 next */
    struct gs_path path;
    uint32_t cleared_count; /* unset: one per type found under the name (the root map alone for the empty path) */
    uint32_t dot_count;
    const struct gs_cleared *cleared;
    const gs_dot *dots;     /* superseded dots, sorted */
    enum gs_type type;      /* create */
    uint32_t mark_count;    /* leaderboard: increments of the member's score that are superseded, by origin */
    int64_t bound;          /* bounded counter */
    gs_origin target;       /* transfer, takeover */
    struct gs_slice member; /* leaderboard */
    const struct gs_counter_mark *marks;
    struct gs_slice value;
    int64_t by;     /* counters */
    int64_t before; /* counters: the origin's own total before; meaningless when fresh. Bounded: its cell before */
    const struct gs_list_anchor *anchor; /* insert; NULL: at the beginning */
    bool fresh; /* increment, score: a new frame; all earlier increments of this origin there are cancelled */
};

/* The index of the change's last dot. */
uint32_t gs_change_last_index(const struct gs_change *change);

struct gs_delta {
    gs_origin origin;
    uint64_t seq;
    uint64_t previous; /* origin's last seq on this aggregate, 0 if none; < seq */
    gs_hlc clock;
    uint32_t count;
    const struct gs_change *changes; /* each begins behind the last dot of the one before */
};

/* Origins by number, so that a dot costs a few bytes instead of sixteen. Number 0 is the delta's own origin. */
struct gs_origin_table {
    gs_origin *origins; /* owned when written, borrowed when read */
    uint32_t count;
    uint32_t capacity;
};

enum { GS_ORIGIN_TABLE_MAX = 4096 };

/* Number of `origin`, adding it if it is new; UINT32_MAX when out of memory, full, or borrowed. Memory is
 * libc's. */
uint32_t gs_origin_table_intern(struct gs_origin_table *table, const gs_origin *origin);
void gs_origin_table_close(struct gs_origin_table *table);

/* Appends the changes of `delta` (origin, seq and clock are the envelope's business, `previous` is included). Interns
 * foreign origins. */
int gs_delta_encode(const struct gs_delta *delta, struct gs_origin_table *table, struct gs_buffer *out);

/* Reads what gs_delta_encode wrote; `ret_delta->origin`, seq and clock are set by the caller beforehand. All memory is
 * in `arena` and borrows from the reader's bytes. Checks everything that can be checked without the state: canonical
 * form, caps, order, dots that do not lie in the delta's own future. Errors: GS_EFORMAT, GS_ETOOBIG, GS_EOVERCLAIM,
 * GS_ENOMEM. */
int gs_delta_decode(struct gs_reader *reader, const struct gs_origin_table *table, struct gs_arena *arena,
                    struct gs_delta *ret_delta);

/* Calls `visit` for each foreign (and own) dot and counter mark that the delta supersedes or hangs on; stops at the
 * first non-zero result and returns it. Used to check that a batch claims nothing beyond its deps. */
typedef int (*gs_delta_visit_fn)(void *context, const gs_origin *origin, gs_point at);
int gs_delta_visit_claims(const struct gs_delta *delta, gs_delta_visit_fn visit, void *context);

/* Appends the changes as the JSON array `ops` that a person would have sent: [{"op":"set","path":"/a","value":1}, …].
 * An index in a list is not known any more: an insert has `values`, a delete has `count`. */
void gs_delta_write_json(const struct gs_delta *delta, struct gs_buffer *out);

#endif
