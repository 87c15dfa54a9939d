/* What a node knows of the cluster, for operators: its own vector, and each peer's state, round trip and lag. */
#include "node/core/core_impl.h"

#include <string.h>

static const char *state_of(enum gs_peer_life life) {
    static const char *const names[] = {
        [GS_PEER_ALIVE] = "alive", [GS_PEER_SUSPECT] = "suspect", [GS_PEER_DEAD] = "dead", [GS_PEER_LEFT] = "left"};
    return names[life];
}

static const char *reach_of(enum gs_peer_reach reach) {
    static const char *const names[] = {[GS_REACH_DIRECT] = "direct",
                                        [GS_REACH_ONE_WAY] = "oneWay",
                                        [GS_REACH_INDIRECT] = "indirect",
                                        [GS_REACH_NONE] = "none"};
    return names[reach];
}

/* Events that we have stored and the peer has not. */
static uint64_t lag_events(const struct gs_core *core, const struct gs_vector *told) {
    uint64_t events = 0;
    for (uint32_t i = 0; i < core->stored.count; i++) {
        uint64_t has = gs_vector_seq(told, &core->stored.heads[i].origin);
        events += core->stored.heads[i].seq > has ? core->stored.heads[i].seq - has : 0;
    }
    return events;
}

static void write_lag(const struct gs_core *core, const struct gs_vector *told, struct gs_buffer *out) {
    uint64_t bytes = 0;
    uint64_t age_ms = 0;
    gs_lag_own(core, gs_vector_seq(told, &core->self->origin), &bytes, &age_ms);
    gs_buffer_printf(out, "{\"events\":%llu,\"bytes\":%llu,\"seconds\":%llu.%03llu}",
                     (unsigned long long)lag_events(core, told), (unsigned long long)bytes,
                     (unsigned long long)(age_ms / 1000), (unsigned long long)(age_ms % 1000));
}

/* What is known of the region as a member, beside its state: how it is reached, and where it says that it can be. */
static void write_member(const struct gs_core *core, const struct gs_member_entry *entry, enum gs_peer_reach reach,
                         struct gs_buffer *out) {
    const struct gs_trust_entry *via =
        reach == GS_REACH_INDIRECT ? gs_trust_find_key(core->config.trust, &entry->via) : NULL;
    gs_buffer_printf(out, ",\"reach\":\"%s\",\"via\":", reach_of(reach));
    if (via != NULL) {
        gs_buffer_printf(out, "\"%s\"", via->region);
    } else {
        gs_buffer_text(out, "null");
    }
    if (entry != NULL && entry->news_mono_ms != 0) {
        gs_buffer_printf(out, ",\"silentMs\":%llu", (unsigned long long)(core->mono_ms - entry->news_mono_ms));
    } else {
        gs_buffer_text(out, ",\"silentMs\":null");
    }
    gs_buffer_text(out, ",\"addresses\":[");
    for (uint32_t i = 0; entry != NULL && i < entry->member.address_count; i++) {
        gs_buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", entry->member.addresses[i]);
    }
    gs_buffer_text(out, "]");
}

void gs_status_write_peer(const struct gs_core *core, const struct gs_trust_entry *trusted, struct gs_buffer *out) {
    struct gs_vector past = {0};
    const struct gs_peer_state *peer = gs_members_link(core, &trusted->key);
    const struct gs_member_entry *entry = gs_members_find(core, &trusted->key);
    enum gs_peer_life life;
    enum gs_peer_reach reach;
    gs_core_peer_life(core, &trusted->key, &life, &reach);
    if (peer == NULL && gs_stable_known(core, &trusted->key, &past) != 0) {
        out->failed = GS_ENOMEM;
    }
    const struct gs_vector *told = peer != NULL ? &peer->told : &past;
    const char *known = entry != NULL && entry->member.address_count > 0 ? entry->member.addresses[0] : "";
    gs_buffer_printf(out, "{\"region\":\"%s\",\"address\":\"%s\",\"state\":\"%s\",\"roundTripMs\":", trusted->region,
                     peer != NULL ? peer->address : known, state_of(life));
    if (peer != NULL) {
        gs_buffer_printf(out, "%llu", (unsigned long long)peer->round_trip_ms);
    } else {
        gs_buffer_text(out, "null");
    }
    gs_buffer_printf(out, ",\"retired\":%s", gs_closing_is_retired(core, &trusted->key) ? "true" : "false");
    write_member(core, entry, reach, out);
    gs_buffer_text(out, ",\"lag\":");
    write_lag(core, told, out);
    gs_buffer_text(out, ",\"vector\":");
    gs_registry_write_vector(core, told, out);
    gs_buffer_text(out, "}");
    gs_vector_close(&past);
}

