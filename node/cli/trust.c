/* `globalstate trust list|add|revoke`: the trust file, read and written as a whole; comments and order stay. */
#include "gossip/trust.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024, CUT_TEXT_MAX = 2048 };

static const char usage_line[] = "list|add|revoke --file FILE [--region NAME] [--key BASE64] [--cut ORIGIN:SEQ,…]";

struct request {
    const char *file;
    const char *region;
    const char *key;
    const char *cuts;
};

/* A file that is not there is an empty one for `add`. */
static int read_trust(const struct request *request, bool may_lack, struct gs_buffer *ret_text,
                      struct gs_trust *ret_trust, struct gs_problem *problem) {
    FILE *file = may_lack ? fopen(request->file, "r") : NULL;
    bool lacks = may_lack && file == NULL;
    if (file != NULL) {
        fclose(file);
    }
    int error = lacks ? 0 : gs_file_read(request->file, FILE_MAX, ret_text, problem);
    if (error == 0) {
        const char *text = ret_text->length > 0 ? (const char *)ret_text->bytes : "";
        error = gs_trust_parse(text, ret_text->length, ret_trust, problem);
        if (error != 0) {
            struct gs_problem cause = *problem;
            gs_problem_set(problem, error, request->file, "%s, %s: %s", request->file, cause.field, cause.detail);
        }
    }
    return error;
}

static void print_entry(const struct gs_trust_entry *entry) {
    char key[45];
    gs_public_key_text(&entry->key, key);
    printf("%-24s %s%s", entry->region, key, entry->revoked ? " revoked" : "");
    for (uint32_t i = 0; i < entry->cut_count; i++) {
        printf("%s", i == 0 ? " up to " : ", ");
        for (int j = 0; j < GS_ORIGIN_SIZE; j++) {
            printf("%02x", entry->cuts[i].origin.bytes[j]);
        }
        printf(":%llu", (unsigned long long)entry->cuts[i].seq);
    }
    printf("\n");
}

static int list(const struct gs_trust *trust) {
    for (uint32_t i = 0; i < trust->count; i++) {
        print_entry(&trust->entries[i]);
    }
    return 0;
}

/* Writes the new text only if it parses. */
static int write_checked(const struct request *request, const struct gs_buffer *text, struct gs_problem *problem) {
    struct gs_trust trust = {0};
    int error = text->failed;
    if (error == 0) {
        error = gs_trust_parse((const char *)text->bytes, text->length, &trust, problem);
    }
    gs_trust_close(&trust);
    return error != 0 ? error : gs_file_replace(request->file, text->bytes, text->length, problem);
}

static int add(const struct request *request, struct gs_buffer *text, struct gs_problem *problem) {
    if (text->length > 0 && text->bytes[text->length - 1] != '\n') {
        gs_buffer_text(text, "\n");
    }
    gs_buffer_printf(text, "%s %s\n", request->region, request->key);
    return write_checked(request, text, problem);
}

static bool is_wanted(const struct request *request, const struct gs_trust_entry *entry) {
    char key[45];
    gs_public_key_text(&entry->key, key);
    return !entry->revoked && (request->region == NULL || strcmp(entry->region, request->region) == 0) &&
           (request->key == NULL || strcmp(key, request->key) == 0);
}

/* Copies the text, with `revoked` and the cut-offs behind the key on its line. */
static void revoke_line(const struct gs_buffer *text, const char *key, const char *cuts, struct gs_buffer *out) {
    const char *at = (const char *)text->bytes;
    const char *end = at + text->length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline != NULL ? newline : end) - at);
        const char *comment = memchr(at, '#', length);
        size_t words = comment != NULL ? (size_t)(comment - at) : length;
        const char *found = NULL;
        for (size_t i = 0; found == NULL && i + strlen(key) <= words; i++) {
            found = memcmp(at + i, key, strlen(key)) == 0 ? at + i + strlen(key) : NULL;
        }
        if (found != NULL) {
            gs_buffer_append(out, at, (size_t)(found - at));
            gs_buffer_text(out, " revoked");
            for (const char *cut = cuts; cut != NULL && *cut != '\0'; cut++) {
                if (cut == cuts) {
                    gs_buffer_text(out, " ");
                }
                gs_buffer_byte(out, *cut == ',' ? ' ' : (uint8_t)*cut);
            }
            gs_buffer_append(out, found, length - (size_t)(found - at));
        } else {
            gs_buffer_append(out, at, length);
        }
        gs_buffer_text(out, "\n");
        at = newline != NULL ? newline + 1 : end;
    }
}

