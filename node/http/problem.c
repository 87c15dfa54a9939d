#include "node/http/problem.h"

#include <globalstate/hlc.h>
#include <globalstate/json.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void write_text(const char *name, const char *text, struct gs_buffer *out) {
    gs_buffer_printf(out, "\"%s\":", name);
    gs_json_write_string(text, strlen(text), out);
}

/* What a rule engine says about one field; the ops' own checks are rules like others. */
static void write_violation(const struct gs_problem *problem, struct gs_fault_info info, const char *detail,
                            struct gs_buffer *out) {
    gs_buffer_text(out, ",\"violations\":[{");
    write_text("rule", info.name, out);
    gs_buffer_byte(out, ',');
    write_text("path", problem->field, out);
    gs_buffer_byte(out, ',');
    write_text("detail", detail, out);
    gs_buffer_text(out, "}]");
}

static void write_lag(const struct gs_causal_lag *lag, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"behind\":{\"events\":%" PRIu64 ",\"regions\":{", lag->events);
    for (uint32_t i = 0; i < lag->count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        gs_json_write_string(lag->regions[i].region, strlen(lag->regions[i].region), out);
        gs_buffer_printf(out, ":%" PRIu64, lag->regions[i].events);
    }
    gs_buffer_text(out, "}}");
}

static void write_oldest(const struct gs_http_oldest *oldest, struct gs_buffer *out) {
    char time[25];
    gs_hlc_format(gs_hlc_from_ms(oldest->ms), time);
    if (oldest->version > 0) {
        gs_buffer_printf(out, ",\"oldest\":{\"version\":%" PRIu64, oldest->version);
    } else {
        gs_buffer_printf(out, ",\"oldest\":{\"cursor\":\"%" PRIu64 ".0\"", oldest->position);
    }
    gs_buffer_printf(out, ",\"time\":\"%s\"}", time);
}

void gs_http_problem_write(const struct gs_http_fault *fault, const char *request_id, struct gs_buffer *out) {
    const struct gs_problem *problem = &fault->problem;
    struct gs_fault_info info = gs_fault_info(problem->code);
    const char *detail = problem->detail[0] != '\0' ? problem->detail : info.title;
    gs_buffer_printf(out, "{\"type\":\"urn:globalstate:problem:%s\",", info.name);
    write_text("title", info.title, out);
    gs_buffer_printf(out, ",\"status\":%d,\"code\":\"%s\",", info.status, info.name);
    write_text("detail", detail, out);
    if (problem->field[0] != '\0') {
        gs_buffer_byte(out, ',');
        write_text("field", problem->field, out);
    }
    if (fault->has_current_version) {
        gs_buffer_printf(out, ",\"currentVersion\":%" PRIu64, fault->current_version);
    }
    if (fault->oldest.present) {
        write_oldest(&fault->oldest, out);
    }
    if (fault->has_lag) {
        write_lag(&fault->lag, out);
    }
    if (info.status == 422) {
        write_violation(problem, info, detail, out);
    }
    gs_buffer_byte(out, ',');
    write_text("requestId", request_id, out);
    gs_buffer_byte(out, '}');
}

void gs_http_problem_answer(const struct gs_http_request *request, const struct gs_http_fault *fault, const char *allow,
                            struct gs_http_response *response) {
    gs_http_response_close(response);
    response->status = gs_fault_info(fault->problem.code).status;
    response->content_type = "application/problem+json";
    if (response->status == 503 || response->status == 429) {
        char seconds[12];
        snprintf(seconds, sizeof seconds, "%u", fault->retry_s != 0 ? (unsigned)fault->retry_s : GS_RETRY_AFTER_S);
        gs_http_response_header(response, "Retry-After", seconds);
    } else if (response->status == 401) {
        gs_http_response_header(response, "WWW-Authenticate", "Bearer");
    }
    if (allow != NULL) {
        gs_http_response_header(response, "Allow", allow);
    }
    gs_http_problem_write(fault, request->id, &response->body);
}