static bool is_other(const struct gs_core *core, const struct gs_trust_entry *trusted) {
    return !trusted->revoked && !gs_closing_is_succeeded(core, &trusted->key) &&
           memcmp(&trusted->key, &core->config.keys.public_key, sizeof trusted->key) != 0;
}

uint32_t gs_core_peer_lags(const struct gs_core *core, struct gs_peer_lag *ret_lags, uint32_t max) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.trust->count && count < max; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        struct gs_vector past = {0};
        enum gs_peer_reach reach;
        if (!is_other(core, trusted) || gs_closing_is_retired(core, &trusted->key)) {
            continue;
        }
        struct gs_peer_lag *lag = &ret_lags[count];
        const struct gs_peer_state *peer = gs_members_link(core, &trusted->key);
        if (peer != NULL || gs_stable_known(core, &trusted->key, &past) == 0) {
            const struct gs_vector *told = peer != NULL ? &peer->told : &past;
            *lag = (struct gs_peer_lag){.linked = peer != NULL, .events = lag_events(core, told)};
            lag->round_trip_ms = peer != NULL ? peer->round_trip_ms : 0;
            memcpy(lag->region, trusted->region, sizeof lag->region);
            gs_core_peer_life(core, &trusted->key, &lag->life, &reach);
            gs_lag_own(core, gs_vector_seq(told, &core->self->origin), &lag->bytes, &lag->age_ms);
            count++;
        }
        gs_vector_close(&past);
    }
    return count;
}

static void write_counters(const struct gs_core *core, struct gs_buffer *out) {
    const struct gs_core_stats *stats = &core->stats;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"eventsLocal", stats->events_local},
        {"eventsRemote", stats->events_remote},
        {"commits", stats->commits},
        {"batchesRefused", stats->batches_refused},
        {"batchesDuplicate", stats->batches_duplicate},
        {"batchesHeld", stats->batches_held},
        {"heldNow", stats->held},
        {"forks", stats->forks},
        {"conflictsKnown", stats->conflicts_known},
        {"incarnations", stats->incarnations},
        {"verifyRuns", stats->verify_runs},
        {"aggregatesDiffering", stats->verify_differing},
        {"aggregatesRepaired", stats->verify_repaired},
        {"aggregates", stats->aggregates},
        {"aggregateBytes", stats->aggregate_bytes},
        {"compactedAggregates", stats->compacted},
        {"compactedBytes", stats->compacted_bytes},
        {"uncompactedAggregates", stats->unclean},
        {"causalBytes", stats->causal_bytes},
        {"pushBytes", stats->push_bytes},
        {"pullBytes", stats->pull_bytes},
        {"logBytes", core->own_bytes},
        {"probes", stats->probes},
        {"suspicions", stats->suspicions},
        {"refutations", stats->refutations},
        {"distress", core->members.distress},
        {"recordsRemoved", stats->truncated},
        {"removalsFailed", stats->truncations_failed},
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        gs_buffer_printf(out, "%s\"%s\":%llu", i > 0 ? "," : "", counters[i].name,
                         (unsigned long long)counters[i].value);
    }
}

static void write_stable(const struct gs_core *core, struct gs_buffer *out) {
    struct gs_vector stable = {0};
    if (gs_stable_vector(core, &stable) == 0) {
        gs_registry_write_vector(core, &stable, out);
    } else {
        out->failed = GS_ENOMEM;
    }
    gs_vector_close(&stable);
}

int gs_status_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    struct gs_buffer *out = &command->json;
    (void)gs_detector_judge(core);
    gs_buffer_printf(out, "{\"region\":\"%s\",\"origin\":\"", core->self->region);
    for (int i = 0; i < GS_ORIGIN_SIZE; i++) {
        gs_buffer_printf(out, "%02x", core->self->origin.bytes[i]);
    }
    gs_buffer_printf(out, "\",\"started\":%s,\"retired\":%s,\"vector\":", core->stats.started ? "true" : "false",
                     core->retired ? "true" : "false");
    gs_registry_write_vector(core, &core->stored, out);
    gs_buffer_text(out, ",\"stable\":");
    write_stable(core, out);
    gs_buffer_text(out, ",\"counters\":{");
    write_counters(core, out);
    gs_buffer_text(out, "},\"log\":");
    gs_status_write_log(core, out);
    gs_buffer_text(out, ",\"peers\":[");
    bool first = true;
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *trusted = &core->config.trust->entries[i];
        if (!is_other(core, trusted)) {
            continue;
        }
        gs_buffer_text(out, first ? "" : ",");
        first = false;
        gs_status_write_peer(core, trusted, out);
    }
    gs_buffer_text(out, "]}");
    command->error = out->failed;
    return gs_update_answer(update, command);
}
