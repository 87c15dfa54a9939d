/* `globalstate retire REGION`: asks a running region to retire another one for good. */
#include "node/cli/command_line.h"
#include "node/cli/http_client.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"

#include "gossip/identity.h"

#include <globalstate/json.h>

#include <stdio.h>
#include <string.h>

struct request {
    const char *region, *url, *token_file, *rights_to, *reason;
    bool json;
};

static int make_body(const struct request *request, struct gs_buffer *body) {
    const char *const names[] = {"rightsTo", "reason"};
    const char *const values[] = {request->rights_to, request->reason};
    bool first = true;
    gs_buffer_byte(body, '{');
    for (int i = 0; i < 2; i++) {
        if (values[i] != NULL) {
            gs_buffer_printf(body, "%s\"%s\":", first ? "" : ",", names[i]);
            gs_json_write_string(values[i], strlen(values[i]), body);
            first = false;
        }
    }
    gs_buffer_byte(body, '}');
    return body->failed;
}

/* What a problem document says, or the whole answer. */
static void print_refusal(const struct gs_http_answer *answer, char *ret_text, size_t size) {
    struct gs_buffer value = {0};
    struct gs_slice detail = {0};
    const char *text = answer->body.length > 0 ? (const char *)answer->body.bytes : "";
    if (gs_json_parse(text, answer->body.length, 8, &value, NULL) == 0) {
        struct gs_slice member = gs_map_get(gs_slice_make(value.bytes, value.length), "detail");
        struct gs_reader reader;
        gs_reader_init(&reader, member.bytes, member.length);
        detail = gs_value_kind(member) == GS_KIND_STR ? gs_read_str(&reader, member.length) : detail;
    }
    detail = detail.length > 0 ? detail : gs_slice_make(text, answer->body.length);
    snprintf(ret_text, size, "%ld: %.*s", answer->status, (int)detail.length, (const char *)detail.bytes);
    gs_buffer_close(&value);
}

static int retire(const struct request *request, const char *token) {
    struct gs_http_client *client = gs_http_client_new(request->url, token);
    struct gs_http_answer answer = {0};
    struct gs_problem problem = {0};
    struct gs_buffer body = {0};
    char path[GS_REGION_NAME_MAX + 32];
    char refusal[512] = "";
    snprintf(path, sizeof path, "/peers/%s/retire", request->region);
    int error = client == NULL || make_body(request, &body) != 0
                    ? GS_ENOMEM
                    : gs_http_client_call(client, "POST", path, gs_slice_make(body.bytes, body.length), NULL, &answer,
                                          &problem);
    if (error == 0 && answer.status != 200) {
        print_refusal(&answer, refusal, sizeof refusal);
    } else if (error == 0 && request->json) {
        printf("%.*s\n", (int)answer.body.length, (const char *)answer.body.bytes);
    } else if (error == 0) {
        printf("%s is retired; %s gets its rights of bounded counters\n", request->region,
               request->rights_to != NULL ? request->rights_to : "the region that was asked");
    }
    gs_buffer_close(&body);
    gs_buffer_close(&answer.body);
    gs_http_client_free(client);
    if (error != 0) {
        return gs_cli_fail("retire", "%s: %s", request->url,
                           problem.detail[0] != '\0' ? problem.detail : gs_error_message(error));
    }
    return refusal[0] == '\0' ? 0 : gs_cli_fail("retire", "%s: %s", request->url, refusal);
}

int gs_cli_retire(int argc, char **argv) {
    static const char synopsis[] =
        "REGION [--url URL] [--rights-to REGION] [--reason TEXT] [--token-file FILE] [--json]";
    struct request request = {.url = "http://127.0.0.1:8087"};
    const char *region = NULL;
    struct gs_option options[] = {
        {"url", &request.url, 1, 0, "a region that stays (default: http://127.0.0.1:8087)"},
        {"rights-to", &request.rights_to, 1, 0, "who gets its rights of bounded counters (default: the region asked)"},
        {"reason", &request.reason, 1, 0, "kept in the history"},
        {"token-file", &request.token_file, 1, 0, "file with a JWT of the scope admin"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words = 0;
    int parsed = gs_options_parse("retire", synopsis, argc, argv, options, &region, 1, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (words != 1) {
        return gs_cli_usage("retire", "names one region, the one that is to be retired for good");
    }
    if (!gs_region_name_valid(region, strlen(region))) {
        return gs_cli_usage("retire", "\"%s\" is not a region name (1..%d of A-Z a-z 0-9 _ . -)", region,
                            GS_REGION_NAME_MAX);
    }
    request.region = region;
    request.json = options[4].count > 0;
    struct gs_buffer token = {0};
    if (gs_region_token("retire", request.token_file, &token) != 0) {
        return 1;
    }
    int status = retire(&request, (const char *)token.bytes);
    gs_buffer_close(&token);
    return status;
}
