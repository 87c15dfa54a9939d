/* What a node knows beside its states comes back from every store, whether a start begins with the log or with what was
 * kept: requests that were carried out, conflicts, requests that crossed, batches that are held, sync jobs.
 *
 * A core runs on a disk of the fixture's; what it has written is put into a store, by the store's own methods, and
 * another core is recovered from there: it must answer as the first one. */
#include "store_fixture.h"
#include "tests/unit/core_fixture.h"

#include "node/core/core_impl.h"
#include "node/serve/book_keeper.h"
#include "node/serve/recovery.h"

#include <stdio.h>

struct scene {
    struct core_fixture core;
    struct store_fixture *store;
    struct gs_book_keeper *books; /* of PostgreSQL */
    char notes[96];
};

static void open_scene(struct scene *scene, const char *engine) {
    core_open(&scene->core, 0);
    scene->core.config.keep = (struct gs_keep_policy){.behind_ms = 100};
    core_restart(&scene->core);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_link(&scene->core, i, NULL, 0);
    }
    scene->store = store_fixture_new(engine);
    (void)snprintf(scene->notes, sizeof scene->notes, "%s/notes", scene->store->directory);
    TEST_REQUIRE(gs_book_keeper_new(scene->store->url, &scene->books) == 0);
}

static void close_scene(struct scene *scene) {
    gs_book_keeper_close(scene->books);
    store_fixture_free(scene->store);
    core_close(&scene->core);
    free(scene);
}

static void push(struct scene *scene, uint32_t author, struct gs_buffer *record) {
    core_push(&scene->core, author, record);
    core_settle(&scene->core);
    gs_buffer_close(record);
}

static struct gs_idempotency request(uint8_t key) {
    return (struct gs_idempotency){.present = true, .key = {key}, .request = {9}};
}

static void write_request(struct scene *scene, uint8_t key) {
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':1}]")->idempotency = request(key);
    core_ask(&scene->core, command);
    core_settle(&scene->core);
    assert_int_equal(answered, 1);
    gs_command_free(command);
}

/* Something of everything. */
static void play(struct scene *scene, uint32_t round) {
    struct core_fixture *core = &scene->core;
    char ops[80];
    struct gs_arena arena = {0};
    struct gs_event_change change;
    write_request(scene, (uint8_t)(1 + round));
    (void)snprintf(ops, sizeof ops, "[{'op':'set','path':'/f%u','value':'home'}]", round);
    core_write(core, "a", ops);
    (void)snprintf(ops, sizeof ops, "[{'op':'set','path':'/f%u','value':'away'}]", round);
    struct gs_buffer record = author_write(core, 0, "a", ops, NULL);
    push(scene, 0, &record);
    core->authors[1].clock = gs_hlc_from_ms(CORE_NOW_MS + round); /* the same request, in another region */
    struct gs_event event = author_event(core, 1, "a", "[{'op':'increment','path':'/n','by':1}]", &change, &arena);
    event.idempotency = request((uint8_t)(1 + round));
    record = (struct gs_buffer){0};
    test_author_seal(&core->authors[1], &event, 1, NULL, 0, &record);
    push(scene, 1, &record);
    gs_arena_close(&arena);
}

static void hold_a_batch(struct scene *scene) {
    scene->core.authors[2].clock = gs_hlc_from_ms(CORE_NOW_MS + 3600 * 1000);
    struct gs_buffer record = author_write(&scene->core, 2, "a", "[{'op':'increment','path':'/n','by':1}]", NULL);
    push(scene, 2, &record);
    assert_int_equal(core_stats(&scene->core).held, 1);
}

static void start_a_job(struct scene *scene) {
    int answered = 0;
    struct gs_command *command = gs_command_new(GS_COMMAND_SYNC);
    assert_non_null(command);
    command->owner = &answered;
    command->sync = (struct gs_sync_request){.ask = GS_SYNC_START, .mode = GS_SYNC_DELTA};
    core_ask(&scene->core, command);
    assert_int_equal(command->error, 0);
    char id[GS_SYNC_ID_SIZE];
    memcpy(id, command->sync.ret_id, sizeof id);
    command->sync = (struct gs_sync_request){.ask = GS_SYNC_CANCEL, .id = gs_slice_make(id, strlen(id))};
    command->json.length = 0;
    core_ask(&scene->core, command);
    assert_int_equal(command->error, 0);
    gs_command_free(command);
}

/* From the fixture's disk into the store. */
static void store_all(struct scene *scene, bool keep) {
    const struct gs_store_methods *methods = scene->store->store->methods;
    struct gs_core_note *notes = scene->core.notes;
    for (uint32_t i = 0; i < scene->core.disk_count; i++) {
        const struct gs_buffer *record = &scene->core.disk[i];
        assert_int_equal(methods->append(scene->store->store, gs_slice_make(record->bytes, record->length), 1), 0);
    }
    for (uint32_t i = 0; keep && i < scene->core.keep_count; i++) {
        assert_int_equal(methods->keep(scene->store->store, scene->core.keeps[i]), 0);
    }
    struct gs_problem problem = {0}; /* makes the directory */
    assert_int_equal(gs_notes_visit(scene->notes, NULL, NULL, &problem), 0);
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) {
        struct gs_buffer copy = {0};
        if (notes[i].name[0] == '\0') {
            continue;
        }
        gs_buffer_append(&copy, notes[i].bytes.bytes, notes[i].bytes.length);
        if (!gs_book_keeper_note(scene->books, notes[i].name, &copy)) {
            assert_int_equal(gs_notes_put(scene->notes, notes[i].name, gs_slice_make(copy.bytes, copy.length)), 0);
        }
        gs_buffer_close(&copy);
    }
    if (!store_fixture_is_memory(scene->store)) {
        store_fixture_close(scene->store);
        store_fixture_open(scene->store);
    }
}

