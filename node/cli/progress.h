/* Progress of long work: a bar that redraws itself on a terminal, a plain line now and then otherwise, JSON lines with
 * --json. On stderr, so that results can be piped. */
#ifndef GS_NODE_CLI_PROGRESS_H
#define GS_NODE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct gs_progress {
    const char *what; /* "replaying" */
    const char *unit; /* "events" */
    uint64_t total;   /* 0: not known */
    bool json;
    bool terminal;
    uint64_t started_ms; /* monotonic */
    uint64_t shown_ms;
    int shown_percent;
};

void gs_progress_start(struct gs_progress *progress, const char *what, const char *unit, uint64_t total, bool json);
/* May be called as often as wanted: it draws about five times a second, or every ten percent where there is no
 * terminal. */
void gs_progress_update(struct gs_progress *progress, uint64_t done);
void gs_progress_finish(struct gs_progress *progress, uint64_t done);

uint64_t gs_monotonic_ms(void);

#endif
