#include "node/cli/sync_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30, STEP_PERCENT = 10, DIGEST_SHOWN = 16 };

void gs_show_text(struct gs_slice map, const char *member, char *ret_text, size_t size) {
    struct gs_slice value = gs_map_get(map, member);
    struct gs_reader reader;
    ret_text[0] = '\0';
    if (gs_value_kind(value) == GS_KIND_STR) {
        gs_reader_init(&reader, value.bytes, value.length);
        struct gs_slice text = gs_read_str(&reader, SIZE_MAX);
        snprintf(ret_text, size, "%.*s", (int)text.length, text.bytes != NULL ? (const char *)text.bytes : "");
    }
}

uint64_t gs_show_number(struct gs_slice map, const char *member) {
    struct gs_slice value = gs_map_get(map, member);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_INT ? gs_read_uint(&reader) : 0;
}

bool gs_show_flag(struct gs_slice map, const char *member) {
    struct gs_slice value = gs_map_get(map, member);
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return gs_value_kind(value) == GS_KIND_BOOL && gs_read_bool(&reader);
}

/* Before the first item of a list; the number of items. */
static uint32_t open_list(struct gs_slice map, const char *member, struct gs_reader *ret_reader) {
    struct gs_slice list = gs_map_get(map, member);
    gs_reader_init(ret_reader, list.bytes, list.length);
    return gs_value_kind(list) == GS_KIND_ARRAY ? gs_read_array(ret_reader, UINT32_MAX) : 0;
}

static void draw_peer(struct gs_slice peer, uint64_t percent) {
    char region[72], stage[40], bar[BAR + 1];
    gs_show_text(peer, "region", region, sizeof region);
    gs_show_text(peer, "stage", stage, sizeof stage);
    for (uint64_t i = 0; i < BAR; i++) {
        bar[i] = i * 100 < percent * BAR ? '#' : '.';
    }
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[K%-16s [%s] %3" PRIu64 "%%  %s  %" PRIu64 " events in, %" PRIu64 " out  %" PRIu64 " B/s\n",
            region, bar, percent, stage, gs_show_number(peer, "eventsReceived"), gs_show_number(peer, "eventsSent"),
            gs_show_number(peer, "bytesPerSecond"));
}

static void say_peer(struct gs_slice peer, uint64_t percent) {
    char region[72], stage[40];
    gs_show_text(peer, "region", region, sizeof region);
    gs_show_text(peer, "stage", stage, sizeof stage);
    fprintf(stderr, "%s: %3" PRIu64 "%%  %s\n", region, percent, stage);
}

void gs_sync_show_progress(struct gs_sync_show *show, struct gs_slice sync) {
    struct gs_reader reader;
    uint32_t count = show->json ? 0 : open_list(sync, "peers", &reader);
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (terminal && show->lines > 0) {
        fprintf(stderr, "\033[%uA", show->lines);
    }
    count = count < GS_SYNC_SHOW_PEERS_MAX ? count : GS_SYNC_SHOW_PEERS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice peer = gs_skip_value(&reader);
        uint64_t percent = gs_show_number(peer, "percent");
        if (terminal) {
            draw_peer(peer, percent);
        } else if (percent >= show->percents[i] + STEP_PERCENT || (percent == 100 && show->percents[i] < 100)) {
            say_peer(peer, percent);
            show->percents[i] = (uint32_t)percent;
        }
    }
    show->lines = terminal ? count : 0;
}

static void print_fields(struct gs_slice difference) {
    struct gs_reader reader;
    for (uint32_t left = open_list(difference, "fields", &reader); left > 0; left--) {
        struct gs_slice field = gs_skip_value(&reader);
        struct gs_buffer ours = {0};
        struct gs_buffer theirs = {0};
        char path[520];
        gs_show_text(field, "path", path, sizeof path);
        gs_json_write(gs_map_get(field, "local"), &ours);
        gs_json_write(gs_map_get(field, "remote"), &theirs);
        printf("      %s  here %.*s  there %.*s\n", path[0] != '\0' ? path : "(history)", (int)ours.length,
               (const char *)ours.bytes, (int)theirs.length, (const char *)theirs.bytes);
        gs_buffer_close(&ours);
        gs_buffer_close(&theirs);
    }
}

