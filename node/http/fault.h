/* Faults: why a request is not answered as asked.
 *
 * A fault is a gs_problem whose code is one of the libraries' (negative, error.h) or one of HTTP's own (positive,
 * below), and, where it helps, the version that the aggregate is at, or what the node has not got yet. gs_fault_info
 * says how HTTP shows a code. */
#ifndef GS_NODE_HTTP_FAULT_H
#define GS_NODE_HTTP_FAULT_H

#include "node/serve/causal_gate.h"

#include <globalstate/error.h>

#include <stdbool.h>
#include <stdint.h>

#define GS_HTTP_FAULT_TABLE(X)                                                                                       \
    X(GS_HTTP_EREQUEST, 1, 400, "bad_request", "the request is not well-formed")                                     \
    X(GS_HTTP_ETOKEN, 2, 401, "unauthorized", "a valid bearer token is needed")                                      \
    X(GS_HTTP_EFORBIDDEN, 3, 403, "forbidden", "the token does not allow this")                                      \
    X(GS_HTTP_EROUTE, 4, 404, "unknown_route", "there is no such route")                                             \
    X(GS_HTTP_EMETHOD, 5, 405, "method_not_allowed", "the route does not know this method")                          \
    X(GS_HTTP_ETIMEOUT, 6, 408, "request_timeout", "the request did not arrive in time")                             \
    X(GS_HTTP_ELENGTH, 7, 411, "length_required", "a Content-Length is needed")                                      \
    X(GS_HTTP_EBODY, 8, 413, "too_large", "a size or count is past its cap")                                         \
    X(GS_HTTP_EMEDIA, 9, 415, "unsupported_media_type", "the body must be application/json")                         \
    X(GS_HTTP_EEXPECT, 10, 417, "expectation_failed", "the only expectation that can be met is 100-continue")        \
    X(GS_HTTP_EHEAD, 11, 431, "head_too_large", "the request's head is larger than allowed, or has too many fields") \
    X(GS_HTTP_ERATE, 14, 429, "rate_limited", "too many requests")                                                   \
    X(GS_HTTP_ENOTCAUGHTUP, 13, 409, "not_caught_up", "the region does not have what the causal token stands for")   \
    X(GS_HTTP_ENOTRELEASABLE, 31, 409, "not_releasable", "what is wrong with it cannot be overruled")                \
    X(GS_HTTP_ENOTLOCATED, 32, 409, "not_located", "it is not known yet where the histories part")                   \
    X(GS_HTTP_EDECIDED, 33, 409, "already_decided", "it has been decided")                                           \
    X(GS_HTTP_EROLLEDBACK, 30, 409, "already_rolled_back", "there is nothing left to roll back")                     \
    X(GS_HTTP_EVERSION, 12, 505, "http_version_not_supported", "only HTTP/1.0 and HTTP/1.1 are spoken here")

enum gs_http_fault_code {
#define GS_HTTP_FAULT_ENUM(id, value, status, name, message) id = value,
    GS_HTTP_FAULT_TABLE(GS_HTTP_FAULT_ENUM)
#undef GS_HTTP_FAULT_ENUM
};

enum { GS_RETRY_AFTER_S = 1 }; /* of every 503 */

/* GS_EGONE: from where on the past is kept. */
struct gs_http_oldest {
    bool present;
    uint64_t version;  /* of the aggregate; 0: it is a feed that was asked for, … */
    uint64_t position; /* … which begins at this record */
    uint64_t ms;
};

struct gs_http_fault {
    struct gs_problem problem;
    bool has_current_version;
    uint64_t current_version;
    uint32_t retry_s; /* Retry-After, if it is not GS_RETRY_AFTER_S */
    struct gs_http_oldest oldest;
    bool has_lag;
    struct gs_causal_lag lag; /* GS_HTTP_ENOTCAUGHTUP: what is missing */
};

struct gs_fault_info {
    int status;
    const char *name;  /* `code` of the problem document */
    const char *title; /* one line, the same for every fault of the code */
};

/* Fills in `code` alone: the detail will be the code's title. Returns `code`. */
int gs_fault_set(struct gs_http_fault *fault, int code);

/* Unknown codes are a 500. */
struct gs_fault_info gs_fault_info(int code);

#endif
