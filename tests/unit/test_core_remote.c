/* What peers bring: batches made by hand, good and bad, and what the core does with them. */
#include "tests/unit/core_fixture.h"

static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    assert_int_equal(core_start(fixture), 0);
    for (uint32_t i = 0; i < 2; i++) {
        core_link(fixture, i, NULL, 0);
        core_deliver(fixture, i, GS_BATCHES_LAST, NULL, 0);
    }
    *state = fixture;
    return 0;
}

static int close_linked(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

/* Nothing came of it: no commit, no head, no aggregate. */
static void assert_untouched(struct core_fixture *fixture, uint32_t author) {
    assert_int_equal(fixture->pending.number, 0);
    assert_int_equal(core_seq(fixture, &fixture->authors[author].origin), 0);
    assert_int_equal(core_stats(fixture).events_remote, 0);
    assert_int_equal(core_stats(fixture).aggregates, 0);
    assert_shows(fixture, "a", "");
}

static void assert_refused(struct core_fixture *fixture, uint32_t author, bool dropped) {
    assert_int_equal(core_stats(fixture).batches_refused, 1);
    assert_int_equal(core_stats(fixture).batches_held, 0);
    assert_int_equal(core_dropped(fixture, author), dropped);
    assert_untouched(fixture, author);
}

static void assert_held(struct core_fixture *fixture, uint32_t author) {
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(core_stats(fixture).batches_refused, 0);
    assert_false(core_dropped(fixture, author));
    assert_untouched(fixture, author);
}

static void test_a_good_batch_is_applied_and_stored_as_it_came(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
    assert_int_equal(gs_core_stored(fixture->core)->count, 0);
    core_settle(fixture);
    assert_int_equal(gs_core_stored(fixture->core)->count, 1);
    assert_int_equal(fixture->disk_count, 1);
    assert_int_equal(fixture->disk[0].length, record.length);
    assert_memory_equal(fixture->disk[0].bytes, record.bytes, record.length);
    assert_shows(fixture, "a", "{'n':3}");
    assert_int_equal(core_stats(fixture).events_remote, 1);
    core_push(fixture, 1, &record);
    assert_int_equal(core_stats(fixture).batches_duplicate, 1);
    assert_int_equal(fixture->pending.number, 0);
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&record);
}

/* The signature stands before the one byte of an empty list of detached data. */
static void spoil_signature(struct gs_buffer *record) {
    record->bytes[record->length - 2] ^= 1;
}

static void test_a_bad_signature_is_refused_and_the_link_dropped(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    spoil_signature(&record);
    core_push(fixture, 0, &record);
    assert_refused(fixture, 0, true);
    gs_buffer_close(&record);
}

static void test_a_known_origin_signs_every_batch(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    struct gs_buffer second = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':4}]", NULL);
    spoil_signature(&second);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    core_push(fixture, 1, &second);
    assert_true(core_dropped(fixture, 1));
    assert_int_equal(core_stats(fixture).batches_refused, 1);
    assert_int_equal(fixture->pending.number, 0);
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

static void assert_view_names(struct core_fixture *fixture, const char *text) {
    struct gs_command *command = core_read_a(fixture);
    char *json = calloc(1, command->views[0]->json.length + 1);
    memcpy(json, command->views[0]->json.bytes, command->views[0]->json.length);
    if (strstr(json, text) == NULL) {
        fail_msg("no %s in %s", text, json);
    }
    free(json);
    gs_command_free(command);
}

/* An origin that nobody has signed for must not take a region's plain name, nor a place in the registry. */
static void test_a_forged_incarnation_leaves_no_trace(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer good = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &good);
    core_settle(fixture);
    assert_view_names(fixture, "\"region-0\":1");
    struct test_author later = fixture->authors[0];
    static const uint8_t random[6] = {9};
    later.incarnation = gs_incarnation_make(CORE_NOW_MS, random);
    later.origin = gs_origin_derive(&later.keys.public_key, &later.incarnation);
    later.next_seq = 1;
    memset(&later.last_hash, 0, sizeof later.last_hash);
    struct gs_buffer forged = {0};
    test_author_batch(&later, 1, 0, &forged);
    spoil_signature(&forged);
    core_push(fixture, 1, &forged);
    assert_int_equal(core_stats(fixture).batches_refused, 1);
    core_write(fixture, "a", "[{'op':'increment','path':'/n','by':1}]");
    assert_view_names(fixture, "\"region-0\":1");
    gs_buffer_close(&good);
    gs_buffer_close(&forged);
}

