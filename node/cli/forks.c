/* `globalstate forks`: origins that have signed two histories; `forks decide`: which one is kept. */
#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_DEPTH = GS_VALUE_DEPTH_MAX + 8, PATH_MAX_BYTES = 128 };

struct choice {
    const char *keep;     /* NULL: the lower hash */
    const char *others;   /* "import" or "drop" */
    const char *importer; /* NULL: whoever has it */
    const char *reason;
};

static void print_text(struct gs_slice map, const char *name, const char *after) {
    struct gs_slice value = gs_map_get(map, name);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice text = value.length > 0 && gs_value_kind(value) == GS_KIND_STR ? gs_read_str(&reader, value.length)
                                                                                   : (struct gs_slice){0};
    printf("%.*s%s", (int)text.length, text.bytes != NULL ? (const char *)text.bytes : "", after);
}

static void print_json(struct gs_slice map, const char *name, const char *after) {
    struct gs_slice value = gs_map_get(map, name);
    struct gs_buffer out = {0};
    if (value.length > 0) {
        gs_json_write(value, &out);
    }
    printf("%.*s%s", (int)out.length, out.bytes != NULL ? (const char *)out.bytes : "", after);
    gs_buffer_close(&out);
}

static bool is_true(struct gs_slice map, const char *name) {
    static const uint8_t yes = 0xc3;
    struct gs_slice value = gs_map_get(map, name);
    return value.length == 1 && value.bytes[0] == yes;
}

/* Calls `print` for each member of an array. */
static void each(struct gs_slice map, const char *name, void (*print)(struct gs_slice)) {
    struct gs_slice array = gs_map_get(map, name);
    struct gs_reader reader;
    gs_reader_init(&reader, array.bytes, array.length);
    reader.nodes_left = UINT32_MAX;
    uint32_t count = array.length > 0 ? gs_read_array(&reader, UINT32_MAX) : 0;
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        print(gs_read_value(&reader));
    }
}

static void print_branch(struct gs_slice branch) {
    printf("    branch ");
    print_text(branch, "hash", "  from event ");
    print_json(branch, "firstSeq", "");
    if (is_true(branch, "here")) {
        printf(", applied here: ");
        print_json(branch, "eventsHere", " events");
    }
    if (gs_map_get(branch, "heldBy").length > 0) {
        printf(", applied by ");
        print_text(branch, "heldBy", "");
    }
    printf("\n");
}

static void print_waiting(struct gs_slice waiting) {
    printf("    waiting for it here: ");
    print_json(waiting, "batches", " batches of ");
    print_text(waiting, "region", "\n");
}

static void print_decision(struct gs_slice decision) {
    printf("    decided in ");
    print_text(decision, "region", " at ");
    print_text(decision, "decidedAt", ": keep ");
    print_text(decision, "keep", ", ");
    print_text(decision, "others", " the others ");
    print_text(decision, "importer", "\n");
}

static void print_fork(struct gs_slice fork) {
    print_text(fork, "region", "  origin ");
    print_text(fork, "origin", "  ");
    print_text(fork, "state", "");
    if (is_true(fork, "located")) {
        printf("  histories part after event ");
        print_json(fork, "pointSeq", "");
    }
    printf("\n");
    each(fork, "branches", print_branch);
    each(fork, "waiting", print_waiting);
    each(fork, "decisions", print_decision);
}

static void print_refused(struct gs_slice refused) {
    printf("    not written again: event ");
    print_json(refused, "seq", " of ");
    print_text(refused, "region", ": ");
    print_text(refused, "detail", "\n");
}

static void print_all(struct gs_slice answer) {
    struct gs_slice imports = gs_map_get(answer, "imports");
    each(answer, "items", print_fork);
    printf("written again here: ");
    print_json(imports, "written", ", still to be: ");
    print_json(imports, "waiting", "\n");
    each(imports, "refused", print_refused);
}

static void write_member(const char *name, const char *text, bool first, struct gs_buffer *out) {
    if (text != NULL) {
        gs_buffer_printf(out, "%s\"%s\":", first ? "" : ",", name);
        gs_json_write_string((const uint8_t *)text, strlen(text), out);
    }
}

