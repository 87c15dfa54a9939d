/* A small HTTP client over libcurl: one keep-alive connection to one node. Not thread-safe; one client a thread. */
#ifndef GS_NODE_CLI_HTTP_CLIENT_H
#define GS_NODE_CLI_HTTP_CLIENT_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

struct gs_http_client;

/* `url` is the node's base URL, `token` may be NULL; both are copied. NULL when out of memory. */
struct gs_http_client *gs_http_client_new(const char *url, const char *token);
void gs_http_client_free(struct gs_http_client *client);

struct gs_http_answer {
    long status;           /* HTTP status, 0 if there was no answer */
    struct gs_buffer body; /* reused from call to call */
};

/* One request; `body` NULL for none; `idempotency_key` NULL for none. 0 when there was an answer of any status, else
 * GS_EIO with the reason in `problem->detail`. */
int gs_http_client_call(struct gs_http_client *client, const char *method, const char *path, struct gs_slice body,
                        const char *idempotency_key, struct gs_http_answer *answer, struct gs_problem *problem);

#endif
