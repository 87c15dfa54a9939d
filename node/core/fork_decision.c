/* Decisions about forks (fork.h): known, told, followed. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { TELL_AGAIN_MS = 5000, STUCK_MS = 5000, HASH_TEXT = 2 * GS_HASH_SIZE };

static bool read_hash(struct gs_reader *reader, gs_hash *ret_hash) {
    struct gs_slice text = gs_read_str(reader, HASH_TEXT);
    size_t length = 0;
    return reader->error == 0 && text.length == HASH_TEXT &&
           sodium_hex2bin(ret_hash->bytes, GS_HASH_SIZE, (const char *)text.bytes, text.length, NULL, &length, NULL) ==
               0 &&
           length == GS_HASH_SIZE;
}

bool gs_fork_verdict_read(struct gs_slice value, struct gs_fork_verdict *ret_verdict) {
    struct gs_fork_verdict verdict = {0};
    struct gs_reader reader;
    static const gs_hash none;
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return false;
    }
    gs_reader_init(&reader, value.bytes, value.length);
    gs_read_array_exact(&reader, 4);
    verdict.seq = gs_read_uint(&reader);
    if (!read_hash(&reader, &verdict.point) || !read_hash(&reader, &verdict.keep)) {
        return false;
    }
    struct gs_slice importer = gs_read_str(&reader, GS_REGION_NAME_MAX);
    bool has_point = memcmp(&verdict.point, &none, sizeof none) != 0;
    if (gs_reader_finish(&reader) != 0 || verdict.seq >= GS_SEQ_MAX || has_point != (verdict.seq > 0)) {
        return false;
    }
    memcpy(verdict.importer, importer.bytes, importer.length);
    *ret_verdict = verdict;
    return true;
}

static void write_hash(const gs_hash *hash, struct gs_buffer *out) {
    char text[HASH_TEXT + 1];
    sodium_bin2hex(text, sizeof text, hash->bytes, GS_HASH_SIZE);
    gs_write_str(out, text, HASH_TEXT);
}

void gs_fork_verdict_write(const struct gs_fork_verdict *verdict, struct gs_buffer *out) {
    gs_write_array(out, 4);
    gs_write_uint(out, verdict->seq);
    write_hash(&verdict->point, out);
    write_hash(&verdict->keep, out);
    gs_write_str(out, verdict->importer, strlen(verdict->importer));
}

struct gs_decision *gs_decision_find(const struct gs_core *core, const gs_origin *origin) {
    for (uint32_t i = 0; i < core->decision_count; i++) {
        if (gs_origin_equal(&core->decisions[i].origin, origin)) {
            return &core->decisions[i];
        }
    }
    return NULL;
}

/* Each decision has a note of its own, and another one before a cut: that one is durable before the cut is made. */
static void name_note(const gs_origin *origin, const gs_origin *by, bool cuts, char ret_name[81]) {
    memcpy(ret_name, GS_NOTE_DECIDED, sizeof GS_NOTE_DECIDED);
    char *at = ret_name + sizeof GS_NOTE_DECIDED - 1;
    sodium_bin2hex(at, 2 * GS_ORIGIN_SIZE + 1, origin->bytes, GS_ORIGIN_SIZE);
    at += 2 * GS_ORIGIN_SIZE;
    *at++ = '-';
    sodium_bin2hex(at, 2 * 8 + 1, by->bytes, 8);
    at += 2 * 8;
    memcpy(at, cuts ? GS_NOTE_CUT : "", cuts ? sizeof GS_NOTE_CUT : 1);
}

static int keep_note(const gs_origin *origin, const struct gs_decided *decided, bool cuts, struct gs_update *update) {
    char name[81];
    struct gs_buffer note = {0};
    name_note(origin, &decided->by, cuts, name);
    gs_buffer_append(&note, decided->record.bytes, decided->record.length);
    return gs_update_note(update, name, &note);
}

int gs_decisions_keep(const struct gs_core *core, struct gs_update *update) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->decision_count; i++) {
        const struct gs_decision *decision = &core->decisions[i];
        for (uint32_t j = 0; error == 0 && j < decision->count; j++) {
            const struct gs_decided *decided = &decision->decided[j];
            error = decided->record.length > 0 ? keep_note(&decision->origin, decided, true, update) : 0;
        }
    }
    return error;
}

