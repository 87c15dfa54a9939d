#include "node/serve/config.h"

#include "node/store/breaker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum setting {
    SERVER_ADDR,
    GOSSIP_ADDR,
    ADVERTISE_ADDR,
    REGION,
    CLUSTER,
    SEEDS,
    KEY_FILE,
    TRUST_FILE,
    DATA_DIR,
    DATABASE_URL,
    JWT_SECRET,
    JWT_SECRET_FILE,
    JWT_PUBLIC_KEY_FILE,
    JWT_KEYS_FILE,
    JWT_DENY_FILE,
    JWT_ISSUER,
    JWT_AUDIENCE,
    AUTH,
    HTTP_THREADS,
    RATE_ADDRESS,
    RATE_SUBJECT,
    TRUSTED_PROXIES,
    CORS_ORIGINS,
    HTTP_LOG,
    QUEUE_TARGET,
    SCHEDULING,
    L1_BYTES,
    BREAKER_THRESHOLD,
    TLS,
    MAX_SKEW,
    AUDIT_DAYS,
    RETENTION,
    SYNC_INTERVAL,
    VERIFY_INTERVAL,
    BOOTSTRAP_EVENTS,
    BOOTSTRAP_RATE,
    ACK_INTERVAL,
    START_WAIT,
    CLOSE_AFTER,
    SETTING_COUNT
};

