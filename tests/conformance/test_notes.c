/* Notes: replaced whole, forgotten, found again; strangers' files are left alone. */
#include "node/store/notes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/gs-notes-XXXXXX";
static char notes[64];

static int make_directory(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(notes, sizeof notes, "%s/notes", directory);
    return 0;
}

static int count_one(void *context, const char *name, struct gs_slice bytes) {
    uint32_t *count = context;
    (void)bytes;
    assert_true(gs_notes_name_valid(name));
    ++*count;
    return 0;
}

static uint32_t count_notes(void) {
    uint32_t count = 0;
    struct gs_problem problem = {0};
    assert_int_equal(gs_notes_visit(notes, count_one, &count, &problem), 0);
    return count;
}

static int take_one(void *context, const char *name, struct gs_slice bytes) {
    (void)name;
    gs_buffer_append(context, bytes.bytes, bytes.length);
    return 0;
}

static int stop(void *context, const char *name, struct gs_slice bytes) {
    (void)context;
    (void)name;
    (void)bytes;
    return 42;
}

static struct gs_slice text(const char *words) {
    return gs_slice_make(words, strlen(words));
}

static void test_a_note_is_kept_replaced_and_forgotten(void **state) {
    struct gs_problem problem = {0};
    struct gs_buffer found = {0};
    (void)state;
    assert_int_equal(count_notes(), 0);
    assert_int_equal(gs_notes_put(notes, "self", text("first")), 0);
    assert_int_equal(gs_notes_put(notes, "self", text("second, longer")), 0);
    assert_int_equal(count_notes(), 1);
    assert_int_equal(gs_notes_visit(notes, take_one, &found, &problem), 0);
    assert_int_equal(found.length, strlen("second, longer"));
    assert_memory_equal(found.bytes, "second, longer", found.length);
    assert_int_equal(gs_notes_visit(notes, stop, NULL, &problem), 42);
    assert_int_equal(gs_notes_remove(notes, "self"), 0);
    assert_int_equal(gs_notes_remove(notes, "self"), 0);
    assert_int_equal(count_notes(), 0);
    gs_buffer_close(&found);
}

static void test_names_stay_in_the_directory(void **state) {
    static const char *const bad[] = {"", "../x", "a/b", "A", "a.b", "self ", "\xc3\xa4"};
    char longest[GS_NOTES_NAME_MAX + 2];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gs_notes_put(notes, bad[i], text("x")), GS_EINVAL);
        assert_int_equal(gs_notes_remove(notes, bad[i]), GS_EINVAL);
    }
    memset(longest, 'a', sizeof longest);
    longest[GS_NOTES_NAME_MAX + 1] = '\0';
    assert_int_equal(gs_notes_put(notes, longest, text("x")), GS_EINVAL);
    longest[GS_NOTES_NAME_MAX] = '\0';
    assert_int_equal(gs_notes_put(notes, longest, text("x")), 0);
    assert_int_equal(count_notes(), 1);
    assert_int_equal(gs_notes_remove(notes, longest), 0);
}

/* A write that a power cut has interrupted, and whatever else people leave lying about. */
static void test_other_files_are_no_notes(void **state) {
    static const char *const names[] = {"self.next", "README", ".note", "B.note"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", notes, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    assert_int_equal(count_notes(), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", notes, names[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_a_directory_that_cannot_be(void **state) {
    struct gs_problem problem = {0};
    uint32_t count = 0;
    (void)state;
    assert_int_equal(gs_notes_visit("/dev/null/notes", count_one, &count, &problem), GS_EIO);
    assert_non_null(strstr(problem.detail, "/dev/null/notes"));
    assert_int_equal(gs_notes_put("/dev/null/notes", "self", text("x")), GS_EIO);
    assert_int_equal(gs_notes_remove("/dev/null/notes", "self"), GS_EIO);
}

static int remove_directory(void **state) {
    (void)state;
    return rmdir(notes) == 0 && rmdir(directory) == 0 ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_note_is_kept_replaced_and_forgotten),
        cmocka_unit_test(test_names_stay_in_the_directory),
        cmocka_unit_test(test_other_files_are_no_notes),
        cmocka_unit_test(test_a_directory_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
