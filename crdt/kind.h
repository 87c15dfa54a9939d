/* Kinds of changes: one table says for each which op of a client it is, to which type of field it goes, and which
 * members it has. Encoder, decoder, JSON writer and prepare follow the table; a new kind is one entry.
 *
 * A change is encoded as [kind, index, path, parts …], the parts in the order of enum gs_part (crdt/FORMAT.md). */
#ifndef GS_CRDT_KIND_H
#define GS_CRDT_KIND_H

#include <globalstate/delta.h>

enum gs_part {
    GS_PART_CLEARED = 1 << 0, /* what an unset takes away */
    GS_PART_DOTS = 1 << 1,    /* superseded dots */
    GS_PART_TYPE = 1 << 2,
    GS_PART_BOUND = 1 << 3,
    GS_PART_TARGET = 1 << 4,
    GS_PART_MEMBER = 1 << 5,
    GS_PART_MARKS = 1 << 6,
    GS_PART_VALUE = 1 << 7,
    GS_PART_TALLY = 1 << 8,   /* by, and, unless a new frame begins, before */
    GS_PART_SPAN = 1 << 9,    /* by and before */
    GS_PART_ANCHOR = 1 << 10, /* where in a list */
};

enum gs_kind_trait {
    GS_KIND_PRESENT = 1 << 0, /* its dot keeps the field there, whatever the type's store holds */
    GS_KIND_TAKES = 1 << 1,   /* it only takes away: at least one dot or mark, and no dot of its own stays */
    GS_KIND_MARKS = 1 << 2, /* it raises marks, or says where elements are: that stays whatever the context has seen */
    GS_KIND_AT_ROOT = 1 << 3, /* the empty path is fine */
};

struct gs_kind_info {
    const char *op; /* NULL: no such kind */
    uint8_t type;   /* 0: any */
    uint16_t parts;
    uint8_t traits;
    const char *member;                  /* of the JSON form, for GS_PART_VALUE */
    bool (*fits)(struct gs_slice value); /* what GS_PART_VALUE may be; NULL: anything */
};

/* NULL if there is no such kind. */
const struct gs_kind_info *gs_kind_find(int kind);
/* The kind that the client's op of `kind` is on a field of `type`, or -1. */
int gs_kind_on_type(int kind, int type);
/* The type that changes of `kind` go to; 0 if it is any, or there is no such kind. */
int gs_type_of_kind(int kind);

/* Members of an encoded change. A tally has one member less when a new frame begins. */
uint32_t gs_kind_length(const struct gs_kind_info *info, bool fresh);

/* True for a value that is no array and no map. */
bool gs_is_scalar(struct gs_slice value);

#endif
