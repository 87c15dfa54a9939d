/* What it costs to take a long history from a peer, on one core, by events a batch. usage: catchup_bench [EVENTS]
 * [DIRECTORY]
 *
 * An author's history arrives at a fresh core as answers to pulls, each as large as a node sends it; every commit goes
 * to an SQLite store in DIRECTORY (made new; default: the memory of this process) and is indexed there, as the threads
 * of a node would do. All figures are CPU time of this one thread; `to verify` is what hashes and signatures take of
 * it, beside what it would take to check every signature. */
#include "gossip/compress.h"
#include "node/core/core_impl.h"
#include "node/store/store.h"
#include "tests/support/batches.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AGGREGATES = 1000, LINK = 1 };

static struct {
    struct gs_core *core;
    struct gs_store *store;
    uint64_t mono_ms;
    double in_store; /* seconds */
} bench;

struct history {
    struct gs_buffer records;
    uint32_t count;
    struct gs_head end;
};

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What a battle leaves with a player. */
static void make_event(const struct test_author *author, struct gs_aggregate **states, uint64_t seq,
                       struct gs_arena *arena, struct gs_event *ret_event) {
    uint32_t player = (uint32_t)(seq * 7919 % AGGREGATES);
    char json[200];
    struct gs_buffer value = {0};
    struct gs_op *ops = NULL;
    uint32_t op_count = 0;
    struct gs_problem problem;
    int length = snprintf(json, sizeof json,
                          "[{\"op\":\"increment\",\"path\":\"/wins\",\"by\":1},{\"op\":\"set\",\"path\":\"/last\","
                          "\"value\":\"battle-%llu\"},{\"op\":\"max\",\"path\":\"/best\",\"by\":%llu}]",
                          (unsigned long long)seq, (unsigned long long)(seq % 9973));
    TEST_REQUIRE(gs_json_parse(json, (size_t)length, 4, &value, &problem) == 0);
    struct gs_slice copy = gs_slice_make(gs_arena_copy(arena, value.bytes, value.length), value.length);
    TEST_REQUIRE(gs_ops_parse(copy, "", arena, &ops, &op_count, &problem) == 0);
    struct gs_event_change *change = gs_arena_alloc(arena, sizeof *change);
    char *name = gs_arena_alloc(arena, 16);
    snprintf(name, 16, "p-%u", player);
    *change = (struct gs_event_change){.aggregate_type = gs_slice_make("player", 6),
                                       .aggregate_id = gs_slice_make(name, strlen(name))};
    struct gs_stamp stamp = {.origin = author->origin, .seq = seq, .clock = author->clock + 1 + seq - author->next_seq};
    TEST_REQUIRE(gs_aggregate_prepare(states[player], ops, op_count, &stamp, "", arena, &change->delta, &problem) == 0);
    TEST_REQUIRE(gs_aggregate_apply(states[player], &change->delta) == 0);
    *ret_event = (struct gs_event){.seq = seq,
                                   .clock = stamp.clock,
                                   .event_type = gs_slice_make("battle.fought", 13),
                                   .actor = gs_slice_make("server-1", 8),
                                   .change_count = 1,
                                   .changes = change};
    gs_buffer_close(&value);
}

static void write_history(uint32_t events, uint32_t batch, struct history *ret_history) {
    struct test_author author;
    struct gs_aggregate *states[AGGREGATES];
    struct gs_event *list = calloc(batch, sizeof *list);
    TEST_REQUIRE(list != NULL);
    for (uint32_t i = 0; i < AGGREGATES; i++) {
        states[i] = gs_aggregate_new(NULL);
    }
    test_author_init(&author, 3);
    for (uint32_t done = 0; done < events; done += batch) {
        struct gs_arena arena = {0};
        for (uint32_t i = 0; i < batch; i++) {
            make_event(&author, states, author.next_seq + i, &arena, &list[i]);
        }
        test_author_seal(&author, list, batch, NULL, 0, &ret_history->records);
        ret_history->count++;
        gs_arena_close(&arena);
    }
    ret_history->end = test_author_head(&author);
    for (uint32_t i = 0; i < AGGREGATES; i++) {
        gs_aggregate_free(states[i]);
    }
    free(list);
}

static void store_commit(const struct gs_commit *commit) {
    double begun = cpu_seconds();
    bool more = true;
    TEST_REQUIRE(bench.store->methods->append(bench.store, gs_slice_make(commit->records.bytes, commit->records.length),
                                              commit->count) == 0);
    while (more) {
        TEST_REQUIRE(bench.store->methods->project(bench.store, 4096, &more) == 0);
    }
    bench.in_store += cpu_seconds() - begun;
}

