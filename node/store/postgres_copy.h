/* Rows for COPY … FROM STDIN (FORMAT binary), and values in PostgreSQL's binary formats. Private to the PostgreSQL
 * engine. Errors are the buffer's (gs_buffer.failed). */
#ifndef GS_NODE_STORE_POSTGRES_COPY_H
#define GS_NODE_STORE_POSTGRES_COPY_H

#include "node/store/postgres_link.h"

#include <globalstate/memory.h>

enum { GS_PG_OID_BYTEA = 17, GS_PG_OID_INT8 = 20, GS_PG_OID_TEXT = 25 };

/* A big-endian number of `size` bytes. */
void gs_pg_put(struct gs_buffer *out, uint64_t number, int size);

/* The head of an array of one dimension; its `count` elements follow, each with its length before it. */
void gs_pg_put_array(struct gs_buffer *out, uint32_t count, uint32_t type);

/* Columns with their lengths before them, for rows and for elements of arrays. */
void gs_pg_put_int4(struct gs_buffer *out, uint32_t number);
void gs_pg_put_int8(struct gs_buffer *out, uint64_t number);
void gs_pg_put_bytes(struct gs_buffer *out, struct gs_slice bytes);
void gs_pg_put_null(struct gs_buffer *out);
/* Text: PostgreSQL cannot hold U+0000; it becomes U+FFFD. */
void gs_pg_put_text(struct gs_buffer *out, struct gs_slice text);
/* jsonb, of JSON text that gs_json_write made. The same holds for "\u0000". */
void gs_pg_put_json(struct gs_buffer *out, struct gs_slice json);
/* timestamptz, of milliseconds since 1970. */
void gs_pg_put_time(struct gs_buffer *out, uint64_t ms);

/* Begins a row; the first one of a buffer begins the data as well. */
void gs_pg_copy_row(struct gs_buffer *out, uint16_t columns);

/* Sends the rows to `sql`, a COPY statement; nothing happens when there are none. Errors as gs_pg_link_command. */
int gs_pg_copy(struct gs_pg_link *link, const char *sql, struct gs_buffer *rows);

#endif
