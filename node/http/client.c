#include "node/http/client.h"

#include "node/http/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

int gs_trusted_proxies_parse(const char *text, struct gs_trusted_proxies *ret_proxies, struct gs_problem *problem) {
    struct gs_trusted_proxies proxies = {0};
    size_t length = 0;
    for (const char *at = text + strspn(text, ", "); *at != '\0'; at += length + strspn(at + length, ", ")) {
        char address[INET_ADDRSTRLEN];
        length = strcspn(at, ", ");
        snprintf(address, sizeof address, "%.*s", (int)(length < sizeof address ? length : sizeof address - 1), at);
        if (proxies.count == GS_TRUSTED_PROXIES_MAX) {
            return gs_problem_set(problem, GS_EINVAL, NULL, "more than %d proxies", GS_TRUSTED_PROXIES_MAX);
        }
        if (length >= sizeof address || inet_pton(AF_INET, address, &proxies.addresses[proxies.count]) != 1) {
            return gs_problem_set(problem, GS_EINVAL, NULL, "\"%.*s\" is not an IPv4 address", (int)length, at);
        }
        proxies.count++;
    }
    *ret_proxies = proxies;
    return 0;
}

static bool is_trusted(const struct gs_trusted_proxies *proxies, struct in_addr address) {
    for (uint32_t i = 0; i < proxies->count; i++) {
        if (proxies->addresses[i].s_addr == address.s_addr) {
            return true;
        }
    }
    return false;
}

/* The last element of the last X-Forwarded-For that is an IPv4 address. */
static void read_forwarded(const struct mg_request_info *info, struct in_addr *address) {
    for (int i = info->num_headers - 1; i >= 0; i--) {
        if (strcasecmp(info->http_headers[i].name, "X-Forwarded-For") != 0) {
            continue;
        }
        const char *value = info->http_headers[i].value;
        const char *comma = strrchr(value, ',');
        struct gs_slice last = gs_slice_trim(gs_text_slice(comma != NULL ? comma + 1 : value));
        char text[INET_ADDRSTRLEN];
        struct in_addr forwarded;
        snprintf(text, sizeof text, "%.*s", (int)(last.length < sizeof text ? last.length : sizeof text - 1),
                 (const char *)last.bytes);
        if (last.length < sizeof text && inet_pton(AF_INET, text, &forwarded) == 1) {
            *address = forwarded;
        }
        return;
    }
}

void gs_http_client_find(struct gs_http_request *request) {
    struct in_addr address = {0};
    if (inet_pton(AF_INET, request->info->remote_addr, &address) == 1 &&
        is_trusted(request->context->trusted_proxies, address)) {
        read_forwarded(request->info, &address);
    }
    request->client = address;
}

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int take(struct gs_http_request *request, struct gs_rate_limit *limit, struct gs_slice key, const char *whose,
                struct gs_http_fault *fault) {
    if (limit == NULL) {
        return 0;
    }
    struct gs_rate_answer answer = gs_rate_limit_take(limit, key, mono_ms());
    if (request->rate.limit == 0 || !answer.allowed || answer.remaining < request->rate.remaining) {
        request->rate = answer; /* the tighter of the two is shown */
    }
    if (answer.allowed) {
        return 0;
    }
    fault->retry_s = answer.retry_s;
    return gs_problem_set(&fault->problem, GS_HTTP_ERATE, NULL, "more than %u requests a second from this %s",
                          (unsigned)answer.limit, whose);
}

int gs_http_client_limit_address(struct gs_http_request *request, struct gs_http_fault *fault) {
    struct gs_slice key = gs_slice_make(&request->client, sizeof request->client);
    return take(request, request->context->address_limit, key, "address", fault);
}

int gs_http_client_limit_subject(struct gs_http_request *request, struct gs_http_fault *fault) {
    return take(request, request->context->subject_limit, request->principal->subject, "subject", fault);
}
