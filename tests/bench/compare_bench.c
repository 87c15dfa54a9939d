/* What it takes to compare two regions with many aggregates: round trips, bytes, time. usage: compare_bench
 * [AGGREGATES]
 *
 * Two cores in this process, joined by memory; everything they say to each other is counted as it would be sent, before
 * encryption. `differ` of the second one's aggregates are changed in memory behind its back. */
#include "node/core/core_impl.h"
#include "tests/support/batches.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 1000, FIELDS = 6, RECORDS_MAX = 4096 };

static struct {
    struct gs_core *cores[2];
    struct gs_buffer records[RECORDS_MAX]; /* of the author, BATCH events each */
    uint32_t record_count;
    uint64_t mono_ms;
    uint64_t bytes, messages;
    bool counting;
} bench;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void step(int side, struct gs_core_event event);

/* From the one event that made it: t/N is event N of the author. */
static void rebuild(int side, const struct gs_core_rebuild *rebuild) {
    struct gs_aggregate *aggregate = gs_aggregate_new(NULL);
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_buffer state = {0};
    unsigned long number = strtoul(rebuild->name + 2, NULL, 10);
    const struct gs_buffer *bytes = &bench.records[number / BATCH];
    TEST_REQUIRE(gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) == 0);
    TEST_REQUIRE(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0);
    TEST_REQUIRE(gs_batch_decode(&head, &arena, &events) == 0);
    TEST_REQUIRE(gs_aggregate_apply(aggregate, &events[number % BATCH].changes[0].delta) == 0);
    TEST_REQUIRE(gs_aggregate_encode(aggregate, GS_ENCODE_FULL, &state) == 0);
    step(side,
         (struct gs_core_event){
             .type = GS_CORE_REBUILT,
             .rebuilt = {.number = rebuild->number, .version = 1, .state = gs_slice_make(state.bytes, state.length)}});
    gs_buffer_close(&state);
    gs_arena_close(&arena);
    gs_aggregate_free(aggregate);
}

static void step(int side, struct gs_core_event event) {
    struct gs_update update = {0};
    event.now_ms = 1767225700000 + bench.mono_ms;
    event.mono_ms = bench.mono_ms;
    TEST_REQUIRE(gs_core_step(bench.cores[side], &event, &update) == 0 && !update.reload);
    if (update.has_commit) {
        step(side, (struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = update.commit.number}});
    }
    for (uint32_t i = 0; i < update.rebuild_count; i++) {
        rebuild(side, &update.rebuilds[i]);
    }
    for (uint32_t i = 0; i < update.send_count && bench.cores[1 - side] != NULL; i++) {
        struct gs_slice message = gs_slice_make(update.sends[i].message.bytes, update.sends[i].message.length);
        if (bench.counting && message.bytes[1] == GS_MESSAGE_COMPARE) {
            bench.bytes += message.length;
            bench.messages++;
        }
        step(1 - side, (struct gs_core_event){.type = GS_CORE_MESSAGE, .peer = {.peer = 1, .message = message}});
    }
    gs_update_clear(&update);
}

static struct gs_op *make_ops(uint32_t number, struct gs_arena *arena, uint32_t *ret_count) {
    struct gs_buffer json = {0};
    struct gs_buffer value = {0};
    struct gs_op *ops = NULL;
    struct gs_problem problem;
    gs_buffer_text(&json, "[");
    for (uint32_t f = 0; f < FIELDS; f++) {
        gs_buffer_printf(&json, "%s{\"op\":\"increment\",\"path\":\"/field-%u\",\"by\":%u}", f > 0 ? "," : "", f,
                         number * 7 + f + 1);
    }
    gs_buffer_text(&json, "]");
    TEST_REQUIRE(gs_json_parse((const char *)json.bytes, json.length, 4, &value, &problem) == 0);
    struct gs_slice copy = gs_slice_make(gs_arena_copy(arena, value.bytes, value.length), value.length);
    TEST_REQUIRE(gs_ops_parse(copy, "", arena, &ops, ret_count, &problem) == 0);
    gs_buffer_close(&json);
    gs_buffer_close(&value);
    return ops;
}

