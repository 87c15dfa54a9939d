#include "node/serve/healer.h"
#include "node/serve/log.h"

#include "gossip/message.h"
#include "gossip/snapshot.h"
#include "node/core/core.h"
#include "node/store/damage.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_ROWS = 1024,
    ANSWER_MS = 3000,
    ROUND_PAUSE_MS = 1000, /* when every link was asked in vain */
    GIVE_UP_MS = 15000,    /* without progress, if it is not patient */
    COMPLAIN_FIRST_MS = 5000,
    COMPLAIN_MS = 60000,
    AGAIN_MS = 30000, /* after it gave up */
    SHOWN_BYTES = 6   /* of an origin, in a complaint */
};

enum stage { IDLE, WALKING, FETCHING, WRITING };

struct gs_healer {
    struct gs_healer_config config;
    struct gs_store_thread *store;
    enum stage stage;
    bool patient;
    struct gs_trust trust; /* entries owned */
    struct gs_damage damage;
    bool begun, thorough;
    uint64_t after; /* the walk's: the last row it has seen */
    uint64_t seen;
    /* The question that is out. */
    bool asked;
    uint64_t link, session;
    uint64_t asked_mono_ms;
    uint32_t tried; /* links that were asked for the present gap */
    uint64_t moved_mono_ms, complain_mono_ms, pause_until_mono_ms;
    uint64_t failed_mono_ms; /* 0: it has not */
    uint64_t *positions;     /* of the writing; owned */
    struct gs_slice *records;
};

struct gs_healer *gs_healer_new(const struct gs_healer_config *config) {
    struct gs_healer *healer = calloc(1, sizeof *healer);
    if (healer != NULL) {
        healer->config = *config;
    }
    return healer;
}

void gs_healer_reset(struct gs_healer *healer) {
    gs_damage_close(&healer->damage);
    free(healer->trust.entries);
    free(healer->positions);
    free(healer->records);
    healer->trust = (struct gs_trust){0};
    healer->positions = NULL;
    healer->records = NULL;
    healer->asked = false;
    healer->stage = IDLE;
    healer->store = NULL;
}

void gs_healer_free(struct gs_healer *healer) {
    if (healer != NULL) {
        gs_healer_reset(healer);
        free(healer);
    }
}

bool gs_healer_busy(const struct gs_healer *healer) {
    return healer->stage != IDLE;
}

static void finish(struct gs_healer *healer, uint32_t healed, uint32_t left, const char *reason) {
    gs_healer_reset(healer);
    healer->config.finished(healer->config.context, healed, left, reason);
}

/* On the store's thread. */
static int on_row(void *context, const struct gs_stored_row *row) {
    return gs_damage_row(&((struct gs_healer *)context)->damage, row);
}

/* The log is whole from its base on. */
static int walk(struct gs_store *store, void *context) {
    struct gs_healer *healer = context;
    if (!healer->begun) {
        const struct gs_base *base = &store->log_base;
        int error = gs_damage_begin(&healer->damage, &healer->config.cluster, &healer->trust, &base->heads,
                                    base->position, healer->thorough);
        if (error != 0) {
            return error;
        }
        healer->after = base->position;
        healer->begun = true;
    }
    return store->methods->inspect(store, healer->after, SLICE_ROWS, on_row, healer, &healer->seen);
}

static void on_walked(void *context, int error);

static void walk_on(struct gs_healer *healer) {
    int error = gs_store_thread_call(healer->store, walk, on_walked, healer);
    if (error != 0) {
        finish(healer, 0, 1, gs_error_message(error));
    }
}

static void begin_walk(struct gs_healer *healer, bool thorough) {
    healer->thorough = thorough;
    healer->begun = false;
    walk_on(healer);
}

static void write_records(struct gs_healer *healer);

static void end_walk(struct gs_healer *healer) {
    if (healer->damage.suspicious && !healer->damage.thorough) {
        begin_walk(healer, true);
        return;
    }
    int error = gs_damage_end(&healer->damage);
    if (error != 0 || healer->damage.hopeless) {
        uint32_t left = healer->damage.row_count > 0 ? healer->damage.row_count : 1;
        finish(healer, 0, left,
               error != 0 ? gs_error_message(error) : "sound records of the log contradict each other");
    } else if (healer->damage.row_count == 0) {
        finish(healer, 0, 0, "");
    } else {
        healer->stage = FETCHING;
        healer->tried = 0;
        if (gs_damage_next(&healer->damage) == NULL) {
            write_records(healer); /* rows whose records are whole */
        }
    }
}