static bool same_choice(const struct gs_fork_verdict *a, const struct gs_fork_verdict *b) {
    return a->seq == b->seq && memcmp(&a->point, &b->point, sizeof a->point) == 0 &&
           memcmp(&a->keep, &b->keep, sizeof a->keep) == 0;
}

/* What they come to. */
static void sum_up(struct gs_decision *decision) {
    decision->keeps = true;
    decision->seq = decision->decided[0].verdict.seq;
    for (uint32_t i = 1; i < decision->count; i++) {
        const struct gs_fork_verdict *verdict = &decision->decided[i].verdict;
        decision->keeps = decision->keeps && same_choice(verdict, &decision->decided[0].verdict);
        decision->seq = verdict->seq < decision->seq ? verdict->seq : decision->seq;
    }
}

/* Where a decision is to be put: that of the same event, or a new place. NULL: it is known already, or there are too
 * many. */
static struct gs_decided *find_place(struct gs_decision *decision, const struct gs_decided *decided) {
    for (uint32_t i = 0; i < decision->count; i++) {
        struct gs_decided *known = &decision->decided[i];
        if (known->clock == decided->clock &&
            (known->record.length == 0 || gs_origin_equal(&known->by, &decided->by))) {
            return known->record.length == 0 && decided->record.length > 0 ? known : NULL;
        }
    }
    return decision->count < GS_DECIDED_MAX ? &decision->decided[decision->count++] : NULL;
}

static struct gs_decision *find_or_add(struct gs_core *core, const gs_origin *origin) {
    struct gs_decision *decision = gs_decision_find(core, origin);
    if (decision == NULL && core->decision_count < GS_DECISIONS_MAX &&
        gs_array_reserve((void **)&core->decisions, &core->decision_capacity, core->decision_count,
                         sizeof *core->decisions) == 0) {
        decision = &core->decisions[core->decision_count++];
        *decision = (struct gs_decision){.origin = *origin};
        core->stats.decisions++;
    }
    return decision;
}

/* Takes the decision's buffer, on failure too. */
static int adopt(struct gs_core *core, const gs_origin *of, struct gs_decided *decided) {
    struct gs_decision *decision = decided->record.failed == 0 ? find_or_add(core, of) : NULL;
    struct gs_decided *place = decision != NULL ? find_place(decision, decided) : NULL;
    if (place == NULL) {
        int failed = decided->record.failed;
        gs_buffer_close(&decided->record);
        return failed;
    }
    bool followed = decision->state == GS_DECISION_FOLLOWED && decision->keeps;
    *place = *decided;
    sum_up(decision);
    /* One more who decides the same changes nothing: what of the log shows the branch may be gone by now. */
    followed = followed && decision->keeps;
    decision->state = followed ? GS_DECISION_FOLLOWED : GS_DECISION_OPEN;
    struct gs_origin_state *origin = gs_registry_find(core, of);
    if (origin != NULL && !followed) {
        gs_forks_freeze(core, origin);
        gs_causal_clear(core, origin);
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        core->peers[i].decisions_mono_ms = 0;
    }
    return place->record.length > 0 && !core->recovering ? keep_note(of, place, false, &core->later) : 0;
}

static bool read_id(struct gs_slice id, gs_origin *ret_origin) {
    size_t length = 0;
    return id.length == 2 * GS_ORIGIN_SIZE &&
           sodium_hex2bin(ret_origin->bytes, GS_ORIGIN_SIZE, (const char *)id.bytes, id.length, NULL, &length, NULL) ==
               0 &&
           length == GS_ORIGIN_SIZE;
}

static bool is_on_fork(struct gs_slice type) {
    static const char name[] = GS_FORK_TYPE;
    return gs_slice_compare(type, gs_slice_make(name, sizeof name - 1)) == 0;
}

/* The verdict that a change sets, if it is one that does. */
static bool find_verdict(const struct gs_event_change *change, gs_origin *ret_origin,
                         struct gs_fork_verdict *ret_verdict) {
    static const char member[] = "decision";
    if (!is_on_fork(change->aggregate_type) || !read_id(change->aggregate_id, ret_origin)) {
        return false;
    }
    for (uint32_t i = 0; i < change->delta.count; i++) {
        const struct gs_change *one = &change->delta.changes[i];
        if (one->kind == GS_OP_SET && one->path.depth == 1 &&
            gs_slice_compare(one->path.names[0], gs_slice_make(member, sizeof member - 1)) == 0 &&
            gs_fork_verdict_read(one->value, ret_verdict)) {
            return true;
        }
    }
    return false;
}

