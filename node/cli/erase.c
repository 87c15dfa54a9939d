/* `globalstate erase`: what one actor's events carry beside their operations is taken out of the logs of running nodes,
 * or out of a stopped node's. */
#include "node/history/erase.h"
#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/progress.h"
#include "node/cli/regions.h"
#include "node/cli/subject_path.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ANSWER_DEPTH = 4, OVERLOADED = 503, TRIES = 20, PAUSE_MS = 250 };

static void on_progress(void *context, uint64_t done) {
    gs_progress_update(context, done);
}

static void print_report(const char *where, const struct gs_erasure_report *report, bool json) {
    if (json) {
        printf("{");
        if (where != NULL) {
            printf("\"url\":\"%s\",", where);
        }
        printf("\"events\":%" PRIu64 ",\"erased\":%" PRIu64 ",\"records\":%" PRIu64 "}\n", report->events,
               report->erased, report->records);
    } else {
        printf("%s%s%" PRIu64 " events of this actor; the data of %" PRIu64 " was erased, in %" PRIu64 " records\n",
               where != NULL ? where : "", where != NULL ? ": " : "", report->events, report->erased, report->records);
    }
}

static int erase_store(const char *url, const char *actor, bool json) {
    struct gs_store *store = NULL;
    struct gs_problem problem = {0};
    if (gs_store_open(url, &store, &problem) != 0) {
        return gs_cli_fail("erase", "%s", problem.detail);
    }
    struct gs_progress progress;
    struct gs_erasure_report report = {0};
    const struct gs_erasure erasure = {
        .actor = gs_slice_make(actor, strlen(actor)), .progress = on_progress, .context = &progress};
    gs_progress_start(&progress, "looking through", "records", 0, json);
    int error = gs_erase_actor(store, &erasure, &report);
    int status = 0;
    if (error != 0) {
        status = gs_cli_fail("erase", "after %" PRIu64 " events: %s", report.erased, gs_error_message(error));
    } else {
        print_report(NULL, &report, json);
    }
    store->methods->close(store);
    return status;
}

static uint64_t number_of(struct gs_slice map, const char *name) {
    struct gs_slice value = gs_map_get(map, name);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_INT ? gs_read_uint(&reader) : 0;
}

/* One piece of the log; a node that is busy is asked again. */
static int call(struct gs_region_view *region, const char *path, const struct gs_buffer *body,
                struct gs_buffer *ret_value) {
    struct gs_http_answer answer = {0};
    struct gs_problem problem = {0};
    int status = 0;
    for (int i = 0; i < TRIES && (i == 0 || answer.status == OVERLOADED); i++) {
        static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        if (i > 0) {
            nanosleep(&pause, NULL);
        }
        if (gs_http_client_call(region->client, "POST", path, gs_slice_make(body->bytes, body->length), NULL, &answer,
                                &problem) != 0) {
            status = gs_cli_fail("erase", "%s: %s", region->url, problem.detail);
            break;
        }
    }
    if (status == 0 && answer.status != 200) {
        status = gs_cli_fail("erase", "%s answers %ld: %.*s", region->url, answer.status, (int)answer.body.length,
                             (const char *)answer.body.bytes);
    } else if (status == 0 && gs_json_parse((const char *)answer.body.bytes, answer.body.length, ANSWER_DEPTH,
                                            ret_value, &problem) != 0) {
        status = gs_cli_fail("erase", "%s answers what is not JSON: %s", region->url, problem.detail);
    }
    gs_buffer_close(&answer.body);
    return status;
}

/* The body for the next piece; false at the end. */
static bool go_on(struct gs_slice answer, struct gs_buffer *body) {
    struct gs_slice next = gs_map_get(answer, "next");
    struct gs_reader reader;
    if (gs_value_kind(next) != GS_KIND_STR) {
        return false;
    }
    gs_reader_init(&reader, next.bytes, next.length);
    struct gs_slice cursor = gs_read_str(&reader, SIZE_MAX);
    body->length = 0;
    gs_buffer_printf(body, "{\"cursor\":\"%.*s\"}", (int)cursor.length, (const char *)cursor.bytes);
    return true;
}

static int erase_region(const char *url, const char *token, const char *actor, bool json) {
    struct gs_region_view region = {0};
    struct gs_erasure_report report = {0};
    struct gs_progress progress;
    struct gs_buffer path = {0};
    struct gs_buffer body = {0};
    if (gs_region_open(&region, url, token) != 0) {
        return gs_cli_fail("erase", "out of memory");
    }
    gs_subject_path_write(actor, "erase", &path);
    gs_buffer_byte(&path, '\0');
    gs_buffer_text(&body, "{}");
    gs_progress_start(&progress, "looking through", "records", 0, json);
    int status = path.failed != 0 ? gs_cli_fail("erase", "out of memory") : 0;
    for (bool more = true; status == 0 && more;) {
        struct gs_buffer value = {0};
        status = call(&region, (const char *)path.bytes, &body, &value);
        struct gs_slice answer = gs_slice_make(value.bytes, value.length);
        if (status == 0) {
            report.events += number_of(answer, "events");
            report.erased += number_of(answer, "erased");
            report.records += number_of(answer, "records");
            progress.total = number_of(answer, "of");
            gs_progress_update(&progress, number_of(answer, "lookedThrough"));
            more = go_on(answer, &body);
        }
        gs_buffer_close(&value);
    }
    if (status == 0) {
        print_report(url, &report, json);
    }
    gs_buffer_close(&path);
    gs_buffer_close(&body);
    gs_region_close(&region);
    return status;
}

/* Each region has a copy of its own: one that fails keeps none of the others from it. */
static int erase_regions(const char *const *urls, uint32_t count, const char *token_file, const char *actor,
                         bool json) {
    struct gs_buffer token = {0};
    int status = gs_region_token("erase", token_file, &token) != 0 ? 1 : 0;
    for (uint32_t i = 0; i < count && (i > 0 || status == 0); i++) {
        int failed = erase_region(urls[i], (const char *)token.bytes, actor, json);
        status = status != 0 ? status : failed;
    }
    gs_buffer_close(&token);
    return status;
}

int gs_cli_erase(int argc, char **argv) {
    const char *urls[GS_REGIONS_MAX];
    const char *store = NULL;
    const char *actor = NULL;
    const char *token_file = NULL;
    struct gs_option options[] = {
        {"actor", &actor, 1, 0, "whose: the subject of the tokens that wrote (required)"},
        {"url", urls, GS_REGIONS_MAX, 0, "a running node; may repeat: each region has a copy of its own"},
        {"token-file", &token_file, 1, 0, "file with a JWT (scope admin)"},
        {"store", &store, 1, 0, "or the store of a stopped node, as DATABASE_URL has it"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("erase", "--actor SUBJECT (--url URL… [--token-file FILE] | --store URL) [--json]",
                                  argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (actor == NULL || (store == NULL) == (options[1].count == 0)) {
        return gs_cli_usage("erase", "--actor is required, and either --url or --store");
    }
    bool json = options[4].count > 0;
    return store != NULL ? erase_store(store, actor, json)
                         : erase_regions(urls, options[1].count, token_file, actor, json);
}