static void on_walked(void *context, int error) {
    struct gs_healer *healer = context;
    if (error == GS_ETOOBIG) {
        finish(healer, 0, GS_DAMAGED_MAX, "too many records are damaged");
    } else if (error != 0) {
        finish(healer, 0, 1, gs_error_message(error));
    } else if (healer->seen == healer->after) {
        end_walk(healer);
    } else {
        healer->after = healer->seen;
        walk_on(healer);
    }
}

static int write_rows(struct gs_store *store, void *context) {
    const struct gs_healer *healer = context;
    return store->methods->heal(store, healer->positions, healer->records, healer->damage.row_count);
}

/* record 17: eu-west, events 100 to 120 */
static void report(struct gs_healer *healer, uint32_t index) {
    struct gs_record record;
    struct gs_batch_head head;
    char text[200];
    if (gs_record_parse(healer->records[index], &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return;
    }
    const struct gs_trust_entry *entry = gs_trust_find_origin(&healer->trust, &head.origin, &head.incarnation);
    snprintf(text, sizeof text, "record %llu of the log (%s, events %llu to %llu)",
             (unsigned long long)healer->positions[index], entry != NULL ? entry->region : "?",
             (unsigned long long)head.first_seq, (unsigned long long)gs_batch_last_seq(&head));
    healer->config.healed(healer->config.context, healer->positions[index], text);
}

static void on_written(void *context, int error) {
    struct gs_healer *healer = context;
    uint32_t count = healer->damage.row_count;
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        report(healer, i);
    }
    finish(healer, error == 0 ? count : 0, error == 0 ? 0 : count, error == 0 ? "" : gs_error_message(error));
}

static void write_records(struct gs_healer *healer) {
    uint32_t count = healer->damage.row_count;
    int error = gs_damage_place(&healer->damage);
    healer->positions = calloc(count, sizeof *healer->positions);
    healer->records = calloc(count, sizeof *healer->records);
    if (error == 0 && (healer->positions == NULL || healer->records == NULL)) {
        error = GS_ENOMEM;
    }
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        const struct gs_damaged_row *row = &healer->damage.rows[i];
        healer->positions[i] = row->position;
        healer->records[i] = gs_slice_make(row->record.bytes, row->record.length);
    }
    healer->stage = WRITING;
    if (error == 0) {
        error = gs_store_thread_call(healer->store, write_rows, on_written, healer);
    }
    if (error != 0) {
        finish(healer, 0, count,
               error == GS_ECORRUPT ? "what peers have does not fit the records that are damaged"
                                    : gs_error_message(error));
    }
}

void gs_healer_begin(struct gs_healer *healer, struct gs_store_thread *store, const struct gs_trust *trust,
                     bool patient, uint64_t mono_ms) {
    bool rests = healer->failed_mono_ms != 0 && mono_ms - healer->failed_mono_ms < AGAIN_MS;
    if (healer->stage != IDLE || (rests && !patient)) {
        return;
    }
    healer->trust.entries = malloc((trust->count + 1) * sizeof *trust->entries);
    if (healer->trust.entries == NULL) {
        return; /* whoever meets the damage next asks again */
    }
    memcpy(healer->trust.entries, trust->entries, trust->count * sizeof *trust->entries);
    healer->trust.count = trust->count;
    healer->store = store;
    healer->patient = patient;
    healer->stage = WALKING;
    healer->moved_mono_ms = mono_ms;
    healer->complain_mono_ms = mono_ms + COMPLAIN_FIRST_MS;
    healer->pause_until_mono_ms = 0;
    begin_walk(healer, false);
}

