/* `globalstate sync`: starts a sync at a node and, with --watch, follows it to its verdict. */
#include "node/cli/command_line.h"
#include "node/cli/http_client.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"
#include "node/cli/sync_check.h"
#include "node/cli/sync_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAMES_MAX = 64, LOOK_MS = 250, ANSWER_DEPTH_MAX = GS_VALUE_DEPTH_MAX + 8, LOST_MAX = 20 };

static const char synopsis[] = "[--url URL] [--token-file FILE] [--mode delta|verify|full] [--regions NAME[,NAME]]… "
                               "[--types NAME[,NAME]]… [--dry-run] [--watch] [--json]\n"
                               "       globalstate sync --check FILE --trust-file FILE";

/* ,"member":["a","b"] of lists with commas. */
static void write_names(const char *member, const char *const *lists, uint32_t count, struct gs_buffer *out) {
    bool any = false;
    if (count == 0) {
        return;
    }
    gs_buffer_printf(out, ",\"%s\":[", member);
    for (uint32_t i = 0; i < count; i++) {
        const char *at = lists[i];
        while (*at != '\0') {
            size_t length = strcspn(at, ",");
            gs_buffer_text(out, any ? "," : "");
            gs_json_write_string(at, length, out);
            any = true;
            at += length + (at[length] == ',' ? 1 : 0);
        }
    }
    gs_buffer_text(out, "]");
}

/* One call; its answer as a canonical map in `ret_value`. */
static int call(struct gs_http_client *client, const char *method, const char *path, struct gs_slice body,
                struct gs_buffer *ret_value, struct gs_problem *problem) {
    struct gs_http_answer answer = {0};
    int error = gs_http_client_call(client, method, path, body, NULL, &answer, problem);
    ret_value->length = 0;
    if (error == 0) {
        error =
            gs_json_parse((const char *)answer.body.bytes, answer.body.length, ANSWER_DEPTH_MAX, ret_value, problem);
    }
    if (error == 0 && answer.status >= 300) {
        char detail[200], field[80];
        struct gs_slice map = gs_slice_make(ret_value->bytes, ret_value->length);
        gs_show_text(map, "detail", detail, sizeof detail);
        gs_show_text(map, "field", field, sizeof field);
        error = gs_problem_set(problem, GS_EINVAL, "", "%ld: %s%s%s", answer.status, field, field[0] != '\0' ? " " : "",
                               detail);
    }
    gs_buffer_close(&answer.body);
    return error;
}

static bool is_over(struct gs_slice sync) {
    char status[16];
    gs_show_text(sync, "status", status, sizeof status);
    return strcmp(status, "queued") != 0 && strcmp(status, "running") != 0;
}

/* Until it is over. A node that restarts meanwhile goes on with the sync, so a few calls may fail. */
static int follow(struct gs_http_client *client, struct gs_sync_show *show, struct gs_buffer *value,
                  struct gs_problem *problem) {
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    char id[32], path[48];
    uint32_t lost = 0;
    int error = 0;
    gs_show_text(gs_slice_make(value->bytes, value->length), "syncId", id, sizeof id);
    snprintf(path, sizeof path, "/sync/%s", id);
    gs_sync_show_progress(show, gs_slice_make(value->bytes, value->length));
    while (lost < LOST_MAX && (error != 0 || !is_over(gs_slice_make(value->bytes, value->length)))) {
        nanosleep(&pause, NULL);
        error = call(client, "GET", path, (struct gs_slice){0}, value, problem);
        lost = error == 0 ? 0 : lost + 1;
        if (error == 0) {
            gs_sync_show_progress(show, gs_slice_make(value->bytes, value->length));
        }
    }
    return error;
}

static int run(struct gs_http_client *client, struct gs_slice body, bool watch, bool json) {
    struct gs_buffer value = {0};
    struct gs_problem problem = {0};
    struct gs_sync_show show = {.json = json};
    int status = 0;
    int error = call(client, "POST", "/sync", body, &value, &problem);
    bool over = error == 0 && is_over(gs_slice_make(value.bytes, value.length));
    if (error == 0 && watch && !over) {
        error = follow(client, &show, &value, &problem);
        over = true;
    }
    struct gs_slice sync = gs_slice_make(value.bytes, value.length);
    if (error != 0) {
        status = gs_cli_fail("sync", "%s", problem.detail);
    } else if (over || json) {
        status = gs_sync_show_result(&show, sync);
        status = over ? status : 0;
    } else {
        char id[32];
        gs_show_text(sync, "syncId", id, sizeof id);
        printf("%s\n", id);
    }
    gs_buffer_close(&value);
    return status;
}

int gs_cli_sync(int argc, char **argv) {
    const char *url = "http://127.0.0.1:8087";
    const char *token_file = NULL, *mode = "verify", *check = NULL, *trust_file = NULL;
    const char *regions[NAMES_MAX], *types[NAMES_MAX];
    enum { URL, TOKEN, MODE, REGIONS, TYPES, DRY, WATCH, JSON, CHECK, TRUST };
    struct gs_option options[] = {
        [URL] = {"url", &url, 1, 0, "a node (default http://127.0.0.1:8087)"},
        [TOKEN] = {"token-file", &token_file, 1, 0, "file with a JWT"},
        [MODE] = {"mode", &mode, 1, 0,
                  "delta: exchange events; verify: compare, down to the field (default); full: repair"},
        [REGIONS] = {"regions", regions, NAMES_MAX, 0, "with these regions only"},
        [TYPES] = {"types", types, NAMES_MAX, 0, "with verify and full: these aggregate types only"},
        [DRY] = {"dry-run", NULL, 1, 0, "say what it would take"},
        [WATCH] = {"watch", NULL, 1, 0, "follow it to its end; exit 0: converged, 1: not, or it failed"},
        [JSON] = {"json", NULL, 1, 0, "machine-readable"},
        [CHECK] = {"check", &check, 1, 0, "check a region's signed digest, as GET /cluster/digest answers it"},
        [TRUST] = {"trust-file", &trust_file, 1, 0, "with --check: the cluster's public keys"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("sync", synopsis, argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if ((check == NULL) != (trust_file == NULL)) {
        return gs_cli_usage("sync", "--check and --trust-file go together");
    }
    if (check != NULL) {
        return gs_cli_sync_check(check, trust_file);
    }
    struct gs_buffer token = {0};
    struct gs_buffer body = {0};
    if (gs_region_token("sync", token_file, &token) != 0) {
        return 1;
    }
    gs_buffer_text(&body, "{\"mode\":");
    gs_json_write_string(mode, strlen(mode), &body);
    write_names("regions", regions, options[REGIONS].count, &body);
    write_names("aggregateTypes", types, options[TYPES].count, &body);
    gs_buffer_text(&body, options[DRY].count > 0 ? ",\"dryRun\":true}" : "}");
    struct gs_http_client *client = gs_http_client_new(url, (const char *)token.bytes);
    int status = client == NULL || body.failed != 0 ? gs_cli_fail("sync", "out of memory")
                                                    : run(client, gs_slice_make(body.bytes, body.length),
                                                          options[WATCH].count > 0, options[JSON].count > 0);
    gs_http_client_free(client);
    gs_buffer_close(&body);
    gs_buffer_close(&token);
    return status;
}
