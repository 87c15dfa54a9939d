/* What a field type is: one table entry of functions over its store.
 *
 * To add a type: one file type_X.c that states its conflict rule at its head and defines its struct gs_type_ops, one
 * entry in type.c, a number in delta.h, and, if its store is new, a member in union gs_store. Slots marked optional may
 * be NULL. Functions that cannot fail with anything but GS_ENOMEM leave a valid store behind when they do. */
#ifndef GS_CRDT_TYPE_H
#define GS_CRDT_TYPE_H

#include "crdt/dot_map.h"

#include <globalstate/aggregate.h>

/* Origins by number in a state encoding: sorted. */
struct gs_origins {
    gs_origin *list;
    uint32_t count;
    uint32_t capacity;
};

/* The origins of an aggregate's context, and those that its stores name beside. 0 or GS_ENOMEM. */
int gs_origins_collect(struct gs_origins *origins, struct gs_memory *memory, const struct gs_aggregate *aggregate,
                       enum gs_encode_form form);
void gs_origins_close(struct gs_origins *origins, struct gs_memory *memory);
uint32_t gs_origins_number(const struct gs_origins *origins, const gs_origin *origin);

/* Writing a state encoding. */
struct gs_encoding {
    const struct gs_origins *origins;
    enum gs_encode_form form;
    struct gs_buffer *out;
    bool *used; /* by number, NULL if nobody asks: something refers to this origin */
};

/* Reading the state encoding of hostile bytes: errors stay in the reader. */
struct gs_decoding {
    struct gs_reader *reader;
    struct gs_memory *memory;
    const gs_origin *origins;
    bool *used; /* by number: something refers to this origin */
    uint32_t origin_count;
    const struct gs_context *context;
    uint32_t depth; /* names above */
};

/* Ops in an arena, growing. */
struct gs_op_list {
    struct gs_arena *arena;
    struct gs_op *ops;
    uint32_t count;
    uint32_t capacity;
    char reason[64]; /* why a value does not fit (GS_ETYPE), where a type can say more than that; else empty */
};

/* Appends an op; 0 or GS_ENOMEM. */
int gs_op_list_append(struct gs_op_list *list, const struct gs_op *op);
int gs_op_list_push(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path, struct gs_slice value);
/* The same with an integer, which the arena keeps. */
int gs_op_list_push_integer(struct gs_op_list *list, enum gs_op_kind kind, const struct gs_path *path, int64_t integer);

/* Dropping what is causally stable. */
struct gs_compacting {
    struct gs_memory *memory;
    const struct gs_context *stable;
    bool all; /* every event that the aggregate has applied is stable */
    bool keep_places;
};

/* What an unset names of a store. */
enum gs_clears {
    GS_CLEARS_DOTS,  /* the dots in it */
    GS_CLEARS_MARKS, /* per origin, how far a chain of increments is cancelled */
    GS_CLEARS_TREE,  /* dots of its own, and fields below */
};

/* Calls with each origin that a store names beside those of its dots. */
typedef int (*gs_origin_visit_fn)(void *context, const gs_origin *origin);

struct gs_type_ops {
    const char *name;
    bool creatable; /* by GS_OP_CREATE; other types come with a first value */
    enum gs_clears clears;
    /* For a tree whose names are no part of a path; optional. What may lie in it, without presence; it has no dots of
     * its own. */
    bool (*holds)(int type);
    /* For types whose store is `fun`; optional. The entry that is shown, NULL if there is none. */
    const struct gs_entry *(*winner)(const struct gs_dot_fun *fun);
    /* How rival entries of a `fun` are settled, for types that report it; optional. */
    const char *rule;
    bool (*are_rivals)(const struct gs_dot_fun *fun); /* optional: more than one entry */
    /* For stores that are no `fun`; optional. Calls `visit` for each conflict in the store, which lies at `path`. */
    int (*visit_conflicts)(const union gs_store *store, const struct gs_path *path, struct gs_memory *memory,
                           gs_conflict_fn visit, void *context);
    int (*open)(union gs_store *store, struct gs_memory *memory); /* optional: zero is the empty store */
    void (*close)(union gs_store *store, struct gs_memory *memory);
    bool (*is_empty)(const union gs_store *store); /* holds nothing at all */
    bool (*is_alive)(const union gs_store *store);
    int (*join)(union gs_store *store, const union gs_store *other, const struct gs_joining *joining);
    void (*retain)(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen); /* optional */

    /* Drops bookkeeping; values and canonical form stay. Optional. */
    void (*compact)(union gs_store *store, const struct gs_compacting *compacting);

    /* The value that is shown, canonical and as JSON. */
    void (*write_value)(const union gs_store *store, struct gs_buffer *out);
    void (*write_json)(const union gs_store *store, struct gs_buffer *out);

    /* The payload of crdt/FORMAT.md, in both forms; decode reads the full one and reports through the reader, GS_ENOMEM
     * too. */
    void (*encode)(const union gs_store *store, const struct gs_encoding *encoding);
    void (*decode)(union gs_store *store, struct gs_decoding *decoding);
    /* Optional, for stores that name origins outside of dots. */
    int (*visit_origins)(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                         void *context);

    /* A change of one of the type's own kinds, and an unset. */
    int (*apply)(union gs_store *store, const struct gs_applying *applying);
    int (*collect)(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared);
    int (*clear)(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory);

