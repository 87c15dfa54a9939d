/* What a bootstrap has staged, on its way into a store: by name, the last of each name, whole parts. */
#include "node/core/giving.h"
#include "node/serve/stage.h"

#include <globalstate/codec.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LEAVES = 2500, RECORD_LEAVES = 100, CHANGED = 3, REMOVED = 7, LARGE_BYTES = 3 * 1024 * 1024 };

/* A store that only looks at what it is given. */
struct taker {
    struct gs_store store;
    uint32_t states, parts;
    char last[32];
    bool complete;
};

static char path[] = "/tmp/gs-stage-XXXXXX";

static struct gs_slice text_slice(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static void add_leaf(struct gs_buffer *out, uint32_t number, uint64_t version, struct gs_slice state) {
    char name[32];
    int length = snprintf(name, sizeof name, "player/p%06u", number);
    gs_snapshot_write_leaf(gs_slice_make(name, (size_t)length), version, 1000 + number, state, out);
}

/* As they come: by hash, so in any order but that of names. */
static void stage_all(void) {
    for (uint32_t first = 0; first < LEAVES; first += RECORD_LEAVES) {
        struct gs_buffer record = {0};
        gs_write_array(&record, 4 * RECORD_LEAVES);
        for (uint32_t i = first; i < first + RECORD_LEAVES; i++) {
            add_leaf(&record, i * 997 % LEAVES, 1, text_slice("old"));
        }
        assert_int_equal(gs_stage_append(path, gs_slice_make(record.bytes, record.length)), 0);
        gs_buffer_close(&record);
    }
    uint8_t *large = calloc(1, LARGE_BYTES);
    struct gs_buffer record = {0};
    gs_write_array(&record, 4 * 3);
    add_leaf(&record, CHANGED, 2, text_slice("new"));
    add_leaf(&record, REMOVED, 0, (struct gs_slice){0});
    add_leaf(&record, LEAVES, 1, gs_slice_make(large, LARGE_BYTES)); /* larger than a part */
    assert_int_equal(gs_stage_append(path, gs_slice_make(record.bytes, record.length)), 0);
    gs_buffer_close(&record);
    free(large);
}

static void look(struct taker *taker, const struct gs_keep_state *state) {
    char id[32];
    uint32_t number = 0;
    snprintf(id, sizeof id, "%.*s", (int)state->id.length, (const char *)state->id.bytes);
    assert_true(strcmp(taker->last, id) < 0); /* by name, none of them twice */
    memcpy(taker->last, id, sizeof id);
    assert_int_equal(sscanf(id, "p%u", &number), 1);
    assert_int_not_equal(number, REMOVED);
    assert_int_equal(state->updated, 1000 + number);
    assert_int_equal(state->version, number == CHANGED ? 2 : 1);
    assert_int_equal(state->state.length, number == LEAVES ? LARGE_BYTES : 3);
    assert_int_equal(state->state.bytes[0], number == LEAVES ? 0 : number == CHANGED ? 'n' : 'o');
    taker->states++;
}

static int install(struct gs_store *store, const struct gs_base *base, gs_store_part_fn next, void *context) {
    struct taker *taker = (struct taker *)store;
    const struct gs_keep *keep = NULL;
    int error = next(context, &keep);
    assert_int_equal(base->position, 1);
    for (; error == 0 && keep != NULL; error = next(context, &keep)) {
        for (uint32_t i = 0; i < keep->count; i++) {
            look(taker, &keep->states[i]);
        }
        taker->parts++;
        taker->complete = keep->core.length == 4 && memcmp(keep->core.bytes, "core", 4) == 0;
    }
    return error;
}

static int install_into(struct taker *taker) {
    static const struct gs_store_methods methods = {.install = install};
    const gs_cluster cluster = {{1}};
    struct gs_core_install installation = {.clock = 5};
    gs_write_array(&installation.besides, 1 + 3 * GS_KEEP_JOURNALS);
    gs_write_bin(&installation.besides, "core", 4);
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        gs_write_uint(&installation.besides, 1);
        gs_write_uint(&installation.besides, 0);
        gs_write_bin(&installation.besides, "", 0);
    }
    taker->store.methods = &methods;
    int error = gs_stage_install(path, &taker->store, &cluster, &installation);
    gs_buffer_close(&installation.besides);
    return error;
}

static void test_the_last_of_each_name_in_order(void **state) {
    struct taker taker = {.last = ""};
    (void)state;
    stage_all();
    assert_int_equal(install_into(&taker), 0);
    assert_int_equal(taker.states, LEAVES); /* one gone, one more */
    assert_true(taker.parts > 3);
    assert_true(taker.complete);
    gs_stage_remove(path);
}

static void test_nothing_staged_is_a_snapshot_too(void **state) {
    struct taker taker = {.last = ""};
    (void)state;
    assert_int_equal(install_into(&taker), 0);
    assert_int_equal(taker.states, 0);
    assert_true(taker.complete);
}

/* A record that a power cut has taken half of, and what comes after it, is not there. */
static void test_a_torn_end_is_cut_off(void **state) {
    struct taker taker = {.last = ""};
    struct gs_buffer record = {0};
    (void)state;
    stage_all();
    gs_write_array(&record, 4);
    add_leaf(&record, LEAVES + 1, 1, text_slice("torn"));
    assert_int_equal(gs_stage_append(path, gs_slice_make(record.bytes, record.length)), 0);
    gs_buffer_close(&record);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    fclose(file);
    assert_int_equal(truncate(path, size - 1), 0);
    assert_int_equal(install_into(&taker), 0);
    assert_int_equal(taker.states, LEAVES);
    gs_stage_remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_of_each_name_in_order),
        cmocka_unit_test(test_nothing_staged_is_a_snapshot_too),
        cmocka_unit_test(test_a_torn_end_is_cut_off),
    };
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0 || unlink(path) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
