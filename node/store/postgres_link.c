#include "node/store/postgres_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* libpq's messages end in a newline and may have several lines: one line, cut to fit. */
static void set_trouble(struct gs_pg_link *link, const char *text) {
    size_t length = 0;
    for (const char *at = text; *at != '\0' && length + 3 < sizeof link->trouble; at++) {
        bool blank = *at == '\n' || *at == '\t' || *at == ' ';
        if (!blank) {
            link->trouble[length++] = *at;
        } else if (length > 0 && link->trouble[length - 1] != ' ' && strspn(at, "\n\t ") < strlen(at)) {
            if (*at == '\n' && link->trouble[length - 1] != ':') {
                link->trouble[length++] = ';';
            }
            link->trouble[length++] = ' ';
        }
    }
    link->trouble[length] = '\0';
}

int gs_pg_link_lose(struct gs_pg_link *link, const char *reason) {
    const char *said = link->conn != NULL ? PQerrorMessage(link->conn) : "";
    set_trouble(link, said[0] != '\0' ? said : reason);
    link->sqlstate[0] = '\0';
    gs_pg_link_close(link);
    return GS_ESTORE;
}

void gs_pg_link_close(struct gs_pg_link *link) {
    PQfinish(link->conn); /* NULL is allowed; it sends a goodbye without waiting for an answer */
    link->conn = NULL;
}

/* Waits for `events` on the socket. 0, or GS_ESTORE at the deadline. */
static int wait_for(struct gs_pg_link *link, short events, int64_t deadline_ms) {
    for (;;) {
        int64_t left = deadline_ms - mono_ms();
        struct pollfd poll_fd = {.fd = PQsocket(link->conn), .events = events};
        int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
        if (ready > 0) {
            return 0;
        }
        if (ready == 0) {
            return gs_pg_link_lose(link, "the server does not answer");
        }
        if (errno != EINTR) {
            return gs_pg_link_lose(link, strerror(errno));
        }
    }
}

static int finish_connecting(struct gs_pg_link *link) {
    const int64_t deadline_ms = mono_ms() + GS_PG_CONNECT_MS;
    short events = POLLOUT;
    for (;;) {
        int error = wait_for(link, events, deadline_ms);
        if (error != 0) {
            return error;
        }
        switch (PQconnectPoll(link->conn)) {
        case PGRES_POLLING_OK:
            return 0;
        case PGRES_POLLING_READING:
            events = POLLIN;
            break;
        case PGRES_POLLING_WRITING:
            events = POLLOUT;
            break;
        default:
            return gs_pg_link_lose(link, "no connection");
        }
    }
}

static void ignore_notice(void *context, const PGresult *notice) {
    (void)context;
    (void)notice;
}

