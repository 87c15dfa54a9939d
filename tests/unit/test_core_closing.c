/* Origins that have ended: who may close them, on what proof, and what is taken of them afterwards. Author 0 has ended
 * its first life and goes on with a second; author 1 may depend on more of the first than we have; we are a member with
 * a vote. */
#include "tests/unit/core_fixture.h"

#include <sodium.h>

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 1, NULL, 0);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* Another life of the author's key, that begins at `ms`. */
static struct test_author life_of(const struct test_author *author, uint64_t ms) {
    static const uint8_t random[6] = {9};
    struct test_author life = *author;
    life.incarnation = gs_incarnation_make(ms, random);
    life.origin = gs_origin_derive(&life.keys.public_key, &life.incarnation);
    life.next_seq = 1;
    memset(&life.last_hash, 0, sizeof life.last_hash);
    return life;
}

static int compare_heads(const void *a, const void *b) {
    return gs_origin_compare(&((const struct gs_head *)a)->origin, &((const struct gs_head *)b)->origin);
}

/* A batch of an event that sets /NAME of gs.origin/OF to `value`. `previous`: the author's event on it before. */
static struct gs_buffer decide(struct test_author *author, const gs_origin *of, const char *name, uint64_t value,
                               uint64_t previous, const struct gs_head *deps, uint32_t dep_count) {
    char id[2 * GS_ORIGIN_SIZE + 1];
    struct gs_buffer number = {0};
    struct gs_buffer record = {0};
    sodium_bin2hex(id, sizeof id, of->bytes, GS_ORIGIN_SIZE);
    gs_write_uint(&number, value);
    struct gs_slice path = gs_slice_make(name, strlen(name));
    struct gs_change set = {.kind = GS_OP_SET, .path = {.depth = 1, .names = &path}};
    set.value = gs_slice_make(number.bytes, number.length);
    gs_dot seen = {.origin = author->origin, .at = {previous, 0}};
    if (previous > 0 && strcmp(name, "closing") == 0) {
        set.dots = &seen;
        set.dot_count = 1;
    }
    struct gs_event_change change = {.aggregate_type = gs_slice_make("gs.origin", 9),
                                     .aggregate_id = gs_slice_make(id, sizeof id - 1)};
    struct gs_event event = {.event_type = gs_slice_make("t", 1), .change_count = 1, .changes = &change};
    event.seq = author->next_seq;
    event.clock = author->clock + 1;
    change.delta = (struct gs_delta){.origin = author->origin,
                                     .seq = event.seq,
                                     .previous = previous,
                                     .clock = event.clock,
                                     .count = 1,
                                     .changes = &set};
    struct gs_head sorted[3];
    assert_true(dep_count <= 3);
    memcpy(sorted, deps, dep_count * sizeof *deps);
    qsort(sorted, dep_count, sizeof *sorted, compare_heads);
    test_author_seal(author, &event, 1, sorted, dep_count, &record);
    gs_buffer_close(&number);
    return record;
}

static void push(struct core_fixture *fixture, uint32_t link, struct gs_buffer *record) {
    core_push(fixture, link, record);
    core_settle(fixture);
    gs_buffer_close(record);
}

/* What we have written last. */
static struct gs_head our_head(const struct core_fixture *fixture) {
    gs_origin origin = gs_core_origin(fixture->core);
    const struct gs_head *head = gs_vector_find(gs_core_stored(fixture->core), &origin);
    assert_non_null(head);
    return *head;
}

/* Two batches of the first life of author 0, of which we have one, and a proposal of the second to close it. */
static struct test_author propose(struct core_fixture *fixture, struct gs_buffer *ret_late) {
    struct test_author *first = &fixture->authors[0];
    struct gs_buffer record = {0};
    test_author_batch(first, 1, 0, &record);
    push(fixture, 0, &record);
    struct gs_head known = test_author_head(first);
    test_author_batch(first, 1, 0, ret_late);
    struct test_author second = life_of(first, CORE_NOW_MS);
    record = decide(&second, &first->origin, "closing", 1, 0, &known, 1);
    push(fixture, 0, &record);
    assert_int_equal(core_seq(fixture, &second.origin), 1);
    return second;
}

/* We say what we have applied. */
static void vote(struct core_fixture *fixture) {
    core_tick(fixture, 6000);
    core_settle(fixture);
}

/* The second life closes the first at `final`, depending on these. */
static void conclude(struct core_fixture *fixture, struct test_author *second, uint64_t final,
                     const struct gs_head *deps, uint32_t count) {
    struct gs_buffer record = decide(second, &fixture->authors[0].origin, "closed", final, 1, deps, count);
    push(fixture, 0, &record);
}

