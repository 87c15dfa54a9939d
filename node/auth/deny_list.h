/* Tokens that are refused before they expire, by their id (`jti`, RFC 7519 section 4.1.7): what was stolen, or given to
 * somebody who has left.
 *
 *     # JTI EXPIRES (seconds since 1970; none: for ever)
 *     kJ0sT3vUu2Jb4mYx 1767225600
 *
 * A token that has expired is refused anyway, so its line does nothing any more and is skipped. Pure. */
#ifndef GS_NODE_AUTH_DENY_LIST_H
#define GS_NODE_AUTH_DENY_LIST_H

#include "node/auth/jwt.h"

enum {
    GS_DENIED_MAX = 65536, /* tokens */
    GS_DENY_FILE_MAX = 16 * 1024 * 1024
};

struct gs_denied {
    struct gs_slice id;
    int64_t expires_s; /* INT64_MAX: never */
};

struct gs_deny_list {
    struct gs_denied *entries; /* sorted by id */
    uint32_t count;
};

/* Reads a file's text at time `now_s`; the entries and their ids live in `arena`. GS_EINVAL with the line in
 * `problem->detail` (too many, too), GS_ENOMEM. */
int gs_deny_list_parse(const char *text, size_t length, int64_t now_s, struct gs_arena *arena,
                       struct gs_deny_list *ret_list, struct gs_problem *problem);
/* A copy in another arena; GS_ENOMEM. */
int gs_deny_list_copy(const struct gs_deny_list *list, struct gs_arena *arena, struct gs_deny_list *ret_list);

bool gs_deny_list_has(const struct gs_deny_list *list, struct gs_slice id);

/* 1 to GS_JWT_ID_MAX printable ASCII characters, no blank and no "#": what a line of the file can hold. */
bool gs_jwt_id_valid(struct gs_slice id);

#endif
