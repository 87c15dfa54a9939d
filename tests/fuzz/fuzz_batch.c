/* Records and batches. An input is a record, or, if its first byte is not that of one, what describes a batch and its
 * body: count, milliseconds between first and last event, body. What the reader accepts the writer accepts, and what it
 * writes is read as the same events. Signatures are not looked at: only an origin could come further. */
#include "tests/fuzz/fuzz.h"

#include "gossip/batch.h"

#include <string.h>

enum { FACTOR = 64, RECORD_FIRST_BYTE = 0x92 };

/* The body that the writer makes of `events`; false if there is more than fits, with deps, into one batch. */
static bool write_body(const struct gs_batch_head *head, const struct gs_event *events, struct gs_buffer *out) {
    struct gs_batch_writer writer = {0};
    gs_batch_writer_begin(&writer, &head->origin, head->first_seq);
    int error = 0;
    for (uint32_t i = 0; i < head->count && error == 0; i++) {
        error = gs_batch_writer_add(&writer, &events[i]);
    }
    FUZZ_REQUIRE(error == 0 || error == GS_EBUSY);
    gs_write_array(out, 2);
    gs_write_array(out, writer.origins.count > 0 ? writer.origins.count - 1 : 0);
    for (uint32_t i = 1; i < writer.origins.count; i++) {
        gs_write_bin(out, writer.origins.origins[i].bytes, GS_ORIGIN_SIZE);
    }
    gs_write_array(out, writer.count);
    gs_buffer_append(out, writer.events.bytes, writer.events.length);
    gs_batch_writer_close(&writer);
    return error == 0;
}

static void require_written_the_same(const struct gs_batch_head *head, const struct gs_event *events) {
    struct gs_arena arena = {0};
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    if (write_body(head, events, &first)) {
        struct gs_batch_head other = *head;
        struct gs_event *again = NULL;
        other.body = gs_slice_make(first.bytes, first.length);
        FUZZ_REQUIRE(gs_batch_decode(&other, &arena, &again) == 0);
        FUZZ_REQUIRE(write_body(&other, again, &second));
        fuzz_require_equal(&second, first.bytes, first.length);
    }
    gs_buffer_close(&first);
    gs_buffer_close(&second);
    gs_arena_close(&arena);
}

static void take(const struct gs_batch_head *head, const struct gs_record *record) {
    struct fuzz_count count;
    struct gs_memory memory = fuzz_memory(&count);
    struct gs_arena arena = {.memory = &memory};
    struct gs_event *events = NULL;
    int error = gs_batch_decode(head, &arena, &events);
    fuzz_require_within(&count, head->body.length, FACTOR);
    if (error == 0) {
        if (record != NULL) {
            (void)gs_record_attach(record, events, head->count);
        }
        require_written_the_same(head, events);
    }
    gs_arena_close(&arena);
    FUZZ_REQUIRE(count.now == 0);
}

static void take_body(const uint8_t *data, size_t size) {
    struct gs_batch_head head = {.first_seq = 5, .clock_first = 1000};
    memset(head.origin.bytes, 7, sizeof head.origin.bytes);
    head.count = 1 + (data[0] & 7);
    head.clock_last = head.clock_first + (head.count > 1 ? data[1] : 0);
    head.body = gs_slice_make(data + 2, size - 2);
    take(&head, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct gs_record record;
    struct gs_batch_head head;
    if (size < 2) {
        return 0;
    }
    if (data[0] != RECORD_FIRST_BYTE) {
        take_body(data, size);
    } else if (gs_record_parse(gs_slice_make(data, size), &record) == 0 &&
               gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0) {
        FUZZ_REQUIRE(gs_batch_last_seq(&head) <= GS_SEQ_MAX);
        take(&head, &record);
    }
    return 0;
}
