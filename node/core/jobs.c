#include "node/core/core_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_peers(struct gs_job *job) {
    for (uint32_t i = 0; i < job->peer_count; i++) {
        gs_vector_close(&job->peers[i].want_here);
        gs_vector_close(&job->peers[i].want_there);
        gs_verify_close(&job->peers[i].found);
        gs_verify_close(&job->peers[i].recheck);
        gs_behind_close(&job->peers[i].behind);
    }
    free(job->peers);
    job->peers = NULL;
    job->peer_count = 0;
}

void gs_job_free(struct gs_job *job) {
    if (job == NULL) {
        return;
    }
    close_peers(job);
    gs_buffer_close(&job->json);
    free(job);
}

void gs_jobs_close(struct gs_core *core) {
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        gs_job_free(core->jobs.jobs[i]);
    }
    core->jobs.count = 0;
}

static bool is_active(const struct gs_job *job) {
    return job->status == GS_SYNC_QUEUED || job->status == GS_SYNC_RUNNING;
}

static void write_text(const struct gs_core *core, const struct gs_job *job, struct gs_buffer *out) {
    gs_buffer_printf(out, "%llu\n", (unsigned long long)job->started_ms);
    gs_job_write(core, job, out);
}

static int write_note(struct gs_core *core, const struct gs_job *job, bool forget) {
    char name[GS_NOTE_NAME_MAX + 1];
    struct gs_buffer text = {0};
    snprintf(name, sizeof name, GS_JOB_NOTE_PREFIX "%s", job->id);
    if (!forget) {
        write_text(core, job, &text);
    }
    return gs_update_note(&core->later, name, &text);
}

int gs_jobs_remember(struct gs_core *core, const struct gs_job *job) {
    return write_note(core, job, false);
}

/* Makes room: the oldest job that is over is forgotten. False: all of them are under way. */
static bool make_room(struct gs_core *core) {
    struct gs_jobs *jobs = &core->jobs;
    uint32_t at = 0;
    if (jobs->count < GS_JOBS_KEPT) {
        return true;
    }
    while (at < jobs->count && is_active(jobs->jobs[at])) {
        at++;
    }
    if (at == jobs->count) {
        return false;
    }
    (void)write_note(core, jobs->jobs[at], true);
    gs_job_free(jobs->jobs[at]);
    memmove(jobs->jobs + at, jobs->jobs + at + 1, (jobs->count - at - 1) * sizeof(struct gs_job *));
    jobs->count--;
    return true;
}

/* Keeps them by their start. Takes the job, if there is room. */
static bool keep(struct gs_core *core, struct gs_job *job) {
    struct gs_jobs *jobs = &core->jobs;
    if (!make_room(core)) {
        return false;
    }
    uint32_t at = jobs->count++;
    while (at > 0 && jobs->jobs[at - 1]->started_ms > job->started_ms) {
        jobs->jobs[at] = jobs->jobs[at - 1];
        at--;
    }
    jobs->jobs[at] = job;
    jobs->active += is_active(job) ? 1 : 0;
    return true;
}

int gs_jobs_note(struct gs_core *core, const char *name, struct gs_slice bytes) {
    struct gs_job *job = NULL;
    if (strncmp(name, GS_JOB_NOTE_PREFIX, sizeof GS_JOB_NOTE_PREFIX - 1) != 0) {
        return 0;
    }
    int error = gs_job_restore(bytes, &job);
    if (error == 0 && job != NULL && !keep(core, job)) {
        gs_job_free(job);
    }
    return error;
}

int gs_core_hand_on_jobs(const struct gs_core *core, struct gs_core *to) {
    int error = 0;
    gs_jobs_close(to); /* what the disk remembered of them is older */
    to->jobs.active = 0;
    for (uint32_t i = 0; error == 0 && i < core->jobs.count; i++) {
        struct gs_buffer text = {0};
        write_text(core, core->jobs.jobs[i], &text);
        error = text.failed != 0 ? text.failed
                                 : gs_jobs_note(to, GS_JOB_NOTE_PREFIX, gs_slice_make(text.bytes, text.length));
        gs_buffer_close(&text);
    }
    return error;
}

static bool has_peer(const struct gs_job *job, const char *region) {
    for (uint32_t i = 0; i < job->peer_count; i++) {
        if (strcmp(job->peers[i].region, region) == 0) {
            return true;
        }
    }
    return false;
}

