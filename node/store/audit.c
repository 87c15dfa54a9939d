/* The queue of entries, and the thread that writes them. Lists of rows go one way:
 *
 *     add → queue (sums are added up) → flight → engine
 *
 * A list in flight is offered to the engine until it is written or lost; what comes meanwhile waits in the queue. */
#include "node/store/audit_engine.h"

#include <globalstate/codec.h>
#include <globalstate/hlc.h>
#include <globalstate/json.h>

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WRITE_EVERY_MS = 200, RETRY_EVERY_MS = 1000, TRIM_EVERY = 1500, /* turns, five minutes */ TEXTS = 6 };

struct gs_audit {
    pthread_t thread;
    bool running;
    uint64_t retention_ms;

    pthread_mutex_t writing; /* guards what follows, and comes before the other one */
    struct gs_audit_engine *engine;
    struct gs_audit_row *flight; /* owned */
    uint32_t flight_count;
    uint64_t batch; /* of the flight */

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stopping;
    struct gs_audit_row *first, *last; /* owned */
    uint32_t count;
    struct gs_table sums;
    uint64_t lost; /* for want of memory or of room, or refused */
};

static const char *const kind_names[GS_AUDIT_KINDS] = {"write", "admin", "read", "refusal"};

const char *gs_audit_kind_name(enum gs_audit_kind kind) {
    return kind_names[kind];
}

int gs_audit_kind_parse(struct gs_slice name) {
    for (int i = 0; i < GS_AUDIT_KINDS; i++) {
        if (name.length == strlen(kind_names[i]) && memcmp(name.bytes, kind_names[i], name.length) == 0) {
            return i;
        }
    }
    return -1;
}

/* How long the character is that begins there; 0: it is none that every engine takes. */
static size_t character(const uint8_t *bytes, size_t left) {
    for (size_t length = 1; length <= 4 && length <= left; length++) {
        if (gs_utf8_valid(bytes, length)) {
            return bytes[0] != 0 ? length : 0;
        }
    }
    return 0;
}

/* Cut, and with a "?" for every byte that is no text: a path may hold anything. */
static struct gs_slice clean(struct gs_slice text, uint8_t space[GS_AUDIT_TEXT_MAX]) {
    size_t at = 0;
    while (at < text.length && at < GS_AUDIT_TEXT_MAX) {
        size_t length = character(text.bytes + at, text.length - at);
        if (at + length > GS_AUDIT_TEXT_MAX) {
            break;
        }
        if (length > 0) {
            memcpy(space + at, text.bytes + at, length);
        } else {
            space[at] = '?';
        }
        at += length > 0 ? length : 1;
    }
    return gs_slice_make(space, at);
}

static struct gs_slice put(uint8_t **at, struct gs_slice text) {
    struct gs_slice copy = gs_slice_make(*at, text.length);
    if (text.length > 0) {
        memcpy(*at, text.bytes, text.length);
    }
    *at += text.length;
    return copy;
}

/* What is summed together: subject, action, code, kind, status and minute, in this order, with NULs between. */
static size_t write_key(const struct gs_audit_entry *entry, uint8_t *key) {
    uint8_t *at = key;
    (void)put(&at, entry->subject);
    *at++ = 0;
    (void)put(&at, entry->action);
    *at++ = 0;
    (void)put(&at, entry->code);
    *at++ = 0;
    uint64_t numbers[3] = {(uint64_t)entry->kind, (uint64_t)entry->status, entry->time_ms / GS_AUDIT_MINUTE_MS};
    memcpy(at, numbers, sizeof numbers);
    return (size_t)(at - key) + sizeof numbers;
}

static struct gs_audit_row *row_new(const struct gs_audit_entry *entry, struct gs_slice key) {
    size_t texts = entry->subject.length + entry->address.length + entry->action.length + entry->target.length +
                   entry->code.length + entry->request_id.length;
    struct gs_audit_row *row = calloc(1, sizeof *row + texts + key.length);
    if (row == NULL) {
        return NULL;
    }
    uint8_t *at = row->text;
    row->kept = *entry;
    row->kept.subject = put(&at, entry->subject);
    row->kept.address = put(&at, entry->address);
    row->kept.action = put(&at, entry->action);
    row->kept.target = put(&at, entry->target);
    row->kept.code = put(&at, entry->code);
    row->kept.request_id = put(&at, entry->request_id);
    row->entry.key = put(&at, key);
    row->summed = key.length > 0;
    row->last_ms = entry->time_ms;
    row->count = 1;
    return row;
}

static void free_rows(struct gs_audit_row *row) {
    while (row != NULL) {
        struct gs_audit_row *next = row->next;
        free(row);
        row = next;
    }
}

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* With the lock. */
static void push(struct gs_audit *audit, struct gs_audit_row *row) {
    *(audit->last != NULL ? &audit->last->next : &audit->first) = row;
    audit->last = row;
    audit->count++;
}

