/* Bodies made by hand, as a malicious but trusted origin could sign them: what gs_batch_decode must refuse. Events are
 * written as JSON, which becomes the same msgpack; origins and other bytes are put in beside. */
#include "log_fixture.h"

#include <globalstate/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FIRST_SEQ = 10 };

/* A head of events from FIRST_SEQ on, whose clocks span `span`. */
static struct gs_batch_head head_of(uint32_t count, uint64_t span, const struct gs_buffer *body) {
    struct region region = fixture_region(0);
    return (struct gs_batch_head){
        .origin = region.origin,
        .first_seq = FIRST_SEQ,
        .count = count,
        .clock_first = FIXTURE_CLOCK,
        .clock_last = FIXTURE_CLOCK + span,
        .body = gs_slice_make(body->bytes, body->length),
    };
}

static void write_origins(const gs_origin *origins, uint32_t count, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        gs_write_bin(out, origins[i].bytes, GS_ORIGIN_SIZE);
    }
}

/* Decodes `json` (the array of events) behind a table of one foreign origin. The body lies in a block of its own size,
 * so that ASan sees a read past it. */
static int decode(const char *json, uint32_t count, uint64_t span) {
    struct gs_buffer body = {0};
    struct gs_problem problem = {0};
    struct gs_arena arena = {0};
    struct gs_event *events;
    struct region us = fixture_region(1);
    write_origins(&us.origin, 1, &body);
    if (gs_json_parse(json, strlen(json), GS_VALUE_DEPTH_MAX, &body, &problem) != 0) {
        fail_msg("%s: %s", json, problem.detail);
    }
    struct gs_batch_head head = head_of(count, span, &body);
    int error = gs_batch_decode(&head, &arena, &events);
    gs_arena_close(&arena);
    gs_buffer_close(&body);
    return error;
}

static void assert_event(const char *event, int code) {
    char json[8192];
    assert_true(strlen(event) + 3 < sizeof json);
    (void)snprintf(json, sizeof json, "[%s]", event);
    int error = decode(json, 1, 0);
    if (error != code) {
        fail_msg("%s: %d instead of %d", event, error, code);
    }
}

#define ACK "\"gs.ack\",\"\",null,null,[]]"
#define SET(index) "[0," #index ",[\"n\"],[],1]"
#define EVENT(changes) "[0,\"ev\",\"me\",null,null,[" changes "]]"
#define ONE(delta) EVENT("[\"t\",\"i\"," delta "]")

static void test_events_that_are_accepted(void **state) {
    (void)state;
    assert_event("[0," ACK, 0);
    assert_event(ONE("[0,[]]"), 0);
    assert_event(ONE("[9,[" SET(0) "," SET(4294967295) "]]"), 0);
    assert_event(EVENT("[\"t\",\"i\",[0,[" SET(3) "]]],[\"t\",\"j\",[0,[" SET(4) "]]]"), 0);
    assert_event(ONE("[9,[[0,0,[\"n\"],[1,99,0,0,9,7],1]]]"), 0);
    assert_event(ONE("[0,[" SET(0) ",[0,1,[\"n\"],[0,10,0],1]]]"), 0);
}

static void test_names(void **state) {
    (void)state;
    char id[GS_ID_BYTES_MAX + 2];
    char actor[GS_ACTOR_BYTES_MAX + 2];
    char event[1024];
    memset(id, 'a', sizeof id);
    memset(actor, 'b', sizeof actor);
    for (int longer = 0; longer <= 1; longer++) {
        id[GS_ID_BYTES_MAX + longer] = 0;
        actor[GS_ACTOR_BYTES_MAX + longer] = 0;
        const int code = longer ? GS_ETOOBIG : 0;
        (void)snprintf(event, sizeof event, "[0,\"%s\",\"\",null,null,[[\"t\",\"i\",[0,[]]]]]", id);
        assert_event(event, code);
        (void)snprintf(event, sizeof event, "[0,\"ev\",\"\",null,null,[[\"%s\",\"i\",[0,[]]]]]", id);
        assert_event(event, code);
        (void)snprintf(event, sizeof event, "[0,\"ev\",\"\",null,null,[[\"t\",\"%s\",[0,[]]]]]", id);
        assert_event(event, code);
        (void)snprintf(event, sizeof event, "[0,\"ev\",\"%s\",null,null,[[\"t\",\"i\",[0,[]]]]]", actor);
        assert_event(event, code);
        id[GS_ID_BYTES_MAX] = 'a';
        actor[GS_ACTOR_BYTES_MAX] = 'b';
    }
    const char *bad[] = {"", "a b", "a/b", "a%b", "\\u00e9", "\\u0000", "a\\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(event, sizeof event, "[0,\"%s\",\"\",null,null,[[\"t\",\"i\",[0,[]]]]]", bad[i]);
        assert_event(event, GS_EFORMAT);
        (void)snprintf(event, sizeof event, "[0,\"ev\",\"\",null,null,[[\"%s\",\"i\",[0,[]]]]]", bad[i]);
        assert_event(event, GS_EFORMAT);
        (void)snprintf(event, sizeof event, "[0,\"ev\",\"\",null,null,[[\"t\",\"%s\",[0,[]]]]]", bad[i]);
        assert_event(event, GS_EFORMAT);
    }
}

