/* `globalstate export`: everything that a region has written down about one subject, one JSON document a line. */
#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"
#include "node/cli/subject_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_DEPTH = 40, PAGE = 500 };

static void print_all(struct gs_slice answer, const char *list, const char *kind) {
    struct gs_slice items = gs_map_get(answer, list);
    struct gs_reader reader;
    struct gs_buffer line = {0};
    gs_reader_init(&reader, items.bytes, items.length);
    reader.nodes_left = UINT32_MAX;
    for (uint32_t left = gs_value_kind(items) == GS_KIND_ARRAY ? gs_read_array(&reader, UINT32_MAX) : 0; left > 0;
         left--) {
        line.length = 0;
        gs_json_write(gs_skip_value(&reader), &line);
        printf("{\"%s\":%.*s}\n", kind, (int)line.length, (const char *)line.bytes);
    }
    gs_buffer_close(&line);
    fflush(stdout);
}

/* One page: the exit status; `ret_next` (owned by the caller) is NULL at the end. */
static int show_page(struct gs_region_view *region, const char *subject, const char *cursor, char **ret_next) {
    struct gs_buffer path = {0};
    struct gs_buffer value = {0};
    struct gs_http_answer answer = {0};
    struct gs_problem problem = {0};
    int status = 0;
    gs_subject_path_write(subject, "export", &path);
    gs_buffer_printf(&path, "?limit=%d%s%s", PAGE, cursor != NULL ? "&cursor=" : "", cursor != NULL ? cursor : "");
    gs_buffer_byte(&path, '\0');
    if (path.failed != 0 || gs_http_client_call(region->client, "GET", (const char *)path.bytes, (struct gs_slice){0},
                                                NULL, &answer, &problem) != 0) {
        status = gs_cli_fail("export", "%s: %s", region->url, problem.detail);
    } else if (answer.status != 200) {
        status = gs_cli_fail("export", "%s answers %ld: %.*s", region->url, answer.status, (int)answer.body.length,
                             (const char *)answer.body.bytes);
    } else if (gs_json_parse((const char *)answer.body.bytes, answer.body.length, ANSWER_DEPTH, &value, &problem) !=
               0) {
        status = gs_cli_fail("export", "%s answers what is not JSON: %s", region->url, problem.detail);
    }
    if (status == 0) {
        struct gs_slice map = gs_slice_make(value.bytes, value.length);
        struct gs_slice next = gs_map_get(map, "next");
        print_all(map, "events", "event");
        print_all(map, "audit", "audit");
        if (gs_value_kind(next) == GS_KIND_STR) {
            struct gs_reader reader;
            gs_reader_init(&reader, next.bytes, next.length);
            struct gs_slice text = gs_read_str(&reader, SIZE_MAX);
            *ret_next = calloc(1, text.length + 1); /* no strndup: the text has no end of its own */
            if (*ret_next != NULL) {
                memcpy(*ret_next, text.bytes, text.length);
            }
            status = *ret_next == NULL ? gs_cli_fail("export", "out of memory") : 0;
        }
    }
    gs_buffer_close(&path);
    gs_buffer_close(&value);
    gs_buffer_close(&answer.body);
    return status;
}

static int show(struct gs_region_view *region, const char *subject, const char *from) {
    char *cursor = from != NULL ? strdup(from) : NULL;
    int status = 0;
    do {
        char *next = NULL;
        status = show_page(region, subject, cursor, &next);
        if (status != 0 && cursor != NULL) {
            fprintf(stderr, "to go on: --cursor %s\n", cursor);
        }
        free(cursor);
        cursor = next;
    } while (status == 0 && cursor != NULL);
    free(cursor);
    return status;
}

int gs_cli_export(int argc, char **argv) {
    const char *url = "http://127.0.0.1:8087";
    const char *token_file = NULL;
    const char *subject = NULL;
    const char *cursor = NULL;
    struct gs_option options[] = {
        {"subject", &subject, 1, 0, "whose: the subject of the tokens (required)"},
        {"url", &url, 1, 0, "the node (default http://127.0.0.1:8087)"},
        {"token-file", &token_file, 1, 0, "file with a JWT (scope admin)"},
        {"cursor", &cursor, 1, 0, "where an export that failed said that it goes on"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("export", "--subject SUBJECT [--url URL] [--token-file FILE] [--cursor CURSOR]", argc,
                                  argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (subject == NULL) {
        return gs_cli_usage("export", "--subject is required");
    }
    struct gs_buffer token = {0};
    struct gs_region_view region = {0};
    if (gs_region_token("export", token_file, &token) != 0) {
        return 1;
    }
    int status = gs_region_open(&region, url, (const char *)token.bytes) != 0 ? gs_cli_fail("export", "out of memory")
                                                                              : show(&region, subject, cursor);
    gs_region_close(&region);
    gs_buffer_close(&token);
    return status;
}
