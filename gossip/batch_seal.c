#include "gossip/batch_impl.h"
#include "gossip/bytes.h"

#include <string.h>

/* Mistakes that would make every peer refuse the batch. Checked here because a signed batch cannot be taken back. */
static int check_input(const struct gs_batch_writer *writer, const struct gs_batch_seal_input *input) {
    static const gs_hash none;
    bool has_previous = memcmp(input->prev_hash.bytes, none.bytes, GS_HASH_SIZE) != 0;
    gs_origin origin = gs_origin_derive(&input->keys->public_key, &input->incarnation);
    if (writer->count < 1 || has_previous != (writer->first_seq > 1) || input->dep_count > GS_BATCH_DEPS_MAX ||
        !gs_origin_equal(&origin, &writer->origin)) {
        return GS_EINVAL;
    }
    for (uint32_t i = 0; i < input->dep_count; i++) {
        const struct gs_head *dep = &input->deps[i];
        if (dep->seq < 1 || dep->seq > GS_SEQ_MAX || gs_origin_equal(&dep->origin, &writer->origin) ||
            (i > 0 && gs_origin_compare(&input->deps[i - 1].origin, &dep->origin) >= 0)) {
            return GS_EINVAL;
        }
    }
    return 0;
}

static void write_body(const struct gs_batch_writer *writer, struct gs_buffer *out) {
    /* Number 0 is the batch's own origin, which the head names; without any delta it is not in the table. */
    const uint32_t count = writer->origins.count;
    gs_write_array(out, 2);
    gs_write_array(out, count > 0 ? count - 1 : 0);
    for (uint32_t i = 1; i < count; i++) {
        gs_write_bin(out, writer->origins.origins[i].bytes, GS_ORIGIN_SIZE);
    }
    gs_write_array(out, writer->count);
    gs_buffer_append(out, writer->events.bytes, writer->events.length);
}

/* Appends the signed batch to the empty `out`. */
static int write_batch(const struct gs_batch_writer *writer, const struct gs_batch_seal_input *input,
                       struct gs_buffer *out, gs_hash *ret_hash) {
    struct gs_batch_head head = {
        .cluster = input->cluster,
        .origin = writer->origin,
        .incarnation = input->incarnation,
        .first_seq = writer->first_seq,
        .count = writer->count,
        .clock_first = writer->clock_first,
        .clock_last = writer->clock_last,
        .prev_hash = input->prev_hash,
        .dep_count = input->dep_count,
    };
    gs_batch_head_write(&head, out);
    for (uint32_t i = 0; i < input->dep_count; i++) {
        gs_batch_dep_write(&input->deps[i], out);
    }
    size_t body_at = out->length;
    write_body(writer, out);
    if (out->failed != 0) {
        return out->failed;
    }
    gs_put_be(out->bytes + GS_BATCH_BODY_LENGTH_AT, out->length - body_at, 4);
    gs_hash hash;
    gs_hash_bytes(GS_BATCH_PERSONAL, out->bytes, out->length, &hash);
    uint8_t *signature = gs_buffer_reserve(out, GS_SIGNATURE_SIZE);
    if (signature == NULL) {
        return out->failed;
    }
    gs_sign(input->keys, GS_BATCH_CONTEXT, &hash, signature);
    *ret_hash = hash;
    return 0;
}

int gs_batch_seal(struct gs_batch_writer *writer, const struct gs_batch_seal_input *input, struct gs_buffer *ret_record,
                  gs_hash *ret_hash) {
    int error = ret_record->failed != 0 ? ret_record->failed : check_input(writer, input);
    if (error != 0) {
        return error;
    }
    struct gs_buffer batch = {0};
    gs_hash hash;
    const size_t length = ret_record->length;
    error = write_batch(writer, input, &batch, &hash);
    if (error == 0) {
        gs_write_array(ret_record, 2);
        gs_write_bin(ret_record, batch.bytes, batch.length);
        gs_write_array(ret_record, 2 * writer->detached_count);
        gs_buffer_append(ret_record, writer->detached.bytes, writer->detached.length);
        error = ret_record->failed;
    }
    gs_buffer_close(&batch);
    if (error != 0) {
        ret_record->length = length;
        ret_record->failed = 0;
        return error;
    }
    gs_batch_writer_begin(writer, &writer->origin, writer->first_seq + writer->count);
    *ret_hash = hash;
    return 0;
}
