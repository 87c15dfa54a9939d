/* From delta_log to the tables that people and history readers ask (sql/postgresql/0002_history.sql), in bulk. Private
 * to the PostgreSQL engine.
 *
 * A projector has a connection of its own and runs on a thread of its own (gs_store_methods.projects_apart), so that
 * commits never wait for it. One slice is one transaction that reads some records of the log, and writes what they
 * mean by binary COPY, together with the position that it has reached: it is there as a whole or not at all, and a
 * slice that is lost is simply done again. So it is not synced either. */
#ifndef GS_NODE_STORE_POSTGRES_PROJECT_H
#define GS_NODE_STORE_POSTGRES_PROJECT_H

#include "node/core/table.h"
#include "node/store/history.h"
#include "node/store/log_row.h"
#include "node/store/postgres_link.h"

enum {
    GS_PG_SLICE_ROWS = 512,             /* records of the log in one slice, at most … */
    GS_PG_SLICE_BYTES = 4 * 1024 * 1024 /* … and their bytes, but for the last one's */
};

/* What is remembered from slice to slice; forgotten (known = false) whenever one fails. */
struct gs_pg_projector {
    struct gs_pg_link link;
    bool known;
    uint64_t position;       /* the projection reaches so far */
    uint64_t next_aggregate; /* numbers to give out */
    uint32_t origin_count;
    gs_origin *origins;      /* by number − 1; owned */
    struct gs_buffer months; /* int each, year × 12 + month: partitions that are known to be there */
};

/* One slice. GS_ESTORE (not done; the trouble is in the link), GS_ECORRUPT (a record), GS_ENOMEM. `ret_more`: there is
 * more to do. */
int gs_pg_project(struct gs_pg_projector *projector, const char *url, bool *ret_more);
void gs_pg_projector_close(struct gs_pg_projector *projector);

/* postgres_event_rows.c: collects the rows of one slice. */
struct gs_pg_slice {
    struct gs_pg_projector *projector;
    struct gs_table aggregates; /* that the slice changes and that were there before it: see gs_pg_slice_know */
    struct gs_buffer new_origins, new_aggregates, events, versions; /* COPY data */
    struct gs_buffer numbers, new_versions, vectors;                /* arrays' elements: aggregates as they are now */
    uint32_t changed;                                               /* aggregates */
    struct gs_buffer months;                                        /* as above: partitions that it needs */
    /* The record under way. */
    const struct gs_batch_head *head;
    const struct gs_event *batch;
    struct gs_buffer changes; /* struct change of postgres_event_rows.c */
    struct gs_buffer json;
};

/* An aggregate that exists already. GS_ENOMEM. */
int gs_pg_slice_know(struct gs_pg_slice *slice, struct gs_slice type, struct gs_slice id, uint64_t number,
                     uint64_t version, struct gs_slice vector);
/* Whether `month` is in a list of them. */
bool gs_pg_has_month(const struct gs_buffer *months, int month);
/* The projection's sink over a slice. */
struct gs_projection_sink gs_pg_slice_sink(struct gs_pg_slice *slice);
void gs_pg_slice_close(struct gs_pg_slice *slice);

#endif
