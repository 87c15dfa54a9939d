#include "node/http/server.h"

#include "node/http/address.h"
#include "node/http/client.h"
#include "node/http/cors.h"
#include "node/http/futex_slots.h"
#include "node/http/problem.h"
#include "node/http/router.h"
#include "node/http/session.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gs_http_server {
    struct gs_http_context context;
    struct gs_trusted_proxies proxies;
    struct gs_cors cors;
    struct mg_context *civetweb;
    uint16_t port; /* as bound */
};

enum { CIVETWEB_WORKER = 1 }; /* a thread that serves connections, as init_thread calls it */

static int on_connect(const struct mg_connection *connection, void **ret_data) {
    *ret_data = gs_http_session_new(mg_get_user_context_data(connection));
    return 0;
}

static void *on_thread(const struct mg_context *civetweb, int type) {
    const struct gs_http_context *context = mg_get_user_data(civetweb);
    if (type == CIVETWEB_WORKER) {
        gs_priority_serve(&context->priority);
    }
    return NULL;
}

static int on_request(struct mg_connection *connection) {
    struct gs_http_session *session = mg_get_user_connection_data(connection);
    gs_http_session_begin(session, mg_get_request_info(connection));
    int status = gs_http_route_request(mg_get_user_context_data(connection), connection);
    gs_http_session_end(session);
    return status;
}

/* CivetWeb could not make sense of the head, or its buffer is full. It closes the connection afterwards. */
static int on_error(struct mg_connection *connection, int status, const char *message) {
    struct gs_http_request request;
    struct gs_http_response response = {0};
    struct gs_http_fault fault = {0};
    (void)message;
    gs_http_request_open_broken(&request, mg_get_user_context_data(connection), connection);
    gs_fault_set(&fault, status == 413 ? GS_HTTP_EHEAD : status == 505 ? GS_HTTP_EVERSION : GS_HTTP_EREQUEST);
    gs_http_problem_answer(&request, &fault, NULL, &response);
    int answered = response.status;
    gs_http_response_send(&request, &response);
    gs_metrics_count(&request.context->metrics, GS_METRIC_ROUTES, answered, 0);
    gs_access_log_write(&request.context->access_log, &request, answered, gs_fault_info(fault.problem.code).name, 0);
    gs_http_response_close(&response);
    gs_http_request_close(&request);
    return 0;
}

static void on_close(const struct mg_connection *connection) {
    gs_http_session_free(mg_get_user_context_data(connection), mg_get_user_connection_data(connection));
}

static int on_log(const struct mg_connection *connection, const char *message) {
    (void)connection;
    (void)message;
    return 1; /* libraries do not log */
}

enum { WAITS_SHARE = 4 }; /* one thread in so many may wait for a causal token */

enum { NUMBER_SIZE = 16, PORT_SIZE = 32 };

struct options {
    char port[PORT_SIZE];
    char threads[NUMBER_SIZE];
    char request_timeout[NUMBER_SIZE];
    char idle_timeout[NUMBER_SIZE];
    char head[NUMBER_SIZE];
};

static void write_number(char text[NUMBER_SIZE], uint32_t value, uint32_t instead_of_0) {
    snprintf(text, NUMBER_SIZE, "%u", (unsigned)(value != 0 ? value : instead_of_0));
}

static void write_options(const struct gs_http_config *config, const struct sockaddr_in *address,
                          struct options *options) {
    char host[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    snprintf(options->port, sizeof options->port, "%s:%u", host, (unsigned)ntohs(address->sin_port));
    write_number(options->threads, config->threads, GS_HTTP_THREADS_DEFAULT);
    write_number(options->request_timeout, config->request_timeout_ms, GS_HTTP_REQUEST_TIMEOUT_MS);
    write_number(options->idle_timeout, config->idle_timeout_ms, GS_HTTP_IDLE_TIMEOUT_MS);
    write_number(options->head, GS_HTTP_HEAD_BUFFER, 0);
}

static int start_civetweb(struct gs_http_server *server, const struct gs_http_config *config,
                          const struct sockaddr_in *address, struct gs_problem *problem) {
    struct options texts;
    write_options(config, address, &texts);
    const char *options[] = {
        "listening_ports", texts.port, "num_threads", texts.threads, "connection_queue", "1000", "listen_backlog",
        "4096", "tcp_nodelay", "1", "enable_keep_alive", "yes", "request_timeout_ms", texts.request_timeout,
        "keep_alive_timeout_ms", texts.idle_timeout, "max_request_size", texts.head,
        /* no files, no listings, no realms, no cross-origin answers; targets as they came */
        "enable_directory_listing", "no", "enable_auth_domain_check", "no", "access_control_allow_origin", "",
        "access_control_allow_methods", "", "access_control_allow_headers", "", "decode_url", "no",
        "decode_query_string", "no", "allow_sendfile_call", "no", NULL};
    const struct mg_callbacks callbacks = {
        .init_thread = on_thread,
        .init_connection = on_connect,
        .begin_request = on_request,
        .http_error = on_error,
        .connection_close = on_close,
        .log_message = on_log,
    };
    char text[160] = "";
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = &server->context, .configuration_options = options};
    struct mg_error_data error = {.text = text, .text_buffer_size = sizeof text};
    server->civetweb = mg_start2(&init, &error);
    if (server->civetweb == NULL) {
        return gs_problem_set(problem, GS_EIO, NULL, "cannot serve HTTP on %s with %s threads: %s", config->listen,
                              texts.threads, text[0] != '\0' ? text : "CivetWeb did not start");
    }
    struct mg_server_port port = {0};
    if (mg_get_server_ports(server->civetweb, 1, &port) == 1) {
        server->port = (uint16_t)port.port;
        atomic_store(&server->context.connections.server_port, server->port);
    }
    return 0;
}

