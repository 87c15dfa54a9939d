#include "tests/support/batches.h"

#include <stdio.h>
#include <stdlib.h>

#define START_MS UINT64_C(1767225600000)

void test_require(bool condition, const char *text, const char *file, int line) {
    if (!condition) {
        (void)fprintf(stderr, "%s:%d: %s does not hold\n", file, line, text);
        abort();
    }
}

void test_author_init(struct test_author *author, uint32_t number) {
    uint8_t seed[GS_SEED_SIZE] = {0};
    const uint8_t random[6] = {1, 2, 3, 4, 5, 6};
    *author = (struct test_author){.next_seq = 1, .clock = gs_hlc_from_ms(START_MS)};
    memcpy(seed, &number, sizeof number);
    gs_key_pair_from_seed(seed, &author->keys);
    author->cluster = gs_cluster_from_name("test");
    author->incarnation = gs_incarnation_make(START_MS, random);
    author->origin = gs_origin_derive(&author->keys.public_key, &author->incarnation);
}

void test_author_seal(struct test_author *author, const struct gs_event *events, uint32_t count,
                      const struct gs_head *deps, uint32_t dep_count, struct gs_buffer *ret_records) {
    const struct gs_batch_seal_input input = {
        .cluster = author->cluster,
        .incarnation = author->incarnation,
        .prev_hash = author->last_hash,
        .deps = deps,
        .dep_count = dep_count,
        .keys = &author->keys,
    };
    struct gs_batch_writer writer = {0};
    gs_batch_writer_begin(&writer, &author->origin, author->next_seq);
    for (uint32_t i = 0; i < count; i++) {
        TEST_REQUIRE(gs_batch_writer_add(&writer, &events[i]) == 0);
        author->clock = events[i].clock;
    }
    TEST_REQUIRE(gs_batch_seal(&writer, &input, ret_records, &author->last_hash) == 0);
    gs_batch_writer_close(&writer);
    author->next_seq += count;
}

/* The canonical map {"data": bin}, filled with something that depends on `seq`. */
static void write_detached(struct gs_buffer *buffer, uint64_t seq, size_t data_bytes) {
    uint8_t *data = malloc(data_bytes);
    TEST_REQUIRE(data != NULL);
    for (size_t i = 0; i < data_bytes; i++) {
        data[i] = (uint8_t)(seq + i * 7);
    }
    buffer->length = 0;
    gs_write_map(buffer, 1);
    gs_write_str(buffer, "data", 4);
    gs_write_bin(buffer, data, data_bytes);
    TEST_REQUIRE(buffer->failed == 0);
    free(data);
}

void test_author_batch(struct test_author *author, uint32_t count, size_t data_bytes, struct gs_buffer *ret_records) {
    struct gs_event *events = calloc(count, sizeof *events);
    struct gs_buffer *detached = calloc(count, sizeof *detached);
    TEST_REQUIRE(events != NULL && detached != NULL);
    for (uint32_t i = 0; i < count; i++) {
        events[i].seq = author->next_seq + i;
        events[i].clock = author->clock + i + 1;
        events[i].event_type = gs_slice_make(GS_ACK_EVENT_TYPE, sizeof GS_ACK_EVENT_TYPE - 1);
        events[i].actor = gs_slice_make("test", 4);
        if (data_bytes > 0) {
            write_detached(&detached[i], events[i].seq, data_bytes);
            events[i].has_detached = true;
            events[i].detached = gs_slice_make(detached[i].bytes, detached[i].length);
        }
    }
    test_author_seal(author, events, count, NULL, 0, ret_records);
    for (uint32_t i = 0; i < count; i++) {
        gs_buffer_close(&detached[i]);
    }
    free(detached);
    free(events);
}

struct gs_head test_author_head(const struct test_author *author) {
    return (struct gs_head){.origin = author->origin, .seq = author->next_seq - 1, .hash = author->last_hash};
}