static void print_differences(struct gs_slice peer) {
    struct gs_reader reader;
    for (uint32_t left = open_list(peer, "differences", &reader); left > 0; left--) {
        struct gs_slice difference = gs_skip_value(&reader);
        char type[136], id[136], fault[16];
        gs_show_text(difference, "aggregateType", type, sizeof type);
        gs_show_text(difference, "aggregateId", id, sizeof id);
        gs_show_text(difference, "fault", fault, sizeof fault);
        printf("    %s/%s  at fault: %s%s\n", type, id, fault,
               gs_show_flag(difference, "repaired") ? ", repaired" : "");
        print_fields(difference);
    }
}

static void print_peer(struct gs_slice peer) {
    char region[72], ours[72], theirs[72], error[200];
    gs_show_text(peer, "region", region, sizeof region);
    gs_show_text(peer, "localDigest", ours, sizeof ours);
    gs_show_text(peer, "remoteDigest", theirs, sizeof theirs);
    gs_show_text(peer, "error", error, sizeof error);
    const char *verdict = error[0] != '\0' ? error : gs_show_flag(peer, "converged") ? "equal" : "DIFFERENT";
    printf("%-16s %-*.*s  %-*.*s  %8" PRIu64 "  %8" PRIu64 "  %s\n", region, DIGEST_SHOWN, DIGEST_SHOWN,
           ours[0] != '\0' ? ours : "-", DIGEST_SHOWN, DIGEST_SHOWN, theirs[0] != '\0' ? theirs : "-",
           gs_show_number(peer, "aggregatesDiffering"), gs_show_number(peer, "aggregatesRepaired"), verdict);
    print_differences(peer);
}

static void print_plan(struct gs_slice peer) {
    struct gs_slice plan = gs_map_get(peer, "plan");
    char region[72], method[16], error[200];
    gs_show_text(peer, "region", region, sizeof region);
    gs_show_text(peer, "error", error, sizeof error);
    gs_show_text(plan, "method", method, sizeof method);
    printf("%-16s by %s: %" PRIu64 " events to receive, %" PRIu64 " to send, about %" PRIu64 " bytes%s%s\n", region,
           method, gs_show_number(plan, "eventsToReceive"), gs_show_number(plan, "eventsToSend"),
           gs_show_number(plan, "bytes"), error[0] != '\0' ? "  " : "", error);
}

int gs_sync_show_result(const struct gs_sync_show *show, struct gs_slice sync) {
    char status[16];
    struct gs_reader reader;
    bool plan = gs_show_flag(sync, "dryRun");
    bool converged = gs_show_flag(sync, "converged");
    gs_show_text(sync, "status", status, sizeof status);
    bool completed = strcmp(status, "completed") == 0;
    int result = completed && (converged || plan) ? 0 : 1;
    if (show->json) {
        struct gs_buffer text = {0};
        gs_json_write(sync, &text);
        printf("%.*s\n", (int)text.length, (const char *)text.bytes);
        gs_buffer_close(&text);
        return result;
    }
    if (!plan) {
        printf("%-16s %-*s  %-*s  %8s  %8s\n", "region", DIGEST_SHOWN, "digest here", DIGEST_SHOWN, "digest there",
               "differ", "repaired");
    }
    uint32_t count = open_list(sync, "peers", &reader);
    for (uint32_t i = 0; i < count; i++) {
        struct gs_slice peer = gs_skip_value(&reader);
        if (plan) {
            print_plan(peer);
        } else {
            print_peer(peer);
        }
    }
    uint64_t healed = gs_show_number(gs_map_get(sync, "log"), "healed");
    if (healed > 0) {
        printf("%" PRIu64 " records of this region's log were damaged, and are whole again\n", healed);
    }
    char error[200];
    gs_show_text(sync, "error", error, sizeof error);
    if (error[0] != '\0') {
        printf("%s\n", error);
    }
    if (!plan) {
        printf("%s\n", result == 0 ? "CONVERGED: all regions of the sync have the same state at the same vector"
                       : completed ? "NOT CONVERGED: the digests differ"
                                   : "the sync did not come to its end: nothing is proved for what failed");
    }
    return result;
}
