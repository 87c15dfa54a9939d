/* Listen addresses. */
#ifndef GS_NODE_HTTP_ADDRESS_H
#define GS_NODE_HTTP_ADDRESS_H

#include <globalstate/error.h>

#include <netinet/in.h>
#include <stdbool.h>

/* "127.0.0.1:8087", "localhost:8087", ":8087". GS_EINVAL. Debian's CivetWeb is built without IPv6. */
int gs_http_address_parse(const char *text, struct sockaddr_in *ret_address, struct gs_problem *problem);

bool gs_http_address_is_loopback(const struct sockaddr_in *address);

/* Can it be bound now? CivetWeb would only say that it could not start. GS_EBUSY, GS_EIO. */
int gs_http_address_probe(const struct sockaddr_in *address, const char *text, struct gs_problem *problem);

#endif
