/* `globalstate token revoke`: writes tokens into the deny list that nodes read again on SIGHUP. Lines of tokens that
 * have expired leave; everything else in the file stays as it is. */
#include "node/cli/token_revoke.h"
#include "node/auth/deny_list.h"
#include "node/auth/words.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IDS_MAX = 64, CLAIMS_DEPTH = 8 };

static const char usage_line[] = "revoke --deny-file FILE [--jti ID]… [TOKEN]… (\"-\": a token from standard input)";

/* What the claims of a token say. Its signature is not looked at: who revokes need not have the key. */
static int read_claims(struct gs_slice token, struct gs_buffer *claims, struct gs_problem *problem) {
    const uint8_t *first = memchr(token.bytes, '.', token.length);
    const uint8_t *second =
        first == NULL ? NULL : memchr(first + 1, '.', token.length - (size_t)(first + 1 - token.bytes));
    char json[GS_JWT_TOKEN_MAX];
    size_t length = 0;
    if (second == NULL || token.length > GS_JWT_TOKEN_MAX ||
        sodium_base642bin((unsigned char *)json, sizeof json, (const char *)first + 1, (size_t)(second - first - 1),
                          NULL, &length, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0) {
        return gs_problem_set(problem, GS_EINVAL, "", "that is not a token");
    }
    struct gs_problem cause = {0};
    return gs_json_parse(json, length, CLAIMS_DEPTH, claims, &cause) == 0
               ? 0
               : gs_problem_set(problem, GS_EINVAL, "", "the claims of that token are not JSON");
}

static int64_t read_expiry(struct gs_slice value) {
    struct gs_reader reader;
    if (value.bytes == NULL || gs_value_kind(value) != GS_KIND_INT) {
        return INT64_MAX;
    }
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_read_int(&reader);
}

static int add_line(struct gs_slice id, int64_t expires_s, struct gs_buffer *lines, struct gs_problem *problem) {
    if (!gs_jwt_id_valid(id)) {
        return gs_problem_set(problem, GS_EINVAL, "", "an id of a token is 1 to %d printable ASCII characters",
                              GS_JWT_ID_MAX);
    }
    gs_buffer_append(lines, id.bytes, id.length);
    if (expires_s != INT64_MAX) {
        gs_buffer_printf(lines, " %" PRId64, expires_s);
    }
    gs_buffer_text(lines, "\n");
    return lines->failed;
}

static int add_token(const char *text, struct gs_buffer *lines, struct gs_problem *problem) {
    struct gs_buffer claims = {0};
    char line[GS_JWT_TOKEN_MAX + 2];
    if (strcmp(text, "-") == 0) {
        text = fgets(line, sizeof line, stdin) != NULL ? line : "";
    }
    int error = read_claims(gs_slice_make(text, strcspn(text, "\r\n")), &claims, problem);
    struct gs_slice map = gs_slice_make(claims.bytes, claims.length);
    struct gs_slice id = error == 0 ? gs_map_get(map, "jti") : (struct gs_slice){0};
    if (error == 0 && (id.bytes == NULL || gs_value_kind(id) != GS_KIND_STR)) {
        error = gs_problem_set(problem, GS_EINVAL, "",
                               "that token has no `jti`: it cannot be revoked alone, only with "
                               "the key that signed it");
    }
    if (error == 0) {
        struct gs_reader reader;
        gs_reader_init(&reader, id.bytes, id.length);
        id = gs_read_str(&reader, id.length);
        error = add_line(id, read_expiry(gs_map_get(map, "exp")), lines, problem);
    }
    gs_buffer_close(&claims);
    return error;
}

/* Copies the lines of the file that have not expired. */
static int copy_lines(struct gs_slice text, struct gs_buffer *out, struct gs_problem *problem) {
    struct gs_words words = {0};
    struct gs_slice rest = text;
    int64_t now_s = (int64_t)time(NULL);
    while (true) {
        struct gs_slice before = rest;
        if (!gs_words_next(&rest, &words)) {
            return out->failed;
        }
        struct gs_slice line = gs_slice_make(before.bytes, before.length - rest.length);
        struct gs_arena arena = {0};
        struct gs_deny_list list = {0};
        int error = gs_deny_list_parse((const char *)line.bytes, line.length, now_s, &arena, &list, problem);
        gs_arena_close(&arena);
        if (error != 0) {
            return gs_words_refuse(&words, "expected JTI [EXPIRES]", problem);
        }
        if (words.count == 0 || list.count > 0) {
            gs_buffer_append(out, line.bytes, line.length);
            if (line.bytes[line.length - 1] != '\n') {
                gs_buffer_text(out, "\n");
            }
        }
    }
}

static int update(const char *path, const struct gs_buffer *lines, struct gs_problem *problem) {
    struct gs_buffer old = {0};
    struct gs_buffer text = {0};
    int error = access(path, F_OK) == 0 ? gs_file_read(path, GS_DENY_FILE_MAX, &old, problem) : 0;
    if (error == 0 && old.length == 0) {
        gs_buffer_text(&text, "# JTI EXPIRES (seconds since 1970)\n");
    } else if (error == 0) {
        error = copy_lines(gs_slice_make(old.bytes, old.length), &text, problem);
    }
    gs_buffer_append(&text, lines->bytes, lines->length);
    if (error == 0 && text.failed != 0) {
        error = gs_problem_set(problem, text.failed, "", "out of memory");
    }
    if (error == 0) {
        error = gs_file_replace(path, text.bytes, text.length, problem);
    }
    gs_buffer_close(&old);
    gs_buffer_close(&text);
    return error;
}

int gs_cli_token_revoke(int argc, char **argv) {
    const char *path = NULL;
    const char *ids[IDS_MAX];
    const char *tokens[IDS_MAX];
    uint32_t token_count = 0;
    struct gs_option options[] = {
        {"deny-file", &path, 1, 0, "the nodes' JWT_DENY_FILE; made if it is not there (required)"},
        {"jti", ids, IDS_MAX, 0, "the id of a token, where the token is not at hand; may repeat"},
        {NULL, NULL, 0, 0, NULL},
    };
    int parsed = gs_options_parse("token", usage_line, argc, argv, options, tokens, IDS_MAX, &token_count);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (path == NULL || token_count + options[1].count == 0) {
        return gs_cli_usage("token", "%s", usage_line);
    }
    struct gs_buffer lines = {0};
    struct gs_problem problem = {0};
    int error = 0;
    for (uint32_t i = 0; i < options[1].count && error == 0; i++) {
        error = add_line(gs_slice_make(ids[i], strlen(ids[i])), INT64_MAX, &lines, &problem);
    }
    for (uint32_t i = 0; i < token_count && error == 0; i++) {
        error = add_token(tokens[i], &lines, &problem);
    }
    if (error == 0) {
        error = update(path, &lines, &problem);
    }
    gs_buffer_close(&lines);
    if (error != 0) {
        return gs_cli_fail("token", "%s", problem.detail);
    }
    printf("%u revoked in %s; nodes take it over on SIGHUP\n", (unsigned)(token_count + options[1].count), path);
    return 0;
}