static const struct {
    const char *name;     /* environment variable */
    const char *flag;     /* --flag VALUE */
    const char *fallback; /* NULL: none */
    const char *help;
} settings[SETTING_COUNT] = {
    [SERVER_ADDR] = {"SERVER_ADDR", "server-addr", ":8087", "HTTP address, HOST:PORT or :PORT"},
    [GOSSIP_ADDR] = {"GOSSIP_ADDR", "gossip-addr", ":8089", "address that peers connect to"},
    [ADVERTISE_ADDR] =
        {"GS_ADVERTISE_ADDR", "advertise-addr", "",
         "HOST:PORT,… at which peers reach GOSSIP_ADDR, as other regions are told; off: nowhere (default: "
         "its host, or the first address of this machine)"},
    [REGION] = {"GS_REGION", "region", NULL, "this region's name, as in the trust file (required)"},
    [CLUSTER] = {"GS_CLUSTER", "cluster", "globalstate", "the cluster's name: peers of another cluster are refused"},
    [SEEDS] = {"GS_SEEDS", "seeds", "", "peers to connect to: HOST:PORT,HOST:PORT,…"},
    [KEY_FILE] = {"GS_KEY_FILE", "key-file", NULL, "this region's secret key, from `globalstate keygen` (required)"},
    [TRUST_FILE] = {"GS_TRUST_FILE", "trust-file", NULL,
                    "public keys of all regions, a line each; read again on SIGHUP (required)"},
    [DATA_DIR] = {"GS_DATA_DIR", "data-dir", "data", "directory of the embedded store"},
    [DATABASE_URL] = {"DATABASE_URL", "database-url", NULL,
                      "sqlite:PATH or postgres://… (default: sqlite: in the data directory)"},
    [JWT_SECRET] = {"JWT_SECRET", "jwt-secret", NULL, "HS256 key of at least 32 bytes"},
    [JWT_SECRET_FILE] = {"JWT_SECRET_FILE", "jwt-secret-file", NULL,
                         "file that holds the HS256 key; read again on SIGHUP"},
    [JWT_PUBLIC_KEY_FILE] = {"JWT_PUBLIC_KEY_FILE", "jwt-public-key-file", NULL,
                             "file that holds an Ed25519 public key, base64"},
    [JWT_KEYS_FILE] = {"JWT_KEYS_FILE", "jwt-keys-file", NULL,
                       "file of keys for tokens, `KID HS256|EdDSA BASE64` a line; read again on SIGHUP"},
    [JWT_DENY_FILE] =
        {"JWT_DENY_FILE", "jwt-deny-file", NULL,
         "file of tokens that are refused before they expire (`globalstate token revoke` writes it), `JTI "
         "[EXPIRES]` a line; read again on SIGHUP"},
    [JWT_ISSUER] = {"GS_JWT_ISSUER", "jwt-issuer", NULL, "`iss` that tokens must carry"},
    [JWT_AUDIENCE] = {"GS_JWT_AUDIENCE", "jwt-audience", NULL, "`aud` that tokens must carry"},
    [AUTH] = {"GS_AUTH", "auth", "on", "off: no tokens, and loopback addresses only"},
    [HTTP_THREADS] = {"GS_HTTP_THREADS", "http-threads", "256", "keep-alive connections served at once, 4..16384"},
    [RATE_ADDRESS] = {"GS_RATE_ADDRESS", "rate-address", "100000", "requests a second of one address; 0: no limit"},
    [RATE_SUBJECT] = {"GS_RATE_SUBJECT", "rate-subject", "100000", "requests a second of one subject; 0: no limit"},
    [TRUSTED_PROXIES] = {"GS_TRUSTED_PROXIES", "trusted-proxies", "",
                         "IPv4 addresses of proxies whose X-Forwarded-For is believed"},
    [CORS_ORIGINS] = {"GS_CORS_ORIGINS", "cors-origins", "",
                      "origins of pages that may call this node from a browser: https://play.example …"},
    [HTTP_LOG] = {"GS_HTTP_LOG", "http-log", "errors",
                  "requests to log, a JSON line each: off, errors (5xx), refusals (and 4xx), all"},
    [QUEUE_TARGET] =
        {"GS_QUEUE_TARGET", "queue-target", "10",
         "milliseconds that requests may wait, beside what the store needs, before new ones are refused; 0: any"},
    [SCHEDULING] = {"GS_SCHEDULING", "scheduling", "shared",
                    "shared: processors as Linux shares them among all programs; realtime: requests in the order in "
                    "which they came, before other programs of this machine"},
    [L1_BYTES] = {"GS_L1_BYTES", "l1-bytes", "268435456",
                  "bytes of answers to reads that are kept in memory, 1 MiB to 1 TiB"},
    [BREAKER_THRESHOLD] = {"CIRCUIT_BREAKER_THRESHOLD", "circuit-breaker-threshold", "5",
                           "failures of the store in a row after which requests no longer wait for it, 1..1000"},
    [TLS] = {"GS_TLS", "tls", "off", "off: TLS ends at a proxy in front (deploy/up.sh --tls)"},
    [AUDIT_DAYS] = {"GS_AUDIT_DAYS", "audit-days", "365", "days that the audit log is kept; 0: for ever"},
    [RETENTION] = {"GS_RETENTION", "retention", "forever",
                   "how long events are remembered, by aggregate type: combat=30d,*=365d (s, m, h, d or forever)"},
    [MAX_SKEW] = {"GS_MAX_SKEW", "max-skew", "60000", "milliseconds that a peer's clock may be ahead of ours"},
    [VERIFY_INTERVAL] = {"GS_VERIFY_INTERVAL", "verify-interval", "300000",
                         "milliseconds between comparisons of digests with all peers; 0: never"},
    [BOOTSTRAP_EVENTS] = {"GS_BOOTSTRAP_EVENTS", "bootstrap-events", "10000",
                          "events that an empty node must lack before it takes a snapshot instead of the log"},
    [BOOTSTRAP_RATE] = {"GS_BOOTSTRAP_RATE", "bootstrap-rate", "0",
                        "bytes a second that a snapshot may take on the way; 0: as fast as it goes"},
    [SYNC_INTERVAL] = {"GS_SYNC_INTERVAL", "sync-interval", "500",
                       "milliseconds between comparisons with a random peer"},
    [ACK_INTERVAL] = {"GS_ACK_INTERVAL", "ack-interval", "5000",
                      "milliseconds until a node that only receives acknowledges"},
    [START_WAIT] = {"GS_START_WAIT", "start-wait", "1500",
                    "milliseconds to wait for peers before the first write after a restart"},
    [CLOSE_AFTER] =
        {"GS_CLOSE_AFTER", "close-after", "30000",
         "milliseconds that nothing must come of an ended life of this region before it is closed; 0: never"},
};