static void write_all(uint32_t count) {
    struct test_author author;
    test_author_init(&author, 3);
    for (uint32_t first = 0; first < count; first += BATCH) {
        struct gs_arena arena = {0};
        struct gs_event *events = gs_arena_alloc(&arena, BATCH * sizeof *events);
        uint32_t in_batch = count - first < BATCH ? count - first : BATCH;
        struct gs_aggregate *empty = gs_aggregate_new(NULL);
        for (uint32_t i = 0; i < in_batch; i++) {
            struct gs_event_change *change = gs_arena_alloc(&arena, sizeof *change);
            char *name = gs_arena_alloc(&arena, 16);
            uint32_t op_count = 0;
            snprintf(name, 16, "%u", first + i);
            struct gs_op *ops = make_ops(first + i, &arena, &op_count);
            *change = (struct gs_event_change){.aggregate_type = gs_slice_make("t", 1),
                                               .aggregate_id = gs_slice_make(name, strlen(name))};
            struct gs_stamp stamp = {
                .origin = author.origin, .seq = author.next_seq + i, .clock = author.clock + 1 + i};
            struct gs_problem problem;
            TEST_REQUIRE(gs_aggregate_prepare(empty, ops, op_count, &stamp, "", &arena, &change->delta, &problem) == 0);
            events[i] = (struct gs_event){.seq = stamp.seq,
                                          .clock = stamp.clock,
                                          .event_type = gs_slice_make("made", 4),
                                          .change_count = 1,
                                          .changes = change};
        }
        test_author_seal(&author, events, in_batch, NULL, 0, &bench.records[bench.record_count++]);
        gs_aggregate_free(empty);
        gs_arena_close(&arena);
    }
}

static struct gs_trust make_trust(const struct gs_key_pair keys[2]) {
    struct gs_trust trust = {0};
    struct gs_buffer text = {0};
    struct gs_problem problem;
    struct test_author author;
    char key[45];
    test_author_init(&author, 3);
    for (int i = 0; i < 2; i++) {
        gs_public_key_text(&keys[i].public_key, key);
        gs_buffer_printf(&text, "side-%d %s\n", i, key);
    }
    gs_public_key_text(&author.keys.public_key, key);
    gs_buffer_printf(&text, "author %s\n", key);
    TEST_REQUIRE(gs_trust_parse((const char *)text.bytes, text.length, &trust, &problem) == 0);
    gs_buffer_close(&text);
    return trust;
}

static void open_core(int side, const struct gs_key_pair *keys, const struct gs_trust *trust) {
    struct gs_core_config config = {.cluster = gs_cluster_from_name("test"),
                                    .keys = *keys,
                                    .trust = trust,
                                    .max_skew_ms = 60000,
                                    .sync_interval_ms = 1000000,
                                    .ack_interval_ms = 1000000,
                                    .idempotency_ms = 60000,
                                    .idempotency_max = 1000,
                                    .seed = {(uint8_t)side},
                                    .now_ms = 1767225700000};
    TEST_REQUIRE(gs_core_new(&config, &bench.cores[side]) == 0);
    for (uint32_t i = 0; i < bench.record_count; i++) {
        struct gs_update update = {0};
        struct gs_core_event event = {.type = GS_CORE_RECOVER,
                                      .record = gs_slice_make(bench.records[i].bytes, bench.records[i].length)};
        TEST_REQUIRE(gs_core_step(bench.cores[side], &event, &update) == 0);
        gs_update_clear(&update);
    }
}

/* Another value with the same history. */
static size_t change_one(uint32_t number) {
    char name[16];
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    struct gs_record record;
    struct gs_batch_head head;
    struct gs_buffer state = {0};
    const struct gs_buffer *bytes = &bench.records[number / BATCH];
    snprintf(name, sizeof name, "%u", number);
    struct gs_cell *cell = gs_cell_find(bench.cores[1], gs_slice_make("t", 1), gs_slice_make(name, strlen(name)));
    TEST_REQUIRE(gs_record_parse(gs_slice_make(bytes->bytes, bytes->length), &record) == 0);
    TEST_REQUIRE(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0);
    TEST_REQUIRE(gs_batch_decode(&head, &arena, &events) == 0);
    struct gs_delta delta = events[number % BATCH].changes[0].delta;
    struct gs_change *changes = gs_arena_copy(&arena, delta.changes, delta.count * sizeof *changes);
    changes[2].by += 1;
    delta.changes = changes;
    gs_aggregate_free(cell->aggregate);
    cell->aggregate = gs_aggregate_new(NULL);
    TEST_REQUIRE(gs_aggregate_apply(cell->aggregate, &delta) == 0);
    TEST_REQUIRE(gs_aggregate_encode(cell->aggregate, GS_ENCODE_FULL, &state) == 0);
    size_t size = state.length;
    gs_buffer_close(&state);
    gs_arena_close(&arena);
    return size;
}

