#include "node/store/postgres_books.h"

#include "node/store/postgres_copy.h"
#include "node/store/postgres_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GATHER_MS = 50, RETRY_FIRST_MS = 200, RETRY_LAST_MS = 2000 };

struct row {
    struct row *next;
    enum gs_book book;
    char name[GS_NOTES_NAME_MAX + 1];
    struct gs_buffer bytes; /* owned */
};

struct gs_books {
    pthread_t thread;
    bool running;
    char *url; /* owned */

    pthread_mutex_t writing; /* guards the connection, and comes before the other one */
    struct gs_pg_link link;

    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool stopping;
    struct row *first, *last;
    uint32_t count;
};

static const struct {
    const char *name;
    const char *sql;
} statements[] = {
    {"put_job",
     "INSERT INTO sync_metadata (name, sync_id, mode, status, percent, started_at, finished_at, error, started_ms, "
     "document, written_at) SELECT $1::text, d->>'syncId', d->>'mode', d->>'status', "
     "coalesce((d->'progress'->>'percent')::numeric::integer, 0), to_timestamp(ms / 1000.0), "
     "(d->>'finishedAt')::timestamptz, d->>'error', ms, d, now() FROM (SELECT "
     "split_part($2::text, E'\\n', 1)::bigint AS ms, substr($2::text, strpos($2::text, E'\\n') + 1)::json AS d) AS "
     "note "
     "ON CONFLICT (name) DO UPDATE SET status = excluded.status, percent = excluded.percent, "
     "finished_at = excluded.finished_at, error = excluded.error, document = excluded.document, written_at = now()"},
    {"drop_job", "DELETE FROM sync_metadata WHERE name = $1::text"},
    {"jobs", "SELECT name, started_ms || E'\\n' || document FROM sync_metadata ORDER BY started_ms"},
    {"put_conflicts",
     "WITH added AS (INSERT INTO conflicts (number, detected_at, aggregate_type, aggregate_id, path, type, rule, "
     "winner, losers, window_ms, recorded_by) SELECT (c->>'number')::bigint, (c->>'detectedAt')::timestamptz, "
     "c->>'aggregateType', c->>'aggregateId', c->>'path', c->>'type', c->>'rule', c->'winner', c->'losers', "
     "(c->'window'->>'ms')::bigint, c->>'recordedBy' FROM jsonb_array_elements($1::jsonb) AS c "
     "ON CONFLICT (number) DO UPDATE SET detected_at = excluded.detected_at, aggregate_type = excluded.aggregate_type, "
     "aggregate_id = excluded.aggregate_id, path = excluded.path, type = excluded.type, rule = excluded.rule, "
     "winner = excluded.winner, losers = excluded.losers, window_ms = excluded.window_ms, "
     "recorded_by = excluded.recorded_by RETURNING number) DELETE FROM conflicts WHERE number <= "
     "(SELECT max(number) FROM added) - $2::bigint"},
    {"no_conflicts", "DELETE FROM conflicts WHERE number > $1::text::bigint"},
    {"put_peers",
     "INSERT INTO peers (region, public_key, address, state, last_seen, round_trip_ms, lag_events, lag_bytes, "
     "lag_seconds, origin, head_seq, vector, written_at) SELECT p->'peer'->>'region', decode(p->>'key', 'hex'), "
     "p->'peer'->>'address', p->'peer'->>'state', to_timestamp((p->>'lastSeenMs')::bigint / 1000.0), "
     "(p->'peer'->>'roundTripMs')::bigint, (p->'peer'->'lag'->>'events')::bigint, "
     "(p->'peer'->'lag'->>'bytes')::bigint, (p->'peer'->'lag'->>'seconds')::double precision, "
     "decode(p->'head'->>'origin', 'hex'), (p->'head'->>'seq')::bigint, p->'peer'->'vector', now() "
     "FROM jsonb_array_elements($1::jsonb) AS p ON CONFLICT (region) DO UPDATE SET public_key = excluded.public_key, "
     "address = CASE WHEN excluded.address = '' THEN peers.address ELSE excluded.address END, state = excluded.state, "
     "last_seen = coalesce(excluded.last_seen, peers.last_seen), round_trip_ms = excluded.round_trip_ms, "
     "lag_events = excluded.lag_events, lag_bytes = excluded.lag_bytes, lag_seconds = excluded.lag_seconds, "
     "origin = coalesce(excluded.origin, peers.origin), head_seq = coalesce(excluded.head_seq, peers.head_seq), "
     "vector = excluded.vector, written_at = now()"},
};