static void test_shapes(void **state) {
    (void)state;
    assert_event("[]", GS_EFORMAT);
    assert_event("[0,"
                 "\"gs.ack\",\"\",null,[]]",
                 GS_EFORMAT);
    assert_event("[0,"
                 "\"gs.ack\",\"\",null,null,[],null]",
                 GS_EFORMAT);
    assert_event("[-1," ACK, GS_EFORMAT);
    assert_event("[0.0," ACK, GS_EFORMAT);
    assert_event("[0,\"gs.ack\",null,null,null,[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",0,null,[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",[],null,[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",[\"0123456789abcdef\",0,\"0123456789abcdef\"],null,[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",null,\"0123456789abcdef0123456789abcdef\",[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",null,null,{}]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",null,null,null]", GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\"]"), GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[]],0]"), GS_EFORMAT);
    assert_event(ONE("[0]"), GS_EFORMAT);
    assert_event(ONE("[0,[[99,0,[\"n\"],[],1]]]"), GS_EFORMAT);
    assert_event(ONE("[0,[[0,0,[\"n\"],[2,1,0],1]]]"), GS_EFORMAT); /* no such origin */
}

/* Only an acknowledgement has no changes, and it has none. */
static void test_acknowledgements(void **state) {
    (void)state;
    assert_event("[0,\"ev\",\"\",null,null,[]]", GS_EFORMAT);
    assert_event("[0,\"gs.ack\",\"\",null,null,[[\"t\",\"i\",[0,[]]]]]", GS_EFORMAT);
}

static void test_aggregates_of_an_event(void **state) {
    (void)state;
    struct gs_buffer event = {0};
    assert_event(EVENT("[\"t\",\"i\",[0,[]]],[\"t\",\"i\",[0,[]]]"), GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[]]],[\"a\",\"b\",[0,[]]],[\"t\",\"i\",[0,[]]]"), GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[]]],[\"i\",\"t\",[0,[]]],[\"ti\",\"i\",[0,[]]]"), 0);
    for (uint32_t count = GS_EVENT_AGGREGATES_MAX; count <= GS_EVENT_AGGREGATES_MAX + 1; count++) {
        event.length = 0;
        gs_buffer_text(&event, "[0,\"ev\",\"\",null,null,[");
        for (uint32_t i = 0; i < count; i++) {
            gs_buffer_printf(&event, "%s[\"t\",\"%u\",[0,[]]]", i > 0 ? "," : "", i);
        }
        gs_buffer_text(&event, "]]");
        gs_buffer_byte(&event, 0);
        assert_event((const char *)event.bytes, count > GS_EVENT_AGGREGATES_MAX ? GS_ETOOBIG : 0);
    }
    gs_buffer_close(&event);
}

static void test_dots_rise_through_an_event(void **state) {
    (void)state;
    assert_event(ONE("[0,[" SET(1) "," SET(1) "]]"), GS_EFORMAT);
    assert_event(ONE("[0,[" SET(2) "," SET(1) "]]"), GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[" SET(1) "]]],[\"t\",\"j\",[0,[" SET(1) "]]]"), GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[" SET(1) "]]],[\"t\",\"k\",[0,[]]],[\"t\",\"j\",[0,[" SET(0) "]]]"),
                 GS_EFORMAT);
    assert_event(EVENT("[\"t\",\"i\",[0,[" SET(4294967295) "]]],[\"t\",\"j\",[0,[" SET(0) "]]]"), GS_EFORMAT);
    assert_event(ONE("[0,[" SET(4294967296) "]]"), GS_EFORMAT);
}

static void assert_claim_refused(const char *event) {
    char json[1024];
    (void)snprintf(json, sizeof json, "[%s]", event);
    int error = decode(json, 1, 0);
    assert_true(error == GS_EOVERCLAIM || error == GS_EFORMAT);
}