/* What no waiting changes, by what a server that was reached said. libpq has no code for it. */
static bool is_told_wrong(const struct gs_pg_link *link) {
    static const char *const signs[] = {"does not exist", "authentication failed", "no pg_hba.conf entry",
                                        "no password supplied"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (strstr(link->trouble, signs[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* What comes before `dbname` are defaults that the URL may override; what comes after it is fixed. */
int gs_pg_link_open(struct gs_pg_link *link, const char *url, const char *name) {
    const char *const keywords[] = {"target_session_attrs", "keepalives_idle",  "keepalives_interval",
                                    "keepalives_count",     "tcp_user_timeout", "dbname",
                                    "application_name",     "client_encoding",  NULL};
    const char *const values[] = {"read-write", "10", "5", "3", "20000", url, name, "UTF8", NULL};
    char *wrong = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &wrong);
    if (options == NULL) {
        set_trouble(link, wrong != NULL ? wrong : "out of memory");
        PQfreemem(wrong);
        return GS_EINVAL;
    }
    PQconninfoFree(options);
    gs_pg_link_close(link);
    link->conn = PQconnectStartParams(keywords, values, 1);
    if (link->conn == NULL) {
        return GS_ENOMEM;
    }
    if (PQstatus(link->conn) == CONNECTION_BAD) {
        return gs_pg_link_lose(link, "no connection");
    }
    (void)PQsetNoticeReceiver(link->conn, ignore_notice, NULL); /* the default writes to stderr */
    int error = finish_connecting(link);
    if (error == GS_ESTORE && is_told_wrong(link)) {
        return GS_EINVAL;
    }
    if (error == 0 && PQsetnonblocking(link->conn, 1) != 0) {
        error = gs_pg_link_lose(link, "no connection");
    }
    return error;
}

/* Reads while it writes: a server whose answers nobody takes stops reading. */
int gs_pg_link_next(struct gs_pg_link *link, PGresult **ret_result) {
    int64_t deadline_ms = mono_ms() + GS_PG_ANSWER_MS;
    if (link->conn == NULL) {
        return GS_ESTORE;
    }
    int left = PQflush(link->conn);
    while (left >= 0 && PQisBusy(link->conn)) {
        int error = wait_for(link, (short)(POLLIN | (left > 0 ? POLLOUT : 0)), deadline_ms);
        if (error != 0) {
            return error;
        }
        if (PQconsumeInput(link->conn) == 0) {
            return gs_pg_link_lose(link, "the connection is lost");
        }
        left = PQflush(link->conn);
    }
    if (left < 0) {
        return gs_pg_link_lose(link, "the connection is lost");
    }
    PGresult *result = PQgetResult(link->conn);
    if (PQstatus(link->conn) == CONNECTION_BAD) {
        PQclear(result);
        return gs_pg_link_lose(link, "the connection is lost");
    }
    *ret_result = result;
    return 0;
}

/* 08: connection; 57P: shutting down, crashed, starting up; 25006: it has become a standby. */
int gs_pg_link_refused(struct gs_pg_link *link, const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    set_trouble(link, text != NULL ? text : PQresultErrorMessage(result));
    (void)snprintf(link->sqlstate, sizeof link->sqlstate, "%s", state != NULL ? state : "");
    bool gone = strncmp(link->sqlstate, "08", 2) == 0 || strncmp(link->sqlstate, "57P", 3) == 0 || state == NULL ||
                strcmp(link->sqlstate, "25006") == 0;
    if (gone) {
        gs_pg_link_close(link);
    }
    return gone ? GS_ESTORE : GS_EIO;
}

/* Takes all results of what was sent, keeps the last one that has rows, and the first error. */
static int collect(struct gs_pg_link *link, PGresult **ret_result) {
    PGresult *kept = NULL;
    PGresult *result = NULL;
    int refused = 0;
    int error;
    while ((error = gs_pg_link_next(link, &result)) == 0 && result != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && refused == 0) {
            refused = gs_pg_link_refused(link, result);
        }
        PQclear(kept);
        kept = result;
        if (link->conn == NULL) {
            break;
        }
    }
    error = refused != 0 ? refused : error;
    if (error != 0) {
        PQclear(kept);
        return error;
    }
    *ret_result = kept;
    return 0;
}

int gs_pg_link_drain(struct gs_pg_link *link) {
    PGresult *result = NULL;
    int error = collect(link, &result);
    if (error == 0) {
        PQclear(result);
    }
    return error;
}

int gs_pg_link_sync(struct gs_pg_link *link) {
    int refused = 0;
    bool end = false;
    if (PQpipelineSync(link->conn) == 0) {
        return gs_pg_link_lose(link, "the connection is lost");
    }
    while (!end) {
        PGresult *result = NULL;
        int error = gs_pg_link_next(link, &result);
        if (error != 0) {
            return error;
        }
        ExecStatusType status = result != NULL ? PQresultStatus(result) : PGRES_COMMAND_OK;
        end = status == PGRES_PIPELINE_SYNC;
        /* libpq forgets single-row mode only when it sends outside of pipeline mode: rows may still come one by one. */
        bool fine = end || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_SINGLE_TUPLE ||
                    status == PGRES_PIPELINE_ABORTED;
        if (!fine && refused == 0) {
            refused = gs_pg_link_refused(link, result);
        }
        PQclear(result);
        if (link->conn == NULL) {
            return refused;
        }
    }
    return PQexitPipelineMode(link->conn) != 0 ? refused : gs_pg_link_lose(link, "the connection is out of step");
}

int gs_pg_link_flush(struct gs_pg_link *link) {
    const int64_t deadline_ms = mono_ms() + GS_PG_ANSWER_MS;
    int left;
    while ((left = PQflush(link->conn)) > 0) {
        int error = wait_for(link, POLLIN | POLLOUT, deadline_ms);
        if (error != 0) {
            return error;
        }
        if (PQconsumeInput(link->conn) == 0) {
            break;
        }
    }
    return left == 0 ? 0 : gs_pg_link_lose(link, "the connection is lost");
}

int gs_pg_link_query(struct gs_pg_link *link, const char *sql, PGresult **ret_result) {
    if (link->conn == NULL) {
        return GS_ESTORE;
    }
    if (PQsendQuery(link->conn, sql) == 0) {
        return gs_pg_link_lose(link, "the connection is lost");
    }
    return collect(link, ret_result);
}

int gs_pg_link_command(struct gs_pg_link *link, const char *sql) {
    if (link->conn == NULL) {
        return GS_ESTORE;
    }
    return PQsendQuery(link->conn, sql) != 0 ? gs_pg_link_drain(link) : gs_pg_link_lose(link, "the connection is lost");
}

int gs_pg_link_prepare(struct gs_pg_link *link, const char *name, const char *sql) {
    if (link->conn == NULL) {
        return GS_ESTORE;
    }
    return PQsendPrepare(link->conn, name, sql, 0, NULL) != 0 ? gs_pg_link_drain(link)
                                                              : gs_pg_link_lose(link, "the connection is lost");
}

static void add(struct gs_pg_parameters *parameters, const void *bytes, size_t length) {
    parameters->values[parameters->count] = bytes;
    parameters->lengths[parameters->count] = (int)length;
    parameters->count++;
}

void gs_pg_add_number(struct gs_pg_parameters *parameters, uint64_t number) {
    uint8_t *bytes = parameters->numbers[parameters->count];
    for (int i = 7; i >= 0; i--) {
        bytes[i] = (uint8_t)(number & 0xff);
        number >>= 8;
    }
    add(parameters, bytes, 8);
}

void gs_pg_add_bytes(struct gs_pg_parameters *parameters, const void *bytes, size_t length) {
    add(parameters, bytes, length);
}

int gs_pg_link_send(struct gs_pg_link *link, const char *name, const struct gs_pg_parameters *parameters) {
    static const int binary[GS_PG_PARAMETERS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    if (link->conn == NULL) {
        return GS_ESTORE;
    }
    int sent =
        PQsendQueryPrepared(link->conn, name, parameters->count, parameters->values, parameters->lengths, binary, 1);
    return sent != 0 ? 0 : gs_pg_link_lose(link, "the connection is lost");
}

int gs_pg_link_run(struct gs_pg_link *link, const char *name, const struct gs_pg_parameters *parameters,
                   PGresult **ret_result) {
    int error = gs_pg_link_send(link, name, parameters);
    return error != 0 ? error : collect(link, ret_result);
}

static uint64_t number_of(const PGresult *result, int row, int column, int size) {
    const uint8_t *bytes = (const uint8_t *)PQgetvalue(result, row, column);
    uint64_t number = 0;
    for (int i = 0; i < size && PQgetlength(result, row, column) == size; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

uint64_t gs_pg_number(const PGresult *result, int row, int column) {
    return number_of(result, row, column, 8);
}

uint32_t gs_pg_number4(const PGresult *result, int row, int column) {
    return (uint32_t)number_of(result, row, column, 4);
}
