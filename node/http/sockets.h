/* The process's own sockets, found by what they are connected to: CivetWeb keeps them to itself. */
#ifndef GS_NODE_HTTP_SOCKETS_H
#define GS_NODE_HTTP_SOCKETS_H

#include <netinet/in.h>
#include <stdint.h>

typedef void (*gs_socket_fn)(void *context, int descriptor, const struct sockaddr_in *peer);

/* Calls `visit` for each connected IPv4 socket whose own port is `port` (host order). A descriptor may be closed and
 * given to another connection between being seen and being used: at worst a connection ends that did not have to. */
void gs_sockets_visit(uint16_t port, gs_socket_fn visit, void *context);

#endif
