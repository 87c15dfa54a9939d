/* The HTTP server before a fake gateway, for tests over raw sockets:
 *
 *     http_server REGION KEY=VALUE…      listen, threads, request-timeout, idle-timeout, rate-address, rate-subject,
 *                                        trusted-proxies, cors-origins, log (all), secret, public-key (64 hex
 *                                        digits), issuer, audience, auth (off)
 *     http_server --describe             prints a JSON document of all routes and problem codes, for tests/openapi
 *
 * Prints "port N" once it listens, and serves until its standard input ends. Exit status 3 and a line on standard error
 * if it cannot start. */
#include "node/http/router.h"
#include "node/http/server.h"
#include "tests/support/fake_gateway.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct gs_http_config http;
    uint8_t public_key[GS_JWT_PUBLIC_KEY_SIZE];
};

static bool set_key(struct options *options, const char *hex) {
    size_t length = 0;
    if (sodium_hex2bin(options->public_key, sizeof options->public_key, hex, strlen(hex), NULL, &length, NULL) != 0) {
        return false;
    }
    options->http.auth.public_key = gs_slice_make(options->public_key, length);
    return true;
}

static bool set_option(struct options *options, const char *name, size_t length, const char *value) {
    struct gs_http_config *http = &options->http;
#define IS(text) (strlen(text) == length && memcmp(name, text, length) == 0)
    if (IS("listen")) {
        http->listen = value;
    } else if (IS("threads")) {
        http->threads = (uint32_t)strtoul(value, NULL, 10);
    } else if (IS("request-timeout")) {
        http->request_timeout_ms = (uint32_t)strtoul(value, NULL, 10);
    } else if (IS("idle-timeout")) {
        http->idle_timeout_ms = (uint32_t)strtoul(value, NULL, 10);
    } else if (IS("rate-address")) {
        http->address_rate = (uint32_t)strtoul(value, NULL, 10);
    } else if (IS("rate-subject")) {
        http->subject_rate = (uint32_t)strtoul(value, NULL, 10);
    } else if (IS("trusted-proxies")) {
        http->trusted_proxies = value;
    } else if (IS("cors-origins")) {
        http->cors_origins = value;
    } else if (IS("log")) {
        http->log = strcmp(value, "all") == 0 ? GS_ACCESS_LOG_ALL : GS_ACCESS_LOG_ERRORS;
    } else if (IS("secret")) {
        http->auth.secret = gs_slice_make(value, strlen(value));
    } else if (IS("public-key")) {
        return set_key(options, value);
    } else if (IS("issuer")) {
        http->auth.issuer = value;
    } else if (IS("audience")) {
        http->auth.audience = value;
    } else if (IS("auth")) {
        http->auth.off = strcmp(value, "off") == 0;
    } else {
        return false;
    }
#undef IS
    return true;
}

static void describe_routes(void) {
    size_t count = 0;
    const struct gs_http_route *routes = gs_http_routes(&count);
    printf("{\"routes\":[");
    for (size_t i = 0; i < count; i++) {
        printf("%s{\"methods\":%u,\"path\":\"%s\",\"scope\":\"%s\",\"body\":%s,\"parameters\":\"%s\"}",
               i > 0 ? "," : "", (unsigned)routes[i].methods, routes[i].path,
               routes[i].scopes != 0 ? gs_scope_name(routes[i].scopes) : "", routes[i].takes_body ? "true" : "false",
               routes[i].parameters);
    }
}

static void describe_codes(void) {
    static const int codes[] = {
#define CODE(id, ...) id,
        GS_ERROR_TABLE(CODE) GS_HTTP_FAULT_TABLE(CODE)
#undef CODE
    };
    printf("],\"codes\":[");
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct gs_fault_info info = gs_fault_info(codes[i]);
        printf("%s[\"%s\",%d]", i > 0 ? "," : "", info.name, info.status);
    }
    printf("]}\n");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--describe") == 0) {
        describe_routes();
        describe_codes();
        return 0;
    }
    struct options options = {.http = {.listen = "127.0.0.1:0", .threads = 32, .region = argc > 1 ? argv[1] : ""}};
    for (int i = 2; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        if (equals == NULL || !set_option(&options, argv[i], (size_t)(equals - argv[i]), equals + 1)) {
            fprintf(stderr, "http_server: what is %s?\n", argv[i]);
            return 2;
        }
    }
    struct gs_problem problem = {0};
    struct gs_http_server *server = NULL;
    options.http.gateway = fake_gateway_new(options.http.region);
    if (gs_audit_open(NULL, 0, &options.http.audit, &problem) != 0) {
        fprintf(stderr, "%s\n", problem.detail);
        return 3;
    }
    if (options.http.gateway == NULL || gs_http_server_start(&options.http, &server, &problem) != 0) {
        fprintf(stderr, "%s: %s\n", gs_error_name(problem.code), problem.detail);
        if (options.http.gateway != NULL) {
            fake_gateway_free(options.http.gateway);
        }
        return 3;
    }
    printf("port %u\n", (unsigned)gs_http_server_port(server));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    gs_http_server_stop(server);
    gs_audit_close(options.http.audit);
    fake_gateway_free(options.http.gateway);
    return 0;
}