static void print_help(void) {
    printf("usage: globalstate serve [--FLAG VALUE]…\n\nRuns the node of one region until SIGINT or SIGTERM.\n\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        printf("  %-22s --%-20s %s", settings[i].name, settings[i].flag, settings[i].help);
        if (settings[i].fallback != NULL && settings[i].fallback[0] != '\0') {
            printf(" (default %s)", settings[i].fallback);
        }
        printf("\n");
    }
}

extern char **environ;

/* A misspelt GS_ variable would otherwise be a setting that silently does nothing. */
static int check_environment(struct gs_problem *problem) {
    for (char **entry = environ; *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '=');
        if (equals == NULL || strncmp(*entry, "GS_", 3) != 0) {
            continue;
        }
        size_t length = (size_t)(equals - *entry);
        bool known = false;
        for (int i = 0; i < SETTING_COUNT; i++) {
            known = known || (strlen(settings[i].name) == length && strncmp(*entry, settings[i].name, length) == 0);
        }
        if (!known) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), *entry);
            return gs_problem_set(problem, GS_EINVAL, name, "no such setting; `globalstate serve --help` lists them");
        }
    }
    return 0;
}

static int read_flags(int argc, char **argv, const char *values[SETTING_COUNT], struct gs_problem *problem) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 1;
        }
        int found = -1;
        for (int j = 0; j < SETTING_COUNT; j++) {
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, settings[j].flag) == 0) {
                found = j;
            }
        }
        if (found < 0) {
            return gs_problem_set(problem, GS_EINVAL, argv[i], "no such flag; `globalstate serve --help` lists them");
        }
        if (++i == argc) {
            return gs_problem_set(problem, GS_EINVAL, argv[i - 1], "the flag needs a value");
        }
        values[found] = argv[i];
    }
    return 0;
}

static int read_number(const char *values[SETTING_COUNT], enum setting setting, uint64_t least, uint64_t most,
                       uint64_t *ret_number, struct gs_problem *problem) {
    const char *text = values[setting];
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most) {
        return gs_problem_set(problem, GS_EINVAL, settings[setting].name, "\"%s\" is not a number from %llu to %llu",
                              text, (unsigned long long)least, (unsigned long long)most);
    }
    *ret_number = number;
    return 0;
}

static int read_numbers(const char *values[SETTING_COUNT], struct gs_serve_config *config, struct gs_problem *problem) {
    uint64_t threads = 0;
    uint64_t failures = 0;
    int error = read_number(values, HTTP_THREADS, 4, 16384, &threads, problem);
    config->http_threads = (uint32_t)threads;
    if (error == 0) {
        error = read_number(values, BREAKER_THRESHOLD, 1, GS_BREAKER_THRESHOLD_MAX, &failures, problem);
        config->breaker_threshold = (uint32_t)failures;
    }
    if (error == 0) {
        error = read_number(values, L1_BYTES, UINT64_C(1) << 20, UINT64_C(1) << 40, &config->l1_bytes, problem);
    }
    if (error == 0) {
        error = read_number(values, AUDIT_DAYS, 0, 36500, &config->audit_days, problem);
    }
    if (error == 0) {
        error = read_number(values, MAX_SKEW, 1, UINT64_C(86400000), &config->max_skew_ms, problem);
    }
    if (error == 0) {
        error = read_number(values, VERIFY_INTERVAL, 0, UINT64_C(86400000), &config->verify_interval_ms, problem);
    }
    if (error == 0) {
        error = read_number(values, BOOTSTRAP_EVENTS, 1, UINT64_C(1) << 62, &config->bootstrap_events, problem);
    }
    if (error == 0) {
        error = read_number(values, BOOTSTRAP_RATE, 0, UINT64_C(1) << 40, &config->bootstrap_rate, problem);
    }
    if (error == 0) {
        error = read_number(values, SYNC_INTERVAL, 10, 3600000, &config->sync_interval_ms, problem);
    }
    if (error == 0) {
        error = read_number(values, ACK_INTERVAL, 10, 3600000, &config->ack_interval_ms, problem);
    }
    if (error == 0) {
        error = read_number(values, START_WAIT, 0, 600000, &config->start_wait_ms, problem);
    }
    if (error == 0) {
        error = read_number(values, CLOSE_AFTER, 0, UINT64_C(86400000), &config->close_after_ms, problem);
    }
    return error;
}