static struct gs_peer_state *linked(struct gs_core *core, const char *region) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (strcmp(core->peers[i].region, region) == 0) {
            return &core->peers[i];
        }
    }
    return NULL;
}

static bool is_wanted(const struct gs_sync_request *request, const char *region) {
    for (uint32_t i = 0; i < request->region_count; i++) {
        if (gs_slice_compare(request->regions[i], gs_slice_make(region, strlen(region))) == 0) {
            return true;
        }
    }
    return request->region_count == 0;
}

/* One peer for each other region of the trust file that is wanted. */
static int add_peers(struct gs_core *core, const struct gs_sync_request *request, struct gs_job *job) {
    const struct gs_trust *trust = core->config.trust;
    job->peers = calloc(trust->count + 1, sizeof *job->peers);
    if (job->peers == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < trust->count; i++) {
        const struct gs_trust_entry *entry = &trust->entries[i];
        bool ours = strcmp(entry->region, core->self->region) == 0;
        bool absent = job->scheduled && linked(core, entry->region) == NULL;
        if (!entry->revoked && !ours && !absent && !has_peer(job, entry->region) && is_wanted(request, entry->region)) {
            memcpy(job->peers[job->peer_count++].region, entry->region, sizeof entry->region);
        }
    }
    return 0;
}

static struct gs_job *new_job(struct gs_core *core, const struct gs_sync_request *request, bool scheduled) {
    struct gs_job *job = calloc(1, sizeof *job);
    uint64_t number;
    if (job == NULL) {
        return NULL;
    }
    gs_rng_bytes(&core->rng, &number, sizeof number);
    snprintf(job->id, sizeof job->id, "%016llx", (unsigned long long)number);
    job->mode = request->mode;
    job->dry_run = request->dry_run;
    job->rate = request->rate;
    job->scheduled = scheduled;
    job->started_ms = core->now_ms;
    job->began_mono_ms = core->mono_ms;
    for (uint32_t i = 0; i < request->type_count && i < GS_JOB_TYPES_MAX; i++) {
        memcpy(job->types[job->type_count++], request->types[i].bytes, request->types[i].length);
    }
    if (add_peers(core, request, job) != 0) {
        gs_job_free(job);
        return NULL;
    }
    return job;
}

/* The same work is already under way. */
static struct gs_job *find_same(struct gs_core *core, const struct gs_job *job) {
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        struct gs_job *other = core->jobs.jobs[i];
        bool same = is_active(other) && other->scheduled == job->scheduled && other->mode == job->mode &&
                    !other->dry_run && !job->dry_run && other->peer_count == job->peer_count &&
                    other->type_count == job->type_count && memcmp(other->types, job->types, sizeof job->types) == 0;
        for (uint32_t j = 0; same && j < job->peer_count; j++) {
            same = has_peer(other, job->peers[j].region);
        }
        if (same) {
            return other;
        }
    }
    return NULL;
}

uint64_t gs_vector_lacking(const struct gs_vector *has, const struct gs_vector *wanted) {
    uint64_t events = 0;
    for (uint32_t i = 0; i < wanted->count; i++) {
        uint64_t seq = gs_vector_seq(has, &wanted->heads[i].origin);
        events += wanted->heads[i].seq > seq ? wanted->heads[i].seq - seq : 0;
    }
    return events;
}

enum { EVENT_BYTES_GUESS = 300, ROOTS_BYTES_GUESS = 700 };

/* What a delta takes. The log; but who has nothing takes a snapshot of much (bootstrap.h), and what a log no longer has
 * it cannot give. */
static void plan_delta(struct gs_core *core, struct gs_sync_peer *peer, const struct gs_peer_state *link,
                       uint64_t event_bytes) {
    uint64_t least = core->config.bootstrap_events > 0 ? core->config.bootstrap_events : GS_BOOTSTRAP_EVENTS;
    uint64_t snapshot_bytes = core->stats.aggregate_bytes / 2; /* giving.c: memory takes about twice what it sends */
    peer->plan_receive = gs_vector_lacking(&core->stored, &link->told);
    peer->plan_send = gs_vector_lacking(&link->told, &core->stored);
    peer->plan_bytes = (peer->plan_receive + peer->plan_send) * event_bytes;
    peer->plan_method = peer->plan_receive + peer->plan_send > 0 ? "log" : "none";
    if (core->bootstrap.active) {
        peer->plan_method = "snapshot";
        peer->plan_bytes = core->bootstrap.root.bytes;
    } else if (link->told.count == 0 && peer->plan_send >= least && snapshot_bytes < peer->plan_bytes) {
        peer->plan_method = "snapshot";
        peer->plan_bytes = snapshot_bytes;
    } else if (link->has_lost && peer->plan_receive > 0) {
        peer->status = GS_SYNC_FAILED;
        snprintf(peer->error, sizeof peer->error, "%s", GS_JOB_GONE);
    }
}

