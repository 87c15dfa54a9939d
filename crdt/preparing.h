/* Resolving ops, one at a time, into changes: what prepare and the expansion of `set` share. */
#ifndef GS_CRDT_PREPARING_H
#define GS_CRDT_PREPARING_H

#include "crdt/type.h"

#include <globalstate/aggregate.h>

struct gs_preparing {
    const struct gs_dot_map *view; /* what ops are resolved against */
    struct gs_dot_map *scratch;    /* the view, if it is to see the changes as they are made; else NULL */
    struct gs_memory *memory;      /* of the scratch */
    const struct gs_stamp *stamp;
    struct gs_arena *arena;
    struct gs_change *changes;
    uint32_t count;
    uint32_t capacity;
    const char *prefix; /* for problems: PREFIX/NUMBER */
    uint32_t number;
    struct gs_problem *problem;
};

/* Where a path leads in the view. */
struct gs_place {
    const struct gs_dot_map *parent; /* NULL: a map on the way is absent */
    struct gs_slice name;
    const struct gs_field *shown; /* the alive field of the least type, or NULL */
};

/* Reports what is wrong with the current op; `member` ("/path", "/by" or "") goes behind its number. Returns `code`. */
int gs_preparing_fail(struct gs_preparing *preparing, int code, const char *member, const struct gs_path *path,
                      const char *message);
/* Follows a path of one name or more. 0 or GS_ETYPE with the prefix that is no map. */
int gs_preparing_find(struct gs_preparing *preparing, const struct gs_path *path, struct gs_place *ret_place);
/* Numbers the change, appends it and lets the scratch see it. 0, GS_ETOOBIG, GS_ENOMEM. */
int gs_preparing_emit(struct gs_preparing *preparing, struct gs_change *change);
/* Resolves any op. */
int gs_preparing_resolve(struct gs_preparing *preparing, const struct gs_op *op);
/* Resolves an op of one of `type`'s own kinds against `field` (NULL: absent). */
int gs_preparing_resolve_field(struct gs_preparing *preparing, const struct gs_op *op, int type,
                               const struct gs_field *field);
/* Resolves a `set`. */
int gs_preparing_set(struct gs_preparing *preparing, const struct gs_path *path, struct gs_slice value);

#endif
