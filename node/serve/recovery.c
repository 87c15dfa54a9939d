#include "node/serve/recovery.h"

#include "node/core/giving.h"
#include "node/serve/stage.h"

#include <stdio.h>
#include <string.h>

struct recovery {
    const struct gs_core_config *config;
    struct gs_core *core;
    uint64_t low;
    uint64_t at; /* the record that is being replayed */
    struct gs_recovery_report *report;
};

/* Time is of no matter before START, but for what is too old to be remembered. */
static int step(struct recovery *recovery, struct gs_core_event event) {
    struct gs_update update = {0};
    event.now_ms = recovery->config->now_ms;
    int error = gs_core_step(recovery->core, &event, &update);
    gs_update_clear(&update);
    return error;
}

static int on_note(void *context, const char *name, struct gs_slice bytes) {
    return step(context, (struct gs_core_event){.type = GS_CORE_NOTE, .note = {.name = name, .bytes = bytes}});
}

static int on_record(void *context, uint64_t position, struct gs_slice record) {
    struct recovery *recovery = context;
    recovery->at = position;
    recovery->report->records++;
    return step(recovery, (struct gs_core_event){.type = GS_CORE_RECOVER, .record = record});
}

static int on_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    struct recovery *recovery = context;
    recovery->low = low;
    return step(recovery, (struct gs_core_event){.type = GS_CORE_RESTORE,
                                                 .restore = {.low = low, .position = position, .bytes = core}});
}

static int on_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                      struct gs_slice entries) {
    return step(
        context,
        (struct gs_core_event){
            .type = GS_CORE_RESTORE,
            .restore = {.is_journal = true, .journal = journal, .first = first, .last = last, .bytes = entries}});
}

static int on_state(void *context, const struct gs_keep_state *state) {
    return step(context, (struct gs_core_event){.type = GS_CORE_RESTORE, .restore = {.state = state}});
}

/* A new core that knows the notes. */
static int begin(struct recovery *recovery, const struct gs_recovery_notes *notes, struct gs_problem *problem) {
    recovery->low = 0;
    int error = gs_core_new(recovery->config, &recovery->core);
    if (error != 0) {
        return gs_problem_set(problem, error, NULL, "%s", gs_error_message(error));
    }
    return notes != NULL ? notes->visit(notes->context, on_note, recovery, problem) : 0;
}

static int restore_base(struct recovery *recovery, const struct gs_vector *heads, uint64_t position) {
    return step(recovery,
                (struct gs_core_event){.type = GS_CORE_RESTORE, .restore = {.base = heads, .position = position}});
}

/* What was kept: 0, GS_ENOTFOUND, or why it is of no use. */
static int restore(struct recovery *recovery, struct gs_store *store, struct gs_problem *damage) {
    const struct gs_base *base = &store->log_base;
    const struct gs_kept_visitor visitor = {
        .context = recovery, .checkpoint = on_checkpoint, .entries = on_entries, .state = on_state};
    int error = 0;
    if (base->position > 0) {
        error = restore_base(recovery, &base->heads, base->position);
    }
    if (error != 0) {
        return error;
    }
    return store->methods->visit_kept != NULL ? store->methods->visit_kept(store, &visitor, damage) : GS_ENOTFOUND;
}

static int replay(struct recovery *recovery, struct gs_store *store) {
    recovery->at = 0;
    return recovery->low == 0 ? store->methods->replay(store, on_record, recovery)
                              : store->methods->replay_after(store, recovery->low, on_record, recovery);
}

static int name_damage(const struct recovery *recovery, int error, struct gs_problem *problem) {
    const char *cause = error == GS_EUNTRUSTED
                            ? "the trust file lacks the key of this region, or of one whose batches are in the log"
                            : gs_error_message(error);
    if (error == GS_ECORRUPT) {
        return gs_problem_set(problem, error, NULL, "the log is damaged at or after record %llu: %s",
                              (unsigned long long)(recovery->at > 0 ? recovery->at : recovery->low + 1), cause);
    }
    return gs_problem_set(problem, error, NULL, "%s", cause);
}

/* Where records are gone, the kept states are the only copy here. */
static int name_loss(const struct gs_store *store, const struct gs_problem *damage, struct gs_problem *problem) {
    return gs_problem_set(problem, GS_ECORRUPT, NULL,
                          "%s, and the log begins after record %llu: what it stands on is lost here. Move the store "
                          "away and start empty: the "
                          "node takes a snapshot from another region (what only this store had is lost)",
                          damage->detail[0] != '\0' ? damage->detail : "the kept states do not fit the log",
                          (unsigned long long)store->log_base.position);
}

