#include "node/core/rng.h"

#include <sodium.h>
#include <string.h>

void gs_rng_init(struct gs_rng *rng, const uint8_t seed[32]) {
    memcpy(rng->seed, seed, sizeof rng->seed);
    rng->counter = 0;
}

void gs_rng_bytes(struct gs_rng *rng, void *ret, size_t length) {
    uint8_t *out = ret;
    while (length > 0) {
        uint8_t block[32];
        size_t take = length < sizeof block ? length : sizeof block;
        rng->counter++;
        crypto_generichash(block, sizeof block, (const uint8_t *)&rng->counter, sizeof rng->counter, rng->seed,
                           sizeof rng->seed);
        memcpy(out, block, take);
        out += take;
        length -= take;
    }
}

uint64_t gs_rng_below(struct gs_rng *rng, uint64_t bound) {
    uint64_t number;
    gs_rng_bytes(rng, &number, sizeof number);
    /* The bias is at most bound / 2^64: nothing here needs better. */
    return number % bound;
}
