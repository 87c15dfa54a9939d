#include "node/serve/causal_gate.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FORMAT = 1, ENTRY_MAX = GS_ORIGIN_SIZE + 10, BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

struct gs_causal_gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct gs_causal_head *announced; /* owned */
    struct gs_causal_head *opened;    /* owned */
    uint32_t announced_count, opened_count;
    uint32_t waiting;
    bool shut;
    size_t token_length;
    char token[GS_CAUSAL_TOKEN_MAX + 1]; /* of `announced` */
};

struct gs_causal_gate *gs_causal_gate_new(void) {
    struct gs_causal_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) {
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&gate->moved, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&gate->lock, NULL);
    if (gs_causal_gate_announce(gate, NULL, 0) != 0) {
        gs_causal_gate_free(gate);
        return NULL;
    }
    return gate;
}

void gs_causal_gate_free(struct gs_causal_gate *gate) {
    if (gate == NULL) {
        return;
    }
    pthread_cond_destroy(&gate->moved);
    pthread_mutex_destroy(&gate->lock);
    free(gate->announced);
    free(gate->opened);
    free(gate);
}

/* FORMAT, then for each origin its id and its number, little end first, seven bits a byte; base64url. */
static void encode(const struct gs_causal_head *heads, uint32_t count, char ret_token[GS_CAUSAL_TOKEN_MAX + 1]) {
    uint8_t bytes[GS_CAUSAL_TOKEN_MAX / 4 * 3];
    size_t length = 0;
    bytes[length++] = FORMAT;
    for (uint32_t i = 0; i < count && i < GS_CAUSAL_ORIGINS_MAX && length + ENTRY_MAX <= sizeof bytes; i++) {
        memcpy(bytes + length, heads[i].origin.bytes, GS_ORIGIN_SIZE);
        length += GS_ORIGIN_SIZE;
        uint64_t seq = heads[i].seq;
        for (; seq >= 0x80; seq >>= 7) {
            bytes[length++] = (uint8_t)(0x80 | (seq & 0x7f));
        }
        bytes[length++] = (uint8_t)seq;
    }
    sodium_bin2base64(ret_token, GS_CAUSAL_TOKEN_MAX + 1, bytes, length, BASE64);
}

int gs_causal_gate_announce(struct gs_causal_gate *gate, const struct gs_causal_head *heads, uint32_t count) {
    struct gs_causal_head *copy = malloc((count + 1) * sizeof *copy);
    if (copy == NULL) {
        return GS_ENOMEM;
    }
    if (count > 0) {
        memcpy(copy, heads, count * sizeof *copy);
    }
    pthread_mutex_lock(&gate->lock);
    struct gs_causal_head *old = gate->announced;
    gate->announced = copy;
    gate->announced_count = count;
    encode(copy, count, gate->token);
    gate->token_length = strlen(gate->token);
    pthread_mutex_unlock(&gate->lock);
    free(old);
    return 0;
}

void gs_causal_gate_open(struct gs_causal_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    struct gs_causal_head *copy = malloc((gate->announced_count + 1) * sizeof *copy);
    if (copy != NULL) { /* else who waits goes on waiting until the next commit */
        memcpy(copy, gate->announced, gate->announced_count * sizeof *copy);
        free(gate->opened);
        gate->opened = copy;
        gate->opened_count = gate->announced_count;
    }
    if (gate->waiting > 0) {
        pthread_cond_broadcast(&gate->moved);
    }
    pthread_mutex_unlock(&gate->lock);
}

void gs_causal_gate_shut(struct gs_causal_gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->shut = true;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

void gs_causal_gate_write_token(struct gs_causal_gate *gate, struct gs_buffer *out) {
    pthread_mutex_lock(&gate->lock);
    gs_buffer_append(out, gate->token, gate->token_length);
    pthread_mutex_unlock(&gate->lock);
}

static bool read_seq(const uint8_t *bytes, size_t length, size_t *at, uint64_t *ret_seq) {
    uint64_t seq = 0;
    for (uint32_t shift = 0; *at < length && shift < 63; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        seq |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_seq = seq;
            return true;
        }
    }
    return false;
}

