/* Forks, for people: where the histories part, which one is here, who waits, what was decided, what is imported. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <string.h>

static void write_hex(const uint8_t *bytes, size_t length, struct gs_buffer *out) {
    for (size_t i = 0; i < length; i++) {
        gs_buffer_printf(out, "%02x", bytes[i]);
    }
}

/* The two batches of a proof. */
static bool read_proof(const struct gs_origin_state *origin, struct gs_message *message,
                       struct gs_batch_head heads[2]) {
    struct gs_record record;
    *message = (struct gs_message){0};
    if (origin == NULL || origin->proof.length == 0 ||
        gs_message_decode(origin->proof.bytes, origin->proof.length, message) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (gs_record_parse(message->records[i], &record) != 0 ||
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &heads[i]) != 0) {
            gs_message_close(message);
            return false;
        }
    }
    return true;
}

static bool is_here(const struct gs_core *core, const struct gs_origin_state *origin,
                    const struct gs_batch_head *branch) {
    return origin->has_here && gs_vector_seq(&core->stored, &origin->origin) >= branch->first_seq &&
           memcmp(&origin->here, &branch->hash, sizeof origin->here) == 0;
}

static void write_branch(const struct gs_core *core, const struct gs_origin_state *origin,
                         const struct gs_batch_head *branch, struct gs_buffer *out) {
    bool here = is_here(core, origin, branch);
    uint64_t stored = gs_vector_seq(&core->stored, &origin->origin);
    gs_buffer_text(out, "{\"hash\":\"");
    write_hex(branch->hash.bytes, GS_HASH_SIZE, out);
    gs_buffer_printf(out, "\",\"firstSeq\":%llu,\"lastSeq\":%llu,\"here\":%s,\"eventsHere\":%llu",
                     (unsigned long long)branch->first_seq, (unsigned long long)gs_batch_last_seq(branch),
                     here ? "true" : "false", (unsigned long long)(here ? stored - branch->first_seq + 1 : 0));
    if (!here && origin->has_here && origin->other_holder[0] != '\0') {
        gs_buffer_printf(out, ",\"heldBy\":\"%s\"", origin->other_holder);
    }
    gs_buffer_text(out, "}");
}

static void write_branches(const struct gs_core *core, const struct gs_origin_state *origin, struct gs_buffer *out) {
    struct gs_message message;
    struct gs_batch_head heads[2];
    if (!read_proof(origin, &message, heads)) {
        gs_buffer_text(out, ",\"located\":false,\"branches\":[]");
        return;
    }
    gs_buffer_printf(out, ",\"located\":%s", origin->located ? "true" : "false");
    if (origin->located) {
        gs_buffer_printf(out, ",\"pointSeq\":%llu", (unsigned long long)(heads[0].first_seq - 1));
    }
    gs_buffer_text(out, ",\"branches\":[");
    for (int i = 0; i < 2; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_branch(core, origin, &heads[i], out);
    }
    gs_buffer_text(out, "]");
    gs_message_close(&message);
}

/* Whose batches wait for a part of the origin's history that is not here. */
static void write_waiting(const struct gs_core *core, const gs_origin *forked, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_text(out, ",\"waiting\":[");
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        if (origin->waiting == NULL || !gs_origin_equal(&origin->waiting->blocker.origin, forked)) {
            continue;
        }
        uint32_t batches = 0;
        for (const struct gs_waiting *waiting = origin->waiting; waiting != NULL; waiting = waiting->next) {
            batches++;
        }
        gs_buffer_text(out, first ? "{\"region\":\"" : ",{\"region\":\"");
        gs_registry_write_name(core, &origin->origin, out);
        gs_buffer_printf(out, "\",\"batches\":%u,\"bytes\":%zu}", (unsigned)batches, origin->waiting_bytes);
        first = false;
    }
    gs_buffer_text(out, "]");
}

static const char *state_of(const struct gs_origin_state *origin, const struct gs_decision *decision) {
    if (decision == NULL) {
        return "undecided";
    }
    switch (decision->state) {
    case GS_DECISION_OPEN:
    case GS_DECISION_CUT:
        return "following";
    case GS_DECISION_UNFIT:
        return "unfit";
    default:
        return origin != NULL && origin->forked ? "forked_again" : "decided";
    }
}

static void write_decided(const struct gs_core *core, const struct gs_decided *decided, struct gs_buffer *out) {
    const struct gs_fork_verdict *verdict = &decided->verdict;
    char time[25];
    gs_hlc_format(decided->clock, time);
    gs_buffer_printf(out, "{\"pointSeq\":%llu,\"keep\":\"", (unsigned long long)verdict->seq);
    write_hex(verdict->keep.bytes, GS_HASH_SIZE, out);
    gs_buffer_printf(out, "\",\"others\":\"%s\"", verdict->importer[0] != '\0' ? "import" : "drop");
    if (verdict->importer[0] != '\0') {
        gs_buffer_text(out, ",\"importer\":");
        gs_json_write_string((const uint8_t *)verdict->importer, strlen(verdict->importer), out);
    }
    gs_buffer_text(out, ",\"region\":\"");
    gs_registry_write_name(core, &decided->by, out);
    gs_buffer_printf(out, "\",\"decidedAt\":\"%s\"}", time);
}

static void write_decision(const struct gs_core *core, const struct gs_decision *decision, struct gs_buffer *out) {
    gs_buffer_printf(out, ",\"agreed\":%s,\"decisions\":[", decision->keeps ? "true" : "false");
    for (uint32_t i = 0; i < decision->count; i++) {
        gs_buffer_text(out, i > 0 ? "," : "");
        write_decided(core, &decision->decided[i], out);
    }
    gs_buffer_text(out, "]");
}

