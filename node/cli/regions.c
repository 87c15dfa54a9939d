#include "node/cli/regions.h"

#include "node/cli/command_line.h"
#include "node/cli/files.h"

#include <string.h>

int gs_region_open(struct gs_region_view *region, const char *url, const char *token) {
    *region = (struct gs_region_view){.url = url};
    region->client = gs_http_client_new(url, token);
    return region->client != NULL ? 0 : GS_ENOMEM;
}

void gs_region_close(struct gs_region_view *region) {
    gs_http_client_free(region->client);
    gs_buffer_close(&region->cluster);
    gs_buffer_close(&region->digest);
}

static int ask(struct gs_region_view *region, const char *path, struct gs_buffer *ret_value) {
    struct gs_http_answer answer = {0};
    ret_value->length = 0;
    region->problem = (struct gs_problem){0};
    region->error =
        gs_http_client_call(region->client, "GET", path, (struct gs_slice){0}, NULL, &answer, &region->problem);
    if (region->error == 0 && answer.status != 200) {
        region->error = gs_problem_set(&region->problem, GS_EIO, "", "%s%s answered %ld%s", region->url, path,
                                       answer.status, answer.status == 401 ? ": it wants a token" : "");
    }
    if (region->error == 0) {
        region->error = gs_json_parse((const char *)answer.body.bytes, answer.body.length, GS_VALUE_DEPTH_MAX,
                                      ret_value, &region->problem);
    }
    gs_buffer_close(&answer.body);
    return region->error;
}

int gs_region_refresh(struct gs_region_view *region) {
    return ask(region, "/cluster", &region->cluster);
}

int gs_region_digest(struct gs_region_view *region) {
    return ask(region, "/cluster/digest", &region->digest);
}

struct gs_slice gs_region_member(const struct gs_region_view *region, const char *name) {
    return gs_map_get(gs_slice_make(region->cluster.bytes, region->cluster.length), name);
}

int gs_region_token(const char *command, const char *file, struct gs_buffer *ret_token) {
    struct gs_problem problem = {0};
    if (file == NULL) {
        return 0;
    }
    int error = gs_file_read_line(file, ret_token, &problem);
    if (error != 0) {
        gs_cli_fail(command, "%s", problem.detail);
    }
    return error;
}