static int visit_notes(void *context, gs_notes_fn visit, void *visit_context, struct gs_problem *problem) {
    struct scene *scene = context;
    return gs_book_keeper_visit(scene->books, scene->notes, visit, visit_context, problem);
}

static void ask(struct scene *scene, struct gs_core *core, struct gs_command *command) {
    struct gs_update update = {0};
    struct gs_core_event event = {
        .type = GS_CORE_COMMAND, .now_ms = scene->core.now_ms, .mono_ms = scene->core.mono_ms, .command = command};
    assert_int_equal(gs_core_step(core, &event, &update), 0);
    assert_int_equal(update.answer_count, 1);
    assert_int_equal(command->error, 0);
    gs_update_clear(&update);
}

/* Everything that is asked for, as one text; the caller frees it. */
static char *account(struct scene *scene, struct gs_core *core) {
    struct gs_buffer text = {0};
    static const enum gs_command_kind kinds[] = {GS_COMMAND_CONFLICTS, GS_COMMAND_QUARANTINE, GS_COMMAND_SYNC};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct gs_command *command = gs_command_new(kinds[i]);
        assert_non_null(command);
        command->list_limit = GS_LEDGER_PAGE_MAX;
        command->sync.ask = GS_SYNC_LIST;
        ask(scene, core, command);
        gs_buffer_printf(&text, "%llu of %llu;", (unsigned long long)command->conflict_count,
                         (unsigned long long)command->conflict_recorded);
        for (uint32_t j = 0; j < command->conflict_count; j++) {
            gs_buffer_append(&text, command->conflicts[j].json.bytes, command->conflicts[j].json.length);
        }
        gs_buffer_append(&text, command->json.bytes, command->json.length);
        gs_command_free(command);
    }
    gs_buffer_byte(&text, 0);
    assert_int_equal(text.failed, 0);
    return (char *)text.bytes;
}

static void assert_replayed(struct scene *scene, struct gs_core *core, uint8_t key) {
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':1}]")->idempotency = request(key);
    ask(scene, core, command);
    assert_true(command->results[0].replayed);
    gs_command_free(command);
}

static void assert_remembered(struct scene *scene, bool keep, uint8_t requests) {
    struct gs_core *core = NULL;
    struct gs_recovery_report report;
    struct gs_problem problem = {0};
    struct gs_update update = {0};
    const struct gs_recovery_notes notes = {.visit = visit_notes, .context = scene};
    char *before = account(scene, scene->core.core);
    store_all(scene, keep);
    struct gs_core_config config = scene->core.config;
    config.now_ms = scene->core.now_ms;
    int error = gs_recover_core(scene->store->store, &config, &notes, &core, &report, &problem);
    if (error != 0) {
        (void)fprintf(stderr, "%s\n", problem.detail);
    }
    assert_int_equal(error, 0);
    assert_true(report.used_kept == keep);
    struct gs_core_event start = {.type = GS_CORE_START, .now_ms = scene->core.now_ms, .mono_ms = scene->core.mono_ms};
    assert_int_equal(gs_core_step(core, &start, &update), 0);
    gs_update_clear(&update);
    char *after = account(scene, core);
    assert_string_equal(after, before);
    assert_non_null(strstr(after, "crossed_requests"));
    assert_non_null(strstr(after, "\"reason\":\"clock\""));
    assert_non_null(strstr(after, "\"cancelled\""));
    for (uint8_t key = 1; key <= requests; key++) {
        assert_replayed(scene, core, key);
    }
    free(before);
    free(after);
    gs_core_free(core);
}

static void test_from_the_log(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    open_scene(scene, *state);
    play(scene, 0);
    play(scene, 1);
    hold_a_batch(scene);
    start_a_job(scene);
    assert_remembered(scene, false, 2);
    close_scene(scene);
}

/* Some before what was kept, some after it. */
static void test_from_what_was_kept(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    open_scene(scene, *state);
    play(scene, 0);
    core_tick(&scene->core, 200);
    core_keep(&scene->core);
    play(scene, 1);
    hold_a_batch(scene);
    start_a_job(scene);
    assert_remembered(scene, true, 2);
    close_scene(scene);
}

#define ON_ALL(test)                                                                                \
    {"memory " #test, test, NULL, NULL, "memory"}, {"sqlite " #test, test, NULL, NULL, "sqlite"}, { \
        "postgres " #test, test, NULL, NULL, "postgres"                                             \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_ALL(test_from_the_log),
        ON_ALL(test_from_what_was_kept),
    };
    return cmocka_run_group_tests_name("memory of a node", tests, NULL, NULL);
}
