#include "tests/support/fake_gateway.h"

#include "tests/support/fake_quarantine.h"

#include "node/store/store_rewrite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct gs_gateway {
    pthread_mutex_t lock;
    struct gs_core *core;
    struct gs_trust trust;
    struct gs_trust_entry regions[3]; /* this one, us-east, ap-south */
    struct gs_update update;
    struct gs_causal_gate *causal_gate;
    struct gs_store *store;
    struct gs_history_pool *history;
    bool store_down;
    bool stuck;
};

static uint64_t clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void announce(struct gs_gateway *gateway) {
    const struct gs_vector *stored = gs_core_stored(gateway->core);
    struct gs_causal_head heads[4] = {0};
    uint32_t count = 0;
    for (; count < stored->count && count < 4; count++) {
        heads[count].origin = stored->heads[count].origin;
        heads[count].seq = stored->heads[count].seq;
        gs_core_write_name(gateway->core, &heads[count].origin, heads[count].region, sizeof heads[count].region);
    }
    (void)gs_causal_gate_announce(gateway->causal_gate, heads, count);
    gs_causal_gate_open(gateway->causal_gate);
}

/* Steps once and carries out what the core asks for, which may be another step: a commit is on disk at once. */
static int run(struct gs_gateway *gateway, struct gs_core_event event) {
    bool more = true;
    int error = 0;
    while (more && error == 0) {
        event.now_ms = clock_ms(CLOCK_REALTIME);
        event.mono_ms = clock_ms(CLOCK_MONOTONIC);
        error = gs_core_step(gateway->core, &event, &gateway->update);
        more = gateway->update.has_commit;
        if (event.type == GS_CORE_STORED || event.type == GS_CORE_START) {
            announce(gateway);
        }
        if (more) {
            const struct gs_commit *commit = &gateway->update.commit;
            bool behind = true;
            error = gateway->store->methods->append(
                gateway->store, gs_slice_make(commit->records.bytes, commit->records.length), commit->count);
            while (error == 0 && behind) {
                error = gateway->store->methods->project(gateway->store, 1000, &behind);
            }
        }
        event = (struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = gateway->update.commit.number}};
        gs_update_clear(&gateway->update);
    }
    return error;
}

static int step_one(void *context, struct gs_core_event event) {
    return run(context, event);
}

struct gs_gateway *fake_gateway_new(const char *region) {
    static const uint8_t seed[GS_SEED_SIZE] = {7};
    struct gs_gateway *gateway = calloc(1, sizeof *gateway);
    struct gs_core_config config = {
        .cluster = gs_cluster_from_name("test"),
        .max_skew_ms = 60000,
        .sync_interval_ms = 500,
        .ack_interval_ms = 5000,
        .idempotency_ms = 86400000,
        .idempotency_max = 100000,
        .now_ms = clock_ms(CLOCK_REALTIME),
    };
    if (gateway == NULL) {
        return NULL;
    }
    gs_key_pair_from_seed(seed, &config.keys);
    static const char *const others[] = {"us-east", "ap-south"};
    gateway->regions[0].key = config.keys.public_key;
    memcpy(gateway->regions[0].region, region, strnlen(region, GS_REGION_NAME_MAX));
    for (uint8_t i = 1; i <= 2; i++) {
        const uint8_t other[GS_SEED_SIZE] = {0xfa, i};
        struct gs_key_pair pair;
        gs_key_pair_from_seed(other, &pair);
        gateway->regions[i].key = pair.public_key;
        memcpy(gateway->regions[i].region, others[i - 1], strlen(others[i - 1]));
    }
    gateway->trust = (struct gs_trust){.entries = gateway->regions, .count = 3};
    config.trust = &gateway->trust;
    pthread_mutex_init(&gateway->lock, NULL);
    gateway->causal_gate = gs_causal_gate_new();
    gateway->history = gs_history_pool_new();
    if (gateway->causal_gate == NULL || gateway->history == NULL ||
        gs_store_open("memory:", &gateway->store, NULL) != 0 ||
        gs_history_pool_attach(gateway->history, gateway->store) != 0) {
        fake_gateway_free(gateway);
        return NULL;
    }
    if (gs_core_new(&config, &gateway->core) != 0 || run(gateway, (struct gs_core_event){.type = GS_CORE_START}) != 0 ||
        fake_quarantine_fill(&config, step_one, gateway) != 0) {
        fake_gateway_free(gateway);
        return NULL;
    }
    return gateway;
}