static void step(struct gs_core_event event) {
    struct gs_update update = {0};
    event.now_ms = 1767225700000 + bench.mono_ms;
    event.mono_ms = bench.mono_ms;
    TEST_REQUIRE(gs_core_step(bench.core, &event, &update) == 0 && !update.reload && update.drop_count == 0);
    bool committed = update.has_commit;
    uint64_t number = update.commit.number;
    if (committed) {
        store_commit(&update.commit);
    }
    if (update.keep != NULL) {
        TEST_REQUIRE(bench.store->methods->keep == NULL || bench.store->methods->keep(bench.store, update.keep) == 0);
        gs_keep_free(update.keep);
        update.keep = NULL;
        step((struct gs_core_event){.type = GS_CORE_KEPT});
    }
    gs_update_clear(&update);
    if (committed) {
        step((struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = number}});
    }
}

static struct gs_trust make_trust(const struct gs_key_pair *keys) {
    struct gs_trust trust = {0};
    struct gs_buffer text = {0};
    struct gs_problem problem;
    struct test_author author;
    char key[45];
    test_author_init(&author, 3);
    gs_public_key_text(&keys->public_key, key);
    gs_buffer_printf(&text, "here %s\n", key);
    gs_public_key_text(&author.keys.public_key, key);
    gs_buffer_printf(&text, "author %s\n", key);
    TEST_REQUIRE(gs_trust_parse((const char *)text.bytes, text.length, &trust, &problem) == 0);
    gs_buffer_close(&text);
    return trust;
}

/* Microseconds an event to find out who vouches for the history, message by message: what a core does first. */
static double verify_runs(const struct history *history, uint32_t events) {
    static struct gs_slice records[GS_MESSAGE_RECORDS_MAX];
    struct gs_reader reader;
    struct gs_record record;
    double begun = cpu_seconds();
    uint32_t left = history->count;
    gs_reader_init(&reader, history->records.bytes, history->records.length);
    reader.nodes_left = UINT32_MAX;
    while (left > 0) {
        struct gs_arrival *arrivals = NULL;
        uint32_t count = 0;
        for (size_t bytes = 0; left > 0 && bytes < GS_CORE_PULL_BYTES && count < GS_MESSAGE_RECORDS_MAX; left--) {
            const uint8_t *start = reader.at;
            TEST_REQUIRE(gs_record_read(&reader, &record) == 0);
            records[count] = gs_slice_make(start, (size_t)(reader.at - start));
            bytes += records[count++].length;
        }
        TEST_REQUIRE(gs_vouch(bench.core, records, count, &arrivals) == 0);
        TEST_REQUIRE(count == 0 || arrivals[count - 1].checked);
        free(arrivals);
    }
    return (cpu_seconds() - begun) / events * 1e6;
}

/* Hands the history over in messages as a node would answer pulls. */
static uint32_t deliver(const struct history *history) {
    struct gs_reader reader;
    uint32_t messages = 0;
    uint32_t left = history->count;
    gs_reader_init(&reader, history->records.bytes, history->records.length);
    reader.nodes_left = UINT32_MAX;
    while (left > 0) {
        const uint8_t *start = reader.at;
        uint32_t count = 0;
        struct gs_record record;
        while (left > 0 && (size_t)(reader.at - start) < GS_CORE_PULL_BYTES && count < GS_MESSAGE_RECORDS_MAX) {
            TEST_REQUIRE(gs_record_read(&reader, &record) == 0);
            count++;
            left--;
        }
        struct gs_buffer message = {0};
        gs_message_write_batches(left > 0 ? GS_BATCHES_MORE : GS_BATCHES_LAST, count,
                                 gs_slice_make(start, (size_t)(reader.at - start)), &message);
        bench.mono_ms++;
        step((struct gs_core_event){.type = GS_CORE_MESSAGE,
                                    .peer = {.peer = LINK, .message = gs_slice_make(message.bytes, message.length)}});
        gs_buffer_close(&message);
        messages++;
    }
    return messages;
}

