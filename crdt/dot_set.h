/* DotSet: the dots that keep something alive (Almeida, Shoker, Baquero 2018, section 7.2).
 *
 * One dot, the usual case, lies inside; more lie in a sorted array. */
#ifndef GS_CRDT_DOT_SET_H
#define GS_CRDT_DOT_SET_H

#include <globalstate/context.h>

/* Zero-initialise for the empty set. */
struct gs_dot_set {
    uint32_t count;
    uint32_t capacity; /* 0: at most one dot, in `as.one` */
    union {
        gs_dot one;
        gs_dot *many; /* owned */
    } as;
};

/* What a join of two states needs: where to allocate, and both causal contexts as they were before. */
struct gs_joining {
    struct gs_memory *memory;
    const struct gs_context *mine;
    const struct gs_context *theirs;
};

void gs_dot_set_close(struct gs_dot_set *set, struct gs_memory *memory);
/* The dots, sorted; borrowed until the next change. */
const gs_dot *gs_dot_set_dots(const struct gs_dot_set *set);
bool gs_dot_set_contains(const struct gs_dot_set *set, const gs_dot *dot);
/* Adds a dot; nothing if it is in. 0 or GS_ENOMEM (then unchanged). */
int gs_dot_set_add(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dot);
/* Takes a dot out; nothing if it is not in. */
void gs_dot_set_remove(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dot);
/* Takes out all of `dots`, which are sorted; in one pass, whatever is left. */
void gs_dot_set_subtract(struct gs_dot_set *set, struct gs_memory *memory, const gs_dot *dots, uint32_t count);
/* set := (set ∩ other) ∪ (set \ theirs) ∪ (other \ mine). 0 or GS_ENOMEM (then partly done). */
int gs_dot_set_join(struct gs_dot_set *set, const struct gs_dot_set *other, const struct gs_joining *joining);
/* Drops all dots that are not in `seen`. */
void gs_dot_set_retain(struct gs_dot_set *set, struct gs_memory *memory, const struct gs_context *seen);

#endif
