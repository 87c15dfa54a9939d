#include "node/cli/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 30, ANSWER_BYTES_MAX = 256 * 1024 * 1024 };

struct gs_http_client {
    CURL *curl;
    struct curl_slist *headers; /* sent with every request */
    struct gs_buffer url;
    size_t base_length;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialise(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    struct gs_buffer *body = context;
    if (body->length + size * count > ANSWER_BYTES_MAX) {
        return 0;
    }
    gs_buffer_append(body, bytes, size * count);
    return body->failed == 0 ? size * count : 0;
}

static bool add_header(struct curl_slist **list, const char *header) {
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (longer != NULL) {
        *list = longer;
    }
    return longer != NULL;
}

static bool prepare(struct gs_http_client *client, const char *token) {
    struct gs_buffer header = {0};
    bool ok = client->curl != NULL && add_header(&client->headers, "Content-Type: application/json") &&
              add_header(&client->headers, "Expect:");
    if (ok && token != NULL) {
        gs_buffer_printf(&header, "Authorization: Bearer %s", token);
        gs_buffer_byte(&header, '\0');
        ok = header.failed == 0 && add_header(&client->headers, (const char *)header.bytes);
        gs_buffer_close(&header);
    }
    if (!ok) {
        return false;
    }
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    return true;
}

struct gs_http_client *gs_http_client_new(const char *url, const char *token) {
    pthread_once(&once, initialise);
    struct gs_http_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    client->curl = curl_easy_init();
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/') {
        length--;
    }
    gs_buffer_append(&client->url, url, length);
    client->base_length = length;
    if (client->url.failed != 0 || !prepare(client, token)) {
        gs_http_client_free(client);
        return NULL;
    }
    return client;
}

void gs_http_client_free(struct gs_http_client *client) {
    if (client == NULL) {
        return;
    }
    curl_slist_free_all(client->headers);
    if (client->curl != NULL) {
        curl_easy_cleanup(client->curl);
    }
    gs_buffer_close(&client->url);
    free(client);
}

static int perform(struct gs_http_client *client, struct curl_slist *headers, struct gs_http_answer *answer,
                   struct gs_problem *problem) {
    char reason[CURL_ERROR_SIZE] = "";
    answer->body.length = 0;
    answer->status = 0;
    curl_easy_setopt(client->curl, CURLOPT_URL, client->url.bytes);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &answer->body);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, reason);
    CURLcode result = curl_easy_perform(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, NULL);
    if (result != CURLE_OK) {
        return gs_problem_set(problem, GS_EIO, "", "%s: %s", (const char *)client->url.bytes,
                              reason[0] != '\0' ? reason : curl_easy_strerror(result));
    }
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    return 0;
}

int gs_http_client_call(struct gs_http_client *client, const char *method, const char *path, struct gs_slice body,
                        const char *idempotency_key, struct gs_http_answer *answer, struct gs_problem *problem) {
    client->url.length = client->base_length;
    gs_buffer_text(&client->url, path);
    gs_buffer_byte(&client->url, '\0');
    if (client->url.failed != 0) {
        return gs_problem_set(problem, GS_ENOMEM, "", "out of memory");
    }
    curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body.bytes);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE, (long)body.length);
    if (body.bytes == NULL) {
        curl_easy_setopt(client->curl, CURLOPT_HTTPGET, 1L);
    }
    struct curl_slist first = {.next = client->headers};
    char header[300];
    snprintf(header, sizeof header, "Idempotency-Key: %s", idempotency_key != NULL ? idempotency_key : "");
    first.data = header;
    return perform(client, idempotency_key != NULL ? &first : client->headers, answer, problem);
}