int gs_cut_decision(struct gs_slice bytes, char ret_name[81], struct gs_buffer *note, bool *ret_found) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    *ret_found = false;
    int error = gs_record_parse(bytes, &record);
    error = error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
    error = error != 0 ? error : gs_batch_decode(&head, &arena, &events);
    for (uint32_t i = 0; error == 0 && !*ret_found && i < head.count; i++) {
        for (uint32_t j = 0; !*ret_found && j < events[i].change_count; j++) {
            struct gs_fork_verdict verdict;
            gs_origin origin;
            *ret_found = find_verdict(&events[i].changes[j], &origin, &verdict);
            if (*ret_found) {
                name_note(&origin, &head.origin, true, ret_name);
            }
        }
    }
    gs_arena_close(&arena);
    if (*ret_found) {
        gs_forks_write_bare(&record, note);
        error = note->failed;
    }
    return error;
}

int gs_decisions_note(struct gs_core *core, const struct gs_batch_head *head, const struct gs_event *events) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < head->count; i++) {
        for (uint32_t j = 0; error == 0 && j < events[i].change_count; j++) {
            struct gs_decided decided = {.clock = events[i].clock, .by = head->origin};
            gs_origin origin;
            if (!find_verdict(&events[i].changes[j], &origin, &decided.verdict)) {
                continue;
            }
            struct gs_record record = {
                .batch = gs_slice_make(head->signed_bytes.bytes, head->signed_bytes.length + GS_SIGNATURE_SIZE)};
            gs_forks_write_bare(&record, &decided.record);
            error = adopt(core, &origin, &decided);
        }
    }
    return error;
}

/* A record that came by itself: it need not be applicable here. */
static int take_record(struct gs_core *core, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    int error = gs_record_parse(bytes, &record);
    error = error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, &head);
    if (error == 0 && memcmp(head.cluster.bytes, core->config.cluster.bytes, GS_CLUSTER_SIZE) != 0) {
        error = GS_ECLUSTER;
    }
    const struct gs_trust_entry *trusted =
        error == 0 ? gs_trust_find_origin(core->config.trust, &head.origin, &head.incarnation) : NULL;
    if (error == 0 && (trusted == NULL || !gs_trust_takes(trusted, &head.origin, gs_batch_last_seq(&head)))) {
        error = GS_EUNTRUSTED;
    }
    error = error != 0 ? error : gs_batch_verify(&head, &trusted->key);
    error = error != 0 ? error : gs_batch_decode(&head, &arena, &events);
    error = error != 0 ? error : gs_decisions_note(core, &head, events);
    gs_arena_close(&arena);
    return error;
}

int gs_decision_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                        struct gs_update *update) {
    int error = take_record(core, message->records[0]);
    if (error == GS_ENOMEM || error == GS_EUNTRUSTED) {
        return error == GS_ENOMEM ? error : 0; /* our trust file and the peer's may differ for a while */
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    return core->self->forked ? gs_core_reincarnate(core) : 0;
}

int gs_decision_recover(struct gs_core *core, const char *name, struct gs_slice bytes) {
    static const char prefix[] = GS_NOTE_DECIDED;
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return 0;
    }
    int error = take_record(core, bytes);
    return error == GS_ENOMEM ? error : 0;
}

/* What the state says, where the log before it was not replayed and the note is lost. */
static int find_in_state(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                         const struct gs_aggregate *aggregate) {
    struct gs_core *core = context;
    struct gs_decided decided = {0};
    struct gs_buffer value = {0};
    gs_origin origin;
    (void)version;
    if (!is_on_fork(type) || !read_id(id, &origin) || gs_decision_find(core, &origin) != NULL) {
        return 0;
    }
    int error = gs_aggregate_write_value(aggregate, &value);
    struct gs_slice found =
        error == 0 ? gs_map_get(gs_slice_make(value.bytes, value.length), "decision") : (struct gs_slice){0};
    if (found.length > 0 && gs_fork_verdict_read(found, &decided.verdict)) {
        decided.clock = gs_cell_find(core, type, id)->updated;
        error = adopt(core, &origin, &decided);
    }
    gs_buffer_close(&value);
    return error == GS_ENOMEM ? error : 0;
}

int gs_decisions_start(struct gs_core *core) {
    int error = gs_core_visit(core, find_in_state, core);
    for (uint32_t i = 0; i < core->decision_count; i++) {
        struct gs_origin_state *origin = gs_registry_find(core, &core->decisions[i].origin);
        if (origin != NULL) { /* until it is known which branch is ours */
            gs_forks_freeze(core, origin);
        }
    }
    return error;
}