/* What compression makes of the answers, and what it takes on both sides. */
static void pack(const struct history *history, uint32_t events) {
    struct gs_reader reader;
    struct gs_record record;
    double packing = 0;
    double unpacking = 0;
    size_t bytes = 0;
    uint32_t left = history->count;
    gs_reader_init(&reader, history->records.bytes, history->records.length);
    reader.nodes_left = UINT32_MAX;
    while (left > 0) {
        const uint8_t *start = reader.at;
        uint32_t count = 0;
        while (left > 0 && (size_t)(reader.at - start) < GS_CORE_PULL_BYTES) {
            TEST_REQUIRE(gs_record_read(&reader, &record) == 0);
            count++;
            left--;
        }
        struct gs_buffer message = {0};
        struct gs_message decoded = {0};
        gs_message_write_batches(GS_BATCHES_MORE, count, gs_slice_make(start, (size_t)(reader.at - start)), &message);
        double begun = cpu_seconds();
        gs_compress(&message);
        packing += cpu_seconds() - begun;
        bytes += message.length;
        begun = cpu_seconds();
        TEST_REQUIRE(gs_message_decode(message.bytes, message.length, &decoded) == 0);
        unpacking += cpu_seconds() - begun;
        gs_message_close(&decoded);
        gs_buffer_close(&message);
    }
    printf("       packed to %.3f of the log's bytes, in %.2f us an event; unpacked and decoded in %.2f\n",
           (double)bytes / (double)history->records.length, packing / events * 1e6, unpacking / events * 1e6);
}

/* Microseconds an event to check the signature of every batch. */
static double verify_each(const struct history *history, uint32_t events) {
    struct gs_reader reader;
    struct test_author author;
    struct gs_record record;
    struct gs_batch_head head;
    test_author_init(&author, 3);
    gs_reader_init(&reader, history->records.bytes, history->records.length);
    reader.nodes_left = UINT32_MAX;
    double begun = cpu_seconds();
    for (uint32_t i = 0; i < history->count; i++) {
        TEST_REQUIRE(gs_record_read(&reader, &record) == 0);
        TEST_REQUIRE(gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0);
        TEST_REQUIRE(gs_batch_verify(&head, &author.keys.public_key) == 0);
    }
    return (cpu_seconds() - begun) / events * 1e6;
}

static void run(uint32_t events, uint32_t batch, const char *directory) {
    struct history history = {0};
    struct gs_problem problem = {0};
    struct gs_key_pair keys;
    uint8_t seed[GS_SEED_SIZE] = {9};
    char url[300] = "memory:";
    gs_key_pair_from_seed(seed, &keys);
    write_history(events, batch, &history);
    struct gs_trust trust = make_trust(&keys);
    if (directory != NULL) {
        snprintf(url, sizeof url, "sqlite:%s/catchup-%u.db", directory, batch);
    }
    TEST_REQUIRE(gs_store_open(url, &bench.store, &problem) == 0);
    struct gs_core_config config = {.cluster = gs_cluster_from_name("test"),
                                    .keys = keys,
                                    .trust = &trust,
                                    .max_skew_ms = 60000,
                                    .sync_interval_ms = 1000000,
                                    .ack_interval_ms = 1000000,
                                    .idempotency_ms = 60000,
                                    .idempotency_max = 1000,
                                    .now_ms = 1767225700000};
    TEST_REQUIRE(gs_core_new(&config, &bench.core) == 0);
    step((struct gs_core_event){.type = GS_CORE_START});
    struct test_author author;
    test_author_init(&author, 3);
    step((struct gs_core_event){.type = GS_CORE_PEER_UP, .peer = {.peer = LINK, .key = author.keys.public_key}});
    bench.in_store = 0;
    double runs = verify_runs(&history, events);
    double begun = cpu_seconds();
    uint32_t messages = deliver(&history);
    double all = cpu_seconds() - begun;
    TEST_REQUIRE(gs_vector_seq(gs_core_stored(bench.core), &history.end.origin) == history.end.seq);
    printf("%5u  %7u  %8u  %9.0f  %10.2f  %11.2f  %12.2f  %15.2f\n", batch, events, messages, events / all,
           (all - bench.in_store) / events * 1e6, bench.in_store / events * 1e6, runs, verify_each(&history, events));
    pack(&history, events);
    gs_core_free(bench.core);
    bench.store->methods->close(bench.store);
    gs_buffer_close(&history.records);
    gs_trust_close(&trust);
}

int main(int argc, char **argv) {
    uint32_t events = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    TEST_REQUIRE(sodium_init() >= 0 && events >= 100 && events % 100 == 0);
    printf("batch   events  messages   events/s  us in core  us in store  us to verify  … each signature\n");
    for (uint32_t batch = 1; batch <= 100; batch *= 10) {
        run(events, batch, argc > 2 ? argv[2] : NULL);
    }
    return 0;
}