static void test_a_broken_chain_is_a_fork(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author fork = fixture->authors[0];
    struct gs_buffer first = {0};
    struct gs_buffer other = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    test_author_batch(&fork, 1, 100, &other);
    other.length = 0;
    test_author_batch(&fork, 1, 0, &other);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    core_push(fixture, 1, &other);
    assert_int_equal(core_stats(fixture).forks, 1);
    assert_false(core_dropped(fixture, 1)); /* the origin did it, not who brings it */
    assert_int_equal(core_seq(fixture, &fork.origin), 1);
    assert_int_equal(fixture->pending.number, 0);
    gs_buffer_close(&first);
    gs_buffer_close(&other);
}

/* Last writers win by clock: an origin that signs events older than its own last ones would rewrite the past. */
static void test_clocks_must_not_go_back(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    gs_hlc before = fixture->authors[0].clock;
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    fixture->authors[0].clock = before; /* the second batch gets the first one's clock again */
    test_author_batch(&fixture->authors[0], 1, 0, &second);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    core_push(fixture, 0, &second);
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
    assert_int_equal(fixture->pending.number, 0);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

/* A broken chain may come out only when the gap before it is closed. */
static void test_a_broken_chain_in_the_queue_is_a_fork(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author fork = fixture->authors[0];
    struct gs_buffer first = {0};
    struct gs_buffer other = {0};
    test_author_batch(&fixture->authors[0], 1, 0, &first);
    test_author_batch(&fork, 1, 100, &other);
    other.length = 0;
    test_author_batch(&fork, 1, 0, &other);
    core_push(fixture, 1, &other);
    assert_true(core_stats(fixture).causal_bytes > 0);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    assert_int_equal(core_seq(fixture, &fork.origin), 1);
    assert_int_equal(core_stats(fixture).forks, 1);
    assert_int_equal(core_stats(fixture).causal_bytes, 0);
    gs_buffer_close(&first);
    gs_buffer_close(&other);
}

static void test_a_gap_waits_and_is_asked_for(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    struct gs_buffer second = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':4}]", NULL);
    core_push(fixture, 0, &second);
    assert_true(core_asked(fixture, 0));
    assert_true(core_stats(fixture).causal_bytes >= second.length);
    assert_untouched(fixture, 0);
    core_push(fixture, 0, &first);
    core_settle(fixture);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 2);
    assert_shows(fixture, "a", "{'n':7}");
    assert_int_equal(core_stats(fixture).causal_bytes, 0);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

static void test_a_batch_waits_for_its_deps(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer cause = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':1}]", NULL);
    struct gs_head dep = test_author_head(&fixture->authors[0]);
    struct gs_buffer effect = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':2}]", &dep);
    core_push(fixture, 1, &effect);
    assert_true(core_asked(fixture, 1)); /* of its origin nothing is known yet */
    assert_untouched(fixture, 1);
    core_push(fixture, 0, &cause);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'x':2}");
    assert_int_equal(fixture->disk_count, 2);
    assert_memory_equal(fixture->disk[0].bytes, cause.bytes, cause.length);
    gs_buffer_close(&cause);
    gs_buffer_close(&effect);
}

static bool asked_urgently(const struct core_fixture *fixture, uint32_t author) {
    bool asked = false;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        struct gs_message message = {0};
        const struct gs_core_send *send = &fixture->update.sends[i];
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        asked = asked ||
                (send->peer == author + 1 && message.kind == GS_MESSAGE_VECTOR && message.want == GS_VECTOR_URGENT);
        gs_message_close(&message);
    }
    return asked;
}

