/* A circuit breaker before something that may be away: after so many failures in a row nobody waits for it any more.
 *
 *     closed ──threshold failures in a row──▶ open ──after a pause──▶ half-open: one attempt
 *        ▲                                     ▲                         │
 *        │                                     └────────failure──────────┤
 *        └───────────────────────────success─────────────────────────────┘
 *
 * Pure: time is an input, and whoever shares one brings the lock. (M. Nygard, Release It!, 2007.) */
#ifndef GS_NODE_STORE_BREAKER_H
#define GS_NODE_STORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GS_BREAKER_THRESHOLD = 5, /* unless it is set (CIRCUIT_BREAKER_THRESHOLD) … */
    GS_BREAKER_THRESHOLD_MAX = 1000,
    GS_BREAKER_PAUSE_MS = 1000 /* from a failure to the next attempt of one that is open */
};

enum gs_breaker_state { GS_BREAKER_CLOSED, GS_BREAKER_OPEN, GS_BREAKER_HALF_OPEN };

/* Zero-initialise; gs_breaker_set. */
struct gs_breaker {
    enum gs_breaker_state state;
    uint32_t threshold;
    uint32_t failures; /* in a row */
    uint64_t next_ms;  /* of one that is open: when an attempt may be made */
    uint64_t opened;   /* how often it went from closed to open */
};

/* 1..GS_BREAKER_THRESHOLD_MAX; 0 stands for GS_BREAKER_THRESHOLD. */
void gs_breaker_set(struct gs_breaker *breaker, uint32_t threshold);

/* Whether an attempt may be made now. True for one that is open makes it half-open: the attempt has to end in one of
 * the two below, and until then no other may be made. */
bool gs_breaker_try(struct gs_breaker *breaker, uint64_t now_ms);
/* Whether gs_breaker_try would say no. */
bool gs_breaker_refuses(const struct gs_breaker *breaker, uint64_t now_ms);
/* An attempt found it away, or found it there. */
void gs_breaker_failed(struct gs_breaker *breaker, uint64_t now_ms);
void gs_breaker_succeeded(struct gs_breaker *breaker);

/* "closed", "open", "half-open" */
const char *gs_breaker_name(enum gs_breaker_state state);

#endif
