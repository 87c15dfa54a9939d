/* `globalstate salvage`: of a stopped node whose log has damage that no region can heal: what would be lost, and, with
 * --yes, the log without it. */
#include "node/history/salvage.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct task {
    const char *url, *data_dir, *cluster;
    struct gs_trust trust;
    bool yes;
};

static void print_losses(const struct gs_salvage *salvage) {
    printf("%" PRIu64 " records are damaged, the first is record %" PRIu64 ".\n", salvage->damaged, salvage->first);
    printf("A log that ends before it loses %" PRIu64 " records, unless other regions have them:\n", salvage->records);
    for (uint32_t i = 0; i < salvage->loss_count; i++) {
        const struct gs_salvage_loss *loss = &salvage->losses[i];
        if (loss->first_seq > 0) {
            printf("  %s (origin %02x%02x%02x…): events %" PRIu64 " to %" PRIu64 "\n",
                   loss->region[0] != '\0' ? loss->region : "a region that no sound record names",
                   loss->origin.bytes[0], loss->origin.bytes[1], loss->origin.bytes[2], loss->first_seq,
                   loss->last_seq);
        }
    }
}

static int cut(const struct task *task, struct gs_store *store, const struct gs_salvage *salvage) {
    char notes[4096];
    int length = snprintf(notes, sizeof notes, "%s/notes", task->data_dir);
    int error = length < 0 || (size_t)length >= sizeof notes ? GS_ETOOBIG : gs_salvage_cut(store, salvage, notes);
    if (error == GS_EINVAL) {
        return gs_cli_fail("salvage",
                           "the log begins after record %" PRIu64
                           ", where older ones were removed: it cannot be cut. Move the store away and start the node "
                           "empty: it takes a snapshot from another region",
                           store->log_base.position);
    }
    if (error != 0) {
        return gs_cli_fail("salvage", "%s", gs_error_message(error));
    }
    printf("Done: the log ends with record %" PRIu64 ". The node goes on as a new incarnation.\n", salvage->first - 1);
    return 0;
}

static int salvage_store(const struct task *task, struct gs_store *store) {
    const gs_cluster cluster = gs_cluster_from_name(task->cluster);
    struct gs_salvage salvage = {0};
    int error = gs_salvage_look(store, &cluster, &task->trust, &salvage);
    if (error != 0) {
        return gs_cli_fail("salvage", "the log cannot be looked through: %s", gs_error_message(error));
    }
    int status = 0;
    if (salvage.first == 0) {
        printf("No record is damaged beyond help: nothing to do.\n");
    } else {
        print_losses(&salvage);
        if (task->yes) {
            status = cut(task, store, &salvage);
        } else {
            printf(
                "Nothing was changed. Start the node while a region that has them runs, and they are fetched; to give "
                "them up, copy the store and say --yes.\n");
            status = 1;
        }
    }
    gs_salvage_close(&salvage);
    return status;
}

static int run(struct task *task, const char *trust_file) {
    struct gs_problem problem = {0};
    struct gs_store *store = NULL;
    if (gs_trust_file_read(trust_file, &task->trust, &problem) != 0 ||
        gs_store_open(task->url, &store, &problem) != 0) {
        gs_trust_close(&task->trust);
        return gs_cli_fail("salvage", "%s", problem.detail);
    }
    int status = salvage_store(task, store);
    store->methods->close(store);
    gs_trust_close(&task->trust);
    return status;
}

int gs_cli_salvage(int argc, char **argv) {
    const char *trust_file = NULL;
    struct task task = {.cluster = "globalstate"};
    struct gs_option options[] = {
        {"store", &task.url, 1, 0, "the store, as DATABASE_URL has it (required)"},
        {"data-dir", &task.data_dir, 1, 0, "GS_DATA_DIR of the node (required)"},
        {"trust", &trust_file, 1, 0, "the trust file (required)"},
        {"cluster", &task.cluster, 1, 0, "the cluster's name (default globalstate)"},
        {"yes", NULL, 1, 0, "take out of the log what is shown"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("salvage", "--store URL --data-dir DIR --trust FILE [--cluster NAME] [--yes]", argc,
                                  argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (task.url == NULL || task.data_dir == NULL || trust_file == NULL) {
        return gs_cli_usage("salvage", "--store, --data-dir and --trust are required");
    }
    task.yes = options[4].count > 0;
    return run(&task, trust_file);
}