/* An event knows its own origin's past on the aggregate, and what stands before in it; nothing else. */
static void test_claims_of_own_dots(void **state) {
    (void)state;
    assert_claim_refused(ONE("[10,[]]"));
    assert_claim_refused(ONE("[11,[" SET(0) "]]"));
    assert_claim_refused(ONE("[9,[[0,0,[\"n\"],[0,10,0],1]]]"));
    assert_claim_refused(ONE("[9,[[0,0,[\"n\"],[0,10,1],1]]]"));
    assert_claim_refused(ONE("[9,[[0,0,[\"n\"],[0,11,0],1]]]"));
    assert_claim_refused(ONE("[9,[[0,0,[\"n\"],[0,10,1],1]," SET(2) "]]")); /* before the last, not before its own */
    assert_claim_refused(ONE("[4,[[0,0,[\"n\"],[0,5,0],1]]]"));             /* an event on another aggregate */
    assert_event(ONE("[5,[[0,0,[\"n\"],[0,5,0],1]]]"), 0);
    assert_claim_refused(ONE("[9,[[1,0,[\"n\"],[[6,[0,10,0,5]]]]]]"));
    assert_event(ONE("[9,[[1,0,[\"n\"],[[6,[0,9,0,5]]]]]]"), 0);
}

static void test_clocks(void **state) {
    (void)state;
    assert_int_equal(decode("[[0," ACK ",[5," ACK ",[9," ACK "]", 3, 9), 0);
    assert_int_equal(decode("[[0," ACK ",[5," ACK ",[5," ACK "]", 3, 5), GS_EFORMAT);
    assert_int_equal(decode("[[0," ACK ",[9," ACK ",[5," ACK "]", 3, 5), GS_EFORMAT);
    assert_int_equal(decode("[[0," ACK ",[5," ACK ",[9," ACK "]", 3, 10), GS_EFORMAT);
    assert_int_equal(decode("[[1," ACK ",[5," ACK ",[9," ACK "]", 3, 9), GS_EFORMAT);
    assert_int_equal(decode("[[0," ACK ",[9223372036854775807," ACK "]", 2, 9), GS_EFORMAT);
}

static void test_counts(void **state) {
    (void)state;
    assert_int_equal(decode("[[0," ACK ",[1," ACK "]", 1, 0), GS_EFORMAT);
    assert_int_equal(decode("[[0," ACK ",[1," ACK "]", 3, 2), GS_EFORMAT);
    assert_int_equal(decode("[]", 1, 0), GS_EFORMAT);
    assert_int_equal(decode("[[0," ACK "]", 1, 0), 0);
}

/* One acknowledgement behind a table of origins; `extra` more bytes follow the body's value. */
static int decode_with_origins(const gs_origin *origins, uint32_t count, uint32_t extra) {
    struct gs_buffer body = {0};
    struct gs_arena arena = {0};
    struct gs_event *events;
    write_origins(origins, count, &body);
    gs_json_parse("[[0," ACK "]", strlen("[[0," ACK "]"), GS_VALUE_DEPTH_MAX, &body, NULL);
    for (uint32_t i = 0; i < extra; i++) {
        gs_write_nil(&body);
    }
    struct gs_batch_head head = head_of(1, 0, &body);
    int error = gs_batch_decode(&head, &arena, &events);
    gs_arena_close(&arena);
    gs_buffer_close(&body);
    return error;
}

static void test_origin_table(void **state) {
    (void)state;
    gs_origin *origins = calloc(GS_ORIGIN_TABLE_MAX + 1, sizeof *origins);
    assert_non_null(origins);
    for (uint32_t i = 0; i <= GS_ORIGIN_TABLE_MAX; i++) {
        origins[i].bytes[3] = (uint8_t)(i * 7 >> 8);
        origins[i].bytes[4] = (uint8_t)(i * 7);
    }
    assert_int_equal(decode_with_origins(origins, 0, 0), 0);
    assert_int_equal(decode_with_origins(origins, 0, 1), GS_EFORMAT);
    assert_int_equal(decode_with_origins(origins, GS_ORIGIN_TABLE_MAX - 1, 0), 0);
    assert_int_equal(decode_with_origins(origins, GS_ORIGIN_TABLE_MAX, 0), GS_ETOOBIG);
    origins[4000] = origins[17];
    assert_int_equal(decode_with_origins(origins, GS_ORIGIN_TABLE_MAX - 1, 0), GS_EFORMAT);
    origins[4000] = fixture_region(0).origin;
    assert_int_equal(decode_with_origins(origins, GS_ORIGIN_TABLE_MAX - 1, 0), GS_EFORMAT);
    free(origins);
}

