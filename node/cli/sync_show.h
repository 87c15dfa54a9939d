/* A sync on a terminal or as lines: a bar a peer while it runs, a table and a verdict when it is over. */
#ifndef GS_NODE_CLI_SYNC_SHOW_H
#define GS_NODE_CLI_SYNC_SHOW_H

#include <globalstate/json.h>

#include <stdbool.h>

enum { GS_SYNC_SHOW_PEERS_MAX = 64 };

/* Zero-initialise, but for `json`. */
struct gs_sync_show {
    bool json;      /* nothing is drawn */
    uint32_t lines; /* of the last drawing, on a terminal */
    uint32_t percents[GS_SYNC_SHOW_PEERS_MAX];
};

/* How the peers are, on stderr: redrawn in place on a terminal; else a line for each that is another tenth further.
 * `sync`: the answer of GET /sync/{id}, a canonical map. */
void gs_sync_show_progress(struct gs_sync_show *show, struct gs_slice sync);
/* The table of digests and the verdict, on stdout. 0: all agree; 1: they differ, or a peer failed. */
int gs_sync_show_result(const struct gs_sync_show *show, struct gs_slice sync);

/* A member that is text, cut to fit; empty if it is something else. */
void gs_show_text(struct gs_slice map, const char *member, char *ret_text, size_t size);
uint64_t gs_show_number(struct gs_slice map, const char *member);
bool gs_show_flag(struct gs_slice map, const char *member);

#endif
