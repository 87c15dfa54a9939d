/* The pulse: how long a thread of this process waits for a processor.
 *
 * Request threads are many, one a connection. When more of them are runnable than there are processors, requests wait
 * before the first line of ours runs, in a queue that nothing here can see. A thread that wants to wake every few
 * milliseconds, as they do when a request comes, and looks at the clock, waits in the same queue: what it is late by is
 * what they wait. */
#ifndef GS_NODE_SERVE_PULSE_H
#define GS_NODE_SERVE_PULSE_H

#include "node/serve/priority.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { GS_PULSE_BEAT_MS = 4 };

struct gs_pulse {
    atomic_llong due_ms; /* CLOCK_MONOTONIC: when the next beat should be; 0: not running */
    atomic_uint late_ms; /* what the larger of the last two beats was late by */
    uint32_t last_ms;    /* the thread's own: the last one */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the end */
    bool stop;
    pthread_t thread;
    struct gs_priority priority;
};

/* `priority`: that of the threads it stands for. 0, or GS_ENOMEM: no thread. In place: it must not move. */
int gs_pulse_start(struct gs_pulse *pulse, const struct gs_priority *priority);
/* Nothing happens for one that is zeroed, or was not started. */
void gs_pulse_stop(struct gs_pulse *pulse);

/* What a thread that becomes runnable waits, as far as is known at `now_ms`. */
uint64_t gs_pulse_delay_ms(const struct gs_pulse *pulse, int64_t now_ms);

/* A beat at `now_ms`, for the thread and for tests: notes its lateness, and when the next is due. */
void gs_pulse_beat(struct gs_pulse *pulse, int64_t now_ms);

#endif
