/* The regions that a command talks to, and the question whether they agree. */
#ifndef GS_NODE_CLI_REGIONS_H
#define GS_NODE_CLI_REGIONS_H

#include "node/cli/http_client.h"

#include <globalstate/json.h>

enum { GS_REGIONS_MAX = 64 };

struct gs_region_view {
    const char *url; /* borrowed */
    struct gs_http_client *client;
    int error; /* 0 if `cluster` is fresh */
    struct gs_problem problem;
    struct gs_buffer cluster; /* the answer of GET /cluster, a canonical map */
    struct gs_buffer digest;  /* that of GET /cluster/digest, if it was asked for */
};

/* 0 or GS_ENOMEM. `token` may be NULL. */
int gs_region_open(struct gs_region_view *region, const char *url, const char *token);
void gs_region_close(struct gs_region_view *region);

/* Asks GET /cluster. 0, or an error with `region->problem` set. */
int gs_region_refresh(struct gs_region_view *region);
/* Asks GET /cluster/digest. The same; what is known of the cluster stays. */
int gs_region_digest(struct gs_region_view *region);
/* A member of the answer, or of an object in it ("vector" / "eu-west"); the empty slice if it is not there. */
struct gs_slice gs_region_member(const struct gs_region_view *region, const char *name);

/* The token in `file`, or NULL for no file: 0, or an error that was said on stderr. Free with gs_buffer_close. */
int gs_region_token(const char *command, const char *file, struct gs_buffer *ret_token);

#endif