static bool is_closed(const struct core_fixture *fixture, uint64_t *ret_final) {
    return gs_core_closed(fixture->core, &fixture->authors[0].origin, ret_final);
}

static void test_nothing_is_taken_after_a_proposal(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    propose(fixture, &late);
    push(fixture, 0, &late);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
    assert_int_equal(core_stats(fixture).held, 0);
}

static void test_what_another_region_depends_on_is_taken(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    struct test_author second = propose(fixture, &late);
    vote(fixture);
    struct gs_head known = test_author_head(&fixture->authors[0]);
    struct gs_buffer record = author_write(fixture, 1, "a", "[{'op':'increment','path':'/n','by':3}]", &known);
    core_push(fixture, 1, &record);
    gs_buffer_close(&record);
    push(fixture, 1, &late);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 2);
    assert_shows(fixture, "a", "{'n':3}");
    /* Our vote is older: the closing must wait for the vote of author 1, of whom its writer has heard. */
    struct gs_head deps[3] = {our_head(fixture), known, test_author_head(&fixture->authors[1])};
    struct test_author early = second;
    conclude(fixture, &early, 2, deps, 3);
    uint64_t final = 0;
    assert_false(is_closed(fixture, &final));
    assert_int_equal(core_stats(fixture).held, 1);
}

static void test_a_closing_that_is_proved_counts(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    uint64_t final = 0;
    struct test_author second = propose(fixture, &late);
    vote(fixture);
    struct gs_head ours = our_head(fixture);
    conclude(fixture, &second, 1, &ours, 1);
    assert_true(is_closed(fixture, &final));
    assert_int_equal(final, 1);
    push(fixture, 0, &late); /* shown, and never taken */
    assert_int_equal(core_stats(fixture).held, 1);
    core_restart(fixture);
    assert_true(is_closed(fixture, &final));
    core_tick(fixture, 1000);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
}

static void test_what_depends_on_what_lies_beyond_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    struct test_author second = propose(fixture, &late);
    vote(fixture);
    struct gs_head ours = our_head(fixture);
    conclude(fixture, &second, 1, &ours, 1);
    struct gs_head beyond = test_author_head(&fixture->authors[0]);
    struct gs_buffer record = author_write(fixture, 1, "a", "[{'op':'increment','path':'/n','by':3}]", &beyond);
    push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_int_equal(core_stats(fixture).causal_bytes, 0);
    gs_buffer_close(&late);
}

static void test_a_closing_without_votes_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    uint64_t final = 0;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_head before = our_head(fixture);
    struct test_author second = propose(fixture, &late);
    conclude(fixture, &second, 1, &before, 1); /* it has heard of us, and not waited */
    assert_false(is_closed(fixture, &final));
    assert_int_equal(core_stats(fixture).held, 1);
    gs_buffer_close(&late);
}

static void test_a_closing_at_another_seq_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer late = {0};
    uint64_t final = 0;
    struct test_author second = propose(fixture, &late);
    vote(fixture);
    struct gs_head ours = our_head(fixture);
    conclude(fixture, &second, 2, &ours, 1);
    assert_false(is_closed(fixture, &final));
    assert_int_equal(core_stats(fixture).held, 1);
    gs_buffer_close(&late);
}

static void test_only_a_later_life_may_propose(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &record);
    push(fixture, 0, &record);
    struct gs_head known = test_author_head(&fixture->authors[0]);
    struct test_author earlier = life_of(&fixture->authors[0], 1);
    record = decide(&earlier, &fixture->authors[0].origin, "closing", 1, 0, &known, 1);
    push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    record = decide(&fixture->authors[1], &fixture->authors[0].origin, "closing", 1, 0, &known, 1);
    push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).held, 2);
}

/* Our own earlier life: closed once all that we trust have voted, those that we have not heard of, too. */
static void test_our_own_earlier_life_is_closed(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_head ended = our_head(fixture);
    fixture->config.close_after_ms = 3000;
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) { /* so that the start begins anew */
        gs_buffer_close(&fixture->notes[i].bytes);
        fixture->notes[i] = (struct gs_core_note){0};
    }
    core_restart(fixture);
    core_tick(fixture, 2999);
    core_settle(fixture);
    assert_null(gs_vector_find(gs_core_stored(fixture->core), &(gs_origin){.bytes = {0}}));
    assert_int_equal(gs_core_stored(fixture->core)->count, 1);
    core_tick(fixture, 1);
    core_settle(fixture);
    struct gs_head proposal = our_head(fixture);
    assert_int_equal(proposal.seq, 1);
    uint64_t final = 0;
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_tick(fixture, 1000);
        core_settle(fixture);
        assert_false(gs_core_closed(fixture->core, &ended.origin, &final));
        struct gs_buffer record = author_write(fixture, i, "a", "[{'op':'set','path':'/x','value':1}]", &proposal);
        core_link(fixture, i, NULL, 0);
        push(fixture, i, &record);
    }
    core_tick(fixture, 1000);
    core_settle(fixture);
    assert_true(gs_core_closed(fixture->core, &ended.origin, &final));
    assert_int_equal(final, 1);
}