int gs_causal_token_parse(struct gs_slice text, struct gs_causal_token *ret_token) {
    uint8_t bytes[GS_CAUSAL_TOKEN_MAX / 4 * 3];
    size_t length = 0;
    if (text.length > GS_CAUSAL_TOKEN_MAX ||
        sodium_base642bin(bytes, sizeof bytes, (const char *)text.bytes, text.length, NULL, &length, NULL, BASE64) !=
            0 ||
        length < 1 || bytes[0] != FORMAT) {
        return GS_EFORMAT;
    }
    ret_token->count = 0;
    for (size_t at = 1; at < length;) {
        uint32_t count = ret_token->count;
        if (count == GS_CAUSAL_ORIGINS_MAX || length - at <= GS_ORIGIN_SIZE) {
            return GS_EFORMAT;
        }
        memcpy(ret_token->heads[count].origin.bytes, bytes + at, GS_ORIGIN_SIZE);
        at += GS_ORIGIN_SIZE;
        bool sorted =
            count == 0 || gs_origin_compare(&ret_token->heads[count - 1].origin, &ret_token->heads[count].origin) < 0;
        if (!sorted || !read_seq(bytes, length, &at, &ret_token->heads[count].seq)) {
            return GS_EFORMAT;
        }
        ret_token->count++;
    }
    return 0;
}

static void add_lag(struct gs_causal_lag *lag, const gs_origin *origin, const char *region, uint64_t events) {
    lag->events = events > UINT64_MAX - lag->events ? UINT64_MAX : lag->events + events;
    if (lag->count == GS_CAUSAL_LAG_REGIONS_MAX) {
        return;
    }
    char *name = lag->regions[lag->count].region;
    if (region != NULL) {
        memcpy(name, region, GS_CAUSAL_NAME_SIZE);
    } else {
        snprintf(name, GS_CAUSAL_NAME_SIZE, "unknown~%02x%02x", origin->bytes[0], origin->bytes[1]);
    }
    lag->regions[lag->count++].events = events;
}

/* What is open lacks of the token. Both are sorted. */
static void measure(const struct gs_causal_gate *gate, const struct gs_causal_token *token, struct gs_causal_lag *lag) {
    *lag = (struct gs_causal_lag){0};
    uint32_t at = 0;
    for (uint32_t i = 0; i < token->count; i++) {
        const gs_origin *origin = &token->heads[i].origin;
        while (at < gate->opened_count && gs_origin_compare(&gate->opened[at].origin, origin) < 0) {
            at++;
        }
        bool known = at < gate->opened_count && gs_origin_equal(&gate->opened[at].origin, origin);
        uint64_t seq = known ? gate->opened[at].seq : 0;
        if (seq < token->heads[i].seq) {
            add_lag(lag, origin, known ? gate->opened[at].region : NULL, token->heads[i].seq - seq);
        }
    }
}

static struct timespec deadline_of(uint32_t wait_ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

int gs_causal_gate_await(struct gs_causal_gate *gate, const struct gs_causal_token *token, uint32_t wait_ms,
                         uint32_t waits_max, struct gs_causal_lag *ret_lag) {
    struct timespec until = deadline_of(wait_ms);
    pthread_mutex_lock(&gate->lock);
    measure(gate, token, ret_lag);
    bool waits = ret_lag->events > 0 && wait_ms > 0;
    int error = waits && gate->waiting >= waits_max ? GS_EOVERLOADED : 0;
    if (error == 0 && waits) {
        gate->waiting++;
        int timed_out = 0;
        while (ret_lag->events > 0 && !gate->shut && timed_out != ETIMEDOUT) {
            timed_out = pthread_cond_timedwait(&gate->moved, &gate->lock, &until);
            measure(gate, token, ret_lag);
        }
        gate->waiting--;
    }
    if (error == 0 && ret_lag->events > 0) {
        error = gate->shut ? GS_ESHUTDOWN : GS_EBUSY;
    }
    pthread_mutex_unlock(&gate->lock);
    return error;
}
