/* gs_memory, gs_arena, gs_buffer: accounting, growth, and what a failed allocation leaves behind. */
#include "failing_memory.h"

#include <globalstate/error.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static void test_memory_accounts(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    char *a = gs_memory_zalloc(&memory, 100);
    assert_non_null(a);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(a[i], 0);
    }
    void *b = gs_memory_alloc(&memory, 7);
    assert_int_equal(memory.used, 107);
    a = gs_memory_resize(&memory, a, 100, 300);
    assert_int_equal(memory.used, 307);
    a = gs_memory_resize(&memory, a, 300, 10);
    assert_int_equal(memory.used, 17);
    gs_memory_free(&memory, NULL, 0);
    gs_memory_free(&memory, a, 10);
    gs_memory_free(&memory, b, 7);
    assert_int_equal(memory.used, 0);
    gs_memory_free(NULL, gs_memory_alloc(NULL, 5), 5);
}

static void test_memory_failure_keeps_block(void **state) {
    (void)state;
    struct failing_memory failing = {.fail_at = 2};
    struct gs_memory memory = failing_memory(&failing);
    char *a = gs_memory_alloc(&memory, 4);
    memcpy(a, "abc", 4);
    assert_null(gs_memory_resize(&memory, a, 4, 4000));
    assert_int_equal(memory.used, 4);
    assert_string_equal(a, "abc");
    gs_memory_free(&memory, a, 4);
    assert_int_equal(memory.used, 0);
    assert_int_equal(failing.live, 0);
}

static void test_slice_compare(void **state) {
    (void)state;
    struct gs_slice a = gs_slice_make("ab", 2);
    struct gs_slice b = gs_slice_make("abc", 3);
    struct gs_slice high = gs_slice_make("\xff", 1);
    assert_true(gs_slice_compare(a, b) < 0);
    assert_true(gs_slice_compare(b, a) > 0);
    assert_int_equal(gs_slice_compare(a, a), 0);
    assert_true(gs_slice_compare(high, b) > 0);
    assert_true(gs_slice_compare((struct gs_slice){0}, a) < 0);
    assert_int_equal(gs_slice_compare((struct gs_slice){0}, gs_slice_make("", 0)), 0);
}

/* Fills an arena with blocks of many sizes; returns how many could be had, after checking that none overlap. */
static size_t fill_arena(struct gs_arena *arena) {
    static const size_t sizes[] = {1, 0, 15, 16, 17, 700, 5000, 3, 200000, 64, 40000, 40000, 1};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    uint8_t *blocks[COUNT];
    size_t count = 0;
    while (count < COUNT) {
        blocks[count] = gs_arena_alloc(arena, sizes[count]);
        if (blocks[count] == NULL) {
            break;
        }
        assert_int_equal((uintptr_t)blocks[count] % sizeof(long double), 0);
        memset(blocks[count], (int)count + 1, sizes[count]);
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(blocks[i][j], i + 1);
        }
    }
    return count;
}

static void test_arena(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_arena arena = {.memory = &memory};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fill_arena(&arena), 13);
        assert_true(memory.used > 285000 && memory.used < 500000);
        assert_memory_equal(gs_arena_copy(&arena, "xyz", 3), "xyz", 3);
        assert_non_null(gs_arena_copy(&arena, NULL, 0));
        assert_null(gs_arena_alloc(&arena, SIZE_MAX));
        assert_null(gs_arena_alloc(&arena, SIZE_MAX - 40));
        gs_arena_close(&arena);
        assert_int_equal(memory.used, 0);
    }
    gs_arena_close(&(struct gs_arena){0});
}

static void test_arena_small_blocks_share(void **state) {
    (void)state;
    struct failing_memory failing = {0};
    struct gs_memory memory = failing_memory(&failing);
    struct gs_arena arena = {.memory = &memory};
    for (int i = 0; i < 10000; i++) {
        void *block = gs_arena_alloc(&arena, 48);
        assert_non_null(block);
        memset(block, 1, 48); /* ASan sees it when a chunk gives more than it has */
    }
    assert_true(failing.count < 20);
    gs_arena_close(&arena);
}

