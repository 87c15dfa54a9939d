/* One peer of a sync job, from the wait for its link to its verdict. */
#include "node/core/core_impl.h"

#include <stdio.h>
#include <string.h>

static int end_peer(struct gs_core *core, struct gs_sync_peer *peer, enum gs_sync_status status) {
    peer->status = status;
    peer->stage = GS_SYNC_OVER;
    peer->ended_mono_ms = core->mono_ms;
    return 0;
}

static int fail_peer(struct gs_core *core, struct gs_sync_peer *peer, const char *reason) {
    snprintf(peer->error, sizeof peer->error, "%s", reason);
    return end_peer(core, peer, GS_SYNC_FAILED);
}

static int begin_compare(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer,
                         const struct gs_peer_state *link, struct gs_update *update) {
    bool again = peer->stage == GS_SYNC_COMPARE;
    struct gs_verify *verify = again ? &peer->recheck : &peer->found;
    const bool exchanged = job->mode == GS_SYNC_DELTA || job->mode == GS_SYNC_BOOTSTRAP;
    verify->drill = !exchanged && !again;
    verify->mend = job->mode == GS_SYNC_FULL;
    verify->types = job->types;
    verify->type_count = job->type_count;
    peer->stage = again ? GS_SYNC_RECHECK : GS_SYNC_COMPARE;
    int error = gs_verify_begin(core, verify, link->id, &link->key, !exchanged, update);
    return error == GS_EOVERLOADED ? fail_peer(core, peer, "too many comparisons are under way here") : error;
}

/* Of the regions that are linked, the one that follows by name, or the first one. */
static struct gs_peer_state *next_region(struct gs_core *core, const char *region) {
    struct gs_peer_state *next = NULL;
    struct gs_peer_state *first = NULL;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct gs_peer_state *peer = &core->peers[i];
        bool later = strcmp(peer->region, region) > 0;
        next = peer->heard && later && (next == NULL || strcmp(peer->region, next->region) < 0) ? peer : next;
        first = peer->heard && (first == NULL || strcmp(peer->region, first->region) < 0) ? peer : first;
    }
    return next != NULL ? next : first;
}

/* Whose log is looked at: the region that gave the snapshot, or after a while without it any that is linked. NULL: it
 * is waited for; what is shown later is shown as well. */
static struct gs_peer_state *log_of_another(struct gs_core *core, const struct gs_sync_peer *peer) {
    uint64_t since_ms = peer->moved_mono_ms > peer->began_mono_ms ? peer->moved_mono_ms : peer->began_mono_ms;
    return core->mono_ms - since_ms < GS_JOB_LINK_WAIT_MS ? NULL : next_region(core, peer->region);
}

static int begin(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer, struct gs_update *update) {
    struct gs_peer_state *link = NULL;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        bool fits = strcmp(core->peers[i].region, peer->region) == 0 && core->peers[i].heard;
        link = fits ? &core->peers[i] : link;
    }
    if (link == NULL && job->mode == GS_SYNC_HISTORY) {
        link = log_of_another(core, peer);
        if (link == NULL) {
            return 0;
        }
        memcpy(peer->region, link->region, sizeof peer->region);
    } else if (link == NULL) {
        return core->mono_ms - peer->began_mono_ms < GS_JOB_LINK_WAIT_MS
                   ? 0
                   : fail_peer(core, peer, "the region is not linked");
    }
    peer->link = link->id;
    peer->base = link->traffic;
    peer->error[0] = '\0';
    if (job->mode == GS_SYNC_HISTORY) {
        peer->stage = GS_SYNC_BEHIND;
        memcpy(peer->first_region, peer->region, sizeof peer->first_region);
        return gs_behind_begin(core, &peer->behind);
    }
    if (job->mode != GS_SYNC_DELTA && job->mode != GS_SYNC_BOOTSTRAP) {
        return begin_compare(core, job, peer, link, update);
    }
    int error = gs_vector_copy(&peer->want_here, &link->told);
    error = error != 0 ? error : gs_vector_copy(&peer->want_there, &core->stored);
    peer->stage = GS_SYNC_EXCHANGE;
    peer->moved_mono_ms = core->mono_ms;
    peer->missing_first = peer->missing_last = UINT64_MAX;
    return error != 0 ? error : gs_sync_pull(core, link, true, update);
}