/* With the lock: an entry that says how many there should have been. */
static void say_lost(struct gs_audit *audit) {
    const struct gs_audit_entry entry = {.kind = GS_AUDIT_ADMIN,
                                         .time_ms = wall_ms(),
                                         .subject = gs_slice_make("globalstate", 11),
                                         .action = gs_slice_make("audit.lost", 10),
                                         .status = 503};
    struct gs_audit_row *row = audit->lost > 0 ? row_new(&entry, (struct gs_slice){0}) : NULL;
    if (row != NULL) {
        row->count = audit->lost;
        audit->lost = 0;
        push(audit, row);
    }
}

/* With `writing`: the queue takes off, if nothing is in flight. */
static void take_off(struct gs_audit *audit) {
    if (audit->flight != NULL) {
        return;
    }
    pthread_mutex_lock(&audit->lock);
    say_lost(audit);
    audit->flight = audit->first;
    audit->flight_count = audit->count;
    audit->first = audit->last = NULL;
    audit->count = 0;
    gs_table_close(&audit->sums);
    pthread_mutex_unlock(&audit->lock);
    audit->batch++;
}

/* With `writing`. 0, or GS_ESTORE: it stays in flight. */
static int land(struct gs_audit *audit) {
    int error = audit->flight != NULL ? audit->engine->methods->write(audit->engine, audit->flight, audit->batch) : 0;
    if (error == GS_ESTORE) {
        return error;
    }
    if (error != 0) {
        pthread_mutex_lock(&audit->lock);
        audit->lost += audit->flight_count;
        pthread_mutex_unlock(&audit->lock);
    }
    free_rows(audit->flight);
    audit->flight = NULL;
    return 0;
}

/* With `writing`: all that waits. */
static int write_all(struct gs_audit *audit) {
    int error = land(audit); /* of an earlier attempt */
    if (error == 0) {
        take_off(audit);
        error = land(audit);
    }
    return error;
}

static void sleep_until_due(struct gs_audit *audit, long ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&audit->wake, &audit->lock, &until); /* whatever woke it */
}

static void *run(void *argument) {
    struct gs_audit *audit = argument;
    bool away = false;
    uint32_t turns = 0;
    pthread_mutex_lock(&audit->lock);
    while (!audit->stopping) {
        sleep_until_due(audit, away ? RETRY_EVERY_MS : WRITE_EVERY_MS);
        if (audit->stopping) {
            break;
        }
        pthread_mutex_unlock(&audit->lock);
        pthread_mutex_lock(&audit->writing);
        away = write_all(audit) != 0;
        uint64_t now = wall_ms();
        if (!away && audit->retention_ms != 0 && now > audit->retention_ms && turns++ % TRIM_EVERY == 0) {
            audit->engine->methods->trim(audit->engine, now - audit->retention_ms);
        }
        pthread_mutex_unlock(&audit->writing);
        pthread_mutex_lock(&audit->lock);
    }
    pthread_mutex_unlock(&audit->lock);
    if (!away) { /* else what waits is not worth the wait for it */
        pthread_mutex_lock(&audit->writing);
        (void)write_all(audit);
        pthread_mutex_unlock(&audit->writing);
    }
    return NULL;
}

