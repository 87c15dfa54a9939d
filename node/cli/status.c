#include "node/cli/command_line.h"
#include "node/cli/options.h"
#include "node/cli/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *default_urls[] = {"http://127.0.0.1:8087"};

static void print_text(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice text = gs_read_str(&reader, value.length);
    printf("%.*s", (int)text.length, (const char *)text.bytes);
}

static void print_json(struct gs_slice value) {
    struct gs_buffer out = {0};
    if (value.length > 0) {
        gs_json_write(value, &out);
    }
    printf("%.*s", (int)out.length, out.bytes != NULL ? (const char *)out.bytes : "");
    gs_buffer_close(&out);
}

static bool is_true(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_BOOL && gs_read_bool(&reader);
}

static void print_peer(struct gs_slice peer) {
    struct gs_slice lag = gs_map_get(peer, "lag");
    printf("    → ");
    print_text(gs_map_get(peer, "region"));
    if (is_true(gs_map_get(peer, "retired"))) { /* what it lacks it will never ask for */
        printf("  retired\n");
        return;
    }
    printf("  ");
    print_text(gs_map_get(peer, "state"));
    struct gs_slice via = gs_map_get(peer, "via");
    if (gs_value_kind(via) == GS_KIND_STR) {
        printf(" through ");
        print_text(via);
    }
    printf("  round trip ");
    print_json(gs_map_get(peer, "roundTripMs"));
    printf(" ms  behind by ");
    print_json(gs_map_get(lag, "events"));
    printf(" events, ");
    print_json(gs_map_get(lag, "bytes"));
    printf(" bytes, ");
    print_json(gs_map_get(lag, "seconds"));
    printf(" s\n");
}

static struct gs_slice root_of(const struct gs_region_view *region) {
    return gs_map_get(gs_slice_make(region->digest.bytes, region->digest.length), "root");
}

static void print_region(const struct gs_region_view *region) {
    if (region->error != 0) {
        printf("%s  unreachable: %s\n", region->url, region->problem.detail);
        return;
    }
    print_text(gs_region_member(region, "region"));
    printf("  %s  vector ", region->url);
    print_json(gs_region_member(region, "vector"));
    printf("\n");
    struct gs_slice counters = gs_region_member(region, "counters");
    printf("    quarantine ");
    print_json(gs_map_get(counters, "heldNow"));
    printf("  forks ");
    print_json(gs_map_get(counters, "forks"));
    printf("  conflicts ");
    print_json(gs_map_get(counters, "conflictsKnown"));
    printf("  digest ");
    print_text(root_of(region));
    printf("\n");
    struct gs_slice peers = gs_region_member(region, "peers");
    struct gs_reader reader;
    gs_reader_init(&reader, peers.bytes, peers.length);
    uint32_t count = gs_read_array(&reader, GS_REGIONS_MAX);
    for (uint32_t i = 0; i < count && reader.error == 0; i++) {
        print_peer(gs_read_value(&reader));
    }
}

static bool all_agree(const struct gs_region_view *regions, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (regions[i].error != 0 ||
            gs_slice_compare(gs_region_member(&regions[i], "vector"), gs_region_member(&regions[0], "vector")) != 0) {
            return false;
        }
    }
    return true;
}

/* The members of an object behind others, and its end. */
static void print_members(struct gs_slice object) {
    struct gs_buffer text = {0};
    gs_json_write(object, &text);
    if (text.failed == 0 && text.length > 2) {
        printf(",%.*s", (int)text.length - 1, (const char *)text.bytes + 1);
    } else {
        printf("}");
    }
    gs_buffer_close(&text);
}

static void print_all_json(const struct gs_region_view *regions, uint32_t count, bool agree) {
    printf("{\"converged\":%s,\"regions\":[", agree ? "true" : "false");
    for (uint32_t i = 0; i < count; i++) {
        printf("%s", i > 0 ? "," : "");
        if (regions[i].error == 0) {
            printf("{\"url\":\"%s\",\"digest\":", regions[i].url);
            print_json(gs_slice_make(regions[i].digest.bytes, regions[i].digest.length));
            print_members(gs_slice_make(regions[i].cluster.bytes, regions[i].cluster.length));
        } else {
            struct gs_buffer reason = {0};
            gs_json_write_string(regions[i].problem.detail, strlen(regions[i].problem.detail), &reason);
            printf("{\"url\":\"%s\",\"error\":%.*s}", regions[i].url, (int)reason.length, (const char *)reason.bytes);
            gs_buffer_close(&reason);
        }
    }
    printf("]}\n");
}

static int show(struct gs_region_view *regions, uint32_t count, bool json) {
    bool reached = true;
    for (uint32_t i = 0; i < count; i++) {
        reached = gs_region_refresh(&regions[i]) == 0 && gs_region_digest(&regions[i]) == 0 && reached;
    }
    bool agree = all_agree(regions, count);
    if (json) {
        print_all_json(regions, count, agree);
        return reached ? 0 : 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        print_region(&regions[i]);
    }
    if (count > 1) {
        printf(agree ? "CONVERGED: all %u regions have the same vector\n"
                     : "not converged: the vectors of the %u regions differ\n",
               count);
    }
    return reached ? 0 : 1;
}

int gs_cli_status(int argc, char **argv) {
    const char *urls[GS_REGIONS_MAX];
    const char *token_file = NULL;
    struct gs_option options[] = {
        {"url", urls, GS_REGIONS_MAX, 0, "a node; may repeat (default http://127.0.0.1:8087)"},
        {"token-file", &token_file, 1, 0, "file with a JWT"},
        {"json", NULL, 1, 0, "machine-readable"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed =
        gs_options_parse("status", "[--url URL]… [--token-file FILE] [--json]", argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    const char **wanted = options[0].count > 0 ? urls : default_urls;
    uint32_t count = options[0].count > 0 ? options[0].count : 1;
    struct gs_buffer token = {0};
    if (gs_region_token("status", token_file, &token) != 0) {
        return 1;
    }
    struct gs_region_view *regions = calloc(count, sizeof *regions);
    int status = regions != NULL ? 0 : gs_cli_fail("status", "out of memory");
    for (uint32_t i = 0; status == 0 && i < count; i++) {
        if (gs_region_open(&regions[i], wanted[i], (const char *)token.bytes) != 0) {
            status = gs_cli_fail("status", "out of memory");
        }
    }
    if (status == 0) {
        status = show(regions, count, options[2].count > 0);
    }
    for (uint32_t i = 0; regions != NULL && i < count; i++) {
        gs_region_close(&regions[i]);
    }
    free(regions);
    gs_buffer_close(&token);
    return status;
}