static int check_config(const struct gs_http_config *config, struct sockaddr_in *ret_address,
                        struct gs_problem *problem) {
    if (config->threads > GS_HTTP_THREADS_MAX) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "%u HTTP threads; the most is %d", (unsigned)config->threads,
                              GS_HTTP_THREADS_MAX);
    }
    if (!gs_region_name_valid(config->region, strlen(config->region))) {
        return gs_problem_set(problem, GS_EINVAL, NULL, "\"%s\" is not a name for a region", config->region);
    }
    int error = gs_http_address_parse(config->listen, ret_address, problem);
    if (error == 0 && config->auth.off && !gs_http_address_is_loopback(ret_address)) {
        error = gs_problem_set(problem, GS_EINVAL, NULL,
                               "GS_AUTH=off wants a loopback address: listen on 127.0.0.1:%u instead of %s",
                               (unsigned)ntohs(ret_address->sin_port), config->listen);
    }
    return error != 0 ? error : gs_http_address_probe(ret_address, config->listen, problem);
}

static void relieve(void *context) {
    gs_connections_relieve(context);
}

/* Rate limits, proxies, origins, log: what guards requests. */
static int open_guards(struct gs_http_server *server, const struct gs_http_config *config, struct gs_problem *problem) {
    struct gs_http_context *context = &server->context;
    uint8_t secret[16];
    randombytes_buf(secret, sizeof secret);
    context->access_log.level = config->log;
    context->trusted_proxies = &server->proxies;
    context->cors = &server->cors;
    if (config->address_rate > 0) {
        context->address_limit = gs_rate_limit_new(config->address_rate, secret);
    }
    if (config->subject_rate > 0) {
        context->subject_limit = gs_rate_limit_new(config->subject_rate, secret);
    }
    if ((config->address_rate > 0 && context->address_limit == NULL) ||
        (config->subject_rate > 0 && context->subject_limit == NULL)) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "no memory for the rate limits");
    }
    int error = config->trusted_proxies == NULL
                    ? 0
                    : gs_trusted_proxies_parse(config->trusted_proxies, &server->proxies, problem);
    return error != 0 || config->cors_origins == NULL ? error
                                                      : gs_cors_parse(config->cors_origins, &server->cors, problem);
}

static int open_context(struct gs_http_server *server, const struct gs_http_config *config,
                        struct gs_problem *problem) {
    struct gs_http_context *context = &server->context;
    uint32_t threads = config->threads != 0 ? config->threads : GS_HTTP_THREADS_DEFAULT;
    context->gateway = config->gateway;
    context->audit = config->audit;
    context->priority = config->priority;
    context->auth_off = config->auth.off;
    context->request_timeout_ms =
        config->request_timeout_ms != 0 ? config->request_timeout_ms : GS_HTTP_REQUEST_TIMEOUT_MS;
    context->waits_max = threads / WAITS_SHARE;
    snprintf(context->region, sizeof context->region, "%s", config->region);
    gs_connections_open(&context->connections, threads);
    if (sodium_init() < 0) {
        return gs_problem_set(problem, GS_EIO, NULL, "libsodium does not work on this machine");
    }
    randombytes_buf(&context->request_id_seed, sizeof context->request_id_seed);
    if (gs_watchdog_start(&context->watchdog, relieve, &context->connections) != 0) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "no thread for the HTTP server");
    }
    int error = open_guards(server, config, problem);
    return error != 0 ? error : gs_http_keyring_open(&context->keyring, &config->auth, problem);
}

int gs_http_server_start(const struct gs_http_config *config, struct gs_http_server **ret_server,
                         struct gs_problem *problem) {
    struct sockaddr_in address;
    int error = check_config(config, &address, problem);
    if (error != 0) {
        return error;
    }
    struct gs_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "no memory for the HTTP server");
    }
    gs_futex_slots_widen(config->threads != 0 ? config->threads : GS_HTTP_THREADS_DEFAULT);
    mg_init_library(0);
    error = open_context(server, config, problem);
    if (error == 0) {
        error = start_civetweb(server, config, &address, problem);
    }
    if (error != 0) {
        gs_http_server_stop(server);
        return error;
    }
    *ret_server = server;
    return 0;
}

int gs_http_server_set_keys(struct gs_http_server *server, const struct gs_auth_config *auth,
                            struct gs_problem *problem) {
    return gs_http_keyring_replace(&server->context.keyring, auth, problem);
}

uint16_t gs_http_server_port(const struct gs_http_server *server) {
    return server->port;
}

void gs_http_server_stop(struct gs_http_server *server) {
    if (server == NULL) {
        return;
    }
    if (server->civetweb != NULL) {
        mg_stop(server->civetweb);
    }
    mg_exit_library();
    gs_watchdog_stop(&server->context.watchdog);
    gs_connections_close(&server->context.connections);
    gs_rate_limit_free(server->context.address_limit);
    gs_rate_limit_free(server->context.subject_limit);
    gs_http_keyring_close(&server->context.keyring);
    free(server);
}
