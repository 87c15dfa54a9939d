/* `globalstate replay`: a recorded trace against running regions, and the proof that they converge: equal version
 * vectors, and every aggregate of the trace read from every region and compared. */
#include "node/cli/command_line.h"
#include "node/cli/lanes.h"
#include "node/cli/options.h"
#include "node/cli/progress.h"
#include "node/cli/regions.h"
#include "node/cli/replay_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 256, BATCH_MAX = 1000, POLL_MS = 100 };

struct replay {
    const char *urls[GS_REGIONS_MAX];
    uint32_t url_count;
    struct gs_buffer token;
    struct gs_region_view *regions;
    struct gs_trace trace;
    uint64_t settle_ms;
    bool json;
};

static bool vectors_agree(struct replay *replay) {
    for (uint32_t i = 0; i < replay->url_count; i++) {
        if (gs_region_refresh(&replay->regions[i]) != 0 ||
            gs_slice_compare(gs_region_member(&replay->regions[i], "vector"),
                             gs_region_member(&replay->regions[0], "vector")) != 0) {
            return false;
        }
    }
    return true;
}

/* What a region shows of an aggregate: version, vector clock and state; `updatedAt` and `region` are the region's own.
 */
static int read_state(struct replay *replay, uint32_t region, const struct gs_trace_key *key,
                      struct gs_buffer *ret_shown) {
    struct gs_http_answer answer = {0};
    struct gs_problem problem = {0};
    struct gs_buffer path = {0};
    struct gs_buffer value = {0};
    gs_buffer_printf(&path, "/state/%s/%s", key->type, key->id);
    gs_buffer_byte(&path, '\0');
    int error = path.failed;
    if (error == 0) {
        error = gs_http_client_call(replay->regions[region].client, "GET", (const char *)path.bytes,
                                    (struct gs_slice){0}, NULL, &answer, &problem);
    }
    if (error == 0 && answer.status == 200) {
        error = gs_json_parse((const char *)answer.body.bytes, answer.body.length, GS_VALUE_DEPTH_MAX + 4, &value,
                              &problem);
        static const char *const compared[] = {"version", "vectorClock", "state", "conflicts"};
        for (size_t i = 0; error == 0 && i < sizeof compared / sizeof compared[0]; i++) {
            struct gs_slice member = gs_map_get(gs_slice_make(value.bytes, value.length), compared[i]);
            gs_buffer_append(ret_shown, member.bytes, member.length);
        }
    } else if (error == 0) {
        gs_buffer_printf(ret_shown, "status %ld", answer.status);
    }
    gs_buffer_close(&path);
    gs_buffer_close(&value);
    gs_buffer_close(&answer.body);
    return error != 0 ? error : ret_shown->failed;
}

static bool key_agrees(struct replay *replay, const struct gs_trace_key *key) {
    struct gs_buffer first = {0};
    bool same = read_state(replay, 0, key, &first) == 0;
    for (uint32_t i = 1; same && i < replay->url_count; i++) {
        struct gs_buffer other = {0};
        same =
            read_state(replay, i, key, &other) == 0 &&
            gs_slice_compare(gs_slice_make(first.bytes, first.length), gs_slice_make(other.bytes, other.length)) == 0;
        gs_buffer_close(&other);
    }
    gs_buffer_close(&first);
    return same;
}

/* How many aggregates differ, with a progress bar. */
static uint32_t count_differing(struct replay *replay) {
    struct gs_progress progress;
    uint32_t differing = 0;
    gs_progress_start(&progress, "comparing", "aggregates", replay->trace.key_count, replay->json);
    for (uint32_t i = 0; i < replay->trace.key_count; i++) {
        if (!key_agrees(replay, &replay->trace.keys[i])) {
            if (differing++ == 0) {
                fprintf(stderr, "\n%s/%s differs between the regions\n", replay->trace.keys[i].type,
                        replay->trace.keys[i].id);
            }
        }
        gs_progress_update(&progress, i + 1);
    }
    gs_progress_finish(&progress, replay->trace.key_count);
    return differing;
}

