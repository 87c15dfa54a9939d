#include "node/store/breaker.h"

void gs_breaker_set(struct gs_breaker *breaker, uint32_t threshold) {
    breaker->threshold = threshold != 0 ? threshold : GS_BREAKER_THRESHOLD;
}

bool gs_breaker_refuses(const struct gs_breaker *breaker, uint64_t now_ms) {
    return breaker->state == GS_BREAKER_HALF_OPEN || (breaker->state == GS_BREAKER_OPEN && now_ms < breaker->next_ms);
}

bool gs_breaker_try(struct gs_breaker *breaker, uint64_t now_ms) {
    if (gs_breaker_refuses(breaker, now_ms)) {
        return false;
    }
    if (breaker->state == GS_BREAKER_OPEN) {
        breaker->state = GS_BREAKER_HALF_OPEN;
    }
    return true;
}

/* Attempts that began before it opened may end after that: they only put the next one off. */
void gs_breaker_failed(struct gs_breaker *breaker, uint64_t now_ms) {
    breaker->failures += breaker->failures < UINT32_MAX ? 1 : 0;
    if (breaker->state == GS_BREAKER_CLOSED && breaker->failures >= breaker->threshold) {
        breaker->opened++;
        breaker->state = GS_BREAKER_OPEN;
    } else if (breaker->state == GS_BREAKER_HALF_OPEN) {
        breaker->state = GS_BREAKER_OPEN;
    }
    breaker->next_ms = now_ms + GS_BREAKER_PAUSE_MS;
}

void gs_breaker_succeeded(struct gs_breaker *breaker) {
    breaker->state = GS_BREAKER_CLOSED;
    breaker->failures = 0;
}

const char *gs_breaker_name(enum gs_breaker_state state) {
    return state == GS_BREAKER_CLOSED ? "closed" : state == GS_BREAKER_OPEN ? "open" : "half-open";
}
