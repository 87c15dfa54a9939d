#include "node/serve/gateway.h"

#include "node/serve/admission.h"
#include "node/serve/gateway_loop.h"
#include "node/serve/pulse.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct gs_gateway {
    pthread_mutex_t lock;
    struct gs_command **queue; /* a ring of GS_CORE_COMMANDS_MAX */
    uint32_t head, count;
    bool shut;
    struct gs_admission admission;
    struct gs_pulse pulse;
    struct gs_node_status status;
    struct gs_view_cache *cache;
    struct gs_causal_gate *causal_gate;
    struct gs_history_pool *history;
    void (*wake)(void *context);
    void *context;
};

/* A command on its way to the loop and back; on the stack of the thread that waits for it. */
struct call {
    struct gs_admission_call waiting;
    sem_t answered;
};

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct gs_gateway *gs_gateway_new(size_t cache_bytes_max, const uint8_t secret[16], void (*wake)(void *context),
                                  void *context) {
    struct gs_gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL) {
        return NULL;
    }
    gateway->queue = calloc(GS_CORE_COMMANDS_MAX, sizeof *gateway->queue);
    gateway->cache = gs_view_cache_new(cache_bytes_max, secret);
    gateway->causal_gate = gs_causal_gate_new();
    gateway->history = gs_history_pool_new();
    if (gateway->queue == NULL || gateway->cache == NULL || gateway->causal_gate == NULL || gateway->history == NULL) {
        gs_causal_gate_free(gateway->causal_gate);
        gs_history_pool_free(gateway->history);
        gs_view_cache_free(gateway->cache);
        free(gateway->queue);
        free(gateway);
        return NULL;
    }
    pthread_mutex_init(&gateway->lock, NULL);
    gs_admission_init(&gateway->admission);
    gateway->wake = wake;
    gateway->context = context;
    return gateway;
}

void gs_gateway_free(struct gs_gateway *gateway) {
    if (gateway == NULL) {
        return;
    }
    gs_pulse_stop(&gateway->pulse);
    gs_history_pool_free(gateway->history);
    gs_view_cache_free(gateway->cache);
    gs_causal_gate_free(gateway->causal_gate);
    pthread_mutex_destroy(&gateway->lock);
    free(gateway->queue);
    free(gateway);
}

/* 0, or why the command is not taken. */
static int enqueue(struct gs_gateway *gateway, struct gs_command *command, bool *ret_first) {
    struct call *call = command->owner;
    int64_t now_ms = mono_ms();
    int error = 0;
    pthread_mutex_lock(&gateway->lock);
    if (gateway->shut) {
        error = GS_ESHUTDOWN;
    } else if (gateway->count == GS_CORE_COMMANDS_MAX ||
               !gs_admission_enter(&gateway->admission, &call->waiting, command->kind == GS_COMMAND_STATUS,
                                   gs_pulse_delay_ms(&gateway->pulse, now_ms), now_ms)) {
        error = GS_EOVERLOADED;
    } else {
        gateway->queue[(gateway->head + gateway->count) % GS_CORE_COMMANDS_MAX] = command;
        *ret_first = gateway->count++ == 0;
    }
    pthread_mutex_unlock(&gateway->lock);
    return error;
}

void gs_gateway_call(struct gs_gateway *gateway, struct gs_command *command) {
    struct call call;
    bool first = false;
    sem_init(&call.answered, 0, 0);
    command->owner = &call;
    command->error = 0;
    int error = enqueue(gateway, command, &first);
    if (error != 0) {
        command->error = error;
    } else {
        /* From here until the answer the command is the loop's: not even its error may be touched. */
        /* The loop takes all there is whenever it is woken: only the first command of a run has to wake it. */
        if (first) {
            gateway->wake(gateway->context);
        }
        while (sem_wait(&call.answered) != 0) {
        }
    }
    sem_destroy(&call.answered);
}

int gs_gateway_start_pulse(struct gs_gateway *gateway, const struct gs_priority *priority) {
    return gs_pulse_start(&gateway->pulse, priority);
}

bool gs_gateway_is_overloaded(struct gs_gateway *gateway) {
    int64_t now_ms = mono_ms();
    pthread_mutex_lock(&gateway->lock);
    bool full = gs_admission_is_full(&gateway->admission, gs_pulse_delay_ms(&gateway->pulse, now_ms), now_ms);
    gateway->admission.refused += full ? 1 : 0;
    pthread_mutex_unlock(&gateway->lock);
    return full;
}

