/* The past of a region: its events as people read them, and states as they were.
 *
 * A look at the past is one unchanging cut of the log (a reader between begin and end) and the names that origins go by
 * now. Everything is read from the signed log; the index only says where. A record that does not match its checksum,
 * its form or the index is GS_ECORRUPT with a problem that names it, and nothing of it is shown. */
#ifndef GS_NODE_HISTORY_PAST_H
#define GS_NODE_HISTORY_PAST_H

#include "node/core/command.h"
#include "node/core/document.h"
#include "node/store/history.h"

/* One look. Borrowed for as long as it is used. */
struct gs_past {
    struct gs_history_reader *reader;
    const struct gs_origin_name *origins; /* sorted, of GS_COMMAND_ORIGINS */
    uint32_t origin_count;
    const char *region;              /* ours */
    struct gs_past_records *records; /* NULL, or records that several rebuilds at this look share; borrowed */
};

/* Names of origins for documents; borrows `past`. */
struct gs_namer gs_past_namer(const struct gs_past *past);
/* NULL if nobody goes by that origin. */
const struct gs_origin_name *gs_past_origin(const struct gs_past *past, const gs_origin *origin);

/* One record, read, checked and decoded. Zero-initialise; reusable; gs_past_record_close. */
struct gs_past_record {
    uint64_t position; /* 0: none is loaded */
    struct gs_buffer bytes;
    struct gs_buffer versions; /* its version list */
    struct gs_arena arena;
    struct gs_batch_head head;
    struct gs_event *events; /* head.count of them, in the arena */
    const char *signature;   /* "valid", "invalid", "unknown_key"; NULL until it was asked for */
    bool verified;           /* gs_past_point.verify has taken it */
};

/* Loads the record at `position`, unless it is the one that is loaded. GS_ENOTFOUND, GS_ECORRUPT (the problem names the
 * position), GS_EIO, GS_ENOMEM. */
int gs_past_record_load(const struct gs_past *past, uint64_t position, struct gs_past_record *record,
                        struct gs_problem *problem);
void gs_past_record_close(struct gs_past_record *record);

/* The records that were used last, so that many aggregates which were changed by the same large batches do not have
 * these read and decoded once each. For one look and one set of trusted keys. Zero-initialise; gs_past_records_close.
 */
enum { GS_PAST_RECORDS_MAX = 32, GS_PAST_RECORDS_BYTES_MAX = 16 * 1024 * 1024 };
struct gs_past_records {
    struct gs_past_record items[GS_PAST_RECORDS_MAX];
    uint64_t used[GS_PAST_RECORDS_MAX]; /* when, by `uses`; 0: never */
    uint64_t uses;
};

/* The record at `position`, loaded: borrowed until the next call. Errors: gs_past_record_load. */
int gs_past_records_get(const struct gs_past *past, struct gs_past_records *records, uint64_t position,
                        struct gs_past_record **ret_record, struct gs_problem *problem);
void gs_past_records_close(struct gs_past_records *records);

/* May the reader of an answer see this aggregate? */
struct gs_past_filter {
    bool (*covers)(const void *context, struct gs_slice type, struct gs_slice id);
    const void *context;
};

/* Appends event `event` of a loaded record as a JSON object. `only` NULL: as the feed shows it, with all its changes
 * that `filter` lets through; nothing is appended and `ret_shown` is false if there are none. Else as the history of
 * the aggregate `only` shows it; the other aggregates that it changed, as far as `filter` lets them through, are named.
 */
struct gs_past_only {
    struct gs_slice type;
    struct gs_slice id;
};
int gs_past_event_write(const struct gs_past *past, struct gs_past_record *record, uint32_t event,
                        const struct gs_past_only *only, const struct gs_past_filter *filter, struct gs_buffer *out,
                        bool *ret_shown);
/* "ORIGIN-SEQ": opaque to clients; unique, because an origin numbers its events. */
void gs_past_event_id_write(const gs_origin *origin, uint64_t seq, struct gs_buffer *out);

/* Which of an aggregate's events a state of the past is made of. Each choice is causally closed. */
enum gs_point_kind {
    GS_POINT_VERSION, /* the first `version` here, in log order */
    GS_POINT_TIME,    /* those stamped up to the end of millisecond `ms` */
    GS_POINT_CUT      /* those of `cut`: up to its seq, for each origin; none is stamped after `ms` */
};

struct gs_past_point {
    enum gs_point_kind kind;
    uint64_t version;
    uint64_t ms;
    const struct gs_vector *cut;
    /* Not NULL: nothing but signed batches counts: kept states are passed over, and each batch whose events are used is
     * put to this first. Its error, but for GS_ENOMEM, is GS_ECORRUPT. */
    int (*verify)(void *context, const struct gs_batch_head *head);
    void *verify_context;
};

/* A state as it was. gs_past_state_close frees. */
struct gs_past_state {
    struct gs_aggregate *aggregate; /* owned; empty if no event is in */
    uint64_t version;               /* events in it */
    gs_hlc updated;                 /* the greatest clock among them */
    uint64_t current;               /* the aggregate's version in this look */
    uint64_t replayed;              /* events applied over the kept state it began with */
};

/* What is left of an aggregate's past, where old events are gone (node/store/base.h). */
struct gs_past_oldest {
    uint64_t gone;    /* its first events, so many, are no longer there; 0: all are, and the rest is 0, too */
    uint64_t version; /* the oldest one whose state can be shown */
    gs_hlc updated;   /* the greatest clock of the events in that: states of earlier times cannot be shown */
};
/* GS_ECORRUPT (no kept state stands for what is gone), GS_EIO, GS_ENOMEM. */
int gs_past_oldest(const struct gs_past *past, struct gs_slice type, struct gs_slice id,
                   struct gs_past_oldest *ret_oldest);

/* Rebuilds. GS_EGONE: the point lies before what is left of the past (the problem says what is). GS_ENOTFOUND:
 * POINT_VERSION past the current version. GS_ECORRUPT (the problem names what), GS_EIO, GS_ENOMEM. */
int gs_past_rebuild(const struct gs_past *past, struct gs_slice type, struct gs_slice id,
                    const struct gs_past_point *point, struct gs_past_state *ret_state, struct gs_problem *problem);
void gs_past_state_close(struct gs_past_state *state);

/* What `origin` had applied when it sealed its newest batch stamped up to the end of `ms`: the cut that this batch and
 * the deps so far name. `ret_cut_ms` is when that was. GS_ENOTFOUND: it had written nothing yet. GS_EGONE: that lies
 * before the log's base. `ret_cut` is zero-initialised by the caller. */
int gs_past_region_cut(const struct gs_past *past, const gs_origin *origin, uint64_t ms, struct gs_vector *ret_cut,
                       uint64_t *ret_cut_ms, struct gs_problem *problem);

/* Milliseconds since 1970 of an RFC 3339 time ("2026-01-31T12:00:00.123Z", with any offset), or of a plain number of
 * them. GS_EINVAL. */
int gs_time_parse(struct gs_slice text, uint64_t *ret_ms);

#endif