/* dryRun: what it would take, as far as vectors tell. */
static void plan(struct gs_core *core, struct gs_job *job) {
    for (uint32_t i = 0; i < job->peer_count; i++) {
        struct gs_sync_peer *peer = &job->peers[i];
        const struct gs_peer_state *link = linked(core, peer->region);
        uint64_t own = gs_vector_seq(&core->stored, &core->self->origin);
        uint64_t event_bytes = core->own_bytes > 0 && own > 0 ? core->own_bytes / own + 1 : EVENT_BYTES_GUESS;
        peer->status = link != NULL && link->heard ? GS_SYNC_COMPLETED : GS_SYNC_FAILED;
        peer->stage = GS_SYNC_OVER;
        peer->plan_method = "none";
        if (peer->status == GS_SYNC_FAILED) {
            snprintf(peer->error, sizeof peer->error, "the region is not linked");
            continue;
        }
        peer->percent = 100;
        if (job->mode == GS_SYNC_DELTA) {
            plan_delta(core, peer, link, event_bytes);
        } else {
            peer->plan_method = "tree";
        }
        peer->plan_bytes += ROOTS_BYTES_GUESS;
    }
}

static void settle(struct gs_core *core, struct gs_job *job) {
    job->status = GS_SYNC_COMPLETED;
    if (job->log_damaged > 0) {
        job->status = GS_SYNC_FAILED;
        snprintf(job->error, sizeof job->error,
                 "%u records of this region's log are damaged, and nobody has given them again", job->log_damaged);
    }
    for (uint32_t i = 0; i < job->peer_count; i++) {
        job->status = job->peers[i].status == GS_SYNC_FAILED ? GS_SYNC_FAILED : job->status;
    }
    job->finished_ms = core->now_ms;
}

/* A job is over: only its text is kept. */
static int close_job(struct gs_core *core, struct gs_job *job) {
    bool quiet = job->scheduled && job->status == GS_SYNC_COMPLETED;
    for (uint32_t i = 0; i < job->peer_count; i++) {
        quiet = quiet && job->peers[i].converged;
    }
    job->quiet = quiet;
    gs_job_write(core, job, &job->json);
    int error = job->json.failed;
    if (error == 0 && !quiet) {
        error = write_note(core, job, false);
    }
    close_peers(job);
    return error;
}

static int finish_job(struct gs_core *core, struct gs_job *job) {
    core->jobs.active--;
    settle(core, job);
    return close_job(core, job);
}

static int start_job(struct gs_core *core, struct gs_sync_request *request, bool scheduled, struct gs_job **ret_job) {
    struct gs_job *job = new_job(core, request, scheduled);
    if (job == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < request->region_count; i++) {
        char region[GS_REGION_NAME_MAX + 1] = "";
        size_t length = request->regions[i].length;
        memcpy(region, request->regions[i].bytes, length <= GS_REGION_NAME_MAX ? length : 0);
        if (!has_peer(job, region)) {
            request->bad_region = i;
            gs_job_free(job);
            return GS_EINVAL;
        }
    }
    struct gs_job *same = find_same(core, job);
    if (same != NULL || !keep(core, job)) {
        gs_job_free(job);
        *ret_job = same;
        return same != NULL ? 0 : GS_EOVERLOADED;
    }
    *ret_job = job;
    if (job->dry_run) {
        plan(core, job);
        return finish_job(core, job);
    }
    return scheduled ? 0 : write_note(core, job, false);
}