static void run(uint32_t aggregates, uint32_t differ, enum gs_sync_mode mode) {
    static const struct gs_slice region = {(const uint8_t *)"side-1", 6};
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    size_t state_bytes = 0;
    for (uint32_t i = 0; i < differ; i++) {
        state_bytes += change_one((uint32_t)((uint64_t)i * aggregates / differ));
    }
    command->sync = (struct gs_sync_request){.ask = GS_SYNC_START, .mode = mode, .regions = &region, .region_count = 1};
    bench.bytes = bench.messages = 0;
    bench.counting = true;
    double begun = seconds();
    step(0, (struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
    while (bench.cores[0]->jobs.active > 0) {
        bench.mono_ms++;
        step(0, (struct gs_core_event){.type = GS_CORE_TICK});
        step(1, (struct gs_core_event){.type = GS_CORE_TICK});
    }
    bench.counting = false;
    double levels = 0;
    for (uint32_t n = aggregates; n > 1; n /= 16) {
        levels += n >= 16 ? 1 : (double)n / 16;
    }
    printf("%-7s %8u  %8u  %12.1f  %10llu  %10zu  %14.0f  %8.3f\n", gs_sync_mode_names[mode], aggregates, differ,
           (double)bench.messages / 2, (unsigned long long)bench.bytes, state_bytes,
           3 * (double)state_bytes + 64 * (double)differ * levels, seconds() - begun);
    gs_command_free(command);
}

int main(int argc, char **argv) {
    uint32_t aggregates = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    struct gs_key_pair keys[2];
    TEST_REQUIRE(sodium_init() >= 0 && aggregates >= 1000 && aggregates <= RECORDS_MAX * BATCH);
    for (int i = 0; i < 2; i++) {
        uint8_t seed[GS_SEED_SIZE] = {(uint8_t)(i + 9)};
        gs_key_pair_from_seed(seed, &keys[i]);
    }
    struct gs_trust trust = make_trust(keys);
    write_all(aggregates);
    double begun = seconds();
    open_core(0, &keys[0], &trust);
    open_core(1, &keys[1], &trust);
    step(0, (struct gs_core_event){.type = GS_CORE_START});
    step(1, (struct gs_core_event){.type = GS_CORE_START});
    printf("%u aggregates applied and hashed on two sides in %.1f s\n", aggregates, seconds() - begun);
    for (int side = 0; side < 2; side++) {
        step(side,
             (struct gs_core_event){.type = GS_CORE_PEER_UP, .peer = {.peer = 1, .key = keys[1 - side].public_key}});
    }
    for (int side = 0; side < 2; side++) { /* what the first side said found no link yet */
        struct gs_buffer message = {0};
        gs_message_write_vector(&bench.cores[1 - side]->stored, GS_VECTOR_TELL, &message);
        step(side,
             (struct gs_core_event){.type = GS_CORE_MESSAGE,
                                    .peer = {.peer = 1, .message = gs_slice_make(message.bytes, message.length)}});
        gs_buffer_close(&message);
    }
    printf("mode    aggregates  differ  round trips       bytes  their states  3 states+64dlog16n   seconds\n");
    run(aggregates, 0, GS_SYNC_VERIFY);
    for (uint32_t differ = 1; differ <= 1000; differ *= 10) {
        run(aggregates, differ, GS_SYNC_VERIFY);
        run(aggregates, differ, GS_SYNC_FULL);
    }
    for (int side = 0; side < 2; side++) {
        gs_core_free(bench.cores[side]);
    }
    for (uint32_t i = 0; i < bench.record_count; i++) {
        gs_buffer_close(&bench.records[i]);
    }
    gs_trust_close(&trust);
    return 0;
}
