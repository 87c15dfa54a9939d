/* The store of one list: a sequence of elements that replicas insert into and delete from at the same time.
 *
 * Fugue (Weidner, Gentle, Kleppmann, "The Art of the Fugue: Minimizing Interleaving in Collaborative Text Editing",
 * 2023). Elements are named by dots and form a tree: each is the left or right child of another, or a right child of
 * the root; the order of the list is the order in which a depth-first walk meets them, left children before their
 * parent, right children after it, siblings by dot. An element's place never changes. A run that is inserted by one
 * event is a chain of right children with consecutive dots, so a change names one anchor. Concurrent runs, typed
 * forward or backward, do not interleave. Of the paper's two variants this is Fugue and not FugueMax: there the order
 * of siblings depends on elements that may not have arrived; here it is a function of the elements alone, so that any
 * order of delivery gives the same list, and a join is a union.
 *
 * What is known of an element: its place, for ever (even when it is deleted: others may hang on it), and its value
 * while it is alive. An element that hangs on one that has not arrived is kept, and is not shown until that arrives.
 *
 * Elements lie in spans: chains with consecutive dots (in one event, or one in each of consecutive events), all alive
 * with values of the same size or all deleted. Spans are split and never move in memory; a point_index finds them by
 * dot, a sequence by position. Insert, delete, and finding either way: O(log spans), and for an element that is
 * inserted concurrently with others at the same place, their number and the depth of what hangs on them. Memory: 64
 * bytes a span and some 40 for finding it, and the bytes of the values. Values of deleted elements are given back
 * at once, their spans when everyone has seen everything (gs_list_drop_deleted). */
#ifndef GS_CRDT_LIST_H
#define GS_CRDT_LIST_H

#include <globalstate/context.h>
#include <globalstate/delta.h>

/* A chain of elements. Element i has the dot `first` with i added to its index (or, if `by_event`, to its seq). */
struct gs_list_run {
    gs_dot first;
    bool by_event;
    uint32_t count; /* ≥ 1; the last dot does not overflow */
    struct gs_list_anchor anchor;
    struct gs_slice values; /* canonical values, one behind the other, `count` of them; bytes NULL: all are deleted */
};

struct gs_list;

/* An empty list, or NULL when out of memory; and its end. Everywhere below, a list that is only read may be NULL, which
 * is the empty one. */
struct gs_list *gs_list_new(struct gs_memory *memory);
void gs_list_free(struct gs_list *list, struct gs_memory *memory);

/* True if nothing at all is known, not even of deleted elements. */
bool gs_list_is_empty(const struct gs_list *list);
/* Elements alive, those that hang on what has not arrived included. */
uint32_t gs_list_alive(const struct gs_list *list);
/* Elements shown. */
uint32_t gs_list_length(const struct gs_list *list);

/* Adds what is not known yet of the run; an element whose dot is in `seen` (may be NULL) comes as deleted: its removal
 * arrived before it. 0 or GS_ENOMEM (then part of the run may be in; repeating it is safe). */
int gs_list_insert(struct gs_list *list, struct gs_memory *memory, const struct gs_list_run *run,
                   const struct gs_context *seen);
/* Deletes the elements with the dots `first` and `count` - 1 more that go on by index (or, if `by_event`, by seq),
 * those that are there. `own`: one of them is of the event that is being applied. 0 or GS_ENOMEM (then partly done). */
int gs_list_delete(struct gs_list *list, struct gs_memory *memory, const gs_dot *first, uint32_t count, bool by_event,
                   bool own);

/* Join of two states, given their causal contexts as they were before. 0 or GS_ENOMEM (then partly done, and
 * gs_list_retain makes it a state again). */
int gs_list_join(struct gs_list *list, const struct gs_list *other, struct gs_memory *memory,
                 const struct gs_context *mine, const struct gs_context *theirs);
/* Drops all elements whose dots are not in `seen`, what a failed change or join brought. Cannot fail. */
void gs_list_retain(struct gs_list *list, struct gs_memory *memory, const struct gs_context *seen);

/* Drops deleted elements on which none hangs that is alive, all at once: only when every replica has seen everything
 * that is in the list. Nothing hangs on them later, for nobody hangs anything on what he knows to be deleted. */
void gs_list_drop_deleted(struct gs_list *list, struct gs_memory *memory);

/* Where an element has to hang that is to be shown at `index` ≤ length: at the beginning, or on an element that is
 * alive. */
struct gs_list_anchor gs_list_anchor_at(const struct gs_list *list, uint32_t index);
/* The value at `index` < length, borrowed until the next change, and its dot. */
struct gs_slice gs_list_at(const struct gs_list *list, uint32_t index, gs_dot *ret_dot);
/* The index at which the element is shown; false if it is not. */
bool gs_list_find(const struct gs_list *list, const gs_dot *dot, uint32_t *ret_index);

/* Walks over elements: zero-initialise, set `list`, and call gs_list_next until it returns false. The list must not
 * change meanwhile. */
struct gs_list_cursor {
    const struct gs_list *list;
    bool hidden; /* set to walk over those that are alive and not shown, in the order of dots, instead */
    bool begun;
    uint32_t span;
    uint32_t offset;
};

/* Stands the cursor before element `index` ≤ length. */
struct gs_list_cursor gs_list_cursor_at(const struct gs_list *list, uint32_t index);
bool gs_list_next(struct gs_list_cursor *cursor, gs_dot *ret_dot, struct gs_slice *ret_value);
/* The dots of the next elements, at most `count`; returns how many there were. */
uint32_t gs_list_take_dots(struct gs_list_cursor *cursor, gs_dot *dots, uint32_t count);

#endif