/* *ret_choice: which of `choices`, a list that ends with NULL. `choices_text` names them for whoever chose another. */
static int read_choice(const char *values[SETTING_COUNT], enum setting setting, const char *const *choices,
                       const char *choices_text, uint32_t *ret_choice, struct gs_problem *problem) {
    for (uint32_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], values[setting]) == 0) {
            *ret_choice = i;
            return 0;
        }
    }
    return gs_problem_set(problem, GS_EINVAL, settings[setting].name, "\"%s\" is none of %s", values[setting],
                          choices_text);
}

static int read_http(const char *values[SETTING_COUNT], struct gs_serve_config *config, struct gs_problem *problem) {
    static const char *const levels[] = {"off", "errors", "refusals", "all", NULL};
    static const char *const schedulings[] = {"shared", "realtime", NULL};
    uint32_t scheduling = 0;
    uint64_t address = 0;
    uint64_t subject = 0;
    uint64_t queue_target = 0;
    if (strcmp(values[TLS], "off") != 0) {
        return gs_problem_set(problem, GS_EINVAL, settings[TLS].name,
                              "this node does not speak TLS itself: put a proxy in front that ends it, as deploy/up.sh "
                              "--tls does with HAProxy");
    }
    int error = read_number(values, RATE_ADDRESS, 0, 10000000, &address, problem);
    if (error == 0) {
        error = read_number(values, RATE_SUBJECT, 0, 10000000, &subject, problem);
    }
    if (error == 0) {
        error = read_number(values, QUEUE_TARGET, 0, 60000, &queue_target, problem);
    }
    config->queue_target_ms = (uint32_t)queue_target;
    config->rate_address = (uint32_t)address;
    config->rate_subject = (uint32_t)subject;
    config->trusted_proxies = values[TRUSTED_PROXIES];
    config->cors_origins = values[CORS_ORIGINS];
    if (error == 0) {
        error = read_choice(values, HTTP_LOG, levels, "off, errors, refusals and all", &config->http_log, problem);
    }
    if (error == 0) {
        error = read_choice(values, SCHEDULING, schedulings, "shared and realtime", &scheduling, problem);
    }
    config->realtime = scheduling == 1;
    return error;
}

static int read_seeds(const char *text, struct gs_serve_config *config, struct gs_problem *problem) {
    char *list = gs_arena_copy(&config->arena, text, strlen(text) + 1);
    if (list == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, settings[SEEDS].name, "out of memory");
    }
    char *rest = NULL;
    for (char *seed = strtok_r(list, ", ", &rest); seed != NULL; seed = strtok_r(NULL, ", ", &rest)) {
        if (config->seed_count == GS_SEEDS_MAX) {
            return gs_problem_set(problem, GS_EINVAL, settings[SEEDS].name, "more than %d peers", GS_SEEDS_MAX);
        }
        if (strchr(seed, ':') == NULL) {
            return gs_problem_set(problem, GS_EINVAL, settings[SEEDS].name, "\"%s\" is not HOST:PORT", seed);
        }
        config->seeds[config->seed_count++] = seed;
    }
    return 0;
}

static int read_retention(const char *value, struct gs_serve_config *config, struct gs_problem *problem) {
    struct gs_problem cause = {0};
    int error = gs_retention_parse(value, &config->retention, &cause);
    return error == 0 ? 0 : gs_problem_set(problem, error, settings[RETENTION].name, "%s", cause.detail);
}

static int require(const char *values[SETTING_COUNT], enum setting setting, const char **ret_value,
                   struct gs_problem *problem) {
    if (values[setting] == NULL || values[setting][0] == '\0') {
        return gs_problem_set(problem, GS_EINVAL, settings[setting].name, "is required (or --%s)",
                              settings[setting].flag);
    }
    *ret_value = values[setting];
    return 0;
}

