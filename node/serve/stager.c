#include "node/serve/stager.h"
#include "node/serve/log.h"

#include "node/serve/stage.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gs_stager {
    char path[PATH_MAX];
    gs_cluster cluster;
    void (*installed)(void *context, int error);
    void *context;
    bool broken; /* something could not be kept: what is staged is not to be installed */
};

/* A part of a bootstrap, or its end, on its way through the store's thread. */
struct staging {
    struct gs_stager *stager;
    struct gs_buffer bytes;          /* owned */
    struct gs_core_install *install; /* owned; NULL: only the bytes */
};

struct gs_stager *gs_stager_new(const char *path, const gs_cluster *cluster,
                                void (*installed)(void *context, int error), void *context) {
    struct gs_stager *stager = calloc(1, sizeof *stager);
    if (stager != NULL) {
        stager->cluster = *cluster;
        stager->installed = installed;
        stager->context = context;
        snprintf(stager->path, sizeof stager->path, "%s", path);
    }
    return stager;
}

void gs_stager_free(struct gs_stager *stager) {
    free(stager);
}

static void free_staging(struct staging *staging) {
    gs_buffer_close(&staging->bytes);
    gs_core_install_free(staging->install);
    free(staging);
}

static int perform(struct gs_store *store, void *context) {
    const struct staging *staging = context;
    const struct gs_stager *stager = staging->stager;
    return staging->install != NULL
               ? gs_stage_install(stager->path, store, &stager->cluster, staging->install)
               : gs_stage_append(stager->path, gs_slice_make(staging->bytes.bytes, staging->bytes.length));
}

static void on_performed(void *context, int error) {
    struct staging *staging = context;
    struct gs_stager *stager = staging->stager;
    bool is_install = staging->install != NULL;
    free_staging(staging);
    if (!is_install) {
        stager->broken = stager->broken || error != 0;
        return;
    }
    if (error != 0) {
        gs_log(GS_LOG_ERROR, "snapshot_failed", "a snapshot could not be installed: %s", gs_error_message(error));
    }
    gs_stage_remove(stager->path);
    stager->installed(stager->context, error);
}

static void put(struct gs_stager *stager, struct gs_store_thread *store, struct gs_buffer *bytes,
                struct gs_core_install *install) {
    struct staging *staging = calloc(1, sizeof *staging);
    if (staging == NULL) {
        stager->broken = true;
        gs_core_install_free(install);
        return;
    }
    *staging = (struct staging){.stager = stager, .install = install};
    if (bytes != NULL) {
        staging->bytes = *bytes;
        *bytes = (struct gs_buffer){0};
    }
    if (gs_store_thread_call(store, perform, on_performed, staging) != 0) {
        stager->broken = true;
        free_staging(staging);
    }
}

bool gs_stager_carry_out(struct gs_stager *stager, struct gs_store_thread *store, struct gs_update *update) {
    for (uint32_t i = 0; i < update->stage_count; i++) {
        put(stager, store, &update->stages[i], NULL);
    }
    if (update->install == NULL) {
        return false;
    }
    if (!stager->broken) {
        put(stager, store, NULL, update->install);
        update->install = NULL;
    }
    if (stager->broken) { /* the core waits for an answer */
        stager->installed(stager->context, GS_EIO);
    }
    return !stager->broken;
}

static int on_record(void *context, struct gs_slice bytes) {
    struct gs_update update = {0};
    const struct gs_core_event event = {.type = GS_CORE_STAGED, .staged = bytes};
    int error = gs_core_step(context, &event, &update);
    gs_update_clear(&update);
    return error;
}

void gs_stager_load(struct gs_stager *stager, struct gs_core *core) {
    stager->broken = false;
    if (gs_core_applied(core)->count > 0 || gs_stage_visit(stager->path, on_record, core) != 0) {
        gs_stage_remove(stager->path);
    }
}