static void test_our_own_origin_ends_when_it_is_to_be_closed(void **state) {
    struct core_fixture *fixture = *state;
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    struct gs_head ours = our_head(fixture);
    struct test_author twin = fixture->authors[0];
    twin.keys = fixture->config.keys;
    twin = life_of(&twin, CORE_NOW_MS + 5);
    struct gs_buffer record = decide(&twin, &ours.origin, "closing", 1, 0, &ours, 1);
    push(fixture, 0, &record);
    gs_origin now = gs_core_origin(fixture->core);
    assert_false(gs_origin_equal(&now, &ours.origin));
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    assert_int_equal(core_seq(fixture, &ours.origin), 1);
}

/* A batch that takes over two rights of the first life of author 0 in /n of t/a. */
static struct gs_buffer take_over(struct core_fixture *fixture, struct test_author *author, const struct gs_head *dep,
                                  uint64_t previous) {
    struct gs_buffer record = {0};
    struct gs_slice path = gs_slice_make("n", 1);
    struct gs_change change = {.kind = GS_OP_TAKEOVER, .path = {.depth = 1, .names = &path}, .by = 2};
    change.before = previous > 0 ? 2 : 0;
    change.target = fixture->authors[0].origin;
    struct gs_event_change changes = {.aggregate_type = gs_slice_make("t", 1), .aggregate_id = gs_slice_make("a", 1)};
    struct gs_event event = {.event_type = gs_slice_make("t", 1), .change_count = 1, .changes = &changes};
    event.seq = author->next_seq;
    event.clock = author->clock + 1;
    changes.delta = (struct gs_delta){.origin = author->origin,
                                      .seq = event.seq,
                                      .previous = previous,
                                      .clock = event.clock,
                                      .count = 1,
                                      .changes = &change};
    test_author_seal(author, &event, 1, dep, dep != NULL, &record);
    return record;
}

static void test_only_an_heir_takes_over(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author *first = &fixture->authors[0];
    struct gs_buffer record =
        author_write(fixture, 0, "a", "[{'op':'create','path':'/n','type':'bounded_counter','initial':3}]", NULL);
    push(fixture, 0, &record);
    struct gs_head known = test_author_head(first);
    struct test_author second = life_of(first, CORE_NOW_MS);
    record = decide(&second, &first->origin, "closing", 1, 0, &known, 1);
    push(fixture, 0, &record);
    struct test_author early = second;
    record = take_over(fixture, &early, NULL, 0); /* it has not closed it yet */
    push(fixture, 0, &record);
    record = take_over(fixture, &fixture->authors[1], &known, 0);
    push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).held, 2);
    assert_shows(fixture, "a", "{'n':3}");
}

static void test_an_heir_takes_over(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author *first = &fixture->authors[0];
    struct gs_buffer record =
        author_write(fixture, 0, "a", "[{'op':'create','path':'/n','type':'bounded_counter','initial':3}]", NULL);
    push(fixture, 0, &record);
    struct gs_head known = test_author_head(first);
    struct test_author second = life_of(first, CORE_NOW_MS);
    record = decide(&second, &first->origin, "closing", 1, 0, &known, 1);
    push(fixture, 0, &record);
    vote(fixture);
    struct gs_head ours = our_head(fixture);
    conclude(fixture, &second, 1, &ours, 1);
    record = take_over(fixture, &second, NULL, 0);
    push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).held, 0);
    struct test_author twice = second;
    record = take_over(fixture, &twice, NULL, second.next_seq - 1); /* one right is left */
    push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).held, 1);
    assert_shows(fixture, "a", "{'n':3}");
}

#define CLOSING(test) cmocka_unit_test_setup_teardown(test, open_linked, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        CLOSING(test_nothing_is_taken_after_a_proposal),
        CLOSING(test_what_another_region_depends_on_is_taken),
        CLOSING(test_a_closing_that_is_proved_counts),
        CLOSING(test_what_depends_on_what_lies_beyond_is_held),
        CLOSING(test_a_closing_without_votes_is_held),
        CLOSING(test_a_closing_at_another_seq_is_held),
        CLOSING(test_only_a_later_life_may_propose),
        CLOSING(test_only_an_heir_takes_over),
        CLOSING(test_an_heir_takes_over),
        CLOSING(test_our_own_earlier_life_is_closed),
        CLOSING(test_our_own_origin_ends_when_it_is_to_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
