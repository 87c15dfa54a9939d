/* What is held, for people. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char *reason_of(int reason) {
    switch (reason) {
    case GS_ESKEW:
        return "clock";
    case GS_EOVERCLAIM:
        return "claims";
    case GS_EENDED:
        return "closed";
    case GS_ECLOSING:
        return "closing";
    case GS_EFORMAT:
    case GS_ETOOBIG:
    case GS_EVERSION:
        return "form";
    default:
        return "rights";
    }
}

static void write_hex(const uint8_t *bytes, size_t length, struct gs_buffer *out) {
    for (size_t i = 0; i < length; i++) {
        gs_buffer_printf(out, "%02x", bytes[i]);
    }
}

static void write_time(uint64_t ms, struct gs_buffer *out) {
    char text[25];
    gs_hlc_format(gs_hlc_from_ms(ms), text);
    gs_buffer_printf(out, "\"%s\"", text);
}

static void write_base64(struct gs_slice bytes, struct gs_buffer *out) {
    size_t size = sodium_base64_ENCODED_LEN(bytes.length, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(size);
    if (text == NULL) {
        out->failed = GS_ENOMEM;
        return;
    }
    sodium_bin2base64(text, size, bytes.bytes, bytes.length, sodium_base64_VARIANT_ORIGINAL);
    gs_buffer_text(out, ",\"record\":\"");
    gs_buffer_text(out, text);
    gs_buffer_text(out, "\"");
    free(text);
}

static void write_origin(const struct gs_core *core, const gs_origin *origin, struct gs_buffer *out) {
    gs_buffer_text(out, ",\"region\":\"");
    gs_registry_write_name(core, origin, out);
    gs_buffer_text(out, "\",\"origin\":\"");
    write_hex(origin->bytes, GS_ORIGIN_SIZE, out);
    gs_buffer_text(out, "\"");
}

static void write_held(const struct gs_core *core, const struct gs_held *held, bool with_record,
                       struct gs_buffer *out) {
    gs_buffer_printf(out, "{\"id\":\"%s\",\"reason\":\"%s\",\"detail\":\"%s\",\"releasable\":%s", held->id,
                     reason_of(held->reason), gs_error_message(held->reason),
                     gs_held_releasable(held->reason) ? "true" : "false");
    write_origin(core, &held->origin, out);
    gs_buffer_printf(out, ",\"firstSeq\":%llu,\"lastSeq\":%llu,\"bytes\":%zu,\"heldAt\":",
                     (unsigned long long)held->first_seq, (unsigned long long)held->last_seq, held->length);
    write_time(held->held_ms, out);
    if (held->reason == GS_ESKEW) {
        gs_buffer_text(out, ",\"dueAt\":");
        uint64_t ms = gs_hlc_ms(held->clock_last);
        write_time(ms > core->config.max_skew_ms ? ms - core->config.max_skew_ms : 0, out);
    }
    if (with_record) {
        write_base64(gs_slice_make(held->record, held->length), out);
    }
    gs_buffer_text(out, "}");
}

/* The two sides of a fork: their ends and hashes. */
static void write_sides(const struct gs_origin_state *origin, struct gs_buffer *out) {
    struct gs_message message = {0};
    if (gs_message_decode(origin->proof.bytes, origin->proof.length, &message) != 0) {
        return;
    }
    gs_buffer_text(out, ",\"branches\":[");
    for (uint32_t i = 0; i < message.record_count; i++) {
        struct gs_record record;
        struct gs_batch_head head;
        if (gs_record_parse(message.records[i], &record) == 0 &&
            gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0) {
            gs_buffer_printf(out, "%s{\"firstSeq\":%llu,\"lastSeq\":%llu,\"hash\":\"", i > 0 ? "," : "",
                             (unsigned long long)head.first_seq, (unsigned long long)gs_batch_last_seq(&head));
            write_hex(head.hash.bytes, GS_HASH_SIZE, out);
            gs_buffer_text(out, "\"}");
        }
    }
    gs_buffer_text(out, "]");
    gs_message_close(&message);
}

static void write_fork(const struct gs_core *core, const struct gs_origin_state *origin, bool with_record,
                       struct gs_buffer *out) {
    gs_buffer_text(out, "{\"id\":\"");
    write_hex(origin->origin.bytes, GS_ORIGIN_SIZE, out);
    gs_buffer_printf(out, "\",\"reason\":\"fork\",\"detail\":\"%s\",\"releasable\":false", gs_error_message(GS_EFORK));
    write_origin(core, &origin->origin, out);
    gs_buffer_printf(out, ",\"appliedSeq\":%llu,\"bytes\":%zu",
                     (unsigned long long)gs_vector_seq(&core->stored, &origin->origin), origin->proof.length);
    write_sides(origin, out);
    if (with_record) {
        write_base64(gs_slice_make(origin->proof.bytes, origin->proof.length), out);
    }
    gs_buffer_text(out, "}");
}

static int answer_one(const struct gs_core *core, struct gs_command *command) {
    for (const struct gs_held *held = core->held; held != NULL; held = held->next) {
        if (gs_slice_compare(command->held_id, gs_slice_make(held->id, strlen(held->id))) == 0) {
            command->held_reason = held->reason;
            command->held_releasable = gs_held_releasable(held->reason);
            write_held(core, held, true, &command->json);
            return command->json.failed;
        }
    }
    for (uint32_t i = 0; i < core->origin_count; i++) {
        const struct gs_origin_state *origin = core->origins[i];
        char id[2 * GS_ORIGIN_SIZE + 1];
        sodium_bin2hex(id, sizeof id, origin->origin.bytes, GS_ORIGIN_SIZE);
        if (origin->forked && gs_slice_compare(command->held_id, gs_slice_make(id, sizeof id - 1)) == 0) {
            command->held_reason = GS_EFORK;
            write_fork(core, origin, true, &command->json);
            return command->json.failed;
        }
    }
    return GS_ENOTFOUND;
}

static int answer_all(const struct gs_core *core, struct gs_command *command) {
    struct gs_buffer *out = &command->json;
    bool first = true;
    gs_buffer_text(out, "{\"items\":[");
    for (const struct gs_held *held = core->held; held != NULL; held = held->next) {
        gs_buffer_text(out, first ? "" : ",");
        write_held(core, held, false, out);
        first = false;
    }
    for (uint32_t i = 0; i < core->origin_count; i++) {
        if (core->origins[i]->forked) {
            gs_buffer_text(out, first ? "" : ",");
            write_fork(core, core->origins[i], false, out);
            first = false;
        }
    }
    gs_buffer_text(out, "]}");
    return out->failed;
}

int gs_quarantine_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    command->error = command->held_id.length > 0 ? answer_one(core, command) : answer_all(core, command);
    return gs_update_answer(update, command);
}
