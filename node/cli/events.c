/* `globalstate events`: the history of an aggregate, or a region's whole feed, a line an event. */
#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAGE = 500, POLL_MS = 500, ANSWER_DEPTH = GS_VALUE_DEPTH_MAX + 8 };

struct wanted {
    struct gs_region_view region;
    const char *aggregate; /* "type/id"; NULL: the feed */
    const char *cursor;
    bool newest_first;
    bool follow;
    bool json;
    uint64_t limit;
    uint64_t printed;
};

static struct gs_slice text_of(struct gs_slice map, const char *name) {
    struct gs_slice value = gs_map_get(map, name);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_STR ? gs_read_str(&reader, value.length) : (struct gs_slice){0};
}

static void print_text(struct gs_slice map, const char *name, const char *after) {
    struct gs_slice text = text_of(map, name);
    printf("%.*s%s", (int)text.length, text.bytes != NULL ? (const char *)text.bytes : "", after);
}

static void print_json(struct gs_slice value, const char *after) {
    struct gs_buffer out = {0};
    if (value.length > 0) {
        gs_json_write(value, &out);
    }
    printf("%.*s%s", (int)out.length, out.bytes != NULL ? (const char *)out.bytes : "", after);
    gs_buffer_close(&out);
}

static void print_change(struct gs_slice change) {
    print_text(change, "aggregateType", "/");
    print_text(change, "aggregateId", " v");
    print_json(gs_map_get(change, "version"), " ");
    print_json(gs_map_get(change, "ops"), "");
}

/* time region seq type actor [signature]  aggregate version ops */
static void print_line(struct gs_slice event) {
    print_text(event, "timestamp", "  ");
    print_text(event, "region", "#");
    print_json(gs_map_get(event, "seq"), "  ");
    print_text(event, "eventType", "  by ");
    print_text(event, "actor", "  [");
    print_text(event, "signature", "]  ");
    struct gs_slice changes = gs_map_get(event, "changes");
    if (gs_value_kind(changes) != GS_KIND_ARRAY) {
        print_change(event);
    } else {
        struct gs_reader reader;
        gs_reader_init(&reader, changes.bytes, changes.length);
        for (uint32_t left = gs_read_array(&reader, UINT32_MAX); left > 0; left--) {
            print_change(gs_skip_value(&reader));
            printf("%s", left > 1 ? "; " : "");
        }
    }
    printf("\n");
}

static void print_events(struct wanted *wanted, struct gs_slice answer) {
    struct gs_slice events = gs_map_get(answer, "events");
    struct gs_reader reader;
    gs_reader_init(&reader, events.bytes, events.length);
    reader.nodes_left = UINT32_MAX;
    for (uint32_t left = gs_value_kind(events) == GS_KIND_ARRAY ? gs_read_array(&reader, UINT32_MAX) : 0;
         left > 0 && wanted->printed < wanted->limit; left--) {
        struct gs_slice event = gs_skip_value(&reader);
        wanted->printed++;
        if (wanted->json) {
            print_json(event, "\n");
        } else {
            print_line(event);
        }
    }
    fflush(stdout);
}

static void write_path(const struct wanted *wanted, const char *cursor, struct gs_buffer *path) {
    uint64_t left = wanted->limit - wanted->printed;
    unsigned limit = left < PAGE ? (unsigned)left : PAGE;
    if (wanted->aggregate == NULL) {
        gs_buffer_printf(path, "/events?limit=%u%s%s", limit, cursor != NULL ? "&since=" : "",
                         cursor != NULL ? cursor : "");
    } else {
        gs_buffer_printf(path, "/events/%s?limit=%u&order=%s%s%s", wanted->aggregate, limit,
                         wanted->newest_first ? "desc" : "asc", cursor != NULL ? "&cursor=" : "",
                         cursor != NULL ? cursor : "");
    }
    gs_buffer_byte(path, '\0');
}

/* One page: the exit status, with the next cursor (owned by the caller; NULL at the end) and whether there is more now.
 */
