#include "node/http/session.h"

#include "node/http/text.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct gs_http_session {
    struct gs_http_connection connection;
    char *token; /* owned */
    size_t token_length;
    unsigned generation; /* of the keys that it was good with */
    struct gs_principal principal;
};

struct gs_http_session *gs_http_session_new(struct gs_http_context *context) {
    struct gs_http_session *session = calloc(1, sizeof *session);
    if (session != NULL && gs_connections_add(&context->connections, &session->connection)) {
        gs_watchdog_wake(&context->watchdog);
    }
    return session;
}

void gs_http_session_begin(struct gs_http_session *session, const struct mg_request_info *info) {
    if (session != NULL) {
        gs_connections_begin(&session->connection, info);
    }
}

void gs_http_session_end(struct gs_http_session *session) {
    if (session != NULL) {
        gs_connections_end(&session->connection);
    }
}

void gs_http_session_free(struct gs_http_context *context, struct gs_http_session *session) {
    if (session != NULL) {
        gs_connections_remove(&context->connections, &session->connection);
        gs_principal_close(&session->principal);
        free(session->token);
        free(session);
    }
}

static int64_t now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

/* A page in a browser that was lured to a name that resolves to this machine would send that name. */
static int check_host(struct gs_http_request *request, struct gs_http_fault *fault) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    char with_port[32];
    struct gs_slice host = {0};
    int error = gs_http_header_single(request->info, "Host", &host, fault);
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && error == 0; i++) {
        snprintf(with_port, sizeof with_port, "%s:%u", names[i], (unsigned)request->info->server_port);
        known = known || gs_slice_is_nocase(host, names[i]) || gs_slice_is_nocase(host, with_port);
    }
    if (error == 0 && !known) {
        error = gs_problem_set(&fault->problem, GS_HTTP_EFORBIDDEN, "Host",
                               "without authentication only localhost, 127.0.0.1 and [::1] are answered");
    }
    return error;
}

/* "Bearer TOKEN": the scheme in any case, one blank or more (RFC 9110 section 11.1). */
static struct gs_slice bearer_token(struct gs_slice value) {
    static const char scheme[] = "bearer ";
    const size_t length = sizeof scheme - 1;
    if (value.length <= length || strncasecmp((const char *)value.bytes, scheme, length) != 0) {
        return (struct gs_slice){0};
    }
    return gs_slice_trim(gs_slice_make(value.bytes + length, value.length - length));
}

static bool session_knows(const struct gs_http_session *session, struct gs_http_keyring *keyring, struct gs_slice token,
                          int64_t at_s) {
    return session->token != NULL && session->generation == atomic_load(&keyring->generation) &&
           session->token_length == token.length && sodium_memcmp(session->token, token.bytes, token.length) == 0 &&
           at_s < session->principal.expires_s;
}

static int session_learn(struct gs_http_session *session, struct gs_http_keyring *keyring, struct gs_slice token,
                         int64_t at_s) {
    struct gs_principal principal = {0};
    char *copy = malloc(token.length + 1);
    unsigned generation = 0;
    int error = copy == NULL ? GS_ENOMEM : gs_http_keyring_authenticate(keyring, token, at_s, &principal, &generation);
    if (error != 0) {
        free(copy);
        return error;
    }
    if (token.length > 0) {
        memcpy(copy, token.bytes, token.length);
    }
    free(session->token);
    gs_principal_close(&session->principal);
    session->token = copy;
    session->token_length = token.length;
    session->generation = generation;
    session->principal = principal;
    return 0;
}

bool gs_http_session_still_good(struct gs_http_request *request) {
    struct gs_http_keyring *keyring = &request->context->keyring;
    struct gs_http_session *session = mg_get_user_connection_data(request->connection);
    if (session == NULL || session->token == NULL) {
        return false;
    }
    struct gs_slice token = gs_slice_make(session->token, session->token_length);
    int64_t at_s = now_s();
    return session_knows(session, keyring, token, at_s) || session_learn(session, keyring, token, at_s) == 0;
}

int gs_http_session_authenticate(struct gs_http_request *request, struct gs_http_fault *fault) {
    struct gs_http_keyring *keyring = &request->context->keyring;
    struct gs_slice value = {0};
    int error = request->context->auth_off ? check_host(request, fault)
                                           : gs_http_header_single(request->info, "Authorization", &value, fault);
    if (error != 0) {
        return error;
    }
    struct gs_slice token = bearer_token(value);
    struct gs_http_session *session = mg_get_user_connection_data(request->connection);
    if (session == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    int64_t at_s = now_s();
    if (!session_knows(session, keyring, token, at_s)) {
        error = session_learn(session, keyring, token, at_s);
    }
    if (error != 0) {
        return gs_fault_set(fault, error == GS_ENOMEM ? GS_ENOMEM : GS_HTTP_ETOKEN);
    }
    request->principal = &session->principal;
    return 0;
}
