/* The audit log in the table audit_log of the region's PostgreSQL: entries by binary COPY, sums added up by minute.
 *
 * A list of rows is one transaction, which also says in `audit_position` which list it was: whoever does not know what
 * became of a commit sends the list again, and finds it written. */
#include "node/store/audit_engine.h"
#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <globalstate/codec.h>
#include <globalstate/json.h>

#include <stdlib.h>
#include <string.h>

/* 9999-12-31, in milliseconds: what comes later is no time of PostgreSQL. */
#define LAST_MS UINT64_C(253402300799000)

enum { TRIM_ROWS = 10000 };

struct postgres_engine {
    struct gs_audit_engine base;
    struct gs_pg_link link;
    char *url; /* owned */
};

static const struct {
    const char *name;
    const char *sql;
} statements[] = {
    {"begin_batch", "UPDATE audit_position SET batch = $1::bigint WHERE batch <> $1::bigint"},
    {"add_sums",
     "INSERT INTO audit_log (time, last, kind, subject, address, action, target, status, code, request_id, count, "
     "minute) SELECT to_timestamp(time / 1000.0), to_timestamp(last / 1000.0), kind, subject, address, action, '', "
     "status, code, '', count, minute FROM jsonb_to_recordset($1::jsonb) AS sums (time bigint, last bigint, kind text, "
     "subject text, address text, action text, status integer, code text, count bigint, minute bigint) "
     "ON CONFLICT (minute, subject, kind, action, status, code) WHERE minute IS NOT NULL DO UPDATE SET "
     "count = audit_log.count + excluded.count, last = greatest(audit_log.last, excluded.last), "
     "address = excluded.address"},
    {"query",
     "SELECT number, (extract(epoch FROM time) * 1000)::bigint, (extract(epoch FROM last) * 1000)::bigint, kind, "
     "subject, address, action, target, status, code, request_id, count FROM audit_log WHERE number < $1::bigint AND "
     "last >= to_timestamp($2::bigint / 1000.0) AND time <= to_timestamp($3::bigint / 1000.0) AND "
     "($4::text = '' OR kind = $4::text) AND ($5::text = '' OR subject = $5::text) AND "
     "($6::text = '' OR starts_with(target, $6::text)) ORDER BY number DESC LIMIT $7::bigint"},
    {"trim", "DELETE FROM audit_log WHERE number IN (SELECT number FROM audit_log WHERE "
             "time < to_timestamp($1::bigint / 1000.0) LIMIT $2::bigint)"},
};

static struct postgres_engine *engine_of(struct gs_audit_engine *engine) {
    return (struct postgres_engine *)engine;
}

/* Plans are made for each question: which index serves it depends on what is asked for. */
static int connect(struct postgres_engine *engine) {
    struct gs_pg_link *link = &engine->link;
    if (link->conn != NULL) {
        return 0;
    }
    int error = gs_pg_link_open(link, engine->url, "globalstate audit");
    if (error == 0) {
        error = gs_pg_session_check(link);
    }
    if (error == 0) {
        error = gs_pg_link_command(link, "SET plan_cache_mode = force_custom_plan");
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && error == 0; i++) {
        error = gs_pg_link_prepare(link, statements[i].name, statements[i].sql);
    }
    if (error != 0) {
        gs_pg_link_close(link); /* also before the store has made the schema */
    }
    return error == 0 ? 0 : GS_ESTORE;
}

static void put_text(struct gs_buffer *out, const char *name, struct gs_slice text) {
    gs_buffer_printf(out, ",\"%s\":", name);
    gs_json_write_string(text.bytes, text.length, out);
}

static void put_sum(const struct gs_audit_row *row, struct gs_buffer *json) {
    const struct gs_audit_entry *entry = &row->kept;
    gs_buffer_text(json, json->length == 0 ? "[" : ",");
    gs_buffer_printf(json, "{\"time\":%llu,\"last\":%llu,\"kind\":\"%s\"", (unsigned long long)entry->time_ms,
                     (unsigned long long)row->last_ms, gs_audit_kind_name(entry->kind));
    put_text(json, "subject", entry->subject);
    put_text(json, "address", entry->address);
    put_text(json, "action", entry->action);
    put_text(json, "code", entry->code);
    gs_buffer_printf(json, ",\"status\":%d,\"count\":%llu,\"minute\":%llu}", entry->status,
                     (unsigned long long)row->count, (unsigned long long)(entry->time_ms / GS_AUDIT_MINUTE_MS));
}