void gs_gateway_set_target(struct gs_gateway *gateway, uint32_t target_ms) {
    gateway->admission.target_ms = target_ms;
}

void gs_gateway_committed(struct gs_gateway *gateway, size_t bytes, uint64_t took_ms) {
    pthread_mutex_lock(&gateway->lock);
    gs_admission_committed(&gateway->admission, bytes, took_ms, mono_ms());
    pthread_mutex_unlock(&gateway->lock);
}

struct gs_command *gs_gateway_take(struct gs_gateway *gateway) {
    struct gs_command *command = NULL;
    pthread_mutex_lock(&gateway->lock);
    if (gateway->count > 0) {
        command = gateway->queue[gateway->head];
        gateway->head = (gateway->head + 1) % GS_CORE_COMMANDS_MAX;
        gateway->count--;
    }
    pthread_mutex_unlock(&gateway->lock);
    return command;
}

void gs_gateway_answer(struct gs_gateway *gateway, struct gs_command *command) {
    struct call *call = command->owner;
    pthread_mutex_lock(&gateway->lock);
    gs_admission_leave(&gateway->admission, &call->waiting);
    pthread_mutex_unlock(&gateway->lock);
    sem_post(&call->answered);
}

void gs_gateway_shut(struct gs_gateway *gateway) {
    pthread_mutex_lock(&gateway->lock);
    gateway->shut = true;
    pthread_mutex_unlock(&gateway->lock);
    gs_causal_gate_shut(gateway->causal_gate);
    struct gs_command *command;
    while ((command = gs_gateway_take(gateway)) != NULL) {
        command->error = GS_ESHUTDOWN;
        gs_gateway_answer(gateway, command);
    }
}

struct gs_view *gs_gateway_view(struct gs_gateway *gateway, struct gs_slice type, struct gs_slice id, int *ret_error) {
    uint8_t key[2 * GS_ID_BYTES_MAX + 1];
    memcpy(key, type.bytes, type.length);
    key[type.length] = '/';
    memcpy(key + type.length + 1, id.bytes, id.length);
    struct gs_view *view = gs_view_cache_get(gateway->cache, gs_slice_make(key, type.length + 1 + id.length));
    if (view != NULL) {
        return view;
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    if (command == NULL) {
        *ret_error = GS_ENOMEM;
        return NULL;
    }
    struct gs_read_key wanted = {.aggregate_type = type, .aggregate_id = id};
    command->keys = &wanted;
    command->key_count = 1;
    gs_gateway_call(gateway, command);
    if (command->error == 0) {
        view = gs_view_retain(command->views[0]);
    } else {
        *ret_error = command->error;
    }
    gs_command_free(command);
    return view;
}

struct gs_causal_gate *gs_gateway_causal_gate(struct gs_gateway *gateway) {
    return gateway->causal_gate;
}

struct gs_view_cache *gs_gateway_cache(struct gs_gateway *gateway) {
    return gateway->cache;
}

struct gs_history_pool *gs_gateway_history(struct gs_gateway *gateway) {
    return gateway->history;
}

void gs_gateway_set_status(struct gs_gateway *gateway, const struct gs_node_status *status) {
    pthread_mutex_lock(&gateway->lock);
    gateway->status = *status;
    pthread_mutex_unlock(&gateway->lock);
}

void gs_gateway_status(struct gs_gateway *gateway, struct gs_node_status *ret_status) {
    struct gs_view_cache_stats cache = {0};
    int64_t now_ms = mono_ms();
    gs_view_cache_get_stats(gateway->cache, &cache);
    pthread_mutex_lock(&gateway->lock);
    *ret_status = gateway->status;
    ret_status->calls_waiting = gateway->admission.waiting;
    ret_status->calls_refused = gateway->admission.refused;
    ret_status->oldest_call_ms = gs_admission_oldest_ms(&gateway->admission, now_ms);
    ret_status->processor_wait_ms = gs_pulse_delay_ms(&gateway->pulse, now_ms);
    pthread_mutex_unlock(&gateway->lock);
    ret_status->cache_hits = cache.hits;
    ret_status->cache_misses = cache.misses;
    ret_status->cache_bytes = cache.bytes;
}