static int show_page(struct wanted *wanted, const char *cursor, char **ret_next, bool *ret_more) {
    struct gs_buffer path = {0};
    struct gs_buffer value = {0};
    struct gs_http_answer answer = {0};
    struct gs_problem problem = {0};
    write_path(wanted, cursor, &path);
    int status = 0;
    if (gs_http_client_call(wanted->region.client, "GET", (const char *)path.bytes, (struct gs_slice){0}, NULL, &answer,
                            &problem) != 0) {
        status = gs_cli_fail("events", "%s: %s", wanted->region.url, problem.detail);
    } else if (answer.status != 200) {
        status = gs_cli_fail("events", "%s answers %ld: %.*s", wanted->region.url, answer.status,
                             (int)answer.body.length, (const char *)answer.body.bytes);
    } else if (gs_json_parse((const char *)answer.body.bytes, answer.body.length, ANSWER_DEPTH, &value, &problem) !=
               0) {
        status = gs_cli_fail("events", "%s answers what is not JSON: %s", wanted->region.url, problem.detail);
    }
    if (status == 0) {
        struct gs_slice map = gs_slice_make(value.bytes, value.length);
        struct gs_slice next = text_of(map, "next");
        print_events(wanted, map);
        *ret_next = next.bytes != NULL ? strndup((const char *)next.bytes, next.length) : NULL;
        struct gs_slice more = gs_map_get(map, "more");
        *ret_more = more.bytes != NULL ? more.bytes[0] == 0xc3 : next.bytes != NULL;
    }
    gs_buffer_close(&path);
    gs_buffer_close(&value);
    gs_buffer_close(&answer.body);
    return status;
}

static int show(struct wanted *wanted) {
    char *cursor = wanted->cursor != NULL ? strdup(wanted->cursor) : NULL;
    bool more = true;
    int status = 0;
    while (status == 0 && wanted->printed < wanted->limit && (more || wanted->follow)) {
        static const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        if (!more) {
            nanosleep(&pause, NULL);
        }
        char *next = NULL;
        status = show_page(wanted, cursor, &next, &more);
        free(cursor);
        cursor = next;
    }
    free(cursor);
    return status;
}

int gs_cli_events(int argc, char **argv) {
    const char *url = "http://127.0.0.1:8087";
    const char *token_file = NULL;
    const char *limit = "1000000000";
    const char *since = NULL;
    struct wanted wanted = {0};
    struct gs_option options[] = {
        {"url", &url, 1, 0, "the node (default http://127.0.0.1:8087)"},
        {"token-file", &token_file, 1, 0, "file with a JWT"},
        {"limit", &limit, 1, 0, "at most so many"},
        {"since", &since, 1, 0, "feed: where to go on (a cursor, or \"now\")"},
        {"newest", NULL, 1, 0, "history: newest first"},
        {"follow", NULL, 1, 0, "feed: go on as events come"},
        {"json", NULL, 1, 0, "one JSON document a line"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words = 0;
    int parsed = gs_options_parse("events", "[TYPE/ID] [--url URL] [--token-file FILE] …", argc, argv, options,
                                  &wanted.aggregate, 1, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (!gs_option_number("events", "limit", limit, 1, UINT64_MAX / 2, &wanted.limit)) {
        return 2;
    }
    wanted.newest_first = options[4].count > 0;
    wanted.follow = options[5].count > 0;
    wanted.json = options[6].count > 0;
    wanted.cursor = since;
    if (words > 0 && (since != NULL || wanted.follow)) {
        return gs_cli_usage("events", "--since and --follow are for the feed, without TYPE/ID");
    }
    struct gs_buffer token = {0};
    if (gs_region_token("events", token_file, &token) != 0) {
        return 1;
    }
    int status = gs_region_open(&wanted.region, url, (const char *)token.bytes) != 0
                     ? gs_cli_fail("events", "out of memory")
                     : show(&wanted);
    gs_region_close(&wanted.region);
    gs_buffer_close(&token);
    return status;
}
