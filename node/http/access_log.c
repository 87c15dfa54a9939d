#include "node/http/access_log.h"

#include "node/http/request.h"
#include "node/http/text.h"
#include "node/serve/log.h"

#include <globalstate/json.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <time.h>

enum { PATH_MAX_SHOWN = 256 };

static bool is_wanted(const struct gs_access_log *log, int status) {
    return log->level == GS_ACCESS_LOG_ALL || (log->level == GS_ACCESS_LOG_REFUSALS && status >= 400) ||
           (log->level == GS_ACCESS_LOG_ERRORS && status >= 500);
}

/* A few lines too many when a second ends are no harm. */
static bool has_room(struct gs_access_log *log, int status, int64_t second) {
    if (atomic_exchange(&log->second, second) != second) {
        atomic_store(&log->lines, 0);
        atomic_store(&log->refused, 0);
    }
    bool room = status != 503 || atomic_fetch_add(&log->refused, 1) < GS_ACCESS_LOG_RATE_503;
    if (room && atomic_fetch_add(&log->lines, 1) < GS_ACCESS_LOG_RATE) {
        return true;
    }
    atomic_fetch_add(&log->omitted, 1);
    return false;
}

static void write_member(const char *name, const void *text, size_t length, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":", name);
    gs_json_write_string(text, length, out);
}

/* The path as it came, cut, with anything but printable ASCII replaced: it has not been checked yet, perhaps. */
static void write_path(const struct mg_request_info *info, struct gs_buffer *out) {
    char path[PATH_MAX_SHOWN];
    const char *raw = info->local_uri_raw != NULL ? info->local_uri_raw : "";
    size_t length = 0;
    for (; raw[length] != '\0' && length < sizeof path; length++) {
        path[length] = raw[length] >= ' ' && raw[length] < 0x7f ? raw[length] : '?';
    }
    write_member("path", path, length, out);
}

static void write_line(const struct gs_http_request *request, int status, const char *code, uint64_t duration_us,
                       uint64_t omitted, struct gs_buffer *out) {
    gs_log_begin(status >= 500 ? GS_LOG_ERROR : status >= 400 ? GS_LOG_WARNING : GS_LOG_INFO, "request", out);
    gs_buffer_printf(out, ",\"requestId\":\"%s\"", request->id);
    if (request->info != NULL) {
        char client[INET_ADDRSTRLEN] = "";
        inet_ntop(AF_INET, &request->client, client, sizeof client);
        const char *method = request->info->request_method;
        write_member("method", method, strnlen(method, 16), out);
        write_path(request->info, out);
        write_member("client", client, strlen(client), out);
    }
    gs_buffer_printf(out, ",\"status\":%d", status);
    if (code != NULL) {
        write_member("code", code, strlen(code), out);
    }
    if (request->principal != NULL) {
        write_member("subject", request->principal->subject.bytes, request->principal->subject.length, out);
    }
    if (omitted > 0) {
        gs_buffer_printf(out, ",\"omitted\":%" PRIu64, omitted);
    }
    gs_buffer_printf(out, ",\"ms\":%" PRIu64 ".%03" PRIu64 "}", duration_us / 1000, duration_us % 1000);
}

void gs_access_log_write(struct gs_access_log *log, const struct gs_http_request *request, int status, const char *code,
                         uint64_t duration_us) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!is_wanted(log, status) || !has_room(log, status, (int64_t)now.tv_sec)) {
        return;
    }
    struct gs_buffer line = {0};
    write_line(request, status, code, duration_us, atomic_exchange(&log->omitted, 0), &line);
    gs_log_write(&line);
    gs_buffer_close(&line);
}