static void put_entry(const struct gs_audit_row *row, struct gs_buffer *rows) {
    const struct gs_audit_entry *entry = &row->kept;
    const char *kind = gs_audit_kind_name(entry->kind);
    gs_pg_copy_row(rows, 11);
    gs_pg_put_time(rows, entry->time_ms);
    gs_pg_put_time(rows, row->last_ms);
    gs_pg_put_text(rows, gs_slice_make(kind, strlen(kind)));
    gs_pg_put_text(rows, entry->subject);
    gs_pg_put_text(rows, entry->address);
    gs_pg_put_text(rows, entry->action);
    gs_pg_put_text(rows, entry->target);
    gs_pg_put_int4(rows, (uint32_t)entry->status);
    gs_pg_put_text(rows, entry->code);
    gs_pg_put_text(rows, entry->request_id);
    gs_pg_put_int8(rows, row->count);
}

static int run(struct gs_pg_link *link, const char *name, const struct gs_pg_parameters *parameters, bool *ret_any) {
    PGresult *result = NULL;
    int error = gs_pg_link_run(link, name, parameters, &result);
    if (error == 0 && ret_any != NULL) {
        *ret_any = strcmp(PQcmdTuples(result), "0") != 0;
    }
    PQclear(result);
    return error;
}

static int write_transaction(struct gs_pg_link *link, uint64_t batch, struct gs_buffer *entries,
                             const struct gs_buffer *sums) {
    struct gs_pg_parameters number = {.count = 0};
    struct gs_pg_parameters json = {.count = 0};
    bool is_new = false;
    gs_pg_add_number(&number, batch);
    gs_pg_add_bytes(&json, sums->bytes, sums->length);
    int error = gs_pg_link_command(link, "BEGIN");
    if (error == 0) {
        error = run(link, "begin_batch", &number, &is_new);
    }
    if (error == 0 && is_new) {
        error = gs_pg_copy(link,
                           "COPY audit_log (time, last, kind, subject, address, action, target, status, code, "
                           "request_id, count) FROM STDIN (FORMAT binary)",
                           entries);
    }
    if (error == 0 && is_new && sums->length > 1) {
        error = run(link, "add_sums", &json, NULL);
    }
    return error == 0 ? gs_pg_link_command(link, "COMMIT") : error;
}

/* Whether the server will never take these rows; else they are offered again. */
static bool is_hopeless(const struct gs_pg_link *link) {
    return strncmp(link->sqlstate, "21", 2) == 0 || strncmp(link->sqlstate, "22", 2) == 0 ||
           strncmp(link->sqlstate, "23", 2) == 0;
}

static int write_rows(struct gs_audit_engine *base, const struct gs_audit_row *first, uint64_t batch) {
    struct postgres_engine *engine = engine_of(base);
    struct gs_buffer entries = {0};
    struct gs_buffer sums = {0};
    int error = connect(engine);
    gs_buffer_byte(&sums, 1); /* the version of jsonb's binary format */
    struct gs_buffer json = {0};
    for (const struct gs_audit_row *row = first; error == 0 && row != NULL; row = row->next) {
        if (row->summed) {
            put_sum(row, &json);
        } else {
            put_entry(row, &entries);
        }
    }
    if (json.length > 0) {
        gs_buffer_byte(&json, ']');
        gs_buffer_append(&sums, json.bytes, json.length);
    }
    if (error == 0 && (json.failed != 0 || sums.failed != 0 || entries.failed != 0)) {
        error = GS_ESTORE;
    } else if (error == 0) {
        error = write_transaction(&engine->link, batch, &entries, &sums);
        if (error != 0 && engine->link.conn != NULL) {
            bool hopeless = is_hopeless(&engine->link);
            (void)gs_pg_link_command(&engine->link, "ROLLBACK"); /* the error that counts is the first */
            error = hopeless ? GS_EIO : GS_ESTORE;
        }
    }
    gs_buffer_close(&entries);
    gs_buffer_close(&json);
    gs_buffer_close(&sums);
    return error;
}

