/* The list, for the files that implement it.
 *
 * Invariants between calls:
 * 1. Only the first element of a span has left children, only its last one has right children beside the next element.
 * 2. The spans of one author, sorted by their first points, do not overlap as intervals of points.
 * 3. A span is attached exactly if its parent is (the root is), and attached spans are in the sequence in list order.
 * 4. A phantom stands for one element that has not arrived and that another hangs on. It has no parent and is never
 *    attached. When the element arrives, it becomes a span of one element, which nothing is appended to while it has
 *    left children.
 * 5. What one failed change or join has put into a span lies at the span's end (gs_list_retain relies on it). */
#ifndef GS_CRDT_LIST_IMPL_H
#define GS_CRDT_LIST_IMPL_H

#include "crdt/list.h"
#include "crdt/point_index.h"
#include "crdt/sequence.h"

#include <globalstate/error.h>

/* No span; as a parent: the root. */
#define GS_SPAN_NONE UINT32_MAX

enum {
    GS_SPAN_BY_EVENT = 1,  /* dots go on by seq; meaningless in a span of one */
    GS_SPAN_BEFORE = 2,    /* a left child of its parent */
    GS_SPAN_DELETED = 4,   /* elements are */
    GS_SPAN_PHANTOM = 8,   /* has not arrived */
    GS_SPAN_ATTACHED = 16, /* in the sequence */
    GS_SPAN_FREE = 32,     /* not in use */
    GS_SPAN_UNSEEN = 64,   /* about to be taken back */
};

struct gs_span {
    gs_point first;
    uint32_t author;
    uint32_t length;
    uint32_t parent; /* span, or GS_SPAN_NONE */
    uint32_t next;   /* the sibling behind it; the last one's is the first */
    uint32_t left;   /* the last of the left children of the first element, or GS_SPAN_NONE */
    uint32_t right;  /* the last of the right children of the last element */
    uint32_t offset; /* of the first value in `bytes` */
    uint32_t width;  /* bytes of each value */
    uint32_t flags;
};

struct gs_list_author {
    gs_origin origin;
    uint32_t ranked;             /* of another author: number i holds the number of the author of rank i by origin */
    struct gs_point_index index; /* spans and phantoms by first point */
};

struct gs_list {
    struct gs_span *spans;
    uint32_t span_count; /* with free ones */
    uint32_t free;       /* one more than the first free one, which `next` leads on from; 0: none */
    uint32_t span_capacity;
    uint32_t live;                  /* spans in use */
    struct gs_list_author *authors; /* in the order of their coming: spans name them by number */
    uint32_t author_count;
    uint32_t author_capacity;
    struct gs_sequence sequence; /* attached spans, by elements alive */
    uint8_t *bytes;              /* values */
    uint32_t byte_count;
    uint32_t byte_capacity;
    uint32_t garbage; /* bytes of deleted values among them */
    uint32_t hidden;  /* elements alive in spans that are not attached */
    uint32_t recent;  /* a span that was changed lately, the first place to look; any number */
    uint32_t roots;   /* the last of the root's children, or GS_SPAN_NONE */
};

/* list.c: finding. */
gs_point gs_span_point(const struct gs_span *span, uint32_t offset);
/* True if the element `point` lies in the span, and where. */
bool gs_span_contains(const struct gs_span *span, gs_point point, uint32_t *ret_offset);
gs_dot gs_span_dot(const struct gs_list *list, uint32_t span, uint32_t offset);
bool gs_span_is_alive(const struct gs_span *span);
struct gs_slice gs_span_value(const struct gs_list *list, const struct gs_span *span, uint32_t offset);
/* Where the first element of the span hangs. */
struct gs_list_anchor gs_span_anchor(const struct gs_list *list, const struct gs_span *span);
/* The author's number, or GS_SPAN_NONE. */
uint32_t gs_list_author_find(const struct gs_list *list, const gs_origin *origin);
/* The span of an element, phantoms included, or GS_SPAN_NONE. */
uint32_t gs_list_locate(const struct gs_list *list, const gs_dot *dot, uint32_t *ret_offset);
/* The same within an author's elements. */
uint32_t gs_list_locate_point(const struct gs_list *list, uint32_t author, gs_point point, uint32_t *ret_offset);
/* The next span in the order of (origin, point), phantoms included; `span` GS_SPAN_NONE: the first. */
uint32_t gs_list_next_by_dot(const struct gs_list *list, uint32_t span);
/* How the dots go on from `a` to `b`: 0 by index, GS_SPAN_BY_EVENT by event, -1 not. */
int gs_point_step(gs_point a, gs_point b);
/* True if elements may join a span behind each other, by dots: `a` and `b` are spans of the same author, `b` behind `a`
 * also in the author's index. `ret_step` is what the joined span goes on by. */
bool gs_spans_continue(const struct gs_list *list, uint32_t a, const struct gs_span *b, int *ret_step);

/* list_tree.c: links between spans, and where that puts them. */
/* Makes room for `count` more spans beside each other in the sequence. 0 or GS_ENOMEM. */
int gs_list_reserve(struct gs_list *list, struct gs_memory *memory, uint32_t count);
/* The number that the next span will have. */
uint32_t gs_list_new_number(const struct gs_list *list);
/* A span, not linked; room was made. And its end: it must be unlinked and out of the index. */
uint32_t gs_list_add_span(struct gs_list *list);
void gs_list_release_span(struct gs_list *list, uint32_t span);
/* Splits a span before element 0 < `at` < length; the later part is `ret_span`. 0 or GS_ENOMEM (then unchanged). */
int gs_list_split(struct gs_list *list, struct gs_memory *memory, uint32_t span, uint32_t at, uint32_t *ret_span);
/* True if what hangs on `parent` is attached. */
bool gs_list_is_attached(const struct gs_list *list, uint32_t parent);
/* Links the span among its siblings, and returns the one in front of it, GS_SPAN_NONE if it is the first; O(1) behind
 * all others. */
uint32_t gs_list_link(struct gs_list *list, uint32_t span);
/* And out again. The cost is the number of siblings in front of it. */
void gs_list_unlink(struct gs_list *list, uint32_t span);
/* True if `span`, the next one that is alive behind `left` (GS_SPAN_NONE: the root), hangs to the right of it, however
 * far below. The cost is the depth of `span` or the number of deleted spans between them, whichever is less. */
bool gs_list_hangs_right_of(const struct gs_list *list, uint32_t left, uint32_t span);
/* The number of spans that hang on this one, itself included. */
uint32_t gs_list_subtree(const struct gs_list *list, uint32_t span);
/* Attaches a linked span, whose parent is attached, with all that hangs on it; room was made. `front`: the sibling in
 * front of it, as gs_list_link told. */
void gs_list_attach(struct gs_list *list, uint32_t span, uint32_t front);
/* Attaches everything that hangs on the root, from the beginning, in memory that is there. */
void gs_list_attach_all(struct gs_list *list);

/* list_delete.c: deletes elements [from, to) of a span that is alive. `merge`: into deleted spans beside it, if
 * possible. 0 or GS_ENOMEM (then unchanged, perhaps split). */
int gs_list_kill(struct gs_list *list, struct gs_memory *memory, uint32_t span, uint32_t from, uint32_t to, bool merge);
/* Gives memory of deleted values back when there is more of them than of others. */
void gs_list_compact(struct gs_list *list, struct gs_memory *memory);

#endif
