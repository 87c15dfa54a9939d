/* Who is at the other end: the client's address, also behind a proxy, and whether it asks too often.
 *
 * The address is that of the connection; if that is a trusted proxy's, it is the last one of X-Forwarded-For, which the
 * proxy has put there. What a client itself sends as that header is believed from nobody else. */
#ifndef GS_NODE_HTTP_CLIENT_H
#define GS_NODE_HTTP_CLIENT_H

#include "node/http/request.h"

#include <netinet/in.h>

enum { GS_TRUSTED_PROXIES_MAX = 16 };

struct gs_trusted_proxies {
    uint32_t count;
    struct in_addr addresses[GS_TRUSTED_PROXIES_MAX];
};

/* IPv4 addresses with commas or blanks between; empty is none. GS_EINVAL with the culprit in the detail. */
int gs_trusted_proxies_parse(const char *text, struct gs_trusted_proxies *ret_proxies, struct gs_problem *problem);

/* Fills in request->client. */
void gs_http_client_find(struct gs_http_request *request);

/* Takes one request from the bucket of the client's address, or of the token's subject (request->principal), whichever
 * limits there are; what is left goes to request->rate. GS_HTTP_ERATE with fault->retry_s. */
int gs_http_client_limit_address(struct gs_http_request *request, struct gs_http_fault *fault);
int gs_http_client_limit_subject(struct gs_http_request *request, struct gs_http_fault *fault);

#endif
