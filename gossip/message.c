#include "gossip/message.h"

#include "gossip/compress.h"

#include "gossip/message_impl.h"

#include <stdlib.h>

enum {
    TRIPLE_BYTES_MIN = 18 + 1 + 34,                                   /* origin, seq, hash */
    SPARED_BYTES_MIN = 18 + 1,                                        /* origin, forked */
    HOLDING_BYTES_MIN = 14 + 1 + 34,                                  /* incarnation, seq, hash */
    RECORD_BYTES_MIN = 3 + GS_BATCH_HEAD_SIZE + GS_SIGNATURE_SIZE + 1 /* array, bin, no detached data */
};

static void read_head(struct gs_reader *reader, struct gs_head *ret_head) {
    gs_read_bin_exact(reader, ret_head->origin.bytes, GS_ORIGIN_SIZE);
    ret_head->seq = gs_read_uint(reader);
    gs_read_bin_exact(reader, ret_head->hash.bytes, GS_HASH_SIZE);
    if (ret_head->seq < 1 || ret_head->seq > GS_SEQ_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static int read_vector(struct gs_reader *reader, struct gs_message *message) {
    message->want = (enum gs_vector_want)gs_read_u32(reader, GS_VECTOR_URGENT);
    uint32_t flat = gs_read_array(reader, 3 * GS_VECTOR_MAX);
    uint32_t count = flat / 3;
    if (flat % 3 != 0 || !gs_reader_may_hold(reader, count, TRIPLE_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    struct gs_head *heads = calloc(count, sizeof *heads);
    if (heads == NULL) {
        return GS_ENOMEM;
    }
    message->vector = (struct gs_vector){.heads = heads, .count = count, .capacity = count};
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        read_head(reader, &heads[i]);
        if (i > 0 && gs_origin_compare(&heads[i - 1].origin, &heads[i].origin) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

/* [origin, forked, …]: at least one, sorted. */
static int read_spared(struct gs_reader *reader, struct gs_message *message) {
    uint32_t flat = gs_read_array(reader, 2 * GS_VECTOR_MAX);
    uint32_t count = flat / 2;
    if (flat % 2 != 0 || count == 0 || !gs_reader_may_hold(reader, count, SPARED_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    message->spared = calloc(count, sizeof *message->spared);
    if (message->spared == NULL) {
        return GS_ENOMEM;
    }
    message->spared_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        struct gs_spared *spared = &message->spared[i];
        gs_read_bin_exact(reader, spared->origin.bytes, GS_ORIGIN_SIZE);
        spared->forked = gs_read_u32(reader, 1) != 0;
        if (i > 0 && gs_origin_compare(&spared[-1].origin, &spared->origin) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

static int read_record_list(struct gs_reader *reader, uint32_t count, struct gs_message *message) {
    message->records = calloc(count, sizeof *message->records);
    if (message->records == NULL) {
        return GS_ENOMEM;
    }
    message->record_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        const uint8_t *start = reader->at;
        struct gs_record record;
        if (gs_record_read(reader, &record) == 0) {
            message->records[i] = gs_slice_make(start, (size_t)(reader->at - start));
        }
    }
    return reader->error;
}

static int read_batches(struct gs_reader *reader, struct gs_message *message) {
    message->answer = (enum gs_batches_answer)gs_read_u32(reader, GS_BATCHES_GONE);
    uint32_t count = gs_read_array(reader, GS_MESSAGE_RECORDS_MAX);
    bool alone = message->answer == GS_BATCHES_PUSH && count == 1; /* has a shorter form */
    if (alone || !gs_reader_may_hold(reader, count, RECORD_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (message->answer == GS_BATCHES_GONE && count > 0) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    return read_record_list(reader, count, message);
}

/* [5, key, instance, started, rival, signature]; a rival of zeros is none */
static int read_statement(struct gs_reader *reader, struct gs_statement *ret_statement) {
    gs_read_bin_exact(reader, ret_statement->key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_read_bin_exact(reader, ret_statement->instance.bytes, GS_INSTANCE_SIZE);
    ret_statement->started_ms = gs_read_uint(reader);
    gs_read_bin_exact(reader, ret_statement->rival.bytes, GS_INSTANCE_SIZE);
    gs_read_bin_exact(reader, ret_statement->signature, GS_SIGNATURE_SIZE);
    return reader->error;
}

/* [6, asker, rival alive, [incarnation, seq, hash, …]] */
static int read_holdings(struct gs_reader *reader, struct gs_message *message) {
    gs_read_bin_exact(reader, message->asker.bytes, GS_INSTANCE_SIZE);
    message->rival_alive = gs_read_u32(reader, 1) != 0;
    uint32_t flat = gs_read_array(reader, 3 * GS_VECTOR_MAX);
    uint32_t count = flat / 3;
    if (flat % 3 != 0 || !gs_reader_may_hold(reader, count, HOLDING_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || count == 0) {
        return reader->error;
    }
    message->holdings = calloc(count, sizeof *message->holdings);
    if (message->holdings == NULL) {
        return GS_ENOMEM;
    }
    message->holding_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        struct gs_holding *holding = &message->holdings[i];
        gs_read_bin_exact(reader, holding->incarnation.bytes, GS_INCARNATION_SIZE);
        holding->seq = gs_read_uint(reader);
        gs_read_bin_exact(reader, holding->hash.bytes, GS_HASH_SIZE);
        if (holding->seq < 1 || holding->seq > GS_SEQ_MAX) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

static int read_packed(struct gs_reader *reader, struct gs_message *message);

/* [15, origin, seq], [16, origin, seq, [record]] or [16, origin, seq, []] */
static int read_fork_question(struct gs_reader *reader, struct gs_message *message) {
    gs_read_bin_exact(reader, message->origin.bytes, GS_ORIGIN_SIZE);
    message->seq = gs_read_uint(reader);
    if (message->seq < 1 || message->seq > GS_SEQ_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    if (reader->error != 0 || message->kind == GS_MESSAGE_FORK_ASK) {
        return reader->error;
    }
    uint32_t count = gs_read_array(reader, 1);
    return reader->error == 0 && count == 1 ? read_record_list(reader, 1, message) : reader->error;
}

static int read_body(struct gs_reader *reader, uint32_t length, struct gs_message *message) {
    int error;
    switch (message->kind) {
    case GS_MESSAGE_VECTOR:
        if (length < 3 || length > 4) {
            return gs_reader_fail(reader, GS_EFORMAT);
        }
        error = read_vector(reader, message);
        return error == 0 && length == 4 ? read_spared(reader, message) : error;
    case GS_MESSAGE_BATCHES:
        return length == 3 ? read_batches(reader, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_FORK:
        return length == 3 ? read_record_list(reader, 2, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_PING:
    case GS_MESSAGE_PONG:
        message->time_ms = gs_read_uint(reader);
        return length == 2 ? reader->error : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_STATEMENT:
        return length == 6 ? read_statement(reader, &message->statement) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_PACKED:
        return length == 3 ? read_packed(reader, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_CREDIT:
        message->credit = gs_read_u32(reader, GS_CREDIT_PARTS);
        return length == 2 && message->credit > 0 ? reader->error : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_COMPARE:
        message->compare = gs_read_bin(reader, GS_MESSAGE_BYTES_MAX);
        return length == 2 ? reader->error : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_FORK_ASK:
        return length == 3 ? read_fork_question(reader, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_FORK_SAY:
        return length == 4 ? read_fork_question(reader, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_DECISION:
        return length == 2 ? read_record_list(reader, 1, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_HOLDINGS:
        return length == 4 ? read_holdings(reader, message) : gs_reader_fail(reader, GS_EFORMAT);
    case GS_MESSAGE_MEMBERS:
        return gs_member_message_read(reader, length, &message->member);
    case GS_MESSAGE_PROBE:
        return gs_member_probe_read(reader, length, &message->member);
    case GS_MESSAGE_PROBE_ANSWER:
        return gs_member_answer_read(reader, length, &message->member);
    }
    return gs_reader_fail(reader, GS_EFORMAT);
}

/* The second element of a record is a list and its first is bytes; that of a message is a number. */
static bool is_record(const uint8_t *bytes, size_t length) {
    enum { ARRAY_OF_2 = 0x92, BIN_8 = 0xc4, BIN_32 = 0xc6 };
    return length > 1 && bytes[0] == ARRAY_OF_2 && bytes[1] >= BIN_8 && bytes[1] <= BIN_32;
}

/* What is packed must be an answer to a pull: nothing else is ever packed, nor packed twice. */
static int decode(struct gs_slice bytes, bool packed, struct gs_message *ret_message);

/* [13, size, frame] */
static int read_packed(struct gs_reader *reader, struct gs_message *message) {
    uint32_t size = gs_read_u32(reader, GS_MESSAGE_BYTES_MAX);
    struct gs_slice frame = gs_read_bin(reader, GS_MESSAGE_BYTES_MAX);
    if (reader->error != 0) {
        return reader->error;
    }
    struct gs_buffer plain = {0};
    int error = gs_decompress(frame, size, &plain);
    if (error == 0) {
        error = decode(gs_slice_make(plain.bytes, plain.length), true, message);
    }
    if (error != 0) {
        gs_buffer_close(&plain);
        return error;
    }
    message->plain = plain;
    return 0;
}

static int decode(struct gs_slice bytes, bool packed, struct gs_message *ret_message) {
    struct gs_reader reader;
    struct gs_message message = {0};
    int error;
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    reader.nodes_left = (uint32_t)bytes.length; /* a message holds many values; its length bounds its nodes */
    if (is_record(bytes.bytes, bytes.length)) {
        message.kind = GS_MESSAGE_BATCHES;
        message.answer = GS_BATCHES_PUSH;
        error = read_record_list(&reader, 1, &message);
    } else {
        uint32_t elements = gs_read_array(&reader, 6);
        message.kind = (enum gs_message_kind)gs_read_u32(&reader, GS_MESSAGE_DECISION);
        bool nested = packed && message.kind != GS_MESSAGE_BATCHES;
        error = reader.error != 0 ? reader.error : nested ? GS_EFORMAT : read_body(&reader, elements, &message);
    }
    if (error == 0) {
        error = gs_reader_finish(&reader);
    }
    if (error == 0 && packed && message.answer == GS_BATCHES_PUSH) {
        error = GS_EFORMAT;
    }
    if (error != 0) {
        gs_message_close(&message);
        return error;
    }
    *ret_message = message;
    return 0;
}

int gs_message_decode(const void *bytes, size_t length, struct gs_message *ret_message) {
    return length > GS_MESSAGE_BYTES_MAX ? GS_ETOOBIG : decode(gs_slice_make(bytes, length), false, ret_message);
}

void gs_message_close(struct gs_message *message) {
    if (message == NULL) {
        return;
    }
    gs_vector_close(&message->vector);
    free(message->records);
    free(message->holdings);
    free(message->spared);
    gs_member_message_close(&message->member);
    gs_buffer_close(&message->plain);
    *message = (struct gs_message){0};
}

void gs_message_write_vector_sparing(const struct gs_vector *vector, enum gs_vector_want want,
                                     const struct gs_spared *spared, uint32_t spared_count, struct gs_buffer *out) {
    gs_write_array(out, spared_count > 0 ? 4 : 3);
    gs_write_uint(out, GS_MESSAGE_VECTOR);
    gs_write_uint(out, (uint64_t)want);
    gs_write_array(out, 3 * vector->count);
    for (uint32_t i = 0; i < vector->count; i++) {
        const struct gs_head *head = &vector->heads[i];
        gs_write_bin(out, head->origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, head->seq);
        gs_write_bin(out, head->hash.bytes, GS_HASH_SIZE);
    }
    if (spared_count > 0) {
        gs_write_array(out, 2 * spared_count);
    }
    for (uint32_t i = 0; i < spared_count; i++) {
        gs_write_bin(out, spared[i].origin.bytes, GS_ORIGIN_SIZE);
        gs_write_uint(out, spared[i].forked ? 1 : 0);
    }
}

void gs_message_write_vector(const struct gs_vector *vector, enum gs_vector_want want, struct gs_buffer *out) {
    gs_message_write_vector_sparing(vector, want, NULL, 0, out);
}

void gs_message_write_fork(struct gs_slice a, struct gs_slice b, struct gs_buffer *out) {
    gs_write_array(out, 3);
    gs_write_uint(out, GS_MESSAGE_FORK);
    gs_buffer_append(out, a.bytes, a.length);
    gs_buffer_append(out, b.bytes, b.length);
}

void gs_message_write_fork_ask(const gs_origin *origin, uint64_t seq, struct gs_buffer *out) {
    gs_write_array(out, 3);
    gs_write_uint(out, GS_MESSAGE_FORK_ASK);
    gs_write_bin(out, origin->bytes, GS_ORIGIN_SIZE);
    gs_write_uint(out, seq);
}

void gs_message_write_fork_say(const gs_origin *origin, uint64_t seq, struct gs_slice record, struct gs_buffer *out) {
    gs_write_array(out, 4);
    gs_write_uint(out, GS_MESSAGE_FORK_SAY);
    gs_write_bin(out, origin->bytes, GS_ORIGIN_SIZE);
    gs_write_uint(out, seq);
    gs_write_array(out, record.length > 0 ? 1 : 0);
    gs_buffer_append(out, record.bytes, record.length);
}

void gs_message_write_decision(struct gs_slice record, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, GS_MESSAGE_DECISION);
    gs_buffer_append(out, record.bytes, record.length);
}

void gs_message_write_batches(enum gs_batches_answer answer, uint32_t count, struct gs_slice records,
                              struct gs_buffer *out) {
    if (answer == GS_BATCHES_PUSH && count == 1) { /* the usual message: nothing around it */
        gs_buffer_append(out, records.bytes, records.length);
        return;
    }
    gs_write_array(out, 3);
    gs_write_uint(out, GS_MESSAGE_BATCHES);
    gs_write_uint(out, (uint64_t)answer);
    gs_write_array(out, count);
    gs_buffer_append(out, records.bytes, records.length);
}

void gs_message_write_statement(const struct gs_statement *statement, struct gs_buffer *out) {
    gs_write_array(out, 6);
    gs_write_uint(out, GS_MESSAGE_STATEMENT);
    gs_write_bin(out, statement->key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_write_bin(out, statement->instance.bytes, GS_INSTANCE_SIZE);
    gs_write_uint(out, statement->started_ms);
    gs_write_bin(out, statement->rival.bytes, GS_INSTANCE_SIZE);
    gs_write_bin(out, statement->signature, GS_SIGNATURE_SIZE);
}

void gs_message_write_holdings(const gs_instance *asker, bool rival_alive, const struct gs_holding *holdings,
                               uint32_t count, struct gs_buffer *out) {
    gs_write_array(out, 4);
    gs_write_uint(out, GS_MESSAGE_HOLDINGS);
    gs_write_bin(out, asker->bytes, GS_INSTANCE_SIZE);
    gs_write_uint(out, rival_alive ? 1 : 0);
    gs_write_array(out, 3 * count);
    for (uint32_t i = 0; i < count; i++) {
        gs_write_bin(out, holdings[i].incarnation.bytes, GS_INCARNATION_SIZE);
        gs_write_uint(out, holdings[i].seq);
        gs_write_bin(out, holdings[i].hash.bytes, GS_HASH_SIZE);
    }
}

void gs_message_write_compare(struct gs_slice body, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, GS_MESSAGE_COMPARE);
    gs_write_bin(out, body.bytes, body.length);
}

void gs_message_write_packed(size_t size, struct gs_slice frame, struct gs_buffer *out) {
    gs_write_array(out, 3);
    gs_write_uint(out, GS_MESSAGE_PACKED);
    gs_write_uint(out, size);
    gs_write_bin(out, frame.bytes, frame.length);
}

void gs_message_write_credit(uint32_t parts, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, GS_MESSAGE_CREDIT);
    gs_write_uint(out, parts);
}

void gs_message_write_ping(bool pong, uint64_t time_ms, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_uint(out, pong ? GS_MESSAGE_PONG : GS_MESSAGE_PING);
    gs_write_uint(out, time_ms);
}