int gs_decisions_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    bool first = peer->decisions_mono_ms == 0;
    if (core->decision_count == 0 || (!first && core->mono_ms - peer->decisions_mono_ms < TELL_AGAIN_MS)) {
        return 0;
    }
    peer->decisions_mono_ms = core->mono_ms;
    for (uint32_t i = 0; i < core->decision_count; i++) {
        const struct gs_decision *decision = &core->decisions[i];
        bool wanted = first || gs_forks_known_by(peer, &decision->origin);
        for (uint32_t j = 0; wanted && j < decision->count; j++) {
            const struct gs_buffer *record = &decision->decided[j].record;
            struct gs_buffer message = {0};
            if (record->length == 0) {
                continue;
            }
            gs_message_write_decision(gs_slice_make(record->bytes, record->length), &message);
            int error = gs_update_send(update, peer->id, &message);
            if (error != 0) {
                return error;
            }
        }
    }
    return 0;
}

static int parse(struct gs_slice bytes, struct gs_batch_head *ret_head) {
    struct gs_record record;
    int error = gs_record_parse(bytes, &record);
    return error != 0 ? error : gs_batch_parse_head(record.batch.bytes, record.batch.length, ret_head);
}

/* A batch of ours is known to end at `seq` with this hash. */
static bool ends_at(const struct gs_origin_state *origin, uint64_t seq, const gs_hash *hash) {
    uint64_t kept = origin->end_count < ENDS_KEPT ? origin->end_count : ENDS_KEPT;
    for (uint64_t i = 0; i < kept; i++) {
        const struct gs_end *end = &origin->ends[(origin->end_count - 1 - i) % ENDS_KEPT];
        if (end->seq == seq) {
            return memcmp(end->hash.bytes, hash->bytes, GS_HASH_SIZE) == 0;
        }
    }
    return false;
}

bool gs_decision_expects(struct gs_core *core, struct gs_origin_state *origin, const struct gs_record *record) {
    struct gs_decision *decision = gs_decision_find(core, &origin->origin);
    struct gs_batch_head head;
    if (decision == NULL || gs_batch_parse_head(record->batch.bytes, record->batch.length, &head) != 0) {
        return false;
    }
    if (decision->state != GS_DECISION_FOLLOWED) {
        return true;
    }
    if (!decision->keeps) {
        return true;
    }
    const struct gs_fork_verdict *verdict = &decision->decided[0].verdict;
    if (head.first_seq == verdict->seq + 1 && memcmp(&head.hash, &verdict->keep, sizeof head.hash) == 0) {
        decision->state = GS_DECISION_UNFIT; /* the kept branch does not follow what is here */
        gs_forks_freeze(core, origin);
        return true;
    }
    /* A batch that stands on the kept branch and is not what follows there: its key has signed yet another history. All
     * else is of branches that others have not left yet. */
    return !(head.first_seq > verdict->seq + 1 && ends_at(origin, head.first_seq - 1, &head.prev_hash));
}

bool gs_decision_forbids(const struct gs_core *core, const struct gs_batch_head *head) {
    const struct gs_decision *decision = gs_decision_find(core, &head->origin);
    if (decision == NULL || gs_batch_last_seq(head) <= decision->seq) {
        return false;
    }
    if (!decision->keeps) {
        return true;
    }
    if (head->first_seq > decision->seq + 1) {
        return false;
    }
    return head->first_seq != decision->seq + 1 ||
           memcmp(&head->hash, &decision->decided[0].verdict.keep, sizeof head->hash) != 0;
}

static void follow(struct gs_core *core, struct gs_decision *decision, struct gs_origin_state *origin) {
    decision->state = GS_DECISION_FOLLOWED;
    if (origin != NULL) {
        gs_forks_thaw(core, origin);
    }
    /* What waits for a branch that nobody takes any more is asked for again if it is of use. */
    for (uint32_t i = 0; i < core->origin_count; i++) {
        gs_causal_clear(core, core->origins[i]);
    }
}

/* Of the batch that ends at the point. */
static const gs_hash *point_hash(const struct gs_decision *decision) {
    uint32_t at = 0;
    while (decision->decided[at].verdict.seq != decision->seq) {
        at++;
    }
    return &decision->decided[at].verdict.point;
}

