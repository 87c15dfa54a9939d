#include "node/http/response.h"

#include "node/http/cors.h"

enum { HEAD_ROOM = 1024 };

static const char *reason(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 207:
        return "Multi-Status";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

void gs_http_response_close(struct gs_http_response *response) {
    gs_buffer_close(&response->headers);
    gs_buffer_close(&response->body);
    gs_view_release(response->view);
    *response = (struct gs_http_response){0};
}

void gs_http_response_header(struct gs_http_response *response, const char *name, const char *value) {
    gs_buffer_text(&response->headers, name);
    gs_buffer_text(&response->headers, ": ");
    gs_buffer_text(&response->headers, value);
    gs_buffer_text(&response->headers, "\r\n");
}

void gs_http_response_view(struct gs_http_response *response, int status, struct gs_view *view) {
    response->status = status;
    response->view = view;
}

/* printf takes as long as all the rest of an answer from the cache. */
static void write_number(uint64_t value, struct gs_buffer *out) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    gs_buffer_append(out, digits + at, sizeof digits - at);
}

static void write_field(const char *name, uint64_t value, struct gs_buffer *out) {
    gs_buffer_text(out, name);
    write_number(value, out);
}

static void write_rate(const struct gs_rate_answer *rate, struct gs_buffer *out) {
    write_field("RateLimit-Limit: ", rate->limit, out);
    write_field("\r\nRateLimit-Remaining: ", rate->remaining, out);
    write_field("\r\nRateLimit-Reset: ", rate->reset_s, out);
    gs_buffer_text(out, "\r\n");
}

static void write_content(const struct gs_http_response *response, size_t length, struct gs_buffer *out) {
    gs_buffer_text(out, "Content-Type: ");
    gs_buffer_text(out, response->content_type != NULL ? response->content_type : "application/json");
    write_field("\r\nContent-Length: ", length, out);
    gs_buffer_text(out, "\r\n");
}

static void write_head(const struct gs_http_request *request, const struct gs_http_response *response,
                       struct gs_slice body, struct gs_buffer *out) {
    bool has_body = response->status != 204 && response->status != 304;
    if (gs_buffer_reserve(out, HEAD_ROOM + response->headers.length + body.length) != NULL) {
        out->length = 0; /* room for all of it, once */
    }
    write_field("HTTP/1.1 ", (uint64_t)response->status, out);
    gs_buffer_byte(out, ' ');
    gs_buffer_text(out, reason(response->status));
    gs_buffer_text(out, "\r\n");
    if (has_body) {
        write_content(response, body.length, out);
    }
    if (response->view != NULL) {
        gs_buffer_text(out, "ETag: ");
        gs_buffer_text(out, response->view->etag);
        gs_buffer_text(out, "\r\n");
    }
    if (request->principal != NULL) { /* now, after all that the answer speaks of */
        gs_buffer_text(out, "Causal-Token: ");
        gs_causal_gate_write_token(gs_gateway_causal_gate(request->context->gateway), out);
        gs_buffer_text(out, "\r\n");
    }
    gs_buffer_append(out, response->headers.bytes, response->headers.length);
    if (request->rate.limit != 0) {
        write_rate(&request->rate, out);
    }
    gs_cors_write(request, out);
    gs_buffer_text(out, "Cache-Control: no-store\r\n" GS_HTTP_SECURITY_HEADERS "X-Request-Id: ");
    gs_buffer_text(out, request->id);
    gs_buffer_text(out, request->close ? "\r\nConnection: close\r\n\r\n" : "\r\nConnection: keep-alive\r\n\r\n");
    if (has_body && request->method != GS_HTTP_HEAD) {
        gs_buffer_append(out, body.bytes, body.length);
    }
}

/* Reads and throws away at most `limit` bytes of the body; true if that was all of it. */
static bool discard(struct gs_http_request *request, uint64_t limit, uint32_t timeout_ms) {
    char bytes[8192];
    struct gs_watch watch;
    uint64_t left = request->framing.length < limit ? request->framing.length : limit;
    int got = 1;
    gs_watch_begin(&request->context->watchdog, &watch, request->info, timeout_ms);
    while (left > 0 && got > 0) {
        got = mg_read(request->connection, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);
        left -= got > 0 ? (uint64_t)got : 0;
    }
    gs_watch_end(&request->context->watchdog, &watch);
    return left == 0 && request->framing.length <= limit;
}

static void write_all(struct gs_http_request *request, const void *bytes, size_t length) {
    if (mg_write(request->connection, bytes, length) != (int)length) {
        request->close = true; /* half an answer: nothing can follow it */
    }
}

/* After the answer: a body that nobody wanted stands between this request and the next. */
static void settle(struct gs_http_request *request) {
    if (!request->close && !request->body_read) {
        request->close = !discard(request, GS_HTTP_DISCARD_MAX, request->context->request_timeout_ms);
    } else if (!request->body_read) {
        (void)discard(request, GS_HTTP_DRAIN_MAX, GS_HTTP_DRAIN_MS);
    }
    if (request->close) {
        mg_disable_connection_keep_alive(request->connection);
    }
}

void gs_http_response_send(struct gs_http_request *request, struct gs_http_response *response) {
    static const char no_memory[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n"
                                    "Connection: close\r\n\r\n";
    /* A client that waits for leave to send a body, and gets an answer instead, may send it or not: nobody knows where
     * its next request begins. */
    if (!request->body_read && (request->framing.expects_continue || request->framing.length > GS_HTTP_DISCARD_MAX)) {
        request->close = true;
    }
    if (response->sent) {
        settle(request);
        return;
    }
    struct gs_slice body =
        response->view != NULL ? response->view->json : gs_slice_make(response->body.bytes, response->body.length);
    struct gs_buffer out = {0};
    if (response->body.failed == 0 && response->headers.failed == 0) {
        write_head(request, response, body, &out);
    }
    if (out.failed == 0 && out.length > 0) {
        write_all(request, out.bytes, out.length);
    } else {
        request->close = true;
        write_all(request, no_memory, sizeof no_memory - 1);
    }
    gs_buffer_close(&out);
    settle(request);
}
