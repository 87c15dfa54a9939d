#include "node/http/rate_limit.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 8, ROWS = GS_RATE_BUCKETS / PLACES, UNITS = 1000 /* of a request: what a rate of 1 gives in a ms */ };

struct bucket {
    uint64_t key; /* hash; 0: empty place */
    int64_t at_ms;
    uint64_t units; /* left at that time */
};

struct row {
    pthread_mutex_t lock;
    struct bucket places[PLACES];
};

struct gs_rate_limit {
    uint32_t rate;
    uint8_t secret[16];
    struct row *rows;
};

struct gs_rate_limit *gs_rate_limit_new(uint32_t rate, const uint8_t secret[16]) {
    struct gs_rate_limit *limit = calloc(1, sizeof *limit);
    struct row *rows = calloc(ROWS, sizeof *rows);
    if (limit == NULL || rows == NULL) {
        free(limit);
        free(rows);
        return NULL;
    }
    for (size_t i = 0; i < ROWS; i++) {
        pthread_mutex_init(&rows[i].lock, NULL);
    }
    limit->rate = rate;
    limit->rows = rows;
    memcpy(limit->secret, secret, sizeof limit->secret);
    return limit;
}

void gs_rate_limit_free(struct gs_rate_limit *limit) {
    if (limit == NULL) {
        return;
    }
    for (size_t i = 0; i < ROWS; i++) {
        pthread_mutex_destroy(&limit->rows[i].lock);
    }
    free(limit->rows);
    free(limit);
}

static uint64_t full(const struct gs_rate_limit *limit) {
    return (uint64_t)limit->rate * UNITS;
}

static uint64_t units_at(const struct gs_rate_limit *limit, const struct bucket *bucket, int64_t now_ms) {
    uint64_t most = full(limit);
    uint64_t passed = now_ms > bucket->at_ms ? (uint64_t)(now_ms - bucket->at_ms) : 0;
    uint64_t gained = passed >= UNITS ? most : passed * limit->rate; /* a second fills it */
    return bucket->units + gained < most ? bucket->units + gained : most;
}

/* The key's bucket, or an empty place, or the one that has most left. */
static struct bucket *find(const struct gs_rate_limit *limit, struct row *row, uint64_t key, int64_t now_ms) {
    struct bucket *best = NULL;
    uint64_t most = 0;
    for (int i = 0; i < PLACES; i++) {
        struct bucket *bucket = &row->places[i];
        if (bucket->key == key) {
            return bucket;
        }
        uint64_t units = bucket->key == 0 ? UINT64_MAX : units_at(limit, bucket, now_ms);
        if (best == NULL || units > most) {
            best = bucket;
            most = units;
        }
    }
    *best = (struct bucket){.key = key, .at_ms = now_ms, .units = full(limit)};
    return best;
}

static uint32_t seconds(uint64_t units, uint32_t rate) {
    uint64_t ms = (units + rate - 1) / rate;
    return (uint32_t)((ms + 999) / 1000);
}

struct gs_rate_answer gs_rate_limit_take(struct gs_rate_limit *limit, struct gs_slice key, int64_t now_ms) {
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t number;
    crypto_shorthash(hash, key.bytes, key.length, limit->secret);
    memcpy(&number, hash, sizeof number);
    number |= 1; /* never that of an empty place */
    struct row *row = &limit->rows[(number >> 32) % ROWS];
    pthread_mutex_lock(&row->lock);
    struct bucket *bucket = find(limit, row, number, now_ms);
    uint64_t units = units_at(limit, bucket, now_ms);
    bool allowed = units >= UNITS;
    bucket->at_ms = now_ms;
    bucket->units = units = allowed ? units - UNITS : units;
    pthread_mutex_unlock(&row->lock);
    uint32_t retry_s = allowed ? 0 : seconds(UNITS - units, limit->rate);
    return (struct gs_rate_answer){
        .allowed = allowed,
        .limit = limit->rate,
        .remaining = (uint32_t)(units / UNITS),
        .reset_s = seconds(full(limit) - units, limit->rate),
        .retry_s = allowed       ? 0
                   : retry_s > 0 ? retry_s
                                 : 1,
    };
}
