#include "node/http/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

/* So many unused descriptors in a row, and there are no more used ones: they are given out lowest first. */
enum { GAP_MAX = 16384 };

void gs_sockets_visit(uint16_t port, gs_socket_fn visit, void *context) {
    int unused = 0;
    for (int descriptor = 0; unused < GAP_MAX; descriptor++) {
        struct sockaddr_in peer;
        struct sockaddr_in own;
        socklen_t size = sizeof peer;
        socklen_t own_size = sizeof own;
        if (getpeername(descriptor, (struct sockaddr *)&peer, &size) != 0) {
            unused = errno == EBADF ? unused + 1 : 0;
            continue;
        }
        unused = 0;
        if (peer.sin_family == AF_INET && getsockname(descriptor, (struct sockaddr *)&own, &own_size) == 0 &&
            own.sin_port == htons(port)) {
            visit(context, descriptor, &peer);
        }
    }
}
