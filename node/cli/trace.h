/* A recorded trace: gzipped (or plain) lines, each an event as POST /events takes it, plus `region`, the number of the
 * region that must receive it. */
#ifndef GS_NODE_CLI_TRACE_H
#define GS_NODE_CLI_TRACE_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

/* The aggregates that a trace touches, each once. */
struct gs_trace_key {
    char *type; /* owned by the trace's arena, as is id */
    char *id;
};

struct gs_trace_event {
    uint32_t region;
    uint32_t key;         /* number of its (first) aggregate */
    struct gs_slice body; /* JSON of the event, without `region` */
};

struct gs_trace {
    struct gs_arena arena;
    struct gs_trace_event *events; /* owned */
    uint32_t count, capacity;
    struct gs_trace_key *keys; /* owned */
    uint32_t key_count, key_capacity;
};

/* Reads at most `limit` events (0: all). Errors name the line. */
int gs_trace_read(const char *path, uint32_t limit, struct gs_trace *ret_trace, struct gs_problem *problem);
void gs_trace_close(struct gs_trace *trace);

#endif
