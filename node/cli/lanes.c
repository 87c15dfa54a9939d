#include "node/cli/lanes.h"

#include "node/cli/http_client.h"
#include "node/cli/progress.h"

#include "gossip/identity.h"

#include <globalstate/json.h>

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RETRY_MS_MAX = 120000, RETRY_PAUSE_MS = 200, POLL_MS = 50 };

struct lane {
    const struct gs_lanes_config *config;
    uint32_t region; /* number of the URL */
    uint32_t number; /* of the connection within the region */
    pthread_t thread;
    bool started;
    atomic_uint_fast64_t *done; /* shared: events over and done with */
    uint64_t sent, refused, retries;
    uint32_t *latencies_us; /* owned */
    uint32_t latency_count, latency_capacity;
    struct gs_problem first;
};

static void pause_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void record_latency(struct lane *lane, uint64_t us) {
    if (lane->latency_count == lane->latency_capacity) {
        uint32_t capacity = lane->latency_capacity == 0 ? 4096 : lane->latency_capacity * 2;
        uint32_t *longer = realloc(lane->latencies_us, capacity * sizeof *longer);
        if (longer == NULL) {
            return;
        }
        lane->latencies_us = longer;
        lane->latency_capacity = capacity;
    }
    lane->latencies_us[lane->latency_count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* `last`: number of the request's last event in the trace. */
static void make_key(const struct lane *lane, uint32_t last, uint64_t events, char ret_key[33]) {
    uint8_t bytes[16];
    const char *run_id = lane->config->run_id;
    if (run_id != NULL) {
        uint64_t place[3] = {last, events, lane->config->batch};
        gs_hash16("gs-replay-v1", run_id, strlen(run_id), place, sizeof place, bytes);
    } else {
        randombytes_buf(bytes, sizeof bytes);
    }
    sodium_bin2hex(ret_key, 33, bytes, sizeof bytes);
}

static void note_refusal(struct lane *lane, long status, const struct gs_buffer *body, uint64_t events) {
    lane->refused += events;
    if (lane->first.code == 0) {
        gs_problem_set(&lane->first, GS_EIO, "", "%s answered %ld %.*s", lane->config->urls[lane->region], status,
                       (int)(body->length < 160 ? body->length : 160),
                       body->bytes != NULL ? (const char *)body->bytes : "");
    }
}

/* Sends one request until it is answered for good. */
static void send_request(struct lane *lane, struct gs_http_client *client, struct gs_slice body, const char *key,
                         uint64_t events, struct gs_http_answer *answer) {
    struct gs_problem problem = {0};
    uint64_t deadline = gs_monotonic_ms() + RETRY_MS_MAX;
    for (;;) {
        uint64_t start = now_us();
        int error = gs_http_client_call(client, "POST", "/events", body, key, answer, &problem);
        record_latency(lane, now_us() - start);
        if (error == 0 && (answer->status == 200 || answer->status == 201)) {
            lane->sent += events;
            return;
        }
        bool passing = error != 0 || answer->status == 503;
        if (!passing || !lane->config->retry || gs_monotonic_ms() > deadline) {
            if (error != 0 && lane->first.code == 0) {
                lane->first = problem;
            }
            note_refusal(lane, answer->status, &answer->body, events);
            return;
        }
        lane->retries++;
        pause_ms(RETRY_PAUSE_MS);
    }
}

static bool is_mine(const struct lane *lane, const struct gs_trace_event *event) {
    return event->region % lane->config->url_count == lane->region &&
           event->key % lane->config->connections == lane->number;
}

static void *run_lane(void *context) {
    struct lane *lane = context;
    const struct gs_lanes_config *config = lane->config;
    struct gs_http_client *client = gs_http_client_new(config->urls[lane->region], config->token);
    struct gs_http_answer answer = {0};
    struct gs_buffer body = {0};
    uint32_t waiting = 0;
    uint32_t number = 0;
    char key[33];
    for (uint32_t i = 0; client != NULL && i <= config->trace->count; i++) {
        bool last = i == config->trace->count;
        const struct gs_trace_event *event = last ? NULL : &config->trace->events[i];
        if (!last && !is_mine(lane, event)) {
            continue;
        }
        if (!last) {
            gs_buffer_text(&body, config->batch == 1 ? "" : waiting == 0 ? "{\"events\":[" : ",");
            gs_buffer_append(&body, event->body.bytes, event->body.length);
            number = i;
            waiting++;
        }
        if (waiting > 0 && (last || waiting == config->batch)) {
            gs_buffer_text(&body, config->batch == 1 ? "" : "]}");
            make_key(lane, number, waiting, key);
            send_request(lane, client, gs_slice_make(body.bytes, body.length), key, waiting, &answer);
            atomic_fetch_add(lane->done, waiting);
            body.length = 0;
            waiting = 0;
        }
    }
    gs_buffer_close(&body);
    gs_buffer_close(&answer.body);
    gs_http_client_free(client);
    return NULL;
}

static int compare_u32(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static double quantile(const uint32_t *sorted, size_t count, double fraction) {
    size_t at = (size_t)(fraction * (double)count);
    return count == 0 ? 0.0 : (double)sorted[at < count ? at : count - 1] / 1000.0;
}

static void sum_up(struct lane *lanes, uint32_t count, struct gs_lanes_result *result) {
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += lanes[i].latency_count;
    }
    uint32_t *all = malloc((total + 1) * sizeof *all);
    size_t filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct lane *lane = &lanes[i];
        result->sent += lane->sent;
        result->refused += lane->refused;
        result->retries += lane->retries;
        if (result->first.code == 0) {
            result->first = lane->first;
        }
        if (all != NULL && lane->latency_count > 0) {
            memcpy(all + filled, lane->latencies_us, lane->latency_count * sizeof *all);
            filled += lane->latency_count;
        }
        free(lane->latencies_us);
    }
    if (all != NULL) {
        qsort(all, filled, sizeof *all, compare_u32);
        result->p50_ms = quantile(all, filled, 0.5);
        result->p99_ms = quantile(all, filled, 0.99);
        result->max_ms = quantile(all, filled, 1.0);
    }
    free(all);
}

int gs_lanes_run(const struct gs_lanes_config *config, struct gs_lanes_result *ret_result) {
    uint32_t count = config->url_count * config->connections;
    struct lane *lanes = calloc(count, sizeof *lanes);
    atomic_uint_fast64_t done = 0;
    struct gs_progress progress;
    struct gs_lanes_result result = {0};
    int error = lanes != NULL ? 0 : GS_ENOMEM;
    uint64_t start = gs_monotonic_ms();
    gs_progress_start(&progress, "replaying", "events", config->trace->count, config->json);
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        lanes[i].config = config;
        lanes[i].region = i / config->connections;
        lanes[i].number = i % config->connections;
        lanes[i].done = &done;
        lanes[i].started = pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]) == 0;
        error = lanes[i].started ? 0 : GS_EIO;
    }
    while (error == 0 && atomic_load(&done) < config->trace->count) {
        gs_progress_update(&progress, atomic_load(&done));
        pause_ms(POLL_MS);
    }
    for (uint32_t i = 0; lanes != NULL && i < count; i++) {
        if (lanes[i].started) {
            pthread_join(lanes[i].thread, NULL);
        }
    }
    result.elapsed_ms = gs_monotonic_ms() - start;
    gs_progress_finish(&progress, atomic_load(&done));
    if (lanes != NULL) {
        sum_up(lanes, count, &result);
    }
    free(lanes);
    *ret_result = result;
    return error;
}