/* The origin of what is missing is linked to us and should have pushed it: half an interval is time enough. */
static void test_what_does_not_come_by_itself_is_asked_for(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer cause = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':1}]", NULL);
    struct gs_head dep = test_author_head(&fixture->authors[0]);
    struct gs_buffer effect = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':2}]", &dep);
    struct gs_buffer other = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':3}]", NULL);
    core_push(fixture, 0, &cause); /* the origin is known, its first batch there */
    core_settle(fixture);
    struct gs_head second = test_author_head(&fixture->authors[0]);
    struct gs_buffer later = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':4}]", &second);
    core_push(fixture, 1, &effect);
    core_push(fixture, 1, &later);
    assert_false(asked_urgently(fixture, 1));
    core_settle(fixture);
    uint64_t grace = fixture->config.sync_interval_ms / 2;
    assert_true(fixture->update.next_mono_ms <= fixture->mono_ms + grace);
    core_tick(fixture, grace - 1);
    assert_false(asked_urgently(fixture, 1));
    core_deliver(fixture, 1, GS_BATCHES_LAST, NULL, 0); /* it may have been its turn to be asked, as routine */
    core_tick(fixture, 1);
    assert_true(asked_urgently(fixture, 1));
    core_deliver(fixture, 1, GS_BATCHES_LAST, &other, 1);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'x':4}");
    gs_buffer_close(&cause);
    gs_buffer_close(&effect);
    gs_buffer_close(&other);
    gs_buffer_close(&later);
}

/* Nobody is going to push it. */
static void test_what_an_unlinked_origin_wrote_is_asked_for_at_once(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer cause = author_write(fixture, 2, "b", "[{'op':'set','path':'/x','value':1}]", NULL);
    struct gs_head dep = test_author_head(&fixture->authors[2]);
    struct gs_buffer effect = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':2}]", &dep);
    core_push(fixture, 1, &effect);
    assert_true(core_asked(fixture, 1));
    gs_buffer_close(&cause);
    gs_buffer_close(&effect);
}

static void test_another_cluster_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    fixture->authors[0].cluster = gs_cluster_from_name("other");
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    assert_refused(fixture, 0, true);
    gs_buffer_close(&record);
}

/* Trust files may differ for a while: the link stays. */
static void test_an_untrusted_origin_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    test_author_init(&fixture->authors[2], 77);
    struct gs_buffer record = author_write(fixture, 2, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    assert_refused(fixture, 2, false);
    gs_buffer_close(&record);
}

/* So that all regions end with the same of it. */
static void test_what_lies_before_a_cut_off_is_taken(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    struct gs_trust_entry *entry = &fixture->trust.entries[1];
    test_author_batch(&fixture->authors[0], 2, 0, &first);
    test_author_batch(&fixture->authors[0], 2, 0, &second);
    entry->revoked = true;
    entry->cut_count = 1;
    entry->cuts[0] = (struct gs_trust_cut){.origin = fixture->authors[0].origin, .seq = 3};
    core_push(fixture, 1, &first);
    core_push(fixture, 1, &second);
    core_settle(fixture);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 2);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

static void test_a_revoked_key_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    fixture->trust.entries[1].revoked = true;
    core_push(fixture, 1, &record);
    assert_refused(fixture, 0, false);
    gs_buffer_close(&record);
}

/* Later batches of the origin wait behind what is held, other origins go on. */
static void assert_others_go_on(struct core_fixture *fixture, uint32_t author) {
    struct gs_buffer next = author_write(fixture, author, "b", "[{'op':'set','path':'/x','value':1}]", NULL);
    core_push(fixture, author, &next);
    assert_int_equal(core_seq(fixture, &fixture->authors[author].origin), 0);
    struct gs_buffer other = author_write(fixture, 1 - author, "c", "[{'op':'set','path':'/x','value':2}]", NULL);
    core_push(fixture, 1 - author, &other);
    core_settle(fixture);
    assert_int_equal(core_seq(fixture, &fixture->authors[1 - author].origin), 1);
    assert_shows(fixture, "b", "");
    gs_buffer_close(&next);
    gs_buffer_close(&other);
}

