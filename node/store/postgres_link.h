/* One connection to PostgreSQL, driven without blocking: libpq does no I/O by itself, every wait is a poll(2) with a
 * deadline, and a server that says nothing for longer counts as lost. Private to the PostgreSQL engine.
 *
 * The connection belongs to one thread: the store's own. It is not on the loop, because the interface of stores blocks
 * (and one conformance suite tests it), and because resolving host names, TLS and parsing would hold up gossip. */
#ifndef GS_NODE_STORE_POSTGRES_LINK_H
#define GS_NODE_STORE_POSTGRES_LINK_H

#include <globalstate/error.h>

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    GS_PG_CONNECT_MS = 5000, /* for all hosts of a URL together */
    GS_PG_ANSWER_MS = 30000, /* a server that is silent for longer is lost */
    GS_PG_TROUBLE_MAX = 200,
    GS_PG_SQLSTATE_SIZE = 6
};

/* Zero-initialise. */
struct gs_pg_link {
    PGconn *conn;                       /* NULL while there is no connection */
    char trouble[GS_PG_TROUBLE_MAX];    /* what went wrong last, one line */
    char sqlstate[GS_PG_SQLSTATE_SIZE]; /* of it; "" when it did not come from the server */
};

/* Connects to what `url` names (several hosts are tried in turn); `name` tells administrators who it is. Unless the URL
 * says otherwise, only a server that takes writes will do. GS_EINVAL (not a URL, or no such user, password or
 * database), GS_ESTORE (nobody answers as asked), GS_ENOMEM. */
int gs_pg_link_open(struct gs_pg_link *link, const char *url, const char *name);
void gs_pg_link_close(struct gs_pg_link *link);

/* Waits until what was sent is answered; the next result, or NULL at the end of a statement's results. After GS_ESTORE
 * the connection is closed: what became of the statements under way is not known. */
int gs_pg_link_next(struct gs_pg_link *link, PGresult **ret_result);

/* Waits until what was given to libpq is on its way. 0 or GS_ESTORE. */
int gs_pg_link_flush(struct gs_pg_link *link);
/* Ends what was sent in pipeline mode with a Sync, which makes it one transaction, takes all answers and leaves the
 * mode. Errors as gs_pg_link_command, but with GS_EIO all of it was undone. */
int gs_pg_link_sync(struct gs_pg_link *link);
/* Takes what is left of a statement's results. GS_ESTORE, or GS_EIO for the first error among them. */
int gs_pg_link_drain(struct gs_pg_link *link);

/* Runs SQL text, several statements if need be, outside of pipeline mode. GS_ESTORE (lost, as above), GS_EIO (the
 * server refused: `sqlstate` says why, the connection stays). */
int gs_pg_link_command(struct gs_pg_link *link, const char *sql);
/* The same for one statement that returns rows, as text; the caller clears the result. */
int gs_pg_link_query(struct gs_pg_link *link, const char *sql, PGresult **ret_result);

/* Parameters of a prepared statement, all binary. Zero-initialise, add, use once. Values are borrowed, numbers are
 * kept here. */
enum { GS_PG_PARAMETERS_MAX = 8 };
struct gs_pg_parameters {
    const char *values[GS_PG_PARAMETERS_MAX];
    int lengths[GS_PG_PARAMETERS_MAX];
    uint8_t numbers[GS_PG_PARAMETERS_MAX][8];
    int count;
};
void gs_pg_add_number(struct gs_pg_parameters *parameters, uint64_t number);
void gs_pg_add_bytes(struct gs_pg_parameters *parameters, const void *bytes, size_t length);

int gs_pg_link_prepare(struct gs_pg_link *link, const char *name, const char *sql);
/* Sends a prepared statement; results are binary. In pipeline mode nothing waits. 0 or GS_ESTORE. */
int gs_pg_link_send(struct gs_pg_link *link, const char *name, const struct gs_pg_parameters *parameters);
/* Sends it and waits for all its rows. Errors as gs_pg_link_command. */
int gs_pg_link_run(struct gs_pg_link *link, const char *name, const struct gs_pg_parameters *parameters,
                   PGresult **ret_result);

/* Remembers why `result` is an error; returns GS_EIO, or GS_ESTORE and closes the connection when the server is going
 * away or does not take writes any more. */
int gs_pg_link_refused(struct gs_pg_link *link, const PGresult *result);
/* Gives the connection up, remembering libpq's reason. Returns GS_ESTORE. */
int gs_pg_link_lose(struct gs_pg_link *link, const char *reason);

/* A binary int8 and int4 of a row. */
uint64_t gs_pg_number(const PGresult *result, int row, int column);
uint32_t gs_pg_number4(const PGresult *result, int row, int column);

#endif
