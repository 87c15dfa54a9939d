#include "node/store/audit.h"

#include "node/core/table.h"

#include <globalstate/hlc.h>
#include <globalstate/json.h>

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WRITE_EVERY_MS = 200, TRIM_EVERY = 1500, /* turns, five minutes */ TRIM_ROWS = 10000, MINUTE_MS = 60000 };

static const char *const schema =
    "CREATE TABLE IF NOT EXISTS audit_log ("
    "number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, last INTEGER NOT NULL, kind INTEGER NOT NULL, "
    "subject TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, status INTEGER NOT "
    "NULL, "
    "code TEXT NOT NULL, request_id TEXT NOT NULL, count INTEGER NOT NULL, minute INTEGER) STRICT;"
    /* Summed entries have a minute, and only they. */
    "CREATE UNIQUE INDEX IF NOT EXISTS audit_log_sums ON audit_log (minute, subject, kind, action, status, code) "
    "WHERE minute IS NOT NULL;"
    "CREATE INDEX IF NOT EXISTS audit_log_by_subject ON audit_log (subject, number);"
    "CREATE INDEX IF NOT EXISTS audit_log_by_time ON audit_log (time);";

static const char *const insert_text =
    "INSERT INTO audit_log (time, last, kind, subject, address, action, target, status, code, request_id, count, "
    "minute) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (minute, subject, kind, action, status, "
    "code) WHERE minute IS NOT NULL DO UPDATE SET count = count + excluded.count, last = excluded.last, address = "
    "excluded.address";

/* One that waits. Its texts follow it. */
struct waiting {
    struct gs_table_entry entry; /* summed ones: key over what they are summed by */
    struct waiting *next;
    struct gs_audit_entry kept;
    uint64_t last_ms;
    uint64_t count;
    uint8_t text[];
};

