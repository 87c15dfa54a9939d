/* Dots: the names of single operations.
 *
 * An *origin* is one life of a node's identity in the log; it numbers its events 1, 2, 3 … (`seq`). A *dot* names one
 * operation of one event: (origin, seq, index of the operation in the event). Within an origin, dots are ordered by
 * (seq, index), which is what a *point* holds. Almeida, Shoker, Baquero, "Delta state replicated data types", 2018,
 * section 7.1. */
#ifndef GLOBALSTATE_DOT_H
#define GLOBALSTATE_DOT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { GS_ORIGIN_SIZE = 16 };

typedef struct {
    uint8_t bytes[GS_ORIGIN_SIZE];
} gs_origin;

/* Order of origins, by bytes. The same everywhere: it breaks ties between equal clocks. */
static inline int gs_origin_compare(const gs_origin *a, const gs_origin *b) {
    return memcmp(a->bytes, b->bytes, GS_ORIGIN_SIZE);
}

static inline bool gs_origin_equal(const gs_origin *a, const gs_origin *b) {
    return gs_origin_compare(a, b) == 0;
}

/* A place in one origin's sequence of operations. {0, 0} lies before all of them. */
typedef struct {
    uint64_t seq;
    uint32_t index;
} gs_point;

static inline int gs_point_compare(gs_point a, gs_point b) {
    if (a.seq != b.seq) {
        return a.seq < b.seq ? -1 : 1;
    }
    return a.index < b.index ? -1 : a.index > b.index;
}

/* The last point of event `seq`: every operation of it lies at or before. */
static inline gs_point gs_point_end(uint64_t seq) {
    return (gs_point){.seq = seq, .index = UINT32_MAX};
}

/* The point just before `point`; {0, 0} for {0, 0}. */
static inline gs_point gs_point_before(gs_point point) {
    if (point.index > 0) {
        return (gs_point){.seq = point.seq, .index = point.index - 1};
    }
    return point.seq > 0 ? gs_point_end(point.seq - 1) : point;
}

typedef struct {
    gs_origin origin;
    gs_point at;
} gs_dot;

/* Order of dots: by origin, then by point. */
static inline int gs_dot_compare(const gs_dot *a, const gs_dot *b) {
    int order = gs_origin_compare(&a->origin, &b->origin);
    return order != 0 ? order : gs_point_compare(a->at, b->at);
}

#endif
