/* A sync job as the API shows it. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <string.h>

const char *const gs_sync_mode_names[GS_SYNC_MODES] = {"delta", "verify", "full", "bootstrap", "history"};
const char *const gs_sync_status_names[5] = {"queued", "running", "completed", "failed", "cancelled"};

static void write_text(const char *name, const char *text, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":", name);
    if (text[0] == '\0') {
        gs_buffer_text(out, "null");
    } else {
        gs_json_write_string(text, strlen(text), out);
    }
}

static void write_number(const char *name, uint64_t number, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":%llu", name, (unsigned long long)number);
}

static void write_flag(const char *name, bool flag, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"%s\":%s", name, flag ? "true" : "false");
}

static void write_time(const char *name, uint64_t ms, struct gs_buffer *out) {
    char text[25] = "";
    if (ms > 0) {
        gs_hlc_format(gs_hlc_from_ms(ms), text);
    }
    write_text(name, text, out);
}

static void write_digest(const char *name, bool known, const gs_hash *hash, struct gs_buffer *out) {
    char text[2 * GS_HASH_SIZE + 1] = "";
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; known && i < GS_HASH_SIZE; i++) {
        text[2 * i] = digits[hash->bytes[i] >> 4];
        text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    write_text(name, text, out);
}

/* Milliseconds that are left if it goes on as it went, or UINT64_MAX. */
static uint64_t eta(const struct gs_core *core, const struct gs_sync_peer *peer) {
    if (peer->status != GS_SYNC_RUNNING || peer->percent < 5 || peer->percent >= 100) {
        return peer->status == GS_SYNC_RUNNING || peer->status == GS_SYNC_QUEUED ? UINT64_MAX : 0;
    }
    return (core->mono_ms - peer->began_mono_ms) * (100 - peer->percent) / peer->percent;
}

static void write_eta(const char *name, uint64_t ms, struct gs_buffer *out) {
    if (ms == UINT64_MAX) {
        gs_buffer_printf(out, ",\"%s\":null", name);
    } else {
        gs_buffer_printf(out, ",\"%s\":%llu.%03llu", name, (unsigned long long)(ms / 1000),
                         (unsigned long long)(ms % 1000));
    }
}

static const char *stage_of(const struct gs_core *core, const struct gs_sync_peer *peer) {
    static const char *const phases[] = {
        [GS_VERIFY_ROOTS] = "comparing roots",       [GS_VERIFY_DESCEND] = "descending",
        [GS_VERIFY_EXAMINE] = "examining",           [GS_VERIFY_MEND_OURS] = "repairing here",
        [GS_VERIFY_MEND_THEIRS] = "repairing there", [GS_VERIFY_DONE] = "comparing roots",
        [GS_VERIFY_FAILED] = "comparing roots"};
    switch (peer->stage) {
    case GS_SYNC_SNAPSHOT:
        return gs_bootstrap_stage(core);
    case GS_SYNC_LINKING:
        return "linking";
    case GS_SYNC_EXCHANGE:
        return "exchanging events";
    case GS_SYNC_COMPARE:
        return phases[peer->found.phase];
    case GS_SYNC_BEHIND:
        return "verifying the log behind the snapshot";
    case GS_SYNC_RECHECK:
        return "checking again";
    case GS_SYNC_OVER:
        break;
    }
    return "done";
}

static void write_difference(const struct gs_difference *difference, struct gs_buffer *out) {
    const char *slash = strchr(difference->name, '/');
    size_t type_length = (size_t)(slash - difference->name);
    const char *fault = (difference->fault & GS_FAULT_LOG) != 0                   ? "log"
                        : difference->fault == (GS_FAULT_LOCAL | GS_FAULT_REMOTE) ? "both"
                        : difference->fault == GS_FAULT_LOCAL                     ? "local"
                                                                                  : "remote";
    gs_buffer_text(out, "{\"aggregateType\":");
    gs_json_write_string(difference->name, type_length, out);
    gs_buffer_text(out, ",\"aggregateId\":");
    gs_json_write_string(slash + 1, strlen(slash + 1), out);
    gs_buffer_printf(out, ",\"fault\":\"%s\"", fault);
    write_flag("repaired", difference->repaired, out);
    gs_buffer_text(out, ",\"fields\":");
    gs_buffer_append(out, difference->fields.bytes, difference->fields.length);
    gs_buffer_text(out, "}");
}

static void write_findings(const struct gs_core *core, const struct gs_sync_peer *peer, struct gs_buffer *out) {
    const struct gs_verify *last = peer->recheck.has_roots ? &peer->recheck : &peer->found;
    write_number("rangesCompared", peer->found.ranges + peer->recheck.ranges, out);
    write_number("aggregatesDiffering", peer->found.differing, out);
    write_number("aggregatesRepaired", peer->found.repaired, out);
    write_digest("localDigest", last->has_roots, &last->ours, out);
    write_digest("remoteDigest", last->has_roots, &last->theirs, out);
    gs_buffer_text(out, ",\"vector\":");
    gs_registry_write_vector(core, &last->cut, out);
    gs_buffer_text(out, ",\"statement\":");
    if (last->has_roots) {
        gs_buffer_append(out, last->statement.bytes, last->statement.length);
    } else {
        gs_buffer_text(out, "null");
    }
    gs_buffer_text(out, ",\"differences\":[");
    for (uint32_t i = 0; i < peer->found.difference_count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_difference(&peer->found.differences[i], out);
    }
    gs_buffer_text(out, "]");
}