static void test_a_false_past_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_event_change changes[2];
    struct gs_event events[2];
    struct test_author *author = &fixture->authors[0];
    struct test_author before = *author;
    events[0] = author_event(fixture, 0, "b", "[{'op':'increment','path':'/n','by':3}]", &changes[0], &arena);
    author->next_seq++;
    author->clock++;
    events[1] = author_event(fixture, 0, "a", "[{'op':'increment','path':'/n','by':4}]", &changes[1], &arena);
    assert_int_equal(changes[1].delta.previous, 1); /* true of one aggregate; these are two */
    *author = before;
    struct gs_buffer record = {0};
    test_author_seal(author, events, 2, NULL, 0, &record);
    core_push(fixture, 0, &record);
    assert_held(fixture, 0);
    assert_others_go_on(fixture, 0);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

/* Author 0 supersedes a value of author 1's; `dep` says whether it owns up to having seen it. */
static struct gs_buffer supersede(struct core_fixture *fixture, bool dep) {
    struct gs_buffer seen = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':1}]", NULL);
    assert_int_equal(gs_aggregate_join(fixture->replicas[0].state, fixture->replicas[1].state), 0);
    struct gs_head head = test_author_head(&fixture->authors[1]);
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'set','path':'/x','value':2}]", dep ? &head : NULL);
    core_push(fixture, 1, &seen);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'x':1}");
    gs_buffer_close(&seen);
    return record;
}

/* Although this node has applied what the batch claims: what counts is what the batch's own log says. */
static void test_a_claim_beyond_the_deps_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = supersede(fixture, false);
    core_push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(fixture->pending.number, 0);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 0);
    assert_shows(fixture, "a", "{'x':1}");
    gs_buffer_close(&record);
}

static void test_a_claim_within_the_deps_is_applied(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = supersede(fixture, true);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).batches_held, 0);
    assert_shows(fixture, "a", "{'x':2}");
    gs_buffer_close(&record);
}

/* Deps add up over an origin's batches. */
static void test_a_claim_within_earlier_deps_is_applied(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer seen = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':1}]", NULL);
    struct gs_head head = test_author_head(&fixture->authors[1]);
    struct gs_buffer first = author_write(fixture, 0, "b", "[{'op':'set','path':'/x','value':9}]", &head);
    gs_aggregate_free(fixture->replicas[0].state);
    fixture->replicas[0].state = gs_aggregate_new(NULL);
    assert_int_equal(gs_aggregate_join(fixture->replicas[0].state, fixture->replicas[1].state), 0);
    struct gs_buffer second = author_write(fixture, 0, "a", "[{'op':'set','path':'/x','value':2}]", NULL);
    core_push(fixture, 1, &seen);
    core_push(fixture, 0, &first);
    core_push(fixture, 0, &second);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).batches_held, 0);
    assert_shows(fixture, "a", "{'x':2}");
    gs_buffer_close(&seen);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
}

/* Author 0 supersedes in "a" what author 1 did in "b". Were it taken, author 1's next event in "a", which names its own
 * last one there, would look as if one were missing. */
static void test_a_claim_of_what_happened_elsewhere_is_held(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_buffer record = {0};
    struct gs_event_change change;
    struct gs_buffer here = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':1}]", NULL);
    struct gs_aggregate *only_here = fixture->replicas[1].state;
    fixture->replicas[1].state = gs_aggregate_new(NULL);
    struct gs_buffer there = author_write(fixture, 1, "b", "[{'op':'set','path':'/x','value':2}]", NULL);
    struct gs_head head = test_author_head(&fixture->authors[1]);
    assert_int_equal(gs_aggregate_join(fixture->replicas[0].state, fixture->replicas[1].state), 0);
    struct gs_event event = author_event(fixture, 0, "a", "[{'op':'unset','path':'/x'}]", &change, &arena);
    test_author_seal(&fixture->authors[0], &event, 1, &head, 1, &record);
    gs_aggregate_free(fixture->replicas[1].state);
    fixture->replicas[1].state = only_here;
    struct gs_buffer next = author_write(fixture, 1, "a", "[{'op':'set','path':'/x','value':3}]", NULL);
    core_push(fixture, 1, &here);
    core_settle(fixture);
    core_push(fixture, 1, &there);
    core_settle(fixture);
    core_push(fixture, 0, &record);
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 0);
    core_push(fixture, 1, &next);
    core_settle(fixture);
    assert_int_equal(core_stats(fixture).batches_held, 1);
    assert_int_equal(core_seq(fixture, &fixture->authors[1].origin), 3);
    assert_shows(fixture, "a", "{'x':3}");
    gs_buffer_close(&here);
    gs_buffer_close(&there);
    gs_buffer_close(&record);
    gs_buffer_close(&next);
    gs_arena_close(&arena);
}