static void ask(struct gs_healer *healer, const struct gs_damage_gap *gap, uint64_t link, uint64_t mono_ms) {
    struct gs_snapshot question = {
        .op = GS_SNAPSHOT_RANGE, .origin = gap->origin, .after = gap->at.seq, .until = gap->until};
    struct gs_buffer body = {0};
    struct gs_buffer message = {0};
    randombytes_buf(&question.session, sizeof question.session);
    gs_snapshot_write(&question, &body);
    gs_message_write_snapshot(gs_slice_make(body.bytes, body.length), &message);
    if (body.failed == 0 && message.failed == 0) {
        healer->asked = true;
        healer->link = link;
        healer->session = question.session;
        healer->asked_mono_ms = mono_ms;
        healer->config.send(healer->config.context, link, gs_slice_make(message.bytes, message.length));
    }
    gs_buffer_close(&body);
    gs_buffer_close(&message);
}

static void give_up(struct gs_healer *healer, uint64_t mono_ms) {
    uint32_t left = healer->damage.row_count;
    healer->failed_mono_ms = mono_ms;
    finish(healer, 0, left, "no region that can be reached has them");
}

static void complain(struct gs_healer *healer, const struct gs_damage_gap *gap, uint64_t mono_ms) {
    if (mono_ms >= healer->complain_mono_ms) {
        char name[2 * SHOWN_BYTES + 1];
        for (int i = 0; i < SHOWN_BYTES; i++) {
            snprintf(name + 2 * i, 3, "%02x", gap->origin.bytes[i]);
        }
        healer->complain_mono_ms = mono_ms + COMPLAIN_MS;
        gs_log(
            GS_LOG_ERROR, "log_damaged",
            "%u records of the log are damaged; nobody who can be reached has the events of origin %s… after %llu that "
            "belong there: waiting for a region that does. If there is none any more, stop the node: `globalstate "
            "salvage` shows what is lost without them, and goes on without them if you say so",
            healer->damage.row_count, name, (unsigned long long)gap->at.seq);
    }
}

/* The next question, if none is out. */
static void go_on(struct gs_healer *healer, uint64_t mono_ms) {
    uint64_t links[GS_CORE_PEERS_MAX];
    const struct gs_damage_gap *gap = gs_damage_next(&healer->damage);
    if (gap == NULL) {
        write_records(healer);
        return;
    }
    if (!healer->patient && mono_ms - healer->moved_mono_ms >= GIVE_UP_MS) {
        give_up(healer, mono_ms);
        return;
    }
    uint32_t count = healer->config.links(healer->config.context, links, GS_CORE_PEERS_MAX);
    if (mono_ms < healer->pause_until_mono_ms) {
        return;
    }
    if (healer->tried >= count) {
        healer->tried = 0;
        healer->pause_until_mono_ms = mono_ms + ROUND_PAUSE_MS;
        complain(healer, gap, mono_ms);
        return;
    }
    ask(healer, gap, links[healer->tried], mono_ms);
}

void gs_healer_tick(struct gs_healer *healer, uint64_t mono_ms) {
    if (healer->stage != FETCHING) {
        return;
    }
    if (healer->asked && mono_ms - healer->asked_mono_ms >= ANSWER_MS) {
        healer->asked = false;
        healer->tried++;
    }
    if (!healer->asked) {
        go_on(healer, mono_ms);
    }
}

static void take(struct gs_healer *healer, const struct gs_snapshot *answer, uint64_t mono_ms) {
    struct gs_damage_gap *gap = gs_damage_next(&healer->damage);
    int taken = gs_damage_take(&healer->damage, gap, answer->records, answer->count);
    healer->asked = false;
    if (taken > 0 || gap->complete) {
        healer->moved_mono_ms = mono_ms;
        healer->tried = gap->complete ? 0 : healer->tried;
    } else {
        healer->tried++;
    }
    if (taken == GS_ESIGNATURE || taken == GS_ECHAIN || taken == GS_EFORMAT) {
        healer->config.liar(healer->config.context, healer->link);
    }
    go_on(healer, mono_ms);
}

void gs_healer_message(struct gs_healer *healer, uint64_t link, struct gs_slice bytes, uint64_t mono_ms) {
    struct gs_snapshot answer;
    struct gs_slice body;
    if (healer->stage != FETCHING || !healer->asked || link != healer->link ||
        !gs_message_read_snapshot(bytes, &body) || gs_snapshot_decode(body, &answer) != 0) {
        return;
    }
    if (answer.op == GS_SNAPSHOT_RECORDS && answer.session == healer->session) {
        take(healer, &answer, mono_ms);
    }
    gs_snapshot_close(&answer);
}
