/* Sums of many int64, exact. */
#ifndef GS_CRDT_WIDE_H
#define GS_CRDT_WIDE_H

#include <stdint.h>

__extension__ typedef __int128 gs_wide;

/* The nearest int64. */
static inline int64_t gs_wide_clamp(gs_wide sum) {
    return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

#endif