void fake_gateway_free(struct gs_gateway *gateway) {
    gs_history_pool_free(gateway->history);
    if (gateway->store != NULL) {
        gateway->store->methods->close(gateway->store);
    }
    gs_core_free(gateway->core);
    gs_causal_gate_free(gateway->causal_gate);
    gs_update_clear(&gateway->update);
    pthread_mutex_destroy(&gateway->lock);
    free(gateway);
}

struct gs_causal_gate *gs_gateway_causal_gate(struct gs_gateway *gateway) {
    return gateway->causal_gate;
}

static bool slice_is(struct gs_slice slice, const char *text) {
    return slice.length == strlen(text) && memcmp(slice.bytes, text, slice.length) == 0;
}

/* The fault that an address asks for, or 0. */
static int fault_of(struct gs_gateway *gateway, struct gs_slice type, struct gs_slice id) {
    static const struct {
        const char *id;
        int error;
    } faults[] = {{"overloaded", GS_EOVERLOADED}, {"starting", GS_EBUSY},     {"store", GS_ESTORE},
                  {"doubt", GS_EUNCERTAIN},       {"shutdown", GS_ESHUTDOWN}, {"memory", GS_ENOMEM}};
    if (!slice_is(type, "fault")) {
        return 0;
    }
    if (slice_is(id, "store-down") || slice_is(id, "stuck") || slice_is(id, "well")) {
        gateway->store_down = slice_is(id, "store-down");
        gateway->stuck = slice_is(id, "stuck");
    }
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (slice_is(id, faults[i].id)) {
            return faults[i].error;
        }
    }
    return 0;
}

static int command_fault(struct gs_gateway *gateway, const struct gs_command *command) {
    int error = 0;
    for (uint32_t i = 0; i < command->write_count && error == 0; i++) {
        for (uint32_t j = 0; j < command->writes[i].change_count && error == 0; j++) {
            const struct gs_write_change *change = &command->writes[i].changes[j];
            error = fault_of(gateway, change->aggregate_type, change->aggregate_id);
        }
    }
    for (uint32_t i = 0; i < command->key_count && error == 0; i++) {
        error = fault_of(gateway, command->keys[i].aggregate_type, command->keys[i].aggregate_id);
    }
    if (error == 0 && command->kind == GS_COMMAND_CONFLICTS) {
        error = fault_of(gateway, command->list_type, command->list_id);
    }
    return error != 0 || command->kind != GS_COMMAND_LIST ? error
                                                          : fault_of(gateway, command->list_type, command->list_after);
}

void gs_gateway_call(struct gs_gateway *gateway, struct gs_command *command) {
    pthread_mutex_lock(&gateway->lock);
    int error = command_fault(gateway, command);
    if (error != 0) {
        command->error = error;
    } else if (command->kind == GS_COMMAND_REWRITE) {
        const struct gs_slice rewrites = gs_slice_make(command->rewrites.bytes, command->rewrites.length);
        command->error = gs_store_rewrite_all(gateway->store, rewrites, command->scrub);
    } else if (run(gateway, (struct gs_core_event){.type = GS_CORE_COMMAND, .command = command}) != 0) {
        abort();
    }
    pthread_mutex_unlock(&gateway->lock);
}

struct gs_view *gs_gateway_view(struct gs_gateway *gateway, struct gs_slice type, struct gs_slice id, int *ret_error) {
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    const struct gs_read_key key = {.aggregate_type = type, .aggregate_id = id};
    struct gs_view *view = NULL;
    if (command == NULL) {
        *ret_error = GS_ENOMEM;
        return NULL;
    }
    command->keys = &key;
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

struct gs_history_pool *gs_gateway_history(struct gs_gateway *gateway) {
    return gateway->history;
}

bool gs_gateway_is_overloaded(struct gs_gateway *gateway) {
    (void)gateway;
    return false;
}

void gs_gateway_status(struct gs_gateway *gateway, struct gs_node_status *ret_status) {
    pthread_mutex_lock(&gateway->lock);
    struct gs_node_status status = {.store_ok = !gateway->store_down, .store_name = "fake"};
    gs_core_get_stats(gateway->core, &status.core);
    status.loop_mono_ms = clock_ms(CLOCK_MONOTONIC) - (gateway->stuck ? 60000 : 0);
    pthread_mutex_unlock(&gateway->lock);
    *ret_status = status;
}
