/* The log of requests: one JSON object a line on standard error, each with the request id that the answer carries.
 *
 *     {"time":…,"event":"request","requestId":…,"method":…,"path":…,"status":503,"code":"overloaded","subject":…,
 *      "client":…,"ms":1.250}
 *
 * Never the token, the query or the body. At most GS_ACCESS_LOG_RATE lines a second, of them a few of requests that
 * were refused for want of time (503): there are most of those when there is least of it. What is left out is counted
 * in the next line's "omitted". */
#ifndef GS_NODE_HTTP_ACCESS_LOG_H
#define GS_NODE_HTTP_ACCESS_LOG_H

#include <globalstate/memory.h>

#include <stdatomic.h>
#include <stdint.h>

enum gs_access_log_level {
    GS_ACCESS_LOG_OFF,
    GS_ACCESS_LOG_ERRORS,   /* 5xx */
    GS_ACCESS_LOG_REFUSALS, /* and 4xx */
    GS_ACCESS_LOG_ALL
};

enum { GS_ACCESS_LOG_RATE = 1000, GS_ACCESS_LOG_RATE_503 = 50 };

struct gs_access_log {
    enum gs_access_log_level level;
    atomic_llong second; /* the present one */
    atomic_uint lines;   /* in it … */
    atomic_uint refused; /* … with status 503 */
    atomic_ullong omitted;
};

struct gs_http_request;

/* `code` is that of the problem document, or NULL. */
void gs_access_log_write(struct gs_access_log *log, const struct gs_http_request *request, int status, const char *code,
                         uint64_t duration_us);

#endif
