/* Bounded counters: who may take how much (Balegas et al. 2015, arXiv 1503.09052).
 *
 * A bounded counter never passes below its bound, because each origin takes only as many as it holds *rights*: one for
 * each step of its own increments, and those that others transferred to it. A decrement beyond them is refused with
 * what is missing; nobody is asked. Where rights should be is the caller's policy: these functions say where they are,
 * and the op `transfer` moves them. Rights of an origin that will never write again are moved by `takeover`, which its
 * one heir writes: that it has ended, all of it is here and nobody else inherits, is the caller's to know. */
#ifndef GLOBALSTATE_RIGHTS_H
#define GLOBALSTATE_RIGHTS_H

#include <globalstate/aggregate.h>

struct gs_rights_holder {
    gs_origin origin;
    int64_t rights; /* never 0; shown saturated, as are all sums here */
};

/* One bounded counter that is there. value = bound + the rights of all holders. */
struct gs_rights {
    struct gs_path path;
    int64_t bound;
    int64_t value;
    uint32_t count;
    const struct gs_rights_holder *holders; /* sorted by origin */
};

/* Calls `visit` for each bounded counter that is there, in the order of paths, hidden behind another type or not; stops
 * at the first non-zero result and returns it. The rights are borrowed for the call. GS_ENOMEM. */
typedef int (*gs_rights_fn)(void *context, const struct gs_rights *rights);
int gs_aggregate_visit_rights(const struct gs_aggregate *aggregate, gs_rights_fn visit, void *context);

/* Whether `deltas` of one origin, applied in this order, leave it with rights of its own making: GS_EOVERSPENT if it
 * would at any point hold fewer than none of some bounded counter, takes over more than there is, or lowers its bound
 * by anything but `create`. To be asked of what another origin sent, when everything that the deltas build on is
 * applied; the aggregate does not change. Costs next to nothing if no delta is on a bounded counter. 0, GS_EOVERSPENT,
 * GS_ENOMEM. */
int gs_aggregate_check_rights(const struct gs_aggregate *aggregate, const struct gs_delta *const *deltas,
                              uint32_t count);

#endif
