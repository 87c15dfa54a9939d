#include "node/serve/pulse.h"

#include <globalstate/error.h>

#include <time.h>

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void gs_pulse_beat(struct gs_pulse *pulse, int64_t now_ms) {
    int64_t due_ms = atomic_load(&pulse->due_ms);
    uint32_t late_ms = due_ms > 0 && now_ms > due_ms ? (uint32_t)(now_ms - due_ms) : 0;
    atomic_store(&pulse->late_ms, late_ms > pulse->last_ms ? late_ms : pulse->last_ms);
    pulse->last_ms = late_ms;
    atomic_store(&pulse->due_ms, now_ms + GS_PULSE_BEAT_MS);
}

uint64_t gs_pulse_delay_ms(const struct gs_pulse *pulse, int64_t now_ms) {
    struct gs_pulse *read = (struct gs_pulse *)(uintptr_t)pulse; /* atomic_load wants no const */
    int64_t due_ms = atomic_load(&read->due_ms);
    uint64_t known_ms = atomic_load(&read->late_ms);
    uint64_t overdue_ms = due_ms > 0 && now_ms > due_ms ? (uint64_t)(now_ms - due_ms) : 0;
    return overdue_ms > known_ms ? overdue_ms : known_ms;
}

static void *run(void *argument) {
    struct gs_pulse *pulse = argument;
    gs_priority_serve(&pulse->priority);
    pthread_mutex_lock(&pulse->lock);
    while (!pulse->stop) {
        struct timespec until;
        gs_pulse_beat(pulse, mono_ms());
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += GS_PULSE_BEAT_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        (void)pthread_cond_timedwait(&pulse->wake, &pulse->lock, &until);
    }
    pthread_mutex_unlock(&pulse->lock);
    return NULL;
}

int gs_pulse_start(struct gs_pulse *pulse, const struct gs_priority *priority) {
    pthread_condattr_t attributes;
    pulse->priority = *priority;
    pthread_mutex_init(&pulse->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pulse->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    atomic_store(&pulse->due_ms, mono_ms());
    if (pthread_create(&pulse->thread, NULL, run, pulse) != 0) {
        atomic_store(&pulse->due_ms, 0);
        pthread_cond_destroy(&pulse->wake);
        pthread_mutex_destroy(&pulse->lock);
        return GS_ENOMEM;
    }
    return 0;
}

void gs_pulse_stop(struct gs_pulse *pulse) {
    if (atomic_load(&pulse->due_ms) == 0) {
        return;
    }
    pthread_mutex_lock(&pulse->lock);
    pulse->stop = true;
    pthread_cond_signal(&pulse->wake);
    pthread_mutex_unlock(&pulse->lock);
    pthread_join(pulse->thread, NULL);
    pthread_cond_destroy(&pulse->wake);
    pthread_mutex_destroy(&pulse->lock);
    atomic_store(&pulse->due_ms, 0);
}
