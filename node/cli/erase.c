/* `globalstate erase`: what one actor's events carry beside their operations is taken out of a stopped node's log. */
#include "node/history/erase.h"
#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void on_progress(void *context, uint64_t done) {
    gs_progress_update(context, done);
}

static int erase(struct gs_store *store, const char *actor, bool json) {
    struct gs_progress progress;
    struct gs_erasure_report report = {0};
    const struct gs_erasure erasure = {
        .actor = gs_slice_make(actor, strlen(actor)), .progress = on_progress, .context = &progress};
    gs_progress_start(&progress, "looking through", "records", 0, json);
    int error = gs_erase_actor(store, &erasure, &report);
    if (error != 0) {
        return gs_cli_fail("erase", "after %" PRIu64 " events: %s", report.erased, gs_error_message(error));
    }
    printf(json ? "{\"events\":%" PRIu64 ",\"erased\":%" PRIu64 ",\"records\":%" PRIu64 "}\n"
                : "%" PRIu64 " events of this actor; the data of %" PRIu64 " was erased, in %" PRIu64 " records\n",
           report.events, report.erased, report.records);
    return 0;
}

int gs_cli_erase(int argc, char **argv) {
    const char *url = NULL;
    const char *actor = NULL;
    struct gs_option options[] = {
        {"store", &url, 1, 0, "the store, as DATABASE_URL has it: sqlite:PATH (required)"},
        {"actor", &actor, 1, 0, "whose: the subject of the tokens that wrote (required)"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed =
        gs_options_parse("erase", "--store URL --actor SUBJECT [--json]", argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (url == NULL || actor == NULL) {
        return gs_cli_usage("erase", "--store and --actor are required");
    }
    struct gs_store *store = NULL;
    struct gs_problem problem = {0};
    if (gs_store_open(url, &store, &problem) != 0) {
        return gs_cli_fail("erase", "%s", problem.detail);
    }
    int status = erase(store, actor, options[2].count > 0);
    store->methods->close(store);
    return status;
}
