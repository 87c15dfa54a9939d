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
    uint32_t next_index; /* of the next change's dot */
    const char *prefix;  /* for problems: PREFIX/NUMBER */
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
/* Resolves an op, as a change of `kind`, which is one of the field's type, against `field` (NULL: absent). */
int gs_preparing_resolve_field(struct gs_preparing *preparing, const struct gs_op *op, int kind,
                               const struct gs_field *field);
/* Resolves ops one after the other. */
int gs_preparing_resolve_list(struct gs_preparing *preparing, const struct gs_op_list *list);
/* Resolves a `set`. A value that is a member of an object is part of a document: where a type shows more than what its
 * `set` takes (an mvregister), it is what the type would show. */
int gs_preparing_set(struct gs_preparing *preparing, const struct gs_path *path, struct gs_slice value,
                     bool in_document);
/* Bounded counters (prepare_bounded.c). A transfer's arguments, before anything is resolved. */
int gs_preparing_check_transfer(struct gs_preparing *preparing, const struct gs_op *op);
/* A `create` where a bounded counter is (`alive`), or was: 0 if its bound is to be what it is, or less than it was. */
int gs_preparing_check_bound(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_field *field,
                             bool alive);
/* An op that needs a bounded counter, and none is there. */
int gs_preparing_refuse_absent(struct gs_preparing *preparing, const struct gs_op *op, int kind);
/* A decrement or transfer of more rights than the writer holds: says how many it holds and how many are missing. */
int gs_preparing_refuse_spending(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_field *field);
/* Resolves a `create`: op->type, bound and initial. Nothing to do if a field of the type is there. */
int gs_preparing_create(struct gs_preparing *preparing, const struct gs_op *op, const struct gs_place *place);

#endif
