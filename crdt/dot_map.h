/* DotMap: a map from (name, type) to stores, with dots of its own for presence (Almeida, Shoker, Baquero 2018,
 * section 7.2; presence is the dot that keeps an empty map visible).
 *
 * A field that holds nothing is pruned. A field may hold something and yet not be alive: bookkeeping such as cancelled
 * counter marks, which only the full encoding shows. Nesting is bounded by GS_PATH_DEPTH_MAX wherever fields are
 * created. */
#ifndef GS_CRDT_DOT_MAP_H
#define GS_CRDT_DOT_MAP_H

#include "crdt/counter.h"
#include "crdt/dot_fun.h"
#include "crdt/ordered.h"

#include <globalstate/delta.h>

struct gs_dot_map {
    struct gs_dot_set presence;
    struct gs_ordered fields; /* of struct gs_field, owned, by (name, type) */
};

/* What a field holds; which member, its type says. Zero is the empty store, except for a map and a leaderboard. */
union gs_store {
    struct gs_dot_map *map; /* owned; a leaderboard's too */
    struct gs_dot_fun fun;
    struct gs_ordered elements;
    struct gs_set_rw *set_rw; /* owned; NULL is the empty store */
    struct gs_counter counter;
    struct gs_sketch *sketch;           /* owned; NULL is the empty store */
    struct gs_bounded_counter *bounded; /* owned; NULL is the empty store */
    struct gs_list *list;               /* owned; NULL is the empty store */
};

struct gs_field {
    union gs_store store;
    struct gs_dot_set *presence; /* owned; NULL if empty: what keeps the field there when its store is empty */
    uint16_t name_length;
    uint8_t type;
    uint8_t name[];
};

static inline struct gs_slice gs_field_name(const struct gs_field *field) {
    return gs_slice_make(field->name, field->name_length);
}

/* True if the field is there for those who read: something in its store is alive, or it has presence. */
bool gs_field_is_alive(const struct gs_field *field);
/* True if it holds nothing at all, bookkeeping included. */
bool gs_field_is_empty(const struct gs_field *field);
void gs_field_free(struct gs_field *field, struct gs_memory *memory);
/* field := field ⊔ other; `other` NULL: the empty one. 0 or GS_ENOMEM (then partly done). */
int gs_field_join_with(struct gs_field *field, const struct gs_field *other, const struct gs_joining *joining);
void gs_field_retain(struct gs_field *field, struct gs_memory *memory, const struct gs_context *seen);

/* Frees everything inside; the struct itself is the caller's. */
void gs_dot_map_close(struct gs_dot_map *map, struct gs_memory *memory);
/* The field, alive or not, or NULL. */
struct gs_field *gs_dot_map_find(const struct gs_dot_map *map, struct gs_slice name, int type);
/* The field if it is alive, or NULL. */
struct gs_field *gs_dot_map_find_alive(const struct gs_dot_map *map, struct gs_slice name, int type);
/* The field, created empty if need be; NULL when out of memory. gs_dot_map_prune it if nothing gets into it. */
struct gs_field *gs_dot_map_obtain(struct gs_dot_map *map, struct gs_memory *memory, struct gs_slice name, int type);
/* Takes the field out if it holds nothing. */
void gs_dot_map_prune(struct gs_dot_map *map, struct gs_memory *memory, struct gs_field *field);
/* The first field after `field` (the first of all if NULL), alive or not, or NULL. Safe while fields are pruned. */
struct gs_field *gs_dot_map_next(const struct gs_dot_map *map, const struct gs_field *field);
/* The next field of that name after `field` (the first if NULL), alive or not, or NULL. */
struct gs_field *gs_dot_map_next_named(const struct gs_dot_map *map, struct gs_slice name,
                                       const struct gs_field *field);
/* The first alive field after `field` (the first of all if NULL) in the order of (name, type), or NULL. */
struct gs_field *gs_dot_map_next_alive(const struct gs_dot_map *map, const struct gs_field *field);
/* The field that is shown under `name`: the alive one of the least type, or NULL. */
struct gs_field *gs_dot_map_shown(const struct gs_dot_map *map, struct gs_slice name);
/* The next alive field under the same name, or NULL. */
struct gs_field *gs_dot_map_next_type(const struct gs_dot_map *map, const struct gs_field *field);
/* The next name's shown field (the first name's if NULL), or NULL. */
struct gs_field *gs_dot_map_next_shown(const struct gs_dot_map *map, const struct gs_field *field);

bool gs_dot_map_is_empty(const struct gs_dot_map *map);
bool gs_dot_map_is_alive(const struct gs_dot_map *map);
int gs_dot_map_join(struct gs_dot_map *map, const struct gs_dot_map *other, const struct gs_joining *joining);
/* Drops everything whose dots are not in `seen`. */
void gs_dot_map_retain(struct gs_dot_map *map, struct gs_memory *memory, const struct gs_context *seen);

/* Applies one change, from the root of an aggregate. */
struct gs_applying {
    struct gs_memory *memory;
    const struct gs_context *seen; /* what is in it is not added again; NULL: nothing has been seen */
    gs_dot dot;
    gs_hlc clock;
    const struct gs_change *change;
};

/* Removes what the change supersedes or clears and adds what it brings; the context is the caller's business.
 * 0 or GS_ENOMEM (then partly done). */
int gs_dot_map_apply(struct gs_dot_map *root, const struct gs_applying *applying);
/* Takes away what `cleared` names in and below a map. 0 or GS_ENOMEM (then partly done). */
int gs_dot_map_clear(struct gs_dot_map *map, const struct gs_cleared *cleared, struct gs_memory *memory);
/* True if it names nothing to take away. */
bool gs_cleared_is_empty(const struct gs_cleared *cleared);
/* Everything that an unset of the map takes away, in and below it, in `arena`. 0 or GS_ENOMEM. */
int gs_dot_map_collect(const struct gs_dot_map *map, struct gs_arena *arena, struct gs_cleared *ret_cleared);
/* A change of one of the field's kinds. 0 or GS_ENOMEM (then partly done). */
int gs_field_apply(struct gs_field *field, const struct gs_applying *applying);
int gs_field_clear(struct gs_field *field, const struct gs_cleared *cleared, struct gs_memory *memory);
/* The same for one field, names copied. 0, GS_ENOMEM, or why it may not be taken away (GS_ERIGHTS). */
int gs_field_collect(const struct gs_field *field, struct gs_arena *arena, struct gs_cleared *ret_cleared);

#endif
