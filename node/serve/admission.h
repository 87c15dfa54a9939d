/* Admission by queue time: refuse early what would only wait.
 *
 * When the oldest call has waited for the core longer than the target, or threads wait longer than it for a processor
 * (pulse.h), new calls are refused at once, and those that were let in keep their latency, however many more come (the
 * idea of CoDel, Nichols & Jacobson, "Controlling Queue Delay", 2012: what counts is how long, not how many). A few
 * calls are always let in: one slow disk write is no overload. The caller holds a lock. */
#ifndef GS_NODE_SERVE_ADMISSION_H
#define GS_NODE_SERVE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GS_ADMISSION_TARGET_MS = 100,
    GS_ADMISSION_ALWAYS = 64 /* calls that wait without anyone being refused */
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
};

void gs_admission_init(struct gs_admission *admission);

/* Would one more call be refused now? `delay_ms`: what threads wait for a processor. */
bool gs_admission_is_full(const struct gs_admission *admission, uint64_t delay_ms, int64_t now_ms);

/* May one more call wait? `must`: it has to be let in (what operators ask). If so, it is in the list until
 * gs_admission_leave. */
bool gs_admission_enter(struct gs_admission *admission, struct gs_admission_call *call, bool must, uint64_t delay_ms,
                        int64_t now_ms);
void gs_admission_leave(struct gs_admission *admission, struct gs_admission_call *call);

/* How long the oldest has waited; 0: nobody waits. */
uint64_t gs_admission_oldest_ms(const struct gs_admission *admission, int64_t now_ms);

#endif
