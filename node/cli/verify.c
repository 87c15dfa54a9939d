/* `globalstate verify`: walks the whole log and all that is kept beside it, and names what is damaged. Of a node that
 * is stopped: a database belongs to one process. */
#include "node/history/verify.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"
#include "node/cli/progress.h"
#include "node/store/store.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void on_progress(void *context, uint64_t done) {
    gs_progress_update(context, done);
}

static void print_json(const struct gs_verify_report *report) {
    struct gs_buffer out = {0};
    gs_buffer_printf(&out,
                     "{\"ok\":%s,\"records\":%" PRIu64 ",\"events\":%" PRIu64 ",\"origins\":%" PRIu64
                     ",\"aggregates\":%" PRIu64 ",\"keptStates\":%" PRIu64 ",\"indexedRecords\":%" PRIu64
                     ",\"base\":%" PRIu64 ",\"recordsGone\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"named\":[",
                     report->findings == 0 ? "true" : "false", report->records, report->events, report->origins,
                     report->aggregates, report->states, report->indexed, report->base, report->gone, report->findings);
    size_t start = 0;
    for (size_t i = 0; i < report->named.length; i++) {
        if (report->named.bytes[i] == '\n') {
            gs_buffer_text(&out, start > 0 ? "," : "");
            gs_json_write_string(report->named.bytes + start, i - start, &out);
            start = i + 1;
        }
    }
    gs_buffer_text(&out, "]}");
    printf("%.*s\n", (int)out.length, (const char *)out.bytes);
    gs_buffer_close(&out);
}

static void print_text(const struct gs_verify_report *report, bool signatures) {
    if (report->named.length > 0) {
        printf("%.*s", (int)report->named.length, (const char *)report->named.bytes);
    }
    printf("%" PRIu64 " records, %" PRIu64 " events of %" PRIu64 " origins, %" PRIu64 " aggregates, %" PRIu64
           " kept states, index over %" PRIu64 " records: ",
           report->records, report->events, report->origins, report->aggregates, report->states, report->indexed);
    if (report->base > 0) {
        printf("the log is whole after record %" PRIu64 ", before it %" PRIu64 " are gone: ", report->base,
               report->gone);
    }
    if (report->findings == 0) {
        printf("all is well%s\n", signatures ? "" : " (signatures were not checked: no --trust)");
    } else {
        printf("%" PRIu64 " FINDINGS\n", report->findings);
    }
}

/* `damage`: what was found before, or "". */
static int verify_reader(struct gs_history_reader *reader, const struct gs_trust *trust, bool json,
                         const char *damage) {
    struct gs_progress progress;
    struct gs_verify_report report = {0};
    struct gs_verify verify = {.reader = reader, .trust = trust, .progress = on_progress, .context = &progress};
    uint64_t last = 0;
    uint64_t indexed = 0;
    int error = reader->methods->begin(reader);
    if (error == 0) {
        error = reader->methods->extent(reader, &last, &indexed);
    }
    if (error == 0) {
        gs_progress_start(&progress, "verifying", "records", last, json);
        error = gs_verify_run(&verify, &report);
        gs_progress_finish(&progress, report.records);
    }
    if (damage[0] != '\0') {
        report.findings++;
        gs_buffer_printf(&report.named, "%s\n", damage);
    }
    reader->methods->end(reader);
    if (error != 0) {
        gs_verify_report_close(&report);
        return gs_cli_fail("verify", "the store cannot be read: %s", gs_error_message(error));
    }
    if (json) {
        print_json(&report);
    } else {
        print_text(&report, trust != NULL);
    }
    int status = report.findings == 0 ? 0 : 1;
    gs_verify_report_close(&report);
    return status;
}

static int skip_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    (void)context;
    (void)low;
    (void)position;
    (void)core;
    return 0;
}

static int skip_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                        struct gs_slice entries) {
    (void)context;
    (void)journal;
    (void)first;
    (void)last;
    (void)entries;
    return 0;
}

static int skip_state(void *context, const struct gs_keep_state *state) {
    (void)context;
    (void)state;
    return 0;
}

/* Where records are gone, a start stands on what is kept: all of that, also of aggregates that the log has nothing of.
 */
static void check_kept(struct gs_store *store, struct gs_problem *problem) {
    const struct gs_kept_visitor visitor = {
        .checkpoint = skip_checkpoint, .entries = skip_entries, .state = skip_state};
    int error = store->log_base.position > 0 ? store->methods->visit_kept(store, &visitor, problem) : 0;
    if (error != 0 && problem->detail[0] == '\0') {
        gs_problem_set(problem, error, NULL, "what the log's base stands on cannot be read: %s",
                       gs_error_message(error));
    }
}

static int verify_store(const char *url, const struct gs_trust *trust, bool json) {
    struct gs_store *store = NULL;
    struct gs_history_reader *reader = NULL;
    struct gs_problem problem = {0};
    if (gs_store_open(url, &store, &problem) != 0) {
        return gs_cli_fail("verify", "%s", problem.detail);
    }
    struct gs_problem damage = {0};
    check_kept(store, &damage);
    int error = store->methods->open_history(store, &reader);
    int status = error != 0 ? gs_cli_fail("verify", "the store cannot be read: %s", gs_error_message(error))
                            : verify_reader(reader, trust, json, damage.detail);
    if (reader != NULL) {
        reader->methods->close(reader);
    }
    store->methods->close(store);
    return status;
}

int gs_cli_verify(int argc, char **argv) {
    const char *url = NULL;
    const char *trust_file = NULL;
    struct gs_option options[] = {
        {"store", &url, 1, 0, "the store, as DATABASE_URL has it: sqlite:PATH (required)"},
        {"trust", &trust_file, 1, 0, "the trust file: every signature is checked, too"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed =
        gs_options_parse("verify", "--store URL [--trust FILE] [--json]", argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (url == NULL) {
        return gs_cli_usage("verify", "--store is required");
    }
    struct gs_trust trust = {0};
    struct gs_problem problem = {0};
    if (trust_file != NULL && gs_trust_file_read(trust_file, &trust, &problem) != 0) {
        return gs_cli_fail("verify", "%s", problem.detail);
    }
    int status = verify_store(url, trust_file != NULL ? &trust : NULL, options[2].count > 0);
    gs_trust_close(&trust);
    return status;
}
