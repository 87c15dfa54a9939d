#include "gossip/member_message.h"

#include "gossip/message.h"
#include "gossip/message_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    RECORD_BYTES_MIN = 2 + GS_MEMBER_HEAD_SIZE + GS_SIGNATURE_SIZE, /* bin, head, signature */
    KNOWN_BYTES_MIN = 34 + 1                                        /* key, number */
};

static void read_known(struct gs_reader *reader, struct gs_member_known *ret_known) {
    gs_read_bin_exact(reader, ret_known->key.bytes, GS_PUBLIC_KEY_SIZE);
    ret_known->number = gs_read_uint(reader);
    if (ret_known->number > GS_MEMBER_NUMBER_MAX) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
}

static int read_records(struct gs_reader *reader, struct gs_member_message *message) {
    uint32_t count = gs_read_array(reader, GS_MEMBER_RECORDS_MAX);
    if (!gs_reader_may_hold(reader, count, RECORD_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    message->records = count > 0 ? calloc(count, sizeof *message->records) : NULL;
    if (count > 0 && message->records == NULL) {
        return GS_ENOMEM;
    }
    message->record_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        message->records[i] = gs_read_bin(reader, GS_MEMBER_BYTES_MAX);
        if (message->records[i].length < GS_MEMBER_HEAD_SIZE + GS_SIGNATURE_SIZE) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

static int read_known_list(struct gs_reader *reader, struct gs_member_message *message) {
    uint32_t flat = gs_read_array(reader, 2 * GS_MEMBER_RECORDS_MAX);
    uint32_t count = flat / 2;
    if (flat % 2 != 0 || !gs_reader_may_hold(reader, count, KNOWN_BYTES_MIN)) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    message->known = count > 0 ? calloc(count, sizeof *message->known) : NULL;
    if (count > 0 && message->known == NULL) {
        return GS_ENOMEM;
    }
    message->known_count = count;
    for (uint32_t i = 0; i < count && reader->error == 0; i++) {
        read_known(reader, &message->known[i]);
        if (i > 0 && memcmp(&message->known[i - 1].key, &message->known[i].key, GS_PUBLIC_KEY_SIZE) >= 0) {
            gs_reader_fail(reader, GS_EFORMAT);
        }
    }
    return reader->error;
}

int gs_member_message_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message) {
    if (length < 2 || length > 3) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    int error = read_records(reader, message);
    message->asks = length == 3;
    return error == 0 && message->asks ? read_known_list(reader, message) : error;
}

int gs_member_probe_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message) {
    if (length != 4) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    message->id = gs_read_uint(reader);
    read_known(reader, &message->target);
    return reader->error;
}

int gs_member_answer_read(struct gs_reader *reader, uint32_t length, struct gs_member_message *message) {
    if (length != 3) {
        return gs_reader_fail(reader, GS_EFORMAT);
    }
    message->id = gs_read_uint(reader);
    message->proof = gs_read_bin(reader, GS_MEMBER_BYTES_MAX);
    if (message->proof.length > 0 && message->proof.length < GS_MEMBER_HEAD_SIZE + GS_SIGNATURE_SIZE) {
        gs_reader_fail(reader, GS_EFORMAT);
    }
    return reader->error;
}

void gs_member_message_close(struct gs_member_message *message) {
    free(message->records);
    free(message->known);
    *message = (struct gs_member_message){0};
}

static void write_known(const struct gs_member_known *known, struct gs_buffer *out) {
    gs_write_bin(out, known->key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_write_uint(out, known->number);
}

void gs_message_write_members(const struct gs_slice *records, uint32_t record_count,
                              const struct gs_member_known *known, uint32_t known_count, struct gs_buffer *out) {
    gs_write_array(out, known != NULL ? 3 : 2);
    gs_write_uint(out, GS_MESSAGE_MEMBERS);
    gs_write_array(out, record_count);
    for (uint32_t i = 0; i < record_count; i++) {
        gs_write_bin(out, records[i].bytes, records[i].length);
    }
    if (known != NULL) {
        gs_write_array(out, 2 * known_count);
        for (uint32_t i = 0; i < known_count; i++) {
            write_known(&known[i], out);
        }
    }
}

void gs_message_write_probe(uint64_t id, const struct gs_member_known *target, struct gs_buffer *out) {
    gs_write_array(out, 4);
    gs_write_uint(out, GS_MESSAGE_PROBE);
    gs_write_uint(out, id);
    write_known(target, out);
}

void gs_message_write_probe_answer(uint64_t id, struct gs_slice proof, struct gs_buffer *out) {
    gs_write_array(out, 3);
    gs_write_uint(out, GS_MESSAGE_PROBE_ANSWER);
    gs_write_uint(out, id);
    gs_write_bin(out, proof.bytes, proof.length);
}