/* GS_ESTORE also before the store has made the schema. */
static int connect(struct gs_books *books) {
    struct gs_pg_link *link = &books->link;
    if (link->conn != NULL) {
        return 0;
    }
    int error = gs_pg_link_open(link, books->url, "globalstate books");
    if (error == 0) {
        error = gs_pg_session_check(link);
    }
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && error == 0; i++) {
        error = gs_pg_link_prepare(link, statements[i].name, statements[i].sql);
    }
    if (error != 0) {
        gs_pg_link_close(link);
    }
    return error == 0 ? 0 : GS_ESTORE;
}

/* The row's bytes as a parameter: text as it is, lists as jsonb. */
static int add_bytes(const struct row *row, struct gs_pg_parameters *parameters, struct gs_buffer *json) {
    enum { LENGTH = 4 };
    if (row->book == GS_BOOK_JOBS || row->book == GS_BOOK_NO_CONFLICTS) {
        gs_pg_add_bytes(parameters, row->bytes.bytes, row->bytes.length);
        return 0;
    }
    gs_pg_put_json(json, gs_slice_make(row->bytes.bytes, row->bytes.length));
    if (json->failed == 0) {
        gs_pg_add_bytes(parameters, json->bytes + LENGTH, json->length - LENGTH);
    }
    return json->failed;
}

/* 0: it is written, or the server will never take it; GS_ESTORE: to be tried again. */
static int write_row(struct gs_books *books, const struct row *row) {
    static const char *const names[GS_BOOKS] = {"put_job", "put_conflicts", "no_conflicts", "put_peers"};
    bool drop = row->book == GS_BOOK_JOBS && row->bytes.length == 0;
    struct gs_pg_parameters parameters = {.count = 0};
    struct gs_buffer json = {0};
    PGresult *result = NULL;
    int error = connect(books);
    if (row->book == GS_BOOK_JOBS) {
        gs_pg_add_bytes(&parameters, row->name, strlen(row->name));
    }
    if (error == 0 && !drop) {
        error = add_bytes(row, &parameters, &json) == 0 ? 0 : GS_ESTORE;
    }
    if (row->book == GS_BOOK_CONFLICTS) {
        gs_pg_add_number(&parameters, GS_BOOKS_CONFLICTS_KEPT);
    }
    if (error == 0) {
        error = gs_pg_link_run(&books->link, drop ? "drop_job" : names[row->book], &parameters, &result);
    }
    PQclear(result);
    gs_buffer_close(&json);
    bool refused =
        error == GS_EIO && (strncmp(books->link.sqlstate, "21", 2) == 0 ||
                            strncmp(books->link.sqlstate, "22", 2) == 0 || strncmp(books->link.sqlstate, "23", 2) == 0);
    return error == 0 || refused ? 0 : GS_ESTORE;
}

static void row_free(struct row *row) {
    if (row != NULL) {
        gs_buffer_close(&row->bytes);
        free(row);
    }
}

/* With the lock: the first one, out of the list. */
static struct row *pop(struct gs_books *books) {
    struct row *row = books->first;
    if (row != NULL) {
        books->first = row->next;
        books->last = row->next == NULL ? NULL : books->last;
        books->count--;
    }
    return row;
}

/* With the lock: the one that waits under the name. */
static struct row *find(struct gs_books *books, enum gs_book book, const char *name) {
    struct row *row = books->first;
    while (row != NULL && (row->book != book || strcmp(row->name, name) != 0)) {
        row = row->next;
    }
    return row;
}

/* With the lock: back to its place, unless a newer one has come. */
static void put_back(struct gs_books *books, struct row *row) {
    if (find(books, row->book, row->name) != NULL) {
        row_free(row);
        return;
    }
    row->next = books->first;
    books->first = row;
    books->last = books->last == NULL ? row : books->last;
    books->count++;
}

/* With `writing`: all that waits. */
static int write_all(struct gs_books *books) {
    for (;;) {
        pthread_mutex_lock(&books->lock);
        struct row *row = pop(books);
        pthread_mutex_unlock(&books->lock);
        if (row == NULL) {
            return 0;
        }
        int error = write_row(books, row);
        if (error != 0) {
            pthread_mutex_lock(&books->lock);
            put_back(books, row);
            pthread_mutex_unlock(&books->lock);
            return error;
        }
        row_free(row);
    }
}

/* With the lock: waits so long, or until the end. */
static void pause_for(struct gs_books *books, long ms) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!books->stopping && pthread_cond_timedwait(&books->wake, &books->lock, &until) == 0) {
    }
}