struct gs_audit {
    pthread_t thread;
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t wake;
    bool stopping;
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint64_t retention_ms;
    struct waiting *first, *last;
    uint32_t count;
    struct gs_table sums;
    uint64_t lost; /* for want of memory, or of room on the disk */
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

static bool is_summed(enum gs_audit_kind kind) {
    return kind == GS_AUDIT_READ || kind == GS_AUDIT_REFUSAL;
}

/* A cut must not split a character: the column is text. */
static struct gs_slice cut(struct gs_slice text) {
    size_t length = text.length < GS_AUDIT_TEXT_MAX ? text.length : GS_AUDIT_TEXT_MAX;
    while (length > 0 && length < text.length && (text.bytes[length] & 0xc0) == 0x80) {
        length--;
    }
    return gs_slice_make(text.bytes, length);
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
    uint64_t numbers[3] = {(uint64_t)entry->kind, (uint64_t)entry->status, entry->time_ms / MINUTE_MS};
    memcpy(at, numbers, sizeof numbers);
    return (size_t)(at - key) + sizeof numbers;
}

static struct waiting *waiting_new(const struct gs_audit_entry *entry, const uint8_t *key, size_t key_length) {
    size_t texts = entry->subject.length + entry->address.length + entry->action.length + entry->target.length +
                   entry->code.length + entry->request_id.length;
    struct waiting *waiting = calloc(1, sizeof *waiting + texts + key_length);
    if (waiting == NULL) {
        return NULL;
    }
    uint8_t *at = waiting->text;
    waiting->kept = *entry;
    waiting->kept.subject = put(&at, entry->subject);
    waiting->kept.address = put(&at, entry->address);
    waiting->kept.action = put(&at, entry->action);
    waiting->kept.target = put(&at, entry->target);
    waiting->kept.code = put(&at, entry->code);
    waiting->kept.request_id = put(&at, entry->request_id);
    waiting->entry.key = put(&at, gs_slice_make(key, key_length));
    waiting->last_ms = entry->time_ms;
    waiting->count = 1;
    return waiting;
}

static void bind_text(sqlite3_stmt *statement, int at, struct gs_slice text) {
    const char *bytes = text.length > 0 ? (const char *)text.bytes : "";
    (void)sqlite3_bind_text(statement, at, bytes, (int)text.length, SQLITE_STATIC); /* a failure shows at the step */
}

static int write_one(struct gs_audit *audit, const struct waiting *waiting) {
    sqlite3_stmt *insert = audit->insert;
    const struct gs_audit_entry *entry = &waiting->kept;
    bool summed = is_summed(entry->kind);
    (void)sqlite3_bind_int64(insert, 1, (int64_t)entry->time_ms);
    (void)sqlite3_bind_int64(insert, 2, (int64_t)waiting->last_ms);
    (void)sqlite3_bind_int(insert, 3, (int)entry->kind);
    bind_text(insert, 4, entry->subject);
    bind_text(insert, 5, entry->address);
    bind_text(insert, 6, entry->action);
    bind_text(insert, 7, entry->target);
    (void)sqlite3_bind_int(insert, 8, entry->status);
    bind_text(insert, 9, entry->code);
    bind_text(insert, 10, entry->request_id);
    (void)sqlite3_bind_int64(insert, 11, (int64_t)waiting->count);
    if (summed) {
        (void)sqlite3_bind_int64(insert, 12, (int64_t)(entry->time_ms / MINUTE_MS));
    } else {
        (void)sqlite3_bind_null(insert, 12);
    }
    int result = sqlite3_step(insert);
    (void)sqlite3_reset(insert); /* repeats the error of the step */
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Under the lock. What cannot be written is counted as lost, and said so by the next entry that can. */
static void write_all(struct gs_audit *audit) {
    if (audit->count == 0) {
        return;
    }
    int result = sqlite3_exec(audit->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (struct waiting *waiting = audit->first; waiting != NULL; waiting = waiting->next) {
        result = result == SQLITE_OK ? write_one(audit, waiting) : result;
    }
    result = result == SQLITE_OK ? sqlite3_exec(audit->db, "COMMIT", NULL, NULL, NULL) : result;
    if (result != SQLITE_OK) {
        audit->lost += audit->count;
        if (!sqlite3_get_autocommit(audit->db)) {
            (void)sqlite3_exec(audit->db, "ROLLBACK", NULL, NULL, NULL); /* the next BEGIN tells if it failed */
        }
    }
    while (audit->first != NULL) {
        struct waiting *waiting = audit->first;
        audit->first = waiting->next;
        free(waiting);
    }
    audit->last = NULL;
    audit->count = 0;
    gs_table_close(&audit->sums);
}

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A bounded bite, so that who adds an entry does not wait long. */
static void trim(struct gs_audit *audit) {
    char sql[160];
    uint64_t now = wall_ms();
    if (audit->retention_ms == 0 || now <= audit->retention_ms) {
        return;
    }
    sqlite3_snprintf(sizeof sql, sql,
                     "DELETE FROM audit_log WHERE number IN (SELECT number FROM audit_log WHERE time < %lld LIMIT %d)",
                     (long long)(now - audit->retention_ms), TRIM_ROWS);
    (void)sqlite3_exec(audit->db, sql, NULL, NULL, NULL); /* the next turn tries again */
}

static void *run(void *argument) {
    struct gs_audit *audit = argument;
    uint32_t turns = 0;
    pthread_mutex_lock(&audit->lock);
    while (!audit->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += WRITE_EVERY_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&audit->wake, &audit->lock, &until); /* whatever woke it */
        write_all(audit);
        if (turns++ % TRIM_EVERY == 0) {
            trim(audit);
        }
    }
    write_all(audit);
    pthread_mutex_unlock(&audit->lock);
    return NULL;
}

static int open_database(struct gs_audit *audit, const char *path, struct gs_problem *problem) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(path != NULL ? path : ":memory:", &audit->db, flags, NULL);
    if (result == SQLITE_OK) {
        result = sqlite3_exec(audit->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_exec(audit->db, schema, NULL, NULL, NULL);
    }
    if (result == SQLITE_OK) {
        result = sqlite3_prepare_v3(audit->db, insert_text, -1, SQLITE_PREPARE_PERSISTENT, &audit->insert, NULL);
    }
    if (result == SQLITE_OK) {
        return 0;
    }
    int error = (result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB ? GS_ECORRUPT : GS_EIO;
    return gs_problem_set(problem, error, NULL, "%s: %s", path != NULL ? path : "the audit log",
                          audit->db != NULL ? sqlite3_errmsg(audit->db) : sqlite3_errstr(result));
}

static void release(struct gs_audit *audit) {
    (void)sqlite3_finalize(audit->insert); /* repeats the error of the last step */
    (void)sqlite3_close(audit->db);        /* without statements it cannot be busy */
    pthread_cond_destroy(&audit->wake);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

int gs_audit_open(const char *path, uint64_t retention_ms, struct gs_audit **ret_audit, struct gs_problem *problem) {
    struct gs_audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "%s", gs_error_message(GS_ENOMEM));
    }
    audit->retention_ms = retention_ms;
    randombytes_buf(audit->sums.secret, sizeof audit->sums.secret);
    pthread_mutex_init(&audit->lock, NULL);
    pthread_cond_init(&audit->wake, NULL);
    int error = open_database(audit, path, problem);
    if (error == 0 && pthread_create(&audit->thread, NULL, run, audit) != 0) {
        error = gs_problem_set(problem, GS_EIO, NULL, "cannot start the audit log's thread");
    }
    if (error != 0) {
        release(audit);
        return error;
    }
    *ret_audit = audit;
    return 0;
}

void gs_audit_close(struct gs_audit *audit) {
    if (audit == NULL) {
        return;
    }
    pthread_mutex_lock(&audit->lock);
    audit->stopping = true;
    pthread_cond_signal(&audit->wake);
    pthread_mutex_unlock(&audit->lock);
    (void)pthread_join(audit->thread, NULL); /* fails only for a thread that is not there */
    release(audit);
}

/* Adds to a sum that waits already: true if there is one. */
static bool add_to_sum(struct gs_audit *audit, const struct gs_audit_entry *entry, struct gs_slice key) {
    struct waiting *waiting = (struct waiting *)gs_table_find(&audit->sums, key);
    if (waiting != NULL) {
        waiting->count++;
        waiting->last_ms = entry->time_ms;
    }
    return waiting != NULL;
}

void gs_audit_add(struct gs_audit *audit, const struct gs_audit_entry *entry) {
    if (audit == NULL) {
        return;
    }
    struct gs_audit_entry kept = *entry;
    bool summed = is_summed(entry->kind);
    kept.subject = cut(entry->subject);
    kept.address = cut(entry->address);
    kept.action = cut(entry->action);
    kept.code = cut(entry->code);
    kept.target = summed ? (struct gs_slice){0} : cut(entry->target);
    kept.request_id = summed ? (struct gs_slice){0} : cut(entry->request_id);
    uint8_t key[3 * GS_AUDIT_TEXT_MAX + 3 + 3 * sizeof(uint64_t)];
    size_t key_length = summed ? write_key(&kept, key) : 0;
    pthread_mutex_lock(&audit->lock);
    if (!summed || !add_to_sum(audit, &kept, gs_slice_make(key, key_length))) {
        struct waiting *waiting = waiting_new(&kept, key, key_length);
        if (waiting == NULL || (summed && gs_table_insert(&audit->sums, &waiting->entry) != 0)) {
            free(waiting);
            audit->lost++;
        } else {
            *(audit->last != NULL ? &audit->last->next : &audit->first) = waiting;
            audit->last = waiting;
            audit->count++;
        }
    }
    if (audit->count >= GS_AUDIT_WAITING_MAX) {
        write_all(audit);
    }
    pthread_mutex_unlock(&audit->lock);
}

static void write_column(sqlite3_stmt *statement, int column, const char *name, bool always, struct gs_buffer *out) {
    const void *text = sqlite3_column_text(statement, column);
    size_t length = (size_t)sqlite3_column_bytes(statement, column);
    if (always || length > 0) {
        gs_buffer_printf(out, ",\"%s\":", name);
        gs_json_write_string(text, length, out);
    }
}

static void write_row(sqlite3_stmt *statement, struct gs_buffer *out) {
    char time[25];
    gs_hlc_format(gs_hlc_from_ms((uint64_t)sqlite3_column_int64(statement, 1)), time);
    gs_buffer_printf(out, "{\"number\":%lld,\"time\":\"%s\",", (long long)sqlite3_column_int64(statement, 0), time);
    gs_hlc_format(gs_hlc_from_ms((uint64_t)sqlite3_column_int64(statement, 2)), time);
    int kind = sqlite3_column_int(statement, 3);
    gs_buffer_printf(out, "\"lastTime\":\"%s\",\"kind\":\"%s\"", time,
                     kind >= 0 && kind < GS_AUDIT_KINDS ? kind_names[kind] : "?");
    write_column(statement, 4, "subject", true, out);
    write_column(statement, 5, "address", true, out);
    write_column(statement, 6, "action", true, out);
    write_column(statement, 7, "target", false, out);
    gs_buffer_printf(out, ",\"status\":%d", sqlite3_column_int(statement, 8));
    write_column(statement, 9, "code", false, out);
    write_column(statement, 10, "requestId", false, out);
    gs_buffer_printf(out, ",\"count\":%lld}", (long long)sqlite3_column_int64(statement, 11));
}

static int64_t clamp(uint64_t number) {
    return number > INT64_MAX ? INT64_MAX : (int64_t)number;
}

static int prepare_query(struct gs_audit *audit, const struct gs_audit_query *query, sqlite3_stmt **ret_statement) {
    char sql[640];
    sqlite3_snprintf(sizeof sql, sql,
                     "SELECT number, time, last, kind, subject, address, action, target, status, code, request_id, "
                     "count FROM audit_log WHERE number < ?1 AND last >= ?2 AND time <= ?3%s%s%s "
                     "ORDER BY number DESC LIMIT ?4",
                     query->kind >= 0 ? " AND kind = ?5" : "", query->subject.length > 0 ? " AND subject = ?6" : "",
                     query->target.length > 0 ? " AND substr(target, 1, length(?7)) = ?7" : "");
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(audit->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        return GS_EIO;
    }
    (void)sqlite3_bind_int64(statement, 1, query->before != 0 ? clamp(query->before) : INT64_MAX);
    (void)sqlite3_bind_int64(statement, 2, clamp(query->since_ms));
    (void)sqlite3_bind_int64(statement, 3, clamp(query->until_ms));
    (void)sqlite3_bind_int64(statement, 4, (int64_t)query->limit + 1);
    if (query->kind >= 0) {
        (void)sqlite3_bind_int(statement, 5, query->kind);
    }
    if (query->subject.length > 0) {
        bind_text(statement, 6, query->subject);
    }
    if (query->target.length > 0) {
        bind_text(statement, 7, query->target);
    }
    *ret_statement = statement;
    return 0;
}

int gs_audit_query(struct gs_audit *audit, const struct gs_audit_query *query, struct gs_buffer *out,
                   uint64_t *ret_next) {
    sqlite3_stmt *statement = NULL;
    uint64_t next = 0;
    uint64_t last = 0;
    uint32_t count = 0;
    int result = SQLITE_DONE;
    pthread_mutex_lock(&audit->lock);
    write_all(audit);
    int error = prepare_query(audit, query, &statement);
    gs_buffer_byte(out, '[');
    while (error == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        if (count++ == query->limit) {
            next = last;
            break;
        }
        last = (uint64_t)sqlite3_column_int64(statement, 0);
        gs_buffer_text(out, count > 1 ? "," : "");
        write_row(statement, out);
    }
    error = error == 0 && result != SQLITE_ROW && result != SQLITE_DONE ? GS_EIO : error;
    (void)sqlite3_finalize(statement); /* repeats the error of the step */
    pthread_mutex_unlock(&audit->lock);
    gs_buffer_byte(out, ']');
    *ret_next = next;
    return error != 0 ? error : out->failed;
}
