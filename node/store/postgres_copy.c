#include "node/store/postgres_copy.h"

#include <string.h>

enum { COPY_CHUNK = 256 * 1024 };

/* Microseconds from 1970 to 2000, where PostgreSQL's clocks begin. */
#define EPOCH_US UINT64_C(946684800000000)

static const char replacement[] = "\xef\xbf\xbd";

void gs_pg_put(struct gs_buffer *out, uint64_t number, int size) {
    for (int i = size - 1; i >= 0; i--) {
        gs_buffer_byte(out, (uint8_t)(number >> (8 * i) & 0xff));
    }
}

void gs_pg_put_array(struct gs_buffer *out, uint32_t count, uint32_t type) {
    gs_pg_put(out, count > 0 ? 1 : 0, 4); /* dimensions */
    gs_pg_put(out, 0, 4);                 /* no NULLs */
    gs_pg_put(out, type, 4);
    if (count > 0) {
        gs_pg_put(out, count, 4);
        gs_pg_put(out, 1, 4); /* the first index */
    }
}

void gs_pg_put_int4(struct gs_buffer *out, uint32_t number) {
    gs_pg_put(out, 4, 4);
    gs_pg_put(out, number, 4);
}

void gs_pg_put_int8(struct gs_buffer *out, uint64_t number) {
    gs_pg_put(out, 8, 4);
    gs_pg_put(out, number, 8);
}

void gs_pg_put_bytes(struct gs_buffer *out, struct gs_slice bytes) {
    gs_pg_put(out, bytes.length, 4);
    gs_buffer_append(out, bytes.bytes, bytes.length);
}

void gs_pg_put_null(struct gs_buffer *out) {
    gs_pg_put(out, UINT32_MAX, 4);
}

/* Writes the length of what was appended since `start` into the four bytes that were left for it there. */
static void close_length(struct gs_buffer *out, size_t start) {
    if (out->failed == 0) {
        size_t length = out->length - start - 4;
        for (int i = 0; i < 4; i++) {
            out->bytes[start + (size_t)i] = (uint8_t)(length >> (8 * (3 - i)) & 0xff);
        }
    }
}

void gs_pg_put_text(struct gs_buffer *out, struct gs_slice text) {
    const size_t start = out->length;
    gs_pg_put(out, 0, 4);
    const uint8_t *at = text.bytes;
    const uint8_t *end = text.bytes + text.length;
    while (at < end) {
        const uint8_t *nul = memchr(at, 0, (size_t)(end - at));
        const uint8_t *stop = nul != NULL ? nul : end;
        gs_buffer_append(out, at, (size_t)(stop - at));
        if (nul != NULL) {
            gs_buffer_append(out, replacement, sizeof replacement - 1);
        }
        at = nul != NULL ? nul + 1 : end;
    }
    close_length(out, start);
}

/* Where the next escape is that says U+0000: a backslash that no other one escapes. */
static const uint8_t *find_nul_escape(const uint8_t *at, const uint8_t *end) {
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0) {
            return at;
        }
        at += 2;
    }
    return NULL;
}

void gs_pg_put_json(struct gs_buffer *out, struct gs_slice json) {
    const size_t start = out->length;
    gs_pg_put(out, 0, 4);
    gs_buffer_byte(out, 1); /* the version of the format */
    const uint8_t *at = json.bytes;
    const uint8_t *end = json.bytes + json.length;
    while (at < end) {
        const uint8_t *nul = find_nul_escape(at, end);
        const uint8_t *stop = nul != NULL ? nul : end;
        gs_buffer_append(out, at, (size_t)(stop - at));
        if (nul != NULL) {
            gs_buffer_append(out, replacement, sizeof replacement - 1);
        }
        at = nul != NULL ? nul + 6 : end;
    }
    close_length(out, start);
}

void gs_pg_put_time(struct gs_buffer *out, uint64_t ms) {
    gs_pg_put_int8(out, ms * 1000 - EPOCH_US); /* before 2000 it is negative: two's complement */
}

void gs_pg_copy_row(struct gs_buffer *out, uint16_t columns) {
    static const char head[] = "PGCOPY\n\377\r\n";
    if (out->length == 0) {
        gs_buffer_append(out, head, sizeof head); /* with its NUL */
        gs_pg_put(out, 0, 4);                     /* flags */
        gs_pg_put(out, 0, 4);                     /* no extension */
    }
    gs_pg_put(out, columns, 2);
}

static int send_rows(struct gs_pg_link *link, const struct gs_buffer *rows) {
    for (size_t sent = 0; sent < rows->length;) {
        size_t left = rows->length - sent;
        int chunk = (int)(left < COPY_CHUNK ? left : COPY_CHUNK);
        int result = PQputCopyData(link->conn, (const char *)rows->bytes + sent, chunk);
        if (result < 0) {
            return gs_pg_link_lose(link, "the connection is lost");
        }
        sent += result > 0 ? (size_t)chunk : 0;
        int error = gs_pg_link_flush(link);
        if (error != 0) {
            return error;
        }
    }
    return PQputCopyEnd(link->conn, NULL) > 0 ? 0 : gs_pg_link_lose(link, "the connection is lost");
}

int gs_pg_copy(struct gs_pg_link *link, const char *sql, struct gs_buffer *rows) {
    PGresult *result = NULL;
    if (rows->length == 0) {
        return rows->failed;
    }
    gs_pg_put(rows, UINT16_MAX, 2); /* the end */
    if (rows->failed != 0) {
        return rows->failed;
    }
    if (link->conn == NULL || PQsendQuery(link->conn, sql) == 0) {
        return gs_pg_link_lose(link, "the connection is lost");
    }
    int error = gs_pg_link_next(link, &result);
    bool ready = error == 0 && PQresultStatus(result) == PGRES_COPY_IN;
    if (error == 0 && !ready) {
        error = gs_pg_link_refused(link, result);
    }
    PQclear(result);
    if (ready) {
        error = send_rows(link, rows);
    }
    if (link->conn == NULL) {
        return error;
    }
    int ended = gs_pg_link_drain(link);
    return error != 0 ? error : ended;
}