static void test_a_batch_from_the_future_is_held_until_it_is_due(void **state) {
    struct core_fixture *fixture = *state;
    fixture->authors[0].clock = gs_hlc_from_ms(CORE_NOW_MS + 70000);
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    assert_held(fixture, 0);
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "b", "[{'op':'set','path':'/x','value':1}]");
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(gs_hlc_ms(command->results[0].clock), CORE_NOW_MS); /* our clock has not moved */
    gs_command_free(command);
    core_tick(fixture, 9999);
    assert_shows(fixture, "a", "");
    core_tick(fixture, 1);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&record);
}

static void test_a_batch_moves_the_clock(void **state) {
    struct core_fixture *fixture = *state;
    fixture->authors[0].clock = gs_hlc_from_ms(CORE_NOW_MS + 50000);
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "b", "[{'op':'set','path':'/x','value':1}]");
    core_ask(fixture, command);
    core_settle(fixture);
    assert_true(command->results[0].clock > fixture->authors[0].clock);
    gs_command_free(command);
    gs_buffer_close(&record);
}

static void test_altered_detached_data_is_refused(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = {0};
    test_author_batch(&fixture->authors[0], 1, 100, &record);
    record.bytes[record.length - 1] ^= 1;
    core_push(fixture, 0, &record);
    assert_refused(fixture, 0, true);
    record.bytes[record.length - 1] ^= 1;
    core_push(fixture, 1, &record); /* and taken from somebody else */
    assert_int_equal(core_seq(fixture, &fixture->authors[0].origin), 1);
    core_settle(fixture);
    gs_buffer_close(&record);
}

/* A batch that is sealed without its detached data, with another list beside it. */
static struct gs_buffer with_list(const struct gs_buffer *record, const char *list, size_t length) {
    struct gs_buffer other = {0};
    gs_buffer_append(&other, record->bytes, record->length - 1);
    gs_buffer_append(&other, list, length);
    return other;
}

/* The origin signed the hash of two bytes that are no detached data. Nodes that got them and nodes that did not must do
 * the same; a list that the origin cannot have made is the link's fault. */