/* Who writes the events of a branch again: the region that the earliest decision against it names. */
static const char *importer_of(const struct gs_decision *decision, const gs_hash *branch) {
    const struct gs_decided *first = NULL;
    for (uint32_t i = 0; i < decision->count; i++) {
        const struct gs_decided *decided = &decision->decided[i];
        bool against = memcmp(&decided->verdict.keep, branch, sizeof *branch) != 0;
        if (against && (first == NULL || decided->clock < first->clock ||
                        (decided->clock == first->clock && gs_origin_compare(&decided->by, &first->by) < 0))) {
            first = decided;
        }
    }
    return first != NULL ? first->verdict.importer : "";
}

static int consider(struct gs_core *core, struct gs_decision *decision, struct gs_update *update) {
    struct gs_origin_state *origin = gs_registry_find(core, &decision->origin);
    const struct gs_head *head = gs_vector_find(&core->applied, &decision->origin);
    uint64_t seq = head != NULL ? head->seq : 0;
    uint64_t point = decision->seq;
    if (seq > point) {
        int error = gs_fork_read_begin(core, GS_FORK_READS_FOR_DECISION, &decision->origin, point + 1, 0, update);
        return error == GS_EBUSY ? 0 : error;
    }
    if (seq == point && seq > 0 && memcmp(&head->hash, point_hash(decision), sizeof head->hash) != 0) {
        decision->state = GS_DECISION_UNFIT;
    } else {
        follow(core, decision, origin);
    }
    return 0;
}

int gs_decision_read(struct gs_core *core, const gs_origin *of, uint64_t seq, struct gs_slice bytes) {
    struct gs_decision *decision = gs_decision_find(core, of);
    struct gs_batch_head head;
    if (decision == NULL || decision->state != GS_DECISION_OPEN || decision->seq + 1 != seq || bytes.length == 0 ||
        parse(bytes, &head) != 0 || !gs_origin_equal(&head.origin, of)) {
        return 0; /* asked again with the next tick */
    }
    if (head.first_seq != seq || memcmp(&head.prev_hash, point_hash(decision), sizeof head.prev_hash) != 0) {
        decision->state = GS_DECISION_UNFIT;
    } else if (decision->keeps && memcmp(&head.hash, &decision->decided[0].verdict.keep, sizeof head.hash) == 0) {
        follow(core, decision, gs_registry_find(core, of));
    } else {
        decision->state = GS_DECISION_CUT;
        core->must_cut = true;
        core->cut = (struct gs_cut){.origin = *of, .seq = decision->seq};
        const char *importer = importer_of(decision, &head.hash);
        memcpy(core->cut.importer, importer, strlen(importer) + 1);
    }
    return 0;
}

/* What has waited without moving may wait for batches that were taken out of every log: it is let go, and asked for
 * again if anybody still has it. */
static void drop_stuck(struct gs_core *core) {
    if (core->mono_ms < core->stuck_mono_ms) {
        return;
    }
    core->stuck_mono_ms = core->mono_ms + STUCK_MS;
    for (uint32_t i = 0; i < core->origin_count; i++) {
        struct gs_origin_state *origin = core->origins[i];
        if (origin->waiting != NULL && origin->waiting->first_seq == origin->stuck_seq) {
            gs_causal_clear(core, origin);
        }
        origin->stuck_seq = origin->waiting != NULL ? origin->waiting->first_seq : 0;
    }
}

int gs_decisions_tick(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    drop_stuck(core);
    for (uint32_t i = 0; error == 0 && i < core->decision_count && !core->must_cut; i++) {
        if (core->decisions[i].state == GS_DECISION_OPEN) {
            error = consider(core, &core->decisions[i], update);
        }
    }
    for (uint32_t i = 0; error == 0 && i < core->peer_count; i++) {
        if (core->peers[i].heard) {
            error = gs_decisions_tell(core, &core->peers[i], update);
        }
    }
    return error;
}

bool gs_decisions_pending(const struct gs_core *core) {
    for (uint32_t i = 0; i < core->decision_count; i++) {
        enum gs_decision_state state = core->decisions[i].state;
        if (state == GS_DECISION_OPEN || state == GS_DECISION_CUT) {
            return true;
        }
    }
    return false;
}

void gs_decisions_close(struct gs_core *core) {
    for (uint32_t i = 0; i < core->decision_count; i++) {
        for (uint32_t j = 0; j < core->decisions[i].count; j++) {
            gs_buffer_close(&core->decisions[i].decided[j].record);
        }
    }
    free(core->decisions);
}
