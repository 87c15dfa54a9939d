#include "node/http/sync_watch.h"

#include "node/core/command.h"
#include "node/http/session.h"

#include <time.h>

enum {
    LOOK_MS = 200,
    ALIVE_MS = 5000, /* a comment at least this often, so that a dead client is noticed */
    WATCH_MS_MAX = 3600 * 1000
};

/* One write; false: the client is gone. */
static bool write_text(struct gs_http_request *request, const struct gs_buffer *text) {
    struct gs_watch watch;
    gs_watch_begin(&request->context->watchdog, &watch, request->info, request->context->request_timeout_ms);
    bool ok = text->failed == 0 && mg_write(request->connection, text->bytes, text->length) == (int)text->length;
    gs_watch_end(&request->context->watchdog, &watch);
    return ok;
}

static bool write_event(struct gs_http_request *request, const char *name, struct gs_slice json) {
    struct gs_buffer text = {0};
    gs_buffer_printf(&text, "event: %s\ndata: ", name);
    gs_buffer_append(&text, json.bytes, json.length);
    gs_buffer_text(&text, "\n\n");
    bool ok = write_text(request, &text);
    gs_buffer_close(&text);
    return ok;
}

static bool write_head(struct gs_http_request *request) {
    struct gs_buffer text = {0};
    gs_buffer_printf(
        &text,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n" GS_HTTP_SECURITY_HEADERS
        "X-Request-Id: %s\r\nConnection: close\r\n\r\n",
        request->id);
    bool ok = write_text(request, &text);
    gs_buffer_close(&text);
    return ok;
}

/* The sync as it is now, in `shown` if it has changed. True while there is more to come. */
static bool look(struct gs_http_request *request, struct gs_buffer *shown, bool *ret_changed, bool *ret_over) {
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    struct gs_http_fault fault = {0};
    if (command == NULL) {
        return false;
    }
    command->sync.ask = GS_SYNC_GET;
    command->sync.id = request->target.segments[1];
    int error = gs_sync_call(request, command, &fault);
    struct gs_slice json = gs_slice_make(command->json.bytes, command->json.length);
    *ret_over = command->sync.over;
    *ret_changed = gs_slice_compare(json, gs_slice_make(shown->bytes, shown->length)) != 0;
    if (error == 0 && *ret_changed) {
        shown->length = 0;
        gs_buffer_append(shown, json.bytes, json.length);
    }
    gs_command_free(command);
    return error == 0 && shown->failed == 0;
}

static void follow(struct gs_http_request *request, struct gs_buffer *shown) {
    static const char unauthorized[] = "{\"code\":\"unauthorized\"}";
    static const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    struct gs_buffer alive = {0};
    uint32_t quiet_ms = 0;
    bool changed = true;
    bool over = false;
    gs_buffer_text(&alive, ": \n\n");
    bool ok = write_head(request) && look(request, shown, &changed, &over) &&
              write_event(request, over ? "done" : "progress", gs_slice_make(shown->bytes, shown->length));
    for (uint32_t ms = 0; ok && !over && ms < WATCH_MS_MAX; ms += LOOK_MS) {
        nanosleep(&pause, NULL);
        if (!gs_http_session_still_good(request)) {
            (void)write_event(request, "end", gs_slice_make(unauthorized, sizeof unauthorized - 1));
            break;
        }
        ok = look(request, shown, &changed, &over);
        quiet_ms = changed || over ? 0 : quiet_ms + LOOK_MS;
        if (ok && (changed || over)) {
            ok = write_event(request, over ? "done" : "progress", gs_slice_make(shown->bytes, shown->length));
        } else if (ok && quiet_ms >= ALIVE_MS) {
            quiet_ms = 0;
            ok = write_text(request, &alive);
        }
    }
    gs_buffer_close(&alive);
}

int gs_sync_watch(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    if (atomic_fetch_add(&request->context->sync_watchers, 1) >= GS_SYNC_WATCHERS_MAX) {
        atomic_fetch_sub(&request->context->sync_watchers, 1);
        return gs_problem_set(&fault->problem, GS_EOVERLOADED, NULL, "%d clients watch syncs already",
                              GS_SYNC_WATCHERS_MAX);
    }
    request->close = true;
    response->sent = true;
    response->body.length = 0;
    follow(request, &response->body);
    atomic_fetch_sub(&request->context->sync_watchers, 1);
    return 0;
}
