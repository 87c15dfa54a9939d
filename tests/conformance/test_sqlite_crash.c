/* What was answered with 0 is there after kill -9 and full disks, and groups are there as a whole or not at all. (Power
 * cuts are not tried: what the kernel was given, it keeps when a process dies.) */
#define _GNU_SOURCE /* unshare */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { GROUPS = 500, KILLS = 12 };

/* The groups that will be appended: group i has 1 + i % 3 records, and ends before record `ends[i]` of the log. */
struct plan {
    struct gs_buffer records[GROUPS];
    uint32_t ends[GROUPS];
    struct expected_log log;
};

static struct plan *plan_new(uint32_t groups, size_t data_bytes) {
    struct plan *plan = calloc(1, sizeof *plan);
    struct test_author authors[2];
    TEST_REQUIRE(plan != NULL && groups <= GROUPS);
    test_author_init(&authors[0], 1);
    test_author_init(&authors[1], 2);
    for (uint32_t i = 0; i < groups; i++) {
        struct gs_buffer *records = &plan->records[i];
        for (uint32_t k = 0; k < 1 + i % 3; k++) {
            struct test_author *author = &authors[(i + k) % 2];
            const struct test_author before = *author;
            size_t start = records->length;
            test_author_batch(author, 1, data_bytes, records);
            expected_log_add(&plan->log, &before, author,
                             gs_slice_make(records->bytes + start, records->length - start));
        }
        plan->ends[i] = plan->log.count;
    }
    return plan;
}

static void plan_free(struct plan *plan) {
    for (uint32_t i = 0; i < GROUPS; i++) {
        gs_buffer_close(&plan->records[i]);
    }
    expected_log_close(&plan->log);
    free(plan);
}

static int append_group(const struct plan *plan, struct gs_store *store, uint32_t group) {
    struct gs_slice records = gs_slice_make(plan->records[group].bytes, plan->records[group].length);
    return store->methods->append(store, records, 1 + group % 3);
}

static int count_record(void *context, uint64_t position, struct gs_slice record) {
    (void)position;
    (void)record;
    ++*(uint32_t *)context;
    return 0;
}

/* How many groups the store holds: exactly the first ones of the plan, all of them whole. */
static uint32_t stored_groups(const struct plan *plan, struct gs_store *store) {
    uint32_t count = 0;
    uint32_t groups = 0;
    assert_int_equal(store->methods->replay(store, count_record, &count), 0);
    assert_int_equal(expected_log_replay(&plan->log, store, count), 0);
    while (groups < GROUPS && plan->ends[groups] != 0 && plan->ends[groups] <= count) {
        groups++;
    }
    assert_int_equal(groups == 0 ? 0 : plan->ends[groups - 1], count);
    return groups;
}

static int setup(void **state) {
    *state = store_fixture_new("sqlite");
    return 0;
}

static int teardown(void **state) {
    store_fixture_free(*state);
    return 0;
}

/* In a child: appends from group `first` on and reports the number of each that is stored, until something fails. */
static void append_and_report(const struct plan *plan, const char *url, uint32_t first, int pipe_end) {
    struct gs_store *store = NULL;
    TEST_REQUIRE(gs_store_open(url, &store, NULL) == 0);
    for (uint32_t i = first; i < GROUPS && append_group(plan, store, i) == 0; i++) {
        TEST_REQUIRE(write(pipe_end, &i, sizeof i) == (ssize_t)sizeof i);
    }
    (void)pause();
}

/* Kills the child `delay_us` after its first report; returns how many groups were reported stored. */
static uint32_t kill_and_count(pid_t child, int pipe_end, uint32_t first, long delay_us) {
    uint32_t stored = first;
    uint32_t group;
    const struct timespec delay = {.tv_sec = 0, .tv_nsec = delay_us * 1000};
    if (read(pipe_end, &group, sizeof group) == (ssize_t)sizeof group) {
        stored = group + 1;
        (void)nanosleep(&delay, NULL);
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(pipe_end, &group, sizeof group) == (ssize_t)sizeof group) {
        stored = group + 1;
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return stored;
}

static void test_kill_in_the_middle(void **state) {
    struct store_fixture *fixture = *state;
    struct plan *plan = plan_new(GROUPS, 3000);
    uint32_t groups = 0;
    uint32_t kills = 0;
    store_fixture_close(fixture);
    for (long round = 0; round < KILLS && groups + 100 < GROUPS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            append_and_report(plan, fixture->url, groups, ends[1]);
        }
        close(ends[1]);
        uint32_t reported = kill_and_count(child, ends[0], groups, 1000 + round * 5733);
        close(ends[0]);
        store_fixture_open(fixture);
        uint32_t stored = stored_groups(plan, fixture->store);
        assert_true(stored >= reported);
        assert_true(stored <= reported + 1);
        kills += stored < GROUPS;
        groups = stored;
        store_fixture_close(fixture);
    }
    assert_true(kills >= 2);
    /* And the log goes on where it was. */
    store_fixture_open(fixture);
    while (groups < GROUPS) {
        assert_int_equal(append_group(plan, fixture->store, groups), 0);
        groups++;
    }
    assert_int_equal(stored_groups(plan, fixture->store), GROUPS);
    plan_free(plan);
}

