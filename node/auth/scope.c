#include "node/auth/auth.h"

#include <string.h>

static const struct {
    const char *name;
    uint32_t bit;
} scopes[] = {
    {"state:read", GS_SCOPE_STATE_READ},   {"state:write", GS_SCOPE_STATE_WRITE},
    {"events:read", GS_SCOPE_EVENTS_READ}, {"events:write", GS_SCOPE_EVENTS_WRITE},
    {"sync:read", GS_SCOPE_SYNC_READ},     {"sync:write", GS_SCOPE_SYNC_WRITE},
    {"audit:read", GS_SCOPE_AUDIT_READ},   {"admin", GS_SCOPE_ADMIN},
};

enum { SCOPE_COUNT = sizeof scopes / sizeof scopes[0] };

uint32_t gs_scope_parse(const char *name, size_t length) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (strlen(scopes[i].name) == length && memcmp(scopes[i].name, name, length) == 0) {
            return scopes[i].bit == GS_SCOPE_ADMIN ? (uint32_t)GS_SCOPE_ALL : scopes[i].bit;
        }
    }
    return 0;
}

uint32_t gs_scopes_parse(struct gs_slice list, struct gs_slice *ret_unknown) {
    uint32_t bits = 0;
    struct gs_slice unknown = {0};
    for (size_t at = 0; at < list.length;) {
        size_t end = at;
        while (end < list.length && list.bytes[end] != ' ') {
            end++;
        }
        uint32_t bit = gs_scope_parse((const char *)list.bytes + at, end - at);
        if (bit == 0 && end > at && unknown.bytes == NULL) {
            unknown = gs_slice_make(list.bytes + at, end - at);
        }
        bits |= bit;
        at = end + 1;
    }
    if (ret_unknown != NULL) {
        *ret_unknown = unknown;
    }
    return bits;
}

const char *gs_scope_name(uint32_t scope) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (scopes[i].bit == scope) {
            return scopes[i].name;
        }
    }
    return "?";
}

bool gs_principal_has(const struct gs_principal *principal, uint32_t any_of) {
    return (principal->scopes & any_of) != 0;
}