/* One that an earlier process began goes on. */
int gs_jobs_begin_bootstrap(struct gs_core *core, const char *region) {
    const struct gs_slice name = gs_slice_make(region, strlen(region));
    struct gs_sync_request request = {.mode = GS_SYNC_BOOTSTRAP, .regions = &name, .region_count = 1};
    struct gs_job *job = NULL;
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        if (core->jobs.jobs[i]->mode == GS_SYNC_BOOTSTRAP && is_active(core->jobs.jobs[i])) {
            return 0;
        }
    }
    int error = start_job(core, &request, false, &job);
    return error == GS_ENOMEM ? error : 0; /* without a job it is as good, but nobody sees it */
}

/* A job of its own, since it may take long, and the region is of use meanwhile. */
static int begin_history(struct gs_core *core) {
    char region[GS_REGION_NAME_MAX + 1];
    struct gs_job *job = NULL;
    if (core->jobs.history_of[0] == '\0') {
        return 0;
    }
    memcpy(region, core->jobs.history_of, sizeof region);
    core->jobs.history_of[0] = '\0';
    const struct gs_slice name = gs_slice_make(region, strlen(region));
    struct gs_sync_request request = {.mode = GS_SYNC_HISTORY, .regions = &name, .region_count = 1};
    int error = start_job(core, &request, false, &job);
    return error == GS_ENOMEM ? error : 0;
}

void gs_jobs_records(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_snapshot *answer) {
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        const struct gs_job *job = core->jobs.jobs[i];
        for (uint32_t j = 0; is_active(job) && j < job->peer_count; j++) {
            if (job->peers[j].stage == GS_SYNC_BEHIND && job->peers[j].link == peer->id) {
                gs_behind_records(core, &job->peers[j].behind, answer);
            }
        }
    }
}

static struct gs_job *find_job(struct gs_core *core, struct gs_slice id) {
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        struct gs_job *job = core->jobs.jobs[i];
        if (gs_slice_compare(id, gs_slice_make(job->id, strlen(job->id))) == 0) {
            return job;
        }
    }
    return NULL;
}

static int cancel(struct gs_core *core, struct gs_job *job, struct gs_update *update) {
    int error = 0;
    if (!is_active(job)) {
        return 0;
    }
    for (uint32_t i = 0; error == 0 && i < job->peer_count; i++) {
        struct gs_sync_peer *peer = &job->peers[i];
        if (peer->status == GS_SYNC_QUEUED || peer->status == GS_SYNC_RUNNING) {
            error = gs_verify_cancel(core, &peer->found, update);
            error = error != 0 ? error : gs_verify_cancel(core, &peer->recheck, update);
            peer->status = GS_SYNC_CANCELLED;
            peer->ended_mono_ms = core->mono_ms;
            peer->stage = GS_SYNC_OVER;
        }
    }
    if (error != 0) {
        return error;
    }
    core->jobs.active--;
    settle(core, job);
    job->status = GS_SYNC_CANCELLED;
    return close_job(core, job);
}

static void write_list(const struct gs_core *core, struct gs_buffer *out) {
    gs_buffer_text(out, "{\"items\":[");
    for (uint32_t i = core->jobs.count; i > 0; i--) {
        gs_buffer_text(out, i < core->jobs.count ? "," : "");
        gs_job_write(core, core->jobs.jobs[i - 1], out);
    }
    gs_buffer_text(out, "]}");
}

int gs_jobs_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    struct gs_sync_request *request = &command->sync;
    struct gs_job *job = NULL;
    int error = 0;
    if (request->ask == GS_SYNC_LIST) {
        write_list(core, &command->json);
        command->error = command->json.failed;
        return gs_update_answer(update, command);
    }
    if (request->ask == GS_SYNC_START) {
        error = start_job(core, request, false, &job);
    } else {
        job = find_job(core, request->id);
        error = job == NULL ? GS_ENOTFOUND : request->ask == GS_SYNC_CANCEL ? cancel(core, job, update) : 0;
    }
    if (error == 0) {
        memcpy(request->ret_id, job->id, sizeof request->ret_id);
        request->over = !is_active(job);
        gs_job_write(core, job, &command->json);
        error = command->json.failed;
    }
    command->error = error;
    error = gs_update_answer(update, command);
    return command->error == GS_ENOMEM ? GS_ENOMEM : error;
}