static void write_traffic(const struct gs_core *core, const struct gs_sync_peer *peer, struct gs_buffer *out) {
    uint64_t sent = peer->traffic.bytes_out - peer->base.bytes_out;
    uint64_t received = peer->traffic.bytes_in - peer->base.bytes_in;
    bool known = peer->traffic.bytes_in + peer->traffic.bytes_out > 0;
    uint64_t end = peer->ended_mono_ms > 0 ? peer->ended_mono_ms : core->mono_ms;
    uint64_t ms = peer->began_mono_ms > 0 && end > peer->began_mono_ms ? end - peer->began_mono_ms : 1;
    write_number("eventsSent", known ? peer->traffic.events_out - peer->base.events_out : 0, out);
    write_number("eventsReceived", known ? peer->traffic.events_in - peer->base.events_in + peer->behind.shown : 0,
                 out);
    write_number("bytesSent", known ? sent : 0, out);
    write_number("bytesReceived", known ? received : 0, out);
    write_number("bytesPerSecond", known ? (sent + received) * 1000 / ms : 0, out);
}

static void write_peer(const struct gs_core *core, const struct gs_job *job, const struct gs_sync_peer *peer,
                       struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"region\":\"%s\",\"status\":\"%s\",\"stage\":\"%s\",\"percent\":%u", peer->region,
                     gs_sync_status_names[peer->status], stage_of(core, peer), peer->percent);
    write_eta("etaSeconds", eta(core, peer), out);
    write_findings(core, peer, out);
    write_traffic(core, peer, out);
    write_flag("converged", peer->converged, out);
    write_text("error", peer->error, out);
    if (job->dry_run) {
        gs_buffer_printf(out, ",\"plan\":{\"method\":\"%s\"", peer->plan_method != NULL ? peer->plan_method : "none");
        write_number("eventsToReceive", peer->plan_receive, out);
        write_number("eventsToSend", peer->plan_send, out);
        write_number("bytes", peer->plan_bytes, out);
        gs_buffer_text(out, "}");
    }
    gs_buffer_text(out, "}");
}

static void write_scope(const struct gs_job *job, struct gs_buffer *out) {
    gs_buffer_text(out, ",\"regions\":[");
    for (uint32_t i = 0; i < job->peer_count; i++) {
        gs_buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", job->peers[i].region);
    }
    gs_buffer_text(out, "],\"aggregateTypes\":[");
    for (uint32_t i = 0; i < job->type_count; i++) {
        gs_buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", job->types[i]);
    }
    gs_buffer_text(out, "]");
}

static void write_log(const struct gs_job *job, struct gs_buffer *out) {
    if (job->scan != GS_SCAN_DONE) {
        gs_buffer_text(out, ",\"log\":null");
        return;
    }
    gs_buffer_printf(out, ",\"log\":{\"healed\":%u,\"damaged\":%u}", job->log_healed, job->log_damaged);
}

void gs_job_write(const struct gs_core *core, const struct gs_job *job, struct gs_buffer *out) {
    uint64_t percent = 0;
    uint64_t left = 0;
    bool converged = !job->dry_run;
    if (job->json.length > 0) {
        gs_buffer_append(out, job->json.bytes, job->json.length);
        return;
    }
    for (uint32_t i = 0; i < job->peer_count; i++) {
        uint64_t ms = eta(core, &job->peers[i]);
        percent += job->peers[i].percent;
        left = ms > left ? ms : left;
        converged = converged && job->peers[i].converged;
    }
    percent = job->peer_count > 0 ? percent / job->peer_count : 0;
    percent = job->status == GS_SYNC_COMPLETED ? 100 : percent > 99 ? 99 : percent;
    gs_buffer_printf(out, "{\"syncId\":\"%s\",\"mode\":\"%s\",\"status\":\"%s\"", job->id,
                     gs_sync_mode_names[job->mode], gs_sync_status_names[job->status]);
    write_time("startedAt", job->started_ms, out);
    write_time("finishedAt", job->finished_ms, out);
    write_flag("dryRun", job->dry_run, out);
    write_flag("scheduled", job->scheduled, out);
    write_number("resumed", job->resumes, out);
    write_number("rateBytesPerSecond", job->rate, out);
    write_scope(job, out);
    gs_buffer_printf(out, ",\"progress\":{\"percent\":%llu", (unsigned long long)percent);
    write_eta("etaSeconds", left, out);
    gs_buffer_text(out, "}");
    write_flag("converged", converged, out);
    write_log(job, out);
    write_text("error", job->error, out);
    gs_buffer_text(out, ",\"peers\":[");
    for (uint32_t i = 0; i < job->peer_count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_peer(core, job, &job->peers[i], out);
    }
    gs_buffer_text(out, "]}");
}
