/* Configuration of `globalstate serve`: environment variables, which flags override.
 *
 * One table names every setting with its default and meaning; `--help` prints it, and a GS_ variable or a flag that is
 * not in it stops the start, as does a value that is not valid: a node that runs is a node that was configured as
 * somebody meant. */
#ifndef GS_NODE_SERVE_CONFIG_H
#define GS_NODE_SERVE_CONFIG_H

#include "gossip/identity.h"
#include "node/core/retention.h"

#include <globalstate/memory.h>

enum { GS_SEEDS_MAX = 63 };

struct gs_serve_config {
    struct gs_arena arena; /* holds the strings */
    const char *region;
    const char *cluster;
    const char *data_dir;
    const char *notes_directory; /* in data_dir */
    const char *database_url;
    const char *server_addr;
    const char *gossip_addr;
    const char *advertise_addr; /* "": derived from gossip_addr */
    const char *seeds[GS_SEEDS_MAX];
    uint32_t seed_count;
    const char *key_file;
    const char *trust_file;
    const char *jwt_secret;          /* NULL if none is given */
    const char *jwt_secret_file;     /* NULL if none is given, or the secret itself is */
    const char *jwt_public_key_file; /* NULL if none is given */
    const char *jwt_keys_file;       /* NULL if none is given */
    const char *jwt_deny_file;       /* NULL if none is given */
    const char *jwt_issuer;          /* NULL: not checked */
    const char *jwt_audience;        /* NULL: not checked */
    bool auth_off;
    uint32_t http_threads;
    uint32_t rate_address; /* requests a second; 0: no limit */
    uint32_t rate_subject;
    const char *trusted_proxies; /* "" : none */
    const char *cors_origins;    /* "" : none */
    uint32_t queue_target_ms;
    bool realtime; /* GS_SCHEDULING (priority.h) */
    uint32_t breaker_threshold;
    uint64_t l1_bytes;
    uint32_t http_log; /* 0 off, 1 errors, 2 refusals, 3 all */
    uint64_t max_skew_ms;
    uint64_t audit_days; /* 0: for ever */
    struct gs_retention retention;
    uint64_t sync_interval_ms;
    uint64_t ack_interval_ms;
    uint64_t start_wait_ms;
    uint64_t close_after_ms; /* 0: never */
    uint64_t verify_interval_ms;
    uint64_t bootstrap_events, bootstrap_rate;
};

/* Reads the environment and the arguments after `serve`. 0; GS_EINVAL with the setting in `problem->field`; 1 if
 * `--help` was asked for and printed. */
int gs_serve_config_read(int argc, char **argv, struct gs_serve_config *ret_config, struct gs_problem *problem);
void gs_serve_config_close(struct gs_serve_config *config);

#endif