static void trim(struct gs_audit_engine *base, uint64_t before_ms) {
    struct postgres_engine *engine = engine_of(base);
    struct gs_pg_parameters parameters = {.count = 0};
    gs_pg_add_number(&parameters, before_ms);
    gs_pg_add_number(&parameters, TRIM_ROWS);
    if (connect(engine) == 0) {
        (void)run(&engine->link, "trim", &parameters, NULL); /* the next turn tries again */
    }
}

static struct gs_slice column(const PGresult *rows, int row, int index) {
    return gs_slice_make(PQgetvalue(rows, row, index), (size_t)PQgetlength(rows, row, index));
}

static void show(const PGresult *rows, int row, struct gs_buffer *out) {
    const struct gs_audit_shown shown = {
        .number = gs_pg_number(rows, row, 0),
        .time_ms = gs_pg_number(rows, row, 1),
        .last_ms = gs_pg_number(rows, row, 2),
        .kind = column(rows, row, 3),
        .subject = column(rows, row, 4),
        .address = column(rows, row, 5),
        .action = column(rows, row, 6),
        .target = column(rows, row, 7),
        .status = (int)gs_pg_number4(rows, row, 8),
        .code = column(rows, row, 9),
        .request_id = column(rows, row, 10),
        .count = gs_pg_number(rows, row, 11),
    };
    gs_audit_show(&shown, row == 0, out);
}

static void add_text(struct gs_pg_parameters *parameters, struct gs_slice text) {
    gs_pg_add_bytes(parameters, text.length > 0 ? (const void *)text.bytes : "", text.length);
}

/* What is no text is in no row, and PostgreSQL would refuse the question. */
static bool is_text(struct gs_slice text) {
    return text.length == 0 || (gs_utf8_valid(text.bytes, text.length) && memchr(text.bytes, 0, text.length) == NULL);
}

static uint64_t clamp(uint64_t ms) {
    return ms < LAST_MS ? ms : LAST_MS;
}

static int query_rows(struct gs_audit_engine *base, const struct gs_audit_query *query, struct gs_buffer *out,
                      uint64_t *ret_next) {
    struct postgres_engine *engine = engine_of(base);
    struct gs_pg_parameters parameters = {.count = 0};
    const char *kind = query->kind >= 0 ? gs_audit_kind_name((enum gs_audit_kind)query->kind) : "";
    PGresult *rows = NULL;
    *ret_next = 0;
    if (!is_text(query->subject) || !is_text(query->target)) {
        return 0;
    }
    gs_pg_add_number(&parameters, query->before != 0 && query->before < INT64_MAX ? query->before : INT64_MAX);
    gs_pg_add_number(&parameters, clamp(query->since_ms));
    gs_pg_add_number(&parameters, clamp(query->until_ms));
    gs_pg_add_bytes(&parameters, kind, strlen(kind));
    add_text(&parameters, query->subject);
    add_text(&parameters, query->target);
    gs_pg_add_number(&parameters, (uint64_t)query->limit + 1);
    int error = connect(engine);
    if (error == 0) {
        error = gs_pg_link_run(&engine->link, "query", &parameters, &rows) == 0 ? 0 : GS_ESTORE;
    }
    if (error != 0) {
        return error;
    }
    int count = PQntuples(rows);
    bool more = (uint32_t)count > query->limit;
    count -= more ? 1 : 0;
    for (int i = 0; i < count; i++) {
        show(rows, i, out);
    }
    *ret_next = more && count > 0 ? gs_pg_number(rows, count - 1, 0) : 0;
    PQclear(rows);
    return 0;
}

static void close_engine(struct gs_audit_engine *base) {
    struct postgres_engine *engine = engine_of(base);
    gs_pg_link_close(&engine->link);
    free(engine->url);
    free(engine);
}

static const struct gs_audit_engine_methods methods = {
    .local = false, .write = write_rows, .trim = trim, .query = query_rows, .close = close_engine};

int gs_audit_postgres_open(const char *url, struct gs_audit_engine **ret_engine) {
    struct postgres_engine *engine = calloc(1, sizeof *engine);
    char *copy = strdup(url);
    if (engine == NULL || copy == NULL) {
        free(engine);
        free(copy);
        return GS_ENOMEM;
    }
    engine->base.methods = &methods;
    engine->url = copy;
    *ret_engine = &engine->base;
    return 0;
}