static int start(struct gs_audit_engine *engine, uint64_t retention_ms, struct gs_audit **ret_audit,
                 struct gs_problem *problem) {
    struct gs_audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL) {
        engine->methods->close(engine);
        return gs_problem_set(problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    audit->engine = engine;
    audit->retention_ms = retention_ms;
    randombytes_buf(audit->sums.secret, sizeof audit->sums.secret);
    randombytes_buf(&audit->batch, sizeof audit->batch);
    audit->batch >>= 2; /* other than those of an earlier process, and a number in every engine */
    pthread_mutex_init(&audit->lock, NULL);
    pthread_mutex_init(&audit->writing, NULL);
    pthread_cond_init(&audit->wake, NULL);
    audit->running = pthread_create(&audit->thread, NULL, run, audit) == 0;
    if (!audit->running) {
        gs_audit_close(audit);
        return gs_problem_set(problem, GS_EIO, NULL, "cannot start the audit log's thread");
    }
    *ret_audit = audit;
    return 0;
}

int gs_audit_open(const char *path, uint64_t retention_ms, struct gs_audit **ret_audit, struct gs_problem *problem) {
    struct gs_audit_engine *engine = NULL;
    int error = gs_audit_sqlite_open(path, &engine, problem);
    return error != 0 ? error : start(engine, retention_ms, ret_audit, problem);
}

int gs_audit_open_postgres(const char *url, uint64_t retention_ms, struct gs_audit **ret_audit,
                           struct gs_problem *problem) {
    struct gs_audit_engine *engine = NULL;
    int error = gs_audit_postgres_open(url, &engine);
    return error != 0 ? gs_problem_set(problem, error, NULL, "%s", gs_error_message(error))
                      : start(engine, retention_ms, ret_audit, problem);
}

void gs_audit_close(struct gs_audit *audit) {
    if (audit == NULL) {
        return;
    }
    pthread_mutex_lock(&audit->lock);
    audit->stopping = true;
    pthread_cond_signal(&audit->wake);
    pthread_mutex_unlock(&audit->lock);
    if (audit->running) {
        (void)pthread_join(audit->thread, NULL); /* fails only for a thread that is not there */
    }
    audit->engine->methods->close(audit->engine);
    free_rows(audit->flight);
    free_rows(audit->first);
    gs_table_close(&audit->sums);
    pthread_cond_destroy(&audit->wake);
    pthread_mutex_destroy(&audit->lock);
    pthread_mutex_destroy(&audit->writing);
    free(audit);
}

/* With the lock: adds to a sum that waits already; true if there is one. */
static bool add_to_sum(struct gs_audit *audit, const struct gs_audit_entry *entry, struct gs_slice key) {
    struct gs_audit_row *row = (struct gs_audit_row *)gs_table_find(&audit->sums, key);
    if (row != NULL) {
        row->count++;
        row->last_ms = entry->time_ms;
    }
    return row != NULL;
}

/* With the lock: takes the row, unless a sum that came meanwhile has what it says. False: the row is the caller's
 * still. */
static bool add(struct gs_audit *audit, struct gs_audit_row *row) {
    if (row != NULL && row->summed && add_to_sum(audit, &row->kept, row->entry.key)) {
        return false;
    }
    if (row == NULL || audit->count >= GS_AUDIT_WAITING_MAX ||
        (row->summed && gs_table_insert(&audit->sums, &row->entry) != 0)) {
        audit->lost++;
        return false;
    }
    push(audit, row);
    return true;
}

/* Every request comes through here. The row is made without the lock: whoever holds it must not wait for the allocator,
 * because thousands would wait with him. */
void gs_audit_add(struct gs_audit *audit, const struct gs_audit_entry *entry) {
    if (audit == NULL) {
        return;
    }
    uint8_t texts[TEXTS][GS_AUDIT_TEXT_MAX];
    uint8_t key[3 * GS_AUDIT_TEXT_MAX + 3 + 3 * sizeof(uint64_t)];
    struct gs_audit_entry kept = *entry;
    bool summed = entry->kind == GS_AUDIT_READ || entry->kind == GS_AUDIT_REFUSAL;
    kept.subject = clean(entry->subject, texts[0]);
    kept.address = clean(entry->address, texts[1]);
    kept.action = clean(entry->action, texts[2]);
    kept.code = clean(entry->code, texts[3]);
    kept.target = summed ? (struct gs_slice){0} : clean(entry->target, texts[4]);
    kept.request_id = summed ? (struct gs_slice){0} : clean(entry->request_id, texts[5]);
    size_t key_length = summed ? write_key(&kept, key) : 0;
    const struct gs_slice sum = gs_slice_make(key, key_length);
    pthread_mutex_lock(&audit->lock);
    bool added = summed && add_to_sum(audit, &kept, sum);
    bool full = audit->count >= GS_AUDIT_WAITING_MAX;
    pthread_mutex_unlock(&audit->lock);
    if (added) {
        return;
    }
    if (full && audit->engine->methods->local) {
        pthread_mutex_lock(&audit->writing);
        (void)write_all(audit); /* what it does not write counts as lost below */
        pthread_mutex_unlock(&audit->writing);
    }
    struct gs_audit_row *row = row_new(&kept, sum);
    pthread_mutex_lock(&audit->lock);
    bool taken = add(audit, row);
    pthread_mutex_unlock(&audit->lock);
    if (!taken) {
        free(row);
    }
}

static void show_text(const char *name, struct gs_slice text, bool always, struct gs_buffer *out) {
    if (always || text.length > 0) {
        gs_buffer_printf(out, ",\"%s\":", name);
        gs_json_write_string(text.bytes, text.length, out);
    }
}

void gs_audit_show(const struct gs_audit_shown *row, bool first, struct gs_buffer *out) {
    char time[25];
    gs_hlc_format(gs_hlc_from_ms(row->time_ms), time);
    gs_buffer_printf(out, "%s{\"number\":%" PRIu64 ",\"time\":\"%s\",", first ? "" : ",", row->number, time);
    gs_hlc_format(gs_hlc_from_ms(row->last_ms), time);
    gs_buffer_printf(out, "\"lastTime\":\"%s\",\"kind\":\"%.*s\"", time, (int)row->kind.length,
                     (const char *)row->kind.bytes);
    show_text("subject", row->subject, true, out);
    show_text("address", row->address, true, out);
    show_text("action", row->action, true, out);
    show_text("target", row->target, false, out);
    gs_buffer_printf(out, ",\"status\":%d", row->status);
    show_text("code", row->code, false, out);
    show_text("requestId", row->request_id, false, out);
    gs_buffer_printf(out, ",\"count\":%" PRIu64 "}", row->count);
}

int gs_audit_query(struct gs_audit *audit, const struct gs_audit_query *query, struct gs_buffer *out,
                   uint64_t *ret_next) {
    pthread_mutex_lock(&audit->writing);
    int error = write_all(audit);
    gs_buffer_byte(out, '[');
    error = error != 0 ? error : audit->engine->methods->query(audit->engine, query, out, ret_next);
    pthread_mutex_unlock(&audit->writing);
    gs_buffer_byte(out, ']');
    return error != 0 ? error : out->failed;
}