/* One call; the answer is printed, as JSON if that is wanted. */
static int call(const struct gs_region_view *region, const char *method, const char *path, struct gs_slice body,
                bool json, void (*print)(struct gs_slice)) {
    struct gs_http_answer answer = {0};
    struct gs_buffer value = {0};
    struct gs_problem problem = {0};
    int status = 0;
    int error = gs_http_client_call(region->client, method, path, body, NULL, &answer, &problem);
    if (error != 0) {
        status = gs_cli_fail("forks", "%s: %s", region->url, problem.detail);
    } else if (answer.status != 200) {
        status = gs_cli_fail("forks", "%s answers %ld: %.*s", region->url, answer.status, (int)answer.body.length,
                             (const char *)answer.body.bytes);
    } else if (json) {
        printf("%.*s\n", (int)answer.body.length, (const char *)answer.body.bytes);
    } else if (gs_json_parse((const char *)answer.body.bytes, answer.body.length, ANSWER_DEPTH, &value, &problem) !=
               0) {
        status = gs_cli_fail("forks", "%s does not answer in JSON", region->url);
    } else {
        print(gs_slice_make(value.bytes, value.length));
    }
    gs_buffer_close(&answer.body);
    gs_buffer_close(&value);
    return status;
}

static void print_decided(struct gs_slice decided) {
    print_text(decided, "origin", ": ");
    print_text(decided, "keep", " is kept; the others: ");
    print_text(decided, "others", " ");
    print_text(decided, "importer", "\n");
}

static int decide(const struct gs_region_view *region, const char *origin, const struct choice *choice, bool json) {
    char path[PATH_MAX_BYTES];
    struct gs_buffer body = {0};
    if (strlen(origin) != 2 * 16 || strspn(origin, "0123456789abcdef") != strlen(origin)) {
        return gs_cli_usage("forks", "%s is not an origin: 32 hexadecimal digits, as `globalstate forks` shows",
                            origin);
    }
    if (choice->others == NULL || choice->reason == NULL) {
        return gs_cli_usage("forks", "decide wants --others import|drop and --reason TEXT");
    }
    snprintf(path, sizeof path, "/forks/%s/decide", origin);
    gs_buffer_text(&body, "{");
    write_member("reason", choice->reason, true, &body);
    write_member("others", choice->others, false, &body);
    write_member("keep", choice->keep, false, &body);
    write_member("importer", choice->importer, false, &body);
    gs_buffer_text(&body, "}");
    int status = body.failed != 0
                     ? gs_cli_fail("forks", "out of memory")
                     : call(region, "POST", path, gs_slice_make(body.bytes, body.length), json, print_decided);
    gs_buffer_close(&body);
    return status;
}

int gs_cli_forks(int argc, char **argv) {
    const char *url = "http://127.0.0.1:8087";
    const char *token_file = NULL;
    struct choice choice = {0};
    const char *words[2] = {NULL, NULL};
    struct gs_option options[] = {
        {"url", &url, 1, 0, "the node (default http://127.0.0.1:8087)"},
        {"token-file", &token_file, 1, 0, "file with a JWT; decide wants the scope admin"},
        {"keep", &choice.keep, 1, 0, "decide: hash of the branch that keeps the origin (default: the lower one)"},
        {"others", &choice.others, 1, 0, "decide: import (write their events again) or drop"},
        {"importer", &choice.importer, 1, 0, "decide: the region that imports (default: one that has the branch)"},
        {"reason", &choice.reason, 1, 0, "decide: why, for the history"},
        {"json", NULL, 1, 0, "the node's answer as it is"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t count = 0;
    int parsed = gs_options_parse("forks", "[decide ORIGIN --others import|drop --reason TEXT] [--url URL] …", argc,
                                  argv, options, words, 2, &count);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    bool decides = count == 2 && strcmp(words[0], "decide") == 0;
    if (count > 0 && !decides) {
        return gs_cli_usage("forks", "nothing, or decide ORIGIN, is wanted");
    }
    struct gs_buffer token = {0};
    struct gs_region_view region = {0};
    bool json = options[6].count > 0;
    if (gs_region_token("forks", token_file, &token) != 0) {
        return 1;
    }
    int status = gs_region_open(&region, url, (const char *)token.bytes) != 0 ? gs_cli_fail("forks", "out of memory")
                 : decides                                                    ? decide(&region, words[1], &choice, json)
                           : call(&region, "GET", "/forks", (struct gs_slice){0}, json, print_all);
    gs_region_close(&region);
    gs_buffer_close(&token);
    return status;
}