static int exchange(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer,
                    struct gs_peer_state *link, struct gs_update *update) {
    uint64_t here = gs_vector_lacking(&core->stored, &peer->want_here);
    uint64_t missing = here + gs_vector_lacking(&link->told, &peer->want_there);
    if (peer->missing_first == UINT64_MAX) {
        peer->missing_first = missing;
    }
    if (missing != peer->missing_last) {
        peer->missing_last = missing;
        peer->moved_mono_ms = core->mono_ms;
    }
    if (missing == 0) {
        return begin_compare(core, job, peer, link, update);
    }
    if (link->has_lost && here > 0 && core->mono_ms - peer->moved_mono_ms >= GS_JOB_GONE_MS) {
        return fail_peer(core, peer, GS_JOB_GONE); /* nobody else has brought it meanwhile, either */
    }
    if (core->mono_ms - peer->moved_mono_ms >= GS_JOB_EXCHANGE_MS) {
        char reason[GS_VERIFY_REASON_SIZE];
        snprintf(reason, sizeof reason, "nothing has moved for a minute, and %llu events are missing",
                 (unsigned long long)missing);
        return fail_peer(core, peer, reason);
    }
    return here > 0 ? gs_sync_pull(core, link, true, update) : 0;
}

/* What counts is the job's types: others may differ. */
static bool has_converged(const struct gs_job *job, const struct gs_verify *verify) {
    return verify->equal || (job->type_count > 0 && verify->drill && verify->differing == 0);
}

static int compare(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer,
                   const struct gs_peer_state *link, struct gs_update *update) {
    const struct gs_verify *verify = peer->stage == GS_SYNC_RECHECK ? &peer->recheck : &peer->found;
    if (verify->phase == GS_VERIFY_FAILED) {
        return fail_peer(core, peer, verify->reason);
    }
    if (verify->phase != GS_VERIFY_DONE) {
        return 0;
    }
    peer->converged = has_converged(job, verify);
    if (job->mode == GS_SYNC_BOOTSTRAP && peer->converged && core->base_position > 0) {
        memcpy(core->jobs.history_of, peer->region, sizeof core->jobs.history_of);
    }
    if (peer->stage == GS_SYNC_COMPARE && !peer->converged && job->mode == GS_SYNC_FULL) {
        return begin_compare(core, job, peer, link, update);
    }
    return end_peer(core, peer, GS_SYNC_COMPLETED);
}

/* Somebody else's log may begin earlier. False: all have been asked. */
static bool ask_another(struct gs_core *core, struct gs_sync_peer *peer) {
    const struct gs_peer_state *next = next_region(core, peer->region);
    if (next == NULL || strcmp(next->region, peer->first_region) == 0 || strcmp(next->region, peer->region) == 0) {
        return false;
    }
    memcpy(peer->region, next->region, sizeof peer->region);
    peer->link = next->id;
    peer->base = next->traffic;
    gs_behind_resume(&peer->behind);
    return true;
}

static int look_behind(struct gs_core *core, struct gs_sync_peer *peer, struct gs_update *update) {
    struct gs_behind *behind = &peer->behind;
    char reason[GS_VERIFY_REASON_SIZE];
    int error = gs_behind_step(core, behind, peer->link, update);
    unsigned long long left = behind->total - behind->shown;
    switch (behind->state) {
    case GS_BEHIND_RUNNING:
        break;
    case GS_BEHIND_SHOWN:
        peer->converged = true;
        return error != 0 ? error : end_peer(core, peer, GS_SYNC_COMPLETED);
    case GS_BEHIND_GONE:
        if (ask_another(core, peer) || core->mono_ms - peer->began_mono_ms < GS_JOB_LINK_WAIT_MS) {
            break; /* a region that has just begun is not linked with all of them yet */
        }
        snprintf(reason, sizeof reason,
                 "its log begins later, as do those of all linked regions: %llu of %llu events before the snapshot "
                 "cannot be shown",
                 left, (unsigned long long)behind->total);
        return fail_peer(core, peer, reason);
    case GS_BEHIND_WRONG:
        snprintf(reason, sizeof reason, "the batches that it shows do not lead to what the snapshot began with");
        return fail_peer(core, peer, reason);
    case GS_BEHIND_SILENT:
        return ask_another(core, peer) ? error : fail_peer(core, peer, "it does not answer");
    }
    return error;
}

