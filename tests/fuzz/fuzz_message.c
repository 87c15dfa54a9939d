/* Messages between linked peers: what is accepted encodes to the same bytes, and what it reserves follows them. */
#include "tests/fuzz/fuzz.h"

#include "gossip/message.h"

static void encode(const struct gs_message *message, struct gs_buffer *out) {
    static const struct gs_member_known nothing[1];
    const struct gs_member_known *all = message->member.known != NULL ? message->member.known : nothing;
    const struct gs_member_known *known = message->member.asks ? all : NULL;
    struct gs_buffer records = {0};
    switch (message->kind) {
    case GS_MESSAGE_VECTOR:
        gs_message_write_vector_sparing(&message->vector, message->want, message->spared, message->spared_count, out);
        break;
    case GS_MESSAGE_PACKED:
        FUZZ_REQUIRE(false); /* decoded as what it holds */
        break;
    case GS_MESSAGE_CREDIT:
        gs_message_write_credit(message->credit, out);
        break;
    case GS_MESSAGE_STATEMENT:
        gs_message_write_statement(&message->statement, out);
        break;
    case GS_MESSAGE_HOLDINGS:
        gs_message_write_holdings(&message->asker, message->rival_alive, message->holdings, message->holding_count,
                                  out);
        break;
    case GS_MESSAGE_COMPARE:
        gs_message_write_compare(message->compare, out);
        break;
    case GS_MESSAGE_FORK:
        gs_message_write_fork(message->records[0], message->records[1], out);
        break;
    case GS_MESSAGE_BATCHES:
        for (uint32_t i = 0; i < message->record_count; i++) {
            gs_buffer_append(&records, message->records[i].bytes, message->records[i].length);
        }
        gs_message_write_batches(message->answer, message->record_count, gs_slice_make(records.bytes, records.length),
                                 out);
        break;
    case GS_MESSAGE_MEMBERS:
        gs_message_write_members(message->member.records, message->member.record_count, known,
                                 message->member.known_count, out);
        break;
    case GS_MESSAGE_PROBE:
        gs_message_write_probe(message->member.id, &message->member.target, out);
        break;
    case GS_MESSAGE_PROBE_ANSWER:
        gs_message_write_probe_answer(message->member.id, message->member.proof, out);
        break;
    case GS_MESSAGE_FORK_ASK:
        gs_message_write_fork_ask(&message->origin, message->seq, out);
        break;
    case GS_MESSAGE_FORK_SAY:
        gs_message_write_fork_say(&message->origin, message->seq,
                                  message->record_count > 0 ? message->records[0] : (struct gs_slice){0}, out);
        break;
    case GS_MESSAGE_DECISION:
        gs_message_write_decision(message->records[0], out);
        break;
    case GS_MESSAGE_PING:
    case GS_MESSAGE_PONG:
        gs_message_write_ping(message->kind == GS_MESSAGE_PONG, message->time_ms, out);
        break;
    }
    gs_buffer_close(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_message message;
    struct gs_buffer again = {0};
    if (gs_message_decode(data, size, &message) != 0) {
        return 0;
    }
    bool packed = message.plain.bytes != NULL;
    FUZZ_REQUIRE(!packed || (message.kind == GS_MESSAGE_BATCHES && message.plain.length <= GS_MESSAGE_BYTES_MAX));
    FUZZ_REQUIRE(message.record_count * sizeof *message.records <= (packed ? message.plain.length : size));
    FUZZ_REQUIRE(message.vector.capacity * sizeof *message.vector.heads <= 2 * size);
    FUZZ_REQUIRE(message.holding_count * sizeof *message.holdings <= 2 * size);
    FUZZ_REQUIRE(message.member.record_count * sizeof *message.member.records <= size);
    FUZZ_REQUIRE(message.member.known_count * sizeof *message.member.known <= 2 * size);
    FUZZ_REQUIRE(message.spared_count * sizeof *message.spared <= 2 * size);
    for (uint32_t i = 0; i < message.record_count; i++) {
        struct gs_record record;
        FUZZ_REQUIRE(gs_record_parse(message.records[i], &record) == 0);
    }
    for (uint32_t i = 0; i < message.vector.count; i++) {
        const struct gs_head *head = &message.vector.heads[i];
        FUZZ_REQUIRE(gs_vector_find(&message.vector, &head->origin) == head && head->seq > 0);
    }
    encode(&message, &again);
    if (packed) { /* there are many ways to compress, but one to write what is in it */
        fuzz_require_equal(&again, message.plain.bytes, message.plain.length);
    } else {
        fuzz_require_equal(&again, data, size);
    }
    gs_buffer_close(&again);
    gs_message_close(&message);
    return 0;
}