static void *run(void *argument) {
    struct gs_books *books = argument;
    long pause_ms = 0; /* not 0: it is away */
    pthread_mutex_lock(&books->lock);
    while (!books->stopping) {
        if (books->first == NULL) {
            (void)pthread_cond_wait(&books->wake, &books->lock);
            continue;
        }
        pause_for(books, pause_ms != 0 ? pause_ms : GATHER_MS);
        if (books->stopping && pause_ms != 0) {
            break;
        }
        pthread_mutex_unlock(&books->lock);
        pthread_mutex_lock(&books->writing);
        bool away = write_all(books) != 0;
        pthread_mutex_unlock(&books->writing);
        pause_ms = away ? (pause_ms == 0 ? RETRY_FIRST_MS : pause_ms * 2) : 0;
        pause_ms = pause_ms > RETRY_LAST_MS ? RETRY_LAST_MS : pause_ms;
        pthread_mutex_lock(&books->lock);
    }
    bool left = books->first != NULL && pause_ms == 0;
    pthread_mutex_unlock(&books->lock);
    if (left) {
        pthread_mutex_lock(&books->writing);
        (void)write_all(books); /* the last chance */
        pthread_mutex_unlock(&books->writing);
    }
    return NULL;
}

int gs_books_open(const char *url, struct gs_books **ret_books) {
    struct gs_books *books = calloc(1, sizeof *books);
    char *copy = strdup(url);
    if (books == NULL || copy == NULL) {
        free(books);
        free(copy);
        return GS_ENOMEM;
    }
    books->url = copy;
    pthread_mutex_init(&books->writing, NULL);
    pthread_mutex_init(&books->lock, NULL);
    pthread_cond_init(&books->wake, NULL);
    books->running = pthread_create(&books->thread, NULL, run, books) == 0;
    if (!books->running) {
        gs_books_close(books);
        return GS_EIO;
    }
    *ret_books = books;
    return 0;
}

void gs_books_close(struct gs_books *books) {
    if (books == NULL) {
        return;
    }
    pthread_mutex_lock(&books->lock);
    books->stopping = true;
    pthread_cond_signal(&books->wake);
    pthread_mutex_unlock(&books->lock);
    if (books->running) {
        (void)pthread_join(books->thread, NULL); /* fails only for a thread that is not there */
    }
    for (struct row *row = pop(books); row != NULL; row = pop(books)) {
        row_free(row);
    }
    gs_pg_link_close(&books->link);
    pthread_cond_destroy(&books->wake);
    pthread_mutex_destroy(&books->lock);
    pthread_mutex_destroy(&books->writing);
    free(books->url);
    free(books);
}

void gs_books_put(struct gs_books *books, enum gs_book book, const char *name, struct gs_buffer *bytes) {
    pthread_mutex_lock(&books->lock);
    struct row *row = find(books, book, name);
    struct row *oldest = NULL;
    if (row == NULL) {
        oldest = books->count >= GS_BOOKS_WAITING_MAX ? pop(books) : NULL;
        row = calloc(1, sizeof *row);
        if (row != NULL) {
            row->book = book;
            strncpy(row->name, name, GS_NOTES_NAME_MAX);
            *(books->last != NULL ? &books->last->next : &books->first) = row;
            books->last = row;
            books->count++;
        }
    }
    if (row != NULL) {
        gs_buffer_close(&row->bytes);
        row->bytes = *bytes;
        *bytes = (struct gs_buffer){0};
    }
    pthread_cond_signal(&books->wake);
    pthread_mutex_unlock(&books->lock);
    gs_buffer_close(bytes); /* for want of memory it is lost */
    row_free(oldest);
}

uint32_t gs_books_waiting(struct gs_books *books) {
    pthread_mutex_lock(&books->lock);
    uint32_t count = books->count;
    pthread_mutex_unlock(&books->lock);
    return count;
}

static int visit_rows(const PGresult *rows, gs_notes_fn visit, void *context) {
    int error = 0;
    for (int i = 0; error == 0 && i < PQntuples(rows); i++) {
        char name[GS_NOTES_NAME_MAX + 1];
        size_t length = (size_t)PQgetlength(rows, i, 0);
        if (length < sizeof name) {
            memcpy(name, PQgetvalue(rows, i, 0), length);
            name[length] = '\0';
            error = gs_notes_name_valid(name)
                        ? visit(context, name, gs_slice_make(PQgetvalue(rows, i, 1), (size_t)PQgetlength(rows, i, 1)))
                        : 0;
        }
    }
    return error;
}

int gs_books_visit_jobs(struct gs_books *books, gs_notes_fn visit, void *context, struct gs_problem *problem) {
    const struct gs_pg_parameters none = {.count = 0};
    PGresult *rows = NULL;
    pthread_mutex_lock(&books->writing);
    int error = write_all(books);
    if (error == 0) {
        error = connect(books);
    }
    if (error == 0) {
        error = gs_pg_link_run(&books->link, "jobs", &none, &rows) == 0 ? 0 : GS_ESTORE;
    }
    if (error != 0) {
        gs_problem_set(problem, error, NULL, "sync jobs cannot be read: %s", books->link.trouble);
    }
    pthread_mutex_unlock(&books->writing);
    error = error == 0 ? visit_rows(rows, visit, context) : error;
    PQclear(rows);
    return error;
}