static void write_fork(const struct gs_core *core, const gs_origin *of, struct gs_buffer *out) {
    const struct gs_origin_state *origin = gs_registry_find(core, of);
    const struct gs_decision *decision = gs_decision_find(core, of);
    gs_buffer_text(out, "{\"origin\":\"");
    write_hex(of->bytes, GS_ORIGIN_SIZE, out);
    gs_buffer_text(out, "\",\"region\":\"");
    gs_registry_write_name(core, of, out);
    gs_buffer_printf(out, "\",\"state\":\"%s\",\"appliedSeq\":%llu", state_of(origin, decision),
                     (unsigned long long)gs_vector_seq(&core->stored, of));
    write_branches(core, origin, out);
    write_waiting(core, of, out);
    if (decision != NULL) {
        write_decision(core, decision, out);
    }
    gs_buffer_text(out, "}");
}

static void write_imports(const struct gs_core *core, struct gs_buffer *out) {
    const struct gs_import *import = &core->import;
    uint32_t waiting = 0;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < import->item_count; i++) {
        waiting += import->items[i].done ? 0 : 1;
    }
    gs_buffer_printf(out, "{\"written\":%llu,\"waiting\":%u,\"refused\":[", (unsigned long long)import->done,
                     (unsigned)waiting);
    for (uint32_t i = 0; i < import->item_count && shown < GS_IMPORT_REFUSED_MAX; i++) {
        const struct gs_import_item *item = &import->items[i];
        const struct gs_buffer *bytes = &import->notes[item->note].records[item->record];
        struct gs_record record;
        struct gs_batch_head head;
        if (item->done || item->error == 0 ||
            gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) != 0 ||
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
            continue;
        }
        gs_buffer_text(out, shown++ > 0 ? ",{\"region\":\"" : "{\"region\":\"");
        gs_registry_write_name(core, &head.origin, out);
        gs_buffer_printf(out, "\",\"seq\":%llu,\"detail\":", (unsigned long long)(head.first_seq + item->event));
        const char *detail = item->detail != NULL ? item->detail : gs_error_message(item->error);
        gs_json_write_string((const uint8_t *)detail, strlen(detail), out);
        gs_buffer_text(out, "}");
    }
    gs_buffer_text(out, "]}");
}

static bool is_shown(const struct gs_core *core, const struct gs_origin_state *origin) {
    return origin->forked || gs_decision_find(core, &origin->origin) != NULL;
}

static int answer_all(const struct gs_core *core, struct gs_command *command) {
    struct gs_buffer *out = &command->json;
    bool first = true;
    gs_buffer_text(out, "{\"items\":[");
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (is_shown(core, core->origins[i])) {
            gs_buffer_text(out, first ? "" : ",");
            write_fork(core, &core->origins[i]->origin, out);
            first = false;
        }
    }
    for (uint32_t i = 0; i < core->decision_count; i++) {
        if (gs_registry_find(core, &core->decisions[i].origin) == NULL) {
            gs_buffer_text(out, first ? "" : ",");
            write_fork(core, &core->decisions[i].origin, out);
            first = false;
        }
    }
    gs_buffer_text(out, "],\"imports\":");
    write_imports(core, out);
    gs_buffer_text(out, "}");
    return out->failed;
}

static int make_choice(const struct gs_core *core, const struct gs_origin_state *origin, struct gs_command *command) {
    struct gs_message message;
    struct gs_batch_head heads[2];
    struct gs_fork_choice *choice = gs_arena_alloc(&command->arena, sizeof *choice);
    if (choice == NULL) {
        return GS_ENOMEM;
    }
    *choice = (struct gs_fork_choice){.decided = gs_decision_find(core, &origin->origin) != NULL};
    if (origin->located && read_proof(origin, &message, heads)) {
        choice->located = true;
        choice->seq = heads[0].first_seq - 1;
        choice->point = heads[0].prev_hash;
        for (int i = 0; i < 2; i++) {
            choice->branches[i] = heads[i].hash;
            choice->here[i] = is_here(core, origin, &heads[i]);
        }
        gs_message_close(&message);
    }
    memcpy(choice->other_holder, origin->other_holder, sizeof choice->other_holder);
    const struct gs_trust_entry *self = gs_trust_find_key(core->config.trust, &core->config.keys.public_key);
    memcpy(choice->region, self != NULL ? self->region : "", self != NULL ? sizeof choice->region : 1);
    char importer[GS_REGION_NAME_MAX + 1] = "";
    if (command->importer.length > 0 && command->importer.length < sizeof importer) {
        memcpy(importer, command->importer.bytes, command->importer.length);
    }
    choice->importer_known = gs_trust_find_region(core->config.trust, importer) != NULL;
    command->fork = choice;
    return 0;
}

static int answer_one(const struct gs_core *core, struct gs_command *command) {
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        char id[2 * GS_ORIGIN_SIZE + 1];
        sodium_bin2hex(id, sizeof id, origin->origin.bytes, GS_ORIGIN_SIZE);
        if (is_shown(core, origin) && gs_slice_compare(command->held_id, gs_slice_make(id, sizeof id - 1)) == 0) {
            write_fork(core, &origin->origin, &command->json);
            return command->json.failed != 0 ? command->json.failed : make_choice(core, origin, command);
        }
    }
    return GS_ENOTFOUND;
}

int gs_forks_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    command->error = command->held_id.length > 0 ? answer_one(core, command) : answer_all(core, command);
    return gs_update_answer(update, command);
}
