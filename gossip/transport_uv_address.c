#include "gossip/transport_uv_internal.h"

#include <string.h>

static int bad(struct gs_problem *problem, const char *text, const char *why) {
    return gs_problem_set(problem, GS_EINVAL, text, "an address is HOST:PORT or [IPV6]:PORT; %s", why);
}

static bool port_parse(const char *text, uint16_t *ret_port) {
    uint32_t port = 0;
    size_t length = strlen(text);
    if (length < 1 || length > 5) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port > UINT16_MAX) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

int gs_address_parse(const char *text, bool listening, struct gs_address *ret_address, struct gs_problem *problem) {
    struct gs_address address = {.port = 0};
    const char *colon = strrchr(text, ':');
    if (strlen(text) > GS_TRANSPORT_ADDRESS_MAX || colon == NULL) {
        return bad(problem, text, "the port is missing or it is too long");
    }
    const char *host = text;
    size_t length = (size_t)(colon - text);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length) != NULL) {
        return bad(problem, text, "an IPv6 address goes in brackets");
    }
    if (length >= sizeof address.host || (length == 0 && !listening)) {
        return bad(problem, text, "the host is empty or too long");
    }
    if (!port_parse(colon + 1, &address.port) || (address.port == 0 && !listening)) {
        return bad(problem, text, "the port is not a number of 1 to 65535");
    }
    memcpy(address.host, host, length);
    *ret_address = address;
    return 0;
}

bool gs_address_numeric(const struct gs_address *address, struct sockaddr_storage *ret_sockaddr) {
    struct sockaddr_storage result;
    memset(&result, 0, sizeof result);
    if (uv_ip4_addr(address->host, address->port, (struct sockaddr_in *)&result) != 0 &&
        uv_ip6_addr(address->host, address->port, (struct sockaddr_in6 *)&result) != 0) {
        return false;
    }
    *ret_sockaddr = result;
    return true;
}

void gs_address_group(const struct sockaddr_storage *peer, uint8_t ret_group[16]) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memset(ret_group, 0, 16);
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
        memcpy(ret_group, mapped, sizeof mapped);
        memcpy(ret_group + 12, &v4->sin_addr, 4);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
        bool is_mapped = memcmp(&v6->sin6_addr, mapped, sizeof mapped) == 0;
        memcpy(ret_group, &v6->sin6_addr, is_mapped ? 16 : 8);
    }
}