static void print_result(const struct replay *replay, const struct gs_lanes_result *result, bool agreed,
                         uint64_t settled_ms, uint32_t differing) {
    double seconds = (double)result->elapsed_ms / 1000.0;
    double rate = seconds > 0 ? (double)result->sent / seconds : 0.0;
    bool converged = agreed && differing == 0 && result->refused == 0;
    if (replay->json) {
        printf("{\"sent\":%llu,\"refused\":%llu,\"retries\":%llu,\"seconds\":%.3f,\"eventsPerSecond\":%.0f,"
               "\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"maxMs\":%.2f,\"converged\":%s,\"settledMs\":%llu,\"aggregates\":%u,"
               "\"differing\":%u}\n",
               (unsigned long long)result->sent, (unsigned long long)result->refused,
               (unsigned long long)result->retries, seconds, rate, result->p50_ms, result->p99_ms, result->max_ms,
               converged ? "true" : "false", (unsigned long long)settled_ms, replay->trace.key_count, differing);
        return;
    }
    printf("sent %llu events in %.1f s = %.0f events/s over %u regions; request p50 %.2f ms, p99 %.2f ms, max %.1f ms",
           (unsigned long long)result->sent, seconds, rate, replay->url_count, result->p50_ms, result->p99_ms,
           result->max_ms);
    printf(result->retries > 0 ? "; %llu retries\n" : "\n", (unsigned long long)result->retries);
    if (result->refused > 0) {
        printf("refused: %llu events, the first because: %s\n", (unsigned long long)result->refused,
               result->first.detail);
    }
    if (!agreed) {
        printf("NOT CONVERGED: the regions' vectors still differ after %llu ms\n", (unsigned long long)settled_ms);
        return;
    }
    printf("%s: equal vectors %llu ms after the last write; %u of %u aggregates equal in all regions\n",
           converged ? "CONVERGED" : "NOT CONVERGED", (unsigned long long)settled_ms,
           replay->trace.key_count - differing, replay->trace.key_count);
}

static int run(struct replay *replay, const struct gs_lanes_config *lanes) {
    struct gs_lanes_result result;
    if (gs_lanes_run(lanes, &result) != 0) {
        return gs_cli_fail("replay", "the connections could not be started");
    }
    uint64_t start = gs_monotonic_ms();
    bool agreed = vectors_agree(replay);
    while (!agreed && gs_monotonic_ms() - start < replay->settle_ms) {
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
        agreed = vectors_agree(replay);
    }
    uint64_t settled = gs_monotonic_ms() - start;
    uint32_t differing = agreed ? count_differing(replay) : 0;
    print_result(replay, &result, agreed, settled, differing);
    return agreed && differing == 0 && result.refused == 0 ? 0 : 1;
}

static int open_regions(struct replay *replay) {
    replay->regions = calloc(replay->url_count, sizeof *replay->regions);
    if (replay->regions == NULL) {
        return gs_cli_fail("replay", "out of memory");
    }
    for (uint32_t i = 0; i < replay->url_count; i++) {
        struct gs_region_view *region = &replay->regions[i];
        if (gs_region_open(region, replay->urls[i], (const char *)replay->token.bytes) != 0) {
            return gs_cli_fail("replay", "out of memory");
        }
        if (gs_region_refresh(region) != 0) {
            return gs_cli_fail("replay", "%s", region->problem.detail);
        }
    }
    return 0;
}

static void close_replay(struct replay *replay) {
    for (uint32_t i = 0; replay->regions != NULL && i < replay->url_count; i++) {
        gs_region_close(&replay->regions[i]);
    }
    free(replay->regions);
    gs_trace_close(&replay->trace);
    gs_buffer_close(&replay->token);
}

/* What the flags say. */
struct wanted {
    struct gs_replay_store store;
    const char *path;
    const char *token_file;
    const char *batch, *connections, *limit, *settle;
    uint64_t batch_events, connection_count, event_limit, settle_s;
    const char *run_id;
    bool retry;
};

