/* `globalstate serve`: configuration in, node and HTTP server up, until a signal. Shutting down goes in this order:
 * refuse new requests, let the request threads finish (the loop still answers them), say goodbye to peers, close the
 * store. */
#include "gossip/trust.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/token_keys.h"
#include "node/http/server.h"
#include "node/serve/config.h"
#include "node/serve/log.h"
#include "node/serve/node.h"
#include "node/serve/priority.h"
#include "node/store/audit.h"
#include "node/store/store.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { IDEMPOTENCY_ENTRIES = 4 * 1024 * 1024 };

#define IDEMPOTENCY_MS (UINT64_C(24) * 3600 * 1000)

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct service {
    struct gs_serve_config config;
    struct gs_key_pair keys;
    struct gs_trust trust;
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_work_t http_stop;
    struct gs_node *node;
    struct gs_http_server *http;
    struct gs_audit *audit;
    bool stopping;
    struct gs_priority request_priority;
    int status;
};

/* The region that a node is told to be must be the one its key stands for. */
static int check_identity(const struct service *service, const struct gs_trust *trust, struct gs_problem *problem) {
    const struct gs_trust_entry *ours = gs_trust_find_key(trust, &service->keys.public_key);
    if (ours == NULL || ours->revoked) {
        return gs_problem_set(problem, GS_EUNTRUSTED, "GS_TRUST_FILE", "%s %s the key in %s",
                              service->config.trust_file, ours == NULL ? "does not list" : "revokes",
                              service->config.key_file);
    }
    if (strcmp(ours->region, service->config.region) != 0) {
        return gs_problem_set(problem, GS_EINVAL, "GS_REGION", "the key in %s belongs to region %s, not %s",
                              service->config.key_file, ours->region, service->config.region);
    }
    return 0;
}

static int make_data_dir(const char *path, struct gs_problem *problem) {
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return gs_problem_set(problem, GS_EIO, "GS_DATA_DIR", "cannot make %s: %s", path, strerror(errno));
    }
    return 0;
}

static int read_files(struct service *service, struct gs_problem *problem) {
    int error = gs_key_file_read(service->config.key_file, &service->keys, problem);
    if (error == 0) {
        error = gs_trust_file_read(service->config.trust_file, &service->trust, problem);
    }
    if (error == 0) {
        error = check_identity(service, &service->trust, problem);
    }
    return error == 0 ? make_data_dir(service->config.data_dir, problem) : error;
}

static void on_node_closed(void *context) {
    struct service *service = context;
    service->node = NULL;
    for (int i = 0; i < 3; i++) {
        uv_close((uv_handle_t *)&service->signals[i], NULL);
    }
}

static void stop_http(uv_work_t *work) {
    struct service *service = work->data;
    gs_http_server_stop(service->http);
}

static void on_http_stopped(uv_work_t *work, int status) {
    struct service *service = work->data;
    (void)status;
    service->http = NULL;
    gs_node_stop(service->node, on_node_closed, service);
}

static void begin_stop(struct service *service) {
    if (service->stopping) {
        return;
    }
    service->stopping = true;
    gs_node_shut(service->node);
    service->http_stop.data = service;
    if (uv_queue_work(&service->loop, &service->http_stop, stop_http, on_http_stopped) != 0) {
        stop_http(&service->http_stop);
        on_http_stopped(&service->http_stop, 0);
    }
}

static void on_failed(void *context, const char *reason) {
    struct service *service = context;
    gs_log(GS_LOG_ERROR, "failed", "%s", reason);
    service->status = 1;
    begin_stop(service);
}

/* SIGHUP: the trust file again. A bad file changes nothing. */
static void reload_trust(struct service *service) {
    struct gs_trust trust = {0};
    struct gs_problem problem = {0};
    int error = gs_trust_file_read(service->config.trust_file, &trust, &problem);
    if (error == 0) {
        error = check_identity(service, &trust, &problem);
    }
    if (error != 0) {
        gs_log(GS_LOG_ERROR, "trust_refused", "the trust file was not taken over: %s", problem.detail);
        gs_trust_close(&trust);
        return;
    }
    struct gs_trust old = service->trust;
    service->trust = trust;
    gs_node_set_trust(service->node, &service->trust);
    gs_trust_close(&old);
    gs_log(GS_LOG_INFO, "trust_read", "trust file read again, %u keys", service->trust.count);
}