/* True while the job waits for what is known of its region's log. */
static bool is_scanning(const struct gs_core *core, struct gs_job *job, struct gs_update *update) {
    if (job->mode != GS_SYNC_FULL || !core->config.heals_log) {
        return false;
    }
    if (job->scan == GS_SCAN_NONE) {
        job->scan = GS_SCAN_RUNNING;
        job->scan_mono_ms = core->mono_ms;
        update->damaged = true;
    }
    if (job->scan == GS_SCAN_RUNNING && core->mono_ms - job->scan_mono_ms >= GS_JOB_SCAN_MS) {
        job->scan = GS_SCAN_REFUSED;
    }
    return job->scan == GS_SCAN_RUNNING;
}

void gs_jobs_scanned(struct gs_core *core, uint32_t healed, uint32_t left, bool refused) {
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        struct gs_job *job = core->jobs.jobs[i];
        if (job->scan == GS_SCAN_RUNNING) {
            job->scan = refused ? GS_SCAN_REFUSED : GS_SCAN_DONE;
            job->log_healed = refused ? 0 : healed;
            job->log_damaged = refused ? 0 : left;
        }
    }
}

static int run_job(struct gs_core *core, struct gs_job *job, struct gs_update *update) {
    bool busy = is_scanning(core, job, update);
    job->status = GS_SYNC_RUNNING;
    job->began_mono_ms = job->began_mono_ms == 0 ? core->mono_ms : job->began_mono_ms;
    for (uint32_t i = 0; job->resumes > GS_JOB_RESUMES_MAX && i < job->peer_count; i++) {
        job->peers[i].status = GS_SYNC_FAILED;
        job->peers[i].stage = GS_SYNC_OVER;
        snprintf(job->peers[i].error, sizeof job->peers[i].error,
                 "interrupted: the node was restarted %u times meanwhile", job->resumes);
    }
    for (uint32_t i = 0; i < job->peer_count; i++) {
        int error = gs_job_peer_step(core, job, &job->peers[i], update);
        if (error != 0) {
            return error;
        }
        busy = busy || job->peers[i].status == GS_SYNC_RUNNING;
    }
    return busy ? 0 : finish_job(core, job);
}

/* Asks all regions that are linked, now and then, unasked. */
static int schedule(struct gs_core *core) {
    struct gs_sync_request request = {.mode = GS_SYNC_VERIFY};
    struct gs_job *job = NULL;
    uint64_t interval = core->config.verify_interval_ms;
    if (interval == 0 || core->peer_count == 0 || core->mono_ms < core->jobs.next_verify_mono_ms) {
        return 0;
    }
    bool first = core->jobs.next_verify_mono_ms == 0;
    core->jobs.next_verify_mono_ms =
        core->mono_ms + interval - interval / 4 + gs_rng_below(&core->rng, interval / 2 + 1);
    for (uint32_t i = 0; i < core->jobs.count; i++) {
        if (core->jobs.jobs[i]->scheduled && is_active(core->jobs.jobs[i])) {
            return 0;
        }
    }
    int error = first ? 0 : start_job(core, &request, true, &job);
    return error == GS_EOVERLOADED ? 0 : error;
}

/* Of unasked jobs that found nothing, the last one is enough. */
static void forget_quiet(struct gs_core *core) {
    struct gs_jobs *jobs = &core->jobs;
    uint32_t kept = 0;
    bool newer = false;
    for (uint32_t i = jobs->count; i > 0; i--) {
        struct gs_job *job = jobs->jobs[i - 1];
        bool quiet = job->scheduled && job->quiet;
        if (quiet && newer) {
            gs_job_free(job);
            jobs->jobs[i - 1] = NULL;
        }
        newer = newer || quiet;
    }
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (jobs->jobs[i] != NULL) {
            jobs->jobs[kept++] = jobs->jobs[i];
        }
    }
    jobs->count = kept;
}

int gs_jobs_step(struct gs_core *core, struct gs_update *update) {
    uint32_t running = 0;
    int error = schedule(core);
    core->jobs.rate = 0;
    if (core->jobs.active == 0) {
        return error;
    }
    for (uint32_t i = 0; error == 0 && i < core->jobs.count && running < GS_JOBS_RUNNING; i++) {
        if (is_active(core->jobs.jobs[i])) {
            uint64_t rate = core->jobs.jobs[i]->rate;
            core->jobs.rate = rate > 0 && (core->jobs.rate == 0 || rate < core->jobs.rate) ? rate : core->jobs.rate;
            error = run_job(core, core->jobs.jobs[i], update);
            running++;
        }
    }
    forget_quiet(core);
    return error != 0 ? error : begin_history(core);
}
