/* JSON to canonical values: what is taken, what is refused and where, and what hostile text costs. */
#include "failing_memory.h"
#include "random.h"

#include <globalstate/json.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { DEPTH_MAX = GS_VALUE_DEPTH_MAX };

struct text {
    const char *text;
    size_t length;
    const char *field; /* of the problem */
    int error;
    const char *expected;
};
#define TAKEN(text, expected) \
    { text, sizeof text - 1, NULL, 0, expected }
#define COUNT(cases) (sizeof cases / sizeof cases[0])
#define REFUSED(text, error, field) \
    { text, sizeof text - 1, field, error, NULL }

static void check_taken(const struct text *text) {
    struct gs_buffer value = {0};
    struct gs_buffer json = {0};
    struct gs_problem problem;
    int result = gs_json_parse(text->text, text->length, DEPTH_MAX, &value, &problem);
    if (result != 0) {
        fail_msg("%s: %s at %s", text->text, problem.detail, problem.field);
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    struct gs_slice whole = gs_read_value(&reader);
    assert_int_equal(gs_reader_finish(&reader), 0);
    gs_json_write(whole, &json);
    gs_buffer_byte(&json, '\0');
    assert_int_equal(json.failed, 0);
    assert_string_equal((char *)json.bytes, text->expected);
    gs_buffer_close(&value);
    gs_buffer_close(&json);
}

static void test_taken(void **state) {
    (void)state;
    static const struct text cases[] = {
        TAKEN("null", "null"),
        TAKEN(" \t\r\ntrue\n", "true"),
        TAKEN("false", "false"),
        TAKEN("0", "0"),
        TAKEN("-0", "0"),
        TAKEN("-0.0", "0.0"),
        TAKEN("-0e5", "0.0"),
        TAKEN("1.0", "1.0"),
        TAKEN("1E2", "100.0"),
        TAKEN("1e+2", "100.0"),
        TAKEN("12.50e-1", "1.25"),
        TAKEN("9223372036854775807", "9223372036854775807"),
        TAKEN("-9223372036854775808", "-9223372036854775808"),
        TAKEN("9223372036854775808.0", "9.223372036854776e+18"),
        TAKEN("1e22", "1e+22"),
        TAKEN("0.1", "0.1"),
        TAKEN("1e-400", "0.0"),
        TAKEN("-1e-400", "0.0"),
        TAKEN("5e-324", "5e-324"),
        TAKEN("2.2250738585072014e-308", "2.2250738585072014e-308"),
        TAKEN("1.7976931348623157e308", "1.7976931348623157e+308"),
        TAKEN("0.30000000000000004", "0.30000000000000004"),
        TAKEN("\"\"", "\"\""),
        TAKEN("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""),
        TAKEN("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "\"A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""),
        TAKEN("\"x\\u0000y\\u001f\\u007f\"", "\"x\\u0000y\\u001f\x7F\""),
        TAKEN("\"\xC3\xA9\xF4\x8F\xBF\xBF\"", "\"\xC3\xA9\xF4\x8F\xBF\xBF\""),
        TAKEN("[]", "[]"),
        TAKEN("{}", "{}"),
        TAKEN(" [ 1 , [ ] , { } ] ", "[1,[],{}]"),
        TAKEN("{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"),
        TAKEN("{\"b\":{\"y\":[],\"x\":{\"d\":1,\"c\":2}},\"\":0,\"aa\":3,\"a\":[{\"q\":1,\"p\":2}]}",
              "{\"\":0,\"a\":[{\"p\":2,\"q\":1}],\"aa\":3,\"b\":{\"x\":{\"c\":2,\"d\":1},\"y\":[]}}"),
        TAKEN("{\"\\u00e9\":1,\"z\":2,\"\\u007a\\u007a\":3}", "{\"z\":2,\"zz\":3,\"\xC3\xA9\":1}"),
        TAKEN("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]"),
        TAKEN("[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        check_taken(&cases[i]);
    }
}

static void check_refused(const struct text *text) {
    struct gs_buffer value = {0};
    struct gs_problem problem = {.field = "untouched"};
    int result = gs_json_parse(text->text, text->length, DEPTH_MAX, &value, &problem);
    if (result != text->error || problem.code != text->error || strcmp(problem.field, text->field) != 0) {
        fail_msg("%s: %s at '%s', not %s at '%s'", text->text, gs_error_name(result), problem.field,
                 gs_error_name(text->error), text->field);
    }
    assert_true(gs_utf8_valid(problem.detail, strlen(problem.detail)));
    assert_non_null(strstr(problem.detail, "byte"));
    gs_buffer_close(&value);
    assert_int_equal(gs_json_parse(text->text, text->length, DEPTH_MAX, &value, NULL), text->error);
    gs_buffer_close(&value);
}

static void check_all_refused(const struct text *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        check_refused(&cases[i]);
    }
}

static void test_refused_structure(void **state) {
    (void)state;
    static const struct text cases[] = {
        REFUSED("", GS_EJSON, ""),
        REFUSED("  ", GS_EJSON, ""),
        REFUSED("\xEF\xBB\xBF{}", GS_EJSON, ""),
        REFUSED("nul", GS_EJSON, ""),
        REFUSED("True", GS_EJSON, ""),
        REFUSED("{} x", GS_EJSON, ""),
        REFUSED("1\0", GS_EJSON, ""),
        REFUSED("[1]]", GS_EJSON, ""),
        REFUSED("// x\n1", GS_EJSON, ""),
        REFUSED("[1,/**/2]", GS_EJSON, "/1"),
        REFUSED("[1,]", GS_EJSON, "/1"),
        REFUSED("[,1]", GS_EJSON, "/0"),
        REFUSED("[1 2]", GS_EJSON, ""),
        REFUSED("[1}", GS_EJSON, ""),
        REFUSED("[", GS_EJSON, "/0"),
        REFUSED("{", GS_EJSON, ""),
        REFUSED("{\"a\"", GS_EJSON, "/a"),
        REFUSED("{\"a\":", GS_EJSON, "/a"),
        REFUSED("{\"a\" 1}", GS_EJSON, "/a"),
        REFUSED("{\"a\":1,}", GS_EJSON, ""),
        REFUSED("{a:1}", GS_EJSON, ""),
        REFUSED("{1:1}", GS_EJSON, ""),
        REFUSED("{\"a\":1]", GS_EJSON, ""),
        REFUSED("{\"a\":{\"b~/c\":[0,tru]}}", GS_EJSON, "/a/b~0~1c/1"),
        REFUSED("{\"a\":1,\"a\":2}", GS_EDUPKEY, "/a"),
        REFUSED("{\"x\":[{\"k\":1,\"b\":2,\"\\u006b\":3}]}", GS_EDUPKEY, "/x/0/k"),
        REFUSED("{\"\":1,\"\":2}", GS_EDUPKEY, "/"),
        REFUSED("[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]", GS_EDEPTH, "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"),
    };
    check_all_refused(cases, COUNT(cases));
}

static void test_refused_numbers(void **state) {
    (void)state;
    static const struct text cases[] = {
        REFUSED("NaN", GS_EJSON, ""),
        REFUSED("Infinity", GS_EJSON, ""),
        REFUSED("-", GS_EJSON, ""),
        REFUSED("-x", GS_EJSON, ""),
        REFUSED("+1", GS_EJSON, ""),
        REFUSED(".5", GS_EJSON, ""),
        REFUSED("1.", GS_EJSON, ""),
        REFUSED("1.e5", GS_EJSON, ""),
        REFUSED("1e", GS_EJSON, ""),
        REFUSED("1e+", GS_EJSON, ""),
        REFUSED("01", GS_EJSON, ""),
        REFUSED("-01", GS_EJSON, ""),
        REFUSED("0x10", GS_EJSON, ""),
        REFUSED("1 2", GS_EJSON, ""),
        REFUSED("9223372036854775808", GS_ERANGE, ""),
        REFUSED("{\"n\":-9223372036854775809}", GS_ERANGE, "/n"),
        REFUSED("100000000000000000000000000000", GS_ERANGE, ""),
        REFUSED("1e400", GS_ERANGE, ""),
        REFUSED("[0,-1e400]", GS_ERANGE, "/1"),
    };
    check_all_refused(cases, COUNT(cases));
}

static void test_refused_strings(void **state) {
    (void)state;
    static const struct text cases[] = {
        REFUSED("\"abc", GS_EJSON, ""),
        REFUSED("\"abc\\", GS_EJSON, ""),
        REFUSED("\"abc\\\"", GS_EJSON, ""),
        REFUSED("\"\\x41\"", GS_EJSON, ""),
        REFUSED("\"\\u12g4\"", GS_EJSON, ""),
        REFUSED("\"\\u12", GS_EJSON, ""),
        REFUSED("\"\x01\"", GS_EJSON, ""),
        REFUSED("\"\n\"", GS_EJSON, ""),
        REFUSED("\"\0\"", GS_EJSON, ""),
        REFUSED("'a'", GS_EJSON, ""),
        REFUSED("{\"\\u0000\":1}", GS_EJSON, ""),
        REFUSED("\"\\ud800\"", GS_EUTF8, ""),
        REFUSED("\"\\udc00\\ud800\"", GS_EUTF8, ""),
        REFUSED("\"\\ud800\\u0041\"", GS_EUTF8, ""),
        REFUSED("\"\\udc00\\udc00\"", GS_EUTF8, ""),
        REFUSED("\"\\ud800x\"", GS_EUTF8, ""),
        REFUSED("\"\xFF\"", GS_EUTF8, ""),
        REFUSED("[\"\xED\xA0\x80\"]", GS_EUTF8, "/0"),
        REFUSED("\"\xC0\xAF\"", GS_EUTF8, ""),
    };
    check_all_refused(cases, COUNT(cases));
}

static void test_depth(void **state) {
    (void)state;
    struct gs_buffer value = {0};
    assert_int_equal(gs_json_parse("1", 1, 0, &value, NULL), 0);
    assert_int_equal(gs_json_parse("[]", 2, 0, &value, NULL), GS_EDEPTH);
    assert_int_equal(gs_json_parse("[{}]", 4, 1, &value, NULL), GS_EDEPTH);
    assert_int_equal(gs_json_parse("[{}]", 4, 2, &value, NULL), 0);
    char deep[60];
    memset(deep, '[', 30);
    memset(deep + 30, ']', 30);
    assert_int_equal(gs_json_parse(deep + 6, 48, 1000, &value, NULL), 0);
    assert_int_equal(gs_json_parse(deep + 5, 50, 1000, &value, NULL), GS_EDEPTH);
    gs_buffer_close(&value);
}

static void test_appends(void **state) {
    (void)state;
    struct gs_buffer value = {0};
    gs_buffer_text(&value, "before");
    assert_int_equal(gs_json_parse("{\"b\":[1],\"a\":{}}", 16, 9, &value, NULL), 0);
    assert_int_equal(value.length, 6 + 8);
    assert_memory_equal(value.bytes, "before\x82\xA1\x61\x80\xA1\x62\x91\x01", 14);
    gs_buffer_close(&value);
}

static void test_long_numbers(void **state) {
    (void)state;
    char text[1100];
    struct gs_buffer value = {0};
    memset(text, '1', sizeof text);
    text[1] = '.';
    assert_int_equal(gs_json_parse(text, 1024, 0, &value, NULL), 0);
    assert_int_equal(gs_json_parse(text, 1025, 0, &value, NULL), GS_ERANGE);
    text[1] = '1';
    assert_int_equal(gs_json_parse(text, 1025, 0, &value, NULL), GS_ERANGE);
    gs_buffer_close(&value);
}

/* A random value without bins, which JSON cannot name. */
static void write_random(struct random *random, int depth, struct gs_buffer *out) {
    uint32_t kind = random_below(random, depth == 0 ? 5 : 8);
    uint32_t count = random_below(random, random_below(random, 20) == 0 ? 70 : 4);
    uint64_t bits = random_next(random);
    double number;
    char text[16];
    switch (kind) {
    case 0:
        gs_write_nil(out);
        return;
    case 1:
        gs_write_bool(out, bits & 1);
        return;
    case 2:
        gs_write_int(out, (int64_t)bits >> random_below(random, 64));
        return;
    case 3:
        memcpy(&number, &bits, sizeof number);
        gs_write_double(out, isfinite(number) ? number : (double)(int8_t)bits);
        return;
    case 4:
        snprintf(text, sizeof text, "%c\"\\%c", (char)(bits & 0x7F), (char)(bits >> 8 & 0x7F));
        gs_write_str(out, text, 4);
        return;
    case 5:
        gs_write_array(out, count);
        break;
    default:
        gs_write_map(out, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (kind > 5) {
            snprintf(text, sizeof text, "\x02%03u~", i);
            gs_write_str(out, text, strlen(text));
        }
        write_random(random, depth - 1, out);
    }
}

static void test_round_trip(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 5000; seed++) {
        struct random random = {seed};
        struct gs_buffer value = {0};
        struct gs_buffer json = {0};
        struct gs_buffer again = {0};
        write_random(&random, 4, &value);
        gs_json_write(gs_slice_make(value.bytes, value.length), &json);
        assert_int_equal(json.failed, 0);
        assert_int_equal(gs_json_parse((char *)json.bytes, json.length, DEPTH_MAX, &again, NULL), 0);
        assert_int_equal(again.length, value.length);
        assert_memory_equal(again.bytes, value.bytes, value.length);
        for (int i = 0; i < 20; i++) { /* damaged text: an error or a canonical value */
            uint32_t at = random_below(&random, (uint32_t)json.length);
            json.bytes[at] = (uint8_t) "{}[],:\"\\0e-.u\xFF "[random_below(&random, 15)];
            again.length = 0;
            if (gs_json_parse((char *)json.bytes, json.length, DEPTH_MAX, &again, NULL) == 0) {
                struct gs_reader reader;
                gs_reader_init(&reader, again.bytes, again.length);
                gs_read_value(&reader);
                assert_int_equal(gs_reader_finish(&reader), 0);
            }
        }
        gs_buffer_close(&value);
        gs_buffer_close(&json);
        gs_buffer_close(&again);
    }
}

/* Objects of every size around the limits of heads, members in random order: the result is what the writer makes. */
static void test_members_are_ordered(void **state) {
    (void)state;
    static const uint32_t counts[] = {2, 3, 15, 16, 17, 1000, 65535, 65536, 70000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct random random = {c};
        uint32_t count = counts[c];
        uint32_t *order = malloc(count * sizeof *order);
        struct gs_buffer json = {0};
        struct gs_buffer expected = {0};
        struct gs_buffer value = {0};
        gs_write_map(&expected, count);
        for (uint32_t i = 0; i < count; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%05u", i);
            gs_write_str(&expected, key, 6);
            gs_write_int(&expected, i);
            uint32_t at = random_below(&random, i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        for (uint32_t i = 0; i < count; i++) {
            gs_buffer_printf(&json, "%c\"k%05u\":%u", i == 0 ? '{' : ',', order[i], order[i]);
        }
        gs_buffer_byte(&json, '}');
        assert_int_equal(gs_json_parse((char *)json.bytes, json.length, 1, &value, NULL), 0);
        assert_int_equal(value.length, expected.length);
        assert_memory_equal(value.bytes, expected.bytes, value.length);
        gs_buffer_close(&json);
        gs_buffer_close(&expected);
        gs_buffer_close(&value);
        free(order);
    }
}

/* Repeats `piece` up to a mebibyte between `open` and `close`; returns the result, in a time that is not quadratic. */
static int parse_hostile(const char *open, const char *piece, const char *close) {
    struct gs_buffer json = {0};
    struct gs_buffer value = {0};
    gs_buffer_text(&json, open);
    while (json.length < 1 << 20) {
        gs_buffer_text(&json, piece);
    }
    gs_buffer_text(&json, close);
    clock_t start = clock();
    int result = gs_json_parse((char *)json.bytes, json.length, DEPTH_MAX, &value, NULL);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 3) {
        fail_msg("%s… took %f s", piece, seconds);
    }
    gs_buffer_close(&json);
    gs_buffer_close(&value);
    return result;
}

static void test_hostile(void **state) {
    (void)state;
    assert_int_equal(parse_hostile("", "[", ""), GS_EDEPTH);
    assert_int_equal(parse_hostile("", "{\"a\":", ""), GS_EDEPTH);
    assert_int_equal(parse_hostile("[[[[[[[[[[[[[[[", "[],", "[]]]]]]]]]]]]]]]]"), GS_ETOOBIG);
    assert_int_equal(parse_hostile("[[[[[[[[[[[[[[[", "10000,", "1]]]]]]]]]]]]]]]"), 0);
    assert_int_equal(parse_hostile("[[[[[[[[[[[[[[[", "[1,0,0,0],", "1]]]]]]]]]]]]]]]"), GS_ETOOBIG);
    assert_int_equal(parse_hostile("{", "\"a\":1000,", "\"a\":1}"), GS_EDUPKEY);
    assert_int_equal(parse_hostile("\"", "\\u0000\\ud83d\\ude00", "\""), 0);
    assert_int_equal(parse_hostile("\"", "\\", "\""), GS_EJSON);
    assert_int_equal(parse_hostile("", "1", ""), GS_ERANGE);
    assert_int_equal(parse_hostile("", " ", ""), GS_EJSON);
    assert_int_equal(parse_hostile("[", "4.9406564584124654e-324,", "1]"), 0);
    assert_int_equal(parse_hostile("[", "1.7976931348623159e308,", "1]"), GS_ERANGE);
}

static void test_hostile_shared_prefixes(void **state) {
    (void)state;
    struct gs_buffer json = {0};
    struct gs_buffer value = {0};
    for (int i = 1000; i > 0; i--) {
        gs_buffer_printf(&json, "%s\"%01000d%04d\":0", i == 1000 ? "{" : ",", 0, i);
    }
    gs_buffer_byte(&json, '}');
    assert_int_equal(gs_json_parse((char *)json.bytes, json.length, 1, &value, NULL), 0);
    gs_buffer_close(&json);
    gs_buffer_close(&value);
}

static void test_every_allocation_fails(void **state) {
    (void)state;
    struct gs_buffer json = {0};
    gs_buffer_text(&json, "{\"z\":[[1,2,3],");
    for (int i = 0; i < 300; i++) {
        gs_buffer_printf(&json, "{\"b%d\":\"\\u0041text\",\"a\":1.5},", i);
    }
    gs_buffer_text(&json, "0],\"c\":null,\"a\":{\"y\":1,\"x\":2}}");
    int result = GS_ENOMEM;
    for (uint64_t k = 1; result != 0; k++) {
        struct failing_memory failing = {.fail_at = k};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_buffer value = {.memory = &memory};
        struct gs_problem problem;
        result = gs_json_parse((char *)json.bytes, json.length, DEPTH_MAX, &value, &problem);
        assert_int_equal(result, failing.count >= k ? GS_ENOMEM : 0);
        assert_true(result == 0 || problem.code == GS_ENOMEM);
        gs_buffer_close(&value);
        assert_int_equal(memory.used, 0);
        assert_int_equal(failing.live, 0);
    }
    gs_buffer_close(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused_structure),
        cmocka_unit_test(test_refused_numbers),
        cmocka_unit_test(test_refused_strings),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_members_are_ordered),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_hostile_shared_prefixes),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