static void test_arena_failures(void **state) {
    (void)state;
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        struct failing_memory failing = {.fail_at = k};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_arena arena = {.memory = &memory};
        failed = fill_arena(&arena) < 13;
        assert_int_equal(failed, failing.count >= k);
        failing.fail_at = 0;
        assert_int_equal(fill_arena(&arena), 13); /* still usable */
        gs_arena_close(&arena);
        assert_int_equal(memory.used, 0);
        assert_int_equal(failing.live, 0);
    }
}

static void write_all(struct gs_buffer *buffer) {
    for (int i = 0; i < 500; i++) {
        gs_buffer_byte(buffer, (uint8_t)('a' + i % 26));
        gs_buffer_append(buffer, NULL, 0);
        gs_buffer_text(buffer, "text");
        gs_buffer_printf(buffer, "<%d,%s>", i, "s");
        uint8_t *room = gs_buffer_reserve(buffer, 3);
        if (room != NULL) {
            memcpy(room, "xyz", 3);
        }
    }
}

static void test_buffer(void **state) {
    (void)state;
    struct gs_memory memory = {0};
    struct gs_buffer buffer = {.memory = &memory};
    write_all(&buffer);
    assert_int_equal(buffer.failed, 0);
    assert_int_equal(memory.used, buffer.capacity);
    assert_memory_equal(buffer.bytes, "atext<0,s>xyzbtext<1,s>xyz", 26);
    assert_memory_equal(buffer.bytes + buffer.length - 13, "ext<499,s>xyz", 13);
    char long_text[3000];
    memset(long_text, 'q', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    size_t before = buffer.length;
    gs_buffer_printf(&buffer, "%s", long_text);
    assert_int_equal(buffer.length, before + 2999);
    assert_memory_equal(buffer.bytes + before, long_text, 2999);
    gs_buffer_close(&buffer);
    assert_int_equal(memory.used, 0);
    assert_non_null(gs_buffer_reserve(&buffer, 0));
    assert_null(gs_buffer_reserve(&buffer, SIZE_MAX));
    assert_int_equal(buffer.failed, GS_ENOMEM);
    gs_buffer_close(&buffer);
    assert_int_equal(buffer.failed, 0);
}

static void test_numbers_and_digits(void **state) {
    static const uint64_t numbers[] = {0, 7, 10, 4294967296, UINT64_MAX};
    struct gs_buffer buffer = {0};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        gs_buffer_number(&buffer, numbers[i]);
        gs_buffer_byte(&buffer, ' ');
    }
    gs_buffer_hex(&buffer, "\x00\x7f\xa5\xff", 4);
    gs_buffer_hex(&buffer, NULL, 0);
    for (int i = 0; i < 200; i++) { /* at every distance from the end of the room */
        gs_buffer_printf(&buffer, "%c", 'a' + i % 26);
    }
    gs_buffer_byte(&buffer, '\0');
    const char *text = (const char *)buffer.bytes;
    static const char start[] = "0 7 10 4294967296 18446744073709551615 007fa5ff";
    assert_int_equal(strncmp(text, start, sizeof start - 1), 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(text[sizeof start - 1 + (size_t)i], 'a' + i % 26);
    }
    assert_int_equal(strlen(text), sizeof start - 1 + 200);
    gs_buffer_close(&buffer);
}

static void test_buffer_failures(void **state) {
    (void)state;
    struct gs_buffer whole = {0};
    write_all(&whole);
    int failed = GS_ENOMEM;
    for (uint64_t k = 1; failed != 0; k++) {
        struct failing_memory failing = {.fail_at = k};
        struct gs_memory memory = failing_memory(&failing);
        struct gs_buffer buffer = {.memory = &memory};
        write_all(&buffer);
        failed = buffer.failed;
        if (failed != 0) {
            assert_int_equal(failing.count, k); /* sticky: nothing is tried after */
            assert_true(buffer.length < whole.length);
        } else {
            assert_int_equal(buffer.length, whole.length);
        }
        if (buffer.length > 0) {
            assert_memory_equal(buffer.bytes, whole.bytes, buffer.length);
        }
        gs_buffer_close(&buffer);
        assert_int_equal(memory.used, 0);
        assert_int_equal(failing.live, 0);
    }
    gs_buffer_close(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_accounts),
        cmocka_unit_test(test_memory_failure_keeps_block),
        cmocka_unit_test(test_slice_compare),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_small_blocks_share),
        cmocka_unit_test(test_arena_failures),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_numbers_and_digits),
        cmocka_unit_test(test_buffer_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
