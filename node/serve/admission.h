/* Admission by queue time: refuse early what would only wait.
 *
 * When threads wait longer than the target for a processor (pulse.h), or the oldest call has waited for the core longer
 * than the target and what the store needs, new calls are refused at once, and those that were let in keep their
 * latency, however many more come (the idea of CoDel, Nichols & Jacobson, "Controlling Queue Delay", 2012: what counts
 * is how long, not how many). A few calls are always let in: one slow disk write is no overload.
 *
 * What the store needs is measured: a call waits for the commit that is under way, then for its own. Only small commits
 * count, and the fastest of the last seconds: in an overload commits grow with the queue, and a limit that grew with
 * them would never hold (as BBR takes the least round trip; Cardwell et al., 2016). The caller holds a lock. */
#ifndef GS_NODE_SERVE_ADMISSION_H
#define GS_NODE_SERVE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GS_ADMISSION_TARGET_MS = 10,
    GS_ADMISSION_ALWAYS = 64, /* calls that wait without anyone being refused */
    GS_ADMISSION_SMALL_BYTES = 16384,
    GS_ADMISSION_WINDOW_MS = 10000, /* the fastest commit is looked for in this one and the one before */
    GS_ADMISSION_COMMITS = 3        /* that a call may wait for: one under way, its own, and some room */
};

/* A call that waits; on the stack of its thread. */
struct gs_admission_call {
    struct gs_admission_call *next, *previous;
    int64_t since_ms; /* CLOCK_MONOTONIC */
};

struct gs_admission {
    struct gs_admission_call list; /* head of a ring, oldest first */
    uint32_t waiting;
    uint32_t target_ms; /* 0: nobody is refused */
    uint64_t refused;
    int64_t window_ms;                      /* when the window began */
    uint32_t fastest_ms, fastest_before_ms; /* commits; UINT32_MAX: none in that window */
};

void gs_admission_init(struct gs_admission *admission);

/* Would one more call be refused now? `delay_ms`: what threads wait for a processor. */
bool gs_admission_is_full(const struct gs_admission *admission, uint64_t delay_ms, int64_t now_ms);

/* May one more call wait? `must`: it has to be let in (what operators ask). If so, it is in the list until
 * gs_admission_leave. */
bool gs_admission_enter(struct gs_admission *admission, struct gs_admission_call *call, bool must, uint64_t delay_ms,
                        int64_t now_ms);
void gs_admission_leave(struct gs_admission *admission, struct gs_admission_call *call);

/* A commit of `bytes` took the store `took_ms`. */
void gs_admission_committed(struct gs_admission *admission, size_t bytes, uint64_t took_ms, int64_t now_ms);

/* How long a call may wait for the core and the store before others are refused; 0: any time. */
uint64_t gs_admission_limit_ms(const struct gs_admission *admission);

/* How long the oldest has waited; 0: nobody waits. */
uint64_t gs_admission_oldest_ms(const struct gs_admission *admission, int64_t now_ms);

#endif
