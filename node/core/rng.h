/* The core's own generator: a keyed hash in counter mode. Seeded once, it repeats exactly, which is what the simulator
 * needs; seeded with entropy, it is unpredictable, which is what incarnations and hash keys need. */
#ifndef GS_NODE_CORE_RNG_H
#define GS_NODE_CORE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct gs_rng {
    uint8_t seed[32];
    uint64_t counter;
};

void gs_rng_init(struct gs_rng *rng, const uint8_t seed[32]);
void gs_rng_bytes(struct gs_rng *rng, void *ret, size_t length);
/* A number below `bound` > 0. */
uint64_t gs_rng_below(struct gs_rng *rng, uint64_t bound);

#endif