    /* Resolves an op of one of the type's own kinds, which `change->kind` names, against an alive store, or NULL if
     * there is none: fills the other members of the kind; value, member, type and target are there already. 1: a
     * change; 0: nothing to do; or an error. */
    int (*resolve)(const union gs_store *store, const struct gs_op *op, const gs_origin *writer, struct gs_arena *arena,
                   struct gs_change *change);
    /* Ops that lead from the alive store to `value` at `path`. 0, GS_ETYPE, GS_EOVERFLOW, GS_ENOMEM. Optional: a map is
     * compared member by member. */
    int (*diff)(const union gs_store *store, const struct gs_path *path, struct gs_slice value,
                struct gs_op_list *list);
    /* Ops that lead from the alive store `now`, or from nothing if it is NULL, to what `past` shows, for types where a
     * diff to the value does not. Optional. The ops borrow nothing from either store. Errors as diff. */
    int (*invert)(const union gs_store *now, const union gs_store *past, const struct gs_path *path,
                  struct gs_op_list *list);
};

extern const struct gs_type_ops gs_type_map;
extern const struct gs_type_ops gs_type_list;
extern const struct gs_type_ops gs_type_set_aw;
extern const struct gs_type_ops gs_type_counter;
extern const struct gs_type_ops gs_type_max;
extern const struct gs_type_ops gs_type_register;
extern const struct gs_type_ops gs_type_min;
extern const struct gs_type_ops gs_type_set_rw;
extern const struct gs_type_ops gs_type_flag_ew;
extern const struct gs_type_ops gs_type_flag_dw;
extern const struct gs_type_ops gs_type_mvregister;
extern const struct gs_type_ops gs_type_leaderboard;
extern const struct gs_type_ops gs_type_hyperloglog;
extern const struct gs_type_ops gs_type_bounded_counter;

/* The functions of `type`, or NULL if there is no such type. */
const struct gs_type_ops *gs_type_find(int type);
/* True if a field of the type may be there by its presence alone, its store being empty. A map's presence is its own.
 */
bool gs_type_has_presence(int type);
/* The functions of a field. */
const struct gs_type_ops *gs_field_ops(const struct gs_field *field);

/* The presence of a field that must be there; NULL when out of memory. */
struct gs_dot_set *gs_field_obtain_presence(struct gs_field *field, struct gs_memory *memory);

/* Dots of a state encoding. */
void gs_dots_encode(const gs_dot *dots, uint32_t count, const struct gs_encoding *encoding);
/* An origin's number. */
void gs_origin_encode(const gs_origin *origin, const struct gs_encoding *encoding);
void gs_dot_set_decode(struct gs_dot_set *set, struct gs_decoding *decoding);
/* Origin by number, marking it used; false after an error. */
bool gs_origin_decode(struct gs_decoding *decoding, gs_origin *ret_origin);
/* A point of an event; errors stay in the reader. */
gs_point gs_point_decode(struct gs_reader *reader);
/* A dot that must be in the context; false after an error. */
bool gs_dot_decode(struct gs_decoding *decoding, gs_dot *ret_dot);

/* The store of maps and leaderboards: functions that they share. */
int gs_store_map_open(union gs_store *store, struct gs_memory *memory);
void gs_store_map_close(union gs_store *store, struct gs_memory *memory);
bool gs_store_map_is_empty(const union gs_store *store);
bool gs_store_map_is_alive(const union gs_store *store);
int gs_store_map_join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining);
void gs_store_map_retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen);
void gs_store_map_compact(union gs_store *store, const struct gs_compacting *compacting);
void gs_store_map_encode(const union gs_store *store, const struct gs_encoding *encoding);
/* `holds` as in the table of types: NULL for a map, which is a level of paths. */
void gs_store_map_decode(union gs_store *store, struct gs_decoding *decoding, bool (*holds)(int type));
int gs_store_map_visit_origins(const union gs_store *store, enum gs_encode_form form, gs_origin_visit_fn visit,
                               void *context);
int gs_store_map_collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared);
int gs_store_map_clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory);

/* The store of registers, flags, max and min: functions that they share. */
void gs_store_fun_close(union gs_store *store, struct gs_memory *memory);
bool gs_store_fun_is_empty(const union gs_store *store);
bool gs_store_fun_is_alive(const union gs_store *store);
int gs_store_fun_join(union gs_store *store, const union gs_store *other, const struct gs_joining *joining);
void gs_store_fun_retain(union gs_store *store, struct gs_memory *memory, const struct gs_context *seen);
void gs_store_fun_encode(const union gs_store *store, const struct gs_encoding *encoding);
/* `accept` says whether an entry may be there. */
void gs_store_fun_decode(union gs_store *store, struct gs_decoding *decoding,
                         bool (*accept)(gs_hlc clock, struct gs_slice value));
/* Adds `value` under the change's dot and takes away what the change supersedes. */
int gs_store_fun_apply(union gs_store *store, const struct gs_applying *applying, gs_hlc clock, struct gs_slice value);
int gs_store_fun_collect(const union gs_store *store, struct gs_arena *arena, struct gs_cleared *ret_cleared);
int gs_store_fun_clear(union gs_store *store, const struct gs_cleared *cleared, struct gs_memory *memory);
/* All dots of the function, in `arena`; NULL when out of memory. */
gs_dot *gs_store_fun_dots(const union gs_store *store, struct gs_arena *arena);
/* The entry of the greatest (clock, dot), or NULL. */
const struct gs_entry *gs_store_fun_latest(const struct gs_dot_fun *fun);
/* A change that supersedes every entry: 1 or GS_ENOMEM. */
int gs_store_fun_resolve(const union gs_store *store, struct gs_arena *arena, struct gs_change *change);

#endif
