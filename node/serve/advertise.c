#include "node/serve/advertise.h"

#include "gossip/transport_uv.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int put(struct gs_core_config *core, const char *text, size_t length, struct gs_problem *problem) {
    static const char field[] = "GS_ADVERTISE_ADDR";
    char *address = core->addresses[core->address_count < GS_MEMBER_ADDRESSES_MAX ? core->address_count : 0];
    struct gs_problem cause = {.code = 0};
    if (core->address_count == GS_MEMBER_ADDRESSES_MAX) {
        return gs_problem_set(problem, GS_EINVAL, field, "more than %d addresses", GS_MEMBER_ADDRESSES_MAX);
    }
    if (!gs_member_address_valid(text, length)) {
        return gs_problem_set(problem, GS_EINVAL, field, "\"%.*s\" is not HOST:PORT", (int)(length < 64 ? length : 64),
                              text);
    }
    memcpy(address, text, length);
    address[length] = '\0';
    if (gs_transport_check_address(address, &cause) != 0) {
        return gs_problem_set(problem, GS_EINVAL, field, "\"%s\": %s", address, cause.detail);
    }
    core->address_count++;
    return 0;
}

static int read_list(const char *setting, struct gs_core_config *core, struct gs_problem *problem) {
    int error = 0;
    for (const char *at = setting; error == 0 && *at != '\0';) {
        size_t length = strcspn(at, ", ");
        if (length > 0) {
            error = put(core, at, length, problem);
        }
        at += length + strspn(at + length, ", ");
    }
    return error;
}

/* The host of HOST:PORT, brackets and all; false if it stands for all addresses. */
static bool names_host(const char *gossip_addr, size_t *ret_length) {
    static const char *const wild[] = {"", "0.0.0.0", "[::]"};
    const char *colon = strrchr(gossip_addr, ':');
    size_t length = colon != NULL ? (size_t)(colon - gossip_addr) : strlen(gossip_addr);
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        if (strlen(wild[i]) == length && strncmp(gossip_addr, wild[i], length) == 0) {
            return false;
        }
    }
    *ret_length = length;
    return true;
}

/* Whether others may know the address; its host, as it goes before a port. */
static bool host_of(const uv_interface_address_t *interface, char ret_host[64]) {
    char text[46];
    if (interface->is_internal) {
        return false;
    }
    if (interface->address.address4.sin_family == AF_INET) {
        const uint8_t *bytes = (const uint8_t *)&interface->address.address4.sin_addr;
        (void)uv_ip4_name(&interface->address.address4, text, sizeof text);
        snprintf(ret_host, 64, "%s", text);
        return bytes[0] != 169 || bytes[1] != 254;
    }
    const uint8_t *bytes = (const uint8_t *)&interface->address.address6.sin6_addr;
    (void)uv_ip6_name(&interface->address.address6, text, sizeof text);
    snprintf(ret_host, 64, "[%s]", text);
    return bytes[0] != 0xfe || (bytes[1] & 0xc0) != 0x80;
}

static void find_host(char ret_host[64]) {
    uv_interface_address_t *interfaces = NULL;
    int count = 0;
    snprintf(ret_host, 64, "127.0.0.1");
    if (uv_interface_addresses(&interfaces, &count) != 0) {
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++) {
            char host[64];
            bool is_v4 = interfaces[i].address.address4.sin_family == AF_INET;
            if (is_v4 == (pass == 0) && host_of(&interfaces[i], host)) {
                memcpy(ret_host, host, sizeof host);
                uv_free_interface_addresses(interfaces, count);
                return;
            }
        }
    }
    uv_free_interface_addresses(interfaces, count);
}

int gs_advertise(const char *setting, const char *gossip_addr, uint16_t port, struct gs_core_config *core,
                 struct gs_problem *problem) {
    char address[GS_MEMBER_ADDRESS_MAX + 1];
    char host[64];
    size_t length = 0;
    core->address_count = 0;
    if (setting != NULL && strcmp(setting, "off") == 0) {
        return 0;
    }
    if (setting != NULL && setting[0] != '\0') {
        return read_list(setting, core, problem);
    }
    if (names_host(gossip_addr, &length)) {
        snprintf(address, sizeof address, "%.*s:%u", (int)length, gossip_addr, (unsigned)port);
    } else {
        find_host(host);
        snprintf(address, sizeof address, "%s:%u", host, (unsigned)port);
    }
    return put(core, address, strlen(address), problem);
}