static bool read_numbers(struct wanted *wanted) {
    return gs_option_number("replay", "batch", wanted->batch, 1, BATCH_MAX, &wanted->batch_events) &&
           gs_option_number("replay", "connections", wanted->connections, 1, CONNECTIONS_MAX,
                            &wanted->connection_count) &&
           gs_option_number("replay", "limit", wanted->limit, 0, UINT32_MAX, &wanted->event_limit) &&
           gs_option_number("replay", "settle", wanted->settle, 1, 86400, &wanted->settle_s);
}

/* 0 to go on, 1 when help was asked for, -1 when the command line is wrong (which was said). */
static int check_store(const struct wanted *wanted, const struct replay *replay) {
    if (wanted->path != NULL || replay->url_count > 0) {
        gs_cli_usage("replay", "--from-store goes without a trace and --url");
        return -1;
    }
    if (wanted->store.into == NULL || wanted->store.trust_file == NULL) {
        gs_cli_usage("replay", "--from-store needs --into and --trust");
        return -1;
    }
    return 0;
}

static int read_command_line(int argc, char **argv, struct wanted *wanted, struct replay *replay) {
    struct gs_option options[] = {
        {"url", replay->urls, GS_REGIONS_MAX, 0, "a region's node; repeat for each region (required)"},
        {"token-file", &wanted->token_file, 1, 0, "file with a JWT"},
        {"batch", &wanted->batch, 1, 0, "events in one request (default 1)"},
        {"connections", &wanted->connections, 1, 0, "keep-alive connections a region (default 4)"},
        {"limit", &wanted->limit, 1, 0, "send only the first N events"},
        {"settle", &wanted->settle, 1, 0, "seconds to wait for the regions to agree (default 60)"},
        {"run-id", &wanted->run_id, 1, 0, "a name: the same run, repeated within a day, counts once"},
        {"from-store", &wanted->store.from, 1, 0,
         "instead of a trace: replay this store's log (its node is stopped) …"},
        {"into", &wanted->store.into, 1, 0, "… into this one, which is empty, and compare the states byte for byte"},
        {"trust", &wanted->store.trust_file, 1, 0, "the trust file, for --from-store"},
        {"retry", NULL, 1, 0, "resend after a lost connection or a 503, with the same Idempotency-Key"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words = 0;
    int parsed = gs_options_parse("replay", "TRACE --url URL… [--token-file FILE] …", argc, argv, options,
                                  &wanted->path, 1, &words);
    if (parsed != 0) {
        return parsed;
    }
    replay->url_count = options[0].count;
    wanted->retry = options[10].count > 0;
    replay->json = options[11].count > 0;
    wanted->store.json = replay->json;
    if (wanted->store.from != NULL) {
        return check_store(wanted, replay);
    }
    if (wanted->path == NULL || replay->url_count == 0) {
        gs_cli_usage("replay", "a trace and at least one --url are required");
        return -1;
    }
    return read_numbers(wanted) ? 0 : -1;
}

static int replay_trace(struct replay *replay, const struct wanted *wanted) {
    struct gs_problem problem = {0};
    if (gs_region_token("replay", wanted->token_file, &replay->token) != 0) {
        return 1;
    }
    if (gs_trace_read(wanted->path, (uint32_t)wanted->event_limit, &replay->trace, &problem) != 0) {
        return gs_cli_fail("replay", "%s", problem.detail);
    }
    int status = open_regions(replay);
    if (status != 0) {
        return status;
    }
    struct gs_lanes_config lanes = {
        .trace = &replay->trace,
        .urls = replay->urls,
        .url_count = replay->url_count,
        .token = (const char *)replay->token.bytes,
        .connections = (uint32_t)wanted->connection_count,
        .batch = (uint32_t)wanted->batch_events,
        .run_id = wanted->run_id,
        .retry = wanted->retry,
        .json = replay->json,
    };
    return run(replay, &lanes);
}

int gs_cli_replay(int argc, char **argv) {
    struct replay replay = {0};
    struct wanted wanted = {.batch = "1", .connections = "4", .limit = "0", .settle = "60"};
    int parsed = read_command_line(argc, argv, &wanted, &replay);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (wanted.store.from != NULL) {
        return gs_replay_store(&wanted.store);
    }
    replay.settle_ms = wanted.settle_s * 1000;
    int status = replay_trace(&replay, &wanted);
    close_replay(&replay);
    return status;
}