/* Whether an error says that what was kept is of no use, rather than that nothing can be read. */
static bool is_damage(int error) {
    return error == GS_ECORRUPT || error == GS_EVERSION || error == GS_EFORMAT || error == GS_ETOOBIG;
}

int gs_recover_core(struct gs_store *store, const struct gs_core_config *config, const struct gs_recovery_notes *notes,
                    struct gs_core **ret_core, struct gs_recovery_report *ret_report, struct gs_problem *problem) {
    struct recovery recovery = {.config = config, .report = ret_report};
    struct gs_problem damage = {0};
    *ret_report = (struct gs_recovery_report){0};
    int error = begin(&recovery, notes, problem);
    if (error == 0) {
        int kept = restore(&recovery, store, &damage);
        ret_report->used_kept = kept == 0;
        error = kept == GS_ENOTFOUND ? 0 : kept;
        error = error == 0 ? replay(&recovery, store) : error;
        if (error != 0 && is_damage(error) && store->log_base.position > 0) {
            error = name_loss(store, &damage, problem);
        } else if (error != 0 && is_damage(error) && kept != GS_ENOTFOUND) {
            snprintf(ret_report->damage, sizeof ret_report->damage, "%s",
                     damage.detail[0] != '\0' ? damage.detail : "the kept states do not fit the log");
            ret_report->used_kept = false;
            ret_report->records = 0;
            gs_core_free(recovery.core);
            error = begin(&recovery, notes, problem);
            error = error == 0 ? store->methods->forget_kept(store) : error;
            error = error == 0 ? replay(&recovery, store) : error;
        }
    }
    if (error != 0) {
        gs_core_free(recovery.core);
        return problem->code != 0 ? error : name_damage(&recovery, error, problem);
    }
    ret_report->last_position = recovery.at > recovery.low ? recovery.at : recovery.low;
    *ret_core = recovery.core;
    return 0;
}

int gs_recover_installed(const struct gs_core_config *config, const struct gs_recovery_notes *notes,
                         const struct gs_core_install *install, struct gs_staged *staged, struct gs_core **ret_core,
                         struct gs_problem *problem) {
    struct gs_recovery_report report = {0};
    struct recovery recovery = {.config = config, .report = &report};
    struct gs_besides besides;
    int error = begin(&recovery, notes, problem);
    error = error != 0 ? error : restore_base(&recovery, &install->heads, GS_STAGE_POSITION);
    error =
        error != 0 ? error : gs_besides_read(gs_slice_make(install->besides.bytes, install->besides.length), &besides);
    error = error != 0 ? error : on_checkpoint(&recovery, GS_STAGE_POSITION, GS_STAGE_POSITION, besides.checkpoint);
    for (int i = 0; error == 0 && i < GS_KEEP_JOURNALS; i++) {
        if (besides.journals[i].last >= besides.journals[i].first) {
            error = on_entries(&recovery, (enum gs_keep_journal)i, besides.journals[i].first, besides.journals[i].last,
                               besides.journals[i].entries);
        }
    }
    if (error == 0) {
        error = step(&recovery, (struct gs_core_event){.type = GS_CORE_RESTORE,
                                                       .restore = {.staged = staged, .position = GS_STAGE_POSITION}});
    }
    if (error != 0) {
        gs_core_free(recovery.core);
        return problem->code != 0 ? error : name_damage(&recovery, error, problem);
    }
    *ret_core = recovery.core;
    return 0;
}

enum { FIRST_SEEN = 1 };

static int take_cluster(void *context, uint64_t position, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    (void)position;
    if (gs_record_parse(bytes, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return GS_ECORRUPT;
    }
    *(gs_cluster *)context = head.cluster;
    return FIRST_SEEN;
}

int gs_recover_cluster(struct gs_store *store, gs_cluster *ret_cluster) {
    *ret_cluster = (gs_cluster){0};
    int result = store->methods->replay(store, take_cluster, ret_cluster);
    if (result == 0 && store->log_base.position > 0) {
        *ret_cluster = store->log_base.cluster;
    }
    return result == FIRST_SEEN ? 0 : result;
}