/* Mounts a small file system over the fixture's directory, for this process only. */
static bool mount_small(const struct store_fixture *fixture, const char *options) {
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", fixture->directory, "tmpfs", 0, options) == 0;
}

static void write_ballast(const char *path, size_t size) {
    static const char block[64 * 1024];
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t written = 0; written < size; written += sizeof block) {
        assert_int_equal(fwrite(block, 1, sizeof block, file), sizeof block);
    }
    assert_int_equal(fclose(file), 0);
}

/* Appends until the disk is full; it is refused as something that may be tried again, and nothing of it is there. */
static uint32_t fill(const struct plan *plan, struct gs_store *store, uint32_t groups) {
    int error = 0;
    while (groups < GROUPS && (error = append_group(plan, store, groups)) == 0) {
        groups++;
    }
    assert_int_equal(error, GS_ESTORE);
    assert_int_equal(append_group(plan, store, groups), GS_ESTORE);
    assert_int_equal(stored_groups(plan, store), groups);
    return groups;
}

static void test_full_disk(void **state) {
    struct store_fixture *fixture = *state;
    static const size_t sizes[] = {1024 * 1024, 12 * 1024 * 1024, 256 * 1024};
    char ballast[3][128];
    store_fixture_close(fixture);
    if (!mount_small(fixture, "size=16m")) {
        print_message("a file system cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    struct plan *plan = plan_new(GROUPS, 9000);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(ballast[i], sizeof ballast[i], "%s/ballast%d", fixture->directory, i);
        write_ballast(ballast[i], sizes[i]);
    }
    store_fixture_open(fixture);
    uint32_t groups = fill(plan, fixture->store, 0);
    assert_true(groups > 10);

    /* The same store goes on once there is room, until there is none again. */
    assert_int_equal(unlink(ballast[0]), 0);
    uint32_t more = fill(plan, fixture->store, groups);
    assert_true(more > groups);

    /* A start on the full disk: everything can be read, nothing is written, and then it is. */
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    assert_int_equal(stored_groups(plan, fixture->store), more);
    assert_int_equal(append_group(plan, fixture->store, more), GS_ESTORE);
    /* Room for the group, but not for what has to be settled before it. */
    assert_int_equal(unlink(ballast[2]), 0);
    assert_int_equal(append_group(plan, fixture->store, more), GS_ESTORE);
    assert_int_equal(unlink(ballast[1]), 0);
    assert_int_equal(append_group(plan, fixture->store, more), 0);
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    assert_int_equal(stored_groups(plan, fixture->store), more + 1);
    plan_free(plan);
    store_fixture_close(fixture);
    assert_int_equal(umount2(fixture->directory, MNT_DETACH), 0);
}

static int keep_one(struct gs_store *store, size_t size) {
    struct gs_keep_state state = {
        .type = gs_slice_make("player", 6), .id = gs_slice_make("ada", 3), .version = 1, .position = 1, .updated = 1};
    struct gs_keep keep = {.low = 1, .position = 1, .states = &state, .count = 1};
    uint8_t *room = gs_buffer_reserve(&state.state, size);
    assert_non_null(room);
    memset(room, 's', size);
    gs_buffer_text(&keep.core, "core");
    for (int i = 0; i < GS_KEEP_JOURNALS; i++) {
        keep.journals[i] = (struct gs_keep_entries){.first = 1, .last = 0, .oldest = 1};
    }
    int error = store->methods->keep(store, &keep);
    gs_buffer_close(&state.state);
    gs_buffer_close(&keep.core);
    return error;
}

static int on_checkpoint(void *context, uint64_t low, uint64_t position, struct gs_slice core) {
    (void)context;
    return low == 1 && position == 1 && core.length == 4 ? 0 : 1;
}

static int on_entries(void *context, enum gs_keep_journal journal, uint64_t first, uint64_t last,
                      struct gs_slice entries) {
    (void)context;
    (void)journal;
    (void)entries;
    return first <= last ? 1 : 0;
}

static int on_state(void *context, const struct gs_keep_state *state) {
    *(size_t *)context += state->state.length;
    return 0;
}

/* Size of the states that are kept; 0: nothing ever was. */
static size_t kept_bytes(struct gs_store *store) {
    size_t bytes = 0;
    struct gs_problem problem = {0};
    const struct gs_kept_visitor visitor = {
        .context = &bytes, .checkpoint = on_checkpoint, .entries = on_entries, .state = on_state};
    int error = store->methods->visit_kept(store, &visitor, &problem);
    assert_true(error == (bytes > 0 ? 0 : GS_ENOTFOUND));
    return bytes;
}

/* No room for states that are kept: nothing of them is there, the log goes on, and with room they are kept. */
static void test_states_on_a_full_disk(void **state) {
    enum { STATE = 2 * 1024 * 1024 };
    struct store_fixture *fixture = *state;
    char ballast[128];
    store_fixture_close(fixture);
    if (!mount_small(fixture, "size=8m")) {
        print_message("a file system cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    struct plan *plan = plan_new(GROUPS, 300);
    (void)snprintf(ballast, sizeof ballast, "%s/ballast", fixture->directory);
    write_ballast(ballast, (size_t)6 * 1024 * 1024);
    store_fixture_open(fixture);
    assert_int_equal(append_group(plan, fixture->store, 0), 0);
    assert_int_equal(keep_one(fixture->store, STATE), GS_ESTORE);
    assert_int_equal(kept_bytes(fixture->store), 0);
    assert_int_equal(append_group(plan, fixture->store, 1), 0);
    assert_int_equal(keep_one(fixture->store, 64), 0);
    assert_int_equal(keep_one(fixture->store, STATE), GS_ESTORE);
    assert_int_equal(kept_bytes(fixture->store), 64);
    assert_int_equal(unlink(ballast), 0);
    assert_int_equal(keep_one(fixture->store, STATE), 0);
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    assert_int_equal(kept_bytes(fixture->store), STATE);
    assert_int_equal(stored_groups(plan, fixture->store), 2);
    plan_free(plan);
    store_fixture_close(fixture);
    assert_int_equal(umount2(fixture->directory, MNT_DETACH), 0);
}

/* In a child: a disk that fails writes with something other than "full". Reports how many groups were stored. */
static void append_until_broken(const struct plan *plan, const char *url, int pipe_end) {
    struct gs_store *store = NULL;
    uint32_t groups = 0;
    uint32_t count = 0;
    const struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    struct rlimit limit = {.rlim_cur = 512 * 1024, .rlim_max = RLIM_INFINITY};
    TEST_REQUIRE(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    TEST_REQUIRE(gs_store_open(url, &store, NULL) == 0);
    TEST_REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    int error;
    while ((error = append_group(plan, store, groups)) == 0) {
        groups++;
    }
    TEST_REQUIRE(error == GS_EIO);
    /* Fail-stop: also when the disk seems to work again. Reading goes on. */
    TEST_REQUIRE(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    TEST_REQUIRE(append_group(plan, store, groups) == GS_EIO);
    TEST_REQUIRE(store->methods->replay(store, count_record, &count) == 0);
    TEST_REQUIRE(count == plan->ends[groups - 1]);
    store->methods->close(store);
    TEST_REQUIRE(write(pipe_end, &groups, sizeof groups) == (ssize_t)sizeof groups);
    _exit(0);
}

static void test_failing_disk(void **state) {
    struct store_fixture *fixture = *state;
    struct plan *plan = plan_new(GROUPS, 2000);
    uint32_t reported = 0;
    int ends[2];
    int status = 0;
    store_fixture_close(fixture);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        append_until_broken(plan, fixture->url, ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &reported, sizeof reported), sizeof reported);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(reported > 10);
    store_fixture_open(fixture);
    uint32_t stored = stored_groups(plan, fixture->store);
    assert_true(stored == reported || stored == reported + 1);
    assert_int_equal(append_group(plan, fixture->store, stored), 0);
    plan_free(plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_in_the_middle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states_on_a_full_disk, setup, teardown),
    };
    return cmocka_run_group_tests_name("sqlite_crash", tests, NULL, NULL);
}