/* Whatever a head claims, a short body reserves next to nothing. */
static void test_hostile_counts_reserve_nothing(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } bodies[] = {
        {"\x92\xdd\xff\xff\xff\xff", 6},
        {"\x92\x90\xdd\xff\xff\xff\xff", 7},
        {"\x92\x90\x91\x96\x00\xa2\x65\x76\xa0\xc0\xc0\xdd\x00\x01\x00\x00", 16},
        {"\x92\x90\x91\x96\x00\xa2\x65\x76\xa0\xc0\xc0\x91\x93\xa1t\xa1i\x92\x00\xdd\x00\x01\x00\x00", 24},
        {"\x92\x90\x91\x96\x00\xdb\xff\xff\xff\xff", 10},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct gs_memory memory = {0};
        struct gs_arena arena = {.memory = &memory};
        struct gs_event *events;
        struct gs_buffer body = {0};
        gs_buffer_append(&body, bodies[i].bytes, bodies[i].length);
        struct gs_batch_head head = head_of(1, 0, &body);
        assert_int_not_equal(gs_batch_decode(&head, &arena, &events), 0);
        assert_true(memory.used < 8192);
        gs_arena_close(&arena);
        gs_buffer_close(&body);
    }
}

static int attach(struct gs_slice detached, const char *expected, uint32_t index, size_t *ret_length) {
    struct gs_buffer list = {0};
    struct gs_event events[2] = {{.seq = 1}, {.seq = 2, .has_detached = true}};
    gs_detached_hash(fixture_text(expected), &events[1].detached_hash);
    gs_write_array(&list, 2);
    gs_write_uint(&list, index);
    gs_write_bin(&list, detached.bytes, detached.length);
    struct gs_record record = {.detached = gs_slice_make(list.bytes, list.length)};
    int error = gs_record_attach(&record, events, 2);
    *ret_length = events[1].detached.length;
    gs_buffer_close(&list);
    return error;
}

#define DATA   \
    "\x81\xa4" \
    "data\x01"

static void assert_attached(const char *detached) {
    size_t length = 0;
    assert_int_equal(attach(fixture_text(detached), detached, 1, &length), 0);
    assert_int_equal(length, strlen(detached));
}

static void assert_not_attached(const char *detached, uint32_t index, int code) {
    size_t length = 0;
    assert_int_equal(attach(fixture_text(detached), DATA, index, &length), code);
    assert_int_equal(length, 0);
}

static void test_detached_data(void **state) {
    (void)state;
    assert_attached(DATA);
    assert_attached("\x81\xa8metadata\x01");
    assert_not_attached("\x81\xa4"
                        "data\x02",
                        1, GS_ESIGNATURE);
    assert_not_attached("", 1, GS_ESIGNATURE);
    assert_not_attached(DATA, 0, GS_EFORMAT); /* has none */
    assert_not_attached(DATA, 2, GS_EFORMAT); /* no such event */
}

/* Its origin signed the hash of it, so the event counts; the data does not. */
static void test_malformed_data_counts_as_erased(void **state) {
    (void)state;
    const char *bad[] = {"",
                         "\x01",
                         "\x80",
                         "\x81\xa5other\x01",
                         "\x81\xa4"
                         "data\xcc\x01",
                         "\x82\xa4"
                         "data\x01\xa4"
                         "data\x01",
                         "\x82\xa8metadata\x01\xa4"
                         "data\x01",
                         DATA "\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t length = 1;
        assert_int_equal(attach(fixture_text(bad[i]), bad[i], 1, &length), 0);
        assert_int_equal(length, 0);
        assert_true(gs_detached_check(fixture_text(bad[i])) != 0);
    }
}

static void test_detached_list(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        size_t length;
        int code;
    } lists[] = {
        {"\x90", 1, 0},
        {"", 0, GS_EFORMAT},
        {"\x91\x00", 2, GS_EFORMAT},
        {"\x90\xc0", 2, GS_EFORMAT},
        {"\x92\x00\xc0", 3, GS_EFORMAT},
        {"\x94\x01\xc4\x07" DATA "\x00\xc4\x07" DATA, 21, GS_EFORMAT}, /* descending */
        {"\x94\x00\xc4\x07" DATA "\x00\xc4\x07" DATA, 21, GS_EFORMAT}, /* twice */
        {"\x94\x00\xc4\x07" DATA "\x01\xc4\x07" DATA, 21, 0},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct gs_event events[2] = {{.has_detached = true}, {.has_detached = true}};
        struct gs_record record = {.detached = gs_slice_make(lists[i].bytes, lists[i].length)};
        gs_detached_hash(fixture_text(DATA), &events[0].detached_hash);
        events[1].detached_hash = events[0].detached_hash;
        assert_int_equal(gs_record_attach(&record, events, 2), lists[i].code);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_that_are_accepted),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_acknowledgements),
        cmocka_unit_test(test_aggregates_of_an_event),
        cmocka_unit_test(test_dots_rise_through_an_event),
        cmocka_unit_test(test_claims_of_own_dots),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_origin_table),
        cmocka_unit_test(test_hostile_counts_reserve_nothing),
        cmocka_unit_test(test_detached_data),
        cmocka_unit_test(test_malformed_data_counts_as_erased),
        cmocka_unit_test(test_detached_list),
    };
    return cmocka_run_group_tests_name("batch_body", tests, NULL, NULL);
}