static uint32_t percent_of(const struct gs_core *core, const struct gs_job *job, const struct gs_sync_peer *peer) {
    uint32_t found = gs_verify_percent(&peer->found);
    uint64_t first = peer->missing_first;
    uint32_t before = job->mode == GS_SYNC_BOOTSTRAP && core->base_position > 0 ? 80 : 0;
    switch (peer->stage) {
    case GS_SYNC_SNAPSHOT:
        return gs_bootstrap_percent(core);
    case GS_SYNC_LINKING:
        return before;
    case GS_SYNC_EXCHANGE:
        if (before > 0) {
            return before;
        }
        return first == 0 || first == UINT64_MAX || peer->missing_last > first
                   ? 0
                   : (uint32_t)(70 * (first - peer->missing_last) / first);
    case GS_SYNC_COMPARE:
        return before > 0                                                     ? 90 + 9 * found / 100
               : job->mode == GS_SYNC_DELTA || job->mode == GS_SYNC_BOOTSTRAP ? 70 + 29 * found / 100
               : job->mode == GS_SYNC_FULL                                    ? 80 * found / 100
                                                                              : found;
    case GS_SYNC_BEHIND:
        return peer->behind.total > 0 ? (uint32_t)(99 * peer->behind.shown / peer->behind.total) : 0;
    case GS_SYNC_RECHECK:
        return 80 + 19 * gs_verify_percent(&peer->recheck) / 100;
    case GS_SYNC_OVER:
        break;
    }
    return peer->status == GS_SYNC_COMPLETED ? 100 : peer->percent;
}

/* The bootstrap's own work; the sender may change. After it, begin() takes over. */
static int snapshot(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer) {
    const struct gs_bootstrap *bootstrap = &core->bootstrap;
    if (!bootstrap->active) {
        peer->began_mono_ms = peer->stage == GS_SYNC_SNAPSHOT ? core->mono_ms : peer->began_mono_ms;
        peer->stage = GS_SYNC_LINKING;
        return 0;
    }
    peer->stage = GS_SYNC_SNAPSHOT;
    bool changed = bootstrap->link != 0 && strcmp(peer->region, bootstrap->region) != 0;
    if (changed) {
        memcpy(peer->region, bootstrap->region, sizeof peer->region);
    }
    peer->traffic.bytes_in = peer->base.bytes_in + bootstrap->bytes;
    snprintf(peer->error, sizeof peer->error, "%s", bootstrap->trouble);
    return changed ? gs_jobs_remember(core, job) : 0;
}

static int step(struct gs_core *core, const struct gs_job *job, struct gs_sync_peer *peer, struct gs_update *update) {
    if (peer->status == GS_SYNC_QUEUED) {
        peer->status = GS_SYNC_RUNNING;
        peer->began_mono_ms = core->mono_ms;
    }
    if (job->mode == GS_SYNC_BOOTSTRAP && peer->stage <= GS_SYNC_SNAPSHOT) {
        int error = snapshot(core, job, peer);
        if (error != 0 || core->bootstrap.active) {
            return error;
        }
    }
    if (peer->stage == GS_SYNC_LINKING) {
        return begin(core, job, peer, update);
    }
    struct gs_peer_state *link = gs_peer_find(core, peer->link);
    if (link == NULL && job->mode == GS_SYNC_HISTORY) {
        peer->stage = GS_SYNC_LINKING; /* from the beginning, with it or another */
        peer->moved_mono_ms = core->mono_ms;
        return 0;
    }
    if (link == NULL) {
        return fail_peer(core, peer, "the link to the region was lost");
    }
    peer->traffic = link->traffic;
    if (peer->stage == GS_SYNC_BEHIND) {
        return look_behind(core, peer, update);
    }
    return peer->stage == GS_SYNC_EXCHANGE ? exchange(core, job, peer, link, update)
                                           : compare(core, job, peer, link, update);
}

int gs_job_peer_step(struct gs_core *core, struct gs_job *job, struct gs_sync_peer *peer, struct gs_update *update) {
    if (peer->status != GS_SYNC_QUEUED && peer->status != GS_SYNC_RUNNING) {
        return 0;
    }
    int error = step(core, job, peer, update);
    uint32_t percent = percent_of(core, job, peer);
    if (percent > peer->percent) {
        peer->percent = percent;
    }
    return error;
}