/* SIGHUP: the keys for tokens again. Bad files change nothing. */
static void reload_keys(struct service *service) {
    struct gs_token_keys keys;
    struct gs_problem problem = {0};
    int error = gs_token_keys_read(&service->config, &keys, &problem);
    if (error == 0) {
        error = gs_http_server_set_keys(service->http, &keys.auth, &problem);
    }
    if (error != 0) {
        gs_log(GS_LOG_ERROR, "token_keys_refused", "the keys for tokens were not taken over: %s", problem.detail);
    } else {
        gs_log(GS_LOG_INFO, "token_keys_read", "keys for tokens read again, %u tokens are refused",
               (unsigned)keys.auth.denied.count);
    }
    gs_token_keys_close(&keys);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct service *service = handle->data;
    if (service->stopping) {
        return; /* the node's parts are closing, or gone */
    }
    if (number == SIGHUP) {
        reload_trust(service);
        if (service->http != NULL) {
            reload_keys(service);
        }
        return;
    }
    gs_log(GS_LOG_INFO, "stop", "stopping");
    begin_stop(service);
}

static void watch_signals(struct service *service) {
    static const int numbers[3] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&service->loop, &service->signals[i]);
        service->signals[i].data = service;
        uv_signal_start(&service->signals[i], on_signal, numbers[i]);
    }
}

/* What the node did by itself, for the audit log. */
static void add_audit(struct service *service, const char *action, const char *target) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const struct gs_audit_entry entry = {
        .kind = GS_AUDIT_ADMIN,
        .time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .subject = gs_slice_make("globalstate", 11),
        .action = gs_slice_make(action, strlen(action)),
        .target = gs_slice_make(target, strlen(target)),
        .status = 200,
    };
    gs_audit_add(service->audit, &entry);
}

/* Memory that had to be put right is something to look into: it is said here and in the audit log. */
static void on_repaired(void *context, const char *name) {
    char target[300];
    snprintf(target, sizeof target, "/state/%s", name);
    add_audit(context, "repair", target);
    gs_log(GS_LOG_WARNING, "repaired", "%s in memory was not what the log makes of it, and was replaced", name);
}

/* So is a log that was damaged on the disk. */
static void on_healed(void *context, uint64_t position, const char *text) {
    char target[32];
    snprintf(target, sizeof target, "/log/%llu", (unsigned long long)position);
    add_audit(context, "heal", target);
    gs_log(GS_LOG_WARNING, "healed",
           "%s was damaged on the disk; it was fetched again from another region, or found whole, and put back", text);
}

static int start_node(struct service *service, struct gs_problem *problem) {
    const struct gs_serve_config *config = &service->config;
    struct gs_node_config node = {
        .loop = &service->loop,
        .core =
            {
                .cluster = gs_cluster_from_name(config->cluster),
                .keys = service->keys,
                .trust = &service->trust,
                .max_skew_ms = config->max_skew_ms,
                .sync_interval_ms = config->sync_interval_ms,
                .verify_interval_ms = config->verify_interval_ms,
                .retention = &config->retention,
                .bootstrap_events = config->bootstrap_events,
                .sets_log_aside = true,
                .heals_log = true,
                .bootstrap_rate = config->bootstrap_rate,
                .ack_interval_ms = config->ack_interval_ms,
                .start_wait_ms = config->start_wait_ms,
                .close_after_ms = config->close_after_ms,
                .idempotency_ms = IDEMPOTENCY_MS,
                .idempotency_max = IDEMPOTENCY_ENTRIES,
            },
        .database_url = config->database_url,
        .notes_directory = config->notes_directory,
        .gossip_addr = config->gossip_addr,
        .advertise_addr = config->advertise_addr,
        .seeds = config->seeds,
        .seed_count = config->seed_count,
        .cache_bytes = (size_t)config->l1_bytes,
        .breaker_threshold = config->breaker_threshold,
        .queue_target_ms = config->queue_target_ms,
        .request_priority = service->request_priority,
        .failed = on_failed,
        .repaired = on_repaired,
        .healed = on_healed,
        .context = service,
    };
    return gs_node_start(&node, &service->node, problem);
}

