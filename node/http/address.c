#include "node/http/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool parse_port(const char *text, uint16_t *ret_port) {
    uint32_t port = 0;
    size_t length = strlen(text);
    bool ok = length >= 1 && length <= 5;
    for (size_t i = 0; ok && i < length; i++) {
        ok = text[i] >= '0' && text[i] <= '9';
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (ok && port <= UINT16_MAX) {
        *ret_port = (uint16_t)port;
        return true;
    }
    return false;
}

static bool parse_host(const char *text, size_t length, struct in_addr *ret_address) {
    char host[INET_ADDRSTRLEN];
    if (length == 0) {
        ret_address->s_addr = htonl(INADDR_ANY);
        return true;
    }
    if (length >= sizeof host) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (strcmp(host, "localhost") == 0) {
        ret_address->s_addr = htonl(INADDR_LOOPBACK);
        return true;
    }
    return inet_pton(AF_INET, host, ret_address) == 1;
}

int gs_http_address_parse(const char *text, struct sockaddr_in *ret_address, struct gs_problem *problem) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (strncmp(text, "https:", 6) == 0 || strncmp(text, "tls:", 4) == 0 ||
        (text[0] != '\0' && text[strlen(text) - 1] == 's')) { /* CivetWeb's mark of a port with TLS */
        return gs_problem_set(problem, GS_EINVAL, NULL,
                              "%s: this node does not speak TLS itself: put a proxy in front that ends it, as "
                              "deploy/up.sh --tls does with HAProxy",
                              text);
    }
    const char *colon = strrchr(text, ':');
    uint16_t port = 0;
    if (colon == NULL || !parse_port(colon + 1, &port) ||
        !parse_host(text, (size_t)(colon - text), &address.sin_addr)) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "\"%s\" is not an IPv4 address and port, like 127.0.0.1:8087",
                              text);
    }
    address.sin_port = htons(port);
    *ret_address = address;
    return 0;
}

bool gs_http_address_is_loopback(const struct sockaddr_in *address) {
    return ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

int gs_http_address_probe(const struct sockaddr_in *address, const char *text, struct gs_problem *problem) {
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    if (sock < 0) {
        return gs_problem_set(problem, GS_EIO, NULL, "no socket for HTTP: %s", strerror(errno));
    }
    int one = 1;
    int failed = setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    failed = failed == 0 ? bind(sock, (const struct sockaddr *)address, sizeof *address) : failed;
    int reason = errno;
    close(sock);
    if (failed == 0) {
        return 0;
    }
    if (reason == EADDRINUSE) {
        return gs_problem_set(problem, GS_EBUSY, NULL, "HTTP port %u is busy: something else listens on %s",
                              (unsigned)ntohs(address->sin_port), text);
    }
    return gs_problem_set(problem, GS_EIO, NULL, "cannot listen on %s: %s", text, strerror(reason));
}
