#include "node/core/document.h"

#include <globalstate/json.h>
#include <globalstate/rights.h>

#include <sodium.h>
#include <string.h>

void gs_document_etag(struct gs_slice key, const struct gs_context *context, char ret_etag[GS_ETAG_SIZE]) {
    /* The causal context names the state exactly: equal contexts, equal states (G2). */
    crypto_generichash_state hash;
    uint8_t digest[16];
    crypto_generichash_init(&hash, NULL, 0, sizeof digest);
    crypto_generichash_update(&hash, key.bytes, key.length);
    for (uint32_t i = 0; i < context->count; i++) {
        const struct gs_context_entry *entry = &context->entries[i];
        const struct gs_interval *intervals = gs_context_intervals(entry);
        crypto_generichash_update(&hash, entry->origin.bytes, GS_ORIGIN_SIZE);
        for (uint32_t j = 0; j < entry->count; j++) {
            uint64_t bounds[4] = {intervals[j].first.seq, intervals[j].first.index, intervals[j].last.seq,
                                  intervals[j].last.index};
            crypto_generichash_update(&hash, (const uint8_t *)bounds, sizeof bounds);
        }
    }
    crypto_generichash_final(&hash, digest, sizeof digest);
    char hex[2 * sizeof digest + 1];
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    ret_etag[0] = '"';
    memcpy(ret_etag + 1, hex, sizeof hex - 1);
    memcpy(ret_etag + sizeof hex, "\"", 2);
}

struct conflict_writer {
    const struct gs_document *document;
    struct gs_namer namer;
    struct gs_buffer *out;
    bool first;
};

static void write_conflict_value(const struct conflict_writer *writer, const struct gs_conflict_value *value) {
    struct gs_buffer *out = writer->out;
    gs_buffer_text(out, "{\"value\":");
    if (value->value.length > 0) {
        gs_json_write(value->value, out);
    } else {
        gs_buffer_printf(out, "null,\"type\":\"%s\"", gs_type_name((int)value->type));
    }
    gs_buffer_text(out, ",\"region\":\"");
    writer->namer.write(writer->namer.context, &value->dot.origin, out);
    gs_buffer_printf(out, "\",\"seq\":%llu", (unsigned long long)value->dot.at.seq);
    if (value->clock != 0) {
        char time[25];
        gs_hlc_format(value->clock, time);
        gs_buffer_printf(out, ",\"timestamp\":\"%s\"", time);
    }
    gs_buffer_text(out, "}");
}

static int write_conflict(void *context, const struct gs_conflict *conflict) {
    struct conflict_writer *writer = context;
    struct gs_buffer *out = writer->out;
    struct gs_buffer path = {0};
    gs_path_write(&conflict->path, &path);
    gs_buffer_text(out, writer->first ? "{\"aggregateType\":" : ",{\"aggregateType\":");
    writer->first = false;
    gs_json_write_string(writer->document->type.bytes, writer->document->type.length, out);
    gs_buffer_text(out, ",\"aggregateId\":");
    gs_json_write_string(writer->document->id.bytes, writer->document->id.length, out);
    gs_buffer_text(out, ",\"path\":");
    gs_json_write_string(path.bytes, path.length, out);
    gs_buffer_printf(out, ",\"type\":\"%s\",\"rule\":\"%s\",\"winner\":", gs_type_name((int)conflict->type),
                     conflict->rule);
    gs_hlc detected = 0;
    for (uint32_t i = 0; i < conflict->count; i++) {
        if (i > 0) {
            gs_buffer_text(out, i == 1 ? ",\"losers\":[" : ",");
        }
        write_conflict_value(writer, &conflict->values[i]);
        detected = gs_hlc_observe(detected, conflict->values[i].clock);
    }
    /* The two met no earlier than the later one was written; types without clocks borrow the aggregate's last change.
     */
    char time[25];
    gs_hlc_format(detected != 0 ? detected : writer->document->updated, time);
    gs_buffer_printf(out, "],\"detectedAt\":\"%s\"}", time);
    int failed = path.failed;
    gs_buffer_close(&path);
    return failed;
}

struct rights_writer {
    struct gs_namer namer;
    struct gs_buffer *out;
    bool any;
};

/* "/gold":{"bound":0,"regions":{"eu-west":5}} */
static int write_rights(void *context, const struct gs_rights *rights) {
    struct rights_writer *writer = context;
    struct gs_buffer *out = writer->out;
    struct gs_buffer path = {0};
    gs_path_write(&rights->path, &path);
    gs_buffer_text(out, writer->any ? "," : ",\"rights\":{");
    writer->any = true;
    gs_json_write_string(path.bytes, path.length, out);
    gs_buffer_printf(out, ":{\"bound\":%lld,\"regions\":{", (long long)rights->bound);
    for (uint32_t i = 0; i < rights->count; i++) {
        gs_buffer_text(out, i > 0 ? ",\"" : "\"");
        writer->namer.write(writer->namer.context, &rights->holders[i].origin, out);
        gs_buffer_printf(out, "\":%lld", (long long)rights->holders[i].rights);
    }
    gs_buffer_text(out, "}}");
    int failed = path.failed;
    gs_buffer_close(&path);
    return failed;
}

void gs_document_write_vector(const struct gs_context *context, struct gs_namer namer, struct gs_buffer *out) {
    bool first = true;
    gs_buffer_text(out, "{");
    for (uint32_t i = 0; i < context->count; i++) {
        uint64_t seq = gs_context_seq(context, &context->entries[i].origin);
        if (seq > 0) {
            gs_buffer_text(out, first ? "\"" : ",\"");
            namer.write(namer.context, &context->entries[i].origin, out);
            gs_buffer_text(out, "\":");
            gs_buffer_number(out, seq);
            first = false;
        }
    }
    gs_buffer_text(out, "}");
}

int gs_document_write_open(const struct gs_document *document, struct gs_namer namer, struct gs_buffer *out) {
    gs_buffer_text(out, "{\"aggregateType\":");
    gs_json_write_string(document->type.bytes, document->type.length, out);
    gs_buffer_text(out, ",\"aggregateId\":");
    gs_json_write_string(document->id.bytes, document->id.length, out);
    gs_buffer_printf(out, ",\"version\":%llu,\"vectorClock\":", (unsigned long long)document->version);
    gs_document_write_vector(gs_aggregate_context(document->aggregate), namer, out);
    gs_buffer_text(out, ",\"state\":");
    int error = gs_aggregate_write_json(document->aggregate, out);
    if (error != 0) {
        return error;
    }
    gs_buffer_text(out, ",\"conflicts\":[");
    struct conflict_writer writer = {.document = document, .namer = namer, .out = out, .first = true};
    error = gs_aggregate_visit_conflicts(document->aggregate, write_conflict, &writer);
    if (error != 0) {
        return error;
    }
    gs_buffer_text(out, "]");
    struct rights_writer rights = {.namer = namer, .out = out};
    error = gs_aggregate_visit_rights(document->aggregate, write_rights, &rights);
    if (error != 0) {
        return error;
    }
    gs_buffer_text(out, rights.any ? "}" : "");
    char time[25];
    gs_hlc_format(document->updated, time);
    gs_buffer_printf(out, ",\"updatedAt\":\"%s\",\"region\":\"%s\"", time, document->region);
    return out->failed;
}

int gs_document_write(const struct gs_document *document, struct gs_namer namer, struct gs_buffer *out) {
    int error = gs_document_write_open(document, namer, out);
    gs_buffer_byte(out, '}');
    return error != 0 ? error : out->failed;
}
