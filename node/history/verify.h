/* Verifying a store, all of it: every record's checksum, form, chain, deps, signature and detached data; the index over
 * the log; every kept state against the log's own deltas. Where old records are gone (node/store/base.h), chains go on
 * from the heads at the base, and aggregates from the oldest kept state after what is gone. Reads only, and goes on
 * after damage, so that one run names all of it. */
#ifndef GS_NODE_HISTORY_VERIFY_H
#define GS_NODE_HISTORY_VERIFY_H

#include "gossip/trust.h"
#include "node/store/history.h"

enum { GS_VERIFY_NAMED_MAX = 1000 /* findings that are named; all are counted */ };

/* Zero-initialise; gs_verify_report_close frees. */
struct gs_verify_report {
    uint64_t records;
    uint64_t events;
    uint64_t origins;
    uint64_t aggregates;
    uint64_t states;        /* kept states compared */
    uint64_t indexed;       /* records that the index covers */
    uint64_t base;          /* the record after which the log is whole; before it some may be gone. 0: all of it is */
    uint64_t gone;          /* records that are */
    uint64_t findings;      /* things that are wrong */
    struct gs_buffer named; /* one line each: "record 17: …" */
};
void gs_verify_report_close(struct gs_verify_report *report);

struct gs_verify {
    struct gs_history_reader *reader; /* between begin and end */
    const struct gs_trust *trust;     /* NULL: signatures are not checked */
    /* Called after each record. */
    void (*progress)(void *context, uint64_t done);
    void *context;
};

/* 0 when all was looked at, whatever was found; GS_EIO, GS_ENOMEM when it could not be. */
int gs_verify_run(const struct gs_verify *verify, struct gs_verify_report *ret_report);

#endif
