/* From registers to a number: the improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches", 2017 (arXiv:1702.01284), section 4, algorithm 6. It needs no table of corrections and no
 * switch between small and large counts. Only exactly rounded operations (+, -, *, /, sqrt), always in the same order:
 * every region shows the same number. */
#include "crdt/sketch.h"

#include <math.h>

/* Corrects for registers that nothing has reached: x + sum over k of x^(2^k) 2^(k-1). For x < 1. */
static double sigma(double x) {
    double y = 1;
    double z = x;
    double before = -1;
    while (z != before) {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    }
    return z;
}

/* Corrects for registers that are full: a third of 1 - x - sum over k of (1 - x^(2^-k))^2 2^-k. */
static double tau(double x) {
    double y = 1;
    double z = 1 - x;
    double before = -1;
    while (x > 0 && x < 1 && z != before) {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        double rest = 1 - x;
        z -= rest * rest * y;
    }
    return x > 0 && x < 1 ? z / 3 : 0;
}

int64_t gs_sketch_estimate(const struct gs_sketch *sketch) {
    static const double alpha = 0.72134752044448170368; /* 1 / (2 ln 2) */
    const double m = GS_SKETCH_REGISTERS;
    uint32_t counts[GS_SKETCH_RANK_MAX + 1] = {0};
    uint8_t ranks[GS_SKETCH_REGISTERS];
    gs_sketch_ranks(sketch, ranks);
    for (uint32_t cell = 0; cell < GS_SKETCH_REGISTERS; cell++) {
        counts[ranks[cell]]++;
    }
    if (counts[0] == GS_SKETCH_REGISTERS) {
        return 0;
    }
    double z = m * tau(1 - counts[GS_SKETCH_RANK_MAX] / m);
    for (int rank = GS_SKETCH_RANK_MAX - 1; rank > 0; rank--) {
        z = 0.5 * (z + counts[rank]);
    }
    z += m * sigma(counts[0] / m);
    double estimate = floor(alpha * m * m / z + 0.5);
    return estimate < 0x1p63 ? (int64_t)estimate : INT64_MAX; /* infinite when every register is full */
}
