/* `globalstate trust list|add|revoke|rotate`: the trust file, read and written as a whole; comments and order stay. */
#include "gossip/trust.h"
#include "gossip/rotation.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1024 * 1024, CUT_TEXT_MAX = 2048 };

static const char usage_line[] =
    "list|add|revoke|rotate --file FILE [--region NAME] [--key BASE64] [--cut ORIGIN:SEQ,…] "
    "[--key-file OLD --new-key-file NEW]";

struct request {
    const char *file;
    const char *region;
    const char *key;
    const char *cuts;
    const char *old_file, *new_file; /* secret keys */
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
    if (entry->rotates) {
        gs_public_key_text(&entry->previous, key);
        printf(" rotates %s", key);
    }
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

static void write_signature(const uint8_t signature[GS_SIGNATURE_SIZE], struct gs_buffer *out) {
    char text[sodium_base64_ENCODED_LEN(GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL)];
    sodium_bin2base64(text, sizeof text, signature, GS_SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL);
    gs_buffer_printf(out, " %s", text);
}

/* Adds a line by which the new key takes the place of the old one, and shows it: it goes into every region's file. */
static int rotate(const struct request *request, const struct gs_trust *trust, struct gs_buffer *text,
                  struct gs_problem *problem) {
    struct gs_key_pair old_pair, new_pair;
    struct gs_rotation rotation;
    struct gs_buffer line = {0};
    char old_key[45], new_key[45];
    int error = gs_key_file_read(request->old_file, &old_pair, problem);
    error = error != 0 ? error : gs_key_file_read(request->new_file, &new_pair, problem);
    if (error != 0) {
        return error;
    }
    const struct gs_trust_entry *entry = gs_trust_find_key(trust, &old_pair.public_key);
    if (entry == NULL || entry->revoked) {
        error = gs_problem_set(problem, GS_ENOTFOUND, "key-file", "%s lists no key that is not revoked for %s",
                               request->file, request->old_file);
    } else {
        gs_rotation_sign(entry->region, &old_pair, &new_pair, &rotation);
        gs_public_key_text(&rotation.old_key, old_key);
        gs_public_key_text(&rotation.new_key, new_key);
        gs_buffer_printf(&line, "%s %s rotates %s", entry->region, new_key, old_key);
        write_signature(rotation.old_signature, &line);
        write_signature(rotation.new_signature, &line);
        gs_buffer_text(text, text->length > 0 && text->bytes[text->length - 1] != '\n' ? "\n" : "");
        gs_buffer_append(text, line.bytes, line.length);
        gs_buffer_text(text, "\n");
        error = line.failed != 0 ? line.failed : write_checked(request, text, problem);
    }
    if (error == 0) {
        printf("%.*s\n", (int)line.length, (const char *)line.bytes);
    }
    sodium_memzero(&old_pair, sizeof old_pair);
    sodium_memzero(&new_pair, sizeof new_pair);
    gs_buffer_close(&line);
    return error;
}

static bool is_wanted(const struct request *request, const struct gs_trust_entry *entry) {
    char key[45];
    gs_public_key_text(&entry->key, key);
    return !entry->revoked && (request->region == NULL || strcmp(entry->region, request->region) == 0) &&
           (request->key == NULL || strcmp(key, request->key) == 0);
}

/* The end of the line's key, its second word, if that is the one; or NULL. A key may also stand behind `rotates`. */
static const char *find_key(const char *line, size_t length, const char *key) {
    size_t at = 0;
    for (int part = 0; part < 3; part++) { /* blanks, the region, blanks */
        while (at < length && (line[at] == ' ' || line[at] == '\t') == (part != 1)) {
            at++;
        }
    }
    bool is_it = at + strlen(key) <= length && memcmp(line + at, key, strlen(key)) == 0;
    return is_it ? line + at + strlen(key) : NULL;
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
        const char *found = find_key(at, words, key);
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
        error = strcmp(action, "list") == 0     ? list(&trust)
                : strcmp(action, "add") == 0    ? add(request, &text, problem)
                : strcmp(action, "rotate") == 0 ? rotate(request, &trust, &text, problem)
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
    bool rotating = strcmp(action, "rotate") == 0;
    if (rotating != (request->old_file != NULL) || rotating != (request->new_file != NULL)) {
        return gs_cli_usage("trust", "rotate needs --key-file and --new-key-file, which are for nothing else");
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
        {"key-file", &request.old_file, 1, 0, "rotate: the region's secret key until now"},
        {"new-key-file", &request.new_file, 1, 0, "rotate: its next one, from `globalstate keygen`"},
        {NULL, NULL, 0, 0, NULL},
    };
    const char *action = NULL;
    uint32_t words = 0;
    int parsed = gs_options_parse("trust", usage_line, argc, argv, options, &action, 1, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (words != 1 || (strcmp(action, "list") != 0 && strcmp(action, "add") != 0 && strcmp(action, "revoke") != 0 &&
                       strcmp(action, "rotate") != 0)) {
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
