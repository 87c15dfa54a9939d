/* DotFun: dots, each with a value (Almeida, Shoker, Baquero 2018, section 7.2).
 *
 * A sorted array of pointers to entries; a single entry, the usual case, needs no array. */
#ifndef GS_CRDT_DOT_FUN_H
#define GS_CRDT_DOT_FUN_H

#include "crdt/dot_set.h"

#include <globalstate/hlc.h>

/* One write: immutable once it is there. */
struct gs_entry {
    gs_dot dot;
    gs_hlc clock; /* 0 where the type keeps none */
    uint32_t length;
    uint8_t bytes[]; /* the canonical value */
};

/* Zero-initialise for the empty function. */
struct gs_dot_fun {
    uint32_t count;
    uint32_t capacity; /* 0: at most one entry, in `as.one` */
    union {
        struct gs_entry *one;
        struct gs_entry **many; /* owned */
    } as;
};

static inline struct gs_slice gs_entry_value(const struct gs_entry *entry) {
    return gs_slice_make(entry->bytes, entry->length);
}

void gs_dot_fun_close(struct gs_dot_fun *fun, struct gs_memory *memory);
/* Entry number i < count, in the order of dots; borrowed until it is removed. */
const struct gs_entry *gs_dot_fun_at(const struct gs_dot_fun *fun, uint32_t i);
bool gs_dot_fun_contains(const struct gs_dot_fun *fun, const gs_dot *dot);
/* Adds an entry, copying `value`; nothing if the dot is in. 0 or GS_ENOMEM (then unchanged). */
int gs_dot_fun_add(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dot, gs_hlc clock,
                   struct gs_slice value);
/* Takes an entry out; nothing if it is not in. */
void gs_dot_fun_remove(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dot);
/* Takes out the entries of all of `dots`, which are sorted; in one pass, whatever is left. */
void gs_dot_fun_subtract(struct gs_dot_fun *fun, struct gs_memory *memory, const gs_dot *dots, uint32_t count);
/* The entries of both, of one if the other has not seen its dot. 0 or GS_ENOMEM (then partly done). */
int gs_dot_fun_join(struct gs_dot_fun *fun, const struct gs_dot_fun *other, const struct gs_joining *joining);
/* Drops all entries whose dots are not in `seen`. */
void gs_dot_fun_retain(struct gs_dot_fun *fun, struct gs_memory *memory, const struct gs_context *seen);

#endif
