#include "node/store/engines.h"

#include <stdio.h>
#include <string.h>

/* What follows `prefix` in `url`, or NULL. */
static const char *after(const char *url, const char *prefix) {
    size_t length = strlen(prefix);
    return strncmp(url, prefix, length) == 0 ? url + length : NULL;
}

bool gs_store_url_is_postgres(const char *url) {
    return after(url, "postgres://") != NULL || after(url, "postgresql://") != NULL;
}

int gs_store_open(const char *url, struct gs_store **ret_store, struct gs_problem *problem) {
    const char *path = after(url, "sqlite:");
    if (path != NULL && *path != '\0') {
        return gs_sqlite_open(path, ret_store, problem);
    }
    const char *rest = after(url, "memory:");
    if (rest != NULL && *rest == '\0') {
        return gs_memory_open(ret_store, problem);
    }
    if (gs_store_url_is_postgres(url)) {
        return gs_postgres_open(url, ret_store, problem);
    }
    /* Only the scheme is repeated: a URL may hold a password. */
    int scheme_length = (int)strcspn(url, ":");
    return gs_problem_set(problem, GS_EINVAL, NULL, "a store is sqlite:PATH, postgres://… or memory:, not %.*s:…",
                          scheme_length < 32 ? scheme_length : 32, url);
}

void gs_store_url_shown(const char *url, char ret_text[GS_STORE_URL_SHOWN_MAX]) {
    const char *rest = after(url, "postgresql://");
    rest = rest != NULL ? rest : after(url, "postgres://");
    if (rest == NULL) {
        (void)snprintf(ret_text, GS_STORE_URL_SHOWN_MAX, "%s", url);
        return;
    }
    size_t length = strcspn(rest, "?#");
    for (const char *at = rest; at < rest + length; at++) {
        if (*at == '@') { /* the last one: a password may hold others */
            length -= (size_t)(at + 1 - rest);
            rest = at + 1;
        }
    }
    (void)snprintf(ret_text, GS_STORE_URL_SHOWN_MAX, "postgres://%.*s", (int)(length < 140 ? length : 140), rest);
}
