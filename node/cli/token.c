#include "node/auth/auth.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"
#include "node/cli/token_revoke.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ID_BYTES = 12 /* of a random `jti` */, ID_SIZE = 17 /* in base64, with the NUL */ };

enum { PATTERNS_MAX = GS_AGGREGATE_PATTERNS_MAX, DAYS_MAX = 3650 };

struct wanted {
    const char *secret_file;
    const char *key_file;
    const char *kid;
    const char *id;
    const char *subject;
    const char *scopes;
    const char *days;
    const char *minutes;
    const char *delay;
    const char *issuer;
    const char *audience;
    const char *patterns[PATTERNS_MAX];
    uint32_t pattern_count;
};

/* Seconds. */
struct life {
    uint64_t delay_s;
    uint64_t length_s;
};

static int read_secret(const struct wanted *wanted, struct gs_buffer *ret_secret, struct gs_problem *problem) {
    const char *secret = getenv("JWT_SECRET");
    if (wanted->secret_file != NULL) {
        return gs_file_read_line(wanted->secret_file, ret_secret, problem);
    }
    if (secret == NULL) {
        return gs_problem_set(problem, GS_EINVAL, "", "--secret-file, --key-file or JWT_SECRET is required");
    }
    gs_buffer_append(ret_secret, secret, strlen(secret) + 1);
    return ret_secret->failed;
}

/* The key to sign with; its bytes in `bytes`. */
static int read_key(const struct wanted *wanted, struct gs_buffer *bytes, struct gs_jwt_key *ret_key,
                    struct gs_problem *problem) {
    struct gs_key_pair pair;
    int error = 0;
    if (wanted->key_file != NULL) {
        error = gs_key_file_read(wanted->key_file, &pair, problem);
        if (error == 0) {
            gs_buffer_append(bytes, pair.secret_key, sizeof pair.secret_key);
            error = bytes->failed;
        }
        sodium_memzero(&pair, sizeof pair);
        *ret_key = (struct gs_jwt_key){.algorithm = GS_JWT_EDDSA, .bytes = gs_slice_make(bytes->bytes, bytes->length)};
    } else {
        error = read_secret(wanted, bytes, problem);
        *ret_key = (struct gs_jwt_key){.algorithm = GS_JWT_HS256,
                                       .bytes = gs_slice_make(bytes->bytes, error == 0 ? bytes->length - 1 : 0)};
    }
    if (wanted->kid != NULL) {
        ret_key->kid = gs_slice_make(wanted->kid, strlen(wanted->kid));
    }
    return error;
}

static int check(const struct wanted *wanted, struct life *ret_life) {
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
    if (wanted->secret_file != NULL && wanted->key_file != NULL) {
        return gs_cli_usage("token", "--secret-file and --key-file are two ways to sign: choose one");
    }
    if (wanted->kid != NULL && (wanted->kid[0] == '\0' || strlen(wanted->kid) > GS_JWT_KID_MAX)) {
        return gs_cli_usage("token", "--kid: 1 to %d bytes", GS_JWT_KID_MAX);
    }
    if (wanted->id != NULL && !gs_jwt_id_valid(gs_slice_make(wanted->id, strlen(wanted->id)))) {
        return gs_cli_usage("token", "--jti: 1 to %d printable ASCII characters without \"#\"", GS_JWT_ID_MAX);
    }
    if (wanted->days != NULL && wanted->minutes != NULL) {
        return gs_cli_usage("token", "--days and --minutes: choose one");
    }
    uint64_t count = 1;
    bool valid = true;
    if (wanted->minutes != NULL) {
        valid = gs_option_number("token", "minutes", wanted->minutes, 1, DAYS_MAX * 1440, &count);
    } else if (wanted->days != NULL) {
        valid = gs_option_number("token", "days", wanted->days, 1, DAYS_MAX, &count);
    }
    ret_life->length_s = count * (wanted->minutes != NULL ? 60 : 86400);
    valid = valid && (wanted->delay == NULL ||
                      gs_option_number("token", "delay", wanted->delay, 0, DAYS_MAX * 86400, &ret_life->delay_s));
    return valid ? 0 : 2;
}

static int mint(const struct wanted *wanted, const struct life *life) {
    struct gs_buffer secret = {0};
    struct gs_buffer token = {0};
    struct gs_problem problem = {0};
    struct gs_jwt_key key = {0};
    char id[ID_SIZE];
    uint8_t random[ID_BYTES];
    randombytes_buf(random, sizeof random);
    sodium_bin2base64(id, sizeof id, random, sizeof random, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int error = read_key(wanted, &secret, &key, &problem);
    if (error == 0) {
        int64_t from = (int64_t)time(NULL) + (int64_t)life->delay_s;
        struct gs_jwt_claims claims = {
            .subject = wanted->subject,
            .scope = wanted->scopes,
            .aggregates = wanted->pattern_count > 0 ? wanted->patterns : NULL,
            .aggregate_count = wanted->pattern_count,
            .id = wanted->id != NULL ? wanted->id : id,
            .issuer = wanted->issuer,
            .audience = wanted->audience,
            .issued_s = (int64_t)time(NULL),
            .not_before_s = life->delay_s > 0 ? from : 0,
            .expires_s = from + (int64_t)life->length_s,
        };
        error = gs_jwt_mint(&key, &claims, &token);
        if (error != 0) {
            gs_problem_set(&problem, error, "", "the secret must have %d..%d bytes, and the token at most %d",
                           GS_JWT_SECRET_MIN, GS_JWT_SECRET_MAX, GS_JWT_TOKEN_MAX);
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
    if (argc > 0 && strcmp(argv[0], "revoke") == 0) {
        return gs_cli_token_revoke(argc - 1, argv + 1);
    }
    struct wanted wanted = {.scopes = "state:read state:write events:read events:write"};
    struct gs_option options[] = {
        {"secret-file", &wanted.secret_file, 1, 0, "file with the HS256 key (default: the variable JWT_SECRET)"},
        {"key-file", &wanted.key_file, 1, 0, "file of `globalstate keygen`: an Ed25519 token, for JWT_PUBLIC_KEY_FILE"},
        {"kid", &wanted.kid, 1, 0, "id of the key, where the nodes have a JWT_KEYS_FILE"},
        {"jti", &wanted.id, 1, 0, "the token's id, by which it can be revoked (default: a random one)"},
        {"subject", &wanted.subject, 1, 0, "who the token is for (required)"},
        {"scopes", &wanted.scopes, 1, 0, "names with spaces between; \"admin\" is everything"},
        {"days", &wanted.days, 1, 0, "how long it is good (default 1)"},
        {"minutes", &wanted.minutes, 1, 0, "the same in minutes"},
        {"delay", &wanted.delay, 1, 0, "seconds until it begins to be good (default 0)"},
        {"aggregate", wanted.patterns, PATTERNS_MAX, 0, "a pattern like player/* that it is limited to; may repeat"},
        {"issuer", &wanted.issuer, 1, 0, "`iss`, where the nodes check it"},
        {"audience", &wanted.audience, 1, 0, "`aud`, where the nodes check it"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("token", "[revoke] --subject NAME [--secret-file FILE | --key-file FILE] …", argc,
                                  argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (wanted.subject == NULL || wanted.subject[0] == '\0') {
        return gs_cli_usage("token", "--subject is required");
    }
    for (const struct gs_option *option = options; option->name != NULL; option++) {
        wanted.pattern_count = option->values == wanted.patterns ? option->count : wanted.pattern_count;
    }
    struct life life = {0};
    int status = check(&wanted, &life);
    return status != 0 ? status : mint(&wanted, &life);
}