static int read_identity(const char *values[SETTING_COUNT], struct gs_serve_config *config,
                         struct gs_problem *problem) {
    int error = require(values, REGION, &config->region, problem);
    if (error == 0 && !gs_region_name_valid(config->region, strlen(config->region))) {
        error =
            gs_problem_set(problem, GS_EINVAL, settings[REGION].name, "\"%s\" is not a region name", config->region);
    }
    if (error == 0) {
        error = require(values, KEY_FILE, &config->key_file, problem);
    }
    if (error == 0) {
        error = require(values, TRUST_FILE, &config->trust_file, problem);
    }
    if (error == 0) {
        error = require(values, CLUSTER, &config->cluster, problem);
    }
    return error;
}

static int read_auth(const char *values[SETTING_COUNT], struct gs_serve_config *config, struct gs_problem *problem) {
    const char *mode = values[AUTH];
    if (strcmp(mode, "on") != 0 && strcmp(mode, "off") != 0) {
        return gs_problem_set(problem, GS_EINVAL, settings[AUTH].name, "\"%s\" is neither on nor off", mode);
    }
    config->auth_off = strcmp(mode, "off") == 0;
    config->jwt_secret = values[JWT_SECRET];
    config->jwt_secret_file = values[JWT_SECRET] == NULL ? values[JWT_SECRET_FILE] : NULL;
    config->jwt_public_key_file = values[JWT_PUBLIC_KEY_FILE];
    config->jwt_keys_file = values[JWT_KEYS_FILE];
    config->jwt_deny_file = values[JWT_DENY_FILE];
    config->jwt_issuer = values[JWT_ISSUER];
    config->jwt_audience = values[JWT_AUDIENCE];
    bool none = config->jwt_secret == NULL && config->jwt_secret_file == NULL && config->jwt_public_key_file == NULL &&
                config->jwt_keys_file == NULL;
    if (!config->auth_off && none) {
        return gs_problem_set(
            problem, GS_EINVAL, settings[JWT_SECRET].name,
            "no JWT_SECRET, JWT_SECRET_FILE, JWT_PUBLIC_KEY_FILE or JWT_KEYS_FILE: without a key nobody "
            "could be let in (GS_AUTH=off serves loopback without tokens)");
    }
    return 0;
}

/* BEFORE ‖ data directory ‖ AFTER */
static int in_data_dir(struct gs_serve_config *config, const char *before, const char *after, const char **ret_text) {
    size_t size = strlen(before) + strlen(config->data_dir) + strlen(after) + 1;
    char *text = gs_arena_alloc(&config->arena, size);
    if (text == NULL) {
        return GS_ENOMEM;
    }
    snprintf(text, size, "%s%s%s", before, config->data_dir, after);
    *ret_text = text;
    return 0;
}

int gs_serve_config_read(int argc, char **argv, struct gs_serve_config *ret_config, struct gs_problem *problem) {
    const char *values[SETTING_COUNT];
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *value = getenv(settings[i].name);
        values[i] = value != NULL && value[0] != '\0' ? value : settings[i].fallback;
    }
    struct gs_serve_config config = {0};
    int error = read_flags(argc, argv, values, problem);
    if (error == 0) {
        error = check_environment(problem);
    }
    if (error == 0) {
        error = read_identity(values, &config, problem);
    }
    if (error == 0) {
        error = read_auth(values, &config, problem);
    }
    if (error == 0) {
        error = read_numbers(values, &config, problem);
    }
    if (error == 0) {
        error = read_retention(values[RETENTION], &config, problem);
    }
    if (error == 0) {
        error = read_http(values, &config, problem);
    }
    if (error == 0) {
        error = read_seeds(values[SEEDS], &config, problem);
    }
    config.server_addr = values[SERVER_ADDR];
    config.gossip_addr = values[GOSSIP_ADDR];
    config.advertise_addr = values[ADVERTISE_ADDR];
    config.data_dir = values[DATA_DIR];
    config.database_url = values[DATABASE_URL];
    if (error == 0 && config.database_url == NULL) {
        error = in_data_dir(&config, "sqlite:", "/globalstate.db", &config.database_url);
    }
    if (error == 0) {
        error = in_data_dir(&config, "", "/notes", &config.notes_directory);
    }
    if (error != 0) {
        gs_arena_close(&config.arena);
        return error;
    }
    *ret_config = config;
    return 0;
}

void gs_serve_config_close(struct gs_serve_config *config) {
    gs_arena_close(&config->arena);
}
