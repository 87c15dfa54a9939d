/* The store of one bounded counter: who has made, given away and spent how many rights.
 *
 * A right is the permission to take one from the value. Balegas et al. 2015 (arXiv 1503.09052) keep a matrix R, where
 * R[i][i] are the rights that origin i has made and R[i][j] those it gave to j, and a vector U of those spent; only
 * origin i writes row i, and every cell only grows. So a join takes the greater of each cell, whatever the order, and
 * nobody but i can lower the rights of i: i never overspends, therefore nobody does.
 *
 * Beyond the paper: an origin that will never write again may have one heir. T[i][j] are the rights that i took over
 * from j; only i writes them, they only grow, and they never exceed what j held at its end. */
#ifndef GS_CRDT_BOUNDED_COUNTER_H
#define GS_CRDT_BOUNDED_COUNTER_H

#include "crdt/wide.h"

#include <globalstate/dot.h>
#include <globalstate/memory.h>

struct gs_rights_cell {
    gs_origin from; /* who writes it */
    gs_origin to;
    int64_t total; /* > 0: a cell at 0 is not there */
};

/* Sorted by (from, to). */
struct gs_rights_cells {
    struct gs_rights_cell *list; /* owned */
    uint32_t count;
    uint32_t capacity;
};

struct gs_bounded_counter {
    int64_t bound;                 /* the least that any change has named */
    struct gs_rights_cells rights; /* R */
    struct gs_rights_cells spent;  /* U: from = to */
    struct gs_rights_cells taken;  /* T: `from` writes it, and has what `to` held */
};

/* Raises the cell to at least `total`. 0 or GS_ENOMEM (then unchanged). */
int gs_rights_raise(struct gs_rights_cells *cells, struct gs_memory *memory, const struct gs_rights_cell *cell);
/* The cell's total. */
int64_t gs_rights_find(const struct gs_rights_cells *cells, const gs_origin *from, const gs_origin *to);
void gs_rights_close(struct gs_rights_cells *cells, struct gs_memory *memory);

/* All rights that were made and not spent, whoever holds them: how far the value lies above the bound. Below zero only
 * where deltas have arrived before what they build on. `counter` NULL: one that nobody has touched. */
gs_wide gs_bounded_counter_rights(const struct gs_bounded_counter *counter);
/* Those that `origin` holds. */
gs_wide gs_bounded_counter_rights_of(const struct gs_bounded_counter *counter, const gs_origin *origin);
/* bound + rights. */
gs_wide gs_bounded_counter_value(const struct gs_bounded_counter *counter);

#endif