/* Where the log is: in its PostgreSQL, or in the node's data directory, which is its own by now. */
static int open_audit(struct service *service, struct gs_problem *problem) {
    char path[PATH_MAX];
    uint64_t retention_ms = service->config.audit_days * DAY_MS;
    if (gs_store_url_is_postgres(service->config.database_url)) {
        return gs_audit_open_postgres(service->config.database_url, retention_ms, &service->audit, problem);
    }
    int length = snprintf(path, sizeof path, "%s/audit.db", service->config.data_dir);
    if (length < 0 || (size_t)length >= sizeof path) {
        return gs_problem_set(problem, GS_EINVAL, "GS_DATA_DIR", "the path is too long");
    }
    return gs_audit_open(path, retention_ms, &service->audit, problem);
}

static int start_http(struct service *service, struct gs_problem *problem) {
    const struct gs_serve_config *config = &service->config;
    struct gs_token_keys keys;
    int error = gs_token_keys_read(config, &keys, problem);
    struct gs_http_config http = {
        .listen = config->server_addr,
        .threads = config->http_threads,
        .address_rate = config->rate_address,
        .subject_rate = config->rate_subject,
        .trusted_proxies = config->trusted_proxies,
        .cors_origins = config->cors_origins,
        .log = (enum gs_access_log_level)config->http_log,
        .auth = keys.auth,
        .priority = service->request_priority,
        .region = config->region,
        .gateway = gs_node_gateway(service->node),
    };
    if (error == 0) {
        error = open_audit(service, problem);
        http.audit = service->audit;
    }
    if (error == 0) {
        error = gs_http_server_start(&http, &service->http, problem);
    }
    gs_token_keys_close(&keys);
    return error;
}

/* Settings of the design whose parts this program does not have: whoever sets one should know. */
static void warn_of_unused(void) {
    static const struct {
        const char *name, *what;
    } unused[] = {{"REDIS_URL", "a cache in Redis"}, {"STREAM_ADDR", "streams over WebSocket"}};
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++) {
        const char *value = getenv(unused[i].name);
        if (value != NULL && value[0] != '\0') {
            gs_log(GS_LOG_WARNING, "setting_unused", "%s is set, but this program does not have %s", unused[i].name,
                   unused[i].what);
        }
    }
}

static int run(struct service *service, struct gs_problem *problem) {
    int error = gs_priority_raise(service->config.realtime, &service->request_priority, problem);
    if (error == 0) {
        error = start_node(service, problem);
    }
    if (error != 0) {
        return error;
    }
    watch_signals(service);
    error = start_http(service, problem);
    if (error != 0) {
        service->stopping = true;
        gs_node_stop(service->node, on_node_closed, service);
        uv_run(&service->loop, UV_RUN_DEFAULT);
        return error;
    }
    gs_log(GS_LOG_INFO, "started", "region %s serves HTTP on %s (port %u), gossip on %s", service->config.region,
           service->config.server_addr, gs_http_server_port(service->http), service->config.gossip_addr);
    warn_of_unused();
    uv_run(&service->loop, UV_RUN_DEFAULT);
    return 0;
}

int gs_cli_serve(int argc, char **argv) {
    struct service service = {0};
    struct gs_problem problem = {0};
    int error = gs_serve_config_read(argc, argv, &service.config, &problem);
    if (error == 1) {
        return 0;
    }
    if (error != 0) {
        gs_log(GS_LOG_ERROR, "refused", "%s: %s", problem.field, problem.detail);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    error = read_files(&service, &problem);
    if (error == 0 && uv_loop_init(&service.loop) != 0) {
        error = gs_problem_set(&problem, GS_EIO, "", "cannot make an event loop");
    } else if (error == 0) {
        error = run(&service, &problem);
        uv_loop_close(&service.loop);
    }
    if (error != 0) {
        gs_log(GS_LOG_ERROR, "failed", "%s", problem.detail);
        service.status = 1;
    }
    sodium_memzero(&service.keys, sizeof service.keys);
    gs_audit_close(service.audit);
    gs_trust_close(&service.trust);
    gs_serve_config_close(&service.config);
    return service.status;
}
