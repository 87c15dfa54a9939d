#include "node/auth/auth.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATTERNS_MAX = GS_AGGREGATE_PATTERNS_MAX, DAYS_MAX = 3650 };

struct wanted {
    const char *secret_file;
    const char *subject;
    const char *scopes;
    const char *days;
    const char *issuer;
    const char *audience;
    const char *patterns[PATTERNS_MAX];
    uint32_t pattern_count;
};

static int read_secret(const struct wanted *wanted, struct gs_buffer *ret_secret, struct gs_problem *problem) {
    const char *secret = getenv("JWT_SECRET");
    if (wanted->secret_file != NULL) {
        return gs_file_read_line(wanted->secret_file, ret_secret, problem);
    }
    if (secret == NULL) {
        return gs_problem_set(problem, GS_EINVAL, "", "--secret-file or JWT_SECRET is required");
    }
    gs_buffer_append(ret_secret, secret, strlen(secret) + 1);
    return ret_secret->failed;
}

static int check(const struct wanted *wanted, uint64_t *ret_days) {
    struct gs_slice unknown = {0};
    (void)gs_scopes_parse(gs_slice_make(wanted->scopes, strlen(wanted->scopes)), &unknown);
    if (unknown.length > 0) {
        return gs_cli_usage("token", "there is no scope \"%.*s\"", (int)unknown.length, (const char *)unknown.bytes);
    }
    for (uint32_t i = 0; i < wanted->pattern_count; i++) {
        if (!gs_pattern_valid(gs_slice_make(wanted->patterns[i], strlen(wanted->patterns[i])))) {
            return gs_cli_usage("token", "\"%s\" is not an aggregate pattern like player/*", wanted->patterns[i]);
        }
    }
    return gs_option_number("token", "days", wanted->days, 1, DAYS_MAX, ret_days) ? 0 : 2;
}

static int mint(const struct wanted *wanted, uint64_t days) {
    struct gs_buffer secret = {0};
    struct gs_buffer token = {0};
    struct gs_problem problem = {0};
    int error = read_secret(wanted, &secret, &problem);
    if (error == 0) {
        struct gs_jwt_key key = {.algorithm = GS_JWT_HS256, .bytes = gs_slice_make(secret.bytes, secret.length - 1)};
        int64_t now = (int64_t)time(NULL);
        struct gs_jwt_claims claims = {
            .subject = wanted->subject,
            .scope = wanted->scopes,
            .aggregates = wanted->pattern_count > 0 ? wanted->patterns : NULL,
            .aggregate_count = wanted->pattern_count,
            .issuer = wanted->issuer,
            .audience = wanted->audience,
            .issued_s = now,
            .expires_s = now + (int64_t)days * 86400,
        };
        error = gs_jwt_mint(&key, &claims, &token);
        if (error != 0) {
            gs_problem_set(&problem, error, "", "the secret must have %d..%d bytes", GS_JWT_SECRET_MIN,
                           GS_JWT_SECRET_MAX);
        }
    }
    int status = 0;
    if (error == 0) {
        printf("%.*s\n", (int)token.length, (const char *)token.bytes);
    } else {
        status = gs_cli_fail("token", "%s", problem.detail);
    }
    if (secret.bytes != NULL) {
        sodium_memzero(secret.bytes, secret.length);
    }
    gs_buffer_close(&secret);
    gs_buffer_close(&token);
    return status;
}

int gs_cli_token(int argc, char **argv) {
    struct wanted wanted = {.scopes = "state:read state:write events:read events:write", .days = "1"};
    struct gs_option options[] = {
        {"secret-file", &wanted.secret_file, 1, 0, "file with the HS256 key (default: the variable JWT_SECRET)"},
        {"subject", &wanted.subject, 1, 0, "who the token is for (required)"},
        {"scopes", &wanted.scopes, 1, 0, "names with spaces between; \"admin\" is everything"},
        {"days", &wanted.days, 1, 0, "how long it is good (default 1)"},
        {"aggregate", wanted.patterns, PATTERNS_MAX, 0, "a pattern like player/* that it is limited to; may repeat"},
        {"issuer", &wanted.issuer, 1, 0, "`iss`, where the nodes check it"},
        {"audience", &wanted.audience, 1, 0, "`aud`, where the nodes check it"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("token", "--subject NAME [--secret-file FILE] [--scopes \"…\"] …", argc, argv,
                                  options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (wanted.subject == NULL || wanted.subject[0] == '\0') {
        return gs_cli_usage("token", "--subject is required");
    }
    wanted.pattern_count = options[4].count;
    uint64_t days = 0;
    int status = check(&wanted, &days);
    return status != 0 ? status : mint(&wanted, days);
}