static void test_signed_nonsense_beside_a_batch_counts_as_erased(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_event_change change;
    struct gs_event event = author_event(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", &change, &arena);
    struct gs_buffer erased = {0};
    event.has_detached = true;
    gs_detached_hash(gs_slice_make("\xc1\xc1", 2), &event.detached_hash);
    test_author_seal(&fixture->authors[0], &event, 1, NULL, 0, &erased);
    struct gs_buffer junk = with_list(&erased, "\x92\x05\xc4\x02\xc1\xc1", 6); /* there is no event 5 */
    core_push(fixture, 0, &junk);
    assert_refused(fixture, 0, true);
    struct gs_buffer signed_nonsense = with_list(&erased, "\x92\x00\xc4\x02\xc1\xc1", 6);
    core_push(fixture, 1, &signed_nonsense);
    assert_false(core_dropped(fixture, 1));
    assert_int_equal(core_stats(fixture).batches_held, 0);
    core_settle(fixture);
    assert_shows(fixture, "a", "{'n':3}");
    gs_buffer_close(&erased);
    gs_buffer_close(&junk);
    gs_buffer_close(&signed_nonsense);
    gs_arena_close(&arena);
}

static void test_garbage_drops_the_link(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer garbage = {0};
    gs_buffer_text(&garbage, "\x93\x02\x02\x91\xc0");
    core_step(fixture,
              (struct gs_core_event){.type = GS_CORE_MESSAGE,
                                     .peer = {.peer = 1, .message = gs_slice_make(garbage.bytes, garbage.length)}});
    assert_refused(fixture, 0, true);
    gs_buffer_close(&garbage);
}

/* Origins push their own batches; what a peer lacks for longer than that takes, it gets from us. */
static void test_a_third_partys_batch_is_relayed_when_it_is_missing_for_long(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    core_tell(fixture, 1, GS_VECTOR_WANT, NULL, 0);
    assert_int_equal(fixture->update.log_read_count, 0);
    for (int i = 0; i < 2; i++) {
        core_tick(fixture, 1000);
        core_tell(fixture, 1, GS_VECTOR_WANT, NULL, 0);
    }
    assert_int_equal(fixture->update.log_read_count, 1);
    assert_int_equal(gs_vector_seq(&fixture->update.log_reads[0].have, &fixture->authors[0].origin), 0);
    gs_buffer_close(&record);
}

static void test_an_urgent_vector_is_answered_in_full(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_buffer record = author_write(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", NULL);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    core_tell(fixture, 1, GS_VECTOR_URGENT, NULL, 0);
    assert_int_equal(fixture->update.log_read_count, 1);
    gs_buffer_close(&record);
}

/* An event of another region answers for its request here, too. */
static void test_a_request_known_from_elsewhere_is_replayed(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_arena arena = {0};
    struct gs_event_change change;
    fixture->authors[0].clock = gs_hlc_from_ms(CORE_NOW_MS);
    struct gs_event event = author_event(fixture, 0, "a", "[{'op':'increment','path':'/n','by':3}]", &change, &arena);
    event.idempotency = (struct gs_idempotency){.present = true, .key = {7}, .item = 2, .request = {8}};
    struct gs_buffer record = {0};
    test_author_seal(&fixture->authors[0], &event, 1, NULL, 0, &record);
    core_push(fixture, 0, &record);
    core_settle(fixture);
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, "a", "[{'op':'increment','path':'/n','by':3}]")->idempotency = event.idempotency;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    assert_true(command->results[0].replayed);
    assert_true(gs_origin_equal(&command->results[0].origin, &fixture->authors[0].origin));
    assert_int_equal(command->results[0].changes[0].version, 1);
    assert_shows(fixture, "a", "{'n':3}");
    gs_command_free(command);
    gs_buffer_close(&record);
    gs_arena_close(&arena);
}

#define LINKED(name) cmocka_unit_test_setup_teardown(name, open_linked, close_linked)

int main(void) {
    const struct CMUnitTest tests[] = {
        LINKED(test_a_good_batch_is_applied_and_stored_as_it_came),
        LINKED(test_a_bad_signature_is_refused_and_the_link_dropped),
        LINKED(test_a_known_origin_signs_every_batch),
        LINKED(test_a_forged_incarnation_leaves_no_trace),
        LINKED(test_a_broken_chain_is_a_fork),
        LINKED(test_clocks_must_not_go_back),
        LINKED(test_a_broken_chain_in_the_queue_is_a_fork),
        LINKED(test_a_gap_waits_and_is_asked_for),
        LINKED(test_a_batch_waits_for_its_deps),
        LINKED(test_another_cluster_is_refused),
        LINKED(test_what_does_not_come_by_itself_is_asked_for),
        LINKED(test_what_an_unlinked_origin_wrote_is_asked_for_at_once),
        LINKED(test_an_untrusted_origin_is_refused),
        LINKED(test_a_revoked_key_is_refused),
        LINKED(test_what_lies_before_a_cut_off_is_taken),
        LINKED(test_a_false_past_is_held),
        LINKED(test_a_claim_beyond_the_deps_is_held),
        LINKED(test_a_claim_within_the_deps_is_applied),
        LINKED(test_a_claim_within_earlier_deps_is_applied),
        LINKED(test_a_claim_of_what_happened_elsewhere_is_held),
        LINKED(test_a_batch_from_the_future_is_held_until_it_is_due),
        LINKED(test_a_batch_moves_the_clock),
        LINKED(test_altered_detached_data_is_refused),
        LINKED(test_signed_nonsense_beside_a_batch_counts_as_erased),
        LINKED(test_garbage_drops_the_link),
        LINKED(test_a_third_partys_batch_is_relayed_when_it_is_missing_for_long),
        LINKED(test_an_urgent_vector_is_answered_in_full),
        LINKED(test_a_request_known_from_elsewhere_is_replayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