static int revoke(const struct request *request, const struct gs_trust *trust, const struct gs_buffer *text,
                  struct gs_problem *problem) {
    const struct gs_trust_entry *wanted = NULL;
    for (uint32_t i = 0; i < trust->count; i++) {
        if (!is_wanted(request, &trust->entries[i])) {
            continue;
        }
        if (wanted != NULL) {
            return gs_problem_set(problem, GS_EINVAL, "region", "%s has several keys: name one with --key",
                                  request->region);
        }
        wanted = &trust->entries[i];
    }
    if (wanted == NULL) {
        return gs_problem_set(problem, GS_ENOTFOUND, "region", "%s lists no such key that is not revoked already",
                              request->file);
    }
    char key[45];
    struct gs_buffer out = {0};
    gs_public_key_text(&wanted->key, key);
    revoke_line(text, key, request->cuts, &out);
    int error = write_checked(request, &out, problem);
    gs_buffer_close(&out);
    return error;
}

static int carry_out(const char *action, const struct request *request, struct gs_problem *problem) {
    struct gs_buffer text = {0};
    struct gs_trust trust = {0};
    int error = read_trust(request, strcmp(action, "add") == 0, &text, &trust, problem);
    if (error == 0) {
        error = strcmp(action, "list") == 0  ? list(&trust)
                : strcmp(action, "add") == 0 ? add(request, &text, problem)
                                             : revoke(request, &trust, &text, problem);
    }
    gs_trust_close(&trust);
    gs_buffer_close(&text);
    return error;
}

static int check_request(const char *action, const struct request *request) {
    bool adding = strcmp(action, "add") == 0;
    if (request->file == NULL) {
        return gs_cli_usage("trust", "--file is required");
    }
    if (adding && (request->region == NULL || request->key == NULL)) {
        return gs_cli_usage("trust", "add needs --region and --key, as `globalstate keygen` prints them");
    }
    if (strcmp(action, "revoke") == 0 && request->region == NULL && request->key == NULL) {
        return gs_cli_usage("trust", "revoke needs --region or --key");
    }
    if (request->cuts != NULL && (adding || strlen(request->cuts) > CUT_TEXT_MAX)) {
        return gs_cli_usage("trust", "--cut is for revoke, with at most %d cut-offs", GS_TRUST_CUTS_MAX);
    }
    return 0;
}

int gs_cli_trust(int argc, char **argv) {
    struct request request = {0};
    struct gs_option options[] = {
        {"file", &request.file, 1, 0, "the trust file (required)"},
        {"region", &request.region, 1, 0, "a region's name"},
        {"key", &request.key, 1, 0, "a public key, base64"},
        {"cut", &request.cuts, 1, 0,
         "what of a revoked key is still taken, so that all regions end with the same: ORIGIN:SEQ,…"},
        {NULL, NULL, 0, 0, NULL},
    };
    const char *action = NULL;
    uint32_t words = 0;
    int parsed = gs_options_parse("trust", usage_line, argc, argv, options, &action, 1, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (words != 1 || (strcmp(action, "list") != 0 && strcmp(action, "add") != 0 && strcmp(action, "revoke") != 0)) {
        return gs_cli_usage("trust", "say what to do: %s", usage_line);
    }
    int wrong = check_request(action, &request);
    if (wrong != 0) {
        return wrong;
    }
    struct gs_problem problem = {0};
    if (carry_out(action, &request, &problem) != 0) {
        return gs_cli_fail("trust", "%s", problem.detail);
    }
    if (strcmp(action, "list") != 0) {
        fprintf(stderr, "globalstate trust: %s written; running nodes read it again on SIGHUP\n", request.file);
    }
    return 0;
}
